//! What asks for something is filed once, and what nobody asks is not.

use super::*;
use crate::model::{MeetingKind, Sensitivity};
use crate::pipeline::errand::{Noticed, Part, open};
use crate::pipeline::keyword::{Keywords, Mark, Mode, OwnKeyword};
use crate::pipeline::record;
use crate::pipeline::samples::NOON;
use crate::pipeline::showing::Private;

const PUT: &str = "https://meet.example/1";

impl Played {
    fn noticed(&self) -> Vec<Noticed> {
        let all = self.commits.iter().flat_map(|commit| &commit.noticed);
        all.map(|(_, body)| open(body, &installation()).unwrap()).collect()
    }

    /// What is filed, by item.
    fn filed(&self) -> String {
        let noticed = self.noticed();
        noticed.iter().map(|one| one.item.0.to_string()).collect::<Vec<_>>().join(" ")
    }
}

fn at(place: &str, one: &Meeting) -> Meeting {
    Meeting { location: Plain::new(place), ..one.clone() }
}

fn again(one: &Meeting) -> Meeting {
    Meeting { version: format!("{}+", one.version).into(), ..one.clone() }
}

/// With the mark that was written for this record.
fn marked(one: &Meeting, record: RecordKey) -> Meeting {
    let mark = Mark {
        meeting: record,
        request: "r-1".into(),
        keyword: "webex".into(),
        mode: Mode::MyRoom,
        put: Plain::new(PUT),
        block: "b".into(),
        before: 0,
    };
    Meeting { mark: Some(mark.text()), ..one.clone() }
}

fn record_of(one: &Meeting) -> RecordKey {
    record::key(&installation(), &user(1), one)
}

fn series_of(one: &Meeting) -> RecordKey {
    installation().record_key(&user(1), &one.uid, None)
}

/// The first reading of these.
fn first(meetings: &[&Meeting]) -> (Played, Stored) {
    let played = play(fresh(), vec![page("c0", vec![]), view(meetings), found(meetings)]);
    assert_eq!(played.end, Some(Ok(false)), "{played:?}");
    let after = played.stored(fresh());
    (played, after)
}

/// One more, in which the feed names these.
fn next(before: &Stored, meetings: &[&Meeting]) -> (Played, Stored) {
    let named = meetings.iter().map(|one| upsert(&one.item.0)).collect();
    let played = play(before.clone(), vec![page("c1", named), found(meetings)]);
    assert_eq!(played.end, Some(Ok(false)), "{played:?}");
    let after = played.stored(before.clone());
    (played, after)
}

/// One more, in which the feed names the series and its occurrences are read anew.
fn series_changed(before: &Stored, meetings: &[&Meeting]) -> (Played, Stored) {
    let answers = vec![page("c1", vec![upsert("s")]), master("s"), view(meetings), found(meetings)];
    let played = play(before.clone(), answers);
    assert_eq!(played.end, Some(Ok(false)), "{played:?}");
    let after = played.stored(before.clone());
    (played, after)
}

#[test]
fn an_organiser_who_asks_is_heard_once() {
    let a = at("Room 5 @webex", &meeting("a", "a"));
    let (played, before) = first(&[&a, &meeting("b", "b")]);
    let start = a.start;
    let expected = Noticed {
        item: item("a"),
        record: record_of(&a),
        part: Part::Single,
        start,
        conference: false,
    };
    assert_eq!(played.noticed(), [expected]);
    let asks = |stored: &Stored| stored.index.iter().filter(|row| row.asked.is_some()).count();
    assert_eq!(asks(&before), 1);
    let (touched, before) = next(&before, &[&again(&a)]);
    assert_eq!((touched.filed().as_str(), asks(&before)), ("", 1), "a guest answered");
    let midnight = before.clone().but(|loaded| loaded.window = None);
    let listed = play(midnight, vec![page("c1", vec![]), view(&[&again(&a), &meeting("b", "b")])]);
    assert_eq!((listed.filed().as_str(), listed.end), ("", Some(Ok(false))));
    let with = Meeting { conference: Plain::new("https://other.example/1"), ..a };
    let (played, _) = first(&[&with]);
    assert!(played.noticed()[0].conference);
}

