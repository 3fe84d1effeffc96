//! Batches as the specification shows them; commands well and ill formed.

use super::*;
use crate::model::{Next, Trace};
use crate::pipeline::seal::Sealed;
use serde_json::json;

const SOURCE: &str = "/connectors/hq-1";

fn event(id: &str, kind: EventKind, data: &str) -> Outgoing {
    Outgoing {
        id: id.into(),
        kind,
        user: UserId::new("alice-id"),
        sequence: 42,
        time: Time::from_ms(1_772_532_000_123),
        data: Sealed::restored(data),
        trace: Trace([0xa7; 16]),
    }
}

#[test]
fn a_batch_is_written_as_specified_and_its_data_is_not_touched() {
    // Not as any serializer would write it: it must come out as it went in.
    let data = "{\"calendarMeetingExternal\" :{ \"id\":\"k\",\"start\":\"\\u0032\"}}";
    let events = [
        event("e-1", EventKind::Put { created: true }, data),
        event("e-\"2\"", EventKind::Delete, "{}"),
    ];
    let text = String::from_utf8(batch(SOURCE, &events, 2).unwrap()).unwrap();
    assert_eq!(
        text,
        [
            r#"[{"specversion":"1.0","id":"e-1","source":"/connectors/hq-1","#,
            r#""type":"calendar.meeting.create","subject":"alice-id","#,
            r#""time":"2026-03-03T10:00:00.123Z","datacontenttype":"application/json","#,
            r#""sequence":"00000000000000000042","#,
            r#""traceparent":"00-a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7-000000000000002a-01","data":"#,
            data,
            r#"},{"specversion":"1.0","id":"e-\"2\"","source":"/connectors/hq-1","#,
            r#""type":"calendar.meeting.delete","subject":"alice-id","#,
            r#""time":"2026-03-03T10:00:00.123Z","datacontenttype":"application/json","#,
            r#""sequence":"00000000000000000042","#,
            r#""traceparent":"00-a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7-000000000000002a-01","#,
            r#""data":{}}]"#,
        ]
        .concat()
    );
    assert_eq!(batch(SOURCE, &[], 2).unwrap(), b"[]");
}

#[test]
fn a_cloud_of_an_older_version_is_sent_nothing_that_it_would_refuse() {
    let data = r#"{"calendarMeetingExternal":{"id":"k","meetingJoinInfo":{"meetingJoinURL":"a",
        "teamsConferenceId":"b","teamsTenantKey":"c","webexMeetingNumber":"d"}}}"#;
    let put = event("e", EventKind::Put { created: true }, data);
    let sent = |minor| {
        let bytes = batch(SOURCE, std::slice::from_ref(&put), minor).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()[0]["data"].clone()
    };
    assert_eq!(sent(2), serde_json::from_str::<Value>(data).unwrap());
    let older = json!({"calendarMeetingExternal": {
        "id": "k", "meetingJoinInfo": {"meetingJoinURL": "a"}
    }});
    assert_eq!((sent(1), sent(0)), (older.clone(), older));
    let since = |kind: EventKind| kind.since();
    assert_eq!((since(EventKind::Delete), since(EventKind::Presence)), (0, 1));
    assert!(unknown_to(0, EventKind::State).contains("version 1.0 of the protocol"));
}

#[test]
fn an_event_never_weighs_more_than_it_says() {
    let source = source(&"c".repeat(128));
    for kind in [EventKind::Put { created: false }, EventKind::ResyncComplete] {
        let mut event = event(&"\"".repeat(80), kind, r#"{"x":"äöü"}"#);
        event.user = UserId::new("\\".repeat(200));
        event.sequence = u64::MAX;
        let text = batch(&source, std::slice::from_ref(&event), 2).unwrap();
        assert!(text.len() <= event.weight(), "{} > {}", text.len(), event.weight());
    }
}

#[test]
fn verdicts_come_in_our_order_and_only_for_our_events() {
    let put = EventKind::Put { created: false };
    let sent: Vec<Outgoing> =
        ["a", "b", "c", "d", "e"].iter().map(|id| event(id, put, "{}")).collect();
    let answer = json!({"results": [
        {"id": "d", "outcome": "rejected", "reason": "too\nbig"},
        {"id": "x", "outcome": "stored"},
        {"id": "c", "outcome": "stale"},
        {"id": "a", "outcome": "stored", "more": 1},
        {"id": "b", "outcome": "duplicate"},
        {"id": "e", "outcome": "postponed"},
    ]});
    let verdicts = verdicts(answer.to_string().as_bytes(), &sent).unwrap();
    let told: Vec<(&str, Received)> =
        verdicts.iter().map(|verdict| (&*verdict.id, verdict.result.clone())).collect();
    assert_eq!(
        told,
        [
            ("a", Received::Stored),
            ("b", Received::Duplicate),
            ("c", Received::Stale),
            ("d", Received::Rejected("toobig".into())),
        ]
    );
}

#[test]
fn an_answer_that_confirms_nothing_is_a_reason_to_send_again() {
    let sent = [event("a", EventKind::Delete, "{}")];
    for answer in [
        "",
        "{}",
        "[]",
        "<html>",
        r#"{"results":[]}"#,
        r#"{"results":[{"id":"b","outcome":"stored"}]}"#,
    ] {
        let fault = verdicts(answer.as_bytes(), &sent).unwrap_err();
        assert_eq!(fault.next, Next::Retry { after: None }, "{answer}");
    }
}

fn frame(kind: &str, subject: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": "cmd-1", "source": "/cloud", "type": kind,
        "subject": subject, "sequence": "00000000000000000007", "data": data})
}

