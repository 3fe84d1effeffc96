//! A group that grows, shrinks and rolls over while its stream stands.

use super::*;

const ROLL: Span = Span::from_secs(27 * 60);

/// As [`super::streaming`], over many openings.
fn long(n: usize) -> Group {
    let mut group = Group::new(START, targets(n), ROLL.times(12), SILENCE).rolling(ROLL);
    drain(&mut group);
    for member in 0..n {
        on(&mut group, START, subscribed(member, &format!("s{member}")));
    }
    assert_eq!(on(&mut group, START, opened()).len(), n);
    group
}

fn newcomer(n: usize) -> Target {
    targets(n + 1).into_iter().find(|one| one.user.as_str() == format!("u{n}")).unwrap()
}

fn leave(user: &str) -> Input {
    Input::Leave(UserId::new(user))
}

fn changed(id: &str) -> Input {
    let subscription_id = id.to_owned();
    Input::Events(vec![StreamEvent::Notification { subscription_id, changed: true }])
}

#[test]
fn a_newcomer_is_subscribed_beside_the_standing_stream_and_then_carried_by_it() {
    let mut group = long(2);
    let asked = on(&mut group, at(10), Input::Join(newcomer(7)));
    assert_eq!(asked, [Output::Subscribe(2)], "the stream stays");
    assert_eq!(group.anchor().unwrap().user.as_str(), "u0", "on the way of the group");
    assert_eq!(on(&mut group, at(11), subscribed(2, "s2")), []);
    assert_eq!(group.deadline(), at(16), "it waits for others");
    on(&mut group, at(12), Input::Join(newcomer(8)));
    on(&mut group, at(13), subscribed(3, "s3"));
    assert_eq!(on(&mut group, at(17), Input::Tick), []);
    let ids = ["s0", "s1", "s2", "s3"];
    assert_eq!(on(&mut group, at(18), Input::Tick), [Output::Close, open(&ids)]);
    let told = on(&mut group, at(18), opened());
    assert_eq!(told, ["u0", "u1", "u7", "u8"].map(listening), "and the gap rings the others");
}

#[test]
fn one_that_joins_again_is_answered_and_not_subscribed_twice() {
    let mut group = long(2);
    assert_eq!(on(&mut group, at(1), Input::Join(newcomer(1))), [listening("u1")]);
    on(&mut group, at(2), Input::Join(newcomer(7)));
    assert_eq!(on(&mut group, at(3), Input::Join(newcomer(7))), [], "its answer is to come");
    on(&mut group, at(3), subscribed(2, "s2"));
    assert_eq!(on(&mut group, at(4), Input::Join(newcomer(7))), [], "not carried yet");
}

#[test]
fn what_is_held_is_given_back_at_the_end_although_calls_for_newcomers_hang() {
    let mut group = long(5);
    for n in 7..11 {
        assert_eq!(on(&mut group, at(10), Input::Join(newcomer(n))).len(), 1);
    }
    assert_eq!(on(&mut group, at(11), Input::Stop), [Output::Close], "they may be answered yet");
    assert_eq!(group.deadline(), at(15));
    let back = |n: usize| Output::GiveBack { member: n, id: format!("s{n}").into() };
    assert_eq!(on(&mut group, at(15), Input::Tick), [0, 1, 2, 3].map(back), "four at once");
    assert_eq!(on(&mut group, at(15), Input::GivenBack), [back(4)]);
    assert_eq!(on(&mut group, at(15), Input::GivenBack), []);
    assert_eq!(on(&mut group, at(16), subscribed(6, "late")).len(), 1, "and what comes late");
    assert_eq!(group.deadline(), at(21));
    assert_eq!(on(&mut group, at(21), Input::Tick), [Output::End(ListenEnd::Stopped)]);
}

#[test]
fn a_newcomer_whose_call_hangs_keeps_nobody_unheard() {
    let mut group = long(2);
    on(&mut group, at(10), Input::Join(newcomer(7)));
    on(&mut group, at(10), Input::Join(newcomer(8)));
    on(&mut group, at(11), subscribed(3, "s3"));
    let ids = ["s0", "s1", "s3"];
    assert_eq!(on(&mut group, at(16), Input::Tick), [Output::Close, open(&ids)]);
    assert!(group.deadline() > at(16), "nothing spins");
    on(&mut group, at(16), opened());
    assert!(group.deadline() > at(16), "nothing spins");
    let next = on(&mut group, at(20), Input::Events(vec![StreamEvent::Closed]));
    assert_eq!(next, [Output::Close, open(&ids)], "nor when the stream breaks");
    on(&mut group, at(20), opened());
    assert_eq!(on(&mut group, at(50), subscribed(2, "s2")), []);
    let ids = ["s0", "s1", "s2", "s3"];
    assert_eq!(on(&mut group, at(55), Input::Tick), [Output::Close, open(&ids)]);
}

