//! The simulated Exchange: calendars in memory, a feed of changes, listings, items, doorbells.
//!
//! Faults it plays by itself: cursors that it refuses (a mailbox was restored), items that vanish
//! between page and reading, an item that moves to another id, deletions of items that nobody ever
//! saw, mailboxes that are denied or gone. Where mailboxes are is told in `places`; busy servers,
//! slow answers and lost notifications are the play's part.

use std::collections::BTreeMap;

use calway::model::{
    Change, Cursor, Entry, Fault, Found, ItemId, MeetingKind, Next, Page, Plain, Span, Time,
};
use calway::pipeline::window::Window;

use super::dice::Dice;
use super::meetings::{Facts, Series, alter, facts, meeting, series};

/// What must never be seen outside: every personal text holds it.
pub const CANARY: &str = "kanari";

#[derive(Clone, Debug)]
enum Item {
    Single(Facts),
    Series(Series),
    /// A mail that somebody dragged into the calendar.
    Stray,
}

#[derive(Clone, Debug)]
struct Held {
    item: Item,
    version: u64,
}

/// One mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    items: BTreeMap<String, Held>,
    log: Vec<Change>,
    generation: u64,
    /// Our account may not read it.
    pub denied: bool,
    /// It is not there.
    pub gone: bool,
}

/// All mailboxes.
#[derive(Debug)]
pub struct Exchange {
    /// By address.
    pub mailboxes: BTreeMap<String, Mailbox>,
    serial: u64,
    /// Changes of one page.
    pub page: usize,
    /// The provider names no versions.
    pub versionless: bool,
    /// The feed shows only the present state of what it names.
    pub coalescing: bool,
}

impl Exchange {
    /// No mailboxes yet.
    pub fn new(dice: &mut Dice) -> Self {
        Self {
            mailboxes: BTreeMap::new(),
            serial: 0,
            page: if dice.one_in(3) { 512 } else { dice.of(2..24) as usize },
            versionless: dice.one_in(12),
            coalescing: dice.one_in(2),
        }
    }

    /// A mailbox with some meetings in it.
    pub fn add(&mut self, address: &str, meetings: u64, today: Time, dice: &mut Dice) {
        self.mailboxes.insert(address.into(), Mailbox::default());
        for _ in 0..meetings {
            self.create(address, today, dice);
        }
    }

    // ---- what a provider asks ----

    /// The mailbox, if it may be read.
    pub fn reach(&self, address: &str) -> Result<&Mailbox, Fault> {
        match self.mailboxes.get(address) {
            Some(mailbox) if mailbox.gone => Err(Fault::new(Next::Gone, "ErrorNonExistentMailbox")),
            Some(mailbox) if mailbox.denied => {
                Err(Fault::new(Next::Denied, "ErrorImpersonateUserDenied"))
            }
            Some(mailbox) => Ok(mailbox),
            None => Err(Fault::new(Next::Gone, "ErrorNonExistentMailbox")),
        }
    }

    /// A page of the feed.
    pub fn changes(&self, address: &str, cursor: Option<&Cursor>) -> Result<Page, Fault> {
        let mailbox = self.reach(address)?;
        let lost = || Fault::new(Next::CursorLost, "ErrorInvalidSyncStateData");
        let from = match cursor {
            None => 0,
            Some(cursor) => {
                let (_, rest) = cursor.0.split_once('/').ok_or_else(lost)?;
                let (generation, at) = rest.split_once('/').ok_or_else(lost)?;
                if generation != mailbox.generation.to_string() {
                    return Err(lost());
                }
                at.parse::<usize>().map_err(|_| lost())?
            }
        };
        let to = (from + self.page).min(mailbox.log.len());
        let raw = mailbox.log.get(from..to).ok_or_else(lost)?;
        let mut changes = Vec::new();
        for change in raw {
            let (Change::Upsert(item) | Change::Delete(item)) = change;
            let present = mailbox.items.contains_key(item.0.as_ref());
            let change = match (self.coalescing, present) {
                (false, _) => change.clone(),
                (true, true) => Change::Upsert(item.clone()),
                (true, false) => Change::Delete(item.clone()),
            };
            if !self.coalescing || !changes.contains(&change) {
                changes.push(change);
            }
        }
        let cursor = format!("{CANARY} of {address}/{}/{to}", mailbox.generation);
        Ok(Page { changes, cursor: Cursor(cursor.into()), last: to == mailbox.log.len() })
    }

