//! What an administrator should hear of an invitation.

use std::fmt;

use crate::pipeline::decorate::Found;
use crate::pipeline::keyword::Reason;

/// What is remarkable. Nothing of it names a meeting or a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// It does not get the join details that its organiser asked for.
    Refused(Why),
    /// Somebody had edited the join details that were in its body.
    Edited(Found),
}

impl Remark {
    /// Of what was found in a body, where that is remarkable.
    pub(super) fn of(found: Found) -> Option<Self> {
        (found.edited > 0 || found.lone_lines > 0).then_some(Self::Edited(found))
    }
}

/// Why an invitation does not get join details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// What it is.
    Judged(Reason),
    /// It cannot be read as a whole, for this reason: it would be written back with a loss.
    Unreadable(String),
    /// The cloud gives none, and says why.
    Cloud(String),
}

impl Why {
    /// A name for the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Judged(reason) => reason.as_str(),
            Self::Unreadable(_) => "unreadable",
            Self::Cloud(_) => "cloud-refuses",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judged(reason) => reason.fmt(f),
            Self::Unreadable(why) => write!(f, "it cannot be read as a whole: {why}"),
            Self::Cloud(why) => write!(f, "the cloud gives none: {why}"),
        }
    }
}
