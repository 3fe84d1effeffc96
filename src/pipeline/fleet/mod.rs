//! All mailboxes of one calendar: where each is served, who is read next, who is listened to, who
//! waits.
//!
//! **Promise.** A rung mailbox is read before the backlog, which waits altogether while the cloud
//! is what is slow: a live edit never stands behind a first synchronisation. Never more passes than
//! allowed ask a server, and each has one request open; whoever waits for the key server or the
//! disk keeps nobody from asking. After a server said it is busy none of its mailboxes asks before
//! its time, then one alone, then more and more; other servers go on. A mailbox that cannot be
//! listened to is polled, and listened to again later. A fault of one mailbox waits for that
//! mailbox alone; its state is built anew from the store. A mailbox that moved is noticed within
//! 10 minutes and healed within 20, also where nobody tells: see [`checks`].
//!
//! ```text
//!             homes of many       a place           gathered with others
//!   Added ──▶ Seeking ──────────▶ Unheard ─────────▶ Subscribing ──Listening──▶ Heard
//!                ▲                 ▲ polled             │ refused, failed         │ ended,
//!                │ moved, midnight └────────────────────┴─────────────────────────┘ merged
//! ```
//!
//! Contract: [`Fleet::handle`] one input, then [`Fleet::drain`] all outputs and carry them out.
//! Every output with a ticket is answered by exactly one input with that ticket.
//!
//! Nothing that is done for one event looks at all mailboxes: what is counted is counted as it
//! changes. Only a midnight looks at all of them.

mod checks;
mod days;
mod directory;
mod gate;
mod groups;
mod keys;
mod passes;
mod queue;
mod rules;
mod servers;
mod streams;
mod survey;
mod trouble;
mod words;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub use self::survey::{Entry, Health, ServerView, Story, Survey, Tally, Upcoming};
pub use self::words::{
    Census, GroupId, Input, Note, Output, Reading, Rules, Side, StreamId, Ticket, Want,
};

use self::days::Days;
use self::directory::{Directory, Seeking};
use self::gate::Gate;
use self::groups::Group;
use self::servers::{Server, Vacant};
use super::limits;
use super::pace::{Dice, Pace};
use super::seal::{Installation, Sealer, Tag};
use super::showing::Showing;
use super::spread::Spread;
use super::sync::{Ask, Keyed, Pass, Shortfall};
use crate::model::{GroupKey, Now, ServerKey, Span, Time, Trace, UserId};

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
    Passing(Box<Pass>),
    /// Its next request waits until Exchange may be asked again.
    Held(Box<Pass>, Ask),
}

#[derive(Debug)]
struct Run {
    ticket: Ticket,
    stage: Stage,
    live: bool,
    /// Whose budget it counts for.
    server: usize,
    /// It has one of the server's places.
    asks: bool,
    /// How many pauses had begun when it last asked Exchange.
    pauses: u64,
    /// Its name in the journal.
    trace: Trace,
    /// It was rung for.
    rung: bool,
    /// There was something new.
    found: bool,
    /// Records under way to the disk.
    writes: usize,
}

/// Where a mailbox is served, as places in the fleet's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    server: usize,
    group: usize,
    zone: usize,
}

/// Why a mailbox fails, as it was told.
#[derive(Debug)]
struct Trouble {
    code: Box<str>,
    /// It may not be read, or is not there: an answer all the same.
    shut: bool,
}

/// What is remembered of a mailbox for whoever looks: 56 bytes. Times are of the day; the beginning
/// of time is never.
#[derive(Debug, Default)]
struct Witnessed {
    health: Health,
    since: Time,
    event: Time,
    /// The first event that was not read yet (monotonic).
    rung: Time,
    read: Time,
    record: Time,
    fault: Option<Box<(String, Time)>>,
}

#[derive(Debug)]
struct Mailbox {
    user: UserId,
    place: Option<Place>,
    seeking: Seeking,
    /// How often in a row it was not where it was thought.
    strays: u8,
    /// It was read at least once.
    has_worked: bool,
    /// It was told that it is relayed, and does not fail since.
    relayed: bool,
    /// Since when it is said to be gone, although it was read before.
    gone_since: Option<Time>,
    /// What its timer leads to: the directory (true), or a reading.
    lost: bool,
    /// Its day is over: its window is read anew once its home is told again.
    new_day: bool,
    ear: Ear,
    planned: Option<Time>,
    listen_pace: Pace,
    demoted: bool,
    /// The stream that said it is served elsewhere.
    refused_by: Option<StreamId>,
    /// The directory, asked as a routine, does not know it any more.
    missed: bool,
    /// Its doorbell rang since it was last read.
    rung: bool,
    /// How often in a row something was new, and the doorbell had not rung.
    unrung: u8,
    queue: Queue,
    /// Where it waits once it was read, as somebody asked for it meanwhile.
    again: Queue,
    run: Option<Run>,
    timer: Option<Time>,
    pace: Pace,
    /// How often in a row items of it could not be read that may be well again.
    ill: Pace,
    /// What its last listing could not show.
    shortfall: Shortfall,
    /// Items that are left out, as they cannot be read.
    skipped: BTreeSet<Tag>,
    trouble: Option<Trouble>,
    sealer: Option<(Keyed, Arc<dyn Sealer>)>,
    stored_keys: Option<Keyed>,
    seen: Witnessed,
}

