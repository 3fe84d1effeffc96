//! The streams: their machines, and what a calm server says to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::calendar::ews::subscription::{Group, Input as Word, Output as Want};
use calway::model::{Fault, Hint, ListenEnd, Span, Time, UserId};
use calway::pipeline::fleet::{Input, StreamId};

use super::calls::{Errand, Sent};
use super::turns::Needs;
use super::{ANSWER, Event, Seat, Town, target};

/// A stream is opened anew so often; 7 to 9 minutes.
const ROLL: Span = Span::from_secs(8 * 60);
/// Subscriptions live over so many openings.
const OPENINGS: u64 = 40;
const HEARTBEAT: Span = Span::from_secs(45);
const SILENCE: Span = Span::from_secs(90);

/// A stream that is listened to.
pub struct Listening {
    group: Group,
    seat: Seat,
    /// The request that it came with, and whether that has gone.
    call: Option<(u64, bool)>,
    pub ids: BTreeMap<String, UserId>,
    due: Time,
}

impl Listening {
    pub fn is_open(&self) -> bool {
        self.call.is_some_and(|(_, gone)| gone)
    }
}

impl Town {
    pub(super) fn listen(&mut self, id: StreamId, users: &[UserId]) {
        let targets: Vec<_> = users.iter().map(target).collect();
        let known = targets.first().map(|first| self.directory.known(&first.address));
        let seat = known.and_then(Result::ok).unwrap_or_default();
        let group = Group::new(self.now.mono, targets, ROLL.times(OPENINGS), SILENCE);
        let group = group.rolling(ROLL);
        let (ids, due) = (BTreeMap::new(), Time::default());
        self.streams.insert(id, Listening { group, seat, call: None, ids, due });
        self.obey(id);
    }

    pub(super) fn word(&mut self, id: StreamId, word: Word) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.group.on(self.now.mono, word);
            self.obey(id);
        }
    }

    fn obey(&mut self, id: StreamId) {
        self.carry_out_of(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            self.deadlines.remove(&(stream.due, id));
            stream.due = stream.group.deadline();
            self.deadlines.insert((stream.due, id));
        }
    }

    /// Carries out what a stream's machine wants.
    fn carry_out_of(&mut self, id: StreamId) {
        while let Some(stream) = self.streams.get_mut(&id) {
            let Some(want) = stream.group.poll() else { return };
            let seat = stream.seat;
            let whose = |at| stream.group.target(at).map(|target| target.user.clone());
            match want {
                Want::Subscribe(member) => {
                    let needs = Needs { whose: whose(member), aside: true, stream: false };
                    let (what, errand) = ("Subscribe", Errand::Subscribe(id, member));
                    self.send(Sent { what, seat, needs, errand });
                }
                Want::GiveBack { member, .. } => {
                    let needs = Needs { whose: whose(member), aside: true, stream: false };
                    let (what, errand) = ("Unsubscribe", Errand::GiveBack(id));
                    self.send(Sent { what, seat, needs, errand });
                }
                Want::Open(ids) => {
                    let whose = stream.group.anchor().map(|target| target.user.clone());
                    let needs = Needs { whose, aside: true, stream: true };
                    let (what, errand) = ("GetStreamingEvents", Errand::Open(id, ids));
                    let call = self.send(Sent { what, seat, needs, errand });
                    let gone = !self.waiting.contains_key(&call);
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.call = Some((call, gone));
                    }
                }
                Want::Close => self.close(id),
                Want::Tell(hint) => {
                    if let Hint::Listening(user) = &hint {
                        self.heard.insert(user.clone(), self.now.mono);
                    }
                    self.at(Span::from_ms(0), Event::Fleet(Input::Hint(id, hint)));
                }
                Want::End(end) => return self.end(id, end),
            }
        }
    }

    fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let (seat, call) = (stream.seat, stream.call.take());
        if let Some((call, _)) = call {
            self.leave(seat, call);
        }
    }

    fn end(&mut self, id: StreamId, end: ListenEnd) {
        self.close(id);
        if let Some(stream) = self.streams.remove(&id) {
            self.deadlines.remove(&(stream.due, id));
        }
        self.at(Span::from_ms(0), Event::Fleet(Input::Ended(id, end)));
    }

    pub(super) fn subscribed(&mut self, id: StreamId, member: usize) -> Event {
        self.serial += 1;
        let name = format!("s{}", self.serial);
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some(target) = stream.group.target(member)
        {
            stream.ids.insert(name.clone(), target.user.clone());
        }
        Event::Stream(id, Word::Subscribed { member, result: Ok((name, None)) })
    }

    /// The request for a stream has gone.
    pub(super) fn open(&mut self, id: StreamId, call: u64, ids: &[Arc<str>]) {
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some((own, gone)) = &mut stream.call
            && *own == call
        {
            *gone = true;
        }
        let bad = ids.iter().filter(|id| self.lost.contains(id.as_ref()));
        let bad: Vec<_> = bad.map(ToString::to_string).collect();
        if bad.is_empty() {
            return self.at(ANSWER, Event::Opened(id, call));
        }
        let fault = Fault::retry("ErrorSubscriptionNotFound");
        let lacks = StreamEvent::Error { fault, ids: bad };
        self.at(ANSWER, Event::Stream(id, Word::Events(vec![lacks])));
    }

    pub(super) fn opened(&mut self, id: StreamId, call: u64) {
        if !self.is_open(id, call) {
            return;
        }
        if !self.streaming {
            self.close(id);
            return self.word(id, Word::Broke(Fault::retry("HTTP 500")));
        }
        self.word(id, Word::Events(vec![StreamEvent::Opened]));
        self.at(HEARTBEAT, Event::Beat(id, call));
    }

    pub(super) fn beat(&mut self, id: StreamId, call: u64) {
        if self.is_open(id, call) {
            self.word(id, Word::Events(vec![StreamEvent::Heartbeat]));
            self.at(HEARTBEAT, Event::Beat(id, call));
        }
    }

    fn is_open(&self, id: StreamId, call: u64) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.call == Some((call, true)))
    }

    /// Every connection of a stream is reset at once.
    pub fn drop_streams(&mut self) {
        let open = self.streams.iter().filter(|(_, stream)| stream.is_open());
        let open: Vec<_> = open.map(|(id, _)| *id).collect();
        for id in open {
            self.close(id);
            self.word(id, Word::Broke(Fault::retry("connection reset")));
        }
    }

    /// Streams that are open or being opened.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }
}
