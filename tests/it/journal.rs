//! What journald is told by the real program, over a socket that only this run of it sees.

use std::path::Path;

use calway_lab::exchange::MailboxKind;
use calway_lab::stage::{Options, Stage};
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::house::{ALICE, PROGRAM, within};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_critical_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    let Some(mut command) = seeing(&journal) else {
        eprintln!("SKIPPED: no mounts of its own here");
        return;
    };
    let socket = UnixDatagram::bind(journal.join("socket")).unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    stage.exchange.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
    stage.exchange.gate().set_password("another-one-now");
    command.arg(PROGRAM).arg("run").arg("--config").arg(stage.config());
    command.env("CREDENTIALS_DIRECTORY", stage.credentials()).env("JOURNAL_STREAM", "1:1");
    let _connector = command.env_remove("NOTIFY_SOCKET").kill_on_drop(true).spawn().unwrap();
    let heard = async |name: &str| loop {
        let mut line = vec![0; 65_536];
        let length = within(socket.recv(&mut line)).await.unwrap();
        let found = fields(&line[..length]);
        let get = |wanted: &str| {
            let value = found.iter().filter(|(name, _)| name == wanted);
            value.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ")
        };
        if get("CONDITION") == name {
            break ["PRIORITY", "SEVERITY", "MESSAGE_ID", "SYSLOG_IDENTIFIER"].map(get);
        }
    };
    let activated = within(stage.cloud.activate(ALICE.0, ALICE.1)).await;
    let refused = calway::observe::condition::SIGN_IN_REFUSED.message_id;
    assert_eq!(heard("sign-in-refused").await, ["2", "critical", refused, "calway"]);
    within(stage.cloud.outcome(&activated)).await;
    std::fs::write(stage.credentials().join("calendar.hq.password"), "another-one-now").unwrap();
    let healed = calway::observe::condition::EXCHANGE_WELL.message_id;
    assert_eq!(heard("exchange-well").await, ["6", "info", healed, "calway"]);
}
