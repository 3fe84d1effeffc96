//! Groups: who waits for a stream, which streams there are, and whether streaming works at all.
//!
//! Newcomers gather, longer while many more are on their way. Two hundred open a stream of their
//! own; fewer join a small stream of their group, or open one. Small streams are merged from time
//! to time, so that mailboxes activated one by one do not end in thousands of streams. A group
//! whose streams fail again and again is demoted: all are polled, and after a quiet time one
//! mailbox tries for all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ear, Fleet, Note, Output, Place, StreamId};
use crate::model::{Fault, GroupKey, Next, Now, Time, UserId};
use crate::pipeline::limits;
use crate::pipeline::pace::Pace;

/// Mailboxes that may share streams.
#[derive(Debug)]
pub(super) struct Group {
    key: GroupKey,
    pub(super) server: usize,
    /// How many there are.
    pub(super) mailboxes: usize,
    /// Those that are to be listened to, in the order that streams are made of.
    waiting: BTreeMap<UserId, usize>,
    /// Since when somebody waits.
    since: Option<Time>,
    /// When it is looked at.
    gather_at: Option<Time>,
    /// It is in its server's list.
    is_ready: bool,
    pub(super) streams: BTreeSet<StreamId>,
    /// When small streams are merged.
    merge_at: Option<Time>,
    pub(super) pace: Pace,
    /// No stream is opened before this.
    rests_until: Option<Time>,
    demoted: bool,
}

impl Group {
    pub(super) fn new(server: usize, key: GroupKey) -> Self {
        Self {
            key,
            server,
            mailboxes: 0,
            waiting: BTreeMap::new(),
            since: None,
            gather_at: None,
            is_ready: false,
            streams: BTreeSet::new(),
            merge_at: None,
            pace: Pace::default(),
            rests_until: None,
            demoted: false,
        }
    }

    /// What it is known by.
    pub(super) fn name(&self) -> (usize, GroupKey) {
        (self.server, self.key.clone())
    }
}

impl Fleet {
    /// It is to be listened to, from that time on; once it may be read, where it may not.
    pub(super) fn plan(&mut self, now: Now, at: usize, when: Time) {
        self.unplan(at);
        if self.is_shut(at) {
            return;
        }
        if when <= now.mono {
            return self.wait_in_group(now, at);
        }
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        mailbox.planned = Some(when);
        self.planned.insert((when, at));
    }

    /// It may be read, perhaps again: then it is listened to like the others.
    pub(super) fn plan_again(&mut self, now: Now, at: usize) {
        let Some(mailbox) = self.mailboxes.get(at).and_then(Option::as_ref) else { return };
        let waits = |place: Place| {
            let group = self.groups.get(place.group);
            group.is_some_and(|group| group.waiting.contains_key(&mailbox.user))
        };
        let planned = mailbox.planned.is_some() || mailbox.place.is_none_or(waits);
        if matches!(mailbox.ear, Ear::Unheard) && !planned {
            self.plan(now, at, now.mono);
        }
    }

    pub(super) fn unplan(&mut self, at: usize) {
        let Some(mailbox) = self.mailboxes.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(when) = mailbox.planned.take() {
            self.planned.remove(&(when, at));
        }
        if let Some(place) = mailbox.place
            && let Some(group) = self.groups.get_mut(place.group)
        {
            group.waiting.remove(&mailbox.user);
        }
    }

    fn wait_in_group(&mut self, now: Now, at: usize) {
        let Some(mailbox) = self.mailboxes.get(at).and_then(Option::as_ref) else { return };
        let (Some(place), Ear::Unheard) = (mailbox.place, &mailbox.ear) else { return };
        let Some(group) = self.groups.get_mut(place.group) else { return };
        group.waiting.insert(mailbox.user.clone(), at);
        group.since.get_or_insert(now.mono);
        if group.is_ready {
            return;
        }
        if let Some(until) = group.rests_until.filter(|until| now.mono < *until) {
            return self.gather(place.group, Some(until));
        }
        if group.waiting.len() >= limits::GROUP_MEMBERS && !group.demoted {
            self.gather(place.group, None);
            return self.make_ready(place.group);
        }
        if group.gather_at.is_none() {
            self.gather(place.group, Some(now.mono + limits::GATHER));
        }
    }

