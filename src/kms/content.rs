//! A content key: what records of one mailbox are sealed with for a day.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::kms::jose::{Bad, Key, Octets};
use crate::model::{Fault, KeyUri, ResourceUri, Time};
use crate::pipeline::seal::Sealer;

/// A key of the key server, to seal and open with. `Debug` shows its name alone.
pub struct ContentKey {
    uri: KeyUri,
    key: Key,
    until: Option<Time>,
}

impl ContentKey {
    /// Takes a key.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn new(uri: KeyUri, octets: Octets) -> Result<Self, Bad> {
        Ok(Self { uri, key: Key::new(octets, None)?, until: None })
    }

    /// Says when it expires.
    #[must_use]
    pub fn expiring(mut self, until: Option<Time>) -> Self {
        self.until = until;
        self
    }

    /// Opens what somebody sealed with this key.
    ///
    /// # Errors
    /// Where it was sealed with another, altered, or is not as it must be.
    pub fn open(&self, jwe: &str) -> Result<Zeroizing<Vec<u8>>, Bad> {
        self.key.open(jwe, None)
    }
}

impl Sealer for ContentKey {
    fn key_uri(&self) -> &KeyUri {
        &self.uri
    }

    fn until(&self) -> Option<Time> {
        self.until
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        self.key.seal(plain.as_bytes()).map_err(|bad| Fault::retry(bad.0))
    }

    fn seal_into(&self, plain: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        // A compact JWE needs no escape.
        out.push(b'"');
        self.key.seal_into(plain.as_bytes(), out).map_err(|bad| Fault::retry(bad.0))?;
        out.push(b'"');
        Ok(())
    }

    fn rest(&self) {
        self.key.rest();
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({})", self.uri)
    }
}

/// How long a key is remembered: a revocation takes effect no later.
const MEMORY: Duration = Duration::from_secs(600);

/// A key that was read from the key server.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) key: Arc<ContentKey>,
    pub(super) resource: Option<ResourceUri>,
    pub(super) until: Option<Time>,
}

/// The keys that were read lately: so many, so long.
pub(super) struct Recent {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<KeyUri, (Remembered, Instant)>,
    /// Oldest first; each key once.
    order: VecDeque<KeyUri>,
}

impl Recent {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), held: Mutex::default() }
    }

    pub(super) fn get(&self, uri: &KeyUri) -> Option<Remembered> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (found, since) = held.keys.get(uri)?;
        (since.elapsed() < MEMORY).then(|| found.clone())
    }

    pub(super) fn clear(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::default();
    }

    pub(super) fn put(&self, uri: KeyUri, key: Remembered) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if held.keys.insert(uri.clone(), (key, now)).is_some() {
            held.order.retain(|known| *known != uri);
        }
        held.order.push_back(uri);
        while let Some(oldest) = held.order.front() {
            let old = held.keys.get(oldest).is_none_or(|(_, since)| now - *since >= MEMORY);
            if held.order.len() <= self.most && !old {
                break;
            }
            if let Some(oldest) = held.order.pop_front() {
                held.keys.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_remembered_until_it_is_forgotten() {
        let recent = Recent::new(4);
        let uri = KeyUri::new("kms://kms.example.org/keys/1");
        let key = Arc::new(ContentKey::new(uri.clone(), Octets::random().unwrap()).unwrap());
        let held = Arc::downgrade(&key);
        recent.put(uri.clone(), Remembered { key, resource: None, until: None });
        assert!(recent.get(&uri).is_some());
        recent.clear();
        assert!(recent.get(&uri).is_none());
        assert!(held.upgrade().is_none(), "nothing of it stays in memory");
    }
}
