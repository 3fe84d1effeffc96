//! Items that cannot be read for now, or ever, among others that can.

use super::*;

fn unreadable(name: &str, next: Next) -> Found {
    Found::Unreadable(item(name), Fault::new(next, "ErrorInternalServerError"))
}

fn some(found: Vec<Found>) -> Result<Got, Fault> {
    Ok(Got::Items(found))
}

fn whole(meeting: &Meeting) -> Found {
    Found::Meeting(Box::new(meeting.clone()))
}

const SOON: Next = Next::Retry { after: None };

#[test]
fn its_neighbours_are_committed_and_the_next_pass_asks_for_it_again() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let stored = holding(&[&b]);
    let edited = Meeting { location: Plain::new("Elsewhere"), version: "2".into(), ..b.clone() };
    let answers = vec![
        page("c1", vec![upsert("a"), upsert("b")]),
        some(vec![unreadable("a", SOON), whole(&edited)]),
        view(&[&a, &edited]),
    ];
    let first = play(stored.clone(), answers);
    assert_eq!(first.said(), "changes:c0, items a b, key, view, commit", "asked for once a page");
    assert_eq!((first.events().as_str(), first.ill), ("update", true));
    assert!(first.commits[0].cursor.is_some(), "what follows is read");
    let stored = first.stored(stored);
    // Nothing new, nor a window of another day: it is listed all the same, and as long as needed.
    let answers = vec![page("c2", vec![]), view(&[&a, &edited]), some(vec![unreadable("a", SOON)])];
    let second = play(stored.clone(), answers);
    assert_eq!((second.events().as_str(), second.ill), ("", true));
    let stored = second.stored(stored);
    let answers = vec![page("c3", vec![]), view(&[&a, &edited]), some(vec![whole(&a)])];
    let third = play(stored.clone(), answers);
    assert_eq!((third.events().as_str(), third.ill), ("create", false));
    let stored = third.stored(stored);
    assert_eq!(stored.loaded.window, Some(window()));
    let quiet = play(stored, vec![page("c4", vec![])]);
    assert_eq!(quiet.said(), "changes:c3");
}

#[test]
fn one_that_is_given_up_costs_nothing_until_the_next_listing() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let stored = holding(&[&a, &b]);
    let answers = vec![
        page("c1", vec![upsert("a")]),
        some(vec![unreadable("a", Next::Refused)]),
        view(&[&a, &b]),
    ];
    let played = play(stored.clone(), answers);
    assert_eq!((played.events().as_str(), played.ill), ("", false));
    let stored = played.stored(stored);
    assert_eq!((stored.index.len(), stored.loaded.window), (2, Some(window())), "it stays");
    assert_eq!(play(stored, vec![page("c2", vec![])]).said(), "changes:c1");
}

#[test]
fn what_cannot_be_sent_again_is_withdrawn_and_comes_back_when_it_can_be_read() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    for next in [SOON, Next::Refused] {
        let stored = holding(&[&a, &b]).but(|loaded| loaded.resend = true);
        let answers =
            vec![page("c1", vec![]), view(&[&a, &b]), some(vec![unreadable("a", next), whole(&b)])];
        let played = play(stored.clone(), answers);
        // The cloud forgets whatever is not sent again; so must the index.
        assert_eq!(played.events(), "update delete complete");
        let stored = played.stored(stored).but(|loaded| loaded.window = None);
        let answers = vec![page("c2", vec![]), view(&[&a, &b]), some(vec![whole(&a)])];
        assert_eq!(play(stored, answers).events(), "create");
    }
}
