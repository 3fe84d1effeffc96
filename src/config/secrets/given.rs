//! What is known of a secret beyond what its store has: a new one that is not known to work, and
//! the one before it. The old one stays in use until the new one has worked.
//!
//! ```text
//!   keep ──▶ next ──worked──▶ taken ◀──the one in use is refused── previous
//!              └──refused──▶ (forgotten) ◀──the one in use has worked──┘
//! ```

use crate::model::Secret;

/// One secret, given while the store under it stands still. Whatever another hand puts into the
/// store afterwards takes the place of it all.
#[derive(Default)]
pub struct Given {
    base: Base,
    /// In the place of the store's.
    taken: Option<Secret>,
    next: Option<Secret>,
    previous: Option<Secret>,
}

/// A digest of a secret, good for nothing but comparing.
pub(super) type Mark = [u8; 32];

/// What the store had when it was looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Base {
    /// It could not be read yet: what it shows first is what it had.
    #[default]
    Unread,
    /// No such secret.
    Nothing,
    /// This one.
    Had(Mark),
}

impl Base {
    /// What is known after another look.
    fn then(self, found: Self) -> Self {
        if found == Self::Unread { self } else { found }
    }
}

impl Given {
    /// At a start: the store has `stored`, and beside it the one before, which is kept until
    /// `stored` has worked.
    pub(super) fn started(stored: Mark, in_use: Secret, previous: Secret) -> Self {
        Self { base: Base::Had(stored), taken: Some(in_use), next: None, previous: Some(previous) }
    }

    /// The secret to use, where it is not the store's. `stored` is what the store has now; a store
    /// that gives nothing at the moment says nothing of what was given.
    pub(super) fn in_use(&mut self, stored: Option<(&Secret, Mark)>) -> Option<Secret> {
        let Some((secret, mark)) = stored else { return self.taken.clone() };
        let base = Base::Had(mark);
        // What was given here is written down.
        let ours = [&self.taken, &self.next].iter().any(|one| one.as_ref() == Some(secret));
        if ours || self.base == Base::Unread {
            self.base = base;
        } else if self.base != base {
            *self = Self { base, ..Self::default() };
        }
        self.taken.clone()
    }

    /// `new` is used from now on: it was tried, and works.
    pub(super) fn take(&mut self, stored: Base, new: Secret) {
        let base = self.base.then(stored);
        *self = Self { base, taken: Some(new), next: None, previous: None };
    }

    /// `tried`, which had waited or still does, works: it is used from now on. A newer one that was
    /// given meanwhile waits on.
    pub(super) fn take_tried(&mut self, stored: Base, tried: Secret) {
        let next = self.next.take().filter(|next| *next != tried);
        *self = Self { base: self.base.then(stored), taken: Some(tried), next, previous: None };
    }

    /// `new` is used from now on, though nobody could try it: `old` is what to go back to.
    pub(super) fn take_untried(&mut self, stored: Base, new: Secret, old: Option<Secret>) {
        let previous = old.filter(|old| *old != new);
        *self = Self { base: self.base.then(stored), taken: Some(new), next: None, previous };
    }

    /// `new` waits until it can be tried; `old` stays in use.
    pub(super) fn keep(&mut self, stored: Base, new: Secret, old: Secret) {
        let previous = self.previous.take();
        *self = Self { base: self.base.then(stored), taken: Some(old), next: Some(new), previous };
    }

    /// What waits to be tried.
    pub(super) fn next(&self) -> Option<&Secret> {
        self.next.as_ref()
    }

    /// Whether there is one to go back to.
    pub(super) fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// What waited was refused.
    pub(super) fn drop_next(&mut self) {
        self.next = None;
    }

    /// The one in use was refused: the one before is used again, if there is one.
    pub(super) fn refused(&mut self) {
        if let Some(previous) = self.previous.take() {
            self.taken = Some(previous);
        }
    }

