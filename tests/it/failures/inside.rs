//! The rest of what went wrong for people: where the provider alone shows it better than the
//! whole program does.

use std::collections::BTreeSet;
use std::time::Duration;

use calway::calendar::Calendar;
use calway::model::{Doubt, Found, Hint, Next, Order, Target, Time, UserId};
use calway_lab::exchange::service::{End, Pattern};
use calway_lab::exchange::{self, Draft, Fault, Match};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::ews::{DAY, HOUR, MONDAY, Stage, soon};

/// A group that listens beside a test; it ends with it.
struct Ear {
    hints: mpsc::Receiver<Hint>,
    orders: mpsc::Sender<Order>,
}

/// Runs `test` beside groups that listen.
async fn beside<T: AsyncFnOnce(&mut [Ear])>(stage: &Stage, groups: &[Vec<Target>], test: T) {
    let (mut ears, mut listening) = (Vec::new(), Vec::new());
    for group in groups {
        let (told, hints) = mpsc::channel(1_000);
        let (orders, ordered) = mpsc::channel(4);
        listening.push(stage.ews.listen(group.clone(), ordered, told));
        ears.push(Ear { hints, orders });
    }
    let test = async {
        test(&mut ears).await;
        for ear in &ears {
            let _ = ear.orders.send(Order::Stop).await;
        }
        // Hints that nobody takes any more must not keep a group.
        drop(ears);
    };
    soon("listening", async { tokio::join!(join_all(listening), test) }).await;
}

impl Ear {
    async fn all_listen(&mut self, group: &[Target]) {
        let mut missing: BTreeSet<UserId> = group.iter().map(|one| one.user.clone()).collect();
        while !missing.is_empty() {
            if let Some(Hint::Listening(user)) = soon("a hint", self.hints.recv()).await {
                missing.remove(&user);
            }
        }
    }
}

#[tokio::test]
async fn f02_a_stream_that_hangs_silently_after_a_cut() {
    let server =
        exchange::Options { heartbeat: Duration::from_millis(50), ..exchange::Options::default() };
    let silence = Duration::from_millis(1_500);
    let stage = Stage::with(server, |options| options.silence = silence).await;
    let group = vec![stage.mailbox("ann"), stage.mailbox("bob")];
    let cursor = stage.pages(&group[0], None).await.unwrap().pop().unwrap().cursor;
    beside(&stage, std::slice::from_ref(&group), async |ears| {
        let [ear] = ears else { panic!("one group") };
        ear.all_listen(&group).await;
        stage.exchange.faults().next(Match::any(), Fault::StreamSilent);
        stage.create(&group[0], Draft::meeting("In the silence", MONDAY, 30));
        // Told without a word from the server, and then nothing is missing.
        ear.all_listen(&group).await;
        let pages = stage.pages(&group[0], Some(&cursor)).await.unwrap();
        assert_eq!(pages.iter().map(|page| page.changes.len()).sum::<usize>(), 1);
    })
    .await;
    assert_eq!(stage.exchange.log().count("GetStreamingEvents"), 2);
}

#[tokio::test]
async fn f04_thousands_are_subscribed_side_by_side_each_once() {
    let stage = Stage::new().await;
    let slow = Fault::Delay(Duration::from_millis(3));
    stage.exchange.faults().always(Match::operation("Subscribe"), slow);
    let groups: Vec<Vec<Target>> =
        stage.mailboxes(600).chunks(200).map(<[Target]>::to_vec).collect();
    beside(&stage, &groups, async |ears| {
        let all = ears.iter_mut().zip(&groups).map(|(ear, group)| ear.all_listen(group));
        join_all(all).await;
        assert_eq!(stage.exchange.open_streams(), 3, "200 to a stream");
    })
    .await;
    let log = stage.exchange.log();
    assert_eq!(log.count("Subscribe"), 600);
    let most = log.counts().most_running;
    assert!((4..=10).contains(&most), "{most} at once");
}

