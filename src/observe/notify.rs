//! sd_notify(3): READY, RELOADING, more time, STATUS, STOPPING, WATCHDOG. Without systemd nothing
//! happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service does its job.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read anew; [`ready`] ends it (`Type=notify-reload`, systemd.service(5)).
pub fn reloading() {
    // Without the time systemd would take an older READY for the end.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The start takes longer: systemd waits for so long from now on.
pub fn starting(for_more: Duration) {
    let micros = u32::try_from(for_more.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// The service stops; what it does now.
pub fn stopping(line: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(line)]);
}

/// The loops turn.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] must be called, if systemd watches: half of what it allows.
pub fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2)
}

fn tell(state: &[NotifyState]) {
    // A socket that went away is no reason to stop relaying.
    let _ = sd_notify::notify(state);
}
