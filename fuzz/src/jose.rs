//! JOSE: what was sealed opens, what was changed never does, and only the agreed header is
//! believed, whoever holds the key.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use calway::kms::jose::{self, Agreement, Key, Octets, Point, PublicKey};

const NAME: &str = "kms://kms.example";
/// 00 01 … 1f, the key of the vectors.
const K: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

static VECTORS: &str = include_str!("../../src/kms/testdata/jose.txt");
static KEY: LazyLock<Key> =
    LazyLock::new(|| Key::new(Octets::parse(K).expect("256 bits"), None).expect("a key"));
static SERVER: LazyLock<PublicKey> = LazyLock::new(|| {
    let n = jose::decode(vector("rsa-n")).expect("a modulus");
    PublicKey::new(NAME, n, vec![1, 0, 1]).expect("an RSA key")
});

fn vector(name: &str) -> &'static str {
    VECTORS
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no vector {name}"))
}

/// The first byte says what the rest is.
pub fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind % 7 {
        0 => message(rest),
        1 => header(rest),
        2 => sealed(rest),
        3 => changed(rest),
        4 => point(rest),
        5 => number(rest),
        _ => base64url(rest),
    }
}

/// Any text at all as a message.
fn message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known = |names: &[&str]| names.iter().any(|name| vector(name) == text);
    assert_eq!(KEY.open(text, None).is_ok(), known(&["dir", "dir-kid", "a256kw"]), "{text}");
    let named = KEY.open(text, Some("kms://kms.example/ecdhe/1"));
    assert_eq!(named.is_ok(), known(&["dir-kid"]), "{text}");
    assert_eq!(SERVER.verify(text).is_ok(), known(&["ps256"]), "{text}");
    let dots = text.matches('.').count();
    assert_eq!(jose::is_signed(text), dots == 2);
}

/// Sealed with the right key, under any header at all.
fn header(bytes: &[u8]) {
    let protected = URL_SAFE_NO_PAD.encode(bytes);
    let jwe = seal_under(&protected, b"text");
    let Ok(opened) = KEY.open(&jwe, None) else { return };
    assert_eq!(&opened[..], b"text");
    assert_eq!(opened.len(), 4);
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(text.trim_start().starts_with('{'), "{text}");
    // Members that nobody reads may hold numbers that nobody can.
    let Ok(header) = serde_json::from_str::<serde_json::Value>(text) else { return };
    assert_eq!((&header["alg"], &header["enc"]), (&"dir".into(), &"A256GCM".into()));
    for unknown in ["crit", "zip", "b64"] {
        assert!(header.get(unknown).is_none(), "{header}");
    }
    let kid = header["kid"].as_str();
    assert_eq!(
        KEY.open(&jwe, Some("kms://kms.example/other")).is_ok(),
        kid == Some("kms://kms.example/other")
    );
}

fn seal_under(protected: &str, text: &[u8]) -> String {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &octets()).expect("a key"));
    let iv = [0xa5; 12];
    let mut sealed = text.to_vec();
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(protected.as_bytes()),
            &mut sealed,
        )
        .expect("sealed");
    let parts = [&iv[..], &sealed, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{protected}..{}", parts.join("."))
}

fn octets() -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(K).expect("base64url")
}

/// Sealed, opened, and never opened again once a byte of it is another one.
fn sealed(bytes: &[u8]) {
    let Some((&[high, low, with], text)) = bytes.split_first_chunk::<3>() else { return };
    let jwe = KEY.seal(text).expect("sealed");
    assert_eq!(&**KEY.open(&jwe, None).expect("opened"), text);
    assert!(KEY.open(&jwe, Some(NAME)).is_err());
    let place = usize::from(u16::from_be_bytes([high, low]));
    refuses(&jwe, place, with, |jwe| KEY.open(jwe, None).is_ok());
}

/// The vectors of another implementation, with one byte changed.
fn changed(bytes: &[u8]) {
    let &[which, high, low, with, ..] = bytes else { return };
    let place = usize::from(u16::from_be_bytes([high, low]));
    match which % 4 {
        0 => refuses(vector("dir"), place, with, |jwe| KEY.open(jwe, None).is_ok()),
        1 => refuses(vector("dir-kid"), place, with, |jwe| KEY.open(jwe, None).is_ok()),
        2 => refuses(vector("a256kw"), place, with, |jwe| KEY.open(jwe, None).is_ok()),
        _ => refuses(vector("ps256"), place, with, |jws| SERVER.verify(jws).is_ok()),
    }
}

fn refuses(message: &str, place: usize, with: u8, opens: impl Fn(&str) -> bool) {
    let place = place % message.len();
    let mut bytes = message.as_bytes().to_vec();
    bytes[place] = with;
    if let Ok(changed) = String::from_utf8(bytes) {
        assert_eq!(opens(&changed), changed == message, "byte {place}: {changed}");
    }
    assert!(!opens(&message[..place]), "cut at {place}");
    let mut longer = message.to_owned();
    longer.insert(place, char::from(with & 0x7f));
    assert!(!opens(&longer), "one more at {place}: {longer}");
    let mut shorter = message.to_owned();
    shorter.remove(place);
    assert!(!opens(&shorter), "one less at {place}: {shorter}");
}

/// Any two texts as the other half of a key agreement.
fn point(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (x, y) = text.split_once('\n').unwrap_or((text, ""));
    let ours = Agreement::new().expect("a key pair");
    assert_eq!([ours.public().x.len(), ours.public().y.len()], [43, 43]);
    if ours.shared(Point { x, y }).is_ok() {
        assert_eq!([x.len(), y.len()], [43, 43]);
    }
}

/// Any two numbers as the public key of a server.
fn number(bytes: &[u8]) {
    let Some((&[long, odd], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (e, pattern) = rest.split_at(rest.len().min(usize::from(long % 10)));
    let mut n: Vec<u8> =
        pattern.iter().copied().cycle().take(if pattern.is_empty() { 0 } else { 256 }).collect();
    if let Some(last) = n.last_mut() {
        *last |= odd & 1;
    }
    let Ok(key) = PublicKey::new(NAME, n, e.to_vec()) else { return };
    // Whether it is a key at all, only the cipher knows.
    if let Ok(jwe) = key.seal(b"text") {
        assert!(KEY.open(&jwe, None).is_err(), "sealed for somebody else");
    }
    assert!(key.verify(vector("ps256")).is_err(), "signed by somebody else");
}

/// Base64url has one form for the same bytes.
fn base64url(bytes: &[u8]) {
    assert_eq!(jose::decode(&jose::encode(bytes)).as_deref(), Ok(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(decoded) = jose::decode(text) {
        assert_eq!(jose::encode(&decoded), text);
    }
    assert!(Octets::parse(text).is_err() || text.len() == 43);
}
