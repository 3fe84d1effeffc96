//! From a meeting to its record: which field goes where, and which of them are sealed.
//!
//! **Promise.** Every personal text is sealed with the one key that the record names. Empty and
//! absent fields are left out. Two meetings with the same digest show the same to their user.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::json;

use super::join::Join;
use super::limits::{LINE_BYTES, NOTES_BYTES, PARTICIPANTS, PARTICIPANTS_BYTES};
use super::notes::Notes;
use super::seal::{Installation, Sealed, Sealer, Tag};
use super::showing::Showing;
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

/// A meeting as its user will see it: what its digest and its record are made of.
#[derive(Debug)]
pub struct Shown<'a> {
    meeting: &'a Meeting,
    /// Absent: no more than the times.
    words: Option<Words<'a>>,
}

#[derive(Debug)]
struct Words<'a> {
    subject: Cow<'a, str>,
    notes: Notes<'a>,
    join: Join,
}

impl<'a> Shown<'a> {
    /// Reads the body, which takes as long as the body is.
    pub fn new(meeting: &'a Meeting, showing: &'a Showing) -> Self {
        let words = (!showing.is_times_only(meeting)).then(|| {
            let notes = Notes::of(&meeting.body);
            let join = showing.join.join_with(meeting, notes.text().reveal());
            Words { subject: showing.subject(meeting), notes, join }
        });
        Self { meeting, words }
    }

    fn subject(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.subject)
    }

    fn location(&self) -> &str {
        self.words.as_ref().map_or("", |_| self.meeting.location.reveal())
    }

    fn notes(&self) -> &str {
        self.words.as_ref().map_or("", |words| cut(words.notes.text().reveal(), NOTES_BYTES))
    }

    fn join(&self) -> Option<&Join> {
        self.words.as_ref().map(|words| &words.join).filter(|join| !join.is_empty())
    }

    fn organizer(&self) -> Option<&'a Person> {
        self.words.as_ref().and(self.meeting.organizer.as_ref())
    }

    fn participants(&self) -> &'a [Participant] {
        if self.words.is_some() { first(&self.meeting.participants) } else { &[] }
    }
}

/// Those of all participants that are told.
pub(in crate::pipeline) fn first(all: &[Participant]) -> &[Participant] {
    all.get(..PARTICIPANTS).unwrap_or(all)
}

