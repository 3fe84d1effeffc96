//! The front of the simulated Exchange: one HTTP request in, through sign-in, faults, limits and
//! affinity, to whoever answers its path.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::stream;
use http::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
    USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;
use uuid::Uuid;

use super::affinity::{ANCHOR, Router};
use super::auth::{Connection, Gate, Scheme, Verdict, WRONG_PASSWORD};
use super::autodiscover;
use super::body::{self, Body, Shape};
use super::faults::{Fault, Faults, Place};
use super::log::{AccessLog, Entry};
use super::pages;
use super::service::{Answer, Call, EventStream, Service};

/// Exchange's own limit of a request is 64 MB.
const MAX_REQUEST_BYTES: usize = 64 << 20;
const XML: &str = "text/xml; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Everything that the connections share.
pub(super) struct Front {
    pub(super) service: Service,
    pub(super) faults: Faults,
    pub(super) log: AccessLog,
    pub(super) gate: Gate,
    pub(super) router: Router,
    pub(super) account: String,
    /// The address that the account itself would have, which may well not exist.
    pub(super) own_address: String,
    /// `https://host:port`, as clients reach it.
    pub(super) origin: String,
    pub(super) autodiscover: super::Forms,
    pub(super) groups: usize,
    /// How far the clock is before the right time, in seconds.
    pub(super) clock_ahead: i64,
    /// Requests of one mailbox that may run at once.
    pub(super) max_concurrency: usize,
    pub(super) running: Mutex<HashMap<String, usize>>,
    pub(super) streams: Arc<AtomicUsize>,
}

/// A request read whole.
pub(super) struct Asked {
    pub(super) connection: u64,
    pub(super) scheme: Option<Scheme>,
    /// What shows who the server is, where the client came by a ticket.
    pub(super) proof: Option<String>,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// An answer before the front's own headers.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) content: Content,
    pub(super) entry: Entry,
}

/// The body of a [`Reply`].
pub(super) enum Content {
    Whole(Vec<u8>),
    Stream(EventStream),
}

impl Asked {
    /// The header's value, empty where it is absent or not ASCII.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn entry(&self, operation: &str, mailbox: Option<String>) -> Entry {
        Entry {
            at: Instant::now(),
            operation: operation.to_owned(),
            mailbox,
            named: Vec::new(),
            status: 200,
            code: String::new(),
            back_end: None,
            scheme: self.scheme,
            connection: self.connection,
            received: self.body.len(),
            agent: self.header(USER_AGENT.as_str()).to_owned(),
            anchor: self.headers.get(ANCHOR).and_then(|v| v.to_str().ok()).map(str::to_owned),
        }
    }

    /// A reply with a whole body, to be completed.
    pub(super) fn reply(
        &self,
        operation: &str,
        status: u16,
        content_type: &'static str,
        content: impl Into<Vec<u8>>,
    ) -> Reply {
        Reply {
            status,
            content_type,
            headers: Vec::new(),
            content: Content::Whole(content.into()),
            entry: self.entry(operation, None),
        }
    }
}

