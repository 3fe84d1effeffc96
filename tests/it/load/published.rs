//! The published figures: what is asked in a day, and for an edit, is what the page says.

use std::collections::BTreeMap;

use std::sync::Arc;

use calway::model::{Absence, Now, Span, Time, UserId};
use calway::pipeline::limits;
use calway::pipeline::presence::{self, Presences};
use calway::pipeline::seal::Installation;

use super::activate;
use super::town::Town;

const PAGE: &str = include_str!("../../../docs/reference/exchange-load.md");

/// Requests by operation.
type Counts = BTreeMap<&'static str, f64>;

/// Requests of one mailbox in a day.
fn a_day(streaming: bool, mailboxes: usize) -> Counts {
    let mut town = Town::new(streaming);
    for n in 0..mailboxes {
        town.activate(&format!("u{n:05}"), 0);
    }
    // The first reading is over.
    town.run(Span::DAY);
    town.counts.clear();
    town.run(Span::DAY);
    // Where no stream works, one mailbox of a group tries for all.
    let of_group = ["GetStreamingEvents", "Subscribe", "Unsubscribe"];
    let counts = town.counts.iter().filter(|(what, _)| streaming || !of_group.contains(what));
    counts.map(|(what, count)| (*what, *count as f64 / mailboxes as f64)).collect()
}

/// Requests for one mailbox with three meetings, until it was read and is listened to.
fn an_activation() -> Counts {
    let mut town = Town::new(true);
    activate(&mut town, 200);
    town.run_until("all listen", |town| town.fleet.census().streaming == 200);
    town.run(Span::MINUTE);
    assert_eq!(town.fleet.census().queued, 0);
    let each = |count: &u64| *count as f64 / 200.0;
    town.counts.iter().map(|(what, count)| (*what, each(count))).collect()
}

/// Requests for one new meeting that rings.
fn an_edit() -> Counts {
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
    let counts = town.counts.iter().filter(|(what, _)| **what != "GetUserSettings");
    counts.map(|(what, count)| (*what, *count as f64 / 100.0)).collect()
}

/// Questions for one user's out-of-office settings in a day.
fn absences() -> Counts {
    let installation = Arc::new(Installation::new(&[7; 32]).unwrap());
    let mut presences = Presences::new(installation, limits::PRESENCE, 1);
    let mut now = Now { mono: Time::from_ms(0), wall: Time::from_ms(1_800_000_000_000) };
    let (people, end) = (200, now.mono + Span::DAY);
    for n in 0..people {
        presences.handle(now, presence::Input::Added(UserId::new(format!("u{n}"))));
    }
    let mut asked = 0;
    while now.mono < end {
        for output in presences.drain() {
            if let presence::Output::Ask(ticket, _) = output {
                asked += 1;
                presences.handle(now, presence::Input::Seen(ticket, Ok(Absence::default())));
            }
        }
        let next = presences.wake_at().unwrap();
        let step = next.since(now.mono);
        now = Now { mono: next, wall: now.wall + step };
        presences.handle(now, presence::Input::Tick);
    }
    Counts::from([("GetUserOofSettings", f64::from(asked) / f64::from(people))])
}

fn rows(what: &str, counts: &Counts) -> Vec<String> {
    let row = |operation: &str, count| format!("| {what} | {operation} | {} |", shown(count));
    let mut rows: Vec<_> = counts.iter().map(|(operation, count)| row(operation, *count)).collect();
    let all: f64 = counts.values().sum();
    rows.push(format!("| {what} | **all** | **{}** |", shown(all)));
    rows
}

/// To one part in ten of what is small, and two digits or three of what is not.
fn shown(count: f64) -> String {
    match count {
        ..0.05 => format!("{count:.2}"),
        ..10.0 => format!("{count:.1}"),
        ..1_000.0 => format!("{count:.0}"),
        _ => format!("{:.0}", (count / 10.0).round() * 10.0),
    }
}

/// The rows of the page's tables that count requests.
fn published(page: &str) -> Vec<&str> {
    let mut counts = false;
    let mut rows = Vec::new();
    for line in page.lines() {
        match line {
            "| what | operation | requests |" => counts = true,
            line if !line.starts_with('|') => counts = false,
            line if counts && !line.starts_with("|---") => rows.push(line),
            _ => {}
        }
    }
    rows
}

#[test]
fn the_published_numbers_of_requests_are_true() {
    let listened = a_day(true, 200);
    let mut expected = rows("listened to, a day", &listened);
    expected.extend(rows("activated, once", &an_activation()));
    expected.extend(rows("a new meeting", &an_edit()));
    expected.extend(rows("out of office, a day", &absences()));
    expected.extend(rows("polled, a day", &a_day(false, 100)));
    let (mut said, mut true_ones) = (published(PAGE), expected.clone());
    said.sort_unstable();
    true_ones.sort_unstable();
    assert!(
        said == true_ones,
        "the tables of docs/reference/exchange-load.md should have these rows and no others:\n{}",
        expected.join("\n")
    );
    let a_second = listened.values().sum::<f64>() * 50_000.0 / 86_400.0;
    let words = format!("For 50,000 mailboxes that is {a_second:.0} requests a second");
    assert!(PAGE.contains(&words), "{words}");
}

#[test]
fn a_published_row_that_is_missing_or_is_no_longer_true_is_found() {
    let page =
        "x\n| what | operation | requests |\n|---|---|---|\n| a | b | 1.0 |\n\n| c | d | 2.0 |";
    assert_eq!(published(page), ["| a | b | 1.0 |"]);
    assert!(published(PAGE).len() > 12, "the page has its tables");
}
