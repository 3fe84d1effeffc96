//! The play: the connector between the calendars and the cloud, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use calway::model::{Address, Command, CommandId, Fault, Now, Span, Time, UserId};
use calway::pipeline::command;
use calway::pipeline::errand::{Ask, Desk, Input, Output, Rules, Ticket};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::Ask as Reading;
use calway::store::Store;
use calway::store::sqlite::Sqlite;

use super::super::dice::Dice;
use super::super::play::Held;
use super::calendar::Exchange;
use super::cloud::Cloud;
use super::passes::Running;
use super::watch::{Kind, Watch};

/// Whatever a server does for a request, it does in this time after it was sent.
pub const SERVER_WORKS: u64 = 60_000;

pub enum Event {
    /// A mailbox changed.
    Ring(UserId),
    /// What a pass asks for reaches the server.
    Reading(u64, UserId, u64, Reading),
    /// What an errand asks for does.
    Ask(u64, Ticket, UserId, String, Ask),
    /// A write whose answer nobody waits for any more takes effect.
    Late(String, Ask),
    Desk(u64, Box<Input>),
    Uplink(u64),
    /// The cloud answers a request.
    Answer(String, bool),
    Heard(u64, Command),
    Obey(u64),
    Person,
    Wish,
    /// A user is activated again.
    Back(UserId),
    Weather,
    Kill,
    Start,
}

/// How bad it is, per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub exchange: u64,
    pub lost: u64,
    pub disk: u64,
    pub kms: u64,
    pub slow: u64,
    pub crash: u64,
}

/// A life of the connector.
pub struct Connector {
    pub people: BTreeMap<UserId, Arc<Address>>,
    pub desk: Desk,
    /// The last errand that was read from the disk.
    pub read: i64,
    pub passes: BTreeMap<UserId, Running>,
    /// Who rang while a pass was under way.
    pub again: BTreeSet<UserId>,
    pub commands: VecDeque<Command>,
    pub obeying: bool,
    /// The outbox is being emptied.
    pub uplink: bool,
    /// Writes whose answers are waited for.
    pub writing: u32,
}

/// Everything.
pub struct Play {
    pub dice: Dice,
    pub now: Now,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    pub serial: u64,
    pub exchange: Exchange,
    pub cloud: Cloud,
    store: Option<Box<dyn Store>>,
    file: Option<PathBuf>,
    pub installation: Arc<Installation>,
    pub rules: Rules,
    pub connector: Option<Connector>,
    pub life: u64,
    pub weather: Weather,
    pub calm: bool,
    pub watch: Watch,
    pub users: Vec<(UserId, String)>,
    /// What a life before heard, and nobody acknowledged.
    pub heard: BTreeSet<CommandId>,
    pub edit_every: u64,
    /// When the last word of the channel arrives.
    pub channel: Time,
    trace: bool,
}

/// A moment as the cloud writes it.
pub fn time(text: &str) -> Option<Time> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Time::from_ms(at.as_millisecond()))
}

fn open_store(file: Option<&PathBuf>) -> Held<Box<dyn Store>> {
    let memory = PathBuf::from(":memory:");
    let store = Sqlite::open(file.unwrap_or(&memory)).map_err(|fault| fault.to_string())?;
    Ok(Box::new(store))
}

impl Play {
    pub fn new(seed: u64, file: Option<PathBuf>, trace: bool) -> Held<Self> {
        let mut dice = Dice::new(seed ^ 0x00E4_4A2D);
        let wall = Time::from_ms(1_800_000_000_000 + dice.of(0..86_400_000) as i64);
        let count = dice.of(1..4);
        let address = |n| format!("person{n}@corp.example");
        let users = (0..count).map(|n| (UserId::new(format!("user-{n}")), address(n))).collect();
        let mut cloud = Cloud::default();
        cloud.refuses_one_in = if dice.one_in(4) { 0 } else { dice.of(2..6) };
        let mut play = Self {
            now: Now { wall, mono: Time::from_ms(1_000_000) },
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            exchange: Exchange::default(),
            cloud,
            store: Some(open_store(file.as_ref())?),
            file,
            installation: Arc::new(Installation::new(&[9; 32]).map_err(|f| f.to_string())?),
            rules: Rules::default(),
            connector: None,
            life: 0,
            weather: Weather::default(),
            calm: false,
            watch: Watch::default(),
            users,
            heard: BTreeSet::new(),
            edit_every: dice.of(60..240) * 1_000,
            channel: Time::default(),
            trace,
            dice,
        };
        for (_, address) in play.users.clone() {
            for _ in 0..play.dice.of(1..4) {
                let n = play.exchange.fresh();
                let item = super::people::invitation(n, wall, &mut play.dice);
                play.exchange.put(&address, item);
            }
        }
        play.at(0, Event::Start);
        play.at(1, Event::Weather);
        for (user, address) in play.users.clone() {
            let command = play.cloud.activate(&user, &address);
            play.send(command);
        }
        for (event, within) in [(Event::Person, 300_000), (Event::Wish, 900_000)] {
            let after = play.dice.of(1..within);
            play.at(after, event);
        }
        Ok(play)
    }

