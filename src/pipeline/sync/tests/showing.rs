//! What an administrator wants shown, and what becomes of records when that changes.

use super::*;
use crate::model::Sensitivity;
use crate::pipeline::showing::{Private, Untitled};

fn secret(name: &str) -> Meeting {
    Meeting { sensitivity: Sensitivity::Private, ..meeting(name, name) }
}

/// A mailbox that was read by such rules.
fn filled(showing: &Showing, meetings: &[&Meeting]) -> Stored {
    let empty = Stored { showing: Arc::new(showing.clone()), ..fresh().into() };
    let answers = vec![page("c0", vec![]), view(meetings), found(meetings)];
    let played = play(empty.clone(), answers);
    assert_eq!(played.end, Some(Ok(false)));
    played.stored(empty)
}

/// As the store does it where the rules were others before.
fn shown_as(before: Stored, showing: Showing) -> Stored {
    Stored { showing: Arc::new(showing), ..before }.but(|loaded| loaded.window = None)
}

#[test]
fn a_private_meeting_of_which_nothing_is_to_be_shown_has_no_record() {
    let (open, secret) = (meeting("a", "a"), secret("b"));
    let nothing = Showing { private: Private::Nothing, ..Showing::default() };
    let before = filled(&nothing, &[&open, &secret]);
    assert_eq!(before.index.len(), 1);
    let hidden = Meeting { sensitivity: Sensitivity::Private, version: "2".into(), ..open.clone() };
    let played = play(before, vec![page("c1", vec![upsert("a")]), found(&[&hidden])]);
    assert_eq!(played.events(), "delete", "it became private");
}

#[test]
fn other_rules_reach_what_was_sent_before_and_only_what_differs_is_sent() {
    let (open, secret) = (meeting("a", "a"), secret("b"));
    let all = [&open, &secret];
    let times = filled(&Showing::default(), &all);
    assert_eq!(times.index.len(), 2);
    let answers = || vec![page("c1", vec![]), view(&all), found(&all)];
    let full = Showing { private: Private::Full, ..Showing::default() };
    let more = play(shown_as(times.clone(), full.clone()), answers());
    assert_eq!(more.events(), "update", "the private one gets its words");
    let nothing = Showing { private: Private::Nothing, ..Showing::default() };
    let less = play(shown_as(times.clone(), nothing), answers());
    assert_eq!(less.events(), "delete");
    let same = play(shown_as(times, Showing::default()), vec![page("c1", vec![]), view(&all)]);
    assert_eq!((same.events().as_str(), same.end), ("", Some(Ok(false))), "not even read");
}

#[test]
fn a_title_for_those_without_one_reaches_what_was_sent_before() {
    let untitled = Meeting { subject: Plain::new(""), ..meeting("a", "a") };
    let before = filled(&Showing::default(), &[&untitled]);
    let text = Showing { untitled: Untitled::Text("Busy".into()), ..Showing::default() };
    let answers = vec![page("c1", vec![]), view(&[&untitled]), found(&[&untitled])];
    assert_eq!(play(shown_as(before, text), answers).events(), "update");
}
