//! What Exchange is asked, counted in virtual time: fairness, growth, and the published figures.

mod moves;
mod published;
mod reset;
mod town;

use calway::model::{Span, UserId};

use self::town::{ANSWER, Town};

fn activate(town: &mut Town, count: usize) -> Vec<UserId> {
    (0..count).map(|n| town.activate(&format!("u{n:05}"), 3)).collect()
}

#[test]
fn promise_4_a_first_synchronisation_of_ten_thousand_mailboxes_does_not_delay_a_live_edit() {
    let mut town = Town::new(true);
    let live = town.activate("live", 3);
    town.run_until("it is listened to", |town| town.fleet.census().streaming == 1);
    town.run(Span::MINUTE);
    activate(&mut town, 10_000);
    town.run(Span::SECOND.times(5));
    for _ in 0..20 {
        town.run(Span::from_ms(730));
        let began = town.now();
        town.edit(&live);
        let is_there =
            |town: &Town| town.committed.iter().any(|(at, user)| *at >= began && *user == live);
        town.run_until("it is committed", is_there);
        let took = town.now().since(began);
        assert!(took < ANSWER.times(4), "{took}, and a request takes {ANSWER}");
        let queued = town.fleet.census().queued;
        assert!(queued > 8_000, "{queued} first readings wait behind it");
    }
    assert_eq!(town.most_open(), 10, "requests of every kind at once");
    for what in ["Subscribe", "GetStreamingEvents", "GetUserSettings", "GetUserAvailability"] {
        assert!(town.counts[what] > 0, "{what} was among them");
    }
}

#[test]
fn tens_of_thousands_are_subscribed_in_minutes_and_not_in_hours() {
    let mut town = Town::new(true);
    activate(&mut town, 10_000);
    let began = town.now();
    town.run_until("all are listened to", |town| town.fleet.census().streaming == 10_000);
    let took = town.now().since(began);
    assert!(took < Span::MINUTE.times(5), "{took} for 10,000, so five times that for 50,000");
    assert!(town.streams() <= 52, "{} streams", town.streams());
    assert_eq!(town.counts["Subscribe"], 10_000, "each once");
}

#[test]
fn mailboxes_activated_one_by_one_do_not_end_in_thousands_of_streams() {
    let mut town = Town::new(true);
    let mut most = 0;
    for n in 0..1_000 {
        town.activate(&format!("u{n:05}"), 1);
        town.run(Span::from_secs(7));
        most = most.max(town.streams());
    }
    assert!(most <= 20, "{most} streams at once");
    town.run(Span::HOUR);
    assert!((5..=8).contains(&town.streams()), "{} streams at last", town.streams());
    let census = town.fleet.census();
    assert_eq!((census.streaming, census.polling), (1_000, 0));
}

#[test]
fn where_no_stream_works_everybody_is_polled_and_the_connector_serves() {
    let mut town = Town::new(false);
    let users = activate(&mut town, 300);
    town.run_until("it serves", |town| town.fleet.serving());
    town.run(Span::MINUTE.times(5));
    let opened = town.counts["GetStreamingEvents"];
    assert!(opened < 32, "{opened} streams tried");
    let began = town.now();
    town.edit(&users[7]);
    town.run(Span::from_secs(90));
    assert!(town.committed.iter().any(|(at, user)| *at > began && *user == users[7]));
    town.counts.clear();
    town.run(Span::HOUR);
    let subscribed = town.counts["Subscribe"];
    assert!(subscribed <= 6, "one tries for all, now and then: {subscribed} in an hour");
}
