//! One HTTP/1.1 connection over TLS to one origin, spoken to by one caller at a time.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::model::Fault;
use crate::net::dial::Dial;
use crate::net::proxy::{self, Proxy};
use crate::net::tls;

/// A connection that was hung up on has its end at hand; this is for one that has not.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A TLS session over TCP.
pub type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// Where a connection leads to. Only https is known.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    host: Arc<str>,
    port: u16,
}

impl Origin {
    /// The origin of an address.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where it is not `https://host…`, or carries a user's
    /// name.
    pub fn of(uri: &Uri) -> Result<Self, Fault> {
        if uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
            return Err(Fault::refused("an address must begin with https://"));
        }
        let authority = uri.authority().ok_or_else(|| Fault::refused("an address without host"))?;
        if authority.as_str().contains('@') {
            return Err(Fault::refused("an address must not carry a user's name"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // A last dot only says that the name is whole: the host is the same.
        let host = host.trim_end_matches('.');
        if ServerName::try_from(host).is_err() {
            return Err(Fault::refused("an address whose host is not a name"));
        }
        let port = authority.port_u16().unwrap_or(443);
        Ok(Self { host: host.to_ascii_lowercase().into(), port })
    }

    /// An address below `base`: its path is kept, `path` (which begins with `/`) is appended.
    ///
    /// # Errors
    /// As [`Origin::of`], or where the whole is not an address.
    pub fn join(base: &Uri, path: &str) -> Result<Uri, Fault> {
        let origin = Self::of(base)?;
        let below = base.path().trim_end_matches('/');
        Uri::try_from(format!("{origin}{below}{path}"))
            .map_err(|_| Fault::refused("an address that is not one"))
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As the header `Host` has it: without the port where that is 443.
    fn host_header(&self) -> String {
        let authority = self.authority();
        match self.port {
            443 => authority.trim_end_matches(":443").to_owned(),
            _ => authority,
        }
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host_header())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Opens connections: name, addresses in turn, proxy, TLS. Clones go the same way, and by another
/// one together.
#[derive(Clone, Debug)]
pub struct Connector {
    way: Arc<RwLock<Arc<Way>>>,
    connect_timeout: Duration,
    dial: Dial,
}

/// Whom a connection trusts, and through whom it goes.
#[derive(Debug)]
pub(super) struct Way {
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
}

/// The way that a connection went, and the one that its connector goes now.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    way: Arc<Way>,
    now: Arc<RwLock<Arc<Way>>>,
}

impl Taken {
    fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.way, &self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Connector {
    /// A connector with the trust of `tls` (see [`tls::Trust::client`]); `connect_timeout` is for
    /// everything up to the end of the TLS handshake.
    pub fn new(tls: Arc<ClientConfig>, connect_timeout: Duration) -> Self {
        let way = Arc::new(Way { tls, proxy: None });
        Self { way: Arc::new(RwLock::new(way)), connect_timeout, dial: Dial::default() }
    }

    /// Goes through a proxy.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        let way = Arc::new(Way { tls: Arc::clone(&self.way().tls), proxy });
        Self { way: Arc::new(RwLock::new(way)), ..self }
    }

    /// Whatever is opened from now on goes this way, by every clone. What is open stays open until
    /// its answer ends, but is not usable for another request.
    pub fn reroute(&self, tls: Arc<ClientConfig>, proxy: Option<Proxy>) {
        *self.way.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Way { tls, proxy });
    }

    pub(super) fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn taken(&self) -> Taken {
        Taken { way: self.way(), now: Arc::clone(&self.way) }
    }

    /// Finds hosts in its own way.
    #[must_use]
    pub fn dialling(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    pub(super) fn dial(&self) -> &Dial {
        &self.dial
    }

    pub(super) fn proxy(&self) -> Option<Proxy> {
        self.way().proxy.clone()
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.connect_timeout
    }

    /// Opens a TLS session.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next), with what went wrong in words.
    pub async fn open(&self, origin: &Origin) -> Result<Stream, Fault> {
        self.open_by(&self.way(), origin).await
    }

    async fn open_by(&self, way: &Way, origin: &Origin) -> Result<Stream, Fault> {
        let deadline = self.deadline();
        let opening = self.open_before(way, origin, deadline);
        match timeout_at(deadline, opening).await {
            Ok(result) => result,
            Err(_) => Err(Fault::retry("no connection in time")),
        }
    }

    /// Opens an HTTP connection.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn connect(&self, origin: &Origin) -> Result<Connection, Fault> {
        let taken = self.taken();
        speak(self.open_by(&taken.way, origin).await?, origin, taken).await
    }

    async fn open_before(
        &self,
        way: &Way,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Stream, Fault> {
        let stream = self.tcp(way, origin, deadline).await?;
        let stream = way.tunnel(origin, stream).await?;
        let name = ServerName::try_from(origin.host.to_string())
            .map_err(|_| Fault::refused("an address whose host is not a name"))?;
        TlsConnector::from(Arc::clone(&way.tls))
            .connect(name, stream)
            .await
            .map_err(|error| tls::handshake_fault(&error))
    }

    /// Opens TCP to it, or to the proxy on the way.
    pub(super) async fn tcp(
        &self,
        way: &Way,
        origin: &Origin,
        by: Instant,
    ) -> Result<TcpStream, Fault> {
        match &way.proxy {
            None => self.dial.open(&origin.host, origin.port, by).await,
            Some(via) => {
                let opened = self.dial.open(&via.host, via.port, by).await;
                opened.map_err(|fault| Fault::retry(format!("proxy: {fault}")))
            }
        }
    }
}

impl Way {
    /// Asks the proxy for the way on, if there is one.
    pub(super) async fn tunnel(
        &self,
        origin: &Origin,
        mut stream: TcpStream,
    ) -> Result<TcpStream, Fault> {
        if let Some(via) = &self.proxy {
            proxy::tunnel(&mut stream, via, &origin.authority()).await?;
        }
        Ok(stream)
    }
}

/// HTTP over a session that is open.
pub(super) async fn speak(
    stream: Stream,
    origin: &Origin,
    way: Taken,
) -> Result<Connection, Fault> {
    let peer = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let host = HeaderValue::from_str(&origin.host_header())
        .map_err(|_| Fault::refused("an address whose host is not a name"))?;
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| http_fault(&error))?;
    // Ends when the sender and the last body are dropped.
    let end = Some(tokio::spawn(connection));
    Ok(Connection { sender, end, host, peer, way })
}

/// One HTTP/1.1 connection. Whatever belongs to a connection (NTLM, affinity) stays with it.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What the connection ended with, until somebody asked.
    end: Option<JoinHandle<hyper::Result<()>>>,
    host: HeaderValue,
    peer: Option<CertificateDer<'static>>,
    way: Taken,
}

impl Connection {
    /// Sends a request and waits for the head of its answer, however long that takes: the caller
    /// has the deadline, and drops the connection when it passes. The address may be whole or a
    /// path; `Host` is set here. The last answer's body must be read or dropped before.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next) where the connection broke. It is of no use then.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        self.exchange(request).await.map_err(|broken| broken.fault)
    }

