//! What goes over the wire to the cloud: event batches, their answers, commands and outcomes.
//!
//! CloudEvents 1.0 in JSON; `docs/spec/relay.md` is the specification.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wishes;
use crate::cloud::{Answered, EventKind, Outgoing, Received, Report, State, Verdict};
use crate::model::{
    Command, CommandId, CommandKind, Fault, KeyUri, Outcome, Plain, Time, UserId, Wish,
};

/// No less than what stands around the data, the id and the subject of one event.
pub const FRAME: usize = 512;

/// The longest id of a command or user that is taken.
const LONGEST_ID: usize = 256;

/// The attributes of an event, without its data.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

impl EventKind {
    fn name(self) -> &'static str {
        match self {
            Self::Put { created: true } => "calendar.meeting.create",
            Self::Put { created: false } => "calendar.meeting.update",
            Self::Delete => "calendar.meeting.delete",
            Self::ResyncComplete => "calendar.resync.complete",
            Self::Presence => "user.presence",
            Self::State => "user.state",
            Self::Result => "command.result",
            Self::FreeBusy => "calendar.free_busy",
            Self::Decorate => "calendar.decorate.request",
        }
    }

    /// The minor version of the protocol that brought it.
    pub(super) fn since(self) -> u32 {
        match self {
            Self::Put { .. } | Self::Delete | Self::ResyncComplete => 0,
            Self::Presence | Self::State | Self::Result | Self::FreeBusy => 1,
            Self::Decorate => 2,
        }
    }
}

/// Why an event is not sent to a cloud of this minor version.
pub(super) fn unknown_to(minor: u32, kind: EventKind) -> String {
    format!("the cloud announced version 1.{minor} of the protocol, which has no {}", kind.name())
}

/// The minor version that has [`JOINING`].
const JOINING_SINCE: u32 = 2;

/// Members of `meetingJoinInfo` that an older cloud would refuse with the whole record.
const JOINING: [&str; 3] = ["teamsConferenceId", "teamsTenantKey", "webexMeetingNumber"];

/// The data as a cloud of this minor version takes it.
fn known_to(minor: u32, data: &str) -> Cow<'_, str> {
    let later = minor < JOINING_SINCE && JOINING.iter().any(|name| data.contains(name));
    let Some(Ok(mut value)) = later.then(|| serde_json::from_str::<Value>(data)) else {
        return Cow::Borrowed(data);
    };
    if let Some(info) = value.pointer_mut("/calendarMeetingExternal/meetingJoinInfo")
        && let Some(info) = info.as_object_mut()
    {
        info.retain(|name, _| !JOINING.contains(&name.as_str()));
    }
    Cow::Owned(value.to_string())
}

/// A sequence as it stands in an event: 20 digits, so that it sorts as text.
pub fn sequence_text(sequence: u64) -> String {
    format!("{sequence:020}")
}

/// W3C Trace Context, version 00, sampled: the step on the way is named by the user's sequence,
/// which is never 0.
fn traceparent(event: &Outgoing) -> String {
    format!("00-{}-{:016x}-01", event.trace, event.sequence.max(1))
}

fn time_text(time: Time) -> Option<String> {
    jiff::Timestamp::from_millisecond(time.as_ms()).ok().map(|time| time.to_string())
}

/// The source of our events.
pub fn source(connector: &str) -> String {
    format!("/connectors/{connector}")
}

/// A batch (`application/cloudevents-batch+json`) for a cloud of this minor version. The data goes
/// in as it is, unread, unless there is something in it that the cloud does not know yet.
///
/// # Errors
/// [`Next::Refused`](crate::model::Next) where an event cannot be written.
pub fn batch<'a>(
    source: &str,
    events: impl IntoIterator<Item = &'a Outgoing> + Clone,
    minor: u32,
) -> Result<Vec<u8>, Fault> {
    let size = events.clone().into_iter().map(Outgoing::weight).sum::<usize>() + 2;
    let mut out = Vec::with_capacity(size);
    out.push(b'[');
    for (n, event) in events.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let attributes = Attributes {
            specversion: "1.0",
            id: &event.id,
            source,
            r#type: event.kind.name(),
            subject: Some(event.user.as_str()),
            time: time_text(event.time),
            datacontenttype: "application/json",
            sequence: Some(sequence_text(event.sequence)),
            traceparent: Some(traceparent(event)),
        };
        let data = known_to(minor, event.data.json());
        write_event(&mut out, &attributes, data.as_bytes())?;
    }
    out.push(b']');
    Ok(out)
}

