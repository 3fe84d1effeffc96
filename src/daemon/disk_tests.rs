//! Which requests share a transaction, and what becomes of the others when one fails.

use std::sync::Mutex;

use super::*;
use crate::model::Verdict;
use crate::pipeline::announcement::Announcement;
use crate::pipeline::command::Effect;
use crate::store::Shelf;
use crate::store::promises::{ada, address, commit, decision, noon};
use crate::store::sqlite::Sqlite;

/// A store that tells what was written together, and fails where a test wants it to.
struct Told {
    inner: Sqlite,
    wrote: Arc<Mutex<Vec<String>>>,
    /// A commit of so many events, and this command, are not taken.
    bad: (usize, &'static str),
}

impl Told {
    fn say(&self, what: String) {
        self.wrote.lock().unwrap().push(what);
    }
}

impl Shelf for Told {
    fn kept(&mut self, shelf: &str) -> Result<Vec<Stashed>, Fault> {
        self.inner.kept(shelf)
    }
    fn keep(&mut self, shelf: &str, lines: &[(Tag, Option<Stashed>)]) -> Result<(), Fault> {
        self.inner.keep(shelf, lines)
    }
    fn trust(&mut self) -> Result<Vec<TrustEntry>, Fault> {
        self.inner.trust()
    }
    fn meet(&mut self, host: &str, via: &str, now: Time) -> Result<Met, Fault> {
        self.inner.meet(host, via, now)
    }
    fn decide_trust(&mut self, host: &str, verdict: Verdict, now: Time) -> Result<(), Fault> {
        self.inner.decide_trust(host, verdict, now)
    }
    fn forget_trust(&mut self, host: &str) -> Result<bool, Fault> {
        self.inner.forget_trust(host)
    }
    fn foreign_writes(&mut self) -> Result<i64, Fault> {
        self.inner.foreign_writes()
    }
}

impl Store for Told {
    fn announce(&mut self, all: &[Announcement], now: Time) -> Result<(), Fault> {
        self.inner.announce(all, now)
    }
    fn errands(&mut self, after: i64, limit: usize) -> Result<Vec<Filed>, Fault> {
        self.inner.errands(after, limit)
    }
    fn advance(&mut self, advance: &Advance, now: Time) -> Result<bool, Fault> {
        self.inner.advance(advance, now)
    }
    fn shown_as(&mut self, showing: Tag) -> Result<bool, Fault> {
        self.inner.shown_as(showing)
    }
    fn waiting_at_most(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }

