//! The streams of the fleet: their machines, the calls that they want, and what comes of them.

use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::StreamEvent;
use calway::calendar::ews::subscription::{Group, Input as Word, Output as Want};
use calway::model::{Fault, ListenEnd, Next, Span, UserId};
use calway::pipeline::fleet::{Input, StreamId};

use super::super::play::Held;
use super::super::streams::server::Opening;
use super::play::{Event as Happens, PLACES, Play, address, target};
use super::watch::Kind;

/// A call that is not answered is given up after this.
const HANGS: Span = Span::from_secs(100);
const SILENCE: Span = Span::from_secs(90);
/// Outputs at one instant that nothing but a busy loop needs.
const AT_ONCE: usize = 4_000;

/// A stream of the fleet.
pub struct Listening {
    pub group: Group,
    place: usize,
    /// The request that is read.
    reads: Option<u64>,
}

/// A stream that stands at a server.
pub struct Standing {
    of: StreamId,
    place: usize,
    pub ids: Vec<Arc<str>>,
    /// It says nothing any more.
    pub silent: bool,
    last_word: i64,
}

pub enum Event {
    /// A call reaches the server: member, the anchor's address, the cookie.
    Subscribe(StreamId, usize, usize, UserId, String, Option<Arc<str>>),
    GiveBack(StreamId, usize, Arc<str>),
    Open(StreamId, usize, u64, Vec<Arc<str>>),
    /// A call is answered.
    Answer(StreamId, Word),
    /// A word of this request.
    Word(StreamId, u64, Word),
    Heartbeat(StreamId, u64),
}

/// The name that the server itself knows.
fn own(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, own)| own)
}

impl Play {
    pub(super) fn listen(&mut self, id: StreamId, users: &[UserId]) -> Held {
        users.iter().try_for_each(|user| self.watch.sits(user, id))?;
        let place = users.first().and_then(|first| self.known.get(first)).copied().unwrap_or(0);
        let targets = users.iter().map(target).collect();
        let lives = if self.dice.one_in(2) { 600..2_400 } else { 9_000..20_000 };
        let life = Span::from_secs(self.dice.of(lives));
        let group = Group::new(self.now.mono, targets, life, SILENCE);
        let group = group.rolling(Span::from_secs(self.dice.of(420..540)));
        self.streams.insert(id, Listening { group, place, reads: None });
        self.obey(id)
    }

    pub(super) fn join(&mut self, id: StreamId, user: &UserId) -> Held {
        self.watch.sits(user, id)?;
        self.watch.played(Kind::Joined);
        self.word(id, Word::Join(target(user)))
    }

    pub(super) fn leave(&mut self, id: StreamId, user: UserId) -> Held {
        if !self.watch.stands_up(&user, id) {
            return Err(format!("{user} leaves stream {id}, in which it is not"));
        }
        self.word(id, Word::Leave(user))
    }

    pub(super) fn hush(&mut self, id: StreamId) -> Held {
        self.watch.dissolved(id);
        self.word(id, Word::Stop)
    }

    pub(super) fn tick_stream(&mut self, id: StreamId) -> Held {
        self.word(id, Word::Tick)?;
        match self.streams.get(&id) {
            Some(stream) if stream.group.deadline() <= self.now.mono => {
                Err("a stream wants to be woken in the past".into())
            }
            _ => Ok(()),
        }
    }

    fn word(&mut self, id: StreamId, word: Word) -> Held {
        self.say(|| format!("  {id} > {word:?}"));
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if matches!(word, Word::Broke(_)) {
            stream.reads = None;
        }
        stream.group.on(self.now.mono, word);
        self.obey(id)
    }

    /// Carries out what a stream's machine wants.
    fn obey(&mut self, id: StreamId) -> Held {
        for _ in 0..AT_ONCE {
            let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
            let Some(want) = stream.group.poll() else { return Ok(()) };
            self.want(id, want)?;
        }
        Err("a stream never stops wanting".into())
    }

