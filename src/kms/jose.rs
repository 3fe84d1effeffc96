//! The part of JOSE that the key server speaks, and not a bit more: compact JWE and JWS.
//!
//! Written: `dir` and RSA-OAEP, each with A256GCM (RFC 7516, RFC 7518). Read: `dir` and A256KW with
//! A256GCM, and PS256. Refused: every other `alg` and `enc`, `none` above all; `crit`, `zip` and
//! headers that say a thing twice; base64url that is not the one form of its bytes; parts of a
//! wrong length; whatever is longer than [`LONGEST`].

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

use super::ivs::Ivs;

/// The longest message that is read or written, in bytes.
pub const LONGEST: usize = 8 << 20;

const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;
/// A key of 32 bytes wrapped by A256KW (RFC 3394).
const WRAPPED_LEN: usize = 40;
/// RSA keys of 2048 to 8192 bits, in bytes.
const RSA_LEN: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a message is refused. It tells nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Bad {}

/// Base64url without padding (RFC 7515, 2).
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64url, which has one form only: no padding, no white space, no bits to spare.
///
/// # Errors
/// Where it has another form.
pub fn decode(text: &str) -> Result<Vec<u8>, Bad> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Bad("not base64url in its one form"))
}

/// 256 bits of a symmetric key, wiped when dropped.
#[derive(Clone)]
pub struct Octets(Zeroizing<[u8; KEY_LEN]>);

impl Octets {
    /// A random one.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn random() -> Result<Self, Bad> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rand::fill(&mut *bytes).map_err(|_| Bad("no randomness"))?;
        Ok(Self(bytes))
    }

    /// The member `k` of a JWK.
    ///
    /// # Errors
    /// Where it is not 256 bits.
    pub fn parse(k: &str) -> Result<Self, Bad> {
        let decoded = Zeroizing::new(decode(k)?);
        Self::copy(&decoded)
    }

    fn copy(bytes: &[u8]) -> Result<Self, Bad> {
        let mut own = Zeroizing::new([0; KEY_LEN]);
        if bytes.len() != KEY_LEN {
            return Err(Bad("a key is not 256 bits"));
        }
        own.copy_from_slice(bytes);
        Ok(Self(own))
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Octets(…)")
    }
}

