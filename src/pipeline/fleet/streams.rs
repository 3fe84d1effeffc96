//! Streams: opened, joined, heard, left, ended.

use super::{Ear, Fleet, Note, Output, Queue, Stream, StreamId};
use crate::model::{Fault, Hint, ListenEnd, Next, Now, Time, UserId};
use crate::pipeline::limits;

impl Fleet {
    pub(super) fn listen(&mut self, group: usize, members: &[usize]) {
        self.last_stream += 1;
        let id = self.last_stream;
        let stream = Stream {
            group,
            members: members.iter().copied().collect(),
            pending: members.len(),
            opening: true,
            checked: false,
        };
        self.streams.insert(id, stream);
        if let Some(group) = self.groups.get_mut(group) {
            group.streams.insert(id);
            if let Some(server) = self.servers.get_mut(group.server) {
                server.opening += 1;
            }
        }
        let mut users: Vec<_> = members.iter().filter_map(|at| self.subscribing(*at, id)).collect();
        users.sort();
        self.out.push(Output::Listen(id, users));
    }

    pub(super) fn join(&mut self, id: StreamId, members: &[usize]) {
        for at in members {
            let Some(stream) = self.streams.get_mut(&id) else { return };
            stream.members.insert(*at);
            stream.pending += 1;
            if let Some(user) = self.subscribing(*at, id) {
                self.out.push(Output::Join(id, user));
            }
        }
    }

    fn subscribing(&mut self, at: usize, stream: StreamId) -> Option<UserId> {
        let mailbox = self.mailbox(at)?;
        mailbox.ear = Ear::Subscribing(stream);
        Some(mailbox.user.clone())
    }

    /// One that was being subscribed is through, however.
    fn settle(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.pending = stream.pending.saturating_sub(1);
        if stream.pending == 0 && std::mem::take(&mut stream.opening) {
            let group = stream.group;
            self.opened(group);
        }
    }

    fn opened(&mut self, group: usize) {
        let server = self.groups.get(group).map(|group| group.server);
        if let Some(server) = server.and_then(|server| self.servers.get_mut(server)) {
            server.opening = server.opening.saturating_sub(1);
        }
    }

    /// The stream is no more; who was in it, and its group.
    fn drop_stream(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        if let Some(group) = self.groups.get_mut(stream.group) {
            group.streams.remove(&id);
        }
        if stream.opening {
            self.opened(stream.group);
        }
        Some(stream)
    }

    /// Whether a mailbox of the stream is listened to.
    pub(super) fn is_heard(&self, id: StreamId) -> bool {
        let heard = |at: &usize| {
            let mailbox = self.mailboxes.get(*at).and_then(Option::as_ref);
            mailbox.is_some_and(|mailbox| matches!(mailbox.ear, Ear::Heard(..)))
        };
        self.streams.get(&id).is_some_and(|stream| stream.members.iter().any(heard))
    }

