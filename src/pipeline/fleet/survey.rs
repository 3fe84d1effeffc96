//! What can be seen of a fleet: all of it in numbers, a page of its mailboxes, or the story of one.

use std::collections::BinaryHeap;

use super::{Census, Ear, Fleet, Mailbox, Queue, Seeking, Stage};
use crate::model::{Now, ServerKey, Span, Time, UserId};

/// How a mailbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It was not read yet, since the start or since it was activated.
    #[default]
    Starting,
    /// It is listened to.
    Streaming,
    /// It is asked from time to time.
    Polling,
    /// It cannot be read.
    Failing,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Streaming, Self::Polling, Self::Failing];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Streaming => "streaming",
            Self::Polling => "polling",
            Self::Failing => "failing",
        }
    }
}

impl Census {
    /// Where those who are so are counted.
    pub(super) fn of(&mut self, health: Health) -> &mut usize {
        match health {
            Health::Streaming => &mut self.streaming,
            Health::Starting | Health::Polling => &mut self.polling,
            Health::Failing => &mut self.failing,
        }
    }
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchange said that something changed.
    pub events: u64,
    /// Mailboxes were read to the end.
    pub readings: u64,
    /// Requests to Exchange that reading took.
    pub requests: u64,
    /// Records and withdrawals that were written for the cloud.
    pub records: u64,
}

/// One server, as the fleet uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Which.
    pub key: ServerKey,
    /// Mailboxes that it serves.
    pub mailboxes: usize,
    /// Those that wait for their turn there.
    pub queued: usize,
    /// Requests that are open.
    pub asking: usize,
    /// It is asked nothing for so long.
    pub rests: Option<Span>,
}

/// All of a fleet in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How the mailboxes are.
    pub census: Census,
    /// Streams that are open, or are being opened.
    pub streams: usize,
    /// Mailboxes and groups that are polled because streams refuse them.
    pub demoted: usize,
    /// Where the mailboxes are served.
    pub servers: Vec<ServerView>,
    /// Sign-in was refused; nobody is asked for so long.
    pub account_rests: Option<Span>,
    /// What happened since the start.
    pub tally: Tally,
    /// From Exchange's event until its record is on the disk: half of them, and 99 of 100, of the
    /// last minutes.
    pub to_disk: Option<(Span, Span)>,
}

/// What a mailbox waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upcoming {
    /// It is being read.
    Reading,
    /// It is being read, and waits for a place at its server.
    Place,
    /// It is read when its turn comes; true: before the backlog.
    Turn(bool),
    /// The directory is asked where it is.
    Directory,
    /// It is read at that time.
    Read(Time),
    /// The directory is asked again at that time.
    Seek(Time),
    /// It is listened to again from that time on.
    Listen(Time),
    /// Its server is asked nothing before that time.
    ServerRests(Time),
    /// Sign-in was refused; it is tried again at that time, or when the secret changes.
    SignIn(Time),
    /// Exchange rings when something changes.
    Ring,
}

/// All that is known of one mailbox here. Times are of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// Whose.
    pub user: UserId,
    /// How it is.
    pub health: Health,
    /// Since when.
    pub since: Time,
    /// Where it is served, once that is known.
    pub server: Option<ServerKey>,
    /// Its stream, and how many mailboxes share it.
    pub stream: Option<(u64, usize)>,
    /// Streams refused it again and again.
    pub demoted: bool,
    /// When Exchange last said that something changed; since the start, as all that follow.
    pub event: Option<Time>,
    /// When it was last read to the end.
    pub read: Option<Time>,
    /// When a record of it was last written for the cloud.
    pub record: Option<Time>,
    /// Why it fails, and how often in a row.
    pub trouble: Option<(String, u8)>,
    /// What went wrong last, and when; it may be well again.
    pub fault: Option<(String, Time)>,
    /// Not all of its window is relayed.
    pub cut: bool,
    /// What happens next.
    pub next: Vec<Upcoming>,
}

/// A line of the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Who.
    pub user: UserId,
    /// How it is.
    pub health: Health,
    /// Since when.
    pub since: Time,
}

impl Mailbox {
    fn health(&self) -> Health {
        match () {
            () if self.pace.failures() > 0 => Health::Failing,
            () if matches!(self.ear, Ear::Heard(..)) => Health::Streaming,
            () if self.seen.read == Time::default() => Health::Starting,
            () => Health::Polling,
        }
    }
}

fn known(time: Time) -> Option<Time> {
    (time != Time::default()).then_some(time)
}

impl Fleet {
    /// Notes since when a mailbox is as it is.
    pub(super) fn look_over(&mut self, at: usize) {
        let wall = self.wall;
        let Some(mailbox) = self.mailbox(at) else { return };
        let health = mailbox.health();
        let before = std::mem::replace(&mut mailbox.seen.health, health);
        if before != health {
            mailbox.seen.since = wall;
            *self.census.of(before) -= 1;
            *self.census.of(health) += 1;
        }
    }

