//! A key server: the published KMS protocol in full, with a certificate chain, and its faults.
//!
//! The faults it can play are in [`faults::Fault`]; besides, keys can be revoked or moved and the
//! clock can be set forward ([`Kms::revoke`], [`Kms::migrate`], [`Kms::advance`]).
//!
//! How the protocol goes: `GET …/kms/<user>` answers the static key. A client sends `create
//! /ecdhe` sealed to it and gets a signed answer; both sides derive a shared key. Every later
//! message is sealed under that, with the address of the shared key as kid.

mod chain;
pub mod faults;
mod objects;
pub mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::jose::{self, Agreement, Key};
use chain::Statics;
use faults::{Fault, Faults, Place};
pub(crate) use objects::form_decode;
use objects::{Failure, Objects, Request, date};
pub use tokens::Tokens;

/// The error code of a key that its owner revoked.
pub const REVOKED: u32 = 405_005;
/// The error code of a key whose organisation revoked all its keys.
pub const REVOKED_BY_ORGANISATION: u32 = 405_006;
/// The error code of an object that moved.
pub const MOVED: u32 = 301_002;

/// The most messages that one POST may carry.
pub const MOST_MESSAGES: usize = 100;

/// The most shared keys and log lines kept; the oldest are forgotten first.
const MOST_KEPT: usize = 200_000;

/// How a key server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host in `kms://host/…`, and in the certificate.
    pub host: String,
    /// Whose tokens are good.
    pub tokens: Tokens,
    /// How long a shared key is good.
    pub shared_life: Duration,
    /// How long a key can wait to be bound.
    pub unbound_life: Duration,
    /// How long a bound key can be sealed with.
    pub bound_life: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "kms.lab.example".into(),
            tokens: Tokens::new(),
            shared_life: Duration::from_secs(3600),
            unbound_life: Duration::from_secs(3600),
            bound_life: Duration::from_secs(24 * 3600),
        }
    }
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Whose it was.
    pub user: String,
    /// Method and kind of object, as in `create /keys`, `retrieve /keys/*`,
    /// `delete /resources/*/authorizations`.
    pub operation: String,
    /// The address as it came.
    pub uri: String,
    /// The status of the answer.
    pub status: u16,
}

struct Session {
    key: Key,
    user: String,
    until: Timestamp,
}

struct State {
    sessions: HashMap<String, Session>,
    objects: Objects,
    log: Vec<Seen>,
    ahead: Duration,
}

struct Inner {
    options: Options,
    statics: Statics,
    state: Mutex<State>,
    faults: Faults,
    changed: watch::Sender<u64>,
    url: OnceLock<String>,
}

/// The key server's state, without a socket; a clone is the same server.
#[derive(Clone)]
pub struct Kms(Arc<Inner>);

