//! Groups that listen: one stream over many mailboxes, and everything that may happen to it.

use std::collections::BTreeSet;
use std::time::Duration;

use calway::calendar::Calendar;
use calway::calendar::ews::Options;
use calway::model::{Fault, Hint, ListenEnd, Next, Order, Target, UserId};
use calway_lab::exchange::affinity::Rule;
use calway_lab::exchange::{self, Draft, Fault as Wrong, Match, Prefix};
use tokio::sync::mpsc;

use super::{MONDAY, Stage, soon};

/// A group that listens, and what it has told.
pub(super) struct Ear {
    hints: mpsc::Receiver<Hint>,
    pub(super) orders: mpsc::Sender<Order>,
}

/// Runs `test` beside a group that listens; gives how the group ended.
pub(super) async fn listen<T: AsyncFnOnce(&mut Ear)>(
    stage: &Stage,
    group: &[Target],
    test: T,
) -> ListenEnd {
    let (told, hints) = mpsc::channel(1_000);
    let (orders, ordered) = mpsc::channel(100);
    let mut ear = Ear { hints, orders };
    let listening = stage.ews.listen(group.to_vec(), ordered, told);
    let both = async { tokio::join!(listening, test(&mut ear)) };
    soon("listening", both).await.0
}

impl Ear {
    pub(super) async fn next(&mut self) -> Hint {
        soon("a hint", self.hints.recv()).await.expect("it still listens")
    }

    /// Waits until each of these was told to listen; what else is told meanwhile is passed over.
    pub(super) async fn all_listen(&mut self, group: &[Target]) {
        let mut missing: BTreeSet<UserId> = group.iter().map(|one| one.user.clone()).collect();
        while !missing.is_empty() {
            if let Hint::Listening(user) = self.next().await {
                missing.remove(&user);
            }
        }
    }

    /// Waits until this one's doorbell rings.
    pub(super) async fn rings(&mut self, target: &Target) {
        loop {
            if self.next().await == Hint::Changed(target.user.clone()) {
                return;
            }
        }
    }

    async fn refused(&mut self) -> (UserId, Fault) {
        loop {
            if let Hint::Refused(user, fault) = self.next().await {
                return (user, fault);
            }
        }
    }

    pub(super) fn stop(&self) {
        self.orders.try_send(Order::Stop).expect("it takes orders");
    }
}

/// All calls for streams went to one back end by one anchor, and no subscription is left.
pub(super) fn one_way_and_all_given_back(stage: &Stage, group: &[Target]) {
    let log = stage.exchange.log();
    let ways: BTreeSet<_> = ["Subscribe", "GetStreamingEvents", "Unsubscribe"]
        .into_iter()
        .flat_map(|operation| log.of(operation))
        .map(|entry| (entry.back_end, entry.anchor))
        .collect();
    assert_eq!(ways.len(), 1, "one back end, one anchor: {ways:?}");
    for target in group {
        assert_eq!(stage.exchange.calendars().subscriptions(target.address.reveal()), 0);
    }
}

pub(super) fn quick(options: &mut Options) {
    options.silence = Duration::from_millis(5_000);
}

pub(super) fn lively() -> exchange::Options {
    exchange::Options { heartbeat: Duration::from_millis(100), ..exchange::Options::default() }
}

pub(super) fn touch(stage: &Stage, target: &Target) {
    stage.create(target, Draft::meeting("touched", MONDAY, 30));
}

#[tokio::test]
async fn one_stream_hears_all_mailboxes_of_a_group_on_one_back_end() {
    let stage = Stage::new().await;
    let group = stage.mailboxes(30);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        for target in [&group[29], &group[0], &group[17]] {
            touch(&stage, target);
            ear.rings(target).await;
        }
        assert_eq!(stage.exchange.open_streams(), 1);
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    let log = stage.exchange.log();
    let subscribed = log.of("Subscribe");
    assert_eq!(subscribed.len(), 30);
    assert_eq!(subscribed[0].mailbox.as_deref(), Some("m000@corp.example"), "the anchor first");
    assert_eq!(log.count("Unsubscribe"), 30);
    one_way_and_all_given_back(&stage, &group);
    assert!(log.counts().most_running <= 4, "{}", log.counts().most_running);
}

