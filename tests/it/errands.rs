//! Commands about meetings, with the real program: each takes effect once, also where it is killed
//! between Exchange's answer and its own commit, and nothing of them is readable on the way.

use calway_lab::canary::Canaries;
use calway_lab::cloud::{NewMeeting, Reply, When};
use calway_lab::exchange::{Attendee, Draft, Fault, Match, Response};
use serde_json::json;

use crate::edits::{in_hours, now_ms};
use crate::house::{ALICE, BOB, House, talkative, within};

const TITLE: &str = "Fusion Kolibri-Strandläufer";
const NOTES: &str = "Eisvogel bringt die Zahlen mit";
const COMMENT: &str = "Nachtigall kommt etwas später";

/// On a quarter of an hour, so many hours from now.
fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

fn meeting(start_ms: i64) -> NewMeeting {
    let plan = NewMeeting::at(TITLE, &utc(start_ms)).invite(BOB.1);
    NewMeeting { notes: NOTES.into(), location: "Zimmer Pirol".into(), ..plan }
}

/// What Exchange sent of this kind, to somebody.
fn mails(house: &House, kind: &str, to: &str) -> usize {
    let all = house.calendars().mails();
    let of = |mail: &&calway_lab::exchange::Mail| {
        mail.class.contains(kind) && mail.to.iter().any(|one| one == to)
    };
    all.iter().filter(of).count()
}

/// How many meetings of this title somebody has.
fn meetings(house: &House, address: &str, title: &str) -> usize {
    let (from, to) = (now_ms() - 3_600_000, now_ms() + 14 * 86_400_000);
    let all = house.calendars().view(address, from, to);
    all.iter().filter(|one| one.subject == title).count()
}

fn my_response(house: &House, address: &str, title: &str) -> Option<Response> {
    let (from, to) = (now_ms() - 3_600_000, now_ms() + 14 * 86_400_000);
    let all = house.calendars().view(address, from, to);
    all.into_iter().find(|one| one.subject == title).map(|one| one.my_response)
}

