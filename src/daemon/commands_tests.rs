//! Commands that come together, one of which is bad, or late.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt};

use super::*;
use crate::cloud::{Outgoing, Report, Verdict};
use crate::kms::Bound;
use crate::model::{CommandId, CommandKind, KeyUri, Plain, ResourceUri};

use crate::store::sqlite::Sqlite;

/// A cloud that nobody asks.
struct NoCloud;

impl Cloud for NoCloud {
    fn send<'a>(&'a self, _batch: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Verdict>, Fault>> {
        async { Ok(Vec::new()) }.boxed()
    }
    fn channel<'a>(
        &'a self,
        _after: u64,
        _heard: mpsc::Sender<Heard>,
        _answers: mpsc::Receiver<Answered>,
        _stop: watch::Receiver<bool>,
    ) -> BoxFuture<'a, ChannelEnd> {
        async { ChannelEnd::Stopped }.boxed()
    }
    fn status<'a>(&'a self, _report: &'a Report) -> BoxFuture<'a, Result<(), Fault>> {
        async { Ok(()) }.boxed()
    }
}

/// A key server whose keys are their own addresses: `lost` is none, `late` comes the second time.
struct FakeKeys {
    disk: Disk,
    /// Where the channel would go on, whenever `late` was asked for.
    late: Mutex<Vec<u64>>,
    forgotten: AtomicUsize,
}

impl Keys for FakeKeys {
    fn establish<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<Bound, Fault>> {
        async { Err(Fault::refused("not asked")) }.boxed()
    }
    fn rotate<'a>(&'a self, _resource: &'a ResourceUri) -> BoxFuture<'a, Result<Bound, Fault>> {
        async { Err(Fault::refused("not asked")) }.boxed()
    }
    fn recall<'a>(
        &'a self,
        _resource: &'a ResourceUri,
        _key: &'a KeyUri,
    ) -> BoxFuture<'a, Result<Bound, Fault>> {
        async { Err(Fault::refused("not asked")) }.boxed()
    }
    fn open<'a>(&'a self, key: &'a KeyUri, _: &'a str) -> BoxFuture<'a, Result<Plain, Fault>> {
        async move {
            match key.as_str() {
                "lost" => return Err(Fault::refused("no such key")),
                "late" => {
                    let position = self.disk.channel_position().await?;
                    let mut late = self.late.lock().unwrap();
                    late.push(position);
                    if late.len() < 2 {
                        return Err(Fault::retry("no answer in time"));
                    }
                }
                _ => {}
            }
            Ok(Plain::new(format!("{}@corp.example", key.as_str())))
        }
        .boxed()
    }
    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }
}

struct Desk {
    parts: Parts,
    keys: Arc<FakeKeys>,
    tells: mpsc::Receiver<Tell>,
    _folder: tempfile::TempDir,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let disk = Disk::start(Box::new(store)).unwrap();
    let (late, forgotten) = (Mutex::default(), AtomicUsize::new(0));
    let keys = Arc::new(FakeKeys { disk: disk.clone(), late, forgotten });
    let (tell, tells) = mpsc::channel(64);
    let mut switchboard = Switchboard::default();
    switchboard.add(BTreeSet::new(), vec![tell]);
    let installation = Arc::new(Installation::new(&[7; 32]).unwrap());
    let cloud = Arc::new(NoCloud);
    let parts = Parts { cloud, keys: keys.clone(), disk, installation, switchboard };
    Desk { parts, keys, tells, _folder: folder }
}

fn command(sequence: u64, kind: CommandKind) -> Command {
    Command { id: CommandId::new(format!("c-{sequence}")), sequence, kind }
}

fn activate(sequence: u64, user: &str, key: &str) -> Command {
    let (user, key) = (UserId::new(user), KeyUri::new(key));
    let sealed_address = "jwe".to_owned();
    command(sequence, CommandKind::Activate { user, sealed_address, key })
}

fn deactivate(sequence: u64, user: &str) -> Command {
    command(sequence, CommandKind::Deactivate { user: UserId::new(user) })
}

impl Desk {
    /// What is answered to commands that came together.
    async fn obey(&mut self, commands: &[Command]) -> Vec<(u64, bool)> {
        let (answers, mut answered) = mpsc::channel(64);
        assert_eq!(obey(&self.parts, commands, &answers, &pulse()).await, Some(()));
        drop(answers);
        let mut all = Vec::new();
        while let Some(answer) = answered.recv().await {
            all.push((answer.sequence, answer.outcome == Outcome::Done));
        }
        all
    }

