//! A whole connector's decisions in virtual time: the fleet, the machines of its streams and the
//! discovery of homes, against a calm Exchange that answers each request after the same time.
//! Every request waits for its turn as the provider has it wait, and is counted.

mod calls;
mod directory;
mod streams;
mod turns;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::calendar::ews::subscription::Input as Word;
use calway::model::{Address, CommandId, Now, Outcome, Span, Target, Time, UserId};
use calway::pipeline::command::{Decision, Effect};
use calway::pipeline::fleet::{Fleet, Input, Note, Output, Rules, StreamId};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::Commit;
use calway::store::Settled;

use self::calls::Sent;
use self::directory::Directory;
use self::streams::Listening;
use self::turns::Turns;
use super::super::world::calendar::Exchange;
use super::super::world::dice::Dice;
use super::super::world::disk::Disk;
use super::super::world::keys::Kms;

pub use self::directory::Seat;

/// How long Exchange takes for an answer.
pub const ANSWER: Span = Span::from_ms(50);

enum Event {
    Fleet(Input),
    /// For a stream.
    Stream(StreamId, Word),
    /// A stream's heartbeat, and its first word; as it was opened by this request.
    Beat(StreamId, u64),
    Opened(StreamId, u64),
    /// Something more is to be asked.
    Send(Sent),
    /// A request is answered, which leads to that.
    Answered(Seat, u64, Box<Event>),
}

/// Everything.
pub struct Town {
    now: Now,
    serial: u64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    pub fleet: Fleet,
    exchange: Exchange,
    disk: Disk,
    kms: Kms,
    streams: BTreeMap<StreamId, Listening>,
    /// When each stream wants to be woken.
    deadlines: BTreeSet<(Time, StreamId)>,
    dice: Dice,
    /// Whether streams can be opened.
    streaming: bool,
    /// Requests, by operation.
    pub counts: BTreeMap<&'static str, u64>,
    /// The places at both servers, and what waits for one.
    first: Turns,
    second: Turns,
    waiting: BTreeMap<u64, Sent>,
    /// When something of a mailbox was committed for the cloud.
    pub committed: Vec<(Time, UserId)>,
    directory: Directory,
    /// Whether there is one.
    has_directory: bool,
    /// When the provider was first told that they moved, or are gone.
    pub found: BTreeMap<UserId, Time>,
    /// Whether a server passes on what is asked about a mailbox that it has no more.
    pub proxies: bool,
    /// Subscriptions that the server dropped and told nobody.
    lost: BTreeSet<String>,
    /// What the operator is told, and what a stream says of a mailbox, and when.
    pub told: Vec<(Time, Note)>,
    pub heard: BTreeMap<UserId, Time>,
}

fn address(user: &UserId) -> String {
    format!("{user}@corp.example")
}

fn target(user: &UserId) -> Target {
    let address = Address::parse(&address(user)).expect("an address");
    Target { user: user.clone(), address: Arc::new(address) }
}

impl Town {
    pub fn new(streaming: bool) -> Self {
        let installation = Arc::new(Installation::new(&[7; 32]).expect("a key"));
        let mut dice = Dice::new(11);
        let mut exchange = Exchange::new(&mut dice);
        exchange.page = 512;
        exchange.versionless = false;
        // 2027-01-15, ten in the morning.
        let now = Now { wall: Time::from_ms(1_800_007_200_000), mono: Time::from_ms(1_000_000) };
        let rules = Rules { seed: 5, ..Rules::default() };
        let directory = Directory::new(true);
        directory.set_clock(now.wall);
        Self {
            now,
            serial: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            fleet: Fleet::new(rules, installation),
            exchange,
            disk: Disk::new(None),
            kms: Kms::default(),
            streams: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            dice,
            streaming,
            counts: BTreeMap::new(),
            first: Turns::default(),
            second: Turns::default(),
            waiting: BTreeMap::new(),
            committed: Vec::new(),
            directory,
            has_directory: true,
            found: BTreeMap::new(),
            proxies: false,
            lost: BTreeSet::new(),
            told: Vec::new(),
            heard: BTreeMap::new(),
        }
    }

    /// An address is configured, and nobody can be asked for homes.
    pub fn without_directory(&mut self) {
        self.directory = Directory::new(false);
        self.directory.set_clock(self.now.wall);
        self.has_directory = false;
    }

    /// Mailboxes move, and nobody tells: their subscriptions are dropped in silence.
    pub fn relocate(&mut self, users: &[UserId], to: Seat) {
        for user in users {
            self.directory.seat(&target(user).address, to);
        }
        self.lose(users);
    }

    /// The server drops the subscriptions of these mailboxes in silence.
    pub fn lose(&mut self, users: &[UserId]) {
        let users: BTreeSet<_> = users.iter().collect();
        let ids = self.streams.values().flat_map(|stream| &stream.ids);
        self.lost.extend(ids.filter(|(_, of)| users.contains(of)).map(|(id, _)| id.clone()));
    }

    pub fn now(&self) -> Time {
        self.now.mono
    }

