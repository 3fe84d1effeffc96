//! A host that nobody vouched for, with the real program: told once, decided on while it runs.

use std::path::PathBuf;
use std::sync::Arc;

use calway_lab::exchange::{self, Draft, Exchange, MailboxKind, MovedTo};
use calway_lab::stage::Options;
use calway_lab::tls::Authority;
use serde_json::{Value, json};

use super::asked;
use super::program::{calway, lines};
use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, talkative};

/// What `calway trust list` prints; the others only work.
async fn trust(house: &House, words: &[&'static str]) -> Vec<Value> {
    let file: PathBuf = house.stage.config();
    let list = words.first() == Some(&"list");
    let words: Vec<_> = ["trust"].iter().chain(words).copied().collect();
    let output = tokio::task::spawn_blocking(move || calway(&file, &words)).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    if list { lines(&output) } else { Vec::new() }
}

fn made_there(server: &Exchange, title: &str, hours: i64) {
    let start = now_ms() / 60_000 * 60_000 + hours * 3_600_000;
    server.calendars().create(ALICE.1, Draft::meeting(title, start, 30));
}

/// Waits until a mailbox was looked for so often in all.
async fn looked_for(house: &House, times: u64) {
    let log = house.stage.exchange.log();
    crate::house::within(log.wait_for("GetUserSettings", times)).await;
}

/// Over more hunts, and one of another run of the program.
async fn is_told_once(house: &mut House) {
    let told = |house: &House| house.log().matches("host-waits").count();
    house.until("it is told", |house| told(house) > 0).await;
    let log = house.log();
    let line = log.lines().find(|line| line.contains("host-waits")).unwrap();
    assert!(line.contains("HOST=localhost") && line.contains("VIA=redirect"), "{line}");
    looked_for(house, 1).await;
    house.activate(BOB.0, BOB.1).await;
    looked_for(house, 2).await;
    house.until("he waits", |house| house.log().contains("user-bob cannot be read")).await;
    house.kill().await;
    let before = house.log().matches("cannot be read").count();
    house.again();
    house
        .until("it was looked for again", |house| {
            house.log().matches("cannot be read").count() > before
        })
        .await;
    assert_eq!(told(house), 1, "{}", house.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_once_waits_for_a_decision_and_hears_nothing_before_or_after() {
    let authority = Some(Arc::new(Authority::new()));
    let options = exchange::Options { authority, ..exchange::Options::default() };
    let stranger = Exchange::start(options.clone()).await.unwrap();
    stranger.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
    made_there(&stranger, "At the stranger's", 2);
    let options = Options { exchange: options, find_servers: true, ..talkative() };
    let mut house = House::start(options).await;
    // The own server sends both to a name that nobody knows.
    let port = stranger.address().port();
    let there = format!("https://localhost:{port}/autodiscover/autodiscover.xml");
    for who in [ALICE, BOB] {
        house.calendars().move_mailbox(who.1, MovedTo::Cloud(there.clone()));
    }
    house.activate(ALICE.0, ALICE.1).await;
    is_told_once(&mut house).await;
    let waiting = trust(&house, &["list", "--json"]).await;
    let entry = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        [text("host"), text("verdict"), text("via")]
    };
    let expected = ["localhost", "pending", "redirect"].map(str::to_owned);
    assert_eq!(waiting.iter().map(entry).collect::<Vec<_>>(), [expected]);
    assert_eq!(stranger.log().counts().connections, 0, "not even a look");

    trust(&house, &["allow", "localhost"]).await;
    house.live(ALICE, 1).await;
    assert!(asked(&stranger, "GetUserSettings") > 0);

    house.until("she is listened to there", |_| stranger.open_streams() > 0).await;
    // Its EWS has an address, which is what it is blocked by.
    trust(&house, &["block", "127.0.0.1"]).await;
    made_there(&stranger, "Nobody asks for it", 3);
    house
        .until("it is told", |house| {
            house
                .log()
                .contains("a stream of 1 mailboxes broke (Autodiscover leads to a blocked host")
        })
        .await;
    stranger.log().clear();
    made_there(&stranger, "Nor for this", 4);
    let ping = house.stage.cloud.command("ping", "", json!({}));
    assert_eq!(house.outcome(&ping).await, "done");
    let entries = stranger.log().entries();
    assert!(entries.is_empty(), "{entries:?}");
}
