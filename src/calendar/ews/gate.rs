//! The account's sign-in, one for all servers of a calendar: a wrong password is tried once,
//! whatever the number of servers, ways and connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::negotiate::Tickets;
use super::sign_in::{Auth, refused};
use crate::model::{Fault, Secret};
use crate::net::{Gate, Origin};

/// Where a password comes from; asked again for each sign-in.
pub(super) type Password = Box<dyn Fn() -> Option<Secret> + Send + Sync>;

/// A way that is not the first of the configured ones is kept for so long; then the server is asked
/// again whether it takes a better one.
const SECOND_BEST: Duration = Duration::from_secs(60 * 60);

const REFUSED_BEFORE: &str = "sign-in was refused before; not tried again with the same password";

/// What is known of an account's secrets. Calendars of one account share it, so that a wrong
/// password is not tried by each of them.
#[derive(Clone, Debug)]
pub struct Gates {
    password: Arc<Gate>,
    keytab: Arc<Gate>,
}

impl Gates {
    /// Nothing was tried yet. A refused secret is tried again after `pause` even if it has not
    /// changed.
    pub fn new(pause: Duration) -> Self {
        let gate = || Arc::new(Gate::new(pause, REFUSED_BEFORE));
        Self { password: gate(), keytab: gate() }
    }
}

/// An account and what is known of its sign-in.
pub(super) struct SignIn {
    account: String,
    ways: Vec<Auth>,
    password: Password,
    tickets: Option<Arc<dyn Tickets>>,
    gates: Gates,
    ways_of: Mutex<HashMap<Origin, Way>>,
}

/// How a server is signed in to.
#[derive(Debug)]
struct Way {
    auth: Auth,
    since: Instant,
    /// Negotiate: with each request, as the server does not keep it with the connection.
    each_request: bool,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({:?})", self.ways)
    }
}

impl SignIn {
    /// An account that signs in by the first of `ways` that a server offers, by Negotiate with
    /// `tickets`; `gates` are the account's own.
    pub(super) fn new(
        account: String,
        ways: Vec<Auth>,
        password: Password,
        tickets: Option<Arc<dyn Tickets>>,
        gates: Gates,
    ) -> Self {
        Self { account, ways, password, tickets, gates, ways_of: Mutex::default() }
    }

    /// `DOMAIN\user` or `user@domain`.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The configured ways, in their order.
    pub(super) fn ways(&self) -> &[Auth] {
        &self.ways
    }

    /// The password as it is now.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where there is none.
    pub(super) fn password(&self) -> Result<Secret, Fault> {
        let found = (self.password)().filter(|password| !password.reveal().is_empty());
        found.ok_or_else(|| refused("the account has no password here"))
    }

    /// The secret that this way needs, as it is now: the account's password, or what its keytab is
    /// known by.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where there is none.
    pub(super) fn secret(&self, auth: Auth) -> Result<Secret, Fault> {
        match (auth, self.keytab()) {
            (Auth::Negotiate, Some(keytab)) => Ok(keytab),
            _ => self.password(),
        }
    }

    /// Where tokens come from.
    pub(super) fn tickets(&self) -> Option<&Arc<dyn Tickets>> {
        self.tickets.as_ref()
    }

    /// Those of these ways that have a secret which may be sent, before anything is opened for it.
    ///
    /// # Errors
    /// As [`Gate::enter`], or where none has a secret at all.
    pub(super) fn open_ways(&self, ways: &[Auth]) -> Result<Vec<Auth>, Fault> {
        let mut why = None;
        let mut open = Vec::new();
        for way in ways {
            match self.secret(*way).and_then(|secret| self.gate(*way).check(&secret)) {
                Ok(()) => open.push(*way),
                Err(fault) => why = Some(fault),
            }
        }
        if !open.is_empty() {
            return Ok(open);
        }
        Err(why.unwrap_or_else(|| refused("the server offers none of the configured ways")))
    }

    /// The way that this server took before; one that was not the best for an hour.
    pub(super) fn way(&self, origin: &Origin) -> Option<Auth> {
        let known = self.known();
        let way = known.get(origin)?;
        let best = self.ways.first() == Some(&way.auth);
        (best || way.since.elapsed() < SECOND_BEST).then_some(way.auth)
    }

    /// Remembers how this server is signed in to.
    pub(super) fn set_way(&self, origin: &Origin, auth: Auth) {
        let mut known = self.known();
        let same = |way: &Way| way.auth == auth && way.since.elapsed() < SECOND_BEST;
        if !known.get(origin).is_some_and(same) {
            let way = Way { auth, since: Instant::now(), each_request: false };
            known.insert(origin.clone(), way);
        }
    }

    /// Forgets it.
    pub(super) fn forget_way(&self, origin: &Origin) {
        self.known().remove(origin);
    }

    /// Whether Negotiate goes with each request to this server.
    pub(super) fn each_request(&self, origin: &Origin) -> bool {
        self.known().get(origin).is_some_and(|way| way.each_request)
    }

    /// From now on it does.
    pub(super) fn set_each_request(&self, origin: &Origin) {
        if let Some(way) = self.known().get_mut(origin) {
            way.each_request = true;
        }
    }

    /// What is known of the secret that this way needs.
    pub(super) fn gate(&self, auth: Auth) -> &Gate {
        match (auth, self.keytab()) {
            (Auth::Negotiate, Some(_)) => &self.gates.keytab,
            _ => &self.gates.password,
        }
    }

    /// The secret was wrong. Another way may be offered once there is another one.
    pub(super) fn refuse(&self, auth: Auth, secret: &Secret) {
        self.known().clear();
        self.gate(auth).refuse(secret);
    }

    fn keytab(&self) -> Option<Secret> {
        self.tickets.as_ref().and_then(|tickets| tickets.keytab())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Origin, Way>> {
        self.ways_of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
