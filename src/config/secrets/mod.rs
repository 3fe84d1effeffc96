//! Secrets, reached through `keyring-core` stores; none stands in a file of the configuration.
//!
//! The order is: systemd credentials (`$CREDENTIALS_DIRECTORY`, one file a secret, read-only), the
//! kernel's keyring, the desktop's Secret Service where this build knows it, and for root the
//! encrypted credentials of this machine. A secret is read each time it is needed, so a changed
//! one is taken up without a restart. systemd gives a running service no new ones: over these lies
//! what `calway secret set` handed to the daemon (`given`).
//!
//! | name | what |
//! |---|---|
//! | `calendar.<name>.password` | the account's password |
//! | `calendar.<name>.proxy_password` | that of `proxy_auth` |
//! | `cloud.client_secret` | the OAuth client's secret |
//! | `cloud.proxy_password` | that of `cloud.proxy_auth` |
//! | `store.key` | 32 bytes, base64url: what the store is sealed with |

mod credstore;
mod given;
mod handed;
pub(super) mod names;
mod place;
mod program;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyring_core::{CredentialStore, Error};
use zeroize::Zeroizing;

use self::given::{Base, Given, Mark};
use self::handed::Handed;
use crate::model::{Fault, Secret};

pub use self::credstore::Credstore;
pub use self::names::{CLIENT_SECRET, CLOUD_PROXY, Needed, PREVIOUS, STORE_KEY, is_ours, needed};
pub use self::place::{Kind, Place};

/// Under this name the keyrings keep our secrets.
const SERVICE: &str = "calway";

/// No secret is longer than this many bytes.
pub const LONGEST: u64 = 64 * 1024;

/// Where secrets are looked for, in order; and what was given since. Clones share it.
#[derive(Clone)]
pub struct Secrets {
    stores: Vec<Arc<CredentialStore>>,
    given: Arc<Mutex<HashMap<String, Given>>>,
    /// Digests of secrets are kept in memory with it in front, so that they tell nothing.
    salt: [u8; 32],
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.stores.iter().map(|store| store.vendor())).finish()
    }
}

impl Secrets {
    /// The usual places. `credentials` is the folder that systemd names, if it does.
    pub fn open(credentials: Option<PathBuf>) -> Self {
        Self::on(Path::new("/"), credentials)
    }

    /// The same, of a system whose root folder is elsewhere.
    pub fn on(root: &Path, credentials: Option<PathBuf>) -> Self {
        let mut stores: Vec<Arc<CredentialStore>> = Vec::new();
        if let Some(folder) = credentials {
            stores.push(Arc::new(Handed { folder }));
        }
        for kind in [Kind::Keyutils, Kind::SecretService] {
            stores.extend(place::store(kind, root).ok());
        }
        if rustix::process::geteuid().is_root() {
            stores.push(Arc::new(Credstore::below(root)));
        }
        let mut salt = [0; 32];
        // Without chance the digests are plain ones; they stay in our own memory.
        let _ = rand::fill(&mut salt);
        Self { stores, given: Arc::default(), salt }
    }

    /// A secret by its name.
    ///
    /// # Errors
    /// `Refused` with what to do where no store has it, or one cannot be read or has it empty.
    pub fn get(&self, name: &str) -> Result<Secret, Fault> {
        let stored = self.stored(name);
        let mut given = self.given();
        let Some(given) = given.get_mut(name) else { return stored };
        let found = stored.as_ref().ok().map(|secret| (secret, self.mark(secret)));
        given.in_use(found).map_or(stored, Ok)
    }

    /// What the stores have.
    fn stored(&self, name: &str) -> Result<Secret, Fault> {
        let verb = if name == STORE_KEY { "generate" } else { "set" };
        self.found(name)?.ok_or_else(|| {
            Fault::refused(format!(
                "secret {name} is missing: sudo calway secret {verb} {name} (for the service: \
                 LoadCredentialEncrypted={name})"
            ))
        })
    }

    /// What the stores have, if they have it.
    fn found(&self, name: &str) -> Result<Option<Secret>, Fault> {
        for store in &self.stores {
            match store.build(SERVICE, name, None).and_then(|entry| entry.get_password()) {
                Ok(text) => {
                    let text = Zeroizing::new(text);
                    let text = text.trim_end_matches(['\r', '\n']);
                    // A file that is just being written anew; an empty password is nobody's, and
                    // some servers take it for a guest's.
                    if text.is_empty() {
                        return Err(Fault::refused(format!("secret {name} is empty")));
                    }
                    return Ok(Some(Secret::new(text)));
                }
                Err(Error::NoEntry) => {}
                Err(error) => {
                    return Err(Fault::refused(format!("secret {name}: {}", reason(&error))));
                }
            }
        }
        Ok(None)
    }

