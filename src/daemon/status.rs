//! How the connector is: told to systemd when it changes, to the cloud every 30 s.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::clock;
use super::disk::Disk;
use super::intake::Seen;
use super::pulse::Pulses;
use crate::cloud::{Cloud, Mailboxes, Report, State};
use crate::condition;
use crate::model::CalendarName;
use crate::observe::condition::{
    Condition, LOOP_HANGS, LOOP_TURNS, READY, STORE_FAILS, STORE_WELL,
};
use crate::observe::severity::Severity;
use crate::observe::{journal, notify};
use crate::pipeline::fleet::Census;

/// How often the cloud is told, by the relay protocol.
const EVERY: Duration = Duration::from_secs(30);

/// The disk's thread is waited for so long before the watchdog is fed all the same.
const DISK_WITHIN: Duration = Duration::from_secs(5);
/// A disk that says nothing for so long hangs; one that says that it fails does not.
const DISK_SILENT: Duration = Duration::from_secs(150);

/// How often systemd is asked to wait for READY, while everything turns: there may be no network
/// yet, or no sign-in.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// For how long each time.
const WAIT: Duration = Duration::from_secs(60);

/// A start that runs out of time begins anew, and with it the memory of what was refused: each
/// such start would be another wrong attempt.
#[derive(Default)]
struct Start {
    asked: Option<Instant>,
}

impl Start {
    /// Whether systemd is to be asked for more time now.
    fn takes_longer(&mut self, ready: bool, turns: bool) -> bool {
        let due = self.asked.is_none_or(|at| at.elapsed() >= ASK_EVERY);
        let asks = !ready && turns && due;
        if asks {
            self.asked = Some(Instant::now());
        }
        asks
    }
}

/// Who is fed while all turns, and how often.
pub(super) struct Watchdog {
    /// Nobody, where systemd does not watch.
    every: Option<Duration>,
    feed: Box<dyn Fn() + Send + Sync>,
}

impl Watchdog {
    /// systemd's.
    pub(super) fn of_systemd() -> Self {
        Self { every: notify::watchdog_every(), feed: Box::new(notify::watchdog) }
    }
}

/// What the loop watches.
pub(super) struct Views {
    pub(super) intakes: Vec<(CalendarName, watch::Receiver<Seen>)>,
    pub(super) cloud_well: watch::Receiver<bool>,
    pub(super) channel_open: watch::Receiver<bool>,
    /// What the last reload left to be said.
    pub(super) remark: watch::Receiver<String>,
    /// Told when systemd is.
    pub(super) ready: watch::Sender<bool>,
    /// Those of all loops.
    pub(super) pulses: Pulses,
    pub(super) watchdog: Watchdog,
}

/// Runs until `stop` becomes true.
pub(super) async fn run(
    views: Views,
    disk: Disk,
    cloud: Arc<dyn Cloud>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    let mut troubles = Vec::new();
    let mut wrote = true;
    let mut line = String::new();
    let mut ready = false;
    let mut start = Start::default();
    let mut fed = Instant::now();
    let mut heard = Instant::now();
    let mut hangs = Vec::new();
    let mut telling: Option<JoinHandle<()>> = None;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = tick.tick() => {}
        }
        journal::tick(clock::now().mono);
        let (census, serving, refused) = sum(&views.intakes);
        let writes = *disk.writes.borrow();
        if writes && !std::mem::replace(&mut wrote, writes) {
            condition!(info, STORE_WELL,; "the store can be written again");
        }
        wrote = writes;
        let open = *views.channel_open.borrow();
        if !ready && serving && open {
            ready = true;
            notify::ready();
            views.ready.send_replace(true);
            condition!(info, READY,; "ready: the cloud is signed in and calendars are watched");
        }
        tell_hanging(&views.pulses.still(), &mut hangs);
        if start.takes_longer(ready, hangs.is_empty()) {
            notify::starting(WAIT);
        }
        let waits = if ready { Vec::new() } else { waits(&views.intakes) };
        let well = *views.cloud_well.borrow();
        let now_line = words(&waits, ready, &census, (open, well), &views.remark.borrow());
        if now_line != line {
            notify::status(&now_line);
            line = now_line;
        }
        let now_troubles = critical(refused, writes);
        let due = is_due(open, troubles != now_troubles, told.map(|at| at.elapsed()))
            && telling.as_ref().is_none_or(JoinHandle::is_finished);
        let feed = views.watchdog.every.is_some_and(|every| fed.elapsed() >= every);
        if !due && !feed {
            continue;
        }
        // The answer shows that the disk's thread turns; of the loops each says so by itself.
        let answer = timeout(DISK_WITHIN, disk.backlog()).await;
        if answer.is_ok() {
            heard = Instant::now();
        }
        if feed && hangs.is_empty() && heard.elapsed() < DISK_SILENT {
            (views.watchdog.feed)();
            fed = Instant::now();
        }
        if due && let Ok(Ok(backlog)) = answer {
            let well = *views.cloud_well.borrow();
            let report = report(&census, &now_troubles, backlog.waiting, well);
            let cloud = Arc::clone(&cloud);
            // Its failure shows in the channel and the uplink as well. Nobody waits for it here.
            telling = Some(tokio::spawn(async move {
                let _ = tokio::time::timeout(EVERY, cloud.status(&report)).await;
            }));
            told = Some(Instant::now());
            troubles = now_troubles;
        }
    }
}

