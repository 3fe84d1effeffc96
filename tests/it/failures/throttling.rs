//! What Exchange says when it has enough: nobody asks before the time it named, and never before
//! the floor of our own; then everything is read that it kept back.

use std::time::Duration;

use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{Draft, Fault, Match};

use super::{all_is_well, answered, listening, order, rung_only, whom};
use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House};

/// The first wait of our own.
const FLOOR: Duration = Duration::from_secs(1);

fn busy(back_off_ms: Option<u64>, inner: bool) -> Fault {
    Fault::ServerBusy { back_off_ms, inner }
}

/// Exchange answers a sync like this: nothing at all is asked of it before `least` is over.
async fn everybody_rests(fault: Fault, least: Duration) {
    let what = format!("{fault:?}");
    let house = listening(rung_only()).await;
    house.stage.exchange.faults().next(Match::operation("SyncFolderItems"), fault);
    house.meet(ALICE, "Asked for too early", 2);
    house.until("the pause is told", |house| house.log().contains("exchange-waits")).await;
    house.meet(BOB, "Rung into the pause", 3);
    answered(&house, "SyncFolderItems", 2).await;
    let asked = house.stage.exchange.log().entries();
    let met = asked.iter().position(|one| one.operation == "SyncFolderItems");
    let met = met.expect("it was met");
    let waited = asked[met + 1].at.duration_since(asked[met].at);
    assert!(waited >= least, "{what}: asked again after {waited:?}");
    all_is_well(&house).await;
    assert_eq!(order(&house, &["GetStreamingEvents", "Subscribe"]), Vec::<String>::new());
    assert_eq!(house.stage.exchange.log().count("ErrorPage"), 0, "a redirect is not followed");
}

