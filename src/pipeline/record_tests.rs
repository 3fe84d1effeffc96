//! Records field by field, after the published form of them.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::model::{Address, Body, KeyUri, Plain, Span, UserId};
use crate::pipeline::join::Rules;
use crate::pipeline::keyword::Keywords;
use crate::pipeline::limits::BATCH_BYTES;
use crate::pipeline::samples::{cases, installation, key as sealer, meeting, occurrence, person};
use crate::pipeline::showing::{Private, Untitled};

/// All of every meeting.
static FULL: Showing = Showing {
    private: Private::Full,
    untitled: Untitled::Omit,
    join: Rules::TABLE,
    keywords: Keywords::NONE,
};

fn made(meeting: &Meeting) -> Map<String, Value> {
    made_as(meeting, &FULL)
}

fn made_as(meeting: &Meeting, showing: &Showing) -> Map<String, Value> {
    let user = UserId::new("user-1");
    let key = super::key(&installation(), &user, meeting);
    let shown = Shown::new(meeting, showing);
    let sealed = record(&installation(), sealer("k").as_ref(), &user, &key, &shown).unwrap();
    let mut outer: Map<String, Value> = serde_json::from_str(sealed.json()).unwrap();
    assert_eq!(outer.len(), 1);
    match outer.remove("calendarMeetingExternal") {
        Some(Value::Object(inner)) => inner,
        other => panic!("{other:?}"),
    }
}

fn digest(installation: &Installation, meeting: &Meeting) -> Tag {
    super::digest(installation, &Shown::new(meeting, &FULL))
}

