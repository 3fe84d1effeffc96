//! A port that stays somebody's while nobody listens on it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// Bound and not listening: whoever comes is refused, and the system gives the port to nobody else.
/// What is let go altogether may be another lab's a moment later.
///
/// # Errors
/// What the system says.
pub fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections that have ended may still be waiting there.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
