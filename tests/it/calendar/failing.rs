//! Items and calendars that cannot be read.

use calway::calendar::Calendar;
use calway::model::Next;
use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{self, Draft, Fault, ItemId, Match};

use super::desk::{Book, Desk};
use super::{HOUR, MONDAY};
use crate::house::{ALICE, BOB, House, talkative, within};

const ANN: &str = "ann@corp.example";

async fn twelve(desk: &Desk) -> (Book, Vec<ItemId>) {
    let mut ann = desk.user("ann");
    let ids = (0..12)
        .map(|n| {
            let draft = Draft::meeting(&format!("n{n}"), MONDAY + n * HOUR, 30);
            desk.calendars().create(ANN, draft)
        })
        .collect();
    ann.check(desk, MONDAY, "at first").await;
    (ann, ids)
}

#[tokio::test]
async fn an_item_that_cannot_be_read_does_not_take_its_neighbours_along() {
    let desk = Desk::new().await;
    let (mut ann, ids) = twelve(&desk).await;
    for code in [
        "ErrorItemCorrupt",
        "ErrorContentConversionFailed",
        "ErrorVirusDetected",
        "ErrorAccessDenied",
        // Of which nothing is known here.
        "ErrorRightsManagementPermanentException",
        "ErrorOfALaterExchange",
    ] {
        desk.calendars().spoil(ANN, &ids[3], Some(code));
        for id in &ids {
            desk.calendars().update(ANN, id, |draft| draft.location.push('x'));
        }
        ann.read(&desk, MONDAY).await.expect("a pass");
        assert!(ann.unreadable > 0, "{code}");
        assert_eq!(ann.records.len(), 12, "what was known of it stays");
        let fresh = ann.titled("n4")[0]["encryptedLocation"].clone();
        assert_ne!(ann.titled("n3")[0]["encryptedLocation"], fresh, "{code}");
        // Nobody changes it: the next listing asks for it again.
        desk.calendars().spoil(ANN, &ids[3], None);
        ann.check(&desk, MONDAY + 24 * HOUR, "the next day").await;
        ann.check(&desk, MONDAY, "and back").await;
    }
    desk.calendars().spoil(ANN, &ids[3], Some("ErrorItemCorrupt"));
    desk.calendars().delete(ANN, &ids[3]);
    ann.check(&desk, MONDAY, "deleted unread").await;
    assert_eq!(ann.records.len(), 11);
}

#[tokio::test]
async fn ill_items_in_several_batches_hold_nobody_up_and_are_asked_for_until_they_are_well() {
    const ILL: [usize; 4] = [5, 25, 45, 46];
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let ids: Vec<_> = (0..60)
        .map(|n| {
            let draft = Draft::meeting(&format!("n{n}"), MONDAY + n * HOUR, 30);
            desk.calendars().create(ANN, draft)
        })
        .collect();
    ann.check(&desk, MONDAY, "at first").await;
    for ill in ILL {
        desk.calendars().spoil(ANN, &ids[ill], Some("ErrorInternalServerError"));
    }
    for id in &ids {
        desk.calendars().update(ANN, id, |draft| draft.location = "Elsewhere".into());
    }
    let moved = |book: &Book| {
        let there = |one: &&serde_json::Value| one["encryptedLocation"] == "Elsewhere";
        book.records.values().filter(there).count()
    };
    let log = desk.exchange.log();
    log.clear();
    ann.read(&desk, MONDAY).await.expect("one pass does");
    assert_eq!((moved(&ann), ann.records.len(), ann.ill), (56, 60, true));
    assert_eq!(log.count("GetItem"), 6, "none of them is asked for twice in a pass");
    // Nothing changes in the mailbox, and nobody waits for midnight: the next pass asks again.
    log.clear();
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!((moved(&ann), ann.ill, log.count("GetItem")), (56, true, 1));
    for ill in &ILL[..3] {
        desk.calendars().spoil(ANN, &ids[*ill], None);
    }
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!((moved(&ann), ann.ill), (59, true));
    desk.calendars().spoil(ANN, &ids[46], None);
    ann.check(&desk, MONDAY, "well again").await;
    assert!(!ann.ill);
    log.clear();
    ann.check(&desk, MONDAY, "and quiet").await;
    assert_eq!((log.count("GetItem"), log.count("FindItem")), (0, 0));
}