impl Kms {
    /// A new key server with a static key of its own.
    pub fn new(options: Options) -> Self {
        let statics = Statics::new(&options.host);
        let objects = Objects::new(statics.kid(), options.unbound_life, options.bound_life);
        let (sessions, log) = Default::default();
        let state = Mutex::new(State { sessions, objects, log, ahead: Duration::ZERO });
        let (changed, _) = watch::channel(0);
        let (faults, url) = Default::default();
        Self(Arc::new(Inner { options, statics, state, faults, changed, url }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a client finds this server: the base of `…/kms/<user>` and `…/kms/messages`. Empty
    /// when no cloud serves it.
    pub fn url(&self) -> String {
        self.0.url.get().cloned().unwrap_or_default()
    }

    pub(crate) fn set_url(&self, url: &str) {
        let _ = self.0.url.set(url.into());
    }

    /// The PEM of the root that signs, through an intermediate, the static key's certificate.
    pub fn anchor_pem(&self) -> String {
        self.0.statics.anchor_pem()
    }

    /// The address of the server in the protocol: `kms://host`.
    pub fn address(&self) -> String {
        self.0.statics.kid()
    }

    /// The rules of what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The tokens that count.
    pub fn tokens(&self) -> &Tokens {
        &self.0.options.tokens
    }

    /// Refuses the key at `uri` from now on, with [`REVOKED`] or [`REVOKED_BY_ORGANISATION`].
    pub fn revoke(&self, uri: &str, code: u32) {
        if let Some(object) = self.state().objects.keys.get_mut(uri) {
            object.revoked = Some(code);
        }
    }

    /// Moves the key at `uri`, so that its old address answers 301, and tells the new one.
    pub fn migrate(&self, uri: &str) -> Option<String> {
        self.state().objects.migrate(uri)
    }

    /// Sets this server's clock forward: shared keys and keys expire.
    pub fn advance(&self, by: Duration) {
        self.state().ahead += by;
    }

    /// Forgets every shared key, as a restarted server would.
    pub fn forget_sessions(&self) {
        self.state().sessions.clear();
    }

    /// How many shared keys there are.
    pub fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// The key at `uri`, for a test that compares.
    pub fn key(&self, uri: &str) -> Option<Key> {
        self.state().objects.keys.get(uri).map(|object| object.key)
    }

    /// The addresses of all keys.
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys.keys().cloned().collect()
    }

    /// Who can read the bound key at `uri`.
    pub fn readers(&self, uri: &str) -> Vec<String> {
        self.state().objects.readers(uri)
    }

    /// The resource that the key at `uri` is bound to.
    pub fn resource_of(&self, uri: &str) -> Option<String> {
        self.state().objects.resource_of(uri)
    }

    /// Every request so far (the last 200,000).
    pub fn log(&self) -> Vec<Seen> {
        self.state().log.clone()
    }

    /// How many requests named `operation` succeeded.
    pub fn count(&self, operation: &str) -> usize {
        count(&self.state().log, operation)
    }

    /// Waits until `operation` has succeeded `times` times in all.
    pub async fn wait_for(&self, operation: &str, times: usize) {
        let mut changed = self.0.changed.subscribe();
        while self.count(operation) < times {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The body of `GET …/kms/<user>`.
    pub fn static_key(&self) -> Value {
        self.static_key_with(None)
    }

    /// The same, spoilt by `fault`.
    pub(crate) fn static_key_with(&self, fault: Option<&Fault>) -> Value {
        let jwk = self.0.statics.jwk(fault);
        json!({"kmsCluster": self.address(), "rsaPublicKey": jwk.to_string()})
    }

    /// The answer to one compact message.
    pub fn answer(&self, message: &str) -> String {
        self.reply(message, true)
    }

    /// The same without faults, for what the lab does on its own account.
    pub(crate) fn answer_well(&self, message: &str) -> String {
        self.reply(message, false)
    }

    fn reply(&self, message: &str, faulty: bool) -> String {
        let header = match jose::peek(message) {
            Ok(header) if jose::count_parts(message) == 5 => header,
            _ => return self.signed(&failed(&Value::Null, &reset("Not a message."))),
        };
        if header.alg == "RSA-OAEP" && header.kid.as_deref() == Some(&self.address()) {
            return self.agree(message, faulty);
        }
        let kid = header.kid.unwrap_or_default();
        self.within(message, &kid, faulty)
    }

    fn signed(&self, body: &Value) -> String {
        self.0.statics.key.sign(&self.address(), body.to_string().as_bytes())
    }

    fn now(&self, state: &State) -> Timestamp {
        Timestamp::now() + state.ahead
    }

    fn strike(&self, faulty: bool, covers: impl Fn(&Place) -> bool) -> Option<Fault> {
        faulty.then(|| self.0.faults.take(covers)).flatten()
    }

    fn agree(&self, message: &str, faulty: bool) -> String {
        let plain = self.0.statics.key.open(message);
        let Ok(request) = plain.map(|plain| serde_json::from_slice(&plain).unwrap_or(Value::Null))
        else {
            return self.signed(&failed(&Value::Null, &reset("The message does not open.")));
        };
        let fault = self.strike(faulty, |place| *place == Place::Agreement);
        let outcome = match fault {
            Some(Fault::Error { status, code }) => {
                Err(Failure::new(status, code, "A fault was asked for."))
            }
            Some(Fault::ResetSession) => Err(reset("A reset was asked for.")),
            _ => self.create_session(&request),
        };
        let mut body = settle(&request, outcome);
        self.note(&request, &body);
        if fault == Some(Fault::WrongRequestId) {
            body["requestId"] = json!(Uuid::new_v4().to_string());
        }
        match fault {
            Some(Fault::WrongSigner) => {
                jose::RsaKey::generate().sign(&self.address(), body.to_string().as_bytes())
            }
            Some(Fault::AlgNone) => jose::unsigned(&self.address(), body.to_string().as_bytes()),
            Some(Fault::TamperPayload) => tamper(&self.signed(&body), 1),
            _ => self.signed(&body),
        }
    }

    fn create_session(&self, request: &Value) -> Result<Value, Failure> {
        let user = self.sender(request)?;
        let mut state = self.state();
        let uri = state.objects.absolute(request["uri"].as_str().unwrap_or_default())?;
        if request["method"] != "create" || uri != format!("{}/ecdhe", self.address()) {
            return Err(Failure::new(400, 400_001, "Only create /ecdhe goes to the static key."));
        }
        let mine = Agreement::generate();
        let key = mine
            .shared(&request["jwk"])
            .map_err(|refused| Failure::new(400, 400_002, refused.0))?;
        let now = self.now(&state);
        let until = now + self.0.options.shared_life;
        let uri = format!("{uri}/{}", Uuid::new_v4());
        if state.sessions.len() >= MOST_KEPT {
            state.sessions.retain(|_, session| session.until > now);
        }
        state.sessions.insert(uri.clone(), Session { key, user: user.clone(), until });
        Ok(json!({"status": 201, "key": {
            "uri": uri,
            "jwk": mine.jwk(),
            "userId": user,
            "clientId": request["client"]["clientId"],
            "createDate": date(now),
            "expirationDate": date(until),
        }}))
    }

    fn sender(&self, request: &Value) -> Result<String, Failure> {
        let bearer = request["client"]["credential"]["bearer"].as_str();
        bearer
            .and_then(|bearer| self.tokens().owner(bearer))
            .ok_or_else(|| Failure::new(401, 401_001, "The bearer is not good."))
    }

    fn within(&self, message: &str, kid: &str, faulty: bool) -> String {
        let now = self.now(&self.state());
        let found = self.state().sessions.get(kid).map(|session| (session.key, session.until));
        let Some((key, until)) = found else {
            return self.signed(&failed(&Value::Null, &reset("The shared key is not known.")));
        };
        let plain = jose::open(&key, message).map_err(|_| ());
        let Ok(request) = plain.and_then(|plain| serde_json::from_slice(&plain).map_err(|_| ()))
        else {
            return self.signed(&failed(&Value::Null, &reset("The message does not open.")));
        };
        let request: Value = request;
        let name = operation(&request, &self.address());
        let fault = self.strike(faulty, |place| match place {
            Place::Request => true,
            Place::Operation(wanted) => *wanted == name,
            _ => false,
        });
        if matches!(fault, Some(Fault::ForgetSession | Fault::ResetSession)) || until <= now {
            self.state().sessions.remove(kid);
            return self.signed(&failed(&request, &reset("The shared key is no longer good.")));
        }
        let outcome = match fault {
            Some(Fault::Error { status, code }) => {
                Err(Failure::new(status, code, "A fault was asked for."))
            }
            _ => self.run(&request, kid),
        };
        let mut body = settle(&request, outcome);
        self.note(&request, &body);
        if fault == Some(Fault::WrongRequestId) {
            body["requestId"] = json!(Uuid::new_v4().to_string());
        }
        let sealed = jose::seal(&key, Some(kid), body.to_string().as_bytes());
        if fault == Some(Fault::TamperPayload) { tamper(&sealed, 3) } else { sealed }
    }

    fn run(&self, request: &Value, kid: &str) -> Result<Value, Failure> {
        let user = self.sender(request)?;
        let mut state = self.state();
        let now = self.now(&state);
        if state.sessions.get(kid).is_some_and(|session| session.user != user) {
            return Err(Failure::new(403, 403_003, "The shared key is another user's."));
        }
        let uri = state.objects.absolute(request["uri"].as_str().unwrap_or_default())?;
        if request["method"] == "delete" && uri == kid {
            state.sessions.remove(kid);
            return Ok(json!({"status": 204}));
        }
        let path = uri.strip_prefix(&self.address()).unwrap_or_default();
        let request = Request {
            user: &user,
            client: request["client"]["clientId"].as_str().unwrap_or_default(),
            method: request["method"].as_str().unwrap_or_default(),
            path,
            body: request,
        };
        state.objects.run(&request, now)
    }

    fn note(&self, request: &Value, body: &Value) {
        let bearer = request["client"]["credential"]["bearer"].as_str().unwrap_or_default();
        let seen = Seen {
            at: Instant::now(),
            user: self.tokens().owner(bearer).unwrap_or_default(),
            operation: operation(request, &self.address()),
            uri: request["uri"].as_str().unwrap_or_default().into(),
            status: body["status"].as_u64().unwrap_or(0) as u16,
        };
        let mut state = self.state();
        if state.log.len() >= MOST_KEPT {
            state.log.drain(..MOST_KEPT / 2);
        }
        state.log.push(seen);
        drop(state);
        self.0.changed.send_modify(|count| *count += 1);
    }
}

fn count(log: &[Seen], operation: &str) -> usize {
    log.iter().filter(|seen| seen.operation == operation && seen.status < 300).count()
}

/// Method and kind of object: every second part of the path is an id, and stands as `*`.
fn operation(request: &Value, base: &str) -> String {
    let uri = request["uri"].as_str().unwrap_or_default();
    let path = uri.strip_prefix(base).unwrap_or(uri);
    let path = path.split('?').next().unwrap_or_default().trim_matches('/');
    let mut name = format!("{} ", request["method"].as_str().unwrap_or_default());
    for (place, part) in path.split('/').enumerate() {
        name.push('/');
        name.push_str(if place == 1 { "*" } else { part });
    }
    name
}

/// Drop the shared key and agree anew, says status 499.
fn reset(reason: &str) -> Failure {
    Failure::new(499, 499_001, reason)
}

fn failed(request: &Value, failure: &Failure) -> Value {
    let mut body = json!({
        "status": failure.status,
        "reason": failure.reason,
        "errorCode": failure.code,
    });
    if let Some(target) = &failure.redirect {
        body["redirectUri"] = json!(target);
    }
    if let Some(id) = request["requestId"].as_str() {
        body["requestId"] = json!(id);
    }
    body
}

fn settle(request: &Value, outcome: Result<Value, Failure>) -> Value {
    match outcome {
        Ok(mut body) => {
            body["requestId"] = request["requestId"].clone();
            body
        }
        Err(failure) => failed(request, &failure),
    }
}

/// The same message with one bit of part `place` flipped.
fn tamper(compact: &str, place: usize) -> String {
    let mut parts: Vec<String> = compact.split('.').map(str::to_owned).collect();
    if let Some(part) = parts.get_mut(place) {
        let mut bytes = jose::decode(part).unwrap_or_default();
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        *part = jose::encode(&bytes);
    }
    parts.join(".")
}

#[cfg(test)]
mod tests;
