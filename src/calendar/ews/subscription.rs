//! One group of mailboxes that share a stream: whom to subscribe, when to open, what to do about
//! each thing that goes wrong. Decisions only; [`super::listen`] carries them out.
//!
//! The anchor is subscribed first, alone; its answer brings the cookie that leads every further
//! call to the same back end. Then the others, few at a time, then one stream for all. Whatever
//! breaks the stream leads back to one of these steps, and each opening rings every mailbox anew,
//! as a gap may have passed. Every way round is counted, so that the group ends and is made anew
//! rather than going in circles.
//!
//! Whoever has a subscription is not kept unheard for whoever has none: a mailbox that is
//! subscribed anew, or whose call failed on the way, is asked for beside the stream of the others.
//!
//! The server ends a stream after 30 minutes; before that it is opened anew on the same
//! subscriptions. Whoever joins or leaves meanwhile is [`growth`]'s part.
//!
//! ```text
//!   Subscribing ──all through──▶ Opening ──stands──▶ Streaming ──life over, stop──▶ Closing
//!     ▲     │                     ▲ │ │                 │ │                            │
//!     │     │                     │ │ └─all ids are bad─┘ │ some are, joined, rolled   ▼
//!     └─────┼─────────────────────┼─┼─────────┘           │ over, broke: at once,    Ended
//!           └─one call failed──▶ Waiting ◀────────────────┘ then later and later
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use self::growth::Merge;
use super::get_streaming_events::{self, StreamEvent};
use super::members::{Members, State};
use crate::model::{Fault, Hint, ListenEnd, Span, Target, Time, UserId};

/// How many subscriptions are asked for, or given back, at once.
const AT_ONCE: usize = 4;
/// How often a mailbox is subscribed anew before it is refused.
const MOST_RENEWALS: u8 = 3;
/// How often in a row the stream may break, close or fall silent before it has stood for a while.
const MOST_BREAKS: u32 = 4;
/// A stream that stood so long was a good one: when it breaks, the count begins anew.
const PROVEN: Span = Span::MINUTE.times(5);
/// Where Subscribe is not answered for so long, nobody is kept waiting for it.
const STALLED: Span = Span::from_secs(5);

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Subscribe was answered.
    Subscribed {
        /// The mailbox, by its place in the group.
        member: usize,
        /// The subscription's id, and the cookie where one was set.
        result: Result<(String, Option<Arc<str>>), Fault>,
    },
    /// Unsubscribe was answered, however.
    GivenBack,
    /// Bytes came from the stream.
    Heard,
    /// The stream told these.
    Events(Vec<StreamEvent>),
    /// The stream could not be opened, or broke.
    Broke(Fault),
    /// The stream was not asked for, as the server wants to be left alone for so long.
    Rests(Span),
    /// One more mailbox of the group.
    Join(Target),
    /// One less.
    Leave(UserId),
    /// [`Group::deadline`] has come.
    Tick,
    /// No more.
    Stop,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Subscribe this member. An earlier stream stays as it is.
    Subscribe(usize),
    /// Unsubscribe.
    GiveBack {
        /// The mailbox, by its place in the group.
        member: usize,
        /// Its subscription.
        id: Arc<str>,
    },
    /// Open a stream; there is none.
    Open(Vec<Arc<str>>),
    /// Drop the stream, also one that is being opened.
    Close,
    /// Tell.
    Tell(Hint),
    /// It is over; nothing comes after it.
    End(ListenEnd),
}

/// Where the group stands.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Members are being subscribed; no stream.
    Subscribing,
    /// The stream is asked for and has not said yet that it stands.
    Opening,
    /// The stream stands.
    Streaming,
    /// The stream is opened again at this time.
    Waiting(Time),
    /// Subscriptions are given back until this time at most.
    Closing(Time),
    /// Over.
    Ended,
}

/// The machine of one group.
#[derive(Debug)]
pub struct Group {
    members: Members,
    phase: Phase,
    end: Option<ListenEnd>,
    anchor: usize,
    cookie: Option<Arc<str>>,
    /// The one before it was given up: what is to be given back lives there.
    left: Option<Arc<str>>,
    /// Calls to subscribe that are on their way.
    asking: usize,
    /// Calls to give back that are on their way.
    giving: usize,
    to_give_back: VecDeque<(usize, Arc<str>)>,
    outputs: VecDeque<Output>,
    ends_at: Time,
    /// The stream is opened anew so long after it was opened.
    roll: Span,
    rolls_at: Time,
    merge: Option<Merge>,
    /// Nobody is subscribed before this.
    asks_at: Option<Time>,
    /// How often in a row that was put off.
    misses: u32,
    /// How often some had to be made anew since the stream has stood for a while.
    mends: u32,
    /// When Subscribe was sent last.
    asked_at: Time,
    /// When it was answered last.
    answered_at: Time,
    /// At the end, so long Subscribe that is not answered keeps others from being given back.
    counts_until: Option<Time>,
    silence: Span,
    heard_at: Time,
    stands_since: Time,
    breaks: u32,
    /// The one who led was taken for moved, and nothing has proven that wrong or right since.
    led_anew: bool,
    last_refusal: Option<Fault>,
}

