//! A small HTTP/1.1 server on a Unix socket or on loopback: what it takes is bounded, and whoever
//! has no right to ask cannot keep those waiting who have.
//!
//! One request a connection. [`KNOWN`] connections of callers that [`Service::knows`], and
//! [`STRANGERS`] of others, who are answered all the same, are served at once; further known ones
//! wait, further strangers are hung up on.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Callers that are served at once.
const KNOWN: usize = 16;
/// Callers without a right that are served at once: each only hears that it has none.
const STRANGERS: usize = 4;
/// Until the head of a request is there.
const HEAD: Duration = Duration::from_secs(10);
/// Until a request is answered.
const WHOLE: Duration = Duration::from_secs(30);
/// Until the answer is taken, from the connection's beginning.
const CONNECTION: Duration = Duration::from_secs(60);
/// The same for who has no right.
const STRANGER: Duration = Duration::from_secs(5);
/// Connections that wait to be served; more are hung up on.
const WAITING: usize = 64;
/// The longest body of a request, in bytes.
const BODY: usize = 64 * 1024;
/// The longest head of a request, in bytes.
const HEADERS: usize = 16 * 1024;

/// A body that is there as a whole, or comes line by line.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
pub(super) type Reply = Response<Body>;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A process of this machine, of this user (SO_PEERCRED, unix(7)).
    Uid(u32),
    /// Somebody who reached the loopback address.
    Network,
    /// The system did not say who.
    Unknown,
}

/// A request, read as a whole. Its body may be a secret: it is not printable.
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) method: Method,
    /// As it was sent, without the query.
    pub(super) path: String,
    /// What stands after the `?`; empty where nothing does.
    pub(super) query: String,
    pub(super) body: Bytes,
}

/// What answers.
pub(super) trait Service: Send + Sync + 'static {
    /// Whether such a caller has any right here; others are answered with little patience.
    fn knows(&self, peer: Peer) -> bool;

    /// The answer. It is given up after [`WHOLE`].
    fn answer(&self, asked: Asked) -> BoxFuture<'_, Reply>;
}

/// Where callers come from.
pub(super) enum Listener {
    /// A socket of the file system; the file is taken away at the end.
    Unix(UnixListener, PathBuf),
    /// A loopback address.
    Tcp(TcpListener),
}

