//! Writes that are not answered with success: sent once, and known to have had no effect, or to
//! be in doubt.

use std::time::Duration;

use calway::calendar::Calendar;
use calway::model::{Mark, Next, Notify, Plain, Reach, Response, Rewrite, WriteFault, Written};
use calway_lab::exchange::{Fault as Wrong, Match, Options};

use super::{ANN, BOB, invite, meeting, read, rewrite};
use crate::ews::Stage;

fn creating() -> Match<'static> {
    Match::operation("CreateItem")
}

#[tokio::test]
async fn a_lost_answer_leaves_doubt_and_what_was_made_is_found_by_its_mark() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    // There is a connection that could be used again, and would be sent on twice.
    stage.ews.verify(&ann).await.unwrap();
    stage.exchange.faults().next(creating(), Wrong::LoseAnswer);
    let met = stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap_err();
    assert!(met.is_in_doubt(), "{met:?}");
    assert!(matches!(met.fault().next, Next::Retry { .. }), "{met:?}");
    assert_eq!(stage.exchange.log().count("CreateItem"), 1);
    let found = stage.ews.created(&ann, "t").await.unwrap().expect("it was made");
    assert_eq!(stage.exchange.calendars().mails_to(BOB, found.uid.reveal()), 1);
    let id = calway_lab::exchange::ItemId(found.item.0.to_string());
    stage.exchange.calendars().delete(ANN, &id);
    assert_eq!(stage.ews.created(&ann, "t").await, Ok(None), "it is gone for good");
}

#[tokio::test]
async fn a_lost_request_leaves_doubt_and_nothing_is_found() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.ews.verify(&ann).await.unwrap();
    stage.exchange.faults().next(creating(), Wrong::LoseRequest);
    let met = stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap_err();
    assert!(met.is_in_doubt(), "{met:?}");
    assert_eq!(stage.ews.created(&ann, "t").await, Ok(None));
    stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap();
    assert_eq!(stage.exchange.calendars().count(ANN), 1);
}

#[tokio::test]
async fn connections_that_broke_while_idle_do_no_harm() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.ews.verify(&ann).await.unwrap();
    stage.exchange.drop_connections();
    stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap();
    assert_eq!(stage.exchange.log().count("CreateItem"), 1);
    stage.ews.verify(&ann).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_doubt() {
    let quick = |options: &mut calway::calendar::ews::Options| {
        options.request_timeout = Duration::from_millis(1_500);
    };
    let stage = Stage::with(Options::default(), quick).await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.exchange.faults().next(creating(), Wrong::HoldAnswer);
    let met = stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap_err();
    assert!(met.is_in_doubt(), "{met:?}");
    stage.exchange.faults().release();
    assert!(stage.ews.created(&ann, "t").await.unwrap().is_some());
    assert_eq!(stage.exchange.log().count("CreateItem"), 1);
}

/// Whether a fault leaves doubt.
async fn leaves_doubt(wrong: Wrong) -> bool {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.ews.verify(&ann).await.unwrap();
    stage.exchange.faults().next(creating(), wrong.clone());
    let met = stage.ews.create(&ann, &meeting(&[&bob]), "t").await.unwrap_err();
    assert!(!matches!(met, WriteFault::Conflict(_)), "{wrong:?}: {met:?}");
    assert!(stage.exchange.log().count("CreateItem") <= 1, "{wrong:?}");
    if !met.is_in_doubt() {
        assert_eq!(stage.exchange.calendars().count(ANN), 0, "{wrong:?}");
    }
    met.is_in_doubt()
}

