//! Keys, resources and authorizations, and who may do what with them.
//!
//! An unbound key is readable by its creator alone. A bound key is readable by everyone authorised
//! on its resource, and whoever is authorised may authorise others and bind new keys.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jose::{self, Key};

/// The most keys that one request can create, and the most names that one can carry.
pub(super) const MOST: usize = 500;

/// Why a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) reason: String,
    /// Where the object went, when it moved (status 301).
    pub(super) redirect: Option<String>,
}

impl Failure {
    pub(super) fn new(status: u16, code: u32, reason: impl Into<String>) -> Self {
        Self { status, code, reason: reason.into(), redirect: None }
    }
}

fn malformed(reason: &str) -> Failure {
    Failure::new(400, 400_001, reason)
}

fn not_authorised() -> Failure {
    Failure::new(403, 403_001, "The user is not authorised on the resource.")
}

fn unknown(what: &str) -> Failure {
    Failure::new(404, 404_001, format!("There is no such {what}."))
}

/// A request whose sender is known.
pub(super) struct Request<'a> {
    pub(super) user: &'a str,
    pub(super) client: &'a str,
    pub(super) method: &'a str,
    /// Without the server's address, from the slash on.
    pub(super) path: &'a str,
    pub(super) body: &'a Value,
}

#[derive(Clone)]
pub(super) struct KeyObject {
    pub(super) key: Key,
    user: String,
    client: String,
    created: Timestamp,
    expires: Timestamp,
    bound: Option<(String, Timestamp)>,
    pub(super) revoked: Option<u32>,
    pub(super) moved_to: Option<String>,
}

struct Authorization {
    uri: String,
    user: String,
    created: Timestamp,
}

#[derive(Default)]
struct Resource {
    keys: Vec<String>,
    authorizations: Vec<Authorization>,
}

impl Resource {
    fn admits(&self, user: &str) -> bool {
        self.authorizations.iter().any(|authorization| authorization.user == user)
    }

    fn authorise(&mut self, base: &str, user: &str, now: Timestamp) -> &Authorization {
        let found = self.authorizations.iter().position(|known| known.user == user);
        let place = found.unwrap_or_else(|| {
            let uri = format!("{base}/authorizations/{}", Uuid::new_v4());
            self.authorizations.push(Authorization { uri, user: user.into(), created: now });
            self.authorizations.len() - 1
        });
        &self.authorizations[place]
    }
}

/// Everything the key server keeps, by address (`kms://host/…`).
pub(super) struct Objects {
    base: String,
    unbound_life: Duration,
    bound_life: Duration,
    pub(super) keys: BTreeMap<String, KeyObject>,
    resources: BTreeMap<String, Resource>,
}

type Answer = Result<Value, Failure>;

impl Objects {
    pub(super) fn new(base: String, unbound_life: Duration, bound_life: Duration) -> Self {
        let (keys, resources) = Default::default();
        Self { base, unbound_life, bound_life, keys, resources }
    }

    /// The full address of `uri`, which may be relative; another server's is unknown here.
    pub(super) fn absolute(&self, uri: &str) -> Result<String, Failure> {
        let path = match uri.strip_prefix(&self.base) {
            Some(path) if path.is_empty() || path.starts_with('/') => path,
            None if !uri.contains("://") => uri,
            _ => return Err(unknown("server")),
        };
        Ok(format!("{}/{}", self.base, path.trim_start_matches('/')))
    }

