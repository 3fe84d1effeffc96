//! An open stream of notifications.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Prefix;
use super::envelope::{self, Failure, Writer};
use super::ids::{FolderName, ItemName, KeyKind, change_key};
use super::item::date_time;
use super::mailbox::DELETED_ITEMS;
use super::subscription::{About, Event, EventKind, Queue, Waiting};
use super::world::Shared;
use crate::exchange::faults::{Fault, Place};

/// Events that one envelope holds at most.
const EVENTS_AN_ENVELOPE: usize = 200;

/// What a stream begins with.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) number: Option<usize>,
    pub(super) mailbox: Option<String>,
    /// Subscriptions that it carries.
    pub(super) ids: Vec<Arc<str>>,
    /// Ids that are not known here.
    pub(super) bad: Vec<String>,
    pub(super) lifetime: Duration,
    pub(super) prefer_affinity_cookie: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    /// Heartbeats only.
    Deaf,
    /// Not even these.
    Silent,
    Ended,
}

/// The envelopes of one `GetStreamingEvents`; dropping it closes the stream.
#[derive(Debug)]
pub struct EventStream {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    opening: Opening,
    state: State,
    /// Subscriptions that still live.
    ids: Vec<Arc<str>>,
    faults: watch::Receiver<u64>,
    deadline: Instant,
    next_beat: Instant,
}

enum Wake {
    News,
    Beat,
    Deadline,
}

impl EventStream {
    pub(super) fn open(shared: Arc<Shared>, opening: Opening) -> Self {
        let queue = Arc::new(Queue::default());
        {
            let mut world = shared.world();
            for id in &opening.ids {
                world.desk.attach(id, &queue);
            }
            if let Some(mailbox) = opening.number.and_then(|number| world.mailbox_mut(number)) {
                mailbox.open_streams += 1;
            }
        }
        let now = Instant::now();
        let faults = shared.faults.changes();
        let deadline = now + opening.lifetime;
        let next_beat = now + shared.settings.heartbeat;
        let ids = opening.ids.clone();
        Self { shared, queue, opening, state: State::Opening, ids, faults, deadline, next_beat }
    }

    /// The impersonated mailbox.
    pub fn mailbox(&self) -> Option<&str> {
        self.opening.mailbox.as_deref()
    }

    /// Whether the request asked for affinity.
    pub fn prefer_affinity_cookie(&self) -> bool {
        self.opening.prefer_affinity_cookie
    }

