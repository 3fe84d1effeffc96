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

mod keys;
mod passes;
mod queue;
mod streams;
mod trouble;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::limits;
use super::pace::{Dice, Pace};
use super::seal::{Installation, Sealer};
use super::sync::{Ask, Commit, Got, Keyed, Loaded, Lookup, Pass, Row};
use super::window::Reach;
use crate::model::{
    Fault, GroupKey, Hint, Home, KeyUri, ListenEnd, Now, ResourceUri, Span, Time, UserId,
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
    /// For [`Output::Look`].
    Rows(Ticket, Result<Vec<Row>, Fault>),
    /// For [`Output::Homes`]: one answer for each mailbox, in order.
    Homes(Ticket, Vec<Result<Home, Fault>>),
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
    /// Read lines of a mailbox's index from the store.
    Look(Ticket, UserId, Lookup),
    /// Ask the provider where these mailboxes are served; true: not from memory.
    Homes(Ticket, Vec<UserId>, bool),
    /// Ask the provider.
    Ask(Ticket, UserId, Ask),
    /// Ask the KMS.
    Key(Ticket, UserId, Want),
    /// Write.
    Commit(Ticket, Box<Commit>),
    /// Open a stream over these.
    Listen(StreamId, Vec<UserId>),
    /// One more mailbox for this stream: `Listening` or `Refused` comes, or the stream's `Ended`.
    Join(StreamId, UserId),
    /// One mailbox less: the others of the stream stay.
    Leave(StreamId, UserId),
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
            Input::Rows(ticket, rows) => self.rows(now, ticket, rows),
            Input::Homes(ticket, homes) => self.homes(now, ticket, homes),
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
        let mut census =
            Census { queued: self.live.len() + self.backlog.len(), ..Census::default() };
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
}

#[cfg(test)]
mod tests;
