//! Restrictions and sort orders of FindItem, as far as calendar clients use them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::item::Item;
use crate::exchange::service::mapi;
use crate::exchange::service::render::sensitivity;
use crate::exchange::service::request::{Request, read_time};
use crate::exchange::service::shape::ExtendedPath;
use crate::exchange::service::tree::Node;
use crate::exchange::service::zone::Zone;

/// A comparable value of an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Time(i64),
    Flag(bool),
    Number(i64),
    Absent,
}

/// What an element that names a property stands for.
type Read<'a> = &'a dyn Fn(&Node) -> Result<Value, Failure>;

/// Whether an item passes; no restriction lets everything pass.
pub(super) fn admits(
    request: &Request<'_>,
    restriction: Option<&Node>,
    item: &Arc<Item>,
) -> Result<bool, Failure> {
    holds(request, restriction, &|path| value(item, path))
}

/// Whether a restriction holds for what `read` says of a thing.
pub(super) fn holds(
    request: &Request<'_>,
    restriction: Option<&Node>,
    read: Read<'_>,
) -> Result<bool, Failure> {
    let Some(node) = restriction else { return Ok(true) };
    let inner = |child: &Node| holds(request, Some(child), read);
    match node.name.as_str() {
        "And" => node.children.iter().try_fold(true, |all, child| Ok(all && inner(child)?)),
        "Or" => node.children.iter().try_fold(false, |any, child| Ok(any || inner(child)?)),
        "Not" => Ok(!node.children.first().map_or(Ok(true), inner)?),
        "Exists" => Ok(first_value(read, node)? != Value::Absent),
        "Contains" => contains(node, read),
        _ => compare(request, node, read),
    }
}

fn first_value(read: Read<'_>, node: &Node) -> Result<Value, Failure> {
    node.children.first().map_or(Err(Failure::of("ErrorInvalidRestriction")), read)
}

fn value(item: &Item, path: &Node) -> Result<Value, Failure> {
    if path.name == "ExtendedFieldURI" {
        let path = ExtendedPath::read(path);
        let path = path.ok_or_else(|| Failure::of("ErrorInvalidExtendedProperty"))?;
        let own = item.draft.extended.iter();
        let own = own.filter(|own| path.names(own));
        let text = own.filter_map(|own| own.values.first().cloned()).next();
        let text = mapi::value(&item.whole(), &path).or(text);
        return Ok(text.map_or(Value::Absent, |text| typed(&path.kind, text)));
    }
    let draft = &item.draft;
    Ok(match path.attribute("FieldURI").unwrap_or_default() {
        "item:Subject" => Value::Text(draft.subject.clone()),
        "item:ItemClass" => Value::Text("IPM.Appointment".to_owned()),
        "item:Sensitivity" => Value::Text(sensitivity(draft.sensitivity).to_owned()),
        "item:DateTimeCreated" | "item:DateTimeReceived" => Value::Time(item.created_ms),
        "item:LastModifiedTime" => Value::Time(item.modified_ms),
        "calendar:Location" => Value::Text(draft.location.clone()),
        "calendar:Start" => Value::Time(draft.start_ms),
        "calendar:End" => Value::Time(draft.end_ms),
        "calendar:UID" => Value::Text(item.uid.to_string()),
        "calendar:IsAllDayEvent" => Value::Flag(draft.all_day),
        "calendar:IsMeeting" => Value::Flag(item.is_meeting()),
        "calendar:IsCancelled" => Value::Flag(item.cancelled),
        "calendar:IsRecurring" => Value::Flag(item.series.is_some()),
        _ => {
            let text = "The property can not be used with this type of restriction.";
            return Err(Failure::new("ErrorUnsupportedPathForQuery", text));
        }
    })
}

/// A value of a `PropertyType`.
pub(super) fn typed(kind: &str, text: String) -> Value {
    match kind {
        "Boolean" => Value::Flag(text == "true"),
        "Short" | "Integer" | "Long" => text.parse().map_or(Value::Absent, Value::Number),
        "SystemTime" => read_time(&text, Zone::utc()).map_or(Value::Absent, Value::Time),
        _ => Value::Text(text),
    }
}

fn compare(request: &Request<'_>, node: &Node, read: Read<'_>) -> Result<bool, Failure> {
    let own = first_value(read, node)?;
    let other = node.child("FieldURIOrConstant").and_then(|other| other.children.first());
    let other = other.ok_or_else(|| Failure::of("ErrorInvalidRestriction"))?;
    let other = if other.name == "Constant" {
        constant(request, other.attribute("Value").unwrap_or_default(), &own)?
    } else {
        read(other)?
    };
    let order = order(&own, &other);
    Ok(match node.name.as_str() {
        "IsEqualTo" => order == Some(Ordering::Equal),
        "IsNotEqualTo" => order != Some(Ordering::Equal),
        "IsGreaterThan" => order == Some(Ordering::Greater),
        "IsGreaterThanOrEqualTo" => order.is_some_and(Ordering::is_ge),
        "IsLessThan" => order == Some(Ordering::Less),
        "IsLessThanOrEqualTo" => order.is_some_and(Ordering::is_le),
        _ => return Err(Failure::of("ErrorUnsupportedQueryFilter")),
    })
}

fn constant(request: &Request<'_>, text: &str, like: &Value) -> Result<Value, Failure> {
    Ok(match like {
        Value::Time(_) => {
            let time = read_time(text, request.zone.unwrap_or(Zone::utc()));
            Value::Time(time.ok_or_else(|| Failure::of("ErrorInvalidValueForProperty"))?)
        }
        Value::Flag(_) => Value::Flag(matches!(text, "true" | "1")),
        Value::Number(_) => {
            let number = text.parse().ok();
            Value::Number(number.ok_or_else(|| Failure::of("ErrorInvalidValueForProperty"))?)
        }
        Value::Text(_) | Value::Absent => Value::Text(text.to_owned()),
    })
}

/// How two values stand to each other; nothing where they are not of a kind.
pub(super) fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => {
            Some(one.to_lowercase().cmp(&other.to_lowercase()))
        }
        (Value::Time(one), Value::Time(other)) => Some(one.cmp(other)),
        (Value::Flag(one), Value::Flag(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

fn contains(node: &Node, read: Read<'_>) -> Result<bool, Failure> {
    let Value::Text(own) = first_value(read, node)? else { return Ok(false) };
    let wanted = node.child("Constant").and_then(|constant| constant.attribute("Value"));
    let mut wanted = wanted.unwrap_or_default().to_owned();
    let mut own = own;
    if node.attribute("ContainmentComparison").is_none_or(|how| how.contains("IgnoreCase")) {
        own = own.to_lowercase();
        wanted = wanted.to_lowercase();
    }
    Ok(match node.attribute("ContainmentMode") {
        Some("FullString") => own == wanted,
        Some("Prefixed") => own.starts_with(&wanted),
        _ => own.contains(&wanted),
    })
}

/// Sorts by the fields of a sort order; the age decides what they leave open.
pub(super) fn sort(items: &mut [&Arc<Item>], orders: &[Node]) {
    for field in orders.iter().rev() {
        let Some(path) = field.children.first() else { continue };
        let descending = field.attribute("Order") == Some("Descending");
        items.sort_by(|one, other| {
            let (one, other) = (value(one, path), value(other, path));
            let (Ok(one), Ok(other)) = (one, other) else { return Ordering::Equal };
            let order = order(&one, &other).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        });
    }
}
