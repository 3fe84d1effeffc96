//! What is asked of Exchange: each request waits for its turn, goes, and is answered.

use std::sync::Arc;

use calway::calendar::ews::get_user_availability;
use calway::model::{Address, Doubt, Fault, Home, Next, Span, UserId};
use calway::pipeline::fleet::{Input, StreamId, Ticket};
use calway::pipeline::sync::{Ask, Got};

use super::turns::{Needs, Turns};
use super::{ANSWER, Event, Seat, Town, Word, target};

/// Items in one GetItem.
const BATCH: usize = 10;

/// A request.
#[derive(Debug)]
pub struct Sent {
    pub what: &'static str,
    pub seat: Seat,
    pub needs: Needs,
    pub errand: Errand,
}

/// What it is sent for.
#[derive(Debug)]
pub enum Errand {
    /// A mailbox that is read for the first time is looked at first.
    Verify(Ticket, UserId, Ask),
    /// A step of a reading; so many requests of it are left with this one.
    Ask(Ticket, UserId, Ask, usize),
    /// Homes, and whose time zones are asked for next; so many requests are left with this one.
    Homes(Ticket, Found, u64),
    /// The time zones of the first of them.
    Zones(Ticket, Found),
    Subscribe(StreamId, usize),
    GiveBack(StreamId),
    Open(StreamId, Vec<Arc<str>>),
}

/// What came of asking for homes, and whose zones are not known.
#[derive(Debug)]
pub struct Found {
    homes: Vec<Result<Home, Fault>>,
    zones: Vec<Arc<Address>>,
}

impl Town {
    fn turns(&mut self, seat: Seat) -> &mut Turns {
        if seat == Seat::Second { &mut self.second } else { &mut self.first }
    }

    /// The most requests that ever were open at one server.
    pub fn most_open(&self) -> usize {
        self.first.most_open.max(self.second.most_open)
    }

    /// A request waits for its turn. Its name, by which it may be given up.
    pub(super) fn send(&mut self, sent: Sent) -> u64 {
        self.serial += 1;
        let (call, seat, needs) = (self.serial, sent.seat, sent.needs.clone());
        self.waiting.insert(call, sent);
        if self.turns(seat).enter(call, needs) {
            self.go(call);
        }
        call
    }

    /// It is answered, or given up: others go.
    pub(super) fn leave(&mut self, seat: Seat, call: u64) {
        self.waiting.remove(&call);
        for next in self.turns(seat).leave(call) {
            self.go(next);
        }
    }

    /// What is asked is answered as things are when it goes.
    fn go(&mut self, call: u64) {
        let Some(Sent { what, seat, needs, errand }) = self.waiting.remove(&call) else { return };
        *self.counts.entry(what).or_default() += 1;
        let event = match errand {
            Errand::Verify(ticket, user, ask) => {
                let (what, errand) = ("SyncFolderItems", Errand::Ask(ticket, user, ask, 1));
                Event::Send(Sent { what, seat, needs, errand })
            }
            Errand::Ask(ticket, user, ask, left) if left > 1 => Event::Send(Sent {
                what,
                seat,
                needs,
                errand: Errand::Ask(ticket, user, ask, left - 1),
            }),
            Errand::Ask(ticket, user, ask, _) => {
                let got = self.answer(&user, &ask, seat);
                Event::Fleet(Input::Got(ticket, got))
            }
            Errand::Homes(ticket, found, left) if left > 1 => Event::Send(Sent {
                what,
                seat,
                needs,
                errand: Errand::Homes(ticket, found, left - 1),
            }),
            Errand::Homes(ticket, found, _) => self.zones_or_homes(ticket, found),
            Errand::Zones(ticket, mut found) => {
                let rest =
                    found.zones.split_off(get_user_availability::MOST.min(found.zones.len()));
                self.directory.learn_zones(std::mem::replace(&mut found.zones, rest));
                self.zones_or_homes(ticket, found)
            }
            Errand::Subscribe(id, member) => self.subscribed(id, member),
            Errand::GiveBack(id) => Event::Stream(id, Word::GivenBack),
            Errand::Open(id, ids) => return self.open(id, call, &ids),
        };
        self.at(ANSWER, Event::Answered(seat, call, Box::new(event)));
    }

    fn zones_or_homes(&mut self, ticket: Ticket, found: Found) -> Event {
        let Some(first) = found.zones.first() else {
            return Event::Fleet(Input::Homes(ticket, found.homes));
        };
        let whose = first.reveal().split('@').next().map(UserId::new);
        let needs = Needs { whose, aside: true, stream: false };
        let (what, errand) = ("GetUserAvailability", Errand::Zones(ticket, found));
        Event::Send(Sent { what, seat: Seat::First, needs, errand })
    }

    /// The fleet asks for homes. Autodiscover is at the first server.
    pub(super) fn seek(&mut self, ticket: Ticket, users: &[UserId], doubt: Doubt) {
        let addresses: Vec<_> = users.iter().map(|user| target(user).address).collect();
        let (homes, asked) = self.directory.homes(&addresses, doubt);
        for (user, address) in users.iter().zip(&addresses) {
            let truth = self.directory.truth(address);
            let known = || self.directory.known(address).unwrap_or(Seat::Cloud);
            if truth != Seat::First && !self.found.contains_key(user) && known() == truth {
                self.found.insert(user.clone(), self.now.mono);
            }
        }
        let found = Found { homes, zones: self.directory.zones_due(&addresses) };
        if asked == 0 {
            let event = self.zones_or_homes(ticket, found);
            return self.at(Span::from_ms(1), event);
        }
        let needs = Needs { whose: None, aside: false, stream: false };
        let (what, errand) = ("GetUserSettings", Errand::Homes(ticket, found, asked));
        self.send(Sent { what, seat: Seat::First, needs, errand });
    }

    /// The fleet asks about a mailbox.
    pub(super) fn ask(&mut self, ticket: Ticket, user: &UserId, ask: Ask) {
        let seat = match self.directory.known(&target(user).address) {
            Ok(seat) => seat,
            Err(fault) => {
                let got = Input::Got(ticket, Err(fault));
                return self.at(Span::from_ms(1), Event::Fleet(got));
            }
        };
        let (what, requests) = match &ask {
            Ask::Changes(_) => ("SyncFolderItems", 1),
            Ask::Items(ids) => ("GetItem", ids.len().div_ceil(BATCH)),
            Ask::View(_) => ("FindItem", 1),
        };
        let needs = Needs { whose: Some(user.clone()), aside: false, stream: false };
        let (what, errand) = match ask {
            Ask::Changes(None) => ("GetFolder", Errand::Verify(ticket, user.clone(), ask)),
            ask => (what, Errand::Ask(ticket, user.clone(), ask, requests)),
        };
        self.send(Sent { what, seat, needs, errand });
    }

    /// What a server says of a mailbox.
    fn answer(&mut self, user: &UserId, ask: &Ask, asked: Seat) -> Result<Got, Fault> {
        if self.directory.truth(&target(user).address) != asked && !self.proxies {
            let next = if self.has_directory { Next::Moved } else { Next::Gone };
            return Err(Fault::new(next, "ErrorNonExistentMailbox"));
        }
        let address = super::address(user);
        match ask {
            Ask::Changes(cursor) => self.exchange.changes(&address, cursor.as_ref()).map(Got::Page),
            Ask::Items(ids) => self.exchange.items(&address, ids).map(Got::Items),
            Ask::View(window) => {
                self.exchange.view(&address, *window).map(|all| Got::View(all.into()))
            }
        }
    }
}
