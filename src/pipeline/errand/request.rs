//! What an errand is for, in plain text: read from what was sealed, kept stashed on the disk.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::ErrandKind;
use crate::model::{
    Address, Body, BusyWindow, Fault, Hours, Invitee, NewMeeting, Notify, ParticipantKind,
    ParticipantRole, Plain, RecordKey, Response, Span, Time, Wanted, When, Wish,
};
use crate::pipeline::decorate::JoinDetails;
use crate::pipeline::limits::{GUESTS, LINE_BYTES, NOTES_BYTES};
use crate::pipeline::seal::{Installation, Stashed};

/// What is wanted.
#[derive(Debug)]
pub(super) enum Request {
    Create(Create),
    Respond(Respond),
    FreeBusy(Question),
    Decorate(Box<Decorate>),
}

#[derive(Clone, Debug)]
pub(super) struct Create {
    pub(super) meeting: NewMeeting,
    pub(super) length: Span,
    /// Where it still has to be placed: in this span.
    pub(super) between: Option<(Time, Time, Hours)>,
}

#[derive(Debug)]
pub(super) struct Respond {
    pub(super) id: RecordKey,
    pub(super) start: Time,
    pub(super) response: Response,
    pub(super) notify: Notify,
    pub(super) comment: Option<Plain>,
}

#[derive(Debug)]
pub(super) struct Decorate {
    /// The id of our request that the cloud answers.
    pub(super) request: Arc<str>,
    pub(super) id: RecordKey,
    pub(super) start: Time,
    /// Or why the cloud gives none.
    pub(super) details: Result<JoinDetails, String>,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) request: Arc<str>,
    pub(super) window: BusyWindow,
    pub(super) mailboxes: Vec<Arc<Address>>,
}

/// A text of [`Kept`], as readable as there.
#[derive(Default)]
struct Text(Plain);

impl Text {
    fn is_empty(&self) -> bool {
        self.0.reveal().is_empty()
    }

    fn cut(text: &str, most: usize) -> Self {
        let mut end = text.len().min(most);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(Plain::new(text.get(..end).unwrap_or_default()))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.reveal())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Plain::new(text)))
    }
}

/// As it stands on the disk, under the stash's seal.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(skip_serializing_if = "Text::is_empty")]
    subject: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    notes: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    location: Text,
    #[serde(skip_serializing_if = "String::is_empty")]
    zone: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guests: Vec<Guest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<(i64, i64)>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    working: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    response: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    quiet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<Text>,
    #[serde(skip_serializing_if = "String::is_empty")]
    request: String,
    #[serde(skip_serializing_if = "Text::is_empty")]
    details: Text,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Guest {
    email: Text,
    #[serde(skip_serializing_if = "Text::is_empty")]
    name: Text,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
}

/// What is to be kept of a wish whose seals are open.
///
/// # Errors
/// Why it makes no sense, in words without anything of what was sealed; or the fault of the cipher.
pub fn accept(
    wish: &Wish,
    opened: &[Plain],
    installation: &Installation,
) -> Result<Result<(ErrandKind, Stashed), Cow<'static, str>>, Fault> {
    let (kind, kept) = match read(wish, opened) {
        Ok(read) => read,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Ok((kind, stash(&kept, installation)?)))
}

fn stash(kept: &Kept, installation: &Installation) -> Result<Stashed, Fault> {
    let json = serde_json::to_string(kept).map_err(|_| Fault::refused("errand: not JSON"))?;
    installation.stash(&Zeroizing::new(json))
}