/// A symmetric key: seals with `dir`, opens `dir` and A256KW.
pub struct Key {
    /// Made ready with the first text, and until it rests: it takes a kilobyte and more.
    ready: Mutex<Option<LessSafeKey>>,
    octets: Octets,
    /// The protected header of what is sealed with it, as base64url; also its AAD.
    header: String,
    ivs: Ivs,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Takes a key. With `kid`, what is sealed names it.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn new(octets: Octets, kid: Option<&str>) -> Result<Self, Bad> {
        let header = match kid {
            None => String::from(r#"{"alg":"dir","enc":"A256GCM"}"#),
            Some(kid) => {
                let kid = serde_json::Value::from(kid);
                format!(r#"{{"alg":"dir","enc":"A256GCM","kid":{kid}}}"#)
            }
        };
        let header = encode(header.as_bytes());
        Ok(Self { ready: Mutex::default(), octets, header, ivs: Ivs::new()? })
    }

    /// Seals with an IV of its own. 2^32 messages are the most for one key (SP 800-38D, 8.3); a
    /// key of ours serves one mailbox for a day.
    ///
    /// # Errors
    /// Where the cipher fails, or the text is beyond [`LONGEST`].
    pub fn seal(&self, plain: &[u8]) -> Result<String, Bad> {
        let mut out = Vec::new();
        self.seal_into(plain, &mut out)?;
        String::from_utf8(out).map_err(|_| Bad("base64url is not text"))
    }

    /// As [`Key::seal`], and appends what is sealed.
    ///
    /// # Errors
    /// As [`Key::seal`]; nothing is appended then.
    pub fn seal_into(&self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let gcm = match &mut *ready {
            Some(gcm) => gcm,
            none => none.insert(gcm(&self.octets)?),
        };
        seal_in(gcm, (&self.header, ""), self.ivs.next(), plain, out)
    }

    /// Nothing is sealed for a while. The next text makes the key ready anew.
    pub fn rest(&self) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens a compact JWE. With `kid`, only one that names it.
    ///
    /// # Errors
    /// Where anything at all is not as it must be.
    pub fn open(&self, jwe: &str, kid: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Bad> {
        let [protected, wrapped, iv, text, tag] = parts(jwe)?;
        let header = Header::read(protected)?;
        if header.enc.as_deref() != Some("A256GCM") {
            return Err(Bad("enc is not A256GCM"));
        }
        if kid.is_some() && header.kid.as_deref() != kid {
            return Err(Bad("sealed with another key"));
        }
        match header.alg.as_str() {
            "dir" if wrapped.is_empty() => open_in(&gcm(&self.octets)?, protected, iv, text, tag),
            "dir" => Err(Bad("dir with an encrypted key")),
            "A256KW" => open_in(&gcm(&self.unwrap(wrapped)?)?, protected, iv, text, tag),
            _ => Err(Bad("alg is not allowed here")),
        }
    }

    fn unwrap(&self, wrapped: &str) -> Result<Octets, Bad> {
        let wrapped = decode(wrapped)?;
        if wrapped.len() != WRAPPED_LEN {
            return Err(Bad("a wrapped key of a wrong length"));
        }
        let mut room = Zeroizing::new([0; WRAPPED_LEN]);
        let kek = AesKek::new(&AES_256, &*self.octets.0).map_err(|_| Bad("the cipher failed"))?;
        let own = kek.unwrap(&wrapped, &mut *room).map_err(|_| Bad("does not open"))?;
        Octets::copy(own)
    }
}

fn gcm(octets: &Octets) -> Result<LessSafeKey, Bad> {
    let key = UnboundKey::new(&AES_256_GCM, &*octets.0).map_err(|_| Bad("the cipher failed"))?;
    Ok(LessSafeKey::new(key))
}

/// Appends the message; `head` is its first two parts. The text is sealed in its place behind the
/// room for its base64url, so that it lies nowhere else.
fn seal_in(
    key: &LessSafeKey,
    (header, wrapped): (&str, &str),
    iv: [u8; NONCE_LEN],
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Bad> {
    if plain.len() > LONGEST / 2 {
        return Err(Bad("too long"));
    }
    let before = out.len();
    let room = base64::encoded_len(plain.len(), false).ok_or(Bad("too long"))?;
    out.reserve(header.len() + wrapped.len() + room + plain.len() + 48);
    out.extend_from_slice(header.as_bytes());
    out.push(b'.');
    out.extend_from_slice(wrapped.as_bytes());
    out.push(b'.');
    push_encoded(&iv, out)?;
    out.push(b'.');
    let begin = out.len();
    out.resize(begin + room, 0);
    out.extend_from_slice(plain);
    let (coded, text) = out.split_at_mut(begin + room);
    let coded = coded.get_mut(begin..).ok_or(Bad("too long"))?;
    let nonce = Nonce::assume_unique_for_key(iv);
    let sealed = key
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), text)
        .map_err(|_| Bad("the cipher failed"))
        .and_then(|tag| match URL_SAFE_NO_PAD.encode_slice(&*text, coded) {
            Ok(length) if length == room => Ok(tag),
            _ => Err(Bad("base64url of another length")),
        });
    let tag = match sealed {
        Ok(tag) => tag,
        Err(bad) => {
            text.zeroize();
            out.truncate(before);
            return Err(bad);
        }
    };
    out.truncate(begin + room);
    out.push(b'.');
    push_encoded(tag.as_ref(), out)
}

/// For an IV or a tag.
fn push_encoded(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    let mut room = [0; 24];
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut room).map_err(|_| Bad("too long"))?;
    out.extend_from_slice(room.get(..length).ok_or(Bad("too long"))?);
    Ok(())
}

fn open_in(
    key: &LessSafeKey,
    header: &str,
    iv: &str,
    text: &str,
    tag: &str,
) -> Result<Zeroizing<Vec<u8>>, Bad> {
    let iv = decode(iv)?.try_into().map_err(|_| Bad("an IV of a wrong length"))?;
    let tag = decode(tag)?;
    if tag.len() != TAG_LEN {
        return Err(Bad("a tag of a wrong length"));
    }
    let mut sealed = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3 + TAG_LEN));
    URL_SAFE_NO_PAD
        .decode_vec(text, &mut sealed)
        .map_err(|_| Bad("not base64url in its one form"))?;
    sealed.extend_from_slice(&tag);
    let nonce = Nonce::assume_unique_for_key(iv);
    let length = key
        .open_in_place(nonce, Aad::from(header.as_bytes()), &mut sealed)
        .map_err(|_| Bad("does not open"))?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

/// What a protected header says. Names that are not here are passed over, as RFC 7515 wants,
/// unless they change what the rest means.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    enc: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    zip: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

/// Whatever its value is, `null` too.
fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl Header {
    fn read(part: &str) -> Result<Self, Bad> {
        if part.len() > 4096 {
            return Err(Bad("a header that is too long"));
        }
        let json = String::from_utf8(decode(part)?).map_err(|_| Bad("not a header"))?;
        // An array of the same values would be read as well.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(Bad("not a header"));
        }
        let header: Self = serde_json::from_str(&json).map_err(|_| Bad("not a header"))?;
        if header.crit || header.zip || header.b64 {
            return Err(Bad("a header that asks for what is not known"));
        }
        Ok(header)
    }
}

fn parts<const N: usize>(compact: &str) -> Result<[&str; N], Bad> {
    if compact.len() > LONGEST {
        return Err(Bad("too long"));
    }
    let mut split = compact.split('.');
    let mut parts = [""; N];
    for part in &mut parts {
        *part = split.next().ok_or(Bad("not a compact message"))?;
    }
    if split.next().is_some() { Err(Bad("not a compact message")) } else { Ok(parts) }
}

