//! Moves that nobody tells: how they are noticed all the same, within 10 minutes.
//!
//! Most moves tell themselves: a stream or a reading says that the mailbox is not there. But
//! Exchange may drop a subscription in silence while the stream that carried it goes on with its
//! heartbeats. Three things notice that, none of which relies on another:
//!
//! - **The directory** is asked for every home once in [`limits::CHECK`], a hundred in a call, at
//!   even distances. Whoever has another server or group is followed at once. Whoever is not
//!   known any more is read: two have to say that it is gone, as a directory may be behind or
//!   broken. Real questions go first; a directory in trouble is let alone.
//! - **The streams** are opened anew every 7 to 9 minutes (the provider's part): the server is
//!   shown all subscriptions and names those that it does not have. Each opening has all members
//!   read, which is a proof of each mailbox, too.
//! - **What is new and was not rung for**: where such a reading finds changes, twice in a row, and
//!   the doorbell did not ring in between, the subscription is made anew though the server knows
//!   it.
//!
//! See `docs/decisions/0017-a-move-that-nobody-tells.md` for the numbers.

use std::collections::HashMap;

use super::directory::Seeking;
use super::{Ear, Fleet, Output, Place, Queue, Run, Ticket};
use crate::model::{Doubt, Fault, Home, Next, Now, Span, Time, UserId};
use crate::pipeline::limits;

/// Where the check stands: it goes round and round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The first mailbox of the next part.
    next: usize,
    /// When it is due.
    due: Option<Time>,
    /// Parts that are on their way.
    asked: HashMap<Ticket, Part>,
}

/// Mailboxes that are checked with one call; a place may be another's by the time of the answer.
#[derive(Debug)]
pub(super) struct Part {
    mailboxes: Vec<(usize, UserId)>,
    /// How many pauses of the directory had begun.
    pauses: u64,
}

impl Round {
    /// Calls that are on their way.
    pub(super) fn asking(&self) -> usize {
        self.asked.len()
    }

    /// These are asked for in earnest: what is said of them to an earlier check is old by then.
    pub(super) fn overtaken(&mut self, mailboxes: &[usize]) {
        let parts = self.asked.values_mut().flat_map(|part| &mut part.mailboxes);
        for (at, _) in parts.filter(|(at, _)| mailboxes.contains(at)) {
            *at = usize::MAX;
        }
    }

    /// The part that this is the answer to.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Part> {
        self.asked.remove(&ticket)
    }
}

impl Fleet {
    /// When the next part of the check is due, unless it has to wait for something else.
    pub(super) fn check_due(&self, now: Now) -> Option<Time> {
        self.directory.round.due.filter(|_| self.may_check(now))
    }

    fn may_check(&self, now: Now) -> bool {
        let directory = &self.directory;
        let account_rests = self.account.is_shut(now.mono) || self.account.tries();
        let directory_rests = directory.gate.is_shut(now.mono) || directory.gate.tries();
        let most = directory.gate.allows(now.mono, limits::HOMES_AT_ONCE);
        !account_rests
            && !directory_rests
            && !directory.is_wanted()
            && directory.asking() < most
            && directory.round.asking() < limits::CHECKS_AT_ONCE
    }

    /// Asks for the homes of those whose turn it is.
    pub(super) fn check_homes(&mut self, now: Now) {
        let parts = self.mailboxes.len().div_ceil(limits::HOMES_PER_CALL).max(1);
        let each = Span::from_ms((limits::CHECK.as_ms() / parts as u64).max(1));
        let mut due = self.directory.round.due.unwrap_or(now.mono + each);
        while due <= now.mono && self.may_check(now) {
            // It hurries a little where it is late, but asks for nobody twice for that.
            due = (due + each).max(now.mono + each - limits::CHECK_LATE);
            self.check_part();
        }
        // Where mailboxes came the parts are nearer to each other.
        self.directory.round.due = Some(due.min(now.mono + each));
    }

    fn check_part(&mut self) {
        let from = self.directory.round.next;
        let to = (from + limits::HOMES_PER_CALL).min(self.mailboxes.len());
        self.directory.round.next = if to < self.mailboxes.len() { to } else { 0 };
        let mut mailboxes = Vec::new();
        for (at, mailbox) in self.mailboxes.iter().enumerate().take(to).skip(from) {
            let Some(mailbox) = mailbox else { continue };
            // The others are being sought, or will be.
            if mailbox.place.is_some() && mailbox.seeking == Seeking::No && !mailbox.lost {
                mailboxes.push((at, mailbox.user.clone()));
            }
        }
        if mailboxes.is_empty() {
            return;
        }
        self.last_ticket += 1;
        let users = mailboxes.iter().map(|(_, user)| user.clone()).collect();
        self.out.push(Output::Homes(self.last_ticket, users, Doubt::Routine));
        let part = Part { mailboxes, pauses: self.directory.gate.pauses };
        self.directory.round.asked.insert(self.last_ticket, part);
    }

    /// What the directory says of a part.
    pub(super) fn checked(&mut self, now: Now, part: Part, homes: Vec<Result<Home, Fault>>) {
        if part.pauses == self.directory.gate.pauses && homes.iter().any(Result::is_ok) {
            self.directory_answered();
        }
        for fault in homes.iter().filter_map(|home| home.as_ref().err()) {
            self.directory_trouble(now, fault);
        }
        for ((at, user), home) in part.mailboxes.into_iter().zip(homes) {
            let same = |mailbox: &&mut super::Mailbox| mailbox.user == user;
            let Some(mailbox) = self.mailbox(at).filter(same) else { continue };
            // Somebody asks whose answer counts more.
            if mailbox.seeking != Seeking::No || mailbox.lost {
                continue;
            }
            match home {
                Ok(home) => self.confirmed(now, at, home),
                Err(fault) if fault.next == Next::Gone => self.unknown(at),
                // As good as before.
                Err(_) => {}
            }
        }
    }

    fn confirmed(&mut self, now: Now, at: usize, home: Home) {
        let server = self.server(home.server.clone());
        let group = self.group(server, home.group.clone());
        let zone = self.days.zone(home.zone.unwrap_or_default(), now.wall);
        let before = self.place(at);
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.missed = false;
        if before.is_none_or(|place| place.group != group) {
            // Whatever it waits for at the old place is over.
            self.set_timer(at, None);
            self.at_home(now, at, home, true);
            return self.follow(before, at);
        }
        if before.is_some_and(|place| place.zone != zone) {
            self.move_to(at, Some(Place { server, group, zone }));
            // Its day may be another one there.
            self.enqueue(at, Queue::Backlog);
        }
    }

    /// The directory does not know it. A server that reads it knows better.
    fn unknown(&mut self, at: usize) {
        let Some(mailbox) = self.mailbox(at) else { return };
        if mailbox.pace.failures() > 0 {
            return self.seek(at, true);
        }
        mailbox.missed = true;
        self.enqueue(at, Queue::Backlog);
    }

    /// One that was read: whether what was new had rung. If not, again and again, it is subscribed
    /// anew.
    pub(super) fn is_deaf(&mut self, at: usize, run: &Run) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let heard = matches!(mailbox.ear, Ear::Heard(..));
        if !heard || !run.found || run.rung || mailbox.rung {
            return;
        }
        mailbox.unrung += 1;
        if mailbox.unrung >= limits::UNRUNG {
            // It is planned anew at once.
            self.leave_stream(at);
        }
    }
}
