//! A group that grows and shrinks while its stream stands.
//!
//! A newcomer is subscribed on the group's back end beside the standing stream, and the stream is
//! opened anew with all ids once newcomers have gathered; the gap rings everybody. One who leaves
//! has its subscription given back at once and nothing else happens: what the stream still says
//! of it is passed over, and the next opening is without it. If it was the anchor, the calls of
//! the standing stream keep its way to the back end, and the next opening has another.

use super::{Group, Output, Phase};
use crate::calendar::ews::members::State;
use crate::model::{Fault, Hint, ListenEnd, Next, Span, Target, Time, UserId};

/// Newcomers wait so long for others before the stream is opened anew for them.
const GATHER: Span = Span::from_secs(5);
/// And so long at most.
const GATHER_MOST: Span = Span::from_secs(15);
/// Places of a group, with those who left. Only when all are used, one is used again: the server
/// may still tell of who had it.
const PLACES: usize = 1_000;

/// When the stream is opened anew for newcomers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merge {
    pub(super) at: Time,
    latest: Time,
}

impl Group {
    pub(super) fn join(&mut self, target: Target) {
        if self.end.is_some() {
            return;
        }
        if let Some(at) = self.members.seat_of(&target.user) {
            // Who is not carried yet is told when a stream carries it, or that it is refused.
            if self.phase == Phase::Streaming && self.members.held_and_carried(at) {
                self.tell(at, Hint::Listening);
            }
            return;
        }
        let full = self.members.seated() >= super::get_streaming_events::MOST;
        if !full && self.members.len() < PLACES {
            return self.members.add(target);
        }
        // What is still to be given back needs the name of who left; so does the way of all.
        let (anchor, back) = (self.anchor, &self.to_give_back);
        let is_free = |at| at != anchor && !back.iter().any(|(waits, _)| *waits == at);
        let user = target.user.clone();
        if full || !self.members.add_instead(target, is_free) {
            let fault = Fault::retry("the stream is full");
            self.outputs.push_back(Output::Tell(Hint::Refused(user, fault)));
        }
    }

    pub(super) fn leave(&mut self, now: Time, user: &UserId) {
        let Some(at) = self.members.seat_of(user) else { return };
        self.part(at);
        if self.members.seated() == 0 {
            self.close(now, ListenEnd::RollOver);
        }
    }

    /// Gives its subscription back, now or when it comes.
    pub(super) fn part(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        match std::mem::replace(&mut member.state, State::Out) {
            State::Held(id) => {
                member.state = State::Left(id.clone());
                self.to_give_back.push_back((at, id));
            }
            State::Asked => member.state = State::Leaving,
            _ => {}
        }
    }

    /// The anchor's budget pays for the stream, and it is used up: another pays, a while later.
    pub(super) fn change_anchor(&mut self, now: Time, fault: Fault) {
        self.reopen(now, fault.clone());
        if self.end.is_some() {
            return;
        }
        self.anchor = self.members.held_after(self.anchor);
        let wait = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after.unwrap_or_default(),
            _ => Span::default(),
        };
        let wait = wait.max(Span::SECOND).min(Span::MINUTE);
        self.phase = match self.phase {
            Phase::Waiting(at) => Phase::Waiting(at.max(now + wait)),
            _ => Phase::Waiting(now + wait),
        };
    }

    /// A newcomer has its subscription; the stream does not carry it yet.
    pub(super) fn gathers(&mut self, now: Time) {
        if !matches!(self.phase, Phase::Opening | Phase::Streaming) {
            return;
        }
        let latest = self.merge.map_or(now + GATHER_MOST, |merge| merge.latest);
        self.merge = Some(Merge { at: latest.min(now + GATHER), latest });
    }

    /// Whether the stream is to be opened anew as planned: for newcomers, or as the server would
    /// end it soon.
    pub(super) fn is_to_reopen(&self, now: Time) -> bool {
        self.phase == Phase::Streaming
            && (self.merge.is_some_and(|merge| now >= merge.at) || self.rolls_at <= now)
    }
}
