//! All mailboxes, and what a change in one of them does to the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::Settings;
use super::calendars::MailboxKind;
use super::ids;
use super::item::{Item, Person, now_ms};
use super::mailbox::{CALENDAR, Mailbox};
use super::office::Mail;
use super::subscription::{About, Desk, Event, EventKind, Queue};
use crate::exchange::faults::{Fault, Faults, Place};

/// What everything of the service shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    /// Elements inside a stream's lists are written as the schema has them.
    pub(super) streams_by_schema: AtomicBool,
    world: Mutex<World>,
}

impl Shared {
    pub(super) fn new(settings: &Settings, faults: &Faults) -> Arc<Self> {
        let desk = Desk::new(settings.keep_events_between_streams);
        Arc::new(Self {
            settings: settings.clone(),
            faults: faults.clone(),
            streams_by_schema: AtomicBool::new(false),
            world: Mutex::new(World { desk, faults: faults.clone(), ..World::default() }),
        })
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn streams_by_schema(&self) -> bool {
        self.streams_by_schema.load(Ordering::Acquire)
    }
}

/// How much a change says to those who listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    Created,
    Modified,
    Deleted,
    MovedAway,
}

/// Every mailbox, and who listens.
#[derive(Debug, Default)]
pub(super) struct World {
    mailboxes: Vec<Mailbox>,
    by_address: HashMap<Box<str>, usize>,
    by_guid: HashMap<Uuid, usize>,
    pub(super) desk: Desk,
    pub(super) mails: Vec<Mail>,
    /// Nobody at all may be impersonated.
    pub(super) impersonation_forbidden: bool,
    faults: Faults,
    unique: u64,
}

fn lower(address: &str) -> String {
    address.to_ascii_lowercase()
}

