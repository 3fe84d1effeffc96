//! All mailboxes of one calendar: who is read next, who is listened to, who waits.
//!
//! **Promise.** A rung mailbox is read before the backlog. Never more passes than allowed are under
//! way, and each has one request open. After Exchange said it is busy nobody asks before its time,
//! then one alone. A mailbox that cannot be listened to is polled, and listened to again later. A
//! fault of one mailbox waits for that mailbox alone; its state is built anew from the store.
//!
//! ```text
//!   Unheard ──plan──▶ Subscribing ──Listening──▶ Heard
//!      ▲ polled           │ refused, failed        │ ended
//!      └──────────────────┴────────────────────────┘
//! ```
//!
//! Contract: [`Fleet::handle`] one input, then [`Fleet::drain`] all outputs and carry them out.
//! Every output with a ticket is answered by exactly one input with that ticket.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::limits;
use super::pace::{Dice, Pace};
use super::seal::{Installation, Sealer};
use super::sync::{Ask, Commit, Got, Keyed, Loaded, Pass, Step};
use super::window::{Reach, Window};
use crate::model::{
    Cause, Fault, GroupKey, Hint, ListenEnd, Next, Now, ResourceUri, KeyUri, Span, Time, UserId,
};

/// How a fleet behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The window.
    pub reach: Reach,
    /// Passes under way at a time, and with that open requests (Microsoft's advice: 10).
    pub passes: usize,
    /// How many of them may serve the backlog; the rest is kept for rung mailboxes.
    pub backlog: usize,
    /// How often an unheard mailbox is polled.
    pub poll: Span,
    /// For jitter.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { reach: Reach::default(), passes: 10, backlog: 8, poll: limits::POLL, seed: 1 }
    }
}

/// Names an output, so that its answer finds back.
pub type Ticket = u64;

/// Names a stream.
pub type StreamId = u64;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// This mailbox is active: at start, or from now on.
    Added(UserId),
    /// It is not active any more.
    Removed(UserId),
    /// Its store row changed (a resend was asked for): read it.
    Stirred(UserId),
    /// A stream tells something.
    Hint(StreamId, Hint),
    /// A stream ended.
    Ended(StreamId, ListenEnd),
    /// For [`Output::Load`]; `None`: the store does not know it.
    Loaded(Ticket, Result<Option<Loaded>, Fault>),
    /// For [`Output::Group`].
    Grouped(Ticket, Result<GroupKey, Fault>),
    /// For [`Output::Ask`].
    Got(Ticket, Result<Got, Fault>),
    /// For [`Output::Key`].
    Keyed(Ticket, Result<(ResourceUri, Arc<dyn Sealer>), Fault>),
    /// For [`Output::Commit`]; false: an older activation's, dropped.
    Committed(Ticket, Result<bool, Fault>),
    /// The secret of the account changed: sign-in may be tried again at once.
    SecretChanged,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Read a mailbox's facts from the store.
    Load(Ticket, UserId),
    /// Ask the provider which group a mailbox belongs to.
    Group(Ticket, UserId),
    /// Ask the provider.
    Ask(Ticket, UserId, Ask),
    /// Ask the KMS.
    Key(Ticket, UserId, Want),
    /// Write.
    Commit(Ticket, Box<Commit>),
    /// Open a stream over these.
    Listen(StreamId, Vec<UserId>),
    /// Close a stream; its `Ended` still comes.
    Hush(StreamId),
    /// Tell the operator.
    Note(Note),
}

/// Which key is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A new resource with a first key.
    Establish,
    /// A new key for this resource: the day is over.
    Rotate(ResourceUri),
    /// The key of today, after a restart.
    Recall(ResourceUri, KeyUri),
}

/// What an operator is told. Only changes are told, not every repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A mailbox fails; the wait until it is tried again.
    MailboxFailing(UserId, Fault, Span),
    /// It works again.
    MailboxWell(UserId),
    /// Exchange is busy, or away: everybody waits.
    ServerWaits(Fault, Span),
    /// Exchange answers again.
    ServerWell,
    /// Sign-in was refused.
    SignInRefused(Fault, Span),
    /// The store cannot write.
    StoreFails(Fault),
    /// A stream broke; so many mailboxes are polled until it is back.
    StreamFailed(Fault, usize),
    /// A mailbox is listened to.
    Listening(UserId),
    /// The KMS gives no key; what is sealed with yesterday's goes on.
    KeyLate(UserId, Fault),
    /// The server refused the cursor; the window is read anew.
    CursorLost(UserId),
}

