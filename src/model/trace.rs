//! The name of one change on its whole way, from Exchange's event to the cloud's answer.

use std::fmt;

/// A trace id (W3C Trace Context, `trace-id`): the journal's TRACKING_ID. It tells nothing of whom
/// or what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace(pub [u8; 16]);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
