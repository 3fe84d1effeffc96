//! Tests of the key server: the protocol step by step, and who may do what.

use serde_json::{Value, json};

use super::*;
use crate::jose::RsaPublic;

/// A client that does no more than the protocol asks.
struct Client {
    kms: Kms,
    bearer: String,
    key: Key,
    uri: String,
    next: u32,
}

fn kms() -> Kms {
    Kms::new(Options::default())
}

fn who(bearer: &str) -> Value {
    json!({"clientId": "test", "credential": {"userId": "anyone", "bearer": bearer}})
}

/// The static key that a careless client takes as it comes.
fn public(kms: &Kms) -> (RsaPublic, String) {
    let answer = kms.static_key();
    let jwk: Value = serde_json::from_str(answer["rsaPublicKey"].as_str().unwrap()).unwrap();
    let kid = jwk["kid"].as_str().unwrap().to_owned();
    assert_eq!(answer["kmsCluster"], kid.as_str());
    (RsaPublic::from_jwk(&jwk).unwrap(), kid)
}

/// `create /ecdhe`: the answer as it came, and our side.
fn agree(kms: &Kms, bearer: &str) -> (String, Agreement) {
    let (public, kid) = public(kms);
    let mine = Agreement::generate();
    let request = json!({
        "method": "create",
        "uri": format!("{kid}/ecdhe"),
        "requestId": "hello",
        "jwk": mine.jwk(),
        "client": who(bearer),
    });
    (kms.answer(&public.seal(&kid, request.to_string().as_bytes()).unwrap()), mine)
}

impl Client {
    fn new(kms: &Kms, user: &str) -> Self {
        let bearer = kms.tokens().issue(user, Duration::from_secs(60));
        let (answer, mine) = agree(kms, &bearer);
        let answer = signed(kms, &answer);
        assert_eq!((&answer["status"], &answer["requestId"]), (&json!(201), &json!("hello")));
        let key = mine.shared(&answer["key"]["jwk"]).unwrap();
        let uri = answer["key"]["uri"].as_str().unwrap().to_owned();
        Self { kms: kms.clone(), bearer, key, uri, next: 0 }
    }

    fn seal(&mut self, mut request: Value) -> (String, String) {
        self.next += 1;
        let id = format!("request-{}", self.next);
        request["requestId"] = json!(id);
        request["client"] = who(&self.bearer);
        (id, jose::seal(&self.key, Some(&self.uri), request.to_string().as_bytes()))
    }

    fn ask(&mut self, request: Value) -> Value {
        let (id, sealed) = self.seal(request);
        let answer = self.kms.answer(&sealed);
        assert_eq!(jose::peek(&answer).unwrap().kid.as_deref(), Some(self.uri.as_str()));
        let answer: Value =
            serde_json::from_slice(&jose::open(&self.key, &answer).unwrap()).unwrap();
        assert_eq!(answer["requestId"], id.as_str());
        answer
    }

    /// What a server that has forgotten the shared key says.
    fn ask_in_vain(&mut self, request: Value) -> Value {
        let (_, sealed) = self.seal(request);
        signed(&self.kms, &self.kms.answer(&sealed))
    }

    fn new_key(&mut self) -> String {
        let answer = self.ask(json!({"method": "create", "uri": "/keys", "count": 1}));
        assert_eq!(answer["status"], 201);
        answer["keys"][0]["uri"].as_str().unwrap().into()
    }

    fn new_resource(&mut self, keys: &[&str], users: &[&str]) -> String {
        let answer = self.ask(json!({
            "method": "create", "uri": "/resources", "keyUris": keys, "userIds": users,
        }));
        assert_eq!(answer["status"], 201, "{answer}");
        answer["resource"]["uri"].as_str().unwrap().into()
    }

    fn retrieve(&mut self, uri: &str) -> Value {
        self.ask(json!({"method": "retrieve", "uri": uri}))
    }
}

fn signed(kms: &Kms, answer: &str) -> Value {
    let (public, kid) = public(kms);
    serde_json::from_slice(&public.verify(&kid, answer).unwrap()).unwrap()
}

