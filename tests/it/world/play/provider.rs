//! What comes back from Exchange and its directory: answers, and faults.

use calway::model::{Fault, Home, Next, Span};
use calway::pipeline::sync::{Ask, Got};

use super::Play;

impl Play {
    /// A fault of the weather, of a server or (without one) of the directory.
    pub(super) fn exchange_fault(&mut self, server: Option<u64>) -> Option<Fault> {
        if server.is_some() && self.busy == server {
            let after = Some(Span::from_secs(self.dice.of(1..60)));
            return Some(Fault::new(Next::BackOff { after }, "ErrorServerBusy"));
        }
        let bad = match server {
            Some(server) => self.weather.exchange.get(server as usize).copied().unwrap_or(0),
            None => self.weather.homes,
        };
        if !self.dice.per_mille(bad) {
            return None;
        }
        let after = match self.dice.of(0..3) {
            0 => None,
            1 => Some(Span::from_ms(self.dice.of(0..2_000))),
            _ => Some(Span::from_secs(self.dice.of(1..180))),
        };
        let next = match self.dice.of(0..42) {
            0..20 => Next::Retry { after },
            20..30 => Next::BackOff { after },
            30..34 => Next::CursorLost,
            34 => Next::SignIn,
            35 => Next::Denied,
            36 => Next::Gone,
            37 | 38 => Next::Refused,
            39 | 40 => Next::Moved,
            _ => Next::KeyLost,
        };
        Some(Fault::new(next, "ErrorOfTheWeather"))
    }

    pub(super) fn exchange_answers(&mut self, address: &str, ask: &Ask) -> Result<Got, Fault> {
        // Where nobody told a home the provider has a default.
        let server = self.places.asked(address).unwrap_or(0);
        if let Some(fault) = self.exchange_fault(Some(server)) {
            return Err(fault);
        }
        if let Some(fault) = self.places.astray(address, self.mono) {
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

    /// Where mailboxes are served, as the provider says it; now and then not of all.
    pub(super) fn homes(&mut self, addresses: &[String], fresh: bool) -> Vec<Result<Home, Fault>> {
        if let Some(fault) = self.exchange_fault(None) {
            return vec![Err(fault); addresses.len()];
        }
        let mut homes = Vec::with_capacity(addresses.len());
        for address in addresses {
            let gone = self.exchange.mailboxes.get(address).is_none_or(|mailbox| mailbox.gone);
            homes.push(match self.exchange_fault(None) {
                Some(fault) => Err(fault),
                None if gone => Err(Fault::new(Next::Gone, "ErrorNonExistentMailbox")),
                None => self.places.find(address, fresh, self.mono),
            });
        }
        if !self.calm && self.dice.one_in(100) {
            homes.pop();
        }
        homes
    }
}
