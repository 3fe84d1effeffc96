//! Items as iCalendar (RFC 5545), which is what `MimeContent` of a calendar item holds
//! ([MS-OXCICAL]).

use base64::Engine;

use super::body;
use super::days::{self, DayNumber};
use super::draft::{
    AttendeeKind, Day, DayIndex, Draft, End, FreeBusy, Pattern, Recurrence, Response, Sensitivity,
};
use super::item::{Instance, Kind, date_time};
use super::zone::Zone;

/// Octets of a line before it is folded (RFC 5545 3.1).
const LINE: usize = 75;

/// `MimeContent`: in base64.
pub(super) fn mime_content(shown: &Instance<'_>) -> String {
    base64::engine::general_purpose::STANDARD.encode(calendar(shown))
}

fn calendar(shown: &Instance<'_>) -> String {
    let mut out = Lines::default();
    out.line("BEGIN:VCALENDAR");
    out.line("METHOD:PUBLISH");
    out.line("PRODID:-//Calway//Lab Exchange//EN");
    out.line("VERSION:2.0");
    write_zone(&mut out, shown.item.zone, shown.start_ms);
    write_event(&mut out, shown);
    if shown.kind == Kind::RecurringMaster {
        for original in shown.item.exceptions.keys() {
            if let Some(exception) = shown.item.occurrence(*original) {
                write_event(&mut out, &exception);
            }
        }
    }
    out.line("END:VCALENDAR");
    out.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// One content line, folded between characters.
    fn line(&mut self, text: &str) {
        let mut length = 0;
        for c in text.chars() {
            if length + c.len_utf8() > LINE {
                self.0.push_str("\r\n ");
                length = 1;
            }
            self.0.push(c);
            length += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.line(&format!("{name}:{}", escaped(value)));
    }
}

/// A value of type TEXT (RFC 5545 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A parameter's value (RFC 5545 3.2): it can hold no quote at all.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| *c != '"' && !c.is_control()).collect();
    format!("\"{plain}\"")
}

/// `20261121T170000`, and a `Z` in UTC.
fn stamp(utc_ms: i64, zone: &Zone) -> String {
    let offset = (!zone.is_utc()).then(|| zone.offset_ms(utc_ms));
    let text: String = date_time(utc_ms, offset).chars().filter(|c| !"-:".contains(*c)).collect();
    match offset {
        None => text,
        Some(_) => text.chars().take("20261121T170000".len()).collect(),
    }
}

fn write_time(out: &mut Lines, name: &str, utc_ms: i64, zone: &Zone, all_day: bool) {
    let time = stamp(utc_ms, zone);
    match time.split_once('T') {
        Some((date, _)) if all_day => out.line(&format!("{name};VALUE=DATE:{date}")),
        _ if zone.is_utc() => out.line(&format!("{name}:{time}")),
        _ => out.line(&format!("{name};TZID={}:{time}", zone.id)),
    }
}

fn write_event(out: &mut Lines, shown: &Instance<'_>) {
    let (item, draft) = (shown.item, shown.draft);
    let zone = item.zone;
    out.line("BEGIN:VEVENT");
    let mail = |address: &str| format!("MAILTO:{address}");
    if item.is_meeting() {
        let (name, address) = (&item.organizer.name, &item.organizer.address);
        out.line(&format!("ORGANIZER;CN={}:{}", quoted(name), mail(address)));
        for attendee in &draft.attendees {
            let role = match attendee.kind {
                AttendeeKind::Required => "REQ-PARTICIPANT",
                AttendeeKind::Optional => "OPT-PARTICIPANT",
                AttendeeKind::Resource => "NON-PARTICIPANT",
            };
            let (status, name) = (status(attendee.response), quoted(&attendee.name));
            let to = mail(&attendee.address);
            out.line(&format!("ATTENDEE;ROLE={role};PARTSTAT={status};RSVP=TRUE;CN={name}:{to}"));
        }
    }
    let text = if draft.body_html { body::to_text(&draft.body) } else { draft.body.clone() };
    out.text("DESCRIPTION", &text);
    let whole = shown.kind == Kind::RecurringMaster;
    if let (true, Some(recurrence)) = (whole, &draft.recurrence) {
        out.line(&format!("RRULE:{}", rule(recurrence, zone, shown.start_ms)));
        for deleted in &item.deleted {
            write_time(out, "EXDATE", *deleted, zone, draft.all_day);
        }
    }
    out.text("UID", &item.uid);
    if let Some(original) = shown.original_ms.or(item.orphan_ms) {
        write_time(out, "RECURRENCE-ID", original, zone, draft.all_day);
    }
    out.text("SUMMARY", &draft.subject);
    write_time(out, "DTSTART", shown.start_ms, zone, draft.all_day);
    write_time(out, "DTEND", shown.end_ms, zone, draft.all_day);
    out.line(match draft.sensitivity {
        Sensitivity::Normal => "CLASS:PUBLIC",
        Sensitivity::Personal | Sensitivity::Private => "CLASS:PRIVATE",
        Sensitivity::Confidential => "CLASS:CONFIDENTIAL",
    });
    out.line("PRIORITY:5");
    out.line(&format!("DTSTAMP:{}", stamp(item.modified_ms, Zone::utc())));
    let free = draft.free_busy == FreeBusy::Free;
    out.line(if free { "TRANSP:TRANSPARENT" } else { "TRANSP:OPAQUE" });
    out.line(if shown.cancelled { "STATUS:CANCELLED" } else { "STATUS:CONFIRMED" });
    out.line(&format!("SEQUENCE:{}", item.sequence));
    out.text("LOCATION", &draft.location);
    write_marks(out, draft);
    out.line("END:VEVENT");
}

