//! Promise 2 for decoration: what is asked about, and what is written, is readable in the calendar
//! and in its user's app alone.

use calway_lab::canary::Canaries;
use calway_lab::exchange::{Fault, Match};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_2_neither_the_invitation_nor_its_join_details_are_readable_on_the_way() {
    let scene = Scene::with(Options { log: Some("trace".into()), ..Options::default() }).await;
    let house = &scene.house;
    // Faults make error texts; these must not quote what they are about.
    let faults = house.stage.exchange.faults();
    faults.next(Match::operation("UpdateItem"), Fault::RivalEdit);
    let id = scene.create(invitation("Zimmer Pirol @webex"));
    scene.decorated(&id).await;
    scene.create(Draft { start_ms: in_hours(-3), end_ms: in_hours(-2), ..invitation("@webex") });
    let other = scene.create(invitation("Zimmer Pirol @meet:onetime"));
    scene.decorated(&other).await;
    house.calendars().update(ALICE.1, &other, |draft| draft.location = PLACE.into());
    house.until("it is taken out", |_| scene.own(&other).body == AGENDA).await;
    scene.quiet().await;

    let mut canaries = Canaries::new([TITLE, PLACE, "Eisvogel", "Kolibri", "Durchwahl 4711"]);
    for text in [ALICE.1, BOB.1, ALICE.2, "meet.lab.example", "2551 204 7312", "5550 1234"] {
        canaries.plant(text);
    }
    let received = house.stage.cloud.received();
    assert!(received.complete);
    for piece in &received.pieces {
        assert_eq!(canaries.search(piece, "what the cloud received"), []);
    }
    let credentials = house.stage.credentials();
    let searched = canaries.search_folder(house.stage.folder(), |path| path == credentials);
    let (files, found) = searched.unwrap();
    assert!(files >= 3, "{files} files");
    assert_eq!(found, []);
    // The search does find them where they may be.
    let invitation = scene.own(&id).body;
    assert!(!canaries.search(invitation.as_bytes(), "the calendar").is_empty());
}
