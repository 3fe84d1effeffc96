//! The mailboxes that a loop acts for: what is asked in the name of one ends with it.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::model::{Address, Fault, Target, UserId};

/// Active mailboxes.
#[derive(Default)]
pub(super) struct Targets(HashMap<UserId, (Target, watch::Sender<()>)>);

impl Targets {
    /// Takes a mailbox up; what it was before, where it was there. What was asked for another
    /// address of the same user ends.
    pub(super) fn add(&mut self, target: Target) -> Option<Target> {
        if self.0.get(&target.user).is_some_and(|(before, _)| *before == target) {
            return Some(target);
        }
        let gone = watch::Sender::new(());
        let before = self.0.insert(target.user.clone(), (target, gone));
        before.map(|(before, _)| before)
    }

    /// Lets a mailbox go.
    pub(super) fn remove(&mut self, user: &UserId) -> Option<Target> {
        self.0.remove(user).map(|(target, _)| target)
    }

    /// One of them, and how long it is one.
    ///
    /// # Errors
    /// [`gone`] where it is none.
    pub(super) fn get(&self, user: &UserId) -> Result<(Target, Life), Fault> {
        let (target, gone) = self.0.get(user).ok_or_else(self::gone)?;
        Ok((target.clone(), Life(gone.subscribe())))
    }

    /// Whose address this is.
    pub(super) fn whose(&self, address: &Address) -> Option<UserId> {
        let same = |(target, _): &&(Target, _)| *target.address == *address;
        self.0.values().find(same).map(|(target, _)| target.user.clone())
    }

    /// All of them.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.0.keys().cloned().collect()
    }
}

/// How long a mailbox is active.
pub(super) struct Life(watch::Receiver<()>);

impl Life {
    /// What the work comes to; nothing where the mailbox goes first. So whoever waits for a turn,
    /// or for the end of a server's rest, does not ask any more.
    pub(super) async fn of<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.0.changed() => None,
            done = work => Some(done),
        }
    }
}

/// The mailbox is not active any more.
pub(super) fn gone() -> Fault {
    Fault::retry("mailbox was removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str) -> Target {
        let address = Address::parse(address).unwrap().into();
        Target { user: UserId::new("u-1"), address }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_turn_does_not_ask_once_the_mailbox_is_not_active() {
        let (mut targets, user) = (Targets::default(), UserId::new("u-1"));
        assert!(targets.get(&user).is_err());
        assert_eq!(targets.add(target("ann@corp.example")), None);
        let (_, life) = targets.get(&user).unwrap();
        assert_eq!(life.of(async { 7 }).await, Some(7));
        let (_, kept) = targets.get(&user).unwrap();
        let (_, life) = targets.get(&user).unwrap();
        // The same again is no other mailbox.
        assert!(targets.add(target("ann@corp.example")).is_some());
        assert_eq!(kept.of(async { 7 }).await, Some(7));
        assert!(targets.add(target("bob@corp.example")).is_some());
        assert_eq!(life.of(std::future::pending::<()>()).await, None);
        let (now, life) = targets.get(&user).unwrap();
        assert_eq!(now, target("bob@corp.example"));
        targets.remove(&user);
        assert_eq!(life.of(async { 7 }).await, None, "it does not even begin");
    }
}
