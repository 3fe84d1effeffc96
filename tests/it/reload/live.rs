//! What an administrator changes while everything goes on: authorities, proxies, limits, who may
//! look. No stream is opened anew for any of it.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use calway_lab::stage::Options;
use calway_lab::tls::Authority;
use tokio::time::Instant;

use super::{post, with};
use crate::house::{ALICE, BOB, House, PATIENCE, PROGRAM, free_port, talkative};
use crate::proxies::via;

/// Nobody's user on every Linux.
const NOBODY: u32 = 65_534;

/// The streams of a house, which are to be the same at the end.
struct Streams {
    opened: u64,
    open: usize,
    listened: usize,
}

impl Streams {
    fn of(house: &House) -> Self {
        let exchange = &house.stage.exchange;
        let opened = exchange.log().count("GetStreamingEvents");
        let (open, listened) = (exchange.open_streams(), exchange.listened());
        assert!(open > 0 && listened == 2, "{open} streams, {listened} mailboxes");
        Self { opened, open, listened }
    }

    fn are_untouched(&self, house: &House) {
        let exchange = &house.stage.exchange;
        assert_eq!(exchange.log().count("GetStreamingEvents"), self.opened, "as it was opened");
        assert_eq!((exchange.open_streams(), exchange.listened()), (self.open, self.listened));
    }
}

/// A house whose streams are open, and in which nothing is under way.
async fn quiet(options: Options) -> (House, Streams) {
    let house = House::active(options).await;
    house.meet(ALICE, "first", 2);
    house.live(ALICE, 1).await;
    let streams = Streams::of(&house);
    (house, streams)
}

/// Reloads; what counts, and what needs a restart.
async fn reloaded(house: &House) -> (Vec<String>, Vec<String>) {
    let (code, told) = post(house, "/v1/reload").await;
    assert_eq!(code, 200, "{told}");
    let keys = |name: &str| {
        let keys = told[name].as_array().unwrap().iter();
        keys.map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    (keys("applied"), keys("needsRestart"))
}

#[tokio::test]
async fn a_renewed_authority_counts_without_a_restart_and_streams_stay() {
    let (house, streams) = quiet(talkative()).await;
    let file = house.stage.folder().join("exchange-ca.pem");
    let own = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, Authority::new().pem()).unwrap();
    assert_eq!(reloaded(&house).await, (vec!["calendar[0].ca_file".to_owned()], vec![]));
    house.meet(BOB, "not to be read", 3);
    house
        .until("the server is not trusted", |house| {
            house.log().contains("Exchange is busy or away (TLS: the server's certificate")
        })
        .await;
    std::fs::write(&file, own).unwrap();
    assert_eq!(reloaded(&house).await, (vec!["calendar[0].ca_file".to_owned()], vec![]));
    house.live(BOB, 1).await;
    assert_eq!(reloaded(&house).await, (vec![], vec![]), "the same as before");
    streams.are_untouched(&house);
}

#[tokio::test]
async fn a_proxy_is_taken_and_left_again_and_streams_stay() {
    let (house, streams) = quiet(talkative()).await;
    let proxy = via(None, None).await;
    let tunnels = || proxy.tunnels.load(std::sync::atomic::Ordering::Acquire);
    let line = format!("kind = \"ews\"\nproxy = \"http://127.0.0.1:{}\"", proxy.port);
    house.reconfigure(|text| text.replace("kind = \"ews\"", &line));
    assert_eq!(reloaded(&house).await.0, ["calendar[0].proxy"]);
    assert_eq!(tunnels(), 0);
    house.meet(ALICE, "through", 3);
    house.live(ALICE, 2).await;
    let through = tunnels();
    assert!(through > 0, "what is opened from now on goes through it");
    house.reconfigure(|text| text.replace(&line, "kind = \"ews\""));
    assert_eq!(reloaded(&house).await.0, ["calendar[0].proxy"]);
    house.meet(BOB, "straight", 4);
    house.live(BOB, 1).await;
    assert_eq!(tunnels(), through);
    streams.are_untouched(&house);
}

