//! The admin socket and the commands that ask it, with the real daemon and the lab.

mod closed;
mod diagnose;
mod terminal;
mod users;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use calway_lab::stage::Options;
use serde_json::Value;

use crate::house::{ALICE, BOB, House, PROGRAM, talkative};

/// Nobody's user on every Linux.
const NOBODY: u32 = 65_534;

pub fn socket(house: &House) -> PathBuf {
    house.stage.folder().join("admin.sock")
}

/// A subcommand that asks the daemon of this house.
pub fn command(house: &House, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--socket").arg(socket(house));
    command
}

pub fn run(house: &House, arguments: &[&str]) -> (i32, String, String) {
    ended(command(house, arguments).output().unwrap())
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Sends bytes; what is answered until the daemon hangs up.
fn say(house: &House, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A daemon that has heard enough hangs up, which may be before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_how_all_is_and_ends_well_only_where_it_is() {
    let house = House::active(talkative()).await;
    house.meet(ALICE, "Planning", 3);
    house.live(ALICE, 1).await;
    house.rest(&[ALICE, BOB]).await;
    let (code, out, error) = run(&house, &["status"]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.contains(": ready, running for "), "{out}");
    assert!(out.contains("No condition is open."), "{out}");
    let row = out.lines().find(|line| line.starts_with("hq")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..5], ["hq", "2", "2", "0", "0"], "{out}");

    let (code, out, _) = run(&house, &["status", "--json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &status["ready"]), (0, &true.into()));
    assert_eq!(status["mailboxes"]["streaming"], 2, "{status}");
    assert!(status["totals"]["sent"].as_u64().unwrap() >= 1, "{status}");
    assert!(status["cloud"]["disk_to_cloud_ms"]["p99"].is_u64(), "{status}");
    assert!(status["calendars"][0]["event_to_disk_ms"]["p50"].is_u64(), "{status}");

    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Strategy", 2);
    // The line, the condition and the number are told one after the other.
    let fails = |house: &House| {
        let status: Value = serde_json::from_str(&run(house, &["status", "--json"]).1).unwrap();
        let open = status["conditions"].as_array().is_some_and(|all| all.len() == 1);
        open && status["mailboxes"]["failing"] == 1
    };
    house.until("the mailbox fails", fails).await;
    let (code, out, _) = run(&house, &["status"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("1 condition is open:"), "{out}");
    let told = format!("WARNING  mailbox-failing (hq), for 0 s: user {}", BOB.0);
    assert!(out.lines().any(|line| line.starts_with(&told[..30])), "{out}");
    assert!(out.contains(&format!("user {}", BOB.0)), "{out}");
    assert!(out.contains("ApplicationImpersonation"), "its remedy stands there: {out}");
    for person in [ALICE.1, BOB.1, ALICE.2, BOB.2, "Planning", "Strategy"] {
        assert!(!out.contains(person), "{person}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_learns_nothing_and_a_socket_without_a_daemon_is_named() {
    let mut house = House::start(Options::default()).await;
    let listens = |house: &House| UnixStream::connect(socket(house)).is_ok();
    house.until("the socket is there", listens).await;
    let facts = std::fs::metadata(socket(&house)).unwrap();
    assert_eq!(facts.permissions().mode() & 0o777, 0o666, "peer credentials decide");
    if facts.uid() == 0 {
        // The other user must reach the socket at all, and the program.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(house.stage.folder(), open).unwrap();
        let copy = tempfile::Builder::new().prefix("calway-of-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(copy.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = copy.path().join("calway");
        // By another process: what this one has open for writing nobody can execute.
        assert!(Command::new("cp").arg(PROGRAM).arg(&program).status().unwrap().success());
        let mut other = Command::new(&program);
        other.args(["status", "--json", "--socket"]).arg(socket(&house));
        let (code, out, error) = ended(other.uid(NOBODY).gid(NOBODY).output().unwrap());
        assert_eq!((code, out.as_str()), (4, ""), "{error}");
        assert!(error.contains("this user may not ask"), "{error}");
    } else {
        eprintln!("SKIPPED: only root can become another user");
    }
    house.stop().await;
    assert!(!socket(&house).exists(), "the socket goes with its daemon");
    let (code, _, error) = run(&house, &["status"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("systemctl status calway"), "{error}");
    // One that a daemon left behind is taken over.
    drop(std::os::unix::net::UnixListener::bind(socket(&house)).unwrap());
    house.again();
    let answers = |house: &House| run(house, &["status", "--json"]).0 != 3;
    house.until("the daemon listens again", answers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_gets_an_error_and_harms_nobody() {
    let house = House::start(Options::default()).await;
    house.until("somebody listens", |house| UnixStream::connect(socket(house)).is_ok()).await;
    let long = "x".repeat(70_000);
    let cases = [
        (request("GET", "/v1/nothing", ""), "404", "not-found"),
        (request("GET", "/", ""), "404", "not-found"),
        (request("GET", "/v1/%ff", ""), "404", "not-found"),
        (request("POST", "/v1/status", ""), "405", "wrong-method"),
        (request("DELETE", "/v1/status", ""), "405", "wrong-method"),
        (request("GET", "/v1/status", &long), "413", "bad-body"),
    ];
    for (bytes, status, code) in cases {
        let answer = say(&house, bytes.as_bytes());
        let head = answer.lines().next().unwrap_or_default();
        let first: String = bytes.chars().take(30).collect();
        assert!(head.contains(status), "{first}: {answer}");
        let body: Value = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], code, "{first}: {answer}");
        assert!(body["error"]["message"].as_str().unwrap().len() > 10, "{answer}");
    }
    let longest = format!("GET /v1/status HTTP/1.1\r\nX: {long}\r\n\r\n");
    for nonsense in ["\0\0\0\0\r\n\r\n", "HELLO\r\n\r\n", &longest] {
        let answer = say(&house, nonsense.as_bytes());
        assert!(answer.is_empty() || answer.contains(" 4"), "{answer}");
    }
    // Those who only hold connections open keep nobody out.
    let held: Vec<_> = (0..12).map(|_| UnixStream::connect(socket(&house)).unwrap()).collect();
    assert!(run(&house, &["status", "--json"]).0 < 2);
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_prints_a_picture_a_second_where_its_output_is_no_terminal() {
    let house = House::active(talkative()).await;
    let top =
        command(&house, &["top", "--frames", "2"]).stdout(std::process::Stdio::piped()).spawn();
    house.meet(ALICE, "Planning", 3);
    house.live(ALICE, 1).await;
    let (code, out, error) = ended(top.unwrap().wait_with_output().unwrap());
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(out.matches("calway 0").count(), 2, "{out}");
    assert!(!out.contains('\x1b'), "no marks of a terminal: {out:?}");
    let sent = |out: &str| {
        let lines = out.lines().filter(|line| line.starts_with("sent to the cloud"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(sent(&out).len(), 2, "{out}");
    assert!(!out.contains("Planning") && !out.contains(ALICE.1), "{out}");
}
