//! What a stream may say beside notifications. In each case a meeting was made that no stream told
//! of, and no poll comes: only the sync that belongs to the cure can find it. What becomes of the
//! other mailboxes of a stream is to be seen where the provider is tested alone.

use calway_lab::exchange::{Fault, Match};

use super::{all_is_well, answered, listening, once, order, rung_only, unheard, whom};
use crate::house::{ALICE, BOB, House};

/// The stream that Alice leads says this of all its subscriptions while its status stays OK.
pub(super) async fn told(code: &str) -> House {
    let house = listening(rung_only()).await;
    unheard(&house, ALICE, "Nobody rang for it", 2);
    let faults = house.stage.exchange.faults();
    faults.next(Match::mailbox(ALICE.1), Fault::StreamError(code.into()));
    answered(&house, "GetStreamingEvents", 1).await;
    house
}

/// Whether Alice was subscribed anew, and nobody twice.
pub(super) fn subscribed_anew(house: &House) -> bool {
    let names = whom(house, "Subscribe");
    names.first().is_some_and(|name| name == "alice") && once(names)
}

/// One subscription is no more: it alone is made anew, and the stream goes on with the rest.
async fn one_is_dropped(whose: (&str, &str, &str), code: &'static str) {
    let house = listening(rung_only()).await;
    unheard(&house, whose, "Nobody rang for it", 2);
    house.calendars().end_subscriptions(whose.1, code);
    answered(&house, "Subscribe", 1).await;
    answered(&house, "GetStreamingEvents", 1).await;
    all_is_well(&house).await;
    let name = whose.1.split('@').next().unwrap();
    assert_eq!(whom(&house, "Subscribe"), [name], "{code}");
    assert_eq!(whom(&house, "Unsubscribe"), Vec::<String>::new(), "{code}");
    assert_eq!(house.calendars().subscriptions(ALICE.1), 1);
    assert_eq!(house.calendars().subscriptions(BOB.1), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_subscription_not_found_drops_the_bad_id_only() {
    one_is_dropped(BOB, "ErrorSubscriptionNotFound").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_invalid_subscription_drops_the_bad_id_only() {
    one_is_dropped(BOB, "ErrorInvalidSubscription").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_of_the_anchor_drops_the_bad_id_only() {
    one_is_dropped(ALICE, "ErrorSubscriptionNotFound").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_that_forgot_all_subscriptions_gets_new_ones() {
    let house = listening(rung_only()).await;
    house.stage.exchange.cut().await;
    for who in [ALICE, BOB] {
        unheard(&house, who, "Nobody rang for it", 2);
        house.calendars().forget_subscriptions(who.1);
    }
    house.stage.exchange.log().clear();
    house.stage.exchange.restore().await;
    answered(&house, "Subscribe", 2).await;
    all_is_well(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_missed_notification_events_syncs_and_subscribes_anew() {
    let house = told("ErrorMissedNotificationEvents").await;
    all_is_well(&house).await;
    assert!(subscribed_anew(&house), "{:?}", whom(&house, "Subscribe"));
    assert_eq!(house.stage.exchange.log().count("FindItem"), 0, "from the cursor, not all anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_stream_is_opened_again_at_once() {
    let house = listening(rung_only()).await;
    unheard(&house, ALICE, "Nobody rang for it", 2);
    house.stage.exchange.faults().next(Match::mailbox(ALICE.1), Fault::StreamClosed);
    answered(&house, "GetStreamingEvents", 1).await;
    all_is_well(&house).await;
    let asked = order(&house, &["GetStreamingEvents", "Subscribe", "Unsubscribe"]);
    assert_eq!(asked, ["GetStreamingEvents"], "the subscriptions were good");
    assert!(!house.log().contains("stream-failed"), "nothing is wrong with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_although_the_status_is_ok_is_believed_once() {
    for code in ["ErrorInternalServerError", "ErrorOfALaterExchange"] {
        let house = told(code).await;
        all_is_well(&house).await;
        assert!(subscribed_anew(&house), "{code}: {:?}", whom(&house, "Subscribe"));
        assert_eq!(house.stage.exchange.log().count("GetStreamingEvents"), 1, "no loop: {code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_new_event_stream_connection_opened_leaves_the_id_to_the_other() {
    let house = listening(rung_only()).await;
    unheard(&house, ALICE, "Nobody rang for it", 2);
    house.calendars().take_over_subscriptions(ALICE.1);
    answered(&house, "GetStreamingEvents", 1).await;
    house.meet(ALICE, "Alice's last", 5);
    house.meet(BOB, "Bob's last", 5);
    house.exact(&[ALICE, BOB]).await;
    assert!(subscribed_anew(&house), "an id of its own: {:?}", whom(&house, "Subscribe"));
    assert_eq!(whom(&house, "Unsubscribe"), Vec::<String>::new(), "nor is it taken from the other");
    assert_eq!(house.calendars().subscriptions(ALICE.1), 2);
}