    /// A mailbox is activated, with some meetings in it.
    pub fn activate(&mut self, name: &str, meetings: u64) -> UserId {
        let user = UserId::new(name);
        let today = self.now.wall.midnight();
        let address = address(&user);
        self.exchange.add(&address, meetings, today, &mut self.dice);
        let installation = Installation::new(&[7; 32]).expect("a key");
        let address = installation.stash(&address).expect("it is sealed");
        let effect = Effect::Activate { user: user.clone(), address };
        self.serial += 1;
        let id = CommandId::new(format!("c{}", self.serial));
        let sequence = self.serial;
        let decision = Decision { id, sequence, effect, outcome: Outcome::Done };
        self.disk.decide(&decision, self.now.wall).expect("a disk");
        self.fleet(Input::Added(user.clone()));
        user
    }

    /// Somebody writes a new meeting that is shown, and Exchange rings.
    pub fn edit(&mut self, user: &UserId) {
        let (address, today) = (address(user), self.now.wall.midnight());
        self.exchange.meet(&address, today, &mut self.dice);
        let rings: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.is_open())
            .flat_map(|(at, stream)| stream.ids.iter().map(move |(id, of)| (*at, id, of)))
            .filter(|(_, id, of)| *of == user && !self.lost.contains(*id))
            .map(|(at, id, _)| (at, id.clone()))
            .collect();
        for (stream, subscription_id) in rings {
            let told = StreamEvent::Notification { subscription_id, changed: true };
            // One created item makes seven or eight.
            for _ in 0..8 {
                self.at(Span::from_ms(1), Event::Stream(stream, Word::Events(vec![told.clone()])));
            }
        }
    }

    fn at(&mut self, after: Span, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse(((self.now.mono + after).as_ms(), self.serial)));
        self.events.insert(self.serial, event);
    }

    /// Goes on for so long.
    pub fn run(&mut self, span: Span) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            self.step(end);
        }
    }

    /// Goes on until that is so, for an hour at most.
    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now.mono + Span::HOUR;
        while !done(self) {
            assert!(self.now.mono < end, "{what}: {:?}", self.fleet.census());
            self.step(end);
        }
    }

    fn step(&mut self, end: Time) {
        let event = self.queue.peek().map(|Reverse((at, _))| Time::from_ms(*at));
        let fleet = self.fleet.wake_at(self.now);
        let stream = self.deadlines.first().copied();
        let own = stream.map(|(at, _)| at);
        let at = [event, Some(fleet), own, Some(end)].into_iter().flatten().min().unwrap_or(end);
        let at = at.max(self.now.mono);
        self.now.wall = self.now.wall + at.since(self.now.mono);
        self.now.mono = at;
        self.directory.set_clock(self.now.wall);
        if event.is_some_and(|event| event <= at) {
            let event = self.queue.pop().and_then(|Reverse((_, n))| self.events.remove(&n));
            return event.map_or((), |event| self.happen(event));
        }
        if let Some((due, id)) = stream.filter(|(due, _)| *due <= at) {
            let _ = due;
            return self.word(id, Word::Tick);
        }
        if fleet <= at {
            self.fleet(Input::Tick);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fleet(input) => self.fleet(input),
            Event::Stream(id, word) => self.word(id, word),
            Event::Opened(id, call) => self.opened(id, call),
            Event::Beat(id, call) => self.beat(id, call),
            Event::Send(sent) => {
                self.send(sent);
            }
            Event::Answered(seat, call, event) => {
                self.leave(seat, call);
                self.happen(*event);
            }
        }
    }

    fn fleet(&mut self, input: Input) {
        self.fleet.handle(self.now, input);
        for output in self.fleet.drain() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        let little = Span::from_ms(1);
        match output {
            Output::Load(ticket, user, _) => {
                let loaded = self.disk.load(&user);
                self.at(little, Event::Fleet(Input::Loaded(ticket, loaded)));
            }
            Output::Look(ticket, user, lookup) => {
                let rows = self.disk.rows(&user, &lookup);
                self.at(little, Event::Fleet(Input::Rows(ticket, rows)));
            }
            Output::Homes(ticket, users, doubt) => self.seek(ticket, &users, doubt),
            Output::Ask(ticket, user, ask) => self.ask(ticket, &user, ask),
            Output::Key(ticket, user, want) => {
                let key = self.kms.answer(&user, &want);
                self.at(Span::from_ms(5), Event::Fleet(Input::Keyed(ticket, key)));
            }
            Output::Commit(ticket, commit) => {
                let done = self.commit(&commit);
                self.at(little, Event::Fleet(Input::Committed(ticket, Ok(done))));
            }
            Output::Listen(id, users) => self.listen(id, &users),
            Output::Join(id, user) => self.word(id, Word::Join(target(&user))),
            Output::Leave(id, user) => self.word(id, Word::Leave(user)),
            Output::Hush(id) => self.word(id, Word::Stop),
            Output::Note(note) => self.told.push((self.now.mono, note)),
        }
    }

    /// The cloud takes at once whatever is committed.
    fn commit(&mut self, commit: &Commit) -> bool {
        if !commit.events.is_empty() {
            self.committed.push((self.now.mono, commit.user.clone()));
        }
        let done = self.disk.commit(std::slice::from_ref(commit), self.now.wall);
        let rows = self.disk.outbox(usize::MAX, usize::MAX).unwrap_or_default();
        let settled =
            Settled { done: rows.iter().map(|row| row.row).collect(), ..Settled::default() };
        self.disk.settle(&settled).expect("a disk");
        done.is_ok_and(|done| done == [true])
    }
}
