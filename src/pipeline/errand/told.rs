//! What the cloud is told at the end of an errand.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::request::Question;
use super::{Ending, ErrandKind, Told, judge};
use crate::model::{BusyType, CommandId, Fault, FreeBusy, Invitation, Next, RecordKey, Time};
use crate::pipeline::decorate::Language;
use crate::pipeline::keyword::Asked;
use crate::pipeline::limits::{FREE_BUSY_BYTES, LINE_BYTES};
use crate::pipeline::record::{self, Writer, rfc3339};
use crate::pipeline::seal::{Sealed, Sealer};
use crate::pipeline::sync::EventKind;

/// `command.result` that says no: also for what is dropped as its user is not active any more.
pub fn result(id: &CommandId, kind: ErrandKind, refused: &str) -> Told {
    told(id, kind, ("refused", Some(refused)), (None, None))
}

/// How an errand ended. A question that was answered has its answer instead; of what no command
/// began nothing is told but what it asks.
pub(super) fn ending(id: &CommandId, kind: ErrandKind, ending: Ending) -> Option<Told> {
    Some(match ending {
        Ending::Answered(told) => told,
        _ if kind.is_local() => return None,
        Ending::Done(record, start) => told(id, kind, ("done", None), (record, start)),
        Ending::Refused(why) => result(id, kind, &why),
        Ending::Failed(why) => told(id, kind, ("failed", Some(&why)), (None, None)),
    })
}

/// What the cloud is asked for.
pub(super) struct Request<'a> {
    pub(super) id: Arc<str>,
    pub(super) record: &'a RecordKey,
    pub(super) series: &'a RecordKey,
    pub(super) start: Time,
    pub(super) asked: &'a Asked,
    pub(super) language: Language,
    /// Its words are not shown to anybody.
    pub(super) hidden: bool,
    pub(super) invitation: &'a Invitation,
}

/// `calendar.decorate.request`. A later one for the same meeting takes its place.
pub(super) fn request(request: &Request<'_>, sealer: &dyn Sealer) -> Result<Told, Fault> {
    let invitation = request.invitation;
    let participants = record::first(&invitation.participants);
    let mut out = Writer::new(sealer, 2_048 + 512 * participants.len());
    out.begin("calendarDecorateRequest");
    out.word("requestId", &request.id);
    out.word("id", request.record.as_str());
    out.word("seriesId", request.series.as_str());
    out.word("start", &rfc3339(request.start));
    out.bare("durationMinutes", invitation.end.since(invitation.start).as_ms() / 60_000);
    out.bare("isRecurring", judge::recurs(invitation));
    out.word("keyword", &request.asked.keyword);
    out.word("mode", request.asked.mode.as_str());
    out.word("language", request.language.tag());
    out.text("encryptionKeyUrl", sealer.key_uri().as_str());
    let subject = invitation.subject.reveal();
    if !request.hidden && !subject.trim().is_empty() {
        out.sealed("encryptedSubject", subject, LINE_BYTES)?;
    }
    if !request.hidden && !participants.is_empty() {
        out.name("encryptedParticipants");
        out.list(participants)?;
    }
    out.end();
    Ok(Told {
        kind: EventKind::Decorate,
        key: RecordKey::new(format!("decorate:{}", request.record)),
        data: out.finish()?,
    })
}

fn told(
    id: &CommandId,
    kind: ErrandKind,
    (outcome, reason): (&str, Option<&str>),
    (record, start): (Option<RecordKey>, Option<Time>),
) -> Told {
    let mut said = Map::new();
    said.insert("commandId".into(), id.as_str().into());
    said.insert("type".into(), kind.command().into());
    said.insert("outcome".into(), outcome.into());
    if let Some(reason) = reason {
        let plain: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
        said.insert("reason".into(), plain.into());
    }
    if let Some(record) = record {
        said.insert("id".into(), record.as_str().into());
    }
    if let Some(start) = start {
        said.insert("start".into(), rfc3339(start).into());
    }
    Told {
        kind: EventKind::Result,
        key: RecordKey::new(format!("result:{id}")),
        data: Sealed::new(json!({ "commandResult": said }).to_string()),
    }
}

