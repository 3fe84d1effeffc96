//! A group that ends: its stream is dropped, and what it holds at the server is given back.

use super::{AT_ONCE, Group, Output, Phase, STALLED};
use crate::calendar::ews::members::State;
use crate::model::{Fault, ListenEnd, Next, Span, Time};

/// How long giving back may take: the server forgets subscriptions by itself after 30 minutes.
const GIVING_BACK: Span = Span::from_secs(10);

impl Group {
    pub(super) fn fail(&mut self, now: Time, fault: Fault) {
        self.close(now, ListenEnd::Failed(fault));
    }

    pub(super) fn close_stream(&mut self) {
        self.merge = None;
        self.outputs.push_back(Output::Close);
        self.phase = Phase::Subscribing;
    }

    pub(super) fn close(&mut self, now: Time, end: ListenEnd) {
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
        self.asks_at = None;
        self.counts_until = Some(self.asked_at.max(self.answered_at) + STALLED);
        self.phase = Phase::Closing(now + GIVING_BACK);
    }

    pub(super) fn give_back(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        if let State::Held(id) = std::mem::replace(&mut member.state, State::Out) {
            self.to_give_back.push_back((at, id));
        }
    }

    /// Calls to subscribe that hang keep nobody at the end: there would be no time left.
    pub(super) fn give_back_next(&mut self) {
        let hang = self.end.is_some() && self.counts_until.is_none();
        let others = if hang { 0 } else { self.asking };
        while self.giving + others < AT_ONCE
            && let Some((member, id)) = self.to_give_back.pop_front()
        {
            self.giving += 1;
            self.outputs.push_back(Output::GiveBack { member, id });
        }
    }
}
