//! How many lines of one kind are written, so that what fails for many does not fill the disk.
//!
//! **Promise.** Of a condition and calendar at most [`LINES`] and [`CAUSES`] lines are written in
//! an [`INTERVAL`], of which at most [`OF_ONE`] of the same user. The first of each kind is
//! written, and so is the first of each cause, up to [`CAUSES`] of them. What is left out is
//! counted and told at the end of the interval. Critical lines and those of levels that somebody
//! asked for (debug, trace) are always written.
//!
//! Time is what [`Limits::tick`] was told last.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Span, Time};

/// How long is counted together: short enough for somebody who looks, and a line in so much time
/// costs nothing.
pub const INTERVAL: Span = Span::MINUTE.times(5);

/// The most lines of a condition and calendar in an interval. A line takes about a kilobyte of the
/// journal, so that a condition which never ends takes at most 30 MB a day; and a hundred mailboxes
/// that fail by themselves are still named one by one.
pub const LINES: u32 = 100;

/// The most of them of one user: one mailbox that falls ill and recovers all the time leaves room
/// for others.
pub const OF_ONE: u32 = 5;

/// As many causes have a line beyond [`LINES`]: among 15,000 mailboxes whose server is away the one
/// that lacks a right is seen.
pub const CAUSES: usize = 20;

/// What of a line decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// The condition, or where the line comes from.
    pub kind: &'a str,
    /// Its calendar; empty where it is of none.
    pub calendar: &'a str,
    /// Its user; empty where it is of none.
    pub user: &'a str,
    /// Its cause; empty where it has none.
    pub cause: &'a str,
}

/// Lines that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Of what kind.
    pub kind: Box<str>,
    /// How many.
    pub count: u64,
}

#[derive(Debug)]
struct Window {
    since: Time,
    written: u32,
    users: BTreeMap<Box<str>, u32>,
    causes: BTreeSet<Box<str>>,
    left_out: u64,
}

impl Window {
    fn new(since: Time) -> Self {
        let (users, causes) = (BTreeMap::new(), BTreeSet::new());
        Self { since, written: 0, users, causes, left_out: 0 }
    }

    fn takes(&mut self, line: &Line<'_>) -> bool {
        let new_cause = !line.cause.is_empty()
            && self.causes.len() < CAUSES
            && self.causes.insert(cause(line.cause).into());
        let of_user = self.users.get(line.user).copied().unwrap_or(0);
        let takes = new_cause || (self.written < LINES && of_user < OF_ONE);
        if !takes {
            self.left_out += 1;
            return false;
        }
        self.written += 1;
        if !line.user.is_empty() {
            *self.users.entry(line.user.into()).or_default() += 1;
        }
        true
    }
}

/// Without the id of the request, which is another one each time.
fn cause(text: &str) -> &str {
    text.split_once(" (request ").map_or(text, |(cause, _)| cause)
}

/// What was written and left out in this interval.
#[derive(Debug, Default)]
pub struct Limits {
    now: Time,
    windows: BTreeMap<(Box<str>, Box<str>), Window>,
}

impl Limits {
    /// Whether a line is written.
    pub fn takes(&mut self, line: &Line<'_>) -> bool {
        let key = (line.kind.into(), line.calendar.into());
        let now = self.now;
        self.windows.entry(key).or_insert_with(|| Window::new(now)).takes(line)
    }

    /// It is so late now; what was left out in intervals that are over.
    pub fn tick(&mut self, now: Time) -> Vec<LeftOut> {
        self.now = now;
        self.end(|window| now.since(window.since) >= INTERVAL)
    }

    /// What was left out, all of it: nothing is written any more.
    pub fn stop(&mut self) -> Vec<LeftOut> {
        self.end(|_| true)
    }

    fn end(&mut self, over: impl Fn(&Window) -> bool) -> Vec<LeftOut> {
        let mut counts: BTreeMap<Box<str>, u64> = BTreeMap::new();
        self.windows.retain(|(kind, _), window| {
            let over = over(window);
            if over && window.left_out > 0 {
                *counts.entry(kind.clone()).or_default() += window.left_out;
            }
            !over
        });
        counts.into_iter().map(|(kind, count)| LeftOut { kind, count }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(user: &'a str, cause: &'a str) -> Line<'a> {
        Line { kind: "mailbox-failing", calendar: "hq", user, cause }
    }

    fn minutes(n: u64) -> Time {
        Time::default() + Span::MINUTE.times(n)
    }

    fn flood(limits: &mut Limits, count: usize, cause: &str) -> usize {
        let one = |n: usize| format!("u-{n}");
        (0..count).filter(|n| limits.takes(&line(&one(*n), cause))).count()
    }

    #[test]
    fn fifteen_thousand_failing_mailboxes_are_a_hundred_lines_and_a_count() {
        let mut limits = Limits::default();
        assert_eq!(flood(&mut limits, 15_000, "503"), LINES as usize);
        assert_eq!(limits.tick(minutes(4)), []);
        let left_out = LeftOut { kind: "mailbox-failing".into(), count: 15_000 - 100 };
        assert_eq!(limits.tick(minutes(5)), [left_out]);
        assert_eq!(limits.tick(minutes(6)), [], "told once");
        assert_eq!(flood(&mut limits, 15_000, "503"), LINES as usize, "a new interval");
    }

    #[test]
    fn the_first_of_each_kind_calendar_and_cause_is_written() {
        let mut limits = Limits::default();
        flood(&mut limits, 1_000, "503");
        assert!(limits.takes(&line("u-x", "ErrorImpersonateUserDenied (request 1)")));
        assert!(!limits.takes(&line("u-y", "ErrorImpersonateUserDenied (request 2)")));
        assert!(limits.takes(&Line { calendar: "lab", ..line("u-z", "503") }));
        assert!(limits.takes(&Line { kind: "exchange-waits", ..line("", "503") }));
        // A server that has another cause each time fills no disk either.
        let made_up = |n: usize| format!("cause {n}");
        let written = (0..1_000).filter(|n| limits.takes(&line("u-1", &made_up(*n)))).count();
        assert!(written < CAUSES, "{written}");
    }

    #[test]
    fn one_mailbox_that_flaps_leaves_room_for_others() {
        let mut limits = Limits::default();
        let written = (0..1_000).filter(|_| limits.takes(&line("u-1", "503"))).count();
        assert_eq!(written, OF_ONE as usize);
        assert!(limits.takes(&line("u-2", "503")));
    }

    #[test]
    fn what_is_left_out_when_the_service_stops_is_told() {
        let mut limits = Limits::default();
        flood(&mut limits, 102, "");
        assert_eq!(limits.stop(), [LeftOut { kind: "mailbox-failing".into(), count: 2 }]);
    }
}
