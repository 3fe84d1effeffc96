//! What is said to the key server and what it answers, before and after sealing.
//!
//! The protocol is draft-abiggs-saag-key-management-service with the names its public clients use.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::kms::jose::{Bad, Octets, Point};
use crate::model::{Fault, KeyUri, Next, ResourceUri, Time, UserId};

/// Who asks, as every request says it.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Our name for this installation.
    pub client_id: &'a str,
    /// The account at the key server.
    pub user_id: &'a str,
    /// The access token.
    pub bearer: &'a str,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Agree on a shared key; sealed for the static key.
    Agree {
        /// `kms://host`.
        destination: &'a str,
        /// Our half.
        half: Point<'a>,
    },
    /// Is anybody there.
    Ping,
    /// New unbound keys.
    CreateKeys {
        /// How many.
        count: u32,
    },
    /// A key by its name.
    ReadKey {
        /// Its name.
        key: &'a str,
    },
    /// Bind an unbound key to a resource.
    BindKey {
        /// The key.
        key: &'a KeyUri,
        /// The resource.
        resource: &'a ResourceUri,
    },
    /// A resource with a key bound to it, and a user who may read what is sealed with its keys.
    CreateResource {
        /// The key.
        key: &'a KeyUri,
        /// The user.
        user: &'a UserId,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    client: ClientPart<'a>,
    method: &'static str,
    uri: Cow<'a, str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwk: Option<EcJwk<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_uris: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ids: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientPart<'a> {
    client_id: &'a str,
    credential: Credential<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credential<'a> {
    user_id: &'a str,
    bearer: &'a str,
}

#[derive(Serialize)]
struct EcJwk<'a> {
    kty: &'static str,
    crv: &'static str,
    x: &'a str,
    y: &'a str,
}

/// A request as text, to be sealed. It holds the token, so it is wiped.
///
/// # Errors
/// Where it cannot be written.
pub fn request(
    ask: Ask<'_>,
    asker: Asker<'_>,
    request_id: &str,
) -> Result<Zeroizing<Vec<u8>>, Bad> {
    let mut request = Request {
        client: ClientPart {
            client_id: asker.client_id,
            credential: Credential { user_id: asker.user_id, bearer: asker.bearer },
        },
        method: "create",
        uri: Cow::Borrowed(""),
        request_id,
        jwk: None,
        count: None,
        resource_uri: None,
        key_uris: None,
        user_ids: None,
    };
    match ask {
        Ask::Agree { destination, half } => {
            request.uri = format!("{destination}/ecdhe").into();
            request.jwk = Some(EcJwk { kty: "EC", crv: "P-256", x: half.x, y: half.y });
        }
        Ask::Ping => (request.method, request.uri) = ("update", "/ping".into()),
        Ask::CreateKeys { count } => {
            request.uri = "/keys".into();
            request.count = Some(count);
        }
        Ask::ReadKey { key } => (request.method, request.uri) = ("retrieve", key.into()),
        Ask::BindKey { key, resource } => {
            (request.method, request.uri) = ("update", key.as_str().into());
            request.resource_uri = Some(resource.as_str());
        }
        Ask::CreateResource { key, user } => {
            request.uri = "/resources".into();
            request.key_uris = Some([key.as_str()]);
            request.user_ids = Some([user.as_str()]);
        }
    }
    // Room enough, so that growing leaves no copy of the token behind.
    let room = 1024 + 6 * (asker.bearer.len() + asker.user_id.len() + asker.client_id.len());
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *text, &request).map_err(|_| Bad("a request cannot be written"))?;
    Ok(text)
}

/// The body of `POST …/kms/messages`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a> {
    /// `kms://host`.
    pub destination: &'a str,
    /// The sealed messages.
    pub kms_messages: &'a [&'a str],
}

/// The answer to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivered<'a> {
    /// The sealed answers, in no order, and maybe to other requests.
    #[serde(default, borrow)]
    pub kms_messages: Vec<Cow<'a, str>>,
}

/// An answer. What it says is believed only after it was opened or verified.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply<'a> {
    /// As in HTTP.
    pub status: u16,
    /// Of the request.
    #[serde(default, borrow)]
    pub request_id: Option<Cow<'a, str>>,
    /// The key server's own code.
    #[serde(default)]
    pub error_code: Option<u32>,
    /// Where the key is now (with 301).
    #[serde(default, borrow)]
    pub redirect_uri: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    key: Option<KeyPart<'a>>,
    #[serde(default, borrow)]
    keys: Option<Vec<KeyPart<'a>>>,
    #[serde(default, borrow)]
    resource: Option<ResourcePart<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyPart<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    jwk: Jwk<'a>,
    #[serde(default)]
    create_date: Option<String>,
    #[serde(default)]
    expiration_date: Option<String>,
    #[serde(default, borrow)]
    resource_uri: Option<Cow<'a, str>>,
}

impl std::fmt::Debug for KeyPart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPart({})", self.uri)
    }
}

// `k` is borrowed from text that is wiped; base64url has nothing to unescape.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(default)]
    k: Option<&'a str>,
    #[serde(default, borrow)]
    crv: Option<Cow<'a, str>>,
    #[serde(default)]
    x: Option<&'a str>,
    #[serde(default)]
    y: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourcePart<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(default, borrow)]
    key_uris: Option<Vec<Cow<'a, str>>>,
}

