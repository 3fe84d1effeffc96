//! What is not written into, and who hears why.

use super::*;

/// The lines of the journal that name why something is not decorated.
fn named(house: &House, reason: &str) -> usize {
    let log = house.log();
    log.lines().filter(|line| line.contains("decoration-refused") && line.contains(reason)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_decorated_is_named_once_and_left_alone() {
    let scene = Scene::begin().await;
    let crowd = (0..1_501).map(|n| Attendee::required(&format!("g{n}@elsewhere.example"), "G"));
    let zoom = format!("{AGENDA}Join: https://corp.zoom.us/j/98765432101?pwd=Zaunkoenig\r\n");
    let past = Draft { start_ms: in_hours(-3), end_ms: in_hours(-2), ..invitation("@webex") };
    let cases = [
        ("past", past),
        ("too-many-invitees", Draft { attendees: crowd.collect(), ..invitation("@webex") }),
        ("already-joinable", invitation("@webex").text(&zoom)),
    ];
    for (reason, draft) in cases {
        let id = scene.create(draft.clone());
        scene.house.until(reason, |house| named(house, reason) > 0).await;
        // Somebody touches it; that is no reason to say it again.
        scene.house.calendars().update(ALICE.1, &id, |draft| draft.reminder = Some(5));
        scene.quiet().await;
        let now = scene.own(&id);
        assert_eq!((&now.body, &now.location), (&draft.body, &draft.location), "{reason}");
        assert_eq!(named(&scene.house, reason), 1, "{reason}\n{}", scene.house.log());
    }
    assert_eq!(scene.writes(), 0);
    assert_eq!(scene.requests().await, []);
    assert_eq!(scene.house.calendars().mails(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guests_copy_is_never_written_into_and_nobody_is_bothered_with_that() {
    let house = House::start(talkative()).await;
    house.activate(BOB.0, BOB.1).await;
    let _standing = house.stage.cloud.decorate_all(|request| Ok(request.details()));
    let calendars = house.calendars();
    let id = calendars.create(ALICE.1, invitation("@webex"));
    let elsewhere = Some(("Ada Extern".to_owned(), "ada@elsewhere.example".to_owned()));
    calendars.create(BOB.1, Draft { organizer: elsewhere, ..invitation("@meet") });
    house.live(BOB, 2).await;
    // Whatever is begun by that is over when this is answered.
    let reply = Reply {
        id: "nothing-has-this-id".into(),
        start: utc(in_hours(90)),
        response: "ACCEPTED".into(),
        comment: String::new(),
        notify: None,
    };
    let command = house.stage.cloud.respond(BOB.0, &reply).await;
    within(house.stage.cloud.result(&command)).await;
    assert_eq!(house.stage.cloud.decorate_requests(BOB.0).await, []);
    assert_eq!(house.stage.exchange.log().count("UpdateItem"), 0);
    assert_eq!(named(&house, ""), 0, "{}", house.log());
    assert_eq!(calendars.read(ALICE.1, &id).unwrap().location, "@webex");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_without_details_is_named_and_the_invitation_stays() {
    let scene = Scene::unanswered().await;
    let cloud = scene.house.stage.cloud.clone();
    let id = scene.create(invitation("@webex"));
    let request = scene.request(1).await;
    cloud.decorate(&request, Err("The user has no licence.")).await;
    scene.house.until("it is named", |house| named(house, "") > 0).await;
    scene.told_and_wrote(&id, 0, 0).await;
    assert_eq!(scene.own(&id).body, AGENDA);
    assert_eq!(scene.requests().await.len(), 1, "it is not asked over and over");
    // Somebody who asks for something else is heard.
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = "@meet".into());
    let request = scene.request(2).await;
    cloud.decorate(&request, Ok(&request.details())).await;
    scene.decorated(&id).await;
    scene.told_and_wrote(&id, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn details_that_make_no_sense_are_refused_by_their_member() {
    let scene = Scene::unanswered().await;
    let cloud = &scene.house.stage.cloud;
    let id = scene.create(invitation("@webex"));
    let request = scene.request(1).await;
    for (member, details) in [
        ("url", serde_json::json!({"url": "javascript:alert(1)"})),
        ("url", serde_json::json!({"password": "p7Kq"})),
        ("phones", serde_json::json!({"url": ROOM, "phones": "none"})),
    ] {
        let command = cloud.decorate(&request, Ok(&details)).await;
        let outcome = within(cloud.outcome(&command)).await;
        let reason = match outcome.outcome.as_str() {
            "done" => within(cloud.result(&command)).await.reason,
            _ => outcome.reason,
        };
        assert!(reason.unwrap_or_default().contains(member), "{member}");
    }
    scene.told_and_wrote(&id, 0, 0).await;
    assert_eq!(scene.own(&id).body, AGENDA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_what_was_asked_before_is_not_written() {
    let scene = Scene::unanswered().await;
    let cloud = &scene.house.stage.cloud;
    let id = scene.create(invitation("@webex"));
    let first = scene.request(1).await;
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = "@meet".into());
    let second = scene.request(2).await;
    let late = cloud.decorate(&first, Ok(&first.details())).await;
    let result = within(cloud.result(&late)).await;
    assert_ne!(result.outcome, "done", "{}", scene.house.log());
    let command = cloud.decorate(&second, Ok(&second.details())).await;
    assert_eq!(within(cloud.result(&command)).await.outcome, "done");
    let draft = scene.decorated(&id).await;
    assert!(draft.body.contains("/space/") && !draft.body.contains(ROOM), "{}", draft.body);
    scene.told_and_wrote(&id, 1, 1).await;
    // Who takes the keyword back before there is an answer gets none.
    let other = scene.create(Draft { subject: "Anderes".into(), ..invitation("@webex") });
    let third = scene.request(3).await;
    scene.house.calendars().update(ALICE.1, &other, |draft| draft.location = PLACE.into());
    scene.quiet().await;
    let late = cloud.decorate(&third, Ok(&third.details())).await;
    assert_ne!(within(cloud.result(&late)).await.outcome, "done");
    scene.told_and_wrote(&other, 0, 1).await;
    assert_eq!(scene.own(&other).body, AGENDA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_is_not_written_into() {
    let scene = Scene::unanswered().await;
    let cloud = &scene.house.stage.cloud;
    let id = scene.create(invitation("@webex"));
    let request = scene.request(1).await;
    let leave = cloud.deactivate(ALICE.0);
    assert_eq!(scene.house.outcome(&leave).await, "done");
    let command = cloud.decorate(&request, Ok(&request.details())).await;
    let outcome = within(cloud.outcome(&command)).await;
    assert_eq!(outcome.outcome, "refused");
    assert!(outcome.reason.unwrap_or_default().contains("not active"));
    assert_eq!((scene.mails(&id), scene.writes()), (0, 0));
}
