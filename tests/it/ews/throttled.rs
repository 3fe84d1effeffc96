//! Everything that Exchange says when it has enough, one line each: who is left alone, for how long
//! at least, and what becomes of the subscriptions.

use std::time::{Duration, Instant};

use calway::calendar::Calendar;
use calway::model::{Fault, Found, ListenEnd, Next, Span, Target, Time};
use calway_lab::exchange::{Draft, Fault as Wrong, Match};

use super::listening::{listen, lively, quick};
use super::{DAY, HOUR, MONDAY, Stage, soon};

/// Who is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rests {
    /// Everybody, as the server said that it has enough.
    Server,
    /// The mailbox whose own budget is used up.
    Mailbox,
    /// Nobody: it is tried again, with another subscription where it was a stream.
    Nobody,
}

const ASKED: u64 = 2_200;
/// Of our own, where Exchange names no time or none that would help.
const FLOOR: u64 = 1_000;

fn code(code: &str) -> Wrong {
    Wrong::ResponseCode(code.into())
}

/// What is said, who rests, and for how many milliseconds at least.
fn table() -> Vec<(Wrong, Rests, u64)> {
    let busy = |back_off_ms, inner| Wrong::ServerBusy { back_off_ms, inner };
    let http = |status, retry_after| Wrong::Http { status, retry_after };
    vec![
        // A SOAP fault with status 500, with BackOffMilliseconds and without.
        (busy(Some(ASKED), false), Rests::Server, ASKED),
        (busy(Some(0), false), Rests::Server, FLOOR),
        (busy(None, false), Rests::Server, FLOOR),
        // Hidden in an ErrorInternalServerError with status 200.
        (busy(Some(ASKED), true), Rests::Server, ASKED),
        (busy(None, true), Rests::Server, FLOOR),
        // The same as a front end passes it on.
        (Wrong::PassedBusy { status: 503, back_off_ms: ASKED }, Rests::Server, ASKED),
        (Wrong::PassedBusy { status: 429, back_off_ms: 0 }, Rests::Server, FLOOR),
        (code("ErrorServerBusy"), Rests::Server, FLOOR),
        (code("ErrorInsufficientResources"), Rests::Server, FLOOR),
        (code("ErrorNotEnoughMemory"), Rests::Server, FLOOR),
        // Something in front of Exchange.
        (http(503, Some(3)), Rests::Server, 3_000),
        (http(503, None), Rests::Server, FLOOR),
        (http(429, Some(2)), Rests::Server, 2_000),
        (Wrong::RedirectToErrorPage, Rests::Server, FLOOR),
        // Budgets of one mailbox.
        (Wrong::ConnectionCount { back_off_ms: 0 }, Rests::Mailbox, FLOOR),
        (Wrong::ConnectionCount { back_off_ms: ASKED }, Rests::Mailbox, ASKED),
        // One request alone was too much.
        (code("ErrorTimeoutExpired"), Rests::Nobody, 0),
        (code("ErrorTooManyObjectsOpened"), Rests::Nobody, 0),
    ]
}

