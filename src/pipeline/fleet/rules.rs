//! Other rules than before, without dropping anything that is under way.

use std::sync::Arc;

use super::{Ear, Fleet, Mailbox, Queue, Rules};
use crate::model::Now;
use crate::pipeline::showing::Showing;

impl Fleet {
    /// From now on these count, for what has begun as well as far as it asks again. A pass that
    /// has begun shows meetings as it began: [`Input::ReadAnew`](super::Input::ReadAnew) follows
    /// once its commit cannot count any more.
    pub(super) fn ruled(&mut self, now: Now, rules: Rules, showing: Arc<Showing>) {
        let sooner = rules.poll < self.rules.poll;
        self.rules = Rules { seed: self.rules.seed, ..rules };
        self.showing = showing;
        if !sooner {
            return;
        }
        for at in 0..self.mailboxes.len() {
            let until = now.mono + self.poll(at);
            let Some(mailbox) = self.mailbox(at) else { continue };
            if is_polled(mailbox) && mailbox.timer.is_some_and(|timer| timer > until) {
                self.set_timer(at, Some(until));
            }
        }
    }

    /// Everybody is read again, behind those who were rung for.
    pub(super) fn read_anew(&mut self) {
        for at in 0..self.mailboxes.len() {
            self.enqueue(at, Queue::Backlog);
        }
    }
}

/// Its timer is that of its next poll, not of a fault.
fn is_polled(mailbox: &Mailbox) -> bool {
    let heard = matches!(mailbox.ear, Ear::Heard(..));
    mailbox.run.is_none() && !heard && !mailbox.lost && mailbox.pace.failures() == 0
}
