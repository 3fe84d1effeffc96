//! How bad a condition is, and how that is written.

/// As syslog has it (RFC 5424, section 6.2.1), and journald after it; the worst is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is relayed any more, of a whole calendar, until somebody does something.
    Critical,
    /// Something was lost from sight, or is wrong by itself.
    Error,
    /// It may heal by itself; changes come late meanwhile.
    Warning,
    /// As it should be.
    Info,
    /// For who looks closely.
    Debug,
}

/// Where critical lines come from: `tracing` has no level above error.
pub(super) const CRITICAL: &str = "calway::critical";

impl Severity {
    /// Its name, as the field SEVERITY has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The target of its lines, by which the journal gives them their PRIORITY.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Critical => CRITICAL,
            _ => "calway",
        }
    }

    /// # Panics
    /// At compile time, where a condition of this severity is written by another macro of `tracing`
    /// than its own.
    pub const fn is_written_as(self, level: &str) {
        let own = match self {
            Self::Critical | Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        };
        assert!(Self::is_same(own, level), "the level is not that of the condition's severity");
    }

    /// Whether two texts are the same, at compile time.
    pub(super) const fn is_same(one: &str, other: &str) -> bool {
        let (one, other) = (one.as_bytes(), other.as_bytes());
        let mut same = one.len() == other.len();
        let mut at = 0;
        while same && at < one.len() {
            same = one[at] == other[at];
            at += 1;
        }
        same
    }
}
