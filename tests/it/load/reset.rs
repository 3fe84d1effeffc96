//! All connections to Exchange end at once. (`benches/scale.sh` does it to 50,000.)

use calway::model::Span;

use super::activate;
use super::town::{ANSWER, Town};

#[test]
fn where_all_connections_end_at_once_no_subscription_is_lost_and_an_edit_does_not_wait() {
    let mut town = Town::new(true);
    let users = activate(&mut town, 10_000);
    town.run_until("all are listened to", |town| town.fleet.census().streaming == users.len());
    assert!(town.streams() <= 52, "{} streams", town.streams());
    let subscribed = town.counts["Subscribe"];
    assert_eq!(subscribed, 10_000, "each once");
    town.run(Span::MINUTE.times(3));
    town.drop_streams();
    // Each has a gap now, and is read for it; who edits something goes before them.
    town.run(Span::from_secs(3));
    let (began, before, user) = (town.now(), town.committed.len(), &users[9_321]);
    town.edit(user);
    town.run_until("it is committed", |town| {
        town.committed[before..].iter().any(|(_, whose)| whose == user)
    });
    let took = town.now().since(began);
    assert!(took < ANSWER.times(4), "{took} for an edit, and a request takes {ANSWER}");
    let waits = |town: &Town| town.fleet.census().queued;
    assert!(waits(&town) > 4_000, "the others wait behind it: {}", waits(&town));
    town.run_until("nobody waits", |town| waits(town) == 0);
    assert_eq!(town.fleet.census().streaming, users.len());
    assert_eq!(town.counts["Subscribe"], subscribed, "the subscriptions outlived their streams");
}