/// Nothing planted is readable at the cloud, in the journal or on the disk.
fn nothing_is_readable(house: &House) {
    let mut canaries = Canaries::new([TITLE, NOTES, COMMENT]);
    for text in ["Zimmer Pirol", "Eisvogel", "Nachtigall", "Kolibri", BOB.1, ALICE.1] {
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_from_the_cloud_is_made_and_its_guests_are_invited_once() {
    let house = House::active(talkative()).await;
    let start = in_hours(3);
    let command = house.stage.cloud.create_meeting(ALICE.0, &meeting(start)).await;
    assert_eq!(house.outcome(&command).await, "done");
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!((result.outcome.as_str(), &result.reason), ("done", &None), "{}", house.log());
    assert_eq!(result.start, Some(utc(start)));
    assert_eq!(meetings(&house, ALICE.1, TITLE), 1);
    assert_eq!(mails(&house, "Meeting.Request", BOB.1), 1);
    // What the result names is the record that the organiser sees.
    house.live(ALICE, 1).await;
    let id = result.id.unwrap();
    let record = house.stage.cloud.view(|view| view.record(ALICE.0, &id).cloned());
    assert!(record.is_some(), "{id}");
    house.exact(&[ALICE, BOB]).await;
    nothing_is_readable(&house);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_is_placed_where_nobody_has_another() {
    let house = House::active(talkative()).await;
    let from = in_hours(30);
    let busy = |who: (&str, &str, &str), minutes: i64, length: i64| {
        let draft = Draft::meeting("Taken", from + minutes * 60_000, length);
        house.calendars().create(who.1, draft);
    };
    busy(ALICE, 0, 30);
    busy(BOB, 40, 50);
    let when =
        When::Between { from: utc(from), to: utc(from + 4 * 3_600_000), working_hours: None };
    let plan = NewMeeting { when: when.clone(), ..meeting(from) };
    let command = house.stage.cloud.create_meeting(ALICE.0, &plan).await;
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    assert_eq!(result.start, Some(utc(from + 90 * 60_000)));
    // At working hours it is somewhere in a week, and nowhere at night.
    let to = utc(from + 7 * 86_400_000);
    let hours = When::Between { from: utc(from), to, working_hours: Some(true) };
    let plan = NewMeeting { when: hours, subject: "Werktags".into(), ..plan };
    let command = house.stage.cloud.create_meeting(ALICE.0, &plan).await;
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    let start: jiff::Timestamp = result.start.unwrap().parse().unwrap();
    let start = start.to_zoned(jiff::tz::TimeZone::UTC);
    assert!((8..17).contains(&start.hour()), "{start}");
    assert!(start.weekday().to_monday_one_offset() <= 5, "{start}");
    // Two people who work together on Wednesday mornings only.
    let calendars = house.calendars();
    calendars.set_working_hours(ALICE.1, "Tuesday Wednesday", 9 * 60, 13 * 60);
    calendars.set_working_hours(BOB.1, "Wednesday Thursday", 10 * 60 + 30, 18 * 60);
    let plan = NewMeeting { subject: "Mittwochs".into(), ..plan };
    let command = house.stage.cloud.create_meeting(ALICE.0, &plan).await;
    let result = within(house.stage.cloud.result(&command)).await;
    let start: jiff::Timestamp = result.start.expect("it is placed").parse().unwrap();
    let start = start.to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!(start.weekday(), jiff::civil::Weekday::Wednesday, "{start}");
    assert!((10..13).contains(&start.hour()), "{start}");
    let plan = NewMeeting { when, minutes: 241, ..plan };
    let command = house.stage.cloud.create_meeting(ALICE.0, &plan).await;
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "failed");
    assert!(result.reason.unwrap().contains("free"));
    assert_eq!(meetings(&house, ALICE.1, TITLE), 1);
}

/// A meeting of Alice's to which Bob is invited, as Bob's record.
async fn invitation(house: &House) -> (String, String) {
    let start = in_hours(5);
    let guest = Attendee::required(BOB.1, BOB.2);
    house.calendars().create(ALICE.1, Draft::meeting(TITLE, start, 60).invite(guest));
    house.live(BOB, 1).await;
    let record = house.stage.cloud.view(|view| {
        let all = view.meetings(BOB.0);
        all[0].json["id"].as_str().unwrap().to_owned()
    });
    (record, utc(start))
}

fn tentative((id, start): (String, String)) -> Reply {
    let (response, comment) = ("TENTATIVE".into(), COMMENT.into());
    Reply { id, start, response, comment, notify: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_answered_from_the_cloud_and_the_organiser_hears_it_once() {
    let house = House::active(talkative()).await;
    let record = invitation(&house).await;
    let reply = tentative(record.clone());
    let command = house.stage.cloud.respond(BOB.0, &reply).await;
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    assert_eq!((result.id.as_ref(), result.start.as_ref()), (Some(&record.0), Some(&record.1)));
    assert_eq!(my_response(&house, BOB.1, TITLE), Some(Response::Tentative));
    assert_eq!(mails(&house, "Meeting.Resp", ALICE.1), 1);
    let heard = house.calendars().inbox(ALICE.1);
    assert!(heard.iter().any(|mail| mail.body.contains("Nachtigall")), "{heard:?}");
    // The same again changes nothing, and mails nobody.
    let command = house.stage.cloud.respond(BOB.0, &reply).await;
    assert_eq!(within(house.stage.cloud.result(&command)).await.outcome, "done");
    assert_eq!(mails(&house, "Meeting.Resp", ALICE.1), 1);
    let decline = Reply { response: "DECLINED".into(), notify: Some(false), ..reply.clone() };
    let command = house.stage.cloud.respond(BOB.0, &decline).await;
    assert_eq!(within(house.stage.cloud.result(&command)).await.outcome, "done");
    assert_eq!(mails(&house, "Meeting.Resp", ALICE.1), 1, "nobody was to be told");
    house.live(BOB, 0).await;
    // The organiser has nothing to answer, and nobody what is not there.
    house.live(ALICE, 1).await;
    let own = house.stage.cloud.view(|view| view.meetings(ALICE.0)[0].json["id"].clone());
    let own = Reply { id: own.as_str().unwrap().into(), ..reply.clone() };
    for (who, reply) in [(ALICE.0, own), (BOB.0, reply)] {
        let command = house.stage.cloud.respond(who, &reply).await;
        assert_eq!(within(house.stage.cloud.result(&command)).await.outcome, "refused");
    }
    nothing_is_readable(&house);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_was_moved_meanwhile_is_answered_where_it_is_now() {
    let house = House::active(talkative()).await;
    let start = in_hours(5);
    let guest = Attendee::required(BOB.1, BOB.2);
    let draft = Draft::meeting(TITLE, start, 60).invite(guest);
    let own = house.calendars().create(ALICE.1, draft);
    house.live(BOB, 1).await;
    let record = house.stage.cloud.view(|view| view.meetings(BOB.0)[0].json["id"].clone());
    let (id, start) = (record.as_str().unwrap().to_owned(), utc(start));
    let moved_to = in_hours(80);
    house.calendars().update(ALICE.1, &own, |draft| {
        (draft.start_ms, draft.end_ms) = (moved_to, moved_to + 3_600_000);
    });
    // The app's view is the old one.
    let command = house.stage.cloud.respond(BOB.0, &tentative((id.clone(), start))).await;
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    assert_eq!((result.id.as_ref(), result.start), (Some(&id), Some(utc(moved_to))));
    assert_eq!(my_response(&house, BOB.1, TITLE), Some(Response::Tentative));
    assert_eq!(mails(&house, "Meeting.Resp", ALICE.1), 1);
    // Both records say what Bob answered: the organiser's, and his own.
    house.exact(&[ALICE, BOB]).await;
    let answers = |user: &str| {
        house.stage.cloud.view(|view| {
            let guests = view.meetings(user)[0].json["encryptedParticipants"].clone();
            guests[0]["responseType"].clone()
        })
    };
    assert_eq!([answers(ALICE.0), answers(BOB.0)], ["TENTATIVE", "TENTATIVE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_times_are_told_to_who_asked_and_to_nobody_else() {
    let house = House::active(talkative()).await;
    let from = in_hours(48);
    house.calendars().create(BOB.1, Draft::meeting(TITLE, from + 3_600_000, 60));
    let window = (utc(from), utc(from + 4 * 3_600_000));
    let emails = [ALICE.1, BOB.1, "nobody@corp.example"];
    let (command, request) =
        house.stage.cloud.ask_free_busy(ALICE.0, &emails, (&window.0, &window.1), Some(60)).await;
    assert_eq!(house.outcome(&command).await, "done");
    let answer = within(house.stage.cloud.free_busy(ALICE.0, &request)).await;
    let seen: Vec<_> =
        answer.items.iter().map(|one| (one.email.as_str(), one.outcome.as_str())).collect();
    let expected = [(ALICE.1, "ok"), (BOB.1, "ok"), ("nobody@corp.example", "unknown")];
    assert_eq!(seen, expected, "{}", house.log());
    assert_eq!(
        (answer.items[0].merged.as_str(), answer.items[1].merged.as_str()),
        ("0000", "0200")
    );
    let named = |entry: &&calway_lab::exchange::log::Entry| {
        entry.named.iter().any(|one| one == "nobody@corp.example")
    };
    let asked = house.stage.exchange.log().of("GetUserAvailability");
    let asked: Vec<_> = asked.iter().filter(named).map(|one| one.mailbox.clone()).collect();
    assert!(asked.iter().all(|one| one.as_deref() == Some(ALICE.1)), "{asked:?}");
    let busy = (utc(from + 3_600_000), utc(from + 7_200_000), "BUSY".to_owned());
    assert_eq!(answer.items[1].busy, [busy]);
    nothing_is_readable(&house);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_exchanges_answer_and_the_commit_a_meeting_is_made_once() {
    let mut house = House::active(talkative()).await;
    house.stage.exchange.faults().next(Match::operation("CreateItem"), Fault::HoldAnswer);
    let command = house.stage.cloud.create_meeting(ALICE.0, &meeting(in_hours(3))).await;
    house.until("it is made", |house| meetings(house, ALICE.1, TITLE) == 1).await;
    house.kill().await;
    house.stage.exchange.faults().release();
    house.again();
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    assert_eq!(meetings(&house, ALICE.1, TITLE), 1);
    assert_eq!(mails(&house, "Meeting.Request", BOB.1), 1);
    assert_eq!(house.stage.exchange.log().count("CreateItem"), 1);
    nothing_is_readable(&house);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_exchanges_answer_and_the_commit_a_question_is_answered_once() {
    let mut house = House::active(talkative()).await;
    let held = Match::operation("GetUserAvailability");
    house.stage.exchange.faults().next(held, Fault::HoldAnswer);
    let (start, end) = (utc(in_hours(48)), utc(in_hours(49)));
    let emails = [BOB.1, "nobody@corp.example"];
    let asked = house.stage.cloud.ask_free_busy(ALICE.0, &emails, (&start, &end), None);
    let (command, request) = asked.await;
    assert_eq!(house.outcome(&command).await, "done");
    let seen = |house: &House| {
        let all = house.stage.exchange.log().of("GetUserAvailability");
        all.iter().any(|one| one.named.iter().any(|name| name == emails[1]))
    };
    house.until("it is asked", seen).await;
    house.kill().await;
    house.stage.exchange.faults().release();
    house.again();
    let answer = within(house.stage.cloud.free_busy(ALICE.0, &request)).await;
    assert_eq!(answer.items[0].outcome, "ok", "{}", house.log());
    let told = house.stage.cloud.view(|all| all.reports_of(ALICE.0, "calendar.free_busy").len());
    assert_eq!(told, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_disk_was_lost_a_command_that_comes_again_makes_no_second_meeting() {
    let mut house = House::active(talkative()).await;
    let command = house.stage.cloud.create_meeting(ALICE.0, &meeting(in_hours(3))).await;
    assert_eq!(within(house.stage.cloud.result(&command)).await.outcome, "done");
    house.kill().await;
    for tail in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(house.stage.folder().join(format!("calway.db{tail}")));
    }
    house.again();
    let done = format!("command {command}: meeting.create done");
    house.until("it comes again", |house| house.log().matches(&done).count() == 2).await;
    assert_eq!(meetings(&house, ALICE.1, TITLE), 1);
    assert_eq!(mails(&house, "Meeting.Request", BOB.1), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_exchanges_answer_and_the_commit_an_invitation_is_answered_once() {
    let mut house = House::active(talkative()).await;
    let record = invitation(&house).await;
    house.stage.exchange.faults().next(Match::operation("CreateItem"), Fault::HoldAnswer);
    let command = house.stage.cloud.respond(BOB.0, &tentative(record)).await;
    house
        .until("it is answered", |house| {
            my_response(house, BOB.1, TITLE) == Some(Response::Tentative)
        })
        .await;
    house.kill().await;
    house.stage.exchange.faults().release();
    house.again();
    let result = within(house.stage.cloud.result(&command)).await;
    assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    assert_eq!(mails(&house, "Meeting.Resp", ALICE.1), 1);
    assert_eq!(house.stage.exchange.log().count("CreateItem"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_active_is_refused_and_not_touched() {
    let house = House::start(talkative()).await;
    house.activate(ALICE.0, ALICE.1).await;
    let cloud = &house.stage.cloud;
    let (start, end) = (utc(in_hours(3)), utc(in_hours(4)));
    let reply = tentative(("a-record".into(), start.clone()));
    let commands = [
        cloud.create_meeting(BOB.0, &meeting(in_hours(3))).await,
        cloud.respond(BOB.0, &reply).await,
        cloud.ask_free_busy(BOB.0, &[ALICE.1], (&start, &end), None).await.0,
    ];
    for command in &commands {
        let outcome = within(cloud.outcome(command)).await;
        assert_eq!(outcome.outcome, "refused");
        assert!(outcome.reason.unwrap_or_default().contains("not active"));
    }
    let touched = house.stage.exchange.log().touched();
    assert!(!touched.contains_key(BOB.1), "{touched:?}");
    // And what makes no sense is refused by the name of its member.
    let bad = cloud.command("meeting.respond", ALICE.0, json!({"id": "a", "start": start}));
    let outcome = within(cloud.outcome(&bad)).await;
    assert_eq!(outcome.outcome, "refused");
    assert!(outcome.reason.unwrap_or_default().contains("response"));
}
