//! Events that are no records: what they are refused for, and what they are filed under.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::event::{Check, identifier, kms_address, members, only, person, sealed, text, utc};

/// An event that is no record and took effect: a result, an answer, a request, a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The user.
    pub subject: String,
    /// `command.result`, `user.presence` and so on.
    pub kind: String,
    /// What it is filed under: of those with the same, the highest sequence counts.
    pub file: String,
    /// The id of the event.
    pub event: String,
    /// The sequence.
    pub sequence: u64,
    /// What the one member of its data says.
    pub json: Value,
}

impl Report {
    /// Whether this asks for join details under an id that stands for something else already.
    pub(super) fn contradicts(&self, earlier: &Self) -> bool {
        let asked = |name: &str| self.json[name] == earlier.json[name];
        [self, earlier].iter().all(|one| one.kind == DECORATE_REQUEST)
            && asked("requestId")
            && !["seriesId", "keyword", "mode"].into_iter().all(asked)
    }
}

/// What asks for join details.
pub(super) const DECORATE_REQUEST: &str = "calendar.decorate.request";

/// Files of one user that there is one of.
pub(super) const PRESENCE: &str = "presence";
pub(super) const STATE: &str = "state";

/// The commands that end in a result.
const COMMANDS: [&str; 4] =
    ["meeting.decorate", "meeting.create", "meeting.respond", "freebusy.query"];

/// What the data of an event of this type is filed under, and its inside; nothing for a type that
/// is not one of these.
pub(super) fn read(
    kind: &str,
    subject: &str,
    data: &Map<String, Value>,
) -> Option<Result<(String, Value), String>> {
    let (member, check): (&str, Reader) = match kind {
        DECORATE_REQUEST => ("calendarDecorateRequest", decorate_request),
        "command.result" => ("commandResult", result),
        "calendar.free_busy" => ("calendarFreeBusyScheduleResponse", free_busy),
        "user.presence" => ("presence", presence),
        "user.state" => ("userState", state),
        _ => return None,
    };
    let inside = only(data, member);
    Some(inside.and_then(|inside| {
        let file = check(inside, subject)?;
        Ok((file, Value::Object(inside.clone())))
    }))
}

type Inside = Map<String, Value>;
/// Reads the inside of an event about a subject, and says what it is filed under.
type Reader = fn(&Inside, &str) -> Result<String, String>;

fn one_of(inside: &Inside, name: &str, words: &[&str]) -> Check {
    match words.contains(&text(inside, name)?) {
        true => Ok(()),
        false => Err(format!("{name} is none of {}", words.join(", "))),
    }
}

fn number(inside: &Inside, name: &str, least: u64, most: u64) -> Result<u64, String> {
    let found = inside.get(name).and_then(Value::as_u64);
    found
        .filter(|found| (least..=most).contains(found))
        .ok_or_else(|| format!("{name} is not a number from {least} to {most}"))
}

fn moment(inside: &Inside, name: &str) -> Result<Timestamp, String> {
    let found = text(inside, name)?;
    utc(found, name)?;
    found.parse().map_err(|_| format!("{name} is no date"))
}

/// A moment that may be absent.
fn maybe(inside: &Inside, name: &str) -> Result<Option<Timestamp>, String> {
    if inside.contains_key(name) { moment(inside, name).map(Some) } else { Ok(None) }
}

fn decorate_request(inside: &Inside, _: &str) -> Result<String, String> {
    let must = [
        "requestId",
        "id",
        "seriesId",
        "start",
        "durationMinutes",
        "isRecurring",
        "keyword",
        "mode",
        "encryptionKeyUrl",
    ];
    members(inside, &must, &["language", "encryptedSubject", "encryptedParticipants"])?;
    identifier(inside, "requestId")?;
    identifier(inside, "seriesId")?;
    moment(inside, "start")?;
    number(inside, "durationMinutes", 0, 60 * 24 * 366 * 5)?;
    if !inside.get("isRecurring").is_some_and(Value::is_boolean) {
        return Err("isRecurring is neither true nor false".into());
    }
    // A word, so that no part of a place or a title can come along with it.
    let keyword = text(inside, "keyword")?;
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !(1..=32).contains(&keyword.len())
        || !keyword.starts_with(|c: char| c.is_ascii_lowercase())
        || !keyword.bytes().all(letters)
    {
        return Err("keyword is not a word".into());
    }
    one_of(inside, "mode", &["default", "space", "myroom", "onetime"])?;
    if let Some(language) = inside.get("language") {
        let language = language.as_str().unwrap_or_default();
        let part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if !language.split('-').all(part) {
            return Err("language is not of BCP 47".into());
        }
    }
    kms_address(inside)?;
    sealed(inside, "encryptedSubject", false)?;
    if let Some(participants) = inside.get("encryptedParticipants") {
        let list = participants.as_array().ok_or("encryptedParticipants is not a list")?;
        for participant in list {
            let words = ["type", "participantType", "responseType"];
            person(participant, "encryptedParticipants", &words)?;
        }
    }
    Ok(format!("decorate:{}", identifier(inside, "id")?))
}

