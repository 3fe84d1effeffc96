//! Where the town's mailboxes are, as the real discovery of the provider learns it: it asks, and
//! is answered at once; how often it asked is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use calway::calendar::Ledger;
use calway::calendar::ews::discover::{Answer, Step};
use calway::calendar::ews::get_user_settings::{Settings, Told};
use calway::calendar::ews::{Discovery, Legs, Options};
use calway::model::{Address, CalendarName, Doubt, Fault, Home, Plain, Time, TrustEntry};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending, ready};
use http::Uri;
use tokio::sync::watch;

/// Where a mailbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seat {
    /// Where it was from the beginning.
    #[default]
    First,
    /// At another server.
    Second,
    /// In Microsoft 365.
    Cloud,
}

const FIRST: &str = "https://first.corp.example/EWS/Exchange.asmx";
const SECOND: &str = "https://second.corp.example/EWS/Exchange.asmx";

/// What Autodiscover knows.
#[derive(Debug, Default)]
struct Field {
    wall: Time,
    /// Those who moved, by their addresses.
    seats: BTreeMap<String, Seat>,
    asked: u64,
}

/// The way of the discovery into the town.
#[derive(Clone, Debug, Default)]
struct Way(Arc<Mutex<Field>>);

impl Way {
    fn field(&self) -> MutexGuard<'_, Field> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Legs for Way {
    fn go<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Answer> {
        let Step::Settings(_, users) = step else { panic!("{step:?}") };
        let mut field = self.field();
        field.asked += 1;
        let told = |user: &Arc<Address>| Ok(settings(field.seats.get(user.reveal()).copied()));
        ready(Answer::Settings(Ok(users.iter().map(told).collect()))).boxed()
    }

    fn tired(&self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }

    fn chance(&self) -> u64 {
        0
    }
}

fn settings(seat: Option<Seat>) -> Told {
    let (grouping, ews) = match seat.unwrap_or_default() {
        Seat::First => ("group", FIRST),
        Seat::Second => ("other", SECOND),
        Seat::Cloud => return Told::Address(Plain::new("someone@corp.mail.onmicrosoft.com")),
    };
    Told::Settings(Settings {
        grouping: Some(grouping.into()),
        internal_ews_url: Some(ews.into()),
        external_ews_url: None,
    })
}

impl Ledger for Way {
    fn now(&self) -> Time {
        self.field().wall
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn keep(&self, _lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        ready(Ok(())).boxed()
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn turns(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn meet<'a>(&'a self, host: &'a str, _via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        panic!("nobody leads to {host}")
    }
}

/// The provider's discovery, and what it is told.
#[derive(Debug)]
pub struct Directory {
    way: Way,
    discovery: Discovery,
}

/// What is played answers at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing is waited for")
}

impl Directory {
    /// Autodiscover; or, without one, a configured address.
    pub fn new(is_there: bool) -> Self {
        let first = Uri::from_static(FIRST);
        let mut options = Options::new(CalendarName::new("hq"), first, "svc-calway");
        if is_there {
            options.url = None;
            let autodiscover = "https://first.corp.example/autodiscover/autodiscover.svc";
            options.autodiscover = Some(Uri::from_static(autodiscover));
        }
        let way = Way::default();
        let (legs, ledger) = (Arc::new(way.clone()), Arc::new(way.clone()));
        Self { discovery: Discovery::new(&options, legs, ledger), way }
    }

    /// The time of day.
    pub fn set_clock(&self, wall: Time) {
        self.way.field().wall = wall;
    }

    /// A mailbox moves.
    pub fn seat(&self, address: &Address, seat: Seat) {
        self.way.field().seats.insert(address.reveal().into(), seat);
    }

    /// Where a mailbox is in truth.
    pub fn truth(&self, address: &Address) -> Seat {
        self.way.field().seats.get(address.reveal()).copied().unwrap_or_default()
    }

    /// Where the provider asks for a mailbox.
    pub fn known(&self, address: &Arc<Address>) -> Result<Seat, Fault> {
        let ews = at_once(self.discovery.ews(address))?;
        Ok(if ews == SECOND { Seat::Second } else { Seat::First })
    }

    /// Homes, and how many requests they took.
    pub fn homes(
        &self,
        addresses: &[Arc<Address>],
        doubt: Doubt,
    ) -> (Vec<Result<Home, Fault>>, u64) {
        let before = self.way.field().asked;
        let homes = at_once(self.discovery.homes_of(addresses, doubt));
        (homes, self.way.field().asked - before)
    }

    /// Whose time zones are to be asked for.
    pub fn zones_due(&self, addresses: &[Arc<Address>]) -> Vec<Arc<Address>> {
        let due = addresses.iter().filter(|address| self.discovery.is_zone_due(address));
        due.cloned().collect()
    }

    /// Nobody has said where he lives.
    pub fn learn_zones(&self, of: Vec<Arc<Address>>) {
        at_once(self.discovery.learn_zones(of.into_iter().map(|one| (one, Some(None))).collect()));
    }
}
