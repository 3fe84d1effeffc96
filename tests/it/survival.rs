//! What happens to machines: no network at the start, a disk that gives back something else, a stop
//! in the middle of it. Each is survived with a clear word, and nothing is lost.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixDatagram;

use tokio::net::{TcpListener, TcpStream};

use crate::house::{ALICE, BOB, House, PATIENCE, free_port, talkative, within};

/// From now on somebody does: whoever comes is led to the other port.
pub async fn lead(from: u16, to: u16) {
    let listener = TcpListener::bind(("127.0.0.1", from)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
}

pub fn port_of(url: &str) -> u16 {
    let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    authority.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn without_network_at_the_start_it_waits_says_so_and_is_ready_when_it_comes() {
    let mut house = House::active(talkative()).await;
    house.meet(ALICE, "before", 2);
    house.live(ALICE, 1).await;
    house.stop().await;
    house.meet(ALICE, "meanwhile", 3);
    let there = [port_of(&house.stage.exchange.url()), port_of(&house.stage.cloud.url())];
    let gates = [free_port(), free_port()];
    let file = house.stage.config();
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (there, gate) in there.iter().zip(gates) {
        text = text.replace(&format!(":{there}"), &format!(":{gate}"));
    }
    std::fs::write(&file, text).unwrap();
    let socket = house.stage.folder().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = move |what: &'static str| {
        let manager = manager.try_clone().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut bytes = [0; 4_096];
            loop {
                let length = manager.recv(&mut bytes).unwrap_or_else(|_| panic!("no {what}"));
                let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if told.contains(what) {
                    return;
                }
                assert!(what == "READY=1" || !told.contains("READY=1"), "not yet: {told}");
            }
        })
    };
    let begin = house.log().len();
    house.again_with("NOTIFY_SOCKET", &socket);
    heard("STATUS=starting: 2 mailboxes").await.unwrap();
    // Otherwise systemd would begin it anew, again and again.
    heard("EXTEND_TIMEOUT_USEC=").await.unwrap();
    house
        .until("both are named", |house| {
            let log = &house.log()[begin..];
            log.contains("channel-closed") && log.contains("exchange-waits")
        })
        .await;
    assert!(!house.log()[begin..].contains("ready: "), "not yet");
    for (there, gate) in there.into_iter().zip(gates) {
        lead(gate, there).await;
    }
    heard("READY=1").await.unwrap();
    house.exact(&[ALICE, BOB]).await;
}

/// Overwrites the first page of a table.
fn damage(store: &std::path::Path, table: &str) {
    let db = rusqlite::Connection::open(store).unwrap();
    // So that the page is in the file, and not in the log beside it.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let ask = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = db.query_row(ask, [table], |row| row.get(0)).unwrap();
    drop(db);
    let mut file = std::fs::OpenOptions::new().write(true).open(store).unwrap();
    file.seek(SeekFrom::Start((page as u64 - 1) * 4_096)).unwrap();
    file.write_all(&[0xab; 4_096]).unwrap();
}

#[tokio::test]
async fn promise_1_a_damaged_store_is_set_aside_and_everything_is_there_again() {
    for table in ["outbox", "mailbox"] {
        let mut house = House::active(talkative()).await;
        for at in 0..30 {
            house.meet(ALICE, &format!("meeting {at}"), at);
        }
        house.live(ALICE, 30).await;
        house.stop().await;
        house.meet(ALICE, "meanwhile", 40);
        let store = house.stage.folder().join("calway.db");
        damage(&store, table);
        house.again();
        let status = within(house.connector.wait()).await.unwrap();
        assert_eq!(status.code(), Some(1), "{table}: {}", house.log());
        assert!(house.log().contains("store-damaged"), "{table}: {}", house.log());
        house.again();
        house.until("it is begun anew", |house| house.log().contains("store-rebuilt")).await;
        house.meet(BOB, "after", 5);
        house.exact(&[ALICE, BOB]).await;
        let files = std::fs::read_dir(house.stage.folder()).unwrap();
        let names = files.map(|one| one.unwrap().file_name().into_string().unwrap());
        let names: Vec<_> = names.filter(|name| name.contains(".damaged-")).collect();
        assert!(names.iter().any(|name| !name.ends_with("-wal")), "{table}: {names:?}");
        assert_eq!(house.stage.cloud.stats().duplicated_visible, 0);
    }
}

