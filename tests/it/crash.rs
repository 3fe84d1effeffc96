//! Promises 1 and 3: killed at 200 random moments under a stream of edits, the connector loses
//! nothing and shows nothing twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calway_lab::exchange::MailboxKind;
use calway_lab::stage::{Options, Stage};

use crate::edits::{Dice, Editors, window};

const PROGRAM: &str = env!("CARGO_BIN_EXE_calway");

const USERS: [(&str, &str, &str); 4] = [
    ("user-ada", "ada@corp.example", "Ada Able"),
    ("user-ben", "ben@corp.example", "Ben Baker"),
    ("user-cyd", "cyd@corp.example", "Cyd Cook"),
    ("user-dan", "dan@corp.example", "Dan Dyer"),
];

fn kills() -> u64 {
    std::env::var("CALWAY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_and_3_hold_over_200_kills() {
    let seed = std::env::var("CALWAY_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), Options::default()).await.unwrap();
    let people: Vec<_> = USERS.iter().map(|(_, address, name)| (*address, *name)).collect();
    for (_, address, name) in USERS {
        stage.exchange.calendars().add_mailbox(address, name, MailboxKind::User);
    }
    let mut editors = Editors::new(seed, &people, &["Budget", "Standup", "Interview"]);
    let mut dice = Dice(seed ^ 0xdead);
    let mut commands = Vec::new();
    for (user, address, _) in USERS.iter().take(3) {
        commands.push(stage.cloud.activate(user, address).await);
    }
    for kill in 0..kills() {
        let part = |tenths: u64| kill == kills() * tenths / 10;
        if part(3) {
            commands.push(stage.cloud.activate(USERS[3].0, USERS[3].1).await);
        } else if part(5) {
            commands.push(stage.cloud.deactivate(USERS[2].0));
        } else if part(6) {
            commands.push(stage.cloud.activate(USERS[2].0, USERS[2].1).await);
        } else if part(8) {
            commands.push(stage.cloud.resend("*"));
        }
        let mut connector = stage.connector(PROGRAM).stderr(log(&stage)).spawn().unwrap();
        let until = Instant::now() + Duration::from_millis(15 + dice.below(240));
        while Instant::now() < until {
            editors.edit(stage.exchange.calendars());
            // The random moment itself: between edits the connector gets time to be in the middle.
            tokio::time::sleep(Duration::from_millis(dice.below(12))).await;
        }
        connector.kill().await.unwrap();
    }
    let _connector = stage.connector(PROGRAM).stderr(log(&stage)).spawn().unwrap();
    for command in &commands {
        let outcome = within(stage.cloud.outcome(command)).await;
        assert_eq!(outcome.outcome, "done", "{outcome:?}");
    }
    settle(&stage).await;
    let stats = stage.cloud.stats();
    assert_eq!(stats.duplicated_visible, 0, "seed {seed}: {stats:?}");
    assert_eq!(stats.rejected, 0, "seed {seed}: {stats:?}");
    let rising = stage.cloud.view(|view| {
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        view.arrivals().iter().all(|arrival| {
            let key = (arrival.subject.clone(), arrival.record.clone());
            last.insert(key, arrival.sequence).is_none_or(|before| before < arrival.sequence)
        })
    });
    assert!(rising, "seed {seed}: a version of a record took effect twice");
    println!("{} kills, {} events stored, {stats:?}", kills(), stats.stored);
}

fn log(stage: &Stage) -> std::fs::File {
    let path = stage.folder().join("connector.log");
    std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute")
}

/// Waits until the cloud holds exactly the calendar; tells the difference if it never does.
async fn settle(stage: &Stage) {
    let users: Vec<_> = USERS.iter().map(|(user, address, _)| (*user, *address)).collect();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (from, to) = window();
        let stored = stage.cloud.stats().stored;
        let tally = stage.tally(&users, from, to).await.unwrap();
        if tally.is_exact() {
            assert!(tally.expected > 20, "there was something to lose: {}", tally.expected);
            return;
        }
        assert!(Instant::now() < until, "lost {:#?}\nextra {:#?}", tally.lost, tally.extra);
        let more = stage.cloud.wait(|view| view.stored() > stored);
        let _ = tokio::time::timeout(Duration::from_secs(1), more).await;
    }
}
