//! The requests of the relay protocol and their answers.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::channel::{self, Opening, SUBPROTOCOL};
use super::core::Core;
use super::event;
use super::faults::{Fault, Place};
use super::front::{Answer, Cut, Gate, Service};
use super::recorder::Recorder;
use crate::kms::{self, form_decode};

/// The minor version of the protocol, unless another one is played.
pub const MINOR: u32 = 2;

/// Says on every answer which version it is.
fn announce(minor: u32, answer: Answer) -> Answer {
    let value = HeaderValue::try_from(format!("1.{minor}"));
    answer.map(|mut response| {
        response.headers_mut().extend(value.ok().map(|value| (RELAY_VERSION, value)));
        response
    })
}

const RELAY_VERSION: HeaderName = HeaderName::from_static("relay-version");

type Reply = Response<Full<Bytes>>;

/// An answer with a JSON body.
fn answer(status: u16, body: &Value) -> Reply {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// An error with a name for programs and a sentence for people.
fn refuse(status: u16, error: &str, message: &str) -> Reply {
    let mut response = answer(status, &json!({"error": error, "message": message}));
    if status == 401 {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert("www-authenticate", scheme);
    }
    response
}

fn empty(status: u16) -> Reply {
    let mut response = answer(status, &Value::Null);
    *response.body_mut() = Full::default();
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The cloud on its listener.
pub(super) struct Routes(pub(super) Arc<Core>);

/// The key server on a listener of its own.
pub(super) struct KmsRoutes(pub(super) Arc<Core>);

impl Service for Routes {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        gate: Gate,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let core = self.0.clone();
        Box::pin(async move { announce(core.minor, route(core, request, gate).await) })
    }

    fn recorder(&self) -> Recorder {
        self.0.recorder.clone()
    }
}

impl Service for KmsRoutes {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        _gate: Gate,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let core = self.0.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let rest = path.strip_prefix("/kms/").or_else(|| path.strip_prefix("/v1/kms/"));
            let answer = match rest {
                Some(rest) => keys(&core, request, rest).await,
                None => Ok(refuse(404, "not_found", "There is nothing here.")),
            };
            announce(core.minor, answer)
        })
    }

    fn recorder(&self) -> Recorder {
        self.0.recorder.clone()
    }
}

async fn route(core: Arc<Core>, request: Request<Incoming>, gate: Gate) -> Answer {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::POST, ["oauth", "token"]) => token(&core, request).await,
        (&Method::POST, ["v1", "events"]) => events(&core, request).await,
        (&Method::GET, ["v1", "channel"]) => open_channel(core.clone(), request, gate).await,
        (&Method::PUT, ["v1", "connectors", id]) => status(&core, request, id).await,
        (&Method::GET, ["v1", "users", user, "meetings"]) => meetings(&core, request, user).await,
        (_, ["v1", "kms", ..]) => {
            let rest = path.strip_prefix("/v1/kms/").unwrap_or_default();
            keys(&core, request, rest).await
        }
        _ => Ok(refuse(404, "not_found", "There is nothing here.")),
    }
}

/// The body, of at most `most` bytes, kept in the record of what came in.
async fn body(core: &Core, request: Request<Incoming>, most: usize) -> Result<Bytes, Reply> {
    let collected = Limited::new(request.into_body(), most).collect().await;
    let bytes = collected.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            refuse(413, "too_large", "The body is too large.")
        } else {
            refuse(400, "malformed", "The body did not arrive whole.")
        }
    })?;
    let bytes = bytes.to_bytes();
    core.recorder.piece().add(&bytes);
    Ok(bytes)
}

/// What a fault makes of a request before it takes effect.
async fn before(core: &Core, token: Option<&str>, fault: Option<&Fault>) -> Option<Answer> {
    match fault? {
        Fault::Http { status, retry_after } => {
            let mut response = refuse(*status, "fault", "A fault was asked for.");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Some(Ok(response))
        }
        Fault::DropBefore => Some(Err(Cut)),
        Fault::Hang => pending().await,
        Fault::Delay(by) => {
            tokio::time::sleep(*by).await;
            None
        }
        Fault::RevokeToken => {
            if let Some(owner) = token.and_then(|token| core.tokens.owner(token)) {
                core.tokens.revoke(&owner);
            }
            Some(Ok(unauthorised()))
        }
        _ => None,
    }
}

/// What a fault makes of an answer after the request took effect.
fn after(fault: Option<&Fault>, response: Reply, body: &Value) -> Answer {
    match fault {
        Some(Fault::DropAfterStore) => Err(Cut),
        Some(Fault::Truncate) => {
            let text = body.to_string();
            let half = text.get(..text.len() / 2).unwrap_or_default().to_owned();
            let (parts, _) = response.into_parts();
            Ok(Response::from_parts(parts, Full::from(half)))
        }
        Some(Fault::Garbage) => {
            let (parts, _) = response.into_parts();
            Ok(Response::from_parts(parts, Full::from("<html>It works!</html>")))
        }
        _ => Ok(response),
    }
}

