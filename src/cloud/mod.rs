//! The port to the cloud, and what every link to it promises.
//!
//! 1. **Nothing is confirmed that the cloud did not confirm.** A [`Verdict`] stands only for what
//!    the cloud named in its answer; an event without one is to be sent again.
//! 2. **Sending again is harmless.** The cloud knows an event by its id and keeps the highest
//!    sequence of a record.
//! 3. **A command is acknowledged only when told so**, by an [`Answered`] whose outcome is on
//!    disk; until then the cloud sends it again after each reconnect.
//! 4. **Only sealed records pass**: the port can name nothing else.
//! 5. **Answers are bounded**, and so is every wait.

mod announced;
mod channel;
mod link;
mod token;
pub mod wire;
mod wishes;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::model::{Command, CommandId, Fault, Outcome, Time, Trace, UserId};
use crate::pipeline::seal::Sealed;

pub use link::{Link, Options};

/// The most events of one batch.
pub const MAX_EVENTS: usize = 500;

/// The most bytes of one batch.
pub const MAX_BYTES: usize = 1 << 20;

/// The cloud as the uplink sees it.
pub trait Cloud: Send + Sync + 'static {
    /// Sends a batch of at most [`MAX_EVENTS`] events and [`MAX_BYTES`] bytes
    /// ([`Outgoing::weight`] summed). The verdicts come in the order of the batch; events that the
    /// cloud's answer does not name have none and are to be sent again.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next): the batch as a whole is bad or too large, split it.
    /// [`Next::BackOff`](crate::model::Next): nothing more before the wait is over.
    /// [`Next::SignIn`](crate::model::Next): our credentials are refused.
    /// [`Next::Retry`](crate::model::Next): everything else, whether it arrived or not.
    fn send<'a>(&'a self, batch: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Verdict>, Fault>>;

    /// Keeps the command channel open until it breaks or `stop` becomes true, and hands over what
    /// comes. `after` is the highest sequence whose outcome is on disk, with all lower ones.
    /// Outcomes go up as they come from `answers`; those still in it at `stop` are sent first.
    fn channel<'a>(
        &'a self,
        after: u64,
        heard: mpsc::Sender<Heard>,
        answers: mpsc::Receiver<Answered>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'a, ChannelEnd>;

    /// Tells how we are; every 30 s.
    ///
    /// # Errors
    /// As [`Cloud::send`].
    fn status<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<(), Fault>>;
}

/// One event on its way up.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id: another one for each version of a record, the same one when it is sent again.
    pub id: Arc<str>,
    /// What it tells.
    pub kind: EventKind,
    /// Whose record it is.
    pub user: UserId,
    /// Its place among the events of this user: increasing, gaps allowed.
    pub sequence: u64,
    /// When it was made.
    pub time: Time,
    /// The event's `data`.
    pub data: Sealed,
    /// What it belongs to: the `traceparent`.
    pub trace: Trace,
}

impl Outgoing {
    /// No less than the bytes it takes in a batch.
    pub fn weight(&self) -> usize {
        let names = self.id.len() + self.user.as_str().len();
        self.data.json().len() + 2 * names + wire::FRAME
    }
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A record as it is now.
    Put {
        /// The cloud never saw this record, as far as we know.
        created: bool,
    },
    /// A record is no more.
    Delete,
    /// Everything of this user was sent anew: older records are to be dropped.
    ResyncComplete,
    /// Whether a user is out of office.
    Presence,
    /// How a user's mailbox is.
    State,
    /// How a command ended.
    Result,
    /// When people are free.
    FreeBusy,
    /// An invitation asks for join details.
    Decorate,
}

/// What the cloud did with one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The event's id.
    pub id: Arc<str>,
    /// What became of it.
    pub result: Received,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Kept.
    Stored,
    /// Known already.
    Duplicate,
    /// A later version is known already.
    Stale,
    /// Never will be kept, with the cloud's reason (200 characters at most).
    Rejected(String),
}

/// What comes down the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The channel is open. First, and once.
    Open,
    /// A command.
    Command(Command),
}

/// How a command ended, to be told to the cloud: it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The command's id.
    pub id: CommandId,
    /// The command's sequence.
    pub sequence: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why the channel is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEnd {
    /// It was told to stop, or nobody listens any more.
    Stopped,
    /// Another channel of the same connector took its place (close code 4409): somebody runs a
    /// second one under our name.
    Replaced,
    /// It broke, or could not be opened.
    Failed(Fault),
}

/// How the connector is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Our version.
    pub version: String,
    /// In one word.
    pub state: State,
    /// Of how many mailboxes.
    pub mailboxes: Mailboxes,
    /// Events waiting to be sent.
    pub outbox: u64,
    /// The stable names of the conditions that hold.
    pub conditions: Vec<String>,
    /// How bad the worst of them is: `critical`, `error` or `warning`.
    pub severity: Option<&'static str>,
}

/// How the connector is, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Everything works.
    #[default]
    Operational,
    /// Something does not work for somebody.
    Impaired,
    /// Nothing works for anybody.
    Outage,
}

/// Mailboxes by how they are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes {
    /// All that are relayed.
    pub active: u64,
    /// Of these: their doorbell works.
    pub streaming: u64,
    /// Of these: read from time to time.
    pub polling: u64,
    /// Of these: cannot be read.
    pub failing: u64,
}
