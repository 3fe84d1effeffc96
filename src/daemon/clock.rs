//! The two clocks.

use std::sync::OnceLock;
use std::time::SystemTime;

use tokio::time::{Duration, Instant};

use crate::model::{Now, Time};

static START: OnceLock<Instant> = OnceLock::new();

/// Both clocks, now.
pub(super) fn now() -> Now {
    let start = *START.get_or_init(Instant::now);
    Now { wall: wall(), mono: Time::from_ms(millis(start.elapsed())) }
}

/// The time of day.
pub(super) fn wall() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(millis(since))
}

/// When a monotonic time will be, for a timer. Rounded up, so that a tick is never early.
pub(super) fn instant(mono: Time) -> Instant {
    let start = *START.get_or_init(Instant::now);
    start + Duration::from_millis(u64::try_from(mono.as_ms()).unwrap_or(0) + 1)
}

/// Waits until a monotonic time; for ever without one.
pub(super) async fn sleep_until(mono: Option<Time>) {
    match mono {
        Some(mono) => tokio::time::sleep_until(instant(mono)).await,
        None => std::future::pending().await,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
