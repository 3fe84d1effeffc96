//! The link to the cloud against the lab's cloud: batches, the channel, sign-in, and their faults.

use std::sync::Arc;
use std::time::Duration;

use calway::cloud::{
    Answered, ChannelEnd, Cloud as _, EventKind, Heard, Link, Mailboxes, Options, Outgoing,
    Received, Report, State,
};
use calway::model::{CommandKind, Fault, Next, Outcome, Secret, Span, Time, UserId};
use calway::net::Trust;
use calway::pipeline::seal::Sealed;
use calway_lab::cloud::faults::{Fault as Lie, Place};
use calway_lab::cloud::{self, Cloud};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const RETRY: Next = Next::Retry { after: None };

async fn lab() -> Cloud {
    let cloud = Cloud::start(cloud::Options::default()).await.expect("the lab listens");
    cloud.admit("alice-id");
    cloud
}

fn options(cloud: &Cloud) -> Options {
    let (client_id, _) = cloud.credentials();
    let mut options = Options::new(cloud.url().parse().unwrap(), cloud.connector_id(), client_id);
    options.trust = Trust::only(cloud.ca_pem());
    options
}

/// What a device needs, beside the address.
fn put_with_devices(sequence: u64) -> Outgoing {
    let put = put(sequence, &record(sequence));
    let mut data: serde_json::Value = serde_json::from_str(put.data.json()).unwrap();
    let sealed = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAB.V6PbmyGA.\
        5sTr600Pm27zepHXJYrEGg";
    data["calendarMeetingExternal"]["meetingJoinInfo"] =
        json!({"meetingJoinURL": sealed, "webexMeetingNumber": sealed});
    Outgoing { data: Sealed::restored(data.to_string()), ..put }
}

#[tokio::test]
async fn a_cloud_of_an_older_version_refuses_no_record_for_what_it_does_not_know() {
    for (minor, numbers) in [(0, 0), (1, 0), (2, 1)] {
        let cloud = Cloud::start(cloud::Options { minor, ..Default::default() }).await.unwrap();
        cloud.admit("alice-id");
        let link = link(&cloud);
        let here = json!({"presence": {"subject": "alice-id", "eventType": "ooo", "ttl": 0}});
        let presence = outgoing(2, EventKind::Presence, &here);
        let said = results(link.send(&[put_with_devices(1), presence]).await);
        assert!(said.contains(&Received::Stored), "1.{minor}: {said:?}");
        let aside = said.iter().filter(|one| matches!(one, Received::Rejected(_))).count();
        assert_eq!(aside, usize::from(minor == 0), "1.{minor}: {said:?}");
        let text = serde_json::to_string(&cloud.records("alice-id")[0].json).unwrap();
        assert!(text.contains("meetingJoinURL"));
        assert_eq!(text.matches("webexMeetingNumber").count(), numbers, "1.{minor}");
    }
}

fn link_with(cloud: &Cloud, change: impl FnOnce(&mut Options)) -> Link {
    let mut options = options(cloud);
    change(&mut options);
    let (_, secret) = cloud.credentials();
    Link::new(options, Box::new(move || Some(Secret::new(secret.clone())))).unwrap()
}

fn link(cloud: &Cloud) -> Link {
    link_with(cloud, |_| {})
}

/// A record as it leaves the pipeline; the lab checks that every field is sealed or plain as it
/// must be.
fn put(sequence: u64, record: &str) -> Outgoing {
    let data = json!({"calendarMeetingExternal": {
        "id": record, "seriesId": format!("series-{record}"), "start": "2026-03-03T10:00:00Z",
        "durationMinutes": 30, "isRecurring": false, "isDeleted": false,
        "meetingSensitivity": "NORMAL",
        "encryptionKeyUrl": "kms://kms.lab.example/keys/1",
    }});
    outgoing(sequence, EventKind::Put { created: true }, &data)
}

fn outgoing(sequence: u64, kind: EventKind, data: &serde_json::Value) -> Outgoing {
    Outgoing {
        id: format!("event-{sequence}").into(),
        kind,
        user: UserId::new("alice-id"),
        sequence,
        time: Time::from_ms(1_772_532_000_000),
        data: Sealed::restored(data.to_string()),
        trace: calway::model::Trace([5; 16]),
    }
}

fn record(n: u64) -> String {
    format!("{n:A>43}")
}

fn results(verdicts: Result<Vec<calway::cloud::Verdict>, Fault>) -> Vec<Received> {
    verdicts.unwrap().into_iter().map(|verdict| verdict.result).collect()
}

fn next<T: std::fmt::Debug>(result: Result<T, Fault>) -> Next {
    result.expect_err("it must fail").next
}