    /// The next envelope; `None` is the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.state == State::Ended {
                return None;
            }
            if let Some(envelope) = self.play_fault() {
                return Some(self.say(envelope));
            }
            if self.state == State::Silent {
                return std::future::pending().await;
            }
            if self.state == State::Opening {
                let envelope = self.first();
                return Some(self.say(envelope));
            }
            if let Some(envelope) = self.news() {
                return Some(self.say(envelope));
            }
            // Without this a busy stream would never end.
            let wake =
                if Instant::now() >= self.deadline { Wake::Deadline } else { self.wait().await };
            match wake {
                Wake::News => {}
                Wake::Beat => {
                    let beat = self.status("OK");
                    return Some(self.say(beat));
                }
                Wake::Deadline => {
                    self.state = State::Ended;
                    return Some(self.status("Closed"));
                }
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = self.queue.bell.notified() => Wake::News,
            changed = self.faults.changed() => {
                // The sender lives as long as `shared`.
                let _ = changed;
                Wake::News
            }
            () = sleep_until(self.deadline) => Wake::Deadline,
            () = sleep_until(self.next_beat) => Wake::Beat,
        }
    }

    fn say(&mut self, envelope: Vec<u8>) -> Vec<u8> {
        self.next_beat = Instant::now() + self.shared.settings.heartbeat;
        envelope
    }

    fn play_fault(&mut self) -> Option<Vec<u8>> {
        if matches!(self.state, State::Silent | State::Deaf) {
            return None;
        }
        let mailbox = self.opening.mailbox.as_deref();
        match self.shared.faults.take(Place::Stream, "GetStreamingEvents", mailbox)? {
            Fault::StreamError(code) => {
                self.deafen(State::Deaf);
                let ids: Vec<&str> = self.ids.iter().map(|id| &**id).collect();
                Some(self.failure(&Failure::of(&code), &ids, Some("OK")))
            }
            Fault::StreamClosed => {
                self.deafen(State::Ended);
                Some(self.status("Closed"))
            }
            _ => {
                self.deafen(State::Silent);
                None
            }
        }
    }

    fn deafen(&mut self, state: State) {
        self.state = state;
        self.queue.muted.store(true, Ordering::Release);
        self.queue.take(usize::MAX);
    }

    /// `OK`, or what is wrong with the ids.
    fn first(&mut self) -> Vec<u8> {
        self.state = State::Open;
        if self.opening.bad.is_empty() {
            return self.status("OK");
        }
        let bad: Vec<&str> = self.opening.bad.iter().map(String::as_str).collect();
        let failure = Failure::of("ErrorSubscriptionNotFound");
        if self.ids.is_empty() {
            let envelope = self.failure(&failure, &bad, Some("Closed"));
            self.state = State::Ended;
            return envelope;
        }
        let envelope = self.failure(&failure, &bad, Some("OK"));
        if !self.shared.settings.mixed_ids_deliver {
            self.deafen(State::Deaf);
        }
        envelope
    }

    /// What waits, as one envelope.
    fn news(&mut self) -> Option<Vec<u8>> {
        let waiting = self.queue.take(EVENTS_AN_ENVELOPE);
        let (mut events, mut rest) = (Vec::new(), waiting.into_iter());
        for entry in rest.by_ref() {
            match entry {
                Waiting::Event(id, event) => events.push((id, event)),
                // What follows is rare enough to be said alone; the events before it come first.
                other if !events.is_empty() => {
                    let envelope = self.notifications(&events);
                    self.put_back(other, rest);
                    return Some(envelope);
                }
                Waiting::Failed(ids, code) => {
                    self.put_back_all(rest);
                    return Some(self.lose(&ids, code));
                }
                Waiting::Replaced(id) => {
                    self.state = State::Ended;
                    let failure = Failure::of("ErrorNewEventStreamConnectionOpened");
                    return Some(self.failure(&failure, &[&id], Some("Closed")));
                }
            }
        }
        (!events.is_empty()).then(|| self.notifications(&events))
    }

    fn put_back(&self, first: Waiting, rest: std::vec::IntoIter<Waiting>) {
        self.put_back_all(std::iter::once(first).chain(rest));
    }

    fn put_back_all(&self, entries: impl IntoIterator<Item = Waiting>) {
        self.queue.put_back(entries.into_iter().collect());
    }

    /// Subscriptions are gone; without any the stream ends.
    fn lose(&mut self, lost: &[Arc<str>], code: &str) -> Vec<u8> {
        self.ids.retain(|id| !lost.contains(id));
        let status = if self.ids.is_empty() { "Closed" } else { "OK" };
        if self.ids.is_empty() {
            self.state = State::Ended;
        }
        let ids: Vec<&str> = lost.iter().map(|id| &**id).collect();
        self.failure(&Failure::of(code), &ids, Some(status))
    }

    fn prefix(&self) -> Prefix {
        self.shared.settings.stream_prefix.unwrap_or(self.shared.settings.prefix)
    }

    fn message(&self, class: &str, inner: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut out = Writer::default();
        out.open("m:ResponseMessages");
        out.start("m:GetStreamingEventsResponseMessage", &[("ResponseClass", class)]);
        inner(&mut out);
        out.close("m:GetStreamingEventsResponseMessage");
        out.close("m:ResponseMessages");
        let style = (self.prefix(), &self.shared.settings.release);
        envelope::answer(style, "GetStreamingEventsResponse", &out.text)
    }

    fn status(&self, status: &str) -> Vec<u8> {
        self.message("Success", |out| {
            out.leaf("m:ResponseCode", "NoError");
            out.leaf("m:ConnectionStatus", status);
        })
    }

    fn failure(&self, failure: &Failure, ids: &[&str], status: Option<&str>) -> Vec<u8> {
        let tag = if self.shared.streams_by_schema() { "t" } else { "m" };
        self.message("Error", |out| {
            failure.write(out);
            if !ids.is_empty() {
                out.open("m:ErrorSubscriptionIds");
                for id in ids {
                    out.leaf(&format!("{tag}:SubscriptionId"), id);
                }
                out.close("m:ErrorSubscriptionIds");
            }
            if let Some(status) = status {
                out.leaf("m:ConnectionStatus", status);
            }
        })
    }

    fn notifications(&self, events: &[(Arc<str>, Event)]) -> Vec<u8> {
        let tag = if self.shared.streams_by_schema() { "t" } else { "m" };
        let tag = format!("{tag}:Notification");
        self.message("Success", |out| {
            out.leaf("m:ResponseCode", "NoError");
            out.open("m:Notifications");
            for group in events.chunk_by(|(one, _), (other, _)| one == other) {
                out.open(&tag);
                if let Some((id, _)) = group.first() {
                    out.leaf("t:SubscriptionId", id);
                }
                for (_, event) in group {
                    write_event(out, event);
                }
                out.close(&tag);
            }
            out.close("m:Notifications");
        })
    }
}

