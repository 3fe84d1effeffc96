//! Invitations that people change after they were decorated.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_keyword_takes_the_place_of_the_details_that_are_there() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("Zimmer Pirol @webex"));
    scene.decorated(&id).await;
    scene.told_and_wrote(&id, 1, 1).await;
    let write = |draft: &mut Draft| draft.location = "Zimmer Pirol @meet".into();
    scene.house.calendars().update(ALICE.1, &id, write);
    let again = |scene: &Scene| scene.own(&id).location.contains("/space/");
    scene.house.until("it is replaced", |_| again(&scene)).await;
    let draft = scene.own(&id);
    let put = inserted(AGENDA, &draft.body);
    assert!(put.contains("/space/") && !put.contains(ROOM), "{put}");
    assert_eq!(put.matches(FIRST_LINE).count(), 1, "{put}");
    scene.told_and_wrote(&id, 2, 2).await;
    let requests = scene.requests().await;
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_ne!(requests[0].request_id, requests[1].request_id);
    assert_eq!(scene.copy(&id).body, draft.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_deletes_the_address_has_the_invitation_as_it_was() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("Zimmer Pirol @webex"));
    scene.decorated(&id).await;
    scene.quiet().await;
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = PLACE.into());
    scene.house.until("it is taken out", |_| scene.own(&id).body == AGENDA).await;
    let draft = scene.own(&id);
    assert_eq!((draft.location.as_str(), draft.extended.len()), (PLACE, 0), "the mark is gone too");
    scene.told_and_wrote(&id, 2, 2).await;
    assert_eq!(scene.requests().await.len(), 1, "nobody is asked for that");
    assert_eq!(scene.copy(&id).body, AGENDA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decorated_meeting_that_moves_or_is_edited_is_not_written_to_again() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("@webex"));
    let draft = scene.decorated(&id).await;
    scene.quiet().await;
    scene.house.calendars().update(ALICE.1, &id, |draft| {
        draft.start_ms += 3_600_000;
        draft.end_ms += 3_600_000;
        draft.subject.push_str(", verschoben");
        draft.body.insert_str(0, "Nachtigall kommt auch.\r\n");
    });
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.requests().await.len(), 1);
    let now = scene.own(&id);
    assert_eq!(now.body, format!("Nachtigall kommt auch.\r\n{}", draft.body));
    assert_eq!(now.location, ROOM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_resend_what_is_decorated_is_not_written_again() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("@webex"));
    scene.decorated(&id).await;
    let other = scene.create(Draft { subject: "Anderes".into(), ..invitation("@webex") });
    scene.decorated(&other).await;
    scene.quiet().await;
    let resend = scene.house.stage.cloud.resend(ALICE.0);
    assert_eq!(scene.house.outcome(&resend).await, "done");
    scene.told_and_wrote(&id, 1, 2).await;
    assert_eq!(scene.mails(&other), 1);
    assert_eq!(scene.requests().await.len(), 2, "nothing in them asks for anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_resend_what_had_no_answer_is_asked_for_again_under_its_id() {
    let scene = Scene::unanswered().await;
    let cloud = &scene.house.stage.cloud;
    let id = scene.create(invitation("@webex"));
    let lost = scene.request(1).await;
    scene.quiet().await;
    let resend = cloud.resend(ALICE.0);
    assert_eq!(scene.house.outcome(&resend).await, "done");
    let again = scene.request(2).await;
    assert_eq!((&lost.request_id, &lost.id), (&again.request_id, &again.id));
    // Both are answered, with the same.
    for request in [lost, again] {
        let command = cloud.decorate(&request, Ok(&request.details())).await;
        assert_eq!(within(cloud.result(&command)).await.outcome, "done");
    }
    assert!(is_decorated(&scene.own(&id)));
    scene.told_and_wrote(&id, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_decorated_invitation_gets_details_of_its_own() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("@meet"));
    let first = scene.decorated(&id).await;
    scene.quiet().await;
    // As a calendar's program copies it: the body, the place and our mark come along.
    let later = Draft { start_ms: in_hours(50), end_ms: in_hours(51), ..first.clone() };
    let copy = scene.create(later);
    scene.told_and_wrote(&copy, 0, 1).await;
    assert_eq!(scene.own(&copy).body, first.body, "nothing asks for anything in it");
    scene.house.calendars().update(ALICE.1, &copy, |draft| draft.location = "@meet".into());
    let second = scene.decorated(&copy).await;
    assert_ne!(first.location, second.location, "a space of its own");
    let put = inserted(AGENDA, &second.body);
    assert!(put.contains(&second.location) && !put.contains(&first.location), "{put}");
    scene.told_and_wrote(&copy, 1, 2).await;
    assert_eq!(scene.own(&id).body, first.body, "the first one keeps its own");
}