/// How many mailboxes are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Active ones.
    pub active: usize,
    /// Listened to.
    pub streaming: usize,
    /// Polled.
    pub polling: usize,
    /// Failing.
    pub failing: usize,
    /// Waiting for their turn to be read.
    pub queued: usize,
}

#[derive(Debug)]
enum Ear {
    /// Polled; may be planned into a stream from then on.
    Unheard,
    Subscribing(StreamId),
    /// Since then.
    Heard(StreamId, Time),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    None,
    Live,
    Backlog,
}

#[derive(Debug)]
enum Stage {
    Loading,
    Grouping(Box<Loaded>),
    Passing(Box<Pass>),
    /// Its next request waits until Exchange may be asked again.
    Held(Question),
}

#[derive(Debug)]
enum Question {
    Group(Box<Loaded>),
    Ask(Box<Pass>, Ask),
}

#[derive(Debug)]
struct Run {
    ticket: Ticket,
    stage: Stage,
    live: bool,
    /// How many pauses had begun when it last asked Exchange.
    pauses: u64,
}

/// Why nobody asks Exchange, and until when.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Time,
    /// Because sign-in was refused: another secret ends it.
    sign_in: bool,
    /// But not before this: Exchange was busy too.
    busy_until: Time,
}

#[derive(Debug)]
struct Mailbox {
    user: UserId,
    group: Option<GroupKey>,
    ear: Ear,
    planned: Option<Time>,
    listen_pace: Pace,
    queue: Queue,
    again: bool,
    run: Option<Run>,
    timer: Option<Time>,
    pace: Pace,
    sealer: Option<(Keyed, Arc<dyn Sealer>)>,
    stored_keys: Option<Keyed>,
}

/// The machine.
#[derive(Debug)]
pub struct Fleet {
    rules: Rules,
    installation: Arc<Installation>,
    dice: Dice,
    mailboxes: Vec<Option<Mailbox>>,
    free: Vec<usize>,
    names: HashMap<UserId, usize>,
    live: VecDeque<usize>,
    backlog: VecDeque<usize>,
    timers: BTreeSet<(Time, usize)>,
    planned: BTreeSet<(Time, usize)>,
    streams: HashMap<StreamId, BTreeSet<usize>>,
    running: usize,
    running_backlog: usize,
    held: VecDeque<usize>,
    tickets: HashMap<Ticket, usize>,
    /// Requests of mailboxes that were removed meanwhile, live or not: they count until answered.
    orphans: HashMap<Ticket, bool>,
    last_ticket: Ticket,
    last_stream: StreamId,
    server: Pace,
    paused: Option<Pause>,
    pauses: u64,
    store: Pace,
    store_rests: Option<Time>,
    today: Option<Time>,
    /// When it last looked at the clocks.
    looked: Time,
    out: Vec<Output>,
}

