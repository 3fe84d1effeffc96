//! GetItem, for whoever is about to change what it reads: one item with all of its text, and
//! whether it is ours to change ([MS-OXWSCORE] 3.1.4.4).
//!
//! **Promise.** What was read can be written back without a loss: a body that is too long, or that
//! did not come whole, is [`Next::Refused`](crate::model::Next) with a cause that names it, and
//! never a part of a body.

use std::sync::Arc;

use super::convert::{
    Attendees, Conference, flag, is_own, line, person, response, sensitivity, uid_or_id,
};
use super::datetime;
use super::get_item;
use super::own::{self, Own};
use super::soap::{self, Header};
use super::sync_folder_items::item_id;
use super::xml::{Element, Pull, malformed, push_escaped};
use crate::model::{
    Answer, Body, Fault, Invitation, InvitationKind, ItemId, Person, Plain, Reach, Sensitivity,
    Span, Time,
};

/// The longest body that is read to be written, in bytes of UTF-8.
pub const BODY_BYTES: usize = 8 * 1024 * 1024;

/// The code of a body that is longer.
pub const BODY_TOO_LONG: &str = "the body is longer than 8 MiB";

/// The code of a text that would not be the same if it were written back.
pub const NOT_UTF8: &str = "the text of the item is not UTF-8";

/// A text that is cut while it is read ends at most so many bytes early.
const CUT_EARLY: usize = 256;

const FIELDS: [&str; 24] = [
    "item:Subject",
    "item:Sensitivity",
    "item:Body",
    "item:IsFromMe",
    "item:Culture",
    "calendar:UID",
    "calendar:RecurrenceId",
    "calendar:Start",
    "calendar:End",
    "calendar:OriginalStart",
    "calendar:Location",
    "calendar:IsMeeting",
    "calendar:IsCancelled",
    "calendar:MeetingRequestWasSent",
    "calendar:CalendarItemType",
    "calendar:MyResponseType",
    "calendar:Organizer",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:AppointmentState",
    "calendar:Recurrence",
    "calendar:LastOccurrence",
    "calendar:NetShowUrl",
];

/// Asks for one item, its body as it is held, HTML or text.
pub fn request(header: &Header<'_>, id: &ItemId, reach: Reach) -> String {
    soap::envelope(header, "GetItem", "", |out| {
        out.push_str("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>");
        out.push_str("<t:IncludeMimeContent>false</t:IncludeMimeContent>");
        out.push_str("<t:BodyType>Best</t:BodyType><t:AdditionalProperties>");
        let newer = get_item::newer_fields(header.version).iter().copied();
        soap::push_field_uris(out, FIELDS.into_iter().chain(newer));
        own::push_path(out, Own::Mark);
        out.push_str("</t:AdditionalProperties></m:ItemShape><m:ItemIds>");
        out.push_str(match reach {
            Reach::Item => "<t:ItemId Id=\"",
            Reach::Series => "<t:RecurringMasterItemId OccurrenceId=\"",
        });
        push_escaped(out, &id.0);
        out.push_str("\"/></m:ItemIds>");
    })
}

/// The item; nothing where it is no meeting. It carries its own id, not the one asked by.
///
/// # Errors
/// What Exchange says against it; [`Next::Refused`](crate::model::Next) where its text cannot be
/// had whole.
pub fn read(xml: &[u8]) -> Result<Option<Invitation>, Fault> {
    if std::str::from_utf8(xml).is_err() {
        return Err(Fault::refused(NOT_UTF8));
    }
    let answers = soap::answers::<Option<Draft>>(xml, |pull, element, found| {
        if element.name() != "Items" {
            return Ok(false);
        }
        while let Some(item) = pull.child()? {
            if item.name() == "CalendarItem" {
                let mut draft = Draft::default();
                while let Some(property) = pull.child()? {
                    draft.read(pull, &property)?;
                }
                *found = Some(draft);
            } else {
                pull.skip()?;
            }
        }
        Ok(true)
    })?;
    soap::only(answers)?.map_or(Ok(None), Draft::finish)
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    item: Option<ItemId>,
    version: Arc<str>,
    uid: String,
    kind: Option<InvitationKind>,
    recurrence_id: Option<Time>,
    original_start: Option<Time>,
    start: Option<Time>,
    end: Option<Time>,
    subject: String,
    location: String,
    body: Body,
    language: String,
    organizer: Option<Person>,
    from_me: bool,
    meeting: bool,
    sent: bool,
    cancelled: bool,
    state: Option<u32>,
    answer: Option<Answer>,
    attendees: Attendees,
    sensitivity: Sensitivity,
    conference: Conference,
    mark: Option<String>,
    last_end: Option<Time>,
    last_day: Option<Time>,
}

