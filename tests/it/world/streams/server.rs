//! The simulated back ends: who has which subscription, and what a stream over them tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::{MOST, StreamEvent};
use calway::model::{Fault, Next, Span};

use super::super::dice::Dice;

/// A subscription of a mailbox.
#[derive(Clone, Debug)]
struct Subscription {
    member: String,
    back_end: u64,
}

/// What the server answers.
pub type Subscribed = Result<(String, Option<Arc<str>>), Fault>;

/// Everything behind one address.
#[derive(Debug)]
pub struct Server {
    subscriptions: BTreeMap<String, Subscription>,
    serial: u64,
    /// Back ends that were started anew, how often.
    boots: u64,
    /// Where the mailbox's database is.
    back_ends: BTreeMap<String, u64>,
    /// Nobody may listen to these.
    pub denied: BTreeSet<String>,
    /// Faults of a call, per mille.
    pub bad: u64,
}

/// What the server says to a stream that is being opened.
pub enum Opening {
    /// It stands.
    Stands,
    /// These subscriptions are not there; nothing is told of the others.
    Lacks(Vec<String>),
    /// The call itself fails.
    Fails(Fault),
}

/// Of the mailbox's own.
pub fn own_fault(dice: &mut Dice) -> Fault {
    match dice.of(0..7) {
        0 | 1 => Fault::retry("ErrorMailboxStoreUnavailable"),
        2 => Fault::new(Next::Denied, "ErrorImpersonateUserDenied"),
        3 => Fault::new(Next::Gone, "ErrorNonExistentMailbox"),
        4 => Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed"),
        5 => Fault::retry("ErrorExceededSubscriptionCount"),
        _ => Fault::refused("ErrorInvalidRequest"),
    }
}

/// Of the server, or of the way to it.
pub fn common_fault(dice: &mut Dice) -> Fault {
    match dice.of(0..10) {
        0..5 => Fault::retry("connection reset"),
        5 => Fault::new(Next::SignIn, "HTTP 401"),
        6 => Fault::new(Next::BackOff { after: None }, "HTTP 503"),
        7 => Fault::new(Next::BackOff { after: None }, "connection refused"),
        _ => {
            let after = Some(Span::from_ms(dice.of(0..90_000)));
            Fault::new(Next::BackOff { after }, "ErrorServerBusy")
        }
    }
}

impl Server {
    pub fn new(members: &[String], dice: &mut Dice) -> Self {
        let back_end = dice.of(0..3);
        let back_ends = members.iter().map(|member| {
            let moved = if dice.one_in(40) { 1 } else { 0 };
            (member.clone(), back_end + moved)
        });
        Self {
            back_ends: back_ends.collect(),
            subscriptions: BTreeMap::new(),
            serial: 0,
            boots: 0,
            denied: BTreeSet::new(),
            bad: 0,
        }
    }

    /// Somebody subscribes `member` on the way of `anchor`.
    pub fn subscribe(
        &mut self,
        member: &str,
        anchor: &str,
        cookie: Option<&str>,
        dice: &mut Dice,
    ) -> Subscribed {
        if self.denied.contains(member) {
            return Err(Fault::new(Next::Denied, "ErrorImpersonateUserDenied"));
        }
        if dice.per_mille(self.bad) {
            let fault = if dice.one_in(6) { common_fault(dice) } else { own_fault(dice) };
            return Err(fault);
        }
        let living = format!("backend/{}", self.boots);
        let led = cookie.and_then(|cookie| cookie.strip_prefix(&living)?.strip_prefix('/'));
        let led: Option<u64> = led.and_then(|back_end| back_end.parse().ok());
        let of_anchor = self.back_ends.get(anchor).copied().unwrap_or(0);
        let back_end = led.unwrap_or(of_anchor);
        self.serial += 1;
        let id = format!("sub-{}", self.serial);
        let member = member.to_owned();
        self.subscriptions.insert(id.clone(), Subscription { member, back_end });
        let cookie = led.is_none().then(|| Arc::from(format!("{living}/{back_end}")));
        Ok((id, cookie))
    }

