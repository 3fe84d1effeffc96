//! Meeting messages as GetItem and FindItem show them, MS-OXWSMTGS 2.2.4.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::restriction::{Value, holds, order};
use crate::exchange::service::body;
use crate::exchange::service::draft::{AttendeeKind, Draft};
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::ids::{FolderName, ItemName, KeyKind, change_key};
use crate::exchange::service::item::duration;
use crate::exchange::service::letters::{About, INBOX, Letter};
use crate::exchange::service::mailbox::Mailbox;
use crate::exchange::service::render::{
    free_busy, response, sensitivity, write_attendees, write_id, write_mailbox,
};
use crate::exchange::service::request::Request;
use crate::exchange::service::shape::{BodyKind, time_in};
use crate::exchange::service::tree::Node;
use crate::exchange::service::zone::Zone;

/// The properties in the order of the schema: the common ones, and whether `Default` has them.
const COMMON: &[(&str, bool)] = &[
    ("item:ItemId", true),
    ("item:ParentFolderId", false),
    ("item:ItemClass", false),
    ("item:Subject", true),
    ("item:Sensitivity", true),
    ("item:Body", false),
    ("item:DateTimeReceived", false),
    ("item:Importance", false),
    ("item:DateTimeSent", true),
    ("item:DateTimeCreated", false),
    ("item:DisplayTo", false),
    ("item:HasAttachments", true),
    ("item:Culture", false),
    ("item:LastModifiedTime", false),
    ("item:TextBody", false),
    ("message:Sender", false),
    ("message:ToRecipients", false),
    ("message:From", true),
    ("message:IsRead", true),
    ("meeting:AssociatedCalendarItemId", true),
    ("meeting:IsOutOfDate", true),
    ("meeting:HasBeenProcessed", true),
    ("meeting:ResponseType", true),
    ("calendar:UID", false),
    ("calendar:RecurrenceId", false),
];

/// What only a request has.
const OF_REQUESTS: &[(&str, bool)] = &[
    ("meetingRequest:MeetingRequestType", true),
    ("meetingRequest:IntendedFreeBusyStatus", true),
    ("calendar:Start", true),
    ("calendar:End", true),
    ("calendar:OriginalStart", false),
    ("calendar:IsAllDayEvent", false),
    ("calendar:LegacyFreeBusyStatus", true),
    ("calendar:Location", true),
    ("calendar:IsMeeting", false),
    ("calendar:IsCancelled", false),
    ("calendar:IsRecurring", false),
    ("calendar:MeetingRequestWasSent", false),
    ("calendar:CalendarItemType", true),
    ("calendar:Organizer", true),
    ("calendar:RequiredAttendees", true),
    ("calendar:OptionalAttendees", true),
    ("calendar:Resources", true),
    ("calendar:Duration", false),
    ("calendar:AppointmentSequenceNumber", false),
];

/// What cancellations and answers have.
const OF_OTHERS: &[(&str, bool)] =
    &[("calendar:Start", false), ("calendar:End", false), ("calendar:Location", false)];

/// What FindItem does not tell.
const NOT_IN_LISTS: &[&str] = &["item:Body", "item:TextBody", "message:ToRecipients"];

/// What a request wants to know of a message.
pub(super) struct Wanted {
    base: Base,
    uris: HashSet<String>,
    body: BodyKind,
    zone: Option<&'static Zone>,
    lists: bool,
}

#[derive(PartialEq, Eq)]
enum Base {
    IdOnly,
    Default,
    All,
}

impl Wanted {
    /// Reads an `ItemShape` that is known to be right.
    pub(super) fn read(shape: &Node, zone: Option<&'static Zone>, lists: bool) -> Self {
        let base = match shape.text_of("BaseShape") {
            Some("Default") => Base::Default,
            Some("AllProperties") => Base::All,
            _ => Base::IdOnly,
        };
        let paths = shape.list("AdditionalProperties").iter();
        let uris = paths.filter_map(|path| path.attribute("FieldURI")).map(str::to_owned).collect();
        let body = match shape.text_of("BodyType") {
            Some("HTML") => BodyKind::Html,
            Some("Text") => BodyKind::Text,
            _ => BodyKind::Best,
        };
        Self { base, uris, body, zone, lists }
    }

    fn wants(&self, (uri, default): (&str, bool)) -> bool {
        let told = !self.lists || !NOT_IN_LISTS.contains(&uri);
        let based = match self.base {
            Base::IdOnly => uri == "item:ItemId",
            Base::Default => default,
            // As with other items, the plain text has to be asked for.
            Base::All => uri != "item:TextBody",
        };
        told && (based || self.uris.contains(uri))
    }

    fn time(&self, ms: i64) -> String {
        time_in(self.zone, ms)
    }
}

/// The message that an `ItemId` names, if it is one of the mailbox that asks.
pub(super) fn named<'m>(mailbox: Option<&'m Mailbox>, id: &Node) -> Option<&'m Arc<Letter>> {
    mailbox?.letter(&ItemName::decode(id.attribute("Id")?)?)
}

