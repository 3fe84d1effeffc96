//! Recurrences between XML and words, and the parts of a master that tell of its occurrences.

use uuid::Uuid;

use super::days;
use super::draft::{Day, DayIndex, End, Pattern, Recurrence};
use super::envelope::Writer;
use super::item::{Instance, Item};
use super::render::write_id;
use super::shape::{Property, time_in};
use super::tree::Node;
use super::zone::Zone;

const DAYS: [(Day, &str); 10] = [
    (Day::Sunday, "Sunday"),
    (Day::Monday, "Monday"),
    (Day::Tuesday, "Tuesday"),
    (Day::Wednesday, "Wednesday"),
    (Day::Thursday, "Thursday"),
    (Day::Friday, "Friday"),
    (Day::Saturday, "Saturday"),
    (Day::Day, "Day"),
    (Day::Weekday, "Weekday"),
    (Day::WeekendDay, "WeekendDay"),
];

const INDICES: [(DayIndex, &str); 5] = [
    (DayIndex::First, "First"),
    (DayIndex::Second, "Second"),
    (DayIndex::Third, "Third"),
    (DayIndex::Fourth, "Fourth"),
    (DayIndex::Last, "Last"),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn day_name(day: Day) -> &'static str {
    DAYS.iter().find(|(own, _)| *own == day).map_or("Day", |(_, name)| name)
}

fn index_name(index: DayIndex) -> &'static str {
    INDICES.iter().find(|(own, _)| *own == index).map_or("Last", |(_, name)| name)
}

fn month_name(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or("January")
}

