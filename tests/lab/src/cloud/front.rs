//! The TLS listener of the lab's cloud: it can be cut off, come back, and drop its connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::recorder::Recorder;
use crate::port::hold;

/// The connection is to end without an answer.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

/// An answer, or none.
pub(super) type Answer = Result<Response<Full<Bytes>>, Cut>;

/// Whether connections may live on: a number that changes when they all must end.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    changed: watch::Receiver<u64>,
    at: u64,
}

impl Gate {
    /// Waits until the connection must end.
    pub(super) async fn closed(&mut self) {
        let at = self.at;
        // An error means that the listener itself is gone, which ends its connections too.
        let _ = self.changed.wait_for(|now| *now != at).await;
    }
}

/// What answers requests.
pub(super) trait Service: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        gate: Gate,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

    /// Where the bytes that come in are kept.
    fn recorder(&self) -> Recorder;
}

/// A listener and its connections; dropping it ends them.
pub(super) struct Front {
    address: SocketAddr,
    gate: watch::Sender<u64>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// The port, while it is cut.
    kept: Mutex<Option<TcpSocket>>,
    tls: Arc<ServerConfig>,
    service: Arc<dyn ServiceObject>,
}

/// [`Service`] behind a pointer.
trait ServiceObject: Send + Sync {
    fn serve(self: Arc<Self>, stream: TcpStream, tls: TlsAcceptor, gate: Gate);
}

impl<S: Service> ServiceObject for S {
    fn serve(self: Arc<Self>, stream: TcpStream, tls: TlsAcceptor, gate: Gate) {
        tokio::spawn(async move {
            let mut closed = gate.clone();
            tokio::select! {
                () = connection(self, stream, tls, gate) => {}
                () = closed.closed() => {}
            }
        });
    }
}

async fn connection<S: Service>(service: Arc<S>, stream: TcpStream, tls: TlsAcceptor, gate: Gate) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let stream = Tap { stream, piece: service.recorder().piece() };
    let answer = service_fn(move |request| service.clone().answer(request, gate.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let _ = connection.with_upgrades().await;
}

impl Front {
    pub(super) async fn start<S: Service>(
        listen: SocketAddr,
        tls: Arc<ServerConfig>,
        service: Arc<S>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (gate, _) = watch::channel(0);
        let (accepting, kept) = Default::default();
        let front = Self { address, gate, accepting, kept, tls, service };
        front.accept(listener);
        Ok(front)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&self, listener: TcpListener) {
        let (service, gate) = (self.service.clone(), self.gate.subscribe());
        let tls = TlsAcceptor::from(self.tls.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors: let others end first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let at = *gate.borrow();
                let gate = Gate { changed: gate.clone(), at };
                service.clone().serve(stream, tls.clone(), gate);
            }
        });
        let mut accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = accepting.replace(task) {
            old.abort();
        }
    }

    /// Ends every connection and goes on listening.
    pub(super) fn drop_connections(&self) {
        self.gate.send_modify(|number| *number += 1);
    }

    /// Stops listening, then ends every connection.
    pub(super) async fn cut(&self) {
        let task = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = hold(self.address).ok();
        self.drop_connections();
    }

    /// Listens again on the same port.
    pub(super) async fn restore(&self) -> io::Result<()> {
        let listening = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !listening {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
            let port = kept.map_or_else(|| hold(self.address), Ok)?;
            self.accept(port.listen(1_024)?);
        }
        Ok(())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let task = self.accepting.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// A stream whose incoming bytes are kept.
struct Tap<T> {
    stream: T,
    piece: super::recorder::Piece,
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.piece.add(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
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
