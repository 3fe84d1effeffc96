//! The secrets that a calendar's sign-in needs: where they come from, and that a changed one is
//! noticed within seconds, so that a refused sign-in heals by itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::disk::Disk;
use super::intake::Tell;
use super::ledger::Refusals;
use crate::calendar::ews::{self, Auth, ScpBind, Tickets};
use crate::config::CalendarSettings;
use crate::config::secrets::Secrets;
use crate::model::{CalendarName, Fault, Secret};
use crate::net::Proxy;
use crate::net::gate::Memory;
use crate::pipeline::seal::Installation;
use crate::store::sqlite::Sqlite;

/// How often the places of the secrets are looked at. Asking a keyring or reading a file costs
/// nothing beside what a person waits for who has just set a password.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The account of one calendar.
pub(crate) struct Account {
    /// The provider's options, with what only the running process knows.
    pub(crate) options: ews::Options,
    password: String,
    proxy_password: String,
    secrets: Arc<Secrets>,
    /// The proxy on the way, as it is now: a reload may put another one here.
    pub(super) proxy: watch::Sender<Option<Proxy>>,
}

/// Where it is kept what was refused: with the store, for whoever signs in with the same account.
#[derive(Clone)]
pub(crate) struct Refused {
    disk: Disk,
    installation: Arc<Installation>,
}

impl Refused {
    pub(super) fn new(disk: Disk, installation: Arc<Installation>) -> Self {
        Self { disk, installation }
    }

    /// For a tool beside the daemon.
    ///
    /// # Errors
    /// The store, or its key, cannot be read.
    pub(crate) fn beside(store: &Path, secrets: &Secrets) -> Result<Self, Fault> {
        let installation = Arc::new(Installation::new(&*secrets.store_key()?)?);
        let disk = Disk::start(Box::new(Sqlite::open(store)?));
        let disk = disk.map_err(|error| Fault::retry(error.to_string()))?;
        Ok(Self::new(disk, installation))
    }

    /// The memory of one account's secrets of one kind.
    pub(crate) fn memory(&self, kind: &str, account: &str) -> Arc<dyn Memory> {
        let account = account.to_lowercase();
        Arc::new(Refusals::of(kind, &account, &self.disk, &self.installation))
    }

    /// What is known of a calendar's account.
    fn gates(&self, options: &ews::Options) -> ews::Gates {
        let [password, keytab] =
            ["password", "keytab"].map(|kind| self.memory(kind, &options.account));
        ews::Gates::keeping(options.sign_in_pause, password, keytab)
    }
}

/// The accounts of all calendars, in their order. Those of the same name share what is known of
/// their secrets.
///
/// # Errors
/// As [`Account::new`].
pub(super) fn all(
    calendars: &[CalendarSettings],
    secrets: &Arc<Secrets>,
    refused: &Refused,
) -> Result<Vec<Account>, Fault> {
    let mut known: HashMap<String, ews::Gates> = HashMap::new();
    let share = |calendar| {
        let mut account = Account::new(calendar, secrets, Some(refused))?;
        let name = account.options.account.to_lowercase();
        let own = account.options.gates.take();
        let shared = own.map(|own| known.entry(name).or_insert(own).clone());
        account.options.gates = shared;
        Ok(account)
    };
    calendars.iter().map(share).collect()
}

impl Account {
    /// Puts together what the provider of this calendar needs. What was refused is looked up, and
    /// kept, in `refused`.
    ///
    /// # Errors
    /// `Refused`, with what to do, where a secret is missing.
    pub(crate) fn new(
        calendar: &CalendarSettings,
        secrets: &Arc<Secrets>,
        refused: Option<&Refused>,
    ) -> Result<Self, Fault> {
        let mut options = calendar.ews.clone();
        let password = format!("calendar.{}.password", options.name);
        let proxy_password = format!("calendar.{}.proxy_password", options.name);
        let bind = options.discover.as_ref().and_then(|found| Some(found.scp.as_ref()?.bind));
        // Asked once now, so that a missing secret is told at the start and not in the night.
        match (&calendar.keytab, bind) {
            (None, _) => drop(secrets.get(&password)?),
            (Some(_), Some(ScpBind::Simple)) => {
                secrets.get(&password).map_err(|fault| no_password(&options.name, &fault))?;
            }
            (Some(_), _) => {}
        }
        let proxy = options.proxy.take();
        options.proxy =
            proxy.map(|one| armed(one, &proxy_password, secrets, refused)).transpose()?;
        let proxy = watch::Sender::new(options.proxy.clone());
        if options.auth.contains(&Auth::Negotiate) || bind == Some(ScpBind::Kerberos) {
            options.tickets = Some(tickets(calendar)?);
        }
        options.gates = refused.map(|refused| refused.gates(&options));
        Ok(Self { options, password, proxy_password, secrets: secrets.clone(), proxy })
    }

    /// Lets what was refused be tried once more: somebody mended the account, and not the secret.
    ///
    /// # Errors
    /// `Retry` where the store cannot be read.
    pub(crate) async fn try_again(&self) -> Result<(), Fault> {
        let [password, _, keytab] = self.all();
        let proxy = self.proxy.borrow().clone();
        if let Some(proxy) = proxy {
            proxy.forget().await?;
        }
        match &self.options.gates {
            Some(gates) => gates.forget(password, keytab).await,
            None => Ok(()),
        }
    }

