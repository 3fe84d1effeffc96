//! A control endpoint: plain HTTP and JSON, on a loopback address only.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The longest body of a request.
const LONGEST: usize = 16 << 20;

/// What somebody wants.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

/// What is answered: a value, or a status and what is wrong.
pub(crate) type Outcome = Result<Value, (u16, String)>;

/// Listens at `listen`, which must be a loopback address; `GET /` answers `help`.
pub(crate) async fn start<A, F>(
    listen: SocketAddr,
    help: &'static str,
    act: A,
) -> io::Result<SocketAddr>
where
    A: Fn(Asked) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    if !listen.ip().is_loopback() {
        let reason = "the control endpoint has no sign-in and stays on a loopback address";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let act = act.clone();
            let answer = service_fn(move |request| {
                let act = act.clone();
                async move { Ok::<_, Infallible>(answer(help, act, request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

async fn answer<F: Future<Output = Outcome>>(
    help: &'static str,
    act: impl Fn(Asked) -> F,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/" {
        return Response::new(Full::from(help));
    }
    let body = Limited::new(body, LONGEST).collect().await;
    let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    let (status, value) = match act(asked).await {
        Ok(value) => (200, value),
        Err((status, error)) => (status, json!({"error": error})),
    };
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}
