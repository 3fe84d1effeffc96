//! Where mailboxes are served: asked for many at once, at first, with each new day, and when one
//! is not where it was thought.

use std::collections::{HashMap, VecDeque};

use super::checks::Round;
use super::{Fleet, Gate, Mailbox, Note, Output, Place, Queue, Server, Side, Stage, Ticket};
use crate::model::{Doubt, Fault, Home, Next, Now, Span, Time};
use crate::pipeline::limits;

/// Whether a mailbox's home is being asked for; true: not from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seeking {
    No,
    Queued(bool),
    Asked(Ticket, bool),
}

/// One call that is on its way.
#[derive(Debug)]
struct Asked {
    mailboxes: Vec<usize>,
    /// How many pauses of the directory had begun.
    pauses: u64,
}

/// Those whose home is to be asked for.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) gate: Gate,
    pub(super) round: Round,
    waiting: VecDeque<usize>,
    /// Those that moved: first, and not from memory.
    strayed: VecDeque<usize>,
    asked: HashMap<Ticket, Asked>,
    /// Until when calls that were not full count.
    spent: Time,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            gate: Gate::new(limits::HOMES_AT_ONCE),
            round: Round::default(),
            waiting: VecDeque::new(),
            strayed: VecDeque::new(),
            asked: HashMap::new(),
            spent: Time::default(),
        }
    }
}

impl Directory {
    /// More mailboxes will soon have a home.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || !self.asked.is_empty()
    }

    /// Somebody waits for a home.
    pub(super) fn is_wanted(&self) -> bool {
        !self.waiting.is_empty() || !self.strayed.is_empty()
    }

    /// Calls that are on their way.
    pub(super) fn asking(&self) -> usize {
        self.asked.len() + self.round.asking()
    }

    /// Until when those that wait are waited with for others.
    pub(super) fn gathers_until(&self, now: Now) -> Option<Time> {
        let few = !self.waiting.is_empty() && self.waiting.len() < limits::HOMES_PER_CALL;
        let burst = limits::HOMES_APART.times(limits::HOMES_BURST);
        let until = now.mono + self.spent.since(now.mono + burst);
        (few && until > now.mono).then_some(until)
    }

    fn spend(&mut self, now: Now, asked: usize) {
        if asked > 0 && asked < limits::HOMES_PER_CALL {
            self.spent = self.spent.max(now.mono) + limits::HOMES_APART;
        }
    }
}

impl Fleet {
    /// Its home is to be asked for; `fresh`: it is not where it was thought.
    pub(super) fn seek(&mut self, at: usize, fresh: bool) {
        let Some(mailbox) = self.mailbox(at) else { return };
        match mailbox.seeking {
            Seeking::Queued(known) | Seeking::Asked(_, known) if known || !fresh => return,
            _ => mailbox.seeking = Seeking::Queued(fresh),
        }
        match fresh {
            true => self.directory.strayed.push_back(at),
            false => self.directory.waiting.push_back(at),
        }
    }

    /// Asks for the homes of those that wait, as many in one call as it takes: while one call is
    /// on its way the next ones gather.
    pub(super) fn seek_homes(&mut self, now: Now) {
        loop {
            let alone = self.account.tries() && self.reads_or_will(now);
            let most = match self.account.allows(now.mono, limits::HOMES_AT_ONCE) {
                _ if alone => 0,
                most => most.min(self.directory.gate.allows(now.mono, limits::HOMES_AT_ONCE)),
            };
            if self.directory.asking() >= most {
                return;
            }
            let mut batch = self.next_batch(true);
            let fresh = !batch.is_empty();
            if !fresh && self.directory.gathers_until(now).is_none() {
                batch = self.next_batch(false);
                self.directory.spend(now, batch.len());
            }
            if batch.is_empty() {
                return;
            }
            self.last_ticket += 1;
            let ticket = self.last_ticket;
            let mut users = Vec::with_capacity(batch.len());
            for at in &batch {
                if let Some(mailbox) = self.mailbox(*at) {
                    mailbox.seeking = Seeking::Asked(ticket, fresh);
                    users.push(mailbox.user.clone());
                }
            }
            self.directory.round.overtaken(&batch);
            let asked = Asked { mailboxes: batch, pauses: self.directory.gate.pauses };
            self.directory.asked.insert(ticket, asked);
            let doubt = if fresh { Doubt::Moved } else { Doubt::None };
            self.out.push(Output::Homes(ticket, users, doubt));
        }
    }

