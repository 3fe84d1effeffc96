//! A new secret takes the place of an old one while the service runs.
//!
//! **Promise.** A new secret is tried once, and the old one stays in use until the new one has
//! worked. What cannot be tried now is tried again, ever more seldom, and never twice where it was
//! refused. A start finds the one from before beside the new one and does the same.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::account::Account;
use super::clock;
use crate::calendar::Calendar;
use crate::cloud::{self, Link};
use crate::condition;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY, Secrets};
use crate::model::{Fault, Next, Secret, Time, Tried};
use crate::net::proxy::{self, Proxy};
use crate::observe::condition::{SECRET_CHANGED, SECRET_REFUSED, SECRET_WAITS};

/// Whoever gives a secret waits so long for his turn, and for the answer, and no longer; then it is
/// tried again without him.
const PATIENCE: Duration = Duration::from_secs(12);

/// What could not be told is tried again after this, then after twice as long and so on.
const FIRST_AGAIN: Duration = Duration::from_secs(5);
/// … up to this.
const LAST_AGAIN: Duration = Duration::from_secs(300);

/// Who judges a secret.
pub(super) trait Judge: Send + Sync {
    /// Tries it once, beside the one in use. Whoever asked may go: what was sent is heard.
    fn try_once<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried>;

    /// Lets one that was refused be tried once more.
    fn forget<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        ready(Ok(())).boxed()
    }

    /// Whether it can be tried beside the one in use at all; otherwise its use shows it.
    fn can_try(&self) -> bool {
        true
    }

    /// Whether the configuration in force needs it.
    fn is_needed(&self) -> bool {
        true
    }
}

/// Judges by the names of their secrets.
pub(super) type Judges = BTreeMap<String, Box<dyn Judge>>;

/// An account's password: its calendar's servers.
struct Servers(Arc<dyn Calendar>);

/// The client's secret: the cloud's token endpoint.
struct Endpoint(watch::Receiver<cloud::Options>);

/// A proxy, which sees its password with the next tunnel.
struct Tunnels(Box<dyn Fn() -> Option<Proxy> + Send + Sync>);

/// Those of a calendar's secrets.
pub(super) fn of_calendar(account: &Account, calendar: &Arc<dyn Calendar>) -> Judges {
    let [password, proxy_password] = account.names().map(str::to_owned);
    let mut judges = Judges::new();
    judges.insert(password, Box::new(Servers(calendar.clone())));
    let proxy = account.proxy.subscribe();
    judges.insert(proxy_password, Box::new(Tunnels(Box::new(move || proxy.borrow().clone()))));
    judges
}

/// Those of the cloud's.
pub(super) fn of_cloud(options: &watch::Receiver<cloud::Options>) -> Judges {
    let mut judges = Judges::new();
    judges.insert(CLIENT_SECRET.to_owned(), Box::new(Endpoint(options.clone())));
    let options = options.clone();
    let proxy = move || options.borrow().proxy.clone();
    judges.insert(CLOUD_PROXY.to_owned(), Box::new(Tunnels(Box::new(proxy))));
    judges
}

/// What came of a secret that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It works, and is in use.
    Works,
    /// It is refused; nothing has changed.
    Refused(Fault),
    /// It cannot be told now. It is tried again by itself, and taken when it works.
    Later(Fault),
    /// It is in use, as nothing can try it by itself; where it is refused, the old one is again.
    Taken,
    /// The configuration in force needs no secret of this name, or it is one that never changes.
    NotNeeded,
}

/// How a secret stands.
pub(super) struct Standing {
    /// A new one waits to be tried.
    pub(super) waits: bool,
    /// The one before is kept, as the one in use has not worked yet.
    pub(super) previous: bool,
    /// When one that was given, or that a start found beside another, was seen to work.
    pub(super) settled: Option<Time>,
}

/// The secrets of the running service, and who judges them.
pub(super) struct Rotation {
    secrets: Arc<Secrets>,
    judges: Judges,
    /// One is tried at a time.
    turn: Mutex<()>,
    nudge: Notify,
    settled: std::sync::Mutex<BTreeMap<String, Time>>,
}

impl Rotation {
    /// Takes over what a start finds beside the secrets.
    pub(super) fn new(secrets: Arc<Secrets>, judges: Judges) -> Self {
        let needed = judges.iter().filter(|(_, judge)| judge.is_needed());
        secrets.recall(&needed.map(|(name, _)| name.clone()).collect::<Vec<_>>());
        Self {
            secrets,
            judges,
            turn: Mutex::default(),
            nudge: Notify::new(),
            settled: Default::default(),
        }
    }

    /// Tries a new secret, and uses it if it works. One that was refused before is not tried,
    /// unless it is to be tried `again`.
    pub(super) async fn give(&self, name: &str, new: Secret, again: bool) -> Given {
        let Some(judge) = self.judges.get(name) else { return Given::NotNeeded };
        if !judge.is_needed() {
            // It is there for a reload that needs it.
            self.secrets.take_untried(name, new);
            return Given::NotNeeded;
        }
        if again && let Err(fault) = judge.forget(&new).await {
            return self.later(name, new, fault);
        }
        let Ok(_turn) = timeout(PATIENCE, self.turn.lock()).await else {
            return self.later(name, new, Fault::retry("another secret is being tried"));
        };
        if !judge.can_try() {
            self.secrets.take_untried(name, new);
            self.nudge.notify_one();
            return Given::Taken;
        }
        let late = || Tried::Untold(Fault::retry("no answer in time"));
        match timeout(PATIENCE, judge.try_once(&new)).await.unwrap_or_else(|_| late()) {
            Tried::Works => {
                self.take(name, new);
                Given::Works
            }
            Tried::Refused(fault) => {
                self.secrets.drop_next(name, &new);
                refused(name, &fault);
                Given::Refused(fault)
            }
            Tried::Untold(fault) => self.later(name, new, fault),
        }
    }

