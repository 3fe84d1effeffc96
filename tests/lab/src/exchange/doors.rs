//! The listening port and the connections behind it, which can be cut and restored.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::auth::Connection;
use super::http::Front;
use crate::port::hold;

/// How long a client may take for its TLS handshake.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// One port in front of one [`Front`].
pub(super) struct Doors {
    address: SocketAddr,
    front: Arc<Front>,
    acceptor: TlsAcceptor,
    max_connections: usize,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Visitor>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// The port, while it is cut.
    kept: Mutex<Option<TcpSocket>>,
}

struct Visitor {
    reset: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Doors {
    /// Serves `listener`.
    pub(super) fn open(
        listener: TcpListener,
        front: Arc<Front>,
        acceptor: TlsAcceptor,
        max_connections: usize,
    ) -> io::Result<Arc<Self>> {
        let doors = Arc::new(Self {
            address: listener.local_addr()?,
            front,
            acceptor,
            max_connections,
            next: AtomicU64::new(1),
            open: Mutex::default(),
            accepting: Mutex::default(),
            kept: Mutex::default(),
        });
        doors.accept_from(listener);
        Ok(doors)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new connections and resets all open ones; returns when the port is closed.
    pub(super) async fn cut(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(task) = accepting {
            task.abort();
            let _ = task.await;
        }
        for task in self.drop_connections() {
            let _ = task.await;
        }
        *lock(&self.kept) = hold(self.address).ok();
    }

    /// Listens again on the same port.
    pub(super) async fn restore(self: &Arc<Self>) -> io::Result<()> {
        if lock(&self.accepting).is_none() {
            let kept = lock(&self.kept).take();
            let port = kept.map_or_else(|| hold(self.address), Ok)?;
            self.accept_from(port.listen(1_024)?);
        }
        Ok(())
    }

    /// Resets all open connections; the tasks end soon.
    pub(super) fn drop_connections(&self) -> Vec<JoinHandle<()>> {
        let open: Vec<Visitor> = lock(&self.open).drain().map(|(_, visitor)| visitor).collect();
        open.into_iter()
            .map(|visitor| {
                visitor.reset.store(true, Ordering::Release);
                visitor.task.abort();
                visitor.task
            })
            .collect()
    }

    pub(super) fn open_connections(&self) -> usize {
        lock(&self.open).len()
    }

    /// Stops for good.
    pub(super) fn close(&self) {
        if let Some(task) = lock(&self.accepting).take() {
            task.abort();
        }
        self.drop_connections();
    }

    fn accept_from(self: &Arc<Self>, listener: TcpListener) {
        // The task must not keep the doors alive after the last handle is gone.
        let doors = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => match doors.upgrade() {
                        Some(doors) => doors.welcome(stream),
                        None => return,
                    },
                    // Out of file descriptors, most likely: others must end first.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        *lock(&self.accepting) = Some(task);
    }

    fn welcome(self: Arc<Self>, stream: TcpStream) {
        let number = self.next.fetch_add(1, Ordering::AcqRel);
        let reset = Arc::new(AtomicBool::new(false));
        let socket = Socket { stream, reset: Arc::clone(&reset) };
        let doors = Arc::downgrade(&self);
        // The task takes itself out of the map, so it must be in before it can end.
        let mut open = lock(&self.open);
        let too_many = open.len() >= self.max_connections;
        let (front, acceptor) = (Arc::clone(&self.front), self.acceptor.clone());
        let task = tokio::spawn(async move {
            serve(front, acceptor, socket, number, too_many).await;
            if let Some(doors) = doors.upgrade() {
                lock(&doors.open).remove(&number);
            }
        });
        open.insert(number, Visitor { reset, task });
        let count = open.len();
        drop(open);
        self.front.log.connected(count);
    }
}

async fn serve(
    front: Arc<Front>,
    acceptor: TlsAcceptor,
    socket: Socket,
    number: u64,
    too_many: bool,
) {
    let _ = socket.stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE_WAIT, acceptor.accept(socket));
    let Ok(Ok(tls)) = handshake.await else {
        return;
    };
    let connection = Arc::new(Connection::default());
    let service = service_fn(move |request| {
        let (front, connection) = (Arc::clone(&front), Arc::clone(&connection));
        async move {
            if too_many {
                return Ok(front.too_many_connections());
            }
            front.answer(number, connection, request).await
        }
    });
    // An error here is the client's going away, or a fault that was asked for.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A TCP stream that ends with a reset when it was told to.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
