//! What is to be done about an invitation: nothing, ask for join details, change or take them out.

use std::fmt;

use super::{Asked, Keywords, Mark};
use crate::model::{Plain, RecordKey, Time};
use crate::pipeline::limits::INVITEES;

/// What of an invitation decides.
#[derive(Clone, Debug)]
pub struct Invitation<'a> {
    /// Its record's key; of a series, that of the series.
    pub meeting: &'a RecordKey,
    /// The place as it is now.
    pub place: &'a Plain,
    /// Whether this is the organiser's own copy, in the organiser's own calendar.
    pub own: bool,
    /// Whether it is called off.
    pub cancelled: bool,
    /// When it ends, or the last of its occurrences does; `None` for a series without an end.
    pub end: Option<Time>,
    /// How many are invited, rooms with them.
    pub invitees: usize,
    /// Whether it can be joined by something that is not ours: an address in the place, the body or
    /// a conference property. What stands between our own lines does not count.
    pub joinable: bool,
    /// The mark that it carries.
    pub mark: Option<&'a Mark>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it has no keyword, and nothing of ours.
    Nothing,
    /// Nothing: the details that it asked for stand in it.
    Done,
    /// Ask the cloud for details, and write them.
    Ask(Asked),
    /// It has details of ours and asks anew: ask the cloud, and write what it answers in the place
    /// of the old ones.
    Change(Asked),
    /// It has details of ours, and nothing asks for them any more: take them and the mark out.
    TakeOut,
    /// Something would be to be done, but not in this invitation.
    Not(Reason),
}

/// Why an invitation is not written into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is an invitee's copy, or stands in a shared calendar: the organiser's is written into.
    NotOrganizer,
    /// It was called off.
    Cancelled,
    /// It is over.
    Past,
    /// More than [`INVITEES`] are invited.
    TooManyInvitees,
    /// It holds join details already, of another service or written by hand.
    AlreadyJoinable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NotOrganizer,
        Self::Cancelled,
        Self::Past,
        Self::TooManyInvitees,
        Self::AlreadyJoinable,
    ];

    /// A name for the journal and the cloud.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOrganizer => "not-organizer",
            Self::Cancelled => "cancelled",
            Self::Past => "past",
            Self::TooManyInvitees => "too-many-invitees",
            Self::AlreadyJoinable => "already-joinable",
        }
    }

    /// Whether somebody should hear of it: the organiser asked for something and does not get it.
    /// Invitees' copies have the organiser's keyword by nature.
    pub fn is_told(self) -> bool {
        self != Self::NotOrganizer
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOrganizer => "this is not the organiser's copy",
            Self::Cancelled => "the meeting was called off",
            Self::Past => "the meeting is over",
            Self::TooManyInvitees => "more than 1,500 are invited",
            Self::AlreadyJoinable => "the invitation holds join details already",
        })
    }
}

impl Keywords {
    /// What is to be done about an invitation.
    pub fn judge(&self, invitation: &Invitation<'_>, now: Time) -> Verdict {
        // A copy of a decorated invitation carries the mark of the one it was copied from.
        let mark = invitation.mark.filter(|mark| mark.meeting == *invitation.meeting);
        let wanted = match (self.find(invitation.place), mark) {
            (None, None) => return Verdict::Nothing,
            (None, Some(mark)) if mark.stands_in(invitation.place) => return Verdict::Done,
            (None, Some(_)) => Verdict::TakeOut,
            (Some(asked), None) => Verdict::Ask(asked),
            (Some(asked), Some(_)) => Verdict::Change(asked),
        };
        let first = matches!(wanted, Verdict::Ask(_));
        let reason = if !invitation.own {
            Reason::NotOrganizer
        } else if invitation.cancelled {
            Reason::Cancelled
        } else if invitation.end.is_some_and(|end| end <= now) {
            Reason::Past
        } else if invitation.invitees > INVITEES {
            Reason::TooManyInvitees
        } else if invitation.joinable && first {
            Reason::AlreadyJoinable
        } else {
            return wanted;
        };
        Verdict::Not(reason)
    }
}
