//! A web site that is no Exchange: the page at a company's domain, a host that only redirects, one
//! that nobody should ever send anything to. It remembers what it was sent.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::tls::Leaf;

/// What the site answers, whatever it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// 200 and a page of HTML.
    Page,
    /// 302 to this address.
    Redirect(String),
    /// A bare status.
    Status(u16),
    /// 401 with these values of `WWW-Authenticate`; whatever is shown is refused.
    Guarded(Vec<String>),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// `GET` …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The value of `Host`.
    pub host: String,
    /// The scheme of `Authorization`, where there was one.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A running site; it stops when it is dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    visits: Mutex<Vec<Visit>>,
    connections: Mutex<usize>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Site {
    /// A site over plain http.
    pub async fn plain(manner: Manner) -> io::Result<Self> {
        Self::start(manner, None).await
    }

    /// A site over https that presents this certificate.
    pub async fn secure(manner: Manner, leaf: &Leaf) -> io::Result<Self> {
        Self::start(manner, Some(TlsAcceptor::from(leaf.server_config()))).await
    }

    async fn start(manner: Manner, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            visits: Mutex::default(),
            connections: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&own.connections) += 1;
                let (shared, tls) = (Arc::clone(&own), tls.clone());
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { Ok::<_, Infallible>(shared.answer(request).await) }
                    });
                    let http = http1::Builder::new();
                    match tls {
                        None => drop(http.serve_connection(TokioIo::new(stream), answer).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(http.serve_connection(TokioIo::new(stream), answer).await);
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, shared, accepting: accepting.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers so.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// What it was sent.
    pub fn visits(&self) -> Vec<Visit> {
        lock(&self.shared.visits).clone()
    }

    /// How many connections were opened to it, whatever came of them.
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let text = |name| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let body = Limited::new(body, 1 << 20).collect().await;
        let scheme =
            text(AUTHORIZATION).map(|value| value.split(' ').next().unwrap_or_default().to_owned());
        lock(&self.visits).push(Visit {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            host: text(http::header::HOST).unwrap_or_default(),
            authorization: scheme,
            body: body.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        });
        let page = "<!DOCTYPE html><html><body><h1>Welcome<br></h1></body></html>";
        let mut response = Response::new(Full::from(page));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
        let status = match &*lock(&self.manner) {
            Manner::Page => 200,
            Manner::Status(status) => *status,
            Manner::Redirect(to) => {
                headers.extend(to.parse().ok().map(|to| (LOCATION, to)));
                302
            }
            Manner::Guarded(offers) => {
                for offer in offers.iter().filter_map(|offer| offer.parse().ok()) {
                    headers.append(WWW_AUTHENTICATE, offer);
                }
                401
            }
        };
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        response
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
