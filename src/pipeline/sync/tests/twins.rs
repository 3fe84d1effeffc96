//! Two items that make one record: one of them shows, always the same.

use super::*;

/// Two items of one UID; the first is the one that shows.
fn twins() -> (Meeting, Meeting) {
    let twin = |name: &str| Meeting { subject: Plain::new(name), ..meeting("twin", name) };
    let (a, b) = (twin("a"), twin("b"));
    let installation = installation();
    match installation.item_tag(&a.item) > installation.item_tag(&b.item) {
        true => (a, b),
        false => (b, a),
    }
}

fn deleted(one: &Meeting) -> Change {
    Change::Delete(one.item.clone())
}

fn changed(one: &Meeting) -> Change {
    Change::Upsert(one.item.clone())
}

/// The title of the only record.
fn shown(played: &Played) -> String {
    let mut events = played.commits.iter().flat_map(|commit| &commit.events);
    let last = events.rfind(|event| event.kind != EventKind::Complete).unwrap();
    let said = last.data.json();
    let title = ["a", "b"].into_iter().find(|name| said.contains(&format!("\"jwe:{name}\"")));
    title.unwrap_or(said).to_owned()
}

/// What is stored once both are there.
fn both() -> (Meeting, Meeting, Stored) {
    let (shows, waits) = twins();
    let rolled = holding(&[&shows]).but(|loaded| loaded.window = None);
    let answers = vec![page("c1", vec![]), view(&[&shows, &waits]), found(&[&waits])];
    let played = play(rolled.clone(), answers);
    assert_eq!((played.events().as_str(), played.end.clone()), ("", Some(Ok(false))));
    (shows, waits, played.stored(rolled))
}

#[test]
fn which_of_two_shows_does_not_depend_on_which_is_read_first() {
    let (shows, waits) = twins();
    for order in [[&shows, &waits], [&waits, &shows]] {
        let first = play(fresh(), vec![page("c0", vec![]), view(&order), found(&order)]);
        assert_eq!((first.end.clone(), first.commits[0].rows.len()), (Some(Ok(false)), 1));
        assert_eq!(shown(&first), shows.subject.reveal());
        let told: Vec<Change> = order.iter().map(|one| changed(one)).collect();
        let fed = play(holding(&[]), vec![page("c1", told), found(&order)]);
        assert_eq!(
            (shown(&fed).as_str(), fed.events().as_str()),
            (shows.subject.reveal(), "create")
        );
        // They come one after the other.
        let one = play(holding(&[]), vec![page("c1", vec![changed(order[0])]), found(&order[..1])]);
        let then = one.stored(holding(&[]));
        let two = play(then, vec![page("c2", vec![changed(order[1])]), found(&order[1..])]);
        let last = if two.events().is_empty() { &one } else { &two };
        assert_eq!(shown(last), shows.subject.reveal());
    }
}

#[test]
fn two_midnights_send_nothing() {
    let (shows, waits, mut stored) = both();
    for order in [[&shows, &waits], [&waits, &shows], [&shows, &waits]] {
        let rolled = stored.but(|loaded| loaded.window = None);
        let answers = vec![page("c2", vec![]), view(&order), found(&order)];
        let played = play(rolled.clone(), answers);
        assert_eq!((played.end.clone(), played.events().as_str()), (Some(Ok(false)), ""));
        stored = played.stored(rolled);
        assert_eq!(stored.index.len(), 1);
    }
}

#[test]
fn the_one_that_shows_is_deleted_and_the_other_takes_its_place() {
    let (_, waits, stored) = both();
    let (shows, _) = twins();
    let gone = [
        vec![page("c2", vec![deleted(&shows)])],
        // It is called off, or goes to another day.
        vec![
            page("c2", vec![changed(&shows)]),
            found(&[&Meeting { cancelled: true, version: "2".into(), ..shows.clone() }]),
        ],
        vec![
            page("c2", vec![changed(&shows)]),
            Ok(Got::Items(vec![Found::Missing(shows.item.clone())])),
        ],
    ];
    for mut answers in gone {
        answers.extend([view(&[&waits]), found(&[&waits])]);
        let played = play(stored.clone(), answers);
        assert_eq!((played.end.clone(), played.events().as_str()), (Some(Ok(false)), "update"));
        assert_eq!(shown(&played), waits.subject.reveal());
        // It is alone from then on: the next deletion needs no listing.
        let after = played.stored(stored.clone());
        let last = play(after, vec![page("c3", vec![deleted(&waits)])]);
        assert_eq!(last.said(), "changes:c1, commit".replace("c1", "c2"));
        assert_eq!(last.events(), "delete");
    }
}

