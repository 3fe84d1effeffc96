//! Mailboxes that are not where they were thought to be: their home is asked for before anything
//! else is asked of them.

use std::collections::BTreeSet;

use calway_lab::exchange::{Fault, Match, MovedTo};
use calway_lab::stage::Options;

use super::streams::{subscribed_anew, told};
use super::{all_is_well, answered, listening, rung_only, whom};
use crate::house::{ALICE, BOB, House, talkative};

/// The mailbox may be elsewhere: its home is asked for before it is subscribed again.
async fn is_looked_for_anew(code: &str) {
    let house = told(code).await;
    all_is_well(&house).await;
    assert!(subscribed_anew(&house), "{code}: {:?}", whom(&house, "Subscribe"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_read_events_failed_rediscovers_and_subscribes_anew() {
    is_looked_for_anew("ErrorReadEventsFailed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_proxy_request_not_allowed_rediscovers_and_subscribes_anew() {
    is_looked_for_anew("ErrorProxyRequestNotAllowed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_proxy_request_not_allowed_to_subscribe_rediscovers() {
    let house = House::start(rung_only()).await;
    let code = Fault::ResponseCode("ErrorProxyRequestNotAllowed".into());
    house.stage.exchange.faults().next(Match::operation("Subscribe"), code);
    house.activate(ALICE.0, ALICE.1).await;
    answered(&house, "Subscribe", 2).await;
    house.activate(BOB.0, BOB.1).await;
    house
        .until("both are subscribed", |house| {
            [ALICE, BOB].iter().all(|who| house.calendars().subscriptions(who.1) == 1)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_mailbox_that_moved_is_found_and_one_that_is_gone_is_named() {
    let polled = Options { poll_seconds: Some(5), ..talkative() };
    let house = listening(polled).await;
    house.calendars().move_mailbox(ALICE.1, MovedTo::BackEnd(2));
    house.meet(ALICE, "Made at the new place", 2);
    house
        .until("it is subscribed there", |house| house.calendars().subscriptions(ALICE.1) == 1)
        .await;
    house.exact(&[ALICE, BOB]).await;
    house.calendars().remove_mailbox(BOB.1);
    house.until("he is named", |house| house.log().contains("user-bob cannot be read")).await;
    house.stage.exchange.log().clear();
    for n in 0..5 {
        house.meet(ALICE, "Not Alice's trouble", 5 + n);
    }
    house.exact(&[ALICE]).await;
    let asked: BTreeSet<_> = whom(&house, "SyncFolderItems").into_iter().collect();
    assert_eq!(asked, BTreeSet::from(["alice".to_owned()]), "nobody asks for him again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_an_anchor_that_no_server_answers_for() {
    let house: House = listening(rung_only()).await;
    let lost = Fault::ResponseCode("ErrorNoRespondingCASInDestinationSite".into());
    for operation in ["SyncFolderItems", "GetItem"] {
        let alices = Match { operation: Some(operation), mailbox: Some(ALICE.1) };
        house.stage.exchange.faults().next(alices, lost.clone());
    }
    house.meet(ALICE, "Behind another site", 2);
    house.meet(BOB, "Not Bob's trouble", 2);
    house.exact(&[ALICE, BOB]).await;
    assert!(house.stage.exchange.faults().is_empty());
}
