//! What is told of users beside their meetings, on its way to the disk.
//!
//! Of each user and topic the newest counts, so that what waits is bounded by the users. Where the
//! disk takes nothing it is kept here until the disk does; after a crash it is found out again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::{clock, disk::Disk, pulse::Pulse};
use crate::condition;
use crate::model::UserId;
use crate::observe::condition::STORE_FAILS;
use crate::pipeline::announcement::{Announcement, Topic};
use crate::pipeline::limits::STORE_RETRY;

/// Announcements of one transaction.
const GROUP: usize = 256;

type Waiting = HashMap<(UserId, Topic), Announcement>;

/// Where announcements are handed in, from any loop.
#[derive(Clone, Default)]
pub(super) struct Announcer {
    waiting: Arc<Mutex<Waiting>>,
    bell: Arc<Notify>,
}

impl Announcer {
    /// Never waits.
    pub(super) fn tell(&self, one: Announcement) {
        self.waiting().insert((one.user.clone(), one.topic), one);
        self.bell.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Announcement> {
        let mut waiting = self.waiting();
        let some: Vec<_> = waiting.keys().take(GROUP).cloned().collect();
        some.iter().filter_map(|key| waiting.remove(key)).collect()
    }

    /// What has come meanwhile is newer.
    fn give_back(&self, some: Vec<Announcement>) {
        let mut waiting = self.waiting();
        for one in some {
            waiting.entry((one.user.clone(), one.topic)).or_insert(one);
        }
    }
}

/// Runs until `stop` becomes true.
pub(super) async fn run(
    announcer: Announcer,
    (disk, pulse): (Disk, Pulse),
    mut stop: watch::Receiver<bool>,
) {
    loop {
        pulse.beat();
        let some = announcer.take();
        let rests = if some.is_empty() {
            None
        } else if let Err(fault) = disk.announce(some.clone()).await {
            condition!(error, STORE_FAILS, CAUSE = fault,; "the store does not answer ({fault})");
            announcer.give_back(some);
            Some(clock::now().mono + STORE_RETRY)
        } else {
            continue;
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = announcer.bell.notified(), if rests.is_none() => {}
            () = clock::sleep_until(rests) => {}
            () = pulse.rest() => {}
        }
    }
}
