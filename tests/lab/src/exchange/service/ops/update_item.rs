//! UpdateItem, MS-OXWSCORE 3.1.4.9: single fields of items and occurrences, with conflicts.

use crate::exchange::service::draft::{AttendeeKind, Draft};
use crate::exchange::service::envelope::Failure;
use crate::exchange::service::ids::ItemName;
use crate::exchange::service::item::{Field, Item};
use crate::exchange::service::meetings::Audience;
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Named, Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::{ExtendedPath, Shape};
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::{Shared, World};
use crate::exchange::service::zone::Zone;
use crate::exchange::service::{body, write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    Never,
    Auto,
    Always,
}

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let resolution = match request.body.attribute("ConflictResolution") {
        Some("NeverOverwrite") => Resolution::Never,
        Some("AutoResolve") => Resolution::Auto,
        Some("AlwaysOverwrite") => Resolution::Always,
        _ => return Err(invalid("The required attribute 'ConflictResolution' is missing.")),
    };
    let audience = match request.body.attribute("SendMeetingInvitationsOrCancellations") {
        None => None,
        Some("SendToNone") => Some(Audience::Nobody),
        Some("SendOnlyToAll" | "SendToAllAndSaveCopy") => Some(Audience::All),
        Some("SendOnlyToChanged" | "SendToChangedAndSaveCopy") => Some(Audience::Changed),
        Some(_) => {
            return Err(invalid(
                "The 'SendMeetingInvitationsOrCancellations' attribute is invalid.",
            ));
        }
    };
    let mut world = request.shared.world();
    let mut done = Vec::new();
    for change in request.body.list("ItemChanges") {
        done.push(match update(request, &mut world, change, resolution, audience.as_ref()) {
            Ok(named) => Ok(named),
            Err(Refusal::Fault(failure)) => Err(failure),
            Err(refusal) => return Err(refusal),
        });
    }
    Ok(Reply::each("UpdateItem", done, |out, named| {
        out.open("m:Items");
        if let Some(mailbox) = world.mailbox(named.number)
            && let Some(shown) = named.instance()
        {
            write_item(out, mailbox.guid, &shown, &Shape::id_only());
        }
        out.close("m:Items");
        out.open("m:ConflictResults");
        out.leaf("t:Count", "0");
        out.close("m:ConflictResults");
    }))
}

fn update(
    request: &Request<'_>,
    world: &mut World,
    change: &Node,
    resolution: Resolution,
    audience: Option<&Audience>,
) -> Result<Named, Refusal> {
    let id = change.children.first().ok_or_else(|| invalid("ItemChange is empty."))?;
    let mut named = request.item(world, id)?;
    let audience = audience
        .ok_or_else(|| Failure::of("ErrorSendMeetingInvitationsOrCancellationsRequired"))?;
    let updates = change.list("Updates");
    if updates.is_empty() {
        return Err(invalid("The element 'Updates' has incomplete content."));
    }
    let item = &named.item;
    let mut draft = match named.original_ms {
        None => Some(item.draft.clone()),
        Some(original) => item.occurrence_draft(original),
    }
    .ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    let zone = zone_of(request, updates, item)?;
    let mut fields = Vec::new();
    for update in updates {
        fields.extend(apply(request, &mut draft, update, zone)?);
    }
    write::check(&draft)?;
    if named.original_ms.is_some() {
        if draft.recurrence.is_some() {
            return Err(Failure::of("ErrorInvalidPropertySet").into());
        }
        stays_in_place(item, named.original_ms, &draft)?;
    }
    settle(&named, &fields, resolution)?;
    let (number, key) = (named.number, named.item.key);
    let heard = world
        .edit(number, key, named.original_ms, draft, audience)
        .ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    let send = request.body.attribute("SendMeetingInvitationsOrCancellations");
    world.send(number, &heard, send.is_some_and(|send| send.ends_with("SaveCopy")));
    let changed = world.item(number, key).ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    named.item = changed.clone();
    Ok(named)
}

