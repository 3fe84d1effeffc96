//! What becomes of what is asked: answered, refused, lost, late; and what people and the weather
//! do.

use std::sync::Arc;

use calway::model::{
    BusyType, Engagement, Fault, FreeBusy, Next, Response, Span, UserId, WriteFault,
};
use calway::pipeline::errand::{Answer, Ask, Input, Ticket};

use super::super::play::Held;
use super::cloud::Cloud;
use super::passes::sealer;
use super::people;
use super::play::{Event, Play, SERVER_WORKS, Weather};
use super::watch::Kind;

impl Play {
    /// A server that has no time, or cannot be reached.
    pub fn busy(&mut self) -> Option<Fault> {
        if !self.dice.per_mille(self.weather.exchange) {
            return None;
        }
        self.watch.played(Kind::Busy);
        let next = match self.dice.of(0..4) {
            0 => Next::BackOff { after: Some(Span::from_secs(self.dice.of(0..60))) },
            1 => Next::SignIn,
            _ => Next::Retry { after: None },
        };
        Some(Fault::new(next, "ErrorServerBusy"))
    }

    /// What an errand asks for reaches the server, whether anybody waits for the answer or not.
    pub fn ask(
        &mut self,
        life: u64,
        ticket: Ticket,
        user: UserId,
        address: String,
        ask: Ask,
    ) -> Held {
        let answer = if ask.writes() {
            self.meddle(&address, &ask);
            self.write(&address, &ask)?
        } else if life != self.life {
            return Ok(());
        } else {
            match self.busy() {
                Some(fault) => Err(WriteFault::NoEffect(fault)),
                None => self.look(&user, &address, &ask).map_err(WriteFault::NoEffect),
            }
        };
        if life != self.life {
            return Ok(());
        }
        self.say(|| format!("    exchange > {:?}", answer.as_ref().map(|_| ())));
        if self.kill_now() {
            return Ok(());
        }
        if let Some(connector) = &mut self.connector {
            connector.writing -= u32::from(ask.writes());
        }
        self.desk(Input::Answered(ticket, answer))
    }

    /// Somebody writes into the same invitation, after it was read and before it is written.
    fn meddle(&mut self, address: &str, ask: &Ask) {
        let Ask::Rewrite(rewrite) = ask else { return };
        if self.calm || !self.dice.one_in(8) {
            return;
        }
        let eyes = (&mut self.dice, &mut self.watch);
        let did = people::meddle(&mut self.exchange, address, &rewrite.item, eyes);
        self.say(|| format!("somebody {did}, just then"));
        self.doorbell(address);
    }

    fn write(&mut self, address: &str, ask: &Ask) -> Held<Result<Answer, WriteFault>> {
        let doubt = || Ok(Err(WriteFault::InDoubt(Fault::retry("connection reset"))));
        if let Some(fault) = self.busy() {
            return Ok(Err(WriteFault::NoEffect(fault)));
        }
        if !self.dice.per_mille(self.weather.lost) {
            return self.takes_effect(address, ask);
        }
        match self.dice.of(0..3) {
            0 => self.watch.played(Kind::RequestLost),
            1 => {
                if self.takes_effect(address, ask)?.is_ok() {
                    self.watch.played(Kind::AnswerLost);
                }
            }
            _ => {
                let after = self.dice.of(1_000..SERVER_WORKS - 20_000);
                self.watch.played(Kind::LateEffect);
                self.at(after, Event::Late(address.to_owned(), ask.clone()));
            }
        }
        doubt()
    }

    /// The server does it.
    pub fn takes_effect(&mut self, address: &str, ask: &Ask) -> Held<Result<Answer, WriteFault>> {
        let done = match ask {
            Ask::Rewrite(rewrite) => self.exchange.rewrite(address, rewrite).map(drop),
            Ask::Create(meeting, mark) => {
                self.watch.played(Kind::Created);
                self.exchange.create(address, meeting, mark);
                Ok(())
            }
            Ask::Respond { invitation, response, comment, .. } => {
                let words = comment.as_ref().map_or("", |comment| comment.reveal());
                let sent = self.exchange.respond(address, invitation, *response, words);
                if sent.is_ok() {
                    self.watch.played(Kind::Responded);
                }
                sent
            }
            _ => return Err(format!("{ask:?} is no write")),
        };
        if matches!(done, Err(WriteFault::Conflict(_))) {
            self.watch.played(Kind::Conflict);
        }
        for write in std::mem::take(&mut self.exchange.writes) {
            self.say(|| format!("  {} of {} is written", write.id, write.address));
            let eyes = (&self.cloud, self.now.wall);
            self.watch.wrote(&write, &mut self.exchange, eyes)?;
        }
        self.doorbell(address);
        Ok(done.map(|()| Answer::Done))
    }

