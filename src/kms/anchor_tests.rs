//! Static keys that are what they say, and all the others.

use super::*;
use crate::net::tls;
use serde_json::json;

fn certificate(name: &str) -> &'static str {
    include_str!("testdata/certificates.txt")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no certificate {name}"))
}

/// 2030-01-01, when all certificates are good.
const NOW: Time = Time::from_ms(1_893_456_000_000);

fn anchors(root: &str, host: Option<&str>) -> Anchors {
    let mut roots = RootCertStore::empty();
    roots.add(STANDARD.decode(certificate(root)).unwrap().into()).unwrap();
    let algorithms = tls::provider().signature_verification_algorithms;
    Anchors { roots, algorithms, host: host.map(str::to_owned) }
}

fn numbers(name: &str) -> (Vec<u8>, Vec<u8>) {
    let der = STANDARD.decode(certificate(name)).unwrap();
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    match leaf.public_key().parsed() {
        Ok(SubjectKey::RSA(key)) => (minimal(key.modulus), minimal(key.exponent)),
        _ => (vec![0xff; 256], vec![1, 0, 1]),
    }
}

/// The answer of an honest server with the chain `chain`, its leaf first.
fn jwk(chain: &[&str]) -> serde_json::Value {
    let (n, e) = numbers(chain[0]);
    let x5c: Vec<&str> = chain.iter().map(|name| certificate(name)).collect();
    json!({"kty": "RSA", "kid": "kms://kms.example", "use": "enc",
        "n": jose::encode(&n), "e": jose::encode(&e), "x5c": x5c})
}

fn judge(anchors: &Anchors, jwk: &serde_json::Value, now: Time) -> Result<Server, Bad> {
    let served = json!({"kmsCluster": "kms://kms.example", "rsaPublicKey": jwk.to_string()});
    anchors.judge(served.to_string().as_bytes(), now)
}

fn why(anchors: &Anchors, jwk: &serde_json::Value, now: Time) -> &'static str {
    judge(anchors, jwk, now).map_or_else(|bad| bad.0, |_| "")
}

#[test]
fn a_good_chain_is_accepted() {
    let anchors = anchors("root", Some("KMS.example"));
    for chain in [&["san"][..], &["cn"], &["deep", "mid"], &["deep", "mid", "root"]] {
        let server = judge(&anchors, &jwk(chain), NOW).unwrap();
        assert_eq!((&*server.host, &*server.destination), ("kms.example", "kms://kms.example"));
        assert_eq!(server.key.kid(), "kms://kms.example");
    }
}

#[test]
fn a_chain_that_leads_elsewhere_is_refused() {
    let unknown = "the static key's certificate does not lead to a configured anchor";
    assert_eq!(why(&anchors("stranger", None), &jwk(&["san"]), NOW), unknown);
    assert_eq!(why(&anchors("root", None), &jwk(&["deep"]), NOW), unknown);
    assert_eq!(why(&anchors("root", None), &jwk(&["deep", "san"]), NOW), unknown);
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let other = "the static key's certificate names another host";
    let anchors = anchors("root", None);
    for chain in ["other", "wild"] {
        assert_eq!(why(&anchors, &jwk(&[chain]), NOW), other, "{chain}");
    }
    let mut elsewhere = jwk(&["san"]);
    elsewhere["kid"] = json!("kms://evil.example");
    let cluster = "the static key is of another host than its cluster";
    assert_eq!(why(&anchors, &elsewhere, NOW), cluster);
    let configured = super::tests::anchors("root", Some("own.example"));
    let known = "the static key is of another host than configured";
    assert_eq!(why(&configured, &jwk(&["san"]), NOW), known);
}

#[test]
fn numbers_that_are_not_the_certificates_are_refused() {
    let anchors = anchors("root", None);
    let not_its = "the static key is not the one of its certificate";
    let mut swapped = jwk(&["san"]);
    swapped["n"] = jwk(&["cn"])["n"].clone();
    assert_eq!(why(&anchors, &swapped, NOW), not_its);
    let mut small = jwk(&["san"]);
    small["e"] = json!("Aw");
    assert_eq!(why(&anchors, &small, NOW), not_its);
}

#[test]
fn time_is_the_one_handed_in() {
    let anchors = anchors("root", None);
    let late = Time::from_ms(4_102_444_800_000);
    let expired = "the static key's certificate has expired";
    assert_eq!(why(&anchors, &jwk(&["san"]), late), expired);
    let early = "the static key's certificate is not valid yet";
    assert_eq!(why(&anchors, &jwk(&["san"]), Time::from_ms(1_000)), early);
}

#[test]
fn a_static_key_of_another_form_is_refused() {
    let anchors = anchors("root", None);
    for (member, value) in [
        ("kty", json!("EC")),
        ("kid", json!("https://kms.example")),
        ("kid", json!(null)),
        ("x5c", json!([])),
        ("x5c", json!(null)),
        ("x5c", json!(["AAAA"])),
        ("x5c", json!(["not base64"])),
        ("x5c", json!(vec![certificate("san"); 9])),
        ("n", json!("")),
        ("n", json!("A===")),
    ] {
        let mut jwk = jwk(&["san"]);
        jwk[member] = value;
        assert_ne!(why(&anchors, &jwk, NOW), "", "{member}");
    }
    for chain in ["ec", "short"] {
        assert_ne!(why(&anchors, &jwk(&[chain]), NOW), "", "{chain}");
    }
    assert!(anchors.judge(b"{}", NOW).is_err());
    assert!(anchors.judge(b"\x00", NOW).is_err());
}
