//! What the cloud asks the connector to do.

use super::{CommandId, KeyUri, Plain, UserId};

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

/// What is asked. `meeting.decorate`, `meeting.create`, `meeting.respond`, `freebusy.query` and
/// `settings` have their place here and are refused as unknown until they are built.
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
    /// `ping`: answer.
    Ping,
    /// A type this version does not know, or data that does not fit the type.
    Unknown {
        /// What is wrong, in words that may be shown to the sender.
        why: Plain,
    },
}

/// How a command ended. On disk before it is told to the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or durably accepted.
    Done,
    /// Not done and never will be, with the reason.
    Refused(String),
}
