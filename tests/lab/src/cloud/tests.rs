//! Tests of the cloud: what an event changes, what the protocol refuses, and the channel.

mod late;
mod reports;

use std::slice::from_ref;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::faults::{Fault, Place};
use super::*;
use crate::jose;
use crate::people::web::Web;

const SOURCE: &str = "/connectors/hq-1";
const BATCH: &str = "application/cloudevents-batch+json";

/// A cloud, and a connector that does as little as possible.
struct Pair {
    cloud: Cloud,
    web: Web,
    token: String,
}

impl Pair {
    async fn new() -> Self {
        let cloud = Cloud::start(Options::default()).await.unwrap();
        let web = Web::new(&cloud.ca_pem()).unwrap();
        let mut pair = Self { cloud, web, token: String::new() };
        pair.sign_in().await;
        pair
    }

    async fn sign_in(&mut self) {
        let form = b"grant_type=client_credentials&client_id=hq-1&client_secret=lab-secret";
        let (status, body) = self.form(form).await;
        assert_eq!(status, 200, "{body}");
        self.token = body["access_token"].as_str().unwrap().into();
    }

    async fn form(&self, form: &[u8]) -> (u16, Value) {
        let url = format!("{}/oauth/token", self.cloud.url());
        let kind = "application/x-www-form-urlencoded";
        let sent = self.web.send("POST", &url, "", kind, Some(form.to_vec())).await;
        let (status, body) = sent.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn post(&self, events: &Value) -> Result<(u16, Value), String> {
        self.post_bytes(events.to_string().into_bytes()).await
    }

    async fn post_bytes(&self, bytes: Vec<u8>) -> Result<(u16, Value), String> {
        let url = format!("{}/v1/events", self.cloud.url());
        let (status, body) = self.web.send("POST", &url, &self.token, BATCH, Some(bytes)).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// The outcomes of a batch, in its order.
    async fn outcomes(&self, events: &[Value]) -> Vec<String> {
        let (status, body) = self.post(&json!(events)).await.unwrap();
        assert_eq!(status, 200, "{body}");
        let results = body["results"].as_array().unwrap();
        let ids = |list: &[Value]| list.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(results), ids(events));
        let outcome = |one: &Value| one["outcome"].as_str().unwrap().to_owned();
        results.iter().map(outcome).collect()
    }

    async fn open_channel(&self, after: u64) -> Result<Channel, Error> {
        let address = self.cloud.url();
        let address = address.strip_prefix("https://").unwrap();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.cloud.ca_pem().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        let url = format!("wss://{address}/v1/channel?after={after:020}");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        headers.insert("sec-websocket-protocol", "cloudevents.json".parse().unwrap());
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Channel(socket))
    }
}

struct Channel(WebSocketStream<TlsStream<TcpStream>>);

impl Channel {
    /// The next command, or the code that the channel was closed with.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    async fn tell(&mut self, command: &Value, outcome: &str) {
        let frame = json!({
            "specversion": "1.0",
            "id": format!("outcome-{}", command["id"].as_str().unwrap()),
            "source": SOURCE,
            "type": "command.outcome",
            "time": "2026-01-05T09:00:00Z",
            "datacontenttype": "application/json",
            "data": {
                "commandId": command["id"],
                "sequence": command["sequence"],
                "outcome": outcome,
                "reason": "because",
            },
        });
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }
}

fn event(kind: &str, subject: &str, sequence: u64, data: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("{subject}-{sequence}"),
        "source": SOURCE,
        "type": kind,
        "subject": subject,
        "time": "2026-01-05T09:00:00.000Z",
        "datacontenttype": "application/json",
        "sequence": format!("{sequence:020}"),
        "data": data,
    })
}

fn meeting(id: &str, start: &str) -> Value {
    let sealed = |text: &str| jose::seal(&[7; 32], None, text.as_bytes());
    json!({
        "id": id,
        "seriesId": "series",
        "start": start,
        "durationMinutes": 30,
        "isRecurring": false,
        "isDeleted": false,
        "lastModified": "2026-01-05T08:59:59Z",
        "meetingSensitivity": "NORMAL",
        "encryptionKeyUrl": "kms://kms.lab.example/keys/1",
        "encryptedSubject": sealed("Budget"),
        "encryptedOrganizer": {
            "encryptedEmailAddress": sealed("alice@corp.example"),
            "encryptedName": sealed("Alice"),
        },
        "encryptedParticipants": [{
            "encryptedEmailAddress": sealed("bob@corp.example"),
            "encryptedName": sealed("Bob"),
            "type": "PERSON",
            "participantType": "REQUIRED",
            "responseType": "NO_RESPONSE",
        }],
        "meetingJoinInfo": {"meetingJoinURL": sealed("https://meet.example/1")},
    })
}