fn unauthorised() -> Reply {
    refuse(401, "unauthorised", "The token is not good.")
}

async fn token(core: &Core, request: Request<Incoming>) -> Answer {
    core.count_request("token");
    let fault = core.faults.take(|place| *place == Place::Token);
    if let Some(answer) = before(core, None, fault.as_ref()).await {
        return answer;
    }
    let basic = text(request.headers(), "authorization").strip_prefix("Basic ").map(basic);
    let form = match body(core, request, 64 * 1024).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let form = String::from_utf8_lossy(&form).into_owned();
    let field = |name: &str| {
        let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| form_decode(value))
    };
    if field("grant_type").as_deref() != Some("client_credentials") {
        return Ok(answer(400, &json!({"error": "unsupported_grant_type"})));
    }
    let (id, secret) = basic.flatten().unwrap_or_else(|| {
        (field("client_id").unwrap_or_default(), field("client_secret").unwrap_or_default())
    });
    if id != core.client_id || secret != core.client_secret {
        let mut response = answer(401, &json!({"error": "invalid_client"}));
        let scheme = HeaderValue::from_static("Basic realm=\"relay\"");
        response.headers_mut().insert("www-authenticate", scheme);
        return Ok(response);
    }
    let token = core.tokens.issue(&core.connector, core.token_life);
    let seconds = core.token_life.as_secs();
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds});
    after(fault.as_ref(), answer(200, &body), &body)
}

fn basic(encoded: &str) -> Option<(String, String)> {
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

async fn events(core: &Core, request: Request<Incoming>) -> Answer {
    core.count_request("events");
    let fault = core.faults.take(|place| *place == Place::Events);
    let token = token_of(request.headers()).unwrap_or_default().to_owned();
    if let Some(answer) = before(core, Some(&token), fault.as_ref()).await {
        return answer;
    }
    if !core.is_connector(&token) {
        return Ok(unauthorised());
    }
    let kind = text(request.headers(), "content-type").split(';').next().unwrap_or_default();
    if kind.trim() != "application/cloudevents-batch+json" {
        return Ok(refuse(415, "content_type", "Send application/cloudevents-batch+json."));
    }
    let body = match body(core, request, super::MOST_BYTES).await {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let batch = match core.read_batch(&body) {
        Ok(batch) => batch,
        Err((413, reason)) => return Ok(refuse(413, "too_large", reason)),
        Err((status, reason)) => return Ok(refuse(status, "malformed", reason)),
    };
    let read = |event: &Value| match &fault {
        Some(Fault::Reject(holds, reason)) if holds(event) => Err(reason.clone()),
        _ => core.read_event(event),
    };
    let verdicts = core.apply(batch.iter().map(read).collect());
    let pairs = batch.iter().zip(&verdicts);
    let results: Vec<Value> = pairs.map(|(event, verdict)| verdict.json(&event["id"])).collect();
    let body = json!({"results": results});
    after(fault.as_ref(), answer(200, &body), &body)
}

async fn open_channel(core: Arc<Core>, mut request: Request<Incoming>, gate: Gate) -> Answer {
    core.count_request("channel");
    let fault = core.faults.take(|place| *place == Place::Channel);
    let token = token_of(request.headers()).unwrap_or_default().to_owned();
    if let Some(answer) = before(&core, Some(&token), fault.as_ref()).await {
        return answer;
    }
    if !core.is_connector(&token) {
        return Ok(unauthorised());
    }
    let headers = request.headers();
    let mut offered = headers.get_all("sec-websocket-protocol").iter();
    let speaks = offered.any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|name| name.trim() == SUBPROTOCOL)
    });
    let upgrade = text(headers, "upgrade").eq_ignore_ascii_case("websocket")
        && text(headers, "sec-websocket-version") == "13";
    let key = text(headers, "sec-websocket-key").to_owned();
    if !upgrade || key.is_empty() {
        return Ok(refuse(426, "upgrade", "This is a WebSocket."));
    }
    if !speaks {
        return Ok(refuse(400, "subprotocol", "Offer the subprotocol cloudevents.json."));
    }
    let Some(after) = after_of(request.uri().query().unwrap_or_default()) else {
        return Ok(refuse(400, "after", "after is the sequence of the last command, 20 digits."));
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let mut ending = gate.clone();
    tokio::spawn(async move {
        let opened = async {
            if let Ok(upgraded) = upgrading.await {
                channel::run(core, upgraded, Opening { token, after, fault, gate }).await;
            }
        };
        tokio::select! {
            () = opened => {}
            () = ending.closed() => {}
        }
    });
    Ok(switching(&key))
}