    /// The items.
    pub fn items(&self, address: &str, ids: &[ItemId]) -> Result<Vec<Found>, Fault> {
        let mailbox = self.reach(address)?;
        Ok(ids.iter().map(|id| self.item(mailbox, id)).collect())
    }

    fn item(&self, mailbox: &Mailbox, id: &ItemId) -> Found {
        let missing = || Found::Missing(id.clone());
        let (master, original) = match id.0.split_once('#') {
            None => (id.0.as_ref(), None),
            Some((master, at)) => (master, at.parse().ok().map(Time::from_ms)),
        };
        let Some(held) = mailbox.items.get(master) else { return missing() };
        let version = self.version(held);
        match (&held.item, original) {
            (Item::Single(facts), None) => {
                Found::Meeting(Box::new(meeting(id, version, facts, MeetingKind::Single, None)))
            }
            (Item::Series(series), None) => {
                Found::Master { item: id.clone(), uid: Plain::new(series.facts.uid.clone()) }
            }
            (Item::Series(series), Some(at)) => {
                let found = series.occurrences().into_iter().find(|(start, ..)| *start == at);
                let Some((_, facts, kind)) = found else { return missing() };
                Found::Meeting(Box::new(meeting(id, version, &facts, kind, Some(at))))
            }
            (Item::Stray, None) => Found::Other(id.clone()),
            (Item::Single(_) | Item::Stray, Some(_)) => missing(),
        }
    }

    fn version(&self, held: &Held) -> String {
        if self.versionless { String::new() } else { format!("CQAAA{}", held.version) }
    }

    /// The listing of a window.
    pub fn view(&self, address: &str, window: Window) -> Result<Vec<Entry>, Fault> {
        let mailbox = self.reach(address)?;
        let mut entries = Vec::new();
        for (id, held) in &mailbox.items {
            for (item, facts, kind) in shown(id, held) {
                // A server may list what only touches the edge.
                if facts.start > window.to || facts.end < window.from {
                    continue;
                }
                entries.push(Entry {
                    item,
                    version: self.version(held).into(),
                    uid: Plain::new(facts.uid.clone()),
                    recurring: kind != MeetingKind::Single,
                    start: facts.start,
                    end: facts.end,
                });
            }
        }
        Ok(entries)
    }

    // ---- what people do ----

