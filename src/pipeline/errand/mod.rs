//! What a command of a user comes to: work in Exchange that is done once, and told once.
//!
//! **Promise.** What was accepted takes effect once, or its failure is told once; a crash at any
//! step changes nothing of that. What writes is noted as "sending" on the disk before it is sent;
//! after a doubt (an answer was lost, or the program began anew while it was noted so) nothing is
//! sent before [`WriteFault::SETTLED_AFTER`] is over and a look showed that it did not take effect.
//!
//! ```text
//!   accepted ──what is needed was read──▶ sending ──answer──▶ told
//!                                           │  ▲                ▲
//!                                      doubt│  │absent          │there
//!                                           ▼  │                │
//!                                         looking ──────────────┘
//! ```
//!
//! Waits run on monotonic time and begin anew with a start, so that no clock that is set makes one
//! shorter.

mod attend;
mod create;
mod decorate;
mod desk;
mod free_busy;
mod judge;
mod noticed;
mod remark;
mod request;
mod respond;
mod seek;
mod sent;
mod told;
mod track;
mod update;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::seal::{Sealed, Sealer, Stashed, Tag};
use super::sync::EventKind;
use crate::model::{
    Address, BusyWindow, CommandId, Entry, Fault, Found, FreeBusy, Invitation, ItemId, Listing,
    NewMeeting, Next, Notify, Now, Plain, Reach, RecordKey, Response, Rewrite, Time, UserId,
    WriteFault, Written, Zone,
};

pub use desk::{Desk, Input, Note, Output, Ticket};
pub use judge::Rules;
#[cfg(test)]
pub(in crate::pipeline) use noticed::open;
pub use noticed::{Noticed, Part, file};
pub use remark::{Remark, Why};
pub use request::accept;
pub use told::result;

/// What an errand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrandKind {
    /// `meeting.create`
    Create,
    /// `meeting.respond`
    Respond,
    /// `freebusy.query`
    FreeBusy,
    /// Of our own: an invitation was noticed ([`Noticed`]). No command began it, and none is told
    /// how it ended.
    Attend,
    /// `meeting.decorate`
    Decorate,
}

impl ErrandKind {
    /// The command's type; for what no command began, a word for the journal.
    pub fn command(self) -> &'static str {
        match self {
            Self::Create => "meeting.create",
            Self::Respond => "meeting.respond",
            Self::FreeBusy => "freebusy.query",
            Self::Attend => "keyword",
            Self::Decorate => "meeting.decorate",
        }
    }

    /// Whether no command began it: the cloud is not told of it, and it is not counted among a
    /// mailbox's commands.
    pub fn is_local(self) -> bool {
        self == Self::Attend
    }

    /// Whether it only asks: it waits for no other errand then, and none for it.
    pub fn only_asks(self) -> bool {
        self == Self::FreeBusy
    }
}

/// How far an errand is, as the disk has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was sent that writes.
    #[default]
    Accepted,
    /// Something that writes may have been sent.
    Sending,
}

/// An errand on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Its number: the order in which errands came.
    pub row: i64,
    /// The command.
    pub id: CommandId,
    /// In whose name.
    pub user: UserId,
    /// What for.
    pub kind: ErrandKind,
    /// How far it is.
    pub stage: Stage,
    /// What is wanted, and what was found out so far.
    pub body: Stashed,
    /// When it was accepted.
    pub born: Time,
}

/// One step of an errand on the disk: all of it in one transaction, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Its number: what was filed later under the same id is another one.
    pub row: i64,
    /// Which.
    pub id: CommandId,
    /// How far it is now.
    pub stage: Stage,
    /// In the place of the old one, where there is one.
    pub body: Option<Stashed>,
    /// What is told.
    pub told: Vec<Told>,
    /// Whether it ends with this.
    pub done: bool,
    /// Rows of the index that say that they ask for this say so no more, so that it is noticed anew
    /// where they are read again.
    pub anew: Option<Tag>,
}

/// A message of an errand to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub kind: EventKind,
    /// The id under which a newer one takes the place of an older one.
    pub key: RecordKey,
    /// The `data`.
    pub data: Sealed,
}

