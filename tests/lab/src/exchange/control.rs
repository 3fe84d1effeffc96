//! The control endpoint of the program: plain HTTP and JSON, on a loopback address only.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::faults::{Fault, Match};
use super::service::{
    Attendee, AttendeeKind, Day, Draft, End, ItemId, MailboxKind, MovedTo, Pattern, Sensitivity,
    Shown,
};
use super::{Exchange, service};
use crate::endpoint::{self, Asked};

/// What `GET /` answers. Times are UTC milliseconds since 1970.
const HELP: &str = "\
POST /mailboxes {address, name?, room?, time_zone?}
DELETE /mailboxes/ADDRESS
POST /mailboxes/ADDRESS/move {back_end | server | to}
POST /mailboxes/ADDRESS/impersonation {denied}
GET  /mailboxes/ADDRESS/view?from=MS&to=MS
POST /items {mailbox, subject, start_ms, minutes, location?, body?, html?, all_day?, time_zone?,
             sensitivity?, attendees?: [{address, name?, kind?}],
             daily? | weekly?: [days], count?}               answers {id}
POST /items/update {mailbox, id, occurrence_ms?, what changes}
POST /items/delete {mailbox, id, occurrence_ms?}
POST /items/cancel {mailbox, id}    POST /items/respond {mailbox, uid, response}
POST /faults {fault, operation?, mailbox?, times?}           times 0 stands for ever
             fault: server-busy connection-count http redirect hang cut response-code soap-fault
             delay stream-silent stream-error stream-closed lose-notification garbage illegal-characters
             split join
             with: status retry_after back_off_ms inner bytes code message ms
DELETE /faults
GET  /log    DELETE /log    GET /state
POST /cut    POST /restore    POST /drop    POST /password {password}
";

type Outcome = Result<Value, String>;

/// Listens at `listen`, which must be a loopback address.
pub(super) async fn start(listen: SocketAddr, exchange: Exchange) -> io::Result<SocketAddr> {
    let act = move |asked: Asked| {
        let exchange = exchange.clone();
        async move {
            let Asked { method, path, query, body } = asked;
            act(&exchange, &method, &path, &query, &body).await.map_err(|error| (400, error))
        }
    };
    endpoint::start(listen, HELP, act).await
}

async fn act(
    exchange: &Exchange,
    method: &Method,
    path: &str,
    query: &str,
    body: &Value,
) -> Outcome {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        (_, ["mailboxes", ..]) => return mailboxes(exchange, method, &parts, query, body),
        ("POST", ["items", ..]) => return items(exchange, &parts, body),
        ("POST", ["faults"]) => add_fault(exchange, body)?,
        ("DELETE", ["faults"]) => exchange.faults().clear(),
        ("GET", ["log"]) => {
            let log = exchange.log();
            return Ok(json!({"counts": log.counts(), "entries": log.entries()}));
        }
        ("DELETE", ["log"]) => exchange.log().clear(),
        ("GET", ["state"]) => {
            return Ok(json!({
                "openStreams": exchange.open_streams(),
                "openConnections": exchange.open_connections(),
                "faultsPlayed": exchange.faults().played(),
            }));
        }
        ("POST", ["cut"]) => exchange.cut().await,
        ("POST", ["restore"]) => exchange.restore().await,
        ("POST", ["drop"]) => exchange.drop_connections(),
        ("POST", ["password"]) => exchange.gate().set_password(text(body, "password")?),
        _ => return Err("GET / lists what there is".to_owned()),
    }
    Ok(json!({}))
}

fn mailboxes(
    exchange: &Exchange,
    method: &Method,
    parts: &[&str],
    query: &str,
    body: &Value,
) -> Outcome {
    let calendars = exchange.calendars();
    match (method.as_str(), parts) {
        ("POST", [_]) => {
            let address = text(body, "address")?;
            let name = body["name"].as_str().unwrap_or(address);
            let room = body["room"].as_bool().unwrap_or(false);
            let kind = if room { MailboxKind::Room } else { MailboxKind::User };
            calendars.add_mailbox(address, name, kind);
            if let Some(zone) = body["time_zone"].as_str() {
                calendars.set_zone(address, zone);
            }
        }
        ("DELETE", [_, address]) => calendars.remove_mailbox(address),
        ("POST", [_, address, "move"]) => {
            let to = match (body["back_end"].as_u64(), body["to"].as_str()) {
                (Some(back_end), _) => {
                    MovedTo::BackEnd(usize::try_from(back_end).unwrap_or_default())
                }
                (None, Some(to)) => MovedTo::Cloud(to.to_owned()),
                _ if body["server"].is_string() => {
                    MovedTo::Server(text(body, "server")?.to_owned())
                }
                _ => return Err("back_end, server or to is missing".to_owned()),
            };
            calendars.move_mailbox(address, to);
        }
        ("POST", [_, address, "impersonation"]) => {
            calendars.deny_impersonation(address, body["denied"].as_bool().unwrap_or(true));
        }
        ("GET", [_, address, "view"]) => {
            let bound = |name: &str| {
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
            };
            let from = bound("from").unwrap_or(i64::MIN / 2);
            let to = bound("to").unwrap_or(i64::MAX / 2);
            return Ok(calendars.view(address, from, to).iter().map(shown).collect());
        }
        _ => return Err("GET / lists what there is".to_owned()),
    }
    Ok(json!({}))
}

