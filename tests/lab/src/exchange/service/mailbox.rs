//! A mailbox: its folders, the items of its calendar with the maps that find them, its feed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::calendars::MailboxKind;
use super::ids::{FolderName, FolderNumber, ItemName, SyncState};
use super::item::{Field, Instance, Item, now_ms};
use super::letters::Letters;
use super::made::Made;
use super::oof::Oof;
use super::ops::Hours;
use super::rooms::RoomRules;
use super::zone::Zone;

/// One of the folders that every mailbox has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    /// `DistinguishedFolderId`
    pub(super) id: &'static str,
    /// `DisplayName`
    pub(super) name: &'static str,
    /// `FolderClass`
    pub(super) class: &'static str,
    /// The place of its parent; the root is its own.
    pub(super) parent: FolderNumber,
}

const fn folder(
    id: &'static str,
    name: &'static str,
    class: &'static str,
    parent: FolderNumber,
) -> Folder {
    Folder { id, name, class, parent }
}

/// The folders, by number.
pub(super) const FOLDERS: &[Folder] = &[
    folder("root", "", "", 0),
    folder("msgfolderroot", "Top of Information Store", "IPF.Note", 0),
    folder("calendar", "Calendar", "IPF.Appointment", 1),
    folder("inbox", "Inbox", "IPF.Note", 1),
    folder("deleteditems", "Deleted Items", "IPF.Note", 1),
    folder("drafts", "Drafts", "IPF.Note", 1),
    folder("sentitems", "Sent Items", "IPF.Note", 1),
    folder("outbox", "Outbox", "IPF.Note", 1),
    folder("junkemail", "Junk Email", "IPF.Note", 1),
    folder("contacts", "Contacts", "IPF.Contact", 1),
    folder("tasks", "Tasks", "IPF.Task", 1),
    folder("notes", "Notes", "IPF.StickyNote", 1),
    folder("journal", "Journal", "IPF.Journal", 1),
    folder("searchfolders", "Finder", "", 0),
    folder("recoverableitemsroot", "Recoverable Items", "", 0),
    folder("recoverableitemsdeletions", "Deletions", "", 14),
];

/// The place of the calendar in [`FOLDERS`].
pub(super) const CALENDAR: FolderNumber = 2;
/// The place of the deleted items in [`FOLDERS`].
pub(super) const DELETED_ITEMS: FolderNumber = 4;

#[derive(Clone, Copy, Debug)]
struct Grave {
    created: u64,
    key: u64,
}

/// What one entry of the feed says.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Create(Arc<Item>),
    Update(Arc<Item>),
    Delete(u64),
}

/// One page of the feed.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) told: Vec<Told>,
    pub(super) state: SyncState,
    pub(super) last: bool,
}

/// A mailbox with one calendar.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) guid: Uuid,
    pub(super) address: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) kind: MailboxKind,
    pub(super) back_end: usize,
    /// Moved away, to this address.
    pub(super) cloud: Option<Box<str>>,
    /// On another server of the organisation, whose EWS is here.
    pub(super) elsewhere: Option<Box<str>>,
    pub(super) removed: bool,
    pub(super) denied: bool,
    /// The zone of its working hours; without one they are in UTC.
    pub(super) zone: Option<&'static Zone>,
    /// What it does to invitations, where it is a room.
    pub(super) rules: RoomRules,
    /// What is wrong with the original starts of changed occurrences.
    pub(super) skew_ms: i64,
    /// The calendar is not there.
    pub(super) lost_calendar: bool,
    /// Items that GetItem fails on, with what it says.
    pub(super) spoilt: HashMap<u64, &'static str>,
    /// What its owner reads and writes in, such as `de-DE`; nothing is English.
    pub(super) culture: Option<Box<str>>,
    /// When its owner works, where that is not from nine to five.
    pub(super) hours: Option<Box<Hours>>,
    /// What GetUserAvailability says of it, if that is an error.
    pub(super) free_busy_error: Option<Box<str>>,
    oof: Option<Box<Oof>>,
    /// Meeting messages that came and were sent, by key.
    pub(super) letters: Letters,
    /// Subscriptions on it, by id.
    pub(super) subscriptions: Vec<Arc<str>>,
    /// Streams that are open in its name.
    pub(super) open_streams: usize,
    /// Older states are refused.
    life: u32,
    /// Folders that somebody made, by number.
    pub(super) made: BTreeMap<FolderNumber, Made>,
    /// How many there ever were.
    pub(super) folders_made: FolderNumber,
    next_key: u64,
    change: u64,
    /// When the last change was.
    changed_ms: i64,
    items: BTreeMap<u64, Arc<Item>>,
    by_uid: HashMap<Arc<str>, u64>,
    /// Single items by start.
    by_start: BTreeSet<(i64, u64)>,
    /// The longest single item there ever was.
    longest_ms: i64,
    series: BTreeSet<u64>,
    changes: BTreeMap<u64, u64>,
    graves: BTreeMap<u64, Grave>,
}

