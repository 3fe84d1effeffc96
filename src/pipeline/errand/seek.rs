//! Which item of a calendar a record is.

use std::sync::Arc;

use crate::model::{Entry, Found, ItemId, Listing, Plain, Reach, RecordKey, Time, UserId};
use crate::pipeline::limits::{ITEMS_PER_ASK, SOUGHT_ITEMS};
use crate::pipeline::record;
use crate::pipeline::seal::Installation;

/// Whose record is sought.
#[derive(Debug)]
pub(super) struct Seek {
    pub(super) installation: Arc<Installation>,
    pub(super) user: UserId,
    pub(super) id: RecordKey,
}

/// What a listing says of it.
pub(super) enum Sought {
    /// This is it, or an occurrence of it.
    At(ItemId, Reach),
    /// One of these may be it.
    Among(Vec<ItemId>),
    /// It is not there.
    Absent,
}

impl Seek {
    /// Among what begins then.
    pub(super) fn at(&self, start: Time, listing: &Listing) -> Sought {
        let then: Vec<_> = listing.entries.iter().filter(|one| one.start == start).collect();
        for entry in &then {
            if self.key(&entry.uid, None) == self.id {
                let reach = if entry.recurring { Reach::Series } else { Reach::Item };
                return Sought::At(entry.item.clone(), reach);
            }
            if entry.recurring && self.key(&entry.uid, Some(entry.start)) == self.id {
                return Sought::At(entry.item.clone(), Reach::Item);
            }
        }
        // An occurrence that was moved, or a single one of a series to which its owner was invited.
        let rest: Vec<_> = then.iter().map(|one| one.item.clone()).take(ITEMS_PER_ASK).collect();
        if rest.is_empty() { Sought::Absent } else { Sought::Among(rest) }
    }

    /// Whenever it begins: a single meeting, or a series as a whole.
    pub(super) fn whenever(&self, listing: &Listing) -> Sought {
        let meant = |uid: &Plain| self.key(uid, None) == self.id;
        match listing.entries.iter().find(|entry| meant(&entry.uid)) {
            Some(entry) if entry.recurring => Sought::At(entry.item.clone(), Reach::Series),
            Some(entry) => Sought::At(entry.item.clone(), Reach::Item),
            None => Sought::Absent,
        }
    }

    /// Around the time at which it once began, the nearest first. Of an occurrence that was moved
    /// only its item tells where the pattern had put it.
    pub(super) fn around(&self, start: Time, listing: &Listing) -> Sought {
        let mut entries: Vec<_> = listing.entries.iter().collect();
        entries.sort_by_key(|one| one.start.since(start).as_ms() + start.since(one.start).as_ms());
        for entry in &entries {
            if self.key(&entry.uid, None) == self.id {
                let reach = if entry.recurring { Reach::Series } else { Reach::Item };
                return Sought::At(entry.item.clone(), reach);
            }
            if entry.recurring && self.key(&entry.uid, Some(entry.start)) == self.id {
                return Sought::At(entry.item.clone(), Reach::Item);
            }
        }
        // The pattern had put it there: it stands somewhere else in its series now.
        let of_series = |one: &&Entry| one.recurring && self.key(&one.uid, Some(start)) == self.id;
        if entries.iter().any(&of_series) {
            entries.retain(of_series);
        }
        let items: Vec<_> = entries.iter().map(|one| one.item.clone()).take(SOUGHT_ITEMS).collect();
        if items.is_empty() { Sought::Absent } else { Sought::Among(items) }
    }

    /// The item of those that were asked for.
    pub(super) fn among(&self, found: &[Found]) -> Sought {
        let meant = found.iter().find_map(|one| match one {
            Found::Meeting(meeting) => {
                let key = record::key(&self.installation, &self.user, meeting);
                (key == self.id).then(|| meeting.item.clone())
            }
            _ => None,
        });
        meant.map_or(Sought::Absent, |item| Sought::At(item, Reach::Item))
    }

    fn key(&self, uid: &Plain, original: Option<Time>) -> RecordKey {
        self.installation.record_key(&self.user, uid, original)
    }
}
