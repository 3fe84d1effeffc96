//! Where meetings are placed that have no time yet.

use super::play::Play;
use super::tests::{create, filed, wish};
use super::*;
use crate::model::{
    BusyType, Engagement, Hours, Shift, Span, Wanted, When, Wish, WorkHours, WorkPeriod,
};
use crate::pipeline::samples::NOON;

/// At eleven.
fn early(wish: (Wish, Vec<Plain>)) -> Play {
    let mut play = Play::new(1, vec![filed(1, wish)]);
    play.clock.wall = Time::from_ms(NOON.as_ms() - 3_600_000);
    play
}

#[test]
fn a_meeting_is_placed_behind_what_is_in_its_way_and_stays_there() {
    let busy = |from: u64, to: u64, busy| {
        let at = |minutes| NOON + Span::MINUTE.times(minutes);
        Engagement { start: at(from), end: at(to), busy }
    };
    let place = |engagements: Vec<Engagement>, hours: u64| {
        let when = When::Between(NOON + Span::MINUTE, NOON + Span::HOUR.times(hours), Hours::Any);
        let mut play = early(create(when));
        play.mailbox.busy = engagements;
        let play = play.run(0);
        let minutes = |start: Time| start.since(NOON).as_ms() / 60_000;
        play.mailbox.made.first().map(|(_, start)| minutes(*start))
    };
    assert_eq!(place(vec![], 9), Some(15), "on a quarter of an hour");
    assert_eq!(place(vec![busy(0, 50, BusyType::Busy)], 9), Some(60));
    assert_eq!(place(vec![busy(0, 50, BusyType::Free)], 9), Some(15));
    assert_eq!(place(vec![busy(0, 50, BusyType::Elsewhere)], 9), Some(15));
    let gap = vec![busy(60, 90, BusyType::Away), busy(0, 40, BusyType::Tentative)];
    assert_eq!(place(gap, 9), Some(90), "fifteen minutes are too few");
    assert_eq!(place(vec![busy(0, 100, BusyType::Busy)], 2), None, "and none is made elsewhere");
}

#[test]
fn a_guest_who_is_never_seen_and_digits_that_say_nothing_keep_nobody_waiting() {
    let place = |change: fn(&mut Play)| {
        let when = When::Between(NOON, NOON + Span::HOUR.times(9), Hours::Any);
        let mut play = early(create(when));
        change(&mut play);
        play.run(0)
    };
    let start = |play: &Play| play.mailbox.made.first().map(|(_, start)| start.since(NOON));
    let guest = place(|play| play.mailbox.unseen = vec![1]);
    assert_eq!(start(&guest), Some(Span::default()), "a server elsewhere does not answer");
    assert!(guest.clock.wall.since(NOON) < Span::DAY, "and nobody waits a day for it");
    let own = place(|play| play.mailbox.unseen = vec![0]);
    assert_eq!(start(&own), None, "nothing is put where the organiser may be engaged");
    assert!(own.results()[0]["commandResult"]["reason"].as_str().unwrap().contains("given up"));
    let digits = place(|play| play.mailbox.digits = Some("4412440"));
    assert_eq!(start(&digits), Some(Span::default()), "4 is elsewhere, or nothing");
    let digits = place(|play| play.mailbox.digits = Some("4224440"));
    assert_eq!(start(&digits), Some(Span::MINUTE.times(45)));
}

#[test]
fn on_the_day_on_which_clocks_are_set_work_begins_at_eight() {
    let shift = |month, order, weekday, bias_minutes| {
        Some(Shift { bias_minutes, second: 7_200, month, order, weekday, year: None })
    };
    // To UTC+1 on the third Friday of January, which is that of NOON.
    let zone = Zone::new(0, shift(10, 5, 0, 0), shift(1, 3, 5, -60));
    let midnight = NOON.midnight();
    let when = When::Between(midnight, midnight + Span::DAY, Hours::Working);
    let mut play = Play::new(1, vec![filed(1, create(when))]);
    play.clock.wall = midnight;
    play.mailbox.hours = vec![Some(WorkHours::usual(zone))];
    let made = play.run(0).mailbox.made;
    assert_eq!(made[0].1, midnight + Span::HOUR.times(7));
}

