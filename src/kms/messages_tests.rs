//! Each request as its text, each answer as what it means.

use super::*;
use serde_json::{Value, json};

const ASKER: Asker<'static> = Asker { client_id: "c-1", user_id: "u-1", bearer: "t-1" };

fn asked(ask: Ask<'_>) -> Value {
    let text = request(ask, ASKER, "r-1").unwrap();
    let mut value: Value = serde_json::from_slice(&text).unwrap();
    let client = value.as_object_mut().unwrap().remove("client");
    let credential = json!({"userId": "u-1", "bearer": "t-1"});
    assert_eq!(client, Some(json!({"clientId": "c-1", "credential": credential})));
    assert_eq!(value.as_object_mut().unwrap().remove("requestId"), Some(json!("r-1")));
    value
}

#[test]
fn requests_are_written_as_the_protocol_has_them() {
    let (key, resource) = (KeyUri::new("kms://h/keys/1"), ResourceUri::new("kms://h/resources/1"));
    let half = Point { x: "X", y: "Y" };
    assert_eq!(
        asked(Ask::Agree { destination: "kms://h", half }),
        json!({"method": "create", "uri": "kms://h/ecdhe",
               "jwk": {"kty": "EC", "crv": "P-256", "x": "X", "y": "Y"}})
    );
    assert_eq!(asked(Ask::Ping), json!({"method": "update", "uri": "/ping"}));
    assert_eq!(
        asked(Ask::CreateKeys { count: 20 }),
        json!({"method": "create", "uri": "/keys", "count": 20})
    );
    assert_eq!(
        asked(Ask::ReadKey { key: "kms://h/keys/1" }),
        json!({"method": "retrieve", "uri": "kms://h/keys/1"})
    );
    assert_eq!(
        asked(Ask::BindKey { key: &key, resource: &resource }),
        json!({"method": "update", "uri": "kms://h/keys/1", "resourceUri": "kms://h/resources/1"})
    );
    assert_eq!(
        asked(Ask::CreateResource { key: &key, user: &UserId::new("alice-id") }),
        json!({"method": "create", "uri": "/resources", "keyUris": ["kms://h/keys/1"],
               "userIds": ["alice-id"]})
    );
}

#[test]
fn a_request_never_grows_and_leaves_the_token_behind() {
    let bearer = "t".repeat(9000);
    let asker = Asker { bearer: &bearer, ..ASKER };
    let text = request(Ask::Ping, asker, "r-1").unwrap();
    let room = 1024 + 6 * (bearer.len() + 6);
    assert_eq!(text.capacity(), room);
}