    /// Passes are under way or may begin: whether sign-in works is better tried by them. Homes
    /// may be known without asking, and there may be hundreds of calls for them.
    fn reads_or_will(&self, now: Now) -> bool {
        let will = |one: &Server| {
            one.queued > 0 && self.store_rests.is_none() && !one.gate.is_shut(now.mono)
        };
        self.servers.iter().any(|one| one.asking > 0 || will(one))
    }

    fn next_batch(&mut self, fresh: bool) -> Vec<usize> {
        let mut batch = Vec::new();
        while batch.len() < limits::HOMES_PER_CALL {
            let queue = match fresh {
                true => &mut self.directory.strayed,
                false => &mut self.directory.waiting,
            };
            let Some(at) = queue.pop_front() else { break };
            let waits = |mailbox: &Mailbox| mailbox.seeking == Seeking::Queued(fresh);
            // The others were removed, or wait elsewhere by now.
            if self.mailboxes.get(at).and_then(Option::as_ref).is_some_and(waits)
                && !batch.contains(&at)
            {
                batch.push(at);
            }
        }
        batch
    }

    pub(super) fn homes(&mut self, now: Now, ticket: Ticket, homes: Vec<Result<Home, Fault>>) {
        if let Some(checked) = self.directory.round.answered(ticket) {
            return self.checked(now, checked, homes);
        }
        let Some(asked) = self.directory.asked.remove(&ticket) else { return };
        if asked.pauses == self.directory.gate.pauses && homes.iter().any(Result::is_ok) {
            self.directory_answered();
        }
        // Also what was said of mailboxes that were removed meanwhile.
        for fault in homes.iter().filter_map(|home| home.as_ref().err()) {
            self.directory_trouble(now, fault);
        }
        let mut homes = homes.into_iter();
        for at in asked.mailboxes {
            let home = homes.next();
            let home = home.unwrap_or_else(|| Err(Fault::retry("no answer for the mailbox")));
            let Some(mailbox) = self.mailbox(at) else { continue };
            let Seeking::Asked(own, fresh) = mailbox.seeking else { continue };
            if own != ticket {
                continue;
            }
            mailbox.seeking = Seeking::No;
            match home {
                Ok(home) => {
                    let before = self.place(at);
                    self.at_home(now, at, home, fresh);
                    self.follow(before, at);
                    if fresh && before.map(|place| place.group) == self.place(at).map(|p| p.group) {
                        self.doubt_others(at);
                    }
                }
                Err(fault) => self.homeless(now, at, fresh, fault),
            }
        }
    }

    pub(super) fn directory_answered(&mut self) {
        if self.directory.gate.answered(limits::HOMES_AT_ONCE) {
            self.out.push(Output::Note(Note::ServerWell(Side::Directory)));
        }
    }

