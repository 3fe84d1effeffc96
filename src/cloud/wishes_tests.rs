//! Commands about meetings as the cloud sends them, well-formed and not.

use serde_json::json;

use super::*;

const KEY: &str = "kms://kms.example/keys/1";

fn user() -> UserId {
    UserId::new("u-17")
}

/// The data with a member in the place of another, or without it.
fn with(mut data: Value, member: &str, value: Value) -> Option<Value> {
    match value {
        Value::Null => drop(data.as_object_mut().unwrap().remove(member)),
        value => data[member] = value,
    }
    Some(data)
}

fn create_data() -> Value {
    json!({"encryptionKeyUrl": KEY, "encryptedMeeting": "a.jwe", "durationMinutes": 45,
        "start": "2026-01-05T14:00:00Z"})
}

fn respond_data() -> Value {
    json!({"id": "r-1", "start": "2026-01-05T14:00:00Z", "response": "TENTATIVE"})
}

fn question() -> Value {
    json!({"requestId": "q-1", "start": "2026-01-05T14:00:00Z", "end": "2026-01-06T14:00:00Z",
        "emails": ["a.jwe", "b.jwe"], "encryptionKeyUrl": KEY})
}

fn details_data() -> Value {
    json!({"requestId": "q-1", "id": "r-1", "start": "2026-01-05T14:00:00Z",
        "encryptedJoinDetails": "d.jwe", "encryptionKeyUrl": KEY})
}

#[test]
fn join_details_stay_sealed_and_without_them_there_is_a_reason() {
    let (id, start) = (RecordKey::new("r-1"), Time::from_ms(1_767_621_600_000));
    let what = |reason: Option<&str>| Wanted::Decorate {
        request: "q-1".into(),
        id: id.clone(),
        start,
        reason: reason.map(Arc::from),
    };
    let wish = decorate(user(), Some(details_data())).unwrap();
    assert_eq!(wish.what, what(None));
    assert_eq!((wish.sealed, wish.key), (vec!["d.jwe".into()], Some(KeyUri::new(KEY))));
    let without = |reason: Value| {
        let bare = with(details_data(), "encryptedJoinDetails", Value::Null);
        decorate(user(), with(bare.unwrap(), "reason", reason))
    };
    let wish = without(json!(" no\u{1b} licence ")).unwrap();
    assert_eq!((wish.what, wish.sealed.len()), (what(Some("no licence")), 0));
    assert_eq!(without(json!("")).unwrap().what, what(Some("no reason is given")));
    let long = without(json!("x".repeat(999))).unwrap();
    assert_eq!(long.what, what(Some(&"x".repeat(200))));
    let either = "data needs either encryptedJoinDetails or reason";
    for (member, value, why) in [
        ("requestId", Value::Null, "data needs requestId"),
        ("requestId", json!(""), "requestId is not an id"),
        ("id", json!("x".repeat(257)), "id is not a record's"),
        ("start", json!("tomorrow"), "start is no time in UTC"),
        ("encryptedJoinDetails", json!(7), "encryptedJoinDetails is not a text"),
        ("encryptedJoinDetails", Value::Null, either),
        ("reason", json!("both"), either),
        ("encryptionKeyUrl", Value::Null, "data needs encryptionKeyUrl"),
    ] {
        assert_eq!(decorate(user(), with(details_data(), member, value)), Err(why), "{member}");
    }
}

