//! The play: the fleet, its answers, and everything else in the order that a seed determines.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use calway::model::{
    Address, CommandId, Fault, GroupKey, Hint, Home, Next, Now, Outcome, ServerKey, Span, Target,
    Time, UserId,
};
use calway::pipeline::command::{Decision, Effect};
use calway::pipeline::fleet::{Fleet, Input, Output, Rules, StreamId, Ticket};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::{Ask, Commit, Got};
use calway::store::Settled;

use super::super::calendar::Exchange;
use super::super::dice::Dice;
use super::super::disk::Disk;
use super::super::keys::Kms;
use super::super::play::Held;
use super::super::streams::server::{Server, common_fault};
use super::listen::{Event as Ear, Listening, Standing};
use super::watch::{Kind, Watch};

/// Places, two at each server.
pub const PLACES: usize = 4;
/// Things at one instant that nothing but a busy loop needs.
const AT_AN_INSTANT: usize = 40_000;
/// After the trouble whatever was edited is read in this time.
const READ_AT_LAST: Span = Span::MINUTE.times(20);
/// And all are listened to again: who is left to polling is tried again after 15 to 19 minutes.
const HEARD_AT_LAST: Span = Span::MINUTE.times(45);
/// Who is activated beside others, when all is well, is listened to in this time.
const JOINS_WITHIN: Span = Span::MINUTE.times(3);
/// What is edited when all is well is read in this time: it rings, and is not found by a poll.
const READ_SOON: Span = Span::from_secs(30);

pub(super) enum Event {
    Fleet(Input),
    /// A question about a mailbox reaches its server.
    Ask(Ticket, UserId, Ask, usize),
    /// A question for homes reaches the directory.
    Homes(Ticket, Vec<UserId>),
    /// It told where they are.
    Told(Ticket, Vec<(UserId, usize)>),
    /// Of a stream.
    Ear(Ear),
    Edit,
    Mischief,
    /// Somebody comes or goes.
    Change,
}

/// Everything.
pub struct Play {
    pub(super) dice: Dice,
    pub(super) now: Now,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    pub(super) serial: u64,
    fleet: Fleet,
    exchange: Exchange,
    disk: Disk,
    kms: Kms,
    installation: Arc<Installation>,
    pub(super) pool: Vec<UserId>,
    pub(super) active: BTreeSet<UserId>,
    /// Where each is in truth, and where the fleet was told that it is.
    pub(super) truth: BTreeMap<UserId, usize>,
    pub(super) known: BTreeMap<UserId, usize>,
    pub(super) servers: Vec<Server>,
    /// Each of the two rests until then.
    pub(super) rests: [Time; PLACES / 2],
    pub(super) streams: BTreeMap<StreamId, Listening>,
    /// Streams that stand at a server.
    pub(super) standing: BTreeMap<u64, Standing>,
    /// When the feed of each was read last.
    fed: BTreeMap<UserId, Time>,
    pub watch: Watch,
    pub(super) calm: bool,
    edit_every: u64,
    pub(super) mischief_every: u64,
    pub(super) change_every: u64,
    trace: bool,
}

pub(super) fn address(user: &UserId) -> String {
    format!("{user}@corp.example")
}

pub(super) fn target(user: &UserId) -> Target {
    let address = Address::parse(&address(user)).expect("an address");
    Target { user: user.clone(), address: Arc::new(address) }
}

pub(super) fn busy(after: Span) -> Fault {
    Fault::new(Next::BackOff { after: Some(after) }, "ErrorServerBusy")
}

