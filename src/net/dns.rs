//! SRV records (RFC 2782), which the system's own resolver does not look up.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use crate::model::Fault;

/// For one question to one name server, and how often it is put.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;

/// Where a name server listens.
pub type NameServer = SocketAddr;

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Lower ones come first.
    pub priority: u16,
    /// Its part of the chance among those of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without the final dot; empty where the record says that there is no such service.
    pub target: String,
}

/// Asks the system's name servers, or given ones.
#[derive(Clone, Default)]
pub struct Dns {
    servers: Vec<NameServer>,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dns({:?})", self.servers)
    }
}

impl Dns {
    /// Asks these servers; those of `/etc/resolv.conf` where there are none.
    pub fn new(servers: Vec<NameServer>) -> Self {
        Self { servers }
    }

    /// The SRV records of a name, in no order; none where there is no such name.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next) where no name server answered.
    pub async fn services(&self, name: &str) -> Result<Vec<Service>, Fault> {
        let found = match self.resolver()?.srv_lookup(name).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => {
                return Ok(Vec::new());
            }
            Err(_) => return Err(Fault::retry("DNS: no name server answered")),
        };
        let service = |data: &RData| match data {
            RData::SRV(record) => Some(Service {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                target: record.target.to_ascii().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        };
        Ok(found.answers().iter().filter_map(|record| service(&record.data)).take(64).collect())
    }

    /// Made for each question, so that a changed `/etc/resolv.conf` is taken up.
    fn resolver(&self) -> Result<TokioResolver, Fault> {
        let unusable = |_| Fault::retry("DNS: /etc/resolv.conf cannot be used");
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(unusable)?
        } else {
            let servers = self.servers.iter().map(|server| {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (server.port(), server.port());
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (PATIENCE, ATTEMPTS, 0);
        builder.build().map_err(unusable)
    }
}
