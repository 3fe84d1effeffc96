//! The configuration, read anew while the connector runs: on SIGHUP, or when it is asked for.
//!
//! What can be applied is applied without dropping a stream; the rest is named, and counts after a
//! restart. A configuration with a mistake changes nothing. Which keys are which, the reference
//! says ([`crate::config::reference`]).

mod live;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot, watch};

pub(super) use self::live::{Calendar, InUse};
use self::live::{Live, Prepared};
use self::places::{Changes, InForce};
use super::commands::Switchboard;
use super::disk::Disk;
use super::intake::Tell;
use crate::condition;
use crate::config::{self, Settings};
use crate::model::{CalendarName, Fault, Span};
use crate::observe::condition::{RELOAD_NEEDS_RESTART, RELOAD_REFUSED, RELOADED, STORE_FAILS};
use crate::observe::{journal, notify};
use crate::pipeline::decorate::OwnTexts;
use crate::pipeline::fleet::Rules;
use crate::pipeline::limits::STORE_RETRY;
use crate::pipeline::seal::{Installation, Tag};
use crate::pipeline::showing::Showing;
use crate::pipeline::window::Reach;

/// How long the loops are waited for until they have taken other rules. They turn within
/// milliseconds; one that hangs is the watchdog's.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// What is told to every loop. Each drops it once it has taken it.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) reach: Reach,
    pub(super) poll: Span,
    pub(super) presence: Span,
    pub(super) showing: Arc<Showing>,
    pub(super) texts: Arc<OwnTexts>,
    /// How many requests each calendar may have under way.
    connections: BTreeMap<CalendarName, usize>,
    /// Closed when all have it.
    _taken: mpsc::Sender<()>,
}

impl Ruling {
    /// A calendar's rules, with what a reload changes of them.
    pub(super) fn rules(&self, calendar: &CalendarName, before: Rules) -> Rules {
        let passes = self.connections.get(calendar).copied().unwrap_or(before.passes);
        let backlog = backlog(passes);
        Rules { reach: self.reach, poll: self.poll, passes, backlog, ..before }
    }
}

/// Of so many places these are for the backlog: two of ten stay free for what a person has just
/// done.
pub(super) fn backlog(connections: usize) -> usize {
    (connections * 4 / 5).max(1)
}

/// What came of a reload: keys by their places, as `calendar[0].url`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// These count from now on.
    pub(crate) applied: Vec<String>,
    /// These count after a restart.
    pub(crate) needs_restart: Vec<String>,
}

/// What came of it, or the mistakes of the configuration, a line each.
pub(crate) type Answer = Result<Reloaded, String>;

/// Where a reload is asked for, beside SIGHUP.
#[derive(Clone, Debug)]
pub(crate) struct Bell(mpsc::Sender<oneshot::Sender<Answer>>);

/// The other end of a [`Bell`].
pub(super) type Asks = mpsc::Receiver<oneshot::Sender<Answer>>;

impl Bell {
    /// A bell, and where it is heard.
    pub(super) fn new() -> (Self, Asks) {
        let (bell, asks) = mpsc::channel(4);
        (Self(bell), asks)
    }

    /// Reads the configuration anew and says what came of it; `None`: the connector stops.
    pub(crate) async fn ring(&self) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        answer.await.ok()
    }
}

/// How meetings are shown, as the store knows it.
pub(super) fn mark(installation: &Installation, showing: &Showing) -> Tag {
    let mut parts = vec![b"showing".as_slice()];
    let own = showing.mark();
    parts.extend(own);
    installation.tag(&parts)
}

/// What the loop needs.
pub(super) struct Parts {
    /// As read at the start.
    pub(super) settings: Settings,
    pub(super) switchboard: Switchboard,
    pub(super) disk: Disk,
    pub(super) installation: Arc<Installation>,
    /// Whether systemd was told that the connector is ready.
    pub(super) ready: watch::Receiver<bool>,
    /// The settings in force, for whoever takes some of them up by itself.
    pub(super) in_force: watch::Sender<Arc<Settings>>,
    /// What else it changes by itself.
    pub(super) in_use: InUse,
    /// What `systemctl status` is to say of the last reload; nothing where all of it counts.
    pub(super) remark: watch::Sender<String>,
}

struct Loop {
    settings: Settings,
    switchboard: Switchboard,
    disk: Disk,
    installation: Arc<Installation>,
    ready: watch::Receiver<bool>,
    in_force: watch::Sender<Arc<Settings>>,
    live: Live,
    remark: watch::Sender<String>,
    /// The values in force.
    lines: InForce,
    /// How meetings were shown for a while that the store has not heard of yet.
    unheard: Option<Tag>,
}

enum Asked {
    Reload(Option<oneshot::Sender<Answer>>),
    /// What it could not be told before.
    TellStore,
}

/// Runs until `stop` becomes true.
pub(super) async fn run(
    parts: Parts,
    (mut hangup, mut asks): (Signal, Asks),
    mut stop: watch::Receiver<bool>,
) {
    let mut all = Loop {
        lines: InForce::new(&parts.settings),
        live: Live::new(parts.in_use, &parts.settings),
        settings: parts.settings,
        switchboard: parts.switchboard,
        disk: parts.disk,
        installation: parts.installation,
        ready: parts.ready,
        in_force: parts.in_force,
        remark: parts.remark,
        unheard: None,
    };
    let retry = Duration::from_millis(STORE_RETRY.as_ms());
    loop {
        let asked = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Some(()) = hangup.recv() => Asked::Reload(None),
            Some(reply) = asks.recv() => Asked::Reload(Some(reply)),
            () = tokio::time::sleep(retry), if all.unheard.is_some() => Asked::TellStore,
        };
        let Asked::Reload(reply) = asked else {
            all.tell_store().await;
            continue;
        };
        let answer = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            answer = all.reload() => answer,
        };
        if let Some(reply) = reply {
            let _ = reply.send(answer);
        }
    }
}

