//! One side's patience: shut for a time, then one tries, then more and more.

use crate::model::{Span, Time};
use crate::pipeline::pace::{Dice, Pace};

/// Whether a server, or sign-in, or the directory may be asked.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Pace,
    /// Nobody asks before this.
    pub(super) until: Option<Time>,
    /// How many pauses have begun.
    pub(super) pauses: u64,
    /// How many may ask at once, after one alone found it well again.
    allowed: usize,
    /// Who is asked said itself for how long it wants to be left alone.
    told: bool,
}

impl Gate {
    pub(super) fn new(most: usize) -> Self {
        Self { pace: Pace::default(), until: None, pauses: 0, allowed: most, told: false }
    }

    pub(super) fn is_shut(&self, now: Time) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// After trouble one alone tries whether it is over.
    pub(super) fn tries(&self) -> bool {
        self.pace.failures() > 0
    }

    /// How many may ask at once, `most` at best.
    pub(super) fn allows(&self, now: Time, most: usize) -> usize {
        match () {
            () if self.is_shut(now) => 0,
            () if self.tries() => most.min(1),
            () => most.min(self.allowed),
        }
    }

    /// The pause is over.
    pub(super) fn open_if_due(&mut self, now: Time) {
        if !self.is_shut(now) {
            self.until = None;
        }
    }

    /// There is another way to ask: one tries it at once. A pause that was asked for stays.
    pub(super) fn open_unless_told(&mut self) {
        if !self.told {
            self.until = None;
        }
    }

    /// Begins a pause, or makes the present one longer; until when, where it is a new one.
    pub(super) fn shut(
        &mut self,
        now: Time,
        limits: (Span, Span),
        asked: Option<Span>,
        dice: &mut Dice,
    ) -> Option<Time> {
        self.pauses += 1;
        self.allowed = 1;
        let told = asked.is_some_and(|asked| asked > Span::default());
        self.told = told || (self.told && self.is_shut(now));
        if let Some(until) = self.until.filter(|until| now < *until) {
            // The answers of those who were on their way already do not count twice; but nobody
            // is asked again before the time that he was told.
            let least = now + limits.0.max(asked.unwrap_or_default().min(Span::HOUR));
            self.until = Some(until.max(least));
            return None;
        }
        let until = self.pace.fail(now, limits, asked, dice);
        self.until = Some(until);
        self.until
    }

    /// One who asked after the last pause was answered; true where that ends the trouble.
    pub(super) fn answered(&mut self, most: usize) -> bool {
        self.allowed = self.allowed.saturating_mul(2).saturating_add(1).min(most.max(1));
        let tried = self.tries();
        self.pace.reset();
        tried
    }
}
