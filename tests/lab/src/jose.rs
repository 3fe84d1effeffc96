//! The lab's own JOSE: compact JWE and JWS, as the key server and a user's app speak them.
//!
//! Read and written: `dir` with A256GCM (RFC 7518, 4.5), RSA-OAEP with SHA-1 (4.3), PS256 (3.5).
//! Read as well: A256KW (4.4). Everything else is refused, and so is each part that is not the one
//! base64url form of its bytes.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;

/// A content key, or the key that a client and the key server share.
pub type Key = [u8; 32];

/// The longest compact form that is read, in bytes.
pub const LONGEST: usize = 1 << 20;

const TAG: usize = 16;
const NONCE: usize = 12;

/// What a message is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Refused>;

/// Base64url without padding (RFC 7515, section 2).
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of `text`; anything but their one encoding is refused.
pub fn decode(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused("not canonical base64url"))
}

/// The protected header of a message, read but not yet trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub alg: String,
    /// `enc`, which only a JWE has.
    pub enc: Option<String>,
    /// `kid`.
    pub kid: Option<String>,
}

/// The header of a compact JWE (five parts) or JWS (three).
pub fn peek(compact: &str) -> Result<Header> {
    header(parts(compact)?.first().copied().unwrap_or_default())
}

/// How many parts a compact message has: 3 for a JWS, 5 for a JWE.
pub fn count_parts(compact: &str) -> usize {
    compact.split('.').count()
}

fn parts(compact: &str) -> Result<Vec<&str>> {
    if compact.len() > LONGEST {
        return Err(Refused("too long"));
    }
    let parts: Vec<&str> = compact.split('.').take(6).collect();
    if parts.len() == 3 || parts.len() == 5 { Ok(parts) } else { Err(Refused("not compact")) }
}

fn header(part: &str) -> Result<Header> {
    let json: Map<String, Value> =
        serde_json::from_slice(&decode(part)?).map_err(|_| Refused("header is not an object"))?;
    for name in ["crit", "zip", "b64", "p2s", "p2c", "epk", "jku", "x5u"] {
        if json.contains_key(name) {
            return Err(Refused("header asks for what is not supported"));
        }
    }
    let text = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refused("header member is not a string")),
    };
    Ok(Header { alg: text("alg")?.ok_or(Refused("no alg"))?, enc: text("enc")?, kid: text("kid")? })
}

struct Jwe<'a> {
    header: Header,
    aad: &'a str,
    wrapped: Vec<u8>,
    nonce: [u8; NONCE],
    sealed: Vec<u8>,
}

fn read(compact: &str) -> Result<Jwe<'_>> {
    let parts = parts(compact)?;
    let [aad, wrapped, nonce, text, tag] = parts[..] else {
        return Err(Refused("not a JWE"));
    };
    let header = header(aad)?;
    if header.enc.as_deref() != Some("A256GCM") {
        return Err(Refused("enc is not A256GCM"));
    }
    let nonce = decode(nonce)?.try_into().map_err(|_| Refused("wrong length of the IV"))?;
    let (mut sealed, tag) = (decode(text)?, decode(tag)?);
    if tag.len() != TAG {
        return Err(Refused("wrong length of the tag"));
    }
    sealed.extend_from_slice(&tag);
    Ok(Jwe { header, aad, wrapped: decode(wrapped)?, nonce, sealed })
}

impl Jwe<'_> {
    fn open(mut self, key: &Key) -> Result<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let length = gcm(key)?
            .open_in_place(nonce, Aad::from(self.aad.as_bytes()), &mut self.sealed)
            .map_err(|_| Refused("does not decrypt"))?
            .len();
        self.sealed.truncate(length);
        Ok(self.sealed)
    }
}

fn gcm(key: &[u8]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| Refused("wrong key"))
}

fn write(header: &Value, wrapped: &[u8], key: &Key, plain: &[u8]) -> String {
    let aad = encode(header.to_string().as_bytes());
    let mut nonce = [0; NONCE];
    rand::fill(&mut nonce).expect("the system has randomness");
    let mut sealed = plain.to_vec();
    let tag = gcm(key)
        .expect("32 bytes")
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad.as_bytes()),
            &mut sealed,
        )
        .expect("a short message");
    let parts = [&nonce[..], &sealed, tag.as_ref()].map(encode);
    format!("{aad}.{}.{}", encode(wrapped), parts.join("."))
}