impl Loop {
    async fn reload(&mut self) -> Answer {
        // Who has not said that it is ready does not say so by a reload.
        let tells = *self.ready.borrow();
        if tells {
            notify::reloading();
        }
        let answer = self.try_reload().await;
        self.remark.send_replace(remark(&answer));
        if tells {
            notify::ready();
        }
        answer
    }

    async fn try_reload(&mut self) -> Answer {
        let file = self.settings.file.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&file)).await;
        let read = read.map_err(|_| "internal error".to_owned());
        let read = read.and_then(|read| read.map_err(|why| why.to_string()));
        let named = |why: String| format!("{}: {why}", self.settings.file.display());
        let ready = read.and_then(|new| {
            let prepared = self.live.prepare(&self.settings, &new).map_err(named)?;
            Ok((new, prepared))
        });
        let (new, prepared) = match ready {
            Ok(ready) => ready,
            Err(why) => {
                let words = why.replace('\n', "; ");
                condition!(error, RELOAD_REFUSED, CAUSE = words,;
                    "the changed configuration is not taken up, the old one counts on ({words})");
                return Err(why);
            }
        };
        let Changes { mut applied, needs_restart } = self.lines.against(&new);
        let renewed = prepared.renewed.iter().filter(|key| !applied.contains(key));
        let renewed: Vec<_> = renewed.cloned().collect();
        applied.extend(renewed);
        self.apply(&new, prepared).await;
        self.lines.take(&new);
        let told = list(&applied);
        condition!(info, RELOADED, KEYS = told,; "the configuration was read anew: {told}");
        if !needs_restart.is_empty() {
            let told = list(&needs_restart);
            condition!(warn, RELOAD_NEEDS_RESTART, KEYS = told,;
                "these changes count after a restart: {told}");
        }
        Ok(Reloaded { applied, needs_restart })
    }

    async fn apply(&mut self, new: &Settings, prepared: Prepared) {
        let own = &mut self.settings;
        let reaches = own.reach != new.reach;
        let shows = own.showing != new.showing;
        let moves = prepared.moves;
        own.log.clone_from(&new.log);
        (own.reach, own.poll, own.presence) = (new.reach, new.poll, new.presence);
        own.showing = Arc::clone(&new.showing);
        own.keywords = Arc::clone(&new.keywords);
        own.texts = Arc::clone(&new.texts);
        own.admin.users.clone_from(&new.admin.users);
        own.metrics.clone_from(&new.metrics);
        self.live.apply(own, prepared).await;
        // It was looked at when the file was read.
        let _ = journal::refilter(&own.log);
        let (taken, mut all) = mpsc::channel(1);
        let connections = own.calendars.iter();
        let connections = connections.map(|one| (one.ews.name.clone(), one.ews.max_connections));
        let ruling = Arc::new(Ruling {
            reach: own.reach,
            poll: own.poll,
            presence: own.presence,
            showing: Arc::clone(&own.showing),
            texts: Arc::clone(&own.texts),
            connections: connections.collect(),
            _taken: taken,
        });
        let own = Arc::new(own.clone());
        self.in_force.send_replace(own);
        self.switchboard.all(|| Tell::Ruled(Arc::clone(&ruling))).await;
        drop(ruling);
        // What was begun before shows meetings as before: the store must not hear of the change
        // before the last loop has.
        let _ = tokio::time::timeout(TAKEN_WITHIN, all.recv()).await;
        if shows || self.unheard.is_some() {
            let mark = self.mark();
            self.unheard.get_or_insert(mark);
            self.show_anew().await;
        }
        if reaches || shows {
            self.switchboard.all(|| Tell::ReadAnew).await;
        }
        if moves {
            self.switchboard.all(|| Tell::WayChanged).await;
        }
    }

    async fn tell_store(&mut self) {
        if self.show_anew().await {
            self.switchboard.all(|| Tell::ReadAnew).await;
        }
    }

    /// How meetings are shown now.
    fn mark(&self) -> Tag {
        mark(&self.installation, &self.settings.showing)
    }

    /// Tells the store; whether it knows now. Where it cannot be told, it is tried again later:
    /// who asked for the reload does not wait for a disk.
    async fn show_anew(&mut self) -> bool {
        // First what was in force meanwhile, also where it was taken back: what was sent by then
        // was shown in that way.
        for mark in self.unheard.into_iter().chain([self.mark()]) {
            let told = tokio::time::timeout(TAKEN_WITHIN, self.disk.shown_as(mark)).await;
            if let Err(fault) = told.unwrap_or_else(|_| Err(Fault::retry("store: too slow"))) {
                condition!(error, STORE_FAILS, CAUSE = fault,;
                    "the store does not answer ({fault})");
                return false;
            }
        }
        self.unheard = None;
        true
    }
}

/// What stays to be said of a reload when it is over.
fn remark(answer: &Answer) -> String {
    match answer {
        Err(_) => "the last reload was refused: journalctl -u calway".to_owned(),
        Ok(done) if done.needs_restart.is_empty() => String::new(),
        Ok(done) => format!("a restart is needed for {}", list(&done.needs_restart)),
    }
}

fn list(keys: &[String]) -> String {
    match keys {
        [] => "no change".to_owned(),
        some => some.join(", "),
    }
}
