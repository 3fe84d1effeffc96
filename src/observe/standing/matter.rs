//! Whether a line is any use to the board, by its condition alone: nothing of it is written out.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::STATES;
use crate::observe::condition::{Condition, LISTENING, RELAYED};

/// Of lines of the level debug few are, and each record has two that are not.
pub(super) fn is_of_use(event: &Event<'_>) -> bool {
    let mut matters = Matters(false);
    event.record(&mut matters);
    matters.0
}

/// Whether a condition begins or ends one that lasts, or whoever follows a user is told of it.
fn matters(name: &str) -> bool {
    let is = |one: &Condition| one.name == name;
    let lasts = STATES.iter().any(|state| is(&state.begins) || state.ends.iter().any(is));
    lasts || is(&LISTENING) || is(&RELAYED)
}

struct Matters(bool);

impl Visit for Matters {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "CONDITION" && matters(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::condition::{COMMITTED, EVENT_ANSWERED, EVENT_SENT, MAILBOX_WELL, READING};

    #[test]
    fn what_ends_a_trouble_is_seen_and_the_steps_of_a_record_are_not() {
        for one in [LISTENING, RELAYED, MAILBOX_WELL] {
            assert!(matters(one.name), "{}", one.name);
        }
        for one in [EVENT_SENT, EVENT_ANSWERED, READING, COMMITTED] {
            assert!(!matters(one.name), "{}", one.name);
        }
    }
}