    /// Somebody gives a subscription back; whether it was there.
    pub fn unsubscribe(&mut self, id: &str) -> bool {
        self.subscriptions.remove(id).is_some()
    }

    /// Whether a subscription lives.
    pub fn has(&self, id: &str) -> bool {
        self.subscriptions.contains_key(id)
    }

    /// Living subscriptions.
    pub fn living(&self) -> Vec<String> {
        self.subscriptions.keys().cloned().collect()
    }

    /// Whose subscription it is.
    pub fn member(&self, id: &str) -> Option<String> {
        self.subscriptions.get(id).map(|held| held.member.clone())
    }

    /// A stream is to be opened over these.
    pub fn open(&mut self, ids: &[Arc<str>], dice: &mut Dice) -> Result<Opening, String> {
        if ids.is_empty() || ids.len() > MOST {
            return Err(format!("a stream over {} subscriptions", ids.len()));
        }
        let ways: BTreeSet<&str> = ids.iter().map(AsRef::as_ref).collect();
        if ways.len() < ids.len() {
            return Err("a subscription stands twice in a stream".into());
        }
        if dice.per_mille(self.bad) {
            let fault = match dice.of(0..3) {
                0 => own_fault(dice),
                _ => common_fault(dice),
            };
            return Ok(Opening::Fails(fault));
        }
        let first = ids.iter().find_map(|id| self.subscriptions.get(id.as_ref()));
        let back_end = first.map(|held| held.back_end);
        let elsewhere = |id: &str| {
            let held = self.subscriptions.get(id);
            held.is_none_or(|held| Some(held.back_end) != back_end)
        };
        let mut bad: Vec<String> =
            ids.iter().filter(|id| elsewhere(id)).map(ToString::to_string).collect();
        if bad.len() > 1 && dice.one_in(4) {
            // It stops at the first that it does not find.
            bad.truncate(1);
        }
        Ok(if bad.is_empty() { Opening::Stands } else { Opening::Lacks(bad) })
    }

    /// The processes are started anew: nobody's subscription is known any more.
    pub fn restart(&mut self) {
        self.boots += 1;
        self.subscriptions.clear();
    }

    /// It forgets one in so many; which.
    pub fn forget(&mut self, one_in: u64, dice: &mut Dice) -> Vec<String> {
        let lost: Vec<String> =
            self.subscriptions.keys().filter(|_| dice.one_in(one_in)).cloned().collect();
        for id in &lost {
            self.subscriptions.remove(id);
        }
        lost
    }

    /// Something that a stream tells although it stands.
    pub fn trouble(&self, ids: &[Arc<str>], dice: &mut Dice) -> StreamEvent {
        let mut some: Vec<String> = Vec::new();
        for id in ids {
            if dice.one_in(4) {
                some.push(id.to_string());
            }
        }
        match dice.of(0..9) {
            0 | 1 => StreamEvent::Error {
                fault: Fault::retry("ErrorMissedNotificationEvents"),
                ids: some,
            },
            2 => StreamEvent::Error {
                fault: Fault::retry("ErrorSubscriptionNotFound"),
                ids: vec!["sub-nobody".into()],
            },
            3 => StreamEvent::Error {
                fault: Fault::retry("ErrorInternalServerError"),
                ids: Vec::new(),
            },
            4 => StreamEvent::Error {
                fault: Fault::new(Next::Moved, "ErrorReadEventsFailed"),
                ids: some,
            },
            5 => StreamEvent::Error { fault: own_fault(dice), ids: some },
            6 => {
                let after = Some(Span::from_ms(dice.of(0..90_000)));
                let fault = Fault::new(Next::BackOff { after }, "ErrorServerBusy");
                StreamEvent::Error { fault, ids: Vec::new() }
            }
            _ => StreamEvent::Closed,
        }
    }
}
