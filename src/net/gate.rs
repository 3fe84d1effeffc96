//! What is known of a secret that a server may refuse: a wrong one is tried once, whatever the
//! number of connections, so that no account is locked.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::model::{Fault, Next, Secret};

/// Sign-ins at once with a secret that was right before. It may have been changed meanwhile, and
/// each of them would count as a wrong one then; strict domains lock an account after three.
const AT_ONCE: u32 = 2;

/// A refused secret is tried again after the pause, then after twice and four times as long.
const LONGEST_PAUSE: u32 = 4;

/// So many refused secrets are remembered; more are the oldest forgotten.
const MOST_REFUSED: usize = 16;

/// A server that hangs does not keep others from signing in with a proven secret for longer.
const LONGEST_TURN: Duration = Duration::from_secs(15);

/// The gate to one account.
pub struct Gate {
    pause: Duration,
    words: &'static str,
    known: Mutex<Known>,
    turns: Semaphore,
}

#[derive(Default)]
struct Known {
    proven: Option<Digest>,
    refused: VecDeque<Refusal>,
}

/// What a secret is known by; the secret itself is not kept.
type Digest = [u8; 32];

struct Refusal {
    secret: Digest,
    at: Instant,
    times: u32,
}

impl Refusal {
    fn is_over(&self, pause: Duration) -> bool {
        let pauses = (1 << (self.times - 1).min(10)).min(LONGEST_PAUSE);
        self.at.elapsed() >= pause * pauses
    }
}

/// The right to sign in; alone where the secret is not proven.
pub struct Turn<'a> {
    gate: &'a Gate,
    secret: Digest,
    permit: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// Holds the turn until `answered` is there. With a proven secret only for so long as a
    /// server that does not hang takes.
    pub async fn until<T>(self, answered: impl Future<Output = T>) -> T {
        let mut answered = pin!(answered);
        if let Ok(answer) = tokio::time::timeout(LONGEST_TURN, answered.as_mut()).await {
            return answer;
        }
        let kept = (!self.gate.is_known(&self.secret)).then_some(self.permit);
        let answer = answered.await;
        drop(kept);
        answer
    }
}

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
        let mut permit =
            self.turns.acquire_many(places).await.map_err(|_| Fault::retry("closed"))?;
        self.check(secret)?;
        if places > 1 && self.is_proven(secret) {
            // Whoever had the turn before proved it: others may come beside.
            drop(permit.split(AT_ONCE as usize - 1));
        }
        Ok(Turn { gate: self, secret: digest(secret), permit })
    }

    /// Whether this secret may be sent at all.
    ///
    /// # Errors
    /// As [`Gate::enter`].
    pub fn check(&self, secret: &Secret) -> Result<(), Fault> {
        let secret = digest(secret);
        let shut = |refusal: &Refusal| refusal.secret == secret && !refusal.is_over(self.pause);
        match self.known().refused.iter().any(shut) {
            true => Err(Fault::new(Next::SignIn, self.words)),
            false => Ok(()),
        }
    }

    /// The secret was right. Servers that count wrong ones begin anew then.
    pub fn prove(&self, secret: &Secret) {
        let mut known = self.known();
        known.proven = Some(digest(secret));
        known.refused.clear();
    }

    /// The secret was wrong: nobody sends it again before the pause is over.
    pub fn refuse(&self, secret: &Secret) {
        let secret = digest(secret);
        let mut known = self.known();
        if known.proven == Some(secret) {
            known.proven = None;
        }
        let before = known.refused.iter().position(|refusal| refusal.secret == secret);
        let before = before.and_then(|at| known.refused.remove(at));
        let refusal = match before {
            // It was on its way already when the first answer came.
            Some(before) if !before.is_over(self.pause) => before,
            before => {
                let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
                Refusal { secret, at: Instant::now(), times }
            }
        };
        known.refused.push_back(refusal);
        if known.refused.len() > MOST_REFUSED {
            known.refused.pop_front();
        }
    }

    /// Whether this secret was right when it was last tried.
    pub fn is_proven(&self, secret: &Secret) -> bool {
        self.is_known(&digest(secret))
    }

    fn is_known(&self, secret: &Digest) -> bool {
        self.known().proven.as_ref() == Some(secret)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(secret: &Secret) -> Digest {
    let mut bytes = Digest::default();
    let hash = digest::digest(&digest::SHA256, secret.reveal().as_bytes());
    bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
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

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_comes_back_is_remembered_as_refused() {
        let gate = gate();
        let (one, other) = (Secret::new("one"), Secret::new("other"));
        gate.refuse(&one);
        gate.refuse(&other);
        assert!(gate.check(&one).is_err() && gate.check(&other).is_err());
        for n in 0..MOST_REFUSED {
            gate.refuse(&Secret::new(format!("more {n}")));
        }
        assert!(gate.check(&one).is_ok(), "what is remembered is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn two_refusals_at_once_are_one() {
        let gate = gate();
        let secret = Secret::new("x");
        gate.prove(&secret);
        gate.refuse(&secret);
        gate.refuse(&secret);
        tokio::time::advance(PAUSE).await;
        assert!(gate.check(&secret).is_ok(), "the first pause is the short one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_does_not_keep_others_from_signing_in() {
        let gate = gate();
        let secret = Secret::new("x");
        gate.prove(&secret);
        let hang = || async {
            let turn = gate.enter(&secret).await.unwrap();
            turn.until(std::future::pending::<()>()).await;
        };
        let other = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::time::timeout(LONGEST_TURN, gate.enter(&secret)).await
        };
        tokio::select! {
            _ = async { tokio::join!(hang(), hang()) } => {}
            turn = other => assert!(turn.is_ok_and(|turn| turn.is_ok())),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_with_an_unproven_secret_keeps_the_turn() {
        let gate = gate();
        let secret = Secret::new("x");
        let hang = async {
            let turn = gate.enter(&secret).await.unwrap();
            turn.until(std::future::pending::<()>()).await;
        };
        let other = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::time::timeout(LONGEST_TURN * 4, gate.enter(&secret)).await
        };
        tokio::select! {
            () = hang => {}
            turn = other => assert!(turn.is_err(), "a wrong one would be tried by each in turn"),
        }
    }
}
