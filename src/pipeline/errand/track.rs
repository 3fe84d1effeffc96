//! What of one mailbox goes one after the other, how often it is tried, and for how long.

use super::ErrandKind;
use crate::model::Span;
use crate::pipeline::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Track {
    /// Commands that write.
    Writes,
    /// Commands that ask.
    Asks,
    /// What a reading noticed.
    Noticed,
}

impl Track {
    pub(super) const ALL: [Self; 3] = [Self::Writes, Self::Asks, Self::Noticed];

    pub(super) fn of(kind: ErrandKind) -> Self {
        match kind {
            kind if kind.is_local() => Self::Noticed,
            kind if kind.only_asks() => Self::Asks,
            _ => Self::Writes,
        }
    }

    /// What fails for longer is given up.
    pub(super) fn life(self) -> Span {
        match self {
            Self::Writes => limits::ERRAND_LIFE,
            Self::Asks => limits::QUESTION_LIFE,
            Self::Noticed => limits::NOTICED_LIFE,
        }
    }

    /// First and longest wait of what fails.
    pub(super) fn pace(self) -> (Span, Span) {
        match self {
            Self::Writes | Self::Asks => limits::ERRAND_RETRY,
            Self::Noticed => limits::NOTICED_RETRY,
        }
    }
}
