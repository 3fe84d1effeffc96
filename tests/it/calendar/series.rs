//! Series: every pattern and end, and occurrences that are not as the pattern made them.

use std::collections::BTreeSet;

use calway_lab::exchange::service::{Day, DayIndex, End, Pattern, Recurrence};
use calway_lab::exchange::{Attendee, Calendars, Draft, ItemId, Response};

use super::desk::Desk;
use super::{DAY, HOUR, MINUTE, MONDAY};

/// Calendar items have these and no others; Exchange keeps regenerating patterns for tasks.
fn patterns() -> Vec<Pattern> {
    let weekly = |interval, days: &[Day], first_day| Pattern::Weekly {
        interval,
        days: days.to_vec(),
        first_day,
    };
    let monthly = |interval, day, index| Pattern::RelativeMonthly { interval, day, index };
    let yearly = |day, index, month| Pattern::RelativeYearly { day, index, month };
    vec![
        Pattern::Daily { interval: 1 },
        Pattern::Daily { interval: 3 },
        weekly(1, &[Day::Monday, Day::Wednesday, Day::Friday], Day::Monday),
        // Which two days belong together depends on where the week begins.
        weekly(2, &[Day::Sunday, Day::Tuesday], Day::Sunday),
        weekly(2, &[Day::Sunday, Day::Tuesday], Day::Monday),
        weekly(3, &[], Day::Saturday),
        Pattern::AbsoluteMonthly { interval: 1, day: 31 },
        Pattern::AbsoluteMonthly { interval: 2, day: 1 },
        monthly(1, Day::Weekday, DayIndex::Last),
        monthly(1, Day::WeekendDay, DayIndex::First),
        monthly(1, Day::Day, DayIndex::Third),
        monthly(2, Day::Thursday, DayIndex::Fourth),
        Pattern::AbsoluteYearly { day: 29, month: 2 },
        Pattern::AbsoluteYearly { day: 5, month: 3 },
        yearly(Day::Tuesday, DayIndex::Second, 3),
        yearly(Day::Weekday, DayIndex::Last, 3),
    ]
}

