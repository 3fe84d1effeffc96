//! What secrets are called, and which of them a configuration needs.

use std::path::Path;

use crate::config::written::{Written, WrittenProxyAuth};
use crate::config::{Mistakes, merged};

/// What the store is sealed with: made here, never asked for.
pub const STORE_KEY: &str = "store.key";

/// What is put after the name of a secret for the one that was in use before it, and is kept until
/// the new one has worked.
pub const PREVIOUS: &str = ".previous";

/// The secret that the cloud knows this connector by.
pub const CLIENT_SECRET: &str = "cloud.client_secret";

/// The password of the proxy to the cloud.
pub const CLOUD_PROXY: &str = "cloud.proxy_password";

/// A secret that a configuration needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub name: String,
    /// What it is, for whoever is asked for it: `password of CORP\svc-calway (calendar hq)`.
    pub what: String,
}

impl Needed {
    fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into() }
    }
}

/// The secrets that a configuration needs, as far as it can be read, in the order in which it
/// names what they are for.
///
/// # Errors
/// What keeps it from being read: a key that is unknown, a value of the wrong kind.
pub fn needed(file: &Path) -> Result<Vec<Needed>, Mistakes> {
    Ok(of(&merged(file)?))
}

pub(in crate::config) fn of(written: &Written) -> Vec<Needed> {
    let mut all = Vec::new();
    for calendar in &written.calendar {
        let name = calendar.name.clone().unwrap_or_default();
        let scp = calendar.discover.as_ref().and_then(|discover| discover.scp.as_ref());
        let simple = scp.is_some_and(|scp| scp.bind.as_deref() != Some("kerberos"));
        if calendar.keytab.is_none() || simple {
            let account = calendar.account.clone().unwrap_or_default();
            all.push(Needed::new(
                format!("calendar.{name}.password"),
                format!("password of {account} (calendar {name})"),
            ));
        }
        if let Some(WrittenProxyAuth::Basic { user }) = &calendar.proxy_auth {
            all.push(Needed::new(
                format!("calendar.{name}.proxy_password"),
                format!("password of {user} at the proxy (calendar {name})"),
            ));
        }
    }
    all.push(Needed::new(CLIENT_SECRET, "client secret, from the cloud's administrator"));
    let proxy = written.cloud.as_ref().and_then(|cloud| cloud.proxy_auth.as_ref());
    if let Some(WrittenProxyAuth::Basic { user }) = proxy {
        all.push(Needed::new(CLOUD_PROXY, format!("password of {user} at the proxy (cloud)")));
    }
    all.push(Needed::new(STORE_KEY, "key that the store is sealed with"));
    all
}

/// Whether a secret of ours can have this name, whatever the configuration is.
pub fn is_ours(name: &str) -> bool {
    if [STORE_KEY, CLIENT_SECRET, CLOUD_PROXY].contains(&name) {
        return true;
    }
    let calendar = name.strip_prefix("calendar.").and_then(|rest| rest.split_once('.'));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    calendar.is_some_and(|(name, what)| {
        !name.is_empty()
            && name.len() <= 128
            && name.chars().all(plain)
            && ["password", "proxy_password"].contains(&what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("calway.toml");
        std::fs::write(&file, text).unwrap();
        needed(&file).unwrap().into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_configuration_says_what_it_needs() {
        let one = "[[calendar]]\nname = \"hq\"\naccount = 'CORP\\svc'\n";
        let usual = ["calendar.hq.password", "cloud.client_secret", "store.key"];
        assert_eq!(names(one), usual);
        let keytab = format!("{one}keytab = \"/etc/k\"\n");
        assert_eq!(names(&keytab), usual[1..]);
        let simple = format!("{keytab}discover = {{ scp = {{ server = \"ldaps://dc1\" }} }}\n");
        assert_eq!(names(&simple), usual);
        let proxy = "proxy = \"http://p:1\"\nproxy_auth = { kind = \"basic\", user = \"c\" }\n";
        let both = format!("{one}{proxy}[cloud]\n{proxy}");
        assert_eq!(
            names(&both),
            [usual[0], "calendar.hq.proxy_password", usual[1], "cloud.proxy_password", usual[2]]
        );
        assert!(names(&both).iter().all(|name| is_ours(name)));
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["", "store.key.previous", "calendar..password", "calendar.a/b.password"] {
            assert!(!is_ours(name), "{name}");
        }
        assert!(!is_ours("calendar.hq.keytab") && !is_ours("../store.key"));
    }
}