    /// The operation that `request` asks for, with a status below 400 in the answer.
    pub(super) fn run(&mut self, request: &Request<'_>, now: Timestamp) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method, parts.as_slice()) {
            ("update", ["ping"]) => Ok(json!({"status": 200})),
            ("create", ["keys"]) => self.create_keys(request, now),
            ("retrieve", ["keys", id]) => self.retrieve_key(request, id),
            ("update", ["keys", id]) => self.bind(request, id, now),
            ("create", ["resources"]) => self.create_resource(request, now),
            ("retrieve", ["resources", id]) => self.retrieve_resource(request, id),
            ("retrieve", ["resources", id, "keys"]) => self.list_keys(request, id),
            ("create", ["authorizations"]) => self.authorise(request, now),
            ("retrieve", ["resources", id, "authorizations"]) => self.list(request, id, query),
            ("delete", ["resources", id, "authorizations"]) => self.withdraw(request, id, query),
            ("delete", ["authorizations", _]) => self.withdraw_one(request),
            ("create" | "retrieve" | "update" | "delete", _) => Err(unknown("object")),
            _ => Err(Failure::new(405, 405_001, "There is no such method.")),
        }
    }

    fn create_keys(&mut self, request: &Request<'_>, now: Timestamp) -> Answer {
        let count = request.body["count"].as_u64().unwrap_or(0) as usize;
        if count == 0 || count > MOST {
            return Err(malformed("count is not a number from 1 to 500."));
        }
        let keys: Vec<Value> = (0..count)
            .map(|_| {
                let uri = format!("{}/keys/{}", self.base, Uuid::new_v4());
                let object = KeyObject {
                    key: jose::new_key(),
                    user: request.user.into(),
                    client: request.client.into(),
                    created: now,
                    expires: now + self.unbound_life,
                    bound: None,
                    revoked: None,
                    moved_to: None,
                };
                let shown = show(&uri, &object);
                self.keys.insert(uri, object);
                shown
            })
            .collect();
        Ok(json!({"status": 201, "keys": keys}))
    }

    fn retrieve_key(&self, request: &Request<'_>, id: &str) -> Answer {
        let uri = format!("{}/keys/{id}", self.base);
        let object = self.keys.get(&uri).ok_or_else(|| unknown("key"))?;
        self.may_read(request.user, object)?;
        if let Some(target) = &object.moved_to {
            let mut failure = Failure::new(301, 301_002, "The key has moved.");
            failure.redirect = Some(target.clone());
            return Err(failure);
        }
        live(object)?;
        Ok(json!({"status": 200, "key": show(&uri, object)}))
    }

    fn may_read(&self, user: &str, object: &KeyObject) -> Result<(), Failure> {
        match &object.bound {
            None if object.user == user => Ok(()),
            None => Err(Failure::new(403, 403_002, "An unbound key is its creator's alone.")),
            Some((resource, _)) => self.admitted(user, resource).map(|_| ()),
        }
    }

    fn admitted(&self, user: &str, resource: &str) -> Result<&Resource, Failure> {
        let found = self.resources.get(resource).ok_or_else(|| unknown("resource"))?;
        if found.admits(user) { Ok(found) } else { Err(not_authorised()) }
    }

    fn bind(&mut self, request: &Request<'_>, id: &str, now: Timestamp) -> Answer {
        let uri = format!("{}/keys/{id}", self.base);
        let resource = request.body["resourceUri"].as_str();
        let resource =
            self.absolute(resource.ok_or_else(|| malformed("resourceUri is missing."))?)?;
        self.admitted(request.user, &resource)?;
        self.bindable(request.user, &uri, &resource, now)?;
        Ok(json!({"status": 200, "key": self.bind_now(&uri, &resource, now)}))
    }

    fn bindable(
        &self,
        user: &str,
        uri: &str,
        resource: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let object = self.keys.get(uri).ok_or_else(|| unknown("key"))?;
        if object.user != user {
            return Err(Failure::new(403, 403_002, "An unbound key is its creator's alone."));
        }
        live(object)?;
        match &object.bound {
            Some((bound, _)) if bound == resource => Ok(()),
            Some(_) => Err(Failure::new(409, 409_001, "The key is bound to another resource.")),
            None if object.expires <= now => {
                Err(Failure::new(410, 410_001, "The key expired before it was bound."))
            }
            None => Ok(()),
        }
    }

    fn bind_now(&mut self, uri: &str, resource: &str, now: Timestamp) -> Value {
        let Some(object) = self.keys.get_mut(uri) else {
            return Value::Null;
        };
        if object.bound.is_none() {
            object.bound = Some((resource.into(), now));
            object.expires = now + self.bound_life;
            self.resources.entry(resource.into()).or_default().keys.push(uri.into());
        }
        show(uri, object)
    }

    fn create_resource(&mut self, request: &Request<'_>, now: Timestamp) -> Answer {
        let users = names(request.body)?;
        let keys = strings(&request.body["keyUris"])?;
        let uri = format!("{}/resources/{}", self.base, Uuid::new_v4());
        let keys = keys.iter().map(|key| self.absolute(key)).collect::<Result<Vec<_>, _>>()?;
        for key in &keys {
            self.bindable(request.user, key, &uri, now)?;
        }
        let mut resource = Resource::default();
        resource.authorise(&self.base, request.user, now);
        for user in &users {
            resource.authorise(&self.base, user, now);
        }
        self.resources.insert(uri.clone(), resource);
        for key in &keys {
            self.bind_now(key, &uri, now);
        }
        Ok(json!({"status": 201, "resource": self.show_resource(&uri)}))
    }

    fn show_resource(&self, uri: &str) -> Value {
        let Some(resource) = self.resources.get(uri) else {
            return Value::Null;
        };
        let authorizations: Vec<&str> =
            resource.authorizations.iter().map(|known| known.uri.as_str()).collect();
        json!({"uri": uri, "keyUris": resource.keys, "authorizationUris": authorizations})
    }

    fn retrieve_resource(&self, request: &Request<'_>, id: &str) -> Answer {
        let uri = format!("{}/resources/{id}", self.base);
        self.admitted(request.user, &uri)?;
        Ok(json!({"status": 200, "resource": self.show_resource(&uri)}))
    }

    fn list_keys(&self, request: &Request<'_>, id: &str) -> Answer {
        let resource = self.admitted(request.user, &format!("{}/resources/{id}", self.base))?;
        let date = |name: &str| match &request.body[name] {
            Value::Null => Ok(None),
            Value::String(text) => {
                text.parse::<Timestamp>().map(Some).map_err(|_| malformed("not an RFC 3339 date."))
            }
            _ => Err(malformed("not an RFC 3339 date.")),
        };
        let (after, before) = (date("boundAfter")?, date("boundBefore")?);
        let mut found: Vec<(Timestamp, Value)> = resource
            .keys
            .iter()
            .filter_map(|uri| Some((uri, self.keys.get(uri)?)))
            .filter(|(_, key)| key.revoked.is_none() && key.moved_to.is_none())
            .filter_map(|(uri, key)| Some((key.bound.as_ref()?.1, show(uri, key))))
            .filter(|(bound, _)| after.is_none_or(|after| *bound >= after))
            .filter(|(bound, _)| before.is_none_or(|before| *bound < before))
            .collect();
        found.sort_by_key(|(bound, _)| std::cmp::Reverse(*bound));
        let most = request.body["count"].as_u64().map_or(MOST, |count| count as usize);
        let keys: Vec<Value> = found.into_iter().take(most).map(|(_, key)| key).collect();
        Ok(json!({"status": 200, "keys": keys}))
    }

    fn authorise(&mut self, request: &Request<'_>, now: Timestamp) -> Answer {
        let uri = request.body["resourceUri"].as_str();
        let uri = self.absolute(uri.ok_or_else(|| malformed("resourceUri is missing."))?)?;
        let users = names(request.body)?;
        if users.is_empty() {
            return Err(malformed("Neither userIds nor authIds name anyone."));
        }
        self.admitted(request.user, &uri)?;
        let resource = self.resources.entry(uri.clone()).or_default();
        let made: Vec<Value> = users
            .iter()
            .map(|user| show_authorization(resource.authorise(&self.base, user, now), &uri))
            .collect();
        Ok(json!({"status": 201, "authorizations": made}))
    }

    fn list(&self, request: &Request<'_>, id: &str, query: &str) -> Answer {
        let uri = format!("{}/resources/{id}", self.base);
        let wanted = auth_id(query);
        let found: Vec<Value> = self
            .admitted(request.user, &uri)?
            .authorizations
            .iter()
            .filter(|known| wanted.as_ref().is_none_or(|wanted| known.user == *wanted))
            .map(|known| show_authorization(known, &uri))
            .collect();
        Ok(json!({"status": 200, "authorizations": found}))
    }

    fn withdraw(&mut self, request: &Request<'_>, id: &str, query: &str) -> Answer {
        let uri = format!("{}/resources/{id}", self.base);
        let wanted = auth_id(query).ok_or_else(|| malformed("authId is missing."))?;
        self.admitted(request.user, &uri)?;
        let gone = self.remove(&uri, |known| known.user == wanted)?;
        Ok(json!({"status": 200, "authorizations": [gone]}))
    }

    fn withdraw_one(&mut self, request: &Request<'_>) -> Answer {
        let uri = self.absolute(request.path)?;
        let has = |resource: &Resource| resource.authorizations.iter().any(|a| a.uri == uri);
        let found = self.resources.iter().find(|(_, resource)| has(resource));
        let owner = found.ok_or_else(|| unknown("authorization"))?.0.clone();
        self.admitted(request.user, &owner)?;
        let gone = self.remove(&owner, |known| known.uri == uri)?;
        Ok(json!({"status": 200, "authorization": gone}))
    }

    fn remove(
        &mut self,
        uri: &str,
        matches: impl Fn(&Authorization) -> bool,
    ) -> Result<Value, Failure> {
        let resource = self.resources.get_mut(uri).ok_or_else(|| unknown("resource"))?;
        let place = resource.authorizations.iter().position(matches);
        let gone = resource.authorizations.remove(place.ok_or_else(|| unknown("authorization"))?);
        Ok(show_authorization(&gone, uri))
    }

    /// Who is authorised on the resource of the key at `uri`.
    pub(super) fn readers(&self, uri: &str) -> Vec<String> {
        let bound = self.keys.get(uri).and_then(|key| key.bound.as_ref());
        let resource = bound.and_then(|(resource, _)| self.resources.get(resource));
        resource.map_or_else(Vec::new, |resource| {
            resource.authorizations.iter().map(|known| known.user.clone()).collect()
        })
    }

    /// The address of the resource that the key at `uri` is bound to.
    pub(super) fn resource_of(&self, uri: &str) -> Option<String> {
        self.keys.get(uri)?.bound.as_ref().map(|(resource, _)| resource.clone())
    }

    /// Moves the key at `uri` to another address, and answers the new one.
    pub(super) fn migrate(&mut self, uri: &str) -> Option<String> {
        let target = format!("{}/keys/{}", self.base, Uuid::new_v4());
        let object = self.keys.get_mut(uri)?;
        let moved = object.clone();
        object.moved_to = Some(target.clone());
        self.keys.insert(target.clone(), moved);
        Some(target)
    }
}

