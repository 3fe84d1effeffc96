//! Whether what was sent took effect: noted before it is sent, looked for after a doubt.

use super::{Move, Stage, trouble};
use crate::model::{Fault, Now, Time, WriteFault};

/// What is known of a write that may have been sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// It was noted that it is being sent.
    noted: bool,
    /// Until then an older request may take effect.
    quiet: Option<Time>,
    /// What left the doubt: it says what to do where nothing took effect.
    doubt: Option<Fault>,
    /// When it was last looked for.
    looked: Time,
}

impl Sent {
    /// As the disk has it: whatever was noted may have been sent just now.
    pub(super) fn new(now: Now, stage: Stage) -> Self {
        let noted = stage == Stage::Sending;
        let quiet = noted.then_some(now.mono + WriteFault::SETTLED_AFTER);
        Self { noted, quiet, doubt: None, looked: now.mono }
    }

    pub(super) fn is_noted(&self) -> bool {
        self.noted
    }

    pub(super) fn note(&mut self) {
        self.noted = true;
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.quiet.is_some()
    }

    /// It is looked for now.
    pub(super) fn look(&mut self, now: Now) {
        self.looked = now.mono;
    }

    /// Its answer is no answer.
    pub(super) fn doubted(&mut self, now: Now, fault: Fault) -> Move {
        let quiet = now.mono + WriteFault::SETTLED_AFTER;
        self.doubt = Some(fault);
        self.quiet = Some(quiet);
        Move::Wait(quiet)
    }

    /// The look showed nothing of it, and came too early to mean anything.
    pub(super) fn unsettled(&self) -> Option<Move> {
        self.quiet.filter(|quiet| self.looked < *quiet).map(Move::Wait)
    }

    /// It did not take effect. What left the doubt may still be a reason not to send it again.
    pub(super) fn settle(&mut self) -> Option<Move> {
        self.quiet = None;
        self.doubt.take().map(trouble)
    }
}