/// Somebody else writes at the end of each body that a request is about to change.
pub(in crate::exchange::service) fn rival_edit(shared: &Shared, body: &Node) {
    let mut world = shared.world();
    for change in body.list("ItemChanges") {
        let id = change.children.first().and_then(|id| id.attribute("Id"));
        let Some(name) = id.and_then(ItemName::decode) else { continue };
        let number = world.number_of_guid(&name.mailbox);
        let Some(number) = number else { continue };
        let Some(item) = world.mailbox(number).and_then(|own| own.named(&name)).cloned() else {
            continue;
        };
        let draft = match name.original_ms {
            None => Some(item.draft.clone()),
            Some(original) => item.occurrence_draft(original),
        };
        let Some(mut draft) = draft else { continue };
        let words = if draft.body_html { "<p>Rival words</p>" } else { "\r\nRival words" };
        let at = draft.body.rfind("</body>").unwrap_or(draft.body.len());
        draft.body.insert_str(at, words);
        world.edit(number, item.key, name.original_ms, draft, &Audience::Nobody);
    }
}

/// Whether what the request did not see stands in its way.
fn settle(named: &Named, fields: &[Field], resolution: Resolution) -> Result<(), Failure> {
    if resolution == Resolution::Always {
        return Ok(());
    }
    let seen = named.seen.ok_or_else(|| {
        let text = "The change key is required for this operation.";
        Failure::new("ErrorChangeKeyRequiredForWriteOperations", text)
    })?;
    let item = &named.item;
    let conflict = match resolution {
        Resolution::Never => item.change > seen,
        _ => fields.iter().any(|field| item.touched_since(named.original_ms, field, seen)),
    };
    if conflict { Err(Failure::of("ErrorIrresolvableConflict")) } else { Ok(()) }
}

/// An occurrence may not come to the day of a neighbour, or pass it.
fn stays_in_place(item: &Item, original_ms: Option<i64>, draft: &Draft) -> Result<(), Failure> {
    let (Some(series), Some(original)) = (&item.series, original_ms) else { return Ok(()) };
    let Some(day) = series.day_of(original) else { return Ok(()) };
    let moved = series.local_day(draft.start_ms);
    if moved == day {
        return Ok(());
    }
    let left = |day: &i32| !item.deleted.contains(&series.times(*day).0);
    let near = series.days_from(day - 1000).take_while(|other| *other < day + 1000);
    let (before, after): (Vec<i32>, Vec<i32>) =
        near.filter(|other| *other != day).filter(left).partition(|other| *other < day);
    let passes = before.last().is_some_and(|other| moved <= *other)
        || after.first().is_some_and(|other| moved >= *other);
    if passes {
        let text = "The occurrence cannot be moved across an adjacent occurrence.";
        return Err(Failure::new("ErrorOccurrenceCrossingBoundary", text));
    }
    Ok(())
}

