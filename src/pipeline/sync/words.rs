//! What a pass begins with, asks for, gets, and wants written.

use std::sync::Arc;

use crate::model::{
    CommandId, Cursor, Found, ItemId, KeyUri, Listing, Page, RecordKey, ResourceUri, Time, Trace,
    UserId,
};
use crate::pipeline::seal::{Sealed, Sealer, Stashed, Tag};
use crate::pipeline::window::Window;

/// One line of a mailbox's index: what the cloud was last sent for a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub key: RecordKey,
    /// Hash of the id of the item that it was read from.
    pub item: Tag,
    /// Hash of the meeting's UID: the same for a whole series.
    pub series: Tag,
    /// Hash of the item's version, start and end: if a listing shows the same, nothing changed.
    pub version: Tag,
    /// Hash of what was sent.
    pub digest: Tag,
    /// Hash of what it asks for, as it was noticed last: the same again is not noticed again.
    /// Absent where it asks for nothing. Its last bit is set where an occurrence that was changed
    /// by itself asks, and not its series.
    pub asked: Option<Tag>,
}

/// The mailbox's resource of keys, and the key of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// The KMS resource; its user is authorised there.
    pub resource: ResourceUri,
    /// The key that seals.
    pub key: KeyUri,
    /// The midnight of the day that it was made on.
    pub day: Time,
}

/// What the store knows of a mailbox when a pass begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Which activation this is; a commit of an older one is dropped.
    pub generation: u64,
    /// Where the last page ended.
    pub cursor: Option<Stashed>,
    /// What was last read as a whole.
    pub window: Option<Window>,
    /// Everything has to be sent again.
    pub resend: bool,
    /// The highest sequence given so far.
    pub sequence: u64,
    /// The keys it was sealed with last.
    pub keys: Option<Keyed>,
}

/// What a listing of the window could not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// The window has more than [`WINDOW_ENTRIES`](crate::pipeline::limits::WINDOW_ENTRIES):
    /// meetings that begin then or later are not relayed.
    pub from: Option<Time>,
    /// More meetings touch one minute than the server lists: of those some are not relayed, and
    /// deletions may go unnoticed.
    pub crowded: bool,
}

/// Which lines of its index a pass wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// All of them.
    All,
    /// Those that have one of these.
    Of {
        /// [`Row::item`].
        items: Vec<Tag>,
        /// [`Row::series`].
        series: Vec<Tag>,
    },
}

/// What a pass wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A page of the feed.
    Changes(Option<Cursor>),
    /// Items with their bodies.
    Items(Vec<ItemId>),
    /// The listing of the window.
    View(Window),
}

/// What comes back for it.
#[derive(Clone, Debug)]
pub enum Got {
    /// For [`Ask::Changes`].
    Page(Page),
    /// For [`Ask::Items`].
    Items(Vec<Found>),
    /// For [`Ask::View`].
    View(Listing),
    /// For [`Step::Look`]: every line that was looked for, as the last commit left it.
    Rows(Vec<Row>),
    /// For [`Step::Key`].
    Key(Arc<dyn Sealer>),
    /// For a commit.
    Committed,
}

/// One transaction: all of it is on disk, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose.
    pub user: UserId,
    /// Which activation.
    pub generation: u64,
    /// How far the feed is read; absent if it does not move.
    pub cursor: Option<Stashed>,
    /// What of the window was read as a whole: from its beginning on. Absent if that stays.
    pub window: Option<Window>,
    /// Everything was sent again: the mark on the mailbox is taken away.
    pub resent: bool,
    /// Keys to remember; absent if they stay.
    pub keys: Option<Keyed>,
    /// Index lines to write.
    pub rows: Vec<Row>,
    /// Index lines to drop.
    pub dropped: Vec<RecordKey>,
    /// Events for the outbox, in the order of their sequence.
    pub events: Vec<Event>,
    /// Errands of kind [`Attend`](crate::pipeline::errand::ErrandKind::Attend) to file: what
    /// [`file`](crate::pipeline::errand::file) made. One that waits already is not filed again.
    pub noticed: Vec<(CommandId, Stashed)>,
    /// The highest sequence given so far.
    pub sequence: u64,
    /// What it belongs to, for the journal.
    pub trace: Option<Trace>,
}

/// An event for the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which record; absent for [`EventKind::Complete`].
    pub key: Option<RecordKey>,
    /// What of it.
    pub kind: EventKind,
    /// Its place among the mailbox's events.
    pub sequence: u64,
    /// The `data`.
    pub data: Sealed,
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `calendar.meeting.create`
    Create,
    /// `calendar.meeting.update`
    Update,
    /// `calendar.meeting.delete`
    Delete,
    /// `calendar.resync.complete`
    Complete,
    /// `user.presence`
    Presence,
    /// `user.state`
    State,
    /// `command.result`
    Result,
    /// `calendar.free_busy`
    FreeBusy,
    /// `calendar.decorate.request`
    Decorate,
}

impl EventKind {
    /// Whether it is none of the calendar's events: it has a count of its own.
    pub fn is_message(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Delete | Self::Complete => false,
            Self::Presence | Self::State | Self::Result | Self::FreeBusy | Self::Decorate => true,
        }
    }
}

/// What the caller does next.
#[derive(Debug)]
pub enum Step {
    /// Ask this.
    Ask(Ask),
    /// Look these lines up in the store, then come back with [`Got::Rows`].
    Look(Lookup),
    /// Something is to be sealed: get the key of the day.
    Key,
    /// Write this, then come back with [`Got::Committed`].
    Commit(Box<Commit>),
    /// The pass is over. `more`: the feed goes on, come again.
    Done {
        /// Whether the feed goes on.
        more: bool,
    },
}
