//! Requests to one Exchange server: a bounded pool of connections that each keep their own sign-in.
//! The only part of this provider that opens sockets.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::codes::TOO_LATE;
use super::gate::SignIn;
use super::session::{Entrance, Sent, Slot};
use super::turns::{Lane, Named, Turns};
use super::{answer, effect};
use crate::model::{Address, Fault, Next, Time, WriteFault};
use crate::net::http::http_fault;
use crate::net::{Connector, Origin, read_body};

/// The longest answer that is read; ten bodies of some megabytes fit.
const LONGEST: usize = 32 * 1024 * 1024;
/// The code of an answer that is longer.
pub(super) const TOO_LONG: &str = "the answer is longer than 32 MiB";
/// The longest page beside an error status; the start of it is enough.
pub(super) const LONGEST_PAGE: usize = 256 * 1024;
/// IIS hangs up after 120 s of silence.
const OLDEST_IDLE: Duration = Duration::from_secs(90);

const ANCHOR_MAILBOX: HeaderName = HeaderName::from_static("x-anchormailbox");
const PREFER_AFFINITY: HeaderName = HeaderName::from_static("x-preferserveraffinity");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const AFFINITY_COOKIE: &str = "X-BackEndOverrideCookie";

/// Which back end a request shall meet.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    /// The mailbox whose back end is meant.
    pub(super) anchor: Option<Arc<Address>>,
    /// Whether that back end shall bind itself, and by which cookie it already has.
    pub(super) affinity: Option<Affinity>,
    /// Who goes before whom.
    pub(super) lane: Lane,
}

/// The wish to meet the same back end again.
#[derive(Clone, Debug, Default)]
pub(super) struct Affinity {
    pub(super) cookie: Option<Arc<str>>,
}

/// A whole answer.
pub(super) struct Reply {
    pub(super) body: Bytes,
    /// The cookie that binds to the back end, where the answer sets one.
    pub(super) cookie: Option<Arc<str>>,
    /// The server's id of the request.
    pub(super) request_id: Option<String>,
}

/// Limits and waits; see [`super::Options`].
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) streams: usize,
    pub(super) request_timeout: Duration,
}

/// One server.
pub(super) struct Http {
    connector: Connector,
    origin: Origin,
    sign_in: Arc<SignIn>,
    limits: Limits,
    pub(super) turns: Turns,
    streams: Arc<Semaphore>,
    idle: Mutex<Vec<Slot>>,
    basic: AtomicBool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({:?})", self.origin)
    }
}

impl Http {
    /// A server at `origin`; `sign_in` is shared with the other servers of the calendar.
    pub(super) fn new(
        connector: Connector,
        origin: Origin,
        sign_in: Arc<SignIn>,
        limits: Limits,
    ) -> Self {
        Self {
            connector,
            origin,
            sign_in,
            turns: Turns::new(limits.connections),
            streams: Arc::new(Semaphore::new(limits.streams.max(1))),
            limits,
            idle: Mutex::new(Vec::new()),
            basic: AtomicBool::new(true),
        }
    }

    /// Whether it may be sent a password as it is.
    pub(super) fn take_basic(&self, basic: bool) {
        self.basic.store(basic, Ordering::Relaxed);
    }