fn key_answer() -> Value {
    json!({"status": 200, "requestId": "r-1", "key": {
        "uri": "kms://h/keys/1", "userId": "u-1", "resourceUri": "kms://h/resources/1",
        "jwk": {
            "kty": "oct",
            "kid": "kms://h/keys/1",
            "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        },
        "createDate": "2026-03-03T10:00:00.000Z", "expirationDate": "2026-03-04T10:00:00.250Z"}})
}

fn given(answer: &Value) -> Result<Given, Bad> {
    Reply::read(answer.to_string().as_bytes()).and_then(|reply| reply.key())
}

#[test]
fn a_key_is_read_with_what_it_is_bound_to_and_its_end() {
    let key = given(&key_answer()).unwrap();
    assert_eq!(key.uri.as_str(), "kms://h/keys/1");
    assert_eq!(key.resource, Some(ResourceUri::new("kms://h/resources/1")));
    assert_eq!(key.expires, Some(Time::from_ms(1_772_618_400_250)));
}

#[test]
fn a_key_that_cannot_seal_is_refused() {
    for (path, value) in [
        ("/key/jwk/kty", json!("RSA")),
        ("/key/jwk/k", json!("AAAA")),
        ("/key/jwk/k", json!("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")),
        ("/key/jwk/k", json!(7)),
        ("/key/uri", json!("https://h/keys/1")),
        ("/key/uri", json!("kms://h/keys/\"1")),
        ("/key", json!(null)),
        ("/key", json!([])),
        ("/status", json!("200")),
    ] {
        let mut answer = key_answer();
        *answer.pointer_mut(path).unwrap() = value;
        assert!(given(&answer).is_err(), "{path}: {answer}");
    }
    assert!(Reply::read(b"\xff").is_err());
    assert!(Reply::read(b"[]").is_err());
    let none = json!({"status": 201, "keys": []}).to_string();
    assert!(Reply::read(none.as_bytes()).unwrap().keys().is_err());
}

#[test]
fn nothing_of_a_key_is_shown() {
    let text = key_answer().to_string();
    let reply = Reply::read(text.as_bytes()).unwrap();
    assert!(!format!("{reply:?} {:?}", reply.key()).contains("BwcH"));
}

#[test]
fn a_resource_must_hold_the_key_it_was_made_with() {
    let resource = |uris: Value| {
        let answer = json!({"status": 201, "requestId": "r-1",
            "resource": {"uri": "kms://h/resources/1", "keyUris": uris}})
        .to_string();
        Reply::read(answer.as_bytes()).unwrap().resource(&KeyUri::new("kms://h/keys/1"))
    };
    let made = Ok(ResourceUri::new("kms://h/resources/1"));
    assert_eq!(resource(json!(["kms://h/keys/1"])), made);
    assert_eq!(resource(json!(null)), made);
    assert!(resource(json!(["kms://h/keys/2"])).is_err());
    assert!(resource(json!([])).is_err());
}

#[test]
fn an_agreed_key_is_of_the_same_host_and_curve() {
    let answer = json!({"status": 201, "requestId": "r-1", "key": {"uri": "kms://H/ecdhe/1",
        "jwk": {"kty": "EC", "crv": "P-256", "x": "X", "y": "Y"},
        "createDate": "2026-03-03T10:00:00Z", "expirationDate": "2026-03-03T11:00:00Z"}});
    let lasts = |answer: &Value, host: &str| {
        let text = answer.to_string();
        let reply = Reply::read(text.as_bytes()).unwrap();
        let agreed = reply.agreed(host)?;
        Ok(agreed.expires.unwrap().since(agreed.created.unwrap()).as_ms())
    };
    assert_eq!(lasts(&answer, "h"), Ok(3_600_000));
    assert_eq!(lasts(&answer, "i"), Err(Bad("the shared key is of another host")));
    for (path, value) in [("/key/jwk/crv", json!("P-384")), ("/key/jwk/kty", json!("OKP"))] {
        let mut other = answer.clone();
        *other.pointer_mut(path).unwrap() = value;
        assert_eq!(lasts(&other, "h"), Err(Bad("the answer's key is not of P-256")));
    }
}

#[test]
fn a_failure_says_what_to_do_next() {
    let fault = |status: u16, code: u32| {
        let text = json!({"status": status, "errorCode": code, "requestId": "r-1",
            "reason": "user alice@corp.example"})
        .to_string();
        Reply::read(text.as_bytes()).unwrap().fault()
    };
    let next = |status, code| fault(status, code).next;
    assert_eq!(next(405, 405_005), Next::KeyLost);
    assert_eq!(next(405, 405_006), Next::KeyLost);
    assert_eq!(next(405, 405_001), Next::Refused);
    assert_eq!(next(401, 401_001), Next::SignIn);
    assert_eq!(next(403, 403_001), Next::Denied);
    assert_eq!(next(404, 404_001), Next::Gone);
    assert_eq!(next(400, 400_001), Next::Refused);
    assert_eq!(next(429, 429_001), Next::BackOff { after: None });
    assert_eq!(next(500, 500_001), Next::Retry { after: None });
    assert_eq!(next(302, 0), Next::Retry { after: None });
    assert_eq!(fault(403, 403_001).to_string(), "KMS 403 (403001) (request r-1)");
}

#[test]
fn a_redirection_is_one_only_with_its_code() {
    let redirect = |answer: Value| {
        let text = answer.to_string();
        Reply::read(text.as_bytes()).unwrap().redirect().map(str::to_owned)
    };
    let target = "kms://h/keys/2";
    let moved = json!({"status": 301, "errorCode": 301_002, "redirectUri": target});
    assert_eq!(redirect(moved), Some(target.into()));
    assert_eq!(redirect(json!({"status": 301, "redirectUri": target})), None);
    assert_eq!(redirect(json!({"status": 200, "errorCode": 301_002, "redirectUri": target})), None);
}

#[test]
fn a_name_has_a_host_or_is_none() {
    assert_eq!(host("kms://KMS.example/keys/1"), Some("kms.example".into()));
    assert_eq!(host("kms://kms.example"), Some("kms.example".into()));
    for bad in
        ["", "kms:", "kms://", "kms:///keys", "https://h", "kms://h:1/x", "kms://u@h/", "kms://h /"]
    {
        assert_eq!(host(bad), None, "{bad:?}");
    }
}