    /// Somebody edits something; whether the mailbox changed.
    pub fn edit(&mut self, address: &str, today: Time, dice: &mut Dice) -> &'static str {
        let Some(mailbox) = self.mailboxes.get(address) else { return "nothing" };
        let ids: Vec<String> = mailbox.items.keys().cloned().collect();
        let Some(id) = dice.pick(&ids).cloned() else { return self.create(address, today, dice) };
        if ids.len() < 30 && dice.one_in(3) {
            return self.create(address, today, dice);
        }
        match dice.of(0..10) {
            0 | 1 => self.delete(address, &id),
            2 => self.move_to_another_id(address, &id, dice),
            _ => self.change(address, &id, today, dice),
        }
    }

    /// The first single meeting gets another version, and nothing else changes that shows.
    pub fn touch(&mut self, address: &str) {
        let n = self.fresh();
        let Some(mailbox) = self.mailboxes.get_mut(address) else { return };
        for (id, held) in &mut mailbox.items {
            if let Item::Single(facts) = &mut held.item {
                (facts.touched, held.version) = (n, n);
                mailbox.log.push(Change::Upsert(ItemId(id.as_str().into())));
                return;
            }
        }
    }

    /// One more single meeting, of tomorrow.
    pub fn meet(&mut self, address: &str, today: Time, dice: &mut Dice) {
        let n = self.fresh();
        let start = today + Span::HOUR.times(34);
        let facts = Facts { start, end: start + Span::HOUR, ..facts(n, today, dice) };
        let id = format!("{CANARY}-{n}");
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.items.insert(id.clone(), Held { item: Item::Single(facts), version: n });
        }
        self.note(address, Change::Upsert(ItemId(id.into())));
    }

    /// One more meeting, or a change of one.
    pub fn import(&mut self, address: &str, today: Time, dice: &mut Dice) {
        let held = self.mailboxes.get(address).map_or(0, |mailbox| mailbox.items.len());
        if held < 200 {
            self.create(address, today, dice);
        } else {
            self.edit(address, today, dice);
        }
    }

    fn fresh(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn note(&mut self, address: &str, change: Change) {
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.log.push(change);
        }
    }

    fn create(&mut self, address: &str, today: Time, dice: &mut Dice) -> &'static str {
        let n = self.fresh();
        let facts = facts(n, today, dice);
        let item = match dice.of(0..12) {
            0 => Item::Stray,
            1..4 => Item::Series(series(facts, dice)),
            _ => Item::Single(facts),
        };
        let id = format!("{CANARY}-{n}");
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.items.insert(id.clone(), Held { item, version: n });
        }
        self.note(address, Change::Upsert(ItemId(id.into())));
        "create"
    }

    fn delete(&mut self, address: &str, id: &str) -> &'static str {
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.items.remove(id);
        }
        self.note(address, Change::Delete(ItemId(id.into())));
        "delete"
    }

    /// As when somebody drags a meeting to another folder and back.
    fn move_to_another_id(&mut self, address: &str, id: &str, dice: &mut Dice) -> &'static str {
        let n = self.fresh();
        let new = format!("{CANARY}-{n}");
        let Some(mailbox) = self.mailboxes.get_mut(address) else { return "nothing" };
        let Some(mut held) = mailbox.items.remove(id) else { return "nothing" };
        held.version = n;
        mailbox.items.insert(new.clone(), held);
        let changes = [Change::Delete(ItemId(id.into())), Change::Upsert(ItemId(new.into()))];
        if dice.one_in(2) {
            mailbox.log.extend(changes);
        } else {
            mailbox.log.extend(changes.into_iter().rev());
        }
        "move to another id"
    }

    fn change(&mut self, address: &str, id: &str, today: Time, dice: &mut Dice) -> &'static str {
        let n = self.fresh();
        let Some(mailbox) = self.mailboxes.get_mut(address) else { return "nothing" };
        let Some(held) = mailbox.items.get_mut(id) else { return "nothing" };
        held.version = n;
        let what = match &mut held.item {
            Item::Stray => "touch a stray",
            Item::Single(single) if dice.one_in(12) => {
                held.item = Item::Series(series(single.clone(), dice));
                "single becomes series"
            }
            Item::Single(single) => alter(single, n, today, dice),
            Item::Series(all) => match dice.of(0..12) {
                0 => {
                    held.item = Item::Single(all.facts.clone());
                    "series becomes single"
                }
                1..4 => all.delete_one(dice),
                4..8 => all.change_one(n, dice),
                8 => {
                    all.count = dice.of(1..16);
                    "another end of a series"
                }
                _ => {
                    let what = alter(&mut all.facts, n, today, dice);
                    all.changed.clear();
                    all.deleted.clear();
                    what
                }
            },
        };
        self.note(address, Change::Upsert(ItemId(id.into())));
        what
    }

    /// The mailbox is restored: no cursor from before is good any more.
    pub fn lose_cursors(&mut self, address: &str) {
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.generation += 1;
            // The new feed shows what is there, in some order, and nothing of the past.
            mailbox.log =
                mailbox.items.keys().map(|id| Change::Upsert(ItemId(id.as_str().into()))).collect();
        }
    }

    /// The feed forgets the last change.
    pub fn forget_last(&mut self, address: &str) {
        if let Some(mailbox) = self.mailboxes.get_mut(address) {
            mailbox.log.pop();
        }
    }

    /// The second, stupid reading: one line for each meeting that a user should see.
    pub fn reading(&self, address: &str, window: Window) -> Vec<String> {
        let Some(mailbox) = self.mailboxes.get(address) else { return Vec::new() };
        let mut lines = Vec::new();
        for (id, held) in &mailbox.items {
            for (_, facts, kind) in shown(id, held) {
                let inside = facts.start < window.to
                    && (facts.end > window.from
                        || (facts.end == facts.start && facts.start >= window.from));
                if inside && !facts.cancelled {
                    lines.push(facts.line(kind != MeetingKind::Single));
                }
            }
        }
        lines.sort();
        lines
    }
}

fn shown(id: &str, held: &Held) -> Vec<(ItemId, Facts, MeetingKind)> {
    match &held.item {
        Item::Stray => Vec::new(),
        Item::Single(facts) => {
            vec![(ItemId(id.into()), facts.clone(), MeetingKind::Single)]
        }
        Item::Series(series) => series
            .occurrences()
            .into_iter()
            .map(|(at, facts, kind)| (ItemId(format!("{id}#{}", at.as_ms()).into()), facts, kind))
            .collect(),
    }
}
