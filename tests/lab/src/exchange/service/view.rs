//! The second reading of a calendar: one day after the other, without maps and without arithmetic.
//!
//! It shares the stored words with the operations, and nothing of how they find or expand them, so
//! that a test can hold one against the other.

use std::sync::Arc;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::calendars::{Shown, ShownAttendee};
use super::draft::{Day, DayIndex, Draft, End, Pattern, Recurrence, Response};
use super::item::Item;

/// Everything that shows between two times.
pub(super) fn shown(items: &[Arc<Item>], from_ms: i64, to_ms: i64) -> Vec<Shown> {
    let mut found: Vec<Shown> = items.iter().flat_map(|item| of_item(item, to_ms)).collect();
    found.retain(|one| {
        let touches = one.end_ms > from_ms || one.start_ms == one.end_ms;
        one.start_ms < to_ms && touches && (one.end_ms >= from_ms)
    });
    found.sort_by(|a, b| (a.start_ms, a.end_ms, &a.uid).cmp(&(b.start_ms, b.end_ms, &b.uid)));
    found
}

fn of_item(item: &Item, to_ms: i64) -> Vec<Shown> {
    let Some(recurrence) = &item.draft.recurrence else {
        let original = item.orphan_ms.unwrap_or(item.draft.start_ms);
        let recurring = item.orphan_ms.is_some();
        let one = show(item, &item.draft, original, recurring, item.cancelled, item.my_response);
        return vec![one];
    };
    let mut all = Vec::new();
    for (start_ms, end_ms) in walk(&item.draft, recurrence, item, to_ms) {
        if item.deleted.contains(&start_ms) || item.exceptions.contains_key(&start_ms) {
            continue;
        }
        let mut one = show(item, &item.draft, start_ms, true, item.cancelled, item.my_response);
        one.start_ms = start_ms;
        one.end_ms = end_ms;
        all.push(one);
    }
    for (original, own) in &item.exceptions {
        all.push(show(item, &own.draft, *original, true, own.cancelled, own.my_response));
    }
    all
}

fn show(
    item: &Item,
    draft: &Draft,
    original_start_ms: i64,
    recurring: bool,
    cancelled: bool,
    my_response: Response,
) -> Shown {
    let attendees = draft.attendees.iter().map(|attendee| ShownAttendee {
        name: attendee.name.clone(),
        address: attendee.address.clone(),
        kind: attendee.kind,
        response: attendee.response,
    });
    Shown {
        uid: item.uid.to_string(),
        original_start_ms,
        start_ms: draft.start_ms,
        end_ms: draft.end_ms,
        subject: draft.subject.clone(),
        location: draft.location.clone(),
        body: draft.body.clone(),
        body_html: draft.body_html,
        organizer: (item.organizer.name.clone(), item.organizer.address.clone()),
        attendees: attendees.collect(),
        all_day: draft.all_day,
        recurring,
        cancelled,
        sensitivity: draft.sensitivity,
        my_response,
    }
}

/// Begin and end of each occurrence up to a time, found by asking every day.
fn walk(draft: &Draft, recurrence: &Recurrence, item: &Item, to_ms: i64) -> Vec<(i64, i64)> {
    let zone = zone_of(item);
    let Some((first, start)) = local(draft.start_ms, &zone) else { return Vec::new() };
    let Some((last, end)) = local(draft.end_ms, &zone) else { return Vec::new() };
    let nights = first.until(last).map(|span| span.get_days()).unwrap_or(0);
    let mut left = match recurrence.end {
        End::After(count) => count,
        _ => u32::MAX,
    };
    let mut found = Vec::new();
    let mut day = first;
    while left > 0 {
        if let End::On(year, month, date) = recurrence.end
            && (day.year(), day.month() as u8, day.day() as u8) > (year, month, date)
        {
            break;
        }
        if falls(&recurrence.pattern, first, day) {
            left -= 1;
            let until = day.checked_add(Span::new().days(nights)).unwrap_or(day);
            let (Some(from), Some(to)) = (moment(day, start, &zone), moment(until, end, &zone))
            else {
                break;
            };
            if from >= to_ms {
                break;
            }
            found.push((from, to.max(from)));
        }
        let Ok(next) = day.tomorrow() else { break };
        // Without this a series whose pattern never matches would walk to the end of time.
        if moment(day, Time::MIN, &zone).is_none_or(|midnight| midnight > to_ms) {
            break;
        }
        day = next;
    }
    found
}