/// The same in the middle of a reading: what it began with is not lost, and it goes on afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_server_busy_about_an_item_or_a_listing_interrupts_the_reading_and_no_more() {
    for operation in ["GetItem", "FindItem"] {
        let house = listening(rung_only()).await;
        let says_busy = Fault::ResponseCode("ErrorServerBusy".into());
        house.stage.exchange.faults().next(Match::operation(operation), says_busy);
        let series = Draft::meeting("Read in two halves", now_ms() / 60_000 * 60_000, 30)
            .repeat(Pattern::Daily { interval: 1 }, End::After(3));
        house.calendars().create(ALICE.1, series);
        house.until("the pause is told", |house| house.log().contains("exchange-waits")).await;
        house.meet(BOB, "Rung into the pause", 3);
        answered(&house, operation, 2).await;
        let asked = house.stage.exchange.log().entries();
        let met = asked.iter().position(|entry| entry.operation == operation);
        let met = met.expect("it was met");
        let waited = asked[met + 1].at.duration_since(asked[met].at);
        assert!(waited >= FLOOR, "{operation}: somebody asked after {waited:?}");
        all_is_well(&house).await;
        assert_eq!(order(&house, &["GetStreamingEvents", "Subscribe"]), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_server_busy_is_given_the_time_it_asks_for() {
    everybody_rests(busy(Some(2_500), false), Duration::from_millis(2_500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_server_busy_without_a_time_is_given_the_floor() {
    everybody_rests(busy(None, false), FLOOR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_server_busy_inside_a_200_is_given_the_time_it_asks_for() {
    everybody_rests(busy(Some(2_500), true), Duration::from_millis(2_500)).await;
}

/// It is the mailbox's own budget that is used up: it alone rests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_exceeded_connection_count_with_0_ms_is_given_the_floor() {
    let house = listening(rung_only()).await;
    let alices = Match { operation: Some("SyncFolderItems"), mailbox: Some(ALICE.1) };
    house.stage.exchange.faults().next(alices, Fault::ConnectionCount { back_off_ms: 0 });
    house.meet(ALICE, "Asked for too early", 2);
    answered(&house, "SyncFolderItems", 1).await;
    house.meet(BOB, "Not Bob's budget", 3);
    house.exact(&[ALICE, BOB]).await;
    let log = house.stage.exchange.log().entries();
    let asked: Vec<_> =
        log.iter().filter(|entry| entry.mailbox.as_deref() == Some(ALICE.1)).collect();
    let waited = asked[1].at.duration_since(asked[0].at);
    assert!(waited >= FLOOR, "asked again after {waited:?}");
    assert!(!house.log().contains("exchange-waits"), "nobody else waits");
    all_is_well(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_503_is_given_its_retry_after() {
    let fault = Fault::Http { status: 503, retry_after: Some(3) };
    everybody_rests(fault, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_503_without_a_time_is_given_the_floor() {
    everybody_rests(Fault::Http { status: 503, retry_after: None }, FLOOR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_302_to_an_error_page_is_given_the_floor_and_not_followed() {
    everybody_rests(Fault::RedirectToErrorPage, FLOOR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_answer_to_subscribe_or_to_a_stream_stops_the_subscribing() {
    for operation in ["Subscribe", "GetStreamingEvents"] {
        let house = House::start(rung_only()).await;
        let faults = house.stage.exchange.faults();
        faults.next(Match::operation(operation), busy(Some(1_500), false));
        house.activate(ALICE.0, ALICE.1).await;
        answered(&house, operation, 2).await;
        let log = house.stage.exchange.log().of(operation);
        let waited = log[1].at.duration_since(log[0].at);
        assert!(waited >= Duration::from_millis(1_500), "{operation}: {waited:?}");
        house.activate(BOB.0, BOB.1).await;
        house
            .until("both are subscribed", |house| {
                [ALICE, BOB].iter().all(|who| house.calendars().subscriptions(who.1) >= 1)
            })
            .await;
        house.meet(ALICE, "After it", 2);
        house.exact(&[ALICE, BOB]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_exceeded_subscription_count_keeps_only_its_mailbox_from_the_stream() {
    let house = House::start(rung_only()).await;
    let full = Fault::ResponseCode("ErrorExceededSubscriptionCount".into());
    let mailbox = Match { operation: Some("Subscribe"), mailbox: Some(BOB.1) };
    // Once more, and he would be left to polling for a quarter of an hour.
    house.stage.exchange.faults().times(3, mailbox, full);
    house.meet(BOB, "Read all the same", 2);
    for who in [ALICE, BOB] {
        house.activate(who.0, who.1).await;
    }
    house.until("Alice's stream stands", |house| house.stage.exchange.open_streams() > 0).await;
    house.meet(ALICE, "Rung for", 2);
    house.exact(&[ALICE, BOB]).await;
    house.until("Bob listens too", |house| house.calendars().subscriptions(BOB.1) == 1).await;
    house.meet(BOB, "Rung for", 3);
    house.exact(&[ALICE, BOB]).await;
    let asked = whom(&house, "Subscribe");
    assert_eq!(asked, ["alice", "bob", "bob", "bob", "bob"]);
    let order = order(&house, &["Subscribe", "GetStreamingEvents"]);
    let stands = order.iter().position(|one| one == "GetStreamingEvents");
    let last = order.iter().rposition(|one| one == "Subscribe");
    assert!(stands < last, "hers did not wait for him: {order:?}");
}

/// Codes that say "not now" about one request: it is asked again, later, and nobody else waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_took_too_long_or_too_much_is_asked_again() {
    for code in ["ErrorTimeoutExpired", "ErrorTooManyObjectsOpened"] {
        let house = listening(rung_only()).await;
        for operation in ["SyncFolderItems", "GetItem"] {
            let whose = Match { operation: Some(operation), mailbox: Some(ALICE.1) };
            house.stage.exchange.faults().next(whose, Fault::ResponseCode(code.into()));
        }
        house.meet(ALICE, "At the second attempt", 2);
        house.meet(BOB, "At the first", 2);
        house.exact(&[ALICE, BOB]).await;
        assert!(house.stage.exchange.faults().is_empty(), "{code} was met");
        let bobs = whom(&house, "GetItem").into_iter().filter(|name| name == "bob").count();
        assert_eq!(bobs, 1, "{code}");
        assert!(!house.log().contains("exchange-waits"), "{code}");
        all_is_well(&house).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_mid_way_signs_in_anew_and_costs_no_password() {
    let house = listening(rung_only()).await;
    let forgot = Fault::Http { status: 401, retry_after: None };
    house.stage.exchange.faults().next(Match::operation("SyncFolderItems"), forgot.clone());
    house.stage.exchange.faults().next(Match::operation("GetItem"), forgot);
    house.meet(ALICE, "The connection was forgotten", 2);
    all_is_well(&house).await;
    assert_eq!(house.stage.exchange.log().refusals(), 0);
    assert!(!house.log().contains("sign-in-refused"));
}
