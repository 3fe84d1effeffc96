//! How each property of an item is written.

use uuid::Uuid;

use super::draft::{AttendeeKind, Draft, FreeBusy, Response, Sensitivity};
use super::envelope::Writer;
use super::ids::{FolderName, ItemName, KeyKind, change_key};
use super::item::{Instance, Kind, duration};
use super::shape::{BodyKind, ExtendedPath, Property, Property as P, Shape};
use super::{body, icalendar, mapi, pattern};

/// Writes `t:ItemId`.
pub(super) fn write_id(out: &mut Writer, mailbox: Uuid, shown: &Instance<'_>) {
    let name = ItemName {
        mailbox,
        folder: shown.item.folder,
        key: shown.item.key,
        original_ms: shown.original_ms,
    };
    let key = change_key(KeyKind::CalendarItem, &mailbox, shown.item.change);
    out.empty("t:ItemId", &[("Id", &name.encode()), ("ChangeKey", &key)]);
}

/// Writes `t:CalendarItem` with what the shape wants.
pub(super) fn write_item(out: &mut Writer, mailbox: Uuid, shown: &Instance<'_>, shape: &Shape) {
    out.open("t:CalendarItem");
    if shape.is_id_only() {
        write_id(out, mailbox, shown);
    } else {
        for property in shape.properties() {
            write_item_part(out, mailbox, shown, shape, property);
        }
    }
    out.close("t:CalendarItem");
}

/// What every kind of item has.
fn write_item_part(
    out: &mut Writer,
    mailbox: Uuid,
    shown: &Instance<'_>,
    shape: &Shape,
    property: Property,
) {
    let (item, draft) = (shown.item, shown.draft);
    match property {
        P::MimeContent => {
            out.start("t:MimeContent", &[("CharacterSet", "UTF-8")]);
            out.text.push_str(&icalendar::mime_content(shown));
            out.close("t:MimeContent");
        }
        P::Id => write_id(out, mailbox, shown),
        P::ParentFolderId => {
            let folder = FolderName { mailbox, folder: item.folder };
            out.empty(
                "t:ParentFolderId",
                &[
                    ("Id", &folder.encode()),
                    ("ChangeKey", &change_key(KeyKind::CalendarFolder, &mailbox, item.change)),
                ],
            );
        }
        P::ItemClass => out.leaf("t:ItemClass", mapi::class(shown.kind)),
        P::Subject => out.leaf("t:Subject", &draft.subject),
        P::Sensitivity => out.leaf("t:Sensitivity", sensitivity(draft.sensitivity)),
        P::Body => body::write(out, "t:Body", draft, shape.body),
        P::TextBody => body::write(out, "t:TextBody", draft, BodyKind::Text),
        P::DateTimeReceived | P::DateTimeSent | P::DateTimeCreated => {
            let tag = match property {
                P::DateTimeReceived => "t:DateTimeReceived",
                P::DateTimeSent => "t:DateTimeSent",
                _ => "t:DateTimeCreated",
            };
            out.leaf(tag, &shape.time(item.created_ms));
        }
        P::Size => {
            let size = 2_000 + 2 * (draft.subject.len() + draft.body.len());
            out.leaf("t:Size", &size.to_string());
        }
        P::ResponseObjects => write_response_objects(out, shown),
        P::ReminderDueBy => out.leaf("t:ReminderDueBy", &shape.time(shown.start_ms)),
        P::ReminderIsSet => out.flag("t:ReminderIsSet", draft.reminder.is_some()),
        P::ReminderMinutesBeforeStart => {
            let minutes = draft.reminder.unwrap_or(0).to_string();
            out.leaf("t:ReminderMinutesBeforeStart", &minutes);
        }
        P::DisplayCc => out.leaf("t:DisplayCc", &names(draft, AttendeeKind::Optional)),
        P::DisplayTo => out.leaf("t:DisplayTo", &names(draft, AttendeeKind::Required)),
        P::Extended => write_extended(out, shown, shape.extended()),
        P::Culture => out.leaf("t:Culture", &draft.culture),
        P::EffectiveRights => write_rights(out),
        P::LastModifiedName => {
            let name = item.modified_by.as_deref().unwrap_or(&item.organizer.name);
            out.leaf("t:LastModifiedName", name);
        }
        P::LastModifiedTime => {
            out.leaf("t:LastModifiedTime", &shape.time(item.modified_ms));
        }
        _ => match constant(property) {
            Some((tag, value)) => out.leaf(tag, value),
            None => write_calendar_part(out, shown, shape, property),
        },
    }
    if property >= P::Recurrence && shown.kind == Kind::RecurringMaster {
        pattern::write_series_part(out, mailbox, shown.item, shape.zone, property);
    }
}

