//! The play: everything that happens, in virtual time, in the order that a seed determines.
//!
//! Faults it plays: every kind of failure of each Exchange server, its directory, the key server,
//! the cloud and the disk; slow answers that come in another order; notifications that are lost;
//! streams that are refused, end, break or fall deaf for a while; mailboxes that move between
//! groups, servers, addresses and to the cloud; ways to Autodiscover that change, hosts there that
//! nobody vouched for, an administrator who blocks what is needed; a connector that dies at any
//! moment, also between the disk's work and its answer; commands that come twice; a wall clock that
//! jumps; nights in which clocks are set.

mod connector;
mod doorbells;
mod fate;
mod orders;
mod provider;
mod search;
mod storage;
mod uplink;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use calway::model::{Command, Doubt, Fault, ListenEnd, Now, Plain, Span, Time, UserId};
use calway::pipeline::command::Decision;
use calway::pipeline::fleet::{Fleet, Input, Rules, StreamId, Ticket, Want};
use calway::pipeline::outbox::{self, Outbox, Outgoing};
use calway::pipeline::seal::Installation;
use calway::pipeline::sync::{Ask, Commit, Lookup};
use calway::pipeline::window::Window;
use calway::store::Settled;

pub use self::doorbells::Flapping;
use self::doorbells::{Order, Stream};
use self::search::Search;
use super::board::Errand;
use super::calendar::{CANARY, Exchange};
use super::dice::Dice;
use super::disk::Disk;
use super::keys::Kms;
use super::network::Network;
use super::office::Office;
use super::places::{DAYS, Layout, Places};
use super::relay::Relay;
use super::watch::Watch;

/// Either it goes on, or this promise was broken.
pub type Held<T = ()> = Result<T, String>;

/// How bad it is, per mille of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Of each server.
    exchange: [u64; 3],
    homes: u64,
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
    Homes(u64, Ticket, Vec<String>, Doubt),
    /// Something that the discovery needs is done.
    Errand(u64, u64, Errand),
    /// The administrator looks at the trust list.
    Office,
    Key(u64, Ticket, UserId, Want),
    /// A batch reaches the cloud.
    Batch(u64, Vec<Outgoing>),
    /// The disk begins with what waits for it.
    Disk(u64),
    Subscribe(u64, StreamId, Vec<(UserId, String)>),
    StreamEnds(u64, StreamId, ListenEnd),
    StreamOrder(u64, StreamId, Order),
    /// A stream that was deaf listens again.
    Reopened(u64, StreamId),
    /// A stream notices that a mailbox left.
    Uprooted(u64, StreamId, UserId),
    /// A command reaches the connector.
    Heard(u64, Command),
    /// What a command sealed is opened, or not.
    Opened(u64, Box<(Command, Result<Vec<Plain>, Fault>)>),
    /// The head of the commands is tried (again).
    Obey(u64),
    Edit,
    Order,
    Mischief,
    Weather,
    Crash,
    Start,
}