impl Mailbox {
    fn new(user: UserId) -> Self {
        Self {
            user,
            place: None,
            seeking: Seeking::No,
            strays: 0,
            has_worked: false,
            relayed: false,
            gone_since: None,
            lost: false,
            new_day: false,
            ear: Ear::Unheard,
            planned: None,
            listen_pace: Pace::default(),
            demoted: false,
            refused_by: None,
            missed: false,
            rung: false,
            unrung: 0,
            queue: Queue::None,
            again: Queue::None,
            run: None,
            timer: None,
            pace: Pace::default(),
            ill: Pace::default(),
            shortfall: Shortfall::default(),
            skipped: BTreeSet::new(),
            trouble: None,
            sealer: None,
            stored_keys: None,
            seen: Witnessed::default(),
        }
    }
}

#[derive(Debug)]
struct Stream {
    group: usize,
    members: BTreeSet<usize>,
    /// Members that are being subscribed.
    pending: usize,
    /// Not all of the first ones are through.
    opening: bool,
    /// The homes of all were asked for anew, once.
    checked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Orphan {
    server: usize,
    live: bool,
    asks: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Fleet {
    rules: Rules,
    installation: Arc<Installation>,
    showing: Arc<Showing>,
    dice: Dice,
    mailboxes: Vec<Option<Mailbox>>,
    free: Vec<usize>,
    names: HashMap<UserId, usize>,
    servers: Vec<Server>,
    server_names: HashMap<ServerKey, usize>,
    groups: Vec<Group>,
    group_names: HashMap<(usize, GroupKey), usize>,
    vacant: Vacant,
    days: Days,
    directory: Directory,
    timers: BTreeSet<(Time, usize)>,
    planned: BTreeSet<(Time, usize)>,
    gathering: BTreeSet<(Time, usize)>,
    streams: HashMap<StreamId, Stream>,
    tickets: HashMap<Ticket, usize>,
    /// Requests of mailboxes that were removed meanwhile: they count until answered.
    orphans: HashMap<Ticket, Orphan>,
    last_ticket: Ticket,
    last_stream: StreamId,
    /// Sign-in: for all servers.
    account: Gate,
    store: Pace,
    store_rests: Option<Time>,
    outbox_long: bool,
    census: Census,
    /// Mailboxes that are listened to, whether they can be read or not.
    heard: usize,
    /// Mailboxes and groups that are not listened to for now.
    demoted: usize,
    /// Mailboxes that may not be read, or are not there.
    shut: usize,
    /// A mailbox was read.
    has_read: bool,
    /// When it last looked at the clocks.
    looked: Time,
    wall: Time,
    tally: Tally,
    to_disk: Spread,
    out: Vec<Output>,
}

impl Fleet {
    /// An empty fleet.
    pub fn new(rules: Rules, installation: Arc<Installation>) -> Self {
        Self {
            dice: Dice::new(rules.seed),
            rules,
            installation,
            showing: Arc::default(),
            mailboxes: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            servers: Vec::new(),
            server_names: HashMap::new(),
            groups: Vec::new(),
            group_names: HashMap::new(),
            vacant: Vacant::default(),
            days: Days::default(),
            directory: Directory::default(),
            timers: BTreeSet::new(),
            planned: BTreeSet::new(),
            gathering: BTreeSet::new(),
            streams: HashMap::new(),
            tickets: HashMap::new(),
            orphans: HashMap::new(),
            last_ticket: 0,
            last_stream: 0,
            account: Gate::new(usize::MAX),
            store: Pace::default(),
            store_rests: None,
            outbox_long: false,
            census: Census::default(),
            heard: 0,
            demoted: 0,
            shut: 0,
            has_read: false,
            looked: Time::default(),
            wall: Time::default(),
            tally: Tally::default(),
            to_disk: Spread::default(),
            out: Vec::new(),
        }
    }

    /// With what of meetings is shown.
    #[must_use]
    pub fn showing(self, showing: Arc<Showing>) -> Self {
        Self { showing, ..self }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        (self.looked, self.wall) = (now.mono, now.wall);
        self.roll_days(now);
        match input {
            Input::Added(user) => self.added(now, user),
            Input::Begun(users) => users.into_iter().for_each(|user| self.added(now, user)),
            Input::Removed(user) => self.removed(&user),
            Input::Stirred(user) => self.stirred(now, &user),
            Input::Hint(stream, hint) => self.hint(now, stream, hint),
            Input::Ended(stream, end) => self.ended(now, stream, end),
            Input::Loaded(ticket, loaded) => self.loaded(now, ticket, loaded),
            Input::Rows(ticket, rows) => self.rows(now, ticket, rows),
            Input::Homes(ticket, homes) => self.homes(now, ticket, homes),
            Input::Got(ticket, got) => self.got(now, ticket, got),
            Input::Keyed(ticket, keyed) => self.keyed(now, ticket, keyed),
            Input::Committed(ticket, committed) => self.committed(now, ticket, committed),
            Input::SecretChanged => self.secret_changed(),
            Input::TrustChanged => self.trust_changed(now),
            Input::WayChanged => self.way_changed(now),
            Input::OutboxLong(long) => self.outbox_long = long,
            Input::Ruled(rules, showing) => self.ruled(now, rules, showing),
            Input::ReadAnew => self.read_anew(),
            Input::Tick => {}
        }
        self.fire_timers(now);
        self.open_gates(now);
        self.seek_homes(now);
        self.check_homes(now);
        self.start_passes(now);
        self.plan_streams(now);
        self.forget_left(now);
    }

    /// What is to be done, in order. To be emptied after each input.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Tick`] is due at the latest (monotonic).
    pub fn wake_at(&self, now: Now) -> Time {
        let look = self.looked + limits::LOOK;
        let first = |times: &BTreeSet<(Time, usize)>| times.first().map(|(at, _)| *at);
        let homes = self.directory.gathers_until(now);
        let timers = [first(&self.timers), first(&self.planned), first(&self.gathering), homes];
        let gates = self.servers.iter().map(|server| server.gate.until);
        let gates = gates.chain([self.account.until, self.directory.gate.until, self.store_rests]);
        let gates = gates.chain([self.check_due(now)]);
        let own = timers.into_iter().chain(gates).flatten().min().unwrap_or(look);
        let day = self.days.next(now.wall).map_or(look, |span| now.mono + span);
        own.min(look).min(day).max(now.mono + Span::from_ms(1))
    }

    /// How the mailboxes are.
    pub fn census(&self) -> Census {
        self.census
    }

    /// Whether the connector does its work: a mailbox was read, and streams are open or were given
    /// up for polling; or every mailbox said that it may not be read.
    pub fn serving(&self) -> bool {
        let told = self.heard > 0 || self.demoted > 0;
        let shut = self.census.active > 0 && self.shut == self.census.active;
        (self.has_read && told) || shut
    }

    /// Passes under way at all servers; of one of them never more than [`Rules::passes`] and
    /// [`limits::ASIDE`].
    pub fn running(&self) -> usize {
        self.servers.iter().map(|server| server.running).sum()
    }

    /// Those of them that ask Exchange, or will once they are loaded; of one server never more
    /// than [`Rules::passes`].
    pub fn asking(&self) -> usize {
        self.servers.iter().map(|server| server.asking).sum()
    }

    fn mailbox(&mut self, at: usize) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(at).and_then(Option::as_mut)
    }

    fn place(&self, at: usize) -> Option<Place> {
        self.mailboxes.get(at).and_then(Option::as_ref)?.place
    }

    // ---- who is there ----

    fn added(&mut self, now: Now, user: UserId) {
        if self.names.contains_key(&user) {
            self.stirred(now, &user);
            return;
        }
        let mut mailbox = Mailbox::new(user.clone());
        mailbox.seen.since = now.wall;
        let mailbox = Some(mailbox);
        let at = match self.free.pop() {
            Some(at) => {
                self.mailboxes[at] = mailbox;
                at
            }
            None => {
                self.mailboxes.push(mailbox);
                self.mailboxes.len() - 1
            }
        };
        self.names.insert(user, at);
        self.census.active += 1;
        *self.census.of(Health::default()) += 1;
        self.seek(at, false);
    }

    /// The cloud wants to hear all of it again.
    /// Somebody asked for all of it. Where it fails, that somebody may just have mended it.
    fn stirred(&mut self, now: Now, user: &UserId) {
        let at = self.names.get(user).copied();
        if let Some(mailbox) = at.and_then(|at| self.mailbox(at)) {
            mailbox.relayed = false;
            let waits = mailbox.timer.is_some();
            if let Some(trouble) = &mut mailbox.trouble {
                // It is told anew, where it is still so. A rest that a server asked for is kept.
                trouble.code = "".into();
                if let Some(at) = at.filter(|_| waits && trouble.shut) {
                    return self.set_timer(at, Some(now.mono));
                }
            }
        }
        self.ring(user, Queue::Backlog);
    }

    fn removed(&mut self, user: &UserId) {
        let Some(at) = self.names.remove(user) else { return };
        self.end_run(at);
        self.unplan(at);
        self.set_timer(at, None);
        self.unqueue(at);
        self.leave_stream(at);
        self.well(at, None);
        self.set_demoted(at, false);
        self.count_unheard(at, false);
        self.move_to(at, None);
        let last = self.mailboxes[at].take().map(|mailbox| mailbox.seen.health);
        self.free.push(at);
        self.census.active -= 1;
        *self.census.of(last.unwrap_or_default()) -= 1;
    }
}

#[cfg(test)]
mod tests;