    /// Sends a request that may come twice, in a mailbox's name where there is one, and reads its
    /// whole answer.
    ///
    /// # Errors
    /// What the status, or a SOAP fault beside it, asks the caller to do; [`Next::BackOff`] also
    /// where the server still rests.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        route: &Route,
        whose: Option<&Arc<Address>>,
        xml: String,
    ) -> Result<Reply, Fault> {
        let _turn = self.turns.enter(route.lane, whose).await?;
        let body = Bytes::from(xml);
        timeout(self.limits.request_timeout, self.exchange(uri, route, body))
            .await
            .unwrap_or_else(|_| Err(Fault::retry(TOO_LATE)))
    }

    /// Sends a request that may not come twice, in a mailbox's name. It goes on a connection of its
    /// own: whether a server that hung up on an idle one had read the request, nobody knows.
    ///
    /// # Errors
    /// As [`Http::post`]; and whether the request may have taken effect.
    pub(super) async fn post_once(
        &self,
        uri: &Uri,
        route: &Route,
        whose: &Arc<Address>,
        xml: String,
    ) -> Result<Reply, WriteFault> {
        let turn = self.turns.enter(route.lane, Some(whose)).await;
        let _turn = turn.map_err(WriteFault::NoEffect)?;
        let request = request(uri, route, xml.into()).map_err(WriteFault::NoEffect)?;
        let entrance = self.entrance(uri);
        let sending = async {
            let (slot, response) = entrance.send_first(request).await?;
            self.finish(slot, response).await
        };
        let sent = timeout(self.limits.request_timeout, sending).await;
        let sent = sent.unwrap_or_else(|_| Err(Fault::retry(TOO_LATE)));
        sent.map_err(|fault| match entrance.has_let_in() {
            true => effect::of_status(fault),
            false => WriteFault::NoEffect(fault),
        })
    }

    async fn exchange(&self, uri: &Uri, route: &Route, body: Bytes) -> Result<Reply, Fault> {
        if let Some(mut slot) = self.idle_slot() {
            let request = request(uri, route, body.clone())?;
            if let Sent::Answered(response) = slot.send_again(&self.entrance(uri), request).await? {
                return self.finish(slot, response).await;
            }
        }
        let (slot, response) = self.entrance(uri).send_first(request(uri, route, body)?).await?;
        self.finish(slot, response).await
    }

    async fn finish(&self, slot: Slot, response: Response<Incoming>) -> Result<Reply, Fault> {
        let reply = read_reply(response).await;
        // An answer that was read to its end leaves the connection good, whatever it said.
        if !reply.as_ref().is_err_and(|fault| fault.cause.code == TOO_LONG) {
            self.keep(slot);
        }
        reply
    }

    /// Opens an answer that stays open, on a connection of its own, in a mailbox's name.
    ///
    /// # Errors
    /// As [`Http::post`], and where too many are open.
    pub(super) async fn stream(
        &self,
        uri: &Uri,
        route: &Route,
        whose: &Arc<Address>,
        xml: String,
    ) -> Result<Events, Fault> {
        let named = self.turns.enter_stream(whose).await?;
        let place = Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| Fault::retry("as many streams as may be are open"))?;
        let opening = async {
            let request = request(uri, route, xml.into())?;
            let (slot, response) = self.entrance(uri).send_first(request).await?;
            if response.status() == StatusCode::OK {
                return Ok((slot, response));
            }
            match read_reply(response).await {
                Err(fault) => Err(fault),
                Ok(_) => Err(Fault::retry("a stream without an answer")),
            }
        };
        let (slot, response) = timeout(self.limits.request_timeout, opening)
            .await
            .unwrap_or_else(|_| Err(Fault::retry(TOO_LATE)))?;
        let request_id = answer::request_id(response.headers());
        let body = response.into_body();
        Ok(Events { body, request_id, _slot: slot, _place: place, _named: named })
    }

    /// The connection that was used last, if it may still be good.
    fn idle_slot(&self) -> Option<Slot> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|slot| slot.is_usable() && slot.idle_since().elapsed() < OLDEST_IDLE);
        idle.pop()
    }

    fn keep(&self, mut slot: Slot) {
        if slot.is_usable() {
            slot.used();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        }
    }

    fn entrance<'a>(&'a self, uri: &'a Uri) -> Entrance<'a> {
        let (connector, origin, sign_in) = (&self.connector, &self.origin, &*self.sign_in);
        Entrance::new(connector, origin, sign_in, uri, self.basic.load(Ordering::Relaxed))
    }
}

