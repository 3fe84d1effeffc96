//! What may change while the provider is in use: nothing that is open is closed for it.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{Discover, Ews, Options, Steps};
use crate::model::Fault;
use crate::net::Proxy;

/// What an administrator changed, found to be sound and not in use yet.
#[derive(Debug)]
pub struct Tuning {
    way: Option<Way>,
    connections: usize,
    discover: Option<Discover>,
    sites: Vec<String>,
}

/// Whom servers are trusted by, and through whom they are reached.
#[derive(Debug)]
struct Way {
    tls: Arc<ClientConfig>,
    directory: Arc<ClientConfig>,
    proxy: Option<Proxy>,
}

impl Tuning {
    /// Takes from these options what may change: `connections`, `discover` but for its directory,
    /// and, where `way` says that they are others than before, trust and proxy.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where a file of the trust cannot be used.
    pub fn of(options: &Options, way: bool) -> Result<Self, Fault> {
        let way = match way {
            false => None,
            true => Some(Way {
                tls: options.trust.client()?,
                directory: Steps::trust(options)?,
                proxy: options.proxy.clone(),
            }),
        };
        let (connections, sites) = (options.max_connections, options.sites());
        Ok(Self { way, connections, discover: options.discover.clone(), sites })
    }
}

impl Ews {
    /// Uses it from now on. Streams that are open stay open and go the new way when they are opened
    /// anew, within ten minutes; requests that are under way end as they began.
    pub fn retune(&self, tuning: Tuning) {
        self.servers.retune(tuning.connections, tuning.sites);
        self.discovery.retune(tuning.discover);
        if let Some(Way { tls, directory, proxy }) = tuning.way {
            self.steps.retrust(directory);
            self.servers.connector().reroute(tls, proxy);
        }
    }
}
