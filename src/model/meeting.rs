//! A meeting as it stands in a calendar, in plain text. It lives between `calendar` and `seal`.

use std::sync::Arc;

use super::{Address, Fault, ItemId, Plain, Time};

/// One meeting of the window: a single one, or one occurrence of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The provider's id of it.
    pub item: ItemId,
    /// The provider's version (EWS ChangeKey); empty where it names none.
    pub version: Arc<str>,
    /// iCalendar UID; every occurrence of a series has the same.
    pub uid: Plain,
    /// What it is in its series.
    pub kind: MeetingKind,
    /// For a part of a series: where the pattern put it, before anybody moved it. UTC. A single
    /// item has one where its owner was invited to one occurrence alone.
    pub original_start: Option<Time>,
    /// Start, UTC.
    pub start: Time,
    /// End, UTC, not before `start`.
    pub end: Time,
    /// Lasts whole days.
    pub all_day: bool,
    /// Title.
    pub subject: Plain,
    /// Place.
    pub location: Plain,
    /// What the invitation says.
    pub body: Body,
    /// Who called it. Absent for an appointment with oneself, where the provider names nobody.
    pub organizer: Option<Person>,
    /// Who is asked to come.
    pub participants: Vec<Participant>,
    /// How private it is.
    pub sensitivity: Sensitivity,
    /// Called off by its organiser.
    pub cancelled: bool,
    /// When it was last changed, where the provider says.
    pub last_modified: Option<Time>,
    /// The address a conference property of the item names, where it has one.
    pub conference: Plain,
    /// Whether this is the organiser's own copy: whoever else has one may answer, and not change.
    pub mine: bool,
    /// Our own mark of it, where it has one ([`Mark`](super::Mark)).
    pub mark: Option<Plain>,
}

/// What was found under an id that the feed named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A meeting.
    Meeting(Box<Meeting>),
    /// The master of a series: its occurrences must be read from the window.
    Master {
        /// Its id.
        item: ItemId,
        /// Its UID, which its occurrences carry.
        uid: Plain,
    },
    /// Deleted meanwhile, or moved to another folder.
    Missing(ItemId),
    /// Not a meeting (a mail or task that strayed into the calendar): of no interest.
    Other(ItemId),
    /// It is there, but cannot be read, for its own reasons: what was known of it stays, and the
    /// next listing of the window asks for it again.
    Unreadable(ItemId, Fault),
}

/// What a meeting is in its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeetingKind {
    /// Not part of any series.
    Single,
    /// As the pattern made it.
    Occurrence,
    /// Part of a series, but changed by itself.
    Exception,
}

/// The text of an invitation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Body {
    /// The text as the provider holds it.
    pub text: Plain,
    /// Whether it is HTML.
    pub html: bool,
}

/// A name and an address. Either may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Person {
    /// The display name.
    pub name: Plain,
    /// The SMTP address; absent for a directory object (`EX:`) that the provider did not resolve.
    pub address: Option<Address>,
}

/// One who is asked to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub person: Person,
    /// A person or a room.
    pub kind: ParticipantKind,
    /// How much they are needed.
    pub role: ParticipantRole,
    /// What they answered.
    pub answer: Answer,
}

/// A person or a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantKind {
    /// Somebody.
    Person,
    /// A room or another resource.
    Room,
}

/// How much a participant is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantRole {
    /// Must come.
    Required,
    /// May come.
    Optional,
}

/// What a participant answered ([MS-OXWSCDATA] ResponseTypeType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// Comes.
    Accepted,
    /// Perhaps.
    Tentative,
    /// Does not come.
    Declined,
    /// Called the meeting.
    Organizer,
    /// The provider does not know.
    Unknown,
}

/// How private a meeting is ([MS-OXWSCDATA] SensitivityChoicesType).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sensitivity {
    /// Not at all.
    #[default]
    Normal,
    /// Personal.
    Personal,
    /// Private.
    Private,
    /// Confidential.
    Confidential,
}
