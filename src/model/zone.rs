//! A mailbox's time zone: where its midnights are.
//!
//! The rules are Exchange's own (`SerializableTimeZone`, [MS-OXWAVLS] 2.2.4.8 and 2.2.4.9, which
//! are those of Windows): a bias that holds all year, and two moments of the year at which the
//! clock is set. No name of a zone and no table of zones is needed.

use super::{Span, Time};

const MINUTE_MS: i64 = Span::MINUTE.as_ms() as i64;
const DAY_MS: i64 = Span::DAY.as_ms() as i64;

/// No zone is further from UTC, and no clock is set by more.
const FURTHEST_MINUTES: i16 = 24 * 60;

/// Times beyond some 285,000 years are taken as these, so that nothing overflows.
const FARTHEST_MS: i64 = 1 << 53;

/// A moment of the year at which the clock is set, told in the local time that holds until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// What is added to the zone's bias from then on, in minutes: 0 for most standard times, -60
    /// for most daylight times.
    pub bias_minutes: i16,
    /// Second of the day. The last second of a day means its end, as in Windows' own tables.
    pub second: u32,
    /// Month of the year, 1 to 12.
    pub month: u8,
    /// Which `weekday` of the month: 1 to 4, or 5 for the last. With a year: the day of the month.
    pub order: u8,
    /// Day of the week; 0 is Sunday.
    pub weekday: u8,
    /// The only year in which it happens; without one it happens in each.
    pub year: Option<i16>,
}

/// A time zone. The default is UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// UTC is local time plus this.
    bias_minutes: i16,
    /// Back to standard time and on to daylight time, where the clock is set at all.
    shifts: Option<[Shift; 2]>,
}

/// The clock is set at `at`; from then on UTC is local time plus `bias_ms`.
#[derive(Clone, Copy)]
struct Turn {
    at: i64,
    bias_ms: i64,
    before_ms: i64,
}

impl Zone {
    /// A zone that is always the same: UTC is local time plus so many minutes. A bias that no zone
    /// has makes it UTC.
    pub fn fixed(bias_minutes: i16) -> Self {
        let known = bias_minutes.abs() < FURTHEST_MINUTES;
        Self { bias_minutes: if known { bias_minutes } else { 0 }, shifts: None }
    }

    /// A zone with its two shifts. Where one is absent or says nothing that can happen (Exchange
    /// writes month 0 for a zone without daylight time), the bias holds all year.
    pub fn new(bias_minutes: i16, standard: Option<Shift>, daylight: Option<Shift>) -> Self {
        let shifts = match (standard, daylight) {
            (Some(standard), Some(daylight)) => Some([standard, daylight]),
            _ => None,
        };
        let shifts = shifts.filter(|shifts| shifts.iter().all(Shift::is_possible));
        Self { shifts, ..Self::fixed(bias_minutes) }
    }

    /// What it is made of, for whoever keeps it: [`Zone::new`] makes the same of it.
    pub fn parts(&self) -> (i16, Option<[Shift; 2]>) {
        (self.bias_minutes, self.shifts)
    }

    /// The last midnight at or before `at`. A day begins with its first instant: where the clock
    /// is set from 00:00 to 01:00, that is its 01:00.
    pub fn midnight(&self, at: Time) -> Time {
        self.midnight_after(at, 0)
    }

    /// The first midnight after `at`.
    pub fn next_midnight(&self, at: Time) -> Time {
        self.midnight_after(at, 1)
    }

    /// The midnight so many days of the calendar after [`Zone::midnight`], or before it.
    pub fn midnight_after(&self, at: Time, days: i64) -> Time {
        let at = at.as_ms().clamp(-FARTHEST_MS, FARTHEST_MS);
        let day = (at - self.bias_ms(at)).div_euclid(DAY_MS);
        // Where the clock goes back over midnight, the new day has begun already.
        let today = if self.begin(day + 1) <= at { day + 1 } else { day };
        let furthest = FARTHEST_MS / DAY_MS;
        Time::from_ms(self.begin(today + days.clamp(-furthest, furthest)))
    }

