//! What is to be checked, and with which secrets: prepared so that none of them is sent twice.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::way::STEP;
use crate::calendar::Forgetful;
use crate::calendar::ews::{Ews, Gates, ScpBind};
use crate::cloud;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY, STORE_KEY, Secrets};
use crate::config::{CalendarSettings, KmsSettings, Settings};
use crate::daemon::account::{Account, Refused};
use crate::model::{Address, Fault, Verdict};
use crate::net::Proxy;
use crate::store::Shelf as _;
use crate::store::sqlite::{Looked, Sqlite, look};

/// A request takes no longer, so that its check can say so.
const REQUEST: Duration = Duration::from_secs(12);

/// What is to be checked.
pub(crate) struct Case {
    /// The calendars.
    pub(crate) calendars: Vec<CalendarSettings>,
    /// The cloud, where it is configured.
    pub(crate) cloud: Option<cloud::Options>,
    /// The key server, where it is configured.
    pub(crate) kms: Option<KmsSettings>,
    /// Where the store lies, or will.
    pub(crate) store: PathBuf,
    /// Where the secrets are.
    pub(crate) secrets: Arc<Secrets>,
    /// Mailboxes to try our rights with, beside those of the configuration.
    pub(crate) mailboxes: Vec<Arc<Address>>,
    /// Rooms to look into, beside those of the configuration.
    pub(crate) rooms: Vec<Arc<Address>>,
    /// The checks that are wanted, with what they need; none: all.
    pub(crate) only: Vec<String>,
}

impl Case {
    /// All that a configuration names.
    pub(crate) fn of(settings: Settings, secrets: Arc<Secrets>) -> Self {
        Self {
            calendars: settings.calendars,
            cloud: Some(settings.cloud),
            kms: Some(settings.kms),
            store: settings.store,
            secrets,
            mailboxes: Vec::new(),
            rooms: Vec::new(),
            only: Vec::new(),
        }
    }

    /// The addresses that this calendar serves.
    pub(super) fn of_calendar<'a>(
        &'a self,
        calendar: &'a CalendarSettings,
        named: &'a [Arc<Address>],
        own: &'a [Arc<Address>],
    ) -> Vec<Arc<Address>> {
        let served = |address: &&Arc<Address>| {
            let domain = address.domain().to_ascii_lowercase();
            let elsewhere = self.calendars.iter().any(|one| one.domains.contains(&domain));
            calendar.domains.contains(&domain) || calendar.domains.is_empty() && !elsewhere
        };
        let mut all: Vec<Arc<Address>> = Vec::new();
        for address in own.iter().chain(named.iter().filter(served)) {
            if !all.contains(address) {
                all.push(Arc::clone(address));
            }
        }
        all
    }

    /// The names of all secrets that the configuration needs.
    pub(super) fn secret_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for calendar in &self.calendars {
            let scp = calendar.ews.discover.as_ref().and_then(|found| found.scp.as_ref());
            let simple = scp.is_some_and(|scp| scp.bind == ScpBind::Simple);
            if calendar.keytab.is_none() || simple {
                names.push(format!("calendar.{}.password", calendar.ews.name));
            }
            if calendar.ews.proxy.as_ref().is_some_and(|proxy| proxy.account.is_some()) {
                names.push(format!("calendar.{}.proxy_password", calendar.ews.name));
            }
        }
        if let Some(cloud) = &self.cloud {
            names.push(CLIENT_SECRET.into());
            if cloud.proxy.as_ref().is_some_and(|proxy| proxy.account.is_some()) {
                names.push(CLOUD_PROXY.into());
            }
        }
        names.push(STORE_KEY.into());
        names
    }
}

/// What is known of secrets that were refused.
pub(super) enum Memory {
    /// There is no store yet, so nothing was tried.
    Nothing,
    /// It is kept with the store.
    Kept(Refused),
    /// There is a store, and it cannot be asked: no secret may be sent.
    Unknown(String),
}

/// A case with everything opened that it needs.
pub(super) struct Prepared<'a> {
    pub(super) case: &'a Case,
    /// The store as it was found; nothing where there is none.
    pub(super) looked: Option<Result<Looked, Fault>>,
    pub(super) memory: Memory,
    /// The calendars' accounts, in their order.
    pub(super) sites: Vec<Site<'a>>,
    /// The proxy on the way to the cloud and to the key server.
    pub(super) cloud_proxy: Option<Proxy>,
}

/// One calendar.
pub(super) struct Site<'a> {
    pub(super) calendar: &'a CalendarSettings,
    /// The provider, or why no secret can be sent.
    pub(super) ews: Result<Ews, String>,
    /// What the trust list says, and what is met.
    pub(super) ledger: Arc<Forgetful>,
    pub(super) proxy: Option<Proxy>,
}

impl<'a> Prepared<'a> {
    /// Opens what is there, and makes nothing.
    pub(super) fn new(case: &'a Case) -> Self {
        let looked = case.store.exists().then(|| look(&case.store));
        let memory = memory(case, looked.as_ref());
        let mut sharing = Sharing::default();
        let sites = case.calendars.iter().map(|one| site(case, one, &memory, &mut sharing));
        let sites = sites.collect();
        let cloud = case.cloud.as_ref().and_then(|cloud| cloud.proxy.clone());
        let cloud_proxy =
            cloud.map(|proxy| sharing.proxy(proxy, CLOUD_PROXY.to_owned(), case, &memory));
        Self { case, looked, memory, sites, cloud_proxy }
    }

