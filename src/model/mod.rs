//! The words of Calway: every layer above speaks with these types and adds none of its own.
//!
//! Nothing here opens, reads, waits or serializes. Personal data has a type of its own
//! ([`Plain`], [`Address`]) whose `Debug` tells nothing; time is a number handed in ([`Time`]).

mod absence;
mod calendar;
mod command;
mod fault;
mod id;
mod meeting;
mod plain;
mod time;
mod trace;
mod tried;
mod trust;
mod writing;
mod zone;

pub use absence::{Absence, Audience, Away};
pub use calendar::{
    Change, Cursor, Doubt, Entry, Hint, Home, ItemId, ListenEnd, Listing, Order, Page, Target,
};
pub use command::{Command, CommandKind, Hours, Outcome, Wanted, When, Wish};
pub use fault::{Cause, Fault, Next};
pub use id::{
    CalendarName, CommandId, GroupKey, KeyUri, RecordKey, ResourceUri, ServerKey, UserId,
};
pub use meeting::{
    Answer, Body, Found, Meeting, MeetingKind, Participant, ParticipantKind, ParticipantRole,
    Person, Sensitivity,
};
pub use plain::{Address, Plain, Secret};
pub use time::{Now, Span, Time};
pub use trace::Trace;
pub use tried::Tried;
pub use trust::{TrustEntry, Verdict};
pub use writing::{
    BusyType, BusyWindow, Engagement, FreeBusy, Invitation, InvitationKind, Invitee, Mark,
    NewMeeting, Notify, Reach, Response, Rewrite, WorkHours, WorkPeriod, WriteFault, Written,
};
pub use zone::{Shift, Zone};