#[tokio::test]
async fn promise_1_a_store_begun_anew_after_a_clock_that_was_ahead_is_not_behind_the_clouds() {
    let mut house = House::active(talkative()).await;
    house.meet(ALICE, "before", 2);
    house.live(ALICE, 1).await;
    house.stop().await;
    let store = house.stage.folder().join("calway.db");
    let db = rusqlite::Connection::open(&store).unwrap();
    // As if the mailboxes had been activated while the clock was two days ahead.
    let ahead = "UPDATE mailbox SET sequence = sequence + 172800000000";
    assert_eq!(db.execute(ahead, []).unwrap(), 2);
    drop(db);
    house.again();
    house.meet(ALICE, "ahead", 3);
    house.exact(&[ALICE, BOB]).await;
    house.stop().await;
    damage(&store, "outbox");
    house.again();
    within(house.connector.wait()).await.unwrap();
    house.again();
    house.until("it is begun anew", |house| house.log().contains("store-rebuilt")).await;
    house.meet(ALICE, "after", 4);
    house.meet(BOB, "after", 5);
    house.exact(&[ALICE, BOB]).await;
}

#[tokio::test]
async fn a_stop_gives_back_every_subscription_and_keeps_what_was_not_sent() {
    let mut house = House::active(talkative()).await;
    for at in 0..40 {
        house.meet(ALICE, &format!("meeting {at}"), at);
    }
    house.stop().await;
    for who in [ALICE, BOB] {
        assert_eq!(house.calendars().subscriptions(who.1), 0, "{}", who.1);
    }
    // The lab notices a closed socket when its task has its turn.
    house.until("no stream is open", |house| house.stage.exchange.open_streams() == 0).await;
    assert!(house.log().contains("stopping: subscriptions are given back"));
    house.again();
    house.exact(&[ALICE, BOB]).await;
}

#[tokio::test]
async fn a_start_with_another_installations_key_changes_nothing_in_the_store() {
    let mut house = House::active(talkative()).await;
    house.meet(ALICE, "before", 2);
    house.live(ALICE, 1).await;
    house.stop().await;
    let store = house.stage.folder().join("calway.db");
    let windows = || -> Vec<(i64, Option<i64>, Option<i64>)> {
        let db = rusqlite::Connection::open(&store).unwrap();
        let ask = "SELECT generation, window_from, window_to FROM mailbox ORDER BY id";
        let mut query = db.prepare(ask).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    let before = windows();
    assert!(before.iter().any(|(_, from, _)| from.is_some()), "{before:?}");
    let key = house.stage.credentials().join("store.key");
    let own = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "A".repeat(43)).unwrap();
    house.again();
    let status = within(house.connector.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{}", house.log());
    assert!(house.log().contains("give back the store.key"), "{}", house.log());
    assert_eq!(windows(), before, "nobody's calendar is listed anew for it");
    std::fs::write(&key, own).unwrap();
    house.again();
    house.meet(ALICE, "after", 3);
    house.exact(&[ALICE, BOB]).await;
}

#[tokio::test]
async fn after_a_start_whose_calendar_changed_last_is_read_first() {
    let mut house = House::start(talkative()).await;
    house.reconfigure(|text| text.replace("kind = \"ews\"", "kind = \"ews\"\nconnections = 1"));
    let people: Vec<_> = (0..12).map(|at| format!("p{at:02}")).collect();
    for one in &people {
        let address = format!("{one}@corp.example");
        let kind = calway_lab::exchange::MailboxKind::User;
        house.calendars().add_mailbox(&address, one, kind);
        house.activate(one, &address).await;
    }
    house
        .until("all are read", |house| {
            house.log().matches("was read and is relayed").count() >= people.len()
        })
        .await;
    let last = ("p09", "p09@corp.example", "p09");
    house.meet(last, "just now", 2);
    house.live(last, 1).await;
    house.stop().await;
    house.stage.exchange.log().clear();
    house.again();
    let read = |house: &House| house.stage.exchange.log().of("SyncFolderItems");
    house.until("somebody is read", |house| !read(house).is_empty()).await;
    assert_eq!(read(&house)[0].mailbox.as_deref(), Some(last.1));
}
