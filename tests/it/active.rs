//! Only mailboxes of active users are touched, whatever is asked for: the simulated Exchange's
//! access log tells. What is begun with an activation ends with the deactivation.

use calway_lab::cloud::{NewMeeting, Reply, When};
use calway_lab::exchange::{Attendee, Draft, Fault, MailboxKind, Match};
use calway_lab::stage::Options;

use crate::edits::in_hours;
use crate::house::{ALICE, BOB, House, talkative, within};

/// Has a mailbox, and nobody activates it.
const CAROL: (&str, &str, &str) = ("user-carol", "carol@corp.example", "Carol Clark");

/// So that who is out of office is asked for while somebody waits.
fn often() -> Options {
    Options { presence_seconds: Some(5), ..talkative() }
}

fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// Both active, and a third one with a meeting of its own.
async fn house() -> House {
    let house = House::active(often()).await;
    house.calendars().add_mailbox(CAROL.1, CAROL.2, MailboxKind::User);
    house.meet(CAROL, "Of no concern", 2);
    house
}

/// Waits until who is out of office was asked for in this name so many times from now on.
async fn asked_for_presence(house: &House, who: (&str, &str, &str), times: u64) {
    let asked = |house: &House| {
        let touches = house.stage.exchange.log().touches(who.1);
        touches.get("GetUserOofSettings").copied().unwrap_or_default()
    };
    let before = asked(house);
    house.until("presence is asked for", |house| asked(house) >= before + times).await;
}

/// The operations that were asked for in the name of this mailbox.
fn in_the_name_of(house: &House, address: &str) -> Vec<String> {
    let entries = house.stage.exchange.log().entries();
    let own = entries.into_iter().filter(|one| {
        let name = one.mailbox.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case(address)
    });
    own.map(|one| one.operation).collect()
}