fn write_event(out: &mut Writer, event: &Event) {
    let tag = format!("t:{}", event.kind.name());
    out.open(&tag);
    out.leaf("t:TimeStamp", &date_time(event.time_ms, None));
    let (name, change) = match event.about {
        About::Item(name, change) | About::Folder(name, change) => (name, change),
    };
    let folder = FolderName { mailbox: name.mailbox, folder: name.folder };
    match event.about {
        About::Folder(..) => {
            write_folder(out, "t:FolderId", folder, KeyKind::CalendarFolder, change);
            let parent = FolderName { folder: 1, ..folder };
            write_folder(out, "t:ParentFolderId", parent, KeyKind::Folder, 1);
            if event.kind == EventKind::Modified {
                out.leaf("t:UnreadCount", "0");
            }
        }
        About::Item(..) if event.kind == EventKind::Moved => {
            let moved = ItemName { folder: DELETED_ITEMS, ..name };
            write_item(out, "t:ItemId", moved, change);
            let target = FolderName { folder: DELETED_ITEMS, ..folder };
            write_folder(out, "t:ParentFolderId", target, KeyKind::Folder, 1);
            write_item(out, "t:OldItemId", name, change);
            write_folder(out, "t:OldParentFolderId", folder, KeyKind::CalendarFolder, change);
        }
        About::Item(..) => {
            write_item(out, "t:ItemId", name, change);
            write_folder(out, "t:ParentFolderId", folder, KeyKind::CalendarFolder, change);
        }
    }
    out.close(&tag);
}

fn write_item(out: &mut Writer, tag: &str, name: ItemName, change: u64) {
    let key = change_key(KeyKind::CalendarItem, &name.mailbox, change);
    out.empty(tag, &[("Id", &name.encode()), ("ChangeKey", &key)]);
}

fn write_folder(out: &mut Writer, tag: &str, name: FolderName, kind: KeyKind, change: u64) {
    let key = change_key(kind, &name.mailbox, change);
    out.empty(tag, &[("Id", &name.encode()), ("ChangeKey", &key)]);
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.queue.muted.store(true, Ordering::Release);
        let mut world = self.shared.world();
        for id in &self.opening.ids {
            world.desk.detach(id, &self.queue);
        }
        if let Some(mailbox) = self.opening.number.and_then(|number| world.mailbox_mut(number)) {
            mailbox.open_streams = mailbox.open_streams.saturating_sub(1);
        }
    }
}