    /// What becomes of a secret that is refused, for whoever is about to look once more.
    pub(super) fn kept(&self) -> &'static str {
        match self.memory {
            Memory::Nothing => {
                "before the service has run nobody remembers that, and each further check sends \
                 it again, until the account is locked"
            }
            Memory::Kept(_) | Memory::Unknown(_) => {
                "it is not sent again before it changes, or a long pause is over"
            }
        }
    }

    /// Why no secret may be sent, where that is so.
    pub(super) fn no_secrets(&self) -> Option<&str> {
        match &self.memory {
            Memory::Unknown(why) => Some(why),
            Memory::Nothing | Memory::Kept(_) => None,
        }
    }
}

fn memory(case: &Case, looked: Option<&Result<Looked, Fault>>) -> Memory {
    let unknown = |why: String| {
        Memory::Unknown(format!("which secrets were refused before cannot be read ({why})"))
    };
    match looked {
        None => Memory::Nothing,
        Some(Ok(found)) if found.layout == 0 => Memory::Nothing,
        Some(Ok(found)) if found.layout == found.own => {
            match Refused::beside(&case.store, &case.secrets) {
                Ok(refused) => Memory::Kept(refused),
                Err(fault) => unknown(fault.to_string()),
            }
        }
        Some(Ok(found)) => unknown(format!("the store has layout {}", found.layout)),
        Some(Err(fault)) => unknown(fault.to_string()),
    }
}

/// What accounts of the same name share.
#[derive(Default)]
struct Sharing {
    gates: HashMap<String, Gates>,
    proxies: Vec<(Proxy, String)>,
}

impl Sharing {
    /// A proxy whose password is known; the same account with the same password is one.
    fn proxy(&mut self, proxy: Proxy, secret: String, case: &Case, memory: &Memory) -> Proxy {
        if proxy.account.is_none() || matches!(memory, Memory::Unknown(_)) {
            return proxy;
        }
        let word = |name: &str| case.secrets.get(name).ok();
        let same = self.proxies.iter().find(|(known, name)| {
            *known == proxy && word(name).is_some() && word(name) == word(&secret)
        });
        if let Some((known, _)) = same {
            return known.clone();
        }
        let (secrets, name) = (Arc::clone(&case.secrets), secret.clone());
        let mut own = proxy.with_password(move || secrets.get(&name).ok());
        if let Memory::Kept(refused) = memory {
            own = own.remembering(|name| refused.memory("proxy", name));
        }
        self.proxies.push((own.clone(), secret));
        own
    }
}

fn site<'a>(
    case: &Case,
    calendar: &'a CalendarSettings,
    memory: &Memory,
    sharing: &mut Sharing,
) -> Site<'a> {
    let secret = format!("calendar.{}.proxy_password", calendar.ews.name);
    let proxy = calendar.ews.proxy.clone();
    let proxy = proxy.map(|proxy| sharing.proxy(proxy, secret, case, memory));
    let ledger = Arc::new(Forgetful::default());
    let ews = provider(case, calendar, memory, sharing, (&ledger, proxy.as_ref()));
    Site { calendar, ews, ledger, proxy }
}

fn provider(
    case: &Case,
    calendar: &CalendarSettings,
    memory: &Memory,
    sharing: &mut Sharing,
    (ledger, proxy): (&Arc<Forgetful>, Option<&Proxy>),
) -> Result<Ews, String> {
    let refused = match memory {
        Memory::Unknown(why) => return Err(why.clone()),
        Memory::Nothing => None,
        Memory::Kept(refused) => Some(refused),
    };
    if refused.is_some() {
        for (host, verdict) in verdicts(&case.store).map_err(|fault| fault.to_string())? {
            ledger.decide(&host, verdict);
        }
    }
    let account = Account::new(calendar, &case.secrets, refused);
    let account = account.map_err(|why| in_short(&why.to_string()))?;
    let mut options = account.options.clone();
    let own = options.gates.take().unwrap_or_else(|| Gates::new(options.sign_in_pause));
    let shared = sharing.gates.entry(options.account.to_lowercase()).or_insert(own);
    options.gates = Some(shared.clone());
    options.proxy = proxy.cloned();
    (options.connect_timeout, options.request_timeout) = (STEP, REQUEST);
    Ews::keeping(options, account.password(), ledger.clone()).map_err(|why| why.to_string())
}

/// Without the command, which stands beside the secret itself.
pub(super) fn in_short(why: &str) -> String {
    why.split(": sudo").next().unwrap_or(why).to_owned()
}

/// What an administrator said of hosts.
fn verdicts(store: &std::path::Path) -> Result<Vec<(String, Verdict)>, Fault> {
    let entries = Sqlite::open(store)?.trust()?.into_iter();
    let decided = entries.filter(|entry| entry.verdict != Verdict::Pending);
    Ok(decided.map(|entry| (entry.host, entry.verdict)).collect())
}
