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
fn a_rest_that_somebody_else_was_told_of_costs_no_subscription() {
    let mut group = streaming(2);
    let mut now = at(1);
    let cut = Input::Broke(Fault::retry("connection reset"));
    assert_eq!(on(&mut group, now, cut), [Output::Close, open(&["s0", "s1"])]);
    // However often it comes, and although it takes longer than a silence.
    for _ in 0..10 {
        assert_eq!(on(&mut group, now, Input::Rests(Span::MINUTE.times(2))), []);
        now = now + Span::MINUTE.times(2);
        assert_eq!(group.deadline(), now);
        assert_eq!(on(&mut group, now, Input::Tick), [open(&["s0", "s1"])]);
    }
    assert_eq!(on(&mut group, now, opened()), ["u0", "u1"].map(listening));
    // Who would not be heard of for so long is polled.
    let mut group = streaming(1);
    on(&mut group, at(1), Input::Broke(Fault::retry("connection reset")));
    let next = on(&mut group, at(1), Input::Rests(Span::HOUR));
    let [Output::Close, Output::End(ListenEnd::Failed(fault))] = next.as_slice() else {
        panic!("{next:?}")
    };
    assert_eq!(fault.next, Next::BackOff { after: Some(Span::HOUR) });
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
    let mut now = at(1);
    for led in 0..4 {
        let next = on(&mut group, now, Input::Broke(denied.clone()));
        assert_eq!(next[1], told_refused(&format!("u{led}"), &denied));
        let mut next = [next, on(&mut group, now, Input::GivenBack)].concat();
        if !next.iter().any(|one| matches!(one, Output::Open(_))) {
            assert!(group.deadline() <= now + Span::from_secs(8), "the others are heard soon");
            now = group.deadline();
            next = on(&mut group, now, Input::Tick);
        }
        assert!(next.iter().any(|one| matches!(one, Output::Open(_))), "{next:?}");
        on(&mut group, now, opened());
    }
    let next = on(&mut group, now, Input::Broke(denied));
    assert!(!next.iter().any(|one| matches!(one, Output::Tell(_) | Output::Open(_))), "{next:?}");
    assert_eq!(next.len(), 5, "four at once are given back: {next:?}");
}

/// The group's members are gathered behind this cookie.
fn led(group: &mut Group, cookie: &str) {
    let result = Ok(("s0".to_owned(), Some(Arc::from(cookie))));
    group.on(START, Input::Subscribed { member: 0, result });
}

fn gives_back(member: usize) -> Output {
    Output::GiveBack { member, id: format!("s{member}").into() }
}

#[test]
fn neighbours_of_a_leader_that_moved_are_subscribed_anew_at_once() {
    for code in [
        "ErrorProxyRequestNotAllowed",
        "ErrorReadEventsFailed",
        "ErrorNoRespondingCASInDestinationSite",
    ] {
        let mut group = streaming(4);
        led(&mut group, "old");
        drain(&mut group);
        let moved = exchange(code);
        let next = on(&mut group, at(1), Input::Broke(moved.clone()));
        let expected = [
            Output::Close,
            told_refused("u0", &moved),
            gives_back(0),
            gives_back(1),
            gives_back(2),
            gives_back(3),
        ];
        assert_eq!(next, expected, "{code}");
        assert_eq!(group.cookie_back().as_deref(), Some("old"), "where they are");
        assert_eq!(on(&mut group, at(1), Input::GivenBack), [Output::Subscribe(1)]);
        assert_eq!(group.anchor().unwrap().user.as_str(), "u1", "another leads");
        assert_eq!((group.cookie(), group.cookie_back().as_deref()), (None, Some("old")));
        let mut asked = on(&mut group, at(1), subscribed(1, "n1"));
        for _ in 0..3 {
            asked.extend(on(&mut group, at(1), Input::GivenBack));
        }
        asked.retain(|one| matches!(one, Output::Subscribe(_)));
        assert_eq!(asked, [2, 3].map(Output::Subscribe), "{code}");
        on(&mut group, at(1), subscribed(2, "n2"));
        let next = on(&mut group, at(1), subscribed(3, "n3"));
        assert_eq!(next, [open(&["n1", "n2", "n3"])], "{code}");
        on(&mut group, at(2), opened());
        // Where the next one says the same, it was not the leader: all are found anew.
        let next = on(&mut group, at(3), Input::Broke(moved.clone()));
        assert!(!next.iter().any(|one| matches!(one, Output::Subscribe(_))), "{next:?}");
        for _ in 0..4 {
            on(&mut group, at(3), Input::GivenBack);
        }
        assert_eq!(group.phase, Phase::Ended);
        assert_eq!(group.end, Some(ListenEnd::Failed(moved)));
    }
}

