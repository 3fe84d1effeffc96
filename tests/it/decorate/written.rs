//! What is written into an invitation, and who hears of it.

use calway_lab::cloud::NewMeeting;
use calway_lab::exchange::{Draft, Sensitivity};

use super::*;

/// As Outlook writes it: a head, a table, a signature with a picture, and lines that end in CR LF.
const PAGE: &str = "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\">\r\n<head>\r\n\
    <meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n\
    <style><!-- p.MsoNormal {margin:0cm;} --></style>\r\n</head>\r\n<body lang=\"DE\">\r\n\
    <!--[if mso]><p>Outlook only</p><![endif]-->\r\n\
    <p class=\"MsoNormal\">Eisvogel bringt die Zahlen mit &amp; mehr<o:p></o:p></p>\r\n\
    <table><tr><td>10:00<td>Begr&uuml;&szlig;ung</tr></table>\r\n\
    <div id=\"Signature\"><p>Mit freundlichen Grüßen<br>Alice Archer</p>\r\n\
    <p><img width=120 src=\"cid:image001.png@01DC5B.4711\" alt=\"Logo\"></p></div>\r\n\
    </body>\r\n</html>\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_lets_everybody_join_and_the_guests_hear_of_it_once() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("Zimmer Pirol @webex; 3. Stock"));
    let draft = scene.decorated(&id).await;
    assert_eq!(draft.location, format!("Zimmer Pirol {ROOM}; 3. Stock"));
    assert!(!draft.body_html, "a text stays a text");
    let put = inserted(AGENDA, &draft.body);
    for part in [ROOM, "useralice@meet.lab.example", "2551 204 7312", "p7Kq", "+49 30 5550 1234"] {
        assert!(put.contains(part), "{part}: {put}");
    }
    scene.told_and_wrote(&id, 1, 1).await;
    let copy = scene.copy(&id);
    assert_eq!((copy.location, copy.body), (draft.location, draft.body));
    let inbox = scene.house.calendars().inbox(BOB.1);
    let update = inbox.last().expect("a mail");
    assert_eq!(update.request_type, "InformationalUpdate", "nobody has to answer again");
    assert!(update.body.contains(ROOM) && update.location.contains(ROOM));
    // Both find the Join button in their lists.
    scene.house.exact(&[ALICE, BOB]).await;
    for who in [ALICE, BOB] {
        let seen = scene.house.stage.cloud.person(who.0).meetings().await.unwrap();
        let seen = seen.iter().find(|one| one.subject == TITLE).expect("it is in the list");
        assert_eq!(seen.join_url, ROOM, "{}", who.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_signature_and_picture_stays_as_it_was_around_the_details() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("@webex").html(PAGE));
    let draft = scene.decorated(&id).await;
    assert!(draft.body_html);
    let put = inserted(PAGE, &draft.body);
    assert!(put.contains(&format!("href=\"{ROOM}\"")), "{put}");
    let at = |part: &str| draft.body.find(part).unwrap_or_else(|| panic!("no {part}"));
    assert!(at("image001.png") < at(FIRST_LINE) && at(FIRST_LINE) < at("</body>"));
    assert_eq!(draft.location, ROOM);
    scene.told_and_wrote(&id, 1, 1).await;
    assert_eq!(scene.copy(&id).body, draft.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_bodies_its_own_way_is_written_to_once() {
    let mut options = talkative();
    options.exchange.rewrites_bodies = true;
    let scene = Scene::with(options).await;
    let id = scene.create(invitation("@webex").html("<p>Eisvogel\nbringt die Zahlen mit</p>"));
    let draft = scene.decorated(&id).await;
    assert!(draft.body.contains("<p>Eisvogel\r\nbringt die Zahlen mit</p>"), "{}", draft.body);
    scene.told_and_wrote(&id, 1, 1).await;
    scene.house.calendars().update(ALICE.1, &id, |draft| draft.location = PLACE.into());
    let bare = |scene: &Scene| !scene.own(&id).body.contains(FIRST_LINE);
    scene.house.until("it is taken out", |_| bare(&scene)).await;
    let body = scene.own(&id).body;
    assert!(body.contains("bringt die Zahlen mit</p>") && !body.contains(MEET), "{body}");
    scene.told_and_wrote(&id, 2, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_without_guests_gets_its_details_and_nobody_a_mail() {
    let scene = Scene::begin().await;
    let alone = Draft { attendees: Vec::new(), ..invitation("@webex") };
    let id = scene.create(alone);
    scene.decorated(&id).await;
    scene.quiet().await;
    assert_eq!(scene.writes(), 1);
    assert_eq!(scene.house.calendars().mails(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_details_are_in_the_language_of_the_invitation() {
    let scene = Scene::begin().await;
    for (culture, tag, words) in [
        ("de-CH", "de", "An der Besprechung teilnehmen"),
        ("en-GB", "en", "Join"),
        // There are no words in it; the configuration says nothing, so English it is.
        ("sw-KE", "", "Join"),
    ] {
        let count = scene.requests().await.len();
        let id = scene.create(invitation("@webex").in_language(culture));
        let draft = scene.decorated(&id).await;
        assert!(inserted(AGENDA, &draft.body).contains(words), "{culture}: {}", draft.body);
        let request = scene.request(count + 1).await;
        assert!(request.language.starts_with(tag), "{culture}: {:?}", request.language);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_learns_what_is_asked_for_and_its_user_alone_what_about() {
    let scene = Scene::begin().await;
    let id = scene.create(invitation("Zimmer Pirol @WebEx:Space"));
    scene.decorated(&id).await;
    let request = scene.request(1).await;
    assert_eq!((request.keyword.as_str(), request.mode.as_str()), ("webex", "space"));
    assert_eq!((request.start, request.minutes, request.recurring), (utc(in_hours(5)), 30, false));
    assert_eq!((request.subject.as_str(), request.guests), (TITLE, vec![BOB.1.to_owned()]));
    let record = scene.house.stage.cloud.view(|view| view.record(ALICE.0, &request.id).cloned());
    assert_eq!(record.expect("the organiser's record").json["seriesId"], request.series);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_private_meeting_the_cloud_learns_neither_title_nor_guests() {
    let scene = Scene::begin().await;
    let id = scene.create(Draft { sensitivity: Sensitivity::Private, ..invitation("@webex") });
    scene.decorated(&id).await;
    let request = scene.request(1).await;
    assert_eq!((request.subject.as_str(), request.guests.len()), ("", 0));
    let sealed = scene.house.stage.cloud.view(|view| {
        let report = view.reports_of(ALICE.0, "calendar.decorate.request")[0].json.clone();
        [report.get("encryptedSubject").cloned(), report.get("encryptedParticipants").cloned()]
    });
    assert_eq!(sealed, [None, None], "not even sealed");
    scene.told_and_wrote(&id, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_that_the_cloud_makes_with_a_keyword_gets_its_details_too() {
    let scene = Scene::begin().await;
    let plan = NewMeeting::at(TITLE, &utc(in_hours(3))).invite(BOB.1);
    let plan = NewMeeting { keyword: "webex".into(), location: PLACE.into(), ..plan };
    let cloud = &scene.house.stage.cloud;
    let command = cloud.create_meeting(ALICE.0, &plan).await;
    assert_eq!(within(cloud.result(&command)).await.outcome, "done");
    let all = scene.house.calendars().view(ALICE.1, in_hours(3), in_hours(4));
    let made = all.iter().find(|one| one.subject == TITLE).expect("it is made");
    let id = scene.house.calendars().find(ALICE.1, &made.uid).expect("it is made");
    let draft = scene.decorated(&id).await;
    assert!(draft.location.contains(PLACE) && draft.location.contains(ROOM), "{}", draft.location);
    scene.told_and_wrote(&id, 2, 1).await;
}
