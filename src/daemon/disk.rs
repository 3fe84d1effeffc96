//! The thread that the store lives on. Commits that wait at the same time, and what the cloud has
//! answered, are written as one transaction, so that one sync to the disk serves them all. While
//! there are many, a commit waits some milliseconds for others; whoever reads does not.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, oneshot, watch};

use super::clock;
use crate::model::{
    CalendarName, CommandId, Fault, Next, Outcome, Time, TrustEntry, UserId, Verdict,
};
use crate::pipeline::announcement::Announcement;
use crate::pipeline::command::Decision;
use crate::pipeline::errand::{Advance, Filed};
use crate::pipeline::limits;
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::seal::{Stashed, Tag};
use crate::pipeline::sync::{Commit, Keyed, Loaded, Lookup, Row};
use crate::store::{Backlog, DAMAGED, Met, Outstanding, Settled, Store, is_damage};

/// Requests that may be under way; beyond them callers wait.
const QUEUE: usize = 256;

/// Commits of one transaction.
const GROUP: usize = 64;

/// How long a commit waits for others at most. Several such waits are far below the 10 ms that an
/// edit may take on its way.
const GATHER: Duration = Duration::from_millis(2);

/// Commits that come closer than this on average are many: others will come within the wait.
const DENSE: Duration = Duration::from_millis(4);

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Request {
    Commit(Box<Commit>, Reply<bool>),
    Settle(Settled, Reply<()>),
    /// Everything else is done at once, and gives its answer itself.
    Do(Work),
    /// Whatever came before is written, and nothing after it.
    Close(oneshot::Sender<()>),
}

/// What came of several decisions: the outcomes of the first ones, and why there are no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) fault: Option<Fault>,
}

/// The store, from anywhere.
#[derive(Clone)]
pub(super) struct Disk {
    requests: Sender<Request>,
    room: Arc<Semaphore>,
    /// Told when something was put into the outbox.
    pub(super) filled: Arc<Notify>,
    /// Whether more waits in the outbox than a live edit may stand behind.
    pub(super) outbox_long: watch::Receiver<bool>,
    /// Whether what was written last was taken.
    pub(super) writes: watch::Receiver<bool>,
    /// How it showed that the file is damaged, where it is.
    pub(super) damage: watch::Sender<Option<String>>,
}