/// What only Microsoft's programs read, and the reminder.
fn write_marks(out: &mut Lines, draft: &Draft) {
    let busy = match draft.free_busy {
        FreeBusy::Free => "FREE",
        FreeBusy::Tentative => "TENTATIVE",
        FreeBusy::Busy => "BUSY",
        FreeBusy::OutOfOffice => "OOF",
        FreeBusy::WorkingElsewhere => "WORKINGELSEWHERE",
    };
    out.line(&format!("X-MICROSOFT-CDO-BUSYSTATUS:{busy}"));
    let all_day = if draft.all_day { "TRUE" } else { "FALSE" };
    out.line(&format!("X-MICROSOFT-CDO-ALLDAYEVENT:{all_day}"));
    if let Some(minutes) = draft.reminder {
        out.line("BEGIN:VALARM");
        out.line("DESCRIPTION:REMINDER");
        out.line(&format!("TRIGGER;RELATED=START:-PT{minutes}M"));
        out.line("ACTION:DISPLAY");
        out.line("END:VALARM");
    }
}

fn status(response: Response) -> &'static str {
    match response {
        Response::Accept | Response::Organizer => "ACCEPTED",
        Response::Tentative => "TENTATIVE",
        Response::Decline => "DECLINED",
        Response::Unknown | Response::NoResponseReceived => "NEEDS-ACTION",
    }
}

fn rule(recurrence: &Recurrence, zone: &Zone, start_ms: i64) -> String {
    let weekday = |day: DayNumber| {
        let at = usize::try_from(days::weekday(day)).unwrap_or(0);
        ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].get(at).copied().unwrap_or("SU")
    };
    let mut rule = match &recurrence.pattern {
        Pattern::Daily { interval } => format!("FREQ=DAILY;INTERVAL={interval}"),
        Pattern::Weekly { interval, days, first_day } => {
            let mut names: Vec<&str> = days.iter().map(|day| names(*day)).collect();
            if names.is_empty() {
                names.push(weekday(zone.local(start_ms).0));
            }
            let (names, week) = (names.join(","), names_of_week(*first_day));
            format!("FREQ=WEEKLY;INTERVAL={interval};BYDAY={names};WKST={week}")
        }
        Pattern::AbsoluteMonthly { interval, day } => {
            format!("FREQ=MONTHLY;INTERVAL={interval};BYMONTHDAY={day}")
        }
        Pattern::RelativeMonthly { interval, day, index } => {
            format!("FREQ=MONTHLY;INTERVAL={interval};{}", nth(*day, *index))
        }
        Pattern::AbsoluteYearly { day, month } => {
            format!("FREQ=YEARLY;BYMONTHDAY={day};BYMONTH={month}")
        }
        Pattern::RelativeYearly { day, index, month } => {
            format!("FREQ=YEARLY;BYMONTH={month};{}", nth(*day, *index))
        }
    };
    match recurrence.end {
        End::Never => {}
        End::On(year, month, day) => {
            let last = days::number(i32::from(year), i32::from(month), i32::from(day));
            // The rule's end is a moment and includes what begins at it.
            let end = zone.utc_ms(last, zone.local(start_ms).1);
            rule += &format!(";UNTIL={}", stamp(end, Zone::utc()));
        }
        End::After(count) => rule += &format!(";COUNT={count}"),
    }
    rule
}

fn nth(day: Day, index: DayIndex) -> String {
    let place = match index {
        DayIndex::First => 1,
        DayIndex::Second => 2,
        DayIndex::Third => 3,
        DayIndex::Fourth => 4,
        DayIndex::Last => -1,
    };
    format!("BYDAY={};BYSETPOS={place}", names(day))
}

fn names_of_week(day: Day) -> &'static str {
    match day {
        Day::Day | Day::Weekday | Day::WeekendDay => "MO",
        day => names(day),
    }
}