fn names(record: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<_> = record.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_full_meeting_has_exactly_these_fields_and_the_sealed_ones_are_sealed() {
    let full = Meeting {
        body: Body { text: Plain::new("Agenda"), html: false },
        conference: Plain::new("https://meet.example/1"),
        location: Plain::new("sip:room@corp.example"),
        last_modified: Some(Time::from_ms(1_800_000_000_000)),
        sensitivity: Sensitivity::Private,
        ..meeting("uid", "item")
    };
    let record = made(&full);
    assert_eq!(
        names(&record),
        [
            "durationMinutes",
            "encryptedLocation",
            "encryptedNotes",
            "encryptedOrganizer",
            "encryptedParticipants",
            "encryptedSubject",
            "encryptionKeyUrl",
            "id",
            "isDeleted",
            "isRecurring",
            "lastModified",
            "meetingJoinInfo",
            "meetingSensitivity",
            "seriesId",
            "start",
        ]
    );
    let user = UserId::new("user-1");
    let id = key(&installation(), &user, &full);
    assert_eq!(record["id"], id.as_str());
    assert_eq!(record["seriesId"], id.as_str(), "a single meeting is its own series");
    assert_eq!(record["start"], "2027-01-16T12:00:00Z");
    assert_eq!(record["durationMinutes"], 30);
    assert_eq!(record["isRecurring"], false);
    assert_eq!(record["isDeleted"], false);
    assert_eq!(record["lastModified"], "2027-01-15T08:00:00Z");
    assert_eq!(record["meetingSensitivity"], "PRIVATE");
    assert_eq!(record["encryptionKeyUrl"], "kms://kms.example/keys/k");
    assert_eq!(record["encryptedSubject"], "jwe:tegduB");
    assert_eq!(record["encryptedNotes"], "jwe:adnegA");
    assert_eq!(
        record["encryptedOrganizer"],
        json!({"encryptedEmailAddress": "jwe:elpmaxe.proc@ada", "encryptedName": "jwe:adA"})
    );
    assert_eq!(
        record["encryptedParticipants"],
        json!([{
            "encryptedEmailAddress": "jwe:elpmaxe.proc@neb", "encryptedName": "jwe:neB",
            "type": "PERSON", "participantType": "REQUIRED", "responseType": "ACCEPTED",
        }])
    );
    assert_eq!(
        record["meetingJoinInfo"],
        json!({
            "meetingJoinURI": "jwe:elpmaxe.proc@moor:pis",
            "meetingJoinURL": "jwe:1/elpmaxe.teem//:sptth",
        })
    );
}

#[test]
fn what_a_video_device_needs_is_in_the_record_and_sealed() {
    let invited = |text: &str| Meeting {
        body: Body { text: Plain::new(text), html: false },
        ..meeting("uid", "item")
    };
    let teams = invited(
        "Join https://teams.microsoft.com/l/meetup-join/19%3ameeting_OTk0M2Q0YTItN2Y3NC00ZjBk\
         %40thread.v2/0?context=%7b%22Tid%22%3a%227b790d70-0e9f-450a-afd5-69de0ce8b07b%22%7d\n\n\
         Join with a video conferencing device\n\
         corp@m.webex.com\nVideo Conference ID: 119 234 567 8\n",
    );
    let info = made(&teams)["meetingJoinInfo"].clone();
    assert_eq!(info["teamsTenantKey"], "jwe:moc.xebew.m@proc");
    assert_eq!(info["teamsConferenceId"], "jwe:8765432911");
    assert_eq!(info.get("webexMeetingNumber"), None);
    let webex = invited(
        "https://corp.webex.com/corp/j.php?MTID=m0123456789abcdef0123456789abcdef\n\
         Meeting number: 2345 678 9012\n",
    );
    let info = made(&webex)["meetingJoinInfo"].clone();
    assert_eq!(info["webexMeetingNumber"], "jwe:21098765432");
    assert_eq!((info.get("teamsTenantKey"), info.get("teamsConferenceId")), (None, None));
    // Another number is another record, and is sent again.
    let text = webex.body.text.reveal().replace("9012", "9013");
    let digests = [&webex, &invited(&text)].map(|one| digest(&installation(), one));
    assert_ne!(digests[0], digests[1]);
    let private = Meeting { sensitivity: Sensitivity::Private, ..webex };
    assert!(!made_as(&private, &Showing::default()).contains_key("meetingJoinInfo"));
}

#[test]
fn empty_fields_are_left_out_and_not_sealed() {
    let bare = Meeting {
        subject: Plain::new(" \r\n"),
        location: Plain::default(),
        organizer: None,
        participants: Vec::new(),
        ..meeting("uid", "item")
    };
    assert_eq!(
        names(&made(&bare)),
        [
            "durationMinutes",
            "encryptionKeyUrl",
            "id",
            "isDeleted",
            "isRecurring",
            "meetingSensitivity",
            "seriesId",
            "start",
        ]
    );
}

#[test]
fn a_person_has_both_fields_always() {
    let nameless = Person { name: Plain::default(), address: Address::parse("a@b.example").ok() };
    let unresolved = Person { name: Plain::new("Eve"), address: None };
    for organizer in [nameless, unresolved] {
        let record = made(&Meeting { organizer: Some(organizer), ..meeting("uid", "item") });
        let Value::Object(fields) = &record["encryptedOrganizer"] else { panic!() };
        assert_eq!(names(fields), ["encryptedEmailAddress", "encryptedName"]);
        assert!(fields.values().all(|value| value.as_str().unwrap().starts_with("jwe:")));
    }
}

#[test]
fn people_have_the_words_of_what_they_are_and_what_they_answered() {
    let guest = meeting("a", "b").participants[0].clone();
    let said = |change: &dyn Fn(&mut Participant)| {
        let mut guest = guest.clone();
        change(&mut guest);
        let record = made(&Meeting { participants: vec![guest], ..meeting("uid", "item") });
        let one = record["encryptedParticipants"][0].clone();
        ["type", "participantType", "responseType"].map(|name| one[name].clone())
    };
    for (answer, word) in [
        (Answer::None, "NO_RESPONSE"),
        (Answer::Accepted, "ACCEPTED"),
        (Answer::Tentative, "TENTATIVE"),
        (Answer::Declined, "DECLINED"),
        (Answer::Organizer, "ORGANIZER"),
        (Answer::Unknown, "UNKNOWN_RESPONSE"),
    ] {
        assert_eq!(said(&|one| one.answer = answer), ["PERSON", "REQUIRED", word]);
    }
    let [_, role, _] = said(&|one| one.role = ParticipantRole::Optional);
    assert_eq!(role, "OPTIONAL");
    let [kind, role, _] = said(&|one| one.kind = ParticipantKind::Room);
    assert_eq!([kind, role], ["ROOM", "REQUIRED"], "readers know no third word for it");
    for (sensitivity, word) in [
        (Sensitivity::Normal, "NORMAL"),
        (Sensitivity::Personal, "PERSONAL"),
        (Sensitivity::Private, "PRIVATE"),
        (Sensitivity::Confidential, "CONFIDENTIAL"),
    ] {
        let record = made(&Meeting { sensitivity, ..meeting("uid", "item") });
        assert_eq!(record["meetingSensitivity"], word);
    }
}

#[test]
fn who_was_invited_to_one_occurrence_alone_has_the_record_of_that_occurrence() {
    let own = occurrence("s", 1);
    let alone = Meeting { kind: MeetingKind::Single, ..own.clone() };
    assert!(alone.original_start.is_some());
    let (own, alone) = (made(&own), made(&alone));
    for name in ["id", "seriesId", "isRecurring"] {
        assert_eq!(own[name], alone[name], "{name}");
    }
    assert_ne!(alone["id"], alone["seriesId"]);
}

#[test]
fn occurrences_share_a_series_and_nothing_else() {
    let records: Vec<_> = (0..3).map(|n| made(&occurrence("s", n))).collect();
    assert!(records.iter().all(|record| record["seriesId"] == records[0]["seriesId"]));
    assert!(records.iter().all(|record| record["isRecurring"] == true));
    assert!(records[0]["id"] != records[1]["id"] && records[0]["id"] != records[0]["seriesId"]);
    // An occurrence that was moved keeps its record.
    let mut moved = occurrence("s", 1);
    (moved.kind, moved.start) = (MeetingKind::Exception, moved.start + Span::HOUR);
    moved.end = moved.start + Span::HOUR;
    assert_eq!(made(&moved)["id"], records[1]["id"]);
}

#[test]
fn long_texts_are_cut_between_characters() {
    assert_eq!(cut("añb", 2), "a");
    assert_eq!(cut("añb", 3), "añ");
    assert_eq!(cut("😀", 3), "");
    assert_eq!(cut("", 10), "");
    let body = "ä".repeat(NOTES_BYTES);
    let long = Meeting {
        subject: Plain::new("😀".repeat(LINE_BYTES)),
        body: Body { text: Plain::new(body), html: false },
        participants: vec![meeting("a", "b").participants[0].clone(); PARTICIPANTS + 5],
        ..meeting("uid", "item")
    };
    let record = made(&long);
    let length = |field: &str| record[field].as_str().unwrap().len() - "jwe:".len();
    assert_eq!(length("encryptedSubject"), LINE_BYTES);
    assert_eq!(length("encryptedNotes"), NOTES_BYTES);
    assert_eq!(record["encryptedParticipants"].as_array().unwrap().len(), PARTICIPANTS);
}

#[test]
fn a_page_becomes_its_text_and_its_markup_changes_nothing() {
    let page = |text: &str| Meeting {
        body: Body { text: Plain::new(text), html: true },
        ..meeting("uid", "item")
    };
    let one = page("<html><head><title>x</title></head><body><p>One &amp; two</p></body></html>");
    assert_eq!(made(&one)["encryptedNotes"], "jwe:owt & enO");
    let other = page("<div style='color:red'>One&nbsp;&amp; <b>two</b></div>");
    assert_eq!(digest(&installation(), &one), digest(&installation(), &other));
    assert_eq!(made(&page("<p>&nbsp;</p>")).get("encryptedNotes"), None);
}

/// As long as a compact JWE is.
#[derive(Debug)]
struct Jwe(KeyUri);

impl Sealer for Jwe {
    fn key_uri(&self) -> &KeyUri {
        &self.0
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        Ok("x".repeat(39 + 4 + 16 + 22 + plain.len().div_ceil(3) * 4))
    }
}

#[test]
fn the_largest_record_still_fits_a_batch() {
    let mut guest = meeting("a", "b").participants[0].clone();
    guest.person.name = Plain::new("n".repeat(9_000));
    let largest = Meeting {
        subject: Plain::new("s".repeat(9_000)),
        location: Plain::new("l".repeat(9_000)),
        conference: Plain::new(format!("https://{}.example", "c".repeat(2_000))),
        body: Body { text: Plain::new("b".repeat(1 << 20)), html: false },
        participants: vec![guest; 5_000],
        ..meeting("uid", "item")
    };
    let user = UserId::new("user-1");
    let shown = Shown::new(&largest, &FULL);
    let (jwe, key) = (Jwe(KeyUri::new("kms://k/keys/1")), key(&installation(), &user, &largest));
    let whole = record(&installation(), &jwe, &user, &key, &shown);
    let whole = whole.unwrap();
    assert!(whole.json().len() < BATCH_BYTES, "{}", whole.json().len());
    let value: Value = serde_json::from_str(whole.json()).unwrap();
    let guests = &value["calendarMeetingExternal"]["encryptedParticipants"];
    assert!(guests.as_array().is_some_and(|guests| guests.len() > 80));
    // Beyond what is shown nothing is a change.
    let mut more = largest.clone();
    more.participants.push(meeting("a", "b").participants[0].clone());
    assert_eq!(digest(&installation(), &largest), digest(&installation(), &more));
}

#[test]
fn the_digest_sees_what_a_user_sees_and_nothing_else() {
    let i = installation();
    let base = meeting("uid", "item");
    let same = Meeting {
        item: crate::model::ItemId("other".into()),
        version: "2".into(),
        last_modified: Some(Time::from_ms(7)),
        // There is no field for it: start and length tell.
        all_day: true,
        ..base.clone()
    };
    assert_eq!(digest(&i, &base), digest(&i, &same));
    let mut guest = base.participants.clone();
    guest[0].answer = Answer::Declined;
    let mut room = base.participants.clone();
    room[0].kind = ParticipantKind::Room;
    let mut optional = base.participants.clone();
    optional[0].role = ParticipantRole::Optional;
    let others = [
        Meeting { subject: Plain::new("Budge"), location: Plain::new("tRoom 5"), ..base.clone() },
        Meeting { start: base.start + Span::MINUTE, ..base.clone() },
        Meeting { end: base.end + Span::MINUTE, ..base.clone() },
        Meeting { sensitivity: Sensitivity::Private, ..base.clone() },
        Meeting { body: Body { text: Plain::new("x"), html: false }, ..base.clone() },
        Meeting { organizer: Some(person("Ada", "other@corp.example")), ..base.clone() },
        Meeting { organizer: None, ..base.clone() },
        Meeting { participants: Vec::new(), ..base.clone() },
        Meeting { participants: guest, ..base.clone() },
        Meeting { participants: room, ..base.clone() },
        Meeting { participants: optional, ..base.clone() },
        Meeting { conference: Plain::new("https://meet.example"), ..base.clone() },
    ];
    let mut tags: Vec<Tag> = others.iter().map(|other| digest(&i, other)).collect();
    tags.push(digest(&i, &base));
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), others.len() + 1, "each of them is another meeting");
}