impl Draft {
    fn read(&mut self, pull: &mut Pull<'_>, element: &Element<'_>) -> Result<(), Fault> {
        match element.name() {
            "ItemId" => {
                self.item = item_id(element);
                self.version = element.attribute("ChangeKey").unwrap_or_default().into();
                pull.skip()?;
            }
            "Subject" => self.subject = pull.text_up_to(BODY_BYTES)?,
            "Body" => {
                let html = element.attribute("BodyType").is_some_and(|kind| kind == "HTML");
                let cut = element.attribute("IsTruncated").is_some_and(|cut| flag(&cut));
                let text = Plain::new(pull.text_up_to(BODY_BYTES + CUT_EARLY)?);
                if cut || text.reveal().len() > BODY_BYTES {
                    return Err(Fault::refused(BODY_TOO_LONG));
                }
                self.body = Body { text, html };
            }
            "Culture" => line(pull)?.trim().clone_into(&mut self.language),
            "ExtendedProperty" => {
                if let Some((Own::Mark, value)) = own::read(pull)? {
                    self.mark = Some(value);
                }
            }
            "UID" => self.uid = line(pull)?,
            "Location" => self.location = pull.text_up_to(BODY_BYTES)?,
            "Organizer" => self.organizer = person(pull)?,
            "LastOccurrence" => {
                while let Some(part) = pull.child()? {
                    match part.name() {
                        "End" => self.last_end = datetime::read(&line(pull)?),
                        _ => pull.skip()?,
                    }
                }
            }
            "Recurrence" => self.recurrence(pull)?,
            "Sensitivity" => self.sensitivity = sensitivity(&pull.text()?),
            name if self.attendees.read(name, pull)? => {}
            name if self.conference.read(name, pull)? => {}
            name => self.short(name, pull)?,
        }
        Ok(())
    }

    /// Of a recurrence its last day counts: [MS-OXWSCDATA] EndDateRecurrenceRangeType, a date with
    /// or without an offset.
    fn recurrence(&mut self, pull: &mut Pull<'_>) -> Result<(), Fault> {
        while let Some(part) = pull.child()? {
            if part.name() != "EndDateRecurrence" {
                pull.skip()?;
                continue;
            }
            while let Some(date) = pull.child()? {
                let text = line(pull)?;
                if date.name() == "EndDate" {
                    let day = text.trim().get(..10).unwrap_or_default();
                    self.last_day = datetime::read(&format!("{day}T00:00:00Z"));
                }
            }
        }
        Ok(())
    }

    /// A property of one word.
    fn short(&mut self, name: &str, pull: &mut Pull<'_>) -> Result<(), Fault> {
        let text = line(pull)?;
        match name {
            "IsFromMe" => self.from_me = flag(&text),
            "IsMeeting" => self.meeting = flag(&text),
            "IsCancelled" => self.cancelled = flag(&text),
            "MeetingRequestWasSent" => self.sent = flag(&text),
            "Start" => self.start = datetime::read(&text),
            "End" => self.end = datetime::read(&text),
            "OriginalStart" => self.original_start = datetime::read(&text),
            "RecurrenceId" => self.recurrence_id = datetime::read(&text),
            "AppointmentState" => self.state = text.trim().parse().ok(),
            "MyResponseType" => self.answer = Some(response(&text)),
            "CalendarItemType" => self.kind = kind(&text),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<Invitation>, Fault> {
        // Without its id, version and times it cannot be written.
        let (Some(item), Some(start), Some(end)) = (self.item, self.start, self.end) else {
            return Err(malformed());
        };
        let kind = self.kind.unwrap_or(InvitationKind::Single);
        let original_start = match kind {
            InvitationKind::Single => self.recurrence_id,
            InvitationKind::Series => None,
            _ => Some(self.recurrence_id.or(self.original_start).unwrap_or(start)),
        };
        let answer = self.answer.unwrap_or(Answer::Unknown);
        let mine = is_own(self.state, answer, self.from_me || !self.meeting);
        let end = end.max(start);
        let last_end = match kind {
            // The day is that of its start, wherever on earth that is.
            InvitationKind::Series => self
                .last_end
                .or(self.last_day.map(|day| day + Span::DAY.times(2) + end.since(start))),
            _ => Some(end),
        };
        Ok(Some(Invitation {
            uid: uid_or_id(self.uid, &item),
            item,
            version: self.version,
            kind,
            original_start,
            start,
            end,
            last_end,
            subject: Plain::new(self.subject),
            location: Plain::new(self.location),
            body: self.body,
            language: self.language.into(),
            organizer: self.organizer,
            mine,
            answer,
            invited: self.meeting && self.sent,
            invitees: self.attendees.count,
            participants: self.attendees.all,
            sensitivity: self.sensitivity,
            conference: self.conference.address(),
            cancelled: self.cancelled,
            mark: self.mark.map(Plain::new),
        }))
    }
}

/// [MS-OXWSMTGS] 2.2.5.1 CalendarItemTypeType.
fn kind(text: &str) -> Option<InvitationKind> {
    Some(match text.trim() {
        "Single" => InvitationKind::Single,
        "Occurrence" => InvitationKind::Occurrence,
        "Exception" => InvitationKind::Exception,
        "RecurringMaster" => InvitationKind::Series,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "invitation_tests.rs"]
mod tests;
