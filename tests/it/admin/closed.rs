//! What is open ends when what it was about ends.

use calway_lab::exchange::MailboxKind;

use super::run;
use crate::house::{BOB, House, talkative};

/// Whether `calway status` names this condition.
fn is_open(house: &House, condition: &str) -> bool {
    let (_, status, _) = run(house, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.iter().any(|one| one["name"] == condition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_that_was_put_right_leaves_nothing_open() {
    let house = House::active(talkative()).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Strategy", 2);
    house.until("it is open", |house| is_open(house, "mailbox-failing")).await;
    house.calendars().add_mailbox("robert@corp.example", BOB.2, MailboxKind::User);
    house.activate(BOB.0, "robert@corp.example").await;
    house.until("it is over", |house| !is_open(house, "mailbox-failing")).await;
    let (code, status, _) = run(&house, &["status"]);
    assert!(code == 0 || !status.contains("mailbox-failing"), "{status}");
}
