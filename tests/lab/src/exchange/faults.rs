//! What the simulated Exchange can be told to do wrong, and when.
//!
//! A fault is played at one of four places; [`Fault::place`] says which, and only the code of that
//! place asks for it:
//!
//! | place | asked | faults |
//! |---|---|---|
//! | transport | before a request is read further, by the HTTP front | Http, Hang, LoseAnswer … |
//! | service | once a request, by the operations | ServerBusy, ResponseCode, GarbageXml … |
//! | stream | before each envelope of an open stream | StreamSilent, StreamError … |
//! | event | for each change of a watched folder | LoseNotification |

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ErrorServerBusy`: a SOAP fault with status 500, or (`inner`) status 200 with
    /// `ErrorInternalServerError` around it. `back_off_ms` goes into `MessageXml`.
    ServerBusy {
        /// The value named `BackOffMilliseconds`; absent when `None`.
        back_off_ms: Option<u64>,
        /// Hidden in a response message instead of a SOAP fault.
        inner: bool,
    },
    /// `ErrorExceededConnectionCount` as a SOAP fault with status 500.
    ConnectionCount {
        /// The value named `BackOffMilliseconds`; Exchange may say 0.
        back_off_ms: u64,
    },
    /// `ErrorServerBusy` as a SOAP fault beside another status than 500, as a front end passes it
    /// on.
    PassedBusy {
        /// The status, for example 503.
        status: u16,
        /// The value named `BackOffMilliseconds`.
        back_off_ms: u64,
    },
    /// A bare HTTP status from something in front of Exchange.
    Http {
        /// The status, for example 503.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u64>,
    },
    /// 302 to an HTML error page.
    RedirectToErrorPage,
    /// No byte comes until the peer goes away.
    Hang,
    /// The connection is reset after so many bytes of the answer's body.
    Cut {
        /// Bytes of the body that still go out.
        after_bytes: usize,
    },
    /// Everything is done, and something in front of Exchange answers with a bare status, as a
    /// gateway does that waited too long.
    HttpAfter {
        /// The status, for example 504.
        status: u16,
    },
    /// Everything is done, and each response message carries this `ResponseCode`.
    ResponseCodeAfter(String),
    /// Each response message carries this `ResponseCode`; the operation has no effect.
    ResponseCode(String),
    /// A SOAP fault with status 500 and this `ResponseCode` in its detail.
    SoapFault {
        /// The `ResponseCode`.
        code: String,
        /// The text.
        message: String,
    },
    /// The request is done later by so much.
    Delay(Duration),
    /// The connection ends without a byte, and nothing was done.
    LoseRequest,
    /// The connection ends without a byte, and everything was done.
    LoseAnswer,
    /// Everything is done at once, and the answer waits for [`Faults::release`] or for ever.
    HoldAnswer,
    /// Everything is done at once, and the answer comes later by so much.
    LateAnswer(Duration),
    /// The stream stays open, nothing comes any more, not even a heartbeat.
    StreamSilent,
    /// An open stream says this `ResponseCode` for all its subscriptions while its
    /// `ConnectionStatus` stays `OK`; nothing follows but heartbeats.
    StreamError(String),
    /// An open stream says `ConnectionStatus` `Closed`, before its time, and ends.
    StreamClosed,
    /// A change makes no notification.
    LoseNotification,
    /// The answer breaks off in the middle of its XML, the HTTP message is whole.
    GarbageXml,
    /// SyncFolderItems answers the state it was asked with, nothing new, and that there is more.
    SyncStandsStill,
    /// Before an UpdateItem is done, somebody else writes words at the end of the bodies that it
    /// changes.
    RivalEdit,
    /// The answer is strewn with characters and references that XML 1.0 forbids.
    IllegalCharacters,
    /// Each envelope of a stream comes in pieces of so many bytes.
    SplitEnvelopes {
        /// Length of a piece in bytes.
        at: usize,
    },
    /// Two envelopes of a stream come in one piece.
    JoinEnvelopes,
}

/// Where a fault is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The HTTP front.
    Transport,
    /// The operations.
    Service,
    /// An open stream.
    Stream,
    /// A change on its way to the subscriptions.
    Event,
}

impl Fault {
    /// The place that plays this fault.
    pub fn place(&self) -> Place {
        match self {
            Fault::Http { .. }
            | Fault::RedirectToErrorPage
            | Fault::Hang
            | Fault::Cut { .. }
            | Fault::Delay(_)
            | Fault::LoseRequest
            | Fault::LoseAnswer
            | Fault::HoldAnswer
            | Fault::LateAnswer(_)
            | Fault::HttpAfter { .. }
            | Fault::SplitEnvelopes { .. }
            | Fault::JoinEnvelopes => Place::Transport,
            Fault::ServerBusy { .. }
            | Fault::PassedBusy { .. }
            | Fault::ConnectionCount { .. }
            | Fault::ResponseCode(_)
            | Fault::ResponseCodeAfter(_)
            | Fault::SoapFault { .. }
            | Fault::GarbageXml
            | Fault::SyncStandsStill
            | Fault::RivalEdit
            | Fault::IllegalCharacters => Place::Service,
            Fault::StreamSilent | Fault::StreamError(_) | Fault::StreamClosed => Place::Stream,
            Fault::LoseNotification => Place::Event,
        }
    }
}

/// Which requests a fault meets; what is `None` matches everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Match<'a> {
    /// The operation, for example `SyncFolderItems`. Faults of an event know no operation.
    pub operation: Option<&'a str>,
    /// The impersonated mailbox (for an event: the mailbox that changed), in any case.
    pub mailbox: Option<&'a str>,
}

impl<'a> Match<'a> {
    /// Everything.
    pub fn any() -> Self {
        Self::default()
    }

    /// One operation, whoever asks.
    pub fn operation(name: &'a str) -> Self {
        Self { operation: Some(name), mailbox: None }
    }

    /// One mailbox, whatever is asked.
    pub fn mailbox(address: &'a str) -> Self {
        Self { operation: None, mailbox: Some(address) }
    }
}

/// A rule that stands until it is stopped; dropping the handle leaves it standing.
#[derive(Clone, Debug)]
pub struct Handle {
    faults: Faults,
    id: u64,
}

impl Handle {
    /// Takes the rule away.
    pub fn stop(self) {
        let mut rules = self.faults.rules();
        rules.retain(|rule| rule.id != self.id);
        self.faults.inner.waiting.store(rules.len(), Ordering::Release);
    }
}

#[derive(Debug)]
struct Rule {
    id: u64,
    operation: Option<String>,
    mailbox: Option<String>,
    fault: Fault,
    /// `None` stands for ever.
    left: Option<usize>,
}

impl Rule {
    fn meets(&self, place: Place, operation: &str, mailbox: Option<&str>) -> bool {
        self.fault.place() == place
            && (place == Place::Event
                || self.operation.as_deref().is_none_or(|wanted| wanted == operation))
            && self.mailbox.as_deref().is_none_or(|wanted| {
                mailbox.is_some_and(|address| wanted.eq_ignore_ascii_case(address))
            })
    }
}

#[derive(Debug)]
struct Inner {
    rules: Mutex<VecDeque<Rule>>,
    /// How many rules there are, so that a healthy request takes no lock.
    waiting: AtomicUsize,
    next_id: AtomicU64,
    played: AtomicU64,
    changed: watch::Sender<u64>,
    released: watch::Sender<u64>,
}

/// The faults still to come, oldest first; clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    inner: Arc<Inner>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                rules: Mutex::new(VecDeque::new()),
                waiting: AtomicUsize::new(0),
                next_id: AtomicU64::new(0),
                played: AtomicU64::new(0),
                changed: watch::Sender::new(0),
                released: watch::Sender::new(0),
            }),
        }
    }
}

impl Faults {
    /// The next request that matches meets this fault.
    pub fn next(&self, whom: Match<'_>, fault: Fault) {
        self.add(whom, fault, Some(1));
    }

    /// The next `n` requests that match meet this fault.
    pub fn times(&self, n: usize, whom: Match<'_>, fault: Fault) {
        if n > 0 {
            self.add(whom, fault, Some(n));
        }
    }

    /// Every request that matches meets this fault, until the handle is stopped.
    pub fn always(&self, whom: Match<'_>, fault: Fault) -> Handle {
        let id = self.add(whom, fault, None);
        Handle { faults: self.clone(), id }
    }

    /// Takes every rule away.
    pub fn clear(&self) {
        self.rules().clear();
        self.inner.waiting.store(0, Ordering::Release);
    }

    /// How many faults have been played so far.
    pub fn played(&self) -> u64 {
        self.inner.played.load(Ordering::Acquire)
    }

    /// Whether no rule is left.
    pub fn is_empty(&self) -> bool {
        self.inner.waiting.load(Ordering::Acquire) == 0
    }

    /// The oldest fault of this place that matches; it is used up by one.
    pub fn take(&self, place: Place, operation: &str, mailbox: Option<&str>) -> Option<Fault> {
        if self.is_empty() {
            return None;
        }
        let mut rules = self.rules();
        // What is counted comes before what stands.
        let at = rules
            .iter()
            .position(|rule| rule.left.is_some() && rule.meets(place, operation, mailbox))
            .or_else(|| rules.iter().position(|rule| rule.meets(place, operation, mailbox)))?;
        let rule = rules.get_mut(at)?;
        let fault = rule.fault.clone();
        if let Some(left) = rule.left.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        self.inner.waiting.store(rules.len(), Ordering::Release);
        self.inner.played.fetch_add(1, Ordering::AcqRel);
        Some(fault)
    }

    /// Every answer that is held goes out now ([`Fault::HoldAnswer`]).
    pub fn release(&self) {
        self.inner.released.send_modify(|version| *version += 1);
    }

    /// Changes whenever the held answers may go.
    pub(super) fn releases(&self) -> watch::Receiver<u64> {
        self.inner.released.subscribe()
    }

    /// Changes whenever a rule is added, so that an open stream can look at once.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    fn add(&self, whom: Match<'_>, fault: Fault, left: Option<usize>) -> u64 {
        let id = self.inner.next_id.fetch_add(1, Ordering::AcqRel);
        let mut rules = self.rules();
        rules.push_back(Rule {
            id,
            operation: whom.operation.map(str::to_owned),
            mailbox: whom.mailbox.map(str::to_owned),
            fault,
            left,
        });
        self.inner.waiting.store(rules.len(), Ordering::Release);
        drop(rules);
        self.inner.changed.send_modify(|version| *version += 1);
        id
    }

    fn rules(&self) -> MutexGuard<'_, VecDeque<Rule>> {
        self.inner.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Fault {
        Fault::ServerBusy { back_off_ms: None, inner: false }
    }

    #[test]
    fn counted_faults_come_in_order_and_are_used_up() {
        let faults = Faults::default();
        faults.next(Match::operation("GetItem"), busy());
        faults.times(2, Match::any(), Fault::GarbageXml);
        assert_eq!(faults.take(Place::Service, "GetItem", None), Some(busy()));
        assert_eq!(faults.take(Place::Service, "GetItem", None), Some(Fault::GarbageXml));
        assert_eq!(faults.take(Place::Service, "FindItem", None), Some(Fault::GarbageXml));
        assert_eq!(faults.take(Place::Service, "FindItem", None), None);
        assert!(faults.is_empty());
        assert_eq!(faults.played(), 3);
    }

    #[test]
    fn a_place_and_a_mailbox_keep_their_own_faults() {
        let faults = Faults::default();
        faults.next(Match::mailbox("Ann@corp.example"), Fault::Hang);
        assert_eq!(faults.take(Place::Service, "GetItem", Some("ann@corp.example")), None);
        assert_eq!(faults.take(Place::Transport, "GetItem", Some("bob@corp.example")), None);
        assert_eq!(faults.take(Place::Transport, "GetItem", None), None);
        let met = faults.take(Place::Transport, "GetItem", Some("ann@CORP.example"));
        assert_eq!(met, Some(Fault::Hang));
    }

    #[test]
    fn a_standing_rule_stands_until_it_is_stopped() {
        let faults = Faults::default();
        let handle = faults.always(Match::any(), busy());
        faults.next(Match::any(), Fault::GarbageXml);
        assert_eq!(faults.take(Place::Service, "X", None), Some(Fault::GarbageXml));
        assert_eq!(faults.take(Place::Service, "X", None), Some(busy()));
        assert_eq!(faults.take(Place::Service, "X", None), Some(busy()));
        handle.stop();
        assert_eq!(faults.take(Place::Service, "X", None), None);
    }
}
