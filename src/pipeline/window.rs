//! The part of a calendar that is relayed: some days back, some ahead, rolling at the midnight of
//! the mailbox's own time zone.

use crate::model::{Meeting, Time, Zone};

/// How far the window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whole days before today.
    pub past_days: u32,
    /// Whole days after today.
    pub future_days: u32,
}

impl Default for Reach {
    fn default() -> Self {
        Self { past_days: 7, future_days: 31 }
    }
}

/// The window of one day: `from` and `to` are midnights, `to` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
}

impl Window {
    /// The window of the day that `wall` is in, where the mailbox is. It holds until
    /// [`Zone::next_midnight`].
    pub fn at(wall: Time, reach: Reach, zone: &Zone) -> Self {
        Self {
            from: zone.midnight_after(wall, -i64::from(reach.past_days)),
            to: zone.midnight_after(wall, i64::from(reach.future_days) + 1),
        }
    }

    /// Whether a meeting touches the window. One without length counts at its start.
    pub fn touches(&self, start: Time, end: Time) -> bool {
        start < self.to && (end > self.from || (start == end && start >= self.from))
    }

    /// Whether this meeting belongs to the list: it touches the window and was not called off.
    pub fn shows(&self, meeting: &Meeting) -> bool {
        !meeting.cancelled && self.touches(meeting.start, meeting.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Shift, Span};

    #[test]
    fn edges() {
        let day = Span::DAY;
        let noon = Time::from_ms(1_800_000_000_000);
        let w = Window::at(noon, Reach::default(), &Zone::default());
        assert_eq!(w.to.since(w.from), day.times(39));
        assert!(!w.touches(w.from - day, w.from), "ends as the window begins");
        assert!(w.touches(w.from - day, w.from + Span::SECOND), "crosses the first edge");
        assert!(w.touches(w.to - Span::SECOND, w.to + day), "crosses the last edge");
        assert!(!w.touches(w.to, w.to + day), "begins as the window ends");
        assert!(w.touches(w.from, w.from), "no length, at the first instant");
    }

    #[test]
    fn it_rolls_at_the_midnight_of_the_mailbox() {
        let hour = Span::HOUR;
        let shift = |bias_minutes, second, month| Shift {
            bias_minutes,
            second,
            month,
            order: 5,
            weekday: 0,
            year: None,
        };
        let berlin = Zone::new(-60, Some(shift(0, 10_800, 10)), Some(shift(-60, 7_200, 3)));
        // 2026-03-20T22:59:59Z is the last second of that day in Berlin.
        let before = Time::from_ms(1_774_047_599_000);
        let (before, after) = (
            Window::at(before, Reach::default(), &berlin),
            Window::at(before + Span::SECOND, Reach::default(), &berlin),
        );
        assert_eq!(before.from + Span::DAY, after.from);
        // The summer begins within the window: the last of its days begins an hour earlier.
        assert_eq!(after.to + hour, after.from + Span::DAY.times(39));
        let utc = Window::at(Time::from_ms(1_774_047_600_000), Reach::default(), &Zone::default());
        assert_eq!(utc.from + Span::DAY, after.from + hour);
    }
}