#[test]
fn newcomers_one_after_another_do_not_put_the_merge_off_for_ever() {
    let mut group = long(1);
    for n in 1..20 {
        let member = usize::try_from(n).unwrap();
        on(&mut group, at(n), Input::Join(newcomer(member + 10)));
        let next = on(&mut group, at(n), subscribed(member, &format!("s{n}")));
        if !next.is_empty() || on(&mut group, at(n), Input::Tick).contains(&Output::Close) {
            assert!((15..18).contains(&n), "{n}");
            return;
        }
    }
    panic!("never");
}

#[test]
fn a_newcomer_that_is_refused_or_cannot_be_asked_leaves_the_stream_as_it_is() {
    let mut group = long(2);
    on(&mut group, at(1), Input::Join(newcomer(7)));
    let denied = exchange("ErrorImpersonateUserDenied");
    assert_eq!(on(&mut group, at(2), refused(2, denied.clone())), [told_refused("u7", &denied)]);
    assert_eq!(group.deadline(), at(90), "the silence of the stream that stands");
    on(&mut group, at(3), Input::Join(newcomer(8)));
    let mut now = at(4);
    let cut = Fault::retry("connection reset");
    for wait in [1, 2, 4, 8] {
        assert_eq!(on(&mut group, now, refused(3, cut.clone())), [], "one try is not all");
        assert_eq!(group.deadline(), now + Span::from_secs(wait), "later and later");
        now = group.deadline();
        assert_eq!(on(&mut group, now, Input::Tick), [Output::Subscribe(3)]);
    }
    assert_eq!(on(&mut group, now, refused(3, cut.clone())), [told_refused("u8", &cut)]);
    assert_eq!(group.deadline(), at(90), "and the stream stands");
}

#[test]
fn whoever_leaves_is_given_back_alone_and_the_others_stream_stands() {
    let mut group = long(3);
    let next = on(&mut group, at(1), leave("u1"));
    assert_eq!(next, [Output::GiveBack { member: 1, id: "s1".into() }]);
    // The server says so on the stream, and may still tell of it.
    assert_eq!(on(&mut group, at(1), error("ErrorSubscriptionUnsubscribed", &["s1"])), []);
    assert_eq!(on(&mut group, at(2), changed("s1")), []);
    let rung = [Output::Tell(Hint::Changed(UserId::new("u2")))];
    assert_eq!(on(&mut group, at(3), changed("s2")), rung);
    let next = on(&mut group, at(4), Input::Events(vec![StreamEvent::Closed]));
    assert_eq!(next, [Output::Close, open(&["s0", "s2"])]);
    assert_eq!(on(&mut group, at(4), opened()), ["u0", "u2"].map(listening));
}

#[test]
fn the_anchor_may_leave_and_the_next_opening_has_another() {
    let mut group = long(3);
    let result = Ok(("s0".to_owned(), Some(Arc::from("back~1"))));
    group.on(START, Input::Subscribed { member: 0, result });
    drain(&mut group);
    let next = on(&mut group, at(1), leave("u0"));
    assert_eq!(next, [Output::GiveBack { member: 0, id: "s0".into() }]);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u0", "calls go the way they went");
    on(&mut group, at(2), Input::Join(newcomer(7)));
    on(&mut group, at(2), subscribed(3, "s3"));
    let next = on(&mut group, at(7), Input::Tick);
    assert_eq!(next, [Output::Close, open(&["s1", "s2", "s3"])]);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u1", "whose right to be asked stays");
    assert_eq!(group.cookie().as_deref(), Some("back~1"), "where the subscriptions are");
}

#[test]
fn whoever_leaves_while_being_subscribed_is_given_back_when_it_is_through() {
    let mut group = group(2);
    drain(&mut group);
    on(&mut group, START, subscribed(0, "s0"));
    assert_eq!(on(&mut group, START, leave("u1")), []);
    let next = on(&mut group, START, subscribed(1, "s1"));
    assert_eq!(next, [Output::GiveBack { member: 1, id: "s1".into() }, open(&["s0"])]);
    // And whoever was never asked for never is.
    let mut group = super::group(2);
    drain(&mut group);
    on(&mut group, START, leave("u1"));
    assert_eq!(on(&mut group, START, subscribed(0, "s0")), [open(&["s0"])]);
}

#[test]
fn the_last_one_who_leaves_closes_the_stream() {
    let mut group = long(1);
    let next = on(&mut group, at(1), leave("u0"));
    assert_eq!(next, [Output::Close, Output::GiveBack { member: 0, id: "s0".into() }]);
    assert_eq!(on(&mut group, at(1), Input::GivenBack), [Output::End(ListenEnd::RollOver)]);
}