/// `2026-11-21`, as dates of a recurrence are written.
fn date_text((year, month, day): (i32, i32, i32)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes `t:Recurrence`.
pub(super) fn write(out: &mut Writer, recurrence: &Recurrence, first: days::DayNumber) {
    out.open("t:Recurrence");
    write_pattern(out, &recurrence.pattern, first);
    let start = date_text(days::date(first));
    match recurrence.end {
        End::Never => {
            out.open("t:NoEndRecurrence");
            out.leaf("t:StartDate", &start);
            out.close("t:NoEndRecurrence");
        }
        End::On(year, month, day) => {
            out.open("t:EndDateRecurrence");
            out.leaf("t:StartDate", &start);
            let end = (i32::from(year), i32::from(month), i32::from(day));
            out.leaf("t:EndDate", &date_text(end));
            out.close("t:EndDateRecurrence");
        }
        End::After(count) => {
            out.open("t:NumberedRecurrence");
            out.leaf("t:StartDate", &start);
            out.number("t:NumberOfOccurrences", i64::from(count));
            out.close("t:NumberedRecurrence");
        }
    }
    out.close("t:Recurrence");
}

fn write_pattern(out: &mut Writer, pattern: &Pattern, first: days::DayNumber) {
    let every = |out: &mut Writer, interval: u32| {
        out.number("t:Interval", i64::from(interval));
    };
    match pattern {
        Pattern::Daily { interval } => {
            out.open("t:DailyRecurrence");
            every(out, *interval);
            out.close("t:DailyRecurrence");
        }
        Pattern::Weekly { interval, days: wanted, first_day } => {
            out.open("t:WeeklyRecurrence");
            every(out, *interval);
            let mut names: Vec<&str> = wanted.iter().map(|day| day_name(*day)).collect();
            if names.is_empty() {
                let weekday = usize::try_from(days::weekday(first)).unwrap_or(0);
                names.extend(DAYS.get(weekday).map(|(_, name)| name));
            }
            out.leaf("t:DaysOfWeek", &names.join(" "));
            out.leaf("t:FirstDayOfWeek", day_name(*first_day));
            out.close("t:WeeklyRecurrence");
        }
        Pattern::AbsoluteMonthly { interval, day } => {
            out.open("t:AbsoluteMonthlyRecurrence");
            every(out, *interval);
            out.number("t:DayOfMonth", i64::from(*day));
            out.close("t:AbsoluteMonthlyRecurrence");
        }
        Pattern::RelativeMonthly { interval, day, index } => {
            out.open("t:RelativeMonthlyRecurrence");
            every(out, *interval);
            out.leaf("t:DaysOfWeek", day_name(*day));
            out.leaf("t:DayOfWeekIndex", index_name(*index));
            out.close("t:RelativeMonthlyRecurrence");
        }
        Pattern::AbsoluteYearly { day, month } => {
            out.open("t:AbsoluteYearlyRecurrence");
            out.number("t:DayOfMonth", i64::from(*day));
            out.leaf("t:Month", month_name(*month));
            out.close("t:AbsoluteYearlyRecurrence");
        }
        Pattern::RelativeYearly { day, index, month } => {
            out.open("t:RelativeYearlyRecurrence");
            out.leaf("t:DaysOfWeek", day_name(*day));
            out.leaf("t:DayOfWeekIndex", index_name(*index));
            out.leaf("t:Month", month_name(*month));
            out.close("t:RelativeYearlyRecurrence");
        }
    }
}

/// Reads `t:Recurrence`, with the day it says it starts on.
pub(super) fn read(node: &Node) -> Option<(Recurrence, days::DayNumber)> {
    let pattern = node.children.iter().find_map(read_pattern)?;
    let range = node.children.iter().find(|child| child.child("StartDate").is_some())?;
    let start = read_date(range.text_of("StartDate")?)?;
    let end = match range.name.as_str() {
        "NoEndRecurrence" => End::Never,
        "EndDateRecurrence" => {
            let (year, month, day) = days::date(read_date(range.text_of("EndDate")?)?);
            End::On(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
        }
        "NumberedRecurrence" => {
            let count = range.text_of("NumberOfOccurrences")?.parse().ok()?;
            End::After(count)
        }
        _ => return None,
    };
    Some((Recurrence { pattern, end }, start))
}

fn read_pattern(node: &Node) -> Option<Pattern> {
    let interval = || node.text_of("Interval")?.parse().ok().filter(|n| (1..=999).contains(n));
    let day_of_month =
        || node.text_of("DayOfMonth")?.parse().ok().filter(|day| (1..=31).contains(day));
    let index = || {
        let wanted = node.text_of("DayOfWeekIndex")?;
        INDICES.iter().find(|(_, name)| *name == wanted).map(|(index, _)| *index)
    };
    let month = || {
        let wanted = node.text_of("Month")?;
        let at = MONTHS.iter().position(|name| *name == wanted)?;
        u8::try_from(at + 1).ok()
    };
    let day = || read_day(node.text_of("DaysOfWeek")?);
    Some(match node.name.as_str() {
        "DailyRecurrence" => Pattern::Daily { interval: interval()? },
        "WeeklyRecurrence" => {
            let words = node.text_of("DaysOfWeek")?.split_whitespace();
            let days: Vec<Day> = words.map(read_day).collect::<Option<_>>()?;
            let first_day = node.text_of("FirstDayOfWeek").and_then(read_day);
            let first_day = first_day.filter(|day| *day < Day::Day).unwrap_or(Day::Sunday);
            Pattern::Weekly { interval: interval()?, days, first_day }
        }
        "AbsoluteMonthlyRecurrence" => {
            Pattern::AbsoluteMonthly { interval: interval()?, day: day_of_month()? }
        }
        "RelativeMonthlyRecurrence" => {
            Pattern::RelativeMonthly { interval: interval()?, day: day()?, index: index()? }
        }
        "AbsoluteYearlyRecurrence" => {
            Pattern::AbsoluteYearly { day: day_of_month()?, month: month()? }
        }
        "RelativeYearlyRecurrence" => {
            Pattern::RelativeYearly { day: day()?, index: index()?, month: month()? }
        }
        _ => return None,
    })
}

fn read_day(name: &str) -> Option<Day> {
    DAYS.iter().find(|(_, own)| *own == name).map(|(day, _)| *day)
}

/// A date with or without an offset, which says nothing here.
fn read_date(text: &str) -> Option<days::DayNumber> {
    let date: jiff::civil::Date = text.get(..10)?.parse().ok()?;
    Some(days::number(i32::from(date.year()), i32::from(date.month()), i32::from(date.day())))
}

/// Writes what only a master has.
pub(super) fn write_series_part(
    out: &mut Writer,
    mailbox: Uuid,
    item: &Item,
    zone: Option<&'static Zone>,
    property: Property,
) {
    let info = |out: &mut Writer, tag: &str, shown: &Instance<'_>| {
        out.open(tag);
        write_id(out, mailbox, shown);
        out.leaf("t:Start", &time_in(zone, shown.start_ms));
        out.leaf("t:End", &time_in(zone, shown.end_ms));
        let original = shown.original_ms.unwrap_or(shown.start_ms);
        out.leaf("t:OriginalStart", &time_in(zone, original));
        out.close(tag);
    };
    match property {
        Property::Recurrence => {
            if let (Some(recurrence), Some(series)) = (&item.draft.recurrence, &item.series) {
                write(out, recurrence, series.first);
            }
        }
        Property::FirstOccurrence => {
            if let Some(shown) = item.first_occurrence() {
                info(out, "t:FirstOccurrence", &shown);
            }
        }
        Property::LastOccurrence => {
            if let Some(shown) = item.last_occurrence() {
                info(out, "t:LastOccurrence", &shown);
            }
        }
        Property::ModifiedOccurrences if !item.exceptions.is_empty() => {
            out.open("t:ModifiedOccurrences");
            for original in item.exceptions.keys() {
                if let Some(shown) = item.occurrence(*original) {
                    info(out, "t:Occurrence", &shown);
                }
            }
            out.close("t:ModifiedOccurrences");
        }
        Property::DeletedOccurrences if !item.deleted.is_empty() => {
            out.open("t:DeletedOccurrences");
            for original in &item.deleted {
                out.open("t:DeletedOccurrence");
                out.leaf("t:Start", &time_in(zone, *original));
                out.close("t:DeletedOccurrence");
            }
            out.close("t:DeletedOccurrences");
        }
        _ => {}
    }
}
