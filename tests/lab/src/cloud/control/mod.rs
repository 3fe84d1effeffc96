//! The control endpoint of the program: plain HTTP and JSON, on a loopback address only.

mod commands;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::faults::{Fault, Place};
use super::{Cloud, Command, StoredRecord};
use crate::endpoint::{self, Asked, Outcome};
use crate::kms::faults::{Fault as KmsFault, Place as KmsPlace};
use crate::people::{Contact, Opened};

/// What `GET /` answers.
const HELP: &str = "\
GET  /stats                          counters, users, the last status report
GET  /commands                       every command and its outcome
GET  /commands/ID                    one command, once it has an outcome
GET  /users/USER/records             what the cloud keeps of a user
GET  /users/USER/meetings            the same, opened by the user's own app
POST /users/USER/token               a token of the user
POST /activate   {user, address}     queue user.activate
POST /deactivate {user}              queue user.deactivate
POST /resend     {user}              queue records.resend; * for all
POST /command    {type, subject, data}
POST /meetings/create  {user, subject, start? | from, to, workingHours?, minutes?, notes?,
                        location?, guests?: [{email, name?, type?}], keyword?, timeZone?}
POST /meetings/respond {user, id, start, response, comment?, notify?}    meeting.respond
POST /free-busy  {user, emails, start, end, intervalMinutes?}    answers {command, requestId}
GET  /users/USER/free-busy/REQUEST   the answer, opened, once it is there
GET  /users/USER/decorate-requests   requests for join details, opened
POST /decorate   {user, requestId, details? | reason?}    with neither: the lab's own details
POST /decorate-all {details? | reason?}   each request, as it comes    DELETE /decorate-all
GET  /users/USER/reports             results, presence, states and so on, in order
GET  /commands/ID/result             how it ended for good, once it is told
POST /faults     {place, fault, times?, status?, retryAfter?, code?, record?, reason?, ms?}
POST /kms/faults {place, fault, times?, status?, code?, retryAfter?, ms?}
DELETE /faults                       forget the faults of both
POST /kms/revoke {key, code?}        POST /kms/move {key}     POST /kms/advance {seconds}
POST /cut   POST /restore   POST /drop   POST /close {code}   POST /revoke-tokens
POST /search {base64}                whether these bytes ever came in
";

/// Listens at `listen`, which must be a loopback address.
pub(super) async fn start(listen: SocketAddr, cloud: Cloud) -> io::Result<SocketAddr> {
    let decorating = commands::Standing::default();
    let act = move |asked: Asked| {
        let (cloud, decorating) = (cloud.clone(), decorating.clone());
        async move {
            let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
            match commands::act(&cloud, &decorating, &asked.method, &parts, &asked.body).await {
                Some(outcome) => outcome,
                None => act(&cloud, &asked.method, &asked.path, &asked.body).await,
            }
        }
    };
    endpoint::start(listen, HELP, act).await
}

async fn act(cloud: &Cloud, method: &Method, path: &str, body: &Value) -> Outcome {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let queued = |id: String| Ok(json!({"command": id}));
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["stats"]) => Ok(stats(cloud)),
        ("GET", ["commands"]) => {
            Ok(cloud.view(|view| view.commands().iter().map(command).collect()))
        }
        ("GET", ["commands", id]) => {
            if cloud.view(|view| view.command(id).is_none()) {
                return Err((404, "no such command".into()));
            }
            let outcome = cloud.outcome(id).await;
            Ok(json!({"id": id, "outcome": outcome.outcome, "reason": outcome.reason}))
        }
        ("GET", ["users", user, "records"]) => Ok(cloud.records(user).iter().map(record).collect()),
        ("GET", ["users", user, "meetings"]) => {
            let meetings = cloud.person(user).meetings().await.map_err(|error| (502, error))?;
            Ok(meetings.iter().map(opened).collect())
        }
        ("POST", ["users", user, "token"]) => {
            let life = Duration::from_secs(24 * 3600);
            Ok(json!({"token": cloud.kms().tokens().issue(user, life)}))
        }
        ("POST", ["activate"]) => {
            queued(cloud.activate(text(body, "user")?, text(body, "address")?).await)
        }
        ("POST", ["deactivate"]) => queued(cloud.deactivate(text(body, "user")?)),
        ("POST", ["resend"]) => queued(cloud.resend(text(body, "user")?)),
        ("POST", ["command"]) => {
            let (kind, subject) = (text(body, "type")?, text(body, "subject")?);
            queued(cloud.command(kind, subject, body["data"].clone()))
        }
        ("POST", ["search"]) => {
            let needle = STANDARD.decode(text(body, "base64")?);
            let needle = needle.map_err(|_| (400, "base64 is not base64".into()))?;
            let received = cloud.received();
            let found = received.contains(&needle);
            Ok(json!({"found": found, "complete": received.complete, "bytes": received.len()}))
        }
        _ => disturb(cloud, method, &parts, body).await,
    }
}