impl Disk {
    /// Starts the thread. It ends when the last handle is gone.
    pub(super) fn start(store: Box<dyn Store>) -> std::io::Result<Self> {
        let (requests, inbox) = channel();
        let filled = Arc::new(Notify::new());
        let (long, outbox_long) = watch::channel(false);
        let (wrote, writes) = watch::channel(true);
        let damage = watch::Sender::new(None);
        let bell = Bell { filled: filled.clone(), long, wrote, damage: damage.clone() };
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || serve(store, &inbox, &bell))?;
        let room = Arc::new(Semaphore::new(QUEUE));
        Ok(Self { requests, room, filled, outbox_long, writes, damage })
    }

    /// Does something on the store's thread. A caller that does not wait any more is no fault: it
    /// was told to stop.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let damage = self.damage.clone();
        let work = move |store: &mut dyn Store| {
            let done = work(store);
            if let Err(fault) = &done {
                give_up(store, &damage, fault);
            }
            drop(reply.send(done));
        };
        self.hand_over(Request::Do(Box::new(work)), answer).await?
    }

    /// Keeps the thread busy until something is sent, as a disk does that answers nothing.
    #[cfg(test)]
    pub(super) fn hold(&self, until: std::sync::mpsc::Receiver<()>) {
        let work = move |_: &mut dyn Store| {
            let _ = until.recv();
        };
        self.requests.send(Request::Do(Box::new(work))).expect("its thread");
    }

    /// Every page was looked at, and one is damaged.
    pub(super) async fn give_up(&self, why: String) {
        let fault = Fault::told(Next::Refused, format!("{DAMAGED}: {why}"));
        let _ = self.call(move |_| Err::<(), _>(fault)).await;
    }

    /// Closes the store; whoever asks afterwards is told that it is gone. How many events are left
    /// in it, where it says so.
    pub(super) async fn close(&self) -> Option<u64> {
        let backlog = self.backlog().await;
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close(done)).is_ok() {
            let _ = closed.await;
        }
        backlog.ok().map(|backlog| backlog.waiting)
    }

    async fn hand_over<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, Fault> {
        let gone = || Fault::retry("store: its thread ended");
        let _room = self.room.acquire().await.map_err(|_| gone())?;
        self.requests.send(request).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// What a pass begins with, if the mailbox is active and this node may have it until then.
    pub(super) async fn load(&self, user: UserId, until: Time) -> Result<Option<Loaded>, Fault> {
        self.call(move |store| match store.claim(&user, until)? {
            true => store.load(&user),
            false => Ok(None),
        })
        .await
    }

    pub(super) async fn look(&self, user: UserId, lookup: Lookup) -> Result<Vec<Row>, Fault> {
        self.call(move |store| store.rows(&user, &lookup)).await
    }

    pub(super) async fn commit(&self, commit: Box<Commit>) -> Result<bool, Fault> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(Request::Commit(commit, reply), answer).await?
    }

    pub(super) async fn outbox(&self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        self.call(move |store| store.outbox(limit, bytes)).await
    }

    pub(super) async fn settle(&self, settled: Settled) -> Result<(), Fault> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(Request::Settle(settled, reply), answer).await?
    }

    /// For each command its outcome, if it has one.
    pub(super) async fn outcomes(
        &self,
        ids: Vec<CommandId>,
    ) -> Result<Vec<Option<Outcome>>, Fault> {
        self.call(move |store| ids.iter().map(|id| store.outcome(id)).collect()).await
    }

    /// Applies decisions in their order. Where one fails, those after it are not applied either:
    /// the channel goes on after the last command that has its outcome here.
    pub(super) async fn decide(&self, decisions: Vec<Decision>) -> Decided {
        let (filled, damage) = (self.filled.clone(), self.damage.clone());
        let decided = self.call(move |store| {
            let decided = decide(store, &decisions);
            filled.notify_one();
            if let Some(fault) = &decided.fault {
                give_up(store, &damage, fault);
            }
            Ok(decided)
        });
        let failed = |fault| Decided { outcomes: Vec::new(), fault: Some(fault) };
        decided.await.unwrap_or_else(failed)
    }

    /// Puts what is to be told of users into the outbox.
    pub(super) async fn announce(&self, all: Vec<Announcement>) -> Result<(), Fault> {
        let filled = self.filled.clone();
        self.call(move |store| {
            store.announce(&all, clock::wall())?;
            filled.notify_one();
            Ok(())
        })
        .await
    }

    /// Notes how meetings are shown; whether they were shown in another way before.
    pub(super) async fn shown_as(&self, mark: Tag) -> Result<bool, Fault> {
        self.call(move |store| store.shown_as(mark)).await
    }

    /// Errands after this row.
    pub(super) async fn errands(&self, after: i64, limit: usize) -> Result<Vec<Filed>, Fault> {
        self.call(move |store| store.errands(after, limit)).await
    }

    /// Writes one step of an errand; whether it was still there.
    pub(super) async fn advance(&self, advance: Box<Advance>) -> Result<bool, Fault> {
        let filled = self.filled.clone();
        self.call(move |store| {
            let there = store.advance(&advance, clock::wall())?;
            filled.notify_one();
            Ok(there)
        })
        .await
    }

    /// The keys of a user's records, if it is active and has some.
    pub(super) async fn keyed(&self, user: UserId) -> Result<Option<Keyed>, Fault> {
        self.call(move |store| Ok(store.load(&user)?.and_then(|loaded| loaded.keys))).await
    }

    pub(super) async fn channel_position(&self) -> Result<u64, Fault> {
        self.call(|store| store.channel_position()).await
    }

    pub(super) async fn kept(&self, calendar: CalendarName) -> Result<Vec<Stashed>, Fault> {
        self.call(move |store| store.kept(calendar.as_str())).await
    }

    pub(super) async fn keep(
        &self,
        calendar: CalendarName,
        lines: Vec<(Tag, Option<Stashed>)>,
    ) -> Result<(), Fault> {
        self.call(move |store| store.keep(calendar.as_str(), &lines)).await
    }

    pub(super) async fn trust(&self) -> Result<Vec<TrustEntry>, Fault> {
        self.call(|store| store.trust()).await
    }

    pub(super) async fn meet(&self, host: String, via: String) -> Result<Met, Fault> {
        self.call(move |store| store.meet(&host, &via, clock::wall())).await
    }

    pub(super) async fn decide_trust(&self, host: String, verdict: Verdict) -> Result<(), Fault> {
        self.call(move |store| store.decide_trust(&host, verdict, clock::wall())).await
    }

    pub(super) async fn forget_trust(&self, host: String) -> Result<bool, Fault> {
        self.call(move |store| store.forget_trust(&host)).await
    }

    /// What is known of a mailbox, if it is active, and what of it waits.
    pub(super) async fn known(&self, user: UserId) -> Result<(Option<Loaded>, Outstanding), Fault> {
        self.call(move |store| Ok((store.load(&user)?, store.outstanding(&user)?))).await
    }

    pub(super) async fn foreign_writes(&self) -> Result<i64, Fault> {
        self.call(|store| store.foreign_writes()).await
    }

    pub(super) async fn backlog(&self) -> Result<Backlog, Fault> {
        self.call(|store| store.backlog()).await
    }
}

