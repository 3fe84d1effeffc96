//! Prometheus and supervisors ask the real program.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use calway::observe::metrics::ALL;
use calway_lab::exchange::{Draft, MailboxKind};
use calway_lab::stage::{Options, Stage};
use tokio::process::Child;

use crate::edits::now_ms;
use crate::house::{ALICE, PATIENCE, PROGRAM, free_port, within};

/// The lab with Alice, and the program, which listens where `listen` says.
async fn start(listen: impl FnOnce(&Stage) -> String) -> (Stage, Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    stage.exchange.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
    let connector = run(&stage, &listen(&stage));
    (stage, connector, folder)
}

fn run(stage: &Stage, listen: &str) -> Child {
    let more = stage.config().parent().unwrap().join("calway.d");
    std::fs::create_dir_all(&more).unwrap();
    let text = format!("[metrics]\nlisten = \"{listen}\"\n");
    std::fs::write(more.join("metrics.toml"), text).unwrap();
    let log = std::fs::File::create(stage.folder().join("connector.log")).unwrap();
    stage.connector(PROGRAM).stderr(log).spawn().unwrap()
}

/// Status line, head and body of an answer.
fn ask(mut stream: impl Read + Write, method: &str, path: &str) -> (u16, String, String) {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: calway\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

/// Each value by its name with its labels; every line is one that Prometheus reads.
fn values(scrape: &str) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    let mut values = BTreeMap::new();
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            assert!(kinds.contains_key(bare), "{line}: no type");
            assert!(ALL.iter().any(|metric| metric.name == bare), "{line}: not in the reference");
            values.insert(name.to_owned(), value.parse().unwrap());
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_sees_mailboxes_events_and_what_is_wrong_and_no_names() {
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (stage, mut connector, _folder) = start(|_| free.to_string()).await;
    let connect = || TcpStream::connect(free).unwrap();
    let activated = stage.cloud.activate(ALICE.0, ALICE.1).await;
    within(stage.cloud.outcome(&activated)).await;
    let begin = std::time::Instant::now();
    while TcpStream::connect(free).is_err() {
        assert!(begin.elapsed() < PATIENCE, "nobody listens");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let start = now_ms() / 60_000 * 60_000 + 3_600_000;
    stage.exchange.calendars().create(ALICE.1, Draft::meeting("Merger", start, 30));
    within(stage.cloud.wait(|view| view.live(ALICE.0) == 1)).await;
    let until = std::time::Instant::now() + PATIENCE;
    let scrape = loop {
        let (status, head, body) = ask(connect(), "GET", "/metrics");
        assert_eq!(status, 200);
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        let found = values(&body);
        let is = |name: &str, least: f64| found.get(name).is_some_and(|value| *value >= least);
        // Each is told by a part of its own, so all are awaited.
        if ["calway_mailboxes{calendar=\"hq\"}", "calway_mailboxes_streaming{calendar=\"hq\"}"]
            .iter()
            .chain(&["calway_records_total{calendar=\"hq\"}", "calway_signed_in{calendar=\"hq\"}"])
            .chain(&["calway_cloud_events_total", "calway_cloud_well", "calway_ready"])
            .chain(&["calway_command_channel_open", "calway_store_writable"])
            .all(|name| is(name, 1.0))
        {
            break body;
        }
        assert!(std::time::Instant::now() < until, "{body}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let found = values(&scrape);
    for (name, value) in [
        ("calway_mailboxes{calendar=\"hq\"}", 1.0),
        ("calway_mailboxes_failing{calendar=\"hq\"}", 0.0),
        ("calway_signed_in{calendar=\"hq\"}", 1.0),
        ("calway_cloud_well", 1.0),
        ("calway_command_channel_open", 1.0),
        ("calway_store_writable", 1.0),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name}\n{scrape}");
    }
    assert!(found["calway_records_total{calendar=\"hq\"}"] >= 1.0);
    assert!(found["calway_store_bytes"] > 0.0 && found["calway_memory_bytes"] > 1e6);
    for told in [ALICE.0, ALICE.1, "alice", "Merger"] {
        assert!(!scrape.contains(told), "{told} in\n{scrape}");
    }
    assert_eq!(ask(connect(), "GET", "/ready").0, 200);
    assert_eq!(ask(connect(), "GET", "/live").0, 200);
    assert_eq!(ask(connect(), "GET", "/").0, 404);
    assert_eq!(ask(connect(), "POST", "/metrics").0, 405);
    // What is wrong is a value of its own.
    stage.exchange.calendars().deny_impersonation(ALICE.1, true);
    let start = start + 7_200_000;
    stage.exchange.calendars().create(ALICE.1, Draft::meeting("Unseen", start, 30));
    let open = "calway_condition_open{condition=\"mailbox-failing\",severity=\"warning\",\
                calendar=\"hq\"}";
    loop {
        let found = values(&ask(connect(), "GET", "/metrics").2);
        // The loop tells how many fail a moment after it tells why.
        if found.get(open) == Some(&1.0)
            && found["calway_mailboxes_failing{calendar=\"hq\"}"] == 1.0
        {
            break;
        }
        assert!(std::time::Instant::now() < until, "{found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    connector.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_answers_as_well_and_before_it_is_ready_it_says_so() {
    let at = |stage: &Stage| stage.folder().join("metrics.sock");
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    // Without a cloud there is nothing to be ready for.
    stage.cloud.cut().await;
    let mut connector = run(&stage, &format!("unix:{}", at(&stage).display()));
    let until = std::time::Instant::now() + PATIENCE;
    let ready = async || loop {
        if let Ok(stream) = UnixStream::connect(at(&stage)) {
            break ask(stream, "GET", "/ready");
        }
        assert!(std::time::Instant::now() < until, "nobody listens");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let first = ready().await;
    assert_eq!((first.0, &*first.2), (503, "not ready yet\n"));
    let live = ask(UnixStream::connect(at(&stage)).unwrap(), "GET", "/live");
    assert_eq!((live.0, &*live.2), (200, "live\n"));
    stage.cloud.restore().await.unwrap();
    while ready().await.0 != 200 {
        assert!(std::time::Instant::now() < until, "never ready");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    connector.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_others_reach_is_refused() {
    let (stage, connector, _folder) = start(|_| "0.0.0.0:9464".into()).await;
    let ended = within(connector.wait_with_output()).await.unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let log = std::fs::read_to_string(stage.folder().join("connector.log")).unwrap();
    assert!(log.contains("metrics.listen") && log.contains("127.0.0.1:9464"), "{log}");
}
