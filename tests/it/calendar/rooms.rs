//! Rooms, whose settings change what they take.

use calway_lab::exchange::service::{End, Pattern, RoomRules};
use calway_lab::exchange::{Attendee, Draft, MailboxKind, Sensitivity};
use serde_json::Value;

use super::desk::Desk;
use super::{HOUR, MONDAY};

const HALL: &str = "hall@corp.example";

#[tokio::test]
async fn a_room_shows_what_its_settings_leave() {
    let rules = RoomRules::default();
    let cases = [
        ("all as it came", rules, Some("Merger"), "PRIVATE", true),
        (
            "the organiser before the title",
            RoomRules { add_organizer_to_subject: true, ..rules },
            Some("Ann Merger"),
            "PRIVATE",
            true,
        ),
        (
            "as Exchange sets rooms up",
            RoomRules {
                add_organizer_to_subject: true,
                delete_subject: true,
                delete_comments: true,
                remove_private_property: true,
            },
            Some("Ann"),
            "NORMAL",
            false,
        ),
        (
            "no title at all",
            RoomRules { delete_subject: true, delete_comments: true, ..rules },
            None,
            "PRIVATE",
            false,
        ),
    ];
    for (what, rules, title, sensitivity, notes) in cases {
        let desk = Desk::new().await;
        desk.calendars().add_mailbox("ann@corp.example", "Ann", MailboxKind::User);
        let (mut ann, mut hall) = (desk.user("ann"), desk.mailbox("hall", MailboxKind::Room));
        desk.calendars().set_room_rules(HALL, rules);
        let draft = Draft {
            sensitivity: Sensitivity::Private,
            ..Draft::meeting("Merger", MONDAY + 9 * HOUR, 60).text("Numbers")
        };
        let draft = draft.invite(Attendee::resource(HALL, "Hall"));
        let series = draft.clone().repeat(Pattern::Daily { interval: 1 }, End::After(3));
        desk.calendars().create(&ann.address, draft);
        let id = desk.calendars().create(&ann.address, series);
        desk.calendars().modify_occurrence(&ann.address, &id, MONDAY + 33 * HOUR, |draft| {
            draft.start_ms += HOUR / 2
        });
        hall.check(&desk, MONDAY, what).await;
        ann.check(&desk, MONDAY, "the organiser's own").await;
        assert_eq!((hall.records.len(), ann.records.len()), (4, 4), "{what}");
        for record in hall.records.values() {
            assert_eq!(record.get("encryptedSubject").and_then(Value::as_str), title, "{what}");
            assert_eq!(record["meetingSensitivity"], sensitivity, "{what}");
            assert_eq!(record.get("encryptedNotes").is_some(), notes, "{what}");
            let of = &record["encryptedOrganizer"]["encryptedEmailAddress"];
            assert_eq!(of, "ann@corp.example", "{what}: who called it is not lost");
        }
        assert_eq!(ann.titled("Merger").len(), 4);
    }
}