impl Group {
    /// Starts a group at `now` that lives for `life` and takes a stream for dead after `silence`.
    pub fn new(now: Time, targets: Vec<Target>, life: Span, silence: Span) -> Self {
        let mut group = Self {
            members: Members::new(targets),
            phase: Phase::Subscribing,
            end: None,
            anchor: 0,
            cookie: None,
            left: None,
            asking: 0,
            giving: 0,
            to_give_back: VecDeque::new(),
            outputs: VecDeque::new(),
            ends_at: now + life,
            roll: life,
            rolls_at: now + life,
            merge: None,
            asks_at: None,
            misses: 0,
            mends: 0,
            asked_at: now,
            answered_at: now,
            counts_until: None,
            silence,
            heard_at: now,
            stands_since: now,
            breaks: 0,
            led_anew: false,
            last_refusal: None,
        };
        for at in get_streaming_events::MOST..group.members.len() {
            group.refuse(at, &Fault::refused("a stream carries 200 mailboxes at most"));
        }
        group.go_on(now);
        group
    }

    /// The stream is opened anew, on the same subscriptions, so long after it was opened: the
    /// server would end it after 30 minutes.
    #[must_use]
    pub fn rolling(mut self, every: Span) -> Self {
        self.roll = every;
        self
    }

    /// The mailbox that leads the way; absent only in a group without members.
    pub fn anchor(&self) -> Option<&Target> {
        self.target(self.anchor)
    }

    /// A member by its place.
    pub fn target(&self, member: usize) -> Option<&Target> {
        self.members.get(member).map(|member| &member.target)
    }

    /// The cookie that leads to the back end of the group.
    pub fn cookie(&self) -> Option<Arc<str>> {
        self.cookie.clone()
    }

    /// The cookie that leads to the back end where what is given back lives.
    pub fn cookie_back(&self) -> Option<Arc<str>> {
        self.cookie.clone().or_else(|| self.left.clone())
    }