/// Whether it has the three parts of a JWS. The key server answers with one only where there is no
/// shared key.
pub fn is_signed(compact: &str) -> bool {
    compact.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The public half of the key server's own key: RSA of 2048 to 8192 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kid: String,
    n: Vec<u8>,
    e: Vec<u8>,
}

impl PublicKey {
    /// A key of its numbers, big-endian without leading zeros.
    ///
    /// # Errors
    /// Where they have another form, or the key is too short or too long.
    pub fn new(kid: impl Into<String>, n: Vec<u8>, e: Vec<u8>) -> Result<Self, Bad> {
        let minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
        if !minimal(&n) || !minimal(&e) || e.len() > 8 || !RSA_LEN.contains(&n.len()) {
            return Err(Bad("an RSA key of 2048 to 8192 bits is needed"));
        }
        Ok(Self { kid: kid.into(), n, e })
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Seals for the holder of the private half: RSA-OAEP with SHA-1, A256GCM.
    ///
    /// # Errors
    /// Where the cipher or the source of randomness fails.
    pub fn seal(&self, plain: &[u8]) -> Result<String, Bad> {
        let failed = |_| Bad("the cipher or the source of randomness failed");
        let key: PublicEncryptingKey =
            self.components().try_into().map_err(|_| Bad("no RSA key"))?;
        let key = OaepPublicEncryptingKey::new(key).map_err(failed)?;
        let content = Octets::random()?;
        let mut room = vec![0; key.ciphertext_size()];
        let wrapped =
            key.encrypt(&OAEP_SHA1_MGF1SHA1, &*content.0, &mut room, None).map_err(failed)?;
        let kid = serde_json::Value::from(self.kid.as_str());
        let header = format!(r#"{{"alg":"RSA-OAEP","enc":"A256GCM","kid":{kid}}}"#);
        let (header, wrapped) = (encode(header.as_bytes()), encode(wrapped));
        let mut out = Vec::new();
        seal_in(&gcm(&content)?, (&header, &wrapped), Ivs::new()?.next(), plain, &mut out)?;
        String::from_utf8(out).map_err(|_| Bad("base64url is not text"))
    }

    /// The payload of a compact JWS that this key signed with PS256, under its own name.
    ///
    /// # Errors
    /// Where anything at all is not as it must be.
    pub fn verify(&self, jws: &str) -> Result<Vec<u8>, Bad> {
        let [protected, payload, signature] = parts(jws)?;
        let header = Header::read(protected)?;
        if header.alg != "PS256" {
            return Err(Bad("alg is not PS256"));
        }
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return Err(Bad("signed by another key"));
        }
        let signature = decode(signature)?;
        if signature.len() != self.n.len() {
            return Err(Bad("a signature of a wrong length"));
        }
        let payload_bytes = decode(payload)?;
        let signed = jws.get(..protected.len() + 1 + payload.len()).ok_or(Bad("too short"))?;
        self.components()
            .verify(&RSA_PSS_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| Bad("the signature is wrong"))?;
        Ok(payload_bytes)
    }

    fn components(&self) -> RsaPublicKeyComponents<&[u8]> {
        RsaPublicKeyComponents { n: &self.n, e: &self.e }
    }
}

/// Our side of a P-256 key agreement; serves once.
pub struct Agreement {
    private: PrivateKey,
    x: String,
    y: String,
}

/// The coordinates of a point of P-256, as base64url (RFC 7518, 6.2).
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// 32 bytes.
    pub x: &'a str,
    /// 32 bytes.
    pub y: &'a str,
}

impl Agreement {
    /// A new key pair.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new() -> Result<Self, Bad> {
        let failed = |_| Bad("no key pair could be made");
        let private = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
        let public = private.compute_public_key().map_err(failed)?;
        let Some((&[4], coordinates)) = public.as_ref().split_first_chunk::<1>() else {
            return Err(Bad("no key pair could be made"));
        };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Ok(Self { x: encode(x), y: encode(y), private })
    }

    /// Our public half.
    pub fn public(&self) -> Point<'_> {
        Point { x: &self.x, y: &self.y }
    }

    /// The key that both sides share: HKDF-SHA-256 (RFC 5869) over the X coordinate with empty
    /// salt and info, 256 bits. Not ECDH-ES.
    ///
    /// # Errors
    /// Where the other half is not a point of the curve.
    pub fn shared(self, peer: Point<'_>) -> Result<Octets, Bad> {
        let mut point = vec![4];
        for coordinate in [peer.x, peer.y] {
            let bytes = decode(coordinate)?;
            if bytes.len() != 32 {
                return Err(Bad("a coordinate of a wrong length"));
            }
            point.extend_from_slice(&bytes);
        }
        let peer = UnparsedPublicKey::new(&ECDH_P256, point);
        agreement::agree(&self.private, peer, Bad("not a point of the curve"), derive)
    }
}

fn derive(x: &[u8]) -> Result<Octets, Bad> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    Salt::new(HKDF_SHA256, &[])
        .extract(x)
        .expand(&[], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *key))
        .map_err(|_| Bad("no key could be derived"))?;
    Ok(Octets(key))
}

#[cfg(test)]
#[path = "jose_tests.rs"]
mod tests;