fn code(answer: &Value) -> (u64, u64) {
    assert!(answer["reason"].is_string(), "{answer}");
    (answer["status"].as_u64().unwrap(), answer["errorCode"].as_u64().unwrap())
}

#[test]
fn ping_answers_under_the_shared_key() {
    let kms = kms();
    let mut client = Client::new(&kms, "alice");
    for uri in ["/ping", "ping", "kms://kms.lab.example/ping"] {
        assert_eq!(client.ask(json!({"method": "update", "uri": uri}))["status"], 200);
    }
    let elsewhere = client.ask(json!({"method": "update", "uri": "kms://other.example/ping"}));
    assert_eq!(code(&elsewhere), (404, 404_001));
    let near = client.ask(json!({"method": "update", "uri": "kms://kms.lab.example.org/ping"}));
    assert_eq!(code(&near), (404, 404_001));
    assert_eq!(kms.count("update /ping"), 3);
}

#[test]
fn an_unbound_key_is_its_creators_alone() {
    let kms = kms();
    let (mut alice, mut bob) = (Client::new(&kms, "alice"), Client::new(&kms, "bob"));
    let answer = alice.ask(json!({"method": "create", "uri": "/keys", "count": 2}));
    let key = &answer["keys"][0];
    let uri = key["uri"].as_str().unwrap();
    assert_eq!(answer["keys"].as_array().unwrap().len(), 2);
    assert_eq!((&key["userId"], &key["clientId"]), (&json!("alice"), &json!("test")));
    assert_eq!((&key["jwk"]["kty"], &key["jwk"]["kid"]), (&json!("oct"), &json!(uri)));
    assert_eq!(jose::decode(key["jwk"]["k"].as_str().unwrap()).unwrap().len(), 32);
    assert!(key.get("bindDate").is_none() && key.get("resourceUri").is_none());
    assert_eq!(alice.retrieve(uri)["key"], *key);
    assert_eq!(code(&bob.retrieve(uri)), (403, 403_002));
    let take = json!({"method": "create", "uri": "/resources", "keyUris": [uri]});
    assert_eq!(code(&bob.ask(take)), (403, 403_002));
    assert_eq!(code(&alice.retrieve("/keys/none")), (404, 404_001));
    for count in [json!(0), json!(501), json!("2"), Value::Null] {
        let answer = alice.ask(json!({"method": "create", "uri": "/keys", "count": count}));
        assert_eq!(code(&answer), (400, 400_001));
    }
}

#[test]
fn a_bound_key_is_readable_by_whom_the_resource_admits() {
    let kms = kms();
    let (mut alice, mut bob) = (Client::new(&kms, "alice"), Client::new(&kms, "bob"));
    let mut carol = Client::new(&kms, "carol");
    let key = alice.new_key();
    let resource = alice.new_resource(&[&key], &["bob"]);
    let shown = bob.retrieve(&key);
    assert_eq!(shown["key"]["resourceUri"], resource.as_str());
    assert!(shown["key"]["bindDate"].is_string());
    assert_eq!(code(&carol.retrieve(&key)), (403, 403_001));
    // Whoever is admitted may admit others, under either name of the member.
    let admit = json!({
        "method": "create", "uri": "/authorizations", "resourceUri": resource,
        "authIds": ["carol"],
    });
    assert_eq!(code(&carol.ask(admit.clone())), (403, 403_001));
    let made = bob.ask(admit);
    assert_eq!(
        (&made["status"], &made["authorizations"][0]["authId"]),
        (&json!(201), &json!("carol"))
    );
    assert_eq!(carol.retrieve(&key)["status"], 200);
    assert_eq!(kms.readers(&key), ["alice", "bob", "carol"]);
    let list = format!("{resource}/authorizations");
    assert_eq!(carol.retrieve(&list)["authorizations"].as_array().unwrap().len(), 3);
    let one = carol.retrieve(&format!("{list}?authId=bob"));
    assert_eq!(one["authorizations"].as_array().unwrap().len(), 1);
    let gone = carol.ask(json!({"method": "delete", "uri": format!("{list}?authId=bob")}));
    assert_eq!(
        (&gone["status"], &gone["authorizations"][0]["authId"]),
        (&json!(200), &json!("bob"))
    );
    assert_eq!(code(&bob.retrieve(&key)), (403, 403_001));
    let nobody = carol.ask(json!({"method": "delete", "uri": list}));
    assert_eq!(code(&nobody), (400, 400_001));
    let uri = made["authorizations"][0]["uri"].as_str().unwrap();
    assert_eq!(alice.ask(json!({"method": "delete", "uri": uri}))["status"], 200);
    assert_eq!(kms.readers(&key), ["alice"]);
}

