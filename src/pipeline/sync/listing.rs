//! The listing of the window: what of it has to be read, what is missing in it, and what it cannot
//! show.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, Shortfall, Step};
use crate::model::{Entry, Fault, Found, Listing, Meeting, RecordKey};
use crate::pipeline::limits::SKIPPED_ITEMS;
use crate::pipeline::seal::Tag;
use crate::pipeline::window::Window;

impl Pass {
    /// Takes what the last listing of this mailbox could not show. To be said before anything
    /// comes back; unsaid, a window that was not read to its end is listed again.
    pub fn remember(&mut self, shortfall: Shortfall) {
        self.shortfall = shortfall;
        let known = Some(self.read_window()) == self.loaded.window;
        if !known {
            self.shortfall.from = None;
        } else if self.cursor.is_some() && !self.loaded.resend {
            (self.whole, self.list_due) = (false, false);
        }
    }

    /// What the last listing could not show.
    pub fn shortfall(&self) -> Shortfall {
        self.shortfall
    }

    /// Takes what was left out before, as it could not be read. To be said before anything comes
    /// back.
    pub fn remember_skipped(&mut self, skipped: BTreeSet<Tag>) {
        self.skipped = skipped;
    }

    /// What is left out as it cannot be read: at most [`SKIPPED_ITEMS`] are known by name.
    pub fn skipped(&self) -> &BTreeSet<Tag> {
        &self.skipped
    }

    /// An item was read, or could not be.
    pub(super) fn skips(&mut self, found: &Found) {
        let unreadable = matches!(found, Found::Unreadable(..));
        if !unreadable && self.skipped.is_empty() {
            return;
        }
        let item = match found {
            Found::Meeting(meeting) => &meeting.item,
            Found::Master { item, .. } | Found::Missing(item) | Found::Other(item) => item,
            Found::Unreadable(item, _) => item,
        };
        let item = self.installation.item_tag(item);
        if !unreadable {
            self.skipped.remove(&item);
        } else if self.skipped.len() < SKIPPED_ITEMS {
            self.skipped.insert(item);
        }
    }

    /// The part of the window that counts as read.
    pub(super) fn read_window(&self) -> Window {
        let to = if self.ill { Some(self.window.from) } else { self.shortfall.from };
        Window { to: to.map_or(self.window.to, |to| to.min(self.window.to)), ..self.window }
    }

    /// Whether a meeting belongs to what is looked after, also where nothing of it is shown.
    pub(super) fn holds(&self, meeting: &Meeting) -> bool {
        let cut = self.shortfall.from.is_some_and(|from| meeting.start >= from);
        self.window.shows(meeting) && !cut
    }

    pub(super) fn listed(&mut self, listing: Listing) -> Result<Step, Fault> {
        self.listed = true;
        let Listing { mut entries, complete } = listing;
        entries.retain(|entry| self.window.touches(entry.start, entry.end));
        entries.sort_by_key(|entry| entry.start);
        let from = entries.get(self.most).map(|entry| entry.start);
        entries.retain(|entry| from.is_none_or(|from| entry.start < from));
        self.shortfall = Shortfall { from, crowded: !complete };
        // Whatever else of the window cannot be read is asked for again now.
        let unread = self.unread.iter().map(|item| self.installation.item_tag(item));
        let unread: BTreeSet<_> = unread.collect();
        self.skipped.retain(|item| !complete || unread.contains(item));
        let mut known: BTreeMap<Tag, Vec<(Tag, RecordKey)>> = BTreeMap::new();
        for row in self.index.all().chain(self.staged.values().map(|(row, _)| row)) {
            let of_item = known.entry(row.item).or_default();
            of_item.retain(|(_, key)| *key != row.key);
            of_item.push((row.version, row.key.clone()));
        }
        let mut seen = BTreeSet::new();
        for entry in entries {
            let item = self.installation.item_tag(&entry.item);
            if let Some(rows) = known.get(&item) {
                seen.extend(rows.iter().map(|(_, key)| key.clone()));
                if !self.is_stale(&entry, rows) {
                    continue;
                }
            }
            if !self.unread.contains(&entry.item) {
                self.wanted.push_back(entry.item);
            }
        }
        // Of what was listed in part nothing is missing for certain. But whatever is not sent again
        // when everything is, the cloud forgets.
        if complete || self.loaded.resend {
            self.remove_unseen(&seen);
        }
        self.next_read()
    }

    /// Whether an item is to be read again; `rows` are versions and keys of its records.
    fn is_stale(&self, entry: &Entry, rows: &[(Tag, RecordKey)]) -> bool {
        let Entry { item, version: named, start, end, .. } = entry;
        let version = self.version(item, named, *start, *end);
        let series = self.series_tag(entry.uid.reveal());
        let stale = |(had, key): &(Tag, RecordKey)| {
            *had != version
                || self.removed.contains_key(key)
                || (self.loaded.resend && !self.staged.contains_key(key))
        };
        // Which of two records is the item's shows when it is read.
        let again = self.series.contains(&series) || rows.len() > 1;
        again || version == Tag::default() || rows.iter().any(stale)
    }

    fn remove_unseen(&mut self, seen: &BTreeSet<RecordKey>) {
        let missing: Vec<_> = self
            .index
            .all()
            .chain(self.staged.values().map(|(row, _)| row))
            .filter(|row| !seen.contains(&row.key))
            .map(|row| (row.series, row.key.clone()))
            .collect();
        for (series, key) in missing {
            self.remove(series, &key);
        }
    }
}