#[tokio::test]
async fn what_may_have_been_done_is_in_doubt_and_what_was_refused_is_not() {
    let code = |code: &str| Wrong::ResponseCode(code.into());
    let fault = |code: &str| Wrong::SoapFault { code: code.into(), message: String::new() };
    for (wrong, in_doubt) in [
        (Wrong::Cut { after_bytes: 0 }, true),
        (Wrong::Cut { after_bytes: 100 }, true),
        (Wrong::GarbageXml, true),
        (Wrong::RedirectToErrorPage, true),
        (Wrong::Http { status: 502, retry_after: None }, true),
        (Wrong::Http { status: 503, retry_after: Some(1) }, true),
        (Wrong::Http { status: 403, retry_after: None }, false),
        (Wrong::ServerBusy { back_off_ms: Some(1), inner: false }, false),
        (Wrong::PassedBusy { status: 503, back_off_ms: 1 }, false),
        (Wrong::ServerBusy { back_off_ms: Some(1), inner: true }, true),
        (Wrong::ConnectionCount { back_off_ms: 0 }, false),
        (fault("ErrorInternalServerError"), true),
        (fault("ErrorSchemaValidation"), false),
        (code("ErrorImpersonateUserDenied"), false),
        (code("ErrorInternalServerError"), true),
        (code("ErrorMailboxStoreUnavailable"), true),
        (code("ErrorSendAsDenied"), true),
    ] {
        assert_eq!(leaves_doubt(wrong.clone()).await, in_doubt, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_or_refuses_the_password_did_nothing() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    *stage.password.lock().unwrap() = "wrong".to_owned();
    let met = stage.ews.create(&ann, &meeting(&[]), "t").await.unwrap_err();
    assert!(matches!(&met, WriteFault::NoEffect(fault) if fault.next == Next::SignIn), "{met:?}");
    assert_eq!(stage.exchange.calendars().count(ANN), 0);
    let nowhere = stage.another(|options| {
        options.url = Some("https://127.0.0.1:9/EWS/Exchange.asmx".parse().unwrap());
    });
    let met = nowhere.create(&ann, &meeting(&[]), "t").await.unwrap_err();
    assert!(matches!(&met, WriteFault::NoEffect(_)), "{met:?}");
    assert!(matches!(met.fault().next, Next::BackOff { .. }), "{met:?}");
}

#[tokio::test]
async fn an_errand_is_told_of_a_rest_and_is_not_kept_for_its_length() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let busy = Wrong::ServerBusy { back_off_ms: Some(600_000), inner: false };
    stage.exchange.faults().next(creating(), busy);
    for _ in 0..2 {
        let met = stage.ews.create(&ann, &meeting(&[]), "t").await.unwrap_err();
        let Next::BackOff { after: Some(after) } = met.fault().next else { panic!("{met:?}") };
        assert!(!met.is_in_doubt() && after.as_ms() > 500_000, "{met:?}");
    }
    assert_eq!(stage.exchange.log().count("CreateItem"), 1, "the second is not sent");
    let looked = stage.ews.created(&ann, "t").await.unwrap_err();
    assert!(matches!(looked.next, Next::BackOff { .. }), "{looked:?}");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_seen_by_its_mark_and_mails_once() {
    let stage = Stage::new().await;
    let (ann, _bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let found = read(&stage, &ann, &item).await;
    let mark = Mark::Set("m1".into());
    let change = Rewrite {
        location: Some(calway::model::Plain::new("Online")),
        mark,
        notify: Notify::All,
        ..rewrite(&found)
    };
    stage.exchange.faults().next(Match::operation("UpdateItem"), Wrong::LoseAnswer);
    let met = stage.ews.rewrite(&ann, &change).await.unwrap_err();
    assert!(met.is_in_doubt(), "{met:?}");
    let now = read(&stage, &ann, &item).await;
    assert_eq!(
        (now.mark.as_ref().map(Plain::reveal), now.location.reveal()),
        (Some("m1"), "Online")
    );
    // Whoever sends it again all the same does no harm: the version is an old one.
    let met = stage.ews.rewrite(&ann, &change).await.unwrap_err();
    assert!(matches!(met, WriteFault::Conflict(_)), "{met:?}");
    assert_eq!(stage.exchange.calendars().mails_to(BOB, found.uid.reveal()), 1);
}

#[tokio::test]
async fn an_answer_to_an_invitation_that_is_lost_is_seen_in_the_own_copy() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let item = invite(&stage, &ann);
    let uid = read(&stage, &ann, &item).await.uid;
    let id = stage.exchange.calendars().find(BOB, uid.reveal()).unwrap();
    let id = calway::model::ItemId(id.0.as_str().into());
    let own = read(&stage, &bob, &id).await;
    let own = Written { item: own.item, version: own.version };
    stage.exchange.faults().next(creating(), Wrong::LoseAnswer);
    let all = Notify::All;
    let met = stage.ews.respond(&bob, &own, Response::Accepted, None, all).await.unwrap_err();
    assert!(met.is_in_doubt(), "{met:?}");
    let copy = stage.ews.for_writing(&bob, &id, Reach::Item).await.unwrap().expect("a copy");
    assert_eq!(copy.answer, Response::Accepted.into());
    assert_eq!(stage.exchange.calendars().inbox(ANN).len(), 1);
}