/// An answer that stays open.
pub(super) struct Events {
    body: Incoming,
    request_id: Option<String>,
    _slot: Slot,
    _place: OwnedSemaphorePermit,
    _named: Named,
}

impl Events {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// Where the connection broke.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame
                .map_err(|error| http_fault(&error).with_request_id(self.request_id.clone()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

async fn read_reply(response: Response<Incoming>) -> Result<Reply, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let request_id = answer::request_id(&headers);
    if status == StatusCode::OK {
        let body = read_body(response, LONGEST).await.map_err(|fault| match fault.next {
            Next::Refused => Fault::refused(TOO_LONG),
            _ => fault,
        });
        let body = body.map_err(|fault| fault.with_request_id(request_id.clone()))?;
        return Ok(Reply { body, cookie: affinity_cookie(&headers), request_id });
    }
    let body = read_body(response, LONGEST_PAGE).await.unwrap_or_default();
    Err(answer::fault(status, &headers, &body).with_request_id(request_id))
}

fn request(uri: &Uri, route: &Route, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
    let mut request = bare_request(uri, body)?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(CLIENT_REQUEST_ID, id);
    }
    if let Some(anchor) = &route.anchor
        && let Ok(anchor) = HeaderValue::from_str(anchor.reveal())
    {
        headers.insert(ANCHOR_MAILBOX, anchor);
    }
    if let Some(affinity) = &route.affinity {
        headers.insert(PREFER_AFFINITY, HeaderValue::from_static("true"));
        if let Some(cookie) = &affinity.cookie {
            let cookie = HeaderValue::from_str(&format!("{AFFINITY_COOKIE}={cookie}"));
            headers.extend(cookie.ok().map(|cookie| (COOKIE, cookie)));
        }
    }
    Ok(request)
}

pub(super) fn bare_request(uri: &Uri, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
    Request::builder()
        .method(Method::POST)
        .uri(uri.clone())
        .header(USER_AGENT, concat!("calway/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|_| Fault::refused("the address cannot be asked"))
}

/// The value of the cookie that binds to a back end, where the answer sets one that can be sent.
fn affinity_cookie(headers: &HeaderMap) -> Option<Arc<str>> {
    headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next()?.trim().split_once('='))
        .find(|(name, value)| *name == AFFINITY_COOKIE && !value.is_empty())
        .map(|(_, value)| value.into())
}

/// For the time stamp of NTLM, where the server names none.
pub(super) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_of_the_back_end_is_found_among_others() {
        let mut headers = HeaderMap::new();
        for cookie in [
            "exchangecookie=abc; path=/",
            "X-BackEndOverrideCookie=ex02.corp.example~1942062622; path=/; secure; HttpOnly",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        let cookie = affinity_cookie(&headers);
        assert_eq!(cookie.as_deref(), Some("ex02.corp.example~1942062622"));
        assert_eq!(affinity_cookie(&HeaderMap::new()), None);
    }

    #[test]
    fn a_route_is_written_into_the_headers() {
        let anchor = Address::parse("ann@corp.example").ok().map(Arc::new);
        let uri = Uri::from_static("https://x.example/EWS/Exchange.asmx");
        let affinity = Some(Affinity { cookie: Some("b~1".into()) });
        let made =
            request(&uri, &Route { anchor, affinity, lane: Lane::Live }, Bytes::new()).unwrap();
        assert_eq!(made.headers()["x-anchormailbox"], "ann@corp.example");
        assert_eq!(made.headers()["x-preferserveraffinity"], "true");
        assert_eq!(made.headers()["cookie"], "X-BackEndOverrideCookie=b~1");
        let made = request(&uri, &Route::default(), Bytes::new()).unwrap();
        for absent in ["x-anchormailbox", "x-preferserveraffinity", "cookie"] {
            assert!(!made.headers().contains_key(absent), "{absent}");
        }
    }
}
