//! Carries out what a [`Hunt`] decides, and keeps the homes that it found.

mod found;
mod leaving;
mod rules;
mod steps;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ::http::Uri;
use futures_util::future::{BoxFuture, Either, pending, select};
use tokio::sync::{OnceCell, watch};

use self::found::{answer, is_gone, place};
pub(super) use self::steps::Steps;
use super::discover::{
    Answer, BLOCKED, Endpoint, Found, Hosts, Hunt, IN_THE_CLOUD, Note, Outcome, Rules, Step, Via,
    domain_of,
};
use super::homes::{Homes, Known, Place, elapsed};
use super::{Options, group_key, server_key};
use crate::calendar::Ledger;
use crate::model::{Address, Doubt, Fault, Home, Next, Plain, Span, Time, Zone};
use crate::net::dns::NameServer;

/// A request goes by a trust list that is no older.
const LIST_FOR: Span = Span::from_secs(30);

/// A hunt takes no longer: whoever has no answer by then asks again later.
pub const HUNT_WITHIN: Span = Span::from_secs(120);

/// How the servers of mailboxes are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discover {
    /// Domains whose own hosts may be asked, with credentials.
    pub domains: Vec<String>,
    /// The directory that holds the service connection points.
    pub scp: Option<Scp>,
    /// Whether DNS is asked for SRV records.
    pub srv: bool,
    /// Hosts that may be asked although only a redirect leads to them: names, or `*.example.com`.
    pub trusted_hosts: Vec<String>,
    /// The name servers that are asked; the system's where there are none.
    pub name_servers: Vec<NameServer>,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scp {
    /// Its server's name.
    pub host: String,
    /// Its server's port.
    pub port: u16,
    /// `ldaps`; without it Kerberos protects what is said.
    pub secure: bool,
    /// How the account signs in to it.
    pub bind: ScpBind,
    /// The site of Active Directory that is ours; that of the server where none is named.
    pub site: Option<String>,
}

/// How an account signs in to a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScpBind {
    /// By name and password, inside TLS.
    Simple,
    /// By the Kerberos ticket of the process.
    Kerberos,
}

/// Hears of each step and its answer.
pub type Witness<'a> = &'a (dyn Fn(&Step, &Answer) + Send + Sync);

/// Carries the steps of hunts out: the way to the network, and chance and time with it.
pub trait Legs: Send + Sync + 'static {
    /// What comes of a step.
    fn go<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Answer>;

    /// Comes back when a hunt that begins now has taken [`HUNT_WITHIN`].
    fn tired(&self) -> BoxFuture<'_, ()>;

    /// The chance of a hunt.
    fn chance(&self) -> u64;
}

/// Finds homes and keeps them.
pub struct Discovery {
    /// The EWS address that is configured: then only groups are looked for.
    fixed: Option<Uri>,
    start: Option<Uri>,
    discover: RwLock<Option<Discover>>,
    legs: Arc<dyn Legs>,
    ledger: Arc<dyn Ledger>,
    homes: Mutex<Homes>,
    /// Grows with each verdict.
    turns: watch::Receiver<u64>,
    /// The trust list's verdicts, as they were read last: in which turn, and when.
    verdicts: Mutex<Option<Verdicts>>,
    recalled: OnceCell<()>,
    hunting: tokio::sync::Mutex<()>,
}

type Verdicts = (u64, Time, Arc<Hosts>);

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discovery")
    }
}

/// What keeps a discovery from an answer of its own.
type Lines = Vec<(Plain, Option<Plain>)>;