/// Who was asked about in another's name, by operation.
fn asked_about(house: &House, address: &str) -> Vec<(String, Option<String>)> {
    let entries = house.stage.exchange.log().entries();
    let about = entries.into_iter().filter(|one| one.named.iter().any(|name| name == address));
    about.map(|one| (one.operation, one.mailbox)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_looks_at_the_mailbox_before_it_is_read_and_a_start_does_not() {
    let mut house = House::active(talkative()).await;
    let own = in_the_name_of(&house, ALICE.1);
    let reads = |name: &&String| *name == "GetFolder" || *name == "SyncFolderItems";
    let first: Vec<_> = own.iter().filter(reads).take(2).collect();
    assert_eq!(first, ["GetFolder", "SyncFolderItems"], "{own:?}");
    assert_eq!(own.iter().filter(|name| *name == "GetFolder").count(), 1, "{own:?}");
    house.stop().await;
    house.stage.exchange.log().clear();
    house.again();
    house.meet(ALICE, "After a start", 2);
    house.live(ALICE, 1).await;
    let own = in_the_name_of(&house, ALICE.1);
    assert!(!own.contains(&"GetFolder".to_owned()), "{own:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_active_is_at_most_asked_about_in_the_name_of_one_who_is() {
    let house = house().await;
    let cloud = &house.stage.cloud;
    // Carol is invited, placed around, asked about, and invites; none of it is hers to be touched.
    let (from, to) = (in_hours(30), in_hours(60));
    let when = When::Between { from: utc(from), to: utc(to), working_hours: None };
    let plan = NewMeeting { when, ..NewMeeting::at("All three", &utc(from)) };
    let plan = plan.invite(BOB.1).invite(CAROL.1);
    let create = cloud.create_meeting(ALICE.0, &plan).await;
    let (start, end) = (utc(from), utc(to));
    let (ask, _) = cloud.ask_free_busy(BOB.0, &[CAROL.1, ALICE.1], (&start, &end), None).await;
    let hers = Draft::meeting("Hers", in_hours(5), 30).invite(Attendee::required(BOB.1, BOB.2));
    house.calendars().create(CAROL.1, hers);
    house.live(BOB, 2).await;
    let record = cloud.view(|view| {
        let all = view.meetings(BOB.0).into_iter();
        let mut all = all.filter(|one| one.json["start"] == utc(in_hours(5)));
        all.next().unwrap().json["id"].as_str().unwrap().to_owned()
    });
    let (response, start) = ("ACCEPTED".into(), utc(in_hours(5)));
    let reply = Reply { id: record, start, response, comment: String::new(), notify: None };
    let answer = cloud.respond(BOB.0, &reply).await;
    for command in [&create, &answer] {
        let result = within(cloud.result(command)).await;
        assert_eq!(result.outcome, "done", "{:?}\n{}", result.reason, house.log());
    }
    assert_eq!(house.outcome(&ask).await, "done");
    asked_for_presence(&house, ALICE, 1).await;
    house.exact(&[ALICE, BOB]).await;
    assert_eq!(in_the_name_of(&house, CAROL.1), Vec::<String>::new());
    for (operation, name) in asked_about(&house, CAROL.1) {
        assert_eq!(operation, "GetUserAvailability");
        assert!([Some(ALICE.1), Some(BOB.1)].contains(&name.as_deref()), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_deactivation_records_go_keys_are_forgotten_and_nothing_is_asked_any_more() {
    let house = house().await;
    let (cloud, exchange) = (&house.stage.cloud, &house.stage.exchange);
    house.meet(BOB, "Withdrawn", 2);
    house.live(BOB, 1).await;
    asked_for_presence(&house, BOB, 1).await;
    let key = || {
        let url = cloud.view(|view| view.meetings(BOB.0)[0].json["encryptionKeyUrl"].clone());
        cloud.kms().resource_of(url.as_str().unwrap()).expect("bound to a resource")
    };
    let resource = key();
    // Something that he wants is under way, and is tried on and on; a question as well.
    let away = Fault::ResponseCode("ErrorMailboxStoreUnavailable".into());
    let bobs = |operation| Match { operation: Some(operation), mailbox: Some(BOB.1) };
    let stuck = [bobs("FindItem"), bobs("GetUserAvailability")];
    let stuck = stuck.map(|whom| exchange.faults().always(whom, away.clone()));
    let plan = NewMeeting::at("Never made", &utc(in_hours(4)));
    let create = cloud.create_meeting(BOB.0, &plan).await;
    let (start, end) = (utc(in_hours(3)), utc(in_hours(4)));
    let (ask, _) = cloud.ask_free_busy(BOB.0, &[ALICE.1], (&start, &end), None).await;
    for command in [&create, &ask] {
        assert_eq!(house.outcome(command).await, "done", "noted");
    }
    house
        .until("both were tried", |house| {
            let own = in_the_name_of(house, BOB.1);
            ["FindItem", "GetUserAvailability"].iter().all(|one| own.iter().any(|is| is == one))
        })
        .await;

    let deactivate = cloud.deactivate(BOB.0);
    assert_eq!(house.outcome(&deactivate).await, "done");
    house.live(BOB, 0).await;
    house.given_back(BOB).await;
    stuck.into_iter().for_each(|stuck| stuck.stop());
    exchange.log().clear();
    house.meet(BOB, "Unseen", 3);
    house.meet(ALICE, "Seen", 3);
    house.live(ALICE, 1).await;
    asked_for_presence(&house, ALICE, 2).await;
    assert_eq!(in_the_name_of(&house, BOB.1), Vec::<String>::new());
    assert_eq!(asked_about(&house, BOB.1), []);
    assert!(house.calendars().view(BOB.1, in_hours(0), in_hours(9)).len() == 2, "none was made");

    // Whoever comes back is sealed for with keys of a resource of its own.
    house.activate(BOB.0, BOB.1).await;
    house.live(BOB, 2).await;
    assert_ne!(key(), resource);
    let own = in_the_name_of(&house, BOB.1);
    assert!(own.contains(&"GetFolder".to_owned()), "verified anew: {own:?}");
}