    fn look(&mut self, user: &UserId, address: &str, ask: &Ask) -> Result<Answer, Fault> {
        let exchange = &self.exchange;
        Ok(match ask {
            Ask::View(from, to) => Answer::View(exchange.view(address, *from, *to)?),
            Ask::Items(ids) => Answer::Items(exchange.items(address, ids)?),
            Ask::Read(id, reach) => {
                Answer::Read(exchange.invitation(address, id, *reach)?.map(Box::new))
            }
            Ask::Created(mark) => Answer::Created(exchange.created(address, mark)?),
            Ask::FreeBusy(all, window) => {
                let hour = Span::HOUR;
                let (start, end) = (window.from, window.from + hour);
                let engagements = vec![Engagement { start, end, busy: BusyType::Busy }];
                let one = FreeBusy { engagements, ..FreeBusy::default() };
                Answer::FreeBusy(vec![Ok(one); all.len()])
            }
            Ask::Zone => Answer::Zone(None),
            Ask::Language => Answer::Language(Some(Arc::from("de-CH"))),
            Ask::Key if self.dice.per_mille(self.weather.kms) => {
                return Err(Fault::retry("kms 503"));
            }
            Ask::Key => Answer::Key(sealer(user)),
            Ask::Create(..) | Ask::Respond { .. } | Ask::Rewrite(_) => {
                return Err(Fault::refused("a write is no question"));
            }
        })
    }

    /// The mailbox's doorbell; now and then it is only heard at the next poll.
    fn doorbell(&mut self, address: &str) {
        let whose = self.users.iter().find(|(_, own)| own == address);
        let Some(user) = whose.map(|(user, _)| user.clone()) else { return };
        let lost = !self.calm && self.dice.one_in(6);
        let after = if lost { self.dice.of(30_000..300_000) } else { self.dice.of(50..3_000) };
        self.at(after, Event::Ring(user));
    }

    // ---- what happens by itself ----

    pub fn person(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let after = self.dice.of(1..2 * self.edit_every);
        self.at(after, Event::Person);
        let Some((user, address)) = self.dice.pick(&self.users).cloned() else { return Ok(()) };
        self.watch.edits += 1;
        let (now, eyes) = (self.now.wall, (&mut self.dice, &mut self.watch));
        let did = people::act(&mut self.exchange, &address, now, eyes);
        self.say(|| format!("{user} {did}"));
        self.doorbell(&address);
        Ok(())
    }

    /// The cloud wants something.
    pub fn wish(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let after = self.dice.of(1..600_000);
        self.at(after, Event::Wish);
        let Some((user, address)) = self.dice.pick(&self.users).cloned() else { return Ok(()) };
        let n = self.exchange.fresh();
        let soon = self.now.wall.midnight() + Span::HOUR.times(30 + n % 100);
        let command = match self.dice.of(0..10) {
            0..4 => {
                let when = match self.dice.one_in(3) {
                    true => Cloud::between(soon, soon + Span::HOUR.times(9)),
                    false => calway::model::When::At(soon),
                };
                let keyword = self.dice.one_in(2);
                self.cloud.create(&user, when, n, keyword)
            }
            4..7 => {
                let items = self.exchange.mailboxes.get(&address).map(|all| all.items.values());
                let all = items.into_iter().flatten();
                let all: Vec<_> = all.filter(|item| !item.mine || n.is_multiple_of(4)).collect();
                let Some(item) = self.dice.pick(&all) else { return Ok(()) };
                let uid = calway::model::Plain::new(item.uid.clone());
                let key = self.installation.record_key(&user, &uid, None);
                let all = [Response::Accepted, Response::Tentative, Response::Declined];
                let response = self.dice.pick(&all).copied().unwrap_or(Response::Accepted);
                self.cloud.respond(&user, (key, item.start), response)
            }
            7 => self.cloud.resend(&user),
            _ => return self.leave(&user),
        };
        self.send(command);
        Ok(())
    }

    /// A user leaves, and is back a while later.
    pub fn leave(&mut self, user: &UserId) -> Held {
        if !self.cloud.wanted.contains(user) {
            return Ok(());
        }
        if self.has_errands(user)? {
            self.watch.played(Kind::DeactivatedWaiting);
        }
        let command = self.cloud.deactivate(user);
        self.send(command);
        let after = self.dice.of(1_000..900_000);
        self.at(after, Event::Back(user.clone()));
        Ok(())
    }

    pub fn back(&mut self, user: &UserId) -> Held {
        let own = self.users.iter().find(|(one, _)| one == user).map(|(_, own)| own.clone());
        let Some(own) = own.filter(|_| !self.cloud.wanted.contains(user)) else { return Ok(()) };
        let command = self.cloud.activate(user, &own);
        self.send(command);
        Ok(())
    }

    pub fn change_weather(&mut self) {
        if self.calm {
            return;
        }
        let after = self.dice.of(60_000..1_200_000);
        self.at(after, Event::Weather);
        let lost = self.dice.of(0..600);
        let dice = &mut self.dice;
        let mut bad = |most: u64| if dice.one_in(2) { 0 } else { dice.of(0..most) };
        self.weather = Weather {
            exchange: bad(250),
            lost,
            disk: bad(120),
            kms: bad(200),
            slow: bad(400),
            crash: bad(40),
        };
        let within = self.dice.of(1..2_400_000);
        self.at(within, Event::Kill);
    }
}
