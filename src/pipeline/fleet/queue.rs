//! Who waits for a turn, and until when.

use super::directory::Seeking;
use super::{Fleet, Queue};
use crate::model::{Now, Time, UserId};
use crate::pipeline::limits;

/// So many answers may have come before an older one.
const OVERTAKEN: usize = limits::HOMES_PER_CALL * limits::HOMES_AT_ONCE;

impl Fleet {
    pub(super) fn ring(&mut self, user: &UserId, queue: Queue) {
        let Some(&at) = self.names.get(user) else { return };
        self.enqueue(at, queue);
    }

    pub(super) fn enqueue(&mut self, at: usize, queue: Queue) {
        let Some(mailbox) = self.mailbox(at) else { return };
        if mailbox.run.is_some() {
            // Who only was to be read as well does not go before those who were rung for.
            if mailbox.again != Queue::Live {
                mailbox.again = queue;
            }
            return;
        }
        if mailbox.pace.failures() > 0 && mailbox.timer.is_some() {
            // It waits for its own retry; the doorbell does not shorten that.
            return;
        }
        // Whoever has no home, or not the old one any more, is read as soon as it is known.
        let moves = matches!(mailbox.seeking, Seeking::Queued(true) | Seeking::Asked(_, true));
        let Some(place) = mailbox.place.filter(|_| !moves) else { return };
        match (mailbox.queue, queue) {
            (Queue::Live, _) | (Queue::Backlog, Queue::Backlog | Queue::None) => return,
            // Its place in the backlog is passed over when reached.
            (Queue::Backlog, Queue::Live) => mailbox.queue = Queue::Live,
            (Queue::None, queue) => {
                mailbox.queue = if queue == Queue::Live { queue } else { Queue::Backlog };
                self.census.queued += 1;
                self.servers[place.server].queued += 1;
            }
        }
        self.set_timer(at, None);
        let server = &mut self.servers[place.server];
        match queue {
            Queue::Live => server.live.push_back(at),
            Queue::Backlog | Queue::None => self.line_up(at, place.server),
        }
        self.sweep(place.server);
    }

    /// At the end of the backlog; at a start not behind those who are less likely to need it, and
    /// whose home was only told sooner.
    fn line_up(&mut self, at: usize, server: usize) {
        let begins = |at: usize| {
            let mailbox = self.mailboxes.get(at).and_then(Option::as_ref);
            mailbox.is_some_and(|mailbox| !mailbox.relayed)
        };
        let Some(one) = self.servers.get(server) else { return };
        let behind = match begins(at) {
            true => {
                let last = one.backlog.iter().rev().take(OVERTAKEN);
                last.take_while(|other| **other > at && begins(**other)).count()
            }
            false => 0,
        };
        let Some(one) = self.servers.get_mut(server) else { return };
        one.backlog.insert(one.backlog.len().saturating_sub(behind), at);
    }

    /// It waits no more; what it leaves behind in a queue is passed over.
    pub(super) fn unqueue(&mut self, at: usize) {
        let Some(mailbox) = self.mailbox(at) else { return };
        if std::mem::replace(&mut mailbox.queue, Queue::None) == Queue::None {
            return;
        }
        if let Some(place) = mailbox.place {
            self.census.queued -= 1;
            self.servers[place.server].queued -= 1;
        }
    }

    /// Drops what was left behind once it is more than what counts.
    fn sweep(&mut self, server: usize) {
        let Some(one) = self.servers.get_mut(server) else { return };
        if one.live.len() + one.backlog.len() <= 2 * one.queued + 64 {
            return;
        }
        let (mut live, mut backlog) =
            (std::mem::take(&mut one.live), std::mem::take(&mut one.backlog));
        live.retain(|at| self.is_queued(*at, server, Queue::Live));
        backlog.retain(|at| self.is_queued(*at, server, Queue::Backlog));
        if let Some(one) = self.servers.get_mut(server) {
            (one.live, one.backlog) = (live, backlog);
        }
    }

    pub(super) fn is_queued(&self, at: usize, server: usize, queue: Queue) -> bool {
        let mailbox = self.mailboxes.get(at).and_then(Option::as_ref);
        mailbox.is_some_and(|mailbox| {
            mailbox.queue == queue && mailbox.place.is_some_and(|place| place.server == server)
        })
    }

    pub(super) fn set_timer(&mut self, at: usize, time: Option<Time>) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(old) = mailbox.timer.take() {
            self.timers.remove(&(old, at));
        }
        if let Some(time) = time {
            mailbox.timer = Some(time);
            self.timers.insert((time, at));
        }
    }

    pub(super) fn fire_timers(&mut self, now: Now) {
        while let Some(&(time, at)) = self.timers.first() {
            if time > now.mono {
                break;
            }
            self.set_timer(at, None);
            let lost = self.mailbox(at).is_some_and(|mailbox| mailbox.lost);
            if lost {
                // One that never had a home may be answered from memory.
                self.seek(at, self.place(at).is_some());
            } else {
                self.enqueue(at, Queue::Backlog);
            }
        }
    }
}