/// The messages of a folder that pass a restriction, in the order that is asked for.
pub(super) fn chosen<'m>(
    request: &Request<'_>,
    mailbox: &'m Mailbox,
    folder: u16,
    restriction: Option<&Node>,
) -> Result<Vec<&'m Arc<Letter>>, Failure> {
    let mut chosen = Vec::new();
    for letter in mailbox.letters(folder) {
        if holds(request, restriction, &|path| value(letter, path))? {
            chosen.push(letter);
        }
    }
    for field in request.body.list("SortOrder").iter().rev() {
        let Some(path) = field.children.first() else { continue };
        let descending = field.attribute("Order") == Some("Descending");
        chosen.sort_by(|one, other| {
            let (Ok(one), Ok(other)) = (value(one, path), value(other, path)) else {
                return Ordering::Equal;
            };
            let order = order(&one, &other).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        });
    }
    Ok(chosen)
}

fn value(letter: &Letter, path: &Node) -> Result<Value, Failure> {
    if path.name == "ExtendedFieldURI" {
        return Ok(Value::Absent);
    }
    let shown = letter.shown();
    Ok(match path.attribute("FieldURI").unwrap_or_default() {
        "item:Subject" => Value::Text(letter.subject()),
        "item:ItemClass" => Value::Text(letter.about.class().to_owned()),
        "item:DateTimeReceived" | "item:DateTimeSent" | "item:DateTimeCreated" => {
            Value::Time(letter.received_ms)
        }
        "message:IsRead" => Value::Flag(false),
        "calendar:UID" => Value::Text(letter.item.uid.to_string()),
        "calendar:Start" => Value::Time(shown.start_ms),
        "calendar:Location" => Value::Text(shown.draft.location.clone()),
        _ => {
            let text = "The property can not be used with this type of restriction.";
            return Err(Failure::new("ErrorUnsupportedPathForQuery", text));
        }
    })
}

/// Writes a message with what is wanted of it.
pub(super) fn write(out: &mut Writer, mailbox: &Mailbox, letter: &Letter, wanted: &Wanted) {
    let (tag, own) = match letter.about {
        About::Request { .. } => ("t:MeetingRequest", OF_REQUESTS),
        About::Cancellation => ("t:MeetingCancellation", OF_OTHERS),
        About::Answer(_) => ("t:MeetingResponse", OF_OTHERS),
    };
    out.open(tag);
    for (uri, _) in COMMON.iter().filter(|row| wanted.wants(**row)) {
        write_common(out, mailbox, letter, wanted, uri);
    }
    for (uri, _) in own.iter().filter(|row| wanted.wants(**row)) {
        write_own(out, letter, wanted, uri);
    }
    out.close(tag);
}

fn write_common(out: &mut Writer, mailbox: &Mailbox, letter: &Letter, wanted: &Wanted, uri: &str) {
    let shown = letter.shown();
    match uri {
        "item:ItemId" => {
            let (folder, key) = (letter.folder, letter.key);
            let name = ItemName { mailbox: mailbox.guid, folder, key, original_ms: None };
            let change = change_key(KeyKind::Message, &mailbox.guid, 1);
            out.empty("t:ItemId", &[("Id", &name.encode()), ("ChangeKey", &change)]);
        }
        "item:ParentFolderId" => {
            let folder = FolderName { mailbox: mailbox.guid, folder: letter.folder };
            let change = change_key(KeyKind::Folder, &mailbox.guid, 1);
            out.empty("t:ParentFolderId", &[("Id", &folder.encode()), ("ChangeKey", &change)]);
        }
        "item:ItemClass" => out.leaf("t:ItemClass", letter.about.class()),
        "item:Subject" => out.leaf("t:Subject", &letter.subject()),
        "item:Sensitivity" => out.leaf("t:Sensitivity", sensitivity(shown.draft.sensitivity)),
        "item:Body" => write_body(out, "t:Body", letter, wanted.body),
        "item:TextBody" => write_body(out, "t:TextBody", letter, BodyKind::Text),
        "item:DateTimeReceived" => {
            out.leaf("t:DateTimeReceived", &wanted.time(letter.received_ms));
        }
        "item:Importance" => out.leaf("t:Importance", "Normal"),
        "item:DateTimeSent" => out.leaf("t:DateTimeSent", &wanted.time(letter.received_ms)),
        "item:DateTimeCreated" => {
            out.leaf("t:DateTimeCreated", &wanted.time(letter.received_ms));
        }
        "item:DisplayTo" => {
            let names: Vec<&str> = letter.to.iter().map(|to| to.name.as_str()).collect();
            out.leaf("t:DisplayTo", &names.join("; "));
        }
        "item:HasAttachments" => out.flag("t:HasAttachments", false),
        "item:Culture" => out.leaf("t:Culture", &shown.draft.culture),
        "item:LastModifiedTime" => {
            out.leaf("t:LastModifiedTime", &wanted.time(letter.received_ms));
        }
        "message:Sender" | "message:From" => {
            let tag = if uri == "message:From" { "t:From" } else { "t:Sender" };
            out.open(tag);
            write_mailbox(out, &letter.from.name, &letter.from.address);
            out.close(tag);
        }
        "message:ToRecipients" => {
            out.open("t:ToRecipients");
            letter.to.iter().for_each(|to| write_mailbox(out, &to.name, &to.address));
            out.close("t:ToRecipients");
        }
        "message:IsRead" => out.flag("t:IsRead", letter.folder != INBOX),
        "meeting:AssociatedCalendarItemId" => write_associated(out, mailbox, letter),
        "meeting:IsOutOfDate" => out.flag("t:IsOutOfDate", letter.outdated),
        "meeting:HasBeenProcessed" => out.flag("t:HasBeenProcessed", true),
        "meeting:ResponseType" => {
            let answer = match letter.about {
                About::Answer(answer) => answer,
                _ => crate::exchange::service::draft::Response::NoResponseReceived,
            };
            out.leaf("t:ResponseType", response(answer));
        }
        "calendar:UID" => out.leaf("t:UID", &letter.item.uid),
        "calendar:RecurrenceId" => {
            if let Some(original) = letter.original_ms() {
                out.leaf("t:RecurrenceId", &wanted.time(original));
            }
        }
        _ => {}
    }
}

