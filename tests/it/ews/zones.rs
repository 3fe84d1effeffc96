//! Time zones of mailboxes that show others nothing: they are asked in their own names, a few at a
//! time, and not on and on where the server does not answer.

use calway::calendar::Calendar;
use calway::model::{Doubt, Target};
use calway_lab::exchange::{Fault as Wrong, Match};

use super::Stage;

/// So many mailboxes whose zones nobody but they themselves may see.
async fn shy(count: usize) -> (Stage, Vec<Target>) {
    let stage = Stage::new().await;
    let targets = stage.mailboxes(count);
    for target in &targets {
        let zone = "W. Europe Standard Time";
        stage.exchange.calendars().set_zone(target.address.reveal(), zone);
    }
    let denied = Wrong::ResponseCode("ErrorNoFreeBusyAccess".into());
    stage.exchange.faults().next(Match::operation("GetUserAvailability"), denied);
    (stage, targets)
}

/// In whose names zones were asked for, after the first call for all.
fn alone(stage: &Stage) -> Vec<String> {
    let asked = stage.exchange.log().of("GetUserAvailability");
    asked.into_iter().skip(1).filter_map(|entry| entry.mailbox).collect()
}

#[tokio::test]
async fn whoever_shows_others_nothing_is_asked_in_its_own_name() {
    let (stage, targets) = shy(3).await;
    let homes = stage.ews.homes(&targets, Doubt::None).await;
    assert!(homes.iter().all(|home| home.as_ref().is_ok_and(|home| home.zone.is_some())));
    let own: Vec<_> = targets.iter().map(|one| one.address.reveal().to_owned()).collect();
    assert_eq!(alone(&stage), own);
}

#[tokio::test]
async fn not_all_of_them_are_asked_one_by_one_with_one_call() {
    let (stage, targets) = shy(30).await;
    stage.ews.homes(&targets, Doubt::None).await;
    let asked = alone(&stage).len();
    assert!((1..=20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_asked_for_the_others() {
    let (stage, targets) = shy(5).await;
    let second =
        Match { operation: Some("GetUserAvailability"), mailbox: Some("m001@corp.example") };
    stage.exchange.faults().next(second, Wrong::Http { status: 500, retry_after: None });
    let homes = stage.ews.homes(&targets, Doubt::None).await;
    let zones: Vec<_> = homes.iter().map(|home| home.as_ref().unwrap().zone.is_some()).collect();
    assert_eq!(zones, [true, false, false, false, false]);
    assert_eq!(alone(&stage).len(), 2);
}
