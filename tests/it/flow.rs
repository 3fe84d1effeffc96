//! The main job, with the real program between the lab's Exchange, cloud and key server.

use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use calway_lab::cloud::faults::{Fault as CloudFault, Place};
use calway_lab::exchange::{Attendee, Draft, Fault, Match, MovedTo};
use calway_lab::jose;
use serde_json::{Value, json};

use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, PROGRAM, put, talkative, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_reaches_the_cloud_sealed_and_its_user_opens_it() {
    let house = House::active(talkative()).await;
    let mut draft = Draft::meeting("Merger", now_ms() / 60_000 * 60_000 + 3_600_000, 45);
    draft.location = "https://meet.example/j/1".into();
    draft.body = "Bring the numbers".into();
    draft.attendees = vec![Attendee::required(BOB.1, BOB.2)];
    house.calendars().create(ALICE.1, draft);
    house.live(ALICE, 1).await;
    house.live(BOB, 1).await;
    let seen = house.stage.cloud.person(ALICE.0).meetings().await.unwrap();
    let seen = seen.first().unwrap();
    assert_eq!(seen.subject, "Merger");
    assert_eq!(seen.location, "https://meet.example/j/1");
    assert_eq!(seen.join_url, "https://meet.example/j/1");
    assert_eq!(seen.minutes, 45);
    assert!(seen.notes.contains("Bring the numbers"));
    assert_eq!(seen.organizer.as_ref().unwrap().address, ALICE.1);
    assert_eq!(seen.participants.first().unwrap().name, BOB.2);
    assert_eq!(seen.unreadable, Vec::<String>::new());
    // A record tells nothing to who reads two lists: the same meeting has another id in each.
    let id = |user: &str| house.stage.cloud.records(user).first().unwrap().id.clone();
    assert_ne!(id(ALICE.0), id(BOB.0));
    export_sealed(&house);
}

/// For readers that others wrote: each sealed text with its key and what it says.
fn export_sealed(house: &House) {
    let Some(path) = std::env::var_os("CALWAY_SEALED_OUT") else { return };
    let mut file = std::fs::File::create(path).unwrap();
    for record in house.stage.cloud.records(ALICE.0) {
        let uri = record.json["encryptionKeyUrl"].as_str().unwrap().to_owned();
        let key = house.stage.cloud.kms().key(&uri).unwrap();
        let mut sealed = Vec::new();
        collect(&record.json, &mut sealed);
        for jwe in sealed {
            let plain = String::from_utf8(jose::open(&key, &jwe).unwrap()).unwrap();
            let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(key)});
            writeln!(file, "{}", json!({"jwe": jwe, "jwk": jwk, "plain": plain})).unwrap();
        }
    }
}