#[test]
fn an_authorization_asked_for_twice_is_one() {
    let kms = kms();
    let mut alice = Client::new(&kms, "alice");
    let key = alice.new_key();
    let resource = alice.new_resource(&[&key], &["bob", "bob", "alice"]);
    let shown = alice.retrieve(&resource);
    assert_eq!(shown["resource"]["authorizationUris"].as_array().unwrap().len(), 2);
    let again = json!({
        "method": "create", "uri": "/authorizations", "resourceUri": resource,
        "userIds": ["bob"],
    });
    let answer = alice.ask(again);
    assert_eq!(answer["authorizations"][0]["uri"], shown["resource"]["authorizationUris"][1]);
}

#[test]
fn a_resource_that_cannot_be_made_whole_is_not_made() {
    let kms = kms();
    let mut alice = Client::new(&kms, "alice");
    let (bound, free) = (alice.new_key(), alice.new_key());
    alice.new_resource(&[&bound], &[]);
    let create = json!({"method": "create", "uri": "/resources", "keyUris": [free, bound]});
    assert_eq!(code(&alice.ask(create)), (409, 409_001));
    assert!(alice.retrieve(&free)["key"].get("bindDate").is_none());
}

#[test]
fn a_new_key_takes_over_and_the_old_one_stays_readable() {
    let kms = kms();
    let (mut alice, mut bob) = (Client::new(&kms, "alice"), Client::new(&kms, "bob"));
    let first = alice.new_key();
    let resource = alice.new_resource(&[&first], &["bob"]);
    let second = alice.new_key();
    let bind = json!({"method": "update", "uri": second, "resourceUri": resource});
    let bound = alice.ask(bind.clone());
    assert_eq!(bound["key"]["resourceUri"], resource.as_str());
    // The same again changes nothing; another resource is refused.
    assert_eq!(alice.ask(bind)["key"], bound["key"]);
    let other = alice.new_resource(&[], &[]);
    let elsewhere = json!({"method": "update", "uri": second, "resourceUri": other});
    assert_eq!(code(&alice.ask(elsewhere)), (409, 409_001));
    for uri in [&first, &second] {
        assert_eq!(bob.retrieve(uri)["status"], 200);
    }
    let all = bob.retrieve(&format!("{resource}/keys"));
    assert_eq!(all["keys"].as_array().unwrap().len(), 2);
    let list = json!({"method": "retrieve", "uri": format!("{resource}/keys"), "count": 1});
    assert_eq!(bob.ask(list)["keys"].as_array().unwrap().len(), 1);
    let after = json!({
        "method": "retrieve", "uri": format!("{resource}/keys"),
        "boundAfter": "2999-01-01T00:00:00Z",
    });
    assert_eq!(bob.ask(after)["keys"].as_array().unwrap().len(), 0);
}

#[test]
fn a_key_that_expired_unbound_cannot_be_bound() {
    let kms = kms();
    let mut alice = Client::new(&kms, "alice");
    let (key, resource) = (alice.new_key(), alice.new_resource(&[], &[]));
    kms.advance(Duration::from_secs(3601));
    let mut alice = Client::new(&kms, "alice");
    let bind = json!({"method": "update", "uri": key, "resourceUri": resource});
    assert_eq!(code(&alice.ask(bind)), (410, 410_001));
}

