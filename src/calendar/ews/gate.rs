//! The account's sign-in, one for all servers of a calendar: a wrong password is tried once,
//! whatever the number of servers, ways and connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

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
    pause: Duration,
    known: Mutex<Known>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    ways: HashMap<Origin, (Auth, Instant)>,
    proven: Option<Secret>,
    refused: Option<Refusal>,
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
    /// An account that signs in by the first of `ways` that a server offers. A refused password is
    /// tried again after `pause` even if it has not changed.
    pub(super) fn new(
        account: String,
        ways: Vec<Auth>,
        password: Password,
        pause: Duration,
    ) -> Self {
        Self {
            account,
            ways,
            password,
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

    /// The way that this server took before.
    pub(super) fn way(&self, origin: &Origin) -> Option<Auth> {
        let known = self.known();
        let (way, since) = known.ways.get(origin)?;
        let best = self.ways.first() == Some(way);
        (best || since.elapsed() < SECOND_BEST).then_some(*way)
    }

    /// Remembers, or forgets, how this server is signed in to.
    pub(super) fn set_way(&self, origin: &Origin, way: Option<Auth>) {
        let mut known = self.known();
        match way {
            Some(way) if known.ways.get(origin).is_some_and(|(known, _)| *known == way) => {}
            Some(way) => drop(known.ways.insert(origin.clone(), (way, Instant::now()))),
            None => drop(known.ways.remove(origin)),
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

    fn is_proven(&self, password: &Secret) -> bool {
        self.known().proven.as_ref() == Some(password)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
