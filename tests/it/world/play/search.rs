//! Where mailboxes are looked for: the real discovery, polled by hand, with everything that it
//! needs from outside played by the network, the disk and the administrator.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use calway::calendar::ews::discover::{Answer, Step};
use calway::calendar::ews::{Discover, Discovery, HUNT_WITHIN, Options, Scp, ScpBind};
use calway::model::{Address, CalendarName, Doubt, Fault, Home, Plain, UserId, Zone};
use calway::pipeline::fleet::{Input, Ticket};
use calway::pipeline::sync::Ask;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Uri;

use super::{Event, Held, Play};
use crate::world::board::{Board, Errand, Lines, Word};
use crate::world::network::DOMAIN;
use crate::world::places::{Layout, ews, server_of};

/// Who waits for what the discovery says.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// The fleet, for homes.
    Homes(Ticket),
    /// A request for a mailbox, for the server that it goes to.
    Ask(Ticket, UserId, String, Ask),
}

#[derive(Debug)]
enum Said {
    Homes(Vec<Result<Home, Fault>>),
    Ews(Result<Uri, Fault>),
}

/// A question to the discovery that is not answered yet.
pub(super) struct Question {
    caller: Caller,
    future: BoxFuture<'static, Said>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.caller.fmt(f)
    }
}

/// The discovery of one life, and whoever waits for it.
#[derive(Debug)]
pub(super) struct Search {
    discovery: Arc<Discovery>,
    board: Board,
    questions: Vec<Question>,
}

fn address(text: &str) -> Held<Arc<Address>> {
    Address::parse(text).map(Arc::new).map_err(|f| f.to_string())
}

fn options(layout: Layout) -> Options {
    let name = CalendarName::new("hq");
    let host = format!("dc1.{DOMAIN}");
    let scp = Scp { host, port: 636, secure: true, bind: ScpBind::Simple, site: None };
    let discover =
        Discover { domains: vec![DOMAIN.into()], scp: Some(scp), srv: true, ..Discover::default() };
    let mut options = Options::discovering(name, discover, "svc-calway");
    if layout != Layout::Found {
        options.url = ews(0).parse().ok();
    }
    if layout == Layout::Alone {
        options.discover = None;
    }
    options
}

impl Search {
    pub(super) fn new(layout: Layout, chance: u64) -> Self {
        let board = Board::new(chance);
        let ledger = Arc::new(board.clone());
        let discovery = Discovery::new(&options(layout), Arc::new(board.clone()), ledger);
        Self { discovery: Arc::new(discovery), board, questions: Vec::new() }
    }

    fn ask(&mut self, caller: Caller, future: BoxFuture<'static, Said>) {
        self.questions.push(Question { caller, future });
    }

    /// Polls everybody once; who is done.
    fn poll(&mut self) -> Vec<(Caller, Said)> {
        let mut done = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        self.questions.retain_mut(|question| {
            match Pin::new(&mut question.future).poll(&mut context) {
                Poll::Ready(said) => {
                    done.push((question.caller.clone(), said));
                    false
                }
                Poll::Pending => true,
            }
        });
        done
    }
}

/// As `Ews` does it: homes, then the time zones that are due, which the homes then have.
async fn homes(
    discovery: Arc<Discovery>,
    board: Board,
    addresses: Vec<Arc<Address>>,
    doubt: Doubt,
) -> Said {
    let mut found = discovery.homes_of(&addresses, doubt).await;
    let due = addresses.iter().filter(|address| discovery.is_zone_due(address));
    let due: Vec<_> = due.cloned().collect();
    if due.is_empty() {
        return Said::Homes(found);
    }
    if let Word::Zones(told) = board.send(Errand::Zones(due)).await {
        discovery.learn_zones(told).await;
    }
    discovery.in_their_zones(&addresses, &mut found);
    Said::Homes(found)
}

impl Play {
    /// The fleet asks for homes.
    pub(super) fn seek(&mut self, ticket: Ticket, addresses: &[String], doubt: Doubt) -> Held {
        let some: Held<Vec<_>> = addresses.iter().map(|text| address(text)).collect();
        let some = some?;
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let search = &mut connector.search;
        let (discovery, board) = (Arc::clone(&search.discovery), search.board.clone());
        let future = homes(discovery, board, some, doubt).boxed();
        search.ask(Caller::Homes(ticket), future);
        self.search()
    }

    /// A mailbox is asked for: where?
    pub(super) fn ask(&mut self, ticket: Ticket, user: UserId, text: String, ask: Ask) -> Held {
        let one = address(&text)?;
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let search = &mut connector.search;
        let discovery = Arc::clone(&search.discovery);
        let future = async move { Said::Ews(discovery.ews(&one).await) }.boxed();
        search.ask(Caller::Ask(ticket, user, text, ask), future);
        self.search()
    }

    /// The discovery goes as far as it comes.
    pub(super) fn search(&mut self) -> Held {
        loop {
            let (life, wall) = (self.life, self.now().wall);
            let Some(connector) = &mut self.connector else { return Ok(()) };
            connector.search.board.set_clock(wall);
            let done = connector.search.poll();
            let wanted = connector.search.board.wanted();
            if done.is_empty() && wanted.is_empty() {
                return Ok(());
            }
            for (id, errand) in wanted {
                self.set_out(life, id, errand)?;
            }
            for (caller, said) in done {
                self.said(life, caller, said)?;
            }
        }
    }