/// `calendar.free_busy`. Addresses are sealed; times, which name nobody, are not.
pub(super) fn free_busy(
    id: &CommandId,
    question: &Question,
    answers: &[Result<FreeBusy, Fault>],
    sealer: &dyn Sealer,
) -> Result<Told, Fault> {
    let mut left = FREE_BUSY_BYTES;
    let mut items = Vec::with_capacity(answers.len());
    for (mailbox, answer) in question.mailboxes.iter().zip(answers) {
        let mut item = Map::new();
        item.insert("email".into(), sealer.seal(mailbox.reveal())?.into());
        let merged = answer.as_ref().ok().and_then(|answer| digits(question, answer));
        let outcome = match (answer, &merged) {
            (Ok(_), Some(_)) => "ok",
            (Ok(_), None) => "denied",
            (Err(fault), _) => match fault.next {
                Next::Gone => "unknown",
                Next::Denied => "denied",
                _ => "failed",
            },
        };
        item.insert("outcome".into(), outcome.into());
        if let (Ok(answer), Some(merged)) = (answer, merged) {
            item.insert("merged".into(), merged.into());
            let engagements = engagements(answer);
            // What is too much for one event is left out as a whole; the digits tell it coarsely.
            let size = engagements.len() * 100;
            if size <= left {
                left -= size;
                item.insert("items".into(), Value::Array(engagements));
            }
        }
        items.push(Value::Object(item));
    }
    let said = json!({ "calendarFreeBusyScheduleResponse": {
        "requestId": &*question.request,
        "commandId": id.as_str(),
        "encryptionKeyUrl": sealer.key_uri().as_str(),
        "start": rfc3339(question.window.from),
        "end": rfc3339(question.window.to),
        "intervalMinutes": question.window.interval_minutes,
        "calendarFreeBusyItems": items,
    }});
    Ok(Told {
        kind: EventKind::FreeBusy,
        key: RecordKey::new(format!("free-busy:{id}")),
        data: Sealed::new(said.to_string()),
    })
}

/// A digit for each interval: what the provider merged where it has the right length, else what
/// the engagements come to. Nothing where nothing may be seen.
fn digits(question: &Question, answer: &FreeBusy) -> Option<String> {
    let window = question.window;
    let interval = u64::from(window.interval_minutes.max(1)) * 60_000;
    let count = window.to.since(window.from).as_ms().div_ceil(interval);
    let count = usize::try_from(count).unwrap_or(0);
    if let Some(merged) = &answer.merged
        && merged.len() == count
    {
        return Some(merged.chars().map(digit).collect());
    }
    if answer.engagements.is_empty() {
        // As far as it goes, where a server counts the intervals in another way.
        let merged = answer.merged.as_deref()?.chars().map(digit);
        return Some(merged.chain(std::iter::repeat('4')).take(count).collect());
    }
    let mut digits = vec![b'0'; count];
    for one in &answer.engagements {
        let at = |time: Time| time.since(window.from).as_ms();
        let first = usize::try_from(at(one.start) / interval).unwrap_or(0);
        let end = usize::try_from(at(one.end).div_ceil(interval)).unwrap_or(0).min(count);
        for digit in digits.iter_mut().take(end).skip(first) {
            if rank(level(one.busy)) > rank(*digit) {
                *digit = level(one.busy);
            }
        }
    }
    String::from_utf8(digits).ok()
}

fn digit(said: char) -> char {
    if matches!(said, '0'..='4') { said } else { '4' }
}

fn level(busy: BusyType) -> u8 {
    match busy {
        BusyType::Free => b'0',
        BusyType::Tentative => b'1',
        BusyType::Busy => b'2',
        BusyType::Away => b'3',
        BusyType::Elsewhere | BusyType::Unknown => b'4',
    }
}

/// Away counts above busy, busy above tentative; what is not known above free alone.
fn rank(digit: u8) -> u8 {
    match digit {
        b'0' => 0,
        b'4' => 1,
        known => known - b'0' + 1,
    }
}

fn engagements(answer: &FreeBusy) -> Vec<Value> {
    let word = |busy| match busy {
        BusyType::Free => "FREE",
        BusyType::Tentative => "TENTATIVE",
        BusyType::Busy => "BUSY",
        BusyType::Away => "AWAY",
        BusyType::Elsewhere => "ELSEWHERE",
        BusyType::Unknown => "UNKNOWN",
    };
    let one = |one: &crate::model::Engagement| {
        json!({
            "start": rfc3339(one.start), "end": rfc3339(one.end), "busyType": word(one.busy),
        })
    };
    answer.engagements.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BusyWindow, Engagement, Span};
    use crate::pipeline::samples::NOON;

    #[test]
    fn who_is_busy_is_told_so_where_a_server_counts_intervals_in_its_own_way() {
        // An hour and a half in intervals of 40 minutes: two of them and a rest.
        let window =
            BusyWindow { from: NOON, to: NOON + Span::MINUTE.times(90), interval_minutes: 40 };
        let question = Question { request: "q".into(), window, mailboxes: Vec::new() };
        let told = |merged: &str, engagements: Vec<Engagement>| {
            let merged = Some(merged.into());
            digits(&question, &FreeBusy { merged, engagements, hours: None })
        };
        assert_eq!(told("020", Vec::new()).as_deref(), Some("020"));
        assert_eq!(told("02", Vec::new()).as_deref(), Some("024"), "the rest is not known");
        assert_eq!(told("0229", Vec::new()).as_deref(), Some("022"));
        let start = NOON + Span::MINUTE.times(85);
        let last = Engagement { start, end: start + Span::HOUR, busy: BusyType::Busy };
        assert_eq!(told("00", vec![last]).as_deref(), Some("002"));
        let nothing = FreeBusy { merged: None, engagements: Vec::new(), hours: None };
        assert_eq!(digits(&question, &nothing), None);
    }
}