#[tokio::test]
async fn a_batch_is_stored_once_however_often_it_is_sent() {
    let cloud = lab().await;
    let link = link(&cloud);
    let batch = [put(1, &record(1)), put(2, &record(2)), put(3, &record(1))];
    assert_eq!(results(link.send(&batch).await), vec![Received::Stored; 3]);
    // The third event has overtaken the first, which is of the same record.
    assert_eq!(
        results(link.send(&batch).await),
        [Received::Stale, Received::Duplicate, Received::Duplicate]
    );
    let late = [Outgoing { id: "event-0".into(), ..put(2, &record(1)) }];
    assert_eq!(results(link.send(&late).await), [Received::Stale]);
    let delete = json!({"calendarMeetingExternal": {"id": record(2)}});
    let delete = [outgoing(4, EventKind::Delete, &delete)];
    assert_eq!(results(link.send(&delete).await), [Received::Stored]);
    let resync = json!({"firstSequence": format!("{:020}", 3)});
    let resync = [outgoing(5, EventKind::ResyncComplete, &resync)];
    assert_eq!(results(link.send(&resync).await), [Received::Stored]);
    let live: Vec<(String, u64)> = cloud
        .records("alice-id")
        .into_iter()
        .filter(|stored| !stored.deleted)
        .map(|stored| (stored.id, stored.sequence))
        .collect();
    assert_eq!(live, [(record(1), 3)]);
}

#[tokio::test]
async fn a_lost_answer_is_a_reason_to_send_again_and_nothing_is_stored_twice() {
    let cloud = lab().await;
    let link = link(&cloud);
    let batch = [put(1, &record(1))];
    assert_eq!(results(link.send(&batch).await), [Received::Stored]);
    for lie in [Lie::DropAfterStore, Lie::Truncate, Lie::Garbage] {
        let lies = if matches!(lie, Lie::DropAfterStore) { 2 } else { 1 };
        cloud.faults().times(lies, Place::Events, lie.clone());
        assert_eq!(next(link.send(&[put(2, &record(2))]).await), RETRY, "{lie:?}");
        assert_eq!(results(link.send(&[put(2, &record(2))]).await), [Received::Duplicate]);
    }
    assert_eq!(cloud.stats().stored, 2);
}

#[tokio::test]
async fn a_rejected_event_does_not_harm_its_neighbours() {
    let cloud = lab().await;
    let link = link(&cloud);
    cloud.faults().next(Place::Events, Lie::reject(&record(2), "no seriesId"));
    let batch = [put(1, &record(1)), put(2, &record(2)), put(3, &record(3))];
    assert_eq!(
        results(link.send(&batch).await),
        [Received::Stored, Received::Rejected("no seriesId".into()), Received::Stored]
    );
}

#[tokio::test]
async fn a_status_tells_what_to_do_next() {
    let cloud = lab().await;
    let link = link(&cloud);
    let after = Some(Span::from_secs(9));
    for (status, retry_after, expected) in [
        (429, Some(9), Next::BackOff { after }),
        (503, Some(9), Next::BackOff { after }),
        (503, None, Next::BackOff { after: None }),
        (400, None, Next::Refused),
        (413, None, Next::Refused),
        (500, None, RETRY),
        (502, Some(9), Next::Retry { after }),
    ] {
        cloud.faults().next(Place::Events, Lie::Http { status, retry_after });
        assert_eq!(next(link.send(&[put(1, &record(1))]).await), expected, "{status}");
    }
}

