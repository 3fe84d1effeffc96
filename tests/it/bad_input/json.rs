//! JSON of the cloud and the key server that says nothing of use.

use calway::calendar::ews::autodiscover;
use calway::cloud::wire;
use calway::kms::messages::{Delivered, Reply};
use calway::model::CommandKind;

#[test]
fn deep_json_is_refused_without_a_stack() {
    for deep in ["[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        let reply = format!("{{\"status\":200,\"unknown\":{deep}");
        assert!(Reply::read(reply.as_bytes()).is_err());
        assert!(serde_json::from_str::<Delivered<'_>>(&deep).is_err());
        assert!(wire::verdicts(deep.as_bytes(), &[]).is_err());
        assert_eq!(wire::command(&format!("{{\"id\":\"c\",\"data\":{deep}")), None);
        assert!(autodiscover::read_json(deep.as_bytes()).is_err());
    }
}

fn kind(sequence: &str, rest: &str) -> CommandKind {
    let frame = format!(r#"{{"specversion":"1.0","id":"c-1","sequence":{sequence}{rest}}}"#);
    wire::command(&frame).expect("it has an id").kind
}

#[test]
fn a_command_that_is_not_understood_is_refused_by_its_id() {
    let ping = r#","type":"ping""#;
    assert_eq!(kind(r#""00000000000000000001""#, ping), CommandKind::Ping);
    for sequence in [
        "1",
        "null",
        r#""-1""#,
        r#""+1""#,
        r#""1e3""#,
        r#""""#,
        r#""18446744073709551616""#,
        r#""１""#,
        "[1]",
    ] {
        assert!(matches!(kind(sequence, ping), CommandKind::Unknown { .. }), "{sequence}");
    }
    for rest in [
        "",
        r#","type":null"#,
        r#","type":"user.activate""#,
        r#","type":"user.activate","subject":"u","data":null"#,
        r#","type":"user.activate","subject":"u","data":["a.b.c.d.e","kms://k/1"]"#,
        r#","type":"user.activate","subject":"u","data":{"encryptedEmailAddress":1}"#,
        r#","type":"user.deactivate","subject":"""#,
        r#","type":"user.deactivate","subject":"a\u0000b""#,
        r#","type":"settings","subject":"u","data":{"a":1e400}"#,
    ] {
        let frame = format!(r#"{{"specversion":"1.0","id":"c-1","sequence":"1"{rest}}}"#);
        match wire::command(&frame) {
            Some(command) => {
                assert!(matches!(command.kind, CommandKind::Unknown { .. }), "{rest}");
            }
            // A number that JSON cannot hold spoils the frame.
            None => assert!(rest.contains("1e400"), "{rest}"),
        }
    }
    let array = r#"["c-1","ping",null,"1","1.0",null]"#;
    for frame in ["", "[]", array, "null", r#"{"id":""}"#, r#"{"id":1}"#, r#"{"id":"a","id":"b"}"#]
    {
        assert_eq!(wire::command(frame), None, "{frame}");
    }
    assert_eq!(wire::command(&format!(r#"{{"id":"{}"}}"#, "c".repeat(257))), None);
}

#[test]
fn a_reply_with_a_status_that_is_none_is_not_read() {
    for status in ["-1", "65536", "1e2", "200.0", "\"200\"", "null", "NaN", "[200]"] {
        let reply = format!(r#"{{"status":{status}}}"#);
        assert!(Reply::read(reply.as_bytes()).is_err(), "{status}");
    }
    assert!(Reply::read(br#"{"status":200,"status":201}"#).is_err(), "it says a thing twice");
    assert!(Reply::read(b"\xef\xbb\xbf{\"status\":200}").is_err());
    assert!(Reply::read(b"{\"status\":200,\"requestId\":\"\xff\"}").is_err());
}