    /// The secret `store.key`, decoded.
    ///
    /// # Errors
    /// `Refused` where it is missing or not 32 bytes.
    pub fn store_key(&self) -> Result<Zeroizing<[u8; 32]>, Fault> {
        decode_key(&self.get(STORE_KEY)?)
    }

    /// At the start of the daemon: whatever has one from before beside it may go back to that.
    pub fn recall(&self, names: &[String]) {
        for name in names {
            let (Ok(stored), Ok(previous)) =
                (self.stored(name), self.stored(&format!("{name}{PREVIOUS}")))
            else {
                continue;
            };
            if stored != previous {
                let given = Given::started(self.mark(&stored), stored, previous);
                self.given().insert(name.clone(), given);
            }
        }
    }

    /// `new` is used from now on: it was tried, and works.
    pub fn take(&self, name: &str, new: Secret) {
        self.give(name, |given, stored, _| given.take(stored, new));
    }

    /// What waited was tried, and works. One that was given meanwhile waits on.
    pub fn take_tried(&self, name: &str, tried: Secret) {
        self.give(name, |given, stored, _| given.take_tried(stored, tried));
    }

    /// `new` is used from now on, though nobody could try it; the one in use is what to go back to.
    pub fn take_untried(&self, name: &str, new: Secret) {
        self.give(name, |given, stored, old| given.take_untried(stored, new, old));
    }

    /// `new` waits until it can be tried; the one in use stays in use. Where there is none, it is
    /// taken.
    pub fn keep(&self, name: &str, new: Secret) {
        self.give(name, |given, stored, old| match old {
            Some(old) => given.keep(stored, new, old),
            None => given.take_untried(stored, new, None),
        });
    }

    /// What waits to be tried.
    pub fn next(&self, name: &str) -> Option<Secret> {
        self.given().get(name)?.next().cloned()
    }

    /// What waited was refused, if it still waits.
    pub fn drop_next(&self, name: &str, refused: &Secret) {
        if let Some(given) = self.given().get_mut(name).filter(|one| one.next() == Some(refused)) {
            given.drop_next();
        }
    }

    /// The one in use was refused: the one before is used again, if there is one.
    pub fn refused(&self, name: &str) {
        if let Some(given) = self.given().get_mut(name) {
            given.refused();
        }
    }

    /// The one in use has worked. Whether that is news: one from before was kept till then.
    pub fn proven(&self, name: &str) -> bool {
        self.given().get_mut(name).is_some_and(Given::proven)
    }

    /// Whether there is one from before to go back to.
    pub fn has_previous(&self, name: &str) -> bool {
        self.given().get(name).is_some_and(Given::has_previous)
    }

    /// `change` is told what the store has, as a digest, and what is in use.
    fn give(&self, name: &str, change: impl FnOnce(&mut Given, Base, Option<Secret>)) {
        let in_use = self.get(name).ok();
        let stored = match self.found(name) {
            Ok(Some(secret)) => Base::Had(self.mark(&secret)),
            Ok(None) => Base::Nothing,
            Err(_) => Base::Unread,
        };
        change(self.given().entry(name.to_owned()).or_default(), stored, in_use);
    }

    fn given(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, secret: &Secret) -> Mark {
        let mut whole = digest::Context::new(&digest::SHA256);
        whole.update(&self.salt);
        whole.update(secret.reveal().as_bytes());
        let mut mark = Mark::default();
        mark.iter_mut().zip(whole.finish().as_ref()).for_each(|(to, from)| *to = *from);
        mark
    }
}

/// A key of 32 bytes in base64url without padding.
///
/// # Errors
/// `Refused` where it is none.
pub fn decode_key(text: &Secret) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.reveal().trim()).map_err(|_| {
        Fault::refused("secret store.key: 43 characters base64url without padding are needed")
    })?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(Fault::refused("secret store.key: 32 bytes are needed"));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// A new key for `store.key`.
///
/// # Errors
/// `Retry` where the system gives no randomness.
pub fn new_key() -> Result<Secret, Fault> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(&mut *key).map_err(|_| Fault::retry("the system gives no randomness"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*key)))
}