    /// All of it in numbers.
    pub fn survey(&mut self, now: Now) -> Survey {
        let rests =
            |until: Option<Time>| until.filter(|at| now.mono < *at).map(|at| at.since(now.mono));
        let half = self.to_disk.quantile(now.mono, 0.5);
        let servers = self.servers.iter().enumerate();
        let is_used = |(at, _): &(usize, _)| !self.vacant.is_free(*at);
        let servers = servers.filter(is_used).map(|(_, server)| ServerView {
            key: server.key().clone(),
            mailboxes: server.mailboxes(),
            queued: server.queued,
            asking: server.asking,
            rests: rests(server.gate.until),
        });
        Survey {
            census: self.census,
            streams: self.streams.len(),
            demoted: self.demoted,
            servers: servers.collect(),
            account_rests: rests(self.account.until),
            tally: self.tally,
            to_disk: half.zip(self.to_disk.quantile(now.mono, 0.99)),
        }
    }

    /// What happened since the start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The first mailboxes after a name, by their names; of one health only, if that is asked for.
    pub fn list(&self, health: Option<Health>, after: Option<&UserId>, limit: usize) -> Vec<Entry> {
        let mut first: BinaryHeap<&UserId> = BinaryHeap::with_capacity(limit + 1);
        for mailbox in self.mailboxes.iter().flatten() {
            let wanted = health.is_none_or(|health| mailbox.seen.health == health)
                && after.is_none_or(|after| mailbox.user > *after);
            if wanted && (first.len() < limit || first.peek().is_some_and(|m| mailbox.user < **m)) {
                first.push(&mailbox.user);
                if first.len() > limit {
                    first.pop();
                }
            }
        }
        let entry = |user: &UserId| {
            let at = self.names.get(user)?;
            let mailbox = self.mailboxes.get(*at)?.as_ref()?;
            let (health, since) = (mailbox.seen.health, mailbox.seen.since);
            Some(Entry { user: user.clone(), health, since })
        };
        first.into_sorted_vec().into_iter().filter_map(entry).collect()
    }

    /// The story of one; `None` where it is not of this fleet.
    pub fn story(&self, now: Now, user: &UserId) -> Option<Story> {
        let at = *self.names.get(user)?;
        let mailbox = self.mailboxes.get(at)?.as_ref()?;
        let server = mailbox.place.and_then(|place| self.servers.get(place.server));
        let stream = match mailbox.ear {
            Ear::Heard(id, _) | Ear::Subscribing(id) => {
                self.streams.get(&id).map(|stream| (id, stream.members.len()))
            }
            Ear::Unheard => None,
        };
        let seen = &mailbox.seen;
        Some(Story {
            user: mailbox.user.clone(),
            health: seen.health,
            since: seen.since,
            server: server.map(|server| server.key().clone()),
            stream,
            demoted: mailbox.demoted,
            event: known(seen.event),
            read: known(seen.read),
            record: known(seen.record),
            trouble: mailbox
                .trouble
                .as_ref()
                .map(|trouble| (trouble.code.to_string(), mailbox.pace.failures())),
            fault: seen.fault.as_deref().cloned(),
            cut: mailbox.shortfall.from.is_some() || mailbox.shortfall.crowded,
            next: self.upcoming(now, mailbox),
        })
    }

    fn upcoming(&self, now: Now, mailbox: &Mailbox) -> Vec<Upcoming> {
        let wall = |mono: Time| now.wall + mono.since(now.mono);
        let later = |mono: Option<Time>| mono.filter(|mono| now.mono < *mono).map(wall);
        let server = mailbox.place.and_then(|place| self.servers.get(place.server));
        let mut next = Vec::new();
        next.extend(later(self.account.until).map(Upcoming::SignIn));
        next.extend(server.and_then(|one| later(one.gate.until)).map(Upcoming::ServerRests));
        match mailbox.run.as_ref().map(|run| &run.stage) {
            Some(Stage::Held(..)) => next.push(Upcoming::Place),
            Some(_) => next.push(Upcoming::Reading),
            None => {}
        }
        if mailbox.queue != Queue::None {
            next.push(Upcoming::Turn(mailbox.queue == Queue::Live));
        }
        if mailbox.seeking != Seeking::No {
            next.push(Upcoming::Directory);
        }
        next.extend(mailbox.timer.map(|at| match mailbox.lost {
            true => Upcoming::Seek(wall(at)),
            false => Upcoming::Read(wall(at)),
        }));
        next.extend(mailbox.planned.map(|at| Upcoming::Listen(wall(at))));
        if matches!(mailbox.ear, Ear::Heard(..)) {
            next.push(Upcoming::Ring);
        }
        next
    }
}