fn upsert(subject: &str, sequence: u64, id: &str) -> Value {
    let start = format!("2026-01-05T10:{:02}:00Z", sequence % 60);
    let data = json!({"calendarMeetingExternal": meeting(id, &start)});
    event("calendar.meeting.update", subject, sequence, data)
}

fn delete(subject: &str, sequence: u64, id: &str) -> Value {
    let data = json!({"calendarMeetingExternal": {"id": id}});
    event("calendar.meeting.delete", subject, sequence, data)
}

fn resync(subject: &str, sequence: u64, first: u64) -> Value {
    let data = json!({"firstSequence": format!("{first:020}")});
    event("calendar.resync.complete", subject, sequence, data)
}

#[tokio::test]
async fn the_highest_sequence_of_a_record_counts_whatever_the_order() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let (first, second) = (upsert("u1", 10, "a"), upsert("u1", 20, "a"));
    assert_eq!(pair.outcomes(from_ref(&second)).await, ["stored"]);
    assert_eq!(pair.outcomes(&[first, second]).await, ["stale", "duplicate"]);
    let mut other = upsert("u1", 20, "a");
    other["id"] = json!("another");
    assert_eq!(pair.outcomes(&[other]).await, ["rejected"]);
    let records = pair.cloud.records("u1");
    assert_eq!((records.len(), records[0].sequence, records[0].versions), (1, 20, 1));
    let stats = pair.cloud.stats();
    assert_eq!((stats.stored, stats.duplicate, stats.stale, stats.rejected), (1, 1, 1, 1));
}

#[tokio::test]
async fn a_tombstone_outlives_a_late_update() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let batch = [upsert("u1", 1, "a"), delete("u1", 3, "a"), upsert("u1", 2, "a")];
    assert_eq!(pair.outcomes(&batch).await, ["stored", "stored", "stale"]);
    assert_eq!(pair.cloud.view(|view| view.live("u1")), 0);
    assert!(pair.cloud.records("u1")[0].deleted);
    assert_eq!(pair.outcomes(&[upsert("u1", 4, "a")]).await, ["stored"]);
    assert_eq!(pair.cloud.view(|view| view.live("u1")), 1);
}

#[tokio::test]
async fn a_finished_resync_drops_what_it_did_not_bring() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    pair.cloud.admit("u2");
    let before = [upsert("u1", 1, "gone"), upsert("u1", 2, "kept"), upsert("u2", 3, "other")];
    assert_eq!(pair.outcomes(&before).await, ["stored"; 3]);
    let again = [upsert("u1", 10, "kept"), resync("u1", 11, 10)];
    assert_eq!(pair.outcomes(&again).await, ["stored", "stored"]);
    assert_eq!(pair.outcomes(&again).await, ["duplicate", "duplicate"]);
    let ids: Vec<String> = pair.cloud.records("u1").into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["kept"]);
    assert_eq!(pair.outcomes(&[upsert("u1", 9, "gone")]).await, ["stale"]);
    assert_eq!(pair.outcomes(&[resync("u1", 9, 5)]).await, ["stale"]);
    assert_eq!(pair.outcomes(&[resync("u1", 20, 21)]).await, ["rejected"]);
    assert_eq!(pair.cloud.records("u2").len(), 1);
}

#[tokio::test]
async fn what_is_shown_twice_is_counted() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let twin = |sequence: u64, id: &str| {
        let data = json!({"calendarMeetingExternal": meeting(id, "2026-01-05T10:00:00Z")});
        event("calendar.meeting.create", "u1", sequence, data)
    };
    pair.outcomes(&[twin(1, "a")]).await;
    assert_eq!(pair.cloud.stats().duplicated_visible, 0);
    pair.outcomes(&[twin(2, "b")]).await;
    assert_eq!(pair.cloud.stats().duplicated_visible, 1);
}

/// Sets or removes a member of an event, or of the meeting in it.
fn altered(place: &[&str], value: Option<Value>) -> Value {
    let mut event = upsert("u1", 1, "a");
    let (last, way) = place.split_last().unwrap();
    let parent = way.iter().fold(&mut event, |at, name| match name.parse::<usize>() {
        Ok(number) => &mut at[number],
        Err(_) => &mut at[*name],
    });
    match value {
        Some(value) => parent[*last] = value,
        None => drop(parent.as_object_mut().unwrap().remove(*last)),
    }
    event
}

