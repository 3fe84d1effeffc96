//! Items as scripts write and read them.

use serde_json::{Value, json};

use super::{Outcome, number, text};
use crate::exchange::Exchange;
use crate::exchange::service::{
    self, Attendee, AttendeeKind, Day, Draft, End, ExtendedProperty, ItemId, Pattern, Sensitivity,
};

/// `/items…`
pub(super) fn act(exchange: &Exchange, parts: &[&str], body: &Value) -> Outcome {
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
        [_, "read"] => {
            let draft = calendars.read(mailbox, &id()?).ok_or("there is no such item")?;
            let uid = calendars.uid(mailbox, &id()?);
            return Ok(json!({"uid": uid, "item": whole(&draft)}));
        }
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
    draft.culture = word("culture").unwrap_or_else(|| draft.culture.clone());
    if let Some(extended) = body["extended"].as_array() {
        draft.extended = extended.iter().map(property).collect();
    }
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

fn property(value: &Value) -> ExtendedProperty {
    let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let values = value["values"].as_array();
    let values = values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let kind = value["kind"].as_str().unwrap_or("String").to_owned();
    let set = word("set").to_ascii_lowercase();
    ExtendedProperty { set, name: word("name"), kind, values: values.collect() }
}

fn whole(draft: &Draft) -> Value {
    json!({
        "subject": draft.subject,
        "location": draft.location,
        "body": draft.body,
        "body_html": draft.body_html,
        "start_ms": draft.start_ms,
        "end_ms": draft.end_ms,
        "all_day": draft.all_day,
        "time_zone": draft.time_zone,
        "culture": draft.culture,
        "sensitivity": format!("{:?}", draft.sensitivity),
        "recurring": draft.recurrence.is_some(),
        "attendees": draft.attendees.iter().map(|attendee| json!({
            "name": attendee.name,
            "address": attendee.address,
            "kind": format!("{:?}", attendee.kind),
            "response": format!("{:?}", attendee.response),
        })).collect::<Vec<_>>(),
        "extended": draft.extended.iter().map(|own| json!({
            "set": own.set,
            "name": own.name,
            "kind": own.kind,
            "values": own.values,
        })).collect::<Vec<_>>(),
    })
}
