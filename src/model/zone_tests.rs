//! Midnights, against a time zone database that others keep.

use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn shift(bias_minutes: i16, clock: &str, order: u8, month: u8, weekday: u8) -> Shift {
    let parts: Vec<u32> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    let second = parts[0] * 3600 + parts[1] * 60 + parts[2];
    Shift { bias_minutes, second, month, order, weekday, year: None }
}

fn zone(bias: i16, standard: Shift, daylight: Shift) -> Zone {
    Zone::new(bias, Some(standard), Some(daylight))
}

/// As Exchange tells them, with the name that the database has.
fn zones() -> Vec<(&'static str, Zone)> {
    let berlin = [shift(0, "03:00:00", 5, 10, 0), shift(-60, "02:00:00", 5, 3, 0)];
    let new_york = [shift(0, "02:00:00", 1, 11, 0), shift(-60, "02:00:00", 2, 3, 0)];
    let sydney = [shift(0, "03:00:00", 1, 4, 0), shift(-60, "02:00:00", 1, 10, 0)];
    let lord_howe = [shift(0, "02:00:00", 1, 4, 0), shift(-30, "02:00:00", 1, 10, 0)];
    // The clock is set at midnight, in spring from 00:00 to 01:00.
    let beirut = [shift(0, "00:00:00", 5, 10, 0), shift(-60, "00:00:00", 5, 3, 0)];
    // No daylight time, as Exchange writes it.
    let none = shift(0, "00:00:00", 0, 0, 0);
    vec![
        ("UTC", Zone::default()),
        ("Europe/Berlin", zone(-60, berlin[0], berlin[1])),
        ("America/New_York", zone(300, new_york[0], new_york[1])),
        ("Australia/Sydney", zone(-600, sydney[0], sydney[1])),
        ("Australia/Lord_Howe", zone(-630, lord_howe[0], lord_howe[1])),
        ("Asia/Beirut", zone(-120, beirut[0], beirut[1])),
        ("America/Sao_Paulo", zone(180, none, none)),
        ("Asia/Kathmandu", Zone::new(-345, None, None)),
    ]
}

/// The first instants of the day of this moment and of the next day.
fn days(name: &str, at: i64) -> (i64, i64) {
    let there = Timestamp::from_millisecond(at).unwrap().to_zoned(TimeZone::get(name).unwrap());
    let begin = there.start_of_day().unwrap();
    let next = there.tomorrow().unwrap().start_of_day().unwrap();
    (begin.timestamp().as_millisecond(), next.timestamp().as_millisecond())
}

fn utc(text: &str) -> Time {
    Time::from_ms(text.parse::<Timestamp>().unwrap().as_millisecond())
}

#[test]
fn the_days_of_thirty_years_are_those_of_the_database() {
    // Beirut kept its rule until 2022, and set its clock late in 2023; Sao Paulo has had no
    // daylight time since 2019.
    for (name, zone) in zones() {
        let (from, to) = match name {
            "America/Sao_Paulo" => (2020, 2037),
            "Asia/Beirut" => (2000, 2022),
            _ => (2009, 2037),
        };
        let there = TimeZone::get(name).unwrap();
        let mut day = date(from, 1, 1);
        while day < date(to, 12, 31) {
            let next = day.tomorrow().unwrap();
            let begin = |day: jiff::civil::Date| {
                let begin = day.to_zoned(there.clone()).unwrap();
                Time::from_ms(begin.timestamp().as_millisecond())
            };
            let (begin, end) = (begin(day), begin(next));
            assert_eq!(zone.midnight(begin), begin, "{name} {day}");
            assert_eq!(zone.midnight(end - Span::from_ms(1)), begin, "{name} {day}");
            assert_eq!(zone.next_midnight(begin), end, "{name} {day}");
            assert_eq!(zone.midnight_after(end, -1), begin, "{name} {day}");
            day = next;
        }
    }
}

#[test]
fn days_on_which_the_clock_is_set_have_23_and_25_hours() {
    let length = |name: &str, at: &str| {
        let (_, zone) = zones().into_iter().find(|(own, _)| *own == name).unwrap();
        let at = utc(at);
        zone.next_midnight(at).since(zone.midnight(at)).as_ms() / 1_800_000
    };
    assert_eq!(length("Europe/Berlin", "2026-03-29T12:00:00Z"), 46);
    assert_eq!(length("Europe/Berlin", "2026-10-25T12:00:00Z"), 50);
    assert_eq!(length("Australia/Lord_Howe", "2026-04-05T03:00:00Z"), 49);
    assert_eq!(length("Asia/Beirut", "2021-03-28T12:00:00Z"), 46);
    assert_eq!(length("Asia/Beirut", "2021-10-30T12:00:00Z"), 50);
    assert_eq!(length("America/Sao_Paulo", "2026-10-25T12:00:00Z"), 48);
}

