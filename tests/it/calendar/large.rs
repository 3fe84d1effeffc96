//! Much of everything: bodies of megabytes, thousands of guests, calendars of thousands.

use calway::pipeline::limits::{BATCH_BYTES, NOTES_BYTES, PARTICIPANTS, STAGED_RECORDS};
use calway_lab::exchange::{Attendee, Draft};

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
        "p.x { color: red }\n".repeat(50_000),
        "<p class='x'>An agenda of <b>many</b> words.</p>\n".repeat(50_000)
    );
    let image = format!("<p>Seen</p><img src=\"data:image/png;base64,{}\">", "A".repeat(3 << 20));
    let meet = |subject: &str| Draft::meeting(subject, MONDAY + 9 * HOUR, 30);
    desk.calendars().create(ANN, meet("text").text(&text));
    desk.calendars().create(ANN, meet("page").html(&page));
    desk.calendars().create(ANN, meet("image").html(&image));
    for n in 0..12 {
        desk.calendars().create(ANN, meet(&format!("neighbour {n}")));
    }
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!(ann.records.len(), 15);
    let notes = |title: &str| ann.only(title)["encryptedNotes"].as_str().unwrap().to_owned();
    assert_eq!(notes("text").len(), NOTES_BYTES);
    assert!((NOTES_BYTES - 200..=NOTES_BYTES).contains(&notes("page").len()));
    assert!(notes("page").starts_with("An agenda of many words.\n\nAn agenda of many"));
    assert_eq!(notes("image"), "Seen");
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
