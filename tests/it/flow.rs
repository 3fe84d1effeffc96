//! The main job, with the real program: an edit in Exchange reaches the cloud, sealed.

use std::time::{Duration, Instant, SystemTime};

use calway_lab::exchange::{Attendee, Draft, MailboxKind};
use calway_lab::stage::{Options, Stage};

const PROGRAM: &str = env!("CARGO_BIN_EXE_calway");

fn in_an_hour() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis() as i64 / 60_000 * 60_000 + 3_600_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_reaches_the_cloud_sealed_and_its_user_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    let calendars = stage.exchange.calendars();
    calendars.add_mailbox("alice@corp.example", "Alice Archer", MailboxKind::User);
    let _connector = stage.connector(PROGRAM).spawn().unwrap();
    let command = stage.cloud.activate("user-alice", "alice@corp.example").await;
    println!("{:?}", stage.cloud.outcome(&command).await);
    let begun = Instant::now();
    calendars.create("alice@corp.example", Draft::meeting("Merger", in_an_hour(), 30));
    stage.cloud.wait(|view| view.records("user-alice").len() == 1).await;
    println!("{:?}", begun.elapsed());
    let person = stage.cloud.person("user-alice");
    println!("{:?}", person.meetings().await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    calendars.create("alice@corp.example", Draft::meeting("Merger 2", in_an_hour(), 30));
    stage.cloud.wait(|view| view.records("user-alice").len() == 2).await;
    println!("{:?}", begun.elapsed());
    let _ = Attendee::default();
}
