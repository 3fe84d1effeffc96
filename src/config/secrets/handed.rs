//! The credentials that systemd handed to this service at its start.

use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyring_core::api::{Credential, CredentialApi, CredentialPersistence, CredentialStoreApi};
use keyring_core::{Entry, Error};

use super::{LONGEST, SERVICE};

/// systemd's credentials of a running service as a store: read-only, one file a secret.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) folder: PathBuf,
}

#[derive(Debug)]
struct HandedOver {
    file: PathBuf,
    name: String,
}

impl CredentialStoreApi for Handed {
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
        let credential = HandedOver { file: self.folder.join(user), name: user.to_owned() };
        Ok(Entry::new_with_credential(Arc::new(credential)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn persistence(&self) -> CredentialPersistence {
        CredentialPersistence::ProcessOnly
    }
}

impl CredentialApi for HandedOver {
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
    let opened = match File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::NoEntry),
        opened => opened.map_err(access)?,
    };
    let mut all = Vec::with_capacity(1024);
    opened.take(LONGEST + 1).read_to_end(&mut all).map_err(access)?;
    if all.len() as u64 > LONGEST {
        return Err(Error::Invalid("secret".into(), "longer than 64 KiB".into()));
    }
    Ok(all)
}
