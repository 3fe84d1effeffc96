//! The port to the key server, and what every client of it promises.
//!
//! 1. A key is handed out for sealing only after it is bound to the mailbox's resource and the
//!    mailbox's user is authorised there.
//! 2. The server is who its certificate says: the chain is verified against configured anchors,
//!    always, and every unencrypted answer's signature is.
//! 3. Key material is never written, printed or kept longer than its use.

pub mod anchor;
mod carrier;
mod client;
mod content;
mod ivs;
pub mod jose;
pub mod messages;
mod session;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::model::{Fault, KeyUri, Plain, ResourceUri, Time, UserId};
use crate::pipeline::seal::Sealer;

pub use client::{Clock, Kms, Options, Patience};
pub use content::ContentKey;

/// A mailbox's resource with a key that may seal now.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The resource.
    pub resource: ResourceUri,
    /// The key, bound to it.
    pub key: Arc<dyn Sealer>,
    /// When the key expires, where the server says: from then on nothing may be sealed with it.
    pub until: Option<Time>,
}

/// A key server.
pub trait Keys: Send + Sync + 'static {
    /// A new resource for a mailbox: a new key bound to it, its user authorised.
    fn establish<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Bound, Fault>>;

    /// A new key for an existing resource; the old ones stay readable.
    /// [`Next::KeyLost`](crate::model::Next) where the resource is gone.
    fn rotate<'a>(&'a self, resource: &'a ResourceUri) -> BoxFuture<'a, Result<Bound, Fault>>;

    /// An existing key of an existing resource, to seal more with it (after a restart, the same
    /// day). [`Next::KeyLost`](crate::model::Next) where it is revoked or expired.
    fn recall<'a>(
        &'a self,
        resource: &'a ResourceUri,
        key: &'a KeyUri,
    ) -> BoxFuture<'a, Result<Bound, Fault>>;

    /// Opens a compact JWE that somebody sealed for us with the named key.
    fn open<'a>(&'a self, key: &'a KeyUri, jwe: &'a str) -> BoxFuture<'a, Result<Plain, Fault>>;

    /// Keys that are remembered so that they need not be read again are forgotten: somebody was
    /// deactivated, and none of theirs is to stay in memory. Whoever has one in use keeps it.
    fn forget(&self) {}
}
