//! The program's own commands: the trust list, and a discovery that a person watches.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use calway_lab::exchange::{self, Draft, Exchange, MailboxKind, MovedTo};
use calway_lab::stage::Options;

use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, PROGRAM, talkative};

/// Whose certificates are accepted: the system's, unless the configuration says otherwise, and
/// those of its file beside them.
#[tokio::test(flavor = "multi_thread")]
async fn the_systems_authorities_and_an_own_one_are_trusted() {
    let exchange = Exchange::start(exchange::Options::default()).await.unwrap();
    super::add(&exchange, "ann");
    let folder = tempfile::tempdir().unwrap();
    let pem = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ours = pem("ours.pem", exchange.ca_pem());
    let other = calway_lab::tls::Authority::new();
    let other = other.issue(&["another.example"], calway_lab::tls::Variant::AuthorityItself);
    let other = pem("other.pem", other.pem());
    pem("calendar.hq.password", super::PASSWORD.to_owned());
    let start = format!("{}/autodiscover/autodiscover.svc", exchange.origin());
    let run = async |system: &Path, more: String| {
        let calendar = format!("autodiscover = \"{start}\"\ndiscover = {{ srv = false }}\n{more}");
        let file = written(folder.path(), &calendar);
        let text = std::fs::read_to_string(&file).unwrap().replace("CORP\\svc", "CORP\\svc-calway");
        std::fs::write(&file, text).unwrap();
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(["discover", "ann@corp.example", "--config"]).arg(&file);
        command.env("CREDENTIALS_DIRECTORY", folder.path());
        command.env("SSL_CERT_FILE", system).env_remove("SSL_CERT_DIR");
        let output = command.output().await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let ca_file = |path: &Path| format!("ca_file = \"{}\"\n", path.display());
    let own_only = format!("{}system_trust = false\n", ca_file(&other));
    for (system, more, works) in [
        (&ours, String::new(), true),
        (&other, ca_file(&ours), true),
        (&ours, ca_file(&other), true),
        (&other, String::new(), false),
        (&ours, own_only, false),
    ] {
        let (worked, said) = run(system, more.clone()).await;
        assert_eq!(worked, works, "{more}: {said}");
        assert!(works || said.contains("comes from an authority that is not trusted"), "{said}");
    }
}

/// A configuration of a calendar whose servers are to be found, and a store beside it.
pub(super) fn written(folder: &Path, calendar: &str) -> PathBuf {
    let file = folder.join("calway.toml");
    let store = folder.join("calway.db");
    let text = format!(
        "[[calendar]]\nname = \"hq\"\naccount = 'CORP\\svc'\ndomains = [\"corp.example\"]\n\
         {calendar}\n[store]\npath = \"{}\"\n",
        store.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

pub(super) fn calway(file: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(words)
        .arg("--config")
        .arg(file)
        .env("CREDENTIALS_DIRECTORY", file.parent().unwrap());
    command.output().unwrap()
}

pub(super) fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_person_allows_and_blocks_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "discover = {}");
    let early = calway(&file, &["trust", "list"]);
    assert_eq!(early.status.code(), Some(1), "the store is the service's to make");
    let store = folder.path().join("calway.db");
    drop(calway::store::sqlite::Sqlite::open(&store).unwrap());
    assert!(calway(&file, &["trust", "allow", "Mail.Corp.Example."]).status.success());
    assert!(calway(&file, &["trust", "block", "evil.example"]).status.success());
    let list = lines(&calway(&file, &["trust", "list", "--json"]));
    let pair = |line: &Value| format!("{} {}", line["host"], line["verdict"]);
    let pairs: Vec<_> = list.iter().map(pair).collect();
    let expected = ["\"evil.example\" \"blocked\"", "\"mail.corp.example\" \"allowed\""];
    assert_eq!(pairs, expected);
    let shown = calway(&file, &["trust", "list"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("blocked  evil.example"));
    for wrong in ["https://evil.example/", "evil.example:443", "*.example", "[::1]:443"] {
        let wrong = calway(&file, &["trust", "allow", wrong]);
        assert_eq!(wrong.status.code(), Some(2));
    }

    // However it is written it is the same host.
    for (written, plain) in [
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("BÜRO.example", "xn--bro-hoa.example"),
        ("EVIL.example", "evil.example"),
    ] {
        assert!(calway(&file, &["trust", "allow", written]).status.success());
        let list = lines(&calway(&file, &["trust", "list", "--json"]));
        let entry = list.iter().find(|line| line["host"] == plain);
        assert_eq!(entry.map(|line| &line["verdict"]), Some(&"allowed".into()), "{list:?}");
        assert!(calway(&file, &["trust", "remove", written]).status.success());
        let again = calway(&file, &["trust", "remove", written]);
        assert_eq!(again.status.code(), Some(1), "it is gone");
    }
    assert_eq!(lines(&calway(&file, &["trust", "list", "--json"])).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_is_taken_up_by_the_daemon_within_seconds() {
    let house = House::active(Options { find_servers: true, ..talkative() }).await;
    house.meet(ALICE, "Before", 1);
    house.live(ALICE, 1).await;
    let streams = |house: &House| house.stage.exchange.open_streams();
    house.until("a stream is open", |house| streams(house) > 0).await;
    let config = house.stage.config();
    let decide = async |verdict: &'static str| {
        let config = config.clone();
        let words = ["trust", verdict, "127.0.0.1"];
        let done = tokio::task::spawn_blocking(move || calway(&config, &words)).await.unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    decide("block").await;
    house.until("its streams end", |house| streams(house) == 0).await;
    house.meet(ALICE, "Meanwhile", 2);
    // Whoever is polled fails now, and by itself is tried again after minutes only.
    house.until("she is told of", |house| house.log().contains("blocked host")).await;
    decide("allow").await;
    house.live(ALICE, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_watches_a_discovery() {
    let exchange = calway_lab::exchange::Exchange::start(Default::default()).await.unwrap();
    super::add(&exchange, "ann");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, exchange.ca_pem()).unwrap();
    std::fs::write(folder.path().join("calendar.hq.password"), super::PASSWORD).unwrap();
    let start = format!("{}/autodiscover/autodiscover.svc", exchange.origin());
    let file = written(
        folder.path(),
        &format!(
            "autodiscover = \"{start}\"\ndiscover = {{ srv = false }}\nsystem_trust = false\n\
             ca_file = \"{}\"\n",
            ca.display()
        ),
    );
    let text = std::fs::read_to_string(&file).unwrap().replace("CORP\\svc", "CORP\\svc-calway");
    std::fs::write(&file, text).unwrap();
    let run = |address: &'static str| {
        let file = file.clone();
        tokio::task::spawn_blocking(move || calway(&file, &["discover", address, "--json"]))
    };
    let found = run("ann@corp.example").await.unwrap();
    let told = lines(&found);
    assert!(found.status.success(), "{told:?}");
    assert_eq!((told[0]["step"].as_str(), told[0]["at"].as_str()), (Some("soap"), Some(&*start)));
    assert_eq!(told[told.len() - 1]["ews"], exchange.url());
    let server = told[told.len() - 1]["server"].as_str().unwrap();
    assert!(server.starts_with("ews-") && server.len() == 12, "as the journal has it: {server}");

    let nobody = run("nobody@corp.example").await.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("InvalidUser"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_moves_to_another_server_keeps_arriving_and_one_in_the_cloud_is_named() {
    let authority = std::sync::Arc::new(calway_lab::tls::Authority::new());
    let options = exchange::Options { authority: Some(authority), ..exchange::Options::default() };
    let second = Exchange::start(options.clone()).await.unwrap();
    let house =
        House::active(Options { exchange: options, find_servers: true, ..talkative() }).await;
    for (who, hours) in [(ALICE, 1), (ALICE, 2), (BOB, 1)] {
        house.meet(who, "At the old place", hours);
    }
    house.exact(&[ALICE, BOB]).await;

    let (_, address, name) = ALICE;
    // Two simulated servers number their mailboxes alike, and so their items.
    for n in 0..9 {
        second.calendars().add_mailbox(&format!("n{n}@corp.example"), "N", MailboxKind::User);
    }
    second.calendars().add_mailbox(address, name, MailboxKind::User);
    let start = now_ms() / 60_000 * 60_000 + 3 * 3_600_000;
    second.calendars().create(address, Draft::meeting("At the new place", start, 30));
    house.calendars().move_mailbox(address, MovedTo::Server(second.url()));
    house.live(ALICE, 1).await;
    second.calendars().create(address, Draft::meeting("Rung for there", start, 30));
    house.live(ALICE, 2).await;

    let cloud = MovedTo::Cloud("bob@corp.mail.onmicrosoft.com".to_owned());
    house.calendars().move_mailbox(BOB.1, cloud);
    house
        .until("he is named", |house| {
            house.log().contains("mailbox user-bob was moved to Microsoft 365")
        })
        .await;
    assert!(!house.log().contains("mailbox user-alice was moved"), "{}", house.log());
}
