//! Which files have no world outside of them, and which may not see plain text.

use super::code;

/// What no pure file names.
const OUTSIDE: &[&str] = &[
    "tokio",
    "Instant",
    "SystemTime",
    "socket2",
    "hyper",
    "rustls",
    "rusqlite",
    "tracing",
    "async",
    "await",
    "thread",
    "println",
    "eprintln",
];

/// Nor any of these paths.
const OUTSIDE_PATHS: &[&str] =
    &["std::net", "std::fs", "std::process", "std::time", "std::env", "std::io"];

/// What the glue between a provider's pure files may not name either: `http.rs` alone opens
/// sockets, and the library that `kerberos.rs` calls.
const SOCKETS: &[&str] = &["tokio::net", "tokio::fs", "std::net", "std::fs", "TcpStream"];

/// Files of the provider that wait: the port itself, its listener, the gate that keeps a refused
/// password from being tried again, what a connection does to be signed in, the trial of a new
/// password, and what carries the decisions of a discovery out.
const GLUE: &[&str] = &[
    "src/calendar/ews/mod.rs",
    "src/calendar/ews/discovery.rs",
    "src/calendar/ews/discovery/leaving.rs",
    "src/calendar/ews/discovery/steps.rs",
    "src/calendar/ews/entrance.rs",
    "src/calendar/ews/zones.rs",
    "src/calendar/ews/items.rs",
    "src/calendar/ews/languages.rs",
    "src/calendar/ews/view.rs",
    "src/calendar/ews/writing.rs",
    "src/calendar/ews/options.rs",
    "src/calendar/ews/listen.rs",
    "src/calendar/ews/gate.rs",
    "src/calendar/ews/servers.rs",
    "src/calendar/ews/session.rs",
    "src/calendar/ews/trial.rs",
    "src/calendar/ews/tuning.rs",
    "src/calendar/ews/turns.rs",
];

/// What is plain.
const PLAIN: &[&str] = &[
    "Meeting",
    "MeetingKind",
    "Participant",
    "ParticipantKind",
    "Person",
    "Body",
    "Found",
    "Entry",
    "Listing",
    "Address",
];

/// Crates that the words may use: none but one that wipes.
const OF_THE_MODEL: &[&str] = &["std", "core", "crate", "super", "self", "zeroize"];

fn is_pure(path: &str) -> bool {
    let all = ["src/model/", "src/pipeline/"];
    let some = [
        "src/kms/ivs.rs",
        "src/kms/jose.rs",
        "src/kms/messages.rs",
        "src/cloud/wire.rs",
        "src/cloud/wishes.rs",
    ];
    let provider = path.starts_with("src/calendar/ews/")
        && !["src/calendar/ews/http.rs", "src/calendar/ews/kerberos.rs"].contains(&path)
        && !GLUE.contains(&path);
    all.iter().any(|folder| path.starts_with(folder)) || some.contains(&path) || provider
}

/// What a pure file should not name.
pub fn impure(path: &str, text: &str) -> Vec<String> {
    if code::is_test(path) {
        return Vec::new();
    }
    let code = code::shipped(text);
    let mut wrong = Vec::new();
    if is_pure(path) {
        for (line, name) in code::names(&code).filter(|(_, name)| OUTSIDE.contains(name)) {
            wrong.push(format!("{path}:{line}: {name}"));
        }
        wrong.extend(paths(path, &code, OUTSIDE_PATHS));
    }
    if GLUE.contains(&path) {
        wrong.extend(paths(path, &code, SOCKETS));
    }
    if path.starts_with("src/model/") {
        for (at, line) in code.lines().enumerate() {
            let used = line.trim().strip_prefix("use ").or(line.trim().strip_prefix("pub use "));
            let Some(used) = used else { continue };
            let first = used.split("::").next().unwrap_or_default();
            let own = [
                "absence", "calendar", "command", "fault", "id", "meeting", "plain", "time",
                "trace", "tried", "trust", "writing", "zone",
            ];
            if !OF_THE_MODEL.contains(&first) && !own.contains(&first) {
                wrong.push(format!("{path}:{}: the model uses {first}", at + 1));
            }
        }
    }
    wrong
}

fn paths(path: &str, code: &str, banned: &[&str]) -> Vec<String> {
    let found = |line: &str| banned.iter().copied().find(|banned| line.contains(banned));
    let lines = code.lines().enumerate();
    lines.filter_map(|(at, line)| Some(format!("{path}:{}: {}", at + 1, found(line)?))).collect()
}

/// Plain things that the store or the cloud names.
pub fn plain(path: &str, text: &str) -> Vec<String> {
    let folders = ["src/store/", "src/cloud/"];
    if code::is_test(path) || !folders.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let code = code::shipped(text);
    let named = code::names(&code).filter(|(_, name)| PLAIN.contains(name));
    named.map(|(line, name)| format!("{path}:{line}: {name}")).collect()
}

#[test]
fn a_clock_a_socket_and_a_file_are_found() {
    let wrong = |path: &str, text: &str| impure(path, text).len();
    let decisions = "src/pipeline/sync.rs";
    assert_eq!(wrong(decisions, "use std::sync::Arc; // tokio::net"), 0);
    assert_eq!(wrong(decisions, "use std::time::Duration;"), 1);
    assert_eq!(wrong(decisions, "let now = SystemTime::now();"), 1);
    assert_eq!(wrong(decisions, "std::fs::write(a, b);"), 1);
    assert_eq!(wrong(decisions, "pub async fn f() {}"), 1);
    assert_eq!(wrong("src/daemon/run.rs", "pub async fn f() { std::fs::write(a, b); }"), 0);
    assert_eq!(wrong("src/calendar/ews/soap.rs", "use tokio::sync::mpsc;"), 1);
    assert_eq!(wrong("src/calendar/ews/http.rs", "use tokio::net::TcpStream;"), 0);
    assert_eq!(wrong("src/calendar/ews/mod.rs", "use tokio::sync::mpsc;"), 0);
    assert_eq!(wrong("src/calendar/ews/mod.rs", "tokio::net::lookup_host(x);"), 1);
    assert_eq!(wrong("src/cloud/wire.rs", "use std::io::Read;"), 1);
    assert_eq!(wrong("src/model/time.rs", "use serde::Serialize;"), 1);
    assert_eq!(wrong("src/model/plain.rs", "use zeroize::Zeroize;\nuse std::fmt;"), 0);
}

#[test]
fn plain_text_in_the_store_is_found() {
    assert_eq!(plain("src/store/sqlite.rs", "use crate::model::{Meeting, Time};").len(), 1);
    assert_eq!(plain("src/cloud/wire.rs", "const T: &str = \"calendar.Meeting\";").len(), 0);
    assert_eq!(plain("src/calendar/mod.rs", "use crate::model::Meeting;").len(), 0);
}