#[test]
fn revoked_and_moved_keys_say_so() {
    let kms = kms();
    let mut alice = Client::new(&kms, "alice");
    let (revoked, moved) = (alice.new_key(), alice.new_key());
    alice.new_resource(&[&revoked, &moved], &["bob"]);
    kms.revoke(&revoked, REVOKED);
    assert_eq!(code(&alice.retrieve(&revoked)), (405, 405_005));
    kms.revoke(&revoked, REVOKED_BY_ORGANISATION);
    assert_eq!(code(&alice.retrieve(&revoked)), (405, 405_006));
    let target = kms.migrate(&moved).unwrap();
    let answer = alice.retrieve(&moved);
    assert_eq!(code(&answer), (301, 301_002));
    assert_eq!(answer["redirectUri"], target.as_str());
    assert_eq!(alice.retrieve(&target)["key"]["uri"], target.as_str());
    let mut bob = Client::new(&kms, "mallory");
    assert_eq!(code(&bob.retrieve(&moved)), (403, 403_001));
}

#[test]
fn a_bearer_that_is_not_good_opens_nothing() {
    let kms = kms();
    let (answer, _) = agree(&kms, "guess");
    assert_eq!(code(&signed(&kms, &answer)), (401, 401_001));
    let mut alice = Client::new(&kms, "alice");
    kms.tokens().revoke("alice");
    let ping = json!({"method": "update", "uri": "/ping"});
    assert_eq!(code(&alice.ask(ping.clone())), (401, 401_001));
    alice.bearer = kms.tokens().issue("bob", Duration::from_secs(60));
    assert_eq!(code(&alice.ask(ping.clone())), (403, 403_003));
    alice.bearer = format!("Bearer {}", kms.tokens().issue("alice", Duration::from_secs(60)));
    assert_eq!(alice.ask(ping)["status"], 200);
}

#[test]
fn a_shared_key_ends_by_time_by_request_and_by_forgetting() {
    let kms = kms();
    let ping = json!({"method": "update", "uri": "/ping"});
    let mut alice = Client::new(&kms, "alice");
    kms.advance(Duration::from_secs(3601));
    let answer = alice.ask_in_vain(ping.clone());
    assert_eq!(code(&answer), (499, 499_001));
    assert_eq!(answer["requestId"], "request-1");
    let mut alice = Client::new(&kms, "alice");
    kms.forget_sessions();
    let answer = alice.ask_in_vain(ping.clone());
    assert_eq!(answer["status"], 499);
    assert!(answer.get("requestId").is_none());
    let mut alice = Client::new(&kms, "alice");
    let uri = alice.uri.clone();
    assert_eq!(alice.ask(json!({"method": "delete", "uri": uri}))["status"], 204);
    assert_eq!(alice.ask_in_vain(ping)["status"], 499);
    assert_eq!(kms.sessions(), 0);
}

#[test]
fn what_cannot_be_read_is_answered_with_a_reset() {
    let kms = kms();
    let alice = Client::new(&kms, "alice");
    let (public, kid) = public(&kms);
    for message in [
        "",
        "a.b.c.d.e",
        &jose::seal(&[1; 32], Some(&alice.uri), b"{}"),
        &jose::seal(&alice.key, Some(&alice.uri), b"nonsense"),
        &jose::seal(&alice.key, None, b"{}"),
        &public.seal("kms://other.example", b"{}").unwrap(),
        &jose::RsaKey::generate().public().seal(&kid, b"{}").unwrap(),
    ] {
        assert_eq!(signed(&kms, &kms.answer(message))["status"], 499, "{message}");
    }
    let empty = public.seal(&kid, b"{}").unwrap();
    assert_eq!(code(&signed(&kms, &kms.answer(&empty))), (401, 401_001));
}

