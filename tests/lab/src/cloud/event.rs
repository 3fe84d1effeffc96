//! CloudEvents as they arrive: what is read of them, and what they are refused for.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::reports;
use crate::jose;

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// `calendar.meeting.create` or `.update`.
    Upsert(Value),
    /// `calendar.meeting.delete`.
    Delete,
    /// `calendar.resync.complete` with its firstSequence.
    Resync(u64),
    /// What is no record; filed under the event's record.
    Report(Value),
}

/// An event that has the right form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) sequence: u64,
    /// The record's id, or what a report is filed under; empty for a resync.
    pub(super) record: String,
    pub(super) body: Body,
}

impl Event {
    /// What a cloud of this minor version makes of it: what came later it refuses.
    pub(super) fn known_to(self, minor: u32) -> Result<Self, String> {
        let later = match &self.body {
            Body::Upsert(meeting) => {
                let info = meeting.get("meetingJoinInfo").and_then(Value::as_object);
                let devices =
                    info.is_some_and(|info| DEVICE.iter().any(|name| info.contains_key(*name)));
                if devices { 2 } else { 0 }
            }
            Body::Report(_) => 1,
            Body::Delete | Body::Resync(_) => 0,
        };
        match later <= minor {
            true => Ok(self),
            false => Err("there is something of a later version of the protocol".into()),
        }
    }
}

/// Whether something is of the protocol, or why not.
pub(super) type Check = Result<(), String>;

/// The longest identifier, in bytes.
const LONGEST_ID: usize = 256;
/// The longest id of a user, in bytes: an event's id may be made of it and a sequence.
const LONGEST_SUBJECT: usize = 128;

/// The attributes that every event has (CloudEvents 1.0), without its data.
pub(super) fn attributes(event: &Map<String, Value>, source: &str) -> Check {
    if event.get("specversion").and_then(Value::as_str) != Some("1.0") {
        return Err("specversion is not 1.0".into());
    }
    if event.get("source").and_then(Value::as_str) != Some(source) {
        return Err(format!("source is not {source}"));
    }
    if event.get("datacontenttype").and_then(Value::as_str) != Some("application/json") {
        return Err("datacontenttype is not application/json".into());
    }
    if event.contains_key("time") {
        let time = text(event, "time")?;
        time.parse::<Timestamp>().map_err(|_| "time is not an RFC 3339 date".to_owned())?;
    }
    if let Some(parent) = event.get("traceparent") {
        traceparent(parent)?;
    }
    for name in event.keys() {
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err("an attribute's name is not lower-case letters and digits".into());
        }
    }
    Ok(())
}

fn traceparent(value: &Value) -> Check {
    let parts: Vec<&str> = value.as_str().unwrap_or_default().split('-').collect();
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match parts.as_slice() {
        [version, trace, parent, flags]
            if [version.len(), trace.len(), parent.len(), flags.len()] == [2, 32, 16, 2]
                && parts.iter().all(|part| hex(part)) =>
        {
            Ok(())
        }
        _ => Err("traceparent is not of the W3C form".into()),
    }
}

/// The event in `value`, which the connector with the given source sent.
pub(super) fn read(value: &Value, source: &str) -> Result<Event, String> {
    let event = value.as_object().ok_or("the event is not an object")?;
    attributes(event, source)?;
    text(event, "time")?;
    let id = identifier(event, "id")?;
    let subject = identifier(event, "subject")?;
    if subject.len() > LONGEST_SUBJECT {
        return Err("subject is too long".into());
    }
    let kind = text(event, "type")?.to_owned();
    let sequence = sequence(event.get("sequence"))?;
    let data = event.get("data").and_then(Value::as_object).ok_or("data is not an object")?;
    let (record, body) = match kind.as_str() {
        "calendar.meeting.create" | "calendar.meeting.update" => {
            let meeting = only(data, "calendarMeetingExternal")?;
            meeting_record(meeting)?;
            (identifier(meeting, "id")?, Body::Upsert(Value::Object(meeting.clone())))
        }
        "calendar.meeting.delete" => {
            let meeting = only(data, "calendarMeetingExternal")?;
            members(meeting, &["id"], &[])?;
            (identifier(meeting, "id")?, Body::Delete)
        }
        "calendar.resync.complete" => {
            members(data, &["firstSequence"], &[])?;
            let first = self::sequence(data.get("firstSequence"))?;
            if first > sequence {
                return Err("firstSequence is above the event's own sequence".into());
            }
            (String::new(), Body::Resync(first))
        }
        _ => match reports::read(&kind, &subject, data) {
            Some(read) => read.map(|(file, inside)| (file, Body::Report(inside)))?,
            None => return Err("the type is not known".into()),
        },
    };
    Ok(Event { id, kind, subject, sequence, record, body })
}

pub(super) fn only<'a>(
    data: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a Map<String, Value>, String> {
    members(data, &[name], &[])?;
    data.get(name).and_then(Value::as_object).ok_or_else(|| format!("{name} is not an object"))
}

pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let found = object.get(name).ok_or_else(|| format!("{name} is missing"))?;
    found.as_str().ok_or_else(|| format!("{name} is not a string"))
}

pub(super) fn identifier(object: &Map<String, Value>, name: &str) -> Result<String, String> {
    let found = text(object, name)?;
    if found.is_empty() || found.len() > LONGEST_ID || found.chars().any(char::is_control) {
        return Err(format!("{name} is empty or too long"));
    }
    Ok(found.into())
}

