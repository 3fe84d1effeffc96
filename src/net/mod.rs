//! Plumbing for the ports: TLS trust and one HTTP connection. It knows no calendar and no cloud.
//!
//! - [`tls`][]: whom we trust, and what a failed handshake means in words.
//! - [`http`][]: one connection to one origin, spoken to by one caller at a time.
//! - [`client`][]: whole calls over connections that are kept between them.
//! - [`dial`][], [`dns`][]: where hosts are, and SRV records.
//! - [`directory`][]: LDAP; `framing` lets only sound messages in.
//! - [`look`][]: a request over plain http, whose answer is not believed.
//! - [`gate`][]: a secret that a server refused is not tried again and again.
//! - [`escape`][]: percent-encoding.
//! - [`name`][]: hosts as they are compared.
//! - [`pin`][]: one certificate that is accepted as it is.
//! - [`proxy`][]: the tunnel through an HTTP proxy.
//! - [`status`][]: what a status that is not a success means.
//! - [`walk`][]: the way to an origin step by step, for whoever wants to see where it ends.

pub mod client;
pub mod dial;
pub mod directory;
pub mod dns;
pub mod escape;
mod framing;
pub mod gate;
pub mod http;
pub mod look;
pub mod name;
pub mod pin;
pub mod proxy;
pub mod status;
pub mod tls;
pub mod walk;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::model::{Fault, Secret};

pub use client::{Answer, Client};
pub use gate::Gate;
pub use http::{Connection, Connector, Origin, Stream, read_body};
pub use pin::Pin;
pub use proxy::Proxy;
pub use tls::Trust;

/// Gives the token to show in `Authorization: Bearer`. Hand in a token that was just refused, and
/// it is not given again.
pub type Bearer =
    Arc<dyn Fn(Option<Secret>) -> BoxFuture<'static, Result<Secret, Fault>> + Send + Sync>;