#[test]
fn after_a_good_while_another_leader_may_move_too() {
    let mut group = streaming(3);
    let moved = exchange("ErrorReadEventsFailed");
    on(&mut group, at(1), Input::Broke(moved.clone()));
    for _ in 0..3 {
        on(&mut group, at(1), Input::GivenBack);
    }
    on(&mut group, at(1), subscribed(1, "n1"));
    on(&mut group, at(1), subscribed(2, "n2"));
    on(&mut group, at(2), opened());
    let later = at(2) + PROVEN;
    on(&mut group, later, Input::Events(vec![StreamEvent::Heartbeat]));
    let next = on(&mut group, later, Input::Broke(moved.clone()));
    assert_eq!(next[1], told_refused("u1", &moved));
    assert_eq!(next.last(), Some(&Output::Subscribe(2)));
}

#[test]
fn a_leader_whose_way_nobody_can_go_is_replaced_and_the_others_are_not_refused() {
    let mut group = group(7);
    drain(&mut group);
    led(&mut group, "elsewhere");
    drain(&mut group);
    let moved = exchange("ErrorProxyRequestNotAllowed");
    let next = on(&mut group, at(1), refused(1, moved.clone()));
    assert_eq!(next, [Output::Subscribe(5)], "one alone may have moved");
    for member in [2, 3, 4] {
        assert_eq!(on(&mut group, at(1), refused(member, moved.clone())), [], "nor one more");
    }
    let next = on(&mut group, at(1), refused(5, moved.clone()));
    assert_eq!(next, [told_refused("u0", &moved), gives_back(0), Output::Subscribe(1)]);
    assert_eq!((group.cookie(), group.cookie_back().as_deref()), (None, Some("elsewhere")));
    on(&mut group, at(1), Input::GivenBack);
    let next = on(&mut group, at(1), subscribed(1, "s1"));
    assert_eq!(next, [2, 3, 4, 5].map(Output::Subscribe));
    // Whoever cannot go this way either is refused, as others can.
    assert_eq!(on(&mut group, at(1), subscribed(2, "s2")), [Output::Subscribe(6)]);
    assert_eq!(on(&mut group, at(1), refused(3, moved.clone())), [told_refused("u3", &moved)]);
    for member in [4, 5] {
        on(&mut group, at(1), subscribed(member, &format!("s{member}")));
    }
    let next = on(&mut group, at(1), subscribed(6, "s6"));
    assert_eq!(next, [open(&["s1", "s2", "s4", "s5", "s6"])]);
}

#[test]
fn a_leader_whose_mailbox_hangs_does_not_cost_its_neighbours_their_stream() {
    for code in [codes::TOO_LATE, "HTTP 504"] {
        let late = Fault::retry(code);
        let first = || {
            let mut group = group(3);
            drain(&mut group);
            let next = on(&mut group, at(100), refused(0, late.clone()));
            assert_eq!(next, [told_refused("u0", &late), Output::Subscribe(1)], "{code}");
            group
        };
        let mut group = first();
        assert_eq!(on(&mut group, at(101), subscribed(1, "s1")), [Output::Subscribe(2)]);
        assert_eq!(on(&mut group, at(101), subscribed(2, "s2")), [open(&["s1", "s2"])], "{code}");
        // Where the next one hangs as well, it is the server.
        let mut group = first();
        let end = [Output::Close, Output::End(ListenEnd::Failed(late.clone()))];
        assert_eq!(on(&mut group, at(200), refused(1, late.clone())), end, "{code}");
    }
    // A way that breaks is broken for everybody.
    let reset = Fault::retry("connection reset");
    let mut group = group(3);
    drain(&mut group);
    let end = [Output::Close, Output::End(ListenEnd::Failed(reset.clone()))];
    assert_eq!(on(&mut group, at(1), refused(0, reset)), end);
}

#[test]
fn one_that_moved_alone_is_refused_and_its_leader_stays() {
    let moved = exchange("ErrorProxyRequestNotAllowed");
    // With another that can go the way of the leader, before or after; and without.
    for (n, order) in [(3, [1, 2]), (3, [2, 1]), (2, [1, 1])] {
        let mut group = group(n);
        drain(&mut group);
        on(&mut group, START, subscribed(0, "s0"));
        let mut told = Vec::new();
        for member in order {
            told.extend(match member {
                1 => on(&mut group, at(1), refused(1, moved.clone())),
                other => on(&mut group, at(1), subscribed(other, &format!("s{other}"))),
            });
            if n == 2 {
                break;
            }
        }
        let ids: &[&str] = if n == 3 { &["s0", "s2"] } else { &["s0"] };
        assert_eq!(told, [told_refused("u1", &moved), open(ids)], "{n} {order:?}");
    }
}

