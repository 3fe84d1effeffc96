//! Streams: what they tell, when they end, whom they belong to.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::exchange::faults::{Fault, Match};
use crate::exchange::service::{Attendee, MovedTo};

async fn next(stream: &mut EventStream) -> Said {
    let text = stream.next().await.expect("an envelope");
    Said { status: 200, code: String::new(), text: String::from_utf8(text).expect("UTF-8") }
}

async fn opened(lab: &Lab, who: &[&str]) -> (EventStream, Vec<String>) {
    let ids: Vec<_> = who.iter().map(|who| lab.subscribe(who, 0)).collect();
    let mut stream = lab.stream(who[0], &ids, 0);
    let first = next(&mut stream).await;
    assert_eq!(first.one("m:ConnectionStatus"), "OK");
    (stream, ids)
}

async fn nothing_for(stream: &mut EventStream, minutes: u64) {
    let wait = Duration::from_secs(60 * minutes);
    assert!(timeout(wait, stream.next()).await.is_err(), "something came");
}

#[tokio::test(start_paused = true)]
async fn one_created_item_rings_seven_times_without_delay() {
    let lab = lab();
    let (mut stream, ids) = opened(&lab, &[ANN]).await;
    let before = Instant::now();
    let id = lab.calendars().create(ANN, meeting("M", MONDAY));
    let said = next(&mut stream).await;
    assert_eq!(Instant::now(), before, "virtual time stood still");
    assert_eq!(said.all("t:SubscriptionId"), ids);
    assert_eq!(said.all("t:TimeStamp").len(), 7);
    assert_eq!(said.all("t:CreatedEvent").len(), 1);
    assert_eq!(said.ids("t:ItemId")[0].0, id.0);
    assert!(said.has("<m:Notification>"), "as real servers write it");
}