    /// The first instant of a day (days since 1970-01-01).
    fn begin(&self, day: i64) -> i64 {
        let local = day * DAY_MS;
        let turns = self.turns(local);
        let usual = local + i64::from(self.bias_minutes) * MINUTE_MS;
        let Some(turns) = turns else { return usual };
        // Midnight by either clock, if it is that clock which holds then.
        let told = turns.iter().map(|turn| local + turn.bias_ms);
        if let Some(first) = told.filter(|at| local + self.bias_ms(*at) == *at).min() {
            return first;
        }
        // The clock never shows this midnight: the day begins as it is set.
        let skips =
            |turn: &&Turn| turn.at > local + turn.bias_ms && turn.at <= local + turn.before_ms;
        turns.iter().find(skips).map_or(usual, |turn| turn.at)
    }

    /// What is added to local time at a moment of UTC.
    fn bias_ms(&self, at: i64) -> i64 {
        let Some(turns) = self.turns(at) else {
            return i64::from(self.bias_minutes) * MINUTE_MS;
        };
        let last = turns.iter().filter(|turn| turn.at <= at).max_by_key(|turn| turn.at);
        match last {
            Some(turn) => turn.bias_ms,
            // Before the first there ever is.
            None => turns.iter().min_by_key(|turn| turn.at).map_or(0, |turn| turn.before_ms),
        }
    }

    /// All turns of this year, the last and the next.
    fn turns(&self, at: i64) -> Option<Vec<Turn>> {
        let [standard, daylight] = self.shifts?;
        let year = year_of(at.div_euclid(DAY_MS));
        let zone = i64::from(self.bias_minutes);
        let bias = |shift: Shift| (zone + i64::from(shift.bias_minutes)) * MINUTE_MS;
        let turn = |year, to: Shift, from: Shift| {
            let local = to.local_ms(year);
            Turn { at: local + bias(from), bias_ms: bias(to), before_ms: bias(from) }
        };
        let mut turns = Vec::with_capacity(6);
        for (to, from) in [(standard, daylight), (daylight, standard)] {
            match to.year {
                Some(year) => turns.push(turn(i64::from(year), to, from)),
                None => turns.extend((year - 1..=year + 1).map(|year| turn(year, to, from))),
            }
        }
        Some(turns)
    }
}

impl Shift {
    fn is_possible(&self) -> bool {
        let order = match self.year {
            None => 1..=5,
            Some(_) => 1..=31,
        };
        (1..=12).contains(&self.month)
            && order.contains(&self.order)
            && self.weekday < 7
            && i64::from(self.second) * 1000 < DAY_MS
            && self.bias_minutes.abs() < FURTHEST_MINUTES
    }

    /// When it is in this year, in the local time that holds until then.
    fn local_ms(&self, year: i64) -> i64 {
        let month = i64::from(self.month);
        let first = day_number(year, month, 1);
        let after = match month {
            12 => day_number(year + 1, 1, 1),
            month => day_number(year, month + 1, 1),
        };
        let order = i64::from(self.order);
        let mut day = match self.year {
            Some(_) => first + order - 1,
            // 1970-01-01 was a Thursday.
            None => first + (i64::from(self.weekday) - first - 4).rem_euclid(7) + (order - 1) * 7,
        };
        while day >= after {
            day -= if self.year.is_some() { 1 } else { 7 };
        }
        let second = i64::from(self.second) * 1000;
        day * DAY_MS + if second == DAY_MS - 1000 { DAY_MS } else { second }
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; the year begins in March here, so that the leap
/// day is its last.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The year of a day.
fn year_of(day: i64) -> i64 {
    // 400 years have 146,097 days: a guess that is at most one year too late or too early.
    let mut year = 1970 + (day * 400).div_euclid(146_097);
    while day_number(year, 1, 1) > day {
        year -= 1;
    }
    while day_number(year + 1, 1, 1) <= day {
        year += 1;
    }
    year
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
