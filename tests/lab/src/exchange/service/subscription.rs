//! Who is told of a change: subscriptions, and the queues of the streams that carry them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ids::{FolderNumber, ItemName};

/// Events kept for a subscription without a stream, or waiting in a stream.
const MOST_WAITING: usize = 100_000;

/// One thing that happened, small enough to be kept by the thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) about: About,
    pub(super) time_ms: i64,
}

/// `NotificationEventTypeType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Created,
    Modified,
    Deleted,
    /// Out of the calendar; the old name, the new one is in the deleted items.
    Moved,
    FreeBusyChanged,
}

impl EventKind {
    /// The kind of a name such as `CreatedEvent`; `None` for those that never come here.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "CreatedEvent" => Some(EventKind::Created),
            "ModifiedEvent" => Some(EventKind::Modified),
            "DeletedEvent" => Some(EventKind::Deleted),
            "MovedEvent" => Some(EventKind::Moved),
            "FreeBusyChangedEvent" => Some(EventKind::FreeBusyChanged),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            EventKind::Created => "CreatedEvent",
            EventKind::Modified => "ModifiedEvent",
            EventKind::Deleted => "DeletedEvent",
            EventKind::Moved => "MovedEvent",
            EventKind::FreeBusyChanged => "FreeBusyChangedEvent",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// An item and its change number.
    Item(ItemName, u64),
    /// The folder of that item.
    Folder(ItemName, u64),
}

/// What a stream has still to say.
#[derive(Clone, Debug)]
pub(super) enum Waiting {
    Event(Arc<str>, Event),
    /// These subscriptions are no more.
    Failed(Vec<Arc<str>>, &'static str),
    /// Another stream has taken the subscription over.
    Replaced(Arc<str>),
}

/// From a change to the one stream that tells of it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Nobody will read any more.
    pub(super) muted: AtomicBool,
    pub(super) bell: Notify,
}

impl Queue {
    pub(super) fn push(&self, entry: Waiting) {
        if self.muted.load(Ordering::Acquire) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() < MOST_WAITING {
            waiting.push_back(entry);
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// Up to `most` of what waits, in order.
    pub(super) fn take(&self, most: usize) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(most);
        let taken = waiting.drain(..count).collect();
        if !waiting.is_empty() {
            self.bell.notify_one();
        }
        taken
    }

    /// Gives back what was taken too much, before everything that came since.
    pub(super) fn put_back(&self, entries: Vec<Waiting>) {
        let mut waiting = self.waiting();
        for entry in entries.into_iter().rev() {
            waiting.push_front(entry);
        }
        let any = !waiting.is_empty();
        drop(waiting);
        if any {
            self.bell.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One streaming subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) mailbox: usize,
    /// `None`: every folder.
    pub(super) folders: Option<Vec<FolderNumber>>,
    pub(super) kinds: Vec<EventKind>,
    /// Where it lives; another back end does not know it.
    pub(super) back_end: usize,
    /// The stream that is open for it.
    pub(super) queue: Option<Arc<Queue>>,
    kept: VecDeque<Event>,
}

impl Subscription {
    pub(super) fn new(
        mailbox: usize,
        folders: Option<Vec<FolderNumber>>,
        kinds: Vec<EventKind>,
        back_end: usize,
    ) -> Self {
        Self { mailbox, folders, kinds, back_end, queue: None, kept: VecDeque::new() }
    }

    fn wants(&self) -> u8 {
        self.kinds.iter().fold(0, |mask, kind| mask | kind.bit())
    }
}

/// Every subscription of the server.
#[derive(Debug, Default)]
pub(super) struct Desk {
    subscriptions: HashMap<Arc<str>, Subscription>,
    /// Events between two streams of a subscription are kept.
    keeps: bool,
}

impl Desk {
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    pub(super) fn add(&mut self, id: Arc<str>, subscription: Subscription) {
        self.subscriptions.insert(id, subscription);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.get(id)
    }

    /// How many subscriptions have a stream that tells of them.
    pub(super) fn listened(&self) -> usize {
        self.subscriptions.values().filter(|subscription| subscription.queue.is_some()).count()
    }

    /// Ends a subscription; its stream is told why when there is a reason.
    pub(super) fn remove(&mut self, id: &str, why: Option<&'static str>) -> Option<Subscription> {
        let (id, subscription) = self.subscriptions.remove_entry(id)?;
        if let (Some(why), Some(queue)) = (why, &subscription.queue) {
            queue.push(Waiting::Failed(vec![id], why));
        }
        Some(subscription)
    }

    /// Gives the subscription to a stream, and takes it from the one that had it.
    pub(super) fn attach(&mut self, id: &str, queue: &Arc<Queue>) {
        let Some((id, _)) = self.subscriptions.get_key_value(id) else { return };
        let id = id.clone();
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if let Some(old) = subscription.queue.replace(queue.clone()) {
            old.push(Waiting::Replaced(id.clone()));
        }
        for event in subscription.kept.drain(..) {
            queue.push(Waiting::Event(id.clone(), event));
        }
    }

    /// The stream is gone; what it carried waits for another one.
    pub(super) fn detach(&mut self, id: &str, queue: &Arc<Queue>) {
        if let Some(subscription) = self.subscriptions.get_mut(id)
            && subscription.queue.as_ref().is_some_and(|own| Arc::ptr_eq(own, queue))
        {
            subscription.queue = None;
        }
    }

    /// Tells the subscriptions of a mailbox what happened in this folder.
    pub(super) fn tell(&mut self, ids: &[Arc<str>], folder: FolderNumber, events: &[Event]) {
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(id) else { continue };
            let listens = subscription.folders.as_ref().is_none_or(|all| all.contains(&folder));
            let wants = subscription.wants();
            for event in events.iter().filter(|event| listens && wants & event.kind.bit() != 0) {
                if let Some(queue) = &subscription.queue {
                    queue.push(Waiting::Event(id.clone(), *event));
                } else if self.keeps && subscription.kept.len() < MOST_WAITING {
                    subscription.kept.push_back(*event);
                }
            }
        }
    }
}
