//! `calway join-test`, as an administrator uses it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const INVITATION: &str = "From: Ada <ada@corp.example>\r\n\
    To: Ben <ben@corp.example>\r\n\
    Subject: Budget\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    \r\n\
    Video room 4711, or https://acme.zoom.us/j/98765432101?pwd=abc\r\n\
    By device: sip:98765432101@zoomcrc.com\r\n";

/// Standard output, standard error and exit code.
fn run(arguments: &[&str], input: &str) -> (String, String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calway"))
        .arg("join-test")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// A configuration of rules alone, which stands on the disk as long as the folder does.
fn configured(folder: &tempfile::TempDir, rules: &str) -> String {
    let path = folder.path().join("calway.toml");
    std::fs::write(&path, rules).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn an_invitation_on_standard_input_is_told_with_its_service_and_rule() {
    let folder = tempfile::tempdir().unwrap();
    let none = configured(&folder, "");
    let (told, _, code) = run(&["--config", &none, "-"], INVITATION);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "https://acme.zoom.us/j/98765432101?pwd=abc",
            "  service  zoom",
            "  rule     body-meeting",
            "  device   sip:98765432101@zoomcrc.com",
        ]
    );
    assert_eq!(code, Some(0));
}

#[test]
fn an_invitation_that_was_forwarded_as_an_attachment_is_the_one_that_is_meant() {
    let forwarded = |inner: &str, edge: &str| {
        format!(
            "From: Ben <ben@corp.example>\r\nSubject: no Join button\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary={edge}\r\n\r\n\
             --{edge}\r\nContent-Type: text/plain\r\n\r\nPlease look.\r\n\
             --{edge}\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--{edge}--\r\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let none = configured(&folder, "");
    let twice = forwarded(&forwarded(INVITATION, "inner"), "outer");
    for message in [forwarded(INVITATION, "one"), twice] {
        let (told, why, code) = run(&["--config", &none, "-"], &message);
        let first = told.lines().next();
        assert_eq!(first, Some("https://acme.zoom.us/j/98765432101?pwd=abc"), "{why}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_file_that_is_no_message_is_refused_and_not_read_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let none = configured(&folder, "");
    let large = folder.path().join("disk.img");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    let (told, why, code) = run(&["--config", &none, &large.to_string_lossy()], "");
    assert_eq!((told.as_str(), code), ("", Some(2)));
    assert!(why.contains("disk.img: a message has 64 MiB at most"), "{why}");
}

#[test]
fn an_administrators_rule_is_tried_on_a_file_and_told_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let rules = configured(
        &folder,
        "[[join.rule]]\nname = \"video\"\npattern = 'room (\\d+)'\n\
         template = \"https://video.corp.example/$1\"\n",
    );
    let file = folder.path().join("invitation.eml");
    std::fs::write(&file, INVITATION).unwrap();
    let (told, _, code) = run(&["--json", "--config", &rules, &file.to_string_lossy()], "");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["address"], json!("https://video.corp.example/4711"));
    assert_eq!((&told["rule"], &told["source"]), (&json!("video"), &json!("body")));
    assert_eq!(told["uri"], json!("sip:98765432101@zoomcrc.com"));
    assert_eq!((&told["service"], code), (&Value::Null, Some(0)));
}

#[test]
fn where_there_is_nothing_to_join_scripts_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let none = configured(&folder, "");
    let lunch = "From: a@corp.example\r\nSubject: Lunch\r\n\r\nAt noon.\r\n";
    let (told, why, code) = run(&["--config", &none, "-"], lunch);
    assert_eq!((told.as_str(), code), ("", Some(1)));
    assert!(why.contains("no address to join was found"), "{why}");
    let (told, _, code) = run(&["--json", "--config", &none, "-"], lunch);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["address"], code), (&Value::Null, Some(1)));
}

#[test]
fn a_rule_that_cannot_work_is_told_with_its_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let rules = configured(&folder, "[[join.rule]]\nname = \"x\"\npattern = \"(\"\n");
    let (_, why, code) = run(&["--config", &rules, "-"], INVITATION);
    assert_eq!(code, Some(2));
    assert!(why.contains("calway.toml: join.rule[0].pattern: error: unclosed group"), "{why}");
    let (_, why, code) = run(&["--config", "/nowhere.toml", "-"], INVITATION);
    assert_eq!(code, Some(2), "{why}");
    let (_, why, code) = run(&["/nowhere.eml"], "");
    assert_eq!(code, Some(2), "{why}");
}
