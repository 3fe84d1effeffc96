//! The mailboxes of one group: how each stands, and who leads.

use std::sync::Arc;

use crate::model::Target;

/// How a member stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be subscribed.
    Wanted,
    /// Subscribe is on its way.
    Asked,
    /// It has a subscription.
    Held(Arc<str>),
    /// It was refused and is left out.
    Out,
}

/// One mailbox.
#[derive(Debug)]
pub(super) struct Member {
    /// Whose it is.
    pub(super) target: Target,
    /// How it stands.
    pub(super) state: State,
    /// How often it was subscribed anew.
    pub(super) renewals: u8,
}

/// All of a group's, in the order of their addresses; each is known by its place.
#[derive(Debug)]
pub(super) struct Members(Vec<Member>);

impl Members {
    /// All are wanted.
    pub(super) fn new(mut targets: Vec<Target>) -> Self {
        targets.sort_by(|a, b| a.address.reveal().cmp(b.address.reveal()));
        let member = |target| Member { target, state: State::Wanted, renewals: 0 };
        Self(targets.into_iter().map(member).collect())
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

    /// The places of those that have a subscription.
    pub(super) fn held(&self) -> Vec<usize> {
        let held = |(_, member): &(usize, &Member)| matches!(member.state, State::Held(_));
        self.0.iter().enumerate().filter(held).map(|(at, _)| at).collect()
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
        self.0.iter().any(|member| member.state == State::Asked)
    }

    /// Whether nothing is left to be subscribed.
    pub(super) fn are_settled(&self) -> bool {
        self.0.iter().all(|member| matches!(member.state, State::Held(_) | State::Out))
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
