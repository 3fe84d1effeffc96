//! From a meeting to its record: which field goes where, and which of them are sealed.
//!
//! **Promise.** Every personal text is sealed with the one key that the record names. Empty and
//! absent fields are left out. Two meetings with the same digest show the same to their user.

use serde_json::{Map, Value, json};

use super::join::{Join, join};
use super::limits::{LINE_BYTES, NOTES_BYTES, PARTICIPANTS};
use super::seal::{Installation, Sealed, Sealer, Tag};
use crate::model::{
    Answer, Fault, Meeting, MeetingKind, Participant, ParticipantKind, ParticipantRole, Person,
    Plain, RecordKey, Sensitivity, Time, UserId,
};

/// The key of a meeting's record.
pub fn key(installation: &Installation, user: &UserId, meeting: &Meeting) -> RecordKey {
    let original = match meeting.kind {
        // Who was invited to one occurrence alone holds a single item that names its place.
        MeetingKind::Single => meeting.original_start,
        MeetingKind::Occurrence | MeetingKind::Exception => {
            Some(meeting.original_start.unwrap_or(meeting.start))
        }
    };
    installation.record_key(user, &meeting.uid, original)
}

/// A keyed hash of all that a user can see of the meeting. `last_modified` is not among it: a
/// meeting that was only touched is not sent again.
pub fn digest(installation: &Installation, meeting: &Meeting) -> Tag {
    let numbers = [
        meeting.start.as_ms(),
        meeting.end.as_ms(),
        i64::from(meeting.all_day),
        i64::from(recurs(meeting)),
        meeting.sensitivity as i64,
    ];
    let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
    let Join { uri, url } = join(meeting);
    let text = |plain: &Option<Plain>| plain.as_ref().map_or(String::new(), |p| p.reveal().into());
    let (uri, url) = (Plain::new(text(&uri)), Plain::new(text(&url)));
    let mut parts: Vec<&[u8]> = vec![
        b"meeting",
        &numbers,
        meeting.subject.reveal().as_bytes(),
        meeting.location.reveal().as_bytes(),
        meeting.body.text.reveal().as_bytes(),
        uri.reveal().as_bytes(),
        url.reveal().as_bytes(),
    ];
    let (name, address) = person_parts(meeting.organizer.as_ref());
    parts.extend([name, address]);
    for participant in &meeting.participants {
        let (name, address) = person_parts(Some(&participant.person));
        parts.extend([
            name,
            address,
            kind(participant).as_bytes(),
            role(participant).as_bytes(),
            answer(participant).as_bytes(),
        ]);
    }
    installation.tag(&parts)
}

/// The record of a meeting: the `data` of its event.
///
/// # Errors
/// As [`Sealer::seal`].
pub fn record(
    installation: &Installation,
    sealer: &dyn Sealer,
    user: &UserId,
    meeting: &Meeting,
) -> Result<Sealed, Fault> {
    let seal = |text: &str, limit| sealer.seal(cut(text, limit)).map(Value::String);
    let mut out = Map::new();
    let series = installation.record_key(user, &meeting.uid, None);
    out.insert("id".into(), key(installation, user, meeting).as_str().into());
    out.insert("seriesId".into(), series.as_str().into());
    out.insert("start".into(), rfc3339(meeting.start).into());
    let minutes = meeting.end.since(meeting.start).as_ms() / 60_000;
    out.insert("durationMinutes".into(), minutes.into());
    out.insert("isRecurring".into(), recurs(meeting).into());
    out.insert("isDeleted".into(), false.into());
    if let Some(at) = meeting.last_modified {
        out.insert("lastModified".into(), rfc3339(at).into());
    }
    out.insert("meetingSensitivity".into(), sensitivity(meeting.sensitivity).into());
    out.insert("encryptionKeyUrl".into(), sealer.key_uri().as_str().into());
    for (field, text, limit) in [
        ("encryptedSubject", &meeting.subject, LINE_BYTES),
        ("encryptedLocation", &meeting.location, LINE_BYTES),
        ("encryptedNotes", &meeting.body.text, NOTES_BYTES),
    ] {
        if !text.is_blank() {
            out.insert(field.into(), seal(text.reveal(), limit)?);
        }
    }
    if let Some(organizer) = &meeting.organizer {
        out.insert("encryptedOrganizer".into(), person(sealer, organizer)?.into());
    }
    let participants = participants(sealer, &meeting.participants)?;
    if !participants.is_empty() {
        out.insert("encryptedParticipants".into(), participants.into());
    }
    let found = join(meeting);
    if !found.is_empty() {
        let mut info = Map::new();
        for (field, text) in [("meetingJoinURI", found.uri), ("meetingJoinURL", found.url)] {
            if let Some(text) = text {
                info.insert(field.into(), seal(text.reveal(), LINE_BYTES)?);
            }
        }
        out.insert("meetingJoinInfo".into(), info.into());
    }
    Ok(Sealed::new(json!({ "calendarMeetingExternal": out }).to_string()))
}

