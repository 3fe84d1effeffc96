//! What Exchange is asked, counted in virtual time: fairness, growth, and the published figures.

mod moves;
mod reset;
mod town;

use std::collections::BTreeMap;

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
        assert!(took < ANSWER.times(6), "{took}, and a request takes {ANSWER}");
        let queued = town.fleet.census().queued;
        assert!(queued > 8_000, "{queued} first readings wait behind it");
    }
    assert!(town.most_open <= 10, "{} requests at once", town.most_open);
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

// ---- the published figures ----

const DAY: Span = Span::DAY;

/// Requests of one mailbox in a day.
fn a_day(streaming: bool, mailboxes: usize) -> BTreeMap<&'static str, f64> {
    let mut town = Town::new(streaming);
    for n in 0..mailboxes {
        town.activate(&format!("u{n:05}"), 0);
    }
    // The first reading is over.
    town.run(DAY);
    town.counts.clear();
    town.run(DAY);
    // Where no stream works, one mailbox of a group tries for all; and a few do not fill a call.
    let of_group = ["GetStreamingEvents", "Subscribe", "Unsubscribe", "homes"];
    let counts = town.counts.iter().filter(|(what, _)| streaming || !of_group.contains(what));
    counts.map(|(what, count)| (*what, *count as f64 / mailboxes as f64)).collect()
}

/// Requests for one new meeting that rings.
fn an_edit() -> BTreeMap<&'static str, f64> {
    let mut town = Town::new(true);
    let users = activate(&mut town, 200);
    town.run_until("all listen", |town| town.fleet.census().streaming == 200);
    town.run(Span::MINUTE.times(3));
    town.counts.clear();
    for user in users.iter().take(100) {
        town.edit(user);
        town.run(Span::from_secs(2));
    }
    // A check of homes may fall into it.
    let counts = town.counts.iter().filter(|(what, _)| **what != "homes");
    counts.map(|(what, count)| (*what, *count as f64 / 100.0)).collect()
}

fn rows(what: &str, counts: &BTreeMap<&'static str, f64>) -> Vec<String> {
    let mut rows: Vec<_> = counts
        .iter()
        .map(|(operation, count)| {
            let count = shown(*count);
            format!("| {what} | {operation} | {count} |")
        })
        .collect();
    let all: f64 = counts.values().sum();
    rows.push(format!("| {what} | **all** | **{}** |", shown(all)));
    rows
}

/// To one part in ten of what is small, and two digits or three of what is not.
fn shown(count: f64) -> String {
    match count {
        ..10.0 => format!("{count:.1}"),
        ..1_000.0 => format!("{count:.0}"),
        _ => format!("{:.0}", (count / 10.0).round() * 10.0),
    }
}

#[test]
fn the_published_numbers_of_requests_are_true() {
    let page = include_str!("../../docs/reference/exchange-load.md");
    let mut expected = rows("listened to, a day", &a_day(true, 200));
    expected.extend(rows("polled, a day", &a_day(false, 10)));
    expected.extend(rows("a new meeting", &an_edit()));
    let missing: Vec<_> = expected.iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(
        missing.is_empty(),
        "docs/reference/exchange-load.md should say:\n{}",
        expected.join("\n")
    );
}