impl Discovery {
    /// One that goes on these legs, and keeps what it finds in this ledger.
    pub fn new(options: &Options, legs: Arc<dyn Legs>, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            fixed: options.url.clone(),
            start: options.autodiscover.clone(),
            discover: RwLock::new(options.discover.clone()),
            legs,
            turns: ledger.turns(),
            ledger,
            homes: Mutex::default(),
            verdicts: Mutex::default(),
            recalled: OnceCell::new(),
            hunting: tokio::sync::Mutex::default(),
        }
    }

    /// One step by itself.
    pub(super) async fn go(&self, step: &Step) -> Answer {
        self.legs.go(step).await
    }

    pub(super) fn now(&self) -> Time {
        self.ledger.now()
    }

    /// What is known of a mailbox, however old.
    pub(super) fn known(&self, address: &Address) -> Option<Known> {
        self.homes().get(address).cloned()
    }

    /// The EWS that is asked about a mailbox: as far as it is known and not blocked, else it is
    /// found.
    ///
    /// # Errors
    /// Why it is not known, or is not to be asked.
    pub async fn ews(&self, address: &Arc<Address>) -> Result<Uri, Fault> {
        let known = self.known(address).map(|known| known.place.ews.clone());
        match known.or_else(|| self.fixed.clone()) {
            Some(url) if self.admits(&url).await? => Ok(url),
            _ => {
                let mut found = self.find(std::slice::from_ref(address), Doubt::None, None).await;
                let unknown = || Err(Fault::retry("no answer"));
                found.pop().unwrap_or_else(unknown).map(|known| known.place.ews.clone())
            }
        }
    }

    /// Where these are served, one answer for each in their order.
    pub async fn homes_of(
        &self,
        addresses: &[Arc<Address>],
        doubt: Doubt,
    ) -> Vec<Result<Home, Fault>> {
        let home = |known: Known| Home {
            server: server_key(&known.place.ews),
            group: known.place.group.clone(),
            zone: known.zone,
        };
        let found = self.find(addresses, doubt, None).await;
        found.into_iter().map(|known| known.map(home)).collect()
    }

    /// The same homes, with the zones that were learnt since.
    pub fn in_their_zones(&self, addresses: &[Arc<Address>], homes: &mut [Result<Home, Fault>]) {
        for (home, address) in homes.iter_mut().zip(addresses) {
            if let (Ok(home), Some(known)) = (home, self.known(address)) {
                home.zone = known.zone;
            }
        }
    }

    /// Whether a mailbox is served where nothing may be sent any more.
    pub(super) async fn is_blocked(&self, address: &Address) -> bool {
        let known = self.known(address).map(|known| known.place.ews.clone());
        match known.or_else(|| self.fixed.clone()) {
            Some(url) => !self.admits(&url).await.unwrap_or(true),
            None => false,
        }
    }

    /// Whether an administrator lets requests go there; a host that is blocked now is asked nothing
    /// more from now on.
    ///
    /// # Errors
    /// The trust list cannot be read, and never was.
    async fn admits(&self, url: &Uri) -> Result<bool, Fault> {
        Ok(!self.verdicts(LIST_FOR).await?.blocks(url))
    }

    /// Comes back with the next verdict, and never where there will be none.
    pub(super) async fn next_verdict(turns: &mut watch::Receiver<u64>) {
        if turns.changed().await.is_err() {
            pending::<()>().await;
        }
    }

    /// For [`Discovery::next_verdict`].
    pub(super) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.clone()
    }

    /// The trust list's verdicts, of this turn and no older than that if they can be read.
    async fn verdicts(&self, age: Span) -> Result<Arc<Hosts>, Fault> {
        let (now, turn) = (self.now(), *self.turns.borrow());
        let kept = self.kept_verdicts().clone();
        if let Some((then, at, hosts)) = &kept
            && *then == turn
            && elapsed(now, *at) < age
        {
            return Ok(Arc::clone(hosts));
        }
        match (self.ledger.trust().await, kept) {
            (Ok(trust), _) => {
                let hosts = Arc::new(Hosts::new([], trust));
                *self.kept_verdicts() = Some((turn, now, Arc::clone(&hosts)));
                Ok(hosts)
            }
            (Err(_), Some((_, _, hosts))) => Ok(hosts),
            (Err(fault), None) => Err(fault),
        }
    }

    fn kept_verdicts(&self) -> MutexGuard<'_, Option<Verdicts>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where these are served; asked for where it is due, and where what is known was blocked.
    pub(super) async fn find(
        &self,
        addresses: &[Arc<Address>],
        doubt: Doubt,
        witness: Option<Witness<'_>>,
    ) -> Vec<Result<Known, Fault>> {
        self.recall().await;
        let verdicts = match self.verdicts(Span::default()).await {
            Ok(verdicts) => verdicts,
            Err(fault) => return addresses.iter().map(|_| Err(fault.clone())).collect(),
        };
        let blocked = |known: &Known| verdicts.blocks(&known.place.ews);
        let now = self.now();
        let mut asked: Vec<(String, Vec<Arc<Address>>)> = Vec::new();
        for address in addresses {
            let homes = self.homes();
            let is_blocked = homes.get(address).is_some_and(blocked);
            let doubt = if is_blocked { Doubt::Moved } else { doubt };
            if !homes.is_due(now, address, doubt) {
                continue;
            }
            let domain = domain_of(address);
            match asked.iter_mut().find(|(known, _)| *known == domain) {
                Some((_, users)) => users.push(Arc::clone(address)),
                None => asked.push((domain, vec![Arc::clone(address)])),
            }
        }
        let mut refused: Vec<(Arc<Address>, Fault)> = Vec::new();
        for (domain, users) in asked {
            for some in users.chunks(super::get_user_settings::MOST_USERS) {
                refused.extend(self.ask(&domain, some, doubt, witness).await);
            }
        }
        let homes = self.homes();
        let answer = |address: &Arc<Address>| {
            let why = refused.iter().find(|(refused, _)| refused == address).map(|(_, why)| why);
            match homes.get(address) {
                Some(known) if blocked(known) => Err(Fault::new(Next::Denied, BLOCKED)),
                known => answer(known, why, doubt),
            }
        };
        addresses.iter().map(answer).collect()
    }

    /// Whether a mailbox's time zone is to be asked for.
    pub fn is_zone_due(&self, address: &Address) -> bool {
        self.homes().is_zone_due(self.now(), address)
    }

    /// What came of asking for time zones: nothing where a mailbox never said, `None` where it
    /// could not be asked; then it is asked again after an hour.
    pub async fn learn_zones(&self, told: Vec<(Arc<Address>, Option<Option<Zone>>)>) {
        let now = self.now();
        let lines = {
            let mut homes = self.homes();
            let told = told.into_iter();
            told.filter_map(|(address, zone)| homes.learn_zone(now, &address, zone)).collect()
        };
        self.keep(lines).await;
    }

    /// Asks for users of one domain; what stays unanswered comes back with its reason.
    async fn ask(
        &self,
        domain: &str,
        users: &[Arc<Address>],
        doubt: Doubt,
        witness: Option<Witness<'_>>,
    ) -> Vec<(Arc<Address>, Fault)> {
        let outcomes = match self.hunts() {
            true => self.hunt(domain, users, doubt, witness).await,
            false => users.iter().map(|_| Err(Fault::retry("nothing to be asked"))).collect(),
        };
        let now = self.now();
        let (mut lines, mut refused) = (Lines::new(), Vec::new());
        {
            let mut homes = self.homes();
            for (address, outcome) in users.iter().zip(outcomes) {
                match (outcome, &self.fixed) {
                    (Ok(found), fixed) => {
                        let place = place(found, fixed.as_ref());
                        lines.extend(homes.learn(now, address, place, true));
                    }
                    // Autodiscover only makes better groups: without it they are made all the
                    // same. But where the server lost a mailbox, it may know the reason.
                    (Err(fault), Some(ews)) => {
                        if homes.get(address).is_none() {
                            let group = group_key(&[&ews.to_string()]);
                            let place = Place { ews: ews.clone(), group };
                            homes.learn(now, address, place, !self.hunts());
                        }
                        let left = fault.cause.code == IN_THE_CLOUD;
                        homes.missed(now, address, left.then_some(&fault));
                        if doubt != Doubt::None && left {
                            refused.push((Arc::clone(address), fault));
                        }
                    }
                    (Err(fault), None) => {
                        homes.missed(now, address, Some(&fault));
                        // Who is only checked can be read as long as the server knows it.
                        if doubt != Doubt::Routine && is_gone(&fault, doubt) {
                            lines.extend(homes.forget(address));
                        }
                        refused.push((Arc::clone(address), fault));
                    }
                }
            }
            lines.extend(homes.owed().into_iter().chain(homes.sweep(now)));
        }
        self.keep(lines).await;
        refused
    }

    async fn hunt(
        &self,
        domain: &str,
        users: &[Arc<Address>],
        doubt: Doubt,
        witness: Option<Witness<'_>>,
    ) -> Vec<Result<Found, Fault>> {
        let all = |fault: &Fault| users.iter().map(|_| Err(fault.clone())).collect();
        let trust = match self.ledger.trust().await {
            Ok(trust) => trust,
            Err(fault) => return all(&fault),
        };
        // One looks for all; who waited finds what it found.
        let known = self.homes().endpoint(self.now(), domain).is_some();
        let _turn = if known { None } else { Some(self.hunting.lock().await) };
        let now = self.now();
        let (first, young) = match self.homes().endpoint(now, domain) {
            Some((endpoint, young)) => (Some(endpoint), young),
            None => (None, false),
        };
        // What the directory named is vouched for as long as there is one.
        let named = |endpoint: &Endpoint| self.has_directory() || endpoint.via != Via::Directory;
        let first = first.filter(named);
        let young = young && first.is_some();
        let last = self.homes().named_last(now, domain).filter(named);
        let pause = self.homes().pause(now, domain, &trust, doubt);
        if let Some(fault) = pause {
            return all(&fault);
        }
        let have_old = {
            let (homes, verdicts) = (self.homes(), Hosts::new([], trust.iter().cloned()));
            let usable = |known: &Known| !verdicts.blocks(&known.place.ews);
            users.iter().all(|user| homes.get(user).is_some_and(usable))
        };
        let rules = Rules { last, ..self.rules(first, young && have_old, &trust) };
        let Outcome { homes: outcomes, endpoints, kept } =
            self.play(Hunt::new(rules, users.to_vec()), witness).await;
        // A hunt may have taken longer than the pause after it.
        let now = self.now();
        let mut lines = Lines::new();
        {
            let mut homes = self.homes();
            if endpoints.is_empty()
                && let Some(Err(fault)) = outcomes.first()
            {
                homes.failed(now, domain, &trust, fault.clone());
            }
            for (domain, endpoint) in endpoints {
                let kept = kept.contains(&domain);
                lines.extend(homes.answered(now, &domain, endpoint, kept));
            }
        }
        self.keep(lines).await;
        outcomes
    }

    async fn play(&self, mut hunt: Hunt, witness: Option<Witness<'_>>) -> Outcome {
        let mut tired = self.legs.tired();
        while let Some(step) = hunt.step() {
            let gone = select(self.legs.go(&step), &mut tired).await;
            let Either::Left((answer, _)) = gone else { break };
            if let Some(witness) = witness {
                witness(&step, &answer);
            }
            hunt.answer(answer);
            self.note(hunt.notes()).await;
        }
        self.note(hunt.notes()).await;
        hunt.finish()
    }

    async fn note(&self, notes: Vec<Note>) {
        for note in notes {
            if let Note::Unknown { host, via } = note {
                // It is met again with the next hunt.
                let _ = self.ledger.meet(&host, via.as_str()).await;
            }
        }
    }

    /// Takes in what was kept, once. Without it everything is asked for.
    async fn recall(&self) {
        self.recalled
            .get_or_init(|| async {
                if let Ok(lines) = self.ledger.recall().await {
                    let gone = self.homes().recall(self.now(), &lines, self.fixed.as_ref());
                    self.keep(gone).await;
                }
            })
            .await;
    }

    async fn keep(&self, lines: Lines) {
        let keys: Vec<Plain> = lines.iter().map(|(key, _)| key.clone()).collect();
        if !keys.is_empty() {
            let taken = self.ledger.keep(lines).await.is_ok();
            self.homes().kept(&keys, taken);
        }
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