#[test]
fn what_happens_to_the_one_behind_is_nobodys_business() {
    let (shows, waits, stored) = both();
    for change in [
        Meeting { version: "2".into(), location: Plain::new("Elsewhere"), ..waits.clone() },
        Meeting { version: "2".into(), cancelled: true, ..waits.clone() },
    ] {
        let played =
            play(stored.clone(), vec![page("c2", vec![changed(&waits)]), found(&[&change])]);
        assert_eq!((played.end.clone(), played.events().as_str()), (Some(Ok(false)), ""));
        let after = played.stored(stored.clone());
        assert_eq!(after.index.len(), 1);
        // And the other is still known to stand before it.
        let answers = vec![page("c3", vec![deleted(&shows)]), view(&[&waits]), found(&[&waits])];
        assert_eq!(play(after, answers).events(), "update");
    }
    // Deleted: no item of ours, so the window is listed, and shows what is known.
    let answers = vec![page("c2", vec![deleted(&waits)]), view(&[&shows]), found(&[&shows])];
    let played = play(stored.clone(), answers);
    assert_eq!((played.end.clone(), played.events().as_str()), (Some(Ok(false)), ""));
}

#[test]
fn everything_sent_again_is_one_record_as_well() {
    let (shows, waits, stored) = both();
    for order in [[&shows, &waits], [&waits, &shows]] {
        let again = stored.clone().but(|loaded| loaded.resend = true);
        let answers = vec![page("c2", vec![]), view(&order), found(&order)];
        let played = play(again, answers);
        assert_eq!(played.events(), "update complete");
        assert_eq!(shown(&played), shows.subject.reveal());
    }
    let again = stored.but(|loaded| loaded.resend = true);
    let told = vec![page("c2", vec![changed(&waits)]), found(&[&waits])];
    let listed = vec![view(&[&shows, &waits]), found(&[&shows, &waits])];
    let played = play(again, [told, listed].concat());
    assert_eq!((played.events().as_str(), played.end), ("update complete", Some(Ok(false))));
}

#[test]
fn an_item_that_got_another_id_is_no_twin_for_long() {
    let (a, b) = twins();
    for (old, new) in [(&a, &b), (&b, &a)] {
        // The new one is told a page before the old one's end.
        let before = holding(&[old]);
        let first = play(before.clone(), vec![page("c1", vec![changed(new)]), found(&[new])]);
        let between = first.stored(before);
        let answers = vec![page("c2", vec![deleted(old)]), view(&[new]), found(&[new])];
        let second = play(between.clone(), answers);
        assert_eq!(second.end, Some(Ok(false)), "{:?}", second.steps);
        assert_eq!(second.stored(between).index, holding(&[new]).index, "as if it always was");
    }
}

#[test]
fn a_single_meeting_beside_a_series_of_its_uid_leaves_it_alone() {
    let all: Vec<_> = (0..2).map(|n| occurrence("twin", n)).collect();
    let single = Meeting { version: "2".into(), ..meeting("twin", "single") };
    let stored = holding(&[&all[0], &all[1], &single]);
    let edited =
        Meeting { location: Plain::new("Elsewhere"), version: "3".into(), ..single.clone() };
    let everything = [&all[0], &all[1], &edited];
    let answers = vec![
        page("c1", vec![changed(&single)]),
        found(&[&edited]),
        view(&everything),
        found(&everything[..2]),
    ];
    let played = play(stored, answers);
    assert_eq!((played.events().as_str(), played.end), ("update", Some(Ok(false))));
}
