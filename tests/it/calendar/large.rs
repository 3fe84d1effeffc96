//! Much of everything: bodies of megabytes, thousands of guests, calendars of thousands.

use calway::pipeline::limits::{BATCH_BYTES, NOTES_BYTES, PARTICIPANTS, STAGED_RECORDS};
use calway_lab::exchange::{self, Attendee, Draft};
use serde_json::json;

use super::desk::Desk;
use super::{DAY, HOUR, MINUTE, MONDAY};

const ANN: &str = "ann@corp.example";

#[tokio::test]
async fn bodies_of_megabytes_become_records_that_fit() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let text = "An agenda of many words. ".repeat(200_000);
    let page = format!(
        "<html><head><style>{}</style></head><body>{}</body></html>",
        "p.x { color: red }\n".repeat(30_000),
        "<p class='x'>An agenda of <b>many</b> words.</p>\n".repeat(50_000)
    );
    let image = format!("<p>Seen</p><img src=\"data:image/png;base64,{}\">", "A".repeat(3 << 20));
    let styles = "p.x { color: red }\n".repeat(100_000);
    let head = format!("<html><head><style>{styles}</style></head><body>Never seen</body></html>");
    let meet = |subject: &str| Draft::meeting(subject, MONDAY + 9 * HOUR, 30);
    desk.calendars().create(ANN, meet("head").html(&head).at("Room 4"));
    desk.calendars().create(ANN, meet("text").text(&text));
    desk.calendars().create(ANN, meet("page").html(&page));
    desk.calendars().create(ANN, meet("image").html(&image));
    for n in 0..12 {
        desk.calendars().create(ANN, meet(&format!("neighbour {n}")));
    }
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!(ann.records.len(), 16);
    let notes = |title: &str| ann.only(title)["encryptedNotes"].as_str().unwrap().to_owned();
    assert_eq!(notes("text").len(), NOTES_BYTES);
    assert!((NOTES_BYTES - 200..=NOTES_BYTES).contains(&notes("page").len()));
    assert!(notes("page").starts_with("An agenda of many words.\n\nAn agenda of many"));
    assert_eq!(notes("image"), "Seen");
    // Of a page only the first mebibyte is kept: what begins after it is not in the record.
    let head = ann.only("head");
    assert_eq!(
        (&head["encryptedNotes"], &head["encryptedLocation"]),
        (&json!(null), &json!("Room 4"))
    );
}

#[tokio::test]
async fn thousands_of_guests_make_a_record_that_fits() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let mut draft = Draft::meeting("All hands", MONDAY + 9 * HOUR, 60);
    draft.attendees = (0..3_000)
        .map(|n| Attendee::required(&format!("guest{n:05}@away.example"), &format!("Guest {n}")))
        .collect();
    let id = desk.calendars().create(ANN, draft);
    ann.check(&desk, MONDAY, "three thousand").await;
    let record = ann.only("All hands");
    let guests = record["encryptedParticipants"].as_array().unwrap();
    assert_eq!(guests.len(), PARTICIPANTS);
    // Sealed, each of two thousand texts takes some eighty bytes more.
    assert!(record.to_string().len() + 2 * PARTICIPANTS * 90 < BATCH_BYTES);
    let sent = ann.sent;
    desk.calendars().update(ANN, &id, |draft| draft.attendees.truncate(2_500));
    ann.check(&desk, MONDAY, "fewer").await;
    assert_eq!(ann.sent, sent, "nobody sees the difference");
}

#[tokio::test]
async fn a_calendar_of_twenty_thousand_items_is_read_in_pieces() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    // Twenty years of it, and a window so full that one listing does not hold it.
    for n in 0..18_800 {
        let start = MONDAY - 8 * DAY - n * 9 * HOUR;
        desk.calendars().create(ANN, Draft::meeting("Past", start, 30));
    }
    for n in 0..1_200 {
        let start = MONDAY + 3 * DAY + n * MINUTE;
        desk.calendars().create(ANN, Draft::meeting(&format!("n{n}"), start, 30));
    }
    assert_eq!(desk.calendars().count(ANN), 20_000);
    ann.check(&desk, MONDAY, "twenty thousand").await;
    assert_eq!(ann.records.len(), 1_200);
    let log = desk.exchange.log();
    assert_eq!(log.count("SyncFolderItems"), 40, "pages of 512");
    assert_eq!(log.count("GetItem"), 120, "only what the window shows");
    assert!(log.count("FindItem") > 2, "halved");
    // What a pass holds at once has a limit, whatever the calendar's size.
    assert!(ann.largest_commit <= STAGED_RECORDS + 40, "{}", ann.largest_commit);
    log.clear();
    let id = desk.calendars().create(ANN, Draft::meeting("One more", MONDAY + HOUR, 30));
    ann.check(&desk, MONDAY, "one more").await;
    assert_eq!((log.count("SyncFolderItems"), log.count("GetItem")), (1, 1));
    desk.calendars().delete(ANN, &id);
    ann.check(&desk, MONDAY, "one less").await;
}