fn write_body(out: &mut Writer, tag: &str, letter: &Letter, kind: BodyKind) {
    if let About::Answer(_) = letter.about {
        let (body, body_html) = letter.comment.clone().unwrap_or_default();
        body::write(out, tag, &Draft { body, body_html, ..Draft::default() }, kind);
        return;
    }
    body::write(out, tag, letter.shown().draft, kind);
}

/// The id of what the message is about in the same mailbox, as long as that is there.
fn write_associated(out: &mut Writer, mailbox: &Mailbox, letter: &Letter) {
    let key = mailbox.with_uid(&letter.item.uid);
    let Some(item) = key.and_then(|key| mailbox.get(key)) else { return };
    let one = letter.original_ms.and_then(|original| item.occurrence(original));
    let mut id = Writer::default();
    write_id(&mut id, mailbox.guid, &one.unwrap_or_else(|| item.whole()));
    out.text.push_str(&id.text.replace("<t:ItemId ", "<t:AssociatedCalendarItemId "));
}

fn write_own(out: &mut Writer, letter: &Letter, wanted: &Wanted, uri: &str) {
    let shown = letter.shown();
    let (item, draft) = (shown.item, shown.draft);
    match uri {
        "meetingRequest:MeetingRequestType" => {
            out.leaf("t:MeetingRequestType", letter.request_type());
        }
        "meetingRequest:IntendedFreeBusyStatus" => {
            out.leaf("t:IntendedFreeBusyStatus", free_busy(draft.free_busy));
        }
        "calendar:Start" => out.leaf("t:Start", &wanted.time(shown.start_ms)),
        "calendar:End" => out.leaf("t:End", &wanted.time(shown.end_ms)),
        "calendar:OriginalStart" => {
            if let Some(original) = letter.original_ms() {
                out.leaf("t:OriginalStart", &wanted.time(original));
            }
        }
        "calendar:IsAllDayEvent" => out.flag("t:IsAllDayEvent", draft.all_day),
        "calendar:LegacyFreeBusyStatus" => out.leaf("t:LegacyFreeBusyStatus", "Tentative"),
        "calendar:Location" => out.leaf("t:Location", &draft.location),
        "calendar:IsMeeting" => out.flag("t:IsMeeting", true),
        "calendar:IsCancelled" => out.flag("t:IsCancelled", shown.cancelled),
        "calendar:IsRecurring" => out.flag("t:IsRecurring", letter.original_ms().is_some()),
        "calendar:MeetingRequestWasSent" => out.flag("t:MeetingRequestWasSent", true),
        "calendar:CalendarItemType" => out.leaf("t:CalendarItemType", shown.kind.name()),
        "calendar:Organizer" => {
            out.open("t:Organizer");
            write_mailbox(out, &item.organizer.name, &item.organizer.address);
            out.close("t:Organizer");
        }
        "calendar:RequiredAttendees" => {
            write_attendees(out, "t:RequiredAttendees", draft, AttendeeKind::Required);
        }
        "calendar:OptionalAttendees" => {
            write_attendees(out, "t:OptionalAttendees", draft, AttendeeKind::Optional);
        }
        "calendar:Resources" => {
            write_attendees(out, "t:Resources", draft, AttendeeKind::Resource);
        }
        "calendar:Duration" => out.leaf("t:Duration", &duration(shown.end_ms - shown.start_ms)),
        "calendar:AppointmentSequenceNumber" => {
            out.number("t:AppointmentSequenceNumber", i64::from(item.sequence));
        }
        _ => {}
    }
}
