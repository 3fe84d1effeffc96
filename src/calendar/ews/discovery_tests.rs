//! What a discovery finds over a restart, where the disk or Autodiscover fails meanwhile.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::ready;
use tokio::sync::watch;

use super::discover::{Answer, Step};
use super::get_user_settings::{Settings, Told};
use super::*;
use crate::model::{CalendarName, Plain, Span, TrustEntry};

/// A disk and an Autodiscover that fail at will.
#[derive(Debug, Default)]
struct World {
    shelf: Forgetful,
    ms: AtomicI64,
    full: AtomicBool,
    away: AtomicBool,
}

impl World {
    fn discovery(self: &Arc<Self>) -> Discovery {
        let autodiscover = "https://corp.example/autodiscover/autodiscover.svc".parse().ok();
        let name = CalendarName::new("hq");
        let options = Options::discovering(name, Discover::default(), "svc-calway");
        let options = Options { autodiscover, discover: None, ..options };
        Discovery::new(&options, Arc::clone(self) as Arc<dyn Legs>, Arc::clone(self) as _)
    }

    fn pass(&self, span: Span) {
        self.ms.fetch_add(i64::try_from(span.as_ms()).unwrap(), Ordering::Relaxed);
    }
}

impl Legs for World {
    fn go<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Answer> {
        let told = |_: &Arc<Address>| {
            let url = Some("https://mail.corp.example/EWS/Exchange.asmx".to_owned());
            let grouping = Some("one".to_owned());
            Ok(Told::Settings(Settings { grouping, internal_ews_url: url, external_ews_url: None }))
        };
        let answer = match (step, self.away.load(Ordering::Relaxed)) {
            (Step::Settings(_, users), false) => Ok(users.iter().map(told).collect()),
            _ => Err(Fault::retry("HTTP 404")),
        };
        ready(Answer::Settings(answer)).boxed()
    }

    fn tired(&self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }

    fn chance(&self) -> u64 {
        0
    }
}

impl Ledger for World {
    fn now(&self) -> Time {
        Time::from_ms(1_800_000_000_000 + self.ms.load(Ordering::Relaxed))
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        self.shelf.recall()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        match self.full.load(Ordering::Relaxed) {
            true => ready(Err(Fault::retry("store: database or disk is full"))).boxed(),
            false => self.shelf.keep(lines),
        }
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        self.shelf.trust()
    }

    fn turns(&self) -> watch::Receiver<u64> {
        self.shelf.turns()
    }

    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.shelf.meet(host, via)
    }
}

#[tokio::test]
async fn a_home_that_a_full_disk_did_not_take_is_there_after_a_restart() {
    let ann = [Arc::new(Address::parse("ann@corp.example").unwrap())];
    for answers in [true, false] {
        let world = Arc::new(World::default());
        let discovery = world.discovery();
        world.full.store(true, Ordering::Relaxed);
        let home = discovery.homes_of(&ann, Doubt::None).await.remove(0);
        assert!(home.is_ok(), "{home:?}");
        // A check finds nothing new, or nobody who answers; the disk takes lines again.
        world.full.store(false, Ordering::Relaxed);
        world.away.store(!answers, Ordering::Relaxed);
        world.pass(Span::MINUTE.times(8));
        assert_eq!(discovery.homes_of(&ann, Doubt::Routine).await.remove(0), home);

        world.away.store(true, Ordering::Relaxed);
        let again = world.discovery();
        assert_eq!(again.homes_of(&ann, Doubt::None).await, [home]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_active_no_more_is_forgotten_here_and_on_the_disk() {
    let all = ["ann", "bob", "cid"].map(|name| format!("{name}@corp.example"));
    let all = all.map(|address| Arc::new(Address::parse(&address).unwrap()));
    let [ann, bob, cid] = &all;
    let world = Arc::new(World::default());
    let discovery = world.discovery();
    discovery.homes_of(&all, Doubt::None).await;
    world.pass(Span::MINUTE.times(8));
    let later = Duration::from_secs(30);
    tokio::join!(discovery.forget(ann), discovery.forget(bob), async {
        tokio::time::sleep(later).await;
        assert!(discovery.known(ann).is_some(), "its subscription is given back first");
        world.pass(Span::SECOND.times(30));
        discovery.homes_of(std::slice::from_ref(bob), Doubt::Routine).await;
    });
    let lines = world.shelf.recall().await.unwrap();
    for (address, is_known) in [(ann, false), (bob, true), (cid, true)] {
        assert_eq!(discovery.known(address).is_some(), is_known);
        let kept = lines.iter().any(|line| line.reveal().contains(address.reveal()));
        assert_eq!(kept, is_known);
    }
}
