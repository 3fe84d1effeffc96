//! The drive: one group's machine, the calls it wants, and what comes of them, in their time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::calendar::ews::subscription::{Group, Input, Output};
use calway::model::{Address, Fault, ListenEnd, Span, Target, Time, UserId};

use super::super::dice::Dice;
use super::super::play::Held;
use super::server::{Opening, Server};
use super::watch::Watch;

/// Outputs and inputs at one instant that nothing but a busy loop needs.
const AT_AN_INSTANT: usize = 4_000;

/// A call that is not answered is given up after this.
const HANGS: Span = Span::from_secs(100);

enum Event {
    /// Subscribe reaches the server: member, its address, the anchor's, the cookie.
    Subscribe(usize, String, String, Option<Arc<str>>),
    GiveBack(Arc<str>),
    /// A stream is asked for.
    Open(u64, Vec<Arc<str>>),
    Answer(Input),
    /// A word of this stream.
    Word(u64, Input),
    Heartbeat(u64),
    Edit,
    Mischief,
    /// Somebody joins or leaves.
    Change,
    Stop,
}

/// How a stream stands at the server.
struct Stream {
    number: u64,
    ids: Vec<Arc<str>>,
    /// It says nothing any more.
    silent: bool,
    last_word: i64,
}

/// Everything.
pub struct Drive {
    dice: Dice,
    now: i64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    serial: u64,
    group: Group,
    server: Server,
    /// The stream that the connector reads.
    reads: Option<u64>,
    streams: u64,
    stream: Option<Stream>,
    watch: Watch,
    /// Streams end soon after they began, all of them.
    closes_soon: bool,
    edit_every: u64,
    mischief_every: u64,
    change_every: u64,
    /// Now and then the server has told somebody else to leave it alone.
    rests: Option<Dice>,
    /// All addresses that may be in.
    pool: Vec<String>,
    trace: bool,
}

fn target(address: &str) -> Option<Target> {
    let user = UserId::new(format!("user-{address}"));
    Some(Target { user, address: Arc::new(Address::parse(address).ok()?) })
}

impl Drive {
    pub fn new(mut dice: Dice, trace: bool) -> Self {
        let count = match dice.of(0..40) {
            0 => dice.of(150..230),
            1..8 => dice.of(8..40),
            _ => dice.of(1..8),
        };
        let pool: Vec<String> =
            (0..count * 2 + 2).map(|n| format!("m{n:03}@corp.example")).collect();
        let mut server = Server::new(&pool, &mut dice);
        server.bad = if dice.one_in(3) { 0 } else { dice.of(0..120) };
        let rolls = dice.one_in(2);
        let life = Span::from_secs(if rolls { dice.of(3_000..9_000) } else { dice.of(240..1_740) });
        let silence = Span::from_secs(90);
        let start = 1_000_000;
        let members = pool.iter().take(count as usize).filter_map(|address| target(address));
        let targets: Vec<Target> = members.collect();
        let wanted = targets.iter().map(|target| target.user.clone()).collect();
        let group = Group::new(Time::from_ms(start), targets, life, silence);
        let group = group.rolling(Span::from_secs(dice.of(420..540)));
        let mischief_every = if dice.one_in(5) { u64::MAX / 4 } else { dice.of(20..400) * 1_000 };
        let change_every = if dice.one_in(3) { u64::MAX / 4 } else { dice.of(5..600) * 1_000 };
        let mut drive = Self {
            now: start,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            group,
            watch: Watch::new(wanted, start, life, server.bad > 0),
            server,
            reads: None,
            streams: 0,
            stream: None,
            closes_soon: dice.one_in(16),
            edit_every: dice.of(2..120) * 1_000,
            mischief_every,
            change_every,
            rests: None,
            pool,
            trace,
            dice,
        };
        if drive.closes_soon {
            drive.watch.trouble(start);
        }
        let change = drive.dice.of(0..2 * change_every);
        drive.at(change, Event::Change);
        drive.at(0, Event::Edit);
        let mischief = drive.dice.of(0..2 * mischief_every);
        drive.at(mischief, Event::Mischief);
        if drive.dice.one_in(2) {
            let stop = drive.dice.of(0..1_500_000);
            drive.at(stop, Event::Stop);
        }
        drive
    }

    /// With rests that others were told of, by a chance of their own.
    pub fn resting(mut self, dice: Dice) -> Self {
        self.rests = Some(dice);
        self
    }

    fn at(&mut self, after: u64, event: Event) {
        self.serial += 1;
        let at = self.now.saturating_add(i64::try_from(after).unwrap_or(i64::MAX));
        self.queue.push(Reverse((at, self.serial)));
        self.events.insert(self.serial, event);
    }

    fn say(&self, words: impl FnOnce() -> String) {
        if self.trace {
            let ms = self.now - 1_000_000;
            eprintln!("{:>6}.{:03} {}", ms / 1_000, ms % 1_000, words());
        }
    }

    /// What a run came to.
    pub fn summary(&self) -> String {
        format!("{} streams, {}", self.streams, self.watch.summary())
    }