    fn want(&mut self, id: StreamId, want: Want) -> Held {
        self.say(|| format!("  {id} < {want:?}"));
        let after = self.delay();
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let place = stream.place;
        match want {
            Want::Subscribe(member) => {
                let Some(user) = stream.group.target(member).map(|one| one.user.clone()) else {
                    return Err("nobody to subscribe".into());
                };
                let anchor = stream.group.anchor().map(|one| address(&one.user));
                let (anchor, cookie) = (anchor.unwrap_or_default(), stream.group.cookie());
                self.watch.asks_for(id)?;
                let call = Event::Subscribe(id, place, member, user, anchor, cookie);
                self.at(after, Happens::Ear(call));
            }
            Want::GiveBack { id: subscription, .. } => {
                self.watch.gives_back(id)?;
                self.at(after, Happens::Ear(Event::GiveBack(id, place, subscription)));
            }
            Want::Open(ids) => {
                self.serial += 1;
                let before = stream.reads.replace(self.serial);
                self.watch.opens(id, &ids, before.is_some())?;
                self.at(after, Happens::Ear(Event::Open(id, place, self.serial, ids)));
            }
            Want::Close => {
                let call = stream.reads.take();
                call.and_then(|call| self.standing.remove(&call));
            }
            Want::Tell(hint) => {
                self.at(0, Happens::Fleet(Input::Hint(id, hint)));
            }
            Want::End(end) => self.end(id, end),
        }
        Ok(())
    }

    fn end(&mut self, id: StreamId, end: ListenEnd) {
        self.streams.remove(&id);
        self.standing.retain(|_, standing| standing.of != id);
        self.watch.ended(id);
        if end == ListenEnd::RollOver && self.watch.has_seats(id) {
            self.watch.played(Kind::RolledOver);
        }
        self.at(0, Happens::Fleet(Input::Ended(id, end)));
    }

