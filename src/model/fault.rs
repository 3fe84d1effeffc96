//! What went wrong, said as what the caller does next.

use std::fmt;

use super::{Span, Trace};

/// A failed call to Exchange, the KMS, the cloud or the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the caller does next.
    pub next: Next,
    /// Why, for the journal.
    pub cause: Cause,
}

/// What the caller does next. A closed list: whoever adds a variant visits every `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again, not before the span where the other side named one: it is busy, away or hung.
    Retry {
        /// The least wait, as the other side asked for it.
        after: Option<Span>,
    },
    /// The other side as a whole is overloaded: everybody waits, not only this mailbox.
    BackOff {
        /// The least wait, as the other side asked for it.
        after: Option<Span>,
    },
    /// The cursor is refused: read the window anew, in the same pass.
    CursorLost,
    /// Sign-in was refused. Nobody tries again before the secret changes or a long time passed:
    /// more attempts lock the account.
    SignIn,
    /// This mailbox may not be read with our rights; others may.
    Denied,
    /// The mailbox is not there any more (deleted, or moved out of reach).
    Gone,
    /// The mailbox is served elsewhere now: ask anew where ([`Home`](super::Home)), not from
    /// memory, then try again there.
    Moved,
    /// The request itself is wrong and will stay wrong: set it aside and name it.
    Refused,
    /// The resource of keys must be made anew (revoked, or withdrawn from us).
    KeyLost,
}

/// Why a call failed, in words that may go to the journal: codes and request ids, never a name, a
/// title or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The other side's code (`ErrorServerBusy`, `503`, `SQLITE_FULL`, `connection reset`).
    pub code: String,
    /// The other side's id of the request, where it gave one.
    pub request_id: Option<String>,
    /// What it happened to, where that is known.
    pub trace: Option<Trace>,
}

impl Cause {
    /// The code of a mailbox that left the organisation's own servers for Microsoft 365.
    pub const IN_THE_CLOUD: &str = "mailbox moved to Microsoft 365";

    /// A cause with a code alone. The code is cut at 200 characters and loses control characters.
    pub fn new(code: impl AsRef<str>) -> Self {
        let code = code.as_ref().chars().filter(|c| !c.is_control()).take(200).collect();
        Self { code, request_id: None, trace: None }
    }

    /// The other side's id of the request, `-` where it gave none: as the journal has it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.request_id.as_deref().unwrap_or("-")
    }

    /// What it happened to, `-` where that is not known: as the journal has it.
    #[must_use]
    pub fn tracking(&self) -> String {
        self.trace.map_or_else(|| "-".into(), |trace| trace.to_string())
    }

    /// The other side was silent until our own patience ended (`no connection in time`, `no answer
    /// in time`): unlike a refusal it cost the whole of the wait.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.code.ends_with("in time")
    }
}

impl Fault {
    /// A fault of its parts.
    pub fn new(next: Next, code: impl AsRef<str>) -> Self {
        Self { next, cause: Cause::new(code) }
    }

    /// A fault with a sentence of our own that says what to do: up to 1,000 characters.
    pub fn told(next: Next, words: impl AsRef<str>) -> Self {
        let code = words.as_ref().chars().filter(|c| !c.is_control()).take(1_000).collect();
        Self { next, cause: Cause { code, request_id: None, trace: None } }
    }

    /// Try again, with no wait asked for.
    pub fn retry(code: impl AsRef<str>) -> Self {
        Self::new(Next::Retry { after: None }, code)
    }

    /// The request is wrong and stays wrong.
    pub fn refused(code: impl AsRef<str>) -> Self {
        Self::new(Next::Refused, code)
    }

    /// Names what it happened to.
    #[must_use]
    pub fn of(mut self, trace: Trace) -> Self {
        self.cause.trace = Some(trace);
        self
    }

    /// Names the other side's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.cause.request_id = id;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause.code)?;
        match &self.cause.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
