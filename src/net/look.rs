//! A GET over plain http, without credentials: only its status and where it redirects to are
//! looked at, and nothing of it is believed.

use bytes::Bytes;
use http::header::{HOST, LOCATION, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::time::timeout_at;

use crate::model::Fault;
use crate::net::http::http_fault;
use crate::net::{Connector, proxy};

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// `Location`, where it is text.
    pub location: Option<String>,
}

impl Connector {
    /// Asks for `http://…`; through the proxy, if there is one.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next), with what went wrong in words;
    /// [`Next::Refused`](crate::model::Next) where the address is not one of http.
    pub async fn look(&self, url: &Uri) -> Result<Head, Fault> {
        let deadline = self.deadline();
        timeout_at(deadline, self.look_before(url, deadline))
            .await
            .unwrap_or_else(|_| Err(Fault::retry("no answer in time")))
    }

    async fn look_before(&self, url: &Uri, deadline: tokio::time::Instant) -> Result<Head, Fault> {
        let authority = url.authority().filter(|_| url.scheme_str() == Some("http"));
        let authority = authority.ok_or_else(|| Fault::refused("not an address of http"))?;
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(80));
        // A proxy forwards what is addressed whole; many open no tunnels to port 80.
        let proxy = self.proxy();
        let target = match &proxy {
            None => url.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            Some(_) => url.to_string(),
        };
        let request = Request::get(target)
            .header(HOST, authority.as_str())
            .header(USER_AGENT, concat!("calway/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|_| Fault::refused("the address cannot be asked"))?;
        let (to, port) = match &proxy {
            None => (host, port),
            Some(via) => (via.host.as_str(), via.port),
        };
        let stream = self.dial().open(to, port, deadline).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| http_fault(&error))?;
        // Ends when the answer is dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let answer = match &proxy {
            None => sender.send_request(request).await.map_err(|error| http_fault(&error))?,
            Some(via) => proxy::forward(&mut sender, via, request).await?,
        };
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        Ok(Head { status: answer.status().as_u16(), location: location.map(str::to_owned) })
    }
}
