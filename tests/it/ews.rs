//! The provider for Exchange against the simulated one: requests, sign-in, streams.

mod documented;
mod growing;
mod languages;
mod listening;
mod negotiating;
mod reading;
mod signing_in;
mod throttled;
mod writing;
mod written;
mod zones;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calway::calendar::Calendar;
use calway::calendar::ews::{Auth, Ews, Options};
use calway::model::{
    Address, CalendarName, Change, Cursor, Doubt, Fault, GroupKey, ItemId, Page, Secret, Target,
    Time, UserId,
};
use calway::net::Trust;
use calway_lab::exchange::{self, Draft, Exchange, MailboxKind};

/// 2026-03-02T00:00:00Z, a Monday.
pub(crate) const MONDAY: i64 = 1_772_409_600_000;
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;
const PASSWORD: &str = "lab-password";
/// Nothing that works takes this long, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(240);

/// A server, a provider for it, and the password that the provider is given.
pub(crate) struct Stage {
    pub(crate) exchange: Exchange,
    pub(crate) ews: Ews,
    password: Arc<Mutex<String>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(exchange::Options::default(), |_| {}).await
    }

    pub(crate) async fn with(server: exchange::Options, set: impl FnOnce(&mut Options)) -> Self {
        let exchange = Exchange::start(server).await.expect("a free port");
        let password = Arc::new(Mutex::new(PASSWORD.to_owned()));
        let ews = provider(&exchange, &password, set);
        Self { exchange, ews, password }
    }

    /// One that waits for answers as long as a test does: large ones take a busy machine long.
    pub(crate) async fn patient() -> Self {
        Self::with(exchange::Options::default(), |options| options.request_timeout = PATIENCE).await
    }

    /// Another provider of the same account for the same server, as in another process.
    fn another(&self, set: impl FnOnce(&mut Options)) -> Ews {
        provider(&self.exchange, &self.password, set)
    }

    /// A mailbox `name@corp.example`.
    pub(crate) fn mailbox(&self, name: &str) -> Target {
        let address = format!("{name}@corp.example");
        self.exchange.calendars().add_mailbox(&address, name, MailboxKind::User);
        target(name)
    }

    pub(crate) fn mailboxes(&self, n: usize) -> Vec<Target> {
        (0..n).map(|n| self.mailbox(&format!("m{n:03}"))).collect()
    }

    pub(crate) fn create(&self, target: &Target, draft: Draft) -> ItemId {
        let id = self.exchange.calendars().create(target.address.reveal(), draft);
        ItemId(id.0.as_str().into())
    }

    /// The group that a mailbox belongs to.
    async fn group(&self, target: &Target) -> GroupKey {
        let homes = self.ews.homes(std::slice::from_ref(target), Doubt::None).await;
        homes[0].as_ref().expect("a home").group.clone()
    }

    /// All pages from a cursor on.
    pub(crate) async fn pages(
        &self,
        target: &Target,
        from: Option<&Cursor>,
    ) -> Result<Vec<Page>, Fault> {
        let mut pages: Vec<Page> = Vec::new();
        loop {
            let cursor = pages.last().map(|page| &page.cursor).or(from).cloned();
            let page = self.ews.changes(target, cursor.as_ref()).await?;
            let last = page.last;
            pages.push(page);
            if last {
                return Ok(pages);
            }
        }
    }
}

fn provider(
    exchange: &Exchange,
    password: &Arc<Mutex<String>>,
    set: impl FnOnce(&mut Options),
) -> Ews {
    let url = exchange.url().parse().expect("an address");
    let mut options = Options::new(CalendarName::new("hq"), url, "CORP\\svc-calway");
    options.trust = Trust::only(exchange.ca_pem());
    set(&mut options);
    let given = Arc::clone(password);
    let password = move || Some(Secret::new(given.lock().expect("no panic").clone()));
    Ews::new(options, Box::new(password)).expect("good options")
}

/// Microsoft's documented messages.
fn samples() -> Option<PathBuf> {
    folder("EWS_SAMPLES_DIR", "samples/ews")
}

/// Microsoft's schema.
fn schema() -> Option<PathBuf> {
    folder("EWS_SCHEMA_DIR", "schema/ews")
}

/// What is no part of this tree: the folder that a variable names, or one beside the tree. Where
/// it must be there its absence is an error.
fn folder(variable: &str, beside: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os(variable) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(beside),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    let needed = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!needed, "nothing at {}", folder.display());
    // Past the test harness, which keeps what a passing test prints to itself.
    let line = format!("SKIPPED: nothing at {} ({variable} names it)\n", folder.display());
    std::io::stderr().write_all(line.as_bytes()).expect("a place for a line");
    None
}

fn target(name: &str) -> Target {
    let address = Address::parse(&format!("{name}@corp.example")).expect("an address");
    Target { user: UserId::new(format!("user-{name}")), address: Arc::new(address) }
}

fn upserts(pages: &[Page]) -> Vec<ItemId> {
    let changes = pages.iter().flat_map(|page| &page.changes);
    let upsert = |change: &Change| match change {
        Change::Upsert(id) => Some(id.clone()),
        Change::Delete(_) => None,
    };
    changes.filter_map(upsert).collect()
}

fn week() -> (Time, Time) {
    (Time::from_ms(MONDAY), Time::from_ms(MONDAY + 7 * DAY))
}

/// Fails a test that hangs.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} takes too long"),
    }
}

fn only_basic(options: &mut Options) {
    options.auth = vec![Auth::Basic];
}