#[test]
fn deletions_and_completions_say_only_what_they_must() {
    let id = RecordKey::new("k");
    assert_eq!(**withdrawn(&id).json(), *r#"{"calendarMeetingExternal":{"id":"k"}}"#);
    assert_eq!(**complete(7).json(), *r#"{"firstSequence":"00000000000000000007"}"#);
}

proptest! {
    #![proptest_config(cases(200))]

    /// Whatever stands in a calendar: a record comes of it, and none of it shows.
    #[test]
    fn any_text_makes_a_record_that_shows_none_of_it(
        subject in ".{0,60}", place in ".{0,60}", body in ".{0,200}", name in ".{0,30}",
        start in any::<i64>(), length in any::<u64>(),
    ) {
        let marked = |text: &str| Plain::new(format!("{text}q7Zx{text}"));
        let start = Time::from_ms(start);
        let any = Meeting {
            subject: marked(&subject),
            location: marked(&place),
            body: Body { text: marked(&body), html: true },
            organizer: Some(Person { name: marked(&name), address: None }),
            start,
            end: start + Span::from_ms(length),
            ..meeting("uid", "item")
        };
        let record = made(&any);
        let text = Value::Object(record).to_string();
        prop_assert!(!text.contains("q7Zx"));
        prop_assert!(text.contains("xZ7q"), "the seal of this test writes backwards");
        digest(&installation(), &any);
    }

    #[test]
    fn a_cut_is_the_longest_beginning_that_fits(text in ".{0,50}", limit in 0_usize..60) {
        let short = cut(&text, limit);
        prop_assert!(text.starts_with(short) && short.len() <= limit);
        let next = text[short.len()..].chars().next();
        prop_assert!(next.is_none_or(|c| short.len() + c.len_utf8() > limit));
    }
}

#[test]
fn of_a_private_meeting_no_more_than_its_times_goes_out_unless_the_administrator_says_so() {
    for (sensitivity, is_private) in [
        (Sensitivity::Private, true),
        (Sensitivity::Confidential, true),
        (Sensitivity::Personal, false),
        (Sensitivity::Normal, false),
    ] {
        let meeting = Meeting {
            sensitivity,
            body: Body { text: Plain::new("Agenda"), html: false },
            conference: Plain::new("https://meet.example/1"),
            ..meeting("uid", "item")
        };
        let by_default = made_as(&meeting, &Showing::default());
        let sealed = names(&by_default).iter().any(|name| name.starts_with("encrypted"));
        assert!(names(&by_default).contains(&"encryptionKeyUrl"));
        let words = ["encryptedSubject", "encryptedNotes", "encryptedOrganizer", "meetingJoinInfo"];
        for word in words.into_iter().chain(["encryptedParticipants", "encryptedLocation"]) {
            assert_eq!(by_default.contains_key(word), !is_private, "{sensitivity:?} {word}");
        }
        assert!(sealed != is_private);
        assert_eq!(
            made(&meeting).len(),
            made(&Meeting { sensitivity: Sensitivity::Normal, ..meeting.clone() }).len()
        );
        let nothing = Showing { private: Private::Nothing, ..Showing::default() };
        assert_eq!(nothing.has_record(&meeting), !is_private);
        assert!(FULL.has_record(&meeting) && Showing::default().has_record(&meeting));
    }
}

#[test]
fn what_is_not_shown_of_a_private_meeting_does_not_change_its_record() {
    let private = Meeting { sensitivity: Sensitivity::Private, ..meeting("uid", "item") };
    let other = Meeting { subject: Plain::new("x"), participants: Vec::new(), ..private.clone() };
    let later = Meeting { end: private.end + Span::MINUTE, ..private.clone() };
    let showing = Showing::default();
    let digest = |meeting| super::digest(&installation(), &Shown::new(meeting, &showing));
    assert_eq!(digest(&private), digest(&other));
    assert_ne!(digest(&private), digest(&later));
}

#[test]
fn a_meeting_without_a_title_has_the_one_that_the_administrator_chose() {
    let untitled = Meeting { subject: Plain::new(" "), ..meeting("uid", "item") };
    let name = untitled.organizer.as_ref().unwrap().name.reveal();
    let nameless = Meeting { organizer: Some(person("", "ada@corp.example")), ..untitled.clone() };
    let with = |untitled| Showing { untitled, ..Showing::default() };
    let organizer = with(Untitled::Organizer);
    assert_eq!(organizer.subject(&untitled), name);
    assert_eq!(organizer.subject(&nameless), "ada@corp.example");
    assert_eq!(with(Untitled::Text("Busy".into())).subject(&untitled), "Busy");
    assert_eq!(with(Untitled::Omit).subject(&untitled), "");
    assert_eq!(with(Untitled::Organizer).subject(&meeting("uid", "item")), "Budget");
    assert!(!made_as(&untitled, &with(Untitled::Omit)).contains_key("encryptedSubject"));
    assert!(made_as(&untitled, &organizer).contains_key("encryptedSubject"));
}
