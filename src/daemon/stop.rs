//! Stop, in order: no new readings and the subscriptions given back, then the outbox emptied, then
//! the store closed. Each has its time, so that the whole is over within ten seconds
//! ([`STOP_WITHIN`](crate::config::STOP_WITHIN)) whatever hangs; and a second word ends it at once.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::condition;
use crate::model::Fault;
use crate::observe::condition::{STOPPED, STOPPING};
use crate::observe::notify;

/// For the subscriptions, what was asked of Exchange, and the goodbye on the channel. The cloud is
/// sent events meanwhile.
pub(super) const GIVEN_BACK_WITHIN: Duration = Duration::from_millis(4_500);
/// For what is in the outbox then.
const SENT_WITHIN: Duration = Duration::from_millis(2_500);
/// For the store; what does not get into the file in time is in its log beside it.
const CLOSED_WITHIN: Duration = Duration::from_millis(1_900);

/// Who may end the program: SIGTERM and SIGINT.
pub(super) struct Words {
    terminate: Signal,
    interrupt: Signal,
}

impl Words {
    /// From now on they are heard, and do not end the program by themselves.
    ///
    /// # Errors
    /// `Retry` where the system has no place for them.
    pub(super) fn listen() -> Result<Self, Fault> {
        let hear = |kind| signal(kind).map_err(|error| Fault::retry(error.to_string()));
        let terminate = hear(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Comes back with the next word.
    pub(super) async fn heard(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What runs, in the order of its stop.
pub(super) struct Running {
    /// Everything but what follows.
    pub(super) loops: JoinSet<()>,
    /// The uplink.
    pub(super) last: JoinSet<()>,
    /// Tells the loops, and then the uplink.
    pub(super) tell: [watch::Sender<bool>; 2],
}

impl Running {
    /// Comes back when a loop has ended that never should.
    pub(super) async fn broken(&mut self) {
        tokio::select! {
            Some(_) = self.loops.join_next() => {}
            Some(_) = self.last.join_next() => {}
            else => std::future::pending().await,
        }
    }

    /// Ends it all; `closing` closes the store, and says how many events are left in it.
    pub(super) async fn stop(self, closing: impl Future<Output = Option<u64>>) {
        let Self { mut loops, mut last, tell: [first, then] } = self;
        say("subscriptions are given back");
        condition!(info, STOPPING,; "stopping: subscriptions are given back");
        let _ = first.send(true);
        ended(&mut loops, GIVEN_BACK_WITHIN).await;
        say("what waits is sent to the cloud");
        let _ = then.send(true);
        ended(&mut last, SENT_WITHIN).await;
        say("the store is closed");
        let waiting = timeout(CLOSED_WITHIN, closing).await.ok().flatten();
        let waiting = waiting.map_or_else(|| "not known".to_owned(), |events| events.to_string());
        condition!(info, STOPPED, OUTBOX = waiting,;
            "stopped: events that wait for the next start: {waiting}");
    }
}

/// For `systemctl status`.
fn say(what: &str) {
    notify::stopping(&format!("stopping: {what}"));
}

/// Waits for all of them; who is late is ended where it waits.
async fn ended(loops: &mut JoinSet<()>, within: Duration) {
    let all = async { while loops.join_next().await.is_some() {} };
    if timeout(within, all).await.is_err() {
        loops.shutdown().await;
    }
}

#[cfg(test)]
#[path = "stop_tests.rs"]
mod tests;