/// Twenty decimal digits, so that sequences compare as text too.
pub(super) fn sequence(value: Option<&Value>) -> Result<u64, String> {
    let found = value.and_then(Value::as_str).unwrap_or_default();
    if found.len() != 20 || !found.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("sequence is not 20 digits".into());
    }
    found.parse().map_err(|_| "sequence is above 2^64 - 1".into())
}

/// A sequence as it is written.
pub(super) fn digits(sequence: u64) -> String {
    format!("{sequence:020}")
}

pub(super) fn members(object: &Map<String, Value>, must: &[&str], may: &[&str]) -> Check {
    if let Some(missing) = must.iter().find(|name| !object.contains_key(**name)) {
        return Err(format!("{missing} is missing"));
    }
    // An unknown member could be plain text that was never meant to leave.
    match object.keys().find(|name| !must.contains(&name.as_str()) && !may.contains(&name.as_str()))
    {
        Some(_) => Err("there is a member that is not of the protocol".into()),
        None => Ok(()),
    }
}

const MUST: [&str; 8] = [
    "id",
    "seriesId",
    "start",
    "durationMinutes",
    "isRecurring",
    "isDeleted",
    "meetingSensitivity",
    "encryptionKeyUrl",
];
const SEALED: [&str; 3] = ["encryptedSubject", "encryptedLocation", "encryptedNotes"];
const GROUPS: [&str; 3] = ["encryptedOrganizer", "encryptedParticipants", "meetingJoinInfo"];
const JOIN: [&str; 2] = ["meetingJoinURI", "meetingJoinURL"];
/// What a video device needs beside the address; since version 1.2.
const DEVICE: [&str; 3] = ["teamsConferenceId", "teamsTenantKey", "webexMeetingNumber"];

fn meeting_record(meeting: &Map<String, Value>) -> Check {
    members(meeting, &MUST, &[&SEALED[..], &GROUPS, &["lastModified"]].concat())?;
    identifier(meeting, "seriesId")?;
    utc(text(meeting, "start")?, "start")?;
    if meeting.contains_key("lastModified") {
        utc(text(meeting, "lastModified")?, "lastModified")?;
    }
    let minutes = meeting.get("durationMinutes").and_then(Value::as_u64);
    if minutes.is_none_or(|minutes| minutes > 60 * 24 * 366 * 5) {
        return Err("durationMinutes is not a number of minutes".into());
    }
    for name in ["isRecurring", "isDeleted"] {
        if !meeting.get(name).is_some_and(Value::is_boolean) {
            return Err(format!("{name} is neither true nor false"));
        }
    }
    if meeting.get("isDeleted") != Some(&Value::Bool(false)) {
        return Err("isDeleted is true; a deletion is calendar.meeting.delete".into());
    }
    word(meeting, "meetingSensitivity")?;
    kms_address(meeting)?;
    for name in SEALED {
        sealed(meeting, name, false)?;
    }
    if let Some(organizer) = meeting.get("encryptedOrganizer") {
        person(organizer, "encryptedOrganizer", &[])?;
    }
    if let Some(participants) = meeting.get("encryptedParticipants") {
        let list = participants.as_array().ok_or("encryptedParticipants is not a list")?;
        for participant in list {
            let words = ["type", "participantType", "responseType"];
            person(participant, "encryptedParticipants", &words)?;
        }
    }
    if let Some(join) = meeting.get("meetingJoinInfo") {
        let join = join.as_object().ok_or("meetingJoinInfo is not an object")?;
        let all = [&JOIN[..], &DEVICE].concat();
        members(join, &[], &all)?;
        all.iter().try_for_each(|name| sealed(join, name, false))?;
    }
    Ok(())
}

pub(super) fn kms_address(object: &Map<String, Value>) -> Check {
    match text(object, "encryptionKeyUrl")?.starts_with("kms://") {
        true => Ok(()),
        false => Err("encryptionKeyUrl is not a kms address".into()),
    }
}

pub(super) fn person(value: &Value, name: &str, words: &[&str]) -> Check {
    let person = value.as_object().ok_or_else(|| format!("{name} is not an object"))?;
    let sealed_both = ["encryptedEmailAddress", "encryptedName"];
    members(person, &sealed_both, words)?;
    for name in sealed_both {
        sealed(person, name, true)?;
    }
    words.iter().filter(|name| person.contains_key(**name)).try_for_each(|name| word(person, name))
}

pub(super) fn utc(text: &str, name: &str) -> Check {
    let good = text.ends_with('Z') && text.parse::<Timestamp>().is_ok();
    if good { Ok(()) } else { Err(format!("{name} is not an RFC 3339 date in UTC")) }
}

/// One of a closed list in upper case; new words must not break an old cloud.
fn word(object: &Map<String, Value>, name: &str) -> Check {
    let found = text(object, name)?;
    let good = (1..=32).contains(&found.len())
        && found.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if good { Ok(()) } else { Err(format!("{name} is not a word in upper case")) }
}

pub(super) fn sealed(object: &Map<String, Value>, name: &str, must: bool) -> Check {
    match object.get(name) {
        None if !must => Ok(()),
        Some(Value::String(text)) if jose::is_sealed_field(text) => Ok(()),
        _ => Err(format!("{name} is not a JWE with dir and A256GCM")),
    }
}
