//! Promise 2: planted titles, bodies, names, addresses and the password are nowhere but on
//! Exchange's side and in the user's app.

use std::time::{Duration, Instant};

use calway_lab::canary::Canaries;
use calway_lab::exchange::{Attendee, Draft, Fault, MailboxKind, Match};
use calway_lab::stage::{Options, Stage};

use crate::edits::{Editors, now_ms, window};

const PROGRAM: &str = env!("CARGO_BIN_EXE_calway");
const PASSWORD: &str = "Zinnober-Kanarie-4471";
const TITLES: [&str; 3] = ["Übernahme Kolibri", "Kündigung Falkenried", "Gehalt Nachtigall"];
const PEOPLE: [(&str, &str); 3] = [
    ("quirin.oxblood@corp.example", "Quirin Oxblood"),
    ("vesper.lindqvist@corp.example", "Vesper Lindqvist"),
    ("ilse.żółw@corp.example", "Ilse Żółw"),
];
const USERS: [&str; 3] = ["u-1", "u-2", "u-3"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_nothing_planted_is_found_outside_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let mut options =
        Options { log: Some("trace".into()), poll_seconds: Some(5), ..Options::default() };
    options.exchange.password = PASSWORD.into();
    let stage = Stage::start(folder.path(), options).await.unwrap();
    let calendars = stage.exchange.calendars();
    for (address, name) in PEOPLE {
        calendars.add_mailbox(address, name, MailboxKind::User);
    }
    let log = std::fs::File::create(stage.folder().join("connector.log")).unwrap();
    let mut connector =
        stage.connector(PROGRAM).env("RUST_BACKTRACE", "full").stderr(log).spawn().unwrap();
    for (user, (address, _)) in USERS.iter().zip(PEOPLE) {
        let command = stage.cloud.activate(user, address).await;
        assert_eq!(within(stage.cloud.outcome(&command)).await.outcome, "done");
    }
    // Faults make error texts; these must not quote what they are about.
    let faults = stage.exchange.faults();
    faults.times(3, Match::default(), Fault::GarbageXml);
    faults.times(2, Match::default(), Fault::ServerBusy { back_off_ms: Some(200), inner: false });
    calendars.deny_impersonation(PEOPLE[2].0, true);
    let mut editors = Editors::new(3, &PEOPLE, &TITLES);
    for _ in 0..150 {
        editors.edit(calendars);
    }
    let mut draft = Draft::meeting(TITLES[0], now_ms() + 3_600_000, 30);
    draft.location = "https://kanarie.example/raum/8842?pwd=Stieglitz".into();
    draft.attendees = vec![Attendee::required("zaunkoenig@outside.example", "Zaunkönig Extern")];
    calendars.create(PEOPLE[0].0, draft);
    stage.cloud.drop_connections();
    stage.exchange.drop_connections();
    calendars.deny_impersonation(PEOPLE[2].0, false);
    let command = stage.cloud.resend("*");
    assert_eq!(within(stage.cloud.outcome(&command)).await.outcome, "done");
    settle(&stage).await;
    connector.kill().await.unwrap();

    let mut canaries = Canaries::new([PASSWORD, "kanarie.example/raum", "Stieglitz"]);
    for text in ["zaunkoenig@outside.example", "Zaunkönig Extern"].into_iter().chain(TITLES) {
        canaries.plant(text);
    }
    for (address, name) in PEOPLE {
        canaries.plant(address);
        canaries.plant(name);
        canaries.plant(address.split('@').next().unwrap());
    }
    let received = stage.cloud.received();
    assert!(received.complete && received.len() > 100_000, "{} bytes", received.len());
    for piece in &received.pieces {
        assert_eq!(canaries.search(piece, "what the cloud received"), []);
    }
    let credentials = stage.credentials();
    let (files, found) =
        canaries.search_folder(stage.folder(), |path| path == credentials).unwrap();
    assert_eq!(found, []);
    assert!(files >= 5, "{files} files were searched");
    // The search does find them where they may be.
    let person = stage.cloud.person(USERS[0]);
    let shown = format!("{:?}", person.meetings().await.unwrap());
    assert!(!canaries.search(shown.as_bytes(), "the user's app").is_empty());
    let secret = std::fs::read(credentials.join("calendar.hq.password")).unwrap();
    assert!(!canaries.search(&secret, "the credentials").is_empty());
}

/// Not a test of its own: what the next one runs in a process of its own.
#[test]
#[ignore = "run by promise_2_a_panic_tells_its_place_and_nothing_else"]
fn panics_with_a_canary() {
    calway::observe::journal::start("trace", calway::observe::journal::Shape::Text).unwrap();
    let plain = calway::model::Plain::new(TITLES[0]);
    let thread = std::thread::spawn(move || panic!("while reading {} ({plain:?})", plain.reveal()));
    assert!(thread.join().is_err());
}

#[test]
fn promise_2_a_panic_tells_its_place_and_nothing_else() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "canaries::panics_with_a_canary", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "full")
        .env_remove("JOURNAL_STREAM")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("internal-error") && text.contains("canaries.rs"), "{text}");
    assert_eq!(Canaries::new(TITLES).search(&said, "what a panic leaves"), []);
}

async fn settle(stage: &Stage) {
    let users: Vec<_> = USERS.iter().zip(PEOPLE).map(|(user, (a, _))| (*user, a)).collect();
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let (from, to) = window();
        let stored = stage.cloud.stats().stored;
        let tally = stage.tally(&users, from, to).await.unwrap();
        if tally.is_exact() && tally.expected > 20 {
            return;
        }
        assert!(Instant::now() < until, "lost {:#?}\nextra {:#?}", tally.lost, tally.extra);
        let more = stage.cloud.wait(|view| view.stored() > stored);
        let _ = tokio::time::timeout(Duration::from_secs(1), more).await;
    }
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute")
}