    /// What the intake was told, in order.
    fn told(&mut self) -> String {
        let mut all = Vec::new();
        while let Ok(tell) = self.tells.try_recv() {
            all.push(match tell {
                Tell::Add(user, address) => format!("add {user} {}", address.reveal()),
                Tell::Remove(user) => format!("remove {user}"),
                other => format!("{other:?}"),
            });
        }
        all.join(", ")
    }
}

#[tokio::test]
async fn a_bad_command_does_not_spoil_those_beside_it() {
    let mut desk = desk();
    let unknown = command(3, CommandKind::Unknown { why: Plain::new("unknown command") });
    let group =
        [activate(1, "ada", "ada"), activate(2, "bad", "lost"), unknown, activate(4, "ben", "ben")];
    assert_eq!(desk.obey(&group).await, [(1, true), (2, false), (3, false), (4, true)]);
    assert_eq!(desk.told(), "add ada ada@corp.example, add ben ben@corp.example");
    assert_eq!(desk.parts.disk.channel_position().await, Ok(4));
    assert_eq!(desk.obey(&group).await, [(1, true), (2, false), (3, false), (4, true)]);
    assert_eq!(desk.told(), "", "the same again is answered, and nothing is done");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_late_holds_back_those_after_it_and_none_before() {
    let mut desk = desk();
    let group = [activate(1, "ada", "ada"), activate(2, "ben", "late"), deactivate(3, "ada")];
    assert_eq!(desk.obey(&group).await, [(1, true), (2, true), (3, true)]);
    assert_eq!(desk.told(), "add ada ada@corp.example, add ben late@corp.example, remove ada");
    assert_eq!(*desk.keys.late.lock().unwrap(), [0, 1], "a crash then would lose no command");
}

#[tokio::test]
async fn of_whoever_is_deactivated_no_key_stays_in_memory() {
    let mut desk = desk();
    let forgotten = |desk: &Desk| desk.keys.forgotten.load(Ordering::Relaxed);
    desk.obey(&[activate(1, "ada", "ada")]).await;
    assert_eq!(forgotten(&desk), 0);
    desk.obey(&[deactivate(2, "ada")]).await;
    assert_eq!(forgotten(&desk), 1);
}

#[tokio::test]
async fn commands_of_one_user_that_come_together_keep_their_order() {
    let mut desk = desk();
    let group = [
        deactivate(1, "ada"),
        activate(2, "ada", "ada"),
        deactivate(3, "ada"),
        activate(4, "ada", "other"),
        activate(2, "ada", "ada"),
    ];
    let done = [(1, true), (2, true), (3, true), (4, true), (2, true)];
    assert_eq!(desk.obey(&group).await, done);
    let ada = UserId::new("ada");
    let loaded = desk.parts.disk.load(ada, clock::wall()).await.unwrap().unwrap();
    assert_eq!(loaded.generation, 4, "each of the four took effect, once");
}

#[tokio::test]
async fn a_channel_that_breaks_gives_up_what_is_not_decided_yet() {
    let desk = desk();
    let (answers, answered) = mpsc::channel(64);
    drop(answered);
    let group = [activate(1, "ada", "late")];
    assert_eq!(obey(&desk.parts, &group, &answers, &pulse()).await, None);
    assert_eq!(desk.parts.disk.channel_position().await, Ok(0), "it comes again");
}

fn pulse() -> Pulse {
    crate::daemon::pulse::Pulses::default().of("commands")
}

#[test]
fn two_connectors_of_one_name_do_not_take_the_channel_from_each_other_every_second() {
    let waits = |end| why(end).map(|(_, asked)| asked);
    assert_eq!(waits(ChannelEnd::Replaced), Some(Some(Span::MINUTE)));
    assert_eq!(waits(ChannelEnd::Failed(Fault::retry("it broke"))), Some(None));
    let busy = Next::BackOff { after: Some(Span::SECOND) };
    let busy = ChannelEnd::Failed(Fault::new(busy, "HTTP 503"));
    assert_eq!(waits(busy), Some(Some(Span::SECOND)));
    assert_eq!(waits(ChannelEnd::Stopped), None);
}