/// A random key.
pub fn new_key() -> Key {
    let mut key = [0; 32];
    rand::fill(&mut key).expect("the system has randomness");
    key
}

/// A JWE under `key` itself: `dir`, A256GCM, with a kid where the reader needs one.
pub fn seal(key: &Key, kid: Option<&str>, plain: &[u8]) -> String {
    let header = match kid {
        Some(kid) => json!({"alg": "dir", "enc": "A256GCM", "kid": kid}),
        None => json!({"alg": "dir", "enc": "A256GCM"}),
    };
    write(&header, &[], key, plain)
}

/// A JWE whose content key is wrapped under `key` (A256KW), which some writers prefer.
pub fn seal_wrapped(key: &Key, plain: &[u8]) -> String {
    let content = new_key();
    let mut wrapped = [0; 40];
    let kek = AesKek::new(&AES_256, key).expect("32 bytes");
    kek.wrap(&content, &mut wrapped).expect("32 bytes into 40");
    write(&json!({"alg": "A256KW", "enc": "A256GCM"}), &wrapped, &content, plain)
}

/// The plain text of a JWE under `key`, by `dir` or A256KW.
pub fn open(key: &Key, compact: &str) -> Result<Vec<u8>> {
    let jwe = read(compact)?;
    match jwe.header.alg.as_str() {
        "dir" if jwe.wrapped.is_empty() => jwe.open(key),
        "dir" => Err(Refused("dir with an encrypted key")),
        "A256KW" if jwe.wrapped.len() == 40 => {
            let mut content = [0; 32];
            AesKek::new(&AES_256, key)
                .and_then(|kek| kek.unwrap(&jwe.wrapped, &mut content).map(|_| ()))
                .map_err(|_| Refused("the key does not unwrap"))?;
            jwe.open(&content)
        }
        "A256KW" => Err(Refused("wrong length of the encrypted key")),
        _ => Err(Refused("alg is not allowed here")),
    }
}

/// Whether `compact` has the form of a sealed field: `dir`, A256GCM, no kid, no encrypted key.
pub fn is_sealed_field(compact: &str) -> bool {
    read(compact).is_ok_and(|jwe| {
        let plain_header = Header { alg: "dir".into(), enc: Some("A256GCM".into()), kid: None };
        jwe.header == plain_header && jwe.wrapped.is_empty()
    })
}

/// An RSA key of 2048 bits, for RSA-OAEP and PS256.
pub struct RsaKey {
    signing: KeyPair,
    decrypting: OaepPrivateDecryptingKey,
    pkcs8: Vec<u8>,
    public: RsaPublic,
}

impl RsaKey {
    /// A new key.
    pub fn generate() -> Self {
        let signing = KeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
        let der: Pkcs8V1Der<'_> = signing.as_der().expect("a key just made");
        let pkcs8 = der.as_ref().to_vec();
        let decrypting = PrivateDecryptingKey::from_pkcs8(&pkcs8)
            .and_then(|key| Ok(OaepPrivateDecryptingKey::new(key)?))
            .expect("a key just made");
        let (_, public) =
            RSAPublicKey::from_der(signing.public_key().as_ref()).expect("a key just made");
        let public = RsaPublic {
            n: without_leading_zeros(public.modulus),
            e: without_leading_zeros(public.exponent),
        };
        Self { signing, decrypting, pkcs8, public }
    }

    /// The private key as PKCS #8.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn public(&self) -> &RsaPublic {
        &self.public
    }

    /// A JWS with PS256.
    pub fn sign(&self, kid: &str, payload: &[u8]) -> String {
        let header = json!({"alg": "PS256", "kid": kid}).to_string();
        let input = format!("{}.{}", encode(header.as_bytes()), encode(payload));
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .expect("a key of 2048 bits");
        format!("{input}.{}", encode(&signature))
    }

    /// The plain text of a JWE with RSA-OAEP.
    pub fn open(&self, compact: &str) -> Result<Vec<u8>> {
        let jwe = read(compact)?;
        if jwe.header.alg != "RSA-OAEP" {
            return Err(Refused("alg is not RSA-OAEP"));
        }
        if jwe.wrapped.len() != self.decrypting.key_size_bytes() {
            return Err(Refused("wrong length of the encrypted key"));
        }
        let mut room = vec![0; self.decrypting.min_output_size()];
        let content = self
            .decrypting
            .decrypt(&OAEP_SHA1_MGF1SHA1, &jwe.wrapped, &mut room, None)
            .map_err(|_| Refused("does not decrypt"))?;
        let content: Key =
            (&*content).try_into().map_err(|_| Refused("wrong length of the content key"))?;
        jwe.open(&content)
    }
}