fn names(day: Day) -> &'static str {
    match day {
        Day::Sunday => "SU",
        Day::Monday => "MO",
        Day::Tuesday => "TU",
        Day::Wednesday => "WE",
        Day::Thursday => "TH",
        Day::Friday => "FR",
        Day::Saturday => "SA",
        Day::Day => "SU,MO,TU,WE,TH,FR,SA",
        Day::Weekday => "MO,TU,WE,TH,FR",
        Day::WeekendDay => "SU,SA",
    }
}

/// The zone's rules as they are in the year of a moment; none for UTC.
fn write_zone(out: &mut Lines, zone: &Zone, utc_ms: i64) {
    if zone.is_utc() {
        return;
    }
    let (year, ..) = days::date(zone.local(utc_ms).0);
    let changes = changes(zone, year);
    out.line("BEGIN:VTIMEZONE");
    out.line(&format!("TZID:{}", zone.id));
    if changes.is_empty() {
        let offset = zone.offset_ms(utc_ms);
        write_observance(out, "STANDARD", (offset, offset), "16010101T000000", None);
    }
    for (at, from, to) in changes {
        let kind = if to > from { "DAYLIGHT" } else { "STANDARD" };
        // The clock that goes wrong says when.
        let (day, ms) = days::split(at + from);
        let (_, month, of_month) = days::date(day);
        let last = of_month + 7 > days::days_in_month(year, month);
        let place = if last { -1 } else { (of_month - 1) / 7 + 1 };
        let weekday = usize::try_from(days::weekday(day)).unwrap_or(0);
        let weekday = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].get(weekday).unwrap_or(&"SU");
        let rule = format!("FREQ=YEARLY;BYDAY={place}{weekday};BYMONTH={month}");
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let start = format!("16010101T{hour:02}{minute:02}00");
        write_observance(out, kind, (from, to), &start, Some(&rule));
    }
    out.line("END:VTIMEZONE");
}

fn write_observance(
    out: &mut Lines,
    kind: &str,
    (from, to): (i64, i64),
    start: &str,
    rule: Option<&str>,
) {
    let offset = |ms: i64| {
        let minutes = ms.abs() / 60_000;
        let sign = if ms < 0 { '-' } else { '+' };
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    };
    out.line(&format!("BEGIN:{kind}"));
    out.line(&format!("DTSTART:{start}"));
    out.line(&format!("TZOFFSETFROM:{}", offset(from)));
    out.line(&format!("TZOFFSETTO:{}", offset(to)));
    if let Some(rule) = rule {
        out.line(&format!("RRULE:{rule}"));
    }
    out.line(&format!("END:{kind}"));
}

/// When the clocks change in a year, and the offsets before and after, in milliseconds.
fn changes(zone: &Zone, year: i32) -> Vec<(i64, i64, i64)> {
    const STEP: i64 = 15 * 60_000;
    let (first, last) = (days::number(year, 1, 1), days::number(year + 1, 1, 1));
    let mut changes = Vec::new();
    for day in first..last {
        let begin = days::join(day, 0);
        let (from, to) = (zone.offset_ms(begin), zone.offset_ms(begin + days::DAY_MS));
        if from != to {
            let moments = (1..=days::DAY_MS / STEP).map(|n| begin + n * STEP);
            let at = moments.into_iter().find(|at| zone.offset_ms(*at) != from);
            changes.push((at.unwrap_or(begin), from, to));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fold_between_characters_and_texts_are_escaped() {
        let mut out = Lines::default();
        out.text("SUMMARY", &format!("a;b,c\\d\r\ne{}", "\u{fc}".repeat(60)));
        assert!(out.0.starts_with("SUMMARY:a\\;b\\,c\\\\d\\ne"), "{}", out.0);
        assert!(out.0.lines().count() > 1 && out.0.lines().all(|line| line.len() <= LINE));
        let unfolded = out.0.replace("\r\n ", "");
        assert_eq!(unfolded.matches('\u{fc}').count(), 60);
    }

    #[test]
    fn a_zone_says_when_its_clocks_change() {
        let mut out = Lines::default();
        let berlin = Zone::find("W. Europe Standard Time").expect("in the table");
        write_zone(&mut out, berlin, 1_795_284_000_000);
        for line in [
            "TZID:W. Europe Standard Time",
            "DTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200",
            "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
            "DTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100",
            "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
        ] {
            assert!(out.0.contains(line), "{line} in {}", out.0);
        }
    }

    #[test]
    fn rules_say_what_the_recurrence_says() {
        let said = |pattern, end| rule(&Recurrence { pattern, end }, Zone::utc(), 0);
        let weekly =
            Pattern::Weekly { interval: 2, days: vec![Day::Monday], first_day: Day::Sunday };
        assert_eq!(said(weekly, End::After(5)), "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;WKST=SU;COUNT=5");
        let last = Pattern::RelativeYearly { day: Day::Weekday, index: DayIndex::Last, month: 6 };
        assert_eq!(
            said(last, End::On(2030, 1, 2)),
            "FREQ=YEARLY;BYMONTH=6;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20300102T000000Z"
        );
    }
}
