//! Exchange, on premises, through Exchange Web Services.
//!
//! One operation, one file; each writes its request and reads its answer, and touches nothing else:
//! [`get_folder`], [`get_item`], [`find_item`], [`sync_folder_items`], [`subscribe`],
//! [`unsubscribe`], [`get_streaming_events`], [`create_item`], [`update_item`],
//! [`get_user_availability`], [`get_user_oof_settings`], [`get_server_time_zones`], and
//! [`invitation`], which is GetItem for whoever is to change what it reads. Of [`convert_id`] only
//! the answer is read.
//!
//! `soap`, `xml`, `datetime`, `codes`, `effect`, `convert`, `folder_names`, [`own`], `windows`,
//! [`stream`], [`subscription`], `members`, [`autodiscover`], [`ntlm`], `spnego` and `channel` are
//! pure; `http` alone opens sockets, and the library behind `kerberos`; `gate` and `session` sign
//! in, `entrance` shows where that ends; `listen` drives a group's stream; `writing` sends what may
//! not come twice; `trial` tries a new password, `tuning` changes what may change meanwhile.

pub mod autodiscover;
pub mod convert_id;
pub mod create_item;
pub mod discover;
pub mod find_item;
pub mod get_folder;
pub mod get_item;
pub mod get_server_time_zones;
pub mod get_streaming_events;
pub mod get_user_availability;
pub mod get_user_oof_settings;
pub mod get_user_settings;
pub mod invitation;
pub mod negotiate;
pub mod ntlm;
pub mod own;
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
mod effect;
mod entrance;
mod folder_names;
mod gate;
mod homes;
mod http;
mod items;
#[cfg(feature = "kerberos")]
mod kerberos;
mod languages;
mod listen;
mod members;
mod options;
mod phrases;
mod servers;
mod session;
mod trial;
mod tuning;
mod turns;
mod versions;
mod view;
mod windows;
mod writing;
mod xml;
mod zones;

use std::fmt;
use std::sync::Arc;

use ::http::Uri;
use aws_lc_rs::digest;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;

use self::discovery::Steps;
use self::gate::SignIn;
use self::http::{Events, Limits, Route};
use self::servers::{Server, Servers};
use self::soap::Header;
use self::turns::Lane;
use super::{Calendar, Forgetful, Ledger};
use crate::model::{
    Absence, Address, BusyWindow, Cursor, Doubt, Entry, Fault, Found, FreeBusy, GroupKey, Hint,
    Home, Invitation, ItemId, ListenEnd, Listing, NewMeeting, Next, Notify, Order, Page, Plain,
    Reach, Response, Rewrite, Secret, ServerKey, Target, Time, Tried, WriteFault, Written,
};
use crate::net::{Connector, Origin};

pub use self::discovery::{Discover, Discovery, HUNT_WITHIN, Legs, Scp, ScpBind, Witness};
pub use self::entrance::{Entered, can_bind_to};
pub use self::gate::{Gates, REFUSED_BEFORE};
#[cfg(feature = "kerberos")]
pub use self::kerberos::{KEYTAB_VARIABLE, Kerberos};
pub use self::negotiate::Tickets;
pub use self::options::{DEFAULT_WAYS, Options};
pub use self::sign_in::Auth;
pub use self::tuning::Tuning;

/// An Exchange organisation.
pub struct Ews {
    options: Options,
    servers: Arc<Servers>,
    discovery: Discovery,
    steps: Arc<Steps>,
    ill: items::Ill,
    heavy: items::Heavy,
    slow: view::Slow,
    languages: languages::Languages,
    /// Held while a new secret is on its way.
    trying: Arc<tokio::sync::Mutex<()>>,
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
        let steps = Arc::new(steps);
        let discovery = Discovery::new(&options, steps.clone(), ledger);
        let (ill, heavy, slow, languages) = Default::default();
        Ok(Self {
            options,
            servers,
            discovery,
            steps,
            ill,
            heavy,
            slow,
            languages,
            trying: Arc::default(),
        })
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
        let server = self.servers.of_mailbox(&url)?;
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
}

