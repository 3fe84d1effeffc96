//! Conflicts, lost answers and kills: whatever happens, it is written once and told once.

use std::time::{Duration, Instant};

use calway_lab::exchange::{Fault, Match};

use super::*;
use crate::edits::Dice;

/// A write in doubt may be looked for after 65 seconds only.
const LONG: Duration = Duration::from_secs(150);

async fn long<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, wait).await.expect("within two and a half minutes")
}

/// The last `meeting.decorate` ended well.
async fn done(scene: &Scene) {
    let cloud = &scene.house.stage.cloud;
    let last = |view: &calway_lab::cloud::View<'_>| {
        let all = view.commands().iter().rev();
        all.clone().find(|one| one.kind == "meeting.decorate").map(|one| one.id.clone())
    };
    within(cloud.wait(|view| last(view).is_some())).await;
    let command = cloud.view(last).expect("a command");
    let result = long(cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, scene.house.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_writes_in_the_same_moment_stays() {
    let scene = Scene::begin().await;
    let faults = scene.house.stage.exchange.faults();
    faults.times(2, Match::operation("UpdateItem"), Fault::RivalEdit);
    let id = scene.create(invitation("@webex"));
    let draft = scene.decorated(&id).await;
    let theirs = format!("{AGENDA}\r\nRival words\r\nRival words");
    assert!(inserted(&theirs, &draft.body).contains(ROOM));
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 3).await;
    assert_eq!(scene.copy(&id).body, draft.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_does_not_write_or_mail_twice() {
    let scene = Scene::begin().await;
    let faults = scene.house.stage.exchange.faults();
    faults.next(Match::operation("UpdateItem"), Fault::LoseAnswer);
    let id = scene.create(invitation("@webex"));
    let draft = scene.decorated(&id).await;
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.own(&id), draft);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_asked_again() {
    let scene = Scene::begin().await;
    let faults = scene.house.stage.exchange.faults();
    let busy = Fault::ServerBusy { back_off_ms: Some(200), inner: false };
    faults.times(2, Match::operation("UpdateItem"), busy);
    let id = scene.create(invitation("@webex"));
    scene.decorated(&id).await;
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_it_asked_it_writes_what_comes_then_once() {
    let mut scene = Scene::unanswered().await;
    let id = scene.create(invitation("@webex"));
    let request = scene.request(1).await;
    scene.house.kill().await;
    let cloud = scene.house.stage.cloud.clone();
    cloud.decorate(&request, Ok(&request.details())).await;
    scene.house.again();
    scene.decorated(&id).await;
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.requests().await.len(), 1, "what was asked is not asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_reads_the_invitation_it_is_written_once() {
    let mut scene = Scene::unanswered().await;
    let id = scene.create(invitation("@webex"));
    let request = scene.request(1).await;
    scene.quiet().await;
    let faults = scene.house.stage.exchange.faults().clone();
    let played = faults.played();
    faults.next(Match::operation("GetItem"), Fault::HoldAnswer);
    let cloud = scene.house.stage.cloud.clone();
    cloud.decorate(&request, Ok(&request.details())).await;
    scene.house.until("it is read", |_| faults.played() > played).await;
    scene.house.kill().await;
    faults.release();
    scene.house.again();
    scene.decorated(&id).await;
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_exchanges_answer_and_the_commit_it_is_written_once() {
    let mut scene = Scene::begin().await;
    let faults = scene.house.stage.exchange.faults().clone();
    faults.next(Match::operation("UpdateItem"), Fault::HoldAnswer);
    let id = scene.create(invitation("@webex"));
    let draft = scene.decorated(&id).await;
    scene.house.kill().await;
    faults.release();
    scene.house.again();
    done(&scene).await;
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.own(&id), draft);
    assert_eq!(scene.requests().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_takes_details_out_it_tells_the_guests_once() {
    let mut scene = Scene::begin().await;
    let id = scene.create(invitation("Zimmer Pirol @webex"));
    scene.decorated(&id).await;
    scene.told_and_wrote(&id, 1, 1).await;
    let faults = scene.house.stage.exchange.faults().clone();
    faults.next(Match::operation("UpdateItem"), Fault::HoldAnswer);
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = PLACE.into());
    scene.house.until("it is taken out", |_| scene.own(&id).body == AGENDA).await;
    scene.house.kill().await;
    faults.release();
    scene.house.again();
    scene.told_and_wrote(&id, 2, 2).await;
    assert_eq!(scene.own(&id).body, AGENDA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_3_killed_at_any_moment_every_invitation_is_decorated_and_told_once() {
    let mut scene = Scene::begin().await;
    let seed = std::env::var("CALWAY_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(7);
    let mut dice = Dice(seed);
    let mut all = Vec::new();
    for n in 0..12 {
        let begins = in_hours(4 + n);
        let draft = Draft { start_ms: begins, end_ms: begins + 900_000, ..invitation("@webex") };
        all.push(scene.create(Draft { subject: format!("{TITLE} {n}"), ..draft }));
        // The random moment itself.
        tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
        scene.house.kill().await;
        scene.house.again();
    }
    let until = Instant::now() + LONG;
    let left = |scene: &Scene| all.iter().filter(|id| !is_decorated(&scene.own(id))).count();
    while left(&scene) > 0 {
        let log = scene.house.log();
        assert!(Instant::now() < until, "seed {seed}: {} are left\n{log}", left(&scene));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.quiet().await;
    for id in &all {
        assert!(inserted(AGENDA, &scene.own(id).body).contains(ROOM));
        assert_eq!(scene.mails(id), 1, "seed {seed}\n{}", scene.house.log());
    }
}
