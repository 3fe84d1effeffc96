//! The name of one change on its whole way, from Exchange's event to the cloud's answer.

use std::fmt;

/// A trace id (W3C Trace Context, `trace-id`): the journal's TRACKING_ID. It tells nothing of whom
/// or what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace(pub [u8; 16]);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_32_digits_whatever_it_begins_with() {
        let mut id = [0; 16];
        id[1] = 0x0a;
        id[15] = 0xf1;
        assert_eq!(Trace(id).to_string(), "000a00000000000000000000000000f1");
        assert_eq!(format!("{:?}", Trace([0xff; 16])), "f".repeat(32));
    }
}
