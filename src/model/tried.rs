//! What came of trying a new secret.

use super::Fault;

/// What came of trying a new secret once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Works,
    /// It was refused, or was not long ago: it is not sent again.
    Refused(Fault),
    /// It cannot be told now: whoever judges it is away, rests, or is not known yet.
    Untold(Fault),
}
