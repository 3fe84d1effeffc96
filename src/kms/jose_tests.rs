//! Vectors made by another implementation, and everything that must be refused.

use super::*;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

const NAME: &str = "kms://kms.example";

fn vector(name: &str) -> &'static str {
    include_str!("testdata/jose.txt")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no vector {name}"))
}

fn octets() -> Octets {
    let bytes: Vec<u8> = (0..32).collect();
    Octets::copy(&bytes).unwrap()
}

fn key() -> Key {
    Key::new(octets(), None).unwrap()
}

fn server() -> PublicKey {
    PublicKey::new(NAME, decode(vector("rsa-n")).unwrap(), vec![1, 0, 1]).unwrap()
}

#[test]
fn what_another_implementation_sealed_is_opened() {
    let opened = key().open(vector("dir"), None).unwrap();
    assert_eq!(*opened, "Quartalsplanung – Zürich ☕".as_bytes());
    let kid = Some("kms://kms.example/ecdhe/1");
    assert_eq!(*key().open(vector("dir-kid"), kid).unwrap(), b"{}");
    assert_eq!(*key().open(vector("a256kw"), None).unwrap(), b"wrapped");
}

#[test]
fn a_message_under_another_kid_is_refused() {
    let other = Some("kms://kms.example/ecdhe/2");
    assert_eq!(key().open(vector("dir-kid"), other), Err(Bad("sealed with another key")));
    assert_eq!(key().open(vector("dir"), other), Err(Bad("sealed with another key")));
}

