//! What a provider is told to write into a calendar, and what it reads for that.

use std::sync::Arc;

use super::{
    Address, Answer, Body, Fault, ItemId, Participant, ParticipantKind, ParticipantRole, Person,
    Plain, Sensitivity, Time, Zone,
};

/// A meeting to be made, in the calendar of whoever calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMeeting {
    /// Title.
    pub subject: Plain,
    /// What the invitation says; an empty one is left out.
    pub body: Body,
    /// Place; an empty one is left out.
    pub location: Plain,
    /// Start, UTC.
    pub start: Time,
    /// End, UTC.
    pub end: Time,
    /// The time zone it was planned in, by its IANA name (`Europe/Berlin`). The times are the same
    /// without it, and with one that the provider does not know.
    pub zone: Option<Arc<str>>,
    /// Who is invited, and told. Nobody is told where it is empty.
    pub invitees: Vec<Invitee>,
}

/// One who is to be invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    /// Where the invitation goes.
    pub address: Address,
    /// The display name; may be empty.
    pub name: Plain,
    /// A person or a room.
    pub kind: ParticipantKind,
    /// How much they are needed. A room is neither: it is booked.
    pub role: ParticipantRole,
}

impl Invitee {
    /// Whether it is no person.
    pub fn is_room(&self) -> bool {
        self.kind == ParticipantKind::Room
    }
}

/// A meeting that was read to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The provider's id of it.
    pub item: ItemId,
    /// The version that was read (EWS ChangeKey): a write of an older one is a
    /// [`WriteFault::Conflict`].
    pub version: Arc<str>,
    /// iCalendar UID, as [`Meeting::uid`](super::Meeting) has it.
    pub uid: Plain,
    /// What it is in its series.
    pub kind: InvitationKind,
    /// For a part of a series: where the pattern put it, before anybody moved it. UTC.
    pub original_start: Option<Time>,
    /// Start, UTC; of a series that of its first occurrence.
    pub start: Time,
    /// End, UTC, not before `start`; of a series that of its first occurrence.
    pub end: Time,
    /// When the last of it ends, UTC: of a series its last occurrence, or some time after that
    /// where the provider names only its last day. `None` for a series without an end.
    pub last_end: Option<Time>,
    /// Title.
    pub subject: Plain,
    /// Place.
    pub location: Plain,
    /// What the invitation says: all of it, as the provider holds it.
    pub body: Body,
    /// Its language (BCP 47), where the provider says; empty otherwise.
    pub language: Arc<str>,
    /// Who called it, where the provider says.
    pub organizer: Option<Person>,
    /// Whether this is the organiser's own copy: whoever else has one may answer, and not change.
    pub mine: bool,
    /// What the mailbox's owner answered.
    pub answer: Answer,
    /// Whether it has invitees, and they were told of it.
    pub invited: bool,
    /// How many are invited, rooms included.
    pub invitees: usize,
    /// The first of them.
    pub participants: Vec<Participant>,
    /// How private it is.
    pub sensitivity: Sensitivity,
    /// The address a conference property of the item names, where it has one.
    pub conference: Plain,
    /// Called off by its organiser.
    pub cancelled: bool,
    /// Our own mark of it, where it has one: what [`Mark::Set`] wrote.
    pub mark: Option<Plain>,
}

/// What an [`Invitation`] is in its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationKind {
    /// Not part of any series.
    Single,
    /// The series as a whole.
    Series,
    /// One occurrence, as the pattern made it.
    Occurrence,
    /// Part of a series, but changed by itself.
    Exception,
}

/// Which item is meant by an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The one that it names.
    Item,
    /// The series that the occurrence belongs to which it names.
    Series,
}

/// A change to a meeting that is there. What it does not name stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The item.
    pub item: ItemId,
    /// The version that it was read in ([`Invitation::version`]).
    pub version: Arc<str>,
    /// The new place.
    pub location: Option<Plain>,
    /// The new body, all of it.
    pub body: Option<Body>,
    /// Our own mark.
    pub mark: Mark,
    /// Who is told.
    pub notify: Notify,
}

impl Rewrite {
    /// Whether it changes nothing at all.
    pub fn is_nothing(&self) -> bool {
        self.location.is_none() && self.body.is_none() && self.mark == Mark::Keep
    }
}

/// What happens to our own mark of a meeting: a property that no other program shows or changes,
/// of [`Mark::BYTES`] at most. It may hold what was put into the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is this from now on.
    Set(Plain),
    /// It is taken off.
    Remove,
}