fn items(exchange: &Exchange, parts: &[&str], body: &Value) -> Outcome {
    let calendars = exchange.calendars();
    let mailbox = text(body, "mailbox")?;
    let id = || text(body, "id").map(|id| ItemId(id.to_owned()));
    let occurrence = body["occurrence_ms"].as_i64();
    match parts {
        [_] => {
            let mut draft = Draft::meeting("", number(body, "start_ms")?, 30);
            change(&mut draft, body);
            return Ok(json!({"id": calendars.create(mailbox, draft).0}));
        }
        [_, "update"] => match occurrence {
            None => calendars.update(mailbox, &id()?, |draft| change(draft, body)),
            Some(start) => {
                calendars.modify_occurrence(mailbox, &id()?, start, |draft| change(draft, body))
            }
        },
        [_, "delete"] => match occurrence {
            None => calendars.delete(mailbox, &id()?),
            Some(start) => calendars.delete_occurrence(mailbox, &id()?, start),
        },
        [_, "cancel"] => calendars.cancel(mailbox, &id()?),
        [_, "respond"] => {
            let response = match text(body, "response")? {
                "accept" => service::Response::Accept,
                "tentative" => service::Response::Tentative,
                "decline" => service::Response::Decline,
                _ => return Err("response is accept, tentative or decline".to_owned()),
            };
            calendars.respond(mailbox, text(body, "uid")?, response);
        }
        _ => return Err("GET / lists what there is".to_owned()),
    }
    Ok(json!({}))
}

/// Sets what the body names, and leaves the rest.
fn change(draft: &mut Draft, body: &Value) {
    let word = |name: &str| body[name].as_str().map(str::to_owned);
    draft.subject = word("subject").unwrap_or_else(|| draft.subject.clone());
    draft.location = word("location").unwrap_or_else(|| draft.location.clone());
    draft.time_zone = word("time_zone").unwrap_or_else(|| draft.time_zone.clone());
    for (name, html) in [("body", false), ("html", true)] {
        if let Some(text) = word(name) {
            draft.body = text;
            draft.body_html = html;
        }
    }
    if let Some(start) = body["start_ms"].as_i64() {
        draft.end_ms = draft.end_ms - draft.start_ms + start;
        draft.start_ms = start;
    }
    if let Some(minutes) = body["minutes"].as_i64() {
        draft.end_ms = draft.start_ms + minutes * 60_000;
    }
    draft.all_day = body["all_day"].as_bool().unwrap_or(draft.all_day);
    match body["sensitivity"].as_str() {
        Some("normal") => draft.sensitivity = Sensitivity::Normal,
        Some("personal") => draft.sensitivity = Sensitivity::Personal,
        Some("private") => draft.sensitivity = Sensitivity::Private,
        Some("confidential") => draft.sensitivity = Sensitivity::Confidential,
        _ => {}
    }
    if let Some(attendees) = body["attendees"].as_array() {
        draft.attendees = attendees.iter().map(attendee).collect();
    }
    repeat(draft, body);
}

fn repeat(draft: &mut Draft, body: &Value) {
    let count = body["count"].as_u64().and_then(|count| u32::try_from(count).ok());
    let end = count.map_or(End::Never, End::After);
    let pattern = if body["daily"].as_bool() == Some(true) {
        Pattern::Daily { interval: 1 }
    } else if let Some(days) = body["weekly"].as_array() {
        let days = days.iter().filter_map(Value::as_str).filter_map(day).collect();
        Pattern::Weekly { interval: 1, days, first_day: Day::Monday }
    } else {
        return;
    };
    draft.recurrence = Some(service::Recurrence { pattern, end });
}