#[test]
fn what_is_sealed_has_the_agreed_form_and_opens_again() {
    let long = "ä".repeat(5000);
    for text in ["", "x", "xy", "xyz", "Budget 2027", long.as_str()] {
        let jwe = key().seal(text.as_bytes()).unwrap();
        assert!(jwe.starts_with("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.."), "{jwe}");
        assert_eq!(*key().open(&jwe, None).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_key_that_rested_seals_with_ivs_that_it_never_gave_before() {
    let key = key();
    let iv = |key: &Key| parts::<5>(&key.seal(b"x").unwrap()).unwrap()[2].to_owned();
    let mut ivs = std::collections::HashSet::new();
    for _ in 0..20 {
        assert!(ivs.insert(iv(&key)));
        assert!(key.ready.lock().unwrap().is_some());
        key.rest();
        assert!(key.ready.lock().unwrap().is_none());
    }
    let sealed = key.seal(b"after a rest").unwrap();
    key.rest();
    assert_eq!(&*key.open(&sealed, None).unwrap(), b"after a rest");
}

#[test]
fn no_two_ivs_are_the_same() {
    let key = key();
    let seal = |_| key.seal(b"x").unwrap().split('.').nth(2).unwrap().to_owned();
    let ivs: std::collections::HashSet<String> = (0..2000).map(seal).collect();
    assert_eq!(ivs.len(), 2000);
}

/// Every byte of the text, changed in every way that keeps it base64url or a dot, is refused.
fn refuses_each_change(message: &str, open: impl Fn(&str) -> bool) {
    assert!(open(message));
    for place in 0..message.len() {
        for bit in 0..7 {
            let mut bytes = message.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(!open(&changed), "bit {bit} of byte {place}: {changed}");
        }
        assert!(!open(&message[..place]), "cut at {place}");
        let longer = format!("{}A{}", &message[..place], &message[place..]);
        assert!(!open(&longer), "one more at {place}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    refuses_each_change(vector("dir"), |jwe| key().open(jwe, None).is_ok());
    refuses_each_change(vector("a256kw"), |jwe| key().open(jwe, None).is_ok());
    let server = server();
    refuses_each_change(vector("ps256"), |jws| server.verify(jws).is_ok());
}

#[test]
fn padding_white_space_and_more_parts_are_refused() {
    let jwe = vector("dir");
    for bad in [
        format!("{jwe}="),
        format!("{jwe}\n"),
        format!(" {jwe}"),
        format!("{jwe}."),
        format!(".{jwe}"),
        String::new(),
        "....".into(),
    ] {
        assert!(key().open(&bad, None).is_err(), "{bad:?}");
    }
}

fn with_header(header: &str) -> Result<(), Bad> {
    // Sealed under that very header, so that nothing but the header can be the reason.
    let gcm = gcm(&octets()).unwrap();
    let mut jwe = Vec::new();
    seal_in(&gcm, (&encode(header.as_bytes()), ""), [7; NONCE_LEN], b"x", &mut jwe).unwrap();
    key().open(std::str::from_utf8(&jwe).unwrap(), None).map(|_| ())
}

#[test]
fn only_the_agreed_header_is_believed() {
    assert_eq!(with_header(r#"{"alg":"dir","enc":"A256GCM"}"#), Ok(()));
    assert_eq!(with_header(r#"{"enc":"A256GCM","alg":"dir","typ":"JWE","cty":"x"}"#), Ok(()));
    for bad in [
        r#"{"alg":"none","enc":"A256GCM"}"#,
        r#"{"alg":"DIR","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A128GCM"}"#,
        r#"{"alg":"dir","enc":"a256gcm"}"#,
        r#"{"alg":"dir"}"#,
        r#"{"enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM"}"#,
        r#"{"alg":"ECDH-ES","enc":"A256GCM"}"#,
        r#"{"alg":"A256KW","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM","crit":[]}"#,
        r#"{"alg":"dir","enc":"A256GCM","crit":["exp"],"exp":1}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"dir","alg":"none","enc":"A256GCM"}"#,
        r#"{"alg":["dir"],"enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM""#,
        r#"{"alg":"dir","enc":"A256GCM","crit":null}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":null}"#,
        r#"["dir"]"#,
        r#"["dir","A256GCM",null]"#,
        r#"["dir","A256GCM",null,false,false,false]"#,
        "",
    ] {
        assert!(with_header(bad).is_err(), "{bad}");
    }
}

#[test]
fn parts_of_a_wrong_length_are_refused() {
    let jwe = vector("dir");
    let parts: Vec<&str> = jwe.split('.').collect();
    let with = |place: usize, part: &str| {
        let mut parts = parts.clone();
        parts[place] = part;
        key().open(&parts.join("."), None)
    };
    assert_eq!(with(1, "AAAA"), Err(Bad("dir with an encrypted key")));
    assert_eq!(with(2, &encode(&[0; 16])), Err(Bad("an IV of a wrong length")));
    assert_eq!(with(2, ""), Err(Bad("an IV of a wrong length")));
    assert_eq!(with(4, &encode(&[0; 12])), Err(Bad("a tag of a wrong length")));
    assert_eq!(with(4, ""), Err(Bad("a tag of a wrong length")));
}

#[test]
fn another_key_opens_nothing() {
    let other = Key::new(Octets::random().unwrap(), None).unwrap();
    assert_eq!(other.open(vector("dir"), None), Err(Bad("does not open")));
    assert_eq!(other.open(vector("a256kw"), None), Err(Bad("does not open")));
}

#[test]
fn a_key_is_256_bits_in_its_one_form() {
    assert!(Octets::parse(&encode(&[7; 32])).is_ok());
    for bad in [encode(&[7; 31]), encode(&[7; 33]), format!("{}=", encode(&[7; 32]))] {
        assert!(Octets::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    let shown = format!("{:?} {:?}", octets(), key());
    assert_eq!(shown, "Octets(…) Key(…)");
}

#[test]
fn a_signature_of_the_server_is_believed_and_no_other() {
    let server = server();
    assert_eq!(server.verify(vector("ps256")).as_deref(), Ok(&br#"{"status":201}"#[..]));
    for (name, why) in [
        ("rs256", "alg is not PS256"),
        ("rs256-as-ps256", "the signature is wrong"),
        ("ps256-crit", "a header that asks for what is not known"),
        ("ps256-b64", "a header that asks for what is not known"),
        ("ps256-other-kid", "signed by another key"),
        ("ps256-no-kid", "signed by another key"),
        ("dir", "not a compact message"),
    ] {
        assert_eq!(server.verify(vector(name)), Err(Bad(why)), "{name}");
    }
    let payload = encode(br#"{"status":201}"#);
    let none = format!("{}.{payload}.", encode(br#"{"alg":"none","kid":"kms://kms.example"}"#));
    assert_eq!(server.verify(&none), Err(Bad("alg is not PS256")));
    let hmac =
        format!("{}.{payload}.AAAA", encode(br#"{"alg":"HS256","kid":"kms://kms.example"}"#));
    assert_eq!(server.verify(&hmac), Err(Bad("alg is not PS256")));
    let empty = format!("{}.{payload}.", encode(br#"{"alg":"PS256","kid":"kms://kms.example"}"#));
    assert_eq!(server.verify(&empty), Err(Bad("a signature of a wrong length")));
}

#[test]
fn no_iv_comes_twice_and_a_key_that_is_made_ready_again_begins_elsewhere() {
    let iv = |jwe: &str| jwe.split('.').nth(2).unwrap().to_owned();
    let (one, other) = (key(), key());
    let mut ivs: Vec<_> =
        (0..300).flat_map(|_| [&one, &other].map(|key| iv(&key.seal(b"x").unwrap()))).collect();
    ivs.sort();
    ivs.dedup();
    assert_eq!(ivs.len(), 600);
}

fn without_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

#[test]
fn the_holder_of_the_private_half_opens_what_is_sealed_for_it() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let (_, public) = RSAPublicKey::from_der(pair.public_key().as_ref()).unwrap();
    let (n, e) = (without_zeros(public.modulus), without_zeros(public.exponent));
    let jwe = PublicKey::new(NAME, n, e).unwrap().seal(b"hello").unwrap();
    let [protected, wrapped, iv, text, tag] = parts(&jwe).unwrap();
    let header = String::from_utf8(decode(protected).unwrap()).unwrap();
    assert_eq!(header, r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"kms://kms.example"}"#);
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).unwrap();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    let mut room = vec![0; private.min_output_size()];
    let wrapped = decode(wrapped).unwrap();
    let content = private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut room, None).unwrap();
    let content = gcm(&Octets::copy(content).unwrap()).unwrap();
    assert_eq!(*open_in(&content, protected, iv, text, tag).unwrap(), b"hello");
}

#[test]
fn short_long_and_padded_rsa_numbers_are_refused() {
    let e = vec![1, 0, 1];
    for n in [vec![0xff; 128], vec![0xff; 1025], [&[0][..], &[0xff; 256]].concat(), vec![]] {
        assert!(PublicKey::new(NAME, n, e.clone()).is_err());
    }
    assert!(PublicKey::new(NAME, vec![0xff; 256], vec![]).is_err());
    assert!(PublicKey::new(NAME, vec![0xff; 256], vec![0, 3]).is_err());
}

#[test]
fn both_sides_of_an_agreement_come_to_the_same_key() {
    let (ours, theirs) = (Agreement::new().unwrap(), Agreement::new().unwrap());
    let (x, y) = (theirs.x.clone(), theirs.y.clone());
    let (our_x, our_y) = (ours.x.clone(), ours.y.clone());
    let one = ours.shared(Point { x: &x, y: &y }).unwrap();
    let two = theirs.shared(Point { x: &our_x, y: &our_y }).unwrap();
    assert_eq!(*one.0, *two.0);
}

#[test]
fn the_shared_key_is_derived_as_agreed() {
    let x: Vec<u8> = (0..32).map(|i: u16| (i * 7 % 256) as u8).collect();
    let hex: String = derive(&x).unwrap().0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, vector("hkdf"));
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let zero = encode(&[0; 32]);
    let ours = Agreement::new().unwrap();
    let x = ours.x.clone();
    for (x, y) in [(&*zero, &*zero), (&*x, &*zero), ("", ""), (&*x, &*encode(&[1; 31]))] {
        assert!(Agreement::new().unwrap().shared(Point { x, y }).is_err(), "{x} {y}");
    }
}
