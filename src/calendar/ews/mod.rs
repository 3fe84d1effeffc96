//! Exchange, on premises, through Exchange Web Services.
//!
//! One operation, one file; each writes its request and reads its answer, and touches nothing else:
//! [`get_folder`], [`get_item`], [`find_item`], [`sync_folder_items`], [`subscribe`],
//! [`unsubscribe`], [`get_streaming_events`], [`get_user_oof_settings`]. Of [`convert_id`],
//! [`create_item`], [`update_item`] and [`get_user_availability`] the answers are read; their
//! requests come with the commands that need them.
//!
//! `soap`, `xml`, `datetime`, `codes`, `convert`, [`stream`], [`subscription`], `members`,
//! [`autodiscover`], [`ntlm`], `spnego` and `channel` are pure; `http` alone opens sockets, and the
//! library behind `kerberos`; `gate` and `session` sign in; `listen` drives a group's stream.

pub mod autodiscover;
pub mod convert_id;
pub mod create_item;
pub mod discover;
pub mod find_item;
pub mod get_folder;
pub mod get_item;
pub mod get_streaming_events;
pub mod get_user_availability;
pub mod get_user_oof_settings;
pub mod get_user_settings;
pub mod negotiate;
pub mod ntlm;
pub mod sign_in;
pub mod soap;
pub mod spnego;
pub mod stream;
pub mod subscribe;
pub mod subscription;
pub mod sync_folder_items;
pub mod unsubscribe;
pub mod update_item;

mod answer;
mod channel;
mod codes;
mod convert;
mod datetime;
mod discovery;
#[cfg(test)]
mod discovery_tests;
mod gate;
mod homes;
mod http;
mod items;
#[cfg(feature = "kerberos")]
mod kerberos;
mod listen;
mod members;
mod servers;
mod session;
mod turns;
mod versions;
mod view;
mod xml;
mod zones;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::Uri;
use aws_lc_rs::{digest, rand};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;

use self::discovery::Steps;
use self::gate::SignIn;
use self::http::{Events, Limits, Route};
use self::servers::{Server, Servers};
use self::soap::Header;
use super::{Calendar, Forgetful, Ledger};
use crate::model::{
    Absence, Address, CalendarName, Cursor, Doubt, Fault, Found, GroupKey, Hint, Home, ItemId,
    ListenEnd, Listing, Next, Order, Page, Secret, Target, Time,
};
use crate::net::dial::Dial;
use crate::net::{Connector, Origin, Proxy, Trust};

pub use self::discovery::{Discover, Discovery, HUNT_WITHIN, Legs, Scp, ScpBind, Witness};
pub use self::gate::Gates;
#[cfg(feature = "kerberos")]
pub use self::kerberos::{KEYTAB_VARIABLE, Kerberos};
pub use self::negotiate::Tickets;
pub use self::sign_in::Auth;

/// How an account signs in where nothing else is said: Kerberos where this build has it.
#[cfg(feature = "kerberos")]
pub const DEFAULT_WAYS: &[Auth] = &[Auth::Negotiate, Auth::Ntlm, Auth::Basic];
/// How an account signs in where nothing else is said: Kerberos where this build has it.
#[cfg(not(feature = "kerberos"))]
pub const DEFAULT_WAYS: &[Auth] = &[Auth::Ntlm, Auth::Basic];

