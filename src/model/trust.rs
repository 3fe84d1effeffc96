//! Hosts that a discovery met and nobody had vouched for, and what an administrator said of them.

use super::Time;

/// What was said of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: nothing is sent there.
    Pending,
    /// It may be asked, with credentials.
    Allowed,
    /// It is passed over.
    Blocked,
}

impl Verdict {
    /// Its name, as people see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
        }
    }
}

/// One line of the trust list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustEntry {
    /// The host's name, lower case.
    pub host: String,
    /// What was said of it.
    pub verdict: Verdict,
    /// What led to it: `redirect`, `dns srv` …
    pub via: String,
    /// When it was met, or when the verdict was given.
    pub since: Time,
}