/// What an error says without what it holds: some carry the secret itself.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::NoEntry => "is missing",
        Error::BadEncoding(_) => "is not UTF-8 text",
        Error::NoStorageAccess(_) => "cannot be read: the store gives no access",
        Error::PlatformFailure(_) => "cannot be decrypted here (systemd-creds decrypt says why)",
        _ => "cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_the_credentials_folder_and_are_never_shown() {
        let folder = std::env::temp_dir().join(format!("calway-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cloud.client_secret"), "hunter2\n").unwrap();
        std::fs::write(folder.join("store.key"), URL_SAFE_NO_PAD.encode([9; 32])).unwrap();
        std::fs::write(folder.join("bad"), [0xff, 0xfe]).unwrap();
        let secrets = Secrets::open(Some(folder.clone()));
        assert_eq!(secrets.get("cloud.client_secret").unwrap().reveal(), "hunter2");
        assert_eq!(*secrets.store_key().unwrap(), [9; 32]);
        let missing = secrets.get("calendar.hq.password").unwrap_err().to_string();
        assert!(missing.contains("calway secret set calendar.hq.password"), "{missing}");
        assert!(missing.contains("LoadCredentialEncrypted=calendar.hq.password"), "{missing}");
        assert!(secrets.get("bad").unwrap_err().to_string().contains("not UTF-8"));
        assert!(secrets.get("../store.key").is_err());
        for nothing in ["", "\n"] {
            std::fs::write(folder.join("cloud.client_secret"), nothing).unwrap();
            let fault = secrets.get("cloud.client_secret").unwrap_err();
            assert!(fault.to_string().contains("is empty"), "{nothing:?}");
        }
        assert!(!format!("{secrets:?}").contains("hunter2"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_given_is_used_until_the_store_has_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let name = "calendar.hq.password";
        let write = |text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("first");
        let secrets = Secrets::open(Some(folder.path().into()));
        let in_use = || secrets.get(name).unwrap();
        secrets.keep(name, Secret::new("second"));
        assert!(in_use() == Secret::new("first"));
        assert!(secrets.next(name) == Some(Secret::new("second")));
        secrets.take(name, Secret::new("third"));
        assert!(secrets.clone().get(name).unwrap() == Secret::new("third"), "clones share it");
        write("third\n");
        assert!(in_use() == Secret::new("third") && !secrets.has_previous(name));
        write("fourth");
        assert!(in_use() == Secret::new("fourth"));
    }

    #[test]
    fn a_start_with_one_from_before_beside_it_can_go_back() {
        let folder = tempfile::tempdir().unwrap();
        let name = "cloud.client_secret";
        std::fs::write(folder.path().join(name), "new").unwrap();
        std::fs::write(folder.path().join(format!("{name}{PREVIOUS}")), "old").unwrap();
        let started = || {
            let secrets = Secrets::open(Some(folder.path().into()));
            secrets.recall(&[name.to_owned(), "calendar.hq.password".to_owned()]);
            secrets
        };
        let secrets = started();
        assert!(secrets.get(name).unwrap() == Secret::new("new"));
        secrets.refused(name);
        assert!(secrets.get(name).unwrap() == Secret::new("old"));
        let secrets = started();
        assert!(secrets.proven(name) && !secrets.proven(name));
        secrets.refused(name);
        assert!(secrets.get(name).unwrap() == Secret::new("new"), "there is no way back");
    }
    #[test]
    fn a_store_that_cannot_be_read_for_a_moment_forgets_nothing_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let name = "calendar.hq.password";
        let file = folder.path().join(name);
        let secrets = Secrets::open(Some(folder.path().into()));
        std::fs::write(&file, "first").unwrap();
        secrets.take(name, Secret::new("second"));
        std::fs::write(&file, [0xff]).unwrap();
        assert!(secrets.get(name).unwrap() == Secret::new("second"));
        secrets.keep(name, Secret::new("third"));
        std::fs::write(&file, "first").unwrap();
        assert!(secrets.get(name).unwrap() == Secret::new("second"));
        assert!(secrets.next(name) == Some(Secret::new("third")));
        // Given while it could not be read, from the first on.
        let secrets = Secrets::open(Some(folder.path().into()));
        std::fs::write(&file, [0xff]).unwrap();
        secrets.take(name, Secret::new("second"));
        std::fs::write(&file, "first").unwrap();
        assert!(secrets.get(name).unwrap() == Secret::new("second"));
        std::fs::write(&file, "fourth").unwrap();
        assert!(secrets.get(name).unwrap() == Secret::new("fourth"));
    }
}
