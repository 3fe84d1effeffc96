//! Where systemd's encrypted credentials lie: one file a secret, which this machine alone can
//! decrypt. The service is handed them at its start; this is for whoever runs as root beside it.

use std::any::Any;
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use keyring_core::api::{Credential, CredentialApi, CredentialPersistence, CredentialStoreApi};
use keyring_core::{Entry, Error};

use super::names::{PREVIOUS, is_ours};
use super::program::pipe;
use super::{LONGEST, SERVICE};
use crate::config::file;

/// Where systemd looks for encrypted credentials by itself.
const FOLDER: &str = "etc/credstore.encrypted";

/// What the service is told to load.
const DROP_IN: &str = "etc/systemd/system/calway.service.d/secrets.conf";

/// systemd's own program, which knows the host's key and the TPM.
const PROGRAM: &str = "systemd-creds";

/// The store of encrypted credentials below a root folder.
#[derive(Clone, Debug)]
pub struct Credstore {
    root: PathBuf,
    /// What to encrypt with (`--with-key=` of systemd-creds); its own choice without.
    with_key: Option<String>,
}

impl Credstore {
    /// That of the system whose root folder this is; of this one: `/`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), with_key: None }
    }

    /// Names the key to encrypt with, as `--with-key=` of systemd-creds does.
    #[must_use]
    pub fn with_key(self, key: Option<String>) -> Self {
        Self { with_key: key, ..self }
    }

    /// Whether systemd's program is there.
    pub fn is_here() -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file())
    }

    /// Where a secret lies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(FOLDER).join(name)
    }

    /// The file that tells the service what to load.
    pub fn drop_in(&self) -> PathBuf {
        self.root.join(DROP_IN)
    }

    /// Our secrets that lie here, in the order of their names; also such that are kept from before.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> std::io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.root.join(FOLDER)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let ours = |name: &String| is_ours(name.strip_suffix(PREVIOUS).unwrap_or(name));
        let mut names: Vec<_> = names.filter(ours).collect();
        names.sort();
        Ok(names)
    }

    /// Tells the service to load what lies here, and nothing else.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tell_service(&self) -> std::io::Result<()> {
        let names = self.names()?;
        let path = self.drop_in();
        if names.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut text = String::from(
            "# Written by `calway secret`: the secrets that lie in /etc/credstore.encrypted.\n\
             [Service]\n",
        );
        for name in names {
            // Without a path systemd looks for it there by itself, and one that is gone meanwhile
            // does not keep the service from starting (systemd.exec(5)).
            text += &format!("LoadCredentialEncrypted={name}\n");
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        file::replace(&path, text.as_bytes(), 0o644, None)
    }

    fn encrypt(&self, name: &str, secret: &[u8]) -> Result<(), String> {
        let mut arguments = vec!["encrypt".to_owned(), format!("--name={name}")];
        arguments.extend(self.with_key.iter().map(|key| format!("--with-key={key}")));
        arguments.extend(["-".to_owned(), "-".to_owned()]);
        let sealed = pipe(PROGRAM, &arguments, secret)?;
        let folder = self.root.join(FOLDER);
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(told)?;
        file::replace(&folder.join(name), &sealed, 0o600, None).map_err(told)
    }

    fn decrypt(&self, name: &str) -> Result<Vec<u8>, String> {
        let file = self.file(name).into_os_string().into_string();
        let file = file.map_err(|_| "its path is no text".to_owned())?;
        let arguments = ["decrypt".into(), format!("--name={name}"), file, "-".into()];
        pipe(PROGRAM, &arguments, b"").map(|plain| plain.to_vec())
    }
}

impl CredentialStoreApi for Credstore {
    fn vendor(&self) -> String {
        "systemd encrypted credentials".into()
    }

    fn id(&self) -> String {
        "credstore".into()
    }

    fn build(
        &self,
        _service: &str,
        user: &str,
        _modifiers: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        if !is_ours(user.strip_suffix(PREVIOUS).unwrap_or(user)) {
            return Err(Error::Invalid("user".into(), "not the name of a secret of ours".into()));
        }
        let credential = Encrypted { store: self.clone(), name: user.to_owned() };
        Ok(Entry::new_with_credential(Arc::new(credential)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn persistence(&self) -> CredentialPersistence {
        CredentialPersistence::UntilDelete
    }
}

#[derive(Debug)]
struct Encrypted {
    store: Credstore,
    name: String,
}

impl CredentialApi for Encrypted {
    fn set_secret(&self, secret: &[u8]) -> keyring_core::Result<()> {
        self.store.encrypt(&self.name, secret).map_err(failure)
    }

    fn get_secret(&self) -> keyring_core::Result<Vec<u8>> {
        match std::fs::metadata(self.store.file(&self.name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NoEntry),
            Err(error) => Err(Error::NoStorageAccess(Box::new(error))),
            Ok(facts) if facts.len() > 4 * LONGEST => {
                Err(Error::Invalid("secret".into(), "longer than any of ours".into()))
            }
            Ok(_) => self.store.decrypt(&self.name).map_err(failure),
        }
    }

    fn delete_credential(&self) -> keyring_core::Result<()> {
        match std::fs::remove_file(self.store.file(&self.name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::NoEntry),
            Err(error) => Err(Error::NoStorageAccess(Box::new(error))),
            Ok(()) => Ok(()),
        }
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

fn failure(why: String) -> Error {
    Error::PlatformFailure(why.into())
}