    fn claim(&mut self, user: &UserId, until: Time) -> Result<bool, Fault> {
        self.inner.claim(user, until)
    }
    fn mailboxes(&mut self) -> Result<Vec<(UserId, Stashed)>, Fault> {
        self.inner.mailboxes()
    }
    fn load(&mut self, user: &UserId) -> Result<Option<Loaded>, Fault> {
        self.inner.load(user)
    }
    fn rows(&mut self, user: &UserId, lookup: &Lookup) -> Result<Vec<Row>, Fault> {
        self.inner.rows(user, lookup)
    }
    fn write(
        &mut self,
        commits: &[Commit],
        settled: &Settled,
        now: Time,
    ) -> Result<Vec<bool>, Fault> {
        self.say(format!("{} commits, {} rows", commits.len(), settled.done.len()));
        if commits.iter().any(|commit| commit.events.len() == self.bad.0) {
            return Err(Fault::retry("bad"));
        }
        self.inner.write(commits, settled, now)
    }
    fn outbox(&mut self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        self.inner.outbox(limit, bytes)
    }
    fn outcome(&mut self, id: &CommandId) -> Result<Option<Outcome>, Fault> {
        self.inner.outcome(id)
    }
    fn decide_all(&mut self, decisions: &[Decision], now: Time) -> Result<Vec<Outcome>, Fault> {
        self.say(format!("{} decisions", decisions.len()));
        if decisions.iter().any(|decision| decision.id.as_str() == self.bad.1) {
            return Err(Fault::retry("bad"));
        }
        self.inner.decide_all(decisions, now)
    }
    fn channel_position(&mut self) -> Result<u64, Fault> {
        self.inner.channel_position()
    }
    fn backlog(&mut self) -> Result<Backlog, Fault> {
        self.inner.backlog()
    }
}

/// A store in which Ada is active, with what it tells.
fn told(bad: (usize, &'static str)) -> (Told, Arc<Mutex<Vec<String>>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut inner = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let effect = Effect::Activate { user: ada(), address: address("a") };
    inner.decide(&decision(1, effect), noon()).unwrap();
    let wrote = Arc::default();
    (Told { inner, wrote: Arc::clone(&wrote), bad }, wrote, folder)
}

/// Commits with so many events each, one after the other.
fn commits(store: &mut Told, sizes: &[usize]) -> Vec<Commit> {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    let mut sequence = 0;
    sizes
        .iter()
        .map(|size| {
            let mut made = commit(&mut store.inner, &KEYS[..*size]);
            made.sequence += sequence;
            sequence += 3;
            made
        })
        .collect()
}

/// Serves all of these, which wait already, and says what was answered.
fn served(store: Told, commits: Vec<Commit>, settled: Option<Settled>) -> Vec<bool> {
    let (requests, inbox) = channel();
    let mut answers = Vec::new();
    for commit in commits {
        let (reply, answer) = oneshot::channel();
        requests.send(Request::Commit(Box::new(commit), reply)).unwrap();
        answers.push(answer);
    }
    let settling = settled.map(|settled| {
        let (reply, answer) = oneshot::channel();
        requests.send(Request::Settle(settled, reply)).unwrap();
        answer
    });
    drop(requests);
    let (filled, long, wrote) = (Arc::default(), watch::channel(false).0, watch::channel(true).0);
    serve(Box::new(store), &inbox, &Bell { filled, long, wrote, damage: watch::Sender::new(None) });
    let mut all: Vec<bool> =
        answers.iter_mut().map(|answer| answer.try_recv().unwrap() == Ok(true)).collect();
    all.extend(settling.map(|mut answer| answer.try_recv().unwrap().is_ok()));
    all
}

#[test]
fn what_waits_together_is_written_with_one_sync() {
    let (mut store, wrote, _folder) = told((9, ""));
    let many = commits(&mut store, &[1, 2, 3]);
    let settled = Settled { done: vec![7, 8], aside: vec![] };
    assert_eq!(served(store, many, Some(settled)), [true; 4]);
    assert_eq!(*wrote.lock().unwrap(), ["3 commits, 2 rows"]);
}

#[test]
fn a_commit_that_the_disk_does_not_take_does_not_fail_the_others() {
    let (mut store, wrote, _folder) = told((2, ""));
    let many = commits(&mut store, &[1, 2, 3]);
    let settled = Settled { done: vec![7], aside: vec![] };
    assert_eq!(served(store, many, Some(settled)), [true, false, true, true]);
    assert_eq!(wrote.lock().unwrap().len(), 5, "all at once, then each alone");
}

#[tokio::test]
async fn a_command_that_the_disk_does_not_take_holds_back_those_after_it() {
    let (store, wrote, folder) = told((9, "c-3"));
    let disk = Disk::start(Box::new(store)).unwrap();
    let group: Vec<_> = (2..=5).map(|n| decision(n, Effect::None)).collect();
    let decided = disk.decide(group.clone()).await;
    assert_eq!((decided.outcomes.len(), decided.fault.is_some()), (1, true));
    assert_eq!(disk.channel_position().await, Ok(2), "the channel goes on after the first");
    let ids = group.iter().map(|one| one.id.clone()).collect();
    let known = disk.outcomes(ids).await.unwrap();
    assert_eq!(known, [Some(Outcome::Done), None, None, None]);
    assert_eq!(wrote.lock().unwrap()[..2], ["4 decisions", "1 decisions"]);
    drop(disk);
    let again = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let disk = Disk::start(Box::new(again)).unwrap();
    let decided = disk.decide(group[1..].to_vec()).await;
    assert_eq!(decided, Decided { outcomes: vec![Outcome::Done; 3], fault: None });
    assert_eq!(disk.channel_position().await, Ok(5));
}

#[test]
fn a_commit_waits_for_others_only_while_there_are_many_and_not_for_long() {
    let ms = Duration::from_millis;
    let begin = Instant::now();
    let mut crowd = Crowd::new(begin);
    let round = |since| Round { since, ..Round::default() };
    let mut now = begin;
    for _ in 0..100 {
        now += ms(10);
        crowd.came(now);
        assert_eq!(round(Some(now)).until(&crowd), None, "one each 10 ms waits for nobody");
    }
    for _ in 0..100 {
        now += ms(1);
        crowd.came(now);
    }
    assert_eq!(round(Some(now)).until(&crowd), Some(now + GATHER));
    assert_eq!(round(None).until(&crowd), None, "nothing is to be written");
    crowd.came(now + ms(1_000));
    assert_eq!(round(Some(now)).until(&crowd), None, "after a pause it is alone");
}