/// What is the same for every item here.
fn constant(property: Property) -> Option<(&'static str, &'static str)> {
    Some(match property {
        P::Importance => ("t:Importance", "Normal"),
        P::IsSubmitted => ("t:IsSubmitted", "false"),
        P::IsDraft => ("t:IsDraft", "false"),
        P::IsFromMe => ("t:IsFromMe", "false"),
        P::IsResend => ("t:IsResend", "false"),
        P::IsUnmodified => ("t:IsUnmodified", "false"),
        P::HasAttachments => ("t:HasAttachments", "false"),
        P::IsAssociated => ("t:IsAssociated", "false"),
        P::IsResponseRequested => ("t:IsResponseRequested", "true"),
        P::AllowNewTimeProposal => ("t:AllowNewTimeProposal", "true"),
        P::IsOnlineMeeting => ("t:IsOnlineMeeting", "false"),
        _ => return None,
    })
}

/// What only a calendar item has.
fn write_calendar_part(out: &mut Writer, shown: &Instance<'_>, shape: &Shape, property: Property) {
    let (item, draft) = (shown.item, shown.draft);
    let skew = if shown.kind == Kind::Exception { shape.skew_ms } else { 0 };
    let original = shown.original_ms.or(item.orphan_ms).map(|original| original + skew);
    match property {
        P::Uid => out.leaf("t:UID", &item.uid),
        P::RecurrenceId => {
            if let Some(original) = original {
                out.leaf("t:RecurrenceId", &shape.time(original));
            }
        }
        P::DateTimeStamp => out.leaf("t:DateTimeStamp", &shape.time(item.modified_ms)),
        P::Start => out.leaf("t:Start", &shape.time(shown.start_ms)),
        P::End => out.leaf("t:End", &shape.time(shown.end_ms)),
        P::OriginalStart => {
            if let Some(original) = original {
                out.leaf("t:OriginalStart", &shape.time(original));
            }
        }
        P::IsAllDayEvent => out.flag("t:IsAllDayEvent", draft.all_day),
        P::LegacyFreeBusyStatus => {
            out.leaf("t:LegacyFreeBusyStatus", free_busy(draft.free_busy));
        }
        P::Location => out.leaf("t:Location", &draft.location),
        P::IsMeeting => out.flag("t:IsMeeting", item.is_meeting()),
        P::IsCancelled => out.flag("t:IsCancelled", shown.cancelled),
        // False for a master: it says whether this is one of several.
        P::IsRecurring => out.flag("t:IsRecurring", original.is_some()),
        P::MeetingRequestWasSent => out.flag("t:MeetingRequestWasSent", item.sent),
        P::CalendarItemType => out.leaf("t:CalendarItemType", shown.kind.name()),
        P::MyResponseType => {
            out.leaf("t:MyResponseType", response(shown.my_response));
        }
        P::Organizer => {
            out.open("t:Organizer");
            write_mailbox(out, &item.organizer.name, &item.organizer.address);
            out.close("t:Organizer");
        }
        P::RequiredAttendees => {
            write_attendees(out, "t:RequiredAttendees", draft, AttendeeKind::Required);
        }
        P::OptionalAttendees => {
            write_attendees(out, "t:OptionalAttendees", draft, AttendeeKind::Optional);
        }
        P::Resources => write_attendees(out, "t:Resources", draft, AttendeeKind::Resource),
        P::Duration => {
            out.leaf("t:Duration", &duration(shown.end_ms - shown.start_ms));
        }
        P::TimeZone => out.leaf("t:TimeZone", &item.zone.name),
        P::AppointmentReplyTime => {
            if let Some(reply) = item.reply_ms {
                out.leaf("t:AppointmentReplyTime", &shape.time(reply));
            }
        }
        P::AppointmentSequenceNumber => {
            out.number("t:AppointmentSequenceNumber", i64::from(item.sequence));
        }
        P::AppointmentState => out.number("t:AppointmentState", state(shown)),
        P::StartTimeZone | P::EndTimeZone => {
            let tag = if property == P::StartTimeZone { "StartTimeZone" } else { "EndTimeZone" };
            out.empty(&format!("t:{tag}"), &[("Id", &item.zone.id), ("Name", &item.zone.name)]);
        }
        P::StartTimeZoneId => out.leaf("t:StartTimeZoneId", &item.zone.id),
        P::EndTimeZoneId => out.leaf("t:EndTimeZoneId", &item.zone.id),
        P::IsOrganizer => out.flag("t:IsOrganizer", item.own),
        _ => {}
    }
}

