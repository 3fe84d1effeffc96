//! What a fleet is told, what it wants done, and how it behaves.

use std::sync::Arc;

use crate::model::{
    Doubt, Fault, Hint, Home, KeyUri, ListenEnd, ResourceUri, ServerKey, Span, Trace, UserId,
};
use crate::pipeline::limits;
use crate::pipeline::seal::Sealer;
use crate::pipeline::showing::Showing;
use crate::pipeline::sync::{Ask, Commit, Got, Loaded, Lookup, Row, Shortfall};
use crate::pipeline::window::Reach;

/// How a fleet behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The window.
    pub reach: Reach,
    /// Passes under way at one server at a time, and with that open requests (Microsoft's advice:
    /// 10).
    pub passes: usize,
    /// How many of them may serve the backlog; the rest is kept for rung mailboxes.
    pub backlog: usize,
    /// How often an unheard mailbox is polled.
    pub poll: Span,
    /// For jitter.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { reach: Reach::default(), passes: 10, backlog: 8, poll: limits::POLL, seed: 1 }
    }
}

/// Names an output, so that its answer finds back.
pub type Ticket = u64;

/// Names a stream.
pub type StreamId = u64;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// This mailbox is active: at start, or from now on.
    Added(UserId),
    /// These are active at the start, the likeliest to need it first: they are looked for, and
    /// read, in this order.
    Begun(Vec<UserId>),
    /// It is not active any more.
    Removed(UserId),
    /// Its store row changed (a resend was asked for): read it.
    Stirred(UserId),
    /// A stream tells something.
    Hint(StreamId, Hint),
    /// A stream ended.
    Ended(StreamId, ListenEnd),
    /// For [`Output::Load`]; `None`: the store does not know it.
    Loaded(Ticket, Result<Option<Loaded>, Fault>),
    /// For [`Output::Look`].
    Rows(Ticket, Result<Vec<Row>, Fault>),
    /// For [`Output::Homes`]: one answer for each mailbox, in order.
    Homes(Ticket, Vec<Result<Home, Fault>>),
    /// For [`Output::Ask`].
    Got(Ticket, Result<Got, Fault>),
    /// For [`Output::Key`].
    Keyed(Ticket, Result<(ResourceUri, Arc<dyn Sealer>), Fault>),
    /// For [`Output::Commit`]; false: an older activation's, dropped.
    Committed(Ticket, Result<bool, Fault>),
    /// The secret of the account changed: sign-in may be tried again at once.
    SecretChanged,
    /// Hosts were allowed or blocked: whoever fails may not fail for it any more.
    TrustChanged,
    /// There is another way to the servers, or another trust in them: whoever was out of reach may
    /// not be any more.
    WayChanged,
    /// The outbox is long: the cloud takes less than Exchange gives. Or: it is short again.
    OutboxLong(bool),
    /// Other rules count from now on, and meetings are shown like that.
    Ruled(Rules, Arc<Showing>),
    /// The store takes every window for unread, or the window is another one: read everybody.
    ReadAnew,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Read a mailbox's facts from the store: a reading of it begins.
    Load(Ticket, UserId, Reading),
    /// Read lines of a mailbox's index from the store.
    Look(Ticket, UserId, Lookup),
    /// Ask the provider where these mailboxes are served.
    Homes(Ticket, Vec<UserId>, Doubt),
    /// Ask the provider.
    Ask(Ticket, UserId, Ask),
    /// Ask the KMS.
    Key(Ticket, UserId, Want),
    /// Write.
    Commit(Ticket, Box<Commit>),
    /// Open a stream over these.
    Listen(StreamId, Vec<UserId>),
    /// One more mailbox for this stream: `Listening` or `Refused` comes, or the stream's `Ended`.
    Join(StreamId, UserId),
    /// One mailbox less: the others of the stream stay.
    Leave(StreamId, UserId),
    /// Close a stream; its `Ended` still comes.
    Hush(StreamId),
    /// Tell the operator.
    Note(Note),
}

/// A reading that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its name in the journal.
    pub trace: Trace,
    /// Exchange told of a change; else it was the mailbox's turn.
    pub rung: bool,
}

/// Which key is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A new resource with a first key.
    Establish,
    /// A new key for this resource: the day is over.
    Rotate(ResourceUri),
    /// The key of today, after a restart.
    Recall(ResourceUri, KeyUri),
}

/// Who is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// This server.
    Server(ServerKey),
    /// Whoever says where mailboxes are served.
    Directory,
}

/// Names a group of mailboxes as long as there is one.
pub type GroupId = usize;

/// What an operator is told. Only changes are told, not every repetition. What a reading led to has
/// its trace, beside it or in its fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A mailbox fails; the wait until it is tried again. Told once for each cause.
    MailboxFailing(UserId, Fault, Span),
    /// It was read and goes on being read: for the first time, after it failed, or after everything
    /// was asked for again.
    Relayed(UserId, Option<Trace>),
    /// It works again.
    MailboxWell(UserId, Option<Trace>),
    /// It is busy, or away: everybody there waits.
    ServerWaits(Side, Fault, Span),
    /// It answers again.
    ServerWell(Side),
    /// Nobody is served there any more, and it was not well when it was left.
    ServerLeft(Side),
    /// Sign-in was refused.
    SignInRefused(Fault, Span),
    /// It is not any more.
    SignedIn,
    /// The store cannot write.
    StoreFails(Fault),
    /// A stream broke; so many mailboxes are polled until it is back.
    StreamFailed(Fault, usize),
    /// This mailbox was refused by streams again and again: it is polled, and tried again after
    /// the span.
    Demoted(UserId, Fault, Span),
    /// Streams of a group fail again and again: its mailboxes are polled, and one of them tries
    /// after the span.
    GroupDemoted(GroupId, Fault, Span),
    /// Streams of a group work again.
    GroupPromoted(GroupId),
    /// A demoted group has no mailboxes any more.
    GroupLeft(GroupId),
    /// A mailbox is listened to.
    Listening(UserId),
    /// The KMS gives no key; what is sealed with yesterday's goes on.
    KeyLate(UserId, Fault),
    /// The server refused the cursor; the window is read anew.
    CursorLost(UserId, Trace),
    /// An item of the mailbox cannot be read, the others can; the reason.
    ItemUnreadable(UserId, Fault),
    /// No item of it is left out any more for that.
    ItemsReadable(UserId, Trace),
    /// Not all that stands in the mailbox's window is relayed; or all is again.
    Shortfall(UserId, Shortfall, Trace),
}

/// How many mailboxes are in which state; each active one is streaming, polling or failing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Active ones.
    pub active: usize,
    /// Listened to.
    pub streaming: usize,
    /// Asked from time to time, or not asked yet.
    pub polling: usize,
    /// Cannot be read, whether they are listened to or not.
    pub failing: usize,
    /// Waiting for their turn to be read.
    pub queued: usize,
}
