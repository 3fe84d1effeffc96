//! The lab with the real program in it, for tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use calway_lab::exchange::{Calendars, Draft, ItemId, MailboxKind};
use calway_lab::stage::{Options, Stage};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use crate::edits::{now_ms, window};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_calway");

/// Two users that most tests have.
pub const ALICE: (&str, &str, &str) = ("user-alice", "alice@corp.example", "Alice Archer");
pub const BOB: (&str, &str, &str) = ("user-bob", "bob@corp.example", "Bob Baker");

/// No wait of a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A port on which nobody listens, and which no connection of the tests beside this one is given:
/// it is below those that the system takes itself (ip_local_port_range begins at 32,768). No two
/// calls give the same.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct House {
    pub stage: Stage,
    pub connector: Child,
    _folder: TempDir,
}

impl House {
    /// The lab with both mailboxes, and the program running; nobody is active yet.
    pub async fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::start(folder.path(), options).await.unwrap();
        for (_, address, name) in [ALICE, BOB] {
            stage.exchange.calendars().add_mailbox(address, name, MailboxKind::User);
        }
        let connector = spawn(&stage);
        Self { stage, connector, _folder: folder }
    }

    /// The same with both users active and listened to.
    pub async fn active(options: Options) -> Self {
        let house = Self::start(options).await;
        for (user, address, _) in [ALICE, BOB] {
            house.activate(user, address).await;
        }
        house
            .until("two mailboxes are listened to", |house| {
                house.log().matches("is listened to").count() >= 2
            })
            .await;
        house.rest(&[ALICE, BOB]).await;
        house
    }

    /// What the admin socket answers to a GET; nothing while nobody listens there.
    pub async fn ask(&self, path: &str) -> Option<serde_json::Value> {
        let socket = self.stage.folder().join("admin.sock");
        let mut stream = tokio::net::UnixStream::connect(socket).await.ok()?;
        let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Waits until READY is told, and of these users nothing is being read, to be read, or to be
    /// told to the cloud. Whoever is listened to has the reading that closes the gap still to come.
    pub async fn rest(&self, who: &[(&str, &str, &str)]) {
        let until = Instant::now() + PATIENCE;
        while !self.rests(who).await {
            assert!(Instant::now() < until, "it does not come to rest\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn rests(&self, who: &[(&str, &str, &str)]) -> bool {
        let under_way = ["reading", "reading-waits-for-place", "turn", "turn-in-backlog"];
        let ready = self.ask("/v1/status").await.is_some_and(|all| all["ready"] == true);
        for (user, ..) in who {
            let Some(story) = self.ask(&format!("/v1/users/{user}")).await else { return false };
            let next = story["next"].as_array();
            let busy = next.is_none_or(|all| {
                all.iter().any(|one| under_way.iter().any(|what| one["what"] == *what))
            });
            if busy || story["last_reading"].is_null() || story["store"]["waiting"] != 0 {
                return false;
            }
        }
        ready
    }

    /// Waits until a subscription was given back, and the access log has it, so that what the log
    /// holds later on is of later.
    pub async fn given_back(&self, who: (&str, &str, &str)) {
        self.until("the subscription is given back", |house| {
            let logged = house.stage.exchange.log().touches(who.1).contains_key("Unsubscribe");
            logged && house.calendars().subscriptions(who.1) == 0
        })
        .await;
    }

    pub async fn activate(&self, user: &str, address: &str) {
        let command = self.stage.cloud.activate(user, address).await;
        assert_eq!(self.outcome(&command).await, "done");
    }

    pub async fn outcome(&self, command: &str) -> String {
        within(self.stage.cloud.outcome(command)).await.outcome
    }

    pub fn calendars(&self) -> &Calendars {
        self.stage.exchange.calendars()
    }

    /// A meeting of half an hour, so many hours from now.
    pub fn meet(&self, who: (&str, &str, &str), title: &str, hours: i64) -> ItemId {
        let start = now_ms() / 60_000 * 60_000 + hours * 3_600_000;
        self.calendars().create(who.1, Draft::meeting(title, start, 30))
    }

    /// Waits until a user has so many meetings in the cloud.
    pub async fn live(&self, who: (&str, &str, &str), count: usize) {
        let cloud = self.stage.cloud.clone();
        within(cloud.wait(|view| view.live(who.0) == count)).await;
    }

    /// Waits until the cloud holds exactly the calendars of these users.
    pub async fn exact(&self, who: &[(&str, &str, &str)]) {
        let users: Vec<_> = who.iter().map(|(user, address, _)| (*user, *address)).collect();
        let until = Instant::now() + PATIENCE;
        loop {
            let (from, to) = window();
            let stored = self.stage.cloud.stats().stored;
            let tally = self.stage.tally(&users, from, to).await.unwrap();
            if tally.is_exact() {
                return;
            }
            let log = self.log();
            assert!(Instant::now() < until, "{tally:#?}\n{log}");
            let more = self.stage.cloud.wait(|view| view.stored() > stored);
            let _ = tokio::time::timeout(Duration::from_millis(300), more).await;
        }
    }

    /// The connector's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(&self.stage)).unwrap_or_default()
    }

    /// Waits until something holds that nobody tells.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < until, "{what}: in vain\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn kill(&mut self) {
        self.connector.kill().await.unwrap();
    }

    /// Lets the program give everything back and end.
    pub async fn stop(&mut self) {
        let pid = self.connector.id().unwrap();
        let kill = std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
        assert!(kill.success());
        let status = within(self.connector.wait()).await.unwrap();
        assert!(status.success(), "{status}");
    }

    pub fn again(&mut self) {
        self.connector = spawn(&self.stage);
    }

    /// The same with one more variable of its environment.
    pub fn again_with(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        let log = appended(&self.stage);
        let mut command = self.stage.connector(PROGRAM);
        self.connector = command.env(name, value).stderr(log).spawn().unwrap();
    }

    /// Changes the configuration, for the next start.
    pub fn reconfigure(&self, change: impl Fn(&str) -> String) {
        let file = self.stage.config();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(&text)).unwrap();
    }
}

/// Writes a program, or a copy of one. No process of the tests has it open for writing at any time,
/// or whoever is started just then would inherit that, and it could not be executed (ETXTBSY).
pub fn program(path: &Path, text: &str) {
    let write = "printf '%s' \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let mut shell = std::process::Command::new("sh");
    assert!(shell.args(["-c", write]).arg(path).arg(text).status().unwrap().success());
}

/// Writes a file that somebody may be reading: it is never seen half.
pub fn put(path: &Path, text: &str) {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

pub async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.expect("within a minute")
}

/// So that lines about single mailboxes are there to be read.
pub fn talkative() -> Options {
    // Who is out of office is asked for seldom: it is an event of its own.
    Options { log: Some("debug".into()), presence_seconds: Some(3_600), ..Options::default() }
}

fn log_file(stage: &Stage) -> PathBuf {
    stage.folder().join("connector.log")
}

fn appended(stage: &Stage) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(log_file(stage)).unwrap()
}

fn spawn(stage: &Stage) -> Child {
    stage.connector(PROGRAM).stderr(appended(stage)).spawn().unwrap()
}