/// What a `[[calendar]]` of kind `ews` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name in the configuration.
    pub name: CalendarName,
    /// `https://host/EWS/Exchange.asmx`, where one serves all; else Autodiscover names them.
    pub url: Option<Uri>,
    /// SOAP Autodiscover (`https://host/autodiscover/autodiscover.svc`): asked before every other
    /// place, and the only one where `discover` is absent.
    pub autodiscover: Option<Uri>,
    /// How servers are found. Beside a `url` only for the groups: which mailboxes may share a
    /// stream.
    pub discover: Option<Discover>,
    /// Where hosts are.
    pub dial: Dial,
    /// The account that may impersonate: `DOMAIN\user` or `user@domain`.
    pub account: String,
    /// How it signs in; the first that the server offers.
    pub auth: Vec<Auth>,
    /// Where [`Auth::Negotiate`] has its tickets from.
    pub tickets: Option<Arc<dyn Tickets>>,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// The way out, where there is no straight one.
    pub proxy: Option<Proxy>,
    /// Requests at once; streams come on top.
    pub max_connections: usize,
    /// Streams at once.
    pub max_streams: usize,
    /// From the first packet to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// From a request to the end of its answer. The server itself gives up after 60 to 100 s.
    pub request_timeout: Duration,
    /// A stream is dead after so long without a byte; heartbeats come every 45 s.
    pub silence: Duration,
    /// A stream is opened anew after so long, by chance between these two. The server would end
    /// it after 30 minutes only, but a subscription that it dropped in silence shows when the
    /// stream is opened, and is to be noticed within 10.
    pub roll_over: (Duration, Duration),
    /// Subscriptions are made anew after so many openings.
    pub openings: u32,
    /// A refused password is tried again after so long even if it has not changed.
    pub sign_in_pause: Duration,
    /// What is known of the account's secrets, where others sign in with them, too.
    pub gates: Option<Gates>,
}

impl Options {
    /// What is right for most.
    pub fn new(name: CalendarName, url: Uri, account: impl Into<String>) -> Self {
        Self { url: Some(url), ..Self::discovering(name, Discover::default(), account) }
            .without_discovery()
    }

    /// The domains' own hosts, where the configuration does not name them as servers.
    fn sites(&self) -> Vec<String> {
        let Some(discover) = &self.discover else { return Vec::new() };
        let urls = [&self.url, &self.autodiscover].into_iter().flatten();
        let named: Vec<&str> = urls.filter_map(Uri::host).collect();
        let trusted = |site: &str| discover.trusted_hosts.iter().any(|host| host == site);
        let sites = discover.domains.iter().filter(|site| !trusted(site));
        sites.filter(|site| !named.contains(&site.as_str())).cloned().collect()
    }

    fn without_discovery(mut self) -> Self {
        self.discover = None;
        self
    }

    /// The same, for servers that are to be found.
    pub fn discovering(name: CalendarName, discover: Discover, account: impl Into<String>) -> Self {
        Self {
            name,
            url: None,
            autodiscover: None,
            discover: Some(discover),
            dial: Dial::default(),
            account: account.into(),
            auth: vec![Auth::Ntlm, Auth::Basic],
            tickets: None,
            trust: Trust::default(),
            proxy: None,
            max_connections: 10,
            max_streams: 512,
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(100),
            silence: Duration::from_secs(90),
            roll_over: (Duration::from_secs(7 * 60), Duration::from_secs(9 * 60)),
            openings: 40,
            sign_in_pause: Duration::from_secs(60 * 60),
            gates: None,
        }
    }
}

/// An Exchange organisation.
pub struct Ews {
    options: Options,
    servers: Arc<Servers>,
    discovery: Discovery,
    ill: items::Ill,
}

impl fmt::Debug for Ews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ews({})", self.options.name)
    }
}

impl Ews {
    /// A provider; `password` is asked for each sign-in, so that a changed one is taken up. It
    /// forgets what it found at its end.
    ///
    /// # Errors
    /// [`Next::Refused`] where an address is not https or the trust is empty.
    pub fn new(
        options: Options,
        password: Box<dyn Fn() -> Option<Secret> + Send + Sync>,
    ) -> Result<Self, Fault> {
        Self::keeping(options, password, Arc::new(Forgetful::default()))
    }

