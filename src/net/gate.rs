//! What is known of a secret that a server may refuse: a wrong one is tried once, whatever the
//! number of connections, so that no account is locked.
//!
//! **Promise.** A secret that was not right since the start is sent by one caller at a time. One
//! that was refused is sent nowhere until it changes or a long pause is over, also after a restart
//! where there is a [`Memory`]. Where another place took it before, the refusal shuts that one
//! place at first; then it is sent to none but those that took it, and if the next of them refuses
//! it, too, it is shut everywhere.

mod known;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use self::known::{Clocks, Known, No};
use crate::model::{Fault, Next, Plain, Secret, Time};

pub use self::known::{Mark, Shut};

/// Sign-ins at once with a secret that was right a moment ago. It may have been changed in between,
/// and each of them would count as a wrong one then; strict domains lock an account after three.
const AT_ONCE: u32 = 2;

/// A secret that was right so long ago may have been changed meanwhile: one tries it alone first.
const A_MOMENT: Duration = Duration::from_secs(10);

/// A server that hangs does not keep others from signing in with a proven secret for longer.
const LONGEST_TURN: Duration = Duration::from_secs(15);

/// What is said of a place that refuses what another one takes.
pub const REFUSED_HERE: &str = "this server refuses a secret that another one takes: most likely \
    Extended Protection, with a load balancer in between that ends TLS and shows another \
    certificate";

/// What is said where such a refusal is not cleared up yet.
pub const IN_DOUBT: &str = "another server refused the secret just now; it is sent to no new one \
    before one that took it has taken it again";

/// Where a gate keeps what must not be forgotten: whoever starts anew, or signs in with the same
/// account from another process, would spend one more attempt.
///
/// Lines hold digests of secrets. Whoever implements this seals them before they touch a disk.
pub trait Memory: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Time;

    /// The digest of a secret: keyed, and the same after a restart.
    fn mark(&self, secret: &Secret) -> Mark;

    /// All lines that were kept.
    ///
    /// # Errors
    /// `Retry` where the disk gives nothing; nothing is sent then.
    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>>;

    /// Keeps lines, each under its key in the place of an earlier one; `None` forgets it.
    ///
    /// # Errors
    /// `Retry` where the disk takes nothing.
    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The gate to one account.
pub struct Gate {
    words: &'static str,
    turns: Semaphore,
    /// When a secret was right last.
    proven: Mutex<Option<Instant>>,
    core: Arc<Core>,
}

/// What outlives a caller that is not waited for any more.
struct Core {
    pause: Duration,
    known: Mutex<Known>,
    memory: Option<Arc<dyn Memory>>,
    /// What lies in the memory, by keys; one reads or writes it at a time.
    kept: tokio::sync::Mutex<BTreeMap<String, String>>,
    key: hmac::Key,
}

