//! One change, or one command, is followed by its TRACKING_ID through all its lines.

use std::collections::BTreeSet;

use calway_lab::cloud::NewMeeting;
use calway_lab::exchange::{Fault, Match};
use serde_json::json;

use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, talkative, within};

/// The value of a field in a line of text.
fn value<'a>(line: &'a str, field: &str) -> &'a str {
    let rest = line.split_once(&format!(" {field}=")).map_or("", |(_, rest)| rest);
    rest.split(' ').next().unwrap_or_default().trim_matches('"')
}

/// The conditions of all lines with this TRACKING_ID, in their order.
fn followed(log: &str, id: &str) -> Vec<String> {
    let of_it = log.lines().filter(|line| value(line, "TRACKING_ID") == id);
    of_it.map(|line| value(line, "CONDITION").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_followed_from_exchanges_event_to_the_clouds_answer() {
    let house = House::active(talkative()).await;
    house.live(ALICE, 0).await;
    let begin = house.log().len();
    house.meet(ALICE, "Merger", 2);
    house.live(ALICE, 1).await;
    // Whatever else is told meanwhile, and however often the doorbell rings: one reading led to it.
    let whole = |house: &House| {
        let log = house.log()[begin..].to_owned();
        let ids = log.lines().filter(|line| {
            let of_hers = value(line, "USER_ID") == ALICE.0 && value(line, "REASON") == "rung";
            value(line, "CONDITION") == "reading" && of_hers
        });
        let ids = ids.map(|line| value(line, "TRACKING_ID").to_owned());
        ids.map(|id| (followed(&log, &id), id)).find(|(all, _)| all.len() == 4)
    };
    house.until("all of it is noted", |house| whole(house).is_some()).await;
    let log = house.log()[begin..].to_owned();
    let (mut all, id) = whole(&house).unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    // The disk and the way to the cloud go on beside each other.
    assert_eq!(all.first().map(String::as_str), Some("reading"));
    all.sort_unstable();
    assert_eq!(all, ["committed", "event-answered", "event-sent", "reading"]);
    let reading = log.lines().find(|line| value(line, "TRACKING_ID") == id).unwrap();
    assert_eq!((value(reading, "REASON"), value(reading, "USER_ID")), ("rung", ALICE.0));
    // The cloud has it too, and can name it to whoever looks into the journal.
    let parent = format!("\"traceparent\":\"00-{id}-");
    assert!(house.stage.cloud.received().contains(parent.as_bytes()));
    // Another change is another id.
    house.meet(ALICE, "Another", 3);
    house.live(ALICE, 2).await;
    let two = |house: &House| {
        let log = house.log();
        let ids = log.lines().filter(|line| line.contains("event-sent"));
        ids.map(|line| value(line, "TRACKING_ID")).collect::<BTreeSet<_>>().len() >= 2
    };
    house.until("both are noted", two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_fails_is_named_with_its_id_and_exchanges() {
    let house = House::active(talkative()).await;
    let ill = Fault::ResponseCode("ErrorMailboxStoreUnavailable".into());
    let broken = house.stage.exchange.faults().always(Match::operation("SyncFolderItems"), ill);
    house.meet(ALICE, "Unread", 2);
    house.until("it fails", |house| house.log().contains("mailbox-failing")).await;
    let log = house.log();
    let failing = log.lines().find(|line| line.contains("mailbox-failing")).unwrap();
    let id = value(failing, "TRACKING_ID");
    assert_eq!(followed(&log, id), ["reading", "mailbox-failing"], "{failing}");
    assert!(value(failing, "EWS_REQUEST_ID").len() > 8, "{failing}");
    broken.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_followed_to_the_answer_for_what_came_of_it() {
    let house = House::active(talkative()).await;
    let command = house.stage.cloud.deactivate(ALICE.0);
    assert_eq!(house.outcome(&command).await, "done");
    let id = calway::pipeline::tracking::of(&command).to_string();
    let at_its_end = |house: &House| followed(&house.log(), &id).contains(&"event-answered".into());
    house.until("what it led to is answered for", at_its_end).await;
    let all: BTreeSet<_> = followed(&house.log(), &id).into_iter().collect();
    assert_eq!(Vec::from_iter(all), ["command", "event-answered", "event-sent"]);
    let ping = house.stage.cloud.command("ping", "", json!({}));
    assert_eq!(house.outcome(&ping).await, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_errand_is_followed_from_the_command_to_the_answer_for_its_result() {
    let house = House::active(talkative()).await;
    let start = jiff::Timestamp::from_millisecond(now_ms() / 900_000 * 900_000 + 10_800_000);
    let meeting = NewMeeting::at("Merger", &start.unwrap().to_string());
    let command = house.stage.cloud.create_meeting(ALICE.0, &meeting).await;
    assert_eq!(within(house.stage.cloud.result(&command)).await.outcome, "done");
    let id = calway::pipeline::tracking::of(&command).to_string();
    let whole = ["command", "errand-ended", "event-answered", "event-sent"];
    let all = |house: &House| -> BTreeSet<_> { followed(&house.log(), &id).into_iter().collect() };
    let at_its_end = |house: &House| whole.iter().all(|name| all(house).contains(*name));
    house.until("all of it is noted", at_its_end).await;
    assert_eq!(Vec::from_iter(all(&house)), whole);
    let log = house.log();
    let ended = log.lines().find(|line| value(line, "CONDITION") == "errand-ended").unwrap();
    let told = ["USER_ID", "COMMAND_ID", "OUTCOME"].map(|field| value(ended, field));
    assert_eq!(told, [ALICE.0, &command, "done"], "{ended}");
    // What it wrote rings, and is read as a change of its own.
    house.live(ALICE, 1).await;
    let parent = format!("\"traceparent\":\"00-{id}-");
    assert!(house.stage.cloud.received().contains(parent.as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_a_reading_a_command_or_an_event_is_without_its_id() {
    let house = House::active(talkative()).await;
    house.meet(ALICE, "Merger", 2);
    house.live(ALICE, 1).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Strategy", 2);
    house.until("it fails", |house| house.log().contains("mailbox-failing")).await;
    house.calendars().deny_impersonation(BOB.1, false);
    // Somebody who asks for all of it has it tried at once.
    let resend = house.stage.cloud.command("records.resend", BOB.0, json!({}));
    assert_eq!(house.outcome(&resend).await, "done");
    house.until("it is well again", |house| house.log().contains("mailbox-well")).await;
    house.live(BOB, 1).await;
    let command = house.stage.cloud.deactivate(BOB.0);
    assert_eq!(house.outcome(&command).await, "done");
    let of = |line: &&str| {
        let concerns = ["USER_ID", "COMMAND_ID", "EVENT_ID", "ROW"];
        let concerns = concerns.iter().any(|field| !value(line, field).is_empty());
        // Streams are nobody's reading.
        concerns && !["", "listening", "mailbox-demoted"].contains(&value(line, "CONDITION"))
    };
    let log = house.log();
    let lines: Vec<_> = log.lines().filter(of).collect();
    let seen: BTreeSet<_> = lines.iter().map(|line| value(line, "CONDITION")).collect();
    for name in ["reading", "committed", "mailbox-failing", "mailbox-well", "relayed", "command"] {
        assert!(seen.contains(name), "{name} in {seen:?}");
    }
    for line in lines {
        assert_eq!(value(line, "TRACKING_ID").len(), 32, "{line}");
    }
}
