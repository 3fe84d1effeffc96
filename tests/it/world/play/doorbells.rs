//! Streams as the port promises them: opened, rung, broken off and reopened, joined and left.
//!
//! A stream belongs to one life of the connector and to one group at one server. Its orders are
//! obeyed in their order, and its words keep theirs.

use std::collections::BTreeMap;

use calway::model::{Fault, Hint, ListenEnd, Next, UserId};
use calway::pipeline::fleet::{Input, StreamId};

use super::{Event, Play};
use crate::world::places::Place;

/// A stream, as the server knows it.
#[derive(Debug)]
pub(super) struct Stream {
    life: u64,
    /// Absent: nobody could be listened to.
    group: Option<Place>,
    /// Those that ring.
    members: BTreeMap<UserId, String>,
    /// When its last word arrives: the next comes later.
    last: i64,
    /// It is being reopened: nobody is heard until then.
    deaf_until: i64,
}

/// What a stream is ordered.
#[derive(Debug)]
pub(super) enum Order {
    Join(UserId, String),
    Leave(UserId),
}

/// How streams break as soon as they listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flapping {
    No,
    All,
    Of(Place),
}

fn reset() -> ListenEnd {
    ListenEnd::Failed(Fault::retry("connection reset"))
}

impl Play {
    pub(super) fn subscribe(&mut self, life: u64, id: StreamId, mut users: Vec<(UserId, String)>) {
        if life != self.life {
            return;
        }
        users.sort_by(|a, b| a.1.cmp(&b.1));
        let here = |(_, address): &&(UserId, String)| {
            self.exchange.reach(address).is_ok() && self.places.here(address)
        };
        let group = users.iter().find(here).and_then(|(_, address)| self.places.place(address));
        let stream =
            Stream { life, group, members: BTreeMap::new(), last: self.mono, deaf_until: 0 };
        self.streams.insert(id, stream);
        if self.dice.per_mille(self.weather.streams) {
            let server = group.map(|group| group.server);
            let fault = self.exchange_fault(server);
            let fault = fault.unwrap_or_else(|| Fault::retry("connection reset"));
            return self.stream_ends(life, id, ListenEnd::Failed(fault));
        }
        for (user, address) in users {
            self.admit(id, user, address);
        }
        if self.streams.get(&id).is_none_or(|stream| stream.members.is_empty()) {
            let fault = Fault::retry("ErrorNobodyLeft");
            return self.stream_ends(life, id, ListenEnd::Failed(fault));
        }
        let flaps = match self.flapping {
            Flapping::No => false,
            Flapping::All => true,
            Flapping::Of(place) => group == Some(place),
        };
        if flaps {
            return self.stream_ends(life, id, reset());
        }
        let ends = self.dice.of(240..1_800) * 1_000;
        self.at(ends, Event::StreamEnds(life, id, ListenEnd::RollOver));
        if self.dice.per_mille(self.weather.streams * 3) {
            let breaks = self.dice.of(0..240_000);
            self.at(breaks, Event::StreamEnds(life, id, reset()));
        }
    }

