//! What the lab's key server can do wrong, and the list of rules that says when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where in the protocol a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `GET …/kms/<user>`.
    StaticKey,
    /// `POST …/kms/messages` as a whole.
    Post,
    /// The answer to `create /ecdhe`.
    Agreement,
    /// The answer to any other request.
    Request,
    /// The answer to one operation, as [`super::Seen::operation`] names it.
    Operation(&'static str),
}

/// What goes wrong. A fault that has no meaning in its [`Place`] is used up and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 503, with Retry-After in seconds. StaticKey, Post.
    Unavailable(Option<u64>),
    /// The connection ends without an answer. StaticKey, Post.
    Drop,
    /// The connection stays open without an answer. StaticKey, Post.
    Hang,
    /// The answer is late. StaticKey, Post.
    Delay(Duration),
    /// The answers come in reverse order. Post.
    Reverse,
    /// The answer is an error. Agreement, Request.
    Error {
        /// An HTTP status of 400 or more.
        status: u16,
        /// The key server's own number.
        code: u32,
    },
    /// The chain ends in a root that nobody trusts, which it brings along. StaticKey.
    ForeignChain,
    /// The certificate is for another key than the JWK. StaticKey.
    MismatchedCertificate,
    /// The certificate is for another host than the kid. StaticKey.
    WrongHost,
    /// The certificate's last day is past. StaticKey.
    Expired,
    /// The certificate's last day is ten days from now. StaticKey.
    EndsSoon,
    /// The JWK has no x5c. StaticKey.
    NoChain,
    /// The answer is signed by a key that is not the static one. Agreement.
    WrongSigner,
    /// The answer is signed by nobody: alg none. Agreement.
    AlgNone,
    /// The payload is not the one that was signed or sealed. Agreement, Request.
    TamperPayload,
    /// The answer carries another requestId. Agreement, Request.
    WrongRequestId,
    /// A JWS with status 499 instead of an answer; the shared key is forgotten. Request.
    ResetSession,
    /// The shared key is forgotten before the request is read. Request.
    ForgetSession,
}

#[derive(Debug)]
struct Rule<P, F> {
    id: u64,
    place: Option<P>,
    left: Option<u32>,
    fault: F,
}

#[derive(Debug)]
struct Rules<P, F> {
    list: Vec<Rule<P, F>>,
    next_id: u64,
    played: u64,
}

/// A list of rules; the oldest that covers a place strikes. A clone is the same list.
#[derive(Debug)]
pub struct Plan<P, F>(Arc<Mutex<Rules<P, F>>>);

impl<P, F> Clone for Plan<P, F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P, F> Default for Plan<P, F> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Rules { list: Vec::new(), next_id: 0, played: 0 })))
    }
}

/// A rule that stands until it is ended.
#[derive(Debug)]
#[must_use]
pub struct Standing<P, F> {
    plan: Plan<P, F>,
    id: u64,
}

impl<P, F> Standing<P, F> {
    /// Ends the rule.
    pub fn end(self) {
        self.plan.edit(|rules| rules.list.retain(|rule| rule.id != self.id));
    }
}

impl<P, F> Plan<P, F> {
    fn edit<T>(&self, change: impl FnOnce(&mut Rules<P, F>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, place: Option<P>, left: Option<u32>, fault: F) -> u64 {
        self.edit(|rules| {
            rules.next_id += 1;
            let id = rules.next_id;
            rules.list.push(Rule { id, place, left, fault });
            id
        })
    }

    /// Strikes once at `place`; `None` is anywhere.
    pub fn next(&self, place: impl Into<Option<P>>, fault: F) {
        self.times(1, place, fault);
    }

    /// Strikes `times` times at `place`.
    pub fn times(&self, times: u32, place: impl Into<Option<P>>, fault: F) {
        if times > 0 {
            self.add(place.into(), Some(times), fault);
        }
    }

    /// Strikes every time at `place` until the returned rule is ended or the list is cleared.
    pub fn always(&self, place: impl Into<Option<P>>, fault: F) -> Standing<P, F> {
        let id = self.add(place.into(), None, fault);
        Standing { plan: self.clone(), id }
    }

    /// Forgets every rule.
    pub fn clear(&self) {
        self.edit(|rules| rules.list.clear());
    }

    /// How often a rule struck so far.
    pub fn played(&self) -> u64 {
        self.edit(|rules| rules.played)
    }

    /// How many rules still wait to strike.
    pub fn waiting(&self) -> usize {
        self.edit(|rules| rules.list.len())
    }

    /// The fault that strikes where `covers` holds, if any.
    pub(crate) fn take(&self, covers: impl Fn(&P) -> bool) -> Option<F>
    where
        F: Clone,
    {
        self.edit(|rules| {
            let covered = |rule: &Rule<P, F>| rule.place.as_ref().is_none_or(&covers);
            let found = rules.list.iter().position(covered)?;
            let rule = rules.list.get_mut(found)?;
            let fault = rule.fault.clone();
            rule.left = rule.left.map(|left| left - 1);
            if rule.left == Some(0) {
                rules.list.remove(found);
            }
            rules.played += 1;
            Some(fault)
        })
    }
}

/// The key server's rules.
pub type Faults = Plan<Place, Fault>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_strike_in_order_and_as_often_as_they_say() {
        let plan: Plan<u8, &str> = Plan::default();
        plan.next(1, "once");
        plan.times(2, None, "twice");
        let standing = plan.always(3, "always");
        let at = |place: u8| plan.take(|rule| *rule == place);
        assert_eq!(at(1), Some("once"));
        assert_eq!((at(1), at(2), at(2)), (Some("twice"), Some("twice"), None));
        assert_eq!((at(3), at(3)), (Some("always"), Some("always")));
        standing.end();
        assert_eq!(at(3), None);
        assert_eq!((plan.played(), plan.waiting()), (5, 0));
    }
}