impl Fleet {
    /// An empty fleet.
    pub fn new(rules: Rules, installation: Arc<Installation>) -> Self {
        Self {
            dice: Dice::new(rules.seed),
            rules,
            installation,
            mailboxes: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            timers: BTreeSet::new(),
            planned: BTreeSet::new(),
            streams: HashMap::new(),
            running: 0,
            running_backlog: 0,
            held: VecDeque::new(),
            tickets: HashMap::new(),
            orphans: HashMap::new(),
            last_ticket: 0,
            last_stream: 0,
            server: Pace::default(),
            paused: None,
            pauses: 0,
            store: Pace::default(),
            store_rests: None,
            today: None,
            looked: Time::default(),
            out: Vec::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.looked = now.mono;
        self.roll_day(now);
        match input {
            Input::Added(user) => self.added(now, user),
            Input::Removed(user) => self.removed(now, &user),
            Input::Stirred(user) => self.ring(&user, Queue::Backlog),
            Input::Hint(stream, hint) => self.hint(now, stream, hint),
            Input::Ended(stream, end) => self.ended(now, stream, end),
            Input::Loaded(ticket, loaded) => self.loaded(now, ticket, loaded),
            Input::Grouped(ticket, group) => self.grouped(now, ticket, group),
            Input::Got(ticket, got) => self.got(now, ticket, got),
            Input::Keyed(ticket, keyed) => self.keyed(now, ticket, keyed),
            Input::Committed(ticket, committed) => self.committed(now, ticket, committed),
            Input::SecretChanged => self.secret_changed(),
            Input::Tick => {}
        }
        self.fire_timers(now);
        self.start_passes(now);
        self.plan_streams(now);
    }

    /// What is to be done, in order. To be emptied after each input.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Tick`] is due at the latest (monotonic).
    pub fn wake_at(&self, now: Now) -> Time {
        let midnight = now.wall.midnight() + Span::DAY;
        let midnight = midnight.since(now.wall).max(Span::from_ms(1));
        let timer = self.timers.first().map(|(at, _)| *at);
        // One that is due already waits for a pause or for the one that tries after it.
        let planned = self.planned.first().map(|(at, _)| *at).filter(|at| *at > now.mono);
        let pause = self.paused.map(|pause| pause.until);
        let look = self.looked + limits::LOOK;
        let own = [timer, planned, pause, self.store_rests].into_iter().flatten().min();
        own.unwrap_or(look).min(look).min(now.mono + midnight)
    }

    /// How the mailboxes are.
    pub fn census(&self) -> Census {
        let mut census = Census { queued: self.live.len() + self.backlog.len(), ..Census::default() };
        for mailbox in self.mailboxes.iter().flatten() {
            census.active += 1;
            match mailbox.ear {
                Ear::Heard(..) => census.streaming += 1,
                Ear::Unheard | Ear::Subscribing(_) => census.polling += 1,
            }
            if mailbox.pace.failures() > 0 {
                census.failing += 1;
            }
        }
        census
    }

    /// Passes under way; never above [`Rules::passes`].
    pub fn running(&self) -> usize {
        self.running
    }

    fn mailbox(&mut self, at: usize) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(at).and_then(Option::as_mut)
    }

    // ---- who is there ----