fn write_event(out: &mut Vec<u8>, attributes: &Attributes<'_>, data: &[u8]) -> Result<(), Fault> {
    serde_json::to_writer(&mut *out, attributes)
        .map_err(|_| Fault::refused("an event cannot be written"))?;
    out.pop();
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    Ok(())
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Outcomes>,
}

#[derive(Deserialize)]
struct Outcomes {
    id: String,
    outcome: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The verdicts of an answer, in the order of the batch. What it says of events that we did not
/// send is passed over, and so is an outcome that we do not know.
///
/// # Errors
/// [`Next::Retry`](crate::model::Next) where the answer is not one, or names none of our events.
pub fn verdicts(answer: &[u8], sent: &[Outgoing]) -> Result<Vec<Verdict>, Fault> {
    let answer: Results = serde_json::from_slice(answer)
        .map_err(|_| Fault::retry("the answer to a batch is not well-formed"))?;
    let by_id: HashMap<&str, &Outcomes> =
        answer.results.iter().map(|result| (result.id.as_str(), result)).collect();
    let verdict = |event: &Outgoing| {
        let found = by_id.get(&*event.id)?;
        let result = match found.outcome.as_str() {
            "stored" => Received::Stored,
            "duplicate" => Received::Duplicate,
            "stale" => Received::Stale,
            "rejected" => Received::Rejected(printable(found.reason.as_deref().unwrap_or(""))),
            _ => return None,
        };
        Some(Verdict { id: Arc::clone(&event.id), result })
    };
    let verdicts: Vec<Verdict> = sent.iter().filter_map(verdict).collect();
    if verdicts.is_empty() && !sent.is_empty() {
        return Err(Fault::retry("the answer to a batch names none of its events"));
    }
    Ok(verdicts)
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    sequence: Option<Value>,
    #[serde(default)]
    specversion: Option<Value>,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivateData {
    encrypted_email_address: String,
    encryption_key_url: String,
}

/// The command in a text frame; nothing where it has no usable id, and so cannot be answered.
pub fn command(frame: &str) -> Option<Command> {
    // An array of the same values would be read as well.
    if !frame.trim_ascii_start().starts_with('{') {
        return None;
    }
    let frame: Frame = serde_json::from_str(frame).ok()?;
    let id = CommandId::new(name(frame.id.as_deref())?);
    let sequence = match &frame.sequence {
        Some(Value::String(digits)) => parse_sequence(digits),
        _ => None,
    };
    let kind = match (sequence, frame.specversion.as_ref()) {
        (None, _) => unknown("sequence is not a decimal string"),
        (_, Some(Value::String(version))) if version == "1.0" => kind(frame),
        _ => unknown("specversion is not 1.0"),
    };
    Some(Command { id, sequence: sequence.unwrap_or(0), kind })
}

fn parse_sequence(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn name(text: Option<&str>) -> Option<&str> {
    text.filter(|text| {
        !text.is_empty() && text.len() <= LONGEST_ID && !text.chars().any(char::is_control)
    })
}

fn unknown(why: &str) -> CommandKind {
    CommandKind::Unknown { why: Plain::new(why) }
}

fn kind(frame: Frame) -> CommandKind {
    let user = name(frame.subject.as_deref()).map(UserId::new);
    match (frame.r#type.as_deref().unwrap_or_default(), user) {
        ("ping", _) => CommandKind::Ping,
        ("records.resend", Some(user)) if user.as_str() == "*" => {
            CommandKind::Resend { user: None }
        }
        ("records.resend", Some(user)) => CommandKind::Resend { user: Some(user) },
        ("user.deactivate", Some(user)) => CommandKind::Deactivate { user },
        ("user.activate", Some(user)) => activate(user, frame.data),
        ("meeting.create", Some(user)) => wish(wishes::create(user, frame.data)),
        ("meeting.respond", Some(user)) => wish(wishes::respond(user, frame.data)),
        ("meeting.decorate", Some(user)) => wish(wishes::decorate(user, frame.data)),
        ("freebusy.query", Some(user)) => wish(wishes::free_busy(user, frame.data)),
        (
            "user.activate" | "user.deactivate" | "records.resend" | "meeting.create"
            | "meeting.respond" | "meeting.decorate" | "freebusy.query",
            None,
        ) => unknown("subject is not a user's id"),
        _ => unknown("unknown command"),
    }
}

fn wish(wish: Result<Wish, &'static str>) -> CommandKind {
    match wish {
        Ok(wish) => CommandKind::Errand(Box::new(wish)),
        Err(why) => unknown(why),
    }
}

fn activate(user: UserId, data: Option<Value>) -> CommandKind {
    let data = data.filter(Value::is_object);
    let data = data.and_then(|data| serde_json::from_value::<ActivateData>(data).ok());
    match data {
        Some(data) => CommandKind::Activate {
            user,
            sealed_address: data.encrypted_email_address,
            key: KeyUri::new(data.encryption_key_url),
        },
        None => unknown("data needs encryptedEmailAddress and encryptionKeyUrl"),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeData<'a> {
    command_id: &'a str,
    sequence: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The frame that acknowledges a command. The same answer makes the same frame.
///
/// # Errors
/// [`Next::Refused`](crate::model::Next) where it cannot be written.
pub fn outcome(source: &str, answered: &Answered) -> Result<String, Fault> {
    let (outcome, reason) = match &answered.outcome {
        Outcome::Done => ("done", None),
        Outcome::Refused(why) => ("refused", Some(printable(why))),
    };
    let data = OutcomeData {
        command_id: answered.id.as_str(),
        sequence: sequence_text(answered.sequence),
        outcome,
        reason,
    };
    let attributes = Attributes {
        specversion: "1.0",
        id: &format!("{}.outcome", answered.id),
        source,
        r#type: "command.outcome",
        subject: None,
        time: None,
        datacontenttype: "application/json",
        sequence: None,
        traceparent: None,
    };
    let unwritable = |_| Fault::refused("an outcome cannot be written");
    let data = serde_json::to_vec(&data).map_err(unwritable)?;
    let mut out = Vec::with_capacity(FRAME);
    write_event(&mut out, &attributes, &data)?;
    String::from_utf8(out).map_err(|_| Fault::refused("an outcome cannot be written"))
}

#[derive(Serialize)]
struct StatusBody<'a> {
    version: &'a str,
    state: &'static str,
    mailboxes: MailboxesBody,
    outbox: u64,
    conditions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
}

#[derive(Serialize)]
struct MailboxesBody {
    active: u64,
    streaming: u64,
    polling: u64,
    failing: u64,
}

/// The body of a status report.
///
/// # Errors
/// [`Next::Refused`](crate::model::Next) where it cannot be written.
pub fn status(report: &Report) -> Result<Vec<u8>, Fault> {
    let body = StatusBody {
        version: &report.version,
        state: match report.state {
            State::Operational => "operational",
            State::Impaired => "impaired",
            State::Outage => "outage",
        },
        mailboxes: MailboxesBody {
            active: report.mailboxes.active,
            streaming: report.mailboxes.streaming,
            polling: report.mailboxes.polling,
            failing: report.mailboxes.failing,
        },
        outbox: report.outbox,
        conditions: &report.conditions,
        severity: report.severity,
    };
    serde_json::to_vec(&body).map_err(|_| Fault::refused("a report cannot be written"))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
