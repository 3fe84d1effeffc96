//! Mailboxes: what they are, where they are, what is in them.

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, text};
use crate::exchange::Exchange;
use crate::exchange::service::{
    MailboxKind, MovedTo, Oof, OofAudience, OofState, Shown, ShownMail,
};

/// `/mailboxes…`
pub(super) fn act(
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
            if let Some(culture) = body["culture"].as_str() {
                calendars.set_culture(address, culture);
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
        ("POST", [_, address, "culture"]) => {
            calendars.set_culture(address, text(body, "culture")?);
        }
        ("POST", [_, address, "free-busy"]) => {
            calendars.spoil_free_busy(address, body["code"].as_str());
        }
        ("POST", [_, address, "oof"]) => calendars.set_oof(address, absence(body)?),
        ("GET", [_, address, "oof"]) => {
            let oof = calendars.oof(address).ok_or("there is no such mailbox")?;
            return Ok(told(&oof));
        }
        ("GET", [_, address, "inbox"]) => {
            return Ok(calendars.inbox(address).iter().map(mail).collect());
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

/// `GET /mails`
pub(super) fn mails(exchange: &Exchange) -> Value {
    let mails = exchange.calendars().mails();
    let told = mails.iter().map(|mail| {
        json!({
            "from": mail.from,
            "to": mail.to,
            "class": mail.class,
            "uid": mail.uid,
            "subject": mail.subject,
            "original_start_ms": mail.original_start_ms,
        })
    });
    told.collect()
}

fn absence(body: &Value) -> Result<Oof, String> {
    let state = match text(body, "state")? {
        "disabled" => OofState::Disabled,
        "enabled" => OofState::Enabled,
        "scheduled" => OofState::Scheduled,
        _ => return Err("state is disabled, enabled or scheduled".to_owned()),
    };
    let audience = match body["audience"].as_str() {
        Some("none") => OofAudience::None,
        Some("known") => OofAudience::Known,
        Some("all") | None => OofAudience::All,
        Some(_) => return Err("audience is none, known or all".to_owned()),
    };
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let duration_ms = body["from_ms"].as_i64().zip(body["to_ms"].as_i64());
    Ok(Oof { state, audience, duration_ms, internal: word("internal"), external: word("external") })
}

fn told(oof: &Oof) -> Value {
    json!({
        "state": format!("{:?}", oof.state).to_lowercase(),
        "audience": format!("{:?}", oof.audience).to_lowercase(),
        "from_ms": oof.duration_ms.map(|(from, _)| from),
        "to_ms": oof.duration_ms.map(|(_, to)| to),
        "internal": oof.internal,
        "external": oof.external,
    })
}

fn mail(mail: &ShownMail) -> Value {
    json!({
        "class": mail.class,
        "subject": mail.subject,
        "from": mail.from,
        "uid": mail.uid,
        "original_start_ms": mail.original_start_ms,
        "start_ms": mail.start_ms,
        "end_ms": mail.end_ms,
        "location": mail.location,
        "body": mail.body,
        "body_html": mail.body_html,
        "request_type": mail.request_type,
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
