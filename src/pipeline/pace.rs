//! How long to wait: exponential, jittered, never below what the other side asked for.

use crate::model::{Span, Time};

/// A source of jitter that a seed determines. Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number (xorshift64*).
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`; 0 for 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.roll() % n }
    }

    /// The span, give or take a fifth.
    pub fn jitter(&mut self, span: Span) -> Span {
        let fifth = span.as_ms() / 5;
        Span::from_ms(span.as_ms() - fifth + self.below(2 * fifth + 1))
    }
}

/// Failures in a row and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    failures: u8,
}

impl Pace {
    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(self) -> u8 {
        self.failures
    }

    /// One more failure: when to try again. `asked` is the other side's least wait.
    pub fn fail(
        &mut self,
        now: Time,
        (first, longest): (Span, Span),
        asked: Option<Span>,
        dice: &mut Dice,
    ) -> Time {
        let doubled = first.times(1 << u64::from(self.failures.min(20)));
        self.failures = self.failures.saturating_add(1);
        let own = dice.jitter(doubled.min(longest)).max(first);
        // A Retry-After of weeks would be a way to switch the connector off from outside.
        let asked = asked.unwrap_or_default().min(Span::HOUR);
        now + own.max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_obey_the_other_side() {
        let (mut pace, mut dice) = (Pace::default(), Dice::new(7));
        let limits = (Span::SECOND, Span::MINUTE);
        let now = Time::from_ms(1_000_000);
        let mut waits = Vec::new();
        for _ in 0..40 {
            waits.push(pace.fail(now, limits, None, &mut dice).since(now).as_ms());
        }
        assert!((1_000..=1_200).contains(&waits[0]), "{waits:?}");
        assert!(waits[6..].iter().all(|w| (48_000..=72_000).contains(w)), "{waits:?}");
        let asked = pace.fail(now, limits, Some(Span::from_secs(600)), &mut dice);
        assert_eq!(asked.since(now), Span::from_secs(600));
        let absurd = pace.fail(now, limits, Some(Span::DAY), &mut dice);
        assert_eq!(absurd.since(now), Span::HOUR);
        pace.reset();
        let zero = pace.fail(now, limits, Some(Span::default()), &mut dice).since(now);
        assert!(zero.as_ms() >= 1_000, "a floor of our own: {zero}");
    }
}
