//! Series: what a calendar view expands against a reading that asks every single day.

use super::*;
use crate::exchange::service::{Day, DayIndex, End, ItemId, Pattern};

fn patterns() -> Vec<Pattern> {
    let mut all = Vec::new();
    for interval in [1, 2, 3, 7] {
        all.push(Pattern::Daily { interval });
        all.push(Pattern::AbsoluteMonthly { interval, day: 31 });
        all.push(Pattern::AbsoluteMonthly { interval, day: 1 });
        for first_day in [Day::Sunday, Day::Monday, Day::Wednesday] {
            let days = vec![Day::Sunday, Day::Tuesday, Day::Saturday];
            all.push(Pattern::Weekly { interval, days, first_day });
            all.push(Pattern::Weekly { interval, days: vec![Day::Weekday], first_day });
        }
    }
    let kinds = [Day::Monday, Day::Friday, Day::Day, Day::Weekday, Day::WeekendDay];
    for day in kinds {
        for index in
            [DayIndex::First, DayIndex::Second, DayIndex::Third, DayIndex::Fourth, DayIndex::Last]
        {
            all.push(Pattern::RelativeMonthly { interval: 2, day, index });
            all.push(Pattern::RelativeYearly { day, index, month: 2 });
        }
    }
    all.push(Pattern::AbsoluteYearly { day: 29, month: 2 });
    all.push(Pattern::AbsoluteYearly { day: 30, month: 6 });
    all
}

/// Subjects with original and actual times, as the view over EWS tells them.
fn found(lab: &Lab, from: i64, to: i64) -> Vec<(String, String, String)> {
    let said = lab.ask(ANN, &find(from, to, Some(1000)));
    assert_eq!(said.code, "NoError", "{}", said.text);
    let items = said.all("t:CalendarItem").into_iter().map(|text| Said { text, ..empty() });
    let mut found: Vec<_> = items
        .map(|item| {
            let original = item.all("t:RecurrenceId").pop();
            (
                original.unwrap_or_else(|| item.one("t:Start")),
                item.one("t:Start"),
                item.one("t:End"),
            )
        })
        .collect();
    found.sort();
    found
}

fn empty() -> Said {
    Said { status: 200, code: String::new(), text: String::new() }
}

fn shown(lab: &Lab, from: i64, to: i64) -> Vec<(String, String, String)> {
    let shown = lab.calendars().view(ANN, from, to);
    let mut shown: Vec<_> = shown
        .iter()
        .map(|one| (time(one.original_start_ms), time(one.start_ms), time(one.end_ms)))
        .collect();
    shown.sort();
    shown
}

#[test]
fn every_pattern_expands_as_asking_every_day_does() {
    let ends = [End::Never, End::On(2026, 12, 24), End::After(1), End::After(9)];
    let zones =
        ["UTC", "W. Europe Standard Time", "Lord Howe Standard Time", "Samoa Standard Time"];
    let mut compared = 0;
    for (number, pattern) in patterns().into_iter().enumerate() {
        let (end, zone) = (ends[number % ends.len()], zones[number / ends.len() % zones.len()]);
        let lab = lab();
        // 23:30 local in Berlin: the UTC day is another one for part of the year.
        let mut draft = meeting("S", MONDAY + 12 * HOUR + HOUR / 2).zone(zone);
        draft.end_ms += 26 * HOUR * (number as i64 % 2);
        lab.calendars().create(ANN, draft.repeat(pattern.clone(), end));
        let windows = [(0, 40), (30, 33), (-5, 1), (150, 151), (290, 700), (900, 1600)];
        for (from, to) in windows {
            let (from, to) = (MONDAY + from * DAY, MONDAY + to * DAY);
            let found = found(&lab, from, to);
            assert_eq!(found, shown(&lab, from, to), "{pattern:?} {end:?} {zone} {from}..{to}");
            compared += found.len();
        }
    }
    assert!(compared > 3000, "only {compared} occurrences were compared");
}

#[test]
fn a_series_keeps_its_local_time_when_the_clocks_change() {
    let lab = lab();
    // Saturday before the last Sunday of October 2026, 09:00 in Berlin.
    let start = 1_792_825_200_000;
    assert_eq!(time(start), "2026-10-24T07:00:00Z");
    let draft = meeting("S", start)
        .zone("W. Europe Standard Time")
        .repeat(Pattern::Daily { interval: 1 }, End::After(3));
    lab.calendars().create(ANN, draft);
    let starts: Vec<_> =
        found(&lab, start - DAY, start + 9 * DAY).into_iter().map(|(_, start, _)| start).collect();
    assert_eq!(starts, ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]);
}

#[test]
fn exceptions_show_where_they_were_moved_to() {
    let lab = lab();
    let draft = meeting("S", MONDAY).repeat(Pattern::Daily { interval: 1 }, End::Never);
    let id = lab.calendars().create(ANN, draft);
    let calendars = lab.calendars();
    calendars.modify_occurrence(ANN, &id, MONDAY + DAY, |draft| {
        draft.start_ms += 300 * DAY;
        draft.end_ms += 300 * DAY;
    });
    calendars.delete_occurrence(ANN, &id, MONDAY + 2 * DAY);
    for (from, to) in [(0, 5), (1, 2), (300, 303)] {
        let (from, to) = (MONDAY + from * DAY, MONDAY + to * DAY);
        assert_eq!(found(&lab, from, to), shown(&lab, from, to));
    }
    assert_eq!(found(&lab, MONDAY, MONDAY + 5 * DAY).len(), 3);
}