/// What is asked of the calendar, or of the key server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `Calendar::free_busy`
    FreeBusy(Vec<Arc<Address>>, BusyWindow),
    /// `Calendar::create`, with the mark.
    Create(Box<NewMeeting>, Arc<str>),
    /// `Calendar::created`, by the mark.
    Created(Arc<str>),
    /// `Calendar::view`
    View(Time, Time),
    /// `Calendar::items`
    Items(Vec<ItemId>),
    /// `Calendar::for_writing`
    Read(ItemId, Reach),
    /// `Calendar::respond`
    Respond {
        /// Which.
        invitation: Written,
        /// The answer.
        response: Response,
        /// Words with it.
        comment: Option<Plain>,
        /// Whether the organiser is told.
        notify: Notify,
    },
    /// `Calendar::rewrite`
    Rewrite(Box<Rewrite>),
    /// The zone of the mailbox, by `Calendar::homes`.
    Zone,
    /// `Calendar::language`
    Language,
    /// A key of the user to seal with.
    Key,
}

impl Ask {
    /// Whether it may take effect: unanswered it leaves doubt.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Create(..) | Self::Respond { .. } | Self::Rewrite(_))
    }
}

/// What came of an [`Ask`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// One for each mailbox.
    FreeBusy(Vec<Result<FreeBusy, Fault>>),
    /// What was to be written is written.
    Done,
    /// What carries the mark.
    Created(Option<Entry>),
    /// The listing.
    View(Listing),
    /// The items.
    Items(Vec<Found>),
    /// The meeting, where it is there.
    Read(Option<Box<Invitation>>),
    /// The zone, where it is known.
    Zone(Option<Zone>),
    /// The language of the mailbox, where it is known.
    Language(Option<Arc<str>>),
    /// The key.
    Key(Arc<dyn Sealer>),
}

/// How one errand goes: it says what it wants, and is told what came of it.
trait Course: fmt::Debug + Send {
    /// What it wants at the beginning, and after it waited.
    fn go_on(&mut self, now: Now) -> Move;

    /// It stands on the disk that it is being sent.
    fn noted(&mut self, now: Now) -> Move {
        self.go_on(now)
    }

    /// What was asked for came, or did not.
    fn answered(&mut self, now: Now, answer: Result<Answer, WriteFault>) -> Move;

    /// Whether something of it may have taken effect, and nobody knows.
    fn is_in_doubt(&self) -> bool {
        false
    }

    /// Whether what was noticed is not attended to yet, and to be noticed anew.
    fn is_anew(&self) -> bool {
        false
    }

    /// What somebody should hear of it at its end.
    fn remark(&mut self) -> Option<Remark> {
        None
    }
}

/// What is on the disk is of no use.
#[derive(Debug)]
struct Useless(Fault);

impl Course for Useless {
    fn go_on(&mut self, _: Now) -> Move {
        Move::End(Ending::Failed(self.0.cause.code.clone()))
    }

    fn answered(&mut self, now: Now, _: Result<Answer, WriteFault>) -> Move {
        self.go_on(now)
    }
}

/// What an errand wants next.
#[derive(Debug)]
enum Move {
    /// To ask.
    Ask(Ask),
    /// To be noted as sending, with this body where it is another one.
    Stage(Option<Stashed>),
    /// To go on after some time of its own, for this reason.
    Again(Fault),
    /// To go on then.
    Wait(Time),
    /// Nothing: it ended.
    End(Ending),
}

/// How an errand ended.
#[derive(Debug)]
enum Ending {
    /// It took effect: on this record, at this time, where they are known.
    Done(Option<RecordKey>, Option<Time>),
    /// It makes no sense.
    Refused(Cow<'static, str>),
    /// It cannot be done.
    Failed(String),
    /// A question was answered, or one is put to the cloud.
    Answered(Told),
}

/// What failed for good ends it, what may pass does not.
fn trouble(fault: Fault) -> Move {
    match fault.next {
        Next::Denied | Next::Refused | Next::CursorLost => {
            Move::End(Ending::Failed(fault.cause.code))
        }
        Next::Retry { .. }
        | Next::BackOff { .. }
        | Next::SignIn
        | Next::Gone
        | Next::Moved
        | Next::KeyLost => Move::Again(fault),
    }
}

fn out_of_turn() -> Move {
    Move::Again(Fault::retry("an answer that was not asked for"))
}

fn fault(failed: WriteFault) -> Fault {
    failed.fault().clone()
}

#[cfg(test)]
mod decoration_play_tests;
#[cfg(test)]
mod decoration_tests;
#[cfg(test)]
#[path = "placing_tests.rs"]
mod placing;
#[cfg(test)]
#[path = "play_tests.rs"]
mod play;
#[cfg(test)]
mod tests;