fn read(wish: &Wish, opened: &[Plain]) -> Result<(ErrandKind, Kept), Cow<'static, str>> {
    Ok(match &wish.what {
        Wanted::Create { when, minutes } => {
            let sealed = opened.first().ok_or("encryptedMeeting is missing")?;
            let mut kept = meeting(sealed.reveal())?;
            kept.minutes = Some(*minutes);
            match when {
                When::At(start) => kept.start = Some(start.as_ms()),
                When::Between(from, to, hours) => {
                    kept.between = Some((from.as_ms(), to.as_ms()));
                    kept.working = *hours == Hours::Working;
                }
            }
            (ErrandKind::Create, kept)
        }
        Wanted::Respond { id, start, response, notify } => {
            let comment = opened.first().map(|text| Text::cut(text.reveal(), NOTES_BYTES));
            let kept = Kept {
                id: id.as_str().to_owned(),
                start: Some(start.as_ms()),
                response: word(*response).to_owned(),
                quiet: *notify == Notify::Nobody,
                comment,
                ..Kept::default()
            };
            (ErrandKind::Respond, kept)
        }
        Wanted::Decorate { request, id, start, reason } => {
            let details = opened.first().map(|text| text.reveal());
            if reason.is_none() {
                let details = details.ok_or("encryptedJoinDetails is missing")?;
                JoinDetails::parse(&Plain::new(details)).map_err(|wrong| wrong.to_string())?;
            }
            let kept = Kept {
                id: id.as_str().to_owned(),
                start: Some(start.as_ms()),
                request: request.to_string(),
                details: Text(Plain::new(details.unwrap_or_default())),
                reason: reason.as_deref().unwrap_or_default().to_owned(),
                ..Kept::default()
            };
            (ErrandKind::Decorate, kept)
        }
        Wanted::FreeBusy { request, window } => {
            let mut guests = Vec::with_capacity(opened.len());
            for email in opened {
                let address = Address::parse(email.reveal());
                address.map_err(|_| "one of emails is not an SMTP address")?;
                let email = Text::cut(email.reveal().trim(), 320);
                guests.push(Guest { email, ..Guest::default() });
            }
            let kept = Kept {
                id: request.to_string(),
                between: Some((window.from.as_ms(), window.to.as_ms())),
                minutes: Some(window.interval_minutes),
                guests,
                ..Kept::default()
            };
            (ErrandKind::FreeBusy, kept)
        }
    })
}

/// The personal part of a new meeting.
fn meeting(json: &str) -> Result<Kept, &'static str> {
    let bad = "encryptedMeeting is not a JSON object";
    let Ok(Value::Object(mut said)) = serde_json::from_str(json) else { return Err(bad) };
    let mut kept = Kept {
        subject: text(&mut said, "subject", LINE_BYTES).ok_or("subject is not a text")?,
        notes: text(&mut said, "notes", NOTES_BYTES).ok_or("notes is not a text")?,
        location: text(&mut said, "location", LINE_BYTES).ok_or("location is not a text")?,
        zone: text(&mut said, "timeZone", 64)
            .ok_or("timeZone is not a text")?
            .0
            .reveal()
            .to_owned(),
        ..Kept::default()
    };
    let keyword = text(&mut said, "keyword", 64).ok_or("keyword is not a text")?;
    if !keyword.is_empty() {
        let keyword = keyword.0.reveal();
        if !keyword.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '-' | '_')) {
            return Err("keyword is not a word");
        }
        // It is found there as if its organiser had typed it.
        let place = Zeroizing::new(format!("@{keyword} {}", kept.location.0.reveal()));
        kept.location = Text(Plain::new(place.trim_end()));
    }
    let guests = match said.remove("attendees") {
        None => Vec::new(),
        Some(Value::Array(guests)) => guests,
        Some(_) => return Err("attendees is not a list"),
    };
    if guests.len() > GUESTS {
        return Err("attendees has too many members");
    }
    for guest in guests {
        let Value::Object(mut guest) = guest else { return Err("one of attendees is no object") };
        let email = text(&mut guest, "email", 320).ok_or("email of an attendee is not a text")?;
        Address::parse(email.0.reveal())
            .map_err(|_| "email of an attendee is not an SMTP address")?;
        let name = text(&mut guest, "name", 256).ok_or("name of an attendee is not a text")?;
        let kind = text(&mut guest, "type", 16).ok_or("type of an attendee is not a text")?;
        let kind = kind.0.reveal().to_owned();
        if !["", "REQUIRED", "OPTIONAL", "RESOURCE"].contains(&kind.as_str()) {
            return Err("type of an attendee is none of REQUIRED, OPTIONAL, RESOURCE");
        }
        kept.guests.push(Guest { email, name, kind });
    }
    Ok(kept)
}

/// The text of a member, cut; empty where it is absent, nothing where it is no text.
fn text(object: &mut Map<String, Value>, name: &str, most: usize) -> Option<Text> {
    match object.remove(name) {
        None => Some(Text::default()),
        Some(Value::String(text)) => Some(Text::cut(&Zeroizing::new(text), most)),
        Some(_) => None,
    }
}