impl Mailbox {
    pub(super) fn new(guid: Uuid, address: &str, name: &str, kind: MailboxKind) -> Self {
        Self {
            guid,
            address: address.into(),
            name: name.into(),
            kind,
            back_end: 0,
            cloud: None,
            elsewhere: None,
            removed: false,
            denied: false,
            zone: None,
            rules: RoomRules::default(),
            skew_ms: 0,
            lost_calendar: false,
            spoilt: HashMap::new(),
            culture: None,
            hours: None,
            free_busy_error: None,
            oof: None,
            letters: Letters::new(),
            subscriptions: Vec::new(),
            open_streams: 0,
            life: 1,
            made: BTreeMap::new(),
            folders_made: 0,
            next_key: 1,
            change: 0,
            changed_ms: now_ms(),
            items: BTreeMap::new(),
            by_uid: HashMap::new(),
            by_start: BTreeSet::new(),
            longest_ms: 0,
            series: BTreeSet::new(),
            changes: BTreeMap::new(),
            graves: BTreeMap::new(),
        }
    }

    /// Whether it can be worked with.
    pub(super) fn is_here(&self) -> bool {
        !self.removed && self.cloud.is_none() && self.elsewhere.is_none()
    }

    /// The language of its owner.
    pub(super) fn culture(&self) -> &str {
        self.culture.as_deref().unwrap_or("en-US")
    }

    /// What it answers while its owner is away.
    pub(super) fn oof(&self) -> Oof {
        self.oof.as_deref().cloned().unwrap_or_default()
    }

    pub(super) fn set_oof(&mut self, oof: Oof) {
        self.oof = Some(Box::new(oof));
    }

    pub(super) fn folder(&self, number: FolderNumber) -> FolderName {
        FolderName { mailbox: self.guid, folder: number }
    }

    /// The id of an item of the calendar.
    pub(super) fn name_of(&self, key: u64, original_ms: Option<i64>) -> ItemName {
        ItemName { mailbox: self.guid, folder: CALENDAR, key, original_ms }
    }

    /// The number of the last change of the calendar.
    pub(super) fn change(&self) -> u64 {
        self.change
    }

