//! Moves that nobody tells: subscriptions are dropped in silence while their streams go on with
//! their heartbeats. How soon each is noticed and healed, in virtual time.

use calway::model::{Span, Time, UserId};
use calway::pipeline::fleet::Note;

use super::town::{Seat, Town};

const NOTICED_WITHIN: Span = Span::MINUTE.times(10);
const HEALED_WITHIN: Span = Span::MINUTE.times(20);

/// How soon what rings is committed.
const RINGS_WITHIN: Span = Span::SECOND.times(2);

/// All of these are listened to, for so long that their streams are at different points.
fn listening(count: usize, set: impl FnOnce(&mut Town)) -> (Town, Vec<UserId>) {
    let mut town = Town::new(true);
    set(&mut town);
    let users: Vec<_> = (0..count).map(|n| town.activate(&format!("u{n:05}"), 0)).collect();
    town.run_until("all listen", |town| town.fleet.census().streaming == count);
    town.run(Span::MINUTE.times(3));
    (town, users)
}

/// The longest that it takes until that is so for all of them; it is looked for each second.
fn longest(
    town: &mut Town,
    users: &[UserId],
    within: Span,
    what: &str,
    when: impl Fn(&Town, &UserId) -> Option<Time>,
) -> Span {
    let then = town.now();
    loop {
        let times: Option<Vec<Time>> = users.iter().map(|user| when(town, user)).collect();
        if let Some(times) = times {
            let longest = times.iter().map(|time| time.since(then)).max().unwrap_or_default();
            assert!(longest <= within, "{what}: {longest}");
            return longest;
        }
        let waits = users.iter().filter(|user| when(town, user).is_none()).count();
        let (now, all) = (town.now(), users.len());
        assert!(now.since(then) <= within, "{what}: {waits} of {all} wait");
        town.run(Span::SECOND);
    }
}

fn committed_since(then: Time) -> impl Fn(&Town, &UserId) -> Option<Time> {
    move |town, user| {
        let own = |(at, of): &&(Time, UserId)| of == user && *at >= then;
        town.committed.iter().rev().take_while(|(at, _)| *at >= then).find(own).map(|(at, _)| *at)
    }
}

/// Somebody edits each of these calendars: it rings, and is committed.
fn all_ring(town: &mut Town, users: &[UserId]) {
    for user in users {
        let then = town.now();
        town.edit(user);
        longest(town, std::slice::from_ref(user), RINGS_WITHIN, "an edit", committed_since(then));
    }
}

/// Of so many, some move to another server at once. The old one passes on what it is asked, so that
/// nothing but the directory says so. When the last is noticed, and when it is heard there.
fn a_database_moves(count: usize, moving: usize) -> (Span, Span) {
    let (mut town, users) = listening(count, |town| town.proxies = true);
    let gone: Vec<_> = users.into_iter().step_by(count / moving).collect();
    let then = town.now();
    town.relocate(&gone, Seat::Second);
    town.counts.clear();
    let found = |town: &Town, user: &UserId| town.found.get(user).copied();
    let noticed = longest(&mut town, &gone, NOTICED_WITHIN, "noticed", found);
    let heard = |town: &Town, user: &UserId| {
        let since = town.found.get(user).copied()?;
        town.heard.get(user).copied().filter(|at| *at > since)
    };
    longest(&mut town, &gone, HEALED_WITHIN, "heard at the new place", heard);
    let healed = town.now().since(then);
    assert!(healed <= HEALED_WITHIN, "{healed}");
    assert!(town.most_open() <= 10, "{} requests at once at a server", town.most_open());
    let census = town.fleet.census();
    assert_eq!((census.streaming, census.failing), (count, 0));
    all_ring(&mut town, &gone[..20]);
    eprintln!("{moving} of {count}: noticed {noticed}, healed {healed}, {:?}", town.counts);
    (noticed, healed)
}

#[test]
fn a_database_that_moves_to_another_server_in_silence_is_heard_there() {
    a_database_moves(3_000, 300);
}

#[test]
fn a_database_of_two_thousand_among_fifty_thousand_is_heard_there() {
    a_database_moves(50_000, 2_000);
}

#[test]
fn a_subscription_dropped_in_silence_costs_minutes_and_not_hours() {
    // A move to another database of the same group: to the directory it is no move at all.
    let (mut town, users) = listening(1_000, Town::without_directory);
    let lost: Vec<_> = users.into_iter().step_by(7).collect();
    let then = town.now();
    town.counts.clear();
    town.lose(&lost);
    for user in &lost {
        town.edit(user);
    }
    longest(&mut town, &lost, NOTICED_WITHIN, "what nobody rang for", committed_since(then));
    assert_eq!(town.fleet.census().streaming, 1_000);
    assert_eq!(town.counts["Subscribe"], lost.len() as u64, "nobody else");
    all_ring(&mut town, &lost[..20]);
}

/// Five mailboxes leave for Microsoft 365, and nobody tells. When the operator knows the last.
fn they_leave(set: impl FnOnce(&mut Town), why: &str) {
    let (mut town, users) = listening(500, set);
    let gone: Vec<_> = users.into_iter().step_by(100).collect();
    town.relocate(&gone, Seat::Cloud);
    let named = |town: &Town, user: &UserId| {
        town.told.iter().find_map(|(at, note)| match note {
            Note::MailboxFailing(of, fault, _) if of == user && fault.cause.code == why => {
                Some(*at)
            }
            _ => None,
        })
    };
    longest(&mut town, &gone, NOTICED_WITHIN, why, named);
    assert_eq!(town.fleet.census().failing, 5);
}

#[test]
fn a_mailbox_that_left_for_microsoft_365_is_named_within_ten_minutes() {
    they_leave(|_| {}, "mailbox moved to Microsoft 365");
}

#[test]
fn without_a_directory_it_is_named_as_the_server_says_it() {
    they_leave(Town::without_directory, "ErrorNonExistentMailbox");
}