/// What waits for the disk.
#[derive(Debug)]
enum Job {
    Load(Ticket, UserId),
    Look(Ticket, UserId, Lookup),
    Commit(Ticket, Box<Commit>),
    Outbox(usize),
    Settle(Settled),
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
    search: Search,
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
    pub(super) places: Places,
    pub(super) network: Network,
    office: Office,
    /// The server that was asked for a mailbox last.
    pub(super) asked: BTreeMap<String, u64>,
    kms: Kms,
    pub(super) relay: Relay,
    pub(super) disk: Disk,
    installation: Arc<Installation>,
    connector: Option<Connector>,
    life: u64,
    streams: BTreeMap<StreamId, Stream>,
    /// When the last order to a stream is obeyed.
    orders: i64,
    /// When the last word of the command channel arrives.
    channel: i64,
    pub(super) weather: Weather,
    /// Which streams break as soon as they listen.
    pub(super) flapping: Flapping,
    /// This server says that it is busy, to everybody.
    pub(super) busy: Option<u64>,
    /// Mailboxes that stay out of reach when all else is well.
    pub(super) hopeless: BTreeSet<String>,
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
        if seed % 8 == 2 {
            exchange.page = 512;
        }
        let layout = match seed % 16 {
            9 | 13 => Layout::Fixed,
            10 => Layout::Alone,
            _ => Layout::Found,
        };
        let mut places = Places::new(layout, &mut dice);
        // Without SOAP nobody tells groups apart.
        let soap = (places.groups > 1).then_some(true);
        let network = Network::new(soap, &mut dice);
        let day = dice.pick(&DAYS).copied().unwrap_or(DAYS[0]);
        let start = day + dice.of(0..86_400_000) as i64;
        let today = Time::from_ms(start).midnight();
        let crowd = seed % 64 == 40;
        let count = if crowd { dice.of(40..70) } else { dice.of(1..7) };
        let big = dice.one_in(10) && !crowd;
        for n in 0..count {
            let meetings = if big { dice.of(0..60) } else { dice.of(0..10) };
            let address = format!("{CANARY}{n}@corp.example");
            exchange.add(&address, meetings, today, &mut dice);
            places.add(&address, &mut dice);
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
            places,
            network,
            office: Office::default(),
            asked: BTreeMap::new(),
            kms: Kms::default(),
            relay: Relay::default(),
            disk,
            installation: Arc::new(installation),
            connector: None,
            life: 0,
            streams: BTreeMap::new(),
            orders: 0,
            channel: 0,
            weather: Weather::default(),
            flapping: Flapping::No,
            busy: None,
            hopeless: BTreeSet::new(),
            calm: false,
            watch: Watch::new(rules.passes, rules.backlog),
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
            (Event::Office, 1..900_000),
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

    /// Today's window of a user, in the time zone that was told last.
    pub fn window(&self, user: &UserId) -> Window {
        let zone = self.watch.budget.home(user).and_then(|home| home.zone);
        Window::at(self.now().wall, self.rules.reach, &zone.unwrap_or_default())
    }

    /// All windows, and the day of the keys.
    pub fn windows(&self) -> (Vec<Window>, Time) {
        let windows = self.users.iter().map(|user| self.window(user)).collect();
        (windows, self.now().wall.midnight())
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
            Event::Ask(life, ticket, user, address, ask) if life == self.life => {
                self.ask(ticket, user, address, ask)
            }
            Event::Homes(life, ticket, addresses, doubt) if life == self.life => {
                match self.homes_fault() {
                    None => self.seek(ticket, &addresses, doubt),
                    Some(fault) => {
                        let homes = vec![Err(fault); addresses.len()];
                        self.at(1, Event::Fleet(life, Input::Homes(ticket, homes)));
                        Ok(())
                    }
                }
            }
            Event::Errand(life, id, errand) => self.run_errand(life, id, errand),
            Event::Office => {
                self.decide_trust();
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
                self.subscribe(life, stream, users);
                Ok(())
            }
            Event::StreamOrder(life, stream, order) => {
                self.obey_stream(life, stream, order);
                Ok(())
            }
            Event::Reopened(life, stream) => {
                self.reopened(life, stream);
                Ok(())
            }
            Event::Uprooted(life, stream, user) => {
                self.uprooted(life, stream, user);
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
            Event::Mischief => self.mischief(),
            Event::Weather => {
                self.change_weather();
                Ok(())
            }
            Event::Crash => {
                if !self.calm {
                    self.crash();
                }
                Ok(())
            }
            Event::Start => self.start(),
            _ => Ok(()),
        }
    }

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

    /// Who the cloud wants to see, and from which mailbox.
    pub fn wanted(&self) -> Vec<(UserId, Option<String>)> {
        let of = |user: &UserId| self.relay.wanted.get(user).cloned();
        self.users.iter().map(|user| (user.clone(), of(user))).collect()
    }

    /// Mailboxes in use that can be reached.
    pub fn reachable(&self) -> Vec<(UserId, String)> {
        let wanted = self.wanted().into_iter();
        let active = wanted.filter_map(|(user, address)| Some((user, address?)));
        active.filter(|(_, address)| !self.hopeless.contains(address)).collect()
    }

    /// How many KMS resources each user has whose resource stands in the store.
    pub fn resources(&mut self) -> BTreeMap<UserId, usize> {
        let mut count = self.kms.resources_of_users();
        let disk = &mut self.disk;
        count.retain(|user, _| {
            disk.load(user).is_ok_and(|known| known.is_some_and(|known| known.keys.is_some()))
        });
        count
    }

    /// A user who had a resource then and has one more now.
    pub fn second_resource(&mut self, then: &BTreeMap<UserId, usize>) -> Option<UserId> {
        let now = self.resources();
        let more =
            |(user, count): (&UserId, &usize)| (now.get(user) > Some(count)).then(|| user.clone());
        then.iter().find_map(more)
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