#[tokio::test]
async fn a_group_is_led_by_its_anchor_and_whoever_is_read_by_itself() {
    for rule in [Rule::Cookie, Rule::Anchor] {
        let server = exchange::Options { affinity: rule, back_ends: 3, ..lively() };
        let stage = Stage::with(server, quick).await;
        let group = stage.mailboxes(30);
        let item = stage.create(&group[7], Draft::meeting("read", MONDAY, 30));
        let end = listen(&stage, &group, async |ear| {
            ear.all_listen(&group).await;
            touch(&stage, &group[17]);
            ear.rings(&group[17]).await;
            stage.ews.changes(&group[7], None).await.expect("a page");
            stage.ews.items(&group[7], std::slice::from_ref(&item)).await.expect("an item");
            ear.stop();
        })
        .await;
        assert_eq!(end, ListenEnd::Stopped);
        let log = stage.exchange.log();
        let all: BTreeSet<_> = group.iter().map(|one| one.address.reveal().to_owned()).collect();
        let anchor = Some("m000@corp.example");
        for operation in ["Subscribe", "GetStreamingEvents", "Unsubscribe"] {
            let calls = log.of(operation);
            let led = calls.iter().all(|call| call.anchor.as_deref() == anchor);
            assert!(led, "{rule:?} {operation}: {calls:?}");
            if operation == "GetStreamingEvents" {
                assert_eq!(calls.len(), 1, "{rule:?}");
                assert_eq!(calls[0].mailbox.as_deref(), anchor, "{rule:?}: its budget pays");
            } else {
                let names: BTreeSet<_> = calls.into_iter().filter_map(|one| one.mailbox).collect();
                assert_eq!(names, all, "{rule:?} {operation}: each in its own name");
            }
        }
        for operation in ["SyncFolderItems", "GetItem"] {
            let calls = log.of(operation);
            let own = Some("m007@corp.example");
            let names = calls.iter().map(|call| (call.anchor.as_deref(), call.mailbox.as_deref()));
            assert!(!calls.is_empty(), "{operation}");
            assert!(names.clone().all(|name| name == (own, own)), "{rule:?} {operation}");
        }
        one_way_and_all_given_back(&stage, &group);
    }
}

#[tokio::test]
async fn envelopes_may_come_in_any_pieces_and_with_any_prefix() {
    for prefix in [Prefix::S, Prefix::Default, Prefix::UpperSoap, Prefix::Soap11] {
        for wrong in [Wrong::SplitEnvelopes { at: 7 }, Wrong::JoinEnvelopes] {
            let server = exchange::Options { stream_prefix: Some(prefix), ..lively() };
            let stage = Stage::with(server, quick).await;
            let group = stage.mailboxes(3);
            stage.exchange.faults().always(Match::operation("GetStreamingEvents"), wrong);
            let end = listen(&stage, &group, async |ear| {
                ear.all_listen(&group).await;
                for target in &group {
                    touch(&stage, target);
                    ear.rings(target).await;
                }
                ear.stop();
            })
            .await;
            assert_eq!(end, ListenEnd::Stopped);
            assert_eq!(stage.exchange.log().count("GetStreamingEvents"), 1, "{prefix:?}");
        }
    }
}

#[tokio::test]
async fn a_silent_stream_is_opened_again_and_the_gap_is_told() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(3);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        stage.exchange.faults().next(Match::any(), Wrong::StreamSilent);
        ear.all_listen(&group).await;
        touch(&stage, &group[1]);
        ear.rings(&group[1]).await;
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    assert_eq!(stage.exchange.log().count("GetStreamingEvents"), 2);
    assert_eq!(stage.exchange.log().count("Subscribe"), 3, "the subscriptions were good");
}