#[test]
fn whoever_does_not_ask_or_may_not_is_left_alone() {
    let a = meeting("a", "a");
    let other = marked(&a, RecordKey::new("another"));
    let strange = Meeting { mark: Some(Plain::new("{}")), ..a.clone() };
    for silent in [
        Meeting { mine: false, ..at("@webex", &a) },
        at("ann@webex.example", &a),
        Meeting { mine: false, ..marked(&a, record_of(&a)) },
        at(PUT, &marked(&a, record_of(&a))),
        // A copy of a decorated one, and a mark of a later version.
        other,
        strange,
    ] {
        let (played, after) = first(&[&silent]);
        assert_eq!(played.filed(), "", "{silent:?}");
        assert_eq!(after.index[0].asked, None);
    }
    let cancelled = Meeting { cancelled: true, ..at("@webex", &a) };
    let played = play(fresh(), vec![page("c0", vec![]), view(&[&cancelled]), found(&[&cancelled])]);
    assert_eq!((played.filed().as_str(), played.end), ("", Some(Ok(false))));
}

#[test]
fn whoever_asks_for_something_else_is_heard_again() {
    let a = at("@webex", &meeting("a", "a"));
    let (_, before) = first(&[&a]);
    let later = Meeting { end: a.end + Span::MINUTE, ..a.clone() };
    for other in [
        at("@webex:space", &a),
        at("@meet", &a),
        Meeting { subject: Plain::new("Other"), ..a.clone() },
        later,
        Meeting { item: item("moved"), ..a.clone() },
    ] {
        let (played, _) = next(&before, &[&again(&other)]);
        assert_eq!(played.noticed().len(), 1, "{:?}", other.location.reveal());
    }
    let own = OwnKeyword { name: "webex".into(), mode: Some("space".into()), enabled: None };
    let keywords = Keywords::new(&[own]).unwrap();
    let showing = Arc::new(Showing { keywords, ..Showing::default() });
    let changed = Stored { showing, ..before }.but(|loaded| loaded.window = None);
    let played = play(changed, vec![page("c1", vec![]), view(&[&a]), found(&[&a])]);
    assert_eq!(played.filed(), "a", "an administrator gave the keyword another meaning");
}

#[test]
fn what_we_wrote_ourselves_asks_for_nothing_and_what_is_taken_out_of_it_does() {
    let a = at("@webex", &meeting("a", "a"));
    let (_, before) = first(&[&a]);
    let ours = marked(&at(&format!("Room 5; {PUT}"), &a), record_of(&a));
    let (played, after) = next(&before, &[&again(&ours)]);
    assert_eq!((played.filed().as_str(), played.events().as_str()), ("", "update"));
    assert_eq!(after.index[0].asked, None);
    let (played, emptied) = next(&after, &[&again(&again(&at("Room 5", &ours)))]);
    assert_eq!(played.filed(), "a", "somebody took it out of the place");
    let (played, _) = next(&emptied, &[&at("Room 5", &ours)]);
    assert_eq!(played.filed(), "", "and was heard");
    let (played, _) = next(&after, &[&again(&again(&at("@webex", &ours)))]);
    assert_eq!(played.filed(), "a", "asks in the place of what was there");
    // As it was before: the same words, but asked anew.
    let (played, _) = next(&after, &[&again(&again(&a))]);
    assert_eq!(played.filed(), "a");
}

