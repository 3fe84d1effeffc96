//! Where `calway secret` puts secrets: one of the stores that they are read from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::credstore::Credstore;
use super::{SERVICE, reason};
use crate::model::Secret;

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Encrypted files, which systemd decrypts for the service.
    Systemd,
    /// The kernel's keyring of this user, until the next boot at most.
    Keyutils,
    /// The desktop's own keyring.
    SecretService,
}

/// A store that secrets are written to.
#[derive(Debug)]
pub struct Place {
    kind: Kind,
    store: Arc<CredentialStore>,
    files: Credstore,
}

pub(super) fn store(kind: Kind, root: &Path) -> Result<Arc<CredentialStore>, String> {
    match kind {
        Kind::Systemd => Ok(Arc::new(Credstore::below(root))),
        Kind::Keyutils => match linux_keyutils_keyring_store::Store::new() {
            Ok(store) => Ok(store),
            Err(error) => Err(format!("the kernel's keyring: {}", reason(&error))),
        },
        Kind::SecretService => secret_service(),
    }
}

#[cfg(feature = "secret-service")]
fn secret_service() -> Result<Arc<CredentialStore>, String> {
    // Without a session there is nobody to ask, and asking for one would start it.
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return Err("there is no desktop session (DBUS_SESSION_BUS_ADDRESS)".into());
    }
    match zbus_secret_service_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(format!("the Secret Service: {}", reason(&error))),
    }
}

#[cfg(not(feature = "secret-service"))]
fn secret_service() -> Result<Arc<CredentialStore>, String> {
    Err("this build has no Secret Service: cargo build --features secret-service".into())
}

impl Place {
    /// Opens one; `root` is where the system is (`/`), `with_key` what systemd-creds encrypts
    /// with.
    ///
    /// # Errors
    /// Why there is none.
    pub fn open(kind: Kind, root: &Path, with_key: Option<String>) -> Result<Self, String> {
        let files = Credstore::below(root).with_key(with_key);
        let store: Arc<CredentialStore> = match kind {
            Kind::Systemd => Arc::new(files.clone()),
            other => store(other, root)?,
        };
        Ok(Self { kind, store, files })
    }

    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The files of systemd's kind.
    pub fn files(&self) -> &Credstore {
        &self.files
    }

    /// Where a secret of this name lies, for people.
    pub fn says(&self, name: &str) -> String {
        match self.kind {
            Kind::Systemd => self.files.file(name).display().to_string(),
            Kind::Keyutils => "the kernel's keyring of this user (until the next boot)".into(),
            Kind::SecretService => "the desktop's keyring (Secret Service)".into(),
        }
    }

    /// The secret, if it is there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        match self.entry(name)?.get_password() {
            Ok(text) => Ok(Some(Secret::new(Zeroizing::new(text).as_str()))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(told(name, &error)),
        }
    }

    /// Puts it there, in the place of an earlier one.
    ///
    /// # Errors
    /// It cannot be written; an earlier one is as it was.
    pub fn put(&self, name: &str, secret: &Secret) -> Result<(), String> {
        self.entry(name)?.set_password(secret.reveal()).map_err(|error| told(name, &error))
    }

    /// Takes it away; whether it was there.
    ///
    /// # Errors
    /// It cannot be taken away.
    pub fn remove(&self, name: &str) -> Result<bool, String> {
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(told(name, &error)),
        }
    }

    /// Whether it is there, without looking into it where that can be avoided.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn has(&self, name: &str) -> Result<bool, String> {
        match self.kind {
            Kind::Systemd => Ok(self.file(name).exists()),
            _ => Ok(self.get(name)?.is_some()),
        }
    }

    /// Since when it is there, where the store knows that.
    pub fn since(&self, name: &str) -> Option<SystemTime> {
        let file = (self.kind == Kind::Systemd).then(|| self.file(name))?;
        std::fs::metadata(file).ok()?.modified().ok()
    }

    /// Says since when it is there, where the store knows such a thing. It helps to find out
    /// whether it has worked since: where it cannot be said, that is found out later.
    pub fn date(&self, name: &str, since: SystemTime) {
        if self.kind == Kind::Systemd
            && let Ok(file) = std::fs::File::open(self.file(name))
        {
            let _ = file.set_modified(since);
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.file(name)
    }

    fn entry(&self, name: &str) -> Result<Entry, String> {
        self.store.build(SERVICE, name, None).map_err(|error| told(name, &error))
    }
}

/// systemd-creds says itself what is wrong; of the others' words some carry the secret.
fn told(name: &str, error: &Error) -> String {
    match error {
        Error::PlatformFailure(why) => why.to_string(),
        other => format!("secret {name}: {}", reason(other)),
    }
}