    fn later(&self, name: &str, new: Secret, fault: Fault) -> Given {
        self.secrets.keep(name, new);
        condition!(warn, SECRET_WAITS, SECRET = name, CAUSE = fault,;
            "whether the new secret {name} works cannot be told now ({fault}); the one before \
             stays in use");
        self.nudge.notify_one();
        Given::Later(fault)
    }

    /// How each of them stands.
    pub(super) fn standing(&self) -> Vec<(String, Standing)> {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |name: &String| Standing {
            waits: self.secrets.next(name).is_some(),
            previous: self.secrets.has_previous(name),
            settled: settled.get(name).copied(),
        };
        let needed = self.judges.iter().filter(|(_, judge)| judge.is_needed());
        needed.map(|(name, _)| (name.clone(), one(name))).collect()
    }

    /// Tries again what could not be told, until `stop`.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut wait = FIRST_AGAIN;
        let mut due = Some(Instant::now());
        loop {
            let wake = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            // A nudge ends no look: what waits is looked at soon after.
            let nudged = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.nudge.notified() => true,
                () = wake => false,
            };
            let left = if nudged {
                wait = FIRST_AGAIN;
                true
            } else {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    left = self.look() => left,
                }
            };
            due = left.then(|| Instant::now() + wait);
            wait = (wait * 2).min(LAST_AGAIN);
        }
    }

    /// Looks at everything that is not settled. Whether something is left.
    async fn look(&self) -> bool {
        let _turn = self.turn.lock().await;
        let mut left = false;
        for (name, judge) in self.judges.iter().filter(|(_, judge)| judge.is_needed()) {
            if let Some(next) = self.secrets.next(name) {
                match judge.try_once(&next).await {
                    Tried::Works => {
                        left |= self.take_tried(name, next);
                    }
                    Tried::Refused(fault) => {
                        self.secrets.drop_next(name, &next);
                        refused(name, &fault);
                    }
                    Tried::Untold(_) => left = true,
                }
            } else if self.secrets.has_previous(name)
                && let Ok(in_use) = self.secrets.get(name)
            {
                match judge.try_once(&in_use).await {
                    Tried::Works => {
                        self.secrets.proven(name);
                        self.settle(name);
                        changed(name);
                    }
                    Tried::Refused(fault) => {
                        self.secrets.refused(name);
                        refused(name, &fault);
                    }
                    Tried::Untold(_) => left = true,
                }
            }
        }
        left
    }

    fn settle(&self, name: &str) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.insert(name.to_owned(), clock::wall());
    }

    fn take(&self, name: &str, new: Secret) {
        let same = self.secrets.get(name).is_ok_and(|old| old == new);
        self.secrets.take(name, new);
        self.settle(name);
        if !same {
            changed(name);
        }
    }

    /// Whether a newer one waits, which was given while this one was tried.
    fn take_tried(&self, name: &str, tried: Secret) -> bool {
        self.secrets.take_tried(name, tried);
        changed(name);
        let newer = self.secrets.next(name).is_some();
        if !newer {
            self.settle(name);
        }
        newer
    }
}

impl Judge for Servers {
    fn try_once<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried> {
        self.0.try_secret(secret)
    }

    fn forget<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        self.0.forget_refusal(secret)
    }
}

impl Judge for Endpoint {
    fn try_once<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried> {
        let options = self.0.borrow().clone();
        async move { cloud(&options, secret).await }.boxed()
    }

    fn forget<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        let refused = self.0.borrow().refused.clone();
        async move { refused.forget(secret).await }.map(Ok).boxed()
    }
}

impl Judge for Tunnels {
    fn try_once<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried> {
        let proxy = (self.0)();
        let nobody = || Tried::Untold(Fault::retry("no proxy asks for it"));
        async move {
            match proxy {
                Some(proxy) => proxy.judged(secret).await,
                None => nobody(),
            }
        }
        .boxed()
    }

    fn is_needed(&self) -> bool {
        (self.0)().is_some_and(|proxy| proxy.account.is_some())
    }

    fn forget<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        let proxy = (self.0)();
        async move {
            match proxy {
                Some(proxy) => proxy.forget_one(secret).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn can_try(&self) -> bool {
        false
    }
}

async fn cloud(options: &cloud::Options, secret: &Secret) -> Tried {
    let given = secret.clone();
    let link = Link::new(options.clone(), Box::new(move || Some(given.clone())));
    let asked = match link {
        // Heard to its end whoever waits, so that a refusal is known to the next who asks.
        Ok(link) => tokio::spawn(link.bearer()(None)).await,
        Err(fault) => Ok(Err(fault)),
    };
    match asked.unwrap_or_else(|_| Err(Fault::retry("internal error"))) {
        Ok(_) => Tried::Works,
        Err(fault) if fault.next == Next::SignIn && !proxy::is_refusal(&fault) => {
            Tried::Refused(fault)
        }
        Err(fault) => Tried::Untold(fault),
    }
}

fn changed(name: &str) {
    condition!(info, SECRET_CHANGED, SECRET = name,; "the new secret {name} works and is in use");
}

fn refused(name: &str, fault: &Fault) {
    condition!(warn, SECRET_REFUSED, SECRET = name, CAUSE = fault,;
        "the new secret {name} is refused ({fault}); the one before stays in use");
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