fn live(object: &KeyObject) -> Result<(), Failure> {
    object.revoked.map_or(Ok(()), |code| Err(Failure::new(405, code, "The key was revoked.")))
}

pub(super) fn date(at: Timestamp) -> String {
    let to_the_ms = Timestamp::from_millisecond(at.as_millisecond());
    format!("{:.3}", to_the_ms.unwrap_or(at))
}

fn show(uri: &str, object: &KeyObject) -> Value {
    let mut shown = json!({
        "uri": uri,
        "jwk": {"kty": "oct", "kid": uri, "k": jose::encode(&object.key)},
        "userId": object.user,
        "clientId": object.client,
        "createDate": date(object.created),
        "expirationDate": date(object.expires),
    });
    if let Some((resource, bound)) = &object.bound {
        shown["bindDate"] = json!(date(*bound));
        shown["resourceUri"] = json!(resource);
    }
    shown
}

fn show_authorization(known: &Authorization, resource: &str) -> Value {
    json!({
        "uri": known.uri,
        "authId": known.user,
        "createDate": date(known.created),
        "resourceUri": resource,
    })
}

/// Whom a request names: `userIds`, as clients send it, or `authIds`, as the draft has it.
fn names(body: &Value) -> Result<Vec<String>, Failure> {
    let mut names = strings(&body["userIds"])?;
    names.extend(strings(&body["authIds"])?);
    if names.len() > MOST { Err(malformed("Too many names.")) } else { Ok(names) }
}

fn strings(value: &Value) -> Result<Vec<String>, Failure> {
    let text = |item: &Value| match item.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(malformed("A list holds what is not a name.")),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) if items.len() <= MOST => items.iter().map(text).collect(),
        _ => Err(malformed("Not a list, or too long a list.")),
    }
}

fn auth_id(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix("authId=")).map(form_decode)
}

/// The text of one `application/x-www-form-urlencoded` value.
pub(crate) fn form_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            (other, _) => {
                bytes.push(if *other == b'+' { b' ' } else { *other });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