#[tokio::test]
async fn limits_trusted_hosts_and_who_may_look_count_at_once_and_streams_stay() {
    let (house, streams) = quiet(Options { find_servers: true, ..talkative() }).await;
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let socket = house.stage.folder().join("admin.sock");
    let looks = || {
        let mut other = Command::new(PROGRAM);
        other.args(["status", "--json", "--socket"]).arg(&socket);
        other.uid(NOBODY).gid(NOBODY).output().unwrap().status.code()
    };
    let is_root = rustix::process::geteuid().is_root();
    assert!(!is_root || looks() == Some(4));
    let sound = std::fs::read_to_string(house.stage.config()).unwrap();
    house.reconfigure(|text| {
        let text = text.replace("kind = \"ews\"", "kind = \"ews\"\nconnections = 2");
        let text =
            text.replace("srv = false", "srv = false, trusted_hosts = [\"ex.corp.example\"]");
        let text = text.replace("[admin]", &format!("[admin]\nusers = [\"{NOBODY}\"]"));
        with(&format!("[metrics]\nlisten = \"{free}\""))(&text)
    });
    let (applied, needs_restart) = reloaded(&house).await;
    assert_eq!(
        applied,
        [
            "calendar[0].connections",
            "calendar[0].discover.trusted_hosts",
            "admin.users",
            "metrics.listen"
        ]
    );
    assert_eq!(needs_restart, [""; 0]);
    house.until("metrics are there", |_| TcpStream::connect(free).is_ok()).await;
    if is_root {
        house.until("another user may look", |_| looks() != Some(4)).await;
    }
    for at in 0..6 {
        house.meet(ALICE, "more", 3 + at);
        house.meet(BOB, "more", 3 + at);
    }
    house.exact(&[ALICE, BOB]).await;
    house.reconfigure(|_| sound.clone());
    assert_eq!(reloaded(&house).await, (applied, needs_restart));
    house.until("nobody can ask for metrics", |_| TcpStream::connect(free).is_err()).await;
    if is_root {
        house.until("another user may not look", |_| looks() == Some(4)).await;
    }
    streams.are_untouched(&house);
}

/// Waits until of these two conditions both are open, or neither.
async fn stand(house: &House, names: [&str; 2], open: bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = house.ask("/v1/status").await.unwrap_or_default();
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = names.map(|name| all.iter().any(|one| one["name"] == name));
        if status["ready"] == true && found == [open; 2] {
            return;
        }
        assert!(Instant::now() < until, "open: {open}\n{status}\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_reload_mends_is_no_open_condition_any_more() {
    let house = House::active(talkative()).await;
    let sound = std::fs::read_to_string(house.stage.config()).unwrap();
    let names = ["metrics-fail", "admin-user-unknown"];
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap();
    house.reconfigure(|text| {
        let text = text.replace("[admin]", "[admin]\nusers = [\"nobody-is-called-so\"]");
        with(&format!("[metrics]\nlisten = \"{place}\""))(&text)
    });
    let (applied, _) = reloaded(&house).await;
    assert_eq!(applied, ["admin.users", "metrics.listen"]);
    stand(&house, names, true).await;
    house.reconfigure(|_| sound.clone());
    assert_eq!(reloaded(&house).await.0, applied);
    stand(&house, names, false).await;
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_changes_nothing_and_is_named() {
    let (house, streams) = quiet(talkative()).await;
    for (name, key) in [
        ("exchange-ca.pem", "calendar[0].ca_file"),
        ("cloud-ca.pem", "cloud.ca_file"),
        ("kms-anchor.pem", "kms.anchors_file"),
    ] {
        let file = house.stage.folder().join(name);
        let own = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, "no certificate").unwrap();
        house.reconfigure(|text| format!("poll_seconds = 44\n{text}"));
        let (code, told) = post(&house, "/v1/reload").await;
        let why = told["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(code, 409, "{key}: {told}");
        assert!(why.contains(key) && why.contains("calway.toml"), "{why}");
        std::fs::write(&file, own).unwrap();
        house.reconfigure(|text| text.replace("poll_seconds = 44\n", ""));
    }
    assert_eq!(reloaded(&house).await, (vec![], vec![]), "nothing of it was taken up");
    house.meet(BOB, "as before", 4);
    house.live(BOB, 1).await;
    streams.are_untouched(&house);
}

#[tokio::test]
async fn a_new_calendar_is_named_by_its_name_and_waits_for_a_restart() {
    let (house, streams) = quiet(talkative()).await;
    house.reconfigure(with(
        "[[calendar]]\nname = \"west\"\naccount = 'WEST\\svc'\ndomains = [\"west.example\"]\n\
         url = \"https://west.example/EWS/Exchange.asmx\"",
    ));
    let wants = vec!["calendar west (new)".to_owned()];
    assert_eq!(reloaded(&house).await, (vec![], wants));
    house.says("these changes count after a restart: calendar west (new)").await;
    streams.are_untouched(&house);
}