    /// A provider that keeps what it found in a ledger.
    ///
    /// # Errors
    /// As [`Ews::new`].
    pub fn keeping(
        options: Options,
        password: Box<dyn Fn() -> Option<Secret> + Send + Sync>,
        ledger: Arc<dyn Ledger>,
    ) -> Result<Self, Fault> {
        let connector = Connector::new(options.trust.client()?, options.connect_timeout)
            .through(options.proxy.clone())
            .dialling(options.dial.clone());
        let limits = Limits {
            connections: options.max_connections,
            streams: options.max_streams,
            request_timeout: options.request_timeout,
        };
        let (account, ways) = (options.account.clone(), options.auth.clone());
        let gates = options.gates.clone().unwrap_or_else(|| Gates::new(options.sign_in_pause));
        let sign_in = SignIn::new(account, ways, password, options.tickets.clone(), gates);
        let sign_in = Arc::new(sign_in);
        for url in [&options.url, &options.autodiscover].into_iter().flatten() {
            Origin::of(url)?;
        }
        let servers = Arc::new(Servers::new(connector, sign_in, limits, options.sites()));
        let steps = Steps::new(&options, Arc::clone(&servers), Arc::clone(&ledger))?;
        let discovery = Discovery::new(&options, Arc::new(steps), ledger);
        Ok(Self { options, servers, discovery, ill: items::Ill::default() })
    }

