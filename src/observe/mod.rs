//! What an operator sees: the journal, and the word to systemd.
//!
//! Every condition has a stable name, a MESSAGE_ID and a severity; the sentence says what happened
//! and what to do. Users appear by their cloud id.

pub mod condition;
pub mod journal;
pub mod limit;
pub mod metrics;
pub mod notify;
mod restraint;
pub mod scrub;
pub mod severity;
pub mod standing;
pub mod tap;
