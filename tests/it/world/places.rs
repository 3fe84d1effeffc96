//! Where mailboxes are: servers, groups and time zones; moves between them, and who knows of it.
//!
//! Faults it plays: an Autodiscover that tells the old place for some minutes after a move, servers
//! that pass a request on to the right one or refuse it, moves that take their time, mailboxes that
//! get another address or leave for the cloud.

use std::collections::BTreeMap;

use calway::calendar::ews::get_user_settings::{Settings, Told};
use calway::model::{Address, Fault, Next, Plain, Shift, Span, Zone};
use http::Uri;

use super::dice::Dice;
use super::network::{DOMAIN, OTHER, nobody};

/// How long Autodiscover tells the old place at most.
pub const LATE: Span = Span::MINUTE.times(4);

/// One place of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub server: u64,
    pub group: u64,
    /// In Microsoft 365: out of reach.
    pub cloud: bool,
}

#[derive(Clone, Debug)]
struct Seat {
    place: Place,
    before: Place,
    /// From then on Autodiscover tells the place.
    told_from: i64,
    /// Until then nobody can read it.
    moving_until: i64,
    /// It has another address now, which the old one leads to.
    renamed: bool,
    zone: usize,
}

/// How the organisation is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Servers are found.
    Found,
    /// One is configured, and Autodiscover tells the groups.
    Fixed,
    /// One is configured, and nothing is asked: all may share a stream.
    Alone,
}

/// All of them.
#[derive(Debug)]
pub struct Places {
    seats: BTreeMap<String, Seat>,
    /// How many servers there are, and groups at each.
    pub servers: u64,
    pub groups: u64,
    /// A server passes a request on to the right one.
    proxies: bool,
    pub layout: Layout,
}

/// Where a server's EWS is.
pub fn ews(server: u64) -> String {
    format!("https://ex{server}.corp.example/EWS/Exchange.asmx")
}

/// The server whose EWS this is.
pub fn server_of(url: &Uri) -> Option<u64> {
    url.host()?.strip_prefix("ex")?.strip_suffix(".corp.example")?.parse().ok()
}

fn shift(bias_minutes: i16, hour: u32, month: u8, order: u8) -> Option<Shift> {
    Some(Shift { bias_minutes, second: hour * 3_600, month, order, weekday: 0, year: None })
}

/// Some zones: without daylight time, with it in the north and in the south, with half hours.
fn zone(n: usize) -> Option<Zone> {
    match n {
        0 => None,
        1 => Some(Zone::new(-60, shift(0, 3, 10, 5), shift(-60, 2, 3, 5))),
        2 => Some(Zone::new(300, shift(0, 2, 11, 1), shift(-60, 2, 3, 2))),
        3 => Some(Zone::new(-720, shift(0, 3, 4, 1), shift(-60, 2, 9, 5))),
        4 => Some(Zone::new(-630, shift(0, 2, 4, 1), shift(-30, 2, 10, 1))),
        5 => Some(Zone::fixed(-330)),
        _ => Some(Zone::fixed(720)),
    }
}

/// How many zones there are.
const ZONES: u64 = 7;

/// Nights in which clocks are set, and one in which none is: 2027-01-15, 03-14, 03-28, 04-04,
/// 10-03, 10-31, 11-07.
pub const DAYS: [i64; 7] = [
    1_799_971_200_000,
    1_804_896_000_000,
    1_806_105_600_000,
    1_806_710_400_000,
    1_822_435_200_000,
    1_824_854_400_000,
    1_825_459_200_000,
];

impl Places {
    pub fn new(layout: Layout, dice: &mut Dice) -> Self {
        let (servers, groups) = (dice.of(1..4), dice.of(1..4));
        let found = layout == Layout::Found;
        Self {
            seats: BTreeMap::new(),
            servers: if found { servers } else { 1 },
            groups: if layout == Layout::Alone { 1 } else { groups },
            // Whoever configures one server has one that serves all.
            proxies: dice.one_in(3) || !found,
            layout,
        }
    }