#[tokio::test]
async fn heartbeats_keep_a_quiet_stream() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(1);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        let quiet = tokio::time::timeout(Duration::from_secs(7), ear.hints.recv()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    assert_eq!(stage.exchange.log().count("GetStreamingEvents"), 1);
}

#[tokio::test]
async fn a_cut_stream_is_opened_again_and_the_gap_is_told() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(3);
    listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        stage.exchange.drop_connections();
        ear.all_listen(&group).await;
        touch(&stage, &group[2]);
        ear.rings(&group[2]).await;
        ear.stop();
    })
    .await;
}

#[tokio::test]
async fn a_lost_subscription_is_made_anew_alone() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(3);
    listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        stage.exchange.calendars().forget_subscriptions("m001@corp.example");
        ear.all_listen(&group).await;
        touch(&stage, &group[1]);
        ear.rings(&group[1]).await;
        touch(&stage, &group[2]);
        ear.rings(&group[2]).await;
        ear.stop();
    })
    .await;
    let subscribed = stage.exchange.log().of("Subscribe");
    assert_eq!(subscribed.len(), 4);
    assert_eq!(subscribed[3].mailbox.as_deref(), Some("m001@corp.example"));
}

#[tokio::test]
async fn an_error_beside_a_good_status_is_believed() {
    for code in ["ErrorMissedNotificationEvents", "ErrorOfALaterExchange"] {
        let stage = Stage::with(lively(), quick).await;
        let group = stage.mailboxes(2);
        let end = listen(&stage, &group, async |ear| {
            ear.all_listen(&group).await;
            stage.exchange.faults().next(Match::any(), Wrong::StreamError(code.into()));
            ear.all_listen(&group).await;
            touch(&stage, &group[0]);
            ear.rings(&group[0]).await;
            ear.stop();
        })
        .await;
        assert_eq!(end, ListenEnd::Stopped, "{code}");
        assert_eq!(stage.exchange.log().count("Subscribe"), 4, "{code}");
    }
}

#[tokio::test]
async fn one_refused_mailbox_does_not_keep_the_others_from_listening() {
    // The anchor, and another.
    for refused in ["m000", "m002"] {
        let stage = Stage::with(lively(), quick).await;
        let group = stage.mailboxes(4);
        stage.exchange.calendars().deny_impersonation(&format!("{refused}@corp.example"), true);
        let others: Vec<_> = group
            .iter()
            .filter(|one| !one.address.reveal().starts_with(refused))
            .cloned()
            .collect();
        listen(&stage, &group, async |ear| {
            let (user, fault) = ear.refused().await;
            assert_eq!(user.as_str(), format!("user-{refused}"));
            assert_eq!(fault.next, Next::Denied);
            ear.all_listen(&others).await;
            touch(&stage, &others[2]);
            ear.rings(&others[2]).await;
            ear.stop();
        })
        .await;
    }
}

#[tokio::test]
async fn a_stream_is_opened_anew_and_at_last_its_subscriptions_are_given_back() {
    let stage = Stage::with(lively(), |options| {
        quick(options);
        // Long enough for five subscriptions on a busy machine: both lives count from the first.
        options.roll_over = (Duration::from_millis(3_000), Duration::from_millis(3_050));
        options.openings = 2;
    })
    .await;
    let group = stage.mailboxes(5);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        ear.all_listen(&group).await;
    })
    .await;
    assert_eq!(end, ListenEnd::RollOver);
    let log = stage.exchange.log();
    assert_eq!((log.count("Subscribe"), log.count("Unsubscribe")), (5, 5));
    assert_eq!(log.count("GetStreamingEvents"), 2);
    for target in &group {
        assert_eq!(stage.exchange.calendars().subscriptions(target.address.reveal()), 0);
    }
}