#[test]
fn what_is_well_formed_is_read_and_what_is_sealed_stays_so() {
    let start = Time::from_ms(1_767_621_600_000);
    let wish = create(user(), Some(create_data())).unwrap();
    assert_eq!(wish.what, Wanted::Create { when: When::At(start), minutes: 45 });
    assert_eq!(
        (wish.user, wish.sealed, wish.key),
        (user(), vec!["a.jwe".into()], Some(KeyUri::new(KEY)))
    );
    let place = json!({"from": "2026-01-05T14:00:00Z", "to": "2026-01-06T14:00:00Z",
        "workingHours": true});
    let mut placed = with(create_data(), "place", place).unwrap();
    placed.as_object_mut().unwrap().remove("start");
    let wish = create(user(), Some(placed)).unwrap();
    let when = When::Between(start, start + Span::DAY, Hours::Working);
    assert_eq!(wish.what, Wanted::Create { when, minutes: 45 });

    let wish = respond(user(), Some(respond_data())).unwrap();
    let (id, response, notify) = (RecordKey::new("r-1"), Response::Tentative, Notify::All);
    assert_eq!(wish.what, Wanted::Respond { id, start, response, notify });
    assert_eq!((wish.sealed.len(), wish.key), (0, None));
    let mut quiet = with(respond_data(), "notify", json!(false)).unwrap();
    quiet["encryptedComment"] = json!("c.jwe");
    quiet["encryptionKeyUrl"] = json!(KEY);
    let wish = respond(user(), Some(quiet)).unwrap();
    assert!(matches!(wish.what, Wanted::Respond { notify: Notify::Nobody, .. }));
    assert_eq!(wish.sealed, ["c.jwe"]);

    let wish = free_busy(user(), Some(question())).unwrap();
    let window = BusyWindow { from: start, to: start + Span::DAY, interval_minutes: 30 };
    assert_eq!(wish.what, Wanted::FreeBusy { request: "q-1".into(), window });
    assert_eq!(wish.sealed, ["a.jwe", "b.jwe"]);
}

#[test]
fn what_is_not_well_formed_is_named_by_its_member() {
    let created = [
        ("encryptedMeeting", Value::Null),
        ("encryptionKeyUrl", Value::Null),
        ("durationMinutes", json!(0)),
        ("durationMinutes", json!(1_441)),
        ("durationMinutes", json!("30")),
        ("start", json!("2026-01-05T14:00:00+01:00")),
        ("start", json!("1869-01-05T14:00:00Z")),
        ("start", Value::Null),
        ("place", json!({"from": "2026-01-05T14:00:00Z", "to": "2026-01-06T14:00:00Z"})),
    ];
    for (member, value) in created {
        let why = create(user(), with(create_data(), member, value)).unwrap_err();
        assert!(why.contains(member), "{member}: {why}");
    }
    for (member, value) in [
        ("id", json!("")),
        ("start", Value::Null),
        ("response", json!("YES")),
        ("notify", json!(1)),
        ("encryptedComment", json!(7)),
    ] {
        let why = respond(user(), with(respond_data(), member, value)).unwrap_err();
        assert!(why.contains(member), "{member}: {why}");
    }
    let sealed = with(respond_data(), "encryptedComment", json!("c.jwe"));
    assert!(respond(user(), sealed).unwrap_err().contains("encryptionKeyUrl"));
    let asked = [
        ("requestId", json!("")),
        ("end", json!("2026-01-05T14:00:00Z")),
        ("end", json!("2026-06-05T14:00:00Z")),
        ("intervalMinutes", json!(4)),
        ("emails", json!([])),
        ("emails", json!(vec!["a"; 101])),
        ("emails", json!([7])),
    ];
    for (member, value) in asked {
        let why = free_busy(user(), with(question(), member, value)).unwrap_err();
        assert!(why.contains(member), "{member}: {why}");
    }
    let mut fine = with(question(), "intervalMinutes", json!(5)).unwrap();
    fine["end"] = json!("2026-02-15T14:00:00Z");
    fine["emails"] = json!(vec!["a"; 100]);
    let why = free_busy(user(), Some(fine)).unwrap_err();
    assert!(why.contains("intervalMinutes"), "an answer that fits no batch: {why}");
    for nothing in [None, Some(json!([])), Some(json!("x"))] {
        assert!(create(user(), nothing).unwrap_err().contains("data"));
    }
}
