//! The account's sign-in, one for all servers of a calendar: a wrong password is tried once,
//! whatever the number of servers, ways and connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::negotiate::Tickets;
use super::sign_in::{Auth, refused};
use crate::model::{Fault, Secret};
use crate::net::Origin;

/// Where a password comes from; asked again for each sign-in.
pub(super) type Password = Box<dyn Fn() -> Option<Secret> + Send + Sync>;

/// Sign-ins at once with a password that was right before. It may have been changed meanwhile, and
/// each of them would count as a wrong one then; strict domains lock an account after three.
const AT_ONCE: u32 = 2;

/// A refused password is tried again after the pause, then after twice and four times as long.
const LONGEST_PAUSE: u32 = 4;

/// A way that is not the first of the configured ones is kept for so long; then the server is asked
/// again whether it takes a better one.
const SECOND_BEST: Duration = Duration::from_secs(60 * 60);

/// An account and what is known of its sign-in.
pub(super) struct SignIn {
    account: String,
    ways: Vec<Auth>,
    password: Password,
    tickets: Option<Arc<dyn Tickets>>,
    pause: Duration,
    known: Mutex<Known>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    ways: HashMap<Origin, Way>,
    proven: Option<Secret>,
    refused: Option<Refusal>,
}

/// How a server is signed in to.
#[derive(Debug)]
struct Way {
    auth: Auth,
    since: Instant,
    /// Negotiate: with each request, as the server does not keep it with the connection.
    each_request: bool,
}

#[derive(Debug)]
struct Refusal {
    secret: Secret,
    at: Instant,
    times: u32,
}

/// The right to sign in; alone where the password is not proven.
pub(super) struct Turn<'a>(#[expect(dead_code, reason = "held, not read")] SemaphorePermit<'a>);

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({:?})", self.ways)
    }
}

impl SignIn {
    /// An account that signs in by the first of `ways` that a server offers, by Negotiate with
    /// `tickets`. A refused secret is tried again after `pause` even if it has not changed.
    pub(super) fn new(
        account: String,
        ways: Vec<Auth>,
        password: Password,
        tickets: Option<Arc<dyn Tickets>>,
        pause: Duration,
    ) -> Self {
        Self {
            account,
            ways,
            password,
            tickets,
            pause,
            known: Mutex::default(),
            turns: Semaphore::new(AT_ONCE as usize),
        }
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
        (self.password)().ok_or_else(|| refused("the account has no password here"))
    }

    /// Waits for the right to sign in with this password.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where it was refused not long ago.
    pub(super) async fn enter(&self, password: &Secret) -> Result<Turn<'_>, Fault> {
        self.check(password)?;
        let places = if self.is_proven(password) { 1 } else { AT_ONCE };
        let turn = self.turns.acquire_many(places).await.map_err(|_| Fault::retry("closed"))?;
        self.check(password)?;
        Ok(Turn(turn))
    }

    /// Whether this password may be sent at all.
    ///
    /// # Errors
    /// As [`SignIn::enter`].
    pub(super) fn check(&self, password: &Secret) -> Result<(), Fault> {
        match &self.known().refused {
            Some(refusal) if refusal.secret == *password => {
                let pause = self.pause * (1 << (refusal.times - 1).min(10)).min(LONGEST_PAUSE);
                if refusal.at.elapsed() >= pause {
                    return Ok(());
                }
                Err(refused("sign-in was refused before; not tried again with the same password"))
            }
            _ => Ok(()),
        }
    }

    /// The secret that this way needs, as it is now: the account's password, or what its keytab is
    /// known by.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where there is none.
    pub(super) fn secret(&self, auth: Auth) -> Result<Secret, Fault> {
        let keytab = self.tickets.as_ref().and_then(|tickets| tickets.keytab());
        match (auth, keytab) {
            (Auth::Negotiate, Some(keytab)) => Ok(keytab),
            _ => self.password(),
        }
    }

    /// Where tokens come from.
    pub(super) fn tickets(&self) -> Option<&Arc<dyn Tickets>> {
        self.tickets.as_ref()
    }

    /// Whether one of these ways has a secret that may be sent, before anything is opened for it.
    ///
    /// # Errors
    /// As [`SignIn::enter`], or where none has a secret at all.
    pub(super) fn check_any(&self, ways: &[Auth]) -> Result<(), Fault> {
        let mut why = refused("the server offers none of the configured ways to sign in");
        for way in ways {
            match self.secret(*way).and_then(|secret| self.check(&secret)) {
                Ok(()) => return Ok(()),
                Err(fault) => why = fault,
            }
        }
        Err(why)
    }

    /// The way that this server took before; one that was not the best for an hour.
    pub(super) fn way(&self, origin: &Origin) -> Option<Auth> {
        let known = self.known();
        let way = known.ways.get(origin)?;
        let best = self.ways.first() == Some(&way.auth);
        (best || way.since.elapsed() < SECOND_BEST).then_some(way.auth)
    }

    /// Remembers how this server is signed in to.
    pub(super) fn set_way(&self, origin: &Origin, auth: Auth) {
        let mut known = self.known();
        let same = |way: &Way| way.auth == auth && way.since.elapsed() < SECOND_BEST;
        if !known.ways.get(origin).is_some_and(same) {
            let way = Way { auth, since: Instant::now(), each_request: false };
            known.ways.insert(origin.clone(), way);
        }
    }

    /// Forgets it.
    pub(super) fn forget_way(&self, origin: &Origin) {
        self.known().ways.remove(origin);
    }

    /// Whether Negotiate goes with each request to this server.
    pub(super) fn each_request(&self, origin: &Origin) -> bool {
        self.known().ways.get(origin).is_some_and(|way| way.each_request)
    }

    /// From now on it does.
    pub(super) fn set_each_request(&self, origin: &Origin) {
        if let Some(way) = self.known().ways.get_mut(origin) {
            way.each_request = true;
        }
    }

    /// The password was right.
    pub(super) fn prove(&self, password: &Secret) {
        let mut known = self.known();
        if known.proven.as_ref() != Some(password) {
            known.proven = Some(password.clone());
        }
        known.refused = None;
    }

    /// The password was wrong: nobody sends it again before the pause is over.
    pub(super) fn refuse(&self, password: &Secret) {
        let mut known = self.known();
        // Another way may be offered by then.
        known.ways.clear();
        if known.proven.as_ref() == Some(password) {
            known.proven = None;
        }
        let before = known.refused.take().filter(|refusal| refusal.secret == *password);
        let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
        known.refused = Some(Refusal { secret: password.clone(), at: Instant::now(), times });
    }

    /// Whether this password was right when it was last tried.
    pub(super) fn is_proven(&self, password: &Secret) -> bool {
        self.known().proven.as_ref() == Some(password)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