/// What was kept. A create that was placed has its start.
///
/// # Errors
/// `Refused` where it does not open, or is of no use.
pub(super) fn open(
    kind: ErrandKind,
    body: &Stashed,
    installation: &Installation,
) -> Result<Request, Fault> {
    let useless = || Fault::refused("what is kept of the command is of no use");
    let plain = installation.unstash(body)?;
    let mut kept: Kept = serde_json::from_str(plain.reveal()).map_err(|_| useless())?;
    let minutes = kept.minutes.unwrap_or_default();
    let between = kept.between.map(|(from, to)| (Time::from_ms(from), Time::from_ms(to)));
    Ok(match kind {
        ErrandKind::Create => {
            let length = Span::MINUTE.times(minutes.into());
            let placed = kept.start.map(Time::from_ms);
            let start = placed.unwrap_or_default();
            let meeting = NewMeeting {
                subject: std::mem::take(&mut kept.subject).0,
                body: Body { text: std::mem::take(&mut kept.notes).0, html: false },
                location: std::mem::take(&mut kept.location).0,
                start,
                end: start + length,
                zone: Some(kept.zone.as_str().into()).filter(|_| !kept.zone.is_empty()),
                invitees: kept.guests.iter().filter_map(invitee).collect(),
            };
            let hours = if kept.working { Hours::Working } else { Hours::Any };
            let between = between.filter(|_| placed.is_none());
            let between = between.map(|(from, to)| (from, to, hours));
            if placed.is_none() && between.is_none() {
                return Err(useless());
            }
            Request::Create(Create { meeting, length, between })
        }
        ErrandKind::Respond => Request::Respond(Respond {
            id: RecordKey::new(kept.id.as_str()),
            start: kept.start.map(Time::from_ms).ok_or_else(useless)?,
            response: response(&kept.response).ok_or_else(useless)?,
            notify: if kept.quiet { Notify::Nobody } else { Notify::All },
            comment: kept.comment.take().map(|text| text.0).filter(|text| !text.is_blank()),
        }),
        ErrandKind::Decorate => Request::Decorate(Box::new(Decorate {
            request: kept.request.as_str().into(),
            id: RecordKey::new(kept.id.as_str()),
            start: kept.start.map(Time::from_ms).ok_or_else(useless)?,
            details: match kept.reason.is_empty() {
                true => Ok(JoinDetails::parse(&kept.details.0).map_err(|_| useless())?),
                false => Err(kept.reason),
            },
        })),
        // What was noticed is kept in another way.
        ErrandKind::Attend => return Err(useless()),
        ErrandKind::FreeBusy => {
            let (from, to) = between.ok_or_else(useless)?;
            let address = |guest: &Guest| Address::parse(guest.email.0.reveal()).ok().map(Arc::new);
            Request::FreeBusy(Question {
                request: kept.id.as_str().into(),
                window: BusyWindow { from, to, interval_minutes: minutes.max(1) },
                mailboxes: kept.guests.iter().filter_map(address).collect(),
            })
        }
    })
}

/// The same, at this time: what is sent a second time is not placed a second time.
pub(super) fn placed(
    body: &Stashed,
    start: Time,
    installation: &Installation,
) -> Result<Stashed, Fault> {
    let plain = installation.unstash(body)?;
    let mut kept: Kept = serde_json::from_str(plain.reveal())
        .map_err(|_| Fault::refused("what is kept of the command is of no use"))?;
    kept.start = Some(start.as_ms());
    stash(&kept, installation)
}

fn invitee(guest: &Guest) -> Option<Invitee> {
    let (kind, role) = match guest.kind.as_str() {
        "RESOURCE" => (ParticipantKind::Room, ParticipantRole::Required),
        "OPTIONAL" => (ParticipantKind::Person, ParticipantRole::Optional),
        _ => (ParticipantKind::Person, ParticipantRole::Required),
    };
    let address = Address::parse(guest.email.0.reveal()).ok()?;
    Some(Invitee { address, name: guest.name.0.clone(), kind, role })
}

fn word(response: Response) -> &'static str {
    match response {
        Response::Accepted => "ACCEPTED",
        Response::Tentative => "TENTATIVE",
        Response::Declined => "DECLINED",
    }
}

fn response(word: &str) -> Option<Response> {
    match word {
        "ACCEPTED" => Some(Response::Accepted),
        "TENTATIVE" => Some(Response::Tentative),
        "DECLINED" => Some(Response::Declined),
        _ => None,
    }
}