#[test]
fn the_static_key_is_for_the_agreement_only() {
    let kms = kms();
    let bearer = kms.tokens().issue("alice", Duration::from_secs(60));
    let (public, kid) = public(&kms);
    let request = json!({
        "method": "create", "uri": "/keys", "count": 1, "requestId": "x",
        "client": who(&bearer),
    });
    let answer = kms.answer(&public.seal(&kid, request.to_string().as_bytes()).unwrap());
    assert_eq!(code(&signed(&kms, &answer)), (400, 400_001));
}

#[test]
fn each_fault_of_the_agreement_shows() {
    let kms = kms();
    let bearer = kms.tokens().issue("alice", Duration::from_secs(60));
    let (public, kid) = public(&kms);
    let after = |fault| {
        kms.faults().next(Place::Agreement, fault);
        public.verify(&kid, &agree(&kms, &bearer).0)
    };
    for fault in [Fault::WrongSigner, Fault::AlgNone, Fault::TamperPayload] {
        assert!(after(fault.clone()).is_err(), "{fault:?}");
    }
    let parse = |payload: Vec<u8>| serde_json::from_slice::<Value>(&payload).unwrap();
    let wrong_id = parse(after(Fault::WrongRequestId).unwrap());
    assert_ne!(wrong_id["requestId"], "hello");
    let error = parse(after(Fault::Error { status: 429, code: 1 }).unwrap());
    assert_eq!(code(&error), (429, 1));
    assert_eq!(code(&parse(after(Fault::ResetSession).unwrap())), (499, 499_001));
    assert_eq!(kms.faults().waiting(), 0);
}

#[test]
fn each_fault_of_a_request_shows() {
    let kms = kms();
    let ping = json!({"method": "update", "uri": "/ping"});
    let mut alice = Client::new(&kms, "alice");
    kms.faults().next(Place::Operation("create /keys"), Fault::Error { status: 500, code: 7 });
    assert_eq!(alice.ask(ping.clone())["status"], 200);
    let create = json!({"method": "create", "uri": "/keys", "count": 1});
    assert_eq!(code(&alice.ask(create)), (500, 7));
    kms.faults().next(Place::Request, Fault::TamperPayload);
    let (_, sealed) = alice.seal(ping.clone());
    assert!(jose::open(&alice.key, &kms.answer(&sealed)).is_err());
    kms.faults().next(Place::Request, Fault::ResetSession);
    assert_eq!(alice.ask_in_vain(ping.clone())["status"], 499);
    assert_eq!(alice.ask_in_vain(ping)["status"], 499);
}

#[tokio::test]
async fn a_careful_client_refuses_every_spoilt_static_key() {
    use crate::cloud;
    let cloud = cloud::Cloud::start(cloud::Options::default()).await.unwrap();
    let ping = json!({"method": "update", "uri": "/ping"});
    for fault in [
        Fault::ForeignChain,
        Fault::MismatchedCertificate,
        Fault::WrongHost,
        Fault::Expired,
        Fault::NoChain,
    ] {
        let person = cloud.person(&format!("{fault:?}"));
        cloud.kms().faults().next(Place::StaticKey, fault.clone());
        assert!(person.ask_kms(ping.clone()).await.is_err(), "{fault:?}");
        assert_eq!(person.ask_kms(ping.clone()).await.unwrap()["status"], 200, "{fault:?}");
    }
    let person = cloud.person("alice");
    for fault in [Fault::WrongSigner, Fault::AlgNone, Fault::TamperPayload] {
        cloud.kms().faults().next(Place::Agreement, fault.clone());
        assert!(person.ask_kms(ping.clone()).await.is_err(), "{fault:?}");
    }
    assert_eq!(person.ask_kms(ping.clone()).await.unwrap()["status"], 200);
    cloud.kms().faults().next(Place::Request, Fault::ForgetSession);
    assert_eq!(person.ask_kms(ping.clone()).await.unwrap()["status"], 200);
    cloud.kms().faults().next(Place::Post, Fault::Unavailable(Some(1)));
    assert_eq!(person.ask_kms(ping).await.unwrap_err().status, 503);
}