#[test]
fn a_zone_whose_clock_goes_back_over_midnight_begins_its_day_once() {
    // St. John's of before 2011: at 00:01 back to 23:01.
    let zone = zone(210, shift(0, "00:01:00", 1, 11, 0), shift(-60, "00:01:00", 2, 3, 0));
    let begin = utc("2010-11-07T02:30:00Z");
    let mut at = begin - Span::HOUR;
    for _ in 0..240 {
        let expected = if at < begin { begin - Span::DAY } else { begin };
        assert_eq!(zone.midnight(at), expected, "{}", at.as_ms());
        assert!(zone.next_midnight(at) > at);
        at = at + Span::MINUTE;
    }
    assert_eq!(zone.next_midnight(begin).since(begin), Span::HOUR.times(25));
}

#[test]
fn the_last_second_of_a_day_means_its_end() {
    // As Windows writes Cairo: the last Friday of April, and the last Thursday of October.
    let standard = shift(0, "23:59:59", 5, 10, 4);
    let zone = zone(-120, standard, shift(-60, "00:00:00", 5, 4, 5));
    let begin = utc("2026-10-28T21:00:00Z");
    assert_eq!(zone.midnight(begin + Span::HOUR.times(24)), begin);
    assert_eq!(zone.next_midnight(begin), begin + Span::HOUR.times(25));
}

#[test]
fn rules_of_one_year_hold_in_it() {
    let one = |shift: Shift, month, order| Shift { month, order, year: Some(2026), ..shift };
    let zone = zone(
        -60,
        one(shift(0, "03:00:00", 0, 0, 0), 10, 25),
        one(shift(-60, "02:00:00", 0, 0, 0), 3, 29),
    );
    for (at, midnight) in [
        ("2025-07-01T12:00:00Z", "2025-06-30T23:00:00Z"),
        ("2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z"),
        ("2026-07-01T12:00:00Z", "2026-06-30T22:00:00Z"),
        ("2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z"),
        ("2027-07-01T12:00:00Z", "2027-06-30T23:00:00Z"),
    ] {
        assert_eq!(zone.midnight(utc(at)), utc(midnight), "{at}");
    }
}

#[test]
fn rules_that_cannot_happen_leave_the_bias() {
    let good = shift(-60, "02:00:00", 5, 3, 0);
    let fixed = Zone::fixed(-60);
    for bad in [
        Shift { month: 0, ..good },
        Shift { month: 13, ..good },
        Shift { order: 0, ..good },
        Shift { order: 6, ..good },
        Shift { order: 32, year: Some(2026), ..good },
        Shift { weekday: 7, ..good },
        Shift { second: 86_400, ..good },
        Shift { bias_minutes: i16::MIN + 1, ..good },
    ] {
        assert_eq!(zone(-60, good, bad), fixed, "{bad:?}");
        assert_eq!(zone(-60, bad, good), fixed, "{bad:?}");
    }
    assert_eq!(Zone::new(-60, None, Some(good)), fixed);
    assert_eq!(Zone::fixed(1440), Zone::default());
    assert_eq!(fixed.midnight(utc("2026-07-01T22:59:59Z")), utc("2026-06-30T23:00:00Z"));
}

fn any_shift() -> impl Strategy<Value = Shift> {
    let year = prop_oneof![Just(None), (1_i16..=3000).prop_map(Some)];
    (-180_i16..=180, 0_u32..86_400, 1_u8..=12, 1_u8..=5, 0_u8..7, year).prop_map(
        |(bias_minutes, second, month, order, weekday, year)| Shift {
            bias_minutes,
            second,
            month,
            order,
            weekday,
            year,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_moment_lies_in_the_day_that_the_database_says(
        at in 1_262_304_000_000_i64..2_145_000_000_000,
    ) {
        for (name, zone) in zones() {
            if matches!(name, "America/Sao_Paulo" | "Asia/Beirut") {
                continue;
            }
            let (begin, next) = days(name, at);
            let at = Time::from_ms(at);
            prop_assert_eq!(zone.midnight(at).as_ms(), begin, "{}", name);
            prop_assert_eq!(zone.next_midnight(at).as_ms(), next, "{}", name);
        }
    }

    #[test]
    fn whatever_the_rules_a_day_begins_before_it_ends(
        at in prop_oneof![0_i64..4_102_444_800_000, any::<i64>()],
        bias in any::<i16>(),
        shifts in (any_shift(), any_shift()),
        days in -800_i64..800,
    ) {
        let zone = zone(bias.clamp(-1500, 1500), shifts.0, shifts.1);
        let kept = Time::from_ms(at.clamp(-(1 << 53), 1 << 53));
        let at = Time::from_ms(at);
        let (midnight, next) = (zone.midnight(at), zone.next_midnight(at));
        prop_assert!(midnight <= kept && kept < next);
        prop_assert!(next.since(midnight) <= Span::HOUR.times(40));
        prop_assert!((zone.midnight_after(at, days) <= midnight) == (days <= 0));
    }
}

#[test]
fn a_year_in_the_database_begins_where_it_should() {
    // So that a database without its zones would not make the tests above say nothing.
    let berlin = date(2026, 7, 1).to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap();
    assert_eq!(berlin.timestamp() + 2.hours(), "2026-07-01T00:00:00Z".parse().unwrap());
}