#[tokio::test]
async fn an_event_that_is_not_of_the_form_is_rejected_alone() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    const M: [&str; 2] = ["data", "calendarMeetingExternal"];
    let within = |rest: &[&'static str]| [&M[..], rest].concat();
    let plain = Some(json!("Budget"));
    let cases = [
        altered(&["specversion"], Some(json!("0.3"))),
        altered(&["source"], Some(json!("/connectors/other"))),
        altered(&["type"], Some(json!("calendar.meeting.rename"))),
        altered(&["subject"], None),
        altered(&["subject"], Some(json!("nobody"))),
        altered(&["time"], Some(json!("yesterday"))),
        altered(&["datacontenttype"], Some(json!("text/plain"))),
        altered(&["sequence"], Some(json!("1"))),
        altered(&["sequence"], Some(json!(1))),
        altered(&["sequence"], Some(json!("99999999999999999999"))),
        altered(&["traceparent"], Some(json!("00-1-2-3"))),
        altered(&["traceParent"], Some(json!("x"))),
        altered(&["data"], Some(json!("x"))),
        altered(&["data", "more"], Some(json!(1))),
        altered(&within(&["id"]), None),
        altered(&within(&["seriesId"]), None),
        altered(&within(&["start"]), Some(json!("2026-01-05T10:00:00+01:00"))),
        altered(&within(&["durationMinutes"]), Some(json!(-1))),
        altered(&within(&["isDeleted"]), Some(json!(true))),
        altered(&within(&["meetingSensitivity"]), Some(json!("Normal"))),
        altered(&within(&["encryptionKeyUrl"]), Some(json!("https://kms/keys/1"))),
        altered(&within(&["subject"]), plain.clone()),
        altered(&within(&["encryptedSubject"]), plain.clone()),
        altered(&within(&["encryptedOrganizer", "encryptedName"]), plain.clone()),
        altered(&within(&["encryptedOrganizer", "encryptedName"]), None),
        altered(&within(&["encryptedOrganizer", "name"]), plain.clone()),
        altered(&within(&["encryptedParticipants", "0", "encryptedName"]), plain.clone()),
        altered(&within(&["meetingJoinInfo", "meetingJoinURL"]), plain.clone()),
        altered(&within(&["meetingJoinInfo", "teamsTenantKey"]), plain),
    ];
    for case in cases {
        assert_eq!(pair.outcomes(from_ref(&case)).await, ["rejected"], "{case}");
    }
    let mixed = [altered(&["time"], None), upsert("u1", 2, "b")];
    let mut mixed = mixed;
    mixed[0]["id"] = json!("bad");
    assert_eq!(pair.outcomes(&mixed).await, ["rejected", "stored"]);
    assert_eq!(pair.cloud.records("u1").len(), 1);
}

#[tokio::test]
async fn a_batch_that_cannot_be_answered_is_refused_whole() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let status = async |batch: Value| pair.post(&batch).await.unwrap().0;
    assert_eq!(status(json!({})).await, 400);
    assert_eq!(status(json!([])).await, 400);
    assert_eq!(status(json!([1])).await, 400);
    let one = upsert("u1", 1, "a");
    assert_eq!(status(json!([one, one])).await, 400);
    let many: Vec<Value> = (1..=501).map(|sequence| delete("u1", sequence, "a")).collect();
    assert_eq!(status(json!(many)).await, 413);
    assert_eq!(status(json!(many[..500])).await, 200);
    assert_eq!(pair.post_bytes(vec![b' '; MOST_BYTES + 1]).await.unwrap().0, 413);
    assert_eq!(pair.post_bytes(b"nonsense".to_vec()).await.unwrap().0, 400);
    assert_eq!(pair.cloud.stats().stored, 500);
}