#[tokio::test]
async fn f06_streams_do_not_starve_the_requests() {
    let stage = Stage::with(exchange::Options::default(), |options| {
        options.max_connections = 1;
    })
    .await;
    let groups: Vec<Vec<Target>> = stage.mailboxes(6).chunks(1).map(<[Target]>::to_vec).collect();
    beside(&stage, &groups, async |ears| {
        let all = ears.iter_mut().zip(&groups).map(|(ear, group)| ear.all_listen(group));
        join_all(all).await;
        assert_eq!(stage.exchange.open_streams(), 6);
        for group in &groups {
            soon("a request", stage.ews.verify(&group[0])).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn f16_recurrence_and_time_zones_and_whole_days_in_another_zone() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    // Nine in Berlin, daily from the Thursday before the clocks change on 2026-03-29.
    let thursday = MONDAY + 24 * DAY;
    let series = Draft::meeting("Standup", thursday + 8 * HOUR, 30)
        .zone("W. Europe Standard Time")
        .repeat(Pattern::Daily { interval: 1 }, End::After(6));
    stage.create(&ann, series);
    // A day of Tokyo begins at 15:00 of the day before, UTC.
    let mut holiday =
        Draft::meeting("Holiday", MONDAY + 7 * DAY - 9 * HOUR, 24 * 60).zone("Tokyo Standard Time");
    holiday.all_day = true;
    let holiday = stage.create(&ann, holiday);
    let (from, to) = (Time::from_ms(thursday), Time::from_ms(thursday + 10 * DAY));
    let view = stage.ews.view(&ann, from, to).await.unwrap();
    let starts: Vec<i64> =
        view.entries.iter().map(|entry| entry.start.as_ms() - thursday).collect();
    let expected = [8, 32, 56, 79, 103, 127].map(|hours| hours * HOUR);
    assert_eq!(starts, expected, "nine o'clock before and after");
    let found = stage.ews.items(&ann, &[holiday]).await.unwrap();
    let [Found::Meeting(day)] = found.as_slice() else { panic!("{found:?}") };
    assert!(day.all_day);
    assert_eq!(day.start, Time::from_ms(MONDAY + 7 * DAY - 9 * HOUR));
    assert_eq!(day.end.since(day.start).as_ms(), 24 * 3_600_000);
}

#[tokio::test]
async fn f17_oof_needs_impersonation_and_availability_needs_a_full_time_zone() {
    let stage = Stage::new().await;
    let (ann, bob) = (stage.mailbox("ann"), stage.mailbox("bob"));
    stage.exchange.calendars().set_zone("ann@corp.example", "W. Europe Standard Time");
    let homes = stage.ews.homes(&[ann.clone(), bob], Doubt::Moved).await;
    let zone = homes[0].as_ref().unwrap().zone.expect("the zone of Ann's working hours");
    let noon = Time::from_ms(MONDAY + 12 * HOUR);
    assert_eq!(zone.midnight(noon), Time::from_ms(MONDAY - HOUR), "Berlin's midnight");
    let asked = stage.exchange.log().of("GetUserAvailability");
    assert!(!asked.is_empty() && asked.iter().all(|entry| entry.code == "NoError"), "{asked:?}");
    // Whatever is asked of a mailbox is asked in its owner's name.
    stage.ews.verify(&ann).await.unwrap();
    stage.ews.changes(&ann, None).await.unwrap();
    let entries = stage.exchange.log().entries();
    let signed_in = entries.iter().filter(|entry| entry.status == 200);
    let nobody: Vec<_> = signed_in
        .filter(|entry| entry.operation != "GetUserSettings" && entry.mailbox.is_none())
        .collect();
    assert!(nobody.is_empty(), "{nobody:?}");
    // So is whether its owner is away, and who may not ask is told so: it is not "nobody is".
    stage.exchange.log().clear();
    stage.ews.absence(&ann).await.unwrap();
    let denied = Fault::ResponseCode("ErrorAccessDenied".into());
    stage.exchange.faults().next(Match::operation("GetUserOofSettings"), denied);
    let fault = stage.ews.absence(&ann).await.unwrap_err();
    assert_eq!((fault.next, fault.cause.code.as_str()), (Next::Denied, "ErrorAccessDenied"));
    let asked = stage.exchange.log().of("GetUserOofSettings");
    let whose: Vec<_> = asked.iter().map(|entry| entry.mailbox.as_deref()).collect();
    assert_eq!(whose, [Some("ann@corp.example"); 2]);
}