    /// Whether a secret is shut out; `None` where that cannot be said.
    async fn is_shut(&self) -> Option<bool> {
        let [password, _, keytab] = self.all();
        let proxy = self.proxy.borrow().clone();
        let proxy = match proxy {
            Some(proxy) => proxy.is_shut().await?,
            None => false,
        };
        Some(proxy || self.options.gates.as_ref()?.is_shut(password, keytab).await?)
    }

    /// What its password and that of its proxy are called.
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.password, &self.proxy_password]
    }

    /// Where the provider asks for the account's password.
    pub(crate) fn password(&self) -> Box<dyn Fn() -> Option<Secret> + Send + Sync> {
        let (secrets, name) = (self.secrets.clone(), self.password.clone());
        Box::new(move || secrets.get(&name).ok())
    }

    /// Everything that a sign-in may need, as it is now.
    fn all(&self) -> [Option<Secret>; 3] {
        let keytab = self.options.tickets.as_ref().and_then(|tickets| tickets.keytab());
        let get = |name: &str| self.secrets.get(name).ok();
        [get(&self.password), get(&self.proxy_password), keytab]
    }
}

/// A proxy whose account asks for its password, the secret `name`, at each tunnel, and remembers
/// what was refused.
///
/// # Errors
/// The secret is missing.
pub(super) fn armed(
    proxy: Proxy,
    name: &str,
    secrets: &Arc<Secrets>,
    refused: Option<&Refused>,
) -> Result<Proxy, Fault> {
    if proxy.account.is_none() {
        return Ok(proxy);
    }
    // Asked once now, so that a missing secret is told at once and not in the night.
    secrets.get(name)?;
    let (source, name) = (secrets.clone(), name.to_owned());
    let proxy = proxy.with_password(move || source.get(&name).ok());
    Ok(match refused {
        Some(refused) => proxy.remembering(|account| refused.memory("proxy", account)),
        None => proxy,
    })
}

#[cfg(feature = "kerberos")]
fn tickets(calendar: &CalendarSettings) -> Result<Arc<dyn Tickets>, Fault> {
    Ok(Arc::new(ews::Kerberos::new(calendar.keytab.clone())?))
}

#[cfg(not(feature = "kerberos"))]
fn tickets(_calendar: &CalendarSettings) -> Result<Arc<dyn Tickets>, Fault> {
    Err(Fault::refused("this build has no Kerberos"))
}

fn no_password(name: &CalendarName, fault: &Fault) -> Fault {
    Fault::refused(format!(
        "calendar {name}: discover.scp.bind = \"simple\" shows the directory the account's password, \
         and the calendar has a keytab only: write bind = \"kerberos\", or give the password too \
         ({fault})"
    ))
}

/// Tells the loop of the calendar whenever a secret has changed, or one that was shut out may be
/// tried again; runs until `stop`.
pub(super) async fn watch(
    account: Account,
    tells: mpsc::Sender<Tell>,
    mut stop: watch::Receiver<bool>,
) {
    let mut known = account.all();
    let mut was_shut = account.is_shut().await.unwrap_or_default();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let found = account.all();
        let is_shut = account.is_shut().await.unwrap_or(was_shut);
        let opened = std::mem::replace(&mut was_shut, is_shut) && !is_shut;
        if found != known || opened {
            known = found;
            let _ = tells.send(Tell::SecretChanged).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn with_keytab(bind: ScpBind) -> CalendarSettings {
        let scp = ews::Scp { host: "dc1".into(), port: 636, secure: true, bind, site: None };
        let discover = ews::Discover { scp: Some(scp), ..ews::Discover::default() };
        let ews = ews::Options::discovering(CalendarName::new("hq"), discover, "CORP\\svc");
        CalendarSettings {
            domains: BTreeSet::new(),
            keytab: Some("/keytab".into()),
            ews,
            test_mailboxes: Vec::new(),
            test_rooms: Vec::new(),
        }
    }

    #[test]
    fn a_keytab_alone_is_not_enough_for_a_directory_that_wants_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Arc::new(Secrets::open(Some(folder.path().into())));
        let fault = Account::new(&with_keytab(ScpBind::Simple), &secrets, None).err().unwrap();
        let words = fault.to_string();
        for word in ["calendar hq", "bind = \"kerberos\"", "calendar.hq.password"] {
            assert!(words.contains(word), "{words}");
        }
        std::fs::write(folder.path().join("calendar.hq.password"), "x").unwrap();
        assert!(Account::new(&with_keytab(ScpBind::Simple), &secrets, None).is_ok());
    }

    #[tokio::test]
    async fn whoever_signs_in_with_an_account_learns_what_was_refused_it_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("calway.db");
        std::fs::write(folder.path().join("store.key"), "A".repeat(43)).unwrap();
        let secrets = Secrets::open(Some(folder.path().into()));
        let secret = Secret::new("hunter2");
        let mark = |account: &str, kind: &str| {
            let refused = Refused::beside(&store, &secrets).unwrap();
            crate::net::Gate::new(LOOK_EVERY, "before", Some(refused.memory(kind, account)))
        };
        mark("CORP\\svc", "password").refuse(&secret, "https://a.example").await;
        assert!(mark("corp\\SVC", "password").check(&secret, "https://b.example").await.is_err());
        assert!(mark("CORP\\svc", "keytab").check(&secret, "").await.is_ok());
        assert!(mark("CORP\\other", "password").check(&secret, "").await.is_ok());
        std::fs::remove_file(folder.path().join("store.key")).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            // What SQLite has beside the file goes when the last of the stores is closed.
            let Ok(bytes) = std::fs::read(file.unwrap().path()) else { continue };
            for word in ["hunter2", "a.example", "CORP"] {
                assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
            }
        }
    }
}
