//! A client of the key server, as a user's app has one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::web::Web;
use crate::jose::{self, Agreement, Key, RsaPublic};
use crate::kms::Kms;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a message reaches the key server.
pub(super) enum Way {
    /// Through the same process, past the faults.
    Near(Kms),
    /// Over HTTP, at this base address.
    Far(Arc<Web>, String),
}

struct Session {
    uri: String,
    key: Key,
    until: Timestamp,
}

/// Why the key server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The status in the answer, 0 without an answer.
    pub status: u16,
    /// The key server's own number.
    pub code: u32,
    /// What it said.
    pub reason: String,
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.reason, self.status, self.code)
    }
}

impl std::error::Error for Denied {}

fn denied(reason: impl Into<String>) -> Denied {
    Denied { status: 0, code: 0, reason: reason.into() }
}

/// The client.
pub(super) struct Keys {
    user: String,
    client_id: String,
    way: Way,
    anchor_pem: String,
    bearer: Arc<dyn Fn() -> String + Send + Sync>,
    session: tokio::sync::Mutex<Option<Session>>,
    known: Mutex<HashMap<String, Key>>,
}

impl Keys {
    pub(super) fn new(
        user: &str,
        way: Way,
        anchor_pem: String,
        bearer: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let client_id = format!("app-{}", Uuid::new_v4());
        let (session, known) = Default::default();
        Self { user: user.into(), client_id, way, anchor_pem, bearer, session, known }
    }

    /// The key at `uri`, fetched once.
    pub(super) async fn key(&self, uri: &str) -> Result<Key, Denied> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(uri).copied();
        if let Some(key) = known {
            return Ok(key);
        }
        let retrieve = |uri: &str| json!({"method": "retrieve", "uri": uri});
        let answer = match self.request(retrieve(uri)).await? {
            moved if moved["status"] == 301 => {
                let target = moved["redirectUri"].as_str().ok_or(denied("moved nowhere"))?;
                self.request(retrieve(target)).await?
            }
            answer => answer,
        };
        let key = read_key(&answer["key"])?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.into(), key);
        Ok(key)
    }

    /// A new key, bound to a new resource on which `others` are authorised.
    pub(super) async fn new_key(&self, others: &[&str]) -> Result<(String, Key), Denied> {
        let made = self.request(json!({"method": "create", "uri": "/keys", "count": 1})).await?;
        let made = &made["keys"][0];
        let key = read_key(made)?;
        let uri = made["uri"].as_str().ok_or(denied("a key without an address"))?.to_owned();
        let resource = json!({
            "method": "create",
            "uri": "/resources",
            "keyUris": [uri],
            "userIds": others,
        });
        self.request(resource).await?;
        Ok((uri, key))
    }

    /// One request, with one new key agreement if the shared key was forgotten meanwhile.
    pub(super) async fn request(&self, request: Value) -> Result<Value, Denied> {
        let mut session = self.session.lock().await;
        for last in [false, true] {
            let good = session.as_ref().is_some_and(|known| known.until > Timestamp::now());
            if !good {
                *session = Some(self.agree().await?);
            }
            let Some(shared) = session.as_ref() else {
                break;
            };
            let (id, body) = self.complete(request.clone());
            let sealed = jose::seal(&shared.key, Some(&shared.uri), body.to_string().as_bytes());
            let answer = self.carry(&sealed).await?;
            if jose::count_parts(&answer) == 3 {
                // The server cannot read us: only a new agreement helps.
                *session = None;
                if last {
                    return Err(denied("the key server goes on forgetting the shared key"));
                }
                continue;
            }
            let plain = jose::open(&shared.key, &answer).map_err(|refused| denied(refused.0))?;
            let answer: Value =
                serde_json::from_slice(&plain).map_err(|_| denied("an answer that is no JSON"))?;
            return check(answer, &id);
        }
        Err(denied("no shared key"))
    }

    fn complete(&self, mut request: Value) -> (String, Value) {
        let id = Uuid::new_v4().to_string();
        request["requestId"] = json!(id);
        request["client"] = json!({
            "clientId": self.client_id,
            "credential": {"userId": self.user, "bearer": (self.bearer)()},
        });
        (id, request)
    }

    async fn agree(&self) -> Result<Session, Denied> {
        let (cluster, jwk) = self.static_key().await?;
        let mine = Agreement::generate();
        let uri = format!("{cluster}/ecdhe");
        let (id, body) = self.complete(json!({"method": "create", "uri": uri, "jwk": mine.jwk()}));
        let kid = jwk["kid"].as_str().ok_or(denied("a static key without a kid"))?;
        let refused = |refused: jose::Refused| denied(refused.0);
        let public = RsaPublic::from_jwk(&jwk).map_err(refused)?;
        let sealed = public.seal(kid, body.to_string().as_bytes()).map_err(refused)?;
        let answer = self.carry(&sealed).await?;
        let plain = public.verify(kid, &answer).map_err(refused)?;
        let answer: Value =
            serde_json::from_slice(&plain).map_err(|_| denied("an answer that is no JSON"))?;
        let answer = check(answer, &id)?;
        let key = &answer["key"];
        let until = key["expirationDate"].as_str().and_then(|date| date.parse().ok());
        Ok(Session {
            uri: key["uri"].as_str().ok_or(denied("a shared key without an address"))?.into(),
            key: mine.shared(&key["jwk"]).map_err(refused)?,
            until: until.ok_or(denied("a shared key without an end"))?,
        })
    }

    async fn static_key(&self) -> Result<(String, Value), Denied> {
        let answer = match &self.way {
            Way::Near(kms) => kms.static_key(),
            Way::Far(web, base) => {
                let url = format!("{base}/kms/{}", self.user);
                let asked = web.ask("GET", &url, &(self.bearer)(), None).await;
                let (status, body) = asked.map_err(denied)?;
                if status != 200 {
                    return Err(Denied { status, code: 0, reason: "no static key".into() });
                }
                serde_json::from_slice(&body).map_err(|_| denied("a static key that is no JSON"))?
            }
        };
        let cluster = answer["kmsCluster"].as_str().unwrap_or_default().to_owned();
        let jwk = answer["rsaPublicKey"].as_str().unwrap_or_default();
        let jwk: Value = serde_json::from_str(jwk).map_err(|_| denied("no JWK"))?;
        verify_chain(&jwk, &self.anchor_pem).map_err(denied)?;
        Ok((cluster, jwk))
    }

    async fn carry(&self, message: &str) -> Result<String, Denied> {
        let (web, base) = match &self.way {
            Way::Near(kms) => return Ok(kms.answer_well(message)),
            Way::Far(web, base) => (web, base),
        };
        let (cluster, _) = self.address_of(message).await?;
        let body = json!({"destination": cluster, "kmsMessages": [message]}).to_string();
        let url = format!("{base}/kms/messages");
        let asked = web.ask("POST", &url, &(self.bearer)(), Some(body.into_bytes())).await;
        let (status, body) = asked.map_err(denied)?;
        if status != 200 {
            return Err(Denied { status, code: 0, reason: "the message was not carried".into() });
        }
        let answer: Value =
            serde_json::from_slice(&body).map_err(|_| denied("an answer that is no JSON"))?;
        let message = answer["kmsMessages"][0].as_str();
        message.map(str::to_owned).ok_or(denied("an answer without a message"))
    }

    /// The server that `message` is for, which the kid names.
    async fn address_of(&self, message: &str) -> Result<(String, String), Denied> {
        let kid = jose::peek(message).ok().and_then(|header| header.kid).unwrap_or_default();
        let rest = kid.strip_prefix("kms://").ok_or(denied("a kid that is no kms address"))?;
        let host = rest.split('/').next().unwrap_or_default();
        Ok((format!("kms://{host}"), kid.clone()))
    }
}