/// Tells of each loop that hangs, once, and that it turns again.
fn tell_hanging(still: &[&str], hangs: &mut Vec<String>) {
    for name in still.iter().filter(|name| !hangs.iter().any(|known| known == *name)) {
        condition!(error, LOOP_HANGS, LOOP = name,;
            "{name} does not turn any more: the watchdog ends the program, and it begins anew");
    }
    for name in hangs.iter().filter(|name| !still.contains(&name.as_str())) {
        condition!(info, LOOP_TURNS, LOOP = name,; "{name} turns again");
    }
    *hangs = still.iter().map(|name| (*name).to_owned()).collect();
}

/// Whether the cloud is to be told now, so long after it was told last. While it cannot be, the
/// disk is not asked for what would be told.
fn is_due(open: bool, has_news: bool, since: Option<Duration>) -> bool {
    open && (has_news || since.is_none_or(|since| since >= EVERY))
}

/// The calendars that are not watched yet.
fn waits(intakes: &[(CalendarName, watch::Receiver<Seen>)]) -> Vec<&str> {
    let waiting = intakes.iter().filter(|(_, seen)| !seen.borrow().serving);
    waiting.map(|(name, _)| name.as_str()).collect()
}

/// How the mailboxes are, whether all calendars are watched, and what refuses sign-ins.
fn sum(intakes: &[(CalendarName, watch::Receiver<Seen>)]) -> (Census, bool, Vec<Condition>) {
    let mut all = Census::default();
    let (mut serving, mut refuse) = (true, Vec::new());
    for (_, intake) in intakes {
        let Seen { census, serving: one, refused, .. } = *intake.borrow();
        all.active += census.active;
        all.streaming += census.streaming;
        all.polling += census.polling;
        all.failing += census.failing;
        all.queued += census.queued;
        serving &= one;
        refuse.extend(refused.filter(|one| !refuse.contains(one)));
    }
    (all, serving, refuse)
}

fn words(
    waits: &[&str],
    ready: bool,
    census: &Census,
    (open, well): (bool, bool),
    remark: &str,
) -> String {
    let cloud = match (open, well) {
        (true, true) => "cloud connected",
        (false, true) if !ready => "no connection to the cloud yet",
        (false, true) => "command channel closed",
        (_, false) => "cloud does not take events",
    };
    let start = if ready { "" } else { "starting: " };
    let mut line = format!(
        "{start}{} mailboxes: {} streaming, {} polling, {} failing; {cloud}",
        census.active, census.streaming, census.polling, census.failing
    );
    if !waits.is_empty() {
        line.push_str("; no reading yet from calendar ");
        line.push_str(&waits.join(", "));
    }
    if !remark.is_empty() {
        line.push_str("; ");
        line.push_str(remark);
    }
    line
}