#[tokio::test]
async fn a_batch_beyond_the_limits_is_not_even_sent() {
    let cloud = lab().await;
    let link = link(&cloud);
    let many: Vec<Outgoing> = (1..=501).map(|n| put(n, &record(n))).collect();
    assert_eq!(next(link.send(&many).await), Next::Refused);
    let big =
        json!({"calendarMeetingExternal": {"id": record(1), "seriesId": "x".repeat(1 << 20)}});
    let big = outgoing(1, EventKind::Put { created: true }, &big);
    assert_eq!(next(link.send(&[big]).await), Next::Refused);
    assert_eq!(cloud.view(|view| view.requests("events")), 0);
    assert_eq!(results(link.send(&many[..500]).await).len(), 500);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_replaced_when_it_is_refused() {
    let cloud = lab().await;
    let link = link(&cloud);
    link.send(&[put(1, &record(1))]).await.unwrap();
    link.send(&[put(2, &record(2))]).await.unwrap();
    let tokens = || cloud.view(|view| view.requests("token"));
    assert_eq!(tokens(), 1);
    cloud.revoke_tokens();
    link.send(&[put(3, &record(3))]).await.unwrap();
    assert_eq!(tokens(), 2);
    cloud.faults().times(2, Place::Events, Lie::RevokeToken);
    assert_eq!(next(link.send(&[put(4, &record(4))]).await), Next::SignIn);
    link.send(&[put(4, &record(4))]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_is_shown_once_until_it_changes() {
    let cloud = lab().await;
    let secret = Arc::new(std::sync::Mutex::new(Some(Secret::new("wrong"))));
    let source = Arc::clone(&secret);
    let link =
        Link::new(options(&cloud), Box::new(move || source.lock().unwrap().clone())).unwrap();
    for _ in 0..5 {
        assert_eq!(next(link.send(&[put(1, &record(1))]).await), Next::SignIn);
    }
    assert_eq!(cloud.view(|view| view.requests("token")), 1);
    *secret.lock().unwrap() = None;
    assert_eq!(next(link.send(&[put(1, &record(1))]).await), Next::SignIn);
    *secret.lock().unwrap() = Some(Secret::new(cloud.credentials().1));
    link.send(&[put(1, &record(1))]).await.unwrap();
    assert!(!format!("{link:?}").contains("wrong"));
}

#[tokio::test]
async fn the_key_server_gets_the_same_token() {
    let cloud = lab().await;
    let bearer = link(&cloud).bearer();
    let token = bearer(None).await.unwrap();
    assert_eq!(bearer(None).await.unwrap(), token);
    let owner = cloud.kms().tokens().owner(token.reveal());
    assert_eq!(owner, Some(cloud.connector_id()));
    assert_ne!(bearer(Some(token.clone())).await.unwrap(), token);
}

#[tokio::test]
async fn a_report_arrives() {
    let cloud = lab().await;
    let report = Report {
        version: "0.1.0".into(),
        state: State::Operational,
        mailboxes: Mailboxes { active: 2, streaming: 2, ..Default::default() },
        outbox: 7,
        conditions: vec!["store-fails".into()],
        severity: Some("critical"),
    };
    link(&cloud).status(&report).await.unwrap();
    let status = cloud.view(|view| view.status().cloned()).unwrap();
    assert_eq!(status["state"], "operational");
    assert_eq!(status["mailboxes"]["streaming"], 2);
    assert_eq!(status["outbox"], 7);
    assert_eq!(status["severity"], "critical");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let cloud = lab().await;
    let link = link_with(&cloud, |options| options.answer_timeout = Duration::from_millis(500));
    let _hang = cloud.faults().always(Place::Events, Lie::Hang);
    assert_eq!(next(link.send(&[put(1, &record(1))]).await), RETRY);
}

/// A channel that runs, with both its ends.
struct Running {
    heard: mpsc::Receiver<Heard>,
    answers: mpsc::Sender<Answered>,
    stop: watch::Sender<bool>,
    end: JoinHandle<ChannelEnd>,
}

fn listen(link: &Link, after: u64) -> Running {
    let (heard_sender, heard) = mpsc::channel(4);
    let (answers, answers_receiver) = mpsc::channel(4);
    let (stop, stop_receiver) = watch::channel(false);
    let link = link.clone();
    let end = tokio::spawn(async move {
        link.channel(after, heard_sender, answers_receiver, stop_receiver).await
    });
    Running { heard, answers, stop, end }
}

impl Running {
    async fn opened(&mut self) {
        assert_eq!(self.heard.recv().await, Some(Heard::Open));
    }

    async fn command(&mut self) -> calway::model::Command {
        match self.heard.recv().await {
            Some(Heard::Command(command)) => command,
            other => panic!("{other:?}"),
        }
    }

    async fn answer(&self, command: &calway::model::Command, outcome: Outcome) {
        let (id, sequence) = (command.id.clone(), command.sequence);
        self.answers.send(Answered { id, sequence, outcome }).await.unwrap();
    }

    async fn failed(self) -> Fault {
        match self.end.await.unwrap() {
            ChannelEnd::Failed(fault) => fault,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn commands_come_down_and_outcomes_go_up() {
    let cloud = lab().await;
    let mut channel = listen(&link(&cloud), 0);
    channel.opened().await;
    let activate = cloud.activate("alice-id", "alice@corp.example").await;
    let unknown = cloud.command("meeting.decorate", "alice-id", json!({}));
    let command = channel.command().await;
    assert!(
        matches!(&command.kind, CommandKind::Activate { user, .. } if user.as_str() == "alice-id")
    );
    channel.answer(&command, Outcome::Done).await;
    assert_eq!(cloud.outcome(&activate).await.outcome, "done");
    let command = channel.command().await;
    assert!(matches!(command.kind, CommandKind::Unknown { .. }));
    channel.answer(&command, Outcome::Refused("unknown command".into())).await;
    let outcome = cloud.outcome(&unknown).await;
    assert_eq!(
        (outcome.outcome.as_str(), outcome.reason.as_deref()),
        ("refused", Some("unknown command"))
    );
    assert_eq!(cloud.view(|view| view.misplaced_outcomes()), 0);
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_nothing_else() {
    let cloud = lab().await;
    let link = link(&cloud);
    let first = cloud.resend("*");
    let second = cloud.deactivate("alice-id");
    let mut channel = listen(&link, 0);
    channel.opened().await;
    let command = channel.command().await;
    assert_eq!(command.kind, CommandKind::Resend { user: None });
    channel.answer(&command, Outcome::Done).await;
    assert_eq!(cloud.outcome(&first).await.outcome, "done");
    assert_eq!(channel.command().await.id.as_str(), second);
    cloud.drop_connections();
    channel.failed().await;
    let mut channel = listen(&link, command.sequence);
    channel.opened().await;
    assert_eq!(channel.command().await.id.as_str(), second);
}

#[tokio::test]
async fn outcomes_still_at_hand_are_told_before_the_farewell() {
    let cloud = lab().await;
    let id = cloud.resend("*");
    let mut channel = listen(&link(&cloud), 0);
    channel.opened().await;
    let command = channel.command().await;
    channel.answer(&command, Outcome::Done).await;
    channel.stop.send(true).unwrap();
    assert_eq!(channel.end.await.unwrap(), ChannelEnd::Stopped);
    assert_eq!(cloud.outcome(&id).await.outcome, "done");
}

#[tokio::test]
async fn a_thousand_commands_wait_for_a_slow_receiver() {
    let cloud = lab().await;
    let ids: Vec<String> = (0..1000).map(|_| cloud.resend("alice-id")).collect();
    let mut channel = listen(&link(&cloud), 0);
    channel.opened().await;
    for id in &ids {
        let command = channel.command().await;
        assert_eq!(command.id.as_str(), id);
        channel.answer(&command, Outcome::Done).await;
    }
    assert_eq!(cloud.outcome(&ids[999]).await.outcome, "done");
}

#[tokio::test]
async fn a_second_channel_replaces_the_first_which_is_told_so() {
    let cloud = lab().await;
    let link = link(&cloud);
    let mut first = listen(&link, 0);
    first.opened().await;
    let mut second = listen(&link, 0);
    second.opened().await;
    assert_eq!(first.end.await.unwrap(), ChannelEnd::Replaced);
}

#[tokio::test]
async fn a_channel_that_is_closed_or_refused_says_why() {
    let cloud = lab().await;
    let link = link(&cloud);
    let mut channel = listen(&link, 0);
    channel.opened().await;
    cloud.close_channel(1011);
    assert_eq!(channel.failed().await.to_string(), "channel: closed with code 1011");
    let after = Some(Span::from_secs(9));
    let busy = Lie::Http { status: 503, retry_after: Some(9) };
    cloud.faults().next(Place::Channel, busy);
    assert_eq!(listen(&link, 0).failed().await.next, Next::BackOff { after });
    cloud.revoke_tokens();
    let mut channel = listen(&link, 0);
    channel.opened().await;
    cloud.cut().await;
    assert_eq!(channel.failed().await.next, RETRY);
    assert_eq!(listen(&link, 0).failed().await.next, RETRY);
    cloud.restore().await.unwrap();
    listen(&link, 0).opened().await;
}

#[tokio::test]
async fn a_silent_server_is_dead_after_a_while_and_a_quiet_one_is_not() {
    let cloud = lab().await;
    let link = link_with(&cloud, |options| {
        options.ping = Duration::from_millis(100);
        options.silence = Duration::from_millis(4_000);
    });
    let mut channel = listen(&link, 0);
    channel.opened().await;
    // Longer than the silence allowed: pongs keep it alive.
    let quiet = tokio::time::timeout(Duration::from_millis(6_000), &mut channel.end).await;
    assert!(quiet.is_err(), "{quiet:?}");
    cloud.faults().next(Place::Channel, Lie::Silent);
    let fault = listen(&link, 0).failed().await;
    assert_eq!(fault.to_string(), "channel: the server is silent");
}

#[tokio::test]
async fn stopping_before_the_channel_is_open_stops_it() {
    let cloud = lab().await;
    cloud.faults().next(Place::Channel, Lie::Hang);
    let channel = listen(&link(&cloud), 0);
    channel.stop.send(true).unwrap();
    assert_eq!(channel.end.await.unwrap(), ChannelEnd::Stopped);
}

#[test]
fn wrong_options_are_named() {
    let refused = |url: &str, connector: &str| {
        let mut options = Options::new(url.parse().unwrap(), connector, "c");
        options.trust = Trust::only("");
        Link::new(options, Box::new(|| None)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused("http://relay.example", "hq-1").contains("https://"));
    assert!(refused("https://u:p@relay.example", "hq-1").contains("user"));
    assert!(refused("https://relay.example", "hq/1").contains("connector"));
    assert!(refused("https://relay.example", "hq-1").contains("no certificate"));
}
