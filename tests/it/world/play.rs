//! The play: everything that happens, in virtual time, in the order that a seed determines.
//!
//! Faults it plays: every kind of failure of Exchange, the key server, the cloud and the disk; slow
//! answers that come in another order; notifications that are lost; streams that are refused, end,
//! or break; a connector that dies at any moment, also between the disk's work and its answer;
//! commands that come twice; a wall clock that jumps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

use calway::model::{
    Command, CommandKind, Fault, Hint, ListenEnd, Next, Now, Outcome, Plain, Span, Time, UserId,
};
use calway::pipeline::command::{self, Decision, Effect, Need};
use calway::pipeline::fleet::{Fleet, Input, Output, Rules, StreamId, Ticket, Want};
use calway::pipeline::limits::BATCH_BYTES;
use calway::pipeline::outbox::{self, Outbox, Outgoing};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::{Ask, Commit, Got};
use calway::pipeline::window::Window;

use super::calendar::{CANARY, Exchange};
use super::dice::Dice;
use super::disk::Disk;
use super::keys::{Kms, open};
use super::relay::{Moods, Relay};
use super::watch::Watch;

/// Either it goes on, or this promise was broken.
pub type Held<T = ()> = Result<T, String>;

/// How bad it is, per mille of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    exchange: u64,
    kms: u64,
    cloud: u64,
    disk: u64,
    slow: u64,
    lost_hints: u64,
    streams: u64,
    crash: u64,
}

/// Something that will happen.
#[derive(Debug)]
enum Event {
    Fleet(u64, Input),
    Outbox(u64, outbox::Input),
    /// A request reaches Exchange.
    Ask(u64, Ticket, UserId, String, Ask),
    Group(u64, Ticket, UserId, String),
    Key(u64, Ticket, UserId, Want),
    /// A batch reaches the cloud.
    Batch(u64, Vec<Outgoing>),
    /// The disk begins with what waits for it.
    Disk(u64),
    Subscribe(u64, StreamId, Vec<(UserId, String)>),
    StreamEnds(u64, StreamId, ListenEnd),
    /// A command reaches the connector.
    Heard(u64, Command),
    /// What a command sealed is opened, or not.
    Opened(u64, Box<(Command, Result<Plain, Fault>)>),
    /// The head of the commands is tried (again).
    Obey(u64),
    Edit,
    Order,
    Mischief,
    Weather,
    Start,
}

/// What waits for the disk.
#[derive(Debug)]
enum Job {
    Load(Ticket, UserId),
    Commit(Ticket, Box<Commit>),
    Outbox(usize),
    Settle(Vec<i64>, Vec<(i64, String)>),
    Outcome(Command),
    Decide(Box<Decision>),
}

/// A connector's life.
#[derive(Debug)]
struct Connector {
    fleet: Fleet,
    outbox: Outbox,
    addresses: BTreeMap<UserId, String>,
    commands: VecDeque<Command>,
    obeying: bool,
    jobs: VecDeque<Job>,
    disk_busy: bool,
}

#[derive(Debug)]
struct Stream {
    life: u64,
    members: BTreeMap<UserId, String>,
    /// When its last word arrives: the next comes later.
    last: i64,
}

/// Everything.
pub struct Play {
    pub(super) dice: Dice,
    mono: i64,
    offset: i64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    serial: u64,
    pub(super) exchange: Exchange,
    kms: Kms,
    pub(super) relay: Relay,
    pub(super) disk: Disk,
    installation: Arc<Installation>,
    connector: Option<Connector>,
    life: u64,
    streams: BTreeMap<StreamId, Stream>,
    /// When the last word of the command channel arrives.
    channel: i64,
    pub(super) weather: Weather,
    /// Every stream breaks as soon as it listens.
    pub(super) flapping: bool,
    /// Nothing bad happens any more.
    pub(super) calm: bool,
    pub(super) watch: Watch,
    users: Vec<UserId>,
    rules: Rules,
    edit_every: u64,
    jumps: bool,
    pub(super) seed: u64,
    trace: bool,
}

