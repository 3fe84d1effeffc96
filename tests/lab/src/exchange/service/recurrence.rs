//! Which days a series falls on, reached by arithmetic and not by walking from its beginning.

use super::days::{self, DayNumber};
use super::draft::{Day, DayIndex, Draft, End, Pattern, Recurrence};
use super::zone::Zone;

/// A recurrence tied to its first day, time of day and zone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pattern: Pattern,
    /// Day of the first occurrence.
    pub(super) first: DayNumber,
    /// No occurrence begins after this day.
    pub(super) last: Option<DayNumber>,
    /// Local begin of each occurrence.
    start_of_day_ms: i64,
    /// Local end, counted from the midnight before the begin.
    end_of_day_ms: i64,
    zone: Place,
}

/// A zone compared by its id.
#[derive(Clone, Copy, Debug)]
struct Place(&'static Zone);

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Series {
    /// The series of a draft, with the draft's start as the earliest day; `None` when no day fits.
    pub(super) fn new(draft: &Draft, recurrence: &Recurrence, zone: &'static Zone) -> Option<Self> {
        let (day, start_of_day_ms) = zone.local(draft.start_ms);
        let (end_day, end_ms) = zone.local(draft.end_ms.max(draft.start_ms));
        let mut series = Self {
            pattern: tidy(&recurrence.pattern, day),
            first: day,
            last: None,
            start_of_day_ms,
            end_of_day_ms: days::join(end_day - day, end_ms),
            zone: Place(zone),
        };
        series.first = series.days_from(day).next()?;
        series.last = match recurrence.end {
            End::Never => None,
            End::On(year, month, day) => {
                Some(days::number(i32::from(year), i32::from(month), i32::from(day)))
            }
            End::After(count) => {
                let before = usize::try_from(count.clamp(1, 9999)).unwrap_or(1) - 1;
                Some(series.days_from(series.first).nth(before)?)
            }
        };
        series.last.is_none_or(|last| last >= series.first).then_some(series)
    }

    /// UTC begin and end of the occurrence of that day.
    pub(super) fn times(&self, day: DayNumber) -> (i64, i64) {
        let zone = self.zone.0;
        let start = zone.utc_ms(day, self.start_of_day_ms);
        let (extra, end_ms) = days::split(self.end_of_day_ms);
        (start, zone.utc_ms(day + extra, end_ms).max(start))
    }

    /// The day whose occurrence was to begin at this UTC time.
    pub(super) fn day_of(&self, original_start_ms: i64) -> Option<DayNumber> {
        let (day, _) = self.zone.0.local(original_start_ms);
        // A begin that the clock change skipped may show on the day after.
        [day, day - 1].into_iter().find(|day| {
            self.times(*day).0 == original_start_ms && self.days_from(*day).next() == Some(*day)
        })
    }

    /// Days an occurrence reaches beyond its own.
    pub(super) fn span_days(&self) -> DayNumber {
        days::split(self.end_of_day_ms).0 + 1
    }

    /// The local day of a UTC time.
    pub(super) fn local_day(&self, utc_ms: i64) -> DayNumber {
        self.zone.0.local(utc_ms).0
    }

    /// Its occurrences from this day on, deleted ones too.
    pub(super) fn days_from(&self, from: DayNumber) -> Days<'_> {
        let from = from.max(self.first);
        let period = (self.period_of(from) - 1).max(0);
        Days { series: self, from, period, found: [0; 7], len: 0, at: 0 }
    }

    /// The number of the period (interval) that a day lies in, from the first one.
    fn period_of(&self, day: DayNumber) -> i32 {
        let months = |day| {
            let (year, month, _) = days::date(day);
            year * 12 + month - 1
        };
        match &self.pattern {
            Pattern::Daily { interval } => (day - self.first) / steps(*interval),
            Pattern::Weekly { interval, first_day, .. } => {
                let weeks = week_of(day, *first_day) - week_of(self.first, *first_day);
                weeks / 7 / steps(*interval)
            }
            Pattern::AbsoluteMonthly { interval, .. }
            | Pattern::RelativeMonthly { interval, .. } => {
                (months(day) - months(self.first)) / steps(*interval)
            }
            Pattern::AbsoluteYearly { .. } | Pattern::RelativeYearly { .. } => {
                days::date(day).0 - days::date(self.first).0
            }
        }
    }

    /// Writes the days of a period, in order, and says how many.
    fn fill(&self, period: i32, found: &mut [DayNumber; 7]) -> usize {
        let month_of = |months: i32| {
            let (year, month, _) = days::date(self.first);
            let all = year * 12 + month - 1 + months;
            (all.div_euclid(12), all.rem_euclid(12) + 1)
        };
        let one = match &self.pattern {
            Pattern::Daily { interval } => self.first + period * steps(*interval),
            Pattern::Weekly { interval, days: wanted, first_day } => {
                let week = week_of(self.first, *first_day) + 7 * period * steps(*interval);
                let mut len = 0;
                for day in week..week + 7 {
                    if wanted.iter().any(|kind| falls_on(*kind, day))
                        && let Some(place) = found.get_mut(len)
                    {
                        *place = day;
                        len += 1;
                    }
                }
                return len;
            }
            Pattern::AbsoluteMonthly { interval, day } => {
                let (year, month) = month_of(period * steps(*interval));
                absolute(year, month, *day)
            }
            Pattern::RelativeMonthly { interval, day, index } => {
                let (year, month) = month_of(period * steps(*interval));
                relative(year, month, *day, *index)
            }
            Pattern::AbsoluteYearly { day, month } => {
                absolute(days::date(self.first).0 + period, i32::from(*month), *day)
            }
            Pattern::RelativeYearly { day, index, month } => {
                let year = days::date(self.first).0 + period;
                relative(year, i32::from(*month), *day, *index)
            }
        };
        found[0] = one;
        1
    }
}

