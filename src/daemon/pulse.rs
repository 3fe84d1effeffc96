//! Whether the loops turn: the watchdog is fed while all of them do, and not by a timer of its own.
//!
//! Each loop says at every turn by when it turns again. Who waits for nothing in particular turns
//! every [`EVERY`]; who begins a step that may last says so before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::clock;
use crate::model::{Span, Time};

/// A loop that has nothing to do turns that often all the same.
const EVERY: Duration = Duration::from_secs(5);

/// A turn takes no longer, unless it was said. Most turns may wait for the disk, and a disk that
/// moves to another controller, or is frozen for a snapshot, may be silent for a minute or two.
const TURN: Span = Span::from_secs(150);

/// What a step with the cloud or the key server takes at most: sign-in, the request and one more
/// try each have their own limits, which are less together.
pub(super) const LONG: Span = Span::from_secs(300);

/// One loop's.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<AtomicI64>);

impl Pulse {
    /// The loop turns, and does so again soon.
    pub(super) fn beat(&self) {
        self.allow(TURN);
    }

    /// The step that begins now may take so long.
    pub(super) fn allow(&self, span: Span) {
        self.0.store((clock::now().mono + span).as_ms(), Ordering::Relaxed);
    }

    /// For the loop's `select!`: over when it is to turn although there is nothing to do.
    pub(super) async fn rest(&self) {
        tokio::time::sleep(EVERY).await;
    }

    /// A wait that is meant to be long, and has its own end.
    pub(super) async fn through<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        loop {
            self.beat();
            tokio::select! {
                out = &mut wait => return out,
                () = self.rest() => {}
            }
        }
    }
}

/// All loops'.
#[derive(Debug, Default)]
pub(super) struct Pulses(Vec<(String, Pulse)>);

impl Pulses {
    /// One more loop, which is given time to begin.
    pub(super) fn of(&mut self, name: impl Into<String>) -> Pulse {
        let pulse = Pulse(Arc::new(AtomicI64::new(0)));
        pulse.allow(LONG);
        self.0.push((name.into(), pulse.clone()));
        pulse
    }

    /// The loops that have not turned when they said they would.
    pub(super) fn still(&self) -> Vec<&str> {
        let now = clock::now().mono;
        let late = |pulse: &Pulse| Time::from_ms(pulse.0.load(Ordering::Relaxed)) < now;
        let late = self.0.iter().filter(|(_, pulse)| late(pulse));
        late.map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_named_and_one_that_only_waits_is_not() {
        let mut pulses = Pulses::default();
        let (well, hung, waits) =
            (pulses.of("intake hq"), pulses.of("uplink"), pulses.of("errands"));
        let turns = tokio::spawn(async move {
            loop {
                well.beat();
                well.rest().await;
            }
        });
        let wait = tokio::spawn(async move {
            waits.through(std::future::pending::<()>()).await;
        });
        tokio::time::sleep(Duration::from_millis(LONG.as_ms() - 1_000)).await;
        assert_eq!(pulses.still(), [""; 0], "each is given time to begin");
        hung.beat();
        tokio::time::sleep(Duration::from_millis(TURN.as_ms() - 1_000)).await;
        assert_eq!(pulses.still(), [""; 0]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(pulses.still(), ["uplink"]);
        hung.allow(LONG);
        tokio::time::sleep(Duration::from_millis(LONG.as_ms() - 1_000)).await;
        assert_eq!(pulses.still(), [""; 0], "a step that may last");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(pulses.still(), ["uplink"], "but not for ever");
        hung.beat();
        assert_eq!(pulses.still(), [""; 0], "it goes on");
        turns.abort();
        wait.abort();
    }
}