#[test]
fn a_series_asks_as_a_whole_and_once() {
    let occurrences: Vec<_> = (0..4).map(|n| at("@webex", &occurrence("s", n))).collect();
    let [a, b, c, d] = &occurrences[..] else { panic!() };
    let (played, before) = first(&[a, b, c]);
    let noticed = played.noticed();
    assert_eq!(noticed.len(), 1);
    assert_eq!((noticed[0].part, &noticed[0].record), (Part::Series, &series_of(a)));
    assert!(before.index.iter().all(|row| row.asked.is_some()));
    // At midnight one comes into the window and one leaves it.
    let midnight = before.clone().but(|loaded| loaded.window = None);
    let rolled = play(midnight.clone(), vec![page("c1", vec![]), view(&[b, c, d]), found(&[d])]);
    assert_eq!((rolled.filed().as_str(), rolled.events().as_str()), ("", "create delete"));
    let none_left = play(midnight, vec![page("c1", vec![]), view(&[d]), found(&[d])]);
    assert_eq!(none_left.filed(), "", "also where none of the old ones stays");
    let touched: Vec<_> = [a, b, c].into_iter().map(again).collect();
    let touched: Vec<_> = touched.iter().collect();
    let (played, before) = series_changed(&before, &touched);
    assert_eq!(played.filed(), "", "a guest answered");
    let ours: Vec<_> =
        touched.iter().map(|one| again(&marked(&at(PUT, one), series_of(one)))).collect();
    let (played, before) = series_changed(&before, &ours.iter().collect::<Vec<_>>());
    assert_eq!((played.filed().as_str(), played.events().as_str()), ("", "update update update"));
    let emptied: Vec<_> = ours.iter().map(|one| again(&at("Room 5", one))).collect();
    let (played, _) = series_changed(&before, &emptied.iter().collect::<Vec<_>>());
    assert_eq!(played.noticed().len(), 1, "taken out of all of them");
    let later = |one: &Meeting| Meeting {
        start: one.start + Span::HOUR,
        end: one.end + Span::HOUR,
        original_start: one.original_start.map(|start| start + Span::HOUR),
        ..again(&at("@webex", one))
    };
    let moved: Vec<_> = touched.iter().map(|one| later(one)).collect();
    let (played, _) = series_changed(&first(&[a, b, c]).1, &moved.iter().collect::<Vec<_>>());
    assert_eq!(played.noticed().len(), 1, "it asks for another time");
}

fn exception(one: &Meeting) -> Meeting {
    let start = one.start + Span::HOUR;
    Meeting { kind: MeetingKind::Exception, start, end: start + Span::HOUR, ..one.clone() }
}

#[test]
fn an_occurrence_changed_by_itself_waits_for_its_series_and_is_not_forgotten() {
    let regular = at("@webex", &occurrence("s", 1));
    let own = at("Room 7 @webex", &exception(&occurrence("s", 0)));
    for both in [[&own, &regular], [&regular, &own]] {
        let (played, before) = first(&both);
        let noticed = played.noticed();
        assert_eq!((noticed.len(), noticed[0].part), (1, Part::Series));
        let done = again(&marked(&at(PUT, &regular), series_of(&regular)));
        let both = if both[0].kind == MeetingKind::Exception {
            [again(&own), done]
        } else {
            // Nothing of it changed, not even its version.
            [done, own.clone()]
        };
        let (played, after) = series_changed(&before, &both.iter().collect::<Vec<_>>());
        let noticed = played.noticed();
        assert_eq!((noticed.len(), noticed[0].part), (1, Part::Exception));
        assert_eq!(noticed[0].record, record_of(&own));
        let (played, _) = next(&after, &[&again(&again(&own))]);
        assert_eq!(played.filed(), "", "once");
    }
    // Alone in the window: that its series asks, nobody sees. What was written into that is seen.
    let (played, before) = first(&[&own]);
    assert_eq!((played.noticed().len(), played.noticed()[0].part), (1, Part::Exception));
    let after = again(&marked(&own, series_of(&own)));
    let (played, before) = series_changed(&before, &[&after]);
    assert_eq!(played.noticed().len(), 1);
    assert_eq!(series_changed(&before, &[&again(&after)]).0.filed(), "");
    // Its series asks for nothing.
    let (played, _) = first(&[&own, &occurrence("s", 1)]);
    assert_eq!((played.noticed().len(), played.noticed()[0].part), (1, Part::Exception));
    // It asked before its series did, and asks after it.
    let (_, before) = first(&[&own, &occurrence("s", 1)]);
    let both = [again(&own), again(&again(&regular))];
    let (played, before) = series_changed(&before, &both.iter().collect::<Vec<_>>());
    assert_eq!((played.noticed().len(), played.noticed()[0].part), (1, Part::Series));
    let both = [again(&both[0]), again(&occurrence("s", 1))];
    let (played, _) = series_changed(&before, &both.iter().collect::<Vec<_>>());
    assert_eq!((played.noticed().len(), played.noticed()[0].part), (1, Part::Exception));
    // It lost what was written into its series, not into it.
    let moved = marked(&at("Room 7", &own), series_of(&own));
    assert_eq!(first(&[&moved, &occurrence("s", 1)]).0.filed(), "");
}

