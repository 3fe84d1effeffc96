//! Meetings of every kind: private, without words, with odd ones, by others, called off.

use calway_lab::exchange::service::{End, Pattern, Recurrence};
use calway_lab::exchange::{Attendee, AttendeeKind, Draft, Response, Sensitivity};

use super::desk::Desk;
use super::{DAY, HOUR, MONDAY};

const ANN: &str = "ann@corp.example";
const BOB: &str = "bob@corp.example";

fn meet(subject: &str) -> Draft {
    Draft::meeting(subject, MONDAY + 9 * HOUR, 30)
}

/// Every kind that one person can put into a calendar.
fn kinds() -> Vec<(&'static str, Draft)> {
    let sensitive = |sensitivity| Draft { sensitivity, ..meet("Salary").text("Secret") };
    let page = "<html><head><style>p {}</style></head><body><p>One &amp; <b>two</b></p><p>\
        <a href=\"https://meet.example/1\">Join</a></p></body></html>";
    vec![
        ("private", sensitive(Sensitivity::Private)),
        ("confidential", sensitive(Sensitivity::Confidential)),
        ("personal", sensitive(Sensitivity::Personal)),
        ("no subject", meet("")),
        ("a subject of spaces", meet("   ")),
        ("nothing at all", Draft { reminder: None, ..meet("") }),
        ("control characters", meet("a\u{0}b\u{1}c\u{b}d\u{1f}e\u{7f}f").text("x\u{0}y\u{8}z")),
        ("not characters", meet("a\u{fffe}b\u{ffff}c")),
        ("markup in words", meet("<b>&amp; ]]> \"quoted\" 'too'</b>").at("<Room> & \"Hall\"")),
        (
            "every script",
            meet("\u{1f600} \u{645}\u{631}\u{62d}\u{628}\u{627} \u{4f60}\u{597d} e\u{301}"),
        ),
        ("a long title", meet(&"title ".repeat(2_000)).at(&"place ".repeat(2_000))),
        ("a page", meet("HTML").html(page)),
        ("a page that is empty", meet("Blank").html("<html><body><p>&nbsp;</p></body></html>")),
        ("text like a page", meet("Text").text("1 < 2 &amp; <p>no markup</p>\r\n\r\nthree")),
        ("no end", Draft { end_ms: MONDAY, ..meet("Backwards") }),
        (
            "a room and a guest",
            meet("Guests")
                .invite(Attendee::required(BOB, "Bob"))
                .invite(Attendee::optional("far@away.example", "Far Away"))
                .invite(Attendee::resource("hall@corp.example", "Hall"))
                .invite(Attendee { kind: AttendeeKind::Optional, ..Attendee::default() })
                .invite(Attendee::required("Odd.Name+tag@sub.away.example", "\u{1}\"Odd\" <Name>")),
        ),
        (
            "by somebody else",
            Draft {
                organizer: Some(("Eve Else".into(), "eve@away.example".into())),
                ..meet("From outside").invite(Attendee::required(ANN, "Ann"))
            },
        ),
    ]
}

#[tokio::test]
async fn whatever_kind_a_meeting_is_of_it_is_relayed_as_it_is() {
    let desk = Desk::new().await;
    for (n, (what, draft)) in kinds().into_iter().enumerate() {
        let mut book = desk.user(&format!("kind-{n}"));
        desk.calendars().create(&book.address, draft.clone());
        let mut series = Draft { uid: Some(format!("series-{n}")), ..draft };
        series.start_ms += DAY;
        series.end_ms += DAY;
        let pattern = Pattern::Daily { interval: 1 };
        series.recurrence = Some(Recurrence { pattern, end: End::After(2) });
        desk.calendars().create(&book.address, series);
        book.check(&desk, MONDAY, what).await;
        assert_eq!(book.records.len(), 3, "{what}");
        assert_eq!(book.unreadable, 0);
        let shown = format!("{:?}", book.records);
        assert!(!shown.contains("<b>two</b>") && !shown.contains("\\u{1}"), "{what}: {shown}");
    }
}