impl Calendar for Ews {
    fn absence<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Absence, Fault>> {
        async move {
            let anchor = Some(Arc::clone(&target.address));
            let route = Route { anchor, lane: Lane::Crowd, ..Route::default() };
            let read = get_user_oof_settings::read;
            let asked = self.ask(target, &route, get_user_oof_settings::request, read);
            Ok(asked.await?.0.absence())
        }
        .boxed()
    }

    fn verify<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Fault>> {
        languages::verify(self, target).boxed()
    }

    fn language<'a>(
        &'a self,
        target: &'a Target,
    ) -> BoxFuture<'a, Result<Option<Arc<str>>, Fault>> {
        languages::of(self, target).boxed()
    }

    fn homes<'a>(
        &'a self,
        targets: &'a [Target],
        doubt: Doubt,
    ) -> BoxFuture<'a, Vec<Result<Home, Fault>>> {
        self.homes_of(targets, doubt).boxed()
    }

    fn forget<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, ()> {
        self.languages.forget(&target.address);
        self.heavy.forget(&target.user);
        self.slow.forget(&target.user);
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

    fn for_writing<'a>(
        &'a self,
        target: &'a Target,
        item: &'a ItemId,
        reach: Reach,
    ) -> BoxFuture<'a, Result<Option<Invitation>, Fault>> {
        writing::invitation(self, target, item, reach).boxed()
    }

    fn rewrite<'a>(
        &'a self,
        target: &'a Target,
        rewrite: &'a Rewrite,
    ) -> BoxFuture<'a, Result<Written, WriteFault>> {
        writing::rewrite(self, target, rewrite).boxed()
    }

    fn create<'a>(
        &'a self,
        target: &'a Target,
        meeting: &'a NewMeeting,
        mark: &'a str,
    ) -> BoxFuture<'a, Result<Written, WriteFault>> {
        writing::create(self, target, meeting, mark).boxed()
    }

    fn created<'a>(
        &'a self,
        target: &'a Target,
        mark: &'a str,
    ) -> BoxFuture<'a, Result<Option<Entry>, Fault>> {
        writing::created(self, target, mark).boxed()
    }

    fn respond<'a>(
        &'a self,
        target: &'a Target,
        invitation: &'a Written,
        response: Response,
        comment: Option<&'a Plain>,
        notify: Notify,
    ) -> BoxFuture<'a, Result<(), WriteFault>> {
        writing::respond(self, target, invitation, response, comment, notify).boxed()
    }

    fn free_busy<'a>(
        &'a self,
        target: &'a Target,
        mailboxes: &'a [Arc<Address>],
        window: &'a BusyWindow,
    ) -> BoxFuture<'a, Result<Vec<Result<FreeBusy, Fault>>, Fault>> {
        writing::free_busy(self, target, mailboxes, window).boxed()
    }

    fn try_secret<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Tried> {
        trial::secret(self, secret).boxed()
    }

    fn forget_refusal<'a>(&'a self, secret: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        let gates = self.servers.sign_in().gates();
        gates.forget(Some(secret.clone()), None).boxed()
    }

    fn listen<'a>(
        &'a self,
        group: Vec<Target>,
        orders: mpsc::Receiver<Order>,
        hints: mpsc::Sender<Hint>,
    ) -> BoxFuture<'a, ListenEnd> {
        listen::listen(self, group, listen::life(&self.options), orders, hints).boxed()
    }
}

/// A name for what mailboxes have in common that does not show it.
fn group_key(parts: &[&str]) -> GroupKey {
    GroupKey::new(short_hash(parts))
}

/// What the server at this address is called where its host is not to be named.
pub fn server_key(ews: &Uri) -> ServerKey {
    ServerKey::new(short_hash(&[&ews.to_string()]))
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
