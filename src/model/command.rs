//! What the cloud asks the connector to do.

use std::sync::Arc;

use super::{BusyWindow, CommandId, KeyUri, Notify, Plain, RecordKey, Response, Time, UserId};

/// One command of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The cloud's id of it: the same id is the same command.
    pub id: CommandId,
    /// Its place in the channel; increasing.
    pub sequence: u64,
    /// What is asked.
    pub kind: CommandKind,
}

/// What is asked. `settings` has its place here and is refused as unknown until it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// `user.activate`: relay this user's calendar from now on.
    Activate {
        /// Who, by the cloud's id.
        user: UserId,
        /// The mailbox's address: a compact JWE.
        sealed_address: String,
        /// The key that opens it.
        key: KeyUri,
    },
    /// `user.deactivate`: withdraw the records, forget the mailbox.
    Deactivate {
        /// Who.
        user: UserId,
    },
    /// `records.resend`: read the window anew and send everything in it.
    Resend {
        /// Who; everybody where absent.
        user: Option<UserId>,
    },
    /// `meeting.create`, `meeting.respond`, `meeting.decorate`, `freebusy.query`: something to be
    /// done in Exchange.
    Errand(Box<Wish>),
    /// `ping`: answer.
    Ping,
    /// A type this version does not know, or data that does not fit the type.
    Unknown {
        /// What is wrong, in words that may be shown to the sender.
        why: Plain,
    },
}

impl CommandKind {
    /// Whom it concerns, where it is one user.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::Activate { user, .. } | Self::Deactivate { user } => Some(user),
            Self::Resend { user } => user.as_ref(),
            Self::Errand(wish) => Some(&wish.user),
            Self::Ping | Self::Unknown { .. } => None,
        }
    }
}

/// What a user wants to be done, with what is sealed of it still sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// In whose name.
    pub user: UserId,
    /// What.
    pub what: Wanted,
    /// Compact JWEs; what they are says [`Wanted`].
    pub sealed: Vec<String>,
    /// The key that opens them, where there are any.
    pub key: Option<KeyUri>,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A new meeting. One text is sealed: JSON of what is personal in it.
    Create {
        /// When.
        when: When,
        /// How long, in minutes.
        minutes: u16,
    },
    /// An answer to an invitation. At most one text is sealed: a comment.
    Respond {
        /// The record.
        id: RecordKey,
        /// Its start.
        start: Time,
        /// The answer.
        response: Response,
        /// Whether the organiser is told.
        notify: Notify,
    },
    /// What becomes of our request for join details. One text is sealed where there are some.
    Decorate {
        /// The request's id.
        request: Arc<str>,
        /// The record.
        id: RecordKey,
        /// Its start; of a series that of one of its occurrences.
        start: Time,
        /// Why there are none, in words that may be shown.
        reason: Option<Arc<str>>,
    },
    /// When people are free. Their addresses are sealed, each by itself.
    FreeBusy {
        /// The cloud's id of the question.
        request: Arc<str>,
        /// When, and how finely.
        window: BusyWindow,
    },
}

/// When a new meeting is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time.
    At(Time),
    /// In the first common free time of this span.
    Between(Time, Time, Hours),
}

/// At which hours a meeting may be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// At all.
    Any,
    /// When its organiser works and, where they have some in common, all who are invited.
    Working,
}

/// How a command ended. On disk before it is told to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or durably accepted.
    Done,
    /// Not done and never will be, with the reason.
    Refused(String),
}
