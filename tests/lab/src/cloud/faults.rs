//! What the lab's cloud can do wrong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::kms::faults::Plan;

/// The part of the relay protocol where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `POST /oauth/token`.
    Token,
    /// `POST /v1/events`.
    Events,
    /// `GET /v1/channel`.
    Channel,
    /// `PUT /v1/connectors/{id}`.
    Status,
    /// `GET /v1/users/{id}/meetings`.
    Meetings,
}

/// What goes wrong. A fault that has no meaning in its [`Place`] is used up and does nothing.
#[derive(Clone)]
pub enum Fault {
    /// An answer with this status, and Retry-After in seconds.
    Http {
        /// The status.
        status: u16,
        /// The header, in seconds.
        retry_after: Option<u64>,
    },
    /// The request takes effect, and the connection ends before the answer.
    DropAfterStore,
    /// The connection ends before the request takes effect.
    DropBefore,
    /// The connection stays open, and no answer comes.
    Hang,
    /// The answer is late.
    Delay(Duration),
    /// The answer's body ends in the middle.
    Truncate,
    /// The answer's body is not what it should be.
    Garbage,
    /// The token that came is revoked, and the answer is 401.
    RevokeToken,
    /// Events that the condition holds for are rejected with the reason. Events.
    Reject(Condition, String),
    /// The channel opens and is closed with this code. Channel.
    CloseChannel(u16),
    /// The channel opens, and nothing ever comes, not even a pong. Channel.
    Silent,
    /// Every command is sent twice. Channel.
    RepeatCommands,
}

/// Which events a fault concerns.
pub type Condition = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

impl Fault {
    /// Rejects the records with the id `record`.
    pub fn reject(record: &str, reason: &str) -> Self {
        let record = record.to_owned();
        Self::reject_if(reason, move |event| {
            event["data"]["calendarMeetingExternal"]["id"] == record.as_str()
        })
    }

    /// Rejects the events that `condition` holds for.
    pub fn reject_if(
        reason: &str,
        condition: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::Reject(Arc::new(condition), reason.into())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { status, retry_after } => {
                f.debug_struct("Http").field("status", status).field("after", retry_after).finish()
            }
            Self::DropAfterStore => f.write_str("DropAfterStore"),
            Self::DropBefore => f.write_str("DropBefore"),
            Self::Hang => f.write_str("Hang"),
            Self::Delay(by) => f.debug_tuple("Delay").field(by).finish(),
            Self::Truncate => f.write_str("Truncate"),
            Self::Garbage => f.write_str("Garbage"),
            Self::RevokeToken => f.write_str("RevokeToken"),
            Self::Reject(_, reason) => f.debug_tuple("Reject").field(reason).finish(),
            Self::CloseChannel(code) => f.debug_tuple("CloseChannel").field(code).finish(),
            Self::Silent => f.write_str("Silent"),
            Self::RepeatCommands => f.write_str("RepeatCommands"),
        }
    }
}

/// The cloud's rules.
pub type Faults = Plan<Place, Fault>;
