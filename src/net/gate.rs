//! What is known of a secret that a server may refuse: a wrong one is tried once, whatever the
//! number of connections, so that no account is locked.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::model::{Fault, Next, Secret};

/// Sign-ins at once with a secret that was right before. It may have been changed meanwhile, and
/// each of them would count as a wrong one then; strict domains lock an account after three.
const AT_ONCE: u32 = 2;

/// A refused secret is tried again after the pause, then after twice and four times as long.
const LONGEST_PAUSE: u32 = 4;

/// The gate to one account.
pub struct Gate {
    pause: Duration,
    words: &'static str,
    known: Mutex<Known>,
    turns: Semaphore,
}

#[derive(Default)]
struct Known {
    proven: Option<Secret>,
    refused: Option<Refusal>,
}

struct Refusal {
    secret: Secret,
    at: Instant,
    times: u32,
}

/// The right to sign in; alone where the secret is not proven.
pub struct Turn<'a>(#[expect(dead_code, reason = "held, not read")] SemaphorePermit<'a>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// A gate before which nothing was tried yet. A refused secret is tried again after `pause`
    /// even if it has not changed; until then `words` say why not.
    pub fn new(pause: Duration, words: &'static str) -> Self {
        let turns = Semaphore::new(AT_ONCE as usize);
        Self { pause, words, known: Mutex::default(), turns }
    }

    /// Waits for the right to sign in with this secret.
    ///
    /// # Errors
    /// [`Next::SignIn`] where it was refused not long ago.
    pub async fn enter(&self, secret: &Secret) -> Result<Turn<'_>, Fault> {
        self.check(secret)?;
        let places = if self.is_proven(secret) { 1 } else { AT_ONCE };
        let turn = self.turns.acquire_many(places).await.map_err(|_| Fault::retry("closed"))?;
        self.check(secret)?;
        Ok(Turn(turn))
    }

    /// Whether this secret may be sent at all.
    ///
    /// # Errors
    /// As [`Gate::enter`].
    pub fn check(&self, secret: &Secret) -> Result<(), Fault> {
        match &self.known().refused {
            Some(refusal) if refusal.secret == *secret => {
                let pauses = (1 << (refusal.times - 1).min(10)).min(LONGEST_PAUSE);
                if refusal.at.elapsed() >= self.pause * pauses {
                    return Ok(());
                }
                Err(Fault::new(Next::SignIn, self.words))
            }
            _ => Ok(()),
        }
    }

    /// The secret was right.
    pub fn prove(&self, secret: &Secret) {
        let mut known = self.known();
        if known.proven.as_ref() != Some(secret) {
            known.proven = Some(secret.clone());
        }
        known.refused = None;
    }

    /// The secret was wrong: nobody sends it again before the pause is over.
    pub fn refuse(&self, secret: &Secret) {
        let mut known = self.known();
        if known.proven.as_ref() == Some(secret) {
            known.proven = None;
        }
        let before = known.refused.take().filter(|refusal| refusal.secret == *secret);
        let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
        known.refused = Some(Refusal { secret: secret.clone(), at: Instant::now(), times });
    }

    /// Whether this secret was right when it was last tried.
    pub fn is_proven(&self, secret: &Secret) -> bool {
        self.known().proven.as_ref() == Some(secret)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn gate() -> Gate {
        Gate::new(PAUSE, "refused before")
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_secret_is_not_tried_again_until_it_changes_or_time_has_passed() {
        let gate = gate();
        let (wrong, right) = (Secret::new("wrong"), Secret::new("right"));
        drop(gate.enter(&wrong).await.unwrap());
        gate.refuse(&wrong);
        assert!(gate.enter(&wrong).await.is_err());
        drop(gate.enter(&right).await.unwrap());
        tokio::time::advance(PAUSE).await;
        drop(gate.enter(&wrong).await.unwrap());
        gate.refuse(&wrong);
        gate.prove(&right);
        drop(gate.enter(&wrong).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_stays_wrong_is_tried_more_and_more_rarely() {
        let gate = gate();
        let wrong = Secret::new("wrong");
        for pauses in [1, 2, 4, 4, 4] {
            gate.refuse(&wrong);
            tokio::time::advance(PAUSE * pauses - Duration::from_secs(1)).await;
            assert!(gate.enter(&wrong).await.is_err(), "{pauses}");
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(gate.enter(&wrong).await.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unproven_secret_is_tried_by_one_at_a_time() {
        let gate = gate();
        let secret = Secret::new("x");
        let first = gate.enter(&secret).await.unwrap();
        let second = tokio::time::timeout(PAUSE / 2, gate.enter(&secret)).await;
        assert!(second.is_err(), "the second waits");
        gate.prove(&secret);
        drop(first);
        let (_a, _b) = tokio::join!(gate.enter(&secret), gate.enter(&secret));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proven_secret_that_turns_wrong_is_not_sent_by_everybody() {
        let gate = gate();
        let secret = Secret::new("x");
        gate.prove(&secret);
        let (first, _second) = tokio::join!(gate.enter(&secret), gate.enter(&secret));
        let third = tokio::time::timeout(PAUSE / 2, gate.enter(&secret)).await;
        assert!(third.is_err(), "the third waits");
        gate.refuse(&secret);
        drop(first);
        let fault = gate.enter(&secret).await.err();
        assert_eq!(fault, Some(Fault::new(Next::SignIn, "refused before")));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waited_for_a_refused_secret_does_not_try_it() {
        let gate = gate();
        let secret = Secret::new("x");
        let first = gate.enter(&secret).await.unwrap();
        let (second, ()) = tokio::join!(gate.enter(&secret), async {
            gate.refuse(&secret);
            drop(first);
        });
        assert_eq!(second.err().map(|fault| fault.next), Some(Next::SignIn));
    }
}