#[test]
fn occurrences_are_named_by_master_and_index() {
    let lab = lab();
    let draft = meeting("S", MONDAY).repeat(Pattern::Daily { interval: 2 }, End::After(4));
    let ItemId(master) = lab.calendars().create(ANN, draft);
    let by_index = |index: i32| {
        lab.ask(ANN, &format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ItemIds>\
             <t:OccurrenceItemId RecurringMasterId=\"{master}\" InstanceIndex=\"{index}\"/>\
             </m:ItemIds></m:GetItem>"
        ))
    };
    let third = by_index(3);
    assert_eq!(third.one("t:Start"), time(MONDAY + 4 * DAY));
    assert_eq!(third.one("t:CalendarItemType"), "Occurrence");
    assert_eq!(by_index(5).code, "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange");
    assert_eq!(by_index(0).code, "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange");
    let (id, _) = third.ids("t:ItemId").remove(0);
    assert_ne!(id, master);
    let back = lab.ask(ANN, &format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds>\
         <t:RecurringMasterItemId OccurrenceId=\"{id}\"/></m:ItemIds></m:GetItem>"
    ));
    assert_eq!(back.ids("t:ItemId").remove(0).0, master);
    assert_eq!(back.one("t:CalendarItemType"), "RecurringMaster");
    assert_eq!(back.one("t:IsRecurring"), "false");
    lab.calendars().delete_occurrence(ANN, &ItemId(master.clone()), MONDAY + 4 * DAY);
    assert_eq!(by_index(3).code, "ErrorCalendarOccurrenceIsDeletedFromRecurrence");
    assert_eq!(by_index(4).one("t:Start"), time(MONDAY + 6 * DAY));
}

#[test]
fn a_recurrence_comes_back_as_it_was_sent() {
    let lab = lab();
    let patterns = [
        "<t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>",
        "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday Friday</t:DaysOfWeek>\
         <t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>",
        "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>1</t:DayOfMonth>\
         </t:AbsoluteMonthlyRecurrence>",
        "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>\
         <t:DayOfWeekIndex>First</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
        "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>1</t:DayOfMonth><t:Month>June</t:Month>\
         </t:AbsoluteYearlyRecurrence>",
        "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Weekday</t:DaysOfWeek><t:DayOfWeekIndex>First\
         </t:DayOfWeekIndex><t:Month>June</t:Month></t:RelativeYearlyRecurrence>",
    ];
    let ranges = [
        "<t:NoEndRecurrence><t:StartDate>2026-06-01</t:StartDate></t:NoEndRecurrence>",
        "<t:EndDateRecurrence><t:StartDate>2026-06-01</t:StartDate>\
         <t:EndDate>2028-06-01</t:EndDate>\
         </t:EndDateRecurrence>",
        "<t:NumberedRecurrence><t:StartDate>2026-06-01</t:StartDate><t:NumberOfOccurrences>4\
         </t:NumberOfOccurrences></t:NumberedRecurrence>",
    ];
    for pattern in patterns {
        for range in ranges {
            let recurrence = format!("{pattern}{range}");
            let more = format!("<t:Recurrence>{recurrence}</t:Recurrence>");
            let made = lab.ask(ANN, &super::items::create("S", &more));
            let (id, _) = made.ids("t:ItemId").remove(0);
            let read = lab.ask(ANN, &get_item(&id, "AllProperties"));
            assert_eq!(read.one("t:Recurrence"), recurrence);
        }
    }
}

#[test]
fn a_series_without_any_occurrence_is_refused() {
    let lab = lab();
    let more = "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Sunday\
                </t:DaysOfWeek></t:WeeklyRecurrence><t:EndDateRecurrence><t:StartDate>2026-06-01\
                </t:StartDate><t:EndDate>2026-06-03</t:EndDate></t:EndDateRecurrence>\
                </t:Recurrence>";
    let said = lab.ask(ANN, &super::items::create("S", more));
    assert_eq!(said.code, "ErrorRecurrenceHasNoOccurrence");
    assert_eq!(lab.calendars().count(ANN), 0);
}

#[test]
fn exceptions_follow_the_series_except_in_what_they_changed() {
    let lab = lab();
    let draft =
        meeting("S", MONDAY).at("Old").repeat(Pattern::Daily { interval: 1 }, End::After(4));
    let id = lab.calendars().create(ANN, draft);
    let calendars = lab.calendars();
    calendars.modify_occurrence(ANN, &id, MONDAY, |draft| draft.subject = "Own".to_owned());
    calendars.update(ANN, &id, |draft| {
        draft.subject = "New".to_owned();
        draft.location = "New place".to_owned();
    });
    let shown = calendars.view(ANN, MONDAY, MONDAY + 2 * DAY);
    let told: Vec<_> = shown.iter().map(|one| (&*one.subject, &*one.location)).collect();
    assert_eq!(told, [("Own", "New place"), ("New", "New place")]);
    // Another time makes it another series: what was changed by hand is gone.
    calendars.update(ANN, &id, |draft| {
        draft.start_ms += HOUR;
        draft.end_ms += HOUR;
    });
    let shown = calendars.view(ANN, MONDAY, MONDAY + DAY);
    assert_eq!((&*shown[0].subject, shown[0].start_ms), ("New", MONDAY + HOUR));
}
