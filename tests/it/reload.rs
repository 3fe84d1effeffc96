//! A changed configuration is taken up while the connector runs: nothing is dropped, nothing lost,
//! and a mistake changes nothing.

mod live;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use calway_lab::exchange::Draft;
use calway_lab::stage::{Options, Stage};

use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, PROGRAM, talkative, within};

impl House {
    /// Changes the configuration and lets the connector read it.
    fn reload(&self, change: impl Fn(&str) -> String) {
        let file = self.stage.config();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(&text)).unwrap();
        hang_up(self.connector.id().unwrap());
    }

    async fn says(&self, what: &str) {
        self.until(what, |house| house.log().contains(what)).await;
    }
}

fn hang_up(pid: u32) {
    let kill = std::process::Command::new("kill").args(["-HUP", &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

fn with(section: &str) -> impl Fn(&str) -> String {
    move |text| format!("{text}\n{section}\n")
}

#[tokio::test]
async fn a_reload_takes_changed_values_up_and_no_stream_breaks() {
    let house = House::active(talkative()).await;
    house.meet(ALICE, "near", 2);
    house.meet(ALICE, "far", 24 * 20);
    house.live(ALICE, 2).await;
    let start = now_ms() / 60_000 * 60_000 + 5 * 3_600_000;
    house.calendars().create(BOB.1, Draft::meeting("", start, 30));
    house.live(BOB, 1).await;
    let opened = house.stage.exchange.log().count("GetStreamingEvents");
    let (streams, listened) =
        (house.stage.exchange.open_streams(), house.stage.exchange.listened());
    assert!(streams > 0 && listened == 2, "{streams} streams, {listened} mailboxes");

    house.reload(with(
        "[window]\nfuture_days = 10\n[records]\nuntitled = \"text\"\nuntitled_text = \"Busy\"",
    ));
    house.says("read anew: window.future_days, records.untitled, records.untitled_text").await;
    // What is outside now is withdrawn, and what was sent before is shown as it is to be.
    house.live(ALICE, 1).await;
    let person = house.stage.cloud.person(BOB.0);
    within(async {
        loop {
            let meetings = person.meetings().await.unwrap();
            if meetings.iter().all(|one| one.subject == "Busy") && meetings.len() == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    house.reload(|text| text.replace("future_days = 10", "future_days = 31"));
    house.live(ALICE, 2).await;
    house.meet(ALICE, "later", 6);
    house.live(ALICE, 3).await;

    assert_eq!(house.stage.exchange.log().count("GetStreamingEvents"), opened, "as it was opened");
    assert_eq!(house.stage.exchange.open_streams(), streams);
    assert_eq!(house.stage.exchange.listened(), listened);
}

#[tokio::test]
async fn who_asks_for_a_reload_does_not_wait_for_a_disk_and_the_store_hears_of_it_later() {
    let house = House::active(talkative()).await;
    let start = now_ms() / 60_000 * 60_000 + 5 * 3_600_000;
    house.calendars().create(BOB.1, Draft::meeting("", start, 30));
    house.live(BOB, 1).await;
    let db = rusqlite::Connection::open(house.stage.folder().join("calway.db")).unwrap();
    // As long as somebody else writes, nothing of ours is taken.
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    house.reload(with("[records]\nuntitled = \"text\"\nuntitled_text = \"Busy\""));
    house.says("read anew: records.untitled, records.untitled_text").await;
    assert!(house.log().contains("store-fails"), "{}", house.log());
    db.execute_batch("ROLLBACK").unwrap();
    let person = house.stage.cloud.person(BOB.0);
    within(async {
        while person.meetings().await.unwrap().iter().any(|one| one.subject != "Busy") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_journal_holds_changes_at_once() {
    let house = House::start(Options::default()).await;
    house.activate(ALICE.0, ALICE.1).await;
    house.meet(ALICE, "first", 2);
    house.live(ALICE, 1).await;
    assert!(!house.log().contains("is listened to"), "those are lines for debug");
    house.reload(|text| format!("log = \"debug\"\n{text}"));
    house.says("read anew: log").await;
    house.activate(BOB.0, BOB.1).await;
    house.says("is listened to").await;
}

#[tokio::test]
async fn a_configuration_with_a_mistake_changes_nothing_and_says_where_it_is() {
    let mut house = House::active(talkative()).await;
    let sound = std::fs::read_to_string(house.stage.config()).unwrap();
    let opened = house.stage.exchange.log().count("GetStreamingEvents");
    let mistakes = [
        ("[window]\nfuture_days = 0\n[records]\nprivate = \"full\"", "window.future_days: 1 to"),
        ("[window]\nfutur_days = 3", "futur_days"),
        ("[window", "calway.toml: TOML"),
        ("[records]\nprivate = \"all\"", "records.private: \"full\""),
    ];
    for (at, (mistake, named)) in mistakes.into_iter().enumerate() {
        house.reload(|_| format!("{sound}\n{mistake}\n"));
        house
            .until("it is refused", |house| house.log().matches("is not taken up").count() > at)
            .await;
        let log = house.log();
        let line = log.lines().rfind(|line| line.contains("is not taken up")).unwrap();
        assert!(line.contains("reload-refused"), "{line}");
        let key = named.trim_start_matches("calway.toml: TOML");
        assert!(line.contains("calway.toml") && line.contains(key), "{named}: {line}");
    }
    house.meet(ALICE, "far", 24 * 20);
    house.live(ALICE, 1).await;
    assert!(!house.log().contains("read anew"));
    assert_eq!(house.stage.exchange.log().count("GetStreamingEvents"), opened);
    assert_eq!(house.connector.try_wait().unwrap(), None, "it goes on");
}

#[tokio::test]
async fn what_counts_after_a_restart_is_named_until_it_does() {
    let mut house = House::active(Options { poll_seconds: Some(30), ..talkative() }).await;
    house.reload(|text| {
        text.replace("kind = \"ews\"", "kind = \"ews\"\ndomains = [\"corp.example\"]")
            .replace("poll_seconds = 30", "poll_seconds = 20")
    });
    house.says("count after a restart: calendar[0].domains").await;
    house.says("read anew: poll_seconds").await;
    // It is told again as long as it is so.
    house.reload(str::to_owned);
    house
        .until("a second word", |house| house.log().matches("count after a restart").count() == 2)
        .await;
    house.says("read anew: no change").await;
    house.stop().await;
    house.again();
    house.until("ready again", |house| house.log().matches("ready: ").count() == 2).await;
    house.reload(str::to_owned);
    house
        .until("a third reload", |house| house.log().matches("read anew: no change").count() == 2)
        .await;
    assert_eq!(house.log().matches("count after a restart").count(), 2, "it counts now");
}

#[tokio::test]
async fn reloads_while_calendars_are_read_lose_nothing() {
    let house = House::start(talkative()).await;
    for at in 0..150 {
        house.meet(ALICE, &format!("meeting {at}"), at % 600);
        house.meet(BOB, &format!("meeting {at}"), at % 600);
    }
    house.activate(ALICE.0, ALICE.1).await;
    house.activate(BOB.0, BOB.1).await;
    for at in 0..8 {
        let private = if at % 2 == 0 { "nothing" } else { "times" };
        let sound = |text: &str| text.split("\n[records]").next().unwrap().to_owned();
        house.reload(|text| format!("{}\n[records]\nprivate = \"{private}\"\n", sound(text)));
        house
            .until("it is taken up", |house| house.log().matches("read anew: ").count() > at)
            .await;
        house.meet(ALICE, &format!("meanwhile {at}"), 7 + at as i64);
    }
    house.exact(&[(ALICE), (BOB)]).await;
}

#[tokio::test]
async fn the_service_manager_is_told_when_a_reload_begins_and_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(crate::house::PATIENCE)).unwrap();
    let heard = |what: &'static str| {
        let manager = manager.try_clone().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut bytes = [0; 4_096];
            loop {
                let length = manager.recv(&mut bytes).unwrap_or_else(|_| panic!("no {what}"));
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if text.contains(what) {
                    return text;
                }
            }
        })
    };
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = stage.connector(PROGRAM);
    let connector = command.env("NOTIFY_SOCKET", &socket).stderr(log).spawn().unwrap();
    heard("READY=1").await.unwrap();
    for change in ["[window]\npast_days = 3\n", "[window]\npast_days = 900\n"] {
        let text = std::fs::read_to_string(stage.config()).unwrap();
        let sound = text.split("[window]").next().unwrap();
        std::fs::write(stage.config(), format!("{sound}{change}")).unwrap();
        hang_up(connector.id().unwrap());
        let reloading = heard("RELOADING=1").await.unwrap();
        let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{reloading}");
        heard("READY=1").await.unwrap();
    }
}

/// What the admin socket answers to a POST.
async fn post(house: &House, path: &str) -> (u16, serde_json::Value) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = house.stage.folder().join("admin.sock");
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: calway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

#[tokio::test]
async fn who_asks_for_a_reload_over_the_socket_is_told_what_came_of_it() {
    let house = House::active(talkative()).await;
    house.reconfigure(|text| {
        let more = "kind = \"ews\"\nconnections = 7\ndomains = [\"corp.example\"]";
        format!("poll_seconds = 20\n{}", text.replace("kind = \"ews\"", more))
    });
    let (code, told) = post(&house, "/v1/reload").await;
    let keys = |name: &str| told[name].as_array().unwrap().clone();
    assert_eq!(
        (code, keys("applied")),
        (200, vec!["poll_seconds".into(), "calendar[0].connections".into()])
    );
    assert_eq!(keys("needsRestart"), ["calendar[0].domains"]);
    house.reconfigure(|text| text.replace("connections = 7", "connections = 700"));
    let (code, told) = post(&house, "/v1/reload").await;
    let why = told["error"]["message"].as_str().unwrap();
    assert_eq!(code, 409, "{told}");
    assert!(why.contains("calway.toml") && why.contains("connections: 1 to 100"), "{why}");
}

/// `calway config reload`: its exit code, and all that it says.
async fn reload_command(house: &House, main_process: Option<u32>) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["config", "reload", "--config"]).arg(house.stage.config());
    command.env_remove("MAINPID").kill_on_drop(true);
    if let Some(process) = main_process {
        command.env("MAINPID", process.to_string());
    }
    let done = within(command.output()).await.unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_reload_that_is_refused_is_a_command_that_fails_and_says_where_the_mistake_is() {
    let house = House::active(talkative()).await;
    let sound = std::fs::read_to_string(house.stage.config()).unwrap();
    house.reconfigure(with("[window]\nfuture_days = 0"));
    let (code, said) = reload_command(&house, None).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("calway.toml: window.future_days: 1 to") && said.contains("line "));
    assert!(!said.contains("applied"), "{said}");
    // A file that is sound, but not what it names: the service alone finds that.
    house.reconfigure(|_| sound.replace("exchange-ca.pem", "nowhere.pem"));
    let (code, said) = reload_command(&house, None).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("calendar[0].ca_file"), "{said}");
    house.reconfigure(|_| {
        let more = "kind = \"ews\"\ndomains = [\"corp.example\"]";
        format!("poll_seconds = 20\n{}", sound.replace("kind = \"ews\"", more))
    });
    let (code, said) = reload_command(&house, None).await;
    let counts = "applied: poll_seconds\ncounts after a restart: calendar[0].domains\n";
    assert_eq!((code, &*said), (Some(0), counts));
    house.says("read anew: poll_seconds").await;
}

#[tokio::test]
async fn a_service_without_its_socket_is_reloaded_all_the_same_where_systemd_names_its_process() {
    let house = House::active(talkative()).await;
    let process = house.connector.id();
    let sound = std::fs::read_to_string(house.stage.config()).unwrap();
    let elsewhere = |text: &str| text.replace("admin.sock", "nobody.sock");
    house.reconfigure(|_| format!("poll_seconds = 4\n{}", elsewhere(&sound)));
    let (code, said) = reload_command(&house, process).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("poll_seconds: 5 to"), "{said}");
    house.reconfigure(|_| format!("poll_seconds = 20\n{}", elsewhere(&sound)));
    let (code, said) = reload_command(&house, None).await;
    assert_eq!(code, Some(3), "nobody says which process: {said}");
    let (code, said) = reload_command(&house, process).await;
    assert_eq!(code, Some(0), "{said}");
    house.says("read anew: poll_seconds").await;
    house.says("count after a restart: admin.socket").await;
    assert!(!house.log().contains("reload-refused"), "what is wrong was not sent at all");
}