    pub(super) fn ear(&mut self, event: Event) -> Held {
        match event {
            Event::Subscribe(id, place, member, user, anchor, cookie) => {
                let mut result = self.subscribe(id, place, &user, &anchor, cookie.as_deref());
                let mut after = self.delay();
                if !self.calm && self.servers[place].bad > 0 && self.dice.one_in(50) {
                    // It hangs: what the server did, if anything, nobody learns.
                    self.watch.played(Kind::Hung);
                    after = HANGS.as_ms();
                    result = Err(Fault::retry("no answer in time"));
                }
                let answer = Event::Answer(id, Word::Subscribed { member, result });
                self.at(after, Happens::Ear(answer));
            }
            Event::GiveBack(id, place, subscription) => {
                self.servers[place].unsubscribe(own(&subscription));
                let after = self.delay();
                self.at(after, Happens::Ear(Event::Answer(id, Word::GivenBack)));
            }
            Event::Open(id, place, call, ids) => self.open(id, place, call, ids)?,
            Event::Answer(id, word) => {
                self.watch.called(id, matches!(word, Word::GivenBack));
                self.word(id, word)?;
            }
            Event::Word(id, call, word) => {
                if self.streams.get(&id).is_some_and(|stream| stream.reads == Some(call)) {
                    self.word(id, word)?;
                }
            }
            Event::Heartbeat(id, call) => {
                if self.standing.contains_key(&call) {
                    self.speak(call, StreamEvent::Heartbeat);
                    let after = self.dice.of(20_000..45_000);
                    self.at(after, Happens::Ear(Event::Heartbeat(id, call)));
                }
            }
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        id: StreamId,
        place: usize,
        user: &UserId,
        anchor: &str,
        cookie: Option<&str>,
    ) -> Result<(String, Option<Arc<str>>), Fault> {
        if let Some(fault) = self.trouble(user, place) {
            return Err(fault);
        }
        let server = &mut self.servers[place];
        let (name, cookie) = server.subscribe(&address(user), anchor, cookie, &mut self.dice)?;
        let name = format!("{place}:{name}");
        self.watch.subscribed(&Arc::from(name.as_str()), id);
        Ok((name, cookie))
    }

    fn open(&mut self, id: StreamId, place: usize, call: u64, ids: Vec<Arc<str>>) -> Held {
        let after = self.delay();
        let names: Vec<Arc<str>> = ids.iter().map(|id| own(id).into()).collect();
        let rest = self.rests[place / 2].since(self.now.mono);
        let opening = if rest > Span::default() {
            self.watch.played(Kind::Busy);
            Opening::Fails(super::play::busy(rest))
        } else {
            self.servers[place].open(&names, &mut self.dice)?
        };
        let mut tell = |after, word| self.at(after, Happens::Ear(Event::Word(id, call, word)));
        match opening {
            Opening::Fails(fault) => tell(after, Word::Broke(fault)),
            Opening::Lacks(bad) => {
                let fault = Fault::retry("ErrorSubscriptionNotFound");
                let ids = bad.iter().map(|id| format!("{place}:{id}")).collect();
                tell(after, Word::Heard);
                tell(after, Word::Events(vec![StreamEvent::Error { fault, ids }]));
            }
            Opening::Stands => {
                tell(after, Word::Heard);
                let ended = vec![StreamEvent::Heartbeat, StreamEvent::Closed];
                tell(1_800_000, Word::Events(ended));
                let last_word = self.now.mono.as_ms();
                let standing = Standing { of: id, place, ids, silent: false, last_word };
                let is_read = self.streams.get(&id).is_some_and(|one| one.reads == Some(call));
                if is_read {
                    self.standing.insert(call, standing);
                    self.speak(call, StreamEvent::Opened);
                }
                let beat = self.dice.of(1_000..45_000);
                self.at(beat, Happens::Ear(Event::Heartbeat(id, call)));
            }
        }
        Ok(())
    }

    /// A stream says something; its words keep their order.
    pub(super) fn speak(&mut self, call: u64, told: StreamEvent) {
        let (delay, now) = (self.delay() as i64, self.now.mono.as_ms());
        let Some(standing) = self.standing.get_mut(&call) else { return };
        if standing.silent {
            return;
        }
        standing.last_word = standing.last_word.max(now + delay);
        let (id, after) = (standing.of, standing.last_word - now);
        let word = Event::Word(id, call, Word::Events(vec![told]));
        self.at(after as u64, Happens::Ear(word));
    }

    /// A stream that stands breaks.
    pub(super) fn reset(&mut self, call: u64) {
        let Some(standing) = self.standing.remove(&call) else { return };
        self.watch.played(Kind::Reset);
        let (after, word) = (self.delay(), Word::Broke(Fault::retry("connection reset")));
        self.at(after, Happens::Ear(Event::Word(standing.of, call, word)));
    }

    /// Whatever stands at this place.
    pub(super) fn calls_at(&self, place: usize) -> Vec<u64> {
        let here = self.standing.iter().filter(|(_, standing)| standing.place == place);
        here.map(|(call, _)| *call).collect()
    }

    fn is_of(&self, id: &str, place: usize, user: &UserId) -> bool {
        self.servers[place].member(own(id)).is_some_and(|member| member == address(user))
    }

    /// Its subscriptions that live and are in a standing stream.
    pub(super) fn heard_by(&self, user: &UserId) -> Vec<(u64, Arc<str>)> {
        let all = self.standing.iter().filter(|(_, one)| self.truth.get(user) == Some(&one.place));
        let all = all.flat_map(|(call, one)| one.ids.iter().map(move |id| (*call, one.place, id)));
        let own = all.filter(|(_, place, id)| self.is_of(id, *place, user));
        own.map(|(call, _, id)| (call, Arc::clone(id))).collect()
    }

    /// Something changed in its calendar.
    pub(super) fn ring(&mut self, user: &UserId) {
        for (call, id) in self.heard_by(user) {
            let subscription_id = id.to_string();
            self.speak(call, StreamEvent::Notification { subscription_id, changed: true });
        }
    }

    /// It is served elsewhere from now on; often nobody tells.
    pub(super) fn relocate(&mut self, user: &UserId, to: usize) {
        let heard = self.heard_by(user);
        if !heard.is_empty() {
            self.watch.played(Kind::Moved);
        }
        self.truth.insert(user.clone(), to);
        for place in 0..PLACES {
            for id in self.servers[place].living() {
                if self.is_of(&id, place, user) {
                    self.servers[place].unsubscribe(&id);
                }
            }
        }
        for (call, id) in heard {
            if self.dice.one_in(2) {
                let fault = Fault::new(Next::Moved, "ErrorReadEventsFailed");
                self.speak(call, StreamEvent::Error { fault, ids: vec![id.to_string()] });
            }
        }
    }

    /// Some subscriptions of a place are lost. With `told` their streams say so.
    pub(super) fn forget(&mut self, place: usize, told: bool) {
        let lost = self.servers[place].forget(3, &mut self.dice);
        let lost: Vec<String> = lost.iter().map(|id| format!("{place}:{id}")).collect();
        for call in self.calls_at(place) {
            let Some(standing) = self.standing.get(&call) else { continue };
            let own = standing.ids.iter().filter(|id| lost.iter().any(|lost| *lost == id[..]));
            let ids: Vec<_> = own.map(ToString::to_string).collect();
            if ids.is_empty() {
                continue;
            }
            if told {
                let fault = Fault::retry("ErrorSubscriptionNotFound");
                self.speak(call, StreamEvent::Error { fault, ids });
            } else {
                self.watch.played(Kind::Deaf);
            }
        }
    }
}
