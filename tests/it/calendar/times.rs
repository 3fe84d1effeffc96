//! Days and edges: whole days, clocks that are set, and the mailbox's own midnight.

use calway::calendar::Calendar;
use calway::model::{Doubt, Shift, Time, Zone};
use calway_lab::exchange::Draft;
use calway_lab::exchange::service::{End, Pattern};

use super::desk::Desk;
use super::{DAY, HOUR, MINUTE, MONDAY};

const BERLIN: &str = "W. Europe Standard Time";

fn rules(bias: i16, standard: (u32, u8, u8), daylight: (u32, u8, u8)) -> Zone {
    let shift = |bias_minutes, (hour, order, month): (u32, u8, u8)| Shift {
        bias_minutes,
        second: hour * 3600,
        month,
        order,
        weekday: 0,
        year: None,
    };
    Zone::new(bias, Some(shift(0, standard)), Some(shift(-60, daylight)))
}

fn berlin() -> Zone {
    rules(-60, (3, 5, 10), (2, 5, 3))
}

#[tokio::test]
async fn the_zone_of_a_mailbox_is_what_its_working_hours_say() {
    let desk = Desk::new().await;
    let zones = [
        ("a", BERLIN, berlin()),
        ("b", "Eastern Standard Time", rules(300, (2, 1, 11), (2, 2, 3))),
        ("c", "AUS Eastern Standard Time", rules(-600, (3, 1, 4), (2, 1, 10))),
        ("d", "Nepal Standard Time", Zone::fixed(-345)),
        ("e", "UTC", Zone::default()),
    ];
    let mut targets = Vec::new();
    for (name, id, _) in &zones {
        let book = desk.user(name);
        desk.calendars().set_zone(&book.address, id);
        targets.push(book.target.clone());
    }
    let homes = desk.ews.homes(&targets, Doubt::Moved).await;
    for (home, (_, id, zone)) in homes.into_iter().zip(zones) {
        assert_eq!(home.expect("a home").zone, Some(zone), "{id}");
    }
    assert_eq!(desk.exchange.log().count("GetUserAvailability"), 1, "one request for all");
}

#[tokio::test]
async fn the_window_rolls_at_the_midnight_of_the_mailbox() {
    let desk = Desk::new().await;
    let mut book = desk.user("ann");
    book.zone = berlin();
    let meet = |subject: &str, at: i64| {
        desk.calendars().create(&book.address, Draft::meeting(subject, at, 30));
    };
    // Monday in Berlin ends at 23:00 UTC, and the window with the 31st day after it.
    meet("ends with the first day", MONDAY - 7 * DAY + 22 * HOUR + 30 * MINUTE);
    meet("on the second day", MONDAY - 7 * DAY + 23 * HOUR);
    // By then summer has come.
    meet("ends the last day", MONDAY + 32 * DAY - 2 * HOUR - 30 * MINUTE);
    meet("begins the day after", MONDAY + 32 * DAY - 2 * HOUR);
    let last_second = MONDAY + 23 * HOUR - 1;
    book.check(&desk, last_second, "the last second of Monday").await;
    assert_eq!(book.titled("ends with the first day").len(), 1);
    assert_eq!(book.titled("begins the day after").len(), 0);
    book.check(&desk, last_second + 1, "Tuesday").await;
    assert_eq!(book.titled("ends with the first day").len(), 0);
    assert_eq!(book.titled("begins the day after").len(), 1);
    assert_eq!(book.records.len(), 3);
}

#[tokio::test]
async fn what_crosses_an_edge_of_the_window_is_in_it() {
    let desk = Desk::new().await;
    let mut book = desk.user("ann");
    let (from, to) = (MONDAY - 7 * DAY, MONDAY + 32 * DAY);
    let cases = [
        ("ends as it begins", from - HOUR, 60, false),
        ("crosses its begin", from - HOUR, 61, true),
        ("begins with it", from, 30, true),
        ("has no length, at its begin", from, 0, true),
        ("has no length, before it", from - MINUTE, 0, false),
        ("lasts longer than it", from - DAY, 41 * 24 * 60, true),
        ("ends with it", to - HOUR, 60, true),
        ("crosses its end", to - MINUTE, 600, true),
        ("begins as it ends", to, 30, false),
        ("has no length, at its end", to, 0, false),
    ];
    for (subject, start, minutes, _) in cases {
        desk.calendars().create(&book.address, Draft::meeting(subject, start, minutes));
    }
    // Three days long, one begins before the window.
    let draft = Draft::meeting("long ones", from - 30 * DAY, 3 * 24 * 60);
    let pattern = Pattern::Daily { interval: 4 };
    desk.calendars().create(&book.address, draft.repeat(pattern, End::Never));
    book.check(&desk, MONDAY + HOUR, "edges").await;
    for (subject, _, _, shown) in cases {
        assert_eq!(book.titled(subject).len(), usize::from(shown), "{subject}");
    }
    assert!(book.titled("long ones").len() >= 10);
}

