//! A group whose stream goes wrong: what is kept, and when it is given up.

use super::*;

#[test]
fn an_overwhelmed_server_has_its_rest_and_costs_no_subscription() {
    let busy = |after| Fault::new(Next::BackOff { after }, "HTTP 503");
    for (asked, rest) in [(None, 1_000), (Some(Span::from_secs(9)), 9_000)] {
        let mut group = streaming(2);
        assert_eq!(on(&mut group, at(1), Input::Broke(busy(asked))), [Output::Close]);
        let until = at(1) + Span::from_ms(rest);
        assert_eq!(group.deadline(), until);
        assert_eq!(on(&mut group, until, Input::Tick), [open(&["s0", "s1"])]);
        assert_eq!(on(&mut group, until, opened()), ["u0", "u1"].map(listening));
    }
    // Groups do not all come back at the same moment.
    let mut group = streaming(1).rolling(Span::from_ms(LIFE.as_ms() + 500));
    on(&mut group, at(1), Input::Broke(busy(Some(Span::from_secs(8)))));
    assert_eq!(group.deadline(), at(10));
    // Not again and again, and not for so long that nobody would hear of the mailboxes.
    let mut group = streaming(1);
    for _ in 0..4 {
        assert_eq!(on(&mut group, at(1), Input::Broke(busy(None))), [Output::Close]);
        on(&mut group, at(2), Input::Tick);
    }
    let end = [Output::Close, Output::End(ListenEnd::Failed(busy(None)))];
    assert_eq!(on(&mut group, at(2), Input::Broke(busy(None))), end);
    let long = busy(Some(Span::HOUR));
    let end = [Output::Close, Output::End(ListenEnd::Failed(long.clone()))];
    assert_eq!(on(&mut streaming(1), at(1), Input::Broke(long)), end);
}

#[test]
fn a_stream_that_ends_every_minute_is_given_up() {
    let mut group = streaming(1);
    let mut now = START;
    for _ in 0..4 {
        now = now + Span::MINUTE;
        on(&mut group, now, Input::Events(vec![StreamEvent::Heartbeat, StreamEvent::Closed]));
        now = now.max(group.deadline().min(now + Span::SECOND.times(10)));
        on(&mut group, now, Input::Tick);
        on(&mut group, now, opened());
    }
    now = now + Span::MINUTE;
    let told = vec![StreamEvent::Heartbeat, StreamEvent::Closed];
    let next = on(&mut group, now, Input::Events(told));
    assert_eq!(next, [Output::Close, Output::GiveBack { member: 0, id: "s0".into() }]);
}

#[test]
fn a_refusal_of_nobody_by_name_does_not_burn_through_all() {
    let denied = exchange("ErrorAccessDenied");
    let mut group = streaming(9);
    for led in 0..4 {
        let next = on(&mut group, at(1), Input::Broke(denied.clone()));
        assert_eq!(next[1], told_refused(&format!("u{led}"), &denied));
        assert!(matches!(next.last(), Some(Output::Open(_))), "{next:?}");
        on(&mut group, at(1), Input::GivenBack);
        on(&mut group, at(1), opened());
    }
    let next = on(&mut group, at(1), Input::Broke(denied));
    assert!(!next.iter().any(|one| matches!(one, Output::Tell(_) | Output::Open(_))), "{next:?}");
    assert_eq!(next.len(), 5, "four at once are given back: {next:?}");
}