    fn added(&mut self, now: Now, user: UserId) {
        if self.names.contains_key(&user) {
            self.ring(&user, Queue::Backlog);
            return;
        }
        let mailbox = Mailbox {
            user: user.clone(),
            group: None,
            ear: Ear::Unheard,
            planned: None,
            listen_pace: Pace::default(),
            queue: Queue::None,
            again: false,
            run: None,
            timer: None,
            pace: Pace::default(),
            sealer: None,
            stored_keys: None,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.mailboxes[at] = Some(mailbox);
                at
            }
            None => {
                self.mailboxes.push(Some(mailbox));
                self.mailboxes.len() - 1
            }
        };
        self.names.insert(user, at);
        let _ = now;
        self.enqueue(at, Queue::Backlog);
    }

    fn removed(&mut self, now: Now, user: &UserId) {
        let Some(at) = self.names.remove(user) else { return };
        self.end_run(at);
        self.unplan(at);
        self.set_timer(at, None);
        self.live.retain(|queued| *queued != at);
        self.backlog.retain(|queued| *queued != at);
        let stream = self.mailbox(at).and_then(|mailbox| match mailbox.ear {
            Ear::Unheard => None,
            Ear::Subscribing(stream) | Ear::Heard(stream, _) => Some(stream),
        });
        self.mailboxes[at] = None;
        self.free.push(at);
        let Some(stream) = stream else { return };
        // The subscription must go at once, so the stream is closed; the others come back at the
        // next plan.
        self.out.push(Output::Hush(stream));
        let members = self.streams.remove(&stream).unwrap_or_default();
        for other in members.into_iter().filter(|other| *other != at) {
            self.unhear(now, other, Span::default());
        }
    }

    // ---- queues and timers ----

    fn ring(&mut self, user: &UserId, queue: Queue) {
        let Some(&at) = self.names.get(user) else { return };
        self.enqueue(at, queue);
    }

    fn enqueue(&mut self, at: usize, queue: Queue) {
        let Some(mailbox) = self.mailbox(at) else { return };
        if mailbox.run.is_some() {
            mailbox.again = true;
            return;
        }
        if mailbox.pace.failures() > 0 && mailbox.timer.is_some() {
            // It waits for its own retry; the doorbell does not shorten that.
            return;
        }
        match (mailbox.queue, queue) {
            (Queue::Live, _) | (Queue::Backlog, Queue::Backlog | Queue::None) => return,
            (Queue::Backlog, Queue::Live) => {
                mailbox.queue = Queue::Live;
                // Its place in the backlog is passed over when reached.
            }
            (Queue::None, queue) => mailbox.queue = queue,
        }
        let queue = mailbox.queue;
        self.set_timer(at, None);
        match queue {
            Queue::Live => self.live.push_back(at),
            Queue::Backlog | Queue::None => self.backlog.push_back(at),
        }
    }

    fn set_timer(&mut self, at: usize, time: Option<Time>) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(old) = mailbox.timer.take() {
            self.timers.remove(&(old, at));
        }
        if let Some(time) = time {
            mailbox.timer = Some(time);
            self.timers.insert((time, at));
        }
    }

    fn fire_timers(&mut self, now: Now) {
        while let Some(&(time, at)) = self.timers.first() {
            if time > now.mono {
                break;
            }
            self.set_timer(at, None);
            self.enqueue(at, Queue::Backlog);
        }
    }

    /// A new day: every window is read anew, spread over some time.
    fn roll_day(&mut self, now: Now) {
        let today = now.wall.midnight();
        let before = self.today.replace(today);
        if before.is_none() || before == Some(today) {
            return;
        }
        let spread = Span::from_ms(10 * self.names.len() as u64).min(Span::MINUTE.times(30));
        for at in 0..self.mailboxes.len() {
            let due = now.mono + Span::from_ms(self.dice.below(spread.as_ms() + 1));
            let Some(mailbox) = self.mailbox(at) else { continue };
            if mailbox.run.is_some() {
                mailbox.again = true;
            } else if mailbox.queue == Queue::None && mailbox.timer.is_none_or(|t| t > due) {
                let failing = mailbox.pace.failures() > 0;
                if !failing {
                    self.set_timer(at, Some(due));
                }
            }
        }
    }

    // ---- passes ----

    /// After trouble one pass alone tries whether the server is back.
    fn tries(&self) -> bool {
        self.server.failures() > 0
    }

    /// Passes that wait for an answer.
    fn asking(&self) -> usize {
        self.running.saturating_sub(self.held.len())
    }

    fn start_passes(&mut self, now: Now) {
        if self.paused.is_some_and(|pause| now.mono >= pause.until) {
            self.paused = None;
        }
        if self.store_rests.is_some_and(|until| now.mono >= until) {
            self.store_rests = None;
        }
        if self.paused.is_some() {
            return;
        }
        // Nor is Exchange read by everybody again and again for a disk that takes nothing.
        let (passes, backlog) = if self.tries() || self.store.failures() > 0 {
            (1, 1)
        } else {
            (self.rules.passes, self.rules.backlog.min(self.rules.passes))
        };
        while self.asking() < passes {
            if let Some(at) = self.held.pop_front() {
                self.release_held(at);
                continue;
            }
            if self.store_rests.is_some() {
                return;
            }
            let (at, live) = if let Some(at) = self.live.pop_front() {
                (at, true)
            } else if self.running_backlog < backlog {
                match self.backlog.pop_front() {
                    Some(at) => (at, false),
                    None => return,
                }
            } else {
                return;
            };
            self.start_pass(at, live);
        }
    }

    fn start_pass(&mut self, at: usize, live: bool) {
        let ticket = self.last_ticket + 1;
        let Some(mailbox) = self.mailbox(at) else { return };
        let expected = if live { Queue::Live } else { Queue::Backlog };
        if mailbox.queue != expected || mailbox.run.is_some() {
            return;
        }
        mailbox.queue = Queue::None;
        mailbox.again = false;
        mailbox.run = Some(Run { ticket, stage: Stage::Loading, live, pauses: 0 });
        let user = mailbox.user.clone();
        self.last_ticket = ticket;
        self.tickets.insert(ticket, at);
        self.running += 1;
        self.running_backlog += usize::from(!live);
        self.set_timer(at, None);
        self.out.push(Output::Load(ticket, user));
    }

    /// The mailbox that a ticket belongs to; the ticket is used up.
    fn claim(&mut self, ticket: Ticket) -> Option<(usize, Run)> {
        if let Some(live) = self.orphans.remove(&ticket) {
            self.release(live);
            return None;
        }
        let at = self.tickets.remove(&ticket)?;
        let mailbox = self.mailbox(at)?;
        if mailbox.run.as_ref().is_none_or(|run| run.ticket != ticket) {
            return None;
        }
        let run = mailbox.run.take()?;
        Some((at, run))
    }

    /// Puts the run back, waiting for the answer to a new ticket.
    fn wait(&mut self, at: usize, mut run: Run, stage: Stage) -> (Ticket, UserId) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        run.ticket = ticket;
        run.stage = stage;
        self.tickets.insert(ticket, at);
        let user = match self.mailbox(at) {
            Some(mailbox) => {
                mailbox.run = Some(run);
                mailbox.user.clone()
            }
            None => UserId::new(""),
        };
        (ticket, user)
    }

    /// Asks Exchange, or waits until that is allowed.
    fn ask(&mut self, now: Now, at: usize, mut run: Run, question: Question) {
        let paused = self.paused.is_some_and(|pause| now.mono < pause.until);
        let alone = !self.tries() || self.asking() <= 1;
        if !paused && alone {
            run.pauses = self.pauses;
            return self.ask_now(at, run, question);
        }
        run.stage = Stage::Held(question);
        if let Some(mailbox) = self.mailbox(at) {
            mailbox.run = Some(run);
            self.held.push_back(at);
        }
    }

    fn ask_now(&mut self, at: usize, run: Run, question: Question) {
        match question {
            Question::Group(loaded) => {
                let (ticket, user) = self.wait(at, run, Stage::Grouping(loaded));
                self.out.push(Output::Group(ticket, user));
            }
            Question::Ask(pass, ask) => {
                let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Ask(ticket, user, ask));
            }
        }
    }

    fn release_held(&mut self, at: usize) {
        let Some(mut run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        run.pauses = self.pauses;
        match std::mem::replace(&mut run.stage, Stage::Loading) {
            Stage::Held(question) => self.ask_now(at, run, question),
            Stage::Loading | Stage::Grouping(_) | Stage::Passing(_) => self.release(run.live),
        }
    }

    fn release(&mut self, live: bool) {
        self.running = self.running.saturating_sub(1);
        self.running_backlog = self.running_backlog.saturating_sub(usize::from(!live));
    }

    fn end_run(&mut self, at: usize) {
        let Some(run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        if matches!(run.stage, Stage::Held(_)) {
            self.held.retain(|held| *held != at);
            return self.release(run.live);
        }
        if self.tickets.remove(&run.ticket).is_some() {
            self.orphans.insert(run.ticket, run.live);
        }
    }

    fn loaded(&mut self, now: Now, ticket: Ticket, loaded: Result<Option<Loaded>, Fault>) {
        let Some((at, run)) = self.claim(ticket) else { return };
        let loaded = match loaded {
            Ok(Some(loaded)) => loaded,
            Ok(None) => {
                self.release(run.live);
                if let Some(user) = self.mailbox(at).map(|mailbox| mailbox.user.clone()) {
                    self.removed(now, &user);
                }
                return;
            }
            Err(fault) => return self.store_failed(now, at, run, fault),
        };
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.stored_keys.clone_from(&loaded.keys);
        if mailbox.group.is_none() {
            return self.ask(now, at, run, Question::Group(Box::new(loaded)));
        }
        self.begin(now, at, run, loaded);
    }

    fn grouped(&mut self, now: Now, ticket: Ticket, group: Result<GroupKey, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else {
            return self.orphan_answered(now, group.err());
        };
        let Stage::Grouping(loaded) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        match group {
            Err(fault) => self.pass_failed(now, at, run, fault),
            Ok(group) => {
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.group = Some(group);
                }
                self.plan(at, now.mono + limits::GATHER);
                self.begin(now, at, run, *loaded);
            }
        }
    }

    fn begin(&mut self, now: Now, at: usize, run: Run, loaded: Loaded) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let window = Window::at(now.wall, self.rules.reach);
        match Pass::start(user, window, loaded, self.installation.clone()) {
            Ok((pass, step)) => self.step(now, at, run, Box::new(pass), Ok(step)),
            Err(fault) => self.pass_failed(now, at, run, fault),
        }
    }

    fn got(&mut self, now: Now, ticket: Ticket, got: Result<Got, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else {
            return self.orphan_answered(now, got.err());
        };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        let step = match got {
            Ok(got) => {
                self.server_answered(&run);
                pass.got(got)
            }
            Err(fault) => {
                let lost = fault.next == Next::CursorLost;
                let step = pass.failed(fault);
                if let (true, Some(mailbox)) = (lost && step.is_ok(), self.mailbox(at)) {
                    let user = mailbox.user.clone();
                    self.out.push(Output::Note(Note::CursorLost(user)));
                }
                step
            }
        };
        self.step(now, at, run, pass, step);
    }

    fn step(
        &mut self,
        now: Now,
        at: usize,
        run: Run,
        pass: Box<Pass>,
        step: Result<Step, Fault>,
    ) {
        match step {
            Err(fault) => self.pass_failed(now, at, run, fault),
            Ok(Step::Ask(ask)) => self.ask(now, at, run, Question::Ask(pass, ask)),
            Ok(Step::Key) => self.want_key(now, at, run, pass),
            Ok(Step::Commit(mut commit)) => {
                if let Some(mailbox) = self.mailbox(at) {
                    let keys = mailbox.sealer.as_ref().map(|(keys, _)| keys);
                    if keys != mailbox.stored_keys.as_ref() {
                        commit.keys = keys.cloned();
                    }
                }
                let (ticket, _) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Commit(ticket, commit));
            }
            Ok(Step::Done { more }) => self.pass_done(now, at, run, more),
        }
    }

    fn committed(&mut self, now: Now, ticket: Ticket, committed: Result<bool, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        match committed {
            Err(fault) => self.store_failed(now, at, run, fault),
            Ok(false) => {
                // Deactivated, or activated anew, meanwhile: the store's word counts.
                self.release(run.live);
                self.enqueue(at, Queue::Backlog);
            }
            Ok(true) => {
                self.store.reset();
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.stored_keys = mailbox.sealer.as_ref().map(|(keys, _)| keys.clone());
                }
                let step = pass.got(Got::Committed);
                self.step(now, at, run, pass, step);
            }
        }
    }

    fn pass_done(&mut self, now: Now, at: usize, run: Run, more: bool) {
        self.release(run.live);
        let poll = self.dice.jitter(self.rules.poll);
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let was_failing = mailbox.pace.failures() > 0;
        mailbox.pace.reset();
        let again = std::mem::take(&mut mailbox.again);
        let heard = matches!(mailbox.ear, Ear::Heard(..));
        if was_failing {
            self.out.push(Output::Note(Note::MailboxWell(user)));
        }
        if again {
            self.enqueue(at, Queue::Live);
        } else if more {
            self.enqueue(at, Queue::Backlog);
        } else if !heard {
            self.set_timer(at, Some(now.mono + poll));
        }
    }

    /// An answer to what was asked before the last pause says nothing of how it is now.
    fn server_answered(&mut self, run: &Run) {
        if self.tries() && run.pauses == self.pauses {
            self.server.reset();
            self.out.push(Output::Note(Note::ServerWell));
        }
    }

    // ---- keys ----

    fn want_key(&mut self, now: Now, at: usize, run: Run, mut pass: Box<Pass>) {
        let today = now.wall.midnight();
        let Some(mailbox) = self.mailbox(at) else { return };
        if let Some((keys, sealer)) = &mailbox.sealer
            && keys.day == today
            && usable(sealer.as_ref(), now)
        {
            let step = pass.got(Got::Key(sealer.clone()));
            return self.step(now, at, run, pass, step);
        }
        let known = mailbox.sealer.as_ref().map(|(keys, _)| keys).or(mailbox.stored_keys.as_ref());
        let want = match known {
            None => Want::Establish,
            Some(keys) if keys.day == today && mailbox.sealer.is_none() => {
                Want::Recall(keys.resource.clone(), keys.key.clone())
            }
            Some(keys) => Want::Rotate(keys.resource.clone()),
        };
        let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
        self.out.push(Output::Key(ticket, user, want));
    }

    fn keyed(
        &mut self,
        now: Now,
        ticket: Ticket,
        keyed: Result<(ResourceUri, Arc<dyn Sealer>), Fault>,
    ) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        let day = now.wall.midnight();
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let had_some = mailbox.sealer.is_some() || mailbox.stored_keys.is_some();
        let sealer = match (keyed, &mailbox.sealer) {
            (Ok((resource, sealer)), _) => {
                let keys = Keyed { resource, key: sealer.key_uri().clone(), day };
                mailbox.sealer = Some((keys, sealer.clone()));
                sealer
            }
            (Err(fault), _) if fault.next == Next::KeyLost && had_some => {
                mailbox.sealer = None;
                mailbox.stored_keys = None;
                let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Key(ticket, user, Want::Establish));
                return;
            }
            (Err(fault), Some((_, old)))
                if matches!(fault.next, Next::Retry { .. }) && usable(old.as_ref(), now) =>
            {
                let old = old.clone();
                self.out.push(Output::Note(Note::KeyLate(user, fault)));
                old
            }
            (Err(fault), _) => {
                // The key server's trouble is not Exchange's: this mailbox alone waits.
                let after = match fault.next {
                    Next::Retry { after } | Next::BackOff { after } => after,
                    _ => None,
                };
                let cause = Cause {
                    code: format!("no key from the key server: {}", fault.cause.code),
                    request_id: fault.cause.request_id,
                };
                let fault = Fault { next: Next::Retry { after }, cause };
                self.release(run.live);
                return self.mailbox_failed(now, at, fault, limits::KEY_RETRY, after);
            }
        };
        let step = pass.got(Got::Key(sealer));
        self.step(now, at, run, pass, step);
    }

    // ---- failures ----

    fn pass_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.live);
        match fault.next {
            Next::BackOff { .. } | Next::SignIn => {
                self.server_trouble(now, &fault);
                self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
            }
            Next::Denied | Next::Gone | Next::Refused => {
                self.mailbox_failed(now, at, fault, limits::DENIED_RETRY, None);
            }
            Next::Retry { after } => {
                self.mailbox_failed(now, at, fault, limits::MAILBOX_RETRY, after);
            }
            Next::CursorLost | Next::KeyLost => {
                self.mailbox_failed(now, at, fault, limits::MAILBOX_RETRY, None);
            }
        }
    }

    fn mailbox_failed(
        &mut self,
        now: Now,
        at: usize,
        fault: Fault,
        limits: (Span, Span),
        after: Option<Span>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        mailbox.again = false;
        let until = mailbox.pace.fail(now.mono, limits, after, &mut self.dice);
        let user = mailbox.user.clone();
        self.set_timer(at, Some(until));
        let wait = until.since(now.mono);
        self.out.push(Output::Note(Note::MailboxFailing(user, fault, wait)));
    }

    /// Its mailbox was removed, but what Exchange says to us all counts.
    fn orphan_answered(&mut self, now: Now, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.server_trouble(now, &fault);
        }
    }

    /// Begins a pause, if the fault asks for one.
    fn server_trouble(&mut self, now: Now, fault: &Fault) {
        match fault.next {
            Next::BackOff { after } => self.pause(now, fault, limits::SERVER_RETRY, after),
            Next::SignIn => self.pause(now, fault, limits::SIGN_IN_RETRY, None),
            _ => {}
        }
    }

    fn pause(&mut self, now: Now, fault: &Fault, limits: (Span, Span), after: Option<Span>) {
        let sign_in = fault.next == Next::SignIn;
        // Whatever else is decided, nobody is asked again before the time that he was told.
        let least = now.mono + limits.0.max(after.unwrap_or_default().min(Span::HOUR));
        let busy = if sign_in { Time::default() } else { least };
        self.pauses += 1;
        if let Some(pause) = self.paused.as_mut().filter(|pause| pause.until > now.mono) {
            pause.busy_until = pause.busy_until.max(busy);
            if pause.sign_in || !sign_in {
                // The answers of those who were on their way already do not count twice.
                pause.until = pause.until.max(least);
                return;
            }
        }
        let until = self.server.fail(now.mono, limits, after, &mut self.dice);
        let busy = if sign_in { busy } else { until };
        let busy_until = self.paused.map_or(busy, |pause| pause.busy_until.max(busy));
        let until = until.max(busy_until);
        self.paused = Some(Pause { until, sign_in, busy_until });
        let wait = until.since(now.mono);
        let note = match fault.next {
            Next::SignIn => Note::SignInRefused(fault.clone(), wait),
            _ => Note::ServerWaits(fault.clone(), wait),
        };
        self.out.push(Output::Note(note));
    }

    /// One tries whether the new secret is right; a busy Exchange is left alone nevertheless.
    fn secret_changed(&mut self) {
        if let Some(pause) = self.paused.as_mut().filter(|pause| pause.sign_in) {
            pause.until = pause.busy_until;
            pause.sign_in = false;
        }
    }

    fn store_failed(&mut self, now: Now, at: usize, run: Run, fault: Fault) {
        self.release(run.live);
        if self.store_rests.is_none() {
            let until = self.store.fail(now.mono, limits::STORE_PACE, None, &mut self.dice);
            self.store_rests = Some(until);
        }
        self.out.push(Output::Note(Note::StoreFails(fault)));
        self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
    }

    // ---- streams ----

    fn plan(&mut self, at: usize, when: Time) {
        self.unplan(at);
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        mailbox.planned = Some(when);
        self.planned.insert((when, at));
    }

    fn unplan(&mut self, at: usize) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(when) = mailbox.planned.take() {
            self.planned.remove(&(when, at));
        }
    }

    fn plan_streams(&mut self, now: Now) {
        // While one tries whether the server is back, streams would be more than one.
        if self.paused.is_some() || (self.tries() && self.running > 0) {
            return;
        }
        let mut due: BTreeMap<GroupKey, Vec<usize>> = BTreeMap::new();
        while let Some(&(when, at)) = self.planned.first() {
            if when > now.mono {
                break;
            }
            self.unplan(at);
            let Some(mailbox) = self.mailbox(at) else { continue };
            if let (Some(group), Ear::Unheard) = (&mailbox.group, &mailbox.ear) {
                due.entry(group.clone()).or_default().push(at);
            }
        }
        for members in due.into_values() {
            for chunk in members.chunks(limits::GROUP_MEMBERS) {
                self.listen(chunk);
            }
        }
    }

    fn listen(&mut self, members: &[usize]) {
        self.last_stream += 1;
        let stream = self.last_stream;
        let mut users = Vec::with_capacity(members.len());
        for at in members {
            if let Some(mailbox) = self.mailbox(*at) {
                mailbox.ear = Ear::Subscribing(stream);
                users.push(mailbox.user.clone());
            }
        }
        users.sort();
        self.streams.insert(stream, members.iter().copied().collect());
        self.out.push(Output::Listen(stream, users));
    }

    fn hint(&mut self, now: Now, stream: StreamId, hint: Hint) {
        if !self.streams.contains_key(&stream) {
            return;
        }
        match hint {
            Hint::Changed(user) => self.ring(&user, Queue::Live),
            Hint::Listening(user) => {
                let Some(&at) = self.names.get(&user) else { return };
                // One that was refused by this stream is not in it any more.
                if !self.streams.get(&stream).is_some_and(|members| members.contains(&at)) {
                    return;
                }
                let Some(mailbox) = self.mailbox(at) else { return };
                if !matches!(mailbox.ear, Ear::Heard(..)) {
                    mailbox.ear = Ear::Heard(stream, now.mono);
                    self.out.push(Output::Note(Note::Listening(user)));
                }
                self.enqueue(at, Queue::Backlog);
            }
            Hint::Refused(user, fault) => {
                // Why shows when it is polled; the stream goes on with the others.
                let Some(&at) = self.names.get(&user) else { return };
                let members = self.streams.get_mut(&stream);
                if !members.is_some_and(|members| members.remove(&at)) {
                    return;
                }
                self.server_trouble(now, &fault);
                self.listen_failed(now, at, &fault);
            }
        }
    }

    fn ended(&mut self, now: Now, stream: StreamId, end: ListenEnd) {
        let Some(members) = self.streams.remove(&stream) else { return };
        let failed = match end {
            ListenEnd::RollOver | ListenEnd::Stopped => None,
            ListenEnd::Failed(fault) => {
                let note = Note::StreamFailed(fault.clone(), members.len());
                self.out.push(Output::Note(note));
                self.server_trouble(now, &fault);
                Some(fault)
            }
        };
        for at in members {
            match &failed {
                Some(fault) => self.listen_failed(now, at, fault),
                None => self.unhear(now, at, Span::default()),
            }
        }
    }

    fn listen_failed(&mut self, now: Now, at: usize, fault: &Fault) {
        let after = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after,
            _ => None,
        };
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        // A stream that breaks as soon as it listens must not be opened again and again.
        if let Ear::Heard(_, since) = mailbox.ear
            && now.mono.since(since) >= limits::LISTEN_PROVEN
        {
            mailbox.listen_pace.reset();
        }
        let mut dice = self.dice.clone();
        let until = mailbox.listen_pace.fail(now.mono, limits::LISTEN_RETRY, after, &mut dice);
        self.dice = dice;
        self.unhear(now, at, until.since(now.mono));
    }

    fn unhear(&mut self, now: Now, at: usize, wait: Span) {
        let poll = self.dice.jitter(self.rules.poll);
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.ear = Ear::Unheard;
        let idle = mailbox.run.is_none() && mailbox.queue == Queue::None && mailbox.timer.is_none();
        if idle {
            self.set_timer(at, Some(now.mono + poll));
        }
        self.plan(at, now.mono + wait + limits::GATHER);
    }
}

/// A key that expires while a pass seals with it would be one too late.
fn usable(sealer: &dyn Sealer, now: Now) -> bool {
    sealer.until().is_none_or(|until| until > now.wall + Span::MINUTE)
}