    pub fn at(&mut self, after: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((self.now.mono.as_ms() + after as i64, self.serial)));
        self.events.insert(self.serial, event);
    }

    pub fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            let ms = self.now.mono.as_ms() - 1_000_000;
            eprintln!("{:>6}.{:03} {}", ms / 1_000, ms % 1_000, words());
        }
    }

    /// The disk, if it is well.
    pub fn disk(&mut self) -> Result<&mut dyn Store, Fault> {
        if self.dice.per_mille(self.weather.disk) {
            self.watch.played(Kind::DiskFails);
            return Err(Fault::retry("store: disk I/O error"));
        }
        let store = self.store.as_mut();
        Ok(store.ok_or_else(|| Fault::retry("store: not open"))?.as_mut())
    }

    /// Whether something is to be done in a user's name.
    pub fn has_errands(&mut self, user: &UserId) -> Held<bool> {
        let store = self.store.as_mut().ok_or("no store")?;
        let all = store.errands(0, 1_000).map_err(|fault| fault.to_string())?;
        Ok(all.iter().any(|filed| filed.user == *user))
    }

    /// Whether nothing is to be done any more, and nothing to be told.
    pub fn is_quiet(&mut self) -> Held<bool> {
        let store = self.store.as_mut().ok_or("no store")?;
        let errands = store.errands(0, 1).map_err(|fault| fault.to_string())?;
        let backlog = store.backlog().map_err(|fault| fault.to_string())?;
        Ok(errands.is_empty() && backlog.waiting == 0 && self.cloud.open().is_empty())
    }

    pub fn delay(&mut self) -> u64 {
        if self.dice.per_mille(self.weather.slow) {
            self.dice.of(500..20_000)
        } else {
            self.dice.of(1..200)
        }
    }

    /// Goes on for so long.
    pub fn run(&mut self, span: Span) -> Held {
        let end = self.now.mono + span;
        loop {
            let event = self.queue.peek().map(|Reverse((at, _))| Time::from_ms(*at));
            let wake = self.connector.as_ref().and_then(|connector| connector.desk.wake_at());
            let next = [event, wake, Some(end)].into_iter().flatten().min().unwrap_or(end);
            let later = next.max(self.now.mono).since(self.now.mono);
            self.now = Now { wall: self.now.wall + later, mono: self.now.mono + later };
            if self.now.mono >= end {
                return Ok(());
            }
            if event.is_some_and(|event| event <= self.now.mono) {
                let Some(Reverse((_, serial))) = self.queue.pop() else { continue };
                if let Some(event) = self.events.remove(&serial) {
                    self.happen(event)?;
                }
            } else {
                self.desk(Input::Tick)?;
            }
        }
    }

    fn happen(&mut self, event: Event) -> Held {
        let life = self.life;
        match event {
            Event::Ring(user) => self.ring(&user),
            Event::Reading(of, user, no, ask) if of == life => self.read(&user, no, &ask),
            Event::Ask(of, ticket, user, address, ask) => self.ask(of, ticket, user, address, ask),
            Event::Late(address, ask) => self.takes_effect(&address, &ask).map(drop),
            Event::Desk(of, input) if of == life => self.desk(*input),
            Event::Uplink(of) if of == life => self.uplink(),
            Event::Answer(request, other) => {
                if let Some(command) = self.cloud.answer(&request, other) {
                    self.send(command);
                }
                Ok(())
            }
            Event::Heard(of, command) if of == life => {
                if let Some(connector) = &mut self.connector {
                    connector.commands.push_back(command);
                }
                self.obey()
            }
            Event::Obey(of) if of == life => {
                if let Some(connector) = &mut self.connector {
                    connector.obeying = false;
                }
                self.obey()
            }
            Event::Person => self.person(),
            Event::Wish => self.wish(),
            Event::Back(user) => self.back(&user),
            Event::Weather => {
                self.change_weather();
                Ok(())
            }
            Event::Kill => {
                if !self.calm {
                    self.kill();
                }
                Ok(())
            }
            Event::Start => self.start(),
            _ => Ok(()),
        }
    }

    // ---- the connector's life ----

    fn start(&mut self) -> Held {
        self.life += 1;
        if self.file.is_some() {
            self.store = None;
            self.store = Some(open_store(self.file.as_ref())?);
        }
        let store = self.store.as_mut().ok_or("no store")?;
        let active = store.mailboxes().map_err(|fault| fault.to_string())?;
        let seed = self.dice.roll();
        self.say(|| format!("life {}: starts with {}", self.life, active.len()));
        self.connector = Some(Connector {
            people: BTreeMap::new(),
            desk: Desk::new(self.installation.clone(), self.rules.clone(), seed),
            read: 0,
            passes: BTreeMap::new(),
            again: BTreeSet::new(),
            commands: VecDeque::new(),
            obeying: false,
            uplink: false,
            writing: 0,
        });
        for (user, blob) in active {
            let address = command::address(&self.installation, &blob).map_err(|f| f.to_string())?;
            self.add(user, address)?;
        }
        self.filed()?;
        for command in self.cloud.open() {
            if self.heard.contains(&command.id) {
                self.watch.played(Kind::CommandAgain);
            }
            self.send(command);
        }
        self.wake_uplink();
        Ok(())
    }

    /// It dies, and what it waited for is lost; what was sent is not.
    pub fn kill(&mut self) {
        let Some(connector) = self.connector.take() else { return };
        self.say(|| "the connector dies".into());
        self.watch.played(Kind::Killed);
        if connector.writing > 0 {
            self.watch.played(Kind::KilledWriting);
        }
        self.life += 1;
        self.channel = self.now.mono;
        let after = self.dice.of(10..20_000);
        self.at(after, Event::Start);
    }

    pub fn kill_now(&mut self) -> bool {
        let now = !self.calm && self.dice.per_mille(self.weather.crash);
        if now {
            self.kill();
        }
        now
    }

    pub fn add(&mut self, user: UserId, address: Arc<Address>) -> Held {
        if let Some(connector) = &mut self.connector {
            connector.people.insert(user.clone(), address.clone());
        }
        self.desk(Input::Added(user.clone(), address))?;
        self.ring(&user)
    }

    pub fn remove(&mut self, user: &UserId) -> Held {
        let Some(connector) = &mut self.connector else { return Ok(()) };
        connector.people.remove(user);
        connector.passes.remove(user);
        self.desk(Input::Removed(user.clone()))
    }

    /// Errands were put onto the disk.
    pub fn filed(&mut self) -> Held {
        loop {
            let Some(read) = self.connector.as_ref().map(|connector| connector.read) else {
                return Ok(());
            };
            // The loop around the desk tries again by itself.
            let store = self.store.as_mut().ok_or("no store")?;
            let filed = store.errands(read, 16).map_err(|fault| fault.to_string())?;
            let Some(last) = filed.last().map(|filed| filed.row) else { return Ok(()) };
            if let Some(connector) = &mut self.connector {
                connector.read = last;
            }
            self.desk(Input::Filed(filed))?;
        }
    }

    pub fn desk(&mut self, input: Input) -> Held {
        let now = self.now;
        let Some(connector) = &mut self.connector else { return Ok(()) };
        connector.desk.handle(now, input);
        for output in connector.desk.drain() {
            self.say(|| format!("    desk < {output:?}"));
            self.carry_out(output)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) -> Held {
        let (life, after) = (self.life, self.delay());
        match output {
            Output::Ask(ticket, user, ask) => {
                let Some(connector) = &mut self.connector else { return Ok(()) };
                let Some(address) = connector.people.get(&user) else {
                    return Err(format!("{user} is not active, and {ask:?} is asked"));
                };
                let address = address.reveal().to_owned();
                if ask.writes() {
                    connector.writing += 1;
                    self.interfere(&user, after)?;
                }
                self.at(after, Event::Ask(life, ticket, user, address, ask));
            }
            Output::Advance(ticket, advance) => {
                let wall = self.now.wall;
                let mut there = self.disk().and_then(|disk| disk.advance(&advance, wall));
                if there.is_ok() && self.dice.per_mille(self.weather.disk) {
                    // It was written, and nobody knows.
                    there = Err(Fault::retry("store: disk I/O error"));
                }
                self.say(|| format!("    disk advances {} {there:?}", advance.id));
                self.wake_uplink();
                self.at(after.min(50), Event::Desk(life, Box::new(Input::Advanced(ticket, there))));
                self.kill_now();
            }
            Output::Note(_) => {}
        }
        Ok(())
    }

    /// While something is being written, the connector dies or its user leaves.
    fn interfere(&mut self, user: &UserId, after: u64) -> Held {
        if self.calm {
            return Ok(());
        }
        if self.dice.one_in(12) {
            let soon = self.dice.of(0..after);
            self.at(soon, Event::Kill);
        }
        if self.dice.one_in(20) { self.leave(user) } else { Ok(()) }
    }
}