#[tokio::test]
async fn a_series_shows_on_the_right_days_whatever_its_pattern_and_end() {
    let desk = Desk::new().await;
    let zones =
        ["UTC", "W. Europe Standard Time", "Eastern Standard Time", "Lord Howe Standard Time"];
    let ends = [End::Never, End::On(2026, 3, 20), End::After(60)];
    let (mut awaited, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let names = ["utc", "berlin", "new-york", "lord-howe"].into_iter();
    for (at, (name, zone)) in names.zip(zones).enumerate() {
        let mut book = desk.user(name);
        for (n, pattern) in patterns().into_iter().enumerate() {
            let years =
                matches!(pattern, Pattern::AbsoluteYearly { .. } | Pattern::RelativeYearly { .. });
            let begin = MONDAY - if years { 1200 } else { 50 } * DAY + 9 * HOUR + 30 * MINUTE;
            for (m, end) in ends.into_iter().enumerate() {
                // Not every pattern with every end in every zone; over three zones all of them.
                if (n + m + at) % 3 == 0 {
                    let draft = Draft::meeting(&format!("{n} {pattern:?} {end:?}"), begin, 45);
                    let draft = draft.repeat(pattern.clone(), end).zone(zone);
                    desk.calendars().create(&book.address, draft);
                }
                awaited.insert(format!("{n} {pattern:?} {end:?}"));
            }
        }
        // The clocks are set within the month; later the window has other occurrences.
        let days = [0, 27, 90, -35, -340];
        let whens = ["in March", "later", "in summer", "in winter", "a year before"];
        for (days, when) in days.into_iter().zip(whens) {
            let now = MONDAY + days * DAY + 10 * HOUR;
            book.check(&desk, now, &format!("{zone}, {when}")).await;
            let titles = book.records.values().map(|one| one["encryptedSubject"].as_str());
            seen.extend(titles.flatten().map(str::to_owned));
        }
    }
    // Every pattern was seen with every end.
    let missing: Vec<_> = awaited.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

const ANN: &str = "ann@corp.example";
const BOB: &str = "bob@corp.example";

/// Every day from Monday on.
fn daily(subject: &str) -> Draft {
    let draft = Draft::meeting(subject, MONDAY + 9 * HOUR, 60);
    draft.repeat(Pattern::Daily { interval: 1 }, End::Never)
}

/// When the occurrence of a day begins.
fn day(n: i64) -> i64 {
    MONDAY + n * DAY + 9 * HOUR
}

fn shift(by: i64) -> impl Fn(&mut Draft) {
    move |draft| {
        draft.start_ms += by;
        draft.end_ms += by;
    }
}

/// What somebody does with Ann's item.
type Act = Box<dyn Fn(&Calendars, &ItemId)>;

type Step = (&'static str, Act);

fn edit(n: i64, what: impl Fn(&mut Draft) + 'static) -> Act {
    Box::new(move |calendars, id| calendars.modify_occurrence(ANN, id, day(n), |draft| what(draft)))
}

fn answer(n: i64, response: Response) -> Act {
    Box::new(move |calendars, id| {
        let uid = calendars.uid(ANN, id).expect("a UID");
        calendars.respond_occurrence(BOB, &uid, day(n), response);
    })
}

/// What happens to single occurrences, in turn.
fn of_occurrences() -> Vec<Step> {
    let delete = |n: i64| -> Act {
        Box::new(move |calendars, id| calendars.delete_occurrence(ANN, id, day(n)))
    };
    let rewrite = |draft: &mut Draft| {
        draft.subject = "Retrospective".into();
        draft.location = "Elsewhere".into();
        draft.body = "Bring cake".into();
        draft.body_html = false;
    };
    vec![
        ("another title and place", edit(2, rewrite)),
        ("an hour later", edit(3, shift(HOUR))),
        ("before the one before it", edit(5, shift(-25 * HOUR))),
        ("onto the next", edit(6, shift(DAY))),
        ("longer than a day", edit(7, |draft| draft.end_ms += 30 * HOUR)),
        ("out of the window, ahead", edit(30, shift(20 * DAY))),
        ("into the window, from ahead", edit(45, shift(-20 * DAY))),
        ("out of the window, back", edit(1, shift(-30 * DAY))),
        ("and back again", edit(1, shift(30 * DAY + HOUR))),
        ("across the last edge", edit(31, shift(14 * HOUR + 30 * MINUTE))),
        ("deleted", delete(8)),
        ("a changed one deleted", delete(2)),
        ("answered", answer(9, Response::Accept)),
        ("declined", answer(10, Response::Decline)),
        (
            "invited to alone",
            edit(12, |draft| {
                draft.attendees.push(Attendee::optional("cem@corp.example", "Cem"));
            }),
        ),
    ]
}

/// What happens to all of it, in turn.
fn of_the_whole() -> Vec<Step> {
    let update = |what: fn(&mut Draft)| -> Act {
        Box::new(move |calendars, id| calendars.update(ANN, id, what))
    };
    vec![
        ("a new title, but for one", update(|draft| draft.subject = "Sync".into())),
        (
            "at another time",
            update(|draft| {
                draft.start_ms += HOUR;
                draft.end_ms += 2 * HOUR;
            }),
        ),
        (
            "another pattern",
            update(|draft| {
                draft.recurrence = Some(Recurrence {
                    pattern: Pattern::Weekly {
                        interval: 1,
                        days: vec![Day::Tuesday, Day::Thursday],
                        first_day: Day::Monday,
                    },
                    end: End::After(6),
                });
            }),
        ),
        (
            "over sooner",
            update(|draft| {
                if let Some(recurrence) = &mut draft.recurrence {
                    recurrence.end = End::On(2026, 3, 12);
                }
            }),
        ),
        ("a single meeting", update(|draft| draft.recurrence = None)),
        (
            "a series again",
            update(|draft| {
                let pattern = Pattern::Daily { interval: 2 };
                draft.recurrence = Some(Recurrence { pattern, end: End::Never });
            }),
        ),
        ("called off", Box::new(|calendars, id| calendars.cancel(ANN, id))),
    ]
}

async fn play(steps: Vec<Step>) {
    let desk = Desk::new().await;
    let mut books = [desk.user("ann"), desk.user("bob"), desk.user("cem")];
    let draft = daily("Stand-up").invite(Attendee::required(BOB, "Bob"));
    let id = desk.calendars().create(ANN, draft);
    // Read at the end only, as after an outage, it is the same.
    let mut late = [desk.user("ann"), desk.user("bob"), desk.user("cem")];
    let at = MONDAY + 12 * HOUR;
    for book in books.iter_mut().chain(&mut late) {
        book.check(&desk, at, "the series").await;
    }
    assert!(books[1].records.len() > 30, "{}", books[1].records.len());
    for (what, step) in steps {
        step(desk.calendars(), &id);
        for book in &mut books {
            book.check(&desk, at, what).await;
        }
    }
    for book in &mut late {
        book.check(&desk, at, "all at once").await;
    }
}

#[tokio::test]
async fn an_occurrence_that_was_changed_moved_or_deleted_is_shown_so() {
    play(of_occurrences()).await;
}

#[tokio::test]
async fn a_series_that_changed_as_a_whole_is_shown_so() {
    play(of_the_whole()).await;
}

#[tokio::test]
async fn a_changed_occurrence_keeps_its_record_and_alone_is_sent() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let id = desk.calendars().create(ANN, daily("Stand-up"));
    let at = MONDAY + 12 * HOUR;
    ann.check(&desk, at, "the series").await;
    let (before, sent) = (ann.records.clone(), ann.sent);
    desk.calendars().modify_occurrence(ANN, &id, day(4), |draft| shift(2 * HOUR)(draft));
    ann.check(&desk, at, "moved").await;
    assert_eq!(ann.sent, sent + 1, "the others were not touched");
    let changed: Vec<_> =
        ann.records.iter().filter(|(key, record)| before.get(key) != Some(record)).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].1["start"], "2026-03-06T11:00:00Z");
    assert_eq!(before.len(), ann.records.len());
    desk.calendars().delete_occurrence(ANN, &id, day(4));
    ann.check(&desk, at, "deleted").await;
    assert_eq!((ann.sent, ann.records.len()), (sent + 2, before.len() - 1));
}