#[tokio::test]
async fn the_notes_of_a_page_name_its_links() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let page =
        "<div>Call <a href=\"https://meet.example/j?a=1&amp;b=2\">in</a></div><div>now</div>";
    desk.calendars().create(ANN, meet("Call").html(page));
    ann.check(&desk, MONDAY, "a page with a link").await;
    let notes = &ann.only("Call")["encryptedNotes"];
    assert_eq!(notes, "Call in <https://meet.example/j?a=1&b=2>\nnow");
}

#[tokio::test]
async fn a_delegate_changes_the_calendar_of_another() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    // Made by a delegate for Ann: she is the organiser. Taken in by a delegate: another one is.
    let id = desk.calendars().create(ANN, meet("For Ann").invite(Attendee::required(BOB, "Bob")));
    let by_eve = Draft {
        organizer: Some(("Eve Else".into(), "eve@away.example".into())),
        ..meet("From Eve").invite(Attendee::required(ANN, "Ann"))
    };
    let taken = desk.calendars().create(ANN, by_eve);
    ann.check(&desk, MONDAY, "at first").await;
    let of = |record: &serde_json::Value| record["encryptedOrganizer"]["encryptedName"].clone();
    assert_eq!(of(ann.only("For Ann")), "ann");
    assert_eq!(of(ann.only("From Eve")), "Eve Else");
    let move_it = |draft: &mut Draft| draft.location = "Moved by the delegate".into();
    desk.calendars().update_as("Dee Legate", ANN, &taken, move_it);
    desk.calendars().update_as("Dee Legate", ANN, &id, |draft| draft.end_ms += HOUR);
    let sent = ann.sent;
    ann.check(&desk, MONDAY, "changed").await;
    assert_eq!(ann.sent, sent + 2, "each change once, however often it was told");
    assert_eq!(of(ann.only("For Ann")), "ann", "changing does not make it the delegate's");
    desk.calendars().update_as("Dee Legate", ANN, &id, |_| ());
    ann.check(&desk, MONDAY, "touched").await;
    assert_eq!(ann.sent, sent + 2, "nobody sees the difference");
    // Whoever accepts for Ann puts another item in the place of the tentative one.
    let uid = desk.calendars().uid(ANN, &taken).expect("a UID");
    let known: Vec<_> = ann.records.keys().cloned().collect();
    let accepted = desk.calendars().respond_as("Dee Legate", ANN, &uid, Response::Accept);
    assert_ne!(accepted, taken);
    ann.check(&desk, MONDAY, "answered for her").await;
    assert_eq!(ann.records.keys().cloned().collect::<Vec<_>>(), known, "the same meeting");
    assert_eq!(of(ann.only("From Eve")), "Eve Else", "answering does not make it hers");
    let declined = desk.calendars().respond_as("Dee Legate", ANN, &uid, Response::Decline);
    assert!(declined.0.is_empty());
    ann.check(&desk, MONDAY, "declined for her").await;
    assert_eq!(ann.records.len(), 1);
}

#[tokio::test]
async fn what_is_called_off_is_withdrawn_although_exchange_keeps_it() {
    let desk = Desk::new().await;
    let (mut ann, mut bob) = (desk.user("ann"), desk.user("bob"));
    let guests = |draft: Draft| draft.invite(Attendee::required(BOB, "Bob"));
    let once = desk.calendars().create(ANN, guests(meet("Once")));
    let daily = Pattern::Daily { interval: 1 };
    let often = desk.calendars().create(ANN, guests(meet("Often")).repeat(daily, End::After(5)));
    for book in [&mut ann, &mut bob] {
        book.check(&desk, MONDAY, "invited").await;
        assert_eq!(book.records.len(), 6);
    }
    desk.calendars().cancel(ANN, &once);
    desk.calendars().delete_occurrence(ANN, &often, MONDAY + 2 * DAY + 9 * HOUR);
    for book in [&mut ann, &mut bob] {
        book.check(&desk, MONDAY, "called off").await;
        assert_eq!(book.records.len(), 4);
    }
    let kept = desk.calendars().view(BOB, MONDAY, MONDAY + 9 * DAY);
    assert_eq!(kept.iter().filter(|one| one.cancelled).count(), 2, "Bob's calendar shows them");
    desk.calendars().cancel(ANN, &often);
    for book in [&mut ann, &mut bob] {
        book.check(&desk, MONDAY, "all called off").await;
        assert!(book.records.is_empty());
    }
}
