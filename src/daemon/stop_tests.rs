//! A stop whose parts hang, on virtual time.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep};

use super::*;
use crate::config::STOP_WITHIN;

/// What happened, in its order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn say(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Loops that need so long to end; `None`: they hang.
fn running(told: &Told, loops: Option<Duration>, uplink: Option<Duration>) -> Running {
    let (first, stop) = watch::channel(false);
    let (then, last) = watch::channel(false);
    type Stop = watch::Receiver<bool>;
    type Names = [&'static str; 2];
    let one = |told: Told, mut stop: Stop, names: Names, takes: Option<Duration>| async move {
        let _ = stop.wait_for(|stop| *stop).await;
        told.say(names[0]);
        match takes {
            Some(takes) => sleep(takes).await,
            None => std::future::pending().await,
        }
        told.say(names[1]);
    };
    let mut running = Running { loops: JoinSet::new(), last: JoinSet::new(), tell: [first, then] };
    running.loops.spawn(one(told.clone(), stop, ["gives back", "gave back"], loops));
    running.last.spawn(one(told.clone(), last, ["sends", "sent"], uplink));
    running
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_in_order_and_each_part_waits_for_the_one_before() {
    let (told, second) = (Told::default(), Some(Duration::from_secs(1)));
    let parts = running(&told, second, second);
    let closing = async {
        told.say("closed");
        Some(3)
    };
    parts.stop(closing).await;
    assert_eq!(told.all(), ["gives back", "gave back", "sends", "sent", "closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_over_within_its_time_whatever_hangs() {
    let short = Some(Duration::from_millis(10));
    for (loops, uplink, disk) in
        [(None, short, true), (short, None, true), (short, short, false), (None, None, false)]
    {
        let told = Told::default();
        let parts = running(&told, loops, uplink);
        let closing = async {
            told.say("closes");
            if !disk {
                std::future::pending::<()>().await;
            }
            Some(0)
        };
        let began = Instant::now();
        parts.stop(closing).await;
        assert!(began.elapsed() <= STOP_WITHIN - Duration::from_secs(1), "{:?}", began.elapsed());
        let all = told.all();
        for what in ["gives back", "sends", "closes"] {
            assert!(all.contains(&what), "each has its turn: {all:?}");
        }
    }
}
