//! An item that another UID or another record comes to: one item is one record.

use super::*;

/// The item of `a` says another UID.
fn renamed(a: &Meeting) -> Meeting {
    Meeting { uid: Plain::new("stamped"), version: "2".into(), ..a.clone() }
}

#[test]
fn a_meeting_that_gets_another_uid_is_not_there_twice() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let stamped = renamed(&a);
    let played = play(holding(&[&a, &b]), vec![page("c1", vec![upsert("a")]), found(&[&stamped])]);
    assert_eq!(played.events(), "create delete");
    let after = played.stored(holding(&[&a, &b]));
    assert_eq!(after.index.len(), 2, "one each");
    let again = play(after, vec![page("c2", vec![delete("a")])]);
    assert_eq!(again.events(), "delete", "and it can be withdrawn");
}

#[test]
fn nor_where_it_is_read_with_the_whole_window() {
    let a = meeting("a", "a");
    let stamped = renamed(&a);
    let rolled = holding(&[&a]).but(|loaded| loaded.window = None);
    let played = play(rolled, vec![page("c1", vec![]), view(&[&stamped]), found(&[&stamped])]);
    assert_eq!(played.events(), "create delete");
    assert_eq!(played.stored(holding(&[&a])).index.len(), 1);
}

#[test]
fn an_item_that_is_there_twice_already_is_mended_by_the_next_listing() {
    let a = meeting("a", "a");
    let stamped = renamed(&a);
    for (old, new) in [(&a, &stamped), (&stamped, &a)] {
        let mut twice = holding(&[old]);
        twice.index.extend(holding(&[new]).index);
        twice.loaded.window = None;
        let answers = vec![page("c1", vec![]), view(&[&stamped]), found(&[&stamped])];
        let played = play(twice.clone(), answers);
        assert_eq!(played.events(), "delete");
        let left = played.stored(twice).index;
        assert_eq!(left, holding(&[&stamped]).index);
    }
}

#[test]
fn an_occurrence_takes_nothing_from_the_others_of_its_series() {
    let all: Vec<_> = (0..3).map(|n| occurrence("s", n)).collect();
    let refs: Vec<_> = all.iter().collect();
    let moved = Meeting { subject: Plain::new("Other"), version: "2".into(), ..all[1].clone() };
    let changes = vec![Change::Upsert(moved.item.clone())];
    let played = play(holding(&refs), vec![page("c1", changes), found(&[&moved])]);
    assert_eq!(played.events(), "update");
}

#[test]
fn meetings_that_swap_their_items_both_stay() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let to = |meeting: &Meeting, name: &str| Meeting {
        item: item(name),
        version: "2".into(),
        ..meeting.clone()
    };
    let (a2, b2) = (to(&a, "b"), to(&b, "a"));
    for pair in [[&a2, &b2], [&b2, &a2]] {
        let changes = vec![upsert("a"), upsert("b")];
        // Where the first looks like a twin of the other, the listing clears it up.
        let mut answers = vec![page("c1", changes), found(&pair)];
        let both = [&a2, &b2];
        let mut played = play(holding(&[&a, &b]), answers.clone());
        for again in [&both[..], &both[..1], &both[1..]] {
            if played.end.is_none() {
                answers.truncate(2);
                answers.extend([view(&both), found(again)]);
                played = play(holding(&[&a, &b]), answers.clone());
            }
        }
        assert_eq!(played.end, Some(Ok(false)), "{:?}", played.steps);
        let after = played.stored(holding(&[&a, &b]));
        assert_eq!((played.events().as_str(), after.index.len()), ("", 2));
    }
}

#[test]
fn ids_of_items_are_asked_for_once_and_in_batches() {
    let names: Vec<String> = (0..90).map(|n| format!("m{n}")).collect();
    let all: Vec<Meeting> = names.iter().map(|name| meeting(name, name)).collect();
    let mut changes: Vec<Change> = names.iter().map(|name| upsert(name)).collect();
    changes.extend(names.iter().map(|name| upsert(name)));
    let mut answers = vec![page("c1", changes)];
    for chunk in all.chunks(ITEMS_PER_ASK) {
        answers.push(found(&chunk.iter().collect::<Vec<_>>()));
    }
    let played = play(holding(&[]), answers);
    let asked: Vec<usize> = played
        .steps
        .iter()
        .filter(|step| step.starts_with("items"))
        .map(|step| step.split(' ').count() - 1)
        .collect();
    assert_eq!(asked, [40, 40, 10]);
    let _: &ItemId = &all[0].item;
}
