//! The port to the disk, and what every engine promises.
//!
//! 1. **One transaction.** [`Store::commit`] writes cursor, index, keys and outbox together or not
//!    at all, and they are on the disk (synced) before it returns. The cursor never passes a record
//!    that is not in the outbox; so the outbox lives here. What the cloud has answered goes along,
//!    and so do the errands of what was noticed: one that waits already stays as it is, and there
//!    is at most one more of the same, as the first may be under way.
//! 2. **An older activation cannot write.** A commit whose generation is not the mailbox's is
//!    dropped and answered false.
//! 3. **A newer event of a record takes the place of an older one that still waits**, so that the
//!    outbox is bounded by the calendar's size, not by the number of edits.
//! 4. **Sequences of a mailbox only grow**, also over deactivation, also when the store was lost
//!    (they begin at the time of day).
//! 5. **A command's effect and its outcome are one transaction**; the same id again gives the same
//!    outcome and no effect. Several commands may share the transaction, in their order.
//! 6. **What is told of a user beside the records is told once for each change**, and has a count
//!    of its own: a resync does not concern it.
//! 7. **An errand is on the disk with its command's outcome, and leaves it with its result.** Each
//!    step of it is one transaction. With its user's activation it ends: what was not told of it is
//!    told as refused.
//! 8. Nothing readable is stored: only hashes, JWE and what the installation sealed.
//!
//! Calls block; the daemon makes them from a thread of their own.

pub mod sqlite;

use crate::model::{CommandId, Fault, Outcome, Time, TrustEntry, UserId, Verdict};
use crate::pipeline::announcement::Announcement;
use crate::pipeline::command::Decision;
use crate::pipeline::errand::{Advance, Filed};
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::seal::{Stashed, Tag};
use crate::pipeline::sync::{Commit, Loaded, Lookup, Row};

/// Hosts that wait for a decision; beyond it the one that waited longest makes room.
pub const MOST_PENDING: i64 = 500;

/// How the cause of a fault begins whose file is damaged: nothing of it is trusted any more.
pub const DAMAGED: &str = "the store is damaged";

/// Whether the store's file is damaged.
pub fn is_damage(fault: &Fault) -> bool {
    fault.cause.code.starts_with(DAMAGED)
}

/// What came of meeting a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// It is on the trust list already.
    Known,
    /// It was put there.
    New,
    /// It was put there in the place of this one, which had waited longest.
    InPlaceOf(String),
}

/// What a provider keeps over a restart, and the trust list. Of both an administrator's tool may
/// change the file while the daemon runs, so nothing of them is kept in memory here.
pub trait Shelf {
    /// All lines of a shelf.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn kept(&mut self, shelf: &str) -> Result<Vec<Stashed>, Fault>;

    /// Puts lines onto a shelf, each in the place of an earlier one with its key; `None` takes it
    /// off. All in one transaction.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing of it was written then.
    fn keep(&mut self, shelf: &str, lines: &[(Tag, Option<Stashed>)]) -> Result<(), Fault>;

    /// The trust list, by host.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn trust(&mut self) -> Result<Vec<TrustEntry>, Fault>;

    /// Puts a host onto the trust list as pending, unless it is there. Where [`MOST_PENDING`] are,
    /// the one that waited longest makes room; what was decided never does.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn meet(&mut self, host: &str, via: &str, now: Time) -> Result<Met, Fault>;

    /// Writes an administrator's word on a host, known or not.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn decide_trust(&mut self, host: &str, verdict: Verdict, now: Time) -> Result<(), Fault>;

    /// Takes a host off the trust list, whatever was said of it; whether it was there.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn forget_trust(&mut self, host: &str) -> Result<bool, Fault>;

    /// A number that is another one once somebody else has written into the store. It costs
    /// nothing to ask.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn foreign_writes(&mut self) -> Result<i64, Fault>;
}

