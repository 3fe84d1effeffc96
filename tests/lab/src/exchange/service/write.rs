//! Words of a calendar item as a client writes them, into a draft.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::draft::{
    Attendee, AttendeeKind, Draft, ExtendedProperty, FreeBusy, Response, Sensitivity,
};
use super::envelope::Failure;
use super::request::{Refusal, Request, invalid, read_time};
use super::shape::ExtendedPath;
use super::tree::Node;
use super::zone::Zone;
use super::{body, days, pattern};

/// A new item's draft.
pub(super) fn new_draft(request: &Request<'_>, node: &Node) -> Result<Draft, Refusal> {
    let zone = zone_of(request, node)?;
    let mut draft = Draft { time_zone: zone.id.clone(), ..Draft::default() };
    let now = super::item::now_ms();
    draft.start_ms = now - now.rem_euclid(1_800_000) + 1_800_000;
    draft.end_ms = draft.start_ms + 1_800_000;
    let has_end = node.child("End").is_some();
    for child in &node.children {
        set(request, &mut draft, child, zone)?;
    }
    if !has_end {
        draft.end_ms = draft.start_ms + 1_800_000;
    }
    if let Some(uid) = node.text_of("UID").filter(|uid| !uid.is_empty()) {
        draft.uid = Some(uid.to_owned());
    }
    check(&draft)?;
    Ok(draft)
}

/// What no calendar item may be.
pub(super) fn check(draft: &Draft) -> Result<(), Refusal> {
    const LONGEST_MS: i64 = 5 * 366 * days::DAY_MS;
    if draft.end_ms < draft.start_ms {
        return Err(Failure::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate",
        )
        .into());
    }
    if draft.end_ms - draft.start_ms > LONGEST_MS {
        return Err(Failure::of("ErrorCalendarDurationIsTooLong").into());
    }
    Ok(())
}

