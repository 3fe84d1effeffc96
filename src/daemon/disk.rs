//! The thread that the store lives on. Commits that wait at the same time, and what the cloud has
//! answered, are written as one transaction, so that one sync to the disk serves them all.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use super::clock;
use crate::model::{CalendarName, CommandId, Fault, Outcome, Time, TrustEntry, UserId};
use crate::pipeline::command::Decision;
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::seal::{Stashed, Tag};
use crate::pipeline::sync::{Commit, Loaded, Lookup, Row};
use crate::store::{Backlog, Met, Settled, Store};

/// Requests that may wait for the disk; beyond them callers wait.
const QUEUE: usize = 256;

/// Commits of one transaction.
const GROUP: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

enum Request {
    Load(UserId, Time, Reply<Option<Loaded>>),
    Look(UserId, Lookup, Reply<Vec<Row>>),
    Commit(Box<Commit>, Reply<bool>),
    Outbox(usize, usize, Reply<Vec<Outgoing>>),
    Settle(Settled, Reply<()>),
    Outcome(CommandId, Reply<Option<Outcome>>),
    Decide(Box<Decision>, Reply<Outcome>),
    ChannelPosition(Reply<u64>),
    Backlog(Reply<Backlog>),
    Kept(CalendarName, Reply<Vec<Stashed>>),
    Keep(CalendarName, Vec<(Tag, Option<Stashed>)>, Reply<()>),
    Trust(Reply<Vec<TrustEntry>>),
    Meet(String, String, Reply<Met>),
    ForeignWrites(Reply<i64>),
}

/// The store, from anywhere.
#[derive(Clone)]
pub(super) struct Disk {
    requests: mpsc::Sender<Request>,
    /// Told when something was put into the outbox.
    pub(super) filled: Arc<Notify>,
}

impl Disk {
    /// Starts the thread. It ends when the last handle is gone.
    pub(super) fn start(store: Box<dyn Store>) -> std::io::Result<Self> {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let filled = Arc::new(Notify::new());
        let bell = filled.clone();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || serve(store, inbox, &bell))?;
        Ok(Self { requests, filled })
    }

    async fn call<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let gone = || Fault::retry("store: its thread ended");
        self.requests.send(request(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// What a pass begins with, if the mailbox is active and this node may have it until then.
    pub(super) async fn load(&self, user: UserId, until: Time) -> Result<Option<Loaded>, Fault> {
        self.call(|reply| Request::Load(user, until, reply)).await
    }

    pub(super) async fn look(&self, user: UserId, lookup: Lookup) -> Result<Vec<Row>, Fault> {
        self.call(|reply| Request::Look(user, lookup, reply)).await
    }

    pub(super) async fn commit(&self, commit: Box<Commit>) -> Result<bool, Fault> {
        self.call(|reply| Request::Commit(commit, reply)).await
    }

    pub(super) async fn outbox(&self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        self.call(|reply| Request::Outbox(limit, bytes, reply)).await
    }

    pub(super) async fn settle(&self, settled: Settled) -> Result<(), Fault> {
        self.call(|reply| Request::Settle(settled, reply)).await
    }

    pub(super) async fn outcome(&self, id: CommandId) -> Result<Option<Outcome>, Fault> {
        self.call(|reply| Request::Outcome(id, reply)).await
    }

    pub(super) async fn decide(&self, decision: Decision) -> Result<Outcome, Fault> {
        self.call(|reply| Request::Decide(Box::new(decision), reply)).await
    }

    pub(super) async fn channel_position(&self) -> Result<u64, Fault> {
        self.call(Request::ChannelPosition).await
    }

    pub(super) async fn kept(&self, calendar: CalendarName) -> Result<Vec<Stashed>, Fault> {
        self.call(|reply| Request::Kept(calendar, reply)).await
    }

    pub(super) async fn keep(
        &self,
        calendar: CalendarName,
        lines: Vec<(Tag, Option<Stashed>)>,
    ) -> Result<(), Fault> {
        self.call(|reply| Request::Keep(calendar, lines, reply)).await
    }

    pub(super) async fn trust(&self) -> Result<Vec<TrustEntry>, Fault> {
        self.call(Request::Trust).await
    }

    pub(super) async fn meet(&self, host: String, via: String) -> Result<Met, Fault> {
        self.call(|reply| Request::Meet(host, via, reply)).await
    }

    pub(super) async fn foreign_writes(&self) -> Result<i64, Fault> {
        self.call(Request::ForeignWrites).await
    }

    pub(super) async fn backlog(&self) -> Result<Backlog, Fault> {
        self.call(Request::Backlog).await
    }
}

fn serve(mut store: Box<dyn Store>, mut inbox: mpsc::Receiver<Request>, filled: &Notify) {
    while let Some(first) = inbox.blocking_recv() {
        let mut commits = Vec::new();
        let mut settled = None;
        let mut others = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Commit(commit, reply) => commits.push((*commit, reply)),
                // There is one uplink, and it waits for its answer.
                Request::Settle(rows, reply) if settled.is_none() => settled = Some((rows, reply)),
                other => others.push(other),
            }
            next = if commits.len() < GROUP { inbox.try_recv().ok() } else { None };
        }
        if !commits.is_empty() || settled.is_some() {
            write_all(store.as_mut(), commits, settled, filled);
        }
        for request in others {
            answer(store.as_mut(), request, filled);
        }
    }
}