fn collect(value: &Value, sealed: &mut Vec<String>) {
    match value {
        Value::String(text) if jose::is_sealed_field(text) => sealed.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| collect(one, sealed)),
        Value::Object(all) => all.values().for_each(|one| collect(one, sealed)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_fails_polling_bridges_it_and_streaming_returns() {
    let options = calway_lab::stage::Options { poll_seconds: Some(5), ..talkative() };
    let house = House::start(options).await;
    let (faults, subscribe) = (house.stage.exchange.faults(), Match::operation("Subscribe"));
    faults.next(subscribe, Fault::ResponseCode("ErrorInternalServerError".into()));
    // It is told when all was polled: who fails again and again is left to polling for long.
    faults.next(subscribe, Fault::HoldAnswer);
    house.activate(ALICE.0, ALICE.1).await;
    house.meet(ALICE, "First", 2);
    house.live(ALICE, 1).await;
    house.meet(ALICE, "Second", 3);
    house.live(ALICE, 2).await;
    assert_eq!(house.stage.exchange.log().count("GetStreamingEvents"), 0, "it was polled");
    faults.release();
    house.until("a stream stands", |house| house.stage.exchange.open_streams() > 0).await;
    assert_eq!(house.stage.exchange.log().count("Subscribe"), 2, "the first one failed");
    house.meet(ALICE, "Third", 4);
    house.live(ALICE, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_where_it_stopped() {
    let mut house = House::active(talkative()).await;
    for n in 0..12 {
        house.meet(ALICE, "Before", 2 + n);
    }
    house.live(ALICE, 12).await;
    house.exact(&[ALICE, BOB]).await;
    house.rest(&[ALICE, BOB]).await;
    house.kill().await;
    let log = house.stage.exchange.log();
    log.clear();
    let cloud = house.stage.cloud.clone();
    let records = || cloud.view(|view| view.arrivals().len());
    let stored = records();
    house.meet(ALICE, "While it was down", 20);
    house.again();
    house.live(ALICE, 13).await;
    house.exact(&[ALICE, BOB]).await;
    assert_eq!(log.count("FindItem"), 0, "the window was not listed again");
    assert_eq!(log.count("GetItem"), 1, "one item was read");
    assert_eq!(records(), stored + 1, "one record went up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_cursor_is_healed_in_the_same_pass() {
    let house = House::active(talkative()).await;
    let id = house.meet(ALICE, "Stays", 2);
    let gone = house.meet(ALICE, "Goes", 3);
    house.live(ALICE, 2).await;
    house.calendars().forget_sync_states(ALICE.1);
    house.calendars().update(ALICE.1, &id, |draft| draft.subject = "Changed".into());
    house.calendars().delete(ALICE.1, &gone);
    house.exact(&[ALICE]).await;
    house.live(ALICE, 1).await;
    assert!(house.log().contains("cursor-lost"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_3_commands_take_effect_once() {
    let house = House::active(talkative()).await;
    let cloud = &house.stage.cloud;
    cloud.faults().next(Place::Channel, CloudFault::RepeatCommands);
    cloud.close_channel(1011);
    house.meet(ALICE, "One", 2);
    house.meet(BOB, "Two", 3);
    house.exact(&[ALICE, BOB]).await;
    let ping = cloud.command("ping", "", json!({}));
    assert_eq!(house.outcome(&ping).await, "done");
    let unknown = cloud.command("meeting.decorate", ALICE.0, json!({}));
    let outcome = within(cloud.outcome(&unknown)).await;
    assert_eq!((outcome.outcome.as_str(), outcome.reason.is_some()), ("refused", true));
    let before = cloud.records(ALICE.0).first().unwrap().sequence;
    let resend = cloud.resend(ALICE.0);
    assert_eq!(house.outcome(&resend).await, "done");
    let view = cloud.clone();
    within(view.wait(|view| view.records(ALICE.0).iter().all(|one| one.sequence > before))).await;
    house.exact(&[ALICE, BOB]).await;
    let deactivate = cloud.deactivate(BOB.0);
    assert_eq!(house.outcome(&deactivate).await, "done");
    house.live(BOB, 0).await;
    house.given_back(BOB).await;
    // Nobody touches the mailbox any more, although it changes.
    house.stage.exchange.log().clear();
    house.meet(BOB, "Unseen", 4);
    house.meet(ALICE, "Seen", 4);
    house.live(ALICE, 2).await;
    let touched = house.stage.exchange.log().entries();
    assert!(touched.iter().all(|entry| entry.mailbox.as_deref() != Some(BOB.1)), "{touched:?}");
    assert_eq!(cloud.stats().duplicated_visible, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_outages_of_exchange_cloud_and_key_server_cost_only_time() {
    let mut options = talkative();
    options.cloud.kms_listen = Some(([127, 0, 0, 1], 0).into());
    let house = House::active(options).await;
    house.meet(ALICE, "Before", 1);
    house.live(ALICE, 1).await;
    // With today's key in memory Alice's meetings are sealed on; Bob has none yet.
    house.stage.cloud.cut().await;
    for n in 0..5 {
        house.meet(ALICE, "While the cloud was away", 2 + n);
    }
    house.until("the cloud's absence is told", |house| house.log().contains("cloud-waits")).await;
    house.meet(BOB, "Without a key", 1);
    house.until("the key server is named", |house| house.log().contains("key server")).await;
    house.stage.exchange.cut().await;
    for n in 0..5 {
        house.meet(BOB, "While nothing was there", 2 + n);
    }
    house.stage.cloud.restore().await.unwrap();
    house.stage.exchange.restore().await;
    house.exact(&[ALICE, BOB]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_cloud_rejects_is_set_aside_and_named() {
    let house = House::active(talkative()).await;
    let rejected = CloudFault::reject_if("the lab does not like it", |event| {
        event["type"] == "calendar.meeting.create"
    });
    // Whatever else goes up meanwhile is not rejected by it, and does not use it up.
    let disliked = house.stage.cloud.faults().always(Place::Events, rejected);
    house.meet(ALICE, "Disliked", 2);
    house.until("it is named", |house| house.log().contains("event-set-aside")).await;
    disliked.end();
    house.meet(ALICE, "Liked", 3);
    house.live(ALICE, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_a_refused_password_is_tried_once() {
    let mut options = talkative();
    options.exchange.lock_out_after = Some(2);
    let house = House::start(options).await;
    house.stage.exchange.gate().set_password("another-one-now");
    house.activate(ALICE.0, ALICE.1).await;
    house.activate(BOB.0, BOB.1).await;
    house.until("it is named", |house| house.log().contains("sign-in-refused")).await;
    let ping = house.stage.cloud.command("ping", "", json!({}));
    assert_eq!(house.outcome(&ping).await, "done");
    assert!(!house.stage.exchange.gate().locked_out());
    assert_eq!(house.stage.exchange.log().refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_restarts_and_tools_do_not_try_a_refused_password_again() {
    let mut options = talkative();
    options.exchange.lock_out_after = Some(3);
    let mut house = House::start(options).await;
    house.stage.exchange.gate().set_password("another-one-now");
    house.activate(ALICE.0, ALICE.1).await;
    let named = |house: &House| house.log().contains("sign-in-refused");
    let refusals = |house: &House| house.stage.exchange.log().refusals();
    house.until("it is named", named).await;
    for _ in 0..4 {
        house.kill().await;
        let before = house.log().matches("sign-in-refused").count();
        house.again();
        let named = |house: &House| house.log().matches("sign-in-refused").count() != before;
        house.until("it is named anew", named).await;
    }
    assert_eq!(refusals(&house), 1);
    let discover = |words: &[&str]| {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(["discover", ALICE.1, "--config"]).arg(house.stage.config()).args(words);
        command.env("CREDENTIALS_DIRECTORY", house.stage.credentials());
        command
    };
    let told = discover(&[]).output().await.unwrap();
    assert_eq!(refusals(&house), 1, "{told:?}");
    // Somebody mended the account, and the secret was right all the time.
    house.stage.exchange.gate().set_password("lab-password");
    house.meet(ALICE, "Unread so far", 2);
    let told = discover(&["--try-again"]).output().await.unwrap();
    assert!(told.status.success(), "{told:?}");
    house.live(ALICE, 1).await;
    assert_eq!(refusals(&house), 1, "{told:?}");
    assert!(!house.stage.exchange.gate().locked_out());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_4_a_refused_sign_in_heals_when_the_secret_changes() {
    let mut options = talkative();
    options.exchange.lock_out_after = Some(3);
    let house = House::start(options).await;
    let gate = house.stage.exchange.gate();
    let secret = house.stage.credentials().join("calendar.hq.password");
    gate.set_password("the-new-one");
    house.activate(ALICE.0, ALICE.1).await;
    house.meet(ALICE, "Unread so far", 2);
    house.until("it is named", |house| house.log().contains("sign-in-refused")).await;
    let refusals = || house.stage.exchange.log().refusals();
    assert_eq!(refusals(), 1);
    let told = |named: bool| {
        house.stage.cloud.wait(move |view| {
            let names = view.status().and_then(|status| status["conditions"].as_array());
            let named_there =
                names.is_some_and(|all| all.iter().any(|one| one == "sign-in-refused"));
            let severity = view.status().and_then(|status| status["severity"].as_str());
            let as_bad = severity == named.then_some("critical");
            view.status().is_some() && named_there == named && as_bad
        })
    };
    within(told(true)).await;
    // One more try for another wrong secret, and no more.
    put(&secret, "still-not-it");
    house.until("it is tried", |house| house.stage.exchange.log().refusals() == 2).await;
    put(&secret, "the-new-one\n");
    house.live(ALICE, 1).await;
    assert_eq!(refusals(), 2);
    within(told(false)).await;
    assert!(!gate.locked_out());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_that_cannot_be_read_do_not_hold_up_the_others() {
    let house = House::active(talkative()).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Unreadable", 2);
    house.until("it is named", |house| house.log().contains("mailbox-failing")).await;
    house.meet(ALICE, "Readable", 2);
    house.live(ALICE, 1).await;
    house.calendars().move_mailbox(ALICE.1, MovedTo::BackEnd(2));
    house.meet(ALICE, "Moved", 3);
    house.exact(&[ALICE]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_and_broken_answers_cost_only_time() {
    let house = House::active(talkative()).await;
    let faults = house.stage.exchange.faults();
    let busy = |back_off_ms, inner| Fault::ServerBusy { back_off_ms, inner };
    faults.next(Match::operation("SyncFolderItems"), busy(Some(300), false));
    faults.next(Match::operation("GetItem"), busy(None, true));
    faults.next(Match::operation("GetItem"), Fault::Http { status: 503, retry_after: None });
    faults.next(Match::operation("SyncFolderItems"), Fault::GarbageXml);
    faults.next(Match::operation("GetItem"), Fault::Cut { after_bytes: 700 });
    faults.next(Match::any(), Fault::IllegalCharacters);
    for n in 0..6 {
        house.meet(ALICE, "Through it all", 2 + n);
    }
    house.exact(&[ALICE, BOB]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_gives_the_subscriptions_back_and_exits_0() {
    let mut house = House::active(talkative()).await;
    assert_eq!(house.calendars().subscriptions(ALICE.1), 1);
    house.stop().await;
    assert_eq!(house.calendars().subscriptions(ALICE.1), 0);
    assert_eq!(house.calendars().subscriptions(BOB.1), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_the_start_is_said_with_what_to_do() {
    let mut house = House::start(talkative()).await;
    house.kill().await;
    let run = || async {
        let output = house.stage.connector(PROGRAM).output();
        let output = within(output).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said.lines().last().unwrap_or_default().to_owned())
    };
    let config = std::fs::read_to_string(house.stage.config()).unwrap();
    std::fs::write(house.stage.config(), config.replace("account =", "acount =")).unwrap();
    let (code, said) = run().await;
    assert_eq!(code, Some(2));
    assert!(said.contains("calway.toml") && said.contains("acount"), "{said}");
    std::fs::write(house.stage.config(), &config).unwrap();

    let secret = house.stage.credentials().join("cloud.client_secret");
    let kept = std::fs::read(&secret).unwrap();
    std::fs::remove_file(&secret).unwrap();
    let (code, said) = run().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("cloud.client_secret") && said.contains("LoadCredential"), "{said}");
    std::fs::write(&secret, kept).unwrap();

    let store = rusqlite::Connection::open(house.stage.folder().join("calway.db")).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let (code, said) = run().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("calway.db") && said.contains("layout 99"), "{said}");
    assert!(said.contains("install") && said.contains("move"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_is_said_without_any_mailbox_and_after_a_restart_with_some() {
    let mut house = House::start(talkative()).await;
    house.until("ready is said", |house| house.log().contains("\"ready\"")).await;
    house.activate(ALICE.0, ALICE.1).await;
    house.meet(ALICE, "There", 2);
    house.live(ALICE, 1).await;
    house.kill().await;
    let subscribe = Match::operation("Subscribe");
    let slow =
        house.stage.exchange.faults().always(subscribe, Fault::Delay(Duration::from_secs(2)));
    house.again();
    house.until("it is said again", |house| house.log().matches("\"ready\"").count() == 2).await;
    let log = house.log();
    let (listens, ready) = (log.rfind("is listened to"), log.rfind("\"ready\""));
    assert!(
        listens.is_some() && listens < ready,
        "ready is said when a stream stands, not before\n{log}"
    );
    slow.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_be_listened_to_the_connector_is_ready_and_reads_all_the_same() {
    let mut house = House::start(talkative()).await;
    let code = Fault::ResponseCode("ErrorSubscriptionDelegateAccessNotSupported".into());
    let refused = house.stage.exchange.faults().always(Match::operation("Subscribe"), code);
    house.meet(ALICE, "There", 2);
    house.activate(ALICE.0, ALICE.1).await;
    house.live(ALICE, 1).await;
    house.kill().await;
    let before = house.log().matches("\"ready\"").count();
    house.again();
    let is_ready = |house: &House| house.log().matches("\"ready\"").count() > before;
    house.until("ready is said", is_ready).await;
    let log = house.log();
    assert!(log.contains("demoted"), "as streams were given up\n{log}");
    refused.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_larger_than_one_commit_arrives_whole() {
    let house = House::start(talkative()).await;
    for n in 0..450 {
        house.meet(ALICE, "One of many", 1 + n);
    }
    house.activate(ALICE.0, ALICE.1).await;
    house.live(ALICE, 450).await;
    house.exact(&[ALICE]).await;
    assert_eq!(house.stage.cloud.stats().stale, 0);
}