/// The least wait that a fault asks for.
fn asked(fault: &Fault) -> u64 {
    match fault.next {
        Next::Retry { after } | Next::BackOff { after } => after.unwrap_or_default().as_ms(),
        _ => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn what_exchange_says_to_one_is_kept_to_by_all_whom_it_concerns() {
    for (wrong, rests, least) in table() {
        let what = format!("{wrong:?}");
        let stage = Stage::new().await;
        let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
        stage.ews.verify(&ann).await.expect("a calm server");
        stage.exchange.faults().next(Match::operation("SyncFolderItems"), wrong);
        let told = Instant::now();
        let fault = stage.ews.changes(&ann, None).await.unwrap_err();
        let server = matches!(fault.next, Next::BackOff { .. });
        assert_eq!(server, rests == Rests::Server, "{what}: {fault:?}");
        let sent = stage.exchange.log().count("SyncFolderItems");
        let other = stage.ews.changes(&bob, None).await;
        if !server {
            assert!(other.is_ok(), "{what}: {other:?}");
            assert!(rests == Rests::Nobody || asked(&fault) >= least, "{what}: {fault:?}");
            continue;
        }
        // Nothing at all is sent meanwhile, and whoever asks is told until when.
        if let Err(fault) = other {
            assert_eq!(stage.exchange.log().count("SyncFolderItems"), sent, "{what}");
            let left = Span::from_ms(asked(&fault));
            tokio::time::sleep(Duration::from_millis(left.as_ms())).await;
            stage.ews.changes(&bob, None).await.expect("the time that was told is enough");
        }
        assert!(told.elapsed() >= Duration::from_millis(least), "{what}");
    }
}

/// Nothing is sent for anybody until the time is over that whoever asks is told.
async fn everybody_rests(stage: &Stage, other: &Target, fault: &Fault) {
    assert_eq!(fault.cause.code, "ErrorServerBusy");
    assert!(matches!(fault.next, Next::BackOff { .. }), "{fault:?}");
    let sent = stage.exchange.log().entries().len();
    let told = stage.ews.verify(other).await.unwrap_err();
    assert!(matches!(told.next, Next::BackOff { after: Some(_) }), "{told:?}");
    assert_eq!(stage.exchange.log().entries().len(), sent, "nothing is sent meanwhile");
    tokio::time::sleep(Duration::from_millis(asked(&told))).await;
    stage.ews.verify(other).await.expect("the time that was told is enough");
}

#[tokio::test]
async fn what_is_said_of_one_item_of_many_counts_for_the_whole_server() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    let draft = |n: i64| Draft::meeting("A meeting", MONDAY + n * HOUR, 30);
    let ids: Vec<_> = (0..3).map(|n| stage.create(&ann, draft(n))).collect();
    let says = |code| {
        let id = calway_lab::exchange::ItemId(ids[1].0.to_string());
        stage.exchange.calendars().spoil(ann.address.reveal(), &id, code);
    };
    says(Some("ErrorServerBusy"));
    let fault = stage.ews.items(&ann, &ids).await.unwrap_err();
    everybody_rests(&stage, &bob, &fault).await;
    says(None);
    let found = stage.ews.items(&ann, &ids).await.expect("it goes on afterwards");
    assert!(found.iter().all(|one| matches!(one, Found::Meeting(_))), "{found:?}");
    // The mailbox's own budget: it alone waits.
    says(Some("ErrorExceededConnectionCount"));
    let fault = stage.ews.items(&ann, &ids).await.unwrap_err();
    assert!(matches!(fault.next, Next::Retry { after: Some(_) }), "{fault:?}");
    stage.ews.verify(&bob).await.expect("nobody else waits");
}

#[tokio::test]
async fn what_is_said_instead_of_a_listing_counts_for_the_whole_server() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.create(&ann, Draft::meeting("A meeting", MONDAY, 30));
    let (from, to) = (Time::from_ms(MONDAY), Time::from_ms(MONDAY + DAY));
    for wrong in [code("ErrorServerBusy"), Wrong::ServerBusy { back_off_ms: None, inner: true }] {
        stage.exchange.faults().next(Match::operation("FindItem"), wrong);
        let fault = stage.ews.view(&ann, from, to).await.unwrap_err();
        everybody_rests(&stage, &bob, &fault).await;
        let listing = stage.ews.view(&ann, from, to).await.expect("it goes on afterwards");
        assert_eq!(listing.entries.len(), 1);
    }
}