impl Play {
    pub fn new(mut dice: Dice, trace: bool) -> Self {
        let installation = Arc::new(Installation::new(&[7; 32]).expect("a key"));
        let mut exchange = Exchange::new(&mut dice);
        exchange.page = 512;
        let count = if dice.one_in(8) { dice.of(20..60) } else { dice.of(2..20) };
        let pool: Vec<_> = (0..count).map(|n| UserId::new(format!("m{n:03}"))).collect();
        let addresses: Vec<_> = pool.iter().map(address).collect();
        let mut servers: Vec<_> = (0..PLACES).map(|_| Server::new(&addresses, &mut dice)).collect();
        let bad = if dice.one_in(3) { 0 } else { dice.of(0..120) };
        servers.iter_mut().for_each(|server| server.bad = bad);
        let used = dice.of(1..PLACES as u64 + 1);
        let truth = pool.iter().map(|user| (user.clone(), dice.of(0..used) as usize)).collect();
        // 2027-01-15, ten in the morning.
        let now = Now { wall: Time::from_ms(1_800_007_200_000), mono: Time::from_ms(1_000_000) };
        let rules = Rules { seed: dice.roll(), ..Rules::default() };
        Self {
            now,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            fleet: Fleet::new(rules, Arc::clone(&installation)),
            exchange,
            disk: Disk::new(None),
            kms: Kms::default(),
            installation,
            pool,
            active: BTreeSet::new(),
            truth,
            known: BTreeMap::new(),
            servers,
            rests: Default::default(),
            streams: BTreeMap::new(),
            standing: BTreeMap::new(),
            fed: BTreeMap::new(),
            watch: Watch::default(),
            calm: false,
            edit_every: dice.of(2..60) * 1_000,
            mischief_every: dice.of(20..180) * 1_000,
            change_every: dice.of(10..200) * 1_000,
            trace,
            dice,
        }
    }

