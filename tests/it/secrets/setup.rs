//! `calway setup` from arguments, against the lab.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use calway_lab::exchange::MailboxKind;
use calway_lab::stage::{Options, Stage};

use super::command::{Machine, NAME, said};
use crate::house::{ALICE, House, talkative};

/// All answers but the one where Exchange is, and these words beside them.
async fn setup(
    stage: &Stage,
    machine: &Arc<Machine>,
    output: &Path,
    more: &[&str],
    input: &str,
) -> Output {
    let file = |name: &str| stage.folder().join(name).display().to_string();
    let (client_id, _) = stage.cloud.credentials();
    let words = [
        ("--account", Options::default().exchange.account),
        ("--ca-file", file("exchange-ca.pem")),
        ("--cloud-url", stage.cloud.url()),
        ("--client-id", client_id),
        ("--connector", stage.cloud.connector_id()),
        ("--cloud-ca-file", file("cloud-ca.pem")),
        ("--kms-anchors", file("kms-anchor.pem")),
        ("--kms-url", stage.cloud.kms().url()),
        ("--store-path", file("setup.db")),
        ("--output", output.display().to_string()),
    ];
    let mut all = vec!["setup".to_owned(), "--non-interactive".to_owned()];
    all.extend(words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    all.extend(more.iter().map(|word| (*word).to_owned()));
    let (machine, input) = (machine.clone(), input.to_owned());
    let call = move || {
        let words: Vec<_> = all.iter().map(String::as_str).collect();
        machine.run(&words, &input)
    };
    tokio::task::spawn_blocking(call).await.unwrap()
}

struct Site {
    stage: Stage,
    machine: Arc<Machine>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
        stage.exchange.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
        Self { stage, machine: Arc::new(Machine::new()), _folder: folder }
    }

    /// All answers, and these words beside them.
    async fn setup(&self, more: &[&str], input: &str) -> Output {
        let url = self.stage.exchange.url();
        self.finding(&["--url", &url], more, input).await
    }

    /// The same where Exchange is told of by these words.
    async fn finding(&self, place: &[&str], more: &[&str], input: &str) -> Output {
        let words = [place, more].concat();
        let output = self.machine.path("written/calway.toml");
        setup(&self.stage, &self.machine, &output, &words, input).await
    }

    fn both(&self) -> String {
        let (_, client_secret) = self.stage.cloud.credentials();
        format!("{}\n{client_secret}\n", Options::default().exchange.password)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_is_tested_written_and_stored_in_one_go() {
    let site = Site::new().await;
    let done = site.setup(&["--password-stdin", "--test-mailbox", ALICE.1], &site.both()).await;
    assert!(done.status.success(), "{}", said(&done));
    let path = site.machine.path("written/calway.toml");
    let settings = calway::config::read(&path).unwrap();
    assert_eq!(settings.calendars[0].ews.name.as_str(), "hq");
    for name in [NAME, "cloud.client_secret", "store.key"] {
        assert!(site.machine.stored(name).exists(), "{name}: {}", said(&done));
        assert!(site.machine.drop_in().contains(&format!("Encrypted={name}\n")), "{name}");
    }
    assert_eq!(settings.calendars[0].test_mailboxes.len(), 1, "for calway check later on");
    let words = said(&done);
    assert!(words.contains("systemctl enable --now calway"), "{words}");
    assert!(words.contains("sign-in"), "it was tried: {words}");
    for secret in site.both().lines() {
        assert!(!words.contains(secret), "{words}");
        assert!(!std::fs::read_to_string(&path).unwrap().contains(secret));
    }
    // Nobody's configuration is written over.
    let again = site.setup(&["--no-test"], "").await;
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("--force"), "{}", said(&again));
    let forced = site.setup(&["--no-test", "--force", "--calendar-name", "hq2"], "").await;
    assert!(forced.status.success(), "{}", said(&forced));
    assert!(said(&forced).contains("calway secret set calendar.hq2.password"), "still missing");
    let files = std::fs::read_dir(site.machine.path("written")).unwrap();
    assert_eq!(files.count(), 2, "the old one is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_work_is_not_written() {
    let site = Site::new().await;
    let (_, client_secret) = site.stage.cloud.credentials();
    let input = format!("Mistyped-1\n{client_secret}\n");
    let refused = site.setup(&["--password-stdin"], &input).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("nothing was written"), "{}", said(&refused));
    assert!(!site.machine.path("written").exists() && !site.machine.path("etc").exists());
    // With no address and no mailbox no server would be known to try it at.
    let domain = ["--domain", "corp.example"];
    let untried = site.finding(&domain, &["--password-stdin"], &site.both()).await;
    assert_eq!(untried.status.code(), Some(2), "{}", said(&untried));
    assert!(said(&untried).contains("--test-mailbox"), "{}", said(&untried));
    let short = site.machine.run(&["setup", "--non-interactive", "--account", "a@b.example"], "");
    assert_eq!(short.status.code(), Some(2), "{}", said(&short));
    assert!(said(&short).contains("--cloud-url"), "{}", said(&short));
    let asks = site.machine.run(&["setup"], "");
    assert_eq!(asks.status.code(), Some(2));
    assert!(said(&asks).contains("no terminal"), "{}", said(&asks));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_runs_is_handed_what_setup_was_told() {
    let (house, machine) = (House::active(talkative()).await, Arc::new(Machine::new()));
    let gate = house.stage.exchange.gate();
    let config = house.stage.config();
    let before = std::fs::read_to_string(&config).unwrap();
    // One for another place is none of the running connector's.
    let words =
        ["--url", "https://other.corp.example/", "--force", "--no-test", "--password-stdin"];
    let other = setup(&house.stage, &machine, &config, &words, "Another-1\n").await;
    assert!(other.status.success(), "{}", said(&other));
    assert!(said(&other).contains("has another configuration"), "{}", said(&other));
    std::fs::write(&config, before).unwrap();

    let new = "Eisvogel-Abendrot-8172";
    gate.set_password(new);
    let (_, client_secret) = house.stage.cloud.credentials();
    let url = house.stage.exchange.url();
    let words = ["--url", &url, "--force", "--password-stdin"];
    let input = format!("{new}\n{client_secret}\n");
    let done = setup(&house.stage, &machine, &config, &words, &input).await;
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(said(&done).matches("It works, and is in use").count(), 2, "{}", said(&done));
    assert!(!house.log().contains("is refused"), "{}", house.log());
    house.stage.exchange.drop_connections();
    house.meet(ALICE, "With the new password", 1);
    house.live(ALICE, 1).await;
    assert!(!gate.locked_out());
}