/// The occurrences' days, in order.
pub(super) struct Days<'a> {
    series: &'a Series,
    from: DayNumber,
    period: i32,
    found: [DayNumber; 7],
    len: usize,
    at: usize,
}

/// Far beyond what a calendar can hold; ends a series that has no end.
const FAR: DayNumber = 930_000;

impl Iterator for Days<'_> {
    type Item = DayNumber;

    fn next(&mut self) -> Option<DayNumber> {
        loop {
            while self.at < self.len {
                let day = self.found.get(self.at).copied()?;
                self.at += 1;
                if day > FAR || self.series.last.is_some_and(|last| day > last) {
                    return None;
                }
                if day >= self.from {
                    return Some(day);
                }
            }
            self.len = self.series.fill(self.period, &mut self.found);
            self.at = 0;
            self.period = self.period.checked_add(1)?;
        }
    }
}

fn steps(interval: u32) -> i32 {
    i32::try_from(interval.clamp(1, 999)).unwrap_or(1)
}

/// A pattern that yields something in every period.
fn tidy(pattern: &Pattern, first: DayNumber) -> Pattern {
    match pattern {
        Pattern::Weekly { interval, days, first_day } if days.is_empty() => Pattern::Weekly {
            interval: *interval,
            days: vec![named(days::weekday(first))],
            first_day: *first_day,
        },
        other => other.clone(),
    }
}

fn named(weekday: i32) -> Day {
    use Day::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let all = [Sunday, Monday, Tuesday, Wednesday, Thursday, Friday, Saturday];
    usize::try_from(weekday).ok().and_then(|at| all.get(at).copied()).unwrap_or(Sunday)
}

fn falls_on(kind: Day, day: DayNumber) -> bool {
    let weekday = days::weekday(day);
    match kind {
        Day::Day => true,
        Day::Weekday => (1..=5).contains(&weekday),
        Day::WeekendDay => weekday == 0 || weekday == 6,
        one => named(weekday) == one,
    }
}

/// The first day of the week that this day lies in.
fn week_of(day: DayNumber, first_day: Day) -> DayNumber {
    (0..7).map(|back| day - back).find(|day| falls_on(first_day, *day)).unwrap_or(day)
}

fn absolute(year: i32, month: i32, day: u8) -> DayNumber {
    let day = i32::from(day).clamp(1, days::days_in_month(year, month));
    days::number(year, month, day)
}

fn relative(year: i32, month: i32, kind: Day, index: DayIndex) -> DayNumber {
    let first = days::number(year, month, 1);
    let last = first + days::days_in_month(year, month) - 1;
    let nth = |n| (first..=last).filter(|day| falls_on(kind, *day)).nth(n);
    let found = match index {
        DayIndex::First => nth(0),
        DayIndex::Second => nth(1),
        DayIndex::Third => nth(2),
        DayIndex::Fourth => nth(3),
        DayIndex::Last => (first..=last).rev().find(|day| falls_on(kind, *day)),
    };
    found.unwrap_or(last)
}
