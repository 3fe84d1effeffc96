//! What journald is told by the real program, over a socket that only this run of it sees.

use std::path::Path;

use calway_lab::exchange::MailboxKind;
use calway_lab::stage::{Options, Stage};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::house::{ALICE, PROGRAM, put, within};

/// Shows the program this folder in the place of journald's.
const SEES: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd \
    && ln -s \"$1\" /run/systemd/journal && shift && exec \"$@\"";

/// Runs a program so; where the system lets nobody have mounts of his own there is no such test.
fn seeing(folder: &Path) -> Option<Command> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SEES, "sh"]).arg(folder);
    let mut trial = std::process::Command::new("unshare");
    trial.args(["--user", "--map-root-user", "--mount", "sh", "-c", SEES, "sh"]).arg(folder);
    let works = trial.arg("true").status().is_ok_and(|status| status.success());
    works.then_some(command)
}

/// The fields of a line (systemd's native protocol): `NAME=value`, or the name alone, eight bytes
/// of length, the value.
fn fields(mut line: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Vec::new();
    while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
        let (head, rest) = (&line[..end], &line[end + 1..]);
        if let Some(at) = head.iter().position(|byte| *byte == b'=') {
            fields.push((text(&head[..at]), text(&head[at + 1..])));
            line = rest;
            continue;
        }
        let (length, rest) = rest.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let (value, rest) = rest.split_at(usize::try_from(length).unwrap());
        fields.push((text(head), text(value)));
        line = &rest[1..];
    }
    fields
}

/// The lab, the program in it, and the socket that it takes for journald's.
struct Journal {
    stage: Stage,
    connector: Child,
    socket: UnixDatagram,
    _folder: TempDir,
}

/// A line by its fields.
struct Line(Vec<(String, String)>);

impl Line {
    /// The value of a field; of one that is not there nothing, of one that is there twice both.
    fn get(&self, wanted: &str) -> String {
        let value = self.0.iter().filter(|(name, _)| name == wanted);
        value.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ")
    }
}

impl Journal {
    async fn start(options: Options, prepare: impl FnOnce(&Stage)) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::create_dir(&journal).unwrap();
        let Some(mut command) = seeing(&journal) else {
            eprintln!("SKIPPED: no mounts of its own here");
            return None;
        };
        let socket = UnixDatagram::bind(journal.join("socket")).unwrap();
        let stage = Stage::start(folder.path(), options).await.unwrap();
        prepare(&stage);
        command.arg(PROGRAM).arg("run").arg("--config").arg(stage.config());
        command.env("CREDENTIALS_DIRECTORY", stage.credentials()).env("JOURNAL_STREAM", "1:1");
        let connector = command.env_remove("NOTIFY_SOCKET").kill_on_drop(true).spawn().unwrap();
        Some(Self { stage, connector, socket, _folder: folder })
    }

    async fn next(&self) -> Line {
        let mut line = vec![0; 65_536];
        let length = within(self.socket.recv(&mut line)).await.unwrap();
        Line(fields(&line[..length]))
    }

    /// The next line of a condition.
    async fn heard(&self, name: &str) -> Line {
        loop {
            let line = self.next().await;
            if line.get("CONDITION") == name {
                return line;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_critical_in_the_journal() {
    let prepare = |stage: &Stage| {
        stage.exchange.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
        stage.exchange.gate().set_password("another-one-now");
    };
    let Some(journal) = Journal::start(Options::default(), prepare).await else { return };
    let stage = &journal.stage;
    let heard = async |name: &str| {
        let line = journal.heard(name).await;
        ["PRIORITY", "SEVERITY", "MESSAGE_ID", "SYSLOG_IDENTIFIER"].map(|name| line.get(name))
    };
    let activated = within(stage.cloud.activate(ALICE.0, ALICE.1)).await;
    let refused = calway::observe::condition::SIGN_IN_REFUSED.message_id;
    assert_eq!(heard("sign-in-refused").await, ["2", "critical", refused, "calway"]);
    within(stage.cloud.outcome(&activated)).await;
    put(&stage.credentials().join("calendar.hq.password"), "another-one-now");
    let healed = calway::observe::condition::SIGNED_IN.message_id;
    assert_eq!(heard("signed-in").await, ["6", "info", healed, "calway"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_for_everybody_does_not_fill_the_disk_and_is_counted() {
    const MAILBOXES: usize = 130;
    let people: Vec<_> =
        (0..MAILBOXES).map(|n| (format!("u-{n}"), format!("p{n}@corp.example"))).collect();
    let prepare = |stage: &Stage| {
        for (_, address) in &people {
            stage.exchange.calendars().add_mailbox(address, "Somebody", MailboxKind::User);
            stage.exchange.calendars().deny_impersonation(address, true);
        }
    };
    let Some(mut journal) = Journal::start(Options::default(), prepare).await else { return };
    within(journal.stage.cloud.activate_many(&people)).await;
    let limit = calway::observe::limit::LINES as usize;
    let mut failing = 0;
    while failing < limit {
        failing += usize::from(journal.next().await.get("CONDITION") == "mailbox-failing");
    }
    // All of them were told to the cloud as failing.
    let told = |view: &calway_lab::cloud::View<'_>| {
        people.iter().all(|(user, _)| view.state(user).is_some_and(|is| is["state"] == "error"))
    };
    within(journal.stage.cloud.wait(told)).await;
    let pid = journal.connector.id().unwrap().to_string();
    let stopped = std::process::Command::new("kill").arg(pid).status().unwrap();
    assert!(stopped.success());
    let summary = loop {
        let line = journal.next().await;
        match line.get("CONDITION").as_str() {
            "mailbox-failing" => failing += 1,
            "lines-left-out" if line.get("OF") == "mailbox-failing" => break line,
            _ => {}
        }
    };
    assert_eq!(failing, limit);
    assert_eq!(summary.get("SUPPRESSED"), (MAILBOXES - limit).to_string());
    assert_eq!(summary.get("PRIORITY"), "4");
    within(journal.connector.wait()).await.unwrap();
}
