//! Windows that hold more than is relayed, or than the server lists.

use super::*;
use crate::model::{Listing, Span};

/// So few are relayed here.
const MOST: usize = 20;

/// More than that, one every two minutes.
fn too_many() -> Vec<Meeting> {
    let at = |n: usize| window().from + Span::MINUTE.times(2 * n as u64);
    let one = |n: usize| {
        let name = format!("m{n}");
        Meeting { start: at(n), end: at(n) + Span::MINUTE, ..meeting(&name, &name) }
    };
    (0..MOST + 15).map(one).collect()
}

fn play_few(before: Stored, knowing: Shortfall, answers: Vec<Result<Got, Fault>>) -> Played {
    let tell = |pass: &mut Pass| {
        pass.most = MOST;
        pass.remember(knowing);
    };
    play_but(before, tell, answers)
}

#[test]
fn a_window_beyond_the_limit_is_cut_says_so_and_stays_cut() {
    let all = too_many();
    let refs: Vec<_> = all.iter().collect();
    // As if all of them had been relayed, by a release without the limit.
    let stored = holding(&refs).but(|loaded| loaded.window = None);
    assert_eq!(stored.index.len(), all.len());
    let answers = vec![page("c1", vec![]), view(&refs)];
    let played = play_few(stored.clone(), Shortfall::default(), answers);
    let from = all[MOST].start;
    assert_eq!(played.shortfall, Shortfall { from: Some(from), crowded: false });
    assert_eq!(played.events().split(' ').count(), 15, "the latest are withdrawn");
    let stored = played.stored(stored);
    assert_eq!(stored.index.len(), MOST);
    // Somebody edits one behind the cut, and one before it.
    let edit = |one: &Meeting| Meeting {
        location: Plain::new("Elsewhere"),
        version: "2".into(),
        ..one.clone()
    };
    let (near, far) = (edit(&all[7]), edit(&all[MOST + 7]));
    let told = || page("c2", vec![upsert(&near.item.0), upsert(&far.item.0)]);
    let answers = vec![told(), found(&[&near, &far])];
    let played = play_few(stored.clone(), played.shortfall, answers);
    assert_eq!(played.said(), "changes:c1, items m7 m27, key, commit", "no listing for it");
    assert_eq!(played.events(), "update", "and it is not shown until midnight, to vanish then");
    // After a restart nobody knows where the cut was: the window is listed.
    let mut now = refs.clone();
    (now[7], now[MOST + 7]) = (&near, &far);
    let answers = vec![told(), found(&[&near, &far]), view(&now)];
    let played = play_few(stored.clone(), Shortfall::default(), answers);
    assert_eq!((played.events().as_str(), played.end), ("update", Some(Ok(false))));
    assert_eq!(played.shortfall.from, Some(from));
    // Somebody clears up: fewer than would be too many are left.
    let answers = vec![page("c2", vec![delete("m0"), delete("unknown")]), view(&refs[18..])];
    let rest: Vec<_> = refs[MOST..].chunks(ITEMS_PER_ASK).map(found).collect();
    let answers = [answers, rest].concat();
    let played = play_few(stored.clone(), played.shortfall, answers);
    assert_eq!(played.shortfall, Shortfall::default());
    let after = played.stored(stored);
    assert_eq!((after.index.len(), after.loaded.window), (all.len() - 18, Some(window())));
}

fn part(meetings: &[&Meeting]) -> Result<Got, Fault> {
    let entries = meetings.iter().map(|meeting| entry(meeting)).collect();
    Ok(Got::View(Listing { entries, complete: false }))
}

#[test]
fn what_a_listing_in_part_lacks_is_not_withdrawn() {
    let (a, b, c) = (meeting("a", "a"), meeting("b", "b"), meeting("c", "c"));
    let stored = holding(&[&a, &b]).but(|loaded| loaded.window = None);
    let answers = vec![page("c1", vec![]), part(&[&a, &c]), found(&[&c])];
    let played = play(stored.clone(), answers);
    assert_eq!((played.events().as_str(), played.shortfall.crowded), ("create", true));
    let after = played.stored(stored);
    assert_eq!((after.index.len(), after.loaded.window), (3, Some(window())));
    // What the feed tells is believed, and does not list again and again.
    let edited = Meeting { location: Plain::new("Elsewhere"), version: "2".into(), ..b.clone() };
    let answers = vec![page("c2", vec![upsert("b"), delete("a")]), found(&[&edited])];
    let played = play_few(after, played.shortfall, answers);
    assert_eq!((played.events().as_str(), played.end), ("update delete", Some(Ok(false))));
    // Sent again, it would be forgotten by the cloud alone.
    let stored = holding(&[&a, &b]).but(|loaded| loaded.resend = true);
    let answers = vec![page("c1", vec![]), part(&[&a]), found(&[&a])];
    assert_eq!(play(stored, answers).events(), "update delete complete");
}