/// The name and the end of an agreed key, with the other half.
#[derive(Debug)]
pub struct Agreed<'a> {
    /// `kms://host/ecdhe/<uuid>`.
    pub uri: &'a str,
    /// The other half.
    pub half: Point<'a>,
    /// When it was made, where said.
    pub created: Option<Time>,
    /// When it expires, where said.
    pub expires: Option<Time>,
}

/// A content key as the key server gives it.
#[derive(Debug)]
pub struct Given {
    /// Its name.
    pub uri: KeyUri,
    /// The key.
    pub octets: Octets,
    /// When it expires, where said.
    pub expires: Option<Time>,
    /// What it is bound to.
    pub resource: Option<ResourceUri>,
}

impl<'a> Reply<'a> {
    /// Reads an answer.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn read(text: &'a [u8]) -> Result<Self, Bad> {
        serde_json::from_slice(text).map_err(|_| Bad("the answer is not well-formed"))
    }

    /// Whether it says that the shared key is forgotten and another must be agreed on.
    pub fn is_reset(&self) -> bool {
        self.status == 499
    }

    /// Where the key is to be asked for instead.
    pub fn redirect(&self) -> Option<&str> {
        match (self.status, self.error_code) {
            (301, Some(301_002)) => self.redirect_uri.as_deref(),
            _ => None,
        }
    }

    /// The agreed key.
    ///
    /// # Errors
    /// Where there is none of `host`.
    pub fn agreed(&self, host: &str) -> Result<Agreed<'_>, Bad> {
        let part = self.key.as_ref().ok_or(Bad("the answer holds no key"))?;
        if self::host(&part.uri).as_deref() != Some(host) {
            return Err(Bad("the shared key is of another host"));
        }
        let (Some(x), Some(y)) = (part.jwk.x, part.jwk.y) else {
            return Err(Bad("the answer holds no point"));
        };
        if part.jwk.kty != "EC" || part.jwk.crv.as_deref() != Some("P-256") {
            return Err(Bad("the answer's key is not of P-256"));
        }
        Ok(Agreed {
            uri: &part.uri,
            half: Point { x, y },
            created: part.create_date.as_deref().and_then(time),
            expires: part.expiration_date.as_deref().and_then(time),
        })
    }

    /// The one key.
    ///
    /// # Errors
    /// Where there is none that seals.
    pub fn key(&self) -> Result<Given, Bad> {
        self.key.as_ref().ok_or(Bad("the answer holds no key"))?.given()
    }

    /// The keys.
    ///
    /// # Errors
    /// Where there is none, or one that does not seal.
    pub fn keys(&self) -> Result<Vec<Given>, Bad> {
        let keys = self.keys.as_deref().unwrap_or_default();
        if keys.is_empty() {
            return Err(Bad("the answer holds no key"));
        }
        keys.iter().map(KeyPart::given).collect()
    }

    /// The resource that `key` is bound to.
    ///
    /// # Errors
    /// Where there is none, or its keys are others.
    pub fn resource(&self, key: &KeyUri) -> Result<ResourceUri, Bad> {
        let part = self.resource.as_ref().ok_or(Bad("the answer holds no resource"))?;
        let others =
            part.key_uris.as_ref().is_some_and(|uris| !uris.iter().any(|uri| uri == key.as_str()));
        if others || !is_name(&part.uri) {
            return Err(Bad("the resource is not bound to the key"));
        }
        Ok(ResourceUri::new(&*part.uri))
    }

    /// What an answer that is not a success means.
    pub fn fault(&self) -> Fault {
        let next = match (self.status, self.error_code) {
            (_, Some(405_005 | 405_006)) => Next::KeyLost,
            (401, _) => Next::SignIn,
            (403, _) => Next::Denied,
            (404 | 410, _) => Next::Gone,
            (429, _) => Next::BackOff { after: None },
            (400..=498, _) => Next::Refused,
            _ => Next::Retry { after: None },
        };
        let code = match self.error_code {
            Some(code) => format!("KMS {} ({code})", self.status),
            None => format!("KMS {}", self.status),
        };
        let id = self.request_id.as_deref().map(str::to_owned);
        Fault::new(next, code).with_request_id(id)
    }
}

impl KeyPart<'_> {
    fn given(&self) -> Result<Given, Bad> {
        if self.jwk.kty != "oct" {
            return Err(Bad("the answer's key is not symmetric"));
        }
        if !is_name(&self.uri) {
            return Err(Bad("the answer's key has no name"));
        }
        let k = self.jwk.k.ok_or(Bad("the answer holds no key"))?;
        Ok(Given {
            uri: KeyUri::new(&*self.uri),
            octets: Octets::parse(k)?,
            expires: self.expiration_date.as_deref().and_then(time),
            resource: self.resource_uri.as_deref().map(ResourceUri::new),
        })
    }
}

/// The host of a `kms://host…` name, in lower case; nothing where it is not one.
pub fn host(name: &str) -> Option<String> {
    if !is_name(name) {
        return None;
    }
    let rest = name.strip_prefix("kms://")?;
    let host = rest.split('/').next().unwrap_or(rest);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!host.is_empty() && host.bytes().all(allowed)).then(|| host.to_ascii_lowercase())
}

/// Whether it is a `kms:` name that may be shown and stored.
pub fn is_name(name: &str) -> bool {
    name.starts_with("kms://")
        && name.len() <= 512
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte))
}

fn time(text: &str) -> Option<Time> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Time::from_ms(time.as_millisecond()))
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
