//! TCP connections: a name's addresses in turn, and a socket that notices when the peer is gone.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::model::Fault;
use crate::net::http::io_fault;

/// How long a silent connection lives before the system asks the peer, how often it asks, and for
/// how long sent bytes may stay unconfirmed. Firewalls forget idle connections after minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const UNCONFIRMED: Duration = Duration::from_secs(60);

/// Where hosts are: the system's answer, unless it is told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    known: Arc<HashMap<(String, u16), SocketAddr>>,
}

impl Dial {
    /// These hosts (lower case) and ports are there, whatever the system says.
    pub fn knowing(known: impl IntoIterator<Item = ((String, u16), SocketAddr)>) -> Self {
        Self { known: Arc::new(known.into_iter().collect()) }
    }

    /// Tries the addresses of a name in turn; each gets a fair part of the time that is left.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next), with what went wrong in words.
    pub async fn open(&self, host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Fault> {
        let addresses = self.addresses(host, port).await?;
        let mut last = Fault::retry("the host name has no address (DNS)");
        for (tried, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    prepare(&stream).map_err(|error| io_fault(&error))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = io_fault(&error),
                Err(_) => last = Fault::retry("no connection in time"),
            }
        }
        Err(last)
    }

    /// The addresses of a name, sixteen at most.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next) where nobody knows the name.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(known) = self.known.get(&(host.to_ascii_lowercase(), port)) {
            return Ok(vec![*known]);
        }
        let found = tokio::net::lookup_host((host, port)).await;
        Ok(found.map_err(|_| Fault::retry("the host name is not known (DNS)"))?.take(16).collect())
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED))?;
    Ok(())
}