/// The requests that do the cloud and its key server some harm.
async fn disturb(cloud: &Cloud, method: &Method, parts: &[&str], body: &Value) -> Outcome {
    let number = |name: &str| body[name].as_u64();
    match (method.as_str(), parts) {
        ("POST", ["faults"]) => cloud_fault(cloud, body)?,
        ("POST", ["kms", "faults"]) => kms_fault(cloud, body)?,
        ("DELETE", ["faults"]) => {
            cloud.faults().clear();
            cloud.kms().faults().clear();
        }
        ("POST", ["kms", "revoke"]) => {
            let code = number("code").map_or(crate::kms::REVOKED, |code| code as u32);
            cloud.kms().revoke(text(body, "key")?, code);
        }
        ("POST", ["kms", "move"]) => {
            let target = cloud.kms().migrate(text(body, "key")?);
            return target.map(|key| json!({"key": key})).ok_or((404, "no such key".into()));
        }
        ("POST", ["kms", "advance"]) => {
            cloud.kms().advance(Duration::from_secs(number("seconds").unwrap_or(0)));
        }
        ("POST", ["cut"]) => cloud.cut().await,
        ("POST", ["restore"]) => {
            cloud.restore().await.map_err(|error| (500, error.to_string()))?;
        }
        ("POST", ["drop"]) => cloud.drop_connections(),
        ("POST", ["close"]) => {
            let code = number("code").and_then(|code| u16::try_from(code).ok());
            cloud.close_channel(code.unwrap_or(1001));
        }
        ("POST", ["revoke-tokens"]) => cloud.revoke_tokens(),
        _ => return Err((404, "GET / lists what there is".into())),
    }
    Ok(json!({}))
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, (u16, String)> {
    body[name].as_str().ok_or_else(|| (400, format!("{name} is missing")))
}

fn times(body: &Value) -> u32 {
    body["times"].as_u64().and_then(|times| u32::try_from(times).ok()).unwrap_or(1)
}

fn delay(body: &Value) -> Duration {
    Duration::from_millis(body["ms"].as_u64().unwrap_or(1000))
}

fn code(body: &Value, name: &str, otherwise: u16) -> u16 {
    body[name].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(otherwise)
}

fn cloud_fault(cloud: &Cloud, body: &Value) -> Result<(), (u16, String)> {
    let place = match text(body, "place")? {
        "token" => Place::Token,
        "events" => Place::Events,
        "channel" => Place::Channel,
        "status" => Place::Status,
        "meetings" => Place::Meetings,
        _ => return Err((400, "place is token, events, channel, status or meetings".into())),
    };
    let fault = match text(body, "fault")? {
        "http" => Fault::Http {
            status: code(body, "status", 503),
            retry_after: body["retryAfter"].as_u64(),
        },
        "drop-after-store" => Fault::DropAfterStore,
        "drop-before" => Fault::DropBefore,
        "hang" => Fault::Hang,
        "delay" => Fault::Delay(delay(body)),
        "truncate" => Fault::Truncate,
        "garbage" => Fault::Garbage,
        "revoke-token" => Fault::RevokeToken,
        "reject" => {
            Fault::reject(text(body, "record")?, body["reason"].as_str().unwrap_or("asked for"))
        }
        "close-channel" => Fault::CloseChannel(code(body, "code", 1001)),
        "silent" => Fault::Silent,
        "repeat-commands" => Fault::RepeatCommands,
        other => return Err((400, format!("there is no fault {other}"))),
    };
    cloud.faults().times(times(body), place, fault);
    Ok(())
}

fn kms_fault(cloud: &Cloud, body: &Value) -> Result<(), (u16, String)> {
    let place = match text(body, "place")? {
        "static-key" => KmsPlace::StaticKey,
        "post" => KmsPlace::Post,
        "agreement" => KmsPlace::Agreement,
        "request" => KmsPlace::Request,
        _ => return Err((400, "place is static-key, post, agreement or request".into())),
    };
    let fault = match text(body, "fault")? {
        "unavailable" => KmsFault::Unavailable(body["retryAfter"].as_u64()),
        "drop" => KmsFault::Drop,
        "hang" => KmsFault::Hang,
        "delay" => KmsFault::Delay(delay(body)),
        "reverse" => KmsFault::Reverse,
        "error" => KmsFault::Error {
            status: code(body, "status", 500),
            code: body["code"].as_u64().and_then(|code| u32::try_from(code).ok()).unwrap_or(0),
        },
        "foreign-chain" => KmsFault::ForeignChain,
        "mismatched-certificate" => KmsFault::MismatchedCertificate,
        "wrong-host" => KmsFault::WrongHost,
        "expired" => KmsFault::Expired,
        "no-chain" => KmsFault::NoChain,
        "wrong-signer" => KmsFault::WrongSigner,
        "alg-none" => KmsFault::AlgNone,
        "tamper-payload" => KmsFault::TamperPayload,
        "wrong-request-id" => KmsFault::WrongRequestId,
        "reset-session" => KmsFault::ResetSession,
        "forget-session" => KmsFault::ForgetSession,
        other => return Err((400, format!("there is no fault {other}"))),
    };
    cloud.kms().faults().times(times(body), place, fault);
    Ok(())
}

fn stats(cloud: &Cloud) -> Value {
    cloud.view(|view| {
        let stats = view.stats();
        json!({
            "stored": stats.stored,
            "duplicate": stats.duplicate,
            "stale": stats.stale,
            "rejected": stats.rejected,
            "duplicatedVisible": stats.duplicated_visible,
            "visible": view.total_live(),
            "channelOpen": view.channel_open(),
            "channelsOpened": view.channels_opened(),
            "status": view.status(),
        })
    })
}

fn command(command: &Command) -> Value {
    let outcome = command.outcome.as_ref();
    json!({
        "id": command.id,
        "sequence": command.sequence,
        "type": command.kind,
        "subject": command.subject,
        "data": command.data,
        "sent": command.sent,
        "told": command.told,
        "outcome": outcome.map(|outcome| &outcome.outcome),
        "reason": outcome.and_then(|outcome| outcome.reason.as_ref()),
    })
}

fn record(record: &StoredRecord) -> Value {
    json!({
        "id": record.id,
        "event": record.event,
        "sequence": record.sequence,
        "kind": record.kind,
        "deleted": record.deleted,
        "versions": record.versions,
        "record": record.json,
    })
}

fn opened(meeting: &Opened) -> Value {
    json!({
        "id": meeting.id,
        "seriesId": meeting.series,
        "subject": meeting.subject,
        "location": meeting.location,
        "notes": meeting.notes,
        "start": meeting.start,
        "minutes": meeting.minutes,
        "organizer": meeting.organizer.as_ref().map(contact),
        "participants": meeting.participants.iter().map(contact).collect::<Vec<_>>(),
        "joinUrl": meeting.join_url,
        "joinUri": meeting.join_uri,
        "recurring": meeting.recurring,
        "sensitivity": meeting.sensitivity,
        "lastModified": meeting.last_modified,
        "unreadable": meeting.unreadable,
    })
}

fn contact(contact: &Contact) -> Value {
    json!({
        "address": contact.address,
        "name": contact.name,
        "type": contact.kind,
        "participantType": contact.role,
        "responseType": contact.response,
    })
}