    /// What to do next; to be asked until it says nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Time {
        let due = match self.phase {
            Phase::Opening => self.ends_at.min(self.heard_at + self.silence),
            Phase::Streaming => {
                let planned = self.merge.map_or(self.rolls_at, |merge| merge.at.min(self.rolls_at));
                self.ends_at.min(self.heard_at + self.silence).min(planned)
            }
            Phase::Waiting(at) => self.ends_at.min(at),
            Phase::Closing(until) => self.counts_until.map_or(until, |at| at.min(until)),
            Phase::Subscribing => self.stalls_at().map_or(self.ends_at, |at| at.min(self.ends_at)),
            Phase::Ended => self.ends_at,
        };
        self.asks_at.map_or(due, |at| due.min(at))
    }

    /// Takes in what happened.
    pub fn on(&mut self, now: Time, input: Input) {
        match input {
            Input::Subscribed { member, result } => self.on_subscribed(now, member, result),
            Input::GivenBack => self.giving = self.giving.saturating_sub(1),
            Input::Heard => self.heard_at = now,
            Input::Events(events) => self.on_events(now, events),
            Input::Broke(fault) => self.on_broke(now, fault),
            Input::Rests(left) => self.put_off(now, left),
            Input::Join(target) => self.join(target),
            Input::Leave(user) => self.leave(now, &user),
            Input::Tick => self.on_tick(now),
            Input::Stop => self.close(now, ListenEnd::Stopped),
        }
        self.go_on(now);
    }

    fn on_tick(&mut self, now: Time) {
        match self.phase {
            Phase::Closing(until) if now >= until => {
                self.to_give_back.clear();
                (self.asking, self.giving) = (0, 0);
            }
            Phase::Closing(_) | Phase::Ended => {}
            _ if now >= self.ends_at => self.close(now, ListenEnd::RollOver),
            // Who is not answered once is not to be waited for again, unheard and taken for heard.
            Phase::Opening if now >= self.heard_at + self.silence => {
                self.fail(now, Fault::retry("no stream was opened in time"));
            }
            Phase::Streaming if now >= self.heard_at + self.silence => {
                self.on_broke(now, Fault::retry("the stream fell silent"));
            }
            Phase::Subscribing if self.stalls_at().is_some_and(|at| now >= at) => {
                self.wait_no_longer(now);
            }
            _ if self.is_to_reopen(now) => {
                self.close_stream();
                self.phase = Phase::Waiting(now);
            }
            _ => {}
        }
    }

    fn on_subscribed(
        &mut self,
        now: Time,
        member: usize,
        result: Result<(String, Option<Arc<str>>), Fault>,
    ) {
        self.asking = self.asking.saturating_sub(1);
        self.answered_at = now;
        let closing = self.end.is_some();
        let left = self.members.is(member, &State::Leaving);
        match result {
            Ok((id, _)) if closing => self.to_give_back.push_back((member, id.into())),
            Err(_) if closing => {}
            Ok((id, _)) if left => {
                self.hold(member, id);
                self.part(member);
            }
            Err(_) if left => self.part(member),
            Ok((id, cookie)) => {
                self.cookie = cookie.or(self.cookie.take());
                self.misses = 0;
                self.hold(member, id);
                self.gathers(now);
            }
            Err(fault) => self.on_refused(now, member, fault),
        }
    }

    fn hold(&mut self, at: usize, id: String) {
        if let Some(member) = self.members.get_mut(at) {
            member.state = State::Held(id.into());
            member.asked = None;
        }
    }

    fn on_events(&mut self, now: Time, events: Vec<StreamEvent>) {
        self.heard_at = now;
        for event in events {
            if !matches!(self.phase, Phase::Opening | Phase::Streaming) {
                // What comes after the end of a stream belongs to nothing.
                return;
            }
            match event {
                StreamEvent::Opened => {
                    self.phase = Phase::Streaming;
                    self.stands_since = now;
                    self.tell_held(Hint::Listening);
                }
                StreamEvent::Heartbeat => self.stood(now),
                StreamEvent::Notification { subscription_id, changed } => {
                    self.stood(now);
                    if changed && let Some(at) = self.members.with_id(&subscription_id) {
                        self.tell(at, Hint::Changed);
                    }
                }
                StreamEvent::Closed => self.reopen(now, Fault::retry("the stream was closed")),
                StreamEvent::Error { fault, ids } => self.on_error(now, fault, &ids),
            }
        }
    }

    /// A server that closes every stream soon after its first words is not asked on and on.
    fn stood(&mut self, now: Time) {
        if now.since(self.stands_since) >= PROVEN {
            self.breaks = 0;
            self.led_anew = false;
            self.mends = 0;
            self.members.prove();
        }
    }

    /// Starts what may be started, and takes the step that is due when all is settled.
    fn go_on(&mut self, now: Time) {
        if self.phase == Phase::Ended {
            return;
        }
        self.asks_at.take_if(|at| *at <= now);
        self.counts_until.take_if(|at| *at <= now);
        let is_undecided = self.phase == Phase::Subscribing && self.judge_leader();
        self.give_back_next();
        let stands = matches!(self.phase, Phase::Opening | Phase::Streaming);
        if stands && !self.members.holds_any() {
            // Whoever the stream carries has left: the newcomers begin anew.
            self.close_stream();
        }
        match self.phase {
            Phase::Closing(_) => {
                if self.asking + self.giving == 0
                    && let Some(end) = self.end.clone()
                {
                    self.phase = Phase::Ended;
                    self.outputs.push_back(Output::End(end));
                }
            }
            Phase::Subscribing => {
                self.anchor = self.members.leader(self.anchor);
                if !is_undecided {
                    self.subscribe_next(now);
                }
                self.open_if_settled(now);
            }
            Phase::Waiting(at) if now >= at => self.resume(now),
            // Newcomers go the way that the standing stream went.
            Phase::Opening | Phase::Streaming => self.subscribe_next(now),
            _ => {}
        }
    }

    fn subscribe_next(&mut self, now: Time) {
        if self.asks_at.is_some() {
            return;
        }
        let leaderless = !self.members.holds_any();
        if leaderless && !self.members.asks_any() {
            // A new beginning; the old back end may be gone.
            self.left = self.cookie.take().or(self.left.take());
        }
        for at in 0..self.members.len() {
            if self.asking + self.giving >= AT_ONCE || (leaderless && at != self.anchor) {
                continue;
            }
            if let Some(member) = self.members.get_mut(at)
                && member.state == State::Wanted
            {
                member.state = State::Asked;
                member.asked.get_or_insert(now);
                self.asking += 1;
                self.asked_at = now;
                self.outputs.push_back(Output::Subscribe(at));
            }
        }
    }

    fn open_if_settled(&mut self, now: Time) {
        if !self.members.are_settled() {
            return;
        }
        let ids = self.members.ids();
        if ids.is_empty() {
            let end = match self.last_refusal.take() {
                Some(fault) => ListenEnd::Failed(fault),
                None => ListenEnd::RollOver,
            };
            self.close(now, end);
            return self.go_on(now);
        }
        self.open(now, ids);
    }

    fn open(&mut self, now: Time, ids: Vec<Arc<str>>) {
        self.heard_at = now;
        self.merge = None;
        self.rolls_at = now + self.roll;
        self.members.carry();
        self.phase = Phase::Opening;
        self.outputs.push_back(Output::Open(ids));
    }

    fn tell(&mut self, at: usize, hint: fn(UserId) -> Hint) {
        if let Some(member) = self.members.get(at) {
            self.outputs.push_back(Output::Tell(hint(member.target.user.clone())));
        }
    }

    fn tell_held(&mut self, hint: fn(UserId) -> Hint) {
        for at in self.members.held() {
            // A newcomer is told when a stream carries it.
            if self.members.get(at).is_some_and(|member| member.carried) {
                self.tell(at, hint);
            }
        }
    }
}

#[path = "ending.rs"]
mod ending;
#[path = "growth.rs"]
mod growth;
#[path = "mending.rs"]
mod mending;

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