#[test]
fn a_stream_that_says_the_server_is_busy_keeps_its_subscriptions() {
    let after = Some(Span::from_ms(297_749));
    for code in ["ErrorServerBusy", "ErrorInsufficientResources", "ErrorNotEnoughMemory"] {
        let fault = codes::fault(code, after);
        let told = StreamEvent::Error { fault: fault.clone(), ids: Vec::new() };
        for input in [Input::Events(vec![told]), Input::Broke(fault)] {
            let mut group = streaming(3);
            assert_eq!(on(&mut group, at(1), input), [Output::Close], "{code}");
            assert_eq!(group.deadline(), at(1) + Span::from_ms(297_749), "{code}");
            let over = group.deadline();
            let next = on(&mut group, over, Input::Tick);
            assert_eq!(next, [open(&["s0", "s1", "s2"])], "{code}");
        }
    }
}

/// A group of `n` of whom the second is subscribed anew, beside the stream of the others.
fn renewing(n: usize) -> Group {
    let mut group = streaming(n);
    let next = on(&mut group, at(1), error("ErrorSubscriptionNotFound", &["s1"]));
    assert!(matches!(next[..], [Output::Close, Output::Open(_), Output::Subscribe(1)]), "{next:?}");
    on(&mut group, at(1), opened());
    group
}

#[test]
fn a_renewed_subscribe_that_hangs_keeps_nobody_unheard() {
    let mut group = streaming(3);
    let next = on(&mut group, at(1), error("ErrorSubscriptionNotFound", &["s1"]));
    assert_eq!(next, [Output::Close, open(&["s0", "s2"]), Output::Subscribe(1)]);
    assert_eq!(on(&mut group, at(1), opened()), ["u0", "u2"].map(listening));
    // Nor when another goes bad, leaves or is refused meanwhile.
    let next = on(&mut group, at(2), error("ErrorMissedNotificationEvents", &["s2"]));
    let back = Output::GiveBack { member: 2, id: "s2".into() };
    assert_eq!(next, [Output::Close, back]);
    let next = on(&mut group, at(3), Input::Tick);
    assert_eq!(next, [open(&["s0"]), Output::Subscribe(2)], "the second time a second later");
    on(&mut group, at(3), opened());
    on(&mut group, at(3), subscribed(2, "n2"));
    let next = on(&mut group, at(8), Input::Tick);
    assert_eq!(next, [Output::Close, open(&["s0", "n2"])]);
    on(&mut group, at(8), opened());
    let next = on(&mut group, at(9), error("ErrorNonExistentMailbox", &["n2"]));
    assert_eq!(next.first(), Some(&Output::Close));
    assert_eq!(on(&mut group, at(11), Input::Tick), [open(&["s0"])]);
    // When at last it is given up, it is given up alone: nobody heard it for so long.
    let late = Fault::retry("no answer in time");
    assert_eq!(on(&mut group, at(101), refused(1, late.clone())), [told_refused("u1", &late)]);
    assert_eq!(group.phase, Phase::Opening);
}

#[test]
fn whoever_is_through_is_not_kept_waiting_for_a_call_that_hangs() {
    let mut group = streaming(3);
    on(&mut group, at(1), error("ErrorInternalServerError", &[]));
    for _ in 0..3 {
        on(&mut group, at(1), Input::GivenBack);
    }
    on(&mut group, at(2), subscribed(0, "n0"));
    on(&mut group, at(3), subscribed(2, "n2"));
    assert_eq!(group.deadline(), at(8));
    assert_eq!(on(&mut group, at(7), Input::Tick), []);
    assert_eq!(on(&mut group, at(8), Input::Tick), [open(&["n0", "n2"])]);
    // Also where somebody is in doubt.
    let mut group = super::group(3);
    drain(&mut group);
    on(&mut group, START, subscribed(0, "s0"));
    let moved = exchange("ErrorProxyRequestNotAllowed");
    assert_eq!(on(&mut group, at(1), refused(1, moved.clone())), []);
    let next = on(&mut group, at(6), Input::Tick);
    assert_eq!(next, [told_refused("u1", &moved), open(&["s0"])]);
}

