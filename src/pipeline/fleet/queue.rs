//! Who waits for a turn, and until when.

use super::{Fleet, Queue};
use crate::model::{Now, Span, Time, UserId};

impl Fleet {
    pub(super) fn ring(&mut self, user: &UserId, queue: Queue) {
        let Some(&at) = self.names.get(user) else { return };
        self.enqueue(at, queue);
    }

    pub(super) fn enqueue(&mut self, at: usize, queue: Queue) {
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
            self.enqueue(at, Queue::Backlog);
        }
    }

    /// A new day: every window is read anew, spread over some time.
    pub(super) fn roll_day(&mut self, now: Now) {
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
}
