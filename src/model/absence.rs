//! Whether somebody is out of office, as the mailbox is set to.

use super::Time;

/// When somebody is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Away {
    /// Not at all.
    #[default]
    No,
    /// Until it is turned off.
    Always,
    /// From the first instant to the second.
    Between(Time, Time),
}

/// Who outside the organisation is told ([MS-OXWOOF] 2.2.5.1, ExternalAudience).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    #[default]
    None,
    /// Whom the user knows.
    Known,
    /// Everybody.
    All,
}

/// What a mailbox answers while its owner is away; the words of the answer are not carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// When.
    pub away: Away,
    /// Who outside is told.
    pub audience: Audience,
}
