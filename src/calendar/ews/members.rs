//! The mailboxes of one group: how each stands, and who leads.

use std::sync::Arc;

use crate::model::{Fault, Target, Time, UserId};

/// How a member stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be subscribed.
    Wanted,
    /// Subscribe is on its way.
    Asked,
    /// It was not taken on the way of whoever leads, which may be wrong.
    Doubted(Fault),
    /// It has a subscription.
    Held(Arc<str>),
    /// It was refused and is left out.
    Out,
    /// Subscribe is on its way for one who left meanwhile.
    Leaving,
    /// It left; its subscription is given back.
    Left(Arc<str>),
}

/// One mailbox.
#[derive(Debug)]
pub(super) struct Member {
    /// Whose it is.
    pub(super) target: Target,
    /// How it stands.
    pub(super) state: State,
    /// How often it was subscribed anew since a stream that carried it has proven good.
    pub(super) renewals: u8,
    /// Since when Subscribe is asked for, in vain so far.
    pub(super) asked: Option<Time>,
    /// The stream that was opened last carries it.
    pub(super) carried: bool,
}

impl Member {
    fn new(target: Target) -> Self {
        Self { target, state: State::Wanted, renewals: 0, asked: None, carried: false }
    }

    fn is_seated(&self) -> bool {
        matches!(self.state, State::Wanted | State::Asked | State::Doubted(_) | State::Held(_))
    }
}

/// All of a group's, in the order of their addresses; each is known by its place.
#[derive(Debug)]
pub(super) struct Members(Vec<Member>);

impl Members {
    /// All are wanted.
    pub(super) fn new(mut targets: Vec<Target>) -> Self {
        targets.sort_by(|a, b| a.address.reveal().cmp(b.address.reveal()));
        let mut members = Self(Vec::with_capacity(targets.len()));
        targets.into_iter().for_each(|target| members.add(target));
        members
    }

    /// Puts one into the place of somebody who is out for good, if there is such a place.
    pub(super) fn add_instead(&mut self, target: Target, is_free: impl Fn(usize) -> bool) -> bool {
        let out = |member: &Member| matches!(member.state, State::Out | State::Left(_));
        let place = self.0.iter_mut().enumerate().find(|(at, member)| out(member) && is_free(*at));
        let Some((_, member)) = place else { return false };
        *member = Member::new(target);
        true
    }

    /// One more, at the end: the places of the others stay.
    pub(super) fn add(&mut self, target: Target) {
        self.0.push(Member::new(target));
    }

    /// The place of one that is in, or is to be.
    pub(super) fn seat_of(&self, user: &UserId) -> Option<usize> {
        self.0.iter().position(|member| member.is_seated() && member.target.user == *user)
    }

    /// How many are in, or are to be.
    pub(super) fn seated(&self) -> usize {
        self.0.iter().filter(|member| member.is_seated()).count()
    }

    /// Whether this is the subscription of one who left.
    pub(super) fn has_left(&self, id: &str) -> bool {
        self.0.iter().any(|member| matches!(&member.state, State::Left(left) if **left == *id))
    }

    /// The stream that is opened now carries those that have a subscription.
    pub(super) fn carry(&mut self) {
        for member in &mut self.0 {
            member.carried = matches!(member.state, State::Held(_));
        }
    }

    /// The stream stood for a while: what it carries is good.
    pub(super) fn prove(&mut self) {
        let told = |member: &&mut Member| member.carried && matches!(member.state, State::Held(_));
        self.0.iter_mut().filter(told).for_each(|member| member.renewals = 0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Member> {
        self.0.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Member> {
        self.0.get_mut(at)
    }

    /// Whether the member at this place stands so.
    pub(super) fn is(&self, at: usize, state: &State) -> bool {
        self.get(at).is_some_and(|member| member.state == *state)
    }

    /// Whether the stream that was opened last tells of the member at this place.
    pub(super) fn held_and_carried(&self, at: usize) -> bool {
        let told = |member: &Member| member.carried && matches!(member.state, State::Held(_));
        self.get(at).is_some_and(told)
    }

    /// The places of those that have a subscription.
    pub(super) fn held(&self) -> Vec<usize> {
        let held = |(_, member): &(usize, &Member)| matches!(member.state, State::Held(_));
        self.0.iter().enumerate().filter(held).map(|(at, _)| at).collect()
    }

    /// The next of those after this one, and the first after the last.
    pub(super) fn held_after(&self, at: usize) -> usize {
        let held = self.held();
        held.iter().copied().find(|next| *next > at).or(held.first().copied()).unwrap_or(at)
    }

    /// The subscriptions of those.
    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        let id = |member: &Member| match &member.state {
            State::Held(id) => Some(Arc::clone(id)),
            _ => None,
        };
        self.0.iter().filter_map(id).collect()
    }

    /// Who has this subscription.
    pub(super) fn with_id(&self, id: &str) -> Option<usize> {
        self.0.iter().position(|member| matches!(&member.state, State::Held(held) if **held == *id))
    }

    /// Whether one has a subscription.
    pub(super) fn holds_any(&self) -> bool {
        self.0.iter().any(|member| matches!(member.state, State::Held(_)))
    }

    /// Whether Subscribe is on its way for one.
    pub(super) fn asks_any(&self) -> bool {
        self.0.iter().any(|member| matches!(member.state, State::Asked | State::Leaving))
    }

    /// Whether nothing is left to be subscribed.
    pub(super) fn are_settled(&self) -> bool {
        let through =
            |member: &Member| matches!(member.state, State::Held(_) | State::Out | State::Left(_));
        self.0.iter().all(through)
    }

    /// Whether one is to be subscribed.
    pub(super) fn wants_any(&self) -> bool {
        self.0.iter().any(|member| member.state == State::Wanted)
    }

    /// The places of those that were not taken on this way, and why.
    pub(super) fn doubted(&self) -> Vec<(usize, Fault)> {
        let doubted = |(at, member): (usize, &Member)| match &member.state {
            State::Doubted(fault) => Some((at, fault.clone())),
            _ => None,
        };
        self.0.iter().enumerate().filter_map(doubted).collect()
    }

    /// The anchor as long as it has a subscription; else the first that has one, else the first
    /// that is still in.
    pub(super) fn leader(&self, anchor: usize) -> usize {
        let first =
            |wanted: fn(&State) -> bool| self.0.iter().position(|member| wanted(&member.state));
        let leader = match self.get(anchor).map(|member| &member.state) {
            Some(State::Held(_)) => Some(anchor),
            _ => first(|state| matches!(state, State::Held(_)))
                .or_else(|| first(|state| *state == State::Asked))
                .or_else(|| first(|state| *state == State::Wanted)),
        };
        leader.unwrap_or(0)
    }
}
