//! A whole connector's decisions in virtual time: the fleet and the machines of its streams,
//! against a calm Exchange that answers each request after the same time. Requests are counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::calendar::ews::subscription::{Group, Input as Word, Output as Want};
use calway::model::{
    Address, CommandId, Fault, GroupKey, Hint, Home, ListenEnd, Next, Now, Outcome, ServerKey,
    Span, Target, Time, UserId,
};
use calway::pipeline::command::{Decision, Effect};
use calway::pipeline::fleet::{Fleet, Input, Note, Output, Rules, StreamId};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::{Ask, Commit, Got};

use super::super::world::calendar::Exchange;
use super::super::world::dice::Dice;
use super::super::world::disk::Disk;
use super::super::world::keys::Kms;

/// How long Exchange takes for an answer.
pub const ANSWER: Span = Span::from_ms(50);
/// A stream is opened anew so often; 7 to 9 minutes.
pub const ROLL: Span = Span::from_secs(8 * 60);
/// Subscriptions live over so many openings.
const OPENINGS: u64 = 40;
const HEARTBEAT: Span = Span::from_secs(45);
const SILENCE: Span = Span::from_secs(90);

enum Event {
    Fleet(Input),
    /// For a stream, as it was opened the so-manieth time.
    Stream(StreamId, Word),
    Beat(StreamId, u64),
    Opened(StreamId, u64),
}

/// Where a mailbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seat {
    /// Where it was from the beginning.
    #[default]
    First,
    /// At another server.
    Second,
    /// In Microsoft 365.
    Cloud,
}