/// The zone in which the update's own times are: the one it sets, or the item's.
fn zone_of(request: &Request<'_>, updates: &[Node], item: &Item) -> Result<&'static Zone, Refusal> {
    for update in updates {
        if let Some(element) = update.child("CalendarItem")
            && (element.child("StartTimeZone").is_some()
                || element.child("MeetingTimeZone").is_some())
        {
            return write::zone_of(request, element);
        }
    }
    Ok(item.zone)
}

/// Applies one change, and says which fields it means to set.
fn apply(
    request: &Request<'_>,
    draft: &mut Draft,
    update: &Node,
    zone: &'static Zone,
) -> Result<Vec<Field>, Refusal> {
    let path = update.children.first().ok_or_else(|| invalid("A path is missing."))?;
    let uri = path.attribute("FieldURI").unwrap_or_default();
    let field = field_of(path, uri)?;
    if update.name == "DeleteItemField" {
        delete(draft, path, uri)?;
        return Ok(field.into_iter().collect());
    }
    let element = update.child("CalendarItem").or_else(|| update.child("Item"));
    let element = element.ok_or_else(|| Failure::of("ErrorObjectTypeChanged"))?;
    let [value] = element.children.as_slice() else {
        return Err(Failure::of("ErrorIncorrectUpdatePropertyCount").into());
    };
    let is_extended = path.name == "ExtendedFieldURI" && value.name == "ExtendedProperty";
    if is_extended && !same_path(path, value) {
        return Err(Failure::of("ErrorUpdatePropertyMismatch").into());
    }
    if !is_extended && uri.split_once(':').map(|(_, name)| name) != Some(&value.name) {
        return Err(Failure::of("ErrorUpdatePropertyMismatch").into());
    }
    if update.name == "AppendToItemField" {
        append(draft, value, uri)?;
        write::settle_body(request, draft);
    } else {
        write::set(request, draft, value, zone)?;
    }
    Ok(field.into_iter().collect())
}

/// Whether a value is for the extended property that the change is said to be of.
fn same_path(path: &Node, value: &Node) -> bool {
    let own = value.child("ExtendedFieldURI").and_then(ExtendedPath::read);
    let named = ExtendedPath::read(path);
    named.zip(own).is_none_or(|(named, own)| named.is(&own))
}

fn field_of(path: &Node, uri: &str) -> Result<Option<Field>, Refusal> {
    if path.name == "ExtendedFieldURI" {
        let path = ExtendedPath::read(path);
        let path = path.ok_or_else(|| Failure::of("ErrorInvalidExtendedProperty"))?;
        return Ok(Some(Field::Extended(path.set, path.name)));
    }
    Ok(match uri {
        "item:Subject" => Some(Field::Subject),
        "item:Body" => Some(Field::Body),
        "item:Sensitivity" => Some(Field::Sensitivity),
        "item:ReminderIsSet" | "item:ReminderMinutesBeforeStart" => Some(Field::Reminder),
        "calendar:Location" => Some(Field::Location),
        "calendar:Start"
        | "calendar:End"
        | "calendar:IsAllDayEvent"
        | "calendar:StartTimeZone"
        | "calendar:MeetingTimeZone" => Some(Field::Time),
        "calendar:LegacyFreeBusyStatus" => Some(Field::FreeBusy),
        "calendar:RequiredAttendees" | "calendar:OptionalAttendees" | "calendar:Resources" => {
            Some(Field::Attendees)
        }
        "calendar:Recurrence" => Some(Field::Recurrence),
        "calendar:UID" => {
            return Err(Failure::of("ErrorInvalidPropertySet").into());
        }
        _ => None,
    })
}

fn delete(draft: &mut Draft, path: &Node, uri: &str) -> Result<(), Refusal> {
    match uri {
        "item:Subject" => draft.subject.clear(),
        "item:Body" => draft.body.clear(),
        "calendar:Location" => draft.location.clear(),
        "calendar:RequiredAttendees" => remove(draft, AttendeeKind::Required),
        "calendar:OptionalAttendees" => remove(draft, AttendeeKind::Optional),
        "calendar:Resources" => remove(draft, AttendeeKind::Resource),
        "calendar:Recurrence" => draft.recurrence = None,
        "item:Categories" => {}
        _ if path.name == "ExtendedFieldURI" => {
            if let Some(path) = ExtendedPath::read(path) {
                write::remove_extended(draft, &path);
            }
        }
        _ => {
            let text = "Delete action is not supported for this property.";
            return Err(Failure::new("ErrorInvalidPropertyDelete", text).into());
        }
    }
    Ok(())
}

fn remove(draft: &mut Draft, kind: AttendeeKind) {
    draft.attendees.retain(|attendee| attendee.kind != kind);
}

fn append(draft: &mut Draft, value: &Node, uri: &str) -> Result<(), Refusal> {
    match uri {
        "item:Body" => {
            let is_html = value.attribute("BodyType") == Some("HTML");
            let addition = match (draft.body_html, is_html) {
                (true, false) => body::to_html(&value.text),
                (false, true) => body::to_text(&value.text),
                _ => value.text.clone(),
            };
            draft.body.push_str(&addition);
        }
        "calendar:RequiredAttendees" => {
            write::append_attendees(draft, value, AttendeeKind::Required);
        }
        "calendar:OptionalAttendees" => {
            write::append_attendees(draft, value, AttendeeKind::Optional);
        }
        "calendar:Resources" => write::append_attendees(draft, value, AttendeeKind::Resource),
        _ => {
            let text = "Append action is not supported for this property.";
            return Err(Failure::new("ErrorInvalidPropertyAppend", text).into());
        }
    }
    Ok(())
}