#[test]
fn one_reset_gives_no_good_subscription_back() {
    let reset = || Fault::retry("connection reset");
    let mut group = renewing(3);
    assert_eq!(on(&mut group, at(2), refused(1, reset())), []);
    assert_eq!(group.deadline(), at(3));
    assert_eq!(on(&mut group, at(3), Input::Tick), [Output::Subscribe(1)]);
    assert_eq!(on(&mut group, at(3), subscribed(1, "n1")), []);
    let next = on(&mut group, at(8), Input::Tick);
    assert_eq!(next, [Output::Close, open(&["s0", "n1", "s2"])]);
    // While the stream waits to be opened again as well.
    let mut group = renewing(3);
    on(&mut group, at(2), Input::Broke(reset()));
    assert_eq!(on(&mut group, at(2), Input::Broke(reset())), [Output::Close]);
    assert_eq!(on(&mut group, at(2), refused(1, reset())), []);
    assert_eq!(on(&mut group, at(3), Input::Tick), [open(&["s0", "s2"]), Output::Subscribe(1)]);
    // And in the beginning: whoever is through streams, the others join it.
    let mut group = super::group(7);
    drain(&mut group);
    on(&mut group, START, subscribed(0, "s0"));
    on(&mut group, START, subscribed(2, "s2"));
    assert_eq!(on(&mut group, at(1), refused(1, reset())), [open(&["s0", "s2"])]);
    on(&mut group, at(1), opened());
    for (member, id) in [(3, "s3"), (4, "s4"), (5, "s5")] {
        assert_eq!(on(&mut group, at(1), subscribed(member, id)), [], "nobody else is asked yet");
    }
    let next = on(&mut group, at(2), Input::Tick);
    assert_eq!(next, [Output::Subscribe(1), Output::Subscribe(6)]);
}

#[test]
fn a_busy_answer_to_a_renewed_subscribe_is_waited_for_beside_the_stream() {
    let busy = |after| exchange_busy(Some(Span::from_secs(after)));
    let mut group = streaming(9);
    let bad = ["s1", "s2", "s3", "s4", "s5", "s6"];
    let next = on(&mut group, at(1), error("ErrorSubscriptionNotFound", &bad));
    let asked = [1, 2, 3, 4].map(Output::Subscribe);
    let expected = [vec![Output::Close, open(&["s0", "s7", "s8"])], asked.to_vec()].concat();
    assert_eq!(next, expected);
    on(&mut group, at(1), opened());
    assert_eq!(on(&mut group, at(2), refused(1, busy(20))), [], "nobody is refused");
    assert_eq!(on(&mut group, at(3), refused(3, busy(5))), []);
    for (member, id) in [(2, "n2"), (4, "n4")] {
        assert_eq!(on(&mut group, at(3), subscribed(member, id)), [], "it has its rest");
    }
    assert_eq!(on(&mut group, at(8), Input::Tick).len(), 2, "those two are carried");
    on(&mut group, at(8), opened());
    assert_eq!(group.deadline(), at(22));
    let next = on(&mut group, at(22), Input::Tick);
    assert_eq!(next, [1, 3, 5, 6].map(Output::Subscribe));
    // Where it wants a long rest, those are polled who have none; the others stream.
    let long = busy(300);
    let told = on(&mut group, at(23), refused(5, long.clone()));
    assert_eq!(told, [told_refused("u5", &long)]);
    assert_eq!(group.phase, Phase::Streaming);
}

#[test]
fn a_stream_whose_members_go_bad_one_by_one_is_not_opened_on_and_on() {
    let mut group = streaming(60);
    let (mut now, mut opens, mut next_bad) = (at(1), Vec::new(), 0);
    while now < at(61) {
        let bad = format!("s{next_bad}");
        next_bad += 1;
        let mut next = on(&mut group, now, error("ErrorSubscriptionNotFound", &[&bad]));
        while !next.iter().any(|one| matches!(one, Output::Open(_))) {
            let wait = group.deadline().since(now);
            assert!(wait <= Span::from_secs(8), "{wait}: the others are unheard");
            now = group.deadline();
            next = on(&mut group, now, Input::Tick);
        }
        opens.push(now);
        on(&mut group, now, opened());
    }
    assert!((8..=12).contains(&opens.len()), "{opens:?}");
    assert_eq!(opens[0], at(1), "the first at once");
}

fn exchange_busy(after: Option<Span>) -> Fault {
    codes::fault("ErrorServerBusy", after)
}

#[test]
fn whose_stream_stood_for_a_while_may_go_bad_again() {
    let mut group = streaming(2);
    let (mut now, mut id) = (at(1), "s1".to_owned());
    for renewal in 0..9 {
        let next = on(&mut group, now, error("ErrorSubscriptionNotFound", &[&id]));
        assert_eq!(next.last(), Some(&Output::Subscribe(1)), "renewal {renewal}");
        on(&mut group, now, opened());
        id = format!("n{renewal}");
        on(&mut group, now, subscribed(1, &id));
        on(&mut group, now + Span::from_secs(5), Input::Tick);
        on(&mut group, now + Span::from_secs(5), opened());
        now = now + Span::from_secs(5);
        for _ in 0..6 {
            now = now + Span::MINUTE;
            on(&mut group, now, Input::Events(vec![StreamEvent::Heartbeat]));
        }
        if now + Span::MINUTE.times(7) > START + LIFE {
            break;
        }
    }
    assert_eq!(group.members.get(1).map(|member| member.renewals), Some(0));
}