#[test]
fn no_meeting_is_placed_into_what_is_over_when_its_turn_comes() {
    let when = || create(When::Between(NOON, NOON + Span::HOUR.times(9), Hours::Any));
    let mut play = Play::new(1, vec![filed(1, when())]);
    play.clock.wall = NOON + Span::MINUTE.times(170);
    let made = play.run(0).mailbox.made;
    assert_eq!(made[0].1, NOON + Span::HOUR.times(3));
    let mut play = Play::new(1, vec![filed(1, when())]);
    play.clock.wall = NOON + Span::HOUR.times(10);
    let play = play.run(0);
    assert_eq!(play.mailbox.made, []);
    assert_eq!(play.results()[0]["commandResult"]["outcome"], "failed");
}

#[test]
fn whoever_is_named_twice_is_invited_once_and_the_organiser_not_at_all() {
    let json = r#"{"attendees": [{"email": "ben@corp.example"}, {"email": "Ben@Corp.example",
        "type": "OPTIONAL"}, {"email": "ADA@corp.example"}, {"email": "cas@corp.example"}]}"#;
    let when = When::Between(NOON, NOON + Span::HOUR, Hours::Any);
    let mut play = early(wish(Wanted::Create { when, minutes: 30 }, &[json]));
    play.calm = true;
    let (mut seen, mut invited) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let outputs = play.desk.drain();
        for output in &outputs {
            match output {
                Output::Ask(_, _, Ask::FreeBusy(all, _)) => seen.push(all.len()),
                Output::Ask(_, _, Ask::Create(meeting, _)) => {
                    let all = meeting.invitees.iter();
                    invited.extend(all.map(|one| one.address.reveal().to_owned()));
                }
                _ => {}
            }
        }
        outputs.into_iter().for_each(|output| play.carry_out(output));
        play.step();
    }
    assert_eq!(seen, [3]);
    assert_eq!(invited, ["ben@corp.example", "cas@corp.example"]);
}

#[test]
fn at_working_hours_no_meeting_is_placed_into_a_night_or_a_weekend() {
    // NOON is that of a Friday, 13 o'clock in the zone of the mailbox.
    let place = |from: Time, days: u64| {
        let when = When::Between(from, from + Span::DAY.times(days), Hours::Working);
        let play = early(create(when)).run(0);
        play.mailbox.made.first().map(|(_, start)| start.since(NOON).as_ms() / 60_000)
    };
    assert_eq!(place(NOON, 1), Some(0));
    assert_eq!(place(NOON + Span::MINUTE.times(3 * 60 + 30), 1), Some(210), "until five exactly");
    let monday = 3 * 24 * 60 - 5 * 60;
    assert_eq!(place(NOON + Span::MINUTE.times(3 * 60 + 31), 4), Some(monday), "at eight o'clock");
    assert_eq!(place(NOON + Span::HOUR.times(5), 2), None, "that is the weekend alone");
}

#[test]
fn working_hours_are_those_of_the_people_who_are_to_come() {
    // NOON is that of a Friday, in UTC.
    let works = |days: [u8; 7], from: u16, to: u16, bias: i16| {
        let period = WorkPeriod { days: days.map(|on| on == 1), from: from * 60, to: to * 60 };
        Some(WorkHours { zone: Zone::fixed(bias), periods: vec![period] })
    };
    let place = |hours: Vec<Option<WorkHours>>| {
        let when = When::Between(NOON, NOON + Span::DAY.times(7), Hours::Working);
        let mut play = Play::new(1, vec![filed(1, create(when))]);
        play.mailbox.hours = hours;
        let play = play.run(0);
        play.mailbox.made.first().map(|(_, start)| start.since(NOON).as_ms() / 3_600_000)
    };
    let (week, sunday) = ([0, 1, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(place(vec![works(sunday, 9, 12, 0)]), Some(45), "Sunday at nine, as told");
    assert_eq!(place(vec![works(week, 14, 18, 120)]), Some(4), "two in the afternoon of UTC-2");
    let late = works(week, 15, 18, 0);
    assert_eq!(place(vec![works(week, 9, 17, 0), late.clone()]), Some(3), "when both work");
    assert_eq!(place(vec![None, late]), Some(3), "an organiser who tells nothing has the usual");
    // Nobody waits for hours that two never share.
    assert_eq!(place(vec![works(week, 13, 14, 0), works(week, 20, 22, 0)]), Some(1));
}
