//! The part of a calendar that is relayed: some days back, some ahead, rolling at midnight UTC.

use crate::model::{Meeting, Span, Time};

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
    /// The window of the day that `wall` is in.
    pub fn at(wall: Time, reach: Reach) -> Self {
        let today = wall.midnight();
        Self {
            from: today - Span::DAY.times(u64::from(reach.past_days)),
            to: today + Span::DAY.times(u64::from(reach.future_days) + 1),
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

    #[test]
    fn edges() {
        let day = Span::DAY;
        let noon = Time::from_ms(1_800_000_000_000);
        let w = Window::at(noon, Reach::default());
        assert_eq!(w.to.since(w.from), day.times(39));
        assert!(!w.touches(w.from - day, w.from), "ends as the window begins");
        assert!(w.touches(w.from - day, w.from + Span::SECOND), "crosses the first edge");
        assert!(w.touches(w.to - Span::SECOND, w.to + day), "crosses the last edge");
        assert!(!w.touches(w.to, w.to + day), "begins as the window ends");
        assert!(w.touches(w.from, w.from), "no length, at the first instant");
    }
}