    pub fn add(&mut self, address: &str, dice: &mut Dice) {
        let place = self.some_place(dice);
        let zone = if dice.one_in(2) { dice.of(0..ZONES) as usize } else { 0 };
        let (told_from, moving_until, renamed) = (0, 0, dice.one_in(12));
        let seat = Seat { place, before: place, told_from, moving_until, renamed, zone };
        self.seats.insert(address.into(), seat);
    }

    fn some_place(&self, dice: &mut Dice) -> Place {
        let (server, group) = (dice.of(0..self.servers), dice.of(0..self.groups));
        Place { server, group, cloud: false }
    }

    // ---- what is true ----

    pub fn place(&self, address: &str) -> Option<Place> {
        self.seats.get(address).map(|seat| seat.place)
    }

    /// Whether it is in reach.
    pub fn here(&self, address: &str) -> bool {
        self.place(address).is_some_and(|place| !place.cloud)
    }

    /// The mailbox's own time zone.
    pub fn zone(&self, address: &str) -> Option<Zone> {
        zone(self.seats.get(address)?.zone)
    }

    // ---- what a provider is told ----

    /// What an honest Autodiscover says of a mailbox.
    pub fn told(&self, user: &Address, now: i64) -> Result<Told, Fault> {
        let name = user.reveal().split('@').next().unwrap_or_default();
        let seat = self.seats.get(&format!("{name}@{DOMAIN}")).ok_or_else(nobody)?;
        let place = if now < seat.told_from { seat.before } else { seat.place };
        if place.cloud {
            return Ok(Told::Address(Plain::new("kanari@corp.mail.onmicrosoft.com")));
        }
        if seat.renamed && user.domain() == DOMAIN {
            return Ok(Told::Address(Plain::new(format!("{name}@{OTHER}"))));
        }
        Ok(Told::Settings(Settings {
            grouping: Some(format!("group-{}", place.group)),
            internal_ews_url: Some(ews(place.server)),
            external_ews_url: None,
        }))
    }

    /// What is wrong with asking there, if anything is.
    pub fn astray(&self, address: &str, asked: u64, now: i64) -> Option<Fault> {
        let seat = self.seats.get(address)?;
        if seat.place.cloud && now >= seat.moving_until {
            return Some(match self.proxies && self.layout == Layout::Found {
                true => Fault::new(Next::Gone, "mailbox moved to Microsoft 365"),
                false => Fault::new(Next::Gone, "ErrorNonExistentMailbox"),
            });
        }
        if now < seat.moving_until {
            return Some(Fault::retry("ErrorMailboxMoveInProgress"));
        }
        let right = asked == seat.place.server;
        (!right && !self.proxies).then(|| Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed"))
    }

    // ---- what happens to them ----

    /// A mailbox is moved. It can be read again a little later, and Autodiscover tells the new
    /// place later still.
    pub fn relocate(&mut self, address: &str, to_cloud: bool, now: i64, dice: &mut Dice) -> String {
        let mut place = self.some_place(dice);
        place.cloud = to_cloud;
        let Some(seat) = self.seats.get_mut(address) else { return "nothing".into() };
        seat.before = if now < seat.told_from { seat.before } else { seat.place };
        seat.place = place;
        seat.moving_until = now + dice.of(0..60_000) as i64;
        seat.told_from = now + dice.of(0..LATE.as_ms()) as i64;
        if dice.one_in(8) {
            seat.renamed = !seat.renamed;
        }
        format!("move from {:?} to {place:?}", seat.before)
    }

    /// Its owner travels.
    pub fn travel(&mut self, address: &str, dice: &mut Dice) {
        if let Some(seat) = self.seats.get_mut(address) {
            seat.zone = dice.of(0..ZONES) as usize;
        }
    }

    /// All moves are over.
    pub fn settle(&mut self, now: i64) {
        for seat in self.seats.values_mut() {
            seat.told_from = seat.told_from.min(now);
            seat.moving_until = seat.moving_until.min(now);
        }
    }

    /// What left for the cloud comes back.
    pub fn bring_back(&mut self, address: &str) {
        if let Some(seat) = self.seats.get_mut(address) {
            (seat.place.cloud, seat.before.cloud) = (false, false);
        }
    }
}
