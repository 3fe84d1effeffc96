//! One endpoint: its mailboxes wait in its queues and use its budget; and what is left of servers
//! and groups that nobody is served by any more.

use std::collections::{BTreeSet, VecDeque};

use super::groups::Group;
use super::{Fleet, Gate, Note, Output, Place, Queue, Side};
use crate::model::{GroupKey, Now, ServerKey, Time};
use crate::pipeline::limits;

/// One endpoint.
#[derive(Debug)]
pub(super) struct Server {
    key: ServerKey,
    pub(super) gate: Gate,
    pub(super) live: VecDeque<usize>,
    pub(super) backlog: VecDeque<usize>,
    /// Entries of both that count; the others were left behind.
    pub(super) queued: usize,
    /// Passes that have begun and are not over.
    pub(super) running: usize,
    pub(super) running_backlog: usize,
    /// Those of them that have a place: their request is open, or comes once they are loaded.
    pub(super) asking: usize,
    asking_backlog: usize,
    /// Those whose next request waits for a place.
    held: VecDeque<usize>,
    held_backlog: VecDeque<usize>,
    /// Mailboxes that no stream tells of: they are polled.
    pub(super) unheard: usize,
    /// Groups that may open a stream.
    pub(super) ready: VecDeque<usize>,
    /// Streams whose members are being subscribed.
    pub(super) opening: usize,
    /// Since when it is busy or away, or since it was last doubted for that.
    pub(super) away_since: Option<Time>,
    /// The time of `away_since` for which all its mailboxes were told to look elsewhere.
    pub(super) followed: Option<Time>,
    /// Mailboxes that are served here.
    mailboxes: usize,
    /// Its groups in the fleet's list.
    groups: usize,
}

/// Who is next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// One that was held back asks.
    Goes(usize),
    /// A pass begins with this mailbox, if it still waits there.
    Begins(usize, Queue),
}

impl Server {
    pub(super) fn new(key: ServerKey, passes: usize) -> Self {
        Self {
            key,
            gate: Gate::new(passes),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            queued: 0,
            running: 0,
            running_backlog: 0,
            asking: 0,
            asking_backlog: 0,
            held: VecDeque::new(),
            held_backlog: VecDeque::new(),
            unheard: 0,
            ready: VecDeque::new(),
            opening: 0,
            away_since: None,
            followed: None,
            mailboxes: 0,
            groups: 0,
        }
    }

    /// Whether a pass may ask where so many may, and so many of the backlog.
    pub(super) fn has_place(&self, live: bool, most: usize, backlog: usize) -> bool {
        self.asking < most && (live || self.asking_backlog < backlog)
    }

    /// A pass takes a place.
    pub(super) fn take_place(&mut self, live: bool) {
        self.asking += 1;
        self.asking_backlog += usize::from(!live);
    }

    /// A pass gives its place up.
    pub(super) fn leave_place(&mut self, live: bool) {
        self.asking = self.asking.saturating_sub(1);
        self.asking_backlog = self.asking_backlog.saturating_sub(usize::from(!live));
    }

    /// A pass waits for a place.
    pub(super) fn hold(&mut self, at: usize, live: bool) {
        match live {
            true => self.held.push_back(at),
            false => self.held_backlog.push_back(at),
        }
    }

    /// It does not any more. There are no more of them than passes that are allowed.
    pub(super) fn unhold(&mut self, at: usize) {
        self.held.retain(|held| *held != at);
        self.held_backlog.retain(|held| *held != at);
    }

    /// Who is next where so many may ask, and so many of the backlog: whoever was rung for before
    /// the others, and whoever has begun before who has not. `begins`: passes may begin; `alone`:
    /// one at a time.
    pub(super) fn next(
        &mut self,
        most: usize,
        backlog: usize,
        begins: bool,
        alone: bool,
    ) -> Option<Turn> {
        if !self.has_place(true, most, backlog) {
            return None;
        }
        if let Some(at) = self.held.pop_front() {
            return Some(Turn::Goes(at));
        }
        let aside = self.running.saturating_sub(self.asking);
        let under_way = self.running.saturating_sub(self.held_backlog.len());
        let begins = begins && aside < limits::ASIDE && (!alone || under_way == 0);
        if begins && let Some(at) = self.live.pop_front() {
            return Some(Turn::Begins(at, Queue::Live));
        }
        if !self.has_place(false, most, backlog) {
            return None;
        }
        if let Some(at) = self.held_backlog.pop_front() {
            return Some(Turn::Goes(at));
        }
        let aside = self.running_backlog.saturating_sub(self.asking_backlog);
        if !begins || aside >= limits::ASIDE_BACKLOG {
            return None;
        }
        self.backlog.pop_front().map(|at| Turn::Begins(at, Queue::Backlog))
    }

