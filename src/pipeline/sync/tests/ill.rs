//! Items that cannot be read for now, or ever, among others that can.

use super::*;
use crate::model::Listing;

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

/// Plays on, with what was left out before.
fn on(stored: &Stored, before: &Played, answers: Vec<Result<Got, Fault>>) -> Played {
    let skipped = before.skipped.clone();
    play_but(stored.clone(), |pass| pass.remember_skipped(skipped), answers)
}

#[test]
fn what_is_left_out_is_known_until_it_can_be_read_is_deleted_or_leaves_the_window() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let stored = holding(&[&a, &b]);
    let never = || unreadable("a", Next::Refused);
    let answers = vec![page("c1", vec![upsert("a")]), some(vec![never()]), view(&[&a, &b])];
    let first = play(stored.clone(), answers);
    let stored = first.stored(stored);
    let edited = Meeting { version: "2".into(), ..a.clone() };
    let known = BTreeSet::from([installation().item_tag(&a.item)]);
    assert_eq!(first.skipped, known);

    // A quiet reading, and one of somebody else's edit, tell nothing of it.
    let quiet = on(&stored, &first, vec![page("c2", vec![])]);
    let other = on(&stored, &quiet, vec![page("c2", vec![upsert("b")]), found(&[&b])]);
    assert_eq!((&quiet.skipped, &other.skipped), (&known, &known));
    assert_eq!(other.said(), "changes:c1, items b, key, commit", "and nothing is listed for it");
    // Nor does the next day's listing, as long as it cannot be read.
    let tomorrow = stored.clone().but(|loaded| loaded.window = None);
    let listed = |now: &[&Meeting], more: Vec<Result<Got, Fault>>| {
        let answers = vec![page("c2", vec![]), view(now)];
        on(&tomorrow, &first, [answers, more].concat())
    };
    let still = listed(&[&edited, &b], vec![some(vec![never()])]);
    assert_eq!((&still.skipped, still.end), (&known, Some(Ok(false))));

    let mended = on(&stored, &first, vec![page("c2", vec![upsert("a")]), found(&[&edited])]);
    assert_eq!(mended.said(), "changes:c1, items a, key, commit");
    let deleted = on(&stored, &first, vec![page("c2", vec![delete("a")])]);
    let read_again = listed(&[&edited, &b], vec![found(&[&edited])]);
    let outside = listed(&[&b], vec![]);
    for (how, ended) in
        [("mended", mended), ("deleted", deleted), ("read", read_again), ("outside", outside)]
    {
        assert_eq!((ended.skipped.len(), ended.end), (0, Some(Ok(false))), "{how}");
    }
    // A listing that shows a part of the window alone says nothing of what it does not show.
    let part = Ok(Got::View(Listing { entries: vec![entry(&b)], complete: false }));
    let part = on(&tomorrow, &first, vec![page("c2", vec![]), part]);
    assert_eq!((part.skipped, part.end), (known, Some(Ok(false))));
}
