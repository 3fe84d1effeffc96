//! What a provider may keep over a restart, and whom it may trust.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::watch;

use crate::model::{Fault, Plain, Time, TrustEntry, Verdict};

/// The memory of a calendar's provider, and the trust list, which all calendars share.
///
/// Lines are personal: they name mailboxes. Whoever implements this seals them before they touch a
/// disk.
pub trait Ledger: Send + Sync + 'static {
    /// The time of day, by which answers age.
    fn now(&self) -> Time;

    /// All lines that were kept for this calendar.
    ///
    /// # Errors
    /// `Retry` where the disk gives nothing.
    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>>;

    /// Keeps lines, each under its key in the place of an earlier one; `None` forgets it.
    ///
    /// # Errors
    /// `Retry` where the disk takes nothing.
    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>>;

    /// The trust list as it is now: an administrator's word counts from the next look on.
    ///
    /// # Errors
    /// `Retry` where the disk gives nothing; nobody is trusted then.
    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>>;

    /// A number that grows with each verdict of an administrator, so that it is taken up at once.
    fn turns(&self) -> watch::Receiver<u64>;

    /// A host that nobody vouched for was met: it becomes a pending entry, and a condition the
    /// first time. One that is known stays as it is.
    ///
    /// # Errors
    /// `Retry` where the disk takes nothing.
    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>>;
}

/// A ledger that lasts as long as the process.
#[derive(Debug, Default)]
pub struct Forgetful {
    inner: Mutex<Kept>,
    turns: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: BTreeMap<String, Plain>,
    trust: BTreeMap<String, TrustEntry>,
}

impl Forgetful {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a verdict, as an administrator would.
    pub fn decide(&self, host: &str, verdict: Verdict) {
        let host = host.to_ascii_lowercase();
        let since = self.now();
        {
            let mut kept = self.kept();
            let entry = kept.trust.entry(host.clone());
            let new = TrustEntry { host, verdict, via: "administrator".into(), since };
            entry.and_modify(|entry| entry.verdict = verdict).or_insert(new);
        }
        self.turns.send_modify(|turn| *turn += 1);
    }
}

impl Ledger for Forgetful {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        ready(Ok(self.kept().lines.values().cloned().collect())).boxed()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        let mut kept = self.kept();
        for (key, line) in lines {
            let key = key.reveal().to_owned();
            match line {
                Some(line) => kept.lines.insert(key, line),
                None => kept.lines.remove(&key),
            };
        }
        ready(Ok(())).boxed()
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        ready(Ok(self.kept().trust.values().cloned().collect())).boxed()
    }

    fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        let (host, since) = (host.to_ascii_lowercase(), self.now());
        let new =
            TrustEntry { host: host.clone(), verdict: Verdict::Pending, via: via.into(), since };
        self.kept().trust.entry(host).or_insert(new);
        ready(Ok(())).boxed()
    }
}
