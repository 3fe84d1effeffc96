//! `calway check`: each failure that it knows is provoked, and what is printed is compared, word
//! for word, with `tests/golden/check` (`CALWAY_WRITE=1 cargo test --test it check` renews it).

mod entrance;
mod far;
mod finding;
mod json;
mod machine;
mod provoked;
mod reference;
mod ways;

use std::path::{Path, PathBuf};

use calway_lab::exchange::{Exchange, MailboxKind};
use calway_lab::stage::{Options, Stage};
use serde_json::Value;
use tempfile::TempDir;

use crate::house::{ALICE, House, PROGRAM, talkative};

/// A stage with a mailbox, and nobody running.
pub struct Scene {
    pub stage: Stage,
    folder: TempDir,
}

/// What a run of the program came to.
pub struct Said {
    pub exit: i32,
    pub text: String,
    pub errors: String,
}

impl Scene {
    pub async fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::start(folder.path(), options).await.unwrap();
        let alice = ("alice@corp.example", "Alice Archer");
        stage.exchange.calendars().add_mailbox(alice.0, alice.1, MailboxKind::User);
        Self { stage, folder }
    }

    pub async fn plain() -> Self {
        Self::new(Options::default()).await
    }

    pub fn exchange(&self) -> &Exchange {
        &self.stage.exchange
    }

    /// Writes lines into the `[[calendar]]`.
    pub fn in_calendar(&self, lines: &str) {
        self.rewrite("kind = \"ews\"", &format!("kind = \"ews\"\n{lines}"));
    }

    /// Puts one text of the configuration into the place of another.
    pub fn rewrite(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.stage.config()).unwrap();
        assert!(text.contains(from), "{from} is not in\n{text}");
        std::fs::write(self.stage.config(), text.replacen(from, to, 1)).unwrap();
    }

    pub fn secret(&self, name: &str, text: &str) {
        std::fs::write(self.stage.credentials().join(name), text).unwrap();
    }

    /// The store, as the service makes it.
    pub fn store(&self) {
        let path = self.stage.folder().join("calway.db");
        drop(calway::store::sqlite::Sqlite::open(&path).unwrap());
    }

    /// A systemd that shows this unit.
    pub fn systemctl(&self, unit: &str) {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let file = bin.join("systemctl");
        crate::house::program(&file, &format!("#!/bin/sh\nprintf '%s' '{unit}'\n"));
    }

    pub async fn check(&self, words: &[&str]) -> Said {
        let output = self.command(words).output().await.unwrap();
        Said {
            exit: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(PROGRAM);
        command
            .arg("check")
            .arg("--config")
            .arg(self.stage.config())
            .args(words)
            .env("CREDENTIALS_DIRECTORY", self.stage.credentials())
            // No systemd but one that a test brings.
            .env("PATH", self.folder.path().join("bin"))
            // Lines are not cut: folders have names of other lengths elsewhere.
            .env("COLUMNS", "900")
            .kill_on_drop(true);
        command
    }

    /// The findings, as machines read them.
    pub async fn json(&self, words: &[&str]) -> Vec<Value> {
        let mut all = vec!["--json"];
        all.extend(words);
        let said = self.check(&all).await;
        said.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs these checks and compares what is printed with what was agreed on.
    pub async fn prints(&self, golden: &str, exit: i32, words: &[&str]) {
        let mut all = vec!["--only"];
        all.extend(words);
        let said = self.check(&all).await;
        assert_eq!(said.exit, exit, "{}\n{}", said.text, said.errors);
        let text = self.without_chance(&said.text);
        compare(golden, &text);
    }

    /// The text without what differs from run to run: ports, times, folders, ids.
    pub fn without_chance(&self, text: &str) -> String {
        let mut text = text.replace(&*self.folder.path().to_string_lossy(), "FOLDER");
        for (pattern, by) in [
            (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
            (r"port \d{4,5}", "port PORT"),
            (r"(?m)^(  (?:pass|FAIL|WARN|skip)  .{13} ).{6}", "$1 TIME "),
            (r"in \d+(\.\d)? m?s\b", "in TIME"),
            (r"\d+ days left", "N days left"),
            (r"ends in \d+ days", "ends in N days"),
            (r"\d{4}-\d\d-\d\d", "DATE"),
            (r"sha256:[0-9A-Fa-f:]{64,}", "sha256:PRINT"),
        ] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, by).into_owned();
        }
        text
    }
}

/// Compares with a file of `tests/golden/check`.
pub fn compare(golden: &str, text: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check");
    let path = folder.join(format!("{golden}.txt"));
    if std::env::var_os("CALWAY_WRITE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, agreed, "{}: CALWAY_WRITE=1 writes it anew", shown(&path));
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_is_well_nothing_fails_and_nothing_is_changed() {
    let scene = Scene::plain().await;
    scene.in_calendar("domains = [\"corp.example\"]\ntest_mailboxes = [\"alice@corp.example\"]");
    let said = scene.check(&[]).await;
    assert_eq!(said.exit, 0, "{}\n{}", said.text, said.errors);
    let found = scene.json(&[]).await;
    let outcome = |check: &str| {
        let of = found.iter().filter(|one| one["check"] == check);
        of.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for check in ["sign-in", "protection", "version", "impersonation", "throttling", "kms"] {
        assert_eq!(outcome(check), ["pass"], "{check}: {}", said.text);
    }
    assert_eq!(outcome("tls"), ["pass", "pass", "skip"], "the key server is behind the cloud");
    assert!(!scene.stage.folder().join("calway.db").exists(), "the store is the service's to make");
    let log = scene.exchange().log();
    for writes in ["CreateItem", "UpdateItem", "Subscribe", "DeleteItem"] {
        assert_eq!(log.count(writes), 0, "{writes}");
    }
    // Of the machine each has another one.
    let text = scene.without_chance(&said.text);
    compare("well", text.split_once("\n\n").unwrap().1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_beside_the_service_and_disturbs_nobody() {
    let house = House::active(talkative()).await;
    let mut command = tokio::process::Command::new(PROGRAM);
    command.arg("check").arg("--config").arg(house.stage.config());
    command.args(["--mailbox", ALICE.1]);
    command.env("CREDENTIALS_DIRECTORY", house.stage.credentials()).env("PATH", "/nowhere");
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("2 mailboxes"), "{text}");
    house.meet(ALICE, "Beside it", 1);
    house.live(ALICE, 1).await;
    assert!(!house.log().contains("stream-failed"), "{}", house.log());
}