fn result(inside: &Inside, _: &str) -> Result<String, String> {
    members(inside, &["commandId", "type", "outcome"], &["reason", "id", "start"])?;
    one_of(inside, "type", &COMMANDS)?;
    one_of(inside, "outcome", &["done", "refused", "failed"])?;
    let reason = inside.get("reason");
    if reason.is_some_and(|reason| !reason.is_string()) {
        return Err("reason is not a string".into());
    }
    if reason.is_none() && text(inside, "outcome")? != "done" {
        return Err("an outcome other than done has no reason".into());
    }
    if inside.contains_key("id") {
        identifier(inside, "id")?;
    }
    maybe(inside, "start")?;
    Ok(format!("result:{}", identifier(inside, "commandId")?))
}

fn free_busy(inside: &Inside, _: &str) -> Result<String, String> {
    let must = [
        "requestId",
        "commandId",
        "encryptionKeyUrl",
        "start",
        "end",
        "intervalMinutes",
        "calendarFreeBusyItems",
    ];
    members(inside, &must, &[])?;
    identifier(inside, "requestId")?;
    kms_address(inside)?;
    let (start, end) = (moment(inside, "start")?, moment(inside, "end")?);
    let minutes = number(inside, "intervalMinutes", 5, 1440)?;
    let span = end.as_second() - start.as_second();
    let interval = i64::try_from(minutes).unwrap_or(1) * 60;
    let digits = usize::try_from((span + interval - 1) / interval).unwrap_or(0);
    if digits == 0 {
        return Err("end is not after start".into());
    }
    let items = inside.get("calendarFreeBusyItems").and_then(Value::as_array);
    let items = items.ok_or("calendarFreeBusyItems is not a list")?;
    if !(1..=100).contains(&items.len()) {
        return Err("calendarFreeBusyItems is not of 1 to 100".into());
    }
    for item in items {
        free_busy_item(item, digits)?;
    }
    Ok(format!("free-busy:{}", identifier(inside, "commandId")?))
}

fn free_busy_item(item: &Value, digits: usize) -> Check {
    let item = item.as_object().ok_or("an item is not an object")?;
    members(item, &["email", "outcome"], &["merged", "items"])?;
    sealed(item, "email", true)?;
    one_of(item, "outcome", &["ok", "unknown", "denied", "failed"])?;
    let ok = text(item, "outcome")? == "ok";
    match item.get("merged").map(|merged| merged.as_str().unwrap_or_default()) {
        None if ok => return Err("merged is missing".into()),
        None => {}
        Some(merged) => {
            let good = merged.bytes().all(|digit| (b'0'..=b'4').contains(&digit));
            if !good || merged.len() != digits {
                return Err("merged is not a digit from 0 to 4 for each interval".into());
            }
        }
    }
    let Some(items) = item.get("items") else { return Ok(()) };
    for busy in items.as_array().ok_or("items is not a list")? {
        let busy = busy.as_object().ok_or("an item is not an object")?;
        members(busy, &["start", "end", "busyType"], &[])?;
        moment(busy, "start")?;
        moment(busy, "end")?;
        let kind = text(busy, "busyType")?;
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
            return Err("busyType is not a word".into());
        }
    }
    Ok(())
}

fn presence(inside: &Inside, subject: &str) -> Result<String, String> {
    let may = ["label", "ttl", "start", "until", "externalAudience"];
    members(inside, &["subject", "eventType"], &may)?;
    if text(inside, "subject")? != subject {
        return Err("subject is another user".into());
    }
    one_of(inside, "eventType", &["ooo"])?;
    if inside.contains_key("label") {
        one_of(inside, "label", &["Out of office"])?;
    }
    if inside.contains_key("ttl") {
        number(inside, "ttl", 0, u64::MAX)?;
    }
    if let (Some(start), Some(until)) = (maybe(inside, "start")?, maybe(inside, "until")?)
        && until < start
    {
        return Err("until is before start".into());
    }
    if inside.contains_key("externalAudience") {
        one_of(inside, "externalAudience", &["NONE", "KNOWN", "ALL"])?;
    }
    Ok(PRESENCE.into())
}

fn state(inside: &Inside, _: &str) -> Result<String, String> {
    members(inside, &["state", "since"], &["reason"])?;
    one_of(inside, "state", &["pending", "active", "error", "inactive"])?;
    moment(inside, "since")?;
    if let Some(reason) = inside.get("reason") {
        let reason = reason.as_str().unwrap_or_default();
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if reason.is_empty() || !reason.bytes().all(name) {
            return Err("reason is not the name of a condition".into());
        }
    }
    Ok(STATE.into())
}