impl Mark {
    /// The longest mark that is read back, in bytes of UTF-8.
    pub const BYTES: usize = 8 * 1024;
}

/// What is answered to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Comes.
    Accepted,
    /// Perhaps.
    Tentative,
    /// Does not come.
    Declined,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        match response {
            Response::Accepted => Self::Accepted,
            Response::Tentative => Self::Tentative,
            Response::Declined => Self::Declined,
        }
    }
}

/// Who is told of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// All whom it concerns: the invitees of a change, the organiser of an answer.
    All,
    /// Nobody.
    Nobody,
}

/// An item as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub item: ItemId,
    /// Its version (EWS ChangeKey), which the next write names; empty where the provider tells
    /// none.
    pub version: Arc<str>,
}

/// A write that did not succeed, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// It surely took no effect: it was not sent, or was refused as a whole. The fault says what
    /// to do next, and doing it again is harmless.
    NoEffect(Fault),
    /// It took no effect, as the item is not what it was when it was read: somebody else changed,
    /// moved or deleted it. It is to be read anew, and decided anew.
    Conflict(Fault),
    /// It may have taken effect, wholly or in part, or may still do so: the answer was lost, or
    /// the provider failed on the way. Before anything is sent again it is to be looked for, not
    /// sooner than [`WriteFault::SETTLED_AFTER`] later; the fault says what to do if it is not
    /// there.
    InDoubt(Fault),
}

impl WriteFault {
    /// A server works no longer on a request ([MS-OXWSCDATA] gives a batch one minute); five
    /// seconds are for the way.
    pub const SETTLED_AFTER: super::Span = super::Span::from_secs(65);

    /// Why, and what the caller does next.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::NoEffect(fault) | Self::Conflict(fault) | Self::InDoubt(fault) => fault,
        }
    }

    /// The same with another word on what to do next.
    #[must_use]
    pub fn map(self, change: impl FnOnce(Fault) -> Fault) -> Self {
        match self {
            Self::NoEffect(fault) => Self::NoEffect(change(fault)),
            Self::Conflict(fault) => Self::Conflict(change(fault)),
            Self::InDoubt(fault) => Self::InDoubt(change(fault)),
        }
    }

    /// Whether it may have taken effect.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_))
    }
}

impl std::fmt::Display for WriteFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self.fault(), f)
    }
}

impl std::error::Error for WriteFault {}

/// How somebody is engaged ([MS-OXWSCDATA], LegacyFreeBusyType).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusyType {
    /// Not at all.
    Free,
    /// Perhaps.
    Tentative,
    /// In a meeting.
    Busy,
    /// Out of office.
    Away,
    /// At work in another place.
    Elsewhere,
    /// Nothing is known, or what a later provider may say.
    #[default]
    Unknown,
}

/// One engagement. What it is about is left out, even where the provider tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engagement {
    /// When it begins, UTC.
    pub start: Time,
    /// When it ends, UTC, not before it begins.
    pub end: Time,
    /// How it engages.
    pub busy: BusyType,
}

/// When one mailbox is free. What is absent may not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeBusy {
    /// A digit for each interval of the window: 0 free, 1 tentative, 2 busy, 3 away, 4 elsewhere
    /// or unknown.
    pub merged: Option<String>,
    /// The engagements, as the provider orders them.
    pub engagements: Vec<Engagement>,
    /// When its owner works, where that is told.
    pub hours: Option<WorkHours>,
}

/// When somebody works, week for week ([MS-OXWAVLS] 2.2.4.12, WorkingHours).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkHours {
    /// Whose days and hours are meant.
    pub zone: Zone,
    /// At least one; they may overlap.
    pub periods: Vec<WorkPeriod>,
}

/// Hours of some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkPeriod {
    /// On which days; 0 is Sunday.
    pub days: [bool; 7],
    /// From this minute of the day on.
    pub from: u16,
    /// Up to this one, later than `from` and 1440 at most.
    pub to: u16,
}

impl WorkHours {
    /// What most people's are: Monday to Friday, 8 to 17 o'clock.
    pub fn usual(zone: Zone) -> Self {
        let days = [false, true, true, true, true, true, false];
        Self { zone, periods: vec![WorkPeriod { days, from: 8 * 60, to: 17 * 60 }] }
    }
}

/// The window of a question for free times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyWindow {
    /// Where it begins, UTC.
    pub from: Time,
    /// Where it ends, UTC. Exchange takes 42 days (2010) or 62 at once.
    pub to: Time,
    /// The length of a digit of [`FreeBusy::merged`], in minutes: 5 to 1440.
    pub interval_minutes: u16,
}