impl Play {
    /// The stage of a seed.
    pub fn new(seed: u64, disk: Disk, trace: bool) -> Held<Self> {
        let mut dice = Dice::new(seed);
        let installation = Installation::new(&[7; 32]).map_err(|f| f.to_string())?;
        let mut exchange = Exchange::new(&mut dice);
        let start = 1_800_000_000_000 + dice.of(0..86_400_000) as i64;
        let today = Time::from_ms(start).midnight();
        let count = dice.of(1..7);
        let big = dice.one_in(10);
        for n in 0..count {
            let meetings = if big { dice.of(0..60) } else { dice.of(0..10) };
            exchange.add(&format!("{CANARY}{n}@corp.example"), meetings, today, &mut dice);
        }
        let passes = dice.of(1..5) as usize;
        let rules = Rules {
            passes,
            backlog: passes.saturating_sub(dice.of(0..2) as usize).max(1),
            seed,
            ..Rules::default()
        };
        let mut play = Self {
            mono: 1_000_000,
            offset: start - 1_000_000,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            exchange,
            kms: Kms::default(),
            relay: Relay::default(),
            disk,
            installation: Arc::new(installation),
            connector: None,
            life: 0,
            streams: BTreeMap::new(),
            channel: 0,
            weather: Weather::default(),
            flapping: false,
            calm: false,
            watch: Watch::new(rules.passes),
            users: (0..count).map(|n| UserId::new(format!("user-{n}"))).collect(),
            rules,
            edit_every: dice.of(30..400) * 1_000,
            jumps: dice.one_in(4),
            seed,
            trace,
            dice,
        };
        play.open_curtain();
        Ok(play)
    }

    fn open_curtain(&mut self) {
        for (user, address) in self.users.clone().iter().zip(self.addresses()) {
            if !self.dice.one_in(5) {
                self.relay.activate(user, &address);
            }
        }
        self.at(0, Event::Start);
        self.at(60_000, Event::Weather);
        for (event, range) in [
            (Event::Edit, 1..60_000),
            (Event::Order, 1..1_800_000),
            (Event::Mischief, 1..900_000),
        ] {
            let after = self.dice.of(range);
            self.at(after, event);
        }
    }

    fn addresses(&self) -> Vec<String> {
        self.exchange.mailboxes.keys().cloned().collect()
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { wall: Time::from_ms(self.mono + self.offset), mono: Time::from_ms(self.mono) }
    }

    /// Today's window.
    pub fn window(&self) -> Window {
        Window::at(self.now().wall, self.rules.reach)
    }

