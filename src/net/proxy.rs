//! The tunnel through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), without sign-in.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::model::{Fault, Next};

/// A proxy that opens tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// The longest answer to CONNECT that is read.
const LONGEST: usize = 8 * 1024;

/// Asks for a tunnel to `authority` (`host:port`); afterwards `stream` is the tunnel.
pub(super) async fn tunnel(stream: &mut TcpStream, authority: &str) -> Result<(), Fault> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let broken = |error: std::io::Error| Fault::retry(format!("proxy: {}", error.kind()));
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::with_capacity(256);
    // One byte at a time: whatever follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST {
            return Err(Fault::retry("proxy: the answer to CONNECT is too long"));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    judge(&head)
}

fn judge(head: &[u8]) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(head);
    let mut words = text.split_ascii_whitespace();
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse::<u16>().ok());
    match status {
        Some(200..=299) if version.starts_with("HTTP/1.") => Ok(()),
        Some(407) => Err(Fault::new(Next::SignIn, "proxy: 407, it asks for a sign-in")),
        Some(status) if version.starts_with("HTTP/") => {
            Err(Fault::retry(format!("proxy: {status} to CONNECT")))
        }
        _ => Err(Fault::retry("proxy: what answers there is not an HTTP proxy")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_opens_the_tunnel() {
        let next = |head: &str| judge(head.as_bytes()).map_err(|fault| fault.next);
        assert_eq!(next("HTTP/1.1 200 Connection established\r\n\r\n"), Ok(()));
        assert_eq!(next("HTTP/1.0 200\r\n\r\n"), Ok(()));
        assert_eq!(next("HTTP/1.1 407 Who are you\r\n\r\n"), Err(Next::SignIn));
        for bad in ["HTTP/1.1 403 No\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n", "200 200\r\n\r\n"] {
            assert_eq!(next(bad), Err(Next::Retry { after: None }), "{bad:?}");
        }
    }
}