    pub(super) fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            let ms = self.now.mono.as_ms() - 1_000_000;
            eprintln!("{:>6}.{:03} {}", ms / 1_000, ms % 1_000, words());
        }
    }

    pub(super) fn at(&mut self, after: u64, event: Event) {
        self.serial += 1;
        let at = self.now.mono.as_ms().saturating_add(after as i64);
        self.queue.push(Reverse((at, self.serial)));
        self.events.insert(self.serial, event);
    }

    /// How long a call is under way.
    pub(super) fn delay(&mut self) -> u64 {
        let slow = !self.calm && self.dice.one_in(60);
        if slow { self.dice.of(1_000..20_000) } else { self.dice.of(5..100) }
    }

    /// Some trouble, then none; then all must be well.
    pub fn play(&mut self) -> Held {
        for user in self.pool.clone() {
            if self.dice.one_in(2) || self.active.is_empty() {
                self.activate(&user)?;
            }
        }
        for (every, event) in [
            (self.edit_every, Event::Edit),
            (self.mischief_every, Event::Mischief),
            (self.change_every, Event::Change),
        ] {
            self.at(every, event);
        }
        let troubled = self.dice.of(900..2_400);
        self.run(Span::from_secs(troubled))?;
        self.calm_down()?;
        self.run(READ_AT_LAST)?;
        self.watch.all_read(self.now.mono, READ_AT_LAST)?;
        self.all_heard_within(HEARD_AT_LAST)?;
        if let Some(user) = self.newcomer() {
            self.activate(&user)?;
            self.all_heard_within(JOINS_WITHIN)?;
        }
        // Nothing but what rings: no reading is due by itself.
        for user in self.active.clone() {
            self.edit(&user);
        }
        self.run(READ_SOON)?;
        self.watch.all_read(self.now.mono, Span::SECOND)
    }

    /// A stream whose time is over may be made anew just then.
    fn all_heard_within(&mut self, within: Span) -> Held {
        let until = self.now.mono + within;
        while let Err(why) = self.all_heard() {
            if self.now.mono >= until {
                return Err(why);
            }
            self.run(Span::SECOND.times(10))?;
        }
        Ok(())
    }

    /// One who is not active, and is served where others are listened to.
    fn newcomer(&mut self) -> Option<UserId> {
        let beside = |user: &&UserId| {
            let place = self.truth.get(*user);
            !self.active.contains(*user)
                && self.active.iter().any(|other| self.truth.get(other) == place)
        };
        let new: Vec<_> = self.pool.iter().filter(beside).cloned().collect();
        self.dice.pick(&new).cloned()
    }

    fn run(&mut self, span: Span) -> Held {
        let end = self.now.mono + span;
        let (mut instant, mut steps) = (self.now.mono, 0);
        while self.now.mono < end {
            self.step(end)?;
            steps = if self.now.mono == instant { steps + 1 } else { 0 };
            instant = self.now.mono;
            if steps > AT_AN_INSTANT {
                return Err("a busy loop".into());
            }
        }
        Ok(())
    }

    fn step(&mut self, end: Time) -> Held {
        let event = self.queue.peek().map_or(end, |Reverse((at, _))| Time::from_ms(*at));
        let fleet = self.fleet.wake_at(self.now);
        let own = self.streams.iter().map(|(id, one)| (one.group.deadline(), *id)).min();
        let due = own.map_or(end, |(due, _)| due);
        let at = event.min(fleet).min(due).min(end).max(self.now.mono);
        self.now.wall = self.now.wall + at.since(self.now.mono);
        self.now.mono = at;
        if event <= at
            && let Some(Reverse((_, serial))) = self.queue.pop()
            && let Some(event) = self.events.remove(&serial)
        {
            return self.happen(event);
        }
        if let Some((_, id)) = own.filter(|(due, _)| *due <= at) {
            return self.tick_stream(id);
        }
        if fleet <= at { self.fleet(Input::Tick) } else { Ok(()) }
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Fleet(input) => self.fleet(input),
            Event::Ask(ticket, user, ask, place) => {
                let got = self.answer(&user, &ask, place);
                let after = self.delay();
                self.at(after, Event::Fleet(Input::Got(ticket, got)));
                Ok(())
            }
            Event::Homes(ticket, users) => {
                let truth = |user: UserId| {
                    let place = self.truth.get(&user).copied().unwrap_or_default();
                    (user, place)
                };
                let told = users.into_iter().map(truth).collect();
                let after = self.delay();
                self.at(after, Event::Told(ticket, told));
                Ok(())
            }
            Event::Told(ticket, told) => {
                let home = |(user, place): (UserId, usize)| {
                    self.known.insert(user, place);
                    let server = ServerKey::new(format!("s{}", place / 2));
                    Ok(Home { server, group: GroupKey::new(format!("g{place}")), zone: None })
                };
                let homes = told.into_iter().map(home).collect();
                self.fleet(Input::Homes(ticket, homes))
            }
            Event::Ear(ear) => self.ear(ear),
            Event::Edit => {
                let after = self.dice.of(1..2 * self.edit_every);
                self.at(after, Event::Edit);
                let active: Vec<_> = self.active.iter().cloned().collect();
                if let Some(user) = self.dice.pick(&active).filter(|_| !self.calm) {
                    self.edit(&user.clone());
                }
                Ok(())
            }
            Event::Mischief => self.mischief(),
            Event::Change => self.change(),
        }
    }

    pub(super) fn fleet(&mut self, input: Input) -> Held {
        match &input {
            Input::Got(ticket, _) => self.watch.answered(*ticket),
            Input::Ended(id, _) => self.watch.dissolved(*id),
            Input::Hint(id, Hint::Refused(user, _)) => {
                self.watch.stands_up(user, *id);
            }
            _ => {}
        }
        self.fleet.handle(self.now, input);
        self.fleet.drain().into_iter().try_for_each(|output| self.carry_out(output))
    }

    fn carry_out(&mut self, output: Output) -> Held {
        match output {
            Output::Load(ticket, user, _) => {
                let loaded = self.disk.load(&user);
                self.at(1, Event::Fleet(Input::Loaded(ticket, loaded)));
            }
            Output::Look(ticket, user, lookup) => {
                let rows = self.disk.rows(&user, &lookup);
                self.at(1, Event::Fleet(Input::Rows(ticket, rows)));
            }
            Output::Key(ticket, user, want) => {
                let key = self.kms.answer(&user, &want);
                self.at(5, Event::Fleet(Input::Keyed(ticket, key)));
            }
            Output::Commit(ticket, commit) => {
                let done = self.commit(&commit);
                self.at(1, Event::Fleet(Input::Committed(ticket, Ok(done))));
            }
            Output::Homes(ticket, users, _) => {
                let after = self.delay();
                self.at(after, Event::Homes(ticket, users));
            }
            Output::Ask(ticket, user, ask) => {
                let Some(place) = self.known.get(&user).copied() else {
                    return Err(format!("{user} is asked about before its home is known"));
                };
                self.watch.asks(ticket, &user, place / 2)?;
                let after = self.delay();
                self.at(after, Event::Ask(ticket, user, ask, place));
            }
            Output::Listen(id, users) => self.listen(id, &users)?,
            Output::Join(id, user) => self.join(id, &user)?,
            Output::Leave(id, user) => self.leave(id, user)?,
            Output::Hush(id) => self.hush(id)?,
            Output::Note(note) => self.say(|| format!("note {note:?}")),
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> bool {
        let done = self.disk.commit(std::slice::from_ref(commit), self.now.wall);
        let rows = self.disk.outbox(usize::MAX, usize::MAX).unwrap_or_default();
        let done_rows = rows.iter().map(|row| row.row).collect();
        let settled = Settled { done: done_rows, ..Settled::default() };
        self.disk.settle(&settled).expect("a disk");
        let done = done.is_ok_and(|done| done == [true]);
        if done && commit.cursor.is_some() {
            let until = self.fed.get(&commit.user).copied().unwrap_or_default();
            self.watch.read(&commit.user, until);
        }
        done
    }

    /// Why a server answers nothing about this mailbox now.
    pub(super) fn trouble(&mut self, user: &UserId, place: usize) -> Option<Fault> {
        let rest = self.rests[place / 2].since(self.now.mono);
        if rest > Span::default() {
            self.watch.played(Kind::Busy);
            return Some(busy(rest));
        }
        let astray = self.truth.get(user) != Some(&place);
        astray.then(|| Fault::new(Next::Moved, "ErrorNonExistentMailbox"))
    }

    fn answer(&mut self, user: &UserId, ask: &Ask, place: usize) -> Result<Got, Fault> {
        if let Some(fault) = self.trouble(user, place) {
            return Err(fault);
        }
        if self.dice.per_mille(self.servers[place].bad / 4) {
            let fault = common_fault(&mut self.dice);
            return Err(fault);
        }
        let address = address(user);
        match ask {
            Ask::Changes(cursor) => {
                self.fed.insert(user.clone(), self.now.mono);
                self.exchange.changes(&address, cursor.as_ref()).map(Got::Page)
            }
            Ask::Items(ids) => self.exchange.items(&address, ids).map(Got::Items),
            Ask::View(window) => {
                self.exchange.view(&address, *window).map(|all| Got::View(all.into()))
            }
        }
    }

    pub(super) fn activate(&mut self, user: &UserId) -> Held {
        let today = self.now.wall.midnight();
        let address = address(user);
        if !self.exchange.mailboxes.contains_key(&address) {
            self.exchange.add(&address, 2, today, &mut self.dice);
        }
        let address = self.installation.stash(&address).expect("it is sealed");
        self.decide(Effect::Activate { user: user.clone(), address });
        self.active.insert(user.clone());
        self.fleet(Input::Added(user.clone()))
    }

    pub(super) fn deactivate(&mut self, user: &UserId) -> Held {
        self.decide(Effect::Deactivate { user: user.clone() });
        self.active.remove(user);
        self.watch.forget(user);
        if self.watch.seat(user).is_some() {
            self.watch.played(Kind::Left);
        }
        self.fleet(Input::Removed(user.clone()))
    }

    fn decide(&mut self, effect: Effect) {
        self.serial += 1;
        let id = CommandId::new(format!("c{}", self.serial));
        let decision = Decision { id, sequence: self.serial, effect, outcome: Outcome::Done };
        self.disk.decide(&decision, self.now.wall).expect("a disk");
    }

    /// Somebody writes a new meeting, and it rings where that works.
    fn edit(&mut self, user: &UserId) {
        self.exchange.meet(&address(user), self.now.wall.midnight(), &mut self.dice);
        self.watch.edited(self.now.mono, user);
        self.ring(user);
    }

    /// Every active mailbox has one living subscription, in a standing stream of its place.
    fn all_heard(&self) -> Held {
        let census = self.fleet.census();
        if census.active != self.active.len() || census.streaming + census.polling != census.active
        {
            return Err(format!("somebody is lost: {census:?} of {}", self.active.len()));
        }
        for user in &self.active {
            let heard = self.heard_by(user);
            if heard.len() != 1 {
                return Err(format!("{user} is heard by {heard:?}: {census:?}"));
            }
        }
        Ok(())
    }
}