    fn at(&mut self, after: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((self.mono + after as i64, self.serial)));
        self.events.insert(self.serial, event);
    }

    fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            let ms = self.mono - 1_000_000;
            eprintln!("{:>6}.{:03} {}", ms / 1_000, ms % 1_000, words());
        }
    }

    /// Goes on for so long.
    pub fn run(&mut self, span: Span) -> Held {
        let end = self.mono + span.as_ms() as i64;
        while self.mono < end {
            self.next(end)?;
        }
        Ok(())
    }

    /// The next thing that happens, at `end` at the latest.
    fn next(&mut self, end: i64) -> Held {
        let now = self.now();
        let event = self.queue.peek().map_or(end, |Reverse((at, _))| *at);
        let fleet = self.connector.as_ref().map_or(end, |c| c.fleet.wake_at(now).as_ms());
        let wake = |c: &Connector| c.outbox.wake_at().map(Time::as_ms);
        let outbox = self.connector.as_ref().and_then(wake).unwrap_or(end);
        let at = event.min(fleet).min(outbox).min(end).max(self.mono);
        if at > self.mono {
            self.watch.passes_time(at)?;
        }
        self.mono = at;
        if at == end {
            return Ok(());
        }
        if event <= at {
            let Some(Reverse((_, serial))) = self.queue.pop() else { return Ok(()) };
            return match self.events.remove(&serial) {
                Some(event) => self.happen(event),
                None => Ok(()),
            };
        }
        if fleet <= at { self.fleet(Input::Tick) } else { self.outbox(outbox::Input::Tick) }
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Fleet(life, input) if life == self.life => self.fleet(input),
            Event::Outbox(life, input) if life == self.life => self.outbox(input),
            Event::Disk(life) if life == self.life => self.work_disk(),
            Event::Heard(life, command) if life == self.life => self.heard(command),
            Event::Opened(life, opened) if life == self.life => self.opened(*opened),
            Event::Obey(life) if life == self.life => self.obey(),
            Event::Ask(life, ticket, user, address, ask) => {
                let got = self.exchange_answers(&address, &ask);
                self.say(|| format!("exchange answers {user}: {got:?}"));
                self.answer(life, move |r| Input::Got(ticket, r), got);
                Ok(())
            }
            Event::Group(life, ticket, user, address) => {
                let group = match self.exchange_fault() {
                    Some(fault) => Err(fault),
                    None => self.exchange.group(&address),
                };
                self.say(|| format!("exchange groups {user}: {group:?}"));
                self.answer(life, move |r| Input::Grouped(ticket, r), group);
                Ok(())
            }
            Event::Key(life, ticket, user, want) => {
                let key = match self.kms_fault() {
                    Some(fault) => Err(fault),
                    None => self.kms.answer(&user, &want),
                };
                self.say(|| format!("kms answers {user} {want:?}: {key:?}"));
                self.answer(life, move |r| Input::Keyed(ticket, r), key);
                Ok(())
            }
            Event::Batch(life, batch) => self.batch(life, &batch),
            Event::Subscribe(life, stream, users) => {
                self.subscribe(life, stream, &users);
                Ok(())
            }
            Event::StreamEnds(life, stream, end) => {
                self.stream_ends(life, stream, end);
                Ok(())
            }
            Event::Edit => {
                self.edit();
                Ok(())
            }
            Event::Order => self.order(),
            Event::Mischief => {
                self.mischief();
                Ok(())
            }
            Event::Weather => {
                self.change_weather();
                Ok(())
            }
            Event::Start => self.start(),
            _ => Ok(()),
        }
    }

    // ---- time that calls take ----

    fn delay(&mut self) -> u64 {
        if self.dice.per_mille(self.weather.slow) {
            self.dice.of(1_000..90_000)
        } else {
            self.dice.of(1..120)
        }
    }

    fn answer<T>(
        &mut self,
        life: u64,
        input: impl FnOnce(Result<T, Fault>) -> Input,
        result: Result<T, Fault>,
    ) {
        let after = self.delay();
        self.at(after, Event::Fleet(life, input(result)));
    }

    // ---- the connector ----

    fn start(&mut self) -> Held {
        if self.connector.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.disk.reopen();
        self.broken_disk()?;
        let active = self.disk.mailboxes().map_err(|f| f.to_string())?;
        self.say(|| format!("life {}: starts with {} mailboxes", self.life, active.len()));
        let rules = Rules { seed: self.seed ^ self.life, ..self.rules };
        self.watch.born();
        self.connector = Some(Connector {
            fleet: Fleet::new(rules, self.installation.clone()),
            outbox: Outbox::new(self.seed ^ self.life),
            addresses: BTreeMap::new(),
            commands: VecDeque::new(),
            obeying: false,
            jobs: VecDeque::new(),
            disk_busy: false,
        });
        for (user, blob) in active {
            let address = command::address(&self.installation, &blob).map_err(|f| f.to_string())?;
            self.add(user, address.reveal())?;
        }
        for command in self.relay.open_commands() {
            self.send(command);
        }
        self.outbox(outbox::Input::Wake)
    }

    fn add(&mut self, user: UserId, address: &str) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let before = connector.addresses.insert(user.clone(), address.into());
        if before.is_some_and(|before| before != address) {
            self.fleet(Input::Removed(user.clone()))?;
        }
        self.watch.added(&user);
        self.fleet(Input::Added(user))
    }

    fn crash(&mut self) {
        if self.connector.take().is_none() {
            return;
        }
        self.say(|| "the connector dies".into());
        self.life += 1;
        self.watch.died();
        self.streams.clear();
        let after = self.dice.of(100..20_000);
        self.at(after, Event::Start);
    }

    fn fleet(&mut self, input: Input) -> Held {
        let now = self.now();
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let ticked = matches!(input, Input::Tick);
        if !ticked {
            self.watch.shown(&input)?;
        }
        if self.trace && !ticked {
            let ms = self.mono - 1_000_000;
            eprintln!("{:>6}.{:03}   > {input:?}", ms / 1_000, ms % 1_000);
        }
        self.watch.input(now, &input)?;
        connector.fleet.handle(now, input);
        let outputs = connector.fleet.drain();
        self.watch.fleet(now, &connector.fleet)?;
        for output in outputs {
            self.watch.shown(&output)?;
            self.watch.output(now, &output)?;
            self.say(|| format!("    < {output:?}"));
            self.carry_out(output)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) -> Held {
        let (life, after) = (self.life, self.delay());
        let address = |user: &UserId| -> Held<String> {
            let addresses = self.connector.as_ref().map(|c| &c.addresses);
            let found = addresses.and_then(|all| all.get(user));
            found.cloned().ok_or_else(|| format!("{user} is asked for and not active"))
        };
        match output {
            Output::Load(ticket, user) => self.job(Job::Load(ticket, user)),
            Output::Commit(ticket, commit) => self.job(Job::Commit(ticket, commit)),
            Output::Group(ticket, user) => {
                let address = address(&user)?;
                self.at(after, Event::Group(life, ticket, user, address));
            }
            Output::Ask(ticket, user, ask) => {
                let address = address(&user)?;
                self.at(after, Event::Ask(life, ticket, user, address, ask));
            }
            Output::Key(ticket, user, want) => {
                self.at(after, Event::Key(life, ticket, user, want));
            }
            Output::Listen(stream, users) => {
                let all: Held<Vec<_>> =
                    users.into_iter().map(|user| Ok((user.clone(), address(&user)?))).collect();
                let all = all?;
                self.at(after, Event::Subscribe(life, stream, all));
            }
            Output::Hush(stream) => {
                self.at(after, Event::StreamEnds(life, stream, ListenEnd::Stopped));
            }
            Output::Note(_) => {}
        }
        Ok(())
    }

    // ---- Exchange ----

    fn exchange_fault(&mut self) -> Option<Fault> {
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

    fn exchange_answers(&mut self, address: &str, ask: &Ask) -> Result<Got, Fault> {
        if let Some(fault) = self.exchange_fault() {
            return Err(fault);
        }
        match ask {
            Ask::Changes(cursor) => {
                self.exchange.changes(address, cursor.as_ref()).map(Got::Page)
            }
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

    fn subscribe(&mut self, life: u64, id: StreamId, users: &[(UserId, String)]) {
        if life != self.life {
            return;
        }
        let mut stream = Stream { life, members: BTreeMap::new(), last: self.mono };
        if self.dice.per_mille(self.weather.streams) {
            let fault = self.exchange_fault().unwrap_or_else(|| Fault::retry("connection reset"));
            self.streams.insert(id, stream);
            return self.stream_ends(life, id, ListenEnd::Failed(fault));
        }
        let group = users.first().map(|(_, address)| self.exchange.group(address));
        for (user, address) in users {
            let own = self.exchange.group(address);
            let refused = match (&own, &group) {
                _ if self.dice.per_mille(self.weather.streams) => {
                    Some(Fault::retry("ErrorSubscriptionNotFound"))
                }
                (Err(fault), _) => Some(fault.clone()),
                (Ok(_), _) if own.as_ref().ok() != group.as_ref().and_then(|g| g.as_ref().ok()) => {
                    Some(Fault::refused("ErrorProxyRequestNotAllowed"))
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

    /// Words of one stream keep their order.
    fn hint(&mut self, id: StreamId, stream: &mut Stream, hint: Hint) {
        let arrives = (self.mono + self.delay() as i64).max(stream.last);
        stream.last = arrives;
        let after = (arrives - self.mono) as u64;
        self.at(after, Event::Fleet(stream.life, Input::Hint(id, hint)));
    }

    fn stream_ends(&mut self, life: u64, id: StreamId, end: ListenEnd) {
        if life != self.life {
            return;
        }
        if end == ListenEnd::Stopped || self.streams.contains_key(&id) {
            let last = self.streams.remove(&id).map_or(self.mono, |stream| stream.last);
            let after = (last.max(self.mono + self.delay() as i64) - self.mono) as u64;
            self.at(after, Event::Fleet(life, Input::Ended(id, end)));
        }
    }

    fn ring(&mut self, address: &str) {
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

    // ---- the key server and the cloud ----

    fn kms_fault(&mut self) -> Option<Fault> {
        if !self.dice.per_mille(self.weather.kms) {
            return None;
        }
        let next = match self.dice.of(0..10) {
            0..5 => Next::Retry { after: None },
            5 | 6 => Next::BackOff { after: Some(Span::from_secs(self.dice.of(0..60))) },
            7 => Next::KeyLost,
            8 => Next::Denied,
            _ => Next::SignIn,
        };
        Some(Fault::new(next, "kms 503"))
    }

    fn outbox(&mut self, input: outbox::Input) -> Held {
        let now = self.now();
        let Some(connector) = &mut self.connector else { return Ok(()) };
        self.watch.shown(&input)?;
        self.watch.moved()?;
        let outputs = connector.outbox.handle(now, input);
        for output in outputs {
            self.watch.shown(&output)?;
            self.say(|| format!("    outbox < {output:?}"));
            let (life, after) = (self.life, self.delay());
            match output {
                outbox::Output::Load { limit } => self.job(Job::Outbox(limit)),
                outbox::Output::Send(rows) => {
                    self.watch.sends(now, &rows)?;
                    self.at(after, Event::Batch(life, rows));
                }
                outbox::Output::Settle { done, aside } => self.job(Job::Settle(done, aside)),
                outbox::Output::Trouble(_) => self.watch.cloud_well = false,
                outbox::Output::Well => self.watch.cloud_well = true,
            }
        }
        Ok(())
    }

    fn batch(&mut self, life: u64, batch: &[Outgoing]) -> Held {
        let bad = self.dice.per_mille(self.weather.cloud);
        let kind = self.dice.of(0..10);
        let busy = Span::from_secs(self.dice.of(0..90));
        let answer = match kind {
            0..3 if bad => Err(Fault::retry("connection refused")),
            3..5 if bad => Err(Fault::new(Next::BackOff { after: Some(busy) }, "429")),
            5 if bad => Err(Fault::new(Next::SignIn, "401")),
            _ => {
                let seed = self.seed;
                let bent = move |id: &str| {
                    id.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) + u64::from(byte))
                };
                match self.relay.take(life, batch, bent)? {
                    Ok(_) if bad && kind < 8 => Err(Fault::retry("answer lost")),
                    Ok(mut verdicts) if bad => {
                        verdicts.retain(|_, _| !self.dice.one_in(3));
                        Ok(verdicts)
                    }
                    other => other,
                }
            }
        };
        self.say(|| format!("cloud takes {}: {answer:?}", batch.len()));
        if self.crash_now() {
            return Ok(());
        }
        let after = self.delay();
        if let Err(Fault { next: Next::BackOff { after: Some(asked) }, .. }) = &answer
            && life == self.life
        {
            self.watch.cloud_asks(Time::from_ms(self.mono + after as i64), *asked);
        }
        self.at(after, Event::Outbox(life, outbox::Input::Answered(answer)));
        Ok(())
    }

    fn crash_now(&mut self) -> bool {
        let now = !self.calm && self.dice.per_mille(self.weather.crash);
        if now {
            self.crash();
        }
        now
    }

    // ---- the disk ----

    fn job(&mut self, job: Job) {
        let after = if self.dice.per_mille(self.weather.slow) {
            self.dice.of(100..5_000)
        } else {
            self.dice.of(1..12)
        };
        let life = self.life;
        let Some(connector) = &mut self.connector else { return };
        connector.jobs.push_back(job);
        if !std::mem::replace(&mut connector.disk_busy, true) {
            self.at(after, Event::Disk(life));
        }
    }

    fn broken_disk(&mut self) -> Held {
        self.disk.broken.take().map_or(Ok(()), Err)
    }

    /// Commits that wait together are one transaction; everything else is one by one.
    fn work_disk(&mut self) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        let Some(job) = connector.jobs.pop_front() else {
            connector.disk_busy = false;
            return Ok(());
        };
        let mut commits = Vec::new();
        if let Job::Commit(..) = job {
            let jobs = std::mem::take(&mut connector.jobs);
            for job in std::iter::once(job).chain(jobs) {
                match job {
                    Job::Commit(ticket, commit) => commits.push((ticket, *commit)),
                    other => connector.jobs.push_back(other),
                }
            }
            self.commit(commits)?;
        } else {
            self.do_job(job)?;
        }
        self.broken_disk()?;
        let (life, after) = (self.life, self.dice.of(1..12));
        self.at(after, Event::Disk(life));
        self.crash_now();
        Ok(())
    }

    fn disk_fault(&mut self) -> Option<Fault> {
        let bad = self.dice.per_mille(self.weather.disk);
        bad.then(|| Fault::retry("store: disk I/O error"))
    }

    fn commit(&mut self, commits: Vec<(Ticket, Commit)>) -> Held {
        let wall = self.now().wall;
        let (tickets, commits): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
        let counted = match self.disk_fault() {
            Some(fault) => Err(fault),
            None => self.disk.commit(&commits, wall),
        };
        let words = || format!("disk commits {}: {counted:?}", commits.len());
        self.say(words);
        let (life, after) = (self.life, self.dice.of(0..4));
        for (at, ticket) in tickets.into_iter().enumerate() {
            let counted = match &counted {
                Ok(all) => Ok(*all.get(at).ok_or("a commit without an answer")?),
                Err(fault) => Err(fault.clone()),
            };
            self.at(after, Event::Fleet(life, Input::Committed(ticket, counted)));
        }
        if counted.is_ok() {
            self.at(after, Event::Outbox(life, outbox::Input::Wake));
        }
        Ok(())
    }

    fn do_job(&mut self, job: Job) -> Held {
        let (life, after, wall) = (self.life, self.dice.of(0..4), self.now().wall);
        let fault = self.disk_fault();
        let event = match job {
            Job::Load(ticket, user) => {
                let loaded = fault.map_or_else(|| self.disk.load(&user), Err);
                Event::Fleet(life, Input::Loaded(ticket, loaded))
            }
            Job::Outbox(limit) => {
                let rows = fault.map_or_else(|| self.disk.outbox(limit, BATCH_BYTES), Err);
                Event::Outbox(life, outbox::Input::Loaded(rows))
            }
            Job::Settle(done, aside) => {
                let settled = fault.map_or_else(|| self.disk.settle(&done, &aside), Err);
                Event::Outbox(life, outbox::Input::Settled(settled))
            }
            Job::Outcome(command) => {
                let known = fault.map_or_else(|| self.disk.outcome(&command.id), Err);
                return self.known(command, known);
            }
            Job::Decide(decision) => {
                let outcome = fault.map_or_else(|| self.disk.decide(&decision, wall), Err);
                self.say(|| format!("disk decides {decision:?}: {outcome:?}"));
                return self.decided(*decision, outcome);
            }
            Job::Commit(..) => return Ok(()),
        };
        self.at(after, event);
        Ok(())
    }

    // ---- commands, in their order, one at a time ----

    fn heard(&mut self, command: Command) -> Held {
        self.watch.shown(&command)?;
        let Some(connector) = &mut self.connector else { return Ok(()) };
        connector.commands.push_back(command);
        self.obey()
    }

    fn obey(&mut self) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        if connector.obeying {
            return Ok(());
        }
        let Some(head) = connector.commands.front().cloned() else { return Ok(()) };
        connector.obeying = true;
        self.job(Job::Outcome(head));
        Ok(())
    }

    fn obey_later(&mut self) {
        let (life, after) = (self.life, self.dice.of(500..20_000));
        if let Some(connector) = &mut self.connector {
            connector.obeying = false;
        }
        self.at(after, Event::Obey(life));
    }

    fn known(&mut self, command: Command, known: Result<Option<Outcome>, Fault>) -> Held {
        match known {
            Err(_) => {
                self.obey_later();
                Ok(())
            }
            Ok(Some(outcome)) => self.acknowledge(&command.id, &outcome),
            Ok(None) => match command::decide(&command) {
                Need::Nothing(decision) => {
                    self.job(Job::Decide(Box::new(decision)));
                    Ok(())
                }
                Need::Open { jwe, .. } => {
                    let opened = match self.kms_fault() {
                        // A refusal is final, so only what may pass is played here.
                        Some(_) => Err(Fault::retry("kms 503")),
                        None => open(&jwe)
                            .map(|(_, plain)| Plain::new(plain))
                            .ok_or_else(|| Fault::refused("not a JWE")),
                    };
                    let (life, after) = (self.life, self.delay());
                    self.at(after, Event::Opened(life, Box::new((command, opened))));
                    Ok(())
                }
            },
        }
    }

    fn opened(&mut self, (command, plain): (Command, Result<Plain, Fault>)) -> Held {
        match command::opened(&command, &self.installation, plain) {
            Err(_) => self.obey_later(),
            Ok(decision) => self.job(Job::Decide(Box::new(decision))),
        }
        Ok(())
    }

    fn decided(&mut self, decision: Decision, outcome: Result<Outcome, Fault>) -> Held {
        self.watch.shown(&decision)?;
        let Ok(outcome) = outcome else {
            self.obey_later();
            return Ok(());
        };
        if self.crash_now() {
            return Ok(());
        }
        match decision.effect {
            Effect::None => {}
            Effect::Activate { user, address } => {
                let plain = command::address(&self.installation, &address);
                let plain = plain.map_err(|f| f.to_string())?;
                self.add(user, plain.reveal())?;
            }
            Effect::Deactivate { user } => {
                if let Some(connector) = &mut self.connector {
                    connector.addresses.remove(&user);
                }
                self.watch.removed(&user);
                self.fleet(Input::Removed(user))?;
            }
            Effect::Resend { user } => {
                let all = self.connector.as_ref().map(|c| c.addresses.keys().cloned());
                let all: Vec<_> = all.into_iter().flatten().collect();
                for one in all.into_iter().filter(|u| user.as_ref().is_none_or(|user| user == u)) {
                    self.fleet(Input::Stirred(one))?;
                }
            }
        }
        self.outbox(outbox::Input::Wake)?;
        self.acknowledge(&decision.id, &outcome)
    }

    fn acknowledge(&mut self, id: &calway::model::CommandId, outcome: &Outcome) -> Held {
        self.say(|| format!("command {id} {outcome:?}"));
        // The answer gets lost now and then; the command comes again with the next channel.
        if self.calm || !self.dice.one_in(8) {
            self.relay.acknowledge(id, outcome)?;
        } else if let Some(command) =
            self.relay.open_commands().into_iter().find(|command| command.id == *id)
        {
            self.send(command);
        }
        if let Some(connector) = &mut self.connector {
            connector.obeying = false;
            connector.commands.pop_front();
        }
        self.obey()
    }

    // ---- what people, the cloud's operators and fate do ----

    fn edit(&mut self) {
        if self.calm {
            return;
        }
        let addresses = self.addresses();
        let today = self.now().wall.midnight();
        if let Some(address) = self.dice.pick(&addresses).cloned() {
            self.edit_one(&address, today);
        }
        let every = if self.dice.one_in(20) { 50 } else { self.edit_every };
        let after = self.dice.of(1..2 * every);
        self.at(after, Event::Edit);
    }

    /// Somebody edits this calendar; its doorbell rings.
    pub fn edit_one(&mut self, address: &str, today: Time) {
        let what = self.exchange.edit(address, today, &mut self.dice);
        self.say(|| format!("edit {address}: {what}"));
        self.ring(address);
    }

    fn order(&mut self) -> Held {
        if self.calm {
            return Ok(());
        }
        let users = self.users.clone();
        let addresses = self.addresses();
        let after = self.dice.of(60_000..1_800_000);
        self.at(after, Event::Order);
        let (Some(user), Some(address)) =
            (self.dice.pick(&users).cloned(), self.dice.pick(&addresses).cloned())
        else {
            return Ok(());
        };
        let own = self.relay.wanted.get(&user).cloned();
        let command = match self.dice.of(0..10) {
            0..2 => self.relay.activate(&user, &own.unwrap_or(address)),
            2 => self.relay.activate(&user, &address),
            3 => self.relay.deactivate(&user),
            4 => self.relay.resend(None),
            5 => self.relay.resend(Some(&user)),
            6 => {
                self.say(|| format!("the cloud forgets {user}"));
                self.relay.forget(&user);
                self.relay.resend(Some(&user))
            }
            7 => self.relay.other(true),
            8 => self.relay.other(false),
            _ => {
                let nobody = UserId::new("user-unknown");
                let opens = self.dice.one_in(2);
                self.relay.activate_badly(&nobody, opens)
            }
        };
        self.send_down(command)
    }

    /// A command goes down the channel, now and then twice.
    pub fn send_down(&mut self, command: Command) -> Held {
        self.say(|| format!("cloud orders {:?}", command.kind));
        debug_assert!(!matches!(command.kind, CommandKind::Activate { ref sealed_address, .. }
            if sealed_address.contains(CANARY)));
        for _ in 0..1 + u64::from(self.dice.one_in(5)) {
            self.send(command.clone());
        }
        Ok(())
    }

    /// The channel keeps the order.
    fn send(&mut self, command: Command) {
        self.channel = self.channel.max(self.mono) + self.dice.of(20..2_000) as i64;
        let after = (self.channel - self.mono) as u64;
        self.at(after, Event::Heard(self.life, command));
    }

    /// What a run came to.
    pub fn summary(&self) -> String {
        format!(
            "{} lives, {} inputs, {} calls, {} streams, {} events, {} commands",
            self.life,
            self.watch.inputs,
            self.watch.asks,
            self.watch.listens,
            self.relay.taken,
            self.relay.commands.len(),
        )
    }

    fn mischief(&mut self) {
        if self.calm {
            return;
        }
        let after = self.dice.of(30_000..900_000);
        self.at(after, Event::Mischief);
        let (addresses, users) = (self.addresses(), self.users.clone());
        let (Some(address), Some(user)) =
            (self.dice.pick(&addresses).cloned(), self.dice.pick(&users).cloned())
        else {
            return;
        };
        let what = self.dice.of(0..12);
        self.say(|| format!("mischief {what} at {address}, {user}"));
        match what {
            0..2 => self.exchange.lose_cursors(&address),
            2 => self.kms.lose(&user),
            3 => self.disk.full = !self.disk.full,
            4 if self.jumps => {
                let by = self.dice.of(0..2 * 86_400_000) as i64 - 86_400_000;
                self.offset += by;
            }
            5..8 => self.crash(),
            _ => {
                let Some(mailbox) = self.exchange.mailboxes.get_mut(&address) else { return };
                match what {
                    8 => mailbox.denied = !mailbox.denied,
                    9 => mailbox.gone = !mailbox.gone,
                    _ => mailbox.group = 1 - mailbox.group.min(1),
                }
            }
        }
    }

    fn change_weather(&mut self) {
        if self.calm {
            return;
        }
        let after = self.dice.of(120_000..2_400_000);
        self.at(after, Event::Weather);
        let mut bad = |most: u64| if self.dice.one_in(2) { 0 } else { self.dice.of(0..most) };
        self.weather = Weather {
            exchange: bad(300),
            kms: bad(400),
            cloud: bad(600),
            disk: bad(150),
            slow: bad(150),
            lost_hints: bad(500),
            streams: bad(300),
            crash: bad(6),
        };
        self.relay.moods = if self.dice.one_in(3) {
            Moods {
                reject_one_in: self.dice.of(4..60),
                spoil_one_in: self.dice.of(20..90),
                most: self.dice.of(1..40) as usize,
            }
        } else {
            Moods::default()
        };
        self.say(|| format!("weather {:?}", self.weather));
    }

    /// Everything is well from now on, and nobody edits.
    pub fn calm_down(&mut self) {
        self.say(|| "all is well from now on".into());
        self.calm = true;
        self.weather = Weather::default();
        self.relay.moods = Moods::default();
        self.disk.full = false;
        for mailbox in self.exchange.mailboxes.values_mut() {
            (mailbox.denied, mailbox.gone) = (false, false);
        }
        if self.connector.is_none() {
            self.at(1, Event::Start);
        }
    }

    // ---- for the checks ----

    /// Who the cloud wants to see, and from which mailbox.
    pub fn wanted(&self) -> Vec<(UserId, Option<String>)> {
        let of = |user: &UserId| self.relay.wanted.get(user).cloned();
        self.users.iter().map(|user| (user.clone(), of(user))).collect()
    }

    /// Whether a key was authorised for a user.
    pub fn opens_for(&self, key: &str, user: &UserId) -> bool {
        self.kms.opens_for(key, user)
    }

    /// The fleet's own view, if the connector lives.
    pub fn fleet_view(&self) -> Option<&Fleet> {
        self.connector.as_ref().map(|connector| &connector.fleet)
    }

    /// Commands that nobody answered yet.
    pub fn unanswered(&self) -> usize {
        self.relay.open_commands().len()
    }
}