/// The right to sign in; alone where the secret is not proven.
pub struct Turn<'a> {
    gate: &'a Gate,
    secret: Mark,
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
        let kept = (!self.gate.core.known().is_proven(&self.secret)).then_some(self.permit);
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
    /// even if it has not changed; until then `words` say why not. What it knows is kept in
    /// `memory`, if there is one.
    pub fn new(pause: Duration, words: &'static str, memory: Option<Arc<dyn Memory>>) -> Self {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        // Without chance the digests are those of a known key; they stay in our own memory.
        let _ = rand::fill(&mut *key);
        let core = Core {
            pause,
            known: Mutex::default(),
            memory,
            kept: tokio::sync::Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &*key),
        };
        let (turns, proven) = (Semaphore::new(AT_ONCE as usize), Mutex::default());
        Self { words, turns, proven, core: Arc::new(core) }
    }

    /// Waits for the right to sign in with this secret at this place.
    ///
    /// # Errors
    /// As [`Gate::check`].
    pub async fn enter(&self, secret: &Secret, place: &str) -> Result<Turn<'_>, Fault> {
        let secret = self.core.mark(secret);
        self.look(&secret, place).await?;
        let places = if self.was_right(&secret) { 1 } else { AT_ONCE };
        let mut permit =
            self.turns.acquire_many(places).await.map_err(|_| Fault::retry("closed"))?;
        self.look(&secret, place).await?;
        if places > 1 && self.was_right(&secret) {
            // Whoever had the turn before proved it: others may come beside.
            drop(permit.split(AT_ONCE as usize - 1));
        }
        Ok(Turn { gate: self, secret, permit })
    }

    /// Whether this secret was right a moment ago.
    fn was_right(&self, secret: &Mark) -> bool {
        let proven = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = proven.is_some_and(|at| at.elapsed() < A_MOMENT);
        lately && self.core.known().is_proven(secret)
    }

    /// Whether this secret may be sent to this place at all.
    ///
    /// # Errors
    /// [`Next::SignIn`] where it was refused not long ago, [`Next::BackOff`] where that place
    /// alone refused it or another one just now, `Retry` where the memory cannot be read.
    pub async fn check(&self, secret: &Secret, place: &str) -> Result<(), Fault> {
        self.look(&self.core.mark(secret), place).await
    }

    async fn look(&self, secret: &Mark, place: &str) -> Result<(), Fault> {
        let checked = || {
            let known = self.core.known();
            (known.check(Instant::now(), secret, place), known.is_proven(secret))
        };
        if checked() != (Ok(()), true) {
            // Another process may have learnt more.
            self.core.recall().await?;
        }
        checked().0.map_err(|no| match no {
            No::Everywhere => Fault::new(Next::SignIn, self.words),
            No::Here => Fault::new(Next::BackOff { after: None }, REFUSED_HERE),
            No::InDoubt => Fault::new(Next::BackOff { after: None }, IN_DOUBT),
        })
    }

    /// The secret was right there. Servers that count wrong ones begin anew then.
    pub async fn prove(&self, secret: &Secret, place: &str) {
        let secret = self.core.mark(secret);
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if self.core.known().prove(&secret, place) {
            self.core.save().await;
        }
    }

    /// The secret was wrong there: nobody sends it again before a pause is over. What is shut by
    /// that is kept before this returns.
    pub async fn refuse(&self, secret: &Secret, place: &str) -> Shut {
        self.shut(secret, place, false).await
    }

    /// As [`Gate::refuse`], for a place that may know nothing of the account: where the secret was
    /// right for another one, that says nothing of it.
    pub async fn refuse_beside(&self, secret: &Secret, place: &str) -> Shut {
        self.shut(secret, place, true).await
    }

    async fn shut(&self, secret: &Secret, place: &str, beside: bool) -> Shut {
        let (now, pause) = (self.core.clocks(), self.core.pause);
        let at = (&self.core.mark(secret), place);
        let shut = self.core.known().refuse(now, pause, at, beside);
        self.core.save().await;
        shut
    }

    /// Somebody who takes the blame wants this secret to be tried once more.
    ///
    /// # Errors
    /// `Retry` where the memory cannot be read.
    pub async fn forget(&self, secret: &Secret) -> Result<(), Fault> {
        self.core.recall().await?;
        self.core.known().forget(&self.core.mark(secret));
        self.core.save().await;
        Ok(())
    }

    /// Whether this secret was right when it was last tried, since the start.
    pub fn is_proven(&self, secret: &Secret) -> bool {
        self.core.known().is_proven(&self.core.mark(secret))
    }
}

impl Core {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, secret: &Secret) -> Mark {
        if let Some(memory) = &self.memory {
            return memory.mark(secret);
        }
        let mut mark = Mark::default();
        let whole = hmac::sign(&self.key, secret.reveal().as_bytes());
        mark.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
        mark
    }

    fn clocks(&self) -> Clocks {
        let wall = self.memory.as_ref().map(|memory| memory.now()).unwrap_or_default();
        Clocks { mono: Instant::now(), wall }
    }

    /// Takes in what is kept.
    async fn recall(&self) -> Result<(), Fault> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let mut kept = self.kept.lock().await;
        let lines = memory.recall().await?;
        let now = self.clocks();
        let mut known = self.known();
        let all_kept = known.lines() == *kept;
        known.recall(now, self.pause, &lines, !all_kept);
        if all_kept {
            *kept = known.lines();
        }
        Ok(())
    }

    /// Keeps what is known now, whether or not the caller is waited for. What cannot be kept is
    /// kept with the next.
    async fn save(self: &Arc<Self>) {
        if self.memory.is_some() {
            let core = Arc::clone(self);
            let _ = tokio::spawn(async move { core.write().await }).await;
        }
    }

    async fn write(&self) {
        let Some(memory) = &self.memory else { return };
        let mut kept = self.kept.lock().await;
        let lines = self.known().lines();
        let gone = kept.keys().filter(|key| !lines.contains_key(*key)).map(|key| (key, None));
        let new = lines.iter().filter(|(key, line)| kept.get(*key) != Some(*line));
        let changed: Vec<_> = gone
            .chain(new.map(|(key, line)| (key, Some(line))))
            .map(|(key, line)| {
                (Plain::new(key.as_str()), line.map(|line| Plain::new(line.as_str())))
            })
            .collect();
        if changed.is_empty() || memory.keep(changed).await.is_ok() {
            *kept = lines;
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