/// MS-OXOCAL 2.2.1.10: 1 a meeting, 2 received, 4 called off.
fn state(shown: &Instance<'_>) -> i64 {
    i64::from(shown.item.is_meeting())
        + 2 * i64::from(!shown.item.own)
        + 4 * i64::from(shown.cancelled)
}

fn write_response_objects(out: &mut Writer, shown: &Instance<'_>) {
    out.open("t:ResponseObjects");
    if shown.item.is_meeting() && !shown.cancelled {
        if shown.item.own {
            out.empty("t:CancelCalendarItem", &[]);
        } else {
            out.empty("t:AcceptItem", &[]);
            out.empty("t:TentativelyAcceptItem", &[]);
            out.empty("t:DeclineItem", &[]);
            out.empty("t:ReplyToItem", &[]);
            out.empty("t:ReplyAllToItem", &[]);
        }
    }
    out.empty("t:ForwardItem", &[]);
    out.close("t:ResponseObjects");
}

/// `t:EffectiveRights` of one's own things.
pub(super) fn write_rights(out: &mut Writer) {
    out.open("t:EffectiveRights");
    for (tag, value) in [
        ("t:CreateAssociated", false),
        ("t:CreateContents", false),
        ("t:CreateHierarchy", false),
        ("t:Delete", true),
        ("t:Modify", true),
        ("t:Read", true),
        ("t:ViewPrivateItems", true),
    ] {
        out.flag(tag, value);
    }
    out.close("t:EffectiveRights");
}

/// `t:Mailbox`
pub(super) fn write_mailbox(out: &mut Writer, name: &str, address: &str) {
    out.open("t:Mailbox");
    out.leaf("t:Name", name);
    out.leaf("t:EmailAddress", address);
    out.leaf("t:RoutingType", "SMTP");
    out.leaf("t:MailboxType", "Mailbox");
    out.close("t:Mailbox");
}

/// Attendees of a kind; nothing where there are none.
pub(super) fn write_attendees(out: &mut Writer, tag: &str, draft: &Draft, kind: AttendeeKind) {
    let mut attendees = draft.attendees.iter().filter(|who| who.kind == kind).peekable();
    if attendees.peek().is_none() {
        return;
    }
    out.open(tag);
    for attendee in attendees {
        out.open("t:Attendee");
        write_mailbox(out, &attendee.name, &attendee.address);
        out.leaf("t:ResponseType", response(attendee.response));
        out.close("t:Attendee");
    }
    out.close(tag);
}

fn names(draft: &Draft, kind: AttendeeKind) -> String {
    let names = draft.attendees.iter().filter(|who| who.kind == kind).map(|who| who.name.as_str());
    names.collect::<Vec<_>>().join("; ")
}

fn write_extended(out: &mut Writer, shown: &Instance<'_>, paths: &[ExtendedPath]) {
    for path in paths {
        if let Some(value) = mapi::value(shown, path) {
            out.open("t:ExtendedProperty");
            path.write(out);
            out.leaf("t:Value", &value);
            out.close("t:ExtendedProperty");
            continue;
        }
        let found = shown.draft.extended.iter().find(|property| path.names(property));
        let Some(property) = found else { continue };
        out.open("t:ExtendedProperty");
        path.write(out);
        if path.kind.ends_with("Array") {
            out.open("t:Values");
            for value in &property.values {
                out.leaf("t:Value", value);
            }
            out.close("t:Values");
        } else {
            out.leaf("t:Value", property.values.first().map_or("", String::as_str));
        }
        out.close("t:ExtendedProperty");
    }
}

/// `ResponseTypeType`
pub(super) fn response(response: Response) -> &'static str {
    match response {
        Response::Unknown => "Unknown",
        Response::Organizer => "Organizer",
        Response::Tentative => "Tentative",
        Response::Accept => "Accept",
        Response::Decline => "Decline",
        Response::NoResponseReceived => "NoResponseReceived",
    }
}

/// `SensitivityChoicesType`
pub(super) fn sensitivity(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Normal => "Normal",
        Sensitivity::Personal => "Personal",
        Sensitivity::Private => "Private",
        Sensitivity::Confidential => "Confidential",
    }
}

/// `LegacyFreeBusyType`
pub(super) fn free_busy(free_busy: FreeBusy) -> &'static str {
    match free_busy {
        FreeBusy::Free => "Free",
        FreeBusy::Tentative => "Tentative",
        FreeBusy::Busy => "Busy",
        FreeBusy::OutOfOffice => "OOF",
        FreeBusy::WorkingElsewhere => "WorkingElsewhere",
    }
}
