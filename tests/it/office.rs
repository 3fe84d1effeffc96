//! Who is out of office, and how each mailbox is, as the cloud hears it from the real program.

use calway_lab::exchange::{Oof, OofAudience};
use calway_lab::stage::Options;
use serde_json::{Value, json};

use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, talkative, within};

const REPLY: &str = "Elternzeit-Kolibri: my leave is none of the cloud's business";

fn often() -> Options {
    Options { presence_seconds: Some(5), ..talkative() }
}

/// Waits until the last word on a user's presence is one.
async fn presence(house: &House, user: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    let cloud = house.stage.cloud.clone();
    let said = cloud.wait(|view| {
        found = view.presence(user).cloned().unwrap_or_default();
        is(&found)
    });
    within(said).await;
    found
}

async fn state(house: &House, user: &str, is: &str) -> Value {
    let mut found = Value::Null;
    let cloud = house.stage.cloud.clone();
    let said = cloud.wait(|view| {
        found = view.state(user).cloned().unwrap_or_default();
        found["state"] == is
    });
    within(said).await;
    found
}

fn is_away(said: &Value) -> bool {
    said["label"] == "Out of office"
}

fn is_here(said: &Value) -> bool {
    said["ttl"] == 0
}

fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_hears_who_is_away_and_until_when_and_not_a_word_of_the_reply() {
    let house = House::active(often()).await;
    presence(&house, ALICE.0, is_here).await;
    let (from, to) = (now_ms() / 1_000 * 1_000 - 60_000, now_ms() / 1_000 * 1_000 + 3_600_000);
    let scheduled = Oof { audience: OofAudience::Known, ..Oof::scheduled(from, to, REPLY) };
    house.calendars().set_oof(ALICE.1, scheduled);
    house.calendars().set_oof(BOB.1, Oof::enabled(REPLY));
    let alice = presence(&house, ALICE.0, is_away).await;
    assert_eq!((&alice["start"], &alice["until"]), (&json!(utc(from)), &json!(utc(to))));
    assert_eq!(alice["externalAudience"], "KNOWN");
    assert!(alice["ttl"].as_u64().is_some_and(|ttl| (3_000..=3_600).contains(&ttl)));
    let bob = presence(&house, BOB.0, is_away).await;
    assert!(bob.get("until").is_none() && bob.get("ttl").is_none(), "{bob}");
    house.calendars().set_oof(ALICE.1, Oof::default());
    presence(&house, ALICE.0, is_here).await;
    let reports = house.stage.cloud.view(|view| view.reports_of(ALICE.0, "user.presence").len());
    assert_eq!(reports, 3, "here, away, here: each change once");
    let received = house.stage.cloud.received();
    assert!(received.complete && !received.contains(b"Kolibri"));
    assert!(!house.log().contains("Kolibri"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_nothing_is_told_that_was_told_and_what_changed_is() {
    let mut house = House::active(often()).await;
    house.calendars().set_oof(ALICE.1, Oof::enabled(REPLY));
    presence(&house, ALICE.0, is_away).await;
    presence(&house, BOB.0, is_here).await;
    state(&house, BOB.0, "active").await;
    house.kill().await;
    house.calendars().set_oof(BOB.1, Oof::enabled(REPLY));
    house.again();
    presence(&house, BOB.0, is_away).await;
    // Alice was asked in between, as every five seconds somebody is.
    let times = |house: &House| {
        let touches = house.stage.exchange.log().touches(ALICE.1);
        touches.get("GetUserOofSettings").copied().unwrap_or_default()
    };
    let asked = times(&house);
    house.until("Alice is asked again", |house| times(house) > asked).await;
    let count =
        |user: &str, kind: &str| house.stage.cloud.view(|view| view.reports_of(user, kind).len());
    assert!(count(ALICE.0, "user.presence") <= 2, "here perhaps, and away");
    assert_eq!(count(BOB.0, "user.state"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_hears_that_a_mailbox_cannot_be_read_and_that_it_is_relayed_again() {
    let house = House::start(talkative()).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.activate(ALICE.0, ALICE.1).await;
    house.activate(BOB.0, BOB.1).await;
    assert_eq!(state(&house, ALICE.0, "active").await.get("reason"), None);
    let bob = state(&house, BOB.0, "error").await;
    assert_eq!(bob["reason"], "mailbox-failing");
    // Mended, it is tried as soon as somebody asks for it.
    house.calendars().deny_impersonation(BOB.1, false);
    house.activate(BOB.0, BOB.1).await;
    assert_eq!(state(&house, BOB.0, "active").await.get("reason"), None);
    let touched = house.stage.exchange.log().touched();
    let others: Vec<_> = touched.keys().filter(|one| **one != ALICE.1 && **one != BOB.1).collect();
    assert!(others.is_empty(), "only mailboxes of active users are touched: {others:?}");
}