    /// One mailbox is subscribed: it is told whether it is listened to.
    fn admit(&mut self, id: StreamId, user: UserId, address: String) {
        let Some(stream) = self.streams.get(&id) else { return };
        let own = self.places.place(&address);
        let refused = if self.dice.per_mille(self.weather.streams) {
            Some(Fault::retry("ErrorSubscriptionNotFound"))
        } else if let Err(fault) = self.exchange.reach(&address) {
            Some(fault)
        } else if own != stream.group || own.is_none_or(|place| place.cloud) {
            Some(Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed"))
        } else {
            None
        };
        let hint = match refused {
            Some(fault) => Hint::Refused(user, fault),
            None => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.members.insert(user.clone(), address);
                }
                Hint::Listening(user)
            }
        };
        self.hint(id, hint);
    }

    /// Orders are obeyed one after the other.
    pub(super) fn order_stream(&mut self, id: StreamId, order: Order) {
        let after = self.delay() as i64;
        let at = (self.mono + after).max(self.orders);
        self.orders = at;
        self.at((at - self.mono) as u64, Event::StreamOrder(self.life, id, order));
    }

    pub(super) fn obey_stream(&mut self, life: u64, id: StreamId, order: Order) {
        if life != self.life {
            return;
        }
        match order {
            Order::Join(user, address) => self.admit(id, user, address),
            Order::Leave(user) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.members.remove(&user);
                }
            }
        }
    }

    /// Words of one stream keep their order.
    fn hint(&mut self, id: StreamId, hint: Hint) {
        let delay = self.delay() as i64;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.last = (self.mono + delay).max(stream.last);
        let (life, after) = (stream.life, (stream.last - self.mono) as u64);
        self.at(after, Event::Fleet(life, Input::Hint(id, hint)));
    }

    pub(super) fn stream_ends(&mut self, life: u64, id: StreamId, end: ListenEnd) {
        if life != self.life {
            return;
        }
        if end == ListenEnd::Stopped || self.streams.contains_key(&id) {
            let last = self.streams.remove(&id).map_or(self.mono, |stream| stream.last);
            let after = (last.max(self.mono + self.delay() as i64) - self.mono) as u64;
            self.at(after, Event::Fleet(life, Input::Ended(id, end)));
        }
    }

    pub(super) fn ring(&mut self, address: &str) {
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get(&id).filter(|s| s.deaf_until <= self.mono) else {
                continue;
            };
            let rung = stream.members.iter().filter(|(_, of)| *of == address);
            for user in rung.map(|(user, _)| user.clone()).collect::<Vec<_>>() {
                if !self.dice.per_mille(self.weather.lost_hints) {
                    self.hint(id, Hint::Changed(user));
                }
            }
        }
    }

    /// The stream's server starts anew, or the network is cut: nobody is heard for a while, then
    /// everybody is listened to again, but for those that it lost for good.
    pub fn gap(&mut self, server: u64) {
        let of = |stream: &Stream| stream.group.is_some_and(|group| group.server == server);
        let ids: Vec<StreamId> =
            self.streams.iter().filter(|(_, stream)| of(stream)).map(|(id, _)| *id).collect();
        for id in ids {
            if self.dice.one_in(3) {
                self.stream_ends(self.life, id, reset());
                continue;
            }
            let gap = self.dice.of(100..100_000);
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.deaf_until = self.mono + gap as i64;
            }
            self.at(gap, Event::Reopened(self.life, id));
        }
    }

    pub(super) fn reopened(&mut self, life: u64, id: StreamId) {
        if life != self.life {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        for (user, address) in std::mem::take(&mut stream.members) {
            self.admit(id, user, address);
        }
    }

    /// A mailbox left the back end: its doorbell is dead, and the stream says so soon.
    pub(super) fn uproot(&mut self, address: &str) {
        let mut told = Vec::new();
        for (id, stream) in &mut self.streams {
            let gone: Vec<UserId> = stream
                .members
                .iter()
                .filter(|(_, of)| *of == address)
                .map(|(u, _)| u.clone())
                .collect();
            for user in gone {
                stream.members.remove(&user);
                told.push((*id, user));
            }
        }
        for (id, user) in told {
            let after = self.dice.of(100..240_000);
            self.at(after, Event::Uprooted(self.life, id, user));
        }
    }

    pub(super) fn uprooted(&mut self, life: u64, id: StreamId, user: UserId) {
        if life != self.life {
            return;
        }
        let fault = Fault::new(Next::Moved, "ErrorReadEventsFailed");
        if self.dice.one_in(2) {
            self.stream_ends(life, id, ListenEnd::Failed(fault));
        } else {
            self.hint(id, Hint::Refused(user, fault));
        }
    }
}
