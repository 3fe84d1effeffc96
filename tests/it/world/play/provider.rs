//! What comes back from Exchange and its directory: answers, and faults.

use calway::model::{Fault, Next, Span};
use calway::pipeline::sync::{Ask, Got};

use super::Play;
use crate::world::places::Layout;

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

    /// What a server answers for a mailbox.
    pub(super) fn exchange_answers(
        &mut self,
        address: &str,
        server: u64,
        ask: &Ask,
    ) -> Result<Got, Fault> {
        if let Some(fault) = self.exchange_fault(Some(server)) {
            return Err(fault);
        }
        let astray = self.places.astray(address, server, self.mono);
        let answered = astray.map_or_else(|| self.read(address, ask), Err);
        // Whether it is gone is Autodiscover's to say, where there is one.
        let found = self.places.layout == Layout::Found;
        answered.map_err(|fault| match fault.cause.code == "ErrorNonExistentMailbox" && found {
            true => Fault { next: Next::Moved, ..fault },
            false => fault,
        })
    }

    fn read(&mut self, address: &str, ask: &Ask) -> Result<Got, Fault> {
        match ask {
            Ask::Changes(cursor) => self.exchange.changes(address, cursor.as_ref()).map(Got::Page),
            Ask::Items(ids) => {
                let mut found = self.exchange.items(address, ids)?;
                if !self.calm && self.dice.one_in(200) {
                    found.pop();
                }
                Ok(Got::Items(found))
            }
            Ask::View(window) => {
                self.exchange.view(address, *window).map(|all| Got::View(all.into()))
            }
        }
    }

    /// Nonsense of the provider: a fault of all that it was asked for.
    pub(super) fn homes_fault(&mut self) -> Option<Fault> {
        self.dice.one_in(8).then(|| self.exchange_fault(None)).flatten()
    }
}