struct Listening {
    group: Group,
    opened: u64,
    open: bool,
    ids: BTreeMap<String, UserId>,
    due: Time,
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
    /// Requests to Exchange that are open, and the most that ever were.
    open: usize,
    pub most_open: usize,
    /// When something of a mailbox was committed for the cloud.
    pub committed: Vec<(Time, UserId)>,
    /// Those who moved: where they are, and where the provider asks for them.
    seats: BTreeMap<UserId, (Seat, Seat)>,
    /// When the provider was first told that they moved, or are gone.
    pub found: BTreeMap<UserId, Time>,
    /// Whether there is a directory.
    pub directory: bool,
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

fn home(seat: Seat) -> Home {
    let (server, group) = match seat {
        Seat::Second => ("second", "other"),
        Seat::First | Seat::Cloud => ("server", "group"),
    };
    Home { server: ServerKey::new(server), group: GroupKey::new(group), zone: None }
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
            open: 0,
            most_open: 0,
            committed: Vec::new(),
            seats: BTreeMap::new(),
            found: BTreeMap::new(),
            directory: true,
            proxies: false,
            lost: BTreeSet::new(),
            told: Vec::new(),
            heard: BTreeMap::new(),
        }
    }

    /// Mailboxes move, and nobody tells: their subscriptions are dropped in silence.
    pub fn relocate(&mut self, users: &[UserId], to: Seat) {
        for user in users {
            let asked = self.seats.get(user).map(|(_, asked)| *asked).unwrap_or_default();
            self.seats.insert(user.clone(), (to, asked));
        }
        self.lose(users);
    }

    /// The server drops the subscriptions of these mailboxes in silence.
    pub fn lose(&mut self, users: &[UserId]) {
        let users: BTreeSet<_> = users.iter().collect();
        let ids = self.streams.values().flat_map(|stream| &stream.ids);
        self.lost.extend(ids.filter(|(_, of)| users.contains(of)).map(|(id, _)| id.clone()));
    }

    /// Where the provider is told that a mailbox is.
    fn find(&mut self, user: &UserId) -> Result<Home, Fault> {
        let Some((seat, asked)) = self.seats.get_mut(user).filter(|_| self.directory) else {
            return Ok(home(Seat::First));
        };
        self.found.entry(user.clone()).or_insert(self.now.mono);
        if *seat == Seat::Cloud {
            return Err(Fault::new(Next::Gone, "mailbox moved to Microsoft 365"));
        }
        *asked = *seat;
        Ok(home(*seat))
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
            .filter(|(_, stream)| stream.open)
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

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
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
            Event::Fleet(input) => {
                if matches!(input, Input::Got(..)) {
                    self.open -= 1;
                }
                self.fleet(input);
            }
            Event::Stream(id, word) => self.word(id, word),
            Event::Opened(id, opened) => {
                if !self.streaming {
                    return self.word(id, Word::Broke(Fault::retry("HTTP 500")));
                }
                if self.is_open(id, opened) {
                    self.word(id, Word::Events(vec![StreamEvent::Opened]));
                    self.at(HEARTBEAT, Event::Beat(id, opened));
                }
            }
            Event::Beat(id, opened) => {
                if self.is_open(id, opened) {
                    self.word(id, Word::Events(vec![StreamEvent::Heartbeat]));
                    self.at(HEARTBEAT, Event::Beat(id, opened));
                }
            }
        }
    }

    fn is_open(&self, id: StreamId, opened: u64) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.open && stream.opened == opened)
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
            Output::Load(ticket, user) => {
                let loaded = self.disk.load(&user);
                self.at(little, Event::Fleet(Input::Loaded(ticket, loaded)));
            }
            Output::Look(ticket, user, lookup) => {
                let rows = self.disk.rows(&user, &lookup);
                self.at(little, Event::Fleet(Input::Rows(ticket, rows)));
            }
            Output::Homes(ticket, users, _) => {
                self.count("homes");
                let homes = users.iter().map(|user| self.find(user)).collect();
                self.at(ANSWER, Event::Fleet(Input::Homes(ticket, homes)));
            }
            Output::Ask(ticket, user, ask) => {
                let got = self.answer(&user, &ask);
                self.open += 1;
                self.most_open = self.most_open.max(self.open);
                self.at(ANSWER, Event::Fleet(Input::Got(ticket, got)));
            }
            Output::Key(ticket, user, want) => {
                let key = self.kms.answer(&user, &want);
                self.at(Span::from_ms(5), Event::Fleet(Input::Keyed(ticket, key)));
            }
            Output::Commit(ticket, commit) => {
                let done = self.commit(&commit);
                self.at(little, Event::Fleet(Input::Committed(ticket, Ok(done))));
            }
            Output::Listen(id, users) => {
                let targets = users.iter().map(target).collect();
                let group = Group::new(self.now.mono, targets, ROLL.times(OPENINGS), SILENCE);
                let group = group.rolling(ROLL);
                let (ids, due) = (BTreeMap::new(), Time::default());
                self.streams.insert(id, Listening { group, opened: 0, open: false, ids, due });
                self.obey(id);
            }
            Output::Join(id, user) => self.word(id, Word::Join(target(&user))),
            Output::Leave(id, user) => self.word(id, Word::Leave(user)),
            Output::Hush(id) => self.word(id, Word::Stop),
            Output::Note(note) => self.told.push((self.now.mono, note)),
        }
    }

    fn answer(&mut self, user: &UserId, ask: &Ask) -> Result<Got, Fault> {
        let address = address(user);
        if let Some((seat, asked)) = self.seats.get(user)
            && seat != asked
            && !self.proxies
        {
            self.count("SyncFolderItems");
            let next = if self.directory { Next::Moved } else { Next::Gone };
            return Err(Fault::new(next, "ErrorNonExistentMailbox"));
        }
        match ask {
            Ask::Changes(cursor) => {
                self.count("SyncFolderItems");
                self.exchange.changes(&address, cursor.as_ref()).map(Got::Page)
            }
            Ask::Items(ids) => {
                for _ in ids.chunks(10) {
                    self.count("GetItem");
                }
                self.exchange.items(&address, ids).map(Got::Items)
            }
            Ask::View(window) => {
                self.count("FindItem");
                self.exchange.view(&address, *window).map(|all| Got::View(all.into()))
            }
        }
    }

    fn commit(&mut self, commit: &Commit) -> bool {
        if !commit.events.is_empty() {
            self.committed.push((self.now.mono, commit.user.clone()));
        }
        let done = self.disk.commit(std::slice::from_ref(commit), self.now.wall);
        done.is_ok_and(|done| done == [true])
    }

    fn word(&mut self, id: StreamId, word: Word) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.group.on(self.now.mono, word);
            self.obey(id);
        }
    }

    fn obey(&mut self, id: StreamId) {
        self.carry_out_of(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            self.deadlines.remove(&(stream.due, id));
            stream.due = stream.group.deadline();
            self.deadlines.insert((stream.due, id));
        }
    }

    /// Carries out what a stream's machine wants.
    fn carry_out_of(&mut self, id: StreamId) {
        while let Some(want) = self.streams.get_mut(&id).and_then(|stream| stream.group.poll()) {
            match want {
                Want::Subscribe(member) => {
                    self.count("Subscribe");
                    self.serial += 1;
                    let name = format!("s{}", self.serial);
                    if let Some(stream) = self.streams.get_mut(&id)
                        && let Some(target) = stream.group.target(member)
                    {
                        stream.ids.insert(name.clone(), target.user.clone());
                    }
                    let result = Ok((name, None));
                    self.at(ANSWER, Event::Stream(id, Word::Subscribed { member, result }));
                }
                Want::GiveBack { .. } => {
                    self.count("Unsubscribe");
                    self.at(ANSWER, Event::Stream(id, Word::GivenBack));
                }
                Want::Open(ids) => {
                    self.count("GetStreamingEvents");
                    let bad = ids.iter().filter(|id| self.lost.contains(id.as_ref()));
                    let bad: Vec<_> = bad.map(ToString::to_string).collect();
                    if !bad.is_empty() {
                        let fault = Fault::retry("ErrorSubscriptionNotFound");
                        let lacks = StreamEvent::Error { fault, ids: bad };
                        self.at(ANSWER, Event::Stream(id, Word::Events(vec![lacks])));
                        continue;
                    }
                    let Some(stream) = self.streams.get_mut(&id) else { return };
                    stream.opened += 1;
                    stream.open = true;
                    let opened = stream.opened;
                    self.at(ANSWER, Event::Opened(id, opened));
                }
                Want::Close => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.open = false;
                    }
                }
                Want::Tell(hint) => {
                    if let Hint::Listening(user) = &hint {
                        self.heard.insert(user.clone(), self.now.mono);
                    }
                    self.at(Span::from_ms(0), Event::Fleet(Input::Hint(id, hint)));
                }
                Want::End(end) => return self.end(id, end),
            }
        }
    }

    fn end(&mut self, id: StreamId, end: ListenEnd) {
        if let Some(stream) = self.streams.remove(&id) {
            self.deadlines.remove(&(stream.due, id));
        }
        self.at(Span::from_ms(0), Event::Fleet(Input::Ended(id, end)));
    }

    /// Every connection of a stream is reset at once.
    pub fn drop_streams(&mut self) {
        let open = self.streams.iter_mut().filter(|(_, stream)| stream.open);
        let broken: Vec<_> = open
            .map(|(id, stream)| {
                stream.open = false;
                *id
            })
            .collect();
        for id in broken {
            self.word(id, Word::Broke(Fault::retry("connection reset")));
        }
    }

    /// Streams that are open or being opened.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }
}
