//! Text that may never be seen: personal data and secrets.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Personal text: a title, a place, a body, a name. `Debug` shows only its length; there is no
/// `Display` and no `Serialize`, so that it cannot be logged or written by accident. Wiped when
/// dropped.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Plain(String);

impl Plain {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing but white space in it.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl From<&str> for Plain {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({} bytes)", self.0.len())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A mailbox's SMTP address. Compared without regard to ASCII case, as Exchange does.
#[derive(Clone)]
pub struct Address(Plain);

impl Address {
    /// Takes an address over; white space around it is dropped.
    ///
    /// # Errors
    /// A sentence on what is wrong, without the address, where it is not `local@domain`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err("an SMTP address has the form local@domain");
        };
        if local.is_empty() || domain.is_empty() || text.len() > 320 {
            return Err("an SMTP address has a local part and a domain, 320 characters at most");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '<' || c == '>') {
            return Err("an SMTP address has no spaces, control characters or angle brackets");
        }
        Ok(Self(Plain::new(text)))
    }

    /// The address itself. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// The part after the last `@`.
    pub fn domain(&self) -> &str {
        self.reveal().rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.reveal().eq_ignore_ascii_case(other.reveal())
    }
}

impl Eq for Address {}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// A password, token or key in text form. Never shown, wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Plain::new("Merger with Fabrikam"),
            Address::parse("alice@corp.example"),
            Secret::new("hunter2")
        );
        for canary in ["Merger", "alice", "corp.example", "hunter2"] {
            assert!(!shown.contains(canary), "{shown}");
        }
    }

    #[test]
    fn addresses_are_checked_and_compared_without_case() {
        assert_eq!(Address::parse(" Alice@Corp.example "), Address::parse("alice@corp.EXAMPLE"));
        assert_eq!(
            Address::parse("\"a@b\"@c.example").map(|a| a.domain() == "c.example"),
            Ok(true)
        );
        for bad in ["", "alice", "@corp.example", "alice@", "a b@c", "<a@b>", "a\n@b"] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }
}