/// A storage engine.
pub trait Store: Shelf + Send + 'static {
    /// Takes a mailbox for this node until then. SQLite serves one node: always yes. A cluster
    /// store says no while another node has it.
    ///
    /// # Errors
    /// As every call here: `Retry` with the engine's code.
    fn claim(&mut self, user: &UserId, until: Time) -> Result<bool, Fault>;

    /// The active mailboxes with their addresses.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn mailboxes(&mut self) -> Result<Vec<(UserId, Stashed)>, Fault>;

    /// What a pass begins with; `None` if the mailbox is not active.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn load(&mut self, user: &UserId) -> Result<Option<Loaded>, Fault>;

    /// Lines of a mailbox's index, by key and each once; none if the mailbox is not known.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn rows(&mut self, user: &UserId, lookup: &Lookup) -> Result<Vec<Row>, Fault>;

    /// Writes these and takes rows off the outbox, all in one transaction. For each commit: whether
    /// it counted.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing of it was written then.
    fn write(
        &mut self,
        commits: &[Commit],
        settled: &Settled,
        now: Time,
    ) -> Result<Vec<bool>, Fault>;

    /// [`Store::write`] with nothing to take away.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn commit(&mut self, commits: &[Commit], now: Time) -> Result<Vec<bool>, Fault> {
        self.write(commits, &Settled::default(), now)
    }

    /// The first rows of the outbox, at most `limit` of them and about `bytes` of data; one at
    /// least, if there is any.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn outbox(&mut self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault>;

    /// [`Store::write`] with no commits.
    ///
    /// # Errors
    /// As [`Store::write`].
    fn settle(&mut self, settled: &Settled) -> Result<(), Fault> {
        self.write(&[], settled, Time::default()).map(drop)
    }

    /// The outcome of a command, if it has one.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn outcome(&mut self, id: &CommandId) -> Result<Option<Outcome>, Fault>;

    /// Applies decisions in their order, all in one transaction. For each: its command's outcome;
    /// where the command had one already, that one, and nothing is done.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing of them was written then.
    fn decide_all(&mut self, decisions: &[Decision], now: Time) -> Result<Vec<Outcome>, Fault>;

    /// [`Store::decide_all`] with one.
    ///
    /// # Errors
    /// As [`Store::decide_all`].
    fn decide(&mut self, decision: &Decision, now: Time) -> Result<Outcome, Fault> {
        let outcomes = self.decide_all(std::slice::from_ref(decision), now)?;
        outcomes.into_iter().next().ok_or_else(|| Fault::retry("store: no outcome"))
    }

    /// The highest sequence of the channel up to which every command has its outcome here.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn channel_position(&mut self) -> Result<u64, Fault>;

    /// Puts what is to be told of users into the outbox, each in the place of an older one of its
    /// topic; but what was told last, and of whom is not active, is passed over. All in one
    /// transaction.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing of it was written then.
    fn announce(&mut self, all: &[Announcement], now: Time) -> Result<(), Fault>;

    /// Errands that are not done, in the order in which they came: those after this row, at most
    /// `limit`.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn errands(&mut self, after: i64, limit: usize) -> Result<Vec<Filed>, Fault>;

    /// Writes one step of an errand, puts what is told of it into the outbox, and takes off the
    /// rows what is to be noticed anew. Whether it was still there: where its user is not active
    /// any more it is not, and nothing was written.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing of it was written then.
    fn advance(&mut self, advance: &Advance, now: Time) -> Result<bool, Fault>;

    /// Notes how meetings are shown. Where they were shown in another way before, every window
    /// counts as unread: each mailbox lists it, and what differs is sent; the commits of passes
    /// that have begun count no more. Whether that is so.
    ///
    /// # Errors
    /// `Retry` with the engine's code; nothing was written then.
    fn shown_as(&mut self, showing: Tag) -> Result<bool, Fault>;

    /// How many events wait for the cloud, at most: what is superseded in between may be counted.
    /// It takes no longer the more there are.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn waiting_at_most(&mut self) -> Result<u64, Fault>;

    /// The file is damaged ([`is_damage`]): the next start is to set it aside.
    fn give_up(&mut self) {}

    /// How much there is of one mailbox; nothing where it is not known. An engine need not know.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn outstanding(&mut self, _user: &UserId) -> Result<Outstanding, Fault> {
        Ok(Outstanding::default())
    }

    /// How much waits, and how much was set aside.
    ///
    /// # Errors
    /// `Retry` with the engine's code.
    fn backlog(&mut self) -> Result<Backlog, Fault>;
}

/// What the cloud has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Rows to take off the outbox.
    pub done: Vec<i64>,
    /// Rows to set aside, with the reason.
    pub aside: Vec<(i64, String)>,
}

/// What is in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events that wait for the cloud.
    pub waiting: u64,
    /// When the first of them was committed.
    pub oldest: Option<Time>,
    /// Events that the cloud will never take.
    pub aside: u64,
}

/// What there is of one mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Records that the cloud was sent, or will be.
    pub records: u64,
    /// Events that wait for the cloud.
    pub events: u64,
    /// When the first of them was committed.
    pub oldest: Option<Time>,
    /// Events that the cloud will never take.
    pub aside: u64,
    /// Errands that are not done.
    pub errands: u64,
    /// When a record of it was last committed.
    pub changed: Option<Time>,
}

#[cfg(test)]
#[path = "promises_tests.rs"]
pub(crate) mod promises;
