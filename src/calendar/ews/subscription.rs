//! One group of mailboxes that share a stream: whom to subscribe, when to open, what to do about
//! each thing that goes wrong. Decisions only; [`super::listen`] carries them out.
//!
//! The anchor is subscribed first, alone; its answer brings the cookie that leads every further
//! call to the same back end. Then the others, few at a time, then one stream for all. Whatever
//! breaks the stream leads back to one of these steps, and each opening rings every mailbox anew,
//! as a gap may have passed. Every way round is counted, so that the group ends and is made anew
//! rather than going in circles.

use std::collections::VecDeque;
use std::sync::Arc;

use super::codes;
use super::get_streaming_events::{self, StreamEvent};
use super::members::{Members, State};
use crate::model::{Fault, Hint, ListenEnd, Next, Span, Target, Time};

/// How many subscriptions are asked for, or given back, at once.
const AT_ONCE: usize = 4;
/// How often a mailbox is subscribed anew before it is refused.
const MOST_RENEWALS: u8 = 3;
/// How often in a row the stream may break, close or fall silent before it has stood for a while.
const MOST_BREAKS: u32 = 4;
/// A stream that stood so long was a good one: when it breaks, the count begins anew.
const PROVEN: Span = Span::from_secs(30);
/// How long giving back may take: the server forgets subscriptions by itself after 30 minutes.
const GIVING_BACK: Span = Span::from_secs(10);

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
    /// Calls to subscribe or give back that are on their way.
    in_flight: usize,
    to_give_back: VecDeque<(usize, Arc<str>)>,
    outputs: VecDeque<Output>,
    ends_at: Time,
    silence: Span,
    heard_at: Time,
    stands_since: Time,
    breaks: u32,
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
            in_flight: 0,
            to_give_back: VecDeque::new(),
            outputs: VecDeque::new(),
            ends_at: now + life,
            silence,
            heard_at: now,
            stands_since: now,
            breaks: 0,
            last_refusal: None,
        };
        for at in get_streaming_events::MOST..group.members.len() {
            group.refuse(at, &Fault::refused("a stream carries 200 mailboxes at most"));
        }
        group.go_on(now);
        group
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

    /// What to do next; to be asked until it says nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Time {
        match self.phase {
            Phase::Opening | Phase::Streaming => self.ends_at.min(self.heard_at + self.silence),
            Phase::Waiting(at) => self.ends_at.min(at),
            Phase::Closing(until) => until,
            Phase::Subscribing | Phase::Ended => self.ends_at,
        }
    }

    /// Takes in what happened.
    pub fn on(&mut self, now: Time, input: Input) {
        match input {
            Input::Subscribed { member, result } => self.on_subscribed(now, member, result),
            Input::GivenBack => self.in_flight = self.in_flight.saturating_sub(1),
            Input::Heard => self.heard_at = now,
            Input::Events(events) => self.on_events(now, events),
            Input::Broke(fault) => self.on_broke(now, fault),
            Input::Tick => self.on_tick(now),
            Input::Stop => self.close(now, ListenEnd::Stopped),
        }
        self.go_on(now);
    }

    fn on_tick(&mut self, now: Time) {
        match self.phase {
            Phase::Closing(until) if now >= until => {
                self.to_give_back.clear();
                self.in_flight = 0;
            }
            Phase::Closing(_) | Phase::Ended => {}
            _ if now >= self.ends_at => self.close(now, ListenEnd::RollOver),
            Phase::Opening | Phase::Streaming if now >= self.heard_at + self.silence => {
                self.on_broke(now, Fault::retry("the stream fell silent"));
            }
            Phase::Waiting(at) if now >= at => self.phase = Phase::Subscribing,
            _ => {}
        }
    }

    fn on_subscribed(
        &mut self,
        now: Time,
        member: usize,
        result: Result<(String, Option<Arc<str>>), Fault>,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let closing = self.end.is_some();
        match result {
            Ok((id, _)) if closing => self.to_give_back.push_back((member, id.into())),
            Err(_) if closing => {}
            Ok((id, cookie)) => {
                self.cookie = cookie.or(self.cookie.take());
                if let Some(member) = self.members.get_mut(member) {
                    member.state = State::Held(id.into());
                }
            }
            Err(fault) => match fault.next {
                // "Resending prolongs recovery": the rest is refused unasked.
                Next::BackOff { .. } if self.members.holds_any() => {
                    self.refuse(member, &fault);
                    self.refuse_wanted(&fault);
                }
                Next::BackOff { .. } | Next::SignIn => self.close(now, ListenEnd::Failed(fault)),
                _ if codes::is_exchange_code(&fault) => self.refuse(member, &fault),
                // The way to the server is broken, for everybody.
                _ => self.close(now, ListenEnd::Failed(fault)),
            },
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
        }
    }

    fn on_broke(&mut self, now: Time, fault: Fault) {
        if !matches!(self.phase, Phase::Opening | Phase::Streaming) {
            return;
        }
        if codes::is_exchange_code(&fault) {
            return self.on_error(now, fault, &[]);
        }
        match fault.next {
            Next::Retry { .. } => self.reopen(now, fault),
            // No connection: subscriptions outlive a short cut, and 200 are dear to make anew.
            Next::BackOff { .. } if !codes::is_answer(&fault) => self.reopen(now, fault),
            _ => self.fail(now, fault),
        }
    }

    /// The table of answers: Exchange said this about these subscriptions, or about all.
    fn on_error(&mut self, now: Time, fault: Fault, ids: &[String]) {
        let meant: Vec<usize> = ids.iter().filter_map(|id| self.members.with_id(id)).collect();
        match fault.next {
            Next::Denied | Next::Gone => {
                self.close_stream();
                let meant = if meant.is_empty() { vec![self.anchor] } else { meant };
                for member in meant {
                    self.give_back(member);
                    self.refuse(member, &fault);
                }
            }
            Next::Retry { .. } if !codes::is_for_discovery(&fault) => {
                if ids.is_empty() {
                    self.renew_all(&fault);
                } else if meant.is_empty() {
                    return self.reopen(now, fault);
                } else {
                    self.renew(&meant, &fault);
                }
                self.close_stream();
            }
            // Overloaded, sign-in, a wrong request; or the group is not where it was thought.
            _ => self.fail(now, fault),
        }
    }

    fn renew_all(&mut self, fault: &Fault) {
        let all = self.members.held();
        self.renew(&all, fault);
    }

    fn renew(&mut self, members: &[usize], fault: &Fault) {
        for at in members {
            if !codes::is_dead_subscription(fault) {
                self.give_back(*at);
            }
            let Some(member) = self.members.get_mut(*at) else {
                continue;
            };
            member.state = State::Wanted;
            member.renewals += 1;
            if member.renewals > MOST_RENEWALS {
                self.refuse(*at, fault);
            }
        }
    }

    /// Opens the stream again with the same subscriptions, later and later.
    fn reopen(&mut self, now: Time, fault: Fault) {
        self.breaks += 1;
        if self.breaks > MOST_BREAKS {
            return self.fail(now, fault);
        }
        self.outputs.push_back(Output::Close);
        // The first time at once; then after 1, 2, 4 seconds.
        self.phase = match self.breaks {
            1 => Phase::Subscribing,
            n => Phase::Waiting(now + Span::SECOND.times(1 << (n - 2))),
        };
    }

    fn fail(&mut self, now: Time, fault: Fault) {
        self.close(now, ListenEnd::Failed(fault));
    }

    fn close_stream(&mut self) {
        self.outputs.push_back(Output::Close);
        self.phase = Phase::Subscribing;
    }

    fn close(&mut self, now: Time, end: ListenEnd) {
        if self.end.is_some() {
            return;
        }
        self.outputs.push_back(Output::Close);
        let quiet = matches!(
            &end,
            ListenEnd::Failed(Fault { next: Next::BackOff { .. } | Next::SignIn, .. })
        );
        for member in 0..self.members.len() {
            if !quiet {
                self.give_back(member);
            }
        }
        self.end = Some(end);
        self.phase = Phase::Closing(now + GIVING_BACK);
    }

    fn give_back(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        if let State::Held(id) = std::mem::replace(&mut member.state, State::Out) {
            self.to_give_back.push_back((at, id));
        }
    }

    /// Starts what may be started, and takes the step that is due when all is settled.
    fn go_on(&mut self, now: Time) {
        if self.phase == Phase::Ended {
            return;
        }
        while self.in_flight < AT_ONCE
            && let Some((member, id)) = self.to_give_back.pop_front()
        {
            self.in_flight += 1;
            self.outputs.push_back(Output::GiveBack { member, id });
        }
        match self.phase {
            Phase::Closing(_) => {
                if self.in_flight == 0
                    && let Some(end) = self.end.clone()
                {
                    self.phase = Phase::Ended;
                    self.outputs.push_back(Output::End(end));
                }
            }
            Phase::Subscribing => {
                self.subscribe_next();
                self.open_if_settled(now);
            }
            _ => {}
        }
    }

    fn subscribe_next(&mut self) {
        self.anchor = self.members.leader(self.anchor);
        let leaderless = !self.members.holds_any();
        if leaderless && !self.members.asks_any() {
            // A new beginning; the old back end may be gone.
            self.cookie = None;
        }
        for at in 0..self.members.len() {
            if self.in_flight >= AT_ONCE || (leaderless && at != self.anchor) {
                continue;
            }
            if let Some(member) = self.members.get_mut(at)
                && member.state == State::Wanted
            {
                member.state = State::Asked;
                self.in_flight += 1;
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
        self.heard_at = now;
        self.phase = Phase::Opening;
        self.outputs.push_back(Output::Open(ids));
    }

    fn refuse(&mut self, at: usize, fault: &Fault) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        member.state = State::Out;
        let user = member.target.user.clone();
        self.last_refusal = Some(fault.clone());
        self.outputs.push_back(Output::Tell(Hint::Refused(user, fault.clone())));
    }

    fn refuse_wanted(&mut self, fault: &Fault) {
        for at in 0..self.members.len() {
            if self.members.is(at, &State::Wanted) {
                self.refuse(at, fault);
            }
        }
    }

    fn tell(&mut self, at: usize, hint: fn(crate::model::UserId) -> Hint) {
        if let Some(member) = self.members.get(at) {
            self.outputs.push_back(Output::Tell(hint(member.target.user.clone())));
        }
    }

    fn tell_held(&mut self, hint: fn(crate::model::UserId) -> Hint) {
        for at in self.members.held() {
            self.tell(at, hint);
        }
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