#[tokio::test]
async fn whole_days_are_those_of_the_zone_they_were_made_in() {
    let desk = Desk::new().await;
    let mut book = desk.user("ann");
    // Its own zone is on the other side of the earth.
    book.zone = rules(-600, (3, 1, 4), (2, 1, 10));
    let cases = [
        ("in UTC", "UTC", 3, 1, "2026-03-05T00:00:00Z", 1440),
        ("in Berlin", BERLIN, 3, 1, "2026-03-04T23:00:00Z", 1440),
        ("in New York", "Eastern Standard Time", 3, 1, "2026-03-05T05:00:00Z", 1440),
        ("in Kathmandu, three days", "Nepal Standard Time", 3, 3, "2026-03-04T18:15:00Z", 4320),
        ("as summer comes", BERLIN, 27, 1, "2026-03-28T23:00:00Z", 1380),
        ("in summer", BERLIN, 28, 1, "2026-03-29T22:00:00Z", 1440),
        ("as summer ends", "AUS Eastern Standard Time", 33, 1, "2026-04-04T13:00:00Z", 1500),
    ];
    for (subject, zone, day, days, _, _) in cases {
        // Any time of that day: Exchange takes whole days.
        let draft = Draft::meeting(subject, MONDAY + day * DAY + 14 * HOUR, (days - 1) * 1440 + 60);
        let draft = Draft { all_day: true, ..draft }.zone(zone);
        desk.calendars().create(&book.address, draft);
    }
    let draft = Draft { all_day: true, ..Draft::meeting("each day", MONDAY + 25 * DAY, 60) };
    let draft = draft.zone(BERLIN).repeat(Pattern::Daily { interval: 1 }, End::After(5));
    desk.calendars().create(&book.address, draft);
    book.check(&desk, MONDAY + 8 * DAY, "whole days").await;
    for (subject, _, _, _, start, minutes) in cases {
        let record = book.only(subject);
        assert_eq!(record["start"], start, "{subject}");
        assert_eq!(record["durationMinutes"], minutes, "{subject}");
    }
    let mut minutes: Vec<_> =
        book.titled("each day").iter().filter_map(|one| one["durationMinutes"].as_i64()).collect();
    minutes.sort_unstable();
    assert_eq!(minutes, [1380, 1440, 1440, 1440, 1440], "the clock was set in one of them");
}

#[tokio::test]
async fn a_series_keeps_its_local_time_when_the_clock_is_set() {
    let desk = Desk::new().await;
    let mut book = desk.user("ann");
    let cases = [
        ("daily in Berlin", BERLIN, 9 * HOUR),
        ("in the hour that is skipped", BERLIN, HOUR + 30 * MINUTE),
        ("in the evening of New York", "Eastern Standard Time", 23 * HOUR),
        ("half an hour on Lord Howe", "Lord Howe Standard Time", 15 * HOUR),
        ("never in Kathmandu", "Nepal Standard Time", 4 * HOUR),
    ];
    for (subject, zone, of_day) in cases {
        let draft = Draft::meeting(subject, MONDAY - 20 * DAY + of_day, 90).zone(zone);
        let draft = draft.repeat(Pattern::Daily { interval: 1 }, End::Never);
        desk.calendars().create(&book.address, draft);
    }
    for at in [MONDAY, MONDAY + 27 * DAY, MONDAY + 34 * DAY, MONDAY + 237 * DAY] {
        book.check(&desk, at, &format!("{:?}", Time::from_ms(at))).await;
    }
    let starts: Vec<_> = book.titled("daily in Berlin");
    let hour = |hour: &str| starts.iter().any(|one| one["start"].as_str().unwrap().contains(hour));
    assert!(hour("T08:00") && hour("T09:00"), "October has both");
}