fn without_leading_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// A JWS that nobody signed (`alg` none), which every reader must refuse.
pub fn unsigned(kid: &str, payload: &[u8]) -> String {
    let header = json!({"alg": "none", "kid": kid}).to_string();
    format!("{}.{}.", encode(header.as_bytes()), encode(payload))
}

/// The public half of an [`RsaKey`], both numbers big-endian without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublic {
    /// The modulus.
    pub n: Vec<u8>,
    /// The exponent.
    pub e: Vec<u8>,
}

impl RsaPublic {
    /// The key that the members `n` and `e` of a JWK give.
    pub fn from_jwk(jwk: &Value) -> Result<Self> {
        if jwk["kty"] != "RSA" {
            return Err(Refused("kty is not RSA"));
        }
        let number = |name: &str| decode(jwk[name].as_str().ok_or(Refused("no RSA numbers"))?);
        Ok(Self { n: number("n")?, e: number("e")? })
    }

    /// The JWK, without kid and chain.
    pub fn jwk(&self) -> Value {
        json!({"kty": "RSA", "n": encode(&self.n), "e": encode(&self.e)})
    }

    /// A JWE with RSA-OAEP for the holder of the private half.
    pub fn seal(&self, kid: &str, plain: &[u8]) -> Result<String> {
        let components = RsaPublicKeyComponents { n: &self.n, e: &self.e };
        let key: PublicEncryptingKey =
            components.try_into().map_err(|_| Refused("not an RSA key"))?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| Refused("not an RSA key"))?;
        let content = new_key();
        let mut wrapped = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA1_MGF1SHA1, &content, &mut wrapped, None)
            .map_err(|_| Refused("the content key does not fit"))?;
        let header = json!({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": kid});
        Ok(write(&header, &wrapped, &content, plain))
    }

    /// The payload of a JWS with PS256 that this key and no other signed, under `kid`.
    pub fn verify(&self, kid: &str, compact: &str) -> Result<Vec<u8>> {
        let parts = parts(compact)?;
        let [head, payload, signature] = parts[..] else {
            return Err(Refused("not a JWS"));
        };
        let header = header(head)?;
        if header.alg != "PS256" {
            return Err(Refused("alg is not PS256"));
        }
        if header.kid.as_deref() != Some(kid) {
            return Err(Refused("signed under another kid"));
        }
        let input = &compact[..head.len() + 1 + payload.len()];
        RsaPublicKeyComponents { n: &self.n, e: &self.e }
            .verify(&RSA_PSS_2048_8192_SHA256, input.as_bytes(), &decode(signature)?)
            .map_err(|_| Refused("the signature is wrong"))?;
        decode(payload)
    }
}

/// One side of a P-256 key agreement.
pub struct Agreement {
    private: PrivateKey,
    point: Vec<u8>,
}

struct SharedLength;

impl KeyType for SharedLength {
    fn len(&self) -> usize {
        32
    }
}

impl Agreement {
    /// A new key pair.
    pub fn generate() -> Self {
        let private = PrivateKey::generate(&ECDH_P256).expect("the system has randomness");
        let public = private.compute_public_key().expect("a key just made");
        Self { point: public.as_ref().to_vec(), private }
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.point[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
    }

    /// The key shared with the owner of `jwk`: HKDF-SHA-256 over the X coordinate, with neither
    /// salt nor info, 32 bytes.
    pub fn shared(&self, jwk: &Value) -> Result<Key> {
        if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
            return Err(Refused("not a P-256 key"));
        }
        let mut point = vec![4];
        for name in ["x", "y"] {
            let number = decode(jwk[name].as_str().ok_or(Refused("no coordinate"))?)?;
            if number.len() != 32 {
                return Err(Refused("wrong length of a coordinate"));
            }
            point.extend(number);
        }
        let peer = UnparsedPublicKey::new(&ECDH_P256, point);
        agreement::agree(&self.private, peer, Refused("not a point of P-256"), |x| {
            let mut key = [0; 32];
            Salt::new(HKDF_SHA256, &[])
                .extract(x)
                .expand(&[], SharedLength)
                .and_then(|okm| okm.fill(&mut key))
                .map_err(|_| Refused("no key from the agreement"))?;
            Ok(key)
        })
    }
}

#[cfg(test)]
#[path = "jose_tests.rs"]
mod tests;