/// A batch has one minute of the server's time: what is too much together is asked for in parts.
#[tokio::test]
async fn an_item_that_takes_the_server_too_long_holds_its_neighbours_up_for_some_passes_only() {
    let desk = Desk::new().await;
    let (mut ann, ids) = twelve(&desk).await;
    for id in &ids {
        desk.calendars().update(ANN, id, |draft| draft.location = "Elsewhere".into());
    }
    desk.calendars().spoil(ANN, &ids[3], Some("ErrorTimeoutExpired"));
    let moved = |book: &Book| {
        let there = |one: &&serde_json::Value| one["encryptedLocation"] == "Elsewhere";
        book.records.values().filter(there).count()
    };
    let log = desk.exchange.log();
    for at_once in [10, 5, 2] {
        log.clear();
        let fault = ann.read(&desk, MONDAY).await.expect_err("too much");
        assert_eq!(fault.cause.code, "ErrorTimeoutExpired", "{at_once} at once");
        assert!(log.count("GetItem") <= 4, "one time-out a pass");
    }
    ann.read(&desk, MONDAY).await.expect("one by one");
    assert_eq!((moved(&ann), ann.ill), (11, true));
    desk.calendars().spoil(ANN, &ids[3], None);
    ann.check(&desk, MONDAY, "well again").await;
    assert!(!ann.ill);
}

#[tokio::test]
async fn an_item_that_takes_too_long_among_many_is_come_to_as_well() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let ids: Vec<_> = (0..60)
        .map(|n| {
            let draft = Draft::meeting(&format!("n{n}"), MONDAY + n * HOUR, 30);
            desk.calendars().create(ANN, draft)
        })
        .collect();
    desk.calendars().spoil(ANN, &ids[55], Some("ErrorTimeoutExpired"));
    let mut passes = 0;
    while let Err(fault) = ann.read(&desk, MONDAY).await {
        assert_eq!(fault.cause.code, "ErrorTimeoutExpired");
        passes += 1;
        assert!(passes < 12, "it is never read");
    }
    assert_eq!((ann.records.len(), ann.ill), (59, true));
}

#[tokio::test]
async fn a_window_that_takes_the_server_too_long_to_list_holds_nobody_up_for_good() {
    let server = exchange::Options { find_days: Some(10), ..exchange::Options::default() };
    let desk = Desk::with(server).await;
    let mut ann = desk.user("ann");
    let make = |n: i64| Draft::meeting(&format!("n{n}"), MONDAY + n * 24 * HOUR, 30);
    for n in 0..30 {
        desk.calendars().create(ANN, make(n));
    }
    let log = desk.exchange.log();
    let mut passes = 0;
    while let Err(fault) = ann.read(&desk, MONDAY).await {
        assert_eq!(fault.cause.code, "ErrorTimeoutExpired");
        assert_eq!(log.count("FindItem"), 1, "one time-out a pass");
        log.clear();
        passes += 1;
        assert!(passes < 10, "it is never read");
    }
    ann.check(&desk, MONDAY, "in pieces").await;
    assert_eq!(ann.records.len(), 30);
    log.clear();
    ann.check(&desk, MONDAY + 24 * HOUR, "the next day").await;
    assert!(!log.counts().codes.contains_key("ErrorTimeoutExpired"), "it is remembered");
}

#[tokio::test]
async fn where_everything_is_ill_the_mailbox_waits() {
    let desk = Desk::new().await;
    let (mut ann, ids) = twelve(&desk).await;
    for id in &ids {
        desk.calendars().update(ANN, id, |draft| draft.location = "Elsewhere".into());
    }
    // Exchange says it of all that it is asked for: it is not the items.
    let wrong = Fault::ResponseCode("ErrorInternalServerError".into());
    let faults = desk.exchange.faults();
    let lasting = ["GetItem", "GetFolder"]
        .map(|operation| faults.always(Match::operation(operation), wrong.clone()));
    let sent = ann.sent;
    let fault = ann.read(&desk, MONDAY).await.expect_err("no pass");
    assert!(matches!(fault.next, Next::Retry { .. }), "{fault}");
    assert_eq!(ann.sent, sent);
    for one in lasting {
        one.stop();
    }
    ann.check(&desk, MONDAY, "well again").await;
}