#[test]
fn what_waits_for_its_series_is_neither_lost_nor_in_the_way_where_much_is_read() {
    let many: Vec<_> = (0..300)
        .map(|n| {
            let place = if n < 120 { "Room 7 @webex" } else { "@webex" };
            let kind = if n < 120 { MeetingKind::Exception } else { MeetingKind::Occurrence };
            let (first, one) = (occurrence("s", 0), occurrence("s", n));
            // All of them in the window, at one time.
            at(place, &Meeting { kind, start: first.start, end: first.end, ..one })
        })
        .collect();
    let meetings: Vec<_> = many.iter().collect();
    let mut answers = vec![page("c0", vec![]), view(&meetings)];
    answers.extend(meetings.chunks(ITEMS_PER_ASK).map(found));
    let played = play(fresh(), answers);
    assert_eq!(played.end, Some(Ok(false)), "{}", played.said());
    assert_eq!(played.stored(fresh()).index.len(), 300);
    let commits: Vec<_> = played.commits.iter().map(|commit| commit.rows.len()).collect();
    assert!(commits.len() > 2 && commits.iter().all(|rows| *rows > 0), "{commits:?}");
    let (series, own): (Vec<_>, Vec<_>) =
        played.noticed().into_iter().partition(|one| one.part == Part::Series);
    assert_eq!(series.len(), 1);
    assert!((1..=70).contains(&own.len()), "{} were decided before their series", own.len());
}

#[test]
fn what_has_no_record_is_asked_for_all_the_same() {
    let secret = Meeting { sensitivity: Sensitivity::Private, ..at("@webex", &meeting("a", "a")) };
    let (played, times) = first(&[&secret]);
    assert_eq!((played.filed().as_str(), times.index.len()), ("a", 1));
    let nothing = Showing { private: Private::Nothing, ..Showing::default() };
    let empty = Stored { showing: Arc::new(nothing), ..fresh().into() };
    let answers = vec![page("c0", vec![]), view(&[&secret]), found(&[&secret])];
    let played = play(empty.clone(), answers);
    let after = played.stored(empty);
    assert_eq!((played.filed().as_str(), after.index.len()), ("a", 0));
    assert_eq!(played.events(), "complete", "the cloud is told nothing else of it");
    let ids = |played: &Played| played.commits.iter().flat_map(|c| c.noticed.clone()).next();
    let (again, _) = next(&after, &[&secret]);
    assert_eq!(ids(&again), ids(&played), "while it waits it is the same");
    let elsewhere = Meeting { start: NOON + Span::DAY.times(900), ..secret };
    let far = Meeting { end: elsewhere.start, ..elsewhere };
    assert_eq!(next(&after, &[&far]).0.filed(), "", "but what is outside the window is not");
}

#[test]
fn everything_sent_again_is_asked_for_again() {
    let a = at("@webex", &meeting("a", "a"));
    let (first, before) = first(&[&a]);
    let mut forgotten = before.but(|loaded| loaded.resend = true);
    forgotten.index.iter_mut().for_each(|row| row.asked = None);
    let played = play(forgotten, vec![page("c1", vec![]), view(&[&a]), found(&[&a])]);
    assert_eq!(played.commits[0].noticed, first.commits[0].noticed);
}