#[tokio::test]
async fn only_a_good_token_counts() {
    let mut pair = Pair::new().await;
    pair.cloud.admit("u1");
    let (status, body) = pair.form(b"grant_type=password&client_id=hq-1").await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
    let wrong = b"grant_type=client_credentials&client_id=hq-1&client_secret=guess";
    let (status, body) = pair.form(wrong).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    pair.cloud.revoke_tokens();
    let batch = json!([upsert("u1", 1, "a")]);
    assert_eq!(pair.post(&batch).await.unwrap().0, 401);
    pair.sign_in().await;
    assert_eq!(pair.post(&batch).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_store_without_an_answer_is_a_duplicate_the_second_time() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let batch = json!([upsert("u1", 1, "a")]);
    // The client tries again by itself on a connection that died.
    pair.cloud.faults().times(2, Place::Events, Fault::DropAfterStore);
    assert!(pair.post(&batch).await.is_err());
    assert_eq!(pair.outcomes(batch.as_array().unwrap()).await, ["duplicate"]);
    pair.cloud.faults().times(2, Place::Events, Fault::DropBefore);
    let second = [upsert("u1", 2, "b")];
    assert!(pair.post(&json!(second)).await.is_err());
    assert_eq!(pair.outcomes(&second).await, ["stored"]);
    let after = Some(30);
    pair.cloud.faults().next(Place::Events, Fault::Http { status: 503, retry_after: after });
    assert_eq!(pair.post(&json!(second)).await.unwrap().0, 503);
    pair.cloud.faults().next(Place::Events, Fault::reject("c", "not today"));
    let third = [upsert("u1", 3, "c"), upsert("u1", 4, "d")];
    assert_eq!(pair.outcomes(&third).await, ["rejected", "stored"]);
}

#[tokio::test]
async fn the_cloud_can_be_cut_off_and_comes_back_on_its_port() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let batch = json!([upsert("u1", 1, "a")]);
    pair.cloud.cut().await;
    assert!(pair.post(&batch).await.is_err());
    pair.cloud.restore().await.unwrap();
    assert_eq!(pair.post(&batch).await.unwrap().0, 200);
    pair.cloud.drop_connections();
    assert_eq!(pair.post(&batch).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_command_is_sent_until_its_outcome_came() {
    let pair = Pair::new().await;
    let ping = pair.cloud.command("ping", "", json!({}));
    let mut channel = pair.open_channel(0).await.unwrap();
    let command = channel.next().await.unwrap();
    assert_eq!((&command["id"], &command["type"]), (&json!(ping), &json!("ping")));
    assert_eq!(command["sequence"], "00000000000000000001");
    drop(channel);
    let mut channel = pair.open_channel(1).await.unwrap();
    assert_eq!(channel.next().await.unwrap(), command);
    channel.tell(&command, "done").await;
    assert_eq!(pair.cloud.outcome(&ping).await.outcome, "done");
    channel.tell(&command, "failed").await;
    let second = pair.cloud.command("ping", "", json!({}));
    let command = channel.next().await.unwrap();
    assert_eq!(command["id"], json!(second));
    channel.tell(&command, "refused").await;
    assert_eq!(pair.cloud.outcome(&second).await.reason.as_deref(), Some("because"));
    assert_eq!(pair.cloud.outcome(&ping).await.outcome, "done");
    assert_eq!(pair.cloud.view(|view| view.misplaced_outcomes()), 1);
    // A connector that lost its disk hears everything again, in order.
    let mut channel = pair.open_channel(0).await.unwrap();
    assert_eq!(channel.next().await.unwrap()["id"], json!(ping));
    assert_eq!(channel.next().await.unwrap()["id"], json!(second));
}

#[tokio::test]
async fn a_second_channel_ends_the_first() {
    let pair = Pair::new().await;
    let mut first = pair.open_channel(0).await.unwrap();
    pair.cloud.wait(|view| view.channel_open()).await;
    let mut second = pair.open_channel(0).await.unwrap();
    assert_eq!(first.next().await, Err(close::REPLACED));
    pair.cloud.close_channel(1001);
    assert_eq!(second.next().await, Err(1001));
    pair.cloud.wait(|view| !view.channel_open()).await;
    let mut third = pair.open_channel(0).await.unwrap();
    third.0.send(Message::text("nonsense")).await.unwrap();
    assert_eq!(third.next().await, Err(close::MALFORMED));
    pair.cloud.faults().next(Place::Channel, Fault::CloseChannel(4401));
    let mut fourth = pair.open_channel(0).await.unwrap();
    assert_eq!(fourth.next().await, Err(close::TOKEN));
    pair.cloud.faults().next(Place::Channel, Fault::RepeatCommands);
    pair.cloud.command("ping", "", json!({}));
    let mut fifth = pair.open_channel(0).await.unwrap();
    assert_eq!(fifth.next().await.unwrap(), fifth.next().await.unwrap());
    assert_eq!(pair.cloud.view(|view| view.channels_opened()), 4);
}

#[tokio::test]
async fn a_deactivated_user_leaves_nothing_behind() {
    let pair = Pair::new().await;
    let activate = pair.cloud.activate("u1", "alice@corp.example").await;
    let mut channel = pair.open_channel(0).await.unwrap();
    let command = channel.next().await.unwrap();
    channel.tell(&command, "done").await;
    assert_eq!(pair.cloud.outcome(&activate).await.outcome, "done");
    assert_eq!(pair.outcomes(&[upsert("u1", 1, "a")]).await, ["stored"]);
    let deactivate = pair.cloud.deactivate("u1");
    let command = channel.next().await.unwrap();
    channel.tell(&command, "done").await;
    assert_eq!(pair.cloud.outcome(&deactivate).await.outcome, "done");
    assert_eq!(pair.cloud.records("u1").len(), 0);
    assert_eq!(pair.outcomes(&[upsert("u1", 2, "b")]).await, ["stale"]);
}

#[tokio::test]
async fn many_users_are_activated_by_one_administrator() {
    let pair = Pair::new().await;
    let user = |number: u32| (format!("u{number}"), format!("u{number}@corp.example"));
    let users: Vec<(String, String)> = (0..50).map(user).collect();
    let ids = pair.cloud.activate_many(&users).await;
    let mut channel = pair.open_channel(0).await.unwrap();
    for (id, (user, _)) in ids.iter().zip(&users) {
        let command = channel.next().await.unwrap();
        assert_eq!((&command["id"], &command["subject"]), (&json!(id), &json!(user)));
        let key = command["data"]["encryptionKeyUrl"].as_str().unwrap();
        assert_eq!(pair.cloud.kms().readers(key), ["administrator", "hq-1"]);
        assert!(pair.cloud.view(|view| view.is_active(user)));
    }
}

#[tokio::test]
async fn the_key_server_can_have_an_address_of_its_own() {
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = Options { kms_listen: listen, ..Options::default() };
    let cloud = Cloud::start(options).await.unwrap();
    assert!(!cloud.kms().url().starts_with(&cloud.url()));
    let person = cloud.person("u1");
    let ping = json!({"method": "update", "uri": "/ping"});
    assert_eq!(person.ask_kms(ping.clone()).await.unwrap()["status"], 200);
    cloud.cut_kms().await;
    assert!(person.ask_kms(ping.clone()).await.is_err());
    assert!(person.sealed_meetings().await.is_ok());
    cloud.restore_kms().await.unwrap();
    assert_eq!(person.ask_kms(ping).await.unwrap()["status"], 200);
}

#[tokio::test]
async fn a_person_opens_what_was_sealed_for_them_and_nobody_else_does() {
    let pair = Pair::new().await;
    let person = pair.cloud.person("u1");
    let (sealed, uri) = person.seal_for("Budget", "hq-1").await.unwrap();
    pair.cloud.admit("u1");
    let mut record = meeting("a", "2026-01-05T10:00:00Z");
    record["encryptedSubject"] = json!(sealed);
    record["encryptionKeyUrl"] = json!(uri);
    let data = json!({"calendarMeetingExternal": record});
    pair.outcomes(&[event("calendar.meeting.create", "u1", 1, data)]).await;
    let opened = person.meetings().await.unwrap();
    assert_eq!((opened.len(), opened[0].subject.as_str()), (1, "Budget"));
    assert_eq!((opened[0].minutes, opened[0].id.as_str()), (30, "a"));
    // The other fields are under another key.
    assert!(opened[0].unreadable.contains(&"meetingJoinURL".to_owned()));
    let other = pair.cloud.person("u2");
    let sealed = &person.sealed_meetings().await.unwrap()[0];
    assert!(other.open(sealed).await.unreadable.contains(&"encryptedSubject".to_owned()));
    assert_eq!(other.meetings().await.unwrap(), []);
}

#[tokio::test]
async fn the_record_of_what_came_in_finds_what_was_sent() {
    let pair = Pair::new().await;
    let mut channel = pair.open_channel(0).await.unwrap();
    let needle = "canary-in-a-frame";
    channel.0.send(Message::text(needle)).await.unwrap();
    assert_eq!(channel.next().await, Err(close::MALFORMED));
    pair.post_bytes(b"canary-in-a-body".to_vec()).await.unwrap();
    let url = format!("{}/canary-in-a-path", pair.cloud.url());
    pair.web.ask("GET", &url, "canary-in-a-header", None).await.unwrap();
    let received = pair.cloud.received();
    assert!(received.complete);
    for place in ["frame", "body", "path", "header"] {
        assert!(received.contains(format!("canary-in-a-{place}").as_bytes()), "{place}");
    }
    assert!(!received.contains(b"canary-elsewhere"));
}
