//! Trace ids: a reading of a mailbox has one of its own, and what a command does has the command's.

use aws_lc_rs::digest::{SHA256, digest};

use super::seal::Installation;
use crate::model::{Time, Trace, UserId};

/// The trace of whatever has this id: of a command and all that it leads to, over restarts.
pub fn of(id: &str) -> Trace {
    let hash = digest(&SHA256, id.as_bytes());
    from(hash.as_ref())
}

/// The trace of a reading: of this user, begun at this time of day, with this ticket.
pub(super) fn reading(
    installation: &Installation,
    user: &UserId,
    wall: Time,
    ticket: u64,
) -> Trace {
    let parts = [&wall.as_ms().to_be_bytes()[..], &ticket.to_be_bytes(), user.as_str().as_bytes()];
    let [wall, ticket, user] = parts;
    from(&installation.tag(&[b"trace", wall, ticket, user]).0)
}

/// All zeros are no trace id (W3C Trace Context, 3.2.2.3).
fn from(bytes: &[u8]) -> Trace {
    let mut id = [0; 16];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    if id == [0; 16] { Trace([1; 16]) } else { Trace(id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::samples::{NOON, installation, user};

    #[test]
    fn two_readings_are_told_apart_and_a_command_keeps_its_trace() {
        let at = |wall, ticket, n| reading(&installation(), &user(n), wall, ticket);
        assert_ne!(at(NOON, 1, 1), at(NOON, 2, 1));
        assert_ne!(at(NOON, 1, 1), at(NOON, 1, 2));
        assert_ne!(at(NOON, 1, 1), at(NOON + crate::model::Span::from_ms(1), 1, 1));
        assert_eq!(of("cmd-1"), of("cmd-1"));
        assert_ne!(of("cmd-1"), of("cmd-2"));
        assert_eq!(from(&[0; 16]), Trace([1; 16]));
    }
}