    /// Which.
    pub(super) fn key(&self) -> &ServerKey {
        &self.key
    }

    /// How many it serves.
    pub(super) fn mailboxes(&self) -> usize {
        self.mailboxes
    }

    fn is_left(&self, now: Now) -> bool {
        let used = self.mailboxes + self.groups + self.running + self.opening;
        used == 0 && !self.gate.is_shut(now.mono)
    }
}

/// Servers and groups that are nobody's, and their places in the lists.
#[derive(Debug, Default)]
pub(super) struct Vacant {
    /// Nobody is served there; something of them may still be under way.
    left_servers: BTreeSet<usize>,
    left_groups: BTreeSet<usize>,
    /// Places that may be used again.
    servers: Vec<usize>,
    groups: Vec<usize>,
}

impl Vacant {
    /// Whether a place in the list of servers is nobody's.
    pub(super) fn is_free(&self, server: usize) -> bool {
        self.servers.contains(&server)
    }
}

impl Fleet {
    /// The place of a server in the list.
    pub(super) fn server(&mut self, key: ServerKey) -> usize {
        if let Some(&at) = self.server_names.get(&key) {
            return at;
        }
        let server = Server::new(key.clone(), self.rules.passes);
        let at = put(&mut self.servers, &mut self.vacant.servers, server);
        self.server_names.insert(key, at);
        self.vacant.left_servers.insert(at);
        at
    }

    /// The place of a group in the list.
    pub(super) fn group(&mut self, server: usize, key: GroupKey) -> usize {
        let name = (server, key);
        if let Some(&at) = self.group_names.get(&name) {
            return at;
        }
        let group = Group::new(server, name.1.clone());
        let at = put(&mut self.groups, &mut self.vacant.groups, group);
        self.group_names.insert(name, at);
        if let Some(server) = self.servers.get_mut(server) {
            server.groups += 1;
        }
        self.vacant.left_groups.insert(at);
        at
    }

    /// It is served there from now on, or nowhere.
    pub(super) fn move_to(&mut self, at: usize, place: Option<Place>) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let before = std::mem::replace(&mut mailbox.place, place);
        for (place, more) in [(place, true), (before, false)] {
            let Some(place) = place else { continue };
            if let Some(server) = self.servers.get_mut(place.server)
                && count(&mut server.mailboxes, more) == 0
            {
                self.vacant.left_servers.insert(place.server);
            }
            if let Some(group) = self.groups.get_mut(place.group)
                && count(&mut group.mailboxes, more) == 0
            {
                self.vacant.left_groups.insert(place.group);
            }
            self.days.count(place.zone, more);
        }
    }

    /// Forgets servers and groups that are nobody's any more: moves make new ones for ever.
    pub(super) fn forget_left(&mut self, now: Now) {
        for at in std::mem::take(&mut self.vacant.left_groups) {
            let Some(group) = self.groups.get(at) else { continue };
            let is_known = self.group_names.get(&group.name()) == Some(&at);
            if group.mailboxes > 0 || !is_known {
                continue;
            }
            if group.streams.is_empty() {
                self.forget_group(at);
            } else {
                self.vacant.left_groups.insert(at);
            }
        }
        for at in std::mem::take(&mut self.vacant.left_servers) {
            let Some(server) = self.servers.get(at) else { continue };
            let is_known = self.server_names.get(&server.key) == Some(&at);
            if server.mailboxes > 0 || !is_known {
                continue;
            }
            if server.is_left(now) {
                if server.gate.tries() {
                    let side = Side::Server(server.key.clone());
                    self.out.push(Output::Note(Note::ServerLeft(side)));
                }
                self.server_names.remove(&server.key);
                self.vacant.servers.push(at);
            } else {
                self.vacant.left_servers.insert(at);
            }
        }
    }

    fn forget_group(&mut self, at: usize) {
        self.disband(at);
        let Some(group) = self.groups.get(at) else { return };
        let (name, server) = (group.name(), group.server);
        self.group_names.remove(&name);
        self.vacant.groups.push(at);
        if let Some(server) = self.servers.get_mut(server) {
            server.groups = server.groups.saturating_sub(1);
            server.ready.retain(|ready| *ready != at);
        }
    }
}

/// Puts it into a place that is free, or a new one.
fn put<T>(list: &mut Vec<T>, free: &mut Vec<usize>, one: T) -> usize {
    if let Some(at) = free.pop()
        && let Some(place) = list.get_mut(at)
    {
        *place = one;
        return at;
    }
    list.push(one);
    list.len() - 1
}

/// One more or less; how many it is then.
fn count(number: &mut usize, more: bool) -> usize {
    *number = if more { *number + 1 } else { number.saturating_sub(1) };
    *number
}