/// Whether a mailbox is gone is Autodiscover's to say, also where an item says it.
#[tokio::test]
async fn an_item_of_a_mailbox_that_is_not_there_is_no_reason_to_give_the_mailbox_up() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let id = stage.create(&ann, Draft::meeting("A meeting", MONDAY, 30));
    let lab = calway_lab::exchange::ItemId(id.0.to_string());
    let gone = Some("ErrorNonExistentMailbox");
    stage.exchange.calendars().spoil(ann.address.reveal(), &lab, gone);
    let ids = [id];
    let fault = stage.ews.items(&ann, &ids).await.unwrap_err();
    assert_eq!(fault.next, Next::Gone, "with a configured address nobody else can say");
    let finding = stage.another(|options| {
        options.url = None;
        let url = format!("{}/autodiscover/autodiscover.svc", stage.exchange.origin());
        options.autodiscover = url.parse().ok();
    });
    let fault = finding.items(&ann, &ids).await.unwrap_err();
    assert_eq!(fault.next, Next::Moved, "its home is asked for first");
}

#[tokio::test]
async fn a_throttled_stream_is_opened_again_on_the_same_subscriptions() {
    for (wrong, rests, least) in table() {
        let what = format!("{wrong:?}");
        let stage = Stage::with(lively(), quick).await;
        let group = stage.mailboxes(2);
        stage.exchange.faults().next(Match::operation("GetStreamingEvents"), wrong);
        let end = listen(&stage, &group, async |ear| {
            ear.all_listen(&group).await;
            ear.stop();
        })
        .await;
        assert_eq!(end, ListenEnd::Stopped, "{what}");
        let log = stage.exchange.log();
        let opened = log.of("GetStreamingEvents");
        // A redirect is no answer of the operation.
        let first = opened[0].at;
        if rests == Rests::Nobody {
            continue;
        }
        assert_eq!(log.count("Subscribe"), 2, "{what}: the subscriptions were good");
        if let Some(second) = opened.get(1) {
            let waited = second.at.duration_since(first);
            assert!(waited >= Duration::from_millis(least), "{what}: {waited:?}");
        }
    }
}

#[tokio::test]
async fn what_a_standing_stream_says_counts_for_the_whole_server() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(2);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        let busy = Wrong::StreamError("ErrorServerBusy".into());
        stage.exchange.faults().next(Match::any(), busy);
        let mut told = stage.ews.changes(&group[1], None).await;
        while told.is_ok() {
            tokio::task::yield_now().await;
            told = stage.ews.changes(&group[1], None).await;
        }
        let fault = told.unwrap_err();
        assert_eq!(fault.cause.code, "ErrorServerBusy");
        assert!(matches!(fault.next, Next::BackOff { after: Some(_) }), "{fault:?}");
        ear.all_listen(&group).await;
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    let log = stage.exchange.log();
    assert_eq!((log.count("Subscribe"), log.count("GetStreamingEvents")), (2, 2));
}

/// Another request met the signal, and the rest lasts longer than a stream may be silent.
#[tokio::test]
async fn a_stream_whose_time_is_over_in_a_rest_is_opened_after_it_on_the_same_subscriptions() {
    const REST: u64 = 6_000;
    let stage = Stage::with(lively(), |options| {
        quick(options);
        // Not over before the server has said that it is busy.
        options.roll_over = (Duration::from_millis(3_000), Duration::from_millis(3_000));
    })
    .await;
    let group = stage.mailboxes(2);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        let busy = Wrong::ServerBusy { back_off_ms: Some(REST), inner: false };
        stage.exchange.faults().next(Match::operation("SyncFolderItems"), busy);
        let told = Instant::now();
        stage.ews.changes(&group[1], None).await.expect_err("it is busy");
        let log = stage.exchange.log();
        let opened = log.count("GetStreamingEvents");
        soon("a stream after the rest", log.wait_for("GetStreamingEvents", opened + 1)).await;
        assert!(told.elapsed() >= Duration::from_millis(REST), "{:?}", told.elapsed());
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    let log = stage.exchange.log();
    assert_eq!(log.count("Subscribe"), 2, "the subscriptions were good");
}