/// How close commits come.
struct Crowd {
    last: Instant,
    apart: Duration,
}

impl Crowd {
    /// After a longer pause one that comes is alone.
    const LONGEST: Duration = Duration::from_millis(100);

    fn new(now: Instant) -> Self {
        Self { last: now, apart: Self::LONGEST }
    }

    fn came(&mut self, now: Instant) {
        let apart = now.saturating_duration_since(self.last).min(Self::LONGEST);
        self.apart = (self.apart * 7 + apart) / 8;
        self.last = now;
    }

    fn is_dense(&self) -> bool {
        self.apart < DENSE
    }
}

/// What the next transaction writes.
#[derive(Default)]
struct Round {
    commits: Vec<Commit>,
    replies: Vec<Reply<bool>>,
    settled: Settled,
    settling: Vec<Reply<()>>,
    /// When the first of it came.
    since: Option<Instant>,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Until when it may wait for more: no time at all where few come.
    fn until(&self, crowd: &Crowd) -> Option<Instant> {
        let waits = crowd.is_dense() && self.commits.len() < GROUP;
        self.since.filter(|_| waits).map(|since| since + GATHER)
    }
}

/// What the thread tells of the outbox.
struct Bell {
    filled: Arc<Notify>,
    long: watch::Sender<bool>,
    wrote: watch::Sender<bool>,
    damage: watch::Sender<Option<String>>,
}

impl Bell {
    fn wrote(&self, well: bool) {
        self.wrote.send_if_modified(|now| std::mem::replace(now, well) != well);
    }

    fn look(&self, store: &mut dyn Store) {
        let Ok(waiting) = store.waiting_at_most() else { return };
        let (long, short) = limits::OUTBOX_LONG;
        self.long.send_if_modified(|now| {
            let next = if *now { waiting > short } else { waiting > long };
            std::mem::replace(now, next) != next
        });
    }
}

fn serve(mut store: Box<dyn Store>, inbox: &Receiver<Request>, bell: &Bell) {
    bell.look(store.as_mut());
    let mut crowd = Crowd::new(Instant::now());
    while let Ok(first) = inbox.recv() {
        let mut round = Round::default();
        let mut next = Some(first);
        let mut closing = None;
        while let Some(request) = next {
            if let Request::Close(done) = request {
                closing = Some(done);
                break;
            }
            take(store.as_mut(), request, (&mut round, &mut crowd));
            next = if round.commits.len() < GROUP { more(inbox, &round, &crowd) } else { None };
        }
        if !round.is_empty() {
            write_all(store.as_mut(), round, bell);
        }
        if let Some(done) = closing {
            // SQLite moves its log into the file.
            drop(store);
            let _ = done.send(());
            return;
        }
    }
}

