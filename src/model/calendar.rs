//! What a calendar provider is asked and what it answers.

use std::fmt;
use std::sync::Arc;

use super::{Address, Fault, GroupKey, Plain, ServerKey, Time, UserId, Zone};

/// A mailbox as a provider needs it: whom to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cloud's id of its user; this name goes to the journal.
    pub user: UserId,
    /// Its SMTP address; this name goes to the provider alone.
    pub address: Arc<Address>,
}

/// The provider's mark of how far a mailbox was read (EWS SyncState, Graph deltaLink, Google
/// syncToken). Opaque; case matters. It may hold traces of the mailbox's name, so it is sealed on
/// disk and has no readable `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(pub Arc<str>);

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// The provider's id of an item (EWS ItemId). A hint: it changes when the item moves. Case
/// matters. `Debug` shows nothing of it, as real ids hold the mailbox's GUID.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub Arc<str>);

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemId({} bytes)", self.0.len())
    }
}

/// One change of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Created or changed. For a series this is its master, whatever occurrence was edited.
    Upsert(ItemId),
    /// Not in the calendar any more.
    Delete(ItemId),
}

/// One page of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the feed.
    pub changes: Vec<Change>,
    /// Where the next page begins; asking again from the old one is harmless.
    pub cursor: Cursor,
    /// Whether the feed ends here for now.
    pub last: bool,
}

/// One line of a window's listing: enough to know whether the item itself must be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The item to ask for: the single meeting, or this very occurrence.
    pub item: ItemId,
    /// The provider's version of it (EWS ChangeKey); empty where it names none.
    pub version: Arc<str>,
    /// The meeting's UID, shared by all occurrences of a series.
    pub uid: Plain,
    /// Part of a series.
    pub recurring: bool,
    /// Start, UTC.
    pub start: Time,
    /// End, UTC.
    pub end: Time,
}

/// The meetings that touch a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each once.
    pub entries: Vec<Entry>,
    /// Whether these are all: a server lists only so many of those that touch one minute.
    pub complete: bool,
}

impl From<Vec<Entry>> for Listing {
    fn from(entries: Vec<Entry>) -> Self {
        Self { entries, complete: true }
    }
}

/// Where a mailbox is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The endpoint that answers for it: budgets and back-off count for this.
    pub server: ServerKey,
    /// Which mailboxes may share a stream with it.
    pub group: GroupKey,
    /// Its own time zone, where it is known: its days begin at that zone's midnight.
    pub zone: Option<Zone>,
}

/// How sure somebody is that a home that is known is wrong: so old may an answer be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Not at all: what was told within the day will do.
    None,
    /// Nothing is known to be wrong, but a move may have gone unnoticed: what was told some
    /// minutes ago will do.
    Routine,
    /// The mailbox is not where it was thought: nothing is answered from memory.
    Moved,
}

/// What a running stream is told. The channel's end means [`Order::Stop`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One more mailbox of the group: it gets a `Listening` or a `Refused`.
    Join(Target),
    /// This mailbox is not listened to any more: its subscription is given back, the others'
    /// stay. Nothing is told of it from then on, or what is told is to be passed over.
    Leave(UserId),
    /// Give everything back and end.
    Stop,
}

/// What a stream of notifications tells. A hint is a doorbell, never the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// From now on this mailbox's doorbell works; whatever happened before must be synced. Sent
    /// once after subscribing and again after every gap.
    Listening(UserId),
    /// Something changed.
    Changed(UserId),
    /// This mailbox cannot be listened to; the others of the group can.
    Refused(UserId, Fault),
}

/// Why a stream ended. The mailboxes in it are not listened to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenEnd {
    /// Its time was over, as planned.
    RollOver,
    /// It was told to stop.
    Stopped,
    /// It broke.
    Failed(Fault),
}
