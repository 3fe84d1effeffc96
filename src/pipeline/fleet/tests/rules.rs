//! Other rules, while everything goes on.

use super::*;

fn ruled(desk: &mut Desk, change: impl Fn(&mut Rules)) {
    let mut rules = desk.fleet.rules;
    change(&mut rules);
    desk.put(Input::Ruled(rules, Arc::default()));
}

#[test]
fn who_is_polled_hourly_does_not_wait_an_hour_for_shorter_rounds() {
    let mut desk = Desk::new(2, 2);
    ruled(&mut desk, |rules| rules.poll = Span::HOUR);
    desk.settle(1);
    desk.later(limits::GATHER);
    let _stream = desk.listened();
    for _ in 0..60 {
        desk.later(Span::SECOND);
        assert!(desk.until_asked().is_none(), "hourly");
    }
    ruled(&mut desk, |rules| rules.poll = Span::from_secs(5));
    desk.later(Span::from_secs(11));
    assert!(desk.until_asked().is_some());
}

#[test]
fn everybody_is_read_anew_behind_those_who_were_rung_for_and_streams_stay() {
    let mut desk = Desk::new(1, 1);
    desk.settle(4);
    let stream = desk.listen();
    ruled(&mut desk, |rules| rules.reach.future_days = 3);
    desk.put(Input::ReadAnew);
    desk.put(Input::Hint(stream, Hint::Changed(user(3))));
    let (ticket, first) = desk.until_asked().unwrap();
    assert_eq!(first, user(0), "it had begun");
    desk.put(Input::Got(ticket, Err(Fault::retry("x"))));
    assert_eq!(desk.until_asked().unwrap().1, user(3), "live");
    assert!(!desk.wants.iter().any(|want| matches!(want, Output::Hush(_) | Output::Leave(..))));
    assert_eq!(desk.fleet.heard, 4);
}

#[test]
fn a_pass_that_began_before_is_followed_by_one_with_the_new_window() {
    let mut desk = Desk::new(1, 1);
    desk.settle(1);
    desk.listen();
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().unwrap();
    ruled(&mut desk, |rules| rules.reach.future_days = 3);
    desk.put(Input::ReadAnew);
    desk.put(Input::Got(ticket, nothing_new()));
    let (ticket, _) = desk.load().expect("once more");
    desk.put(Input::Loaded(ticket, Ok(Some(known()))));
    let (ticket, _) = desk.asked().unwrap();
    desk.put(Input::Got(ticket, nothing_new()));
    let listed = desk.take(|want| match want {
        Output::Ask(_, _, Ask::View(window)) => Some(*window),
        _ => None,
    });
    let days = listed.map(|window| window.to.since(window.from).as_ms() / Span::DAY.as_ms());
    assert_eq!(days, Some(7 + 1 + 3), "{listed:?}");
}