fn write_all(
    store: &mut dyn Store,
    commits: Vec<(Commit, Reply<bool>)>,
    settled: Option<(Settled, Reply<()>)>,
    filled: &Notify,
) {
    let (commits, replies): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
    let (settled, settling) = settled.unzip();
    let settled = settled.unwrap_or_default();
    let now = clock::wall();
    let alone = commits.len() + usize::from(settling.is_some()) == 1;
    let (mut each, taken) = match store.write(&commits, &settled, now) {
        Ok(counted) => (counted.into_iter().map(Ok).collect::<Vec<_>>(), Ok(())),
        // Alone each shows whether it was the one that failed.
        Err(_) if !alone => {
            let one = |commit| store.commit(std::slice::from_ref(commit), now);
            let first = |all: Vec<bool>| all.first().copied().unwrap_or(false);
            let each = commits.iter().map(one).map(|counted| counted.map(first)).collect();
            let taken = if settling.is_some() { store.settle(&settled) } else { Ok(()) };
            (each, taken)
        }
        Err(fault) => (vec![Err(fault.clone()); commits.len()], Err(fault)),
    };
    for (reply, counted) in replies.into_iter().zip(each.drain(..)) {
        let _ = reply.send(counted);
    }
    if let Some(reply) = settling {
        let _ = reply.send(taken);
    }
    if commits.iter().any(|commit| !commit.events.is_empty()) {
        filled.notify_one();
    }
}

/// A caller that does not wait any more is no fault: it was told to stop.
fn answer(store: &mut dyn Store, request: Request, filled: &Notify) {
    match request {
        Request::Load(user, until, reply) => {
            let loaded = store.claim(&user, until).and_then(|ours| match ours {
                true => store.load(&user),
                false => Ok(None),
            });
            let _ = reply.send(loaded);
        }
        Request::Look(user, lookup, reply) => drop(reply.send(store.rows(&user, &lookup))),
        Request::Commit(commit, reply) => {
            write_all(store, vec![(*commit, reply)], None, filled);
        }
        Request::Outbox(limit, bytes, reply) => drop(reply.send(store.outbox(limit, bytes))),
        Request::Settle(settled, reply) => {
            write_all(store, Vec::new(), Some((settled, reply)), filled);
        }
        Request::Outcome(id, reply) => drop(reply.send(store.outcome(&id))),
        Request::Decide(decision, reply) => {
            drop(reply.send(store.decide(&decision, clock::wall())));
            filled.notify_one();
        }
        Request::ChannelPosition(reply) => drop(reply.send(store.channel_position())),
        Request::Backlog(reply) => drop(reply.send(store.backlog())),
        Request::Kept(calendar, reply) => drop(reply.send(store.kept(calendar.as_str()))),
        Request::Keep(calendar, lines, reply) => {
            drop(reply.send(store.keep(calendar.as_str(), &lines)));
        }
        Request::Trust(reply) => drop(reply.send(store.trust())),
        Request::Meet(host, via, reply) => {
            drop(reply.send(store.meet(&host, &via, clock::wall())));
        }
        Request::ForeignWrites(reply) => drop(reply.send(store.foreign_writes())),
    }
}
