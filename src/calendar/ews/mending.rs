//! What a group does about each thing that goes wrong with its stream.

use super::{Group, MOST_BREAKS, MOST_RENEWALS, Output, Phase, STALLED};
use crate::calendar::ews::codes;
use crate::calendar::ews::members::State;
use crate::model::{Fault, Hint, Next, Span, Time};

/// A server that wants a longer rest loses the group: it forgets subscriptions that no stream
/// carries after 30 minutes.
const LONGEST_REST: Span = Span::MINUTE.times(20);
/// A mailbox that could not be asked for in this time is refused: nobody hears it meanwhile.
const PATIENCE: Span = Span::MINUTE;
/// So often in a row asking is put off before nobody else is asked for.
const MOST_MISSES: u32 = 4;

impl Group {
    pub(super) fn on_broke(&mut self, now: Time, fault: Fault) {
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
            Next::BackOff { after } => self.rest(now, after.unwrap_or_default(), fault),
            _ => self.fail(now, fault),
        }
    }

    /// The table of answers: Exchange said this about these subscriptions, or about all.
    pub(super) fn on_error(&mut self, now: Time, fault: Fault, ids: &[String]) {
        let meant: Vec<usize> = ids.iter().filter_map(|id| self.members.with_id(id)).collect();
        let breaks = self.breaks;
        if !ids.is_empty() && ids.iter().all(|id| self.members.has_left(id)) {
            // The server says that what was given back is gone.
            return;
        }
        if codes::is_over_budget(&fault) && ids.is_empty() {
            return self.change_anchor(now, fault);
        }
        match fault.next {
            // Some are served elsewhere now: they are found anew, the others stay.
            Next::Moved if !meant.is_empty() && meant.len() < self.members.held().len() => {
                self.close_stream();
                for member in meant {
                    self.give_back(member);
                    self.refuse(member, &fault);
                }
            }
            Next::Denied | Next::Gone => {
                if meant.is_empty() {
                    // It may be said of whoever leads: not everybody is tried in turn.
                    self.breaks += 1;
                    if self.breaks > MOST_BREAKS {
                        return self.fail(now, fault);
                    }
                }
                self.close_stream();
                let meant = if meant.is_empty() { vec![self.anchor] } else { meant };
                for member in meant {
                    self.give_back(member);
                    self.refuse(member, &fault);
                }
            }
            Next::Retry { .. } => {
                if ids.is_empty() {
                    self.renew_all(&fault);
                } else if meant.is_empty() {
                    return self.reopen(now, fault);
                } else {
                    self.renew(&meant, &fault);
                }
                self.close_stream();
            }
            // Nobody may ask it anything before its time: nothing is missed that could be had.
            Next::BackOff { after } => self.rest(now, after.unwrap_or_default(), fault),
            Next::Moved if meant.is_empty() && self.may_lead_anew() => self.lead_anew(&fault),
            // Sign-in, a wrong request; or the group is not where it was thought.
            _ => self.fail(now, fault),
        }
        self.spare_the_held(now, self.breaks > breaks);
    }

    /// Whoever has a subscription is heard again soon; the others come beside. What is counted as a
    /// break already is not counted again.
    fn spare_the_held(&mut self, now: Time, is_counted: bool) {
        let undecided = !self.members.doubted().is_empty();
        if self.phase == Phase::Subscribing && self.members.holds_any() && !undecided {
            self.mends = self.mends.saturating_add(u32::from(!is_counted));
            // The first time at once; where that goes on, or streams break too, after 1, 2, 4, 8 s.
            let wait = match self.mends.saturating_add(self.breaks).saturating_sub(1).min(4) {
                0 => Span::default(),
                n => Span::SECOND.times(1 << (n - 1)),
            };
            self.phase = Phase::Waiting(now + wait);
        }
    }

    /// When those who are through are not kept waiting any longer.
    pub(super) fn stalls_at(&self) -> Option<Time> {
        let waits = self.phase == Phase::Subscribing && self.members.holds_any();
        (waits && !self.members.are_settled()).then_some(self.answered_at + STALLED)
    }

    /// Some call hangs: whoever is through is heard, and who is in doubt is found anew.
    pub(super) fn wait_no_longer(&mut self, now: Time) {
        for (at, fault) in self.members.doubted() {
            self.refuse(at, &fault);
        }
        self.spare_the_held(now, false);
    }

    /// Subscribe failed for a member of the group.
    pub(super) fn on_refused(&mut self, now: Time, member: usize, fault: Fault) {
        match fault.next {
            Next::SignIn => self.fail(now, fault),
            _ if self.hangs_alone(&fault) => {
                self.led_anew = true;
                self.refuse(member, &fault);
            }
            Next::BackOff { .. } if self.members.holds_any() => self.ask_later(now, member, &fault),
            Next::BackOff { .. } => self.fail(now, fault),
            _ if self.phase == Phase::Subscribing && self.doubt_leader(member, &fault) => {}
            _ if codes::is_exchange_code(&fault) => self.refuse(member, &fault),
            _ if self.members.holds_any() => self.ask_later(now, member, &fault),
            // The way to the server is broken, for everybody.
            _ => self.fail(now, fault),
        }
    }

    /// The server has no time, or the way to it broke, which says nothing of those who have a
    /// subscription: they are heard while the others wait.
    fn ask_later(&mut self, now: Time, at: usize, fault: &Fault) {
        // Calls that were under way together fail together.
        if self.asks_at.is_none() {
            self.misses = self.misses.saturating_add(1);
        }
        let asked = match fault.next {
            Next::BackOff { after } | Next::Retry { after } => after.unwrap_or_default(),
            _ => Span::default(),
        };
        let misses = self.misses.clamp(1, MOST_MISSES + 1);
        let wait = asked.max(Span::SECOND.times(1 << (misses - 1)));
        let Some(member) = self.members.get_mut(at) else { return };
        if misses <= MOST_MISSES && now + wait < member.asked.unwrap_or(now) + PATIENCE {
            member.state = State::Wanted;
            let until = now + wait;
            self.asks_at = Some(self.asks_at.map_or(until, |at| at.max(until)));
            self.spare_the_held(now, false);
        } else {
            self.refuse(at, fault);
            if misses > MOST_MISSES || matches!(fault.next, Next::BackOff { .. }) {
                // "Resending prolongs recovery": the rest is refused unasked.
                self.refuse_wanted(fault);
            }
        }
    }

    /// Whether somebody else could lead; not twice in a row.
    fn may_lead_anew(&self) -> bool {
        !self.led_anew && self.members.held().len() > 1
    }

    /// Whoever was to lead was not answered, as when its database is being moved, which says
    /// nothing of the others: one of them leads. Not twice in a row: then it is the server.
    fn hangs_alone(&self, fault: &Fault) -> bool {
        let others = self.members.wants_any() && !self.members.holds_any();
        codes::is_too_slow(fault) && others && !self.led_anew
    }

    /// The one who leads is served elsewhere now, as it seems: it is found anew, and the others
    /// are subscribed at once on a way of their own.
    fn lead_anew(&mut self, fault: &Fault) {
        self.led_anew = true;
        self.close_stream();
        self.give_back(self.anchor);
        self.refuse(self.anchor, fault);
        self.renew_all(fault);
    }

    /// Nobody but the one who leads was taken on its way: more likely it is that one who is served
    /// elsewhere than all the others. True where the others wait for that to be decided.
    pub(super) fn doubt_leader(&mut self, member: usize, fault: &Fault) -> bool {
        let others = self.members.held().iter().any(|held| *held != self.anchor);
        if self.led_anew || others || member == self.anchor || fault.next != Next::Moved {
            return false;
        }
        if let Some(member) = self.members.get_mut(member) {
            member.state = State::Doubted(fault.clone());
        }
        true
    }

    /// Decides who is where, once enough is known. True where more is to be heard first.
    pub(super) fn judge_leader(&mut self) -> bool {
        let doubted = self.members.doubted();
        if doubted.is_empty() {
            return false;
        }
        let others = self.members.held().iter().any(|held| *held != self.anchor);
        if !others && self.members.asks_any() {
            // Nobody else is sent the same way meanwhile.
            return doubted.len() > 1;
        }
        if !others && doubted.len() > 1 {
            self.led_anew = true;
            self.give_back(self.anchor);
            if let Some((_, fault)) = doubted.first() {
                self.refuse(self.anchor, fault);
            }
            for (at, _) in doubted {
                if let Some(member) = self.members.get_mut(at) {
                    member.state = State::Wanted;
                }
            }
            return false;
        }
        if others || !self.members.wants_any() {
            for (at, fault) in doubted {
                self.refuse(at, &fault);
            }
        }
        false
    }

    pub(super) fn refuse(&mut self, at: usize, fault: &Fault) {
        let Some(member) = self.members.get_mut(at) else {
            return;
        };
        member.state = State::Out;
        let user = member.target.user.clone();
        self.last_refusal = Some(fault.clone());
        self.outputs.push_back(Output::Tell(Hint::Refused(user, fault.clone())));
    }

    pub(super) fn refuse_wanted(&mut self, fault: &Fault) {
        for at in 0..self.members.len() {
            if self.members.is(at, &State::Wanted) {
                self.refuse(at, fault);
            }
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

    /// The server is overwhelmed, which subscribing 200 mailboxes anew would not make better: the
    /// stream is opened again once the server has had its rest.
    fn rest(&mut self, now: Time, asked: Span, fault: Fault) {
        self.breaks += 1;
        if self.breaks > MOST_BREAKS || asked > LONGEST_REST {
            return self.fail(now, fault);
        }
        self.outputs.push_back(Output::Close);
        self.wait_for(now, asked.max(Span::SECOND));
    }

    /// The server rests, for whatever was asked of it: nothing broke, and the subscriptions are
    /// good when it has had its rest.
    pub(super) fn put_off(&mut self, now: Time, left: Span) {
        if self.phase != Phase::Opening {
            return;
        }
        if left > LONGEST_REST {
            let next = Next::BackOff { after: Some(left) };
            return self.fail(now, Fault::new(next, "the server wants a long rest"));
        }
        self.wait_for(now, left);
    }

    /// Up to a quarter more, as chance made each group's roll-over: not all come back at once.
    fn wait_for(&mut self, now: Time, rest: Span) {
        let part = rest.as_ms() / 4 * (self.roll.as_ms() % 1_000) / 1_000;
        self.phase = Phase::Waiting(now + rest + Span::from_ms(part));
    }

    /// Opens the stream again with the same subscriptions, later and later.
    pub(super) fn reopen(&mut self, now: Time, fault: Fault) {
        self.breaks += 1;
        if self.breaks > MOST_BREAKS {
            return self.fail(now, fault);
        }
        self.outputs.push_back(Output::Close);
        // The first time at once; then after 1, 2, 4 seconds.
        self.phase = match self.breaks {
            1 => Phase::Waiting(now),
            n => Phase::Waiting(now + Span::SECOND.times(1 << (n - 2))),
        };
    }

    /// Opens the stream that stood for whoever has a subscription. Others, who may be long in
    /// coming, come with the next merge: nobody is unheard for them.
    pub(super) fn resume(&mut self, now: Time) {
        if !self.members.holds_any() {
            self.phase = Phase::Subscribing;
            return self.go_on(now);
        }
        self.anchor = self.members.leader(self.anchor);
        self.open(now, self.members.ids());
        self.subscribe_next(now);
    }
}