    /// The one in use has worked. Whether that is news: there was one to go back to.
    pub(super) fn proven(&mut self) -> bool {
        self.previous.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What happens to a secret, by small numbers for their texts.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// Given, and tried with this outcome.
        Given(u8, Tried),
        /// What waits is tried.
        Again(Tried),
        /// What waits works, and meanwhile another one was given that cannot be told yet.
        Overtaken(u8),
        /// What is in use is refused, or works.
        InUse(bool),
        /// Another hand writes the store, or the command writes what was given.
        Written(u8),
        /// The store gives nothing for a moment; meanwhile something is given, or nothing.
        Unreadable(Option<(u8, bool)>),
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Tried {
        Works,
        Refused,
        Untold,
    }

    fn secret(n: u8) -> Secret {
        Secret::new(n.to_string())
    }

    fn mark(secret: &Secret) -> Mark {
        let mut mark = [0; 32];
        mark.iter_mut().zip(secret.reveal().bytes()).for_each(|(to, from)| *to = from);
        mark
    }

    /// The layer over a store, as it is driven.
    struct Play {
        stored: Secret,
        given: Given,
    }

    impl Play {
        fn new(stored: u8) -> Self {
            let stored = secret(stored);
            Self { stored, given: Given::default() }
        }

        fn in_use(&mut self) -> Secret {
            let stored = (&self.stored, mark(&self.stored));
            self.given.in_use(Some(stored)).unwrap_or_else(|| self.stored.clone())
        }

        fn handle(&mut self, event: Event) {
            let (old, base) = (self.in_use(), Base::Had(mark(&self.stored)));
            match event {
                Event::Given(n, Tried::Works) => self.given.take(base, secret(n)),
                Event::Given(n, Tried::Untold) => self.given.keep(base, secret(n), old),
                Event::Given(_, Tried::Refused) => {}
                Event::Again(Tried::Works) => {
                    if let Some(next) = self.given.next().cloned() {
                        self.given.take_tried(base, next);
                    }
                }
                // While the first is on its way, another one is given.
                Event::Overtaken(n) => {
                    if let Some(first) = self.given.next().cloned() {
                        self.given.keep(base, secret(n), old);
                        self.given.take_tried(base, first);
                    }
                }
                Event::Again(Tried::Refused) => self.given.drop_next(),
                Event::Again(Tried::Untold) => {}
                Event::InUse(true) => drop(self.given.proven()),
                Event::InUse(false) => self.given.refused(),
                Event::Written(n) => self.stored = secret(n),
                Event::Unreadable(None) => drop(self.given.in_use(None)),
                Event::Unreadable(Some((n, works))) => {
                    let old = self.given.in_use(None);
                    match (works, old) {
                        (true, _) => self.given.take(Base::Unread, secret(n)),
                        (false, Some(old)) => self.given.keep(Base::Unread, secret(n), old),
                        (false, None) => {}
                    }
                }
            }
        }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let tried = || prop_oneof![Just(Tried::Works), Just(Tried::Refused), Just(Tried::Untold)];
        let one = prop_oneof![
            (1..6u8, tried()).prop_map(|(n, tried)| Event::Given(n, tried)),
            tried().prop_map(Event::Again),
            (1..6u8).prop_map(Event::Overtaken),
            any::<bool>().prop_map(Event::InUse),
            (1..6u8).prop_map(Event::Written),
            proptest::option::of((1..6u8, any::<bool>())).prop_map(Event::Unreadable),
        ];
        proptest::collection::vec(one, 0..24)
    }

    proptest! {
        #[test]
        fn what_is_in_use_changes_only_for_a_reason(events in events()) {
            let mut play = Play::new(0);
            for event in events {
                let (before, waiting) = (play.in_use(), play.given.next().cloned());
                let back = play.given.previous.clone();
                play.handle(event);
                let after = play.in_use();
                match event {
                    Event::Given(n, Tried::Works) => prop_assert!(after == secret(n)),
                    Event::Again(Tried::Works) => {
                        prop_assert!(after == waiting.unwrap_or(before));
                    }
                    Event::Overtaken(n) => {
                        let newest = waiting.is_none() || waiting == Some(secret(n));
                        prop_assert!(newest || play.given.next() == Some(&secret(n)));
                        prop_assert!(after == waiting.unwrap_or(before));
                    }
                    Event::InUse(false) => prop_assert!(after == back.unwrap_or(before)),
                    Event::Written(n) => prop_assert!(after == secret(n) || after == before),
                    Event::Unreadable(Some((n, true))) => prop_assert!(after == secret(n)),
                    // What waits is not forgotten either.
                    Event::Unreadable(None) => {
                        prop_assert!(after == before && play.given.next() == waiting.as_ref());
                    }
                    _ => prop_assert!(after == before, "{event:?}"),
                }
            }
        }

        #[test]
        fn once_one_has_worked_no_other_is_kept(events in events(), n in 1..6u8) {
            let mut play = Play::new(0);
            events.into_iter().for_each(|event| play.handle(event));
            play.handle(Event::Given(n, Tried::Works));
            prop_assert!(play.given.next.is_none() && play.given.previous.is_none());
            play.handle(Event::Written(n));
            prop_assert!(play.in_use() == secret(n));
        }

        #[test]
        fn what_another_hand_writes_takes_the_place_of_all(events in events()) {
            let mut play = Play::new(0);
            events.into_iter().for_each(|event| play.handle(event));
            play.in_use();
            play.handle(Event::Written(200));
            prop_assert!(play.in_use() == secret(200));
            prop_assert!(play.given.taken.is_none() && play.given.next.is_none());
        }
    }

    #[test]
    fn a_start_in_between_goes_back_to_the_one_before_where_the_new_one_is_refused() {
        let mut given = Given::started(mark(&secret(2)), secret(2), secret(1));
        let stored = secret(2);
        let in_use = |given: &mut Given| given.in_use(Some((&stored, mark(&stored)))).unwrap();
        assert!(in_use(&mut given) == secret(2));
        given.refused();
        assert!(in_use(&mut given) == secret(1));
        given.refused();
        assert!(in_use(&mut given) == secret(1), "the wrong one is not taken again");
    }
}