fn day(name: &str) -> Option<Day> {
    Some(match name {
        "sunday" => Day::Sunday,
        "monday" => Day::Monday,
        "tuesday" => Day::Tuesday,
        "wednesday" => Day::Wednesday,
        "thursday" => Day::Thursday,
        "friday" => Day::Friday,
        "saturday" => Day::Saturday,
        _ => return None,
    })
}

fn attendee(value: &Value) -> Attendee {
    let address = value["address"].as_str().unwrap_or_default();
    let kind = match value["kind"].as_str() {
        Some("optional") => AttendeeKind::Optional,
        Some("resource") => AttendeeKind::Resource,
        _ => AttendeeKind::Required,
    };
    Attendee { kind, ..Attendee::required(address, value["name"].as_str().unwrap_or(address)) }
}

fn add_fault(exchange: &Exchange, body: &Value) -> Result<(), String> {
    let fault = fault(body)?;
    let whom = Match { operation: body["operation"].as_str(), mailbox: body["mailbox"].as_str() };
    match body["times"].as_u64() {
        None => exchange.faults().next(whom, fault),
        Some(0) => drop(exchange.faults().always(whom, fault)),
        Some(n) => exchange.faults().times(usize::try_from(n).unwrap_or(usize::MAX), whom, fault),
    }
    Ok(())
}

fn fault(body: &Value) -> Result<Fault, String> {
    let code = || text(body, "code").map(str::to_owned);
    let size = |name| number(body, name).map(|n| usize::try_from(n).unwrap_or_default());
    Ok(match text(body, "fault")? {
        "server-busy" => Fault::ServerBusy {
            back_off_ms: body["back_off_ms"].as_u64(),
            inner: body["inner"].as_bool().unwrap_or(false),
        },
        "connection-count" => {
            Fault::ConnectionCount { back_off_ms: body["back_off_ms"].as_u64().unwrap_or(0) }
        }
        "passed-busy" => Fault::PassedBusy {
            status: u16::try_from(body["status"].as_u64().unwrap_or(503)).unwrap_or(503),
            back_off_ms: body["back_off_ms"].as_u64().unwrap_or(0),
        },
        "http" => Fault::Http {
            status: u16::try_from(body["status"].as_u64().unwrap_or(503)).unwrap_or(503),
            retry_after: body["retry_after"].as_u64(),
        },
        "redirect" => Fault::RedirectToErrorPage,
        "hang" => Fault::Hang,
        "cut" => Fault::Cut { after_bytes: size("bytes")? },
        "response-code" => Fault::ResponseCode(code()?),
        "soap-fault" => Fault::SoapFault {
            code: code()?,
            message: body["message"].as_str().unwrap_or("A fault that was asked for.").to_owned(),
        },
        "delay" => Fault::Delay(Duration::from_millis(number(body, "ms")?.unsigned_abs())),
        "stream-silent" => Fault::StreamSilent,
        "stream-error" => Fault::StreamError(code()?),
        "stream-closed" => Fault::StreamClosed,
        "lose-notification" => Fault::LoseNotification,
        "garbage" => Fault::GarbageXml,
        "illegal-characters" => Fault::IllegalCharacters,
        "split" => Fault::SplitEnvelopes { at: size("bytes")? },
        "join" => Fault::JoinEnvelopes,
        other => return Err(format!("there is no fault {other}")),
    })
}

fn shown(item: &Shown) -> Value {
    json!({
        "uid": item.uid,
        "original_start_ms": item.original_start_ms,
        "start_ms": item.start_ms,
        "end_ms": item.end_ms,
        "subject": item.subject,
        "location": item.location,
        "body": item.body,
        "organizer": {"name": item.organizer.0, "address": item.organizer.1},
        "attendees": item.attendees.iter().map(|attendee| json!({
            "name": attendee.name,
            "address": attendee.address,
            "kind": format!("{:?}", attendee.kind),
            "response": format!("{:?}", attendee.response),
        })).collect::<Vec<_>>(),
        "all_day": item.all_day,
        "recurring": item.recurring,
        "cancelled": item.cancelled,
        "sensitivity": format!("{:?}", item.sensitivity),
        "my_response": format!("{:?}", item.my_response),
    })
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    body[name].as_str().ok_or_else(|| format!("{name} is missing"))
}

fn number(body: &Value, name: &str) -> Result<i64, String> {
    body[name].as_i64().ok_or_else(|| format!("{name} is missing"))
}
