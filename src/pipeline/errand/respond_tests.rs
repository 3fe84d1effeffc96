//! An invitation that is not where the cloud last saw it.

use super::*;
use crate::model::{
    Answer as Answered, Entry, Found, Listing, Meeting, MeetingKind, Notify, Plain,
};
use crate::pipeline::errand::play::invitation;
use crate::pipeline::limits::SOUGHT_ITEMS;
use crate::pipeline::samples::{NOON, installation, item, meeting, now, user};

const UID: &str = "040000008200E00074C5B7101A82E008";
const THEN: Time = NOON;

fn course(original: Option<Time>) -> Course {
    let id = installation().record_key(&user(1), &Plain::new(UID), original);
    let wanted = Respond {
        id,
        start: THEN,
        response: Response::Accepted,
        notify: Notify::All,
        comment: None,
    };
    Course::new(now(0), wanted, user(1), Stage::Accepted, installation())
}

fn entry(name: &str, uid: &str, start: Time, recurring: bool) -> Entry {
    let (item, uid, end) = (item(name), Plain::new(uid), start + Span::HOUR);
    Entry { item, version: "1".into(), uid, recurring, start, end }
}

fn occurrence(name: &str, original: Time, start: Time) -> Found {
    Found::Meeting(Box::new(Meeting {
        kind: MeetingKind::Exception,
        original_start: Some(original),
        start,
        end: start + Span::HOUR,
        ..meeting(UID, name)
    }))
}

fn view(course: &mut Course, entries: Vec<Entry>) -> Move {
    course.answered(now(0), Ok(Answer::View(Listing::from(entries))))
}

/// Begins, and finds nothing at the time that was named.
fn not_there(course: &mut Course) {
    let Move::Ask(Ask::View(from, to)) = course.go_on(now(0)) else { panic!() };
    assert_eq!((from, to), (THEN, THEN + Span::MINUTE));
    let other = vec![entry("other", "another", THEN, false)];
    let Move::Ask(Ask::Items(items)) = view(course, other) else { panic!() };
    let found = vec![Found::Meeting(Box::new(meeting("another", "other")))];
    assert_eq!(items, [item("other")]);
    let Move::Ask(Ask::View(from, to)) = course.answered(now(0), Ok(Answer::Items(found))) else {
        panic!("it is looked for around that time")
    };
    assert!(from + Span::DAY.times(30) < THEN && THEN + Span::DAY.times(30) < to);
}

/// It is read, answered, and told with the time that it has now.
fn is_answered(course: &mut Course, found: Move, name: &str, reach: Reach, start: Time) {
    let Move::Ask(Ask::Read(read, how)) = found else { panic!("{found:?}") };
    assert_eq!((read, how), (item(name), reach));
    let there = Invitation { item: item(name), start, ..invitation(Answered::None) };
    let noted = course.answered(now(0), Ok(Answer::Read(Some(Box::new(there)))));
    assert!(matches!(noted, Move::Stage(None)), "{noted:?}");
    let Move::Ask(Ask::Respond { invitation, .. }) = course.noted(now(0)) else { panic!() };
    assert_eq!(invitation.item, item(name));
    let told = match course.answered(now(0), Ok(Answer::Done)) {
        Move::End(Ending::Done(Some(_), told)) => told,
        other => panic!("{other:?}"),
    };
    assert_eq!(told, Some(if reach == Reach::Item { start } else { THEN }));
}

#[test]
fn a_meeting_that_was_moved_meanwhile_is_answered_where_it_is_now() {
    let mut course = course(None);
    not_there(&mut course);
    let later = THEN + Span::DAY.times(3);
    let all = vec![entry("x", "another", THEN, false), entry("a", UID, later, false)];
    let found = view(&mut course, all);
    is_answered(&mut course, found, "a", Reach::Item, later);
}

#[test]
fn a_series_is_found_by_any_of_its_occurrences() {
    let mut course = course(None);
    not_there(&mut course);
    let (before, after) = (THEN - Span::DAY.times(7), THEN + Span::DAY);
    let all = vec![entry("far", UID, before, true), entry("near", UID, after, true)];
    let found = view(&mut course, all);
    is_answered(&mut course, found, "near", Reach::Series, after);
}

#[test]
fn an_occurrence_that_was_moved_is_the_one_that_the_pattern_had_put_there() {
    let mut course = course(Some(THEN));
    not_there(&mut course);
    let day = |n: u64| THEN + Span::DAY.times(n);
    let all = vec![
        entry("single", "another", day(1), false),
        entry("next", UID, day(7), true),
        entry("moved", UID, day(2), true),
    ];
    let Move::Ask(Ask::Items(items)) = view(&mut course, all) else { panic!() };
    assert_eq!(items, [item("moved"), item("next")], "those of the series alone, nearest first");
    let read = vec![occurrence("moved", THEN, day(2)), occurrence("next", day(7), day(7))];
    let found = course.answered(now(0), Ok(Answer::Items(read)));
    is_answered(&mut course, found, "moved", Reach::Item, day(2));
}

#[test]
fn an_occurrence_that_had_been_moved_before_is_known_when_it_is_read() {
    let (pattern, later) = (THEN - Span::DAY, THEN + Span::HOUR.times(5));
    let mut course = course(Some(pattern));
    not_there(&mut course);
    let mut all: Vec<_> =
        (0..60).map(|n| entry(&format!("o{n}"), "z", THEN + Span::DAY, n % 2 == 0)).collect();
    all.push(entry("moved", UID, later, true));
    let Move::Ask(Ask::Items(items)) = view(&mut course, all) else { panic!() };
    assert_eq!((items.len(), &items[0]), (ITEMS_PER_ASK, &item("moved")));
    let read = vec![occurrence("moved", pattern, later)];
    let found = course.answered(now(0), Ok(Answer::Items(read)));
    is_answered(&mut course, found, "moved", Reach::Item, later);
}

#[test]
fn what_is_nowhere_around_is_refused_after_a_few_questions_and_the_reason_says_where_it_was_sought()
{
    let mut course = course(None);
    not_there(&mut course);
    let all = (0..500).map(|n| entry(&format!("o{n}"), "z", THEN + Span::DAY, true)).collect();
    let (mut next, mut read) = (view(&mut course, all), 0);
    while let Move::Ask(Ask::Items(items)) = next {
        read += items.len();
        next = course.answered(now(0), Ok(Answer::Items(Vec::new())));
    }
    assert_eq!(read, SOUGHT_ITEMS);
    let Move::End(Ending::Refused(why)) = next else { panic!("{next:?}") };
    assert!(why.contains("31 days") && SOUGHT == Span::DAY.times(31));
    let mut course = self::course(None);
    not_there(&mut course);
    assert!(matches!(view(&mut course, Vec::new()), Move::End(Ending::Refused(_))));
}