/// What keeps a calendar from being relayed until somebody acts.
fn critical(mut troubles: Vec<Condition>, writes: bool) -> Vec<Condition> {
    troubles.sort_unstable_by_key(|one| one.name);
    troubles.extend((!writes).then_some(STORE_FAILS));
    troubles
}

fn report(census: &Census, troubles: &[Condition], waiting: u64, well: bool) -> Report {
    let number = |n: usize| n as u64;
    let state = if !well
        || !troubles.is_empty()
        || (census.active > 0 && census.failing == census.active)
    {
        State::Outage
    } else if census.failing > 0 {
        State::Impaired
    } else {
        State::Operational
    };
    Report {
        version: env!("CARGO_PKG_VERSION").into(),
        state,
        mailboxes: Mailboxes {
            active: number(census.active),
            streaming: number(census.streaming),
            polling: number(census.polling),
            failing: number(census.failing),
        },
        outbox: waiting,
        conditions: troubles.iter().map(|one| one.name.to_owned()).collect(),
        severity: troubles.iter().map(|one| one.severity).min().map(Severity::as_str),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::{BoxFuture, FutureExt as _};

    use super::*;
    use crate::cloud::{Answered, ChannelEnd, Heard, Outgoing, Verdict};
    use crate::model::{Fault, Next};
    use crate::net::proxy;
    use crate::observe::condition;
    use crate::store::sqlite::Sqlite;

    struct NoCloud;

    impl Cloud for NoCloud {
        fn send<'a>(&'a self, _: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Verdict>, Fault>> {
            async { Ok(Vec::new()) }.boxed()
        }
        fn channel<'a>(
            &'a self,
            _: u64,
            _: tokio::sync::mpsc::Sender<Heard>,
            _: tokio::sync::mpsc::Receiver<Answered>,
            _: watch::Receiver<bool>,
        ) -> BoxFuture<'a, ChannelEnd> {
            async { ChannelEnd::Stopped }.boxed()
        }
        fn status<'a>(&'a self, _: &'a Report) -> BoxFuture<'a, Result<(), Fault>> {
            async { Ok(()) }.boxed()
        }
    }

    /// A watchdog, and when it is fed.
    fn fed_every(every: Duration) -> (Watchdog, tokio::sync::mpsc::UnboundedReceiver<Instant>) {
        let (fed, feeds) = tokio::sync::mpsc::unbounded_channel();
        let feed = move || {
            let _ = fed.send(Instant::now());
        };
        (Watchdog { every: Some(every), feed: Box::new(feed) }, feeds)
    }

    fn views(watchdog: Watchdog) -> Views {
        Views {
            intakes: Vec::new(),
            cloud_well: watch::channel(true).1,
            channel_open: watch::channel(false).1,
            remark: watch::channel(String::new()).1,
            ready: watch::channel(false).0,
            pulses: Pulses::default(),
            watchdog,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_starves_the_watchdog_and_one_that_is_slow_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        let disk = Disk::start(Box::new(store)).unwrap();
        let (watchdog, mut feeds) = fed_every(Duration::from_secs(15));
        let views = views(watchdog);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(views, disk.clone(), Arc::new(NoCloud), stopped));
        feeds.recv().await.expect("it is fed");
        let (release, held) = mpsc::channel();
        disk.hold(held);
        let (silent, mut last) = (Instant::now(), None);
        // Longer than anything that it waits for.
        while let Ok(Some(at)) = timeout(DISK_SILENT * 4, feeds.recv()).await {
            last = Some(at);
            assert!(at - silent <= DISK_SILENT + DISK_WITHIN, "{:?}", at - silent);
        }
        assert!(last.is_some_and(|at| at - silent > DISK_SILENT / 2), "{last:?}");
        // The answer comes from another thread, for which no time is turned on.
        tokio::time::resume();
        release.send(()).unwrap();
        feeds.recv().await.expect("it is fed again");
        stop.send(true).unwrap();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_loop_that_hangs_starves_the_watchdog_although_the_disk_and_the_others_answer() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        let disk = Disk::start(Box::new(store)).unwrap();
        // The disk answers from another thread: while somebody blocks, no time goes by itself.
        let (release, held) = mpsc::channel::<()>();
        let blocks = tokio::task::spawn_blocking(move || held.recv());
        let mut pulses = Pulses::default();
        let (well, hangs) = (pulses.of("errands hq"), pulses.of("intake hq"));
        let turns = tokio::spawn(async move { well.through(std::future::pending::<()>()).await });
        let (watchdog, mut feeds) = fed_every(Duration::from_secs(15));
        let (stop, stopped) = watch::channel(false);
        let views = Views { pulses, ..views(watchdog) };
        let running = tokio::spawn(run(views, disk.clone(), Arc::new(NoCloud), stopped));
        let mut is_fed = async |seconds| {
            for _ in 0..seconds {
                tokio::time::advance(Duration::from_secs(1)).await;
                // What the loop asked the disk before is answered before.
                disk.backlog().await.unwrap();
                tokio::task::yield_now().await;
                if feeds.try_recv().is_ok() {
                    return true;
                }
            }
            false
        };
        let began = Instant::now();
        hangs.beat();
        for _ in 0..6 {
            assert!(is_fed(20).await, "as long as a turn may take");
        }
        while began.elapsed() < DISK_SILENT + Duration::from_secs(5) {
            is_fed(1).await;
        }
        assert!(!is_fed(60).await, "a loop does not turn");
        hangs.beat();
        assert!(is_fed(20).await, "it turns again");
        stop.send(true).unwrap();
        release.send(()).unwrap();
        running.await.unwrap();
        blocks.await.unwrap().unwrap();
        turns.abort();
    }

    #[test]
    fn a_closed_channel_does_not_have_the_disk_read_on_and_on() {
        for since in [None, Some(Duration::ZERO), Some(EVERY * 9)] {
            assert!(!is_due(false, false, since) && !is_due(false, true, since), "{since:?}");
        }
        assert!(is_due(true, false, None) && is_due(true, false, Some(EVERY)), "once it is open");
        assert!(is_due(true, true, Some(Duration::ZERO)), "news at once");
        assert!(!is_due(true, false, Some(EVERY / 2)));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_an_outage_with_a_name_and_how_bad_it_is() {
        let census = Census { active: 4, streaming: 4, ..Census::default() };
        let well = report(&census, &critical(Vec::new(), true), 3, true);
        assert_eq!((well.state, well.severity), (State::Operational, None));
        assert!(well.conditions.is_empty());
        let refused = condition::refused(&Fault::new(Next::SignIn, "HTTP 401"));
        let both = report(&census, &critical(vec![refused], false), 3, true);
        assert_eq!((both.state, both.severity), (State::Outage, Some("critical")));
        assert_eq!(both.conditions, ["sign-in-refused", "store-fails"]);
    }

    #[test]
    fn a_proxy_that_refuses_us_is_not_called_exchange() {
        let asked = Fault::new(Next::SignIn, proxy::ASKS);
        let seen =
            |fault: &Fault| Seen { refused: Some(condition::refused(fault)), ..Seen::default() };
        let other = seen(&Fault::new(Next::SignIn, "HTTP 401"));
        let intakes = [seen(&asked), other, seen(&asked)].map(|one| watch::channel(one).1);
        let intakes = intakes.map(|one| (CalendarName::new("hq"), one));
        let (.., refuse) = sum(&intakes);
        let told = report(&Census::default(), &critical(refuse, true), 0, true);
        assert_eq!(told.conditions, ["proxy-refuses", "sign-in-refused"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_without_network_or_sign_in_is_not_begun_anew_and_one_that_hangs_is() {
        let mut start = Start::default();
        assert!(!start.takes_longer(false, false), "a start that hangs is begun anew");
        for _ in 0..3 {
            assert!(start.takes_longer(false, true));
            assert!(!start.takes_longer(false, true), "not all the time");
            tokio::time::advance(ASK_EVERY).await;
        }
        assert!(!start.takes_longer(true, true), "it has started");
    }
}
