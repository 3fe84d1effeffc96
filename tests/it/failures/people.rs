//! What went wrong for people who wrote clients of Exchange before: a test for each.

use std::collections::BTreeSet;

use calway_lab::exchange::{self, ExtendedProtection, Fault, Match, Oof};
use calway_lab::stage::Options;

use super::{all_is_well, answered, listening, once, rung_only, unheard, whom};
use crate::house::{ALICE, BOB, House};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_gap_when_a_stream_reopens() {
    let house = listening(rung_only()).await;
    for who in [ALICE, BOB] {
        unheard(&house, who, "Made in the gap", 2);
    }
    house.stage.exchange.drop_connections();
    answered(&house, "GetStreamingEvents", 1).await;
    all_is_well(&house).await;
    assert_eq!(whom(&house, "Subscribe"), Vec::<String>::new(), "the subscriptions were good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_a_stream_that_closes_early_with_events_missed() {
    // By its status; in the middle of the first words, of the first tag, of an envelope, and after
    // it had said that it is open: then the first event does not come through.
    let cut = |after_bytes| Fault::Cut { after_bytes };
    for early in [Fault::StreamClosed, cut(3), cut(60), cut(300), cut(1_500)] {
        let house = listening(rung_only()).await;
        let what = format!("{early:?}");
        unheard(&house, BOB, "Missed", 2);
        let stands = matches!(early, Fault::StreamClosed);
        let goes_wrong = || {
            let opened = Match::operation("GetStreamingEvents");
            house.stage.exchange.faults().next(opened, early.clone());
        };
        // A stream that stands would be closed instead of the one that is opened.
        if !stands {
            goes_wrong();
        }
        house.stage.exchange.drop_connections();
        answered(&house, "GetStreamingEvents", 1).await;
        if stands {
            goes_wrong();
        }
        house.meet(BOB, "Rung for half", 3);
        answered(&house, "GetStreamingEvents", 2).await;
        all_is_well(&house).await;
        // What was left of the first in the reader does not break the second.
        let opened = whom(&house, "GetStreamingEvents");
        let streams: BTreeSet<_> = opened.iter().collect();
        assert_eq!(opened.len(), streams.len() + 1, "{what}: {opened:?}");
        assert!(!house.log().contains("stream-failed"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_the_limits_on_connections_and_subscriptions_are_kept() {
    let mut options = rung_only();
    options.exchange = exchange::Options {
        hanging_connection_limit: 1,
        max_subscriptions: 1,
        max_concurrency: 2,
        ..options.exchange
    };
    let house = listening(options).await;
    for n in 0..15 {
        house.meet(ALICE, "One of many", 2 + n);
        house.meet(BOB, "One of many", 2 + n);
    }
    house.stage.exchange.drop_connections();
    answered(&house, "GetStreamingEvents", 1).await;
    all_is_well(&house).await;
    let counts = house.stage.exchange.log().counts();
    let exceeded: Vec<_> =
        counts.codes.keys().filter(|code| code.starts_with("ErrorExceeded")).collect();
    assert!(exceeded.is_empty(), "{exceeded:?}");
    assert!(counts.most_running <= 10, "{}", counts.most_running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_eight_events_for_an_item_cost_one_reading() {
    let house = listening(rung_only()).await;
    let id = house.meet(ALICE, "Edited", 2);
    for n in 0..40 {
        house.calendars().update(ALICE.1, &id, |draft| draft.subject = format!("Edited {n}"));
    }
    house.exact(&[ALICE, BOB]).await;
    let log = house.stage.exchange.log();
    let (syncs, items) = (log.count("SyncFolderItems"), log.count("GetItem"));
    assert!(syncs <= 10 && items <= 10, "{syncs} syncs and {items} items for 41 edits");
    assert_eq!(whom(&house, "SyncFolderItems").iter().filter(|who| *who == "bob").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_an_error_beside_a_good_status_does_not_loop() {
    let house = listening(rung_only()).await;
    unheard(&house, ALICE, "Nobody rang for it", 2);
    let error = Fault::StreamError("ErrorInternalServerError".into());
    house.stage.exchange.faults().next(Match::mailbox(ALICE.1), error);
    answered(&house, "GetStreamingEvents", 1).await;
    all_is_well(&house).await;
    assert!(once(whom(&house, "Subscribe")), "{:?}", whom(&house, "Subscribe"));
    assert_eq!(house.stage.exchange.log().count("GetStreamingEvents"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_impersonation_denied_now_and_then() {
    let house = listening(rung_only()).await;
    house.stage.exchange.drop_connections();
    house.calendars().end_subscriptions(BOB.1, "ErrorSubscriptionNotFound");
    let denied = Fault::ResponseCode("ErrorImpersonateUserDenied".into());
    let bobs = Match { operation: Some("Subscribe"), mailbox: Some(BOB.1) };
    house.stage.exchange.faults().next(bobs, denied);
    house.meet(ALICE, "Not Bob's trouble", 2);
    house
        .until("Bob listens again", |house| {
            house.stage.exchange.faults().is_empty() && house.calendars().subscriptions(BOB.1) == 1
        })
        .await;
    house.meet(BOB, "Rung for", 3);
    house.exact(&[ALICE, BOB]).await;
    // For good: he is named, and keeps nobody else.
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Unreadable", 4);
    house
        .until("he is named", |house| {
            house.log().contains("user-bob cannot be read (ErrorImpersonateUserDenied")
        })
        .await;
    house.stage.exchange.log().clear();
    for n in 0..5 {
        house.meet(ALICE, "Readable", 5 + n);
    }
    house.exact(&[ALICE]).await;
    assert!(whom(&house, "SyncFolderItems").iter().all(|who| who == "alice"), "he rests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_extended_protection_is_required() {
    let mut options = rung_only();
    options.exchange = exchange::Options {
        basic: false,
        protection: ExtendedProtection::Require,
        ..options.exchange
    };
    let house = listening(options).await;
    all_is_well(&house).await;
    let log = house.stage.exchange.log();
    let bound = exchange::auth::Scheme::Ntlm { bound: true, mic: true };
    let answered: Vec<_> = log.entries().into_iter().filter(|entry| entry.status == 200).collect();
    assert!(!answered.is_empty());
    assert!(answered.iter().all(|entry| entry.scheme == Some(bound)), "{answered:?}");
    assert_eq!(log.refusals(), 0);
}

/// Behind a load balancer that opens TLS and closes it again with another certificate: a right
/// password looks like a wrong one, is tried as seldom, and the line says where to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_tls_is_opened_on_the_way_to_extended_protection() {
    for protection in [ExtendedProtection::Allow, ExtendedProtection::Require] {
        let mut options = rung_only();
        options.exchange = exchange::Options {
            basic: false,
            bridged: true,
            protection,
            lock_out_after: Some(2),
            ..options.exchange
        };
        options.auth = vec!["ntlm".to_owned()];
        let house = House::start(options).await;
        for who in [ALICE, BOB] {
            house.activate(who.0, who.1).await;
        }
        house.until("it is named", |house| house.log().contains("sign-in-refused")).await;
        let log = house.log();
        let line = log.lines().find(|line| line.contains("sign-in-refused")).unwrap();
        assert!(line.contains("Extended Protection: is TLS opened on the way"), "{line}");
        let ping = house.stage.cloud.command("ping", "", serde_json::json!({}));
        assert_eq!(house.outcome(&ping).await, "done");
        assert_eq!(house.stage.exchange.log().refusals(), 1, "{protection:?}");
    }
    let remedy = calway::observe::condition::SIGN_IN_REFUSED.remedy;
    assert!(remedy.contains("Extended Protection") && remedy.contains("load balancer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_pooled_connections_are_not_mixed_up_by_ntlm() {
    let mut options = rung_only();
    options.exchange = exchange::Options { basic: false, ..options.exchange };
    let house = listening(options).await;
    for n in 0..25 {
        house.meet(ALICE, "Many at once", 2 + n);
        house.meet(BOB, "Many at once", 2 + n);
        if n % 8 == 0 {
            house.stage.exchange.drop_connections();
        }
    }
    all_is_well(&house).await;
    let counts = house.stage.exchange.log().counts();
    assert_eq!(counts.refusals.values().sum::<u64>(), 0, "{:?}", counts.refusals);
    // One exchange of messages a connection, and no more: requests on it carry no credentials.
    assert!(
        counts.challenges <= counts.connections,
        "{} challenges on {} connections",
        counts.challenges,
        counts.connections
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_illegal_characters_lose_nothing() {
    let house = listening(rung_only()).await;
    let strewn = house.stage.exchange.faults().always(Match::any(), Fault::IllegalCharacters);
    for n in 0..3 {
        house.meet(ALICE, "Title with what XML forbids around it", 2 + n);
    }
    house.exact(&[ALICE, BOB]).await;
    strewn.stop();
    let counts = house.stage.exchange.log().counts();
    assert_eq!(counts.codes.get("ErrorSchemaValidation"), None, "none is ever sent");
    assert!(!house.log().contains("mailbox-failing"));
}

/// What only reads. Whoever adds an operation that writes says here who gets mail because of it.
const READING: [&str; 10] = [
    "FindItem",
    "GetFolder",
    "GetItem",
    "GetStreamingEvents",
    "GetUserAvailability",
    "GetUserOofSettings",
    "GetUserSettings",
    "Subscribe",
    "SyncFolderItems",
    "Unsubscribe",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_nobody_gets_mail_and_a_conflict_is_read_again() {
    use calway::calendar::ews::update_item;
    let mut house = listening(rung_only()).await;
    let id = house.meet(ALICE, "Changed", 2);
    house.calendars().update(ALICE.1, &id, |draft| {
        draft.attendees = vec![exchange::Attendee::required(BOB.1, BOB.2)];
    });
    house.exact(&[ALICE, BOB]).await;
    house.calendars().cancel(ALICE.1, &id);
    house.stage.exchange.drop_connections();
    all_is_well(&house).await;
    let resend = house.stage.cloud.resend(ALICE.0);
    assert_eq!(house.outcome(&resend).await, "done");
    house.stop().await;
    let operations = house.stage.exchange.log().counts().operations;
    let writing: Vec<_> =
        operations.keys().filter(|name| !READING.contains(&name.as_str())).collect();
    assert!(writing.is_empty(), "{writing:?}");
    assert_eq!(house.calendars().mails().len(), 0);

    // What a conflict says; on the wire it is played where something is written (`ews/writing.rs`).
    let conflict = "<s:Envelope xmlns:s='s'><s:Body><m:UpdateItemResponse xmlns:m='m'>\
        <m:ResponseMessages><m:UpdateItemResponseMessage ResponseClass='Error'>\
        <m:ResponseCode>ErrorIrresolvableConflict</m:ResponseCode><m:Items/>\
        </m:UpdateItemResponseMessage></m:ResponseMessages></m:UpdateItemResponse></s:Body>\
        </s:Envelope>";
    let answers = update_item::read(conflict.as_bytes()).unwrap();
    let [Err(fault)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(fault.next, calway::model::Next::Retry { after: None }, "read it, try again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_who_is_away_is_asked_in_their_own_name_and_a_denial_tells_nobody_that_all_are_here() {
    let house = House::start(Options { presence_seconds: Some(5), ..rung_only() }).await;
    let denied = Fault::ResponseCode("ErrorAccessDenied".into());
    let asked = Match::operation("GetUserOofSettings");
    let lasting = house.stage.exchange.faults().always(asked, denied);
    for who in [ALICE, BOB] {
        house.calendars().set_oof(who.1, Oof::enabled("Gone fishing"));
        house.activate(who.0, who.1).await;
    }
    let told = |house: &House, who: (&str, &str, &str)| {
        house.stage.cloud.view(|view| view.presence(who.0).cloned())
    };
    house
        .until("it is named", |house| {
            let log = house.log();
            let mut lines = log.lines().filter(|line| line.contains("\"presence-fails\""));
            lines.any(|line| line.contains("ErrorAccessDenied"))
        })
        .await;
    assert_eq!((told(&house, ALICE), told(&house, BOB)), (None, None), "nothing is known of them");
    house.meet(ALICE, "Relayed all the same", 2);
    house.exact(&[ALICE, BOB]).await;
    lasting.stop();
    house.until("all is well", |house| house.log().contains("\"presence-well\"")).await;
    house
        .until("both are away", |house| {
            let away = |who| told(house, who).is_some_and(|said| said["label"] == "Out of office");
            away(ALICE) && away(BOB)
        })
        .await;
    let asked = house.stage.exchange.log().of("GetUserOofSettings");
    let mut whose: Vec<_> = asked.iter().map(|entry| entry.mailbox.as_deref()).collect();
    whose.sort_unstable();
    whose.dedup();
    assert_eq!(whose, [Some(ALICE.1), Some(BOB.1)], "nobody is asked for but in their own name");
}