fn check(answer: Value, id: &str) -> Result<Value, Denied> {
    let status = answer["status"].as_u64().unwrap_or(0) as u16;
    if status == 0 || status >= 400 {
        let code = answer["errorCode"].as_u64().unwrap_or(0) as u32;
        let reason = answer["reason"].as_str().unwrap_or("no reason").into();
        return Err(Denied { status, code, reason });
    }
    if answer["requestId"] == id { Ok(answer) } else { Err(denied("another request's answer")) }
}

fn read_key(key: &Value) -> Result<Key, Denied> {
    let bytes = jose::decode(key["jwk"]["k"].as_str().unwrap_or_default());
    let bytes = bytes.map_err(|refused| denied(refused.0))?;
    bytes.try_into().map_err(|_| denied("a key of another length"))
}

/// Whether the chain in `jwk` leads to an anchor, is for the host of its kid, and for its numbers.
fn verify_chain(jwk: &Value, anchor_pem: &str) -> Result<(), String> {
    let kid = jwk["kid"].as_str().unwrap_or_default();
    let host = kid.strip_prefix("kms://").ok_or("the kid is no kms address")?;
    let host = host.split('/').next().unwrap_or_default();
    let x5c = jwk["x5c"].as_array().ok_or("no x5c")?;
    let mut chain = Vec::new();
    for text in x5c.iter().map(|item| item.as_str().unwrap_or_default()) {
        let der = STANDARD.decode(text).map_err(|_| "x5c is not base64")?;
        chain.push(CertificateDer::from(der));
    }
    let (leaf, others) = chain.split_first().ok_or("an empty x5c")?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(anchor_pem.as_bytes()).flatten() {
        roots.add(root).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?
        .verify_server_cert(leaf, others, &name, &[], UnixTime::now())
        .map_err(|error| error.to_string())?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| "no certificate")?;
    let spki = leaf.public_key().parsed().map_err(|_| "no public key")?;
    let PublicKey::RSA(rsa) = spki else {
        return Err("the certificate is not for RSA".into());
    };
    let bare = |bytes: &[u8]| jose::encode(bytes.strip_prefix(&[0]).unwrap_or(bytes));
    if jwk["n"] != bare(rsa.modulus).as_str() || jwk["e"] != bare(rsa.exponent).as_str() {
        return Err("the certificate is for another key".into());
    }
    Ok(())
}
