//! What comes back from Exchange: answers, faults, and the words of its streams.

use std::collections::BTreeMap;

use calway::model::{Fault, Hint, ListenEnd, Next, Span, UserId};
use calway::pipeline::fleet::{Input, StreamId};
use calway::pipeline::sync::{Ask, Got};

use super::{Event, Play, Stream};

impl Play {
    pub(super) fn exchange_fault(&mut self) -> Option<Fault> {
        if !self.dice.per_mille(self.weather.exchange) {
            return None;
        }
        let after = match self.dice.of(0..3) {
            0 => None,
            1 => Some(Span::from_ms(self.dice.of(0..2_000))),
            _ => Some(Span::from_secs(self.dice.of(1..180))),
        };
        let next = match self.dice.of(0..40) {
            0..20 => Next::Retry { after },
            20..30 => Next::BackOff { after },
            30..34 => Next::CursorLost,
            34 => Next::SignIn,
            35 => Next::Denied,
            36 => Next::Gone,
            37 | 38 => Next::Refused,
            _ => Next::KeyLost,
        };
        Some(Fault::new(next, "ErrorOfTheWeather"))
    }

    pub(super) fn exchange_answers(&mut self, address: &str, ask: &Ask) -> Result<Got, Fault> {
        if let Some(fault) = self.exchange_fault() {
            return Err(fault);
        }
        match ask {
            Ask::Changes(cursor) => self.exchange.changes(address, cursor.as_ref()).map(Got::Page),
            Ask::Items(ids) => {
                let mut found = self.exchange.items(address, ids)?;
                if !self.calm && self.dice.one_in(200) {
                    found.pop();
                }
                Ok(Got::Items(found))
            }
            Ask::View(window) => self.exchange.view(address, *window).map(Got::View),
        }
    }

    pub(super) fn subscribe(&mut self, life: u64, id: StreamId, users: &[(UserId, String)]) {
        if life != self.life {
            return;
        }
        let mut stream = Stream { life, members: BTreeMap::new(), last: self.mono };
        if self.dice.per_mille(self.weather.streams) {
            let fault = self.exchange_fault().unwrap_or_else(|| Fault::retry("connection reset"));
            self.streams.insert(id, stream);
            return self.stream_ends(life, id, ListenEnd::Failed(fault));
        }
        let group =
            users.first().map(|(_, address)| self.exchange.home(address).map(|home| home.group));
        for (user, address) in users {
            let own = self.exchange.home(address).map(|home| home.group);
            let refused = match (&own, &group) {
                _ if self.dice.per_mille(self.weather.streams) => {
                    Some(Fault::retry("ErrorSubscriptionNotFound"))
                }
                (Err(fault), _) => Some(fault.clone()),
                (Ok(_), _) if own.as_ref().ok() != group.as_ref().and_then(|g| g.as_ref().ok()) => {
                    Some(Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed"))
                }
                _ => None,
            };
            let hint = match refused {
                Some(fault) => Hint::Refused(user.clone(), fault),
                None => {
                    stream.members.insert(user.clone(), address.clone());
                    Hint::Listening(user.clone())
                }
            };
            self.hint(id, &mut stream, hint);
        }
        self.streams.insert(id, stream);
        if self.flapping {
            let fault = ListenEnd::Failed(Fault::retry("connection reset"));
            return self.stream_ends(life, id, fault);
        }
        let ends = self.dice.of(240..1_800) * 1_000;
        self.at(ends, Event::StreamEnds(life, id, ListenEnd::RollOver));
        if self.dice.per_mille(self.weather.streams * 3) {
            let breaks = self.dice.of(0..240_000);
            let fault = ListenEnd::Failed(Fault::retry("connection reset"));
            self.at(breaks, Event::StreamEnds(life, id, fault));
        }
    }

    /// One more for a stream, which is opened anew for it: all its others are rung.
    pub(super) fn join(&mut self, life: u64, id: StreamId, user: UserId, address: String) {
        if life != self.life {
            return;
        }
        // It ended meanwhile: its end is on the way.
        let Some(mut stream) = self.streams.remove(&id) else { return };
        let refused = match self.exchange.home(&address) {
            _ if self.dice.per_mille(self.weather.streams) => {
                Some(Fault::retry("ErrorSubscriptionNotFound"))
            }
            Err(fault) => Some(fault),
            Ok(_) => None,
        };
        match refused {
            Some(fault) => self.hint(id, &mut stream, Hint::Refused(user, fault)),
            None => {
                stream.members.insert(user, address);
                for user in stream.members.keys().cloned().collect::<Vec<_>>() {
                    self.hint(id, &mut stream, Hint::Listening(user));
                }
            }
        }
        self.streams.insert(id, stream);
    }

    /// Words of one stream keep their order.
    pub(super) fn hint(&mut self, id: StreamId, stream: &mut Stream, hint: Hint) {
        let arrives = (self.mono + self.delay() as i64).max(stream.last);
        stream.last = arrives;
        let after = (arrives - self.mono) as u64;
        self.at(after, Event::Fleet(stream.life, Input::Hint(id, hint)));
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
            let Some(mut stream) = self.streams.remove(&id) else { continue };
            let rung = stream.members.iter().filter(|(_, of)| *of == address);
            for user in rung.map(|(user, _)| user.clone()).collect::<Vec<_>>() {
                if !self.dice.per_mille(self.weather.lost_hints) {
                    self.hint(id, &mut stream, Hint::Changed(user));
                }
            }
            self.streams.insert(id, stream);
        }
    }
}
