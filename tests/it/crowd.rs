//! Many mailboxes at once, with the real program.

use std::time::Duration;

use calway_lab::cloud::faults::{Fault, Place};
use calway_lab::exchange::MailboxKind;

use crate::house::{ALICE, BOB, House, talkative, within};

/// So many meetings has everybody of the crowd.
const EACH: i64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn promise_4_a_first_synchronisation_does_not_stand_before_a_live_edit_at_a_slow_cloud() {
    let house = House::active(talkative()).await;
    house.meet(ALICE, "Weekly", 2);
    house.live(ALICE, 1).await;
    let slow = house.stage.cloud.faults().always(Place::Events, Fault::Delay(SLOW));
    let mut crowd = Vec::new();
    for n in 0..60 {
        let who = (format!("user-{n}"), format!("u{n}@corp.example"));
        house.calendars().add_mailbox(&who.1, "Somebody", MailboxKind::User);
        for hour in 0..EACH {
            house.meet((&who.0, &who.1, ""), "One of many", 1 + hour);
        }
        crowd.push(who);
    }
    let cloud = house.stage.cloud.clone();
    let before = cloud.view(|view| view.stored());
    let all = before + (crowd.len() as u64) * (EACH as u64 + 1);
    cloud.activate_many(&crowd).await;
    within(cloud.wait(|view| view.stored() >= before + 1_000)).await;
    let edited = cloud.view(|view| view.stored());
    house.meet(ALICE, "Now", 3);
    house.live(ALICE, 2).await;
    let came = cloud.view(|view| view.stored());
    // A long outbox, the passes that were under way, and what is on its way to the cloud.
    assert!(came < edited + 3_000, "{} records stood before it", came - edited);
    assert!(came + 1_000 < all, "the crowd was through: this has shown nothing");
    slow.end();
    within(cloud.wait(|view| view.stored() >= all)).await;
    house.exact(&[ALICE, BOB]).await;
}

/// How long the cloud thinks about 500 events.
const SLOW: Duration = Duration::from_secs(1);