/// What has come by now, or comes while the round waits. However much is read meanwhile, a commit
/// waits no longer.
fn more(inbox: &Receiver<Request>, round: &Round, crowd: &Crowd) -> Option<Request> {
    let now = Instant::now();
    if round.since.is_some_and(|since| now >= since + GATHER) {
        return None;
    }
    if let Ok(request) = inbox.try_recv() {
        return Some(request);
    }
    let left = round.until(crowd)?.saturating_duration_since(now);
    inbox.recv_timeout(left).ok()
}

/// Puts what is to be written into the round, and does everything else at once: nobody waits for
/// an answer that depends on a commit which was not answered.
fn take(store: &mut dyn Store, request: Request, (round, crowd): (&mut Round, &mut Crowd)) {
    match request {
        Request::Commit(commit, reply) => {
            let now = Instant::now();
            crowd.came(now);
            round.since.get_or_insert(now);
            round.commits.push(*commit);
            round.replies.push(reply);
        }
        Request::Settle(Settled { done, aside }, reply) => {
            round.since.get_or_insert_with(Instant::now);
            round.settled.done.extend(done);
            round.settled.aside.extend(aside);
            round.settling.push(reply);
        }
        Request::Do(work) => work(store),
        Request::Close(_) => {}
    }
}

fn write_all(store: &mut dyn Store, round: Round, bell: &Bell) {
    let Round { commits, replies, settled, settling, .. } = round;
    let now = clock::wall();
    let alone = commits.len() + settling.len() == 1;
    let (each, taken) = match store.write(&commits, &settled, now) {
        Ok(counted) => (counted.into_iter().map(Ok).collect::<Vec<_>>(), Ok(())),
        // Alone each shows whether it was the one that failed.
        Err(_) if !alone => {
            let one = |commit| store.commit(std::slice::from_ref(commit), now);
            let first = |all: Vec<bool>| all.first().copied().unwrap_or(false);
            let each = commits.iter().map(one).map(|counted| counted.map(first)).collect();
            let taken = if settling.is_empty() { Ok(()) } else { store.settle(&settled) };
            (each, taken)
        }
        Err(fault) => (vec![Err(fault.clone()); commits.len()], Err(fault)),
    };
    bell.wrote(taken.is_ok() && each.iter().all(Result::is_ok));
    for fault in each.iter().filter_map(|one| one.as_ref().err()).chain(taken.as_ref().err()) {
        give_up(store, &bell.damage, fault);
    }
    for (reply, counted) in replies.into_iter().zip(each) {
        let _ = reply.send(counted);
    }
    for reply in settling {
        let _ = reply.send(taken.clone());
    }
    bell.look(store);
    if commits.iter().any(|commit| !commit.events.is_empty()) {
        bell.filled.notify_one();
    }
}

/// Of a damaged file nothing is trusted any more: the daemon ends, and the next start sets the
/// file aside.
fn give_up(store: &mut dyn Store, damage: &watch::Sender<Option<String>>, fault: &Fault) {
    if is_damage(fault) && damage.borrow().is_none() {
        store.give_up();
        damage.send_replace(Some(fault.to_string()));
    }
}

/// All at once; where that fails, one after the other up to the one that fails alone.
fn decide(store: &mut dyn Store, decisions: &[Decision]) -> Decided {
    let now = clock::wall();
    let fault = match store.decide_all(decisions, now) {
        Ok(outcomes) => return Decided { outcomes, fault: None },
        Err(fault) => fault,
    };
    let mut outcomes = Vec::new();
    if decisions.len() < 2 {
        return Decided { outcomes, fault: Some(fault) };
    }
    for decision in decisions {
        match store.decide(decision, now) {
            Ok(outcome) => outcomes.push(outcome),
            Err(fault) => return Decided { outcomes, fault: Some(fault) },
        }
    }
    Decided { outcomes, fault: None }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