#[tokio::test]
async fn a_subscription_lost_in_silence_is_made_anew_when_the_stream_is_opened_anew() {
    let stage = Stage::with(lively(), |options| {
        quick(options);
        options.roll_over = (Duration::from_millis(600), Duration::from_millis(700));
    })
    .await;
    let group = stage.mailboxes(4);
    listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        let lost = group[2].address.reveal();
        stage.exchange.calendars().lose_subscriptions(lost);
        touch(&stage, &group[2]);
        ear.all_listen(&group).await;
        assert_eq!(stage.exchange.calendars().subscriptions(lost), 1);
        touch(&stage, &group[2]);
        ear.rings(&group[2]).await;
        ear.stop();
    })
    .await;
    assert_eq!(stage.exchange.log().count("Subscribe"), 5, "nobody else was subscribed anew");
}

#[tokio::test]
async fn a_server_that_goes_away_ends_the_group() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(2);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        stage.exchange.cut().await;
    })
    .await;
    assert!(
        matches!(&end, ListenEnd::Failed(fault) if fault.next == Next::BackOff { after: None })
    );
}

#[tokio::test]
async fn a_busy_server_is_given_its_rest_and_costs_no_subscription() {
    let busy = Wrong::Http { status: 503, retry_after: Some(1) };
    for busy in [busy, Wrong::RedirectToErrorPage] {
        let stage = Stage::with(lively(), quick).await;
        let group = stage.mailboxes(2);
        stage.exchange.faults().next(Match::operation("GetStreamingEvents"), busy);
        let end = listen(&stage, &group, async |ear| {
            ear.all_listen(&group).await;
            ear.stop();
        })
        .await;
        assert_eq!(end, ListenEnd::Stopped);
        assert_eq!(stage.exchange.log().count("Subscribe"), 2, "the subscriptions were good");
    }
}

#[tokio::test]
async fn the_rest_that_a_server_asks_for_counts_for_its_streams_too() {
    let stage = Stage::new().await;
    let group = stage.mailboxes(2);
    let busy = Wrong::Http { status: 503, retry_after: Some(2) };
    let whose = Match { operation: Some("Subscribe"), mailbox: Some("m001@corp.example") };
    stage.exchange.faults().next(whose, busy);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group[..1]).await;
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    let log = stage.exchange.log();
    let (said, opened) = (log.of("Subscribe")[1].at, log.of("GetStreamingEvents")[0].at);
    let waited = opened.duration_since(said);
    assert!(waited >= Duration::from_secs(2), "a stream was asked for after {waited:?}");
}

#[tokio::test]
async fn whoever_is_subscribed_leaves_half_of_the_places_to_the_meetings() {
    let stage = Stage::with(lively(), |options| options.max_connections = 4).await;
    let group = stage.mailboxes(9);
    for target in &group[1..] {
        let whose = Match { operation: Some("Subscribe"), mailbox: Some(target.address.reveal()) };
        stage.exchange.faults().next(whose, Wrong::Hang);
    }
    listen(&stage, &group, async |ear| {
        soon("two are being subscribed", async {
            while stage.exchange.faults().played() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        soon("a request", stage.ews.verify(&group[0])).await.expect("an answer");
        assert_eq!(stage.exchange.faults().played(), 2);
        ear.stop();
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_ends_the_group_after_one_attempt() {
    let stage = Stage::new().await;
    "wrong".clone_into(&mut stage.password.lock().unwrap());
    let group = stage.mailboxes(5);
    let end = listen(&stage, &group, async |_| {}).await;
    assert!(matches!(&end, ListenEnd::Failed(fault) if fault.next == Next::SignIn), "{end:?}");
    assert_eq!(stage.exchange.log().refusals(), 1);
}

#[tokio::test]
async fn whoever_stops_listening_to_the_hints_stops_the_group() {
    let stage = Stage::new().await;
    let group = stage.mailboxes(2);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        ear.hints.close();
        touch(&stage, &group[0]);
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
}
