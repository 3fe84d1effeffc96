//! Which version of the protocol is asked for.

use calway_lab::exchange::{self, Draft, Exchange};

use super::desk::Desk;
use super::{HOUR, MONDAY};

const ANN: &str = "ann@corp.example";

fn refusals(exchange: &Exchange) -> usize {
    let entries = exchange.log().entries();
    entries.iter().filter(|entry| entry.code == "ErrorInvalidServerVersion").count()
}

async fn read_twice(desk: &Desk) {
    let mut ann = desk.user("ann");
    desk.calendars().create(ANN, Draft::meeting("One", MONDAY + HOUR, 30).at("Here"));
    ann.check(desk, MONDAY, "at first").await;
    desk.calendars().create(ANN, Draft::meeting("Two", MONDAY + HOUR, 30));
    ann.check(desk, MONDAY, "again").await;
    assert_eq!(ann.records.len(), 2);
}

#[tokio::test]
async fn what_a_server_reports_is_never_asked_for() {
    // It reports V2017_07_11 with each answer, and refuses it.
    let desk = Desk::new().await;
    read_twice(&desk).await;
    assert_eq!(refusals(&desk.exchange), 0);
}

#[tokio::test]
async fn an_old_server_is_asked_in_its_own_version_from_the_second_request_on() {
    let newest_version = Some("Exchange2010_SP2");
    let desk = Desk::with(exchange::Options { newest_version, ..Default::default() }).await;
    read_twice(&desk).await;
    assert_eq!(refusals(&desk.exchange), 1, "it is remembered");
    // What one server takes says nothing about another.
    let other = Desk::new().await;
    read_twice(&other).await;
    assert_eq!(refusals(&other.exchange), 0);
}
