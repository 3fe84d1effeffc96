//! Tests of the lab's JOSE: what it refuses, and what another implementation wrote.

use super::*;

#[test]
fn what_is_sealed_opens_with_the_same_key_only() {
    let key = new_key();
    for sealed in [seal(&key, None, b"Budget"), seal_wrapped(&key, b"Budget")] {
        assert_eq!(open(&key, &sealed).unwrap(), b"Budget");
        assert!(open(&new_key(), &sealed).is_err());
    }
    assert!(is_sealed_field(&seal(&key, None, b"")));
    assert!(!is_sealed_field(&seal(&key, Some("kms://host/keys/1"), b"")));
    assert!(!is_sealed_field(&seal_wrapped(&key, b"")));
    assert!(!is_sealed_field("Budget"));
}

/// Written by node-jose 2.2.0 under the key of the bytes 0 to 31.
const FOREIGN: [[&str; 5]; 2] = [
    [
        "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiZGlyIn0",
        "",
        "Si0GIamgzjoA03AN",
        "wfe9Dn9jCsgMj9FoglhY9Uc",
        "ifs2psNJs7rQfjyUpzr7RQ",
    ],
    [
        "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiQTI1NktXIn0",
        "Iunn0HURaHJSrYXYF5QIz98Ol6WdmfJ14UCKn13LAdwn9yaZ93Wvsg",
        "NopKh_fUjytT2LyE",
        "0YbRZh30bIIGXRu7FrHtBN0",
        "jS-EV51MwiWEVQ-5NoW-VQ",
    ],
];

#[test]
fn what_another_implementation_sealed_opens() {
    let key: Key = std::array::from_fn(|place| place as u8);
    for parts in FOREIGN {
        let opened = open(&key, &parts.join(".")).unwrap();
        assert_eq!(opened, "Überblick 会議".as_bytes(), "{parts:?}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = new_key();
    for sealed in [seal(&key, None, b"Budget"), seal_wrapped(&key, b"Budget")] {
        let parts: Vec<&str> = sealed.split('.').collect();
        let mut tried = 0;
        for (place, part) in parts.iter().enumerate() {
            let bytes = decode(part).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let altered = encode(&bytes);
                let mut parts: Vec<&str> = parts.clone();
                parts[place] = &altered;
                assert!(open(&key, &parts.join(".")).is_err(), "part {place}, bit {bit}");
                tried += 1;
            }
        }
        assert!(tried > 8 * (NONCE + TAG));
    }
}

#[test]
fn a_second_spelling_of_the_same_bytes_is_refused() {
    assert!(decode("QQ").is_ok());
    for text in ["QR", "QQ==", "QQ=", "Q", "Q Q", "Q+/Q", "QQ\n"] {
        assert!(decode(text).is_err(), "{text:?}");
    }
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let key = new_key();
    for header in [
        json!({"alg": "dir", "enc": "A256GCM", "crit": ["exp"]}),
        json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}),
        json!({"alg": "dir", "enc": "A128GCM"}),
        json!({"alg": "dir"}),
        json!({"alg": "none", "enc": "A256GCM"}),
        json!({"alg": "RSA-OAEP", "enc": "A256GCM"}),
        json!({"alg": 1, "enc": "A256GCM"}),
        json!({"enc": "A256GCM"}),
        json!(["dir"]),
    ] {
        let sealed = write(&header, &[], &key, b"Budget");
        assert!(open(&key, &sealed).is_err(), "{header}");
    }
    let with_key = write(&json!({"alg": "dir", "enc": "A256GCM"}), &[0; 40], &key, b"Budget");
    assert_eq!(open(&key, &with_key), Err(Refused("dir with an encrypted key")));
}

#[test]
fn wrong_lengths_are_refused() {
    let key = new_key();
    let sealed = seal(&key, None, b"Budget");
    let parts: Vec<&str> = sealed.split('.').collect();
    let short = |place: usize| {
        let mut bytes = decode(parts[place]).unwrap();
        bytes.pop();
        let bytes = encode(&bytes);
        let mut parts = parts.clone();
        parts[place] = &bytes;
        parts.join(".")
    };
    assert_eq!(open(&key, &short(2)), Err(Refused("wrong length of the IV")));
    assert_eq!(open(&key, &short(4)), Err(Refused("wrong length of the tag")));
    assert!(open(&key, &parts[..4].join(".")).is_err());
    assert!(open(&key, &format!("{sealed}.")).is_err());
    assert!(open(&key, &"A".repeat(LONGEST + 1)).is_err());
}

#[test]
fn a_signature_is_bound_to_its_key_its_kid_and_its_payload() {
    let (key, other) = (RsaKey::generate(), RsaKey::generate());
    let signed = key.sign("kms://host", b"{}");
    let verify = |compact: &str| key.public().verify("kms://host", compact);
    assert_eq!(verify(&signed).unwrap(), b"{}");
    assert!(key.public().verify("kms://other", &signed).is_err());
    assert!(verify(&other.sign("kms://host", b"{}")).is_err());
    assert_eq!(verify(&unsigned("kms://host", b"{}")), Err(Refused("alg is not PS256")));
    let parts: Vec<&str> = signed.split('.').collect();
    let altered = [parts[0], &encode(b"{ }"), parts[2]].join(".");
    assert!(verify(&altered).is_err());
    assert!(verify(&format!("{}.{}.", parts[0], parts[1])).is_err());
}

#[test]
fn oaep_opens_with_the_private_half_only() {
    let (key, other) = (RsaKey::generate(), RsaKey::generate());
    let jwk = key.public().jwk();
    let sealed = RsaPublic::from_jwk(&jwk).unwrap().seal("kms://host", b"hello").unwrap();
    assert_eq!(key.open(&sealed).unwrap(), b"hello");
    assert!(other.open(&sealed).is_err());
    assert!(open(&new_key(), &sealed).is_err());
}

#[test]
fn both_sides_of_an_agreement_find_one_key() {
    let (here, there) = (Agreement::generate(), Agreement::generate());
    assert_eq!(here.shared(&there.jwk()).unwrap(), there.shared(&here.jwk()).unwrap());
    assert_ne!(here.shared(&here.jwk()).unwrap(), there.shared(&here.jwk()).unwrap());
    let mut off_the_curve = there.jwk();
    off_the_curve["y"] = off_the_curve["x"].clone();
    assert!(here.shared(&off_the_curve).is_err());
}
