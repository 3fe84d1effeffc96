//! How long something took, over the last minutes: a few numbers, however often it happens.

use crate::model::{Span, Time};

/// Steps of the scale; each is a quarter longer than the one before.
const STEPS: usize = 64;

/// What is older than twice this is forgotten.
const ERA: Span = Span::MINUTE;

/// A histogram of the last one to two minutes. Its steps are a quarter apart, so that what it says
/// is at most a quarter too long; the longest step is about 20 minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    now: [u32; STEPS],
    before: [u32; STEPS],
    since: Time,
}

impl Default for Spread {
    fn default() -> Self {
        Self { now: [0; STEPS], before: [0; STEPS], since: Time::default() }
    }
}

impl Spread {
    /// One that took so long, and ended now.
    pub fn add(&mut self, now: Time, took: Span) {
        self.turn(now);
        if let Some(count) = self.now.get_mut(step(took)) {
            *count = count.saturating_add(1);
        }
    }

    /// How long a share of them took at most (0.5: half of them); `None` where there were none.
    pub fn quantile(&mut self, now: Time, share: f64) -> Option<Span> {
        self.turn(now);
        let each = || self.now.iter().zip(&self.before).map(|(a, b)| u64::from(*a) + u64::from(*b));
        let all: u64 = each().sum();
        let mut left = (all as f64 * share).ceil().max(1.0) as u64;
        for (at, count) in each().enumerate() {
            if count >= left {
                return Some(end(at));
            }
            left -= count;
        }
        None
    }

    /// A clock that was set back begins anew.
    fn turn(&mut self, now: Time) {
        let aged = now.since(self.since);
        if now < self.since || aged >= ERA.times(2) {
            *self = Self { since: now, ..Self::default() };
        } else if aged >= ERA {
            self.before = std::mem::replace(&mut self.now, [0; STEPS]);
            self.since = self.since + ERA;
        }
    }
}

/// The end of a step: 1 ms, and then a quarter more each time, but 1 ms at least.
fn end(step: usize) -> Span {
    let longer = |ms: u64, _| ms + (ms / 4).max(1);
    Span::from_ms((0..step).fold(1, longer))
}

fn step(took: Span) -> usize {
    let mut ms = 1;
    let mut step = 0;
    while ms < took.as_ms() && step + 1 < STEPS {
        ms += (ms / 4).max(1);
        step += 1;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_one_among_many_shows_in_the_tail_and_not_in_the_middle() {
        let mut spread = Spread::default();
        let now = Time::from_ms(1_000_000);
        assert_eq!(spread.quantile(now, 0.5), None);
        for _ in 0..97 {
            spread.add(now, Span::from_ms(8));
        }
        for _ in 0..3 {
            spread.add(now, Span::from_ms(4_000));
        }
        let half = spread.quantile(now, 0.5).unwrap().as_ms();
        let tail = spread.quantile(now, 0.99).unwrap().as_ms();
        assert!((8..=10).contains(&half), "{half}");
        assert!((4_000..=5_000).contains(&tail), "{tail}");
        let later = now + Span::from_secs(90);
        assert!(spread.quantile(later, 0.5).is_some(), "a minute and a half ago still counts");
        assert_eq!(spread.quantile(later + Span::MINUTE, 0.5), None);
        spread.add(later, Span::DAY);
        assert!(spread.quantile(later, 0.5).unwrap() > Span::from_secs(600));
        spread.add(Time::default(), Span::SECOND);
        let anew = spread.quantile(Time::default(), 1.0).unwrap().as_ms();
        assert!((1_000..=1_250).contains(&anew), "a clock that was set back: {anew}");
    }
}