impl World {
    /// Adds a mailbox, or brings back one that was removed.
    pub(super) fn add(&mut self, address: &str, name: &str, kind: MailboxKind, back_ends: usize) {
        let key = lower(address);
        if self.by_address.contains_key(key.as_str()) {
            return;
        }
        let number = self.mailboxes.len();
        let seed = format!("{key}#{number}");
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_X500, seed.as_bytes());
        let mut mailbox = Mailbox::new(guid, address, name, kind);
        mailbox.back_end = number.checked_rem(back_ends).unwrap_or(0);
        self.mailboxes.push(mailbox);
        self.by_address.insert(key.into(), number);
        self.by_guid.insert(guid, number);
    }

    /// The number of an address, wherever its mailbox is now.
    pub(super) fn number(&self, address: &str) -> Option<usize> {
        if let Some(number) = self.by_address.get(address) {
            return Some(*number);
        }
        self.by_address.get(lower(address).as_str()).copied()
    }

    /// The number of an address whose mailbox can be worked with.
    pub(super) fn here(&self, address: &str) -> Option<usize> {
        self.number(address).filter(|number| self.mailbox(*number).is_some_and(Mailbox::is_here))
    }

    pub(super) fn number_of_guid(&self, guid: &Uuid) -> Option<usize> {
        self.by_guid.get(guid).copied()
    }

    pub(super) fn mailbox(&self, number: usize) -> Option<&Mailbox> {
        self.mailboxes.get(number)
    }

    pub(super) fn mailbox_mut(&mut self, number: usize) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(number)
    }

    /// Takes an address away, and its subscriptions with it.
    pub(super) fn remove(&mut self, address: &str) {
        let Some(number) = self.by_address.remove(lower(address).as_str()) else { return };
        if let Some(mailbox) = self.mailboxes.get_mut(number) {
            mailbox.removed = true;
        }
        self.drop_subscriptions(number, "ErrorNonExistentMailbox");
    }

    /// Ends every subscription of a mailbox.
    pub(super) fn drop_subscriptions(&mut self, number: usize, why: &'static str) {
        let Some(mailbox) = self.mailboxes.get_mut(number) else { return };
        for id in std::mem::take(&mut mailbox.subscriptions) {
            self.desk.remove(&id, Some(why));
        }
    }

    /// Ends every subscription of a mailbox, and their streams are told nothing.
    pub(super) fn lose_subscriptions(&mut self, number: usize) {
        let Some(mailbox) = self.mailboxes.get_mut(number) else { return };
        for id in std::mem::take(&mut mailbox.subscriptions) {
            self.desk.remove(&id, None);
        }
    }

    /// Another stream takes the subscriptions, which nobody reads.
    pub(super) fn take_over_subscriptions(&mut self, number: usize) {
        let Some(mailbox) = self.mailboxes.get(number) else { return };
        for id in &mailbox.subscriptions {
            let rival = Arc::new(Queue::default());
            self.desk.attach(id, &rival);
            self.desk.detach(id, &rival);
        }
    }

    /// A number that nothing else has, the same ones in each run.
    pub(super) fn unique(&mut self) -> Uuid {
        self.unique += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.unique.to_be_bytes())
    }

    /// A UID in Exchange's form.
    pub(super) fn new_uid(&mut self) -> Arc<str> {
        let unique = self.unique();
        ids::new_uid(now_ms(), unique).into()
    }

    /// The owner of a mailbox as organiser or attendee.
    pub(super) fn person(&self, number: usize) -> Option<Arc<Person>> {
        let mailbox = self.mailboxes.get(number)?;
        Some(Arc::new(Person {
            name: mailbox.name.to_string(),
            address: mailbox.address.to_string(),
        }))
    }

    /// Takes a new item into a calendar and says so.
    pub(super) fn insert(&mut self, number: usize, item: Item) -> Option<u64> {
        let key = self.mailboxes.get_mut(number)?.insert(item, now_ms());
        self.tell(number, key, Happening::Created);
        Some(key)
    }

    /// Puts an item into a folder that somebody made beside the calendar; nothing is said of it.
    pub(super) fn put(
        &mut self,
        number: usize,
        folder: super::ids::FolderNumber,
        draft: super::draft::Draft,
    ) -> Option<u64> {
        let (uid, organizer) = (self.new_uid(), self.person(number)?);
        let mut draft = draft;
        if draft.culture.is_empty() {
            draft.culture = self.mailbox(number)?.culture().to_owned();
        }
        self.mailboxes.get_mut(number)?.put(folder, Item::new(draft, uid, organizer, true))
    }

    /// Changes an item and says so.
    pub(super) fn change(
        &mut self,
        number: usize,
        key: u64,
        original_ms: Option<i64>,
        edit: impl FnOnce(&mut Item) -> Vec<super::item::Field>,
    ) -> Option<()> {
        let mailbox = self.mailboxes.get_mut(number)?;
        mailbox.change_item(key, original_ms, now_ms(), edit)?;
        self.tell(number, key, Happening::Modified);
        Some(())
    }

    /// Takes an item out and says so.
    pub(super) fn take(&mut self, number: usize, key: u64, how: Happening) -> Option<Arc<Item>> {
        let item = self.mailboxes.get_mut(number)?.remove(key)?;
        self.tell(number, key, how);
        Some(item)
    }

    /// The item under a key.
    pub(super) fn item(&self, number: usize, key: u64) -> Option<&Arc<Item>> {
        self.mailboxes.get(number)?.get(key)
    }

    /// Rings for one change as often as Exchange does.
    pub(super) fn tell(&mut self, number: usize, key: u64, how: Happening) {
        let Some(mailbox) = self.mailboxes.get(number) else { return };
        if mailbox.subscriptions.is_empty() {
            return;
        }
        let lost = self.faults.take(Place::Event, "", Some(&mailbox.address));
        if lost == Some(Fault::LoseNotification) {
            return;
        }
        let name = mailbox.name_of(key, None);
        let change = mailbox.get(key).map_or(mailbox.change(), |item| item.change);
        let time_ms = now_ms();
        let item = |kind| Event { kind, about: About::Item(name, change), time_ms };
        let folder = |kind| Event { kind, about: About::Folder(name, change), time_ms };
        let events = match how {
            Happening::Created => vec![
                item(EventKind::Created),
                folder(EventKind::Modified),
                item(EventKind::Modified),
                folder(EventKind::Modified),
                item(EventKind::Modified),
                folder(EventKind::Modified),
                item(EventKind::FreeBusyChanged),
            ],
            Happening::Modified => vec![
                item(EventKind::Modified),
                folder(EventKind::Modified),
                item(EventKind::FreeBusyChanged),
            ],
            Happening::Deleted => vec![
                item(EventKind::Deleted),
                folder(EventKind::Modified),
                item(EventKind::FreeBusyChanged),
            ],
            Happening::MovedAway => vec![
                item(EventKind::Moved),
                folder(EventKind::Modified),
                item(EventKind::FreeBusyChanged),
            ],
        };
        self.desk.tell(&mailbox.subscriptions, CALENDAR, &events);
    }

    /// Streams open in anybody's name.
    pub(super) fn open_streams(&self) -> usize {
        self.mailboxes.iter().map(|mailbox| mailbox.open_streams).sum()
    }
}
