//! Whole calls to an origin: connections are kept between them, and one that went stale is
//! replaced.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, timeout};

use crate::model::Fault;
use crate::net::http::{Connection, Connector, Origin, read_body};

/// A connection that was idle for longer is not tried again: by then a firewall may have
/// forgotten it without telling anybody.
const OLDEST_IDLE: Duration = Duration::from_secs(60);

/// A whole answer. `Debug` shows neither headers nor body.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Makes whole calls. Calls at the same time use connections of their own; `keep` of them stay
/// open for each origin afterwards.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    keep: usize,
    idle: Mutex<HashMap<Origin, Vec<(Connection, Instant)>>>,
}

impl Client {
    /// A client that keeps at most `keep` idle connections to an origin.
    pub fn new(connector: Connector, keep: usize) -> Self {
        Self { connector, keep, idle: Mutex::new(HashMap::new()) }
    }

    /// The connector, for a session of another kind to the same place.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends a request and reads its whole answer, at most `limit` bytes, within `deadline`. A
    /// request that met a connection which the server had closed meanwhile is sent once more on a
    /// new one, so it must be one that may come twice.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next) for everything on the way, whatever the status;
    /// [`Next::Refused`](crate::model::Next) for an answer beyond the limit.
    pub async fn call(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        deadline: Duration,
    ) -> Result<Answer, Fault> {
        let origin = Origin::of(request.uri())?;
        match timeout(deadline, self.attempt(&origin, request, limit)).await {
            Ok(result) => result,
            Err(_) => Err(Fault::retry("no answer in time")),
        }
    }

    async fn attempt(
        &self,
        origin: &Origin,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Answer, Fault> {
        if let Some(mut connection) = self.take(origin) {
            match connection.exchange(request.clone()).await {
                Ok(response) => return self.finish(origin, connection, response, limit).await,
                Err(broken) if !broken.hung_up => return Err(broken.fault),
                Err(_) => {}
            }
        }
        let mut connection = self.connector.connect(origin).await?;
        let response = connection.send(request).await?;
        self.finish(origin, connection, response, limit).await
    }

    async fn finish(
        &self,
        origin: &Origin,
        connection: Connection,
        response: http::Response<hyper::body::Incoming>,
        limit: usize,
    ) -> Result<Answer, Fault> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, limit).await?;
        self.put_back(origin, connection);
        Ok(Answer { status, headers, body })
    }

    fn take(&self, origin: &Origin) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(origin)?;
        kept.retain(|(connection, since)| {
            connection.is_usable() && now.duration_since(*since) < OLDEST_IDLE
        });
        kept.pop().map(|(connection, _)| connection)
    }

    fn put_back(&self, origin: &Origin, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(origin.clone()).or_default();
        if connection.is_usable() && kept.len() < self.keep {
            kept.push((connection, Instant::now()));
        }
    }
}
