//! Promise 2, in memory: a password that was replaced is nowhere in the running program any more.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, Instant};

use calway_lab::canary::{Canaries, Sighting};
use calway_lab::directory::{Directory, Point};
use calway_lab::exchange::{Draft, MailboxKind};
use calway_lab::stage::{Options, Stage};
use calway_lab::tls::{Authority, LOOPBACK};

use crate::edits::now_ms;
use crate::house::{ALICE, PATIENCE, PROGRAM, within};

const OLD: &str = "Wiedehopf-Morgenrot-5530";
const NEW: &str = "Eisvogel-Abendrot-8172";
const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
const PAGE: usize = 4096;

/// What a process may write to, but for pages of nothing: heaps, stacks, and its own variables.
fn memory(pid: u32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let Some((from, to)) = line.split(' ').next().and_then(|span| span.split_once('-')) else {
            continue;
        };
        let at = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut from, to) = (at(from), at(to));
        let mut pages = vec![0; 256 * PAGE];
        while from < to {
            let length = pages.len().min(usize::try_from(to - from).unwrap());
            let part = &mut pages[..length];
            // What went away meanwhile is not there to be found.
            if memory.seek(SeekFrom::Start(from)).and_then(|_| memory.read_exact(part)).is_err() {
                break;
            }
            let full = |page: &&[u8]| page.iter().any(|byte| *byte != 0);
            part.chunks(PAGE).filter(full).for_each(|page| all.extend_from_slice(page));
            from += length as u64;
        }
    }
    all
}

fn seen(pid: u32, text: &str) -> Vec<Sighting> {
    let all = memory(pid);
    assert!(all.len() > 1 << 20, "{} bytes", all.len());
    Canaries::new([text]).search(&all, "memory")
}

/// A stage whose servers a directory names, which is asked with the password too.
async fn stage(folder: &std::path::Path, auth: &str) -> (Stage, Directory) {
    let authority = Arc::new(Authority::new());
    let mut options =
        Options { auth: vec![auth.into()], poll_seconds: Some(5), ..Options::default() };
    options.find_servers = true;
    options.exchange.password = OLD.into();
    options.exchange.authority = Some(authority.clone());
    let stage = Stage::start(folder, options).await.unwrap();
    stage.exchange.calendars().add_mailbox(ALICE.1, ALICE.2, MailboxKind::User);
    let host = stage.exchange.origin();
    let point = Point {
        keywords: vec![URL.into()],
        bindings: vec![format!("{host}/autodiscover/autodiscover.xml")],
    };
    let directory = Directory::start(&authority.leaf(&LOOPBACK), vec![point]).await.unwrap();
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let port = directory.address().port();
    let found = format!(
        "srv = false, trusted_hosts = [\"127.0.0.1\"], scp = {{ server = \"ldaps://127.0.0.1:{port}\" }}"
    );
    let named = |line: &&str| !line.starts_with("autodiscover =");
    let text: Vec<_> = text.lines().filter(named).collect();
    std::fs::write(stage.config(), text.join("\n").replace("srv = false", &found)).unwrap();
    (stage, directory)
}

async fn is_wiped(auth: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (stage, directory) = stage(folder.path(), auth).await;
    let log = stage.folder().join("connector.log");
    let mut command = stage.connector(PROGRAM);
    let connector = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
    let pid = connector.id().unwrap();
    let meet = |title: &str| {
        let draft = Draft::meeting(title, now_ms() + 3_600_000, 30);
        stage.exchange.calendars().create(ALICE.1, draft)
    };
    let live = |count| {
        let cloud = stage.cloud.clone();
        let arrives = async move { cloud.wait(|view| view.live(ALICE.0) == count).await };
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        async move {
            let arrived = tokio::time::timeout(PATIENCE, arrives).await;
            assert!(arrived.is_ok(), "{count} meetings: in vain\n{}", said());
        }
    };
    meet("With the old password");
    let command = stage.cloud.activate(ALICE.0, ALICE.1).await;
    live(1).await;
    assert_eq!(within(stage.cloud.outcome(&command)).await.outcome, "done");
    assert!(stage.exchange.log().count("GetItem") > 0);
    assert!(directory.binds().iter().any(|(_, password)| password == OLD), "LDAP");
    // Something that is there all the time is found, so the search is one.
    assert!(!seen(pid, "svc-calway").is_empty());

    stage.exchange.gate().set_password(NEW);
    crate::house::put(&stage.credentials().join("calendar.hq.password"), NEW);
    stage.exchange.drop_connections();
    meet("With the new one");
    live(2).await;
    let until = Instant::now() + PATIENCE;
    loop {
        let found = seen(pid, OLD);
        if found.is_empty() {
            break;
        }
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(Instant::now() < until, "{auth}: {found:#?}\n{said}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(connector);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_a_replaced_password_is_wiped_after_basic_and_ldap() {
    is_wiped("basic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_a_replaced_password_is_wiped_after_ntlm_and_ldap() {
    is_wiped("ntlm").await;
}