    /// When the calendar last changed.
    pub(super) fn changed_ms(&self) -> i64 {
        self.changed_ms
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn get(&self, key: u64) -> Option<&Arc<Item>> {
        self.items.get(&key).or_else(|| self.kept_item(key))
    }

    /// The item that an id names, when the id is one of this mailbox.
    pub(super) fn named(&self, name: &ItemName) -> Option<&Arc<Item>> {
        let item = match name.folder {
            CALENDAR => self.items.get(&name.key),
            folder => self.kept_item(name.key).filter(|item| item.folder == folder),
        };
        item.filter(|_| name.mailbox == self.guid)
    }

    pub(super) fn with_uid(&self, uid: &str) -> Option<u64> {
        self.by_uid.get(uid).copied()
    }

    /// All items, by age.
    pub(super) fn items(&self) -> impl DoubleEndedIterator<Item = &Arc<Item>> {
        self.items.values()
    }

    /// Takes an item in and gives it its numbers.
    pub(super) fn insert(&mut self, mut item: Item, now_ms: i64) -> u64 {
        let key = self.new_key();
        self.step();
        item.key = key;
        item.created = self.change;
        item.change = self.change;
        item.created_ms = now_ms;
        item.modified_ms = now_ms;
        self.by_uid.insert(item.uid.clone(), key);
        self.index(&item);
        self.changes.insert(item.change, key);
        self.items.insert(key, Arc::new(item));
        key
    }

    /// Changes an item; `edit` says which fields it touched. `None` when there is no such item.
    pub(super) fn change_item(
        &mut self,
        key: u64,
        original_ms: Option<i64>,
        now_ms: i64,
        edit: impl FnOnce(&mut Item) -> Vec<Field>,
    ) -> Option<()> {
        let mut item = self.items.remove(&key)?;
        self.unindex(&item);
        self.changes.remove(&item.change);
        self.step();
        let change = self.change;
        let changed = Arc::make_mut(&mut item);
        let fields = edit(changed);
        changed.touch(original_ms, fields, change);
        changed.change = change;
        changed.modified_ms = now_ms;
        self.index(&item);
        self.changes.insert(change, key);
        self.items.insert(key, item);
        Some(())
    }

    /// Takes an item out.
    pub(super) fn remove(&mut self, key: u64) -> Option<Arc<Item>> {
        let item = self.items.remove(&key)?;
        self.unindex(&item);
        self.changes.remove(&item.change);
        if self.by_uid.get(&item.uid) == Some(&key) {
            self.by_uid.remove(&item.uid);
        }
        self.step();
        self.graves.insert(self.change, Grave { created: item.created, key });
        Some(item)
    }

    /// Puts an item back under a new key, as a move out of the folder and back does.
    pub(super) fn renew(&mut self, key: u64) -> Option<u64> {
        let item = Arc::unwrap_or_clone(self.remove(key)?);
        let (created_ms, modified_ms) = (item.created_ms, item.modified_ms);
        let new = self.insert(item, created_ms);
        if let Some(item) = self.items.get_mut(&new) {
            Arc::make_mut(item).modified_ms = modified_ms;
        }
        Some(new)
    }

    /// Every sync state that is out there becomes invalid.
    pub(super) fn forget_sync_states(&mut self) {
        self.life += 1;
    }

    /// A key that nothing else has.
    pub(super) fn new_key(&mut self) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    /// The next change, now.
    fn step(&mut self) {
        self.change += 1;
        self.changed_ms = now_ms();
    }

    fn index(&mut self, item: &Item) {
        if item.series.is_some() {
            self.series.insert(item.key);
        } else {
            self.by_start.insert((item.draft.start_ms, item.key));
            self.longest_ms = self.longest_ms.max(item.draft.end_ms - item.draft.start_ms);
        }
    }

    fn unindex(&mut self, item: &Item) {
        self.series.remove(&item.key);
        self.by_start.remove(&(item.draft.start_ms, item.key));
    }

    /// The items of which something may show in a window.
    pub(super) fn candidates(&self, from_ms: i64, to_ms: i64) -> Vec<Arc<Item>> {
        let begin = (from_ms.saturating_sub(self.longest_ms), 0);
        let end = (to_ms, 0);
        let singles = if begin < end { Some(self.by_start.range(begin..end)) } else { None };
        singles
            .into_iter()
            .flatten()
            .map(|(_, key)| key)
            .chain(&self.series)
            .filter_map(|key| self.items.get(key).cloned())
            .collect()
    }

    /// The first page, or the one after `state`; `None` when the state is not valid (any more).
    pub(super) fn feed(&self, state: Option<SyncState>, max: usize) -> Option<Page> {
        let state = state.unwrap_or(SyncState { life: self.life, ..SyncState::default() });
        if state.life != self.life || state.base > self.change || state.ceiling > self.change {
            return None;
        }
        let under_way = state.after_key > 0;
        let ceiling = if under_way { state.ceiling } else { self.change };
        let mut told = Vec::new();
        let mut after_key = state.after_key;
        let mut last = true;
        for (key, told_of) in self.news(&state, ceiling, max) {
            if told.len() >= max {
                last = false;
                break;
            }
            after_key = key;
            told.push(told_of);
        }
        let state = if last {
            SyncState { base: ceiling, ceiling: 0, after_key: 0, life: self.life }
        } else {
            SyncState { base: state.base, ceiling, after_key, life: self.life }
        };
        Some(Page { told, state, last })
    }

    /// What a pass has still to tell, by key: a key is never reused and never moves, so what
    /// changes during a pass can neither be skipped nor be told as new twice.
    fn news(&self, state: &SyncState, ceiling: u64, max: usize) -> Vec<(u64, Told)> {
        let fresh = |item: &Item| item.key > state.after_key && item.created <= ceiling;
        if state.base == 0 {
            let rest = self.items.range(state.after_key + 1..);
            return rest
                .filter(|(_, item)| fresh(item))
                // One more than fits tells that there is more.
                .take(max.saturating_add(1))
                .map(|(key, item)| (*key, Told::Create(item.clone())))
                .collect();
        }
        let mut news: BTreeMap<u64, Told> = BTreeMap::new();
        for (_, key) in self.changes.range(state.base + 1..) {
            let Some(item) = self.items.get(key).filter(|item| fresh(item)) else { continue };
            let told = if item.created > state.base { Told::Create } else { Told::Update };
            news.insert(*key, told(item.clone()));
        }
        for (_, grave) in self.graves.range(state.base + 1..) {
            if grave.key > state.after_key && grave.created <= state.base {
                news.insert(grave.key, Told::Delete(grave.key));
            }
        }
        news.into_iter().collect()
    }
}

/// Everything that shows in a window, in the order of a calendar view.
pub(super) fn view<'a>(items: &'a [Arc<Item>], from_ms: i64, to_ms: i64) -> Vec<Instance<'a>> {
    let mut found = Vec::new();
    for item in items {
        item.expand(from_ms, to_ms, &mut found);
    }
    found.sort_by_key(|shown| (shown.start_ms, shown.end_ms, shown.item.key));
    found
}