    /// Until the group ends, and a little longer.
    pub fn play(&mut self) -> Held {
        self.carry_out()?;
        let (mut instant, mut inputs) = (self.now, 0);
        while !self.watch.ended() {
            let event = self.queue.peek().map_or(i64::MAX, |Reverse((at, _))| *at);
            let deadline = self.group.deadline().as_ms();
            let at = event.min(deadline).max(self.now);
            self.watch.overdue(Time::from_ms(at), self.reads.is_some())?;
            inputs = if at == instant { inputs + 1 } else { 0 };
            (instant, self.now) = (at, at);
            if inputs > AT_AN_INSTANT {
                return Err("a busy loop".into());
            }
            if event <= at {
                self.next()?;
            } else {
                self.put(Input::Tick)?;
                if self.group.deadline().as_ms() <= at && !self.watch.ended() {
                    return Err("it wants to be woken in the past".into());
                }
            }
        }
        for stray in [Input::Tick, Input::Heard, Input::GivenBack, Input::Stop] {
            self.group.on(Time::from_ms(self.now), stray);
        }
        match self.group.poll() {
            Some(output) => Err(format!("{output:?} after its end")),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Held {
        let Some(Reverse((_, serial))) = self.queue.pop() else { return Ok(()) };
        match self.events.remove(&serial) {
            Some(event) => self.happen(event),
            None => Ok(()),
        }
    }

    fn put(&mut self, input: Input) -> Held {
        self.say(|| format!("  > {input:?}"));
        if matches!(input, Input::Broke(_) | Input::Rests(_)) {
            self.reads = None;
        }
        let now = Time::from_ms(self.now);
        self.watch.input(now, &input);
        let opened = matches!(&input, Input::Events(told) if told.contains(&StreamEvent::Opened));
        self.group.on(now, input);
        self.carry_out()?;
        if opened { self.watch.all_told() } else { Ok(()) }
    }

    fn carry_out(&mut self) -> Held {
        let mut outputs = 0;
        while let Some(output) = self.group.poll() {
            self.say(|| format!("  < {output:?}"));
            outputs += 1;
            if outputs > AT_AN_INSTANT {
                return Err("it never stops wanting".into());
            }
            let now = Time::from_ms(self.now);
            self.watch.output(now, &output, &self.group, self.reads.is_some())?;
            let after = self.delay();
            match output {
                Output::Subscribe(member) => {
                    let reveal = |target: &Target| target.address.reveal().to_owned();
                    let address = self.group.target(member).map(reveal).unwrap_or_default();
                    let anchor = self.group.anchor().map(reveal).unwrap_or_default();
                    let cookie = self.group.cookie();
                    self.at(after, Event::Subscribe(member, address, anchor, cookie));
                }
                Output::GiveBack { id, .. } => self.at(after, Event::GiveBack(id)),
                Output::Open(ids) => {
                    self.streams += 1;
                    self.reads = Some(self.streams);
                    self.at(after, Event::Open(self.streams, ids));
                }
                Output::Close => self.reads = None,
                Output::Tell(_) => {}
                Output::End(end) => self.at_the_end(&end)?,
            }
        }
        Ok(())
    }

    fn at_the_end(&mut self, end: &ListenEnd) -> Held {
        let server = &self.server;
        self.watch.all_given_back(Time::from_ms(self.now), end, |id| server.has(id))
    }

    fn delay(&mut self) -> u64 {
        if self.server.bad > 0 && self.dice.one_in(60) {
            let slow = self.dice.of(1_000..20_000);
            self.watch.slow_until(self.now + 2 * slow as i64);
            slow
        } else {
            self.dice.of(5..100)
        }
    }

    fn happen(&mut self, event: Event) -> Held {
        let after = self.delay();
        match event {
            Event::Subscribe(member, address, anchor, cookie) => {
                let cookie = cookie.as_deref();
                let mut result = self.server.subscribe(&address, &anchor, cookie, &mut self.dice);
                let mut after = after;
                if self.server.bad > 0 && self.dice.one_in(50) {
                    // It hangs: what the server did, if anything, nobody learns.
                    after = HANGS.as_ms();
                    result = Err(Fault::retry("no answer in time"));
                }
                self.at(after, Event::Answer(Input::Subscribed { member, result }));
            }
            Event::GiveBack(id) => {
                self.server.unsubscribe(&id);
                self.at(after, Event::Answer(Input::GivenBack));
            }
            Event::Open(number, ids) => self.open(number, ids)?,
            Event::Answer(input) => self.put(input)?,
            Event::Word(number, input) => {
                if self.reads == Some(number) {
                    self.put(input)?;
                }
            }
            Event::Heartbeat(number) => {
                let standing = self.stream.as_ref().is_some_and(|s| s.number == number);
                if standing && self.reads == Some(number) {
                    self.word(vec![StreamEvent::Heartbeat]);
                    let after = self.dice.of(20_000..45_000);
                    self.at(after, Event::Heartbeat(number));
                }
            }
            Event::Edit => self.edit(),
            Event::Mischief => self.mischief(),
            Event::Change => self.change()?,
            Event::Stop => self.put(Input::Stop)?,
        }
        Ok(())
    }

    fn open(&mut self, number: u64, ids: Vec<Arc<str>>) -> Held {
        let after = self.delay();
        if let Some(dice) = &mut self.rests
            && dice.one_in(30)
        {
            let left = Span::from_ms(dice.of(0..90_000));
            self.at(after, Event::Word(number, Input::Rests(left)));
            return Ok(());
        }
        match self.server.open(&ids, &mut self.dice)? {
            Opening::Fails(fault) => self.at(after, Event::Word(number, Input::Broke(fault))),
            Opening::Lacks(bad) => {
                let fault = Fault::retry("ErrorSubscriptionNotFound");
                let told = vec![StreamEvent::Error { fault, ids: bad }];
                self.at(after, Event::Word(number, Input::Heard));
                self.at(after, Event::Word(number, Input::Events(told)));
            }
            Opening::Stands => {
                self.stream = Some(Stream { number, ids, silent: false, last_word: self.now });
                self.at(after, Event::Word(number, Input::Heard));
                self.word(vec![StreamEvent::Opened]);
                let beat = self.dice.of(1_000..45_000);
                self.at(beat, Event::Heartbeat(number));
                let closes = if self.closes_soon { self.dice.of(50..1_000) } else { 1_800_000 };
                let told = vec![StreamEvent::Heartbeat, StreamEvent::Closed];
                self.at(closes, Event::Word(number, Input::Events(told)));
            }
        }
        Ok(())
    }

    /// The stream says something; its words keep their order.
    fn word(&mut self, told: Vec<StreamEvent>) {
        let delay = self.delay() as i64;
        let Some(stream) = &mut self.stream else { return };
        if stream.silent {
            return;
        }
        stream.last_word = stream.last_word.max(self.now + delay);
        let (number, after) = (stream.number, stream.last_word - self.now);
        self.at(after as u64, Event::Word(number, Input::Events(told)));
    }

    fn edit(&mut self) {
        let every = self.edit_every;
        let after = self.dice.of(1..2 * every);
        self.at(after, Event::Edit);
        let Some((user, id)) = self.watch.edited(self.now, &mut self.dice) else { return };
        self.say(|| format!("edit {user}"));
        let Some(id) = id.filter(|id| self.server.has(id)) else { return };
        let told = self.stream.as_ref().is_some_and(|stream| stream.ids.contains(&id));
        if told {
            let changed =
                StreamEvent::Notification { subscription_id: id.to_string(), changed: true };
            self.word(vec![changed]);
        }
    }

    /// Somebody joins, somebody leaves; now and then many at once.
    fn change(&mut self) -> Held {
        let every = self.change_every;
        let after = self.dice.of(1..2 * every);
        self.at(after, Event::Change);
        let times = if self.dice.one_in(10) { 30 } else { 1 };
        for _ in 0..times {
            if self.dice.one_in(3) {
                let Some(user) = self.watch.somebody(&mut self.dice) else { continue };
                self.put(Input::Leave(user))?;
                continue;
            }
            let address = self.dice.pick(&self.pool).cloned();
            let Some(joins) = address.and_then(|address| target(&address)) else { continue };
            if !self.watch.wants(&joins.user) {
                self.put(Input::Join(joins))?;
            }
        }
        Ok(())
    }

    fn mischief(&mut self) {
        let every = self.mischief_every;
        let after = self.dice.of(1..2 * every);
        self.at(after, Event::Mischief);
        self.watch.trouble(self.now);
        let what = self.dice.of(0..10);
        self.say(|| format!("mischief {what}"));
        match what {
            0 => {
                self.server.restart();
                self.break_off();
            }
            1 => {
                let mut ids = self.server.forget(3, &mut self.dice);
                // A stream tells of what it carries.
                let told = self.stream.as_ref().map(|stream| stream.ids.as_slice());
                ids.retain(|id| told.unwrap_or_default().iter().any(|one| **one == **id));
                if self.dice.one_in(2) {
                    self.break_off();
                } else if !ids.is_empty() {
                    let fault = Fault::retry("ErrorSubscriptionNotFound");
                    self.word(vec![StreamEvent::Error { fault, ids }]);
                }
            }
            2 => self.break_off(),
            3 => {
                if let Some(stream) = &mut self.stream {
                    stream.silent = true;
                }
            }
            4 => {
                let living = self.server.living();
                if let Some(member) = self.dice.pick(&living).and_then(|id| self.server.member(id))
                {
                    self.server.denied.insert(member);
                }
            }
            5 => self.server.bad = self.dice.of(0..300),
            6 => {
                // The stream goes on with its heartbeats.
                self.server.forget(3, &mut self.dice);
                self.watch.lost_in_silence();
            }
            _ => {
                if let Some(stream) = &self.stream {
                    let trouble = self.server.trouble(&stream.ids, &mut self.dice);
                    self.word(vec![trouble]);
                }
            }
        }
        self.watch.bad(self.server.bad > 0);
    }

    fn break_off(&mut self) {
        if let Some(stream) = self.stream.take() {
            let after = self.delay();
            let fault = Fault::retry("connection reset");
            self.at(after, Event::Word(stream.number, Input::Broke(fault)));
        }
    }
}
