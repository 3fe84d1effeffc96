//! Series, and occurrences that were changed by themselves.

use calway_lab::exchange::service::{End, Pattern, Shown};

use super::*;
use crate::edits::DAY_MS;

/// Every day at the same time, four times, from tomorrow on.
fn daily(place: &str) -> Draft {
    let first = Draft { start_ms: in_hours(24), end_ms: in_hours(25), ..invitation(place) };
    first.repeat(Pattern::Daily { interval: 1 }, End::After(4))
}

fn occurrences(scene: &Scene, who: (&str, &str, &str)) -> Vec<Shown> {
    let mut all = scene.house.calendars().view(who.1, in_hours(20), in_hours(24 * 7));
    all.retain(|one| one.subject == TITLE);
    all
}

/// What each occurrence says: how far its start is from the first one's, its place, and whether
/// the details stand in its body.
fn told(scene: &Scene, who: (&str, &str, &str)) -> Vec<(i64, String, bool)> {
    let all = occurrences(scene, who);
    let from = |one: &Shown| (one.start_ms - in_hours(24)) / 3_600_000;
    all.iter().map(|one| (from(one), one.location.clone(), one.body.contains(MEET))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_is_decorated_as_a_whole_and_its_guests_hear_of_it_once() {
    let scene = Scene::begin().await;
    let id = scene.create(daily("@webex"));
    let draft = scene.decorated(&id).await;
    inserted(AGENDA, &draft.body);
    assert!(draft.recurrence.is_some(), "it is a series still");
    scene.told_and_wrote(&id, 1, 1).await;
    let requests = scene.requests().await;
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].recurring);
    let all: Vec<_> = (0..4).map(|day| (day * 24, ROOM.to_owned(), true)).collect();
    assert_eq!(told(&scene, ALICE), all);
    assert_eq!(told(&scene, BOB), all);
    scene.house.exact(&[ALICE, BOB]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_occurrence_that_was_changed_keeps_its_own_time_and_place() {
    let scene = Scene::begin().await;
    let id = scene.create(daily(PLACE));
    scene.house.live(BOB, 4).await;
    let calendars = scene.house.calendars();
    let first = in_hours(24);
    calendars.modify_occurrence(ALICE.1, &id, first + DAY_MS, |draft| {
        draft.start_ms += 3_600_000;
        draft.end_ms += 3_600_000;
    });
    calendars.modify_occurrence(ALICE.1, &id, first + 2 * DAY_MS, |draft| {
        draft.location = "Werkstatt".into();
    });
    calendars.update(ALICE.1, &id, |draft| draft.location = "Zimmer Pirol @webex".into());
    scene.decorated(&id).await;
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.requests().await.len(), 1);
    let place = format!("Zimmer Pirol {ROOM}");
    let all = [
        (0, place.clone(), true),
        (25, place.clone(), true),
        (48, "Werkstatt".to_owned(), true),
        (72, place, true),
    ];
    assert_eq!(told(&scene, ALICE), all);
    assert_eq!(told(&scene, BOB), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_in_one_occurrence_is_for_that_one_alone() {
    let scene = Scene::begin().await;
    let id = scene.create(daily(PLACE));
    scene.house.live(BOB, 4).await;
    let second = in_hours(24) + DAY_MS;
    let write = |draft: &mut Draft| draft.location = "Zimmer Pirol @webex".into();
    scene.house.calendars().modify_occurrence(ALICE.1, &id, second, write);
    let decorated = |scene: &Scene| told(scene, ALICE).iter().any(|one| one.2);
    scene.house.until("it is decorated", |_| decorated(&scene)).await;
    scene.told_and_wrote(&id, 1, 1).await;
    let plain = |at| (at, PLACE.to_owned(), false);
    let all = [plain(0), (24, format!("Zimmer Pirol {ROOM}"), true), plain(48), plain(72)];
    assert_eq!(told(&scene, ALICE), all);
    assert_eq!(told(&scene, BOB), all);
    let mails = scene.house.calendars().mails();
    assert_eq!(mails[0].original_start_ms, Some(second), "the mail is about that occurrence");
    assert_eq!(scene.request(1).await.start, utc(second));
    assert_eq!(scene.own(&id).body, AGENDA, "the series is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_occurrence_of_a_decorated_series_may_have_details_of_its_own() {
    let scene = Scene::begin().await;
    let id = scene.create(daily("@webex"));
    scene.decorated(&id).await;
    scene.told_and_wrote(&id, 1, 1).await;
    let third = in_hours(24) + 2 * DAY_MS;
    let write = |draft: &mut Draft| draft.location = "@meet".into();
    scene.house.calendars().modify_occurrence(ALICE.1, &id, third, write);
    let own = |scene: &Scene| occurrences(scene, ALICE)[2].clone();
    scene.house.until("it has its own", |_| own(&scene).location.contains("/space/")).await;
    scene.told_and_wrote(&id, 2, 2).await;
    let one = own(&scene);
    assert_eq!(one.body.matches(FIRST_LINE).count(), 1, "{}", one.body);
    assert!(one.body.contains("/space/") && !one.body.contains(ROOM), "{}", one.body);
    for day in [0, 1, 3] {
        let other = occurrences(&scene, ALICE)[day].clone();
        assert_eq!(other.location, ROOM, "{day}");
        assert!(other.body.contains(ROOM) && !other.body.contains("/space/"), "{day}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn details_taken_out_of_a_series_leave_every_occurrence_as_it_was() {
    let scene = Scene::begin().await;
    let id = scene.create(daily("Zimmer Pirol @webex"));
    scene.decorated(&id).await;
    scene.quiet().await;
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = PLACE.into());
    scene.house.until("it is taken out", |_| scene.own(&id).body == AGENDA).await;
    scene.told_and_wrote(&id, 2, 2).await;
    let all: Vec<_> = (0..4).map(|day| (day * 24, PLACE.to_owned(), false)).collect();
    assert_eq!(told(&scene, ALICE), all);
    assert_eq!(told(&scene, BOB), all);
    assert_eq!(scene.own(&id).extended, [], "and our mark is gone");
}
