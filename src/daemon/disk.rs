//! The thread that the store lives on. Commits that wait at the same time are written as one
//! transaction, so that one sync to the disk serves them all.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use super::clock;
use crate::model::{CommandId, Fault, Outcome, Time, UserId};
use crate::pipeline::command::Decision;
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::sync::{Commit, Loaded};
use crate::store::{Backlog, Store};

/// Requests that may wait for the disk; beyond them callers wait.
const QUEUE: usize = 256;

/// Commits of one transaction.
const GROUP: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

enum Request {
    Claim(UserId, Time, Reply<bool>),
    Load(UserId, Reply<Option<Loaded>>),
    Commit(Box<Commit>, Reply<bool>),
    Outbox(usize, usize, Reply<Vec<Outgoing>>),
    Settle(Vec<i64>, Vec<(i64, String)>, Reply<()>),
    Outcome(CommandId, Reply<Option<Outcome>>),
    Decide(Box<Decision>, Reply<Outcome>),
    ChannelPosition(Reply<u64>),
    Backlog(Reply<Backlog>),
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

    pub(super) async fn claim(&self, user: UserId, until: Time) -> Result<bool, Fault> {
        self.call(|reply| Request::Claim(user, until, reply)).await
    }

    pub(super) async fn load(&self, user: UserId) -> Result<Option<Loaded>, Fault> {
        self.call(|reply| Request::Load(user, reply)).await
    }

    pub(super) async fn commit(&self, commit: Box<Commit>) -> Result<bool, Fault> {
        self.call(|reply| Request::Commit(commit, reply)).await
    }

    pub(super) async fn outbox(&self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        self.call(|reply| Request::Outbox(limit, bytes, reply)).await
    }

    pub(super) async fn settle(
        &self,
        done: Vec<i64>,
        aside: Vec<(i64, String)>,
    ) -> Result<(), Fault> {
        self.call(|reply| Request::Settle(done, aside, reply)).await
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

    pub(super) async fn backlog(&self) -> Result<Backlog, Fault> {
        self.call(Request::Backlog).await
    }
}

fn serve(mut store: Box<dyn Store>, mut inbox: mpsc::Receiver<Request>, filled: &Notify) {
    while let Some(first) = inbox.blocking_recv() {
        let mut commits = Vec::new();
        let mut others = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Commit(commit, reply) => commits.push((*commit, reply)),
                other => others.push(other),
            }
            next = if commits.len() < GROUP { inbox.try_recv().ok() } else { None };
        }
        if !commits.is_empty() {
            commit_all(store.as_mut(), commits, filled);
        }
        for request in others {
            answer(store.as_mut(), request, filled);
        }
    }
}

fn commit_all(store: &mut dyn Store, commits: Vec<(Commit, Reply<bool>)>, filled: &Notify) {
    let (commits, replies): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
    let now = clock::wall();
    match store.commit(&commits, now) {
        Ok(counted) => {
            for (reply, counted) in replies.into_iter().zip(counted) {
                let _ = reply.send(Ok(counted));
            }
        }
        // Alone each shows whether it was the one that failed.
        Err(_) if commits.len() > 1 => {
            for (commit, reply) in commits.iter().zip(replies) {
                let counted = store.commit(std::slice::from_ref(commit), now);
                let counted = counted.map(|all| all.first().copied().unwrap_or(false));
                let _ = reply.send(counted);
            }
        }
        Err(fault) => {
            for reply in replies {
                let _ = reply.send(Err(fault.clone()));
            }
        }
    }
    if commits.iter().any(|commit| !commit.events.is_empty()) {
        filled.notify_one();
    }
}

/// A caller that does not wait any more is no fault: it was told to stop.
fn answer(store: &mut dyn Store, request: Request, filled: &Notify) {
    match request {
        Request::Claim(user, until, reply) => drop(reply.send(store.claim(&user, until))),
        Request::Load(user, reply) => drop(reply.send(store.load(&user))),
        Request::Commit(commit, reply) => commit_all(store, vec![(*commit, reply)], filled),
        Request::Outbox(limit, bytes, reply) => drop(reply.send(store.outbox(limit, bytes))),
        Request::Settle(done, aside, reply) => drop(reply.send(store.settle(&done, &aside))),
        Request::Outcome(id, reply) => drop(reply.send(store.outcome(&id))),
        Request::Decide(decision, reply) => {
            drop(reply.send(store.decide(&decision, clock::wall())));
            filled.notify_one();
        }
        Request::ChannelPosition(reply) => drop(reply.send(store.channel_position())),
        Request::Backlog(reply) => drop(reply.send(store.backlog())),
    }
}