impl Front {
    /// Answers one request of the connection number `number`. An error breaks the connection.
    pub(super) async fn answer(
        self: Arc<Self>,
        number: u64,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> io::Result<Response<Body>> {
        let (head, incoming) = request.into_parts();
        let limited = Limited::new(incoming, MAX_REQUEST_BYTES);
        let body = limited.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        let mut asked = Asked {
            connection: number,
            scheme: None,
            proof: None,
            method: head.method,
            path: head.uri.path().to_ascii_lowercase(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
        };
        if let Some(reply) = self.open_to_all(&asked) {
            return Ok(self.respond(&asked, reply, Shape::default()));
        }
        match self.gate.judge(&connection, &asked.headers) {
            Verdict::Passed(scheme) => {
                asked.scheme = Some(scheme);
                let by_ticket = scheme == Scheme::Negotiate
                    && asked.headers.contains_key(http::header::AUTHORIZATION);
                asked.proof = by_ticket.then(|| self.gate.proof()).flatten();
            }
            Verdict::Unauthorized { offers, reason } => {
                if reason == Some(WRONG_PASSWORD) {
                    self.gate.may_refuse().await;
                }
                return Ok(self.unauthorized(&asked, offers, reason));
            }
        }
        self.signed_in(asked).await
    }

    /// What Exchange tells without sign-in.
    fn open_to_all(&self, asked: &Asked) -> Option<Reply> {
        let super::Forms { soap, pox, json } = self.autodiscover;
        let absent = match asked.path.rsplit_once('/') {
            Some(("/autodiscover", "autodiscover.svc")) => !soap,
            // The one path tells of both.
            Some(("/autodiscover", "autodiscover.xml")) => !soap && !pox,
            _ => asked.path.starts_with("/autodiscover/autodiscover.json") && !json,
        };
        if absent {
            return Some(asked.reply("", 404, HTML, "<html><body>404 - not found</body></html>"));
        }
        match asked.path.as_str() {
            "/ews/healthcheck.htm" | "/autodiscover/healthcheck.htm" => {
                let text = format!("200 OK<br/>{}", self.router.host(0).to_uppercase());
                Some(asked.reply("HealthCheck", 200, HTML, text))
            }
            "/owa/auth/errorfe.aspx" => {
                let text = "<html><body><h1>Something went wrong</h1></body></html>";
                Some(asked.reply("ErrorPage", 200, HTML, text))
            }
            path if path.starts_with("/autodiscover/autodiscover.json") => {
                Some(autodiscover::v2::answer(self, asked))
            }
            _ => None,
        }
    }

    async fn signed_in(self: Arc<Self>, asked: Asked) -> io::Result<Response<Body>> {
        let (operation, mailbox, named) = self.subject(&asked);
        let mut shape = Shape::default();
        let is_ews = asked.path == "/ews/exchange.asmx" && asked.method == Method::POST;
        let charged = mailbox.as_deref().unwrap_or(&self.account);
        let _running = match is_ews.then(|| self.admit(charged)) {
            Some(None) => {
                let mut reply = asked.reply(&operation, 500, XML, pages::TOO_MANY);
                (reply.entry.mailbox, reply.entry.named) = (mailbox, named);
                reply.entry.code = "ErrorExceededConnectionCount".to_owned();
                return Ok(self.respond(&asked, reply, shape));
            }
            admitted => admitted.flatten(),
        };
        let mut after = None;
        match self.faults.take(Place::Transport, &operation, mailbox.as_deref()) {
            None => {}
            Some(Fault::Delay(wait)) => tokio::time::sleep(wait).await,
            Some(fault @ (Fault::Hang | Fault::LoseRequest)) => {
                let code = if fault == Fault::Hang { "Hang" } else { "LoseRequest" };
                let code = code.to_owned();
                let entry = asked.entry(&operation, mailbox);
                self.log.answered(Entry { status: 0, code, named, ..entry });
                if fault == Fault::Hang {
                    return std::future::pending().await;
                }
                return Err(io::Error::other("the request is lost"));
            }
            Some(
                fault @ (Fault::LoseAnswer
                | Fault::HoldAnswer
                | Fault::LateAnswer(_)
                | Fault::HttpAfter { .. }),
            ) => after = Some((fault, self.faults.releases())),
            Some(Fault::Cut { after_bytes }) => shape.cut_after = Some(after_bytes),
            Some(Fault::SplitEnvelopes { at }) => shape.split_at = Some(at),
            Some(Fault::JoinEnvelopes) => shape.join = true,
            Some(fault) => {
                let mut reply = in_front(&asked, &operation, &fault);
                (reply.entry.mailbox, reply.entry.named) = (mailbox, named);
                return Ok(self.respond(&asked, reply, shape));
            }
        }
        let mut reply = match asked.path.as_str() {
            "/ews/exchange.asmx" if is_ews => self.ews(&asked),
            "/ews/exchange.asmx" => asked.reply("Page", 200, HTML, pages::SERVICE),
            "/ews/services.wsdl" => asked.reply("Wsdl", 200, XML, pages::wsdl(&self.origin)),
            "/autodiscover/autodiscover.svc" => autodiscover::soap::answer(&self, &asked),
            "/autodiscover/autodiscover.xml" if self.autodiscover.pox => {
                autodiscover::pox::answer(&self, &asked)
            }
            _ => asked.reply("", 404, HTML, "<html><body>404 - not found</body></html>"),
        };
        reply.entry.named.extend(named);
        let response = self.respond(&asked, reply, shape);
        match afterwards(after).await? {
            None => Ok(response),
            Some(status) => {
                let mut response = Response::new(body::whole(Vec::new(), Shape::default()));
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                Ok(response)
            }
        }
    }

    /// Operation and mailbox, as faults name them, and the other mailboxes that it names.
    fn subject(&self, asked: &Asked) -> (String, Option<String>, Vec<String>) {
        let (operation, mailbox) = match asked.path.as_str() {
            "/ews/exchange.asmx" => {
                let peek = Service::peek(&asked.body);
                return (peek.operation.to_owned(), peek.mailbox, peek.named);
            }
            "/autodiscover/autodiscover.svc" => (autodiscover::soap::OPERATION, None),
            "/autodiscover/autodiscover.xml" => {
                (autodiscover::pox::OPERATION, autodiscover::pox::address(&asked.body))
            }
            _ => ("", None),
        };
        (operation.to_owned(), mailbox, Vec::new())
    }

    fn ews(&self, asked: &Asked) -> Reply {
        let route = self
            .router
            .route(&asked.headers, |address| autodiscover::back_end(&self.service, address));
        let call = Call {
            account: &self.own_address,
            headers: &asked.headers,
            back_end: route.back_end,
            body: &asked.body,
        };
        let mut reply = match self.service.answer(&call) {
            Answer::Soap { status, body, operation, mailbox, code, .. } => {
                let mut reply = asked.reply(operation, status, XML, body);
                reply.entry.mailbox = mailbox;
                reply.entry.code = code;
                reply
            }
            Answer::Stream(stream) => {
                let mailbox = stream.mailbox().map(str::to_owned);
                let mut entry = asked.entry("GetStreamingEvents", mailbox);
                entry.code = "NoError".to_owned();
                let content = Content::Stream(stream);
                Reply { status: 200, content_type: XML, headers: Vec::new(), content, entry }
            }
        };
        reply.entry.back_end = Some(route.back_end);
        let host = self.router.host(route.back_end);
        reply.headers.push((HeaderName::from_static("x-calculatedbetarget"), host.clone()));
        let back_end = host.split('.').next().unwrap_or_default().to_ascii_uppercase();
        reply.headers.push((HeaderName::from_static("x-diaginfo"), back_end.clone()));
        reply.headers.push((HeaderName::from_static("x-beserver"), back_end));
        if route.give_cookie {
            reply.headers.push((SET_COOKIE, self.router.set_cookie(route.back_end)));
        }
        reply
    }

    /// Counts a request of `charged` while it runs; `None` when it has too many.
    fn admit(&self, charged: &str) -> Option<Running<'_>> {
        let charged = charged.to_ascii_lowercase();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(charged.clone()).or_default();
        if *count >= self.max_concurrency {
            return None;
        }
        *count += 1;
        self.log.running(running.values().sum());
        Some(Running { front: self, charged })
    }

    /// What a connection beyond the limit hears, whatever it asks.
    pub(super) fn too_many_connections(&self) -> Response<Body> {
        let mut response = Response::new(body::whole(Vec::new(), Shape::default()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        append(response.headers_mut(), CONNECTION, "close");
        response
    }

    /// The group of mailboxes that belong into one stream, as Autodiscover names it.
    pub(super) fn group(&self, back_end: usize) -> String {
        format!("Lab-Site-{:02}", back_end % self.groups.max(1) + 1)
    }

    fn unauthorized(
        &self,
        asked: &Asked,
        offers: Vec<String>,
        reason: Option<&'static str>,
    ) -> Response<Body> {
        let peek = Service::peek(&asked.body);
        let mut entry = asked.entry(peek.operation, peek.mailbox);
        entry.status = 401;
        entry.code = reason.unwrap_or_default().to_owned();
        self.log.unauthorized(entry);
        let mut response = Response::new(body::whole(Vec::new(), Shape::default()));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        let headers = response.headers_mut();
        for offer in offers {
            append(headers, WWW_AUTHENTICATE, &offer);
        }
        self.decorate(asked, headers);
        response
    }

    fn respond(&self, asked: &Asked, reply: Reply, shape: Shape) -> Response<Body> {
        let Reply { status, content_type, headers, content, mut entry } = reply;
        entry.status = status;
        entry.at = Instant::now();
        self.log.answered(entry);
        let body = match content {
            Content::Whole(bytes) => body::whole(bytes, shape),
            Content::Stream(events) => {
                let open = Open::new(&self.streams);
                let source = stream::unfold((events, open), |(mut events, open)| async move {
                    Some((events.next().await?, (events, open)))
                });
                body::envelopes(source, shape)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let own = response.headers_mut();
        own.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        for (name, value) in headers {
            append(own, name, &value);
        }
        self.decorate(asked, own);
        response
    }

    /// The headers that every answer of Exchange carries.
    fn decorate(&self, asked: &Asked, headers: &mut HeaderMap) {
        if let Some(proof) = &asked.proof {
            append(headers, WWW_AUTHENTICATE, proof);
        }
        append(headers, HeaderName::from_static("request-id"), &Uuid::new_v4().to_string());
        if asked.header("return-client-request-id").eq_ignore_ascii_case("true") {
            let id = asked.header("client-request-id");
            append(headers, HeaderName::from_static("client-request-id"), id);
        }
        if self.clock_ahead != 0 {
            append(headers, http::header::DATE, &crate::date_ahead(self.clock_ahead));
        }
        append(headers, HeaderName::from_static("server"), "Microsoft-IIS/10.0");
        append(headers, HeaderName::from_static("x-aspnet-version"), "4.0.30319");
        append(headers, HeaderName::from_static("x-powered-by"), "ASP.NET");
        append(headers, HeaderName::from_static("x-feserver"), "EX01");
        append(headers, http::header::CACHE_CONTROL, "private");
        if asked.path.starts_with("/autodiscover/") {
            if self.autodiscover.soap {
                append(headers, HeaderName::from_static("x-soap-enabled"), "True");
            }
            append(headers, HeaderName::from_static("x-wssecurity-enabled"), "False");
            append(headers, HeaderName::from_static("x-oauth-enabled"), "False");
        }
    }
}

/// What becomes of an answer after everything was done: it goes, or a bare status instead of it.
async fn afterwards(fault: Option<(Fault, watch::Receiver<u64>)>) -> io::Result<Option<u16>> {
    let Some((fault, mut releases)) = fault else { return Ok(None) };
    match fault {
        Fault::HttpAfter { status } => return Ok(Some(status)),
        Fault::LoseAnswer => return Err(io::Error::other("the answer is lost")),
        Fault::LateAnswer(wait) => tokio::time::sleep(wait).await,
        Fault::HoldAnswer => drop(releases.changed().await),
        _ => {}
    }
    Ok(None)
}

/// What something in front of Exchange answers instead of it.
fn in_front(asked: &Asked, operation: &str, fault: &Fault) -> Reply {
    match fault {
        Fault::Http { status, retry_after } => {
            let text = "<html><body>The service is unavailable.</body></html>";
            let mut reply = asked.reply(operation, *status, HTML, text);
            reply.entry.code = format!("HTTP {status}");
            if let Some(seconds) = retry_after {
                reply.headers.push((RETRY_AFTER, seconds.to_string()));
            }
            reply
        }
        _ => {
            let text = "<html><head><title>Object moved</title></head></html>";
            let mut reply = asked.reply(operation, 302, HTML, text);
            reply.entry.code = "HTTP 302".to_owned();
            let place = "/owa/auth/errorFE.aspx?httpCode=500".to_owned();
            reply.headers.push((LOCATION, place));
            reply.headers.push((CONNECTION, "close".to_owned()));
            reply
        }
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

/// A request that counts against its mailbox.
struct Running<'a> {
    front: &'a Front,
    charged: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = self.front.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.charged) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.charged);
            }
        }
    }
}

/// A stream that is counted while its body lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(streams))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
