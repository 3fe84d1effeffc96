//! The line that plain text does not cross: what leaves here is a JWE or a hash.

use std::fmt;

use crate::model::{Fault, KeyUri};

/// A content key as the pipeline sees it: something that seals. One per mailbox and day, bound to
/// the mailbox's KMS resource, whose user is authorised before the first use.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// The name under which a reader finds the key: the record's `encryptionKeyUrl`.
    fn key_uri(&self) -> &KeyUri;

    /// Seals UTF-8 text as a compact JWE, `{"alg":"dir","enc":"A256GCM"}`, without kid.
    ///
    /// # Errors
    /// When the cipher or the source of randomness fails; nothing may be sent then.
    fn seal(&self, plain: &str) -> Result<String, Fault>;
}