#[tokio::test]
async fn more_meetings_at_one_time_than_the_server_lists_hold_nobody_up() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let make = |draft| desk.calendars().create(ANN, draft);
    let holidays: Vec<_> = (0..1_100)
        .map(|n| {
            let day = Draft::meeting(&format!("Holiday {n}"), MONDAY + 5 * DAY, 24 * 60);
            make(Draft { all_day: true, ..day })
        })
        .collect();
    let near = make(Draft::meeting("Near", MONDAY + HOUR, 30));
    let far = make(Draft::meeting("Far", MONDAY + 20 * DAY, 30));
    let among = make(Draft::meeting("Among them", MONDAY + 5 * DAY + 9 * HOUR, 30));
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert!(ann.shortfall.crowded);
    assert_eq!((ann.titled("Near").len(), ann.titled("Far").len()), (1, 1));
    assert!((1_002..1_103).contains(&ann.records.len()), "{}", ann.records.len());
    let log = desk.exchange.log();
    // Each minute of the day is as full as the first.
    assert!(log.count("FindItem") < 100, "{} listings", log.count("FindItem"));
    log.clear();
    let elsewhere = |draft: &mut Draft| draft.location = "Elsewhere".into();
    desk.calendars().update(ANN, &near, elsewhere);
    desk.calendars().update(ANN, &among, elsewhere);
    desk.calendars().delete(ANN, &far);
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!(ann.only("Near")["encryptedLocation"], "Elsewhere");
    assert_eq!((ann.titled("Among them").len(), ann.titled("Far").len()), (1, 0));
    assert_eq!(log.count("FindItem"), 0, "what the feed tells needs no listing");
    // What a listing in part does not show is not taken for deleted.
    let known = ann.records.len();
    ann.read(&desk, MONDAY + DAY).await.expect("the next day");
    assert_eq!((ann.records.len(), ann.titled("Among them").len()), (known, 1));
    for holiday in &holidays[..200] {
        desk.calendars().delete(ANN, holiday);
    }
    ann.read(&desk, MONDAY + DAY).await.expect("cleared up");
    ann.check(&desk, MONDAY + 2 * DAY, "and whole again").await;
    assert!(!ann.shortfall.crowded);
}

#[tokio::test]
async fn a_policy_that_lists_less_at_once_costs_more_requests_and_nothing_else() {
    let server = exchange::Options { find_limit: 100, ..exchange::Options::default() };
    let desk = Desk::with(server).await;
    let mut ann = desk.user("ann");
    for n in 0..450 {
        let draft = Draft::meeting(&format!("n{n}"), MONDAY + 3 * DAY + n * HOUR, 30);
        desk.calendars().create(ANN, draft);
    }
    ann.check(&desk, MONDAY, "refused, and asked for in pieces").await;
    assert_eq!(ann.records.len(), 450);
    let refused = desk.exchange.log().counts().codes;
    assert!(refused.contains_key("ErrorExceededFindCountLimit"), "{refused:?}");
    let mut bob = desk.user("bob");
    for n in 0..150 {
        let day = Draft::meeting(&format!("Holiday {n}"), MONDAY + 5 * DAY, 24 * 60);
        desk.calendars().create("bob@corp.example", Draft { all_day: true, ..day });
    }
    desk.calendars().create("bob@corp.example", Draft::meeting("Near", MONDAY + HOUR, 30));
    bob.read(&desk, MONDAY).await.expect("a pass");
    assert!(bob.shortfall.crowded && bob.titled("Near").len() == 1);
    assert!(bob.records.len() > 50, "as many as it lists: {}", bob.records.len());
}