#[tokio::test(start_paused = true)]
async fn only_the_events_that_were_asked_for_come() {
    let lab = lab();
    let only = SUBSCRIBE
        .replace("<t:EventType>ModifiedEvent</t:EventType>", "")
        .replace("<t:EventType>FreeBusyChangedEvent</t:EventType>", "");
    let id = lab.ask(ANN, &only).one("m:SubscriptionId");
    let mut stream = lab.stream(ANN, &[id], 0);
    next(&mut stream).await;
    lab.calendars().create(ANN, meeting("M", MONDAY));
    assert_eq!(next(&mut stream).await.all("t:TimeStamp").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_carries_many_mailboxes_and_tells_them_apart() {
    let lab = lab();
    let (mut stream, ids) = opened(&lab, &[ANN, BOB, ROOM]).await;
    let draft = meeting("M", MONDAY).invite(Attendee::required(BOB, "Bob Baker"));
    lab.calendars().create(ANN, draft);
    let said = next(&mut stream).await;
    assert_eq!(said.all("t:SubscriptionId"), ids[..2]);
    assert_eq!(said.all("m:Notification").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_beats_and_ends_in_time() {
    let lab = lab();
    let (mut stream, _) = opened(&lab, &[ANN]).await;
    let begin = Instant::now();
    let mut beats = 0;
    loop {
        let said = next(&mut stream).await;
        if said.one("m:ConnectionStatus") == "Closed" {
            break;
        }
        beats += 1;
        assert_eq!(begin.elapsed(), Duration::from_secs(45 * beats));
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(30 * 60));
    assert_eq!(beats, 39);
    assert_eq!(stream.next().await, None);
    drop(stream);
    assert_eq!(lab.calendars().open_streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_second_stream_takes_the_subscription_over() {
    let lab = lab();
    let (mut first, ids) = opened(&lab, &[ANN]).await;
    let mut second = lab.stream(ANN, &ids, 0);
    let said = next(&mut first).await;
    assert_eq!(said.one("m:ResponseCode"), "ErrorNewEventStreamConnectionOpened");
    assert_eq!(said.one("m:ConnectionStatus"), "Closed");
    assert_eq!(first.next().await, None);
    drop(first);
    assert_eq!(next(&mut second).await.one("m:ConnectionStatus"), "OK");
    lab.calendars().create(ANN, meeting("M", MONDAY));
    assert_eq!(next(&mut second).await.all("t:CreatedEvent").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_lives_on_its_back_end_only() {
    let lab = lab();
    let id = lab.subscribe(ANN, 1);
    let mut stream = lab.stream(ANN, std::slice::from_ref(&id), 2);
    let said = next(&mut stream).await;
    assert_eq!(said.one("m:ResponseCode"), "ErrorSubscriptionNotFound");
    assert_eq!(said.all("m:SubscriptionId"), std::slice::from_ref(&id));
    assert_eq!(stream.next().await, None);
    let unsubscribe =
        format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    let request = envelope(ANN, "Exchange2013_SP1", &unsubscribe);
    assert_eq!(lab.send(&request, 0).code, "ErrorSubscriptionNotFound");
    assert_eq!(lab.send(&request, 1).code, "NoError");
    assert_eq!(lab.calendars().subscriptions(ANN), 0);
}

#[tokio::test(start_paused = true)]
async fn good_ids_among_bad_ones_hear_nothing_unless_told_otherwise() {
    for deliver in [false, true] {
        let lab = lab_with(Settings { mixed_ids_deliver: deliver, ..Settings::default() });
        let ids = [lab.subscribe(ANN, 0), "bm9ib2R5".to_owned()];
        let mut stream = lab.stream(ANN, &ids, 0);
        let said = next(&mut stream).await;
        assert_eq!(said.all("m:SubscriptionId"), ids[1..]);
        assert_eq!(said.one("m:ConnectionStatus"), "OK");
        lab.calendars().create(ANN, meeting("M", MONDAY));
        let said = next(&mut stream).await;
        assert_eq!(said.has("CreatedEvent"), deliver);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_goes_takes_its_subscription_with_it() {
    let lab = lab();
    let (mut stream, ids) = opened(&lab, &[ANN, BOB, ROOM]).await;
    lab.calendars().move_mailbox(BOB, MovedTo::BackEnd(2));
    let said = next(&mut stream).await;
    assert_eq!(said.one("m:ResponseCode"), "ErrorReadEventsFailed");
    assert_eq!(said.all("m:SubscriptionId"), [ids[1].clone()]);
    assert_eq!(said.one("m:ConnectionStatus"), "OK");
    lab.calendars().remove_mailbox(ROOM);
    assert_eq!(next(&mut stream).await.one("m:ResponseCode"), "ErrorNonExistentMailbox");
    lab.calendars().create(ANN, meeting("M", MONDAY));
    assert!(next(&mut stream).await.has("CreatedEvent"));
    lab.calendars().forget_subscriptions(ANN);
    let said = next(&mut stream).await;
    assert_eq!(said.one("m:ConnectionStatus"), "Closed");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_in_silence_shows_when_a_stream_is_opened_anew() {
    let lab = lab();
    let (mut stream, ids) = opened(&lab, &[ANN, BOB]).await;
    lab.calendars().lose_subscriptions(BOB);
    lab.calendars().create(BOB, meeting("Unheard", MONDAY));
    let said = next(&mut stream).await;
    assert_eq!((said.one("m:ConnectionStatus").as_str(), said.has("CreatedEvent")), ("OK", false));
    drop(stream);
    let mut stream = lab.stream(ANN, &ids, 0);
    let said = next(&mut stream).await;
    assert_eq!(said.one("m:ResponseCode"), "ErrorSubscriptionNotFound");
    assert_eq!(said.all("m:SubscriptionId"), [ids[1].clone()]);
}

#[tokio::test(start_paused = true)]
async fn what_happens_between_two_streams_is_kept_only_when_told_so() {
    for keep in [false, true] {
        let settings = Settings { keep_events_between_streams: keep, ..Settings::default() };
        let lab = lab_with(settings);
        let (stream, ids) = opened(&lab, &[ANN]).await;
        drop(stream);
        lab.calendars().create(ANN, meeting("M", MONDAY));
        let mut stream = lab.stream(ANN, &ids, 0);
        next(&mut stream).await;
        assert_eq!(next(&mut stream).await.has("CreatedEvent"), keep);
    }
}

#[tokio::test(start_paused = true)]
async fn faults_silence_deafen_and_lose() {
    let lab = lab();
    let (mut stream, ids) = opened(&lab, &[ANN]).await;
    lab.faults.next(Match::mailbox(ANN), Fault::LoseNotification);
    lab.calendars().create(ANN, meeting("Lost", MONDAY));
    let kept = lab.calendars().create(ANN, meeting("Heard", MONDAY));
    let said = next(&mut stream).await;
    assert_eq!(said.ids("t:ItemId")[0].0, kept.0);
    assert_eq!(said.all("t:CreatedEvent").len(), 1);
    lab.faults.next(Match::any(), Fault::StreamError("ErrorMissedNotificationEvents".into()));
    let said = next(&mut stream).await;
    assert_eq!(said.one("m:ResponseCode"), "ErrorMissedNotificationEvents");
    assert_eq!(said.one("m:ConnectionStatus"), "OK");
    assert_eq!(said.all("m:SubscriptionId"), ids);
    lab.calendars().create(ANN, meeting("M", MONDAY));
    assert!(!next(&mut stream).await.has("Event>"), "only heartbeats");
    drop(stream);
    let mut stream = lab.stream(ANN, &ids, 0);
    next(&mut stream).await;
    lab.faults.next(Match::operation("GetStreamingEvents"), Fault::StreamSilent);
    lab.calendars().create(ANN, meeting("M", MONDAY));
    nothing_for(&mut stream, 60).await;
    assert_eq!(lab.faults.played(), 3);
}

#[tokio::test(start_paused = true)]
async fn too_many_streams_and_subscriptions_are_refused() {
    let settings =
        Settings { hanging_connection_limit: 2, max_subscriptions: 3, ..Settings::default() };
    let lab = lab_with(settings);
    let ids: Vec<_> = (0..3).map(|_| lab.subscribe(ANN, 0)).collect();
    assert_eq!(lab.ask(ANN, SUBSCRIBE).code, "ErrorExceededSubscriptionCount");
    let _one = lab.stream(ANN, &ids[..1], 0);
    let two = lab.stream(ANN, &ids[1..2], 0);
    let third = "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId>\
                 </m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout>\
                 </m:GetStreamingEvents>";
    let said = lab.ask(ANN, third);
    assert_eq!((said.status, said.code.as_str()), (500, "ErrorExceededConnectionCount"));
    drop(two);
    let _again = lab.stream(ANN, &ids[2..], 0);
    let pull = "<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId \
                Id=\"calendar\"/></t:FolderIds><t:EventTypes><t:EventType>CreatedEvent\
                </t:EventType></t:EventTypes><t:Timeout>10</t:Timeout></m:PullSubscriptionRequest>\
                </m:Subscribe>";
    assert_eq!(lab.ask(BOB, pull).code, "ErrorInvalidSubscriptionRequest");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_future_loses_nothing() {
    let lab = lab();
    let (mut stream, _) = opened(&lab, &[ANN]).await;
    let count = 500;
    let mut created = 0;
    for number in 0..count {
        lab.calendars().create(ANN, meeting(&format!("M{number}"), MONDAY));
        let mut waiting = Box::pin(stream.next());
        // Polled once and thrown away half of the time, as a select does.
        if number % 2 == 0 {
            drop(waiting);
        } else if let Ok(Some(text)) = timeout(Duration::from_millis(1), &mut waiting).await {
            created += String::from_utf8_lossy(&text).matches("<t:CreatedEvent>").count();
        }
    }
    while let Ok(Some(text)) = timeout(Duration::from_millis(1), stream.next()).await {
        created += String::from_utf8_lossy(&text).matches("<t:CreatedEvent>").count();
    }
    assert_eq!(created, count);
}