fn switching(key: &str) -> Reply {
    let mut response = empty(101);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("connection", "Upgrade");
    set("upgrade", "websocket");
    set("sec-websocket-accept", &derive_accept_key(key.as_bytes()));
    set("sec-websocket-protocol", SUBPROTOCOL);
    response
}

/// The sequence in `after=…`; none is the beginning.
fn after_of(query: &str) -> Option<u64> {
    match query.split('&').find_map(|pair| pair.strip_prefix("after=")) {
        None => Some(0),
        Some(digits) => event::sequence(Some(&json!(digits))).ok(),
    }
}

async fn status(core: &Core, request: Request<Incoming>, id: &str) -> Answer {
    core.count_request("status");
    let fault = core.faults.take(|place| *place == Place::Status);
    let token = token_of(request.headers()).unwrap_or_default().to_owned();
    if let Some(answer) = before(core, Some(&token), fault.as_ref()).await {
        return answer;
    }
    if !core.is_connector(&token) {
        return Ok(unauthorised());
    }
    if id != core.connector {
        return Ok(refuse(404, "not_found", "There is no such connector."));
    }
    let body = match body(core, request, 64 * 1024).await {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let status: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let state = status["state"].as_str().unwrap_or_default();
    let counts = ["active", "streaming", "polling", "failing"];
    let counted = counts.iter().all(|name| status["mailboxes"][name].is_u64());
    let known = ["operational", "impaired", "outage"].contains(&state);
    let bad = ["critical", "error", "warning"];
    let known = known
        && status["severity"]
            .as_str()
            .map_or_else(|| status.get("severity").is_none(), |severity| bad.contains(&severity));
    if !known || !counted || !status["version"].is_string() || !status["outbox"].is_u64() {
        return Ok(refuse(400, "malformed", "The report lacks a member or has a wrong one."));
    }
    core.status(status);
    after(fault.as_ref(), empty(204), &Value::Null)
}

async fn meetings(core: &Core, request: Request<Incoming>, user: &str) -> Answer {
    core.count_request("meetings");
    let fault = core.faults.take(|place| *place == Place::Meetings);
    let token = token_of(request.headers()).unwrap_or_default().to_owned();
    if let Some(answer) = before(core, Some(&token), fault.as_ref()).await {
        return answer;
    }
    let user = form_decode(user);
    match core.tokens.owner(&token) {
        None => return Ok(unauthorised()),
        Some(owner) if owner != user => {
            return Ok(refuse(403, "forbidden", "These are another user's meetings."));
        }
        Some(_) => {}
    }
    let mut items: Vec<Value> = core
        .view(|view| view.meetings(&user).into_iter().map(|record| record.json.clone()).collect());
    items.sort_by(|a, b| a["start"].as_str().cmp(&b["start"].as_str()));
    let body = json!({"items": items});
    after(fault.as_ref(), answer(200, &body), &body)
}

/// `kms/<user>` and `kms/messages`.
async fn keys(core: &Core, request: Request<Incoming>, rest: &str) -> Answer {
    use kms::faults::{Fault, Place};
    core.count_request("kms");
    let posting = rest == "messages" && request.method() == Method::POST;
    if !posting && (request.method() != Method::GET || rest.is_empty() || rest.contains('/')) {
        return Ok(refuse(404, "not_found", "There is nothing here."));
    }
    let place = if posting { Place::Post } else { Place::StaticKey };
    let fault = core.kms.faults().take(|struck| *struck == place);
    match &fault {
        Some(Fault::Unavailable(retry_after)) => {
            let mut response = refuse(503, "unavailable", "A fault was asked for.");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            return Ok(response);
        }
        Some(Fault::Drop) => return Err(Cut),
        Some(Fault::Hang) => return pending().await,
        Some(Fault::Delay(by)) => tokio::time::sleep(*by).await,
        _ => {}
    }
    let token = token_of(request.headers()).unwrap_or_default();
    if core.tokens.owner(token).is_none() {
        return Ok(unauthorised());
    }
    if !posting {
        return Ok(answer(200, &core.kms.static_key_with(fault.as_ref())));
    }
    let body = match body(core, request, super::MOST_BYTES).await {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let post: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let messages = post["kmsMessages"].as_array().filter(|list| {
        (1..=kms::MOST_MESSAGES).contains(&list.len()) && list.iter().all(Value::is_string)
    });
    let Some(messages) = messages else {
        return Ok(refuse(400, "malformed", "kmsMessages is not a list of 1 to 100 strings."));
    };
    if post["destination"] != core.kms.address().as_str() {
        return Ok(refuse(404, "destination", "There is no such key server."));
    }
    let texts = messages.iter().filter_map(Value::as_str);
    let mut answers: Vec<String> = texts.map(|message| core.kms.answer(message)).collect();
    if fault == Some(Fault::Reverse) {
        answers.reverse();
    }
    Ok(answer(200, &json!({"kmsMessages": answers})))
}