    pub(super) fn gather(&mut self, at: usize, when: Option<Time>) {
        let Some(group) = self.groups.get_mut(at) else { return };
        // The time of a merge may be the same.
        if let Some(old) = std::mem::replace(&mut group.gather_at, when)
            && group.merge_at != Some(old)
        {
            self.gathering.remove(&(old, at));
        }
        self.gathering.extend(when.map(|when| (when, at)));
    }

    fn merge_later(&mut self, at: usize, when: Option<Time>) {
        let Some(group) = self.groups.get_mut(at) else { return };
        if let Some(old) = std::mem::replace(&mut group.merge_at, when)
            && group.gather_at != Some(old)
        {
            self.gathering.remove(&(old, at));
        }
        self.gathering.extend(when.map(|when| (when, at)));
    }

    fn make_ready(&mut self, at: usize) {
        let Some(group) = self.groups.get_mut(at) else { return };
        if group.is_ready || group.waiting.is_empty() {
            return;
        }
        group.is_ready = true;
        if let Some(server) = self.servers.get_mut(group.server) {
            server.ready.push_back(at);
        }
    }

    /// Opens what is due, a few streams of a server at a time.
    pub(super) fn plan_streams(&mut self, now: Now) {
        while let Some(&(when, at)) = self.planned.first()
            && when <= now.mono
        {
            self.unplan(at);
            self.wait_in_group(now, at);
        }
        while let Some(&(when, at)) = self.gathering.first()
            && when <= now.mono
        {
            self.gathering.remove(&(when, at));
            self.gathered(now, at, when);
        }
        if self.account.is_shut(now.mono) || self.account.tries() {
            return;
        }
        for server in 0..self.servers.len() {
            while let Some(one) = self.servers.get_mut(server)
                // While one tries whether the server is back, streams would be more than one.
                && !one.gate.is_shut(now.mono)
                && !one.gate.tries()
                && one.opening < limits::STREAMS_OPENING
                && let Some(group) = one.ready.pop_front()
            {
                self.open(now, group);
            }
        }
    }

    /// The time of a group has come.
    fn gathered(&mut self, now: Now, at: usize, when: Time) {
        let busy = self.directory.is_busy();
        let Some(group) = self.groups.get_mut(at) else { return };
        if group.merge_at == Some(when) {
            group.merge_at = None;
            self.merge(now, at, 0);
        }
        let Some(group) = self.groups.get_mut(at) else { return };
        if group.gather_at != Some(when) {
            return;
        }
        group.gather_at = None;
        if let Some(until) = group.rests_until.filter(|until| now.mono < *until) {
            return self.gather(at, Some(until));
        }
        let waited = group.since.is_none_or(|since| now.mono.since(since) >= limits::GATHER_MOST);
        if group.demoted {
            if self.works(at) {
                self.promote(at);
            }
        } else if busy && !waited && group.waiting.len() < limits::GROUP_MEMBERS {
            return self.gather(at, Some(now.mono + limits::GATHER));
        }
        self.make_ready(at);
    }

    /// Whether a stream of the group is listened to.
    pub(super) fn works(&self, at: usize) -> bool {
        let streams = self.groups.get(at).map(|group| &group.streams);
        let heard = |stream: &StreamId| self.is_heard(*stream);
        streams.is_some_and(|streams| streams.iter().any(heard))
    }

    /// Makes a stream of those who wait, or lets them join one.
    fn open(&mut self, now: Now, at: usize) {
        let Some(group) = self.groups.get_mut(at) else { return };
        if !std::mem::take(&mut group.is_ready) {
            return;
        }
        if group.rests_until.is_some_and(|until| now.mono < until) {
            return;
        }
        let mut members = Vec::new();
        if group.demoted {
            // One tries for all, by chance, so that it is not always the same bad one.
            let nth = self.dice.below(group.waiting.len() as u64);
            let user = group.waiting.keys().nth(usize::try_from(nth).unwrap_or(0)).cloned();
            members.extend(user.and_then(|user| group.waiting.remove(&user)));
        } else {
            while members.len() < limits::GROUP_MEMBERS
                && let Some((_, member)) = group.waiting.pop_first()
            {
                members.push(member);
            }
        }
        let (demoted, rest) = (group.demoted, group.waiting.len());
        group.since = (rest > 0).then_some(now.mono);
        if members.is_empty() {
            return;
        }
        match self.small_stream(at, members.len()).filter(|_| !demoted) {
            Some(stream) => self.join(stream, &members),
            None => self.listen(at, &members),
        }
        if !demoted && rest >= limits::GROUP_MEMBERS {
            self.make_ready(at);
        } else if !demoted && rest > 0 {
            self.gather(at, Some(now.mono + limits::GATHER));
        } else if rest > 0 {
            // The one that tries may leave, and then nothing else would wake the others.
            let when = now.mono + self.dice.jitter(limits::QUIET);
            self.gather(at, Some(when));
        }
        let small = self.small_streams(at).len() > 1;
        if small && self.groups.get(at).is_some_and(|group| group.merge_at.is_none()) {
            let when = now.mono + self.dice.jitter(limits::MERGE);
            self.merge_later(at, Some(when));
        }
    }

