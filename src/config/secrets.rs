//! Secrets, reached through `keyring-core` stores; none stands in a file of the configuration.
//!
//! The order is: systemd credentials (`$CREDENTIALS_DIRECTORY`, one file a secret, read-only), then
//! the kernel's keyring. A secret is read each time it is needed, so a changed one is taken up
//! without a restart.
//!
//! | name | what |
//! |---|---|
//! | `calendar.<name>.password` | the account's password |
//! | `calendar.<name>.proxy_password` | that of `proxy_auth` |
//! | `cloud.client_secret` | the OAuth client's secret |
//! | `cloud.proxy_password` | that of `cloud.proxy_auth` |
//! | `store.key` | 32 bytes, base64url: what the store is sealed with |

use std::any::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyring_core::api::{Credential, CredentialApi, CredentialPersistence, CredentialStoreApi};
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use crate::model::{Fault, Secret};

/// Under this name the keyrings keep our secrets.
const SERVICE: &str = "calway";

/// No secret is longer than this many bytes.
const LONGEST: u64 = 64 * 1024;

/// Where secrets are looked for, in order.
#[derive(Clone, Debug)]
pub struct Secrets {
    stores: Vec<Arc<keyring_core::CredentialStore>>,
}

impl Secrets {
    /// The usual places. `credentials` is the folder that systemd names, if it does.
    pub fn open(credentials: Option<PathBuf>) -> Self {
        let mut stores: Vec<Arc<keyring_core::CredentialStore>> = Vec::new();
        if let Some(folder) = credentials {
            stores.push(Arc::new(SystemdStore { folder }));
        }
        if let Ok(keyutils) = linux_keyutils_keyring_store::Store::new() {
            stores.push(keyutils);
        }
        Self { stores }
    }

    /// A secret by its name.
    ///
    /// # Errors
    /// `Refused` with what to do where no store has it, or one cannot be read or has it empty.
    pub fn get(&self, name: &str) -> Result<Secret, Fault> {
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
                    return Ok(Secret::new(text));
                }
                Err(Error::NoEntry) => {}
                Err(error) => {
                    return Err(Fault::refused(format!("secret {name}: {}", reason(&error))));
                }
            }
        }
        Err(Fault::refused(format!(
            "secret {name} is missing: give it to the service as the systemd credential {name} \
             (LoadCredentialEncrypted={name})"
        )))
    }

    /// The secret `store.key`, decoded.
    ///
    /// # Errors
    /// `Refused` where it is missing or not 32 bytes.
    pub fn store_key(&self) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let text = self.get("store.key")?;
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
}

/// What an error says without what it holds: some carry the secret itself.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::NoEntry => "is missing",
        Error::BadEncoding(_) => "is not UTF-8 text",
        Error::NoStorageAccess(_) => "cannot be read: the store gives no access",
        _ => "cannot be read",
    }
}

/// systemd's credentials as a store: read-only, one file a secret.
#[derive(Debug)]
struct SystemdStore {
    folder: PathBuf,
}

#[derive(Debug)]
struct SystemdCredential {
    file: PathBuf,
    name: String,
}

impl CredentialStoreApi for SystemdStore {
    fn vendor(&self) -> String {
        "systemd credentials".into()
    }

    fn id(&self) -> String {
        "systemd".into()
    }

    fn build(
        &self,
        _service: &str,
        user: &str,
        _modifiers: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        if user.is_empty() || user.contains('/') || user == "." || user == ".." {
            return Err(Error::Invalid("user".into(), "not a credential's name".into()));
        }
        let credential = SystemdCredential { file: self.folder.join(user), name: user.to_owned() };
        Ok(Entry::new_with_credential(Arc::new(credential)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn persistence(&self) -> CredentialPersistence {
        CredentialPersistence::ProcessOnly
    }
}

impl CredentialApi for SystemdCredential {
    fn set_secret(&self, _secret: &[u8]) -> keyring_core::Result<()> {
        Err(Error::NotSupportedByStore("systemd credentials are written by systemd-creds".into()))
    }

    fn get_secret(&self) -> keyring_core::Result<Vec<u8>> {
        read_bounded(&self.file)
    }

    fn delete_credential(&self) -> keyring_core::Result<()> {
        Err(Error::NotSupportedByStore("systemd credentials are removed from the unit".into()))
    }

    fn get_credential(&self) -> keyring_core::Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some((SERVICE.into(), self.name.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn read_bounded(file: &Path) -> keyring_core::Result<Vec<u8>> {
    let access = |error: std::io::Error| Error::NoStorageAccess(Box::new(error));
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NoEntry),
        Err(error) => Err(access(error)),
        Ok(facts) if facts.len() > LONGEST => {
            Err(Error::Invalid("secret".into(), "longer than 64 KiB".into()))
        }
        Ok(_) => std::fs::read(file).map_err(access),
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
        let missing = secrets.get("calendar.hq.password").unwrap_err();
        assert!(missing.to_string().contains("LoadCredentialEncrypted=calendar.hq.password"));
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
}