#[tokio::test]
async fn a_series_whose_master_cannot_be_read_still_shows_its_changes() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let draft = Draft::meeting("Daily", MONDAY + 9 * HOUR, 30);
    let draft = draft.repeat(Pattern::Daily { interval: 1 }, End::After(9));
    let id = desk.calendars().create(ANN, draft);
    ann.check(&desk, MONDAY, "at first").await;
    desk.calendars().spoil(ANN, &id, Some("ErrorItemCorrupt"));
    desk.calendars().delete_occurrence(ANN, &id, MONDAY + 33 * HOUR);
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!(ann.records.len(), 8, "what the listing lacks is withdrawn");
    desk.calendars().spoil(ANN, &id, None);
    ann.check(&desk, MONDAY + 24 * HOUR, "well again").await;
}

#[tokio::test]
async fn a_mailbox_without_a_calendar_says_so_and_heals() {
    let desk = Desk::new().await;
    let (mut ann, _) = twelve(&desk).await;
    desk.calendars().lose_calendar(ANN, true);
    for fault in [
        desk.ews.verify(&ann.target).await.expect_err("no calendar"),
        ann.read(&desk, MONDAY).await.expect_err("no calendar"),
        ann.read(&desk, MONDAY + 24 * HOUR).await.expect_err("no calendar"),
    ] {
        assert_eq!((fault.next, fault.cause.code.as_str()), (Next::Gone, "ErrorFolderNotFound"));
    }
    assert_eq!(ann.records.len(), 12, "nothing is withdrawn for it");
    desk.calendars().lose_calendar(ANN, false);
    ann.check(&desk, MONDAY, "there again").await;
}

/// What the cloud hears of a mailbox, last.
async fn state(house: &House, who: (&str, &str, &str), is: &str) -> serde_json::Value {
    let mut found = serde_json::Value::Null;
    let cloud = house.stage.cloud.clone();
    let said = cloud.wait(|view| {
        found = view.state(who.0).cloned().unwrap_or_default();
        found["state"] == is
    });
    within(said).await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_is_told_what_to_do_about_a_missing_calendar() {
    let house = House::active(talkative()).await;
    house.calendars().lose_calendar(BOB.1, true);
    house.meet(BOB, "Nowhere", 2);
    house.until("it is named", |house| house.log().contains("has no calendar")).await;
    assert!(house.log().contains("mailbox-failing"));
    assert_eq!(state(&house, BOB, "error").await["reason"], "mailbox-failing");
    house.meet(ALICE, "As ever", 2);
    house.live(ALICE, 1).await;
    house.calendars().lose_calendar(BOB.1, false);
    house.exact(&[ALICE, BOB]).await;
    house.live(BOB, 1).await;
    house.until("it is told", |house| house.log().contains("mailbox-well")).await;
    state(&house, BOB, "active").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_new_whose_calendar_is_not_there_yet_is_named_and_relayed_once_it_is() {
    let mut house = House::start(talkative()).await;
    house.calendars().lose_calendar(BOB.1, true);
    house.activate(BOB.0, BOB.1).await;
    assert_eq!(state(&house, BOB, "error").await["reason"], "mailbox-failing");
    let log = house.log();
    let named = log.lines().find(|line| line.contains("\"mailbox-failing\"")).unwrap();
    let says = ["ErrorFolderNotFound", "has no calendar", "next try in 1 min"];
    assert!(says.iter().all(|word| named.contains(word)), "{named}");
    // Nothing of that outlives a start, which is sooner than the minute.
    house.kill().await;
    house.calendars().lose_calendar(BOB.1, false);
    house.meet(BOB, "The first", 2);
    house.again();
    house.exact(&[BOB]).await;
    house.live(BOB, 1).await;
    assert_eq!(state(&house, BOB, "active").await.get("reason"), None);
}
