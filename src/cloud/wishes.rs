//! Commands about meetings, as they stand in a frame: what is sealed stays so.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::{
    BusyWindow, Hours, KeyUri, Notify, RecordKey, Response, Span, Time, UserId, Wanted, When, Wish,
};
use crate::pipeline::limits::{FREE_BUSY_DIGITS, FREE_BUSY_SPAN};

type Data = Map<String, Value>;
type Read<T> = Result<T, &'static str>;

/// Addresses of one question.
const MOST_EMAILS: usize = 100;

/// Bytes of an id.
const LONGEST_ID: usize = 256;

/// `meeting.create`.
pub(super) fn create(user: UserId, data: Option<Value>) -> Read<Wish> {
    let data = object(data)?;
    let sealed = text(&data, "encryptedMeeting", "data needs encryptedMeeting")?.to_owned();
    let bad = "durationMinutes is not a number from 1 to 1440";
    let minutes = number(&data, "durationMinutes", bad)?.filter(|n| (1..=1440).contains(n));
    let when = match (data.get("start"), data.get("place")) {
        (Some(start), None) => When::At(time(Some(start), "start is no time in UTC")?),
        (None, Some(place)) => place_of(place)?,
        _ => return Err("data needs either start or place"),
    };
    let minutes = minutes.ok_or(bad)?;
    let what = Wanted::Create { when, minutes };
    Ok(Wish { user, what, sealed: vec![sealed], key: Some(key(&data)?) })
}

fn place_of(place: &Value) -> Read<When> {
    let place = place.as_object().ok_or("place is not an object")?;
    let hours = match place.get("workingHours") {
        None | Some(Value::Bool(false)) => Hours::Any,
        Some(Value::Bool(true)) => Hours::Working,
        Some(_) => return Err("place.workingHours is neither true nor false"),
    };
    let from = time(place.get("from"), "place.from is no time in UTC")?;
    let to = time(place.get("to"), "place.to is no time in UTC")?;
    span(from, to, "place.to is not after place.from, or more than 42 days")?;
    Ok(When::Between(from, to, hours))
}

/// `meeting.decorate`.
pub(super) fn decorate(user: UserId, data: Option<Value>) -> Read<Wish> {
    let data = object(data)?;
    let request = name(&data, "requestId", "data needs requestId", "requestId is not an id")?;
    let id = RecordKey::new(name(&data, "id", "data needs id", "id is not a record's")?);
    let start = time(data.get("start"), "start is no time in UTC")?;
    let (sealed, key, reason) = match (data.get("encryptedJoinDetails"), data.get("reason")) {
        (Some(Value::String(details)), None) => (vec![details.clone()], Some(key(&data)?), None),
        (None, Some(Value::String(reason))) => (Vec::new(), None, Some(words(reason))),
        (Some(_), None) => return Err("encryptedJoinDetails is not a text"),
        (None, Some(_)) => return Err("reason is not a text"),
        _ => return Err("data needs either encryptedJoinDetails or reason"),
    };
    let what = Wanted::Decorate { request: request.into(), id, start, reason };
    Ok(Wish { user, what, sealed, key })
}

/// Words of the cloud's, as they may stand in the journal.
fn words(text: &str) -> Arc<str> {
    let words: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if words.trim().is_empty() { "no reason is given".into() } else { words.trim().into() }
}

/// An id of the cloud's or of ours.
fn name<'a>(
    data: &'a Data,
    member: &str,
    absent: &'static str,
    bad: &'static str,
) -> Read<&'a str> {
    let id = text(data, member, absent)?;
    let fits = !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control);
    if fits { Ok(id) } else { Err(bad) }
}

