//! The line that plain text does not cross: what leaves here is a JWE, a keyed hash, or a blob that
//! only this installation can open.
//!
//! **Promise.** `store` and `cloud` can name only [`Sealed`] and [`Stashed`]; both are made here.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{Cursor, Fault, ItemId, KeyUri, Plain, RecordKey, Time, UserId};

/// A content key as the pipeline sees it: something that seals. One per mailbox and day, bound to
/// the mailbox's KMS resource, whose user is authorised before the first use.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// The name under which a reader finds the key: the record's `encryptionKeyUrl`.
    fn key_uri(&self) -> &KeyUri;

    /// When the key expires, where the server says: from then on nothing may be sealed with it.
    fn until(&self) -> Option<Time> {
        None
    }

    /// Seals UTF-8 text as a compact JWE, `{"alg":"dir","enc":"A256GCM"}`, without kid.
    ///
    /// # Errors
    /// When the cipher or the source of randomness fails; nothing may be sent then.
    fn seal(&self, plain: &str) -> Result<String, Fault>;

    /// As [`Sealer::seal`], and appends it as a JSON string, quotes and all.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    fn seal_into(&self, plain: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let sealed = self.seal(plain)?;
        serde_json::to_writer(out, &sealed).map_err(|_| Fault::refused("not a JSON string"))
    }

    /// Nothing is sealed for a while: what makes sealing quick may be given back. Sealing goes on
    /// as before, and may be slower once.
    fn rest(&self) {}
}

/// A sealer in use, which rests when it is put away.
#[derive(Debug)]
pub struct InUse(Arc<dyn Sealer>);

impl InUse {
    /// Takes it into use.
    pub fn new(sealer: Arc<dyn Sealer>) -> Self {
        Self(sealer)
    }
}

impl std::ops::Deref for InUse {
    type Target = dyn Sealer;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// The `data` of an event: JSON in which everything that is personal is a JWE.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Arc<str>);

impl Sealed {
    /// Only `record` makes one.
    pub(in crate::pipeline) fn new(json: String) -> Self {
        Self(json.into())
    }

    /// What a store gives back: text that was sealed before it was written.
    pub fn restored(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }

    /// The JSON, as it goes to the disk and the cloud.
    pub fn json(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Something of ours on our own disk (a cursor, an address) that only this installation can open.
#[derive(Clone, PartialEq, Eq)]
pub struct Stashed(pub Vec<u8>);

impl fmt::Debug for Stashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stashed({} bytes)", self.0.len())
    }
}

/// A keyed hash, cut to 128 bits: equal for equal things, and telling nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tag(pub [u8; 16]);

impl Tag {
    /// All of it, in 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// What an installation's one secret (`store.key`, 32 bytes) is good for. Lost, nothing is lost but
/// time: every mailbox is activated anew and its window read anew.
pub struct Installation {
    record: hmac::Key,
    tag: LessSafeKey,
    nonce: hmac::Key,
    disk: LessSafeKey,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Installation(…)")
    }
}

struct Bytes32;
impl hkdf::KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

impl Installation {
    /// Derives what is needed from the secret (HKDF-SHA-256, a label for each use).
    ///
    /// # Errors
    /// If the cryptographic library refuses, which it does not for 32 bytes.
    pub fn new(secret: &[u8; 32]) -> Result<Self, Fault> {
        let failed = |_| Fault::refused("store.key: key derivation failed");
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"calway.installation.1").extract(secret);
        let derive = |label: &'static [u8]| -> Result<[u8; 32], Fault> {
            let mut key = [0; 32];
            let info = [label];
            prk.expand(&info, Bytes32).and_then(|okm| okm.fill(&mut key)).map_err(failed)?;
            Ok(key)
        };
        let siv = |key: [u8; 32]| UnboundKey::new(&AES_256_GCM_SIV, &key).map_err(failed);
        let disk = siv(derive(b"disk")?)?;
        let tag = siv(derive(b"tag")?)?;
        Ok(Self {
            record: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"record")?),
            tag: LessSafeKey::new(tag),
            nonce: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"nonce")?),
            disk: LessSafeKey::new(disk),
        })
    }

    /// The key of a record: the user, the UID and, in a series, where the pattern put the
    /// occurrence. With the user in it nobody can tell from two lists who meets whom.
    pub fn record_key(
        &self,
        user: &UserId,
        uid: &Plain,
        original_start: Option<Time>,
    ) -> RecordKey {
        let mut hash = hmac::Context::with_key(&self.record);
        hash.update(user.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(uid.reveal().as_bytes());
        if let Some(start) = original_start {
            hash.update(&[0]);
            hash.update(&start.as_ms().to_be_bytes());
        }
        RecordKey::new(URL_SAFE_NO_PAD.encode(hash.sign()))
    }

    /// A keyed hash of several parts; the parts' borders count. It is the synthetic IV of
    /// AES-GCM-SIV (RFC 8452) for no text and these parts beside it: a pseudorandom function by
    /// construction, at a tenth of the cost of HMAC for a body.
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        let length = parts.iter().map(|part| part.len() + 8).sum();
        let mut whole = zeroize::Zeroizing::new(Vec::with_capacity(length));
        for part in parts {
            whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
            whole.extend_from_slice(part);
        }
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let mut tag = [0; 16];
        match self.tag.seal_in_place_separate_tag(nonce, Aad::from(&*whole), &mut []) {
            Ok(siv) => tag.iter_mut().zip(siv.as_ref()).for_each(|(to, from)| *to = *from),
            // Beyond 64 GiB. Still a keyed hash, and the same each time.
            Err(_) => {
                let hash = hmac::sign(&self.nonce, &whole);
                tag.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
            }
        }
        Tag(tag)
    }

    /// The keyed hash of an item's id.
    pub fn item_tag(&self, item: &ItemId) -> Tag {
        self.tag(&[b"item", item.0.as_bytes()])
    }

    /// Seals something for our own disk. Deterministic (AES-GCM-SIV with a keyed nonce): equal
    /// text gives an equal blob, which is all it tells.
    ///
    /// # Errors
    /// If the cipher fails.
    pub fn stash(&self, plain: &str) -> Result<Stashed, Fault> {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(hmac::sign(&self.nonce, plain.as_bytes()).as_ref()) {
            *to = *from;
        }
        let mut blob = nonce.to_vec();
        let mut text = plain.as_bytes().to_vec();
        let tag = self
            .disk
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut text,
            )
            .map_err(|_| Fault::refused("sealing for the disk failed"))?;
        blob.extend_from_slice(&text);
        blob.extend_from_slice(tag.as_ref());
        Ok(Stashed(blob))
    }

    /// Opens what `stash` sealed.
    ///
    /// # Errors
    /// If another installation sealed it, or the disk changed it.
    pub fn unstash(&self, blob: &Stashed) -> Result<Plain, Fault> {
        let wrong = || Fault::refused("stored data does not open with this store.key");
        let (nonce, sealed) = blob.0.split_at_checked(12).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut text = zeroize::Zeroizing::new(sealed.to_vec());
        let opened =
            self.disk.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| wrong())?;
        std::str::from_utf8(opened).map(Plain::new).map_err(|_| wrong())
    }

    /// Seals a cursor for the disk.
    ///
    /// # Errors
    /// As [`Self::stash`].
    pub fn stash_cursor(&self, cursor: &Cursor) -> Result<Stashed, Fault> {
        self.stash(&cursor.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> Installation {
        Installation::new(&[7; 32]).unwrap()
    }

    #[test]
    fn a_key_that_nothing_is_sealed_with_any_more_rests() {
        #[derive(Debug)]
        struct Counting(std::sync::atomic::AtomicU32, KeyUri);
        impl Sealer for Counting {
            fn key_uri(&self) -> &KeyUri {
                &self.1
            }
            fn seal(&self, plain: &str) -> Result<String, Fault> {
                Ok(plain.to_owned())
            }
            fn rest(&self) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let sealer = Arc::new(Counting(0.into(), KeyUri::new("kms://kms.example.org/keys/1")));
        let rests = || sealer.0.load(std::sync::atomic::Ordering::Relaxed);
        let used = InUse::new(sealer.clone());
        assert_eq!((used.seal("x").unwrap().as_str(), rests()), ("x", 0));
        drop(used);
        assert_eq!(rests(), 1);
    }

    #[test]
    fn record_keys_tell_occurrences_and_meetings_apart_and_nothing_else() {
        let i = installation();
        let uid = Plain::new("040000008200E00074C5B7101A82E008");
        let ada = UserId::new("ada");
        let single = i.record_key(&ada, &uid, None);
        assert_ne!(single, i.record_key(&UserId::new("ben"), &uid, None));
        let first = i.record_key(&ada, &uid, Some(Time::from_ms(0)));
        let second = i.record_key(&ada, &uid, Some(Time::from_ms(1)));
        assert_eq!(single.as_str().len(), 43);
        assert!(single != first && first != second);
        assert_eq!(single, i.record_key(&ada, &uid, None));
        let other = Installation::new(&[8; 32]).unwrap();
        assert_ne!(single, other.record_key(&ada, &uid, None));
    }

    #[test]
    fn what_is_stashed_opens_here_and_nowhere_else() {
        let i = installation();
        let blob = i.stash("alice@corp.example").unwrap();
        assert_eq!(i.unstash(&blob).unwrap().reveal(), "alice@corp.example");
        assert!(!blob.0.windows(5).any(|w| w == b"alice"));
        assert!(Installation::new(&[8; 32]).unwrap().unstash(&blob).is_err());
        for at in 0..blob.0.len() {
            let mut bent = blob.clone();
            bent.0[at] ^= 1;
            assert!(i.unstash(&bent).is_err(), "byte {at}");
        }
        assert!(i.unstash(&Stashed(vec![1, 2])).is_err());
    }

    #[test]
    fn tags_know_the_borders_of_their_parts() {
        let i = installation();
        assert_ne!(i.tag(&[b"ab", b"c"]), i.tag(&[b"a", b"bc"]));
        assert_eq!(i.tag(&[b"ab", b"c"]), i.tag(&[b"ab", b"c"]));
    }
}