    /// It is served there; it is read, and listened to with others of its group.
    pub(super) fn at_home(&mut self, now: Now, at: usize, home: Home, fresh: bool) {
        let server = self.server(home.server);
        let group = self.group(server, home.group);
        let zone = self.days.zone(home.zone.unwrap_or_default(), now.wall);
        let held = self.let_go(at, server);
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.lost = false;
        let queue = mailbox.queue;
        let live = held || queue == Queue::Live;
        let moves = mailbox.place.is_none_or(|place| place.group != group);
        if moves {
            self.unqueue(at);
            self.leave_stream(at);
            self.unplan(at);
            self.set_demoted(at, false);
            self.count_unheard(at, false);
            if let Some(mailbox) = self.mailbox(at) {
                mailbox.listen_pace.reset();
            }
            self.move_to(at, Some(Place { server, group, zone }));
            self.count_unheard(at, true);
            self.plan(now, at, now.mono);
        } else {
            self.move_to(at, Some(Place { server, group, zone }));
        }
        let is_new_day = self.read_new_day(now, at);
        // What happened at the old place is not to wait until its turn of the new day.
        if !is_new_day || queue != Queue::None || moves || fresh {
            self.enqueue(at, if live { Queue::Live } else { Queue::Backlog });
        }
    }

    /// Served by another server now: what it holds back would wait for a pause of the old one.
    /// True where somebody waits for it.
    fn let_go(&mut self, at: usize, server: usize) -> bool {
        let run = self.mailbox(at).and_then(|mailbox| mailbox.run.as_ref());
        let held = run.filter(|run| run.server != server && matches!(run.stage, Stage::Held(..)));
        let Some(live) = held.map(|run| run.live) else { return false };
        self.end_run(at);
        live
    }

    /// Its home is not told. The old one is kept until a new one is known.
    fn homeless(&mut self, now: Now, at: usize, fresh: bool, fault: Fault) {
        let known = self.place(at).is_some();
        let busy = matches!(fault.next, Next::BackOff { .. });
        if fault.next == Next::SignIn || (busy && !known) {
            return self.seek(at, fresh);
        }
        // A busy directory keeps nobody from being read where it was last.
        if known && (busy || !fresh) {
            if !self.read_new_day(now, at) {
                self.enqueue(at, Queue::Backlog);
            }
            return;
        }
        let Some(mailbox) = self.mailbox(at).filter(|mailbox| mailbox.run.is_none()) else {
            return;
        };
        let (limits, after) = mailbox.pace_after(now, &fault);
        // Where the directory alone fails, the old home is tried next.
        mailbox.lost = !known || fault.next == Next::Gone;
        self.unqueue(at);
        self.mailbox_failed(now, at, fault, limits, after);
    }

    /// A server that was away for long may not come back: whether one of its mailboxes is served
    /// elsewhere by now is asked from time to time.
    pub(super) fn doubt_server(&mut self, now: Now, server: usize, at: usize) {
        let Some(one) = self.servers.get_mut(server) else { return };
        let since = *one.away_since.get_or_insert(now.mono);
        if now.mono.since(since) >= limits::AWAY {
            one.away_since = Some(now.mono);
            self.seek(at, true);
        }
    }

    /// One left a server that is away: perhaps all did.
    pub(super) fn follow(&mut self, before: Option<Place>, at: usize) {
        let (Some(before), Some(place)) = (before, self.place(at)) else { return };
        let Some(left) = self.servers.get_mut(before.server) else { return };
        let away = left.gate.tries() && left.away_since.is_some();
        // Once for all who leave: each of 50,000 that looked at all the others would stop the loop.
        if before.server == place.server || !away || left.followed == left.away_since {
            return;
        }
        left.followed = left.away_since;
        for other in 0..self.mailboxes.len() {
            if self.place(other).is_some_and(|place| place.server == before.server) {
                self.seek(other, true);
            }
        }
    }
}

/// How a mailbox waits after a fault of its own.
pub(super) fn pace(fault: &Fault) -> ((Span, Span), Option<Span>) {
    match fault.next {
        Next::Gone => (limits::GONE_RETRY, None),
        Next::Denied | Next::Refused => (limits::DENIED_RETRY, None),
        Next::Retry { after } | Next::BackOff { after } => (limits::MAILBOX_RETRY, after),
        Next::Moved => (limits::MOVED_RETRY, None),
        Next::SignIn | Next::CursorLost | Next::KeyLost => (limits::MAILBOX_RETRY, None),
    }
}