fn told(frame: &Value) -> CommandKind {
    let command = command(&frame.to_string()).unwrap();
    assert_eq!((command.id.as_str(), command.sequence), ("cmd-1", 7));
    command.kind
}

#[test]
fn commands_are_read() {
    let user = UserId::new("alice-id");
    let data = json!({"encryptedEmailAddress": "a..b.c.d", "encryptionKeyUrl": "kms://h/keys/1"});
    assert_eq!(
        told(&frame("user.activate", "alice-id", data)),
        CommandKind::Activate {
            user: user.clone(),
            sealed_address: "a..b.c.d".into(),
            key: KeyUri::new("kms://h/keys/1"),
        }
    );
    let none = Value::Null;
    assert_eq!(
        told(&frame("user.deactivate", "alice-id", none.clone())),
        CommandKind::Deactivate { user: user.clone() }
    );
    assert_eq!(
        told(&frame("records.resend", "alice-id", none.clone())),
        CommandKind::Resend { user: Some(user) }
    );
    assert_eq!(
        told(&frame("records.resend", "*", none.clone())),
        CommandKind::Resend { user: None }
    );
    assert_eq!(told(&frame("ping", "", none)), CommandKind::Ping);
}

#[test]
fn what_is_not_known_or_does_not_fit_is_told_so() {
    let why = |frame: Value| match told(&frame) {
        CommandKind::Unknown { why } => why.reveal().to_owned(),
        known => panic!("{known:?}"),
    };
    assert_eq!(why(frame("settings", "alice-id", json!({}))), "unknown command");
    assert_eq!(why(frame("meeting.decorate", "alice-id", json!({}))), "data needs requestId");
    assert_eq!(why(frame("meeting.decorate", "", json!({}))), "subject is not a user's id");
    assert_eq!(why(frame("user.deactivate", "", json!({}))), "subject is not a user's id");
    assert_eq!(why(frame("user.deactivate", "a\nb", json!({}))), "subject is not a user's id");
    let needs = "data needs encryptedEmailAddress and encryptionKeyUrl";
    assert_eq!(why(frame("user.activate", "alice-id", json!({}))), needs);
    assert_eq!(why(frame("user.activate", "alice-id", json!("x"))), needs);
    let mut old = frame("ping", "", json!(null));
    old["specversion"] = json!("0.3");
    assert_eq!(why(old), "specversion is not 1.0");
}

#[test]
fn a_frame_without_a_usable_id_is_ignored_and_one_without_sequence_is_not() {
    let mut nameless = frame("ping", "", json!(null));
    for id in [json!(null), json!(""), json!(7), json!("x".repeat(300)), json!("a\u{0}b")] {
        nameless["id"] = id;
        assert_eq!(command(&nameless.to_string()), None);
    }
    for text in ["", "{", "[]", "null", "{}", "\"id\""] {
        assert_eq!(command(text), None, "{text}");
    }
    let twice = r#"{"id":"a","id":"b","specversion":"1.0","type":"ping","sequence":"1"}"#;
    assert_eq!(command(twice), None);
    for sequence in
        [json!(null), json!(7), json!("-7"), json!("7 "), json!("+7"), json!("9".repeat(30))]
    {
        let mut unordered = frame("ping", "", json!(null));
        unordered["sequence"] = sequence;
        let command = command(&unordered.to_string()).unwrap();
        assert_eq!(command.sequence, 0);
        assert!(matches!(command.kind, CommandKind::Unknown { .. }), "{unordered}");
    }
}

#[test]
fn an_outcome_is_written_as_specified() {
    let told = |outcome| {
        let answered = Answered { id: CommandId::new("cmd-1"), sequence: 7, outcome };
        outcome_text(&answered)
    };
    let frame = |data: &str| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"cmd-1.outcome\",\"source\":\"/connectors/hq-1\",\
             \"type\":\"command.outcome\",\
             \"datacontenttype\":\"application/json\",\"data\":{data}}}"
        )
    };
    assert_eq!(
        told(Outcome::Done),
        frame(r#"{"commandId":"cmd-1","sequence":"00000000000000000007","outcome":"done"}"#)
    );
    assert_eq!(
        told(Outcome::Refused("unknown command".into())),
        frame(concat!(
            r#"{"commandId":"cmd-1","sequence":"00000000000000000007","outcome":"refused","#,
            r#""reason":"unknown command"}"#
        ))
    );
}

fn outcome_text(answered: &Answered) -> String {
    outcome(SOURCE, answered).unwrap()
}

#[test]
fn a_report_is_written_as_specified() {
    let mut report = Report {
        version: "0.1.0".into(),
        state: State::Impaired,
        mailboxes: crate::cloud::Mailboxes { active: 4, streaming: 2, polling: 1, failing: 1 },
        outbox: 3,
        conditions: vec!["store-fails".into()],
        severity: Some("critical"),
    };
    let written =
        |report: &Report| -> Value { serde_json::from_slice(&status(report).unwrap()).unwrap() };
    let body = json!({"version": "0.1.0", "state": "impaired", "outbox": 3,
        "mailboxes": {"active": 4, "streaming": 2, "polling": 1, "failing": 1},
        "conditions": ["store-fails"], "severity": "critical"});
    assert_eq!(written(&report), body);
    report.severity = None;
    assert_eq!(written(&report).get("severity"), None, "as in version 1.0");
}
