//! Streams: planned, heard, ended.

use std::collections::BTreeMap;

use super::{Ear, Fleet, Note, Output, Queue, StreamId};
use crate::model::{Fault, GroupKey, Hint, ListenEnd, Next, Now, Span, Time};
use crate::pipeline::limits;

impl Fleet {
    pub(super) fn plan(&mut self, at: usize, when: Time) {
        self.unplan(at);
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        mailbox.planned = Some(when);
        self.planned.insert((when, at));
    }

    pub(super) fn unplan(&mut self, at: usize) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(when) = mailbox.planned.take() {
            self.planned.remove(&(when, at));
        }
    }

    pub(super) fn plan_streams(&mut self, now: Now) {
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

    pub(super) fn listen(&mut self, members: &[usize]) {
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

    pub(super) fn hint(&mut self, now: Now, stream: StreamId, hint: Hint) {
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

    pub(super) fn ended(&mut self, now: Now, stream: StreamId, end: ListenEnd) {
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

    pub(super) fn listen_failed(&mut self, now: Now, at: usize, fault: &Fault) {
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

    pub(super) fn unhear(&mut self, now: Now, at: usize, wait: Span) {
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