    /// A stream that so many more may join: its others are read once more for it.
    fn small_stream(&self, at: usize, more: usize) -> Option<StreamId> {
        let fits = |(size, _): &(usize, StreamId)| {
            *size < limits::JOIN_BELOW && size + more <= limits::GROUP_MEMBERS
        };
        self.small_streams(at).into_iter().find(fits).map(|(_, stream)| stream)
    }

    /// Streams with room, the smallest first.
    fn small_streams(&self, at: usize) -> Vec<(usize, StreamId)> {
        let Some(group) = self.groups.get(at) else { return Vec::new() };
        let size = |id: &StreamId| {
            let stream = self.streams.get(id).filter(|stream| !stream.opening)?;
            let room = stream.members.len() < limits::GROUP_MEMBERS;
            room.then_some((stream.members.len(), *id))
        };
        let mut small: Vec<_> = group.streams.iter().filter_map(size).collect();
        small.sort_unstable();
        small
    }

    /// Closes small streams that fit into one, beside `more` who wait already; they are opened
    /// as one.
    pub(super) fn merge(&mut self, now: Now, at: usize, more: usize) {
        let mut small = self.small_streams(at).into_iter().peekable();
        let mut size = more;
        while small.peek().is_some() {
            let mut fit = Vec::new();
            while let Some((_, stream)) =
                small.next_if(|(own, _)| size + own <= limits::GROUP_MEMBERS)
            {
                size += self.streams.get(&stream).map_or(0, |stream| stream.members.len());
                fit.push(stream);
            }
            if fit.len() + usize::from(more > 0 && size > more) < 2 {
                return;
            }
            for stream in fit {
                self.hush(now, stream);
            }
            size = 0;
        }
    }

    /// The streams of a group do not work.
    pub(super) fn group_failed(&mut self, now: Now, at: usize, fault: &Fault) {
        let after = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after,
            _ => None,
        };
        let Some(group) = self.groups.get_mut(at) else { return };
        let mut until = group.pace.fail(now.mono, limits::LISTEN_RETRY, after, &mut self.dice);
        if group.pace.failures() >= limits::LISTEN_FAILURES {
            until = until.max(now.mono + self.dice.jitter(limits::QUIET));
            let wait = until.since(now.mono);
            if !std::mem::replace(&mut group.demoted, true) {
                self.demoted += 1;
                self.out.push(Output::Note(Note::GroupDemoted(at, fault.clone(), wait)));
            }
        }
        group.rests_until = Some(until);
        self.gather(at, Some(until));
    }

    /// A stream of the group stood for long enough, or stands.
    fn promote(&mut self, at: usize) {
        let Some(group) = self.groups.get_mut(at) else { return };
        group.pace.reset();
        if std::mem::take(&mut group.demoted) {
            self.demoted -= 1;
            self.out.push(Output::Note(Note::GroupPromoted(at)));
        }
    }

    /// It is nobody's any more.
    pub(super) fn disband(&mut self, at: usize) {
        self.gather(at, None);
        self.merge_later(at, None);
        let demoted = self.groups.get_mut(at).map(|group| std::mem::take(&mut group.demoted));
        if demoted == Some(true) {
            self.demoted -= 1;
            self.out.push(Output::Note(Note::GroupLeft(at)));
        }
    }

    /// A stream of the group was heard: where one tried for all, the others follow once it has
    /// stood for a while.
    pub(super) fn group_heard(&mut self, now: Now, at: usize) {
        if self.groups.get(at).is_some_and(|group| group.demoted) {
            self.gather(at, Some(now.mono + limits::GROUP_TRIAL));
        }
    }
}