    /// Whether another request may be sent on it. A peer may hang up at any moment after this.
    pub fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.way.is_current()
    }

    /// The server's certificate as DER, for channel binding.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer.as_ref().map(AsRef::as_ref)
    }

    /// As [`Connection::send`], and says whether the request may be repeated elsewhere.
    pub(super) async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::try_from(path)
            .map_err(|_| Broken { fault: Fault::refused("not a path"), hung_up: false })?;
        request.headers_mut().insert(HOST, self.host.clone());
        let answer = match self.sender.ready().await {
            Ok(()) => self.sender.send_request(request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                // Also where its last word was an alert: what nobody heard may be asked again.
                let hung_up = hung_up(&error);
                let error = self.last_word(error).await;
                Err(Broken { hung_up, fault: http_fault(&error) })
            }
        }
    }

    /// What the server said before it hung up, if it was heard while nobody asked: in TLS 1.3 an
    /// alert about a client's certificate comes after the handshake (RFC 8446, section 4.4.2.4).
    async fn last_word(&mut self, error: hyper::Error) -> hyper::Error {
        if io_error(&error).is_some() || !hung_up(&error) {
            return error;
        }
        let Some(end) = self.end.take() else { return error };
        match timeout(LAST_WORD, end).await {
            Ok(Ok(Err(said))) => said,
            _ => error,
        }
    }
}

/// A connection that failed before the head of an answer came.
pub(super) struct Broken {
    pub(super) fault: Fault,
    /// The peer hung up without a word, as it does with a connection that was idle too long.
    pub(super) hung_up: bool,
}

fn hung_up(error: &hyper::Error) -> bool {
    let reset = io_error(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
        )
    });
    reset || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
}

/// Reads a whole body.
///
/// # Errors
/// [`Next::Refused`](crate::model::Next) where it is longer than `limit` bytes (nothing beyond the
/// limit is kept), [`Next::Retry`](crate::model::Next) where the connection broke.
pub async fn read_body(response: Response<Incoming>, limit: usize) -> Result<Bytes, Fault> {
    let announced = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let too_long = || Fault::refused(format!("the answer is longer than {limit} bytes"));
    if announced.is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let mut body = response.into_body();
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| http_fault(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len().saturating_add(data.len()) > limit {
            return Err(too_long());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// What a broken connection means, for a body that the caller reads piece by piece.
pub fn http_fault(error: &hyper::Error) -> Fault {
    if let Some(error) = io_error(error) {
        return io_fault(error);
    }
    let words = if error.is_parse() {
        "the answer is not HTTP"
    } else if error.is_timeout() {
        "no answer in time"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "the server hung up"
    } else {
        "the connection broke"
    };
    Fault::retry(words)
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}

pub(super) fn io_fault(error: &io::Error) -> Fault {
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return tls::handshake_fault(error);
    }
    Fault::retry(error.kind().to_string())
}