    /// Finds out where a mailbox is served, whatever is known, and tells each step on the way.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn discover(&self, address: &Arc<Address>, tell: Witness<'_>) -> Result<Uri, Fault> {
        let addresses = std::slice::from_ref(address);
        let mut found = self.discovery.find(addresses, Doubt::Moved, Some(tell)).await;
        let unknown = || Err(Fault::retry("no answer"));
        found.pop().unwrap_or_else(unknown).map(|known| known.place.ews.clone())
    }

    /// Calls with the version that the server takes; `write` and `read` are an operation's.
    async fn ask<T>(
        &self,
        target: &Target,
        route: &Route,
        write: impl Fn(&Header<'_>) -> String,
        read: impl Fn(&[u8]) -> Result<T, Fault>,
    ) -> Result<(T, Option<Arc<str>>), Fault> {
        let (url, server) = self.home(target).await?;
        loop {
            let now = self.discovery.now();
            let header = Header { version: server.version(now), impersonate: &target.address };
            let whose = Some(&target.address);
            let result = match server.http.post(&url, route, whose, write(&header)).await {
                Ok(reply) => match read(&reply.body) {
                    Ok(value) => {
                        server.answered(header.version, &reply.body);
                        Ok((value, reply.cookie))
                    }
                    Err(fault) => Err(fault.with_request_id(reply.request_id)),
                },
                Err(fault) => Err(fault),
            };
            match result {
                Err(fault) if server.falls_back(now, header.version, &fault) => {}
                Err(fault) => {
                    server.heard(&fault);
                    return Err(self.perhaps_moved(fault));
                }
                result => return result,
            }
        }
    }

    /// What a fault within an answer means, as if it were the answer.
    async fn met(&self, target: &Target, fault: Fault) -> Fault {
        if let Ok((_, server)) = self.home(target).await {
            server.heard(&fault);
        }
        self.perhaps_moved(fault)
    }

    /// As [`Ews::ask`], for an answer that stays open.
    async fn open(
        &self,
        target: &Target,
        route: &Route,
        write: impl Fn(&Header<'_>) -> String,
    ) -> Result<(Events, Arc<Server>), Fault> {
        let (url, server) = self.home(target).await?;
        let now = self.discovery.now();
        let header = Header { version: server.version(now), impersonate: &target.address };
        let whose = &target.address;
        let opened = server.http.stream(&url, route, whose, write(&header)).await;
        let opened = match opened {
            Err(fault) if server.falls_back(now, header.version, &fault) => {
                let header = Header { version: server.version(now), impersonate: &target.address };
                server.http.stream(&url, route, whose, write(&header)).await
            }
            opened => opened,
        };
        match opened {
            Ok(events) => Ok((events, server)),
            Err(fault) => {
                server.heard(&fault);
                Err(fault)
            }
        }
    }

    /// Where the target is served: as far as it is known, else it is asked for.
    async fn home(&self, target: &Target) -> Result<(Uri, Arc<Server>), Fault> {
        let url = self.discovery.ews(&target.address).await?;
        let server = self.servers.at(&url)?;
        Ok((url, server))
    }

    /// A server that does not know a mailbox may only not be its server any more. Whether it is
    /// gone is Autodiscover's to say, which may hear of a move later than the servers.
    fn perhaps_moved(&self, fault: Fault) -> Fault {
        if fault.cause.code == codes::NON_EXISTENT_MAILBOX && self.options.url.is_none() {
            return Fault { next: Next::Moved, ..fault };
        }
        fault
    }

    /// As [`Ews::ask`], to the target's own back end.
    async fn ask_home<T>(
        &self,
        target: &Target,
        write: impl Fn(&Header<'_>) -> String,
        read: impl Fn(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let route = Route { anchor: Some(Arc::clone(&target.address)), ..Route::default() };
        Ok(self.ask(target, &route, write, read).await?.0)
    }

    async fn homes_of(&self, targets: &[Target], doubt: Doubt) -> Vec<Result<Home, Fault>> {
        let addresses: Vec<_> = targets.iter().map(|one| Arc::clone(&one.address)).collect();
        let mut homes = self.discovery.homes_of(&addresses, doubt).await;
        if zones::learn(self, targets).await {
            self.discovery.in_their_zones(&addresses, &mut homes);
        }
        homes
    }

    /// So that groups which began together do not end together.
    fn life(&self) -> Duration {
        let (shortest, longest) = self.options.roll_over;
        let mut random = [0; 4];
        // Without chance the life is the shortest.
        let _ = rand::fill(&mut random);
        let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        shortest + longest.saturating_sub(shortest).mul_f64(part)
    }
}

impl Calendar for Ews {
    fn absence<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Absence, Fault>> {
        async move {
            let anchor = Some(Arc::clone(&target.address));
            let route = Route { anchor, aside: true, ..Route::default() };
            let read = get_user_oof_settings::read;
            let asked = self.ask(target, &route, get_user_oof_settings::request, read);
            Ok(asked.await?.0.absence())
        }
        .boxed()
    }

    fn verify<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Fault>> {
        self.ask_home(target, get_folder::request, get_folder::read).boxed()
    }

    fn homes<'a>(
        &'a self,
        targets: &'a [Target],
        doubt: Doubt,
    ) -> BoxFuture<'a, Vec<Result<Home, Fault>>> {
        self.homes_of(targets, doubt).boxed()
    }

    fn forget<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, ()> {
        self.discovery.forget(&target.address).boxed()
    }

    fn changes<'a>(
        &'a self,
        target: &'a Target,
        cursor: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<Page, Fault>> {
        self.ask_home(
            target,
            move |header| sync_folder_items::request(header, cursor),
            move |xml| sync_folder_items::read(xml, cursor),
        )
        .boxed()
    }

    fn items<'a>(
        &'a self,
        target: &'a Target,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<Found>, Fault>> {
        items::read(self, target, ids).boxed()
    }

    fn view<'a>(
        &'a self,
        target: &'a Target,
        from: Time,
        to: Time,
    ) -> BoxFuture<'a, Result<Listing, Fault>> {
        view::read(self, target, from, to).boxed()
    }

    fn listen<'a>(
        &'a self,
        group: Vec<Target>,
        orders: mpsc::Receiver<Order>,
        hints: mpsc::Sender<Hint>,
    ) -> BoxFuture<'a, ListenEnd> {
        listen::listen(self, group, self.life(), orders, hints).boxed()
    }
}

/// A name for what mailboxes have in common that does not show it.
fn group_key(parts: &[&str]) -> GroupKey {
    GroupKey::new(short_hash(parts))
}

fn short_hash(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let hash = context.finish();
    let hex: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("ews-{hex}")
}
