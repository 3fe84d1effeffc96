//! Where mailboxes are served: the provider against simulated servers, web sites and DNS.

mod checks;
mod decisions;
mod directory;
mod moves;
mod program;
mod trusted;
mod versions;
mod ways;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use calway::calendar::ews::{Discover, Ews, Options};
use calway::calendar::{Calendar, Forgetful, Ledger};
use calway::model::{
    Address, CalendarName, Doubt, Fault, Home, Plain, Secret, Span, Target, Time, TrustEntry,
    UserId,
};
use calway::net::Trust;
use calway::net::dial::Dial;
use calway_lab::exchange::{self, Exchange, MailboxKind, MovedTo};
use calway_lab::tls::Authority;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Where nothing listens.
const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 1);
const APEX: &str = "corp.example";
const HOST: &str = "autodiscover.corp.example";
const PASSWORD: &str = "lab-password";

/// A ledger whose clock the test sets.
struct Book {
    inner: Forgetful,
    now_ms: AtomicI64,
}

impl Book {
    fn new() -> Arc<Self> {
        let now_ms = AtomicI64::new(1_800_000_000_000);
        Arc::new(Self { inner: Forgetful::default(), now_ms })
    }

    fn pass(&self, span: Span) {
        let ms = i64::try_from(span.as_ms()).expect("a short time");
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The hosts that wait, and what led to them.
    async fn waiting(&self) -> Vec<(String, String)> {
        let entries = self.inner.trust().await.expect("a memory").into_iter();
        entries.map(|entry| (entry.host, entry.via)).collect()
    }
}

impl Ledger for Book {
    fn now(&self) -> Time {
        Time::from_ms(self.now_ms.load(Ordering::Relaxed))
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        self.inner.recall()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        self.inner.keep(lines)
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        self.inner.trust()
    }

    fn turns(&self) -> watch::Receiver<u64> {
        self.inner.turns()
    }

    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.inner.meet(host, via)
    }
}

/// An organisation: who vouches for its certificates, where its hosts are, what is remembered.
struct Org {
    authority: Arc<Authority>,
    hosts: Vec<((String, u16), SocketAddr)>,
    discover: Discover,
    book: Arc<Book>,
}

impl Org {
    /// None of the hosts that may be asked is there.
    fn new() -> Self {
        let discover = Discover { domains: vec![APEX.into()], ..Discover::default() };
        let mut org =
            Self { authority: Arc::default(), hosts: Vec::new(), discover, book: Book::new() };
        for host in [APEX, HOST] {
            org.place(host, 443, SocketAddr::from(NOWHERE));
        }
        org.place(HOST, 80, SocketAddr::from(NOWHERE));
        org
    }

    fn place(&mut self, host: &str, port: u16, address: SocketAddr) {
        self.hosts.retain(|(known, _)| *known != (host.to_owned(), port));
        self.hosts.push(((host.to_owned(), port), address));
    }

    async fn server(&self, options: exchange::Options) -> Exchange {
        let authority = Some(Arc::clone(&self.authority));
        let options = exchange::Options { authority, ..options };
        Exchange::start(options).await.expect("a free port")
    }

    /// A server at this name, with Ann's and Bob's mailboxes.
    async fn server_at(&mut self, host: &str) -> Exchange {
        let server = self.server(exchange::Options::default()).await;
        for name in ["ann", "bob"] {
            add(&server, name);
        }
        self.place(host, 443, server.address());
        server
    }

    /// A provider that begins now.
    fn provider(&self) -> Ews {
        self.provider_with(PASSWORD, |_| {})
    }

    /// With the address of a server in the configuration.
    fn provider_at(&self, exchange: &Exchange) -> Ews {
        let url = exchange.url();
        self.provider_with(PASSWORD, |options| {
            options.url = Some(url.parse().expect("an address"));
        })
    }

    fn provider_with(&self, password: &'static str, set: impl FnOnce(&mut Options)) -> Ews {
        let name = CalendarName::new("hq");
        let mut options = Options::discovering(name, self.discover.clone(), "CORP\\svc-calway");
        options.trust = Trust::only(self.authority.pem());
        options.dial = Dial::knowing(self.hosts.clone());
        options.connect_timeout = Duration::from_secs(5);
        set(&mut options);
        let password = Box::new(move || Some(Secret::new(password)));
        Ews::keeping(options, password, self.book.clone()).expect("good options")
    }
}

/// One server, where Ann is, and somebody who knows that.
async fn ann_is_known() -> (Org, Exchange, Ews) {
    let mut org = Org::new();
    let exchange = org.server_at(HOST).await;
    let ews = org.provider();
    home(&ews, "ann").await.expect("a home");
    (org, exchange, ews)
}

/// Ann's mailbox moves to Microsoft 365.
fn leaves(exchange: &Exchange) {
    let to = MovedTo::Cloud("ann@corp.mail.onmicrosoft.com".to_owned());
    exchange.calendars().move_mailbox("ann@corp.example", to);
}

fn add(server: &Exchange, name: &str) {
    let address = format!("{name}@{APEX}");
    server.calendars().add_mailbox(&address, name, MailboxKind::User);
}

fn target(name: &str) -> Target {
    let address = Address::parse(&format!("{name}@{APEX}")).expect("an address");
    Target { user: UserId::new(format!("user-{name}")), address: Arc::new(address) }
}

async fn home(ews: &Ews, name: &str) -> Result<Home, Fault> {
    ews.homes(&[target(name)], Doubt::None).await.pop().expect("one answer")
}

async fn fresh_home(ews: &Ews, name: &str) -> Result<Home, Fault> {
    ews.homes(&[target(name)], Doubt::Moved).await.pop().expect("one answer")
}

/// How often an operation was answered.
fn asked(server: &Exchange, operation: &str) -> u64 {
    server.log().counts().operations.get(operation).copied().unwrap_or(0)
}
