//! One update of an invitation: composed of what was read, noted, sent, and composed anew of what
//! is there by then where somebody was faster.

use super::sent::Sent;
use super::{Answer, Ask, Move, Stage, fault, trouble};
use crate::model::Body;
use crate::model::{Fault, Invitation, Mark, Next, Notify, Now, Plain, Rewrite, Span, WriteFault};

/// The longest wait between two conflicts, as a power of two of seconds.
const SLOWEST: u32 = 6;

/// What is to be written, as soon as that is known.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) sent: Sent,
    next: Option<Box<Rewrite>>,
    conflicts: u32,
}

/// What came of sending it.
pub(super) enum Came {
    /// It took effect.
    Done,
    /// Somebody else changed the invitation: it is to be read anew at once.
    Anew,
    /// Neither: this is next, and then it is to be read anew.
    Next(Move),
}

impl Update {
    pub(super) fn new(now: Now, stage: Stage) -> Self {
        Self { sent: Sent::new(now, stage), next: None, conflicts: 0 }
    }

    /// It is to be this.
    pub(super) fn compose(&mut self, rewrite: Rewrite) -> Move {
        self.next = Some(Box::new(rewrite));
        self.pending().unwrap_or_else(super::out_of_turn)
    }

    /// What is to be done about what was composed: to be noted, or sent.
    pub(super) fn pending(&self) -> Option<Move> {
        let rewrite = self.next.as_ref()?;
        Some(match self.sent.is_noted() {
            true => Move::Ask(Ask::Rewrite(rewrite.clone())),
            false => Move::Stage(None),
        })
    }

    /// Whether an answer is about it.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn answered(&mut self, now: Now, answer: Result<Answer, WriteFault>) -> Came {
        self.next = None;
        match answer {
            Ok(_) => Came::Done,
            Err(WriteFault::InDoubt(fault)) => Came::Next(self.sent.doubted(now, fault)),
            Err(WriteFault::Conflict(fault)) => {
                self.conflicts += 1;
                match self.conflicts {
                    1 => Came::Anew,
                    // As many answer an invitation at once as were invited.
                    more => Came::Next(Move::Again(later(fault, more - 2))),
                }
            }
            Err(failed) => Came::Next(trouble(fault(failed))),
        }
    }
}

fn later(fault: Fault, failures: u32) -> Fault {
    let after = Some(Span::SECOND.times(1 << failures.min(SLOWEST)));
    Fault { next: Next::Retry { after }, ..fault }
}

/// A change of an invitation. Whoever was told of it is told of the change, unless there is nothing
/// to be seen of it.
pub(super) fn rewrite(
    of: &Invitation,
    location: Option<Plain>,
    body: Option<Body>,
    mark: Mark,
) -> Rewrite {
    let seen = location.is_some() || body.is_some();
    let told = seen && of.invited && of.invitees > 0;
    Rewrite {
        item: of.item.clone(),
        version: of.version.clone(),
        location,
        body,
        mark,
        notify: if told { Notify::All } else { Notify::Nobody },
    }
}
