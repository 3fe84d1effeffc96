//! Two items with one UID: imported twice, copied, left over by a device.

use std::collections::BTreeMap;

use calway::model::RecordKey;
use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{Draft, ItemId};
use serde_json::Value;

use super::desk::{Book, Desk};
use super::{DAY, HOUR, MONDAY};

const ANN: &str = "ann@corp.example";

fn twin(title: &str) -> Draft {
    let draft = Draft::meeting(title, MONDAY + 9 * HOUR, 30);
    Draft { uid: Some("040000008200E00074C5B7101A82E008-twin".into()), ..draft }
}

/// Which of the two shows: of each occurrence of a series, one.
fn shown(book: &Book) -> BTreeMap<RecordKey, String> {
    let title = |record: &Value| record["encryptedSubject"].as_str().unwrap_or_default().to_owned();
    book.records.iter().map(|(key, record)| (key.clone(), title(record))).collect()
}

async fn both(desk: &Desk, repeat: Option<Pattern>) -> (Book, [ItemId; 2]) {
    let mut ann = desk.user("ann");
    let make = |title| match &repeat {
        Some(pattern) => twin(title).repeat(pattern.clone(), End::After(4)),
        None => twin(title),
    };
    let ids = ["A", "B"].map(|title| desk.calendars().create(ANN, make(title)));
    ann.read(desk, MONDAY).await.expect("a pass");
    (ann, ids)
}

#[tokio::test]
async fn one_of_two_items_with_one_uid_shows_and_the_other_takes_its_place() {
    for repeat in [None, Some(Pattern::Daily { interval: 1 })] {
        let records = if repeat.is_some() { 4 } else { 1 };
        for whole in [false, true] {
            let desk = Desk::new().await;
            let (mut ann, ids) = both(&desk, repeat.clone()).await;
            let first = shown(&ann);
            assert_eq!(first.len(), records);
            // Days come and go, and nobody is told of anything.
            let sent = ann.sent;
            for day in 1..4 {
                ann.read(&desk, MONDAY + day * DAY).await.expect("a pass");
                assert_eq!((shown(&ann), ann.sent), (first.clone(), sent));
            }
            if whole {
                ann = Book::of(&desk, "ann");
                ann.read(&desk, MONDAY + 3 * DAY).await.expect("from the beginning");
                assert_eq!(shown(&ann), first, "the same one");
            }
            let shows = usize::from(first.values().all(|title| title == "B"));
            desk.calendars().delete(ANN, &ids[shows]);
            ann.check(&desk, MONDAY + 3 * DAY, "the other takes its place").await;
            assert_eq!(ann.only_title(), ["B", "A"][shows]);
            assert!(shown(&ann).keys().eq(first.keys()), "the same records");
            desk.calendars().delete(ANN, &ids[1 - shows]);
            ann.check(&desk, MONDAY + 3 * DAY, "and no one after it").await;
            assert!(ann.records.is_empty());
        }
    }
}

#[tokio::test]
async fn the_one_that_waits_is_deleted_and_nothing_changes() {
    let desk = Desk::new().await;
    let (mut ann, ids) = both(&desk, None).await;
    let (first, sent) = (ann.only_title(), ann.sent);
    let waits = &ids[usize::from(first == "A")];
    desk.calendars().update(ANN, waits, |draft| draft.location = "Here".into());
    ann.read(&desk, MONDAY).await.expect("a pass");
    assert_eq!((ann.only_title(), ann.sent), (first.clone(), sent), "edited unseen");
    desk.calendars().delete(ANN, waits);
    ann.check(&desk, MONDAY, "one is left").await;
    assert_eq!((ann.only_title(), ann.sent), (first, sent));
}

#[tokio::test]
async fn a_copy_of_what_was_called_off_does_not_take_the_meeting_away() {
    let desk = Desk::new().await;
    let (mut ann, ids) = both(&desk, None).await;
    let first = ann.only_title();
    let waits = usize::from(first == "A");
    desk.calendars().cancel(ANN, &ids[waits]);
    ann.check(&desk, MONDAY, "the copy is called off").await;
    assert_eq!(ann.only_title(), first);
    desk.calendars().cancel(ANN, &ids[1 - waits]);
    ann.check(&desk, MONDAY, "both are").await;
    assert!(ann.records.is_empty());
}