/// The zone that an item's own times are in.
pub(super) fn zone_of(request: &Request<'_>, node: &Node) -> Result<&'static Zone, Refusal> {
    let named = node
        .child("StartTimeZone")
        .and_then(|zone| zone.attribute("Id"))
        .or_else(|| node.child("MeetingTimeZone").and_then(|zone| zone.attribute("TimeZoneName")));
    match named {
        None => Ok(request.zone.unwrap_or(Zone::utc())),
        Some(id) => Zone::find(id).ok_or_else(|| {
            Failure::new("ErrorTimeZone", "An error occurred while processing time zone.").into()
        }),
    }
}

/// Sets one property from its element; what Exchange keeps for itself is refused.
pub(super) fn set(
    request: &Request<'_>,
    draft: &mut Draft,
    node: &Node,
    zone: &'static Zone,
) -> Result<(), Refusal> {
    let text = node.text.as_str();
    match node.name.as_str() {
        "Subject" => draft.subject = text.to_owned(),
        "Location" => draft.location = text.to_owned(),
        "Body" => {
            draft.body = text.to_owned();
            draft.body_html = node.attribute("BodyType") == Some("HTML");
            settle_body(request, draft);
        }
        "Sensitivity" => draft.sensitivity = sensitivity(node)?,
        "Culture" => draft.culture = text.trim().to_owned(),
        "ReminderIsSet" => {
            let minutes = draft.reminder.unwrap_or(15);
            draft.reminder = flag(node)?.then_some(minutes);
        }
        "ReminderMinutesBeforeStart" => {
            let minutes = text.trim().parse().map_err(|_| wrong(node))?;
            draft.reminder = draft.reminder.map(|_| minutes);
        }
        "ExtendedProperty" => extend(draft, node)?,
        "Start" => draft.start_ms = read_time(text, zone).ok_or_else(|| wrong(node))?,
        "End" => draft.end_ms = read_time(text, zone).ok_or_else(|| wrong(node))?,
        "IsAllDayEvent" => draft.all_day = flag(node)?,
        "LegacyFreeBusyStatus" => draft.free_busy = free_busy(node)?,
        "RequiredAttendees" => attend(draft, node, AttendeeKind::Required),
        "OptionalAttendees" => attend(draft, node, AttendeeKind::Optional),
        "Resources" => attend(draft, node, AttendeeKind::Resource),
        "Recurrence" => recur(draft, node, zone)?,
        "StartTimeZone" | "MeetingTimeZone" => {
            draft.time_zone.clone_from(&zone_of_element(request, node)?.id);
        }
        // Kept by Exchange, of no effect here.
        "EndTimeZone"
        | "Categories"
        | "Importance"
        | "UID"
        | "AllowNewTimeProposal"
        | "IsResponseRequested"
        | "ItemClass"
        | "ReminderDueBy"
        | "ConferenceType"
        | "MeetingWorkspaceUrl"
        | "NetShowUrl"
        | "EnhancedLocation"
        | "DateTimeStamp"
        | "IsOnlineMeeting" => {}
        _ => {
            return Err(Failure::new(
                "ErrorInvalidPropertySet",
                "Set action is invalid for property.",
            )
            .with("InvalidProperty", &node.name)
            .into());
        }
    }
    Ok(())
}

/// A body becomes what the server keeps of it.
pub(super) fn settle_body(request: &Request<'_>, draft: &mut Draft) {
    if request.shared.settings.rewrites_bodies {
        draft.body = body::rewritten(&draft.body, draft.body_html);
    }
}

fn zone_of_element(request: &Request<'_>, node: &Node) -> Result<&'static Zone, Refusal> {
    let id = node.attribute("Id").or_else(|| node.attribute("TimeZoneName"));
    match id {
        None => Ok(request.zone.unwrap_or(Zone::utc())),
        Some(id) => Zone::find(id).ok_or_else(|| Failure::of("ErrorTimeZone").into()),
    }
}

fn wrong(node: &Node) -> Refusal {
    invalid(format!(
        "The '{}' element is invalid - The value '{}' is invalid according to its datatype.",
        node.name, node.text
    ))
}

/// `xs:boolean`
pub(super) fn flag(node: &Node) -> Result<bool, Refusal> {
    match node.text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(wrong(node)),
    }
}

fn sensitivity(node: &Node) -> Result<Sensitivity, Refusal> {
    Ok(match node.text.trim() {
        "Normal" => Sensitivity::Normal,
        "Personal" => Sensitivity::Personal,
        "Private" => Sensitivity::Private,
        "Confidential" => Sensitivity::Confidential,
        _ => return Err(wrong(node)),
    })
}

fn free_busy(node: &Node) -> Result<FreeBusy, Refusal> {
    Ok(match node.text.trim() {
        "Free" => FreeBusy::Free,
        "Tentative" => FreeBusy::Tentative,
        "Busy" | "NoData" => FreeBusy::Busy,
        "OOF" => FreeBusy::OutOfOffice,
        "WorkingElsewhere" => FreeBusy::WorkingElsewhere,
        _ => return Err(wrong(node)),
    })
}

/// Replaces the attendees of a kind; who stays keeps the answer.
fn attend(draft: &mut Draft, node: &Node, kind: AttendeeKind) {
    let old: Vec<Attendee> =
        draft.attendees.iter().filter(|who| who.kind == kind).cloned().collect();
    draft.attendees.retain(|who| who.kind != kind);
    append_attendees(draft, node, kind);
    for attendee in draft.attendees.iter_mut().filter(|who| who.kind == kind) {
        if let Some(known) =
            old.iter().find(|known| known.address.eq_ignore_ascii_case(&attendee.address))
        {
            attendee.response = known.response;
        }
    }
}

/// Adds attendees of a kind.
pub(super) fn append_attendees(draft: &mut Draft, node: &Node, kind: AttendeeKind) {
    for attendee in node.children.iter().filter_map(|child| child.child("Mailbox")) {
        let Some(address) = attendee.text_of("EmailAddress") else { continue };
        let name = attendee.text_of("Name").filter(|name| !name.is_empty()).unwrap_or(address);
        draft.attendees.push(Attendee {
            name: name.to_owned(),
            address: address.to_owned(),
            kind,
            response: Response::Unknown,
        });
    }
}

fn recur(draft: &mut Draft, node: &Node, zone: &'static Zone) -> Result<(), Refusal> {
    let (recurrence, first) = pattern::read(node).ok_or_else(|| wrong(node))?;
    // The time of day is the item's, the day is the recurrence's.
    let (day, start) = zone.local(draft.start_ms);
    let (end_day, end) = zone.local(draft.end_ms);
    draft.start_ms = zone.utc_ms(first, start);
    draft.end_ms = zone.utc_ms(first + end_day - day, end);
    draft.recurrence = Some(recurrence);
    Ok(())
}

fn extend(draft: &mut Draft, node: &Node) -> Result<(), Refusal> {
    let path = node.child("ExtendedFieldURI").and_then(ExtendedPath::read);
    let path = path.ok_or_else(|| Failure::of("ErrorInvalidExtendedProperty"))?;
    let is_array = path.kind.ends_with("Array");
    let values: Vec<String> = match (node.child("Values"), node.child("Value")) {
        (Some(values), None) if is_array => {
            values.children.iter().map(|value| value.text.clone()).collect()
        }
        (None, Some(value)) if !is_array => vec![value.text.clone()],
        _ => return Err(Failure::of("ErrorInvalidExtendedPropertyValue").into()),
    };
    if !values.iter().all(|value| is_of_type(path.kind.trim_end_matches("Array"), value)) {
        return Err(Failure::of("ErrorInvalidExtendedPropertyValue").into());
    }
    remove_extended(draft, &path);
    draft.extended.push(ExtendedProperty {
        set: path.set,
        name: path.name,
        kind: path.kind,
        values,
    });
    Ok(())
}

/// Whether a text can be a value of a `PropertyType`.
fn is_of_type(kind: &str, text: &str) -> bool {
    let text = text.trim();
    match kind {
        "Boolean" => matches!(text, "true" | "false" | "1" | "0"),
        "Short" => text.parse::<i16>().is_ok(),
        "Integer" => text.parse::<i32>().is_ok(),
        "Long" | "Currency" => text.parse::<i64>().is_ok(),
        "Float" => text.parse::<f32>().is_ok(),
        "Double" => text.parse::<f64>().is_ok(),
        "CLSID" => uuid::Uuid::try_parse(text).is_ok(),
        "Binary" => STANDARD.decode(text).is_ok(),
        "SystemTime" | "ApplicationTime" => read_time(text, Zone::utc()).is_some(),
        _ => true,
    }
}

/// Takes an extended property away.
pub(super) fn remove_extended(draft: &mut Draft, path: &ExtendedPath) {
    draft.extended.retain(|own| own.set != path.set || own.name != path.name);
}