fn zone_of(item: &Item) -> TimeZone {
    match super::zone::Zone::iana(&item.draft.time_zone) {
        Some(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        None => TimeZone::get(&item.draft.time_zone).unwrap_or(TimeZone::UTC),
    }
}

fn local(ms: i64, zone: &TimeZone) -> Option<(Date, Time)> {
    let local = Timestamp::from_millisecond(ms).ok()?.to_zoned(zone.clone()).datetime();
    Some((local.date(), local.time()))
}

fn moment(day: Date, time: Time, zone: &TimeZone) -> Option<i64> {
    let zoned = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Whether a series that began on `first` comes back on `day`.
fn falls(pattern: &Pattern, first: Date, day: Date) -> bool {
    let days = first.until(day).map_or(-1, |span| span.get_days());
    let months = (i32::from(day.year()) - i32::from(first.year())) * 12 + i32::from(day.month())
        - i32::from(first.month());
    let every = |count: i32, interval: u32| count >= 0 && count % interval.max(1) as i32 == 0;
    match pattern {
        Pattern::Daily { interval } => every(days, *interval),
        Pattern::Weekly { interval, days: wanted, first_day } => {
            let is_wanted = if wanted.is_empty() {
                day.weekday() == first.weekday()
            } else {
                wanted.iter().any(|kind| is(*kind, day))
            };
            let weeks = week(first, *first_day).until(week(day, *first_day));
            is_wanted && every(weeks.map_or(-1, |span| span.get_days()) / 7, *interval)
        }
        Pattern::AbsoluteMonthly { interval, day: wanted } => {
            every(months, *interval) && is_day(day, *wanted)
        }
        Pattern::RelativeMonthly { interval, day: kind, index } => {
            every(months, *interval) && is_nth(*kind, *index, day)
        }
        Pattern::AbsoluteYearly { day: wanted, month } => {
            day.month() as u8 == *month && is_day(day, *wanted)
        }
        Pattern::RelativeYearly { day: kind, index, month } => {
            day.month() as u8 == *month && is_nth(*kind, *index, day)
        }
    }
}

fn is(kind: Day, day: Date) -> bool {
    let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    match kind {
        Day::Sunday => day.weekday() == Weekday::Sunday,
        Day::Monday => day.weekday() == Weekday::Monday,
        Day::Tuesday => day.weekday() == Weekday::Tuesday,
        Day::Wednesday => day.weekday() == Weekday::Wednesday,
        Day::Thursday => day.weekday() == Weekday::Thursday,
        Day::Friday => day.weekday() == Weekday::Friday,
        Day::Saturday => day.weekday() == Weekday::Saturday,
        Day::Day => true,
        Day::Weekday => !weekend,
        Day::WeekendDay => weekend,
    }
}

fn week(mut day: Date, first_day: Day) -> Date {
    for _ in 0..7 {
        if is(first_day, day) {
            break;
        }
        day = day.yesterday().unwrap_or(day);
    }
    day
}

/// The wanted day, or the last of a month that does not have it.
fn is_day(day: Date, wanted: u8) -> bool {
    day.day() as u8 == wanted || (day == day.last_of_month() && (day.day() as u8) < wanted)
}

fn is_nth(kind: Day, index: DayIndex, day: Date) -> bool {
    if !is(kind, day) {
        return false;
    }
    let mut before = 0;
    let mut other = day.first_of_month();
    while other < day {
        before += i32::from(is(kind, other));
        other = other.tomorrow().unwrap_or(day);
    }
    let mut after = 0;
    let mut other = day;
    while other < day.last_of_month() {
        other = other.tomorrow().unwrap_or(day.last_of_month());
        after += i32::from(is(kind, other));
    }
    match index {
        DayIndex::First => before == 0,
        DayIndex::Second => before == 1,
        DayIndex::Third => before == 2,
        DayIndex::Fourth => before == 3,
        DayIndex::Last => after == 0,
    }
}