    /// An errand goes out: here is decided whether it may.
    fn set_out(&mut self, life: u64, id: u64, errand: Errand) -> Held {
        let after = match &errand {
            Errand::Step(step) => {
                self.say(|| format!("    discovery < {step:?}"));
                self.office.may_go(step, self.mono)?;
                self.delay()
            }
            Errand::Tired => HUNT_WITHIN.as_ms(),
            Errand::Zones(_) => self.delay().min(3_000),
            _ if self.dice.per_mille(self.weather.slow) => self.dice.of(100..5_000),
            _ => self.dice.of(1..12),
        };
        self.at(after, Event::Errand(life, id, errand));
        Ok(())
    }

    /// It is done, and the discovery hears of it.
    pub(super) fn run_errand(&mut self, life: u64, id: u64, errand: Errand) -> Held {
        if life != self.life {
            return Ok(());
        }
        let word = match errand {
            Errand::Step(step) => Word::Step(self.network_answers(&step)),
            Errand::Tired => Word::Done(Ok(())),
            Errand::Recall => Word::Lines(self.recalled()),
            Errand::Keep(lines) => Word::Done(self.kept(lines)),
            Errand::Trust => {
                let list = self.disk_fault().map_or_else(|| self.disk.trust(), Err);
                if list.is_err() {
                    self.office.unread(self.mono);
                }
                Word::List(list)
            }
            Errand::Meet(host, via) => {
                self.say(|| format!("    discovery met {host} by {via}"));
                let wall = self.now().wall;
                let met = self.disk_fault().map_or_else(|| self.disk.meet(&host, &via, wall), Err);
                Word::Done(met.map(drop))
            }
            Errand::Zones(some) => Word::Zones(self.zones(some)),
        };
        self.broken_disk()?;
        if let Some(connector) = &mut self.connector {
            connector.search.board.tell(id, word);
        }
        self.search()
    }

    fn network_answers(&mut self, step: &Step) -> Answer {
        self.network.bad = self.weather.homes;
        let (exchange, places, now) = (&self.exchange, &self.places, self.mono);
        let tells = |user: &Address| {
            let name = user.reveal().split('@').next().unwrap_or_default();
            let gone = exchange.mailboxes.get(&format!("{name}@{DOMAIN}"));
            match gone.is_none_or(|mailbox| mailbox.gone) {
                true => Err(crate::world::network::nobody()),
                false => places.told(user, now),
            }
        };
        let answer = self.network.answer(step, &tells, &mut self.dice);
        self.office.learns(&answer);
        self.say(|| format!("    discovery > {answer:?}"));
        answer
    }

    fn recalled(&mut self) -> Result<Vec<Plain>, Fault> {
        let kept = self.disk_fault().map_or_else(|| self.disk.kept(), Err)?;
        Ok(kept.iter().filter_map(|line| self.installation.unstash(line).ok()).collect())
    }

    fn kept(&mut self, lines: Lines) -> Result<(), Fault> {
        let sealed = lines.iter().map(|(key, line)| {
            let key = self.installation.tag(&[b"shelf", key.reveal().as_bytes()]);
            let line = line.as_ref().map(|line| self.installation.stash(line.reveal()));
            Ok((key, line.transpose()?))
        });
        let sealed = sealed.collect::<Result<Vec<_>, Fault>>()?;
        let kept = self.disk_fault().map_or_else(|| self.disk.keep(&sealed), Err);
        self.say(|| format!("    the disk keeps {} lines of discovery: {kept:?}", sealed.len()));
        kept
    }

    /// The time zones of these, as their servers say it; now and then not of all.
    fn zones(&mut self, some: Vec<Arc<Address>>) -> Vec<(Arc<Address>, Option<Option<Zone>>)> {
        let mut told = Vec::with_capacity(some.len());
        for one in some {
            let lost = self.dice.per_mille(self.weather.homes);
            let zone = (!lost).then(|| self.places.zone(one.reveal()));
            told.push((one, zone));
        }
        told
    }

    fn said(&mut self, life: u64, caller: Caller, said: Said) -> Held {
        match (caller, said) {
            (Caller::Homes(ticket), Said::Homes(mut homes)) => {
                self.say(|| format!("discovery says {homes:?}"));
                if !self.calm && self.dice.one_in(100) {
                    homes.pop();
                }
                let after = self.dice.of(0..4);
                self.at(after, Event::Fleet(life, Input::Homes(ticket, homes)));
            }
            (Caller::Ask(ticket, user, text, ask), Said::Ews(url)) => {
                let got = match url {
                    Ok(url) => {
                        self.office.may_ask(&url, self.mono)?;
                        let server = server_of(&url).ok_or_else(|| format!("{url} is asked"))?;
                        self.asked.insert(text.clone(), server);
                        self.exchange_answers(&text, server, &ask)
                    }
                    Err(fault) => Err(fault),
                };
                self.say(|| format!("exchange answers {user}: {got:?}"));
                self.answer(life, move |r| Input::Got(ticket, r), got);
            }
            (caller, said) => return Err(format!("{caller:?} is told {said:?}")),
        }
        Ok(())
    }

    /// The administrator looks at his list.
    pub(super) fn decide_trust(&mut self) {
        let after = if self.calm { 1_000..240_000 } else { 60_000..3_600_000 };
        let after = self.dice.of(after);
        self.at(after, Event::Office);
        // His tool writes into the same file as the daemon.
        let Ok(list) = self.disk.trust() else { return };
        let (calm, now, wall) = (self.calm, self.mono, self.now().wall);
        for (host, verdict) in self.office.choose(&list, calm, &mut self.dice) {
            if self.disk.decide_trust(&host, verdict, wall).is_ok() {
                self.say(|| format!("the administrator says {verdict:?} of {host}"));
                self.office.decided(&host, verdict, now);
            }
        }
    }
}