#[test]
fn one_may_leave_and_come_back() {
    let mut group = long(2);
    on(&mut group, at(1), leave("u1"));
    let back = newcomer(1);
    assert_eq!(on(&mut group, at(2), Input::Join(back)), [Output::Subscribe(2)]);
    on(&mut group, at(3), subscribed(2, "n1"));
    assert_eq!(on(&mut group, at(8), Input::Tick), [Output::Close, open(&["s0", "n1"])]);
    assert_eq!(on(&mut group, at(8), opened()), ["u0", "u1"].map(listening));
}

#[test]
fn a_full_stream_takes_nobody_in() {
    let mut group = long(200);
    let told = on(&mut group, at(1), Input::Join(newcomer(300)));
    assert_eq!(told, [told_refused("u300", &Fault::retry("the stream is full"))]);
}

#[test]
fn a_stream_is_opened_anew_before_the_server_ends_it_and_its_subscriptions_stay() {
    let mut group = long(2);
    let mut now = START;
    for _ in 0..11 {
        now = now + ROLL;
        on(&mut group, now - Span::SECOND, Input::Heard);
        assert_eq!(group.deadline(), now);
        let next = on(&mut group, now, Input::Tick);
        assert_eq!(next, [Output::Close, open(&["s0", "s1"])]);
        assert_eq!(on(&mut group, now, opened()), ["u0", "u1"].map(listening));
    }
    on(&mut group, now + ROLL - Span::SECOND, Input::Heard);
    let next = on(&mut group, now + ROLL, Input::Tick);
    assert_eq!(next.len(), 3, "at last they are made anew: {next:?}");
}

#[test]
fn an_anchor_without_budget_lets_another_pay_a_while_later() {
    let mut group = long(2);
    let spent = codes::fault("ErrorExceededConnectionCount", Some(Span::from_ms(0)));
    assert_eq!(on(&mut group, at(1), Input::Broke(spent)), [Output::Close]);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u1");
    assert_eq!(group.deadline(), at(2), "a floor of our own");
    assert_eq!(on(&mut group, at(2), Input::Tick), [open(&["s0", "s1"])]);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u1");
}

#[test]
fn a_mailbox_that_moved_leaves_the_stream_to_the_others() {
    let mut group = long(3);
    let moved = exchange("ErrorReadEventsFailed");
    let next = on(&mut group, at(1), error("ErrorReadEventsFailed", &["s1"]));
    let expected = [
        Output::Close,
        told_refused("u1", &moved),
        Output::GiveBack { member: 1, id: "s1".into() },
        open(&["s0", "s2"]),
    ];
    assert_eq!(next, expected);
}

#[test]
fn giving_back_has_its_time() {
    let mut group = long(6);
    on(&mut group, at(9), Input::Stop);
    assert_eq!(group.deadline(), at(19));
    assert_eq!(on(&mut group, at(19), Input::Tick), [Output::End(ListenEnd::Stopped)]);
}

#[test]
fn thousands_may_come_and_go_and_the_stream_stays() {
    let mut group = long(2);
    for n in 2..3_000 {
        let now = at(n);
        let member = match on(&mut group, now, Input::Join(newcomer(7)))[..] {
            [Output::Subscribe(member)] => member,
            ref other => panic!("{n}: {other:?}"),
        };
        assert_eq!(group.target(member).unwrap().user.as_str(), "u7");
        let id = format!("n{n}");
        on(&mut group, now, subscribed(member, &id));
        let next = on(&mut group, now, leave("u7"));
        assert_eq!(next, [Output::GiveBack { member, id: id.as_str().into() }]);
        assert_eq!(group.target(member).unwrap().user.as_str(), "u7", "in whose name");
        on(&mut group, now, Input::GivenBack);
        on(&mut group, now, Input::Heard);
        if on(&mut group, now, Input::Tick).contains(&Output::Close) {
            on(&mut group, now, opened());
        }
    }
    assert_eq!(group.anchor().unwrap().user.as_str(), "u0");
    assert!(group.members.len() <= 1_000);
}

#[test]
fn the_place_of_one_whose_subscription_is_still_to_be_given_back_is_not_given_away() {
    let mut group = long(8);
    for n in 0..6 {
        on(&mut group, at(1), leave(&format!("u{n}")));
    }
    for n in 8..1_000 {
        on(&mut group, at(1), Input::Join(newcomer(n)));
        on(&mut group, at(1), leave(&format!("u{n}")));
    }
    let back: Vec<_> = group.to_give_back.iter().map(|(at, _)| *at).collect();
    assert_eq!((back, group.members.len()), (vec![4, 5], 1_000));
    for n in 0..20 {
        on(&mut group, at(2), Input::Join(newcomer(5_000 + n)));
    }
    for (member, user) in [(0, "u0"), (4, "u4"), (5, "u5")] {
        assert_eq!(group.target(member).unwrap().user.as_str(), user);
    }
    assert_eq!((group.members.seated(), group.members.len()), (22, 1_000), "all are in");
}