/// A keyed hash of all that a user can see of the meeting. `last_modified` is not among it: a
/// meeting that was only touched is not sent again.
pub fn digest(installation: &Installation, shown: &Shown<'_>) -> Tag {
    let meeting = shown.meeting;
    let numbers = [
        meeting.start.as_ms(),
        meeting.end.as_ms(),
        i64::from(recurs(meeting)),
        meeting.sensitivity as i64,
    ];
    let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = Vec::with_capacity(12 + 5 * shown.participants().len());
    parts.extend([
        b"meeting".as_slice(),
        &numbers,
        shown.subject().as_bytes(),
        shown.location().as_bytes(),
        shown.notes().as_bytes(),
    ]);
    let join = shown.join();
    let dialled = join.and_then(Join::dialled);
    for address in [dialled.as_ref(), join.and_then(|join| join.url.as_ref())] {
        parts.push(address.map_or("", |address| address.reveal()).as_bytes());
    }
    for (_, value) in join.into_iter().flat_map(device) {
        parts.push(value.map_or("", |value| value.reveal()).as_bytes());
    }
    let (name, address) = person_parts(shown.organizer());
    parts.extend([name, address]);
    for participant in shown.participants() {
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

/// The record of a meeting: the `data` of its event. `key` is its own, as [`key`] makes it.
///
/// # Errors
/// As [`Sealer::seal`].
pub fn record(
    installation: &Installation,
    sealer: &dyn Sealer,
    user: &UserId,
    key: &RecordKey,
    shown: &Shown<'_>,
) -> Result<Sealed, Fault> {
    let meeting = shown.meeting;
    let mut out = Writer::new(sealer, room(shown));
    out.begin("calendarMeetingExternal");
    out.word("id", key.as_str());
    match meeting.kind {
        // A single meeting is a series of itself.
        MeetingKind::Single if meeting.original_start.is_none() => {
            out.word("seriesId", key.as_str());
        }
        _ => {
            let series = installation.record_key(user, &meeting.uid, None);
            out.word("seriesId", series.as_str());
        }
    }
    out.word("start", &rfc3339(meeting.start));
    out.bare("durationMinutes", meeting.end.since(meeting.start).as_ms() / 60_000);
    out.bare("isRecurring", recurs(meeting));
    out.bare("isDeleted", false);
    if let Some(at) = meeting.last_modified {
        out.word("lastModified", &rfc3339(at));
    }
    out.word("meetingSensitivity", sensitivity(meeting.sensitivity));
    out.text("encryptionKeyUrl", sealer.key_uri().as_str());
    for (field, text, limit) in [
        ("encryptedSubject", shown.subject(), LINE_BYTES),
        ("encryptedLocation", shown.location(), LINE_BYTES),
        ("encryptedNotes", shown.notes(), NOTES_BYTES),
    ] {
        if !text.trim().is_empty() {
            out.sealed(field, text, limit)?;
        }
    }
    if let Some(organizer) = shown.organizer() {
        out.begin("encryptedOrganizer");
        out.person(organizer)?;
        out.end();
    }
    if !shown.participants().is_empty() {
        out.name("encryptedParticipants");
        out.list(shown.participants())?;
    }
    if let Some(found) = shown.join() {
        out.begin("meetingJoinInfo");
        let dialled = found.dialled();
        for (field, text) in [("meetingJoinURI", &dialled), ("meetingJoinURL", &found.url)] {
            if let Some(text) = text {
                out.sealed(field, text.reveal(), LINE_BYTES)?;
            }
        }
        for (field, text) in device(found) {
            if let Some(text) = text {
                out.sealed(field, text.reveal(), LINE_BYTES)?;
            }
        }
        out.end();
    }
    out.end();
    out.finish()
}

/// What a video device needs beside the address, by the member of the record.
fn device(join: &Join) -> [(&'static str, Option<&Plain>); 3] {
    let device = &join.device;
    [
        ("teamsConferenceId", device.teams_conference.as_ref()),
        ("teamsTenantKey", device.teams_tenant_key.as_ref()),
        ("webexMeetingNumber", device.webex_number.as_ref()),
    ]
}

/// About as many bytes as the record of a meeting has.
fn room(shown: &Shown<'_>) -> usize {
    let lines = shown.subject().len() + shown.location().len();
    2_048 + (lines + shown.notes().len()) / 3 * 4 + 512 * shown.participants().len()
}

/// A record as it is written, without a tree in between: JSON in which every text that could need
/// an escape is written by [`Writer::text`].
pub(in crate::pipeline) struct Writer<'a> {
    out: Vec<u8>,
    sealer: &'a dyn Sealer,
}

impl<'a> Writer<'a> {
    pub(in crate::pipeline) fn new(sealer: &'a dyn Sealer, room: usize) -> Self {
        let mut out = Vec::with_capacity(room);
        out.push(b'{');
        Self { out, sealer }
    }

    pub(in crate::pipeline) fn finish(mut self) -> Result<Sealed, Fault> {
        self.out.push(b'}');
        let json = String::from_utf8(self.out).map_err(|_| Fault::refused("not text"))?;
        Ok(Sealed::new(json))
    }

    pub(in crate::pipeline) fn name(&mut self, name: &str) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(in crate::pipeline) fn begin(&mut self, name: &str) {
        self.name(name);
        self.out.push(b'{');
    }

    pub(in crate::pipeline) fn end(&mut self) {
        self.out.push(b'}');
    }

    /// A value of letters, digits and marks that need no escape.
    pub(in crate::pipeline) fn word(&mut self, name: &str, word: &str) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A number, or a truth.
    pub(in crate::pipeline) fn bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    pub(in crate::pipeline) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        // Writing into memory does not fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    pub(in crate::pipeline) fn sealed(
        &mut self,
        name: &str,
        text: &str,
        limit: usize,
    ) -> Result<(), Fault> {
        self.name(name);
        self.sealer.seal_into(cut(text, limit), &mut self.out)
    }

    /// Readers expect both fields of a person always, so an absent one is sealed as empty text.
    fn person(&mut self, person: &Person) -> Result<(), Fault> {
        let address = person.address.as_ref().map_or("", |a| a.reveal());
        self.sealed("encryptedEmailAddress", address, LINE_BYTES)?;
        self.sealed("encryptedName", person.name.reveal(), LINE_BYTES)
    }

    /// As many as fit.
    pub(in crate::pipeline) fn list(&mut self, all: &[Participant]) -> Result<(), Fault> {
        self.out.push(b'[');
        let begin = self.out.len();
        for (at, participant) in all.iter().enumerate() {
            let before = self.out.len();
            self.out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
            self.person(&participant.person)?;
            self.word("type", kind(participant));
            self.word("participantType", role(participant));
            self.word("responseType", answer(participant));
            self.end();
            if self.out.len() - begin > PARTICIPANTS_BYTES {
                self.out.truncate(before);
                break;
            }
        }
        self.out.push(b']');
        Ok(())
    }
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