/// `meeting.respond`.
pub(super) fn respond(user: UserId, data: Option<Value>) -> Read<Wish> {
    let data = object(data)?;
    let id = name(&data, "id", "data needs id", "id is not a record's")?;
    let start = time(data.get("start"), "start is no time in UTC")?;
    let response = match data.get("response").and_then(Value::as_str) {
        Some("ACCEPTED") => Response::Accepted,
        Some("TENTATIVE") => Response::Tentative,
        Some("DECLINED") => Response::Declined,
        _ => return Err("response is none of ACCEPTED, TENTATIVE, DECLINED"),
    };
    let notify = match data.get("notify") {
        None | Some(Value::Bool(true)) => Notify::All,
        Some(Value::Bool(false)) => Notify::Nobody,
        Some(_) => return Err("notify is neither true nor false"),
    };
    let (sealed, key) = match data.get("encryptedComment") {
        None => (Vec::new(), None),
        Some(Value::String(comment)) => (vec![comment.clone()], Some(key(&data)?)),
        Some(_) => return Err("encryptedComment is not a text"),
    };
    let what = Wanted::Respond { id: RecordKey::new(id), start, response, notify };
    Ok(Wish { user, what, sealed, key })
}

/// `freebusy.query`.
pub(super) fn free_busy(user: UserId, data: Option<Value>) -> Read<Wish> {
    let data = object(data)?;
    let request = name(&data, "requestId", "data needs requestId", "requestId is not an id")?;
    let from = time(data.get("start"), "start is no time in UTC")?;
    let to = time(data.get("end"), "end is no time in UTC")?;
    let length = span(from, to, "end is not after start, or more than 42 days")?;
    let bad = "intervalMinutes is not a number from 5 to 1440";
    let interval_minutes = number(&data, "intervalMinutes", bad)?.unwrap_or(30);
    if !(5..=1440).contains(&interval_minutes) {
        return Err(bad);
    }
    let emails = data.get("emails").and_then(Value::as_array).ok_or("emails is not a list")?;
    if !(1..=MOST_EMAILS).contains(&emails.len()) {
        return Err("emails is not of 1 to 100");
    }
    let digits = length.as_ms().div_ceil(u64::from(interval_minutes) * 60_000);
    if digits * emails.len() as u64 > FREE_BUSY_DIGITS {
        return Err("intervalMinutes is too fine for so many mailboxes and so long a time");
    }
    let sealed: Option<Vec<String>> =
        emails.iter().map(|email| email.as_str().map(str::to_owned)).collect();
    let sealed = sealed.ok_or("one of emails is not a text")?;
    let window = BusyWindow { from, to, interval_minutes };
    let what = Wanted::FreeBusy { request: request.into(), window };
    Ok(Wish { user, what, sealed, key: Some(key(&data)?) })
}

fn object(data: Option<Value>) -> Read<Data> {
    match data {
        Some(Value::Object(data)) => Ok(data),
        _ => Err("data is not an object"),
    }
}

fn text<'a>(data: &'a Data, name: &str, bad: &'static str) -> Read<&'a str> {
    data.get(name).and_then(Value::as_str).ok_or(bad)
}

fn number(data: &Data, name: &str, bad: &'static str) -> Read<Option<u16>> {
    let Some(number) = data.get(name) else { return Ok(None) };
    let number = number.as_u64().and_then(|number| u16::try_from(number).ok());
    number.map(Some).ok_or(bad)
}

fn key(data: &Data) -> Read<KeyUri> {
    text(data, "encryptionKeyUrl", "data needs encryptionKeyUrl").map(KeyUri::new)
}

/// RFC 3339 in UTC, within the years that a calendar knows.
fn time(value: Option<&Value>, bad: &'static str) -> Read<Time> {
    let text = value.and_then(Value::as_str).filter(|text| text.ends_with('Z')).ok_or(bad)?;
    let at: jiff::Timestamp = text.parse().map_err(|_| bad)?;
    let at = Time::from_ms(at.as_millisecond());
    let (first, last) = (Time::default(), Time::from_ms(253_370_764_800_000));
    if (first..last).contains(&at) { Ok(at) } else { Err(bad) }
}

fn span(from: Time, to: Time, bad: &'static str) -> Read<Span> {
    let length = to.since(from);
    if length == Span::default() || length > FREE_BUSY_SPAN { Err(bad) } else { Ok(length) }
}

#[cfg(test)]
#[path = "wishes_tests.rs"]
mod tests;