    pub(super) fn hint(&mut self, now: Now, id: StreamId, hint: Hint) {
        let (Hint::Listening(user) | Hint::Changed(user) | Hint::Refused(user, _)) = &hint;
        let Some(&at) = self.names.get(user) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        // One that was refused by this stream, or left it, is not in it any more.
        if !stream.members.contains(&at) {
            return;
        }
        let group = stream.group;
        match hint {
            Hint::Changed(_) => {
                self.tally.events += 1;
                if let Some(mailbox) = self.mailbox(at) {
                    (mailbox.rung, mailbox.unrung) = (true, 0);
                    mailbox.seen.event = now.wall;
                    if mailbox.seen.rung == Time::default() {
                        mailbox.seen.rung = now.mono;
                    }
                }
                self.enqueue(at, Queue::Live);
            }
            Hint::Listening(user) => {
                let Some(mailbox) = self.mailbox(at) else { return };
                if matches!(mailbox.ear, Ear::Subscribing(_)) {
                    mailbox.ear = Ear::Heard(id, now.mono);
                    // What happened before could not ring.
                    (mailbox.rung, mailbox.unrung) = (true, 0);
                    self.count_heard(at, true);
                    self.set_demoted(at, false);
                    self.settle(id);
                    self.group_heard(now, group);
                    self.out.push(Output::Note(Note::Listening(user)));
                }
                self.enqueue(at, Queue::Backlog);
            }
            Hint::Refused(_, fault) => {
                // Why shows when it is polled; the stream goes on with the others.
                stream.members.remove(&at);
                let server = self.groups.get(group).map(|group| group.server);
                if let Some(server) = server {
                    self.server_trouble(now, server, &fault);
                }
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.refused_by = (fault.next == Next::Moved).then_some(id);
                }
                self.listen_failed(now, at, &fault);
            }
        }
    }

    /// One was refused as served elsewhere, and the directory says it is not: then those who lead
    /// its stream may be.
    pub(super) fn doubt_others(&mut self, at: usize) {
        let id = self.mailbox(at).and_then(|mailbox| mailbox.refused_by.take());
        let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) else { return };
        if std::mem::replace(&mut stream.checked, true) {
            return;
        }
        for member in stream.members.clone() {
            self.seek(member, true);
        }
    }

    pub(super) fn ended(&mut self, now: Now, id: StreamId, end: ListenEnd) {
        let proven = self.is_proven(now, id);
        let Some(stream) = self.drop_stream(id) else { return };
        let fault = match end {
            ListenEnd::Failed(fault) => fault,
            ListenEnd::RollOver | ListenEnd::Stopped => {
                if stream.members.len() < limits::GROUP_MEMBERS {
                    self.merge(now, stream.group, stream.members.len());
                }
                for at in stream.members {
                    self.unhear(now, at);
                    self.plan(now, at, now.mono);
                }
                return;
            }
        };
        // Where each of them was refused alone, there is nobody left to tell of.
        if !stream.members.is_empty() {
            let note = Note::StreamFailed(fault.clone(), stream.members.len());
            self.out.push(Output::Note(note));
        }
        let group = stream.group;
        if let Some(server) = self.groups.get(group).map(|group| group.server) {
            self.server_trouble(now, server, &fault);
        }
        if proven && let Some(group) = self.groups.get_mut(group) {
            group.pace.reset();
        }
        if self.works(group) {
            // Streams of the group work, but not with these: they are told apart.
            for at in stream.members {
                self.listen_failed(now, at, &fault);
            }
            return;
        }
        if fault.next != Next::SignIn {
            self.group_failed(now, group, &fault);
        }
        let mut first = true;
        for at in stream.members {
            self.unhear(now, at);
            self.plan(now, at, now.mono);
            if fault.next == Next::Moved {
                self.seek(at, true);
            } else if matches!(fault.next, Next::BackOff { .. }) && std::mem::take(&mut first) {
                // It tries whether the server is back, before any stream.
                self.enqueue(at, Queue::Backlog);
            }
        }
    }

    /// A stream that stood so long was a good one.
    fn is_proven(&self, now: Now, id: StreamId) -> bool {
        let proven = |at: &usize| match self.mailboxes.get(*at).and_then(Option::as_ref)?.ear {
            Ear::Heard(_, since) => Some(now.mono.since(since) >= limits::LISTEN_PROVEN),
            _ => None,
        };
        let members = self.streams.get(&id).map(|stream| &stream.members);
        members.is_some_and(|members| members.iter().any(|at| proven(at) == Some(true)))
    }

    /// This mailbox cannot be listened to for now.
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
        let dice = &mut self.dice;
        let mut until = mailbox.listen_pace.fail(now.mono, limits::LISTEN_RETRY, after, dice);
        let demoted = mailbox.listen_pace.failures() >= limits::LISTEN_FAILURES;
        if demoted {
            until = until.max(now.mono + self.dice.jitter(limits::QUIET));
            let wait = until.since(now.mono);
            let note = Note::Demoted(mailbox.user.clone(), fault.clone(), wait);
            if !mailbox.demoted {
                self.out.push(Output::Note(note));
            }
        }
        self.unhear(now, at);
        self.set_demoted(at, demoted);
        self.plan(now, at, until);
        if fault.next == Next::Moved {
            self.seek(at, true);
        }
    }

    pub(super) fn set_demoted(&mut self, at: usize, demoted: bool) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let before = std::mem::replace(&mut mailbox.demoted, demoted);
        self.demoted = self.demoted + usize::from(demoted) - usize::from(before);
    }

    fn count_heard(&mut self, at: usize, heard: bool) {
        self.heard = if heard { self.heard + 1 } else { self.heard - 1 };
        self.look_over(at);
        self.count_unheard(at, !heard);
    }

    /// At the server where it is now.
    pub(super) fn count_unheard(&mut self, at: usize, unheard: bool) {
        let Some(place) = self.place(at) else { return };
        let Some(server) = self.servers.get_mut(place.server) else { return };
        server.unheard = match unheard {
            true => server.unheard + 1,
            false => server.unheard.saturating_sub(1),
        };
    }

    /// It is polled from now on, if nothing else comes first.
    fn unhear(&mut self, now: Now, at: usize) {
        let Some(mailbox) = self.mailbox(at) else { return };
        match std::mem::replace(&mut mailbox.ear, Ear::Unheard) {
            Ear::Heard(..) => self.count_heard(at, false),
            Ear::Subscribing(id) => self.settle(id),
            Ear::Unheard => {}
        }
        let poll = self.poll(at);
        let Some(mailbox) = self.mailbox(at) else { return };
        let idle = mailbox.run.is_none() && mailbox.queue == Queue::None && mailbox.timer.is_none();
        if idle && mailbox.place.is_some() {
            self.set_timer(at, Some(now.mono + poll));
        }
    }

    /// Closes a stream; its mailboxes are planned anew at once.
    pub(super) fn hush(&mut self, now: Now, id: StreamId) {
        let Some(stream) = self.drop_stream(id) else { return };
        self.out.push(Output::Hush(id));
        for at in stream.members {
            self.unhear(now, at);
            self.plan(now, at, now.mono);
        }
    }

    /// The stream goes on without it; the last one closes it.
    pub(super) fn leave_stream(&mut self, at: usize) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let id = match std::mem::replace(&mut mailbox.ear, Ear::Unheard) {
            Ear::Unheard => return,
            Ear::Heard(id, _) => {
                self.count_heard(at, false);
                id
            }
            Ear::Subscribing(id) => {
                self.settle(id);
                id
            }
        };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.members.remove(&at);
        if !stream.members.is_empty() {
            return self.out.push(Output::Leave(id, user));
        }
        self.drop_stream(id);
        self.out.push(Output::Hush(id));
    }
}