#[tokio::test]
async fn a_series_that_began_long_ago_and_never_ends_is_read_as_any() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let draft = |subject: &str| {
        let begin = MONDAY - 16 * 366 * DAY + 10 * HOUR;
        let draft = Draft::meeting(subject, begin, 30).zone("Romance Standard Time");
        draft.repeat(Pattern::Daily { interval: 1 }, End::Never)
    };
    let id = desk.calendars().create(ANN, draft("Since ever"));
    desk.calendars().create(ANN, draft("Too").invite(Attendee::required(BOB, "Bob")));
    ann.check(&desk, MONDAY, "at first").await;
    assert_eq!(ann.records.len(), 78);
    let before = ann.sent;
    // Each day one leaves the window and one comes.
    ann.check(&desk, MONDAY + DAY, "the next day").await;
    assert_eq!(ann.sent, before + 4);
    desk.calendars().delete(ANN, &id);
    ann.check(&desk, MONDAY + DAY, "deleted").await;
    assert_eq!(ann.records.len(), 39);
}

#[tokio::test]
async fn an_original_start_that_is_an_hour_off_leaves_nothing_twice() {
    let desk = Desk::new().await;
    let mut ann = desk.user("ann");
    let id = desk.calendars().create(ANN, daily("Stand-up").zone("Pacific Standard Time"));
    let at = MONDAY + 12 * HOUR;
    ann.check(&desk, at, "the series").await;
    desk.calendars().skew_original_starts(ANN, HOUR);
    for n in [2, 3] {
        desk.calendars().modify_occurrence(ANN, &id, day(n), |draft| shift(2 * HOUR)(draft));
        ann.check(&desk, at, "changed").await;
    }
    desk.calendars().skew_original_starts(ANN, -HOUR);
    desk.calendars().update(ANN, &id, |draft| draft.location = "Room 1".into());
    ann.check(&desk, at, "another skew").await;
    ann.check(&desk, at + DAY, "the next day").await;
    desk.calendars().skew_original_starts(ANN, 0);
    desk.calendars().delete_occurrence(ANN, &id, day(3));
    ann.check(&desk, at, "mended").await;
}
