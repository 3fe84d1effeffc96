//! The key server's words: the messages of an answer, what each says, and the static key.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calway::kms::anchor::Anchors;
use calway::kms::messages::{self, Ask, Asker, Delivered, Reply};
use calway::model::{KeyUri, Next, ResourceUri, Time, UserId};
use calway::net::{Trust, tls};

const HOST: &str = "kms.example";
/// 2030-01-01, when the certificates of the tests are good.
const NOW: Time = Time::from_ms(1_893_456_000_000);

static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| {
    let root = include_str!("../../src/kms/testdata/certificates.txt")
        .lines()
        .find_map(|line| line.strip_prefix("root "))
        .expect("a root");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{root}\n-----END CERTIFICATE-----\n");
    Anchors {
        roots: Trust::only(pem).roots().expect("a root"),
        algorithms: tls::provider().signature_verification_algorithms,
        host: None,
    }
});

/// Reads the bytes as each of the answers.
pub fn check(bytes: &[u8]) {
    if let Ok(delivered) = serde_json::from_slice::<Delivered<'_>>(bytes) {
        for message in &delivered.kms_messages {
            reply(message.as_bytes());
        }
    }
    reply(bytes);
    static_key(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        name(text);
        asked(text);
    }
}

fn reply(bytes: &[u8]) {
    let Ok(reply) = Reply::read(bytes) else { return };
    let _ = format!("{reply:?}");
    if let Ok(agreed) = reply.agreed(HOST) {
        assert_eq!(messages::host(agreed.uri).as_deref(), Some(HOST));
    }
    let keys = [reply.key().map(|key| vec![key]), reply.keys()];
    for given in keys.into_iter().flatten() {
        assert!(!given.is_empty());
        for key in given {
            assert!(messages::is_name(key.uri.as_str()));
            // It is never shown.
            assert!(!format!("{:?}", key.octets).contains('['));
            if let Ok(resource) = reply.resource(&key.uri) {
                assert!(messages::is_name(resource.as_str()));
            }
        }
    }
    let fault = reply.fault();
    assert!(fault.cause.code.starts_with("KMS ") && fault.cause.code.len() <= 200);
    assert_ne!(fault.next, Next::CursorLost);
    assert_eq!(reply.is_reset(), reply.status == 499);
    assert!(reply.redirect().is_none() || reply.status == 301);
}

/// A name is known by its host, and that in one form.
fn name(text: &str) {
    let Some(host) = messages::host(text) else { return };
    assert!(messages::is_name(text));
    assert_eq!(host, host.to_ascii_lowercase());
    assert_eq!(messages::host(&format!("kms://{host}")), Some(host));
}

/// Whatever is asked is one JSON object that says it.
fn asked(text: &str) {
    let asker = Asker { client_id: "calway", user_id: text, bearer: text };
    let (key, resource) = (KeyUri::new(text), ResourceUri::new(text));
    let user = UserId::new(text);
    for ask in [
        Ask::ReadKey { key: text },
        Ask::BindKey { key: &key, resource: &resource },
        Ask::CreateResource { key: &key, user: &user },
    ] {
        let request = messages::request(ask, asker, text).expect("a request");
        let json: serde_json::Value = serde_json::from_slice(&request).expect("JSON");
        assert_eq!(json["requestId"], text);
        assert_eq!(json["client"]["credential"]["bearer"], text);
    }
}

/// A static key that is accepted is the one of its certificate, and of the host that is named.
fn static_key(bytes: &[u8]) {
    let Ok(server) = ANCHORS.judge(bytes, NOW) else { return };
    assert_eq!(messages::host(server.key.kid()), Some(server.host.clone()));
    assert_eq!(server.destination, format!("kms://{}", server.host));
    let json: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let jwk = json["rsaPublicKey"].as_str().expect("a JWK");
    let jwk: serde_json::Value = serde_json::from_str(jwk).expect("JSON");
    let leaf = STANDARD.decode(jwk["x5c"][0].as_str().expect("a leaf")).expect("base64");
    let n = calway::kms::jose::decode(jwk["n"].as_str().expect("n")).expect("base64url");
    assert!(leaf.windows(n.len()).any(|part| part == n), "the key of the certificate");
}