fn recurs(meeting: &Meeting) -> bool {
    meeting.kind != MeetingKind::Single || meeting.original_start.is_some()
}

/// The `data` of a record that is withdrawn.
pub fn withdrawn(key: &RecordKey) -> Sealed {
    Sealed::new(json!({ "calendarMeetingExternal": { "id": key.as_str() } }).to_string())
}

/// The `data` of `calendar.resync.complete`: whatever the cloud holds of this user with a lower
/// sequence is not in the calendar any more.
pub fn complete(first_sequence: u64) -> Sealed {
    Sealed::new(json!({ "firstSequence": format!("{first_sequence:020}") }).to_string())
}

/// RFC 3339 in UTC, without a fraction where there is none.
pub fn rfc3339(time: Time) -> String {
    jiff::Timestamp::from_millisecond(time.as_ms()).unwrap_or_default().to_string()
}

fn participants(sealer: &dyn Sealer, all: &[Participant]) -> Result<Vec<Value>, Fault> {
    all.iter()
        .take(PARTICIPANTS)
        .map(|participant| {
            let mut out = person(sealer, &participant.person)?;
            out.insert("type".into(), kind(participant).into());
            out.insert("participantType".into(), role(participant).into());
            out.insert("responseType".into(), answer(participant).into());
            Ok(out.into())
        })
        .collect()
}

/// Readers expect both fields of a person always, so an absent one is sealed as empty text.
fn person(sealer: &dyn Sealer, person: &Person) -> Result<Map<String, Value>, Fault> {
    let address = person.address.as_ref().map_or("", |a| a.reveal());
    let mut out = Map::new();
    out.insert("encryptedEmailAddress".into(), sealer.seal(cut(address, LINE_BYTES))?.into());
    let name = cut(person.name.reveal(), LINE_BYTES);
    out.insert("encryptedName".into(), sealer.seal(name)?.into());
    Ok(out)
}

fn person_parts(person: Option<&Person>) -> (&[u8], &[u8]) {
    person.map_or((b"", b""), |p| {
        let address = p.address.as_ref().map_or("", |a| a.reveal());
        (p.name.reveal().as_bytes(), address.as_bytes())
    })
}

fn kind(participant: &Participant) -> &'static str {
    match participant.kind {
        ParticipantKind::Person => "PERSON",
        ParticipantKind::Room => "ROOM",
    }
}

fn role(participant: &Participant) -> &'static str {
    match participant.role {
        ParticipantRole::Required => "REQUIRED",
        ParticipantRole::Optional => "OPTIONAL",
    }
}

/// Only the first and the last are attested in the readers' public code; the others follow their
/// pattern.
fn answer(participant: &Participant) -> &'static str {
    match participant.answer {
        Answer::None => "NO_RESPONSE",
        Answer::Accepted => "ACCEPTED",
        Answer::Tentative => "TENTATIVE",
        Answer::Declined => "DECLINED",
        Answer::Organizer => "ORGANIZER",
        Answer::Unknown => "UNKNOWN_RESPONSE",
    }
}

fn sensitivity(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Normal => "NORMAL",
        Sensitivity::Personal => "PERSONAL",
        Sensitivity::Private => "PRIVATE",
        Sensitivity::Confidential => "CONFIDENTIAL",
    }
}

/// The longest beginning of at most `limit` bytes that ends between two characters.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