impl Listener {
    /// Opens a Unix socket that every user may connect to: who asks decides, not the file. What an
    /// earlier process left behind there is taken away.
    ///
    /// # Errors
    /// What the system says; `AddrInUse` where another process listens, or something else than a
    /// socket is there.
    pub(super) async fn unix(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        if let Ok(facts) = std::fs::symlink_metadata(path) {
            // One that is only busy does not refuse.
            let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
            let left = UnixStream::connect(path).await.is_err_and(refused);
            if !facts.file_type().is_socket() || !left {
                return Err(ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        // It appears whole: whoever sees it may connect, and somebody listens.
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let _ = std::fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o666))?;
        std::fs::rename(&new, path)?;
        Ok(Self::Unix(listener, path.to_path_buf()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// How many may be served at once.
struct Room {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// Serves until `stop` becomes true. Answers under way are given up then.
pub(super) async fn run(
    listener: Listener,
    service: Arc<dyn Service>,
    mut stop: watch::Receiver<bool>,
) {
    let room = Room {
        known: Arc::new(Semaphore::new(KNOWN)),
        strangers: Arc::new(Semaphore::new(STRANGERS)),
    };
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok((Stream::Unix(stream), peer)) => admit(stream, peer, &room, &service, &mut open),
            Ok((Stream::Tcp(stream), peer)) => admit(stream, peer, &room, &service, &mut open),
            // No file descriptor is left, most likely; others may give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

async fn accept(listener: &Listener) -> std::io::Result<(Stream, Peer)> {
    Ok(match listener {
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            let uid = stream.peer_cred().map(|cred| cred.uid());
            (Stream::Unix(stream), uid.map_or(Peer::Unknown, Peer::Uid))
        }
        Listener::Tcp(listener) => (Stream::Tcp(listener.accept().await?.0), Peer::Network),
    })
}

fn admit(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    room: &Room,
    service: &Arc<dyn Service>,
    open: &mut JoinSet<()>,
) {
    let service = service.clone();
    if service.knows(peer) {
        if open.len() >= KNOWN + STRANGERS + WAITING {
            return;
        }
        let known = room.known.clone();
        open.spawn(async move {
            let Ok(Ok(place)) = tokio::time::timeout(HEAD, known.acquire_owned()).await else {
                return;
            };
            serve(stream, peer, service, place, CONNECTION).await;
        });
    } else if let Ok(place) = room.strangers.clone().try_acquire_owned() {
        open.spawn(serve(stream, peer, service, place, STRANGER));
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    service: Arc<dyn Service>,
    _place: OwnedSemaphorePermit,
    patience: Duration,
) {
    let endless = Arc::new(AtomicBool::new(false));
    let answered = service_fn(|request| {
        let (service, endless) = (service.clone(), endless.clone());
        async move {
            let reply = answer(service.as_ref(), peer, request).await;
            endless.store(reply.extensions().get::<Endless>().is_some(), Ordering::Relaxed);
            Ok::<_, Infallible>(reply)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD.min(patience))
        .max_buf_size(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answered);
    tokio::pin!(connection);
    // Whoever hangs up, or sends something else than HTTP, is no trouble of ours.
    if tokio::time::timeout(patience, &mut connection).await.is_err()
        && endless.load(Ordering::Relaxed)
    {
        let _ = connection.await;
    }
}

async fn answer(service: &dyn Service, peer: Peer, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let whole = async {
        let Ok(body) = Limited::new(body, BODY).collect().await else {
            let why = format!("the body is longer than {BODY} bytes, or ends early");
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "bad-body", &why);
        };
        let asked = Asked {
            peer,
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: body.to_bytes(),
        };
        service.answer(asked).await
    };
    tokio::time::timeout(WHOLE, whole).await.unwrap_or_else(|_| {
        refusal(StatusCode::GATEWAY_TIMEOUT, "too-late", "no answer within 30 seconds")
    })
}

/// Marks an answer that goes on until the caller hangs up.
#[derive(Clone, Copy)]
struct Endless;

/// An answer as JSON, on one line that ends.
pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    text(status, "application/json", format!("{value}\n"))
}

/// An answer of any kind. `kind` is its Content-Type.
pub(super) fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Reply {
    whole(status, kind, Full::new(text.into()).boxed_unsync())
}

/// Lines as they come, each of them a whole one; until the caller hangs up, or the sender is gone.
pub(super) fn lines(lines: mpsc::Receiver<Bytes>) -> Reply {
    let frames = futures_util::stream::unfold(lines, |mut lines| async move {
        let line = lines.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(line)), lines))
    });
    let body = StreamBody::new(frames).boxed_unsync();
    let mut reply = whole(StatusCode::OK, "application/x-ndjson", body);
    reply.extensions_mut().insert(Endless);
    reply
}

fn whole(status: StatusCode, kind: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// What every failure looks like: `{"error":{"code":…,"message":…}}`.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Reply {
    json(status, &json!({"error": {"code": code, "message": message}}))
}

/// There is no such path.
pub(super) fn not_found() -> Reply {
    refusal(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path")
}

/// The path is there, the method is not. `allowed` is a list as `Allow` has it (RFC 9110, 10.2.1).
pub(super) fn wrong_method(allowed: &'static str) -> Reply {
    let why = format!("this path takes {allowed}");
    let mut reply = refusal(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", &why);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixSocket;

    use super::*;

    #[tokio::test]
    async fn a_socket_whose_owner_is_only_busy_is_not_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let busy = socket.listen(1).unwrap();
        let mut waiting = Vec::new();
        while let Ok(one) = UnixStream::connect(&path).await {
            waiting.push(one);
            assert!(waiting.len() < 100, "nobody takes them");
        }
        let opened = Listener::unix(&path).await.err().map(|error| error.kind());
        assert_eq!(opened, Some(ErrorKind::AddrInUse));
        drop(busy);
        assert!(Listener::unix(&path).await.is_ok(), "what a dead one left behind is");
        std::fs::write(&path, "a file").unwrap();
        let opened = Listener::unix(&path).await.err().map(|error| error.kind());
        assert_eq!(opened, Some(ErrorKind::AddrInUse), "somebody's file");
    }
}
