//! The machine of a group against a server that is played by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::calendar::ews::codes;
use crate::model::{Address, Next};

const LIFE: Span = Span::from_secs(27 * 60);
const SILENCE: Span = Span::from_secs(90);
const START: Time = Time::from_ms(0);

fn targets(n: usize) -> Vec<Target> {
    // Not in the order of their addresses.
    let target = |n: usize| Target {
        user: UserId::new(format!("u{n}")),
        address: Arc::new(Address::parse(&format!("m{n:03}@corp.example")).unwrap()),
    };
    (0..n).rev().map(target).collect()
}

fn group(n: usize) -> Group {
    Group::new(START, targets(n), LIFE, SILENCE)
}

fn drain(group: &mut Group) -> Vec<Output> {
    std::iter::from_fn(|| group.poll()).collect()
}

fn on(group: &mut Group, now: Time, input: Input) -> Vec<Output> {
    group.on(now, input);
    drain(group)
}

fn subscribed(member: usize, id: &str) -> Input {
    Input::Subscribed { member, result: Ok((id.to_owned(), None)) }
}

fn refused(member: usize, fault: Fault) -> Input {
    Input::Subscribed { member, result: Err(fault) }
}

fn exchange(code: &str) -> Fault {
    codes::fault(code, None)
}

fn error(code: &str, ids: &[&str]) -> Input {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Input::Events(vec![StreamEvent::Error { fault: exchange(code), ids }])
}

fn listening(user: &str) -> Output {
    Output::Tell(Hint::Listening(UserId::new(user)))
}

fn told_refused(user: &str, fault: &Fault) -> Output {
    Output::Tell(Hint::Refused(UserId::new(user), fault.clone()))
}

fn open(ids: &[&str]) -> Output {
    Output::Open(ids.iter().map(|id| Arc::from(*id)).collect())
}

fn opened() -> Input {
    Input::Events(vec![StreamEvent::Opened])
}

/// A group of `n` whose stream stands; subscription `s1` is member 1's.
fn streaming(n: usize) -> Group {
    let mut group = group(n);
    drain(&mut group);
    for member in 0..n {
        on(&mut group, START, subscribed(member, &format!("s{member}")));
    }
    let told = on(&mut group, START, opened());
    assert_eq!(told.len(), n);
    group
}

fn at(seconds: u64) -> Time {
    START + Span::from_secs(seconds)
}

#[test]
fn the_anchor_goes_first_and_its_cookie_leads_the_others() {
    let mut group = group(7);
    assert_eq!(drain(&mut group), [Output::Subscribe(0)]);
    assert_eq!(group.anchor().unwrap().address.reveal(), "m000@corp.example");
    assert_eq!(group.cookie(), None);
    let result = Ok(("s0".to_owned(), Some(Arc::from("back~1"))));
    let next = on(&mut group, START, Input::Subscribed { member: 0, result });
    assert_eq!(next, [1, 2, 3, 4].map(Output::Subscribe), "four at once");
    assert_eq!(group.cookie().as_deref(), Some("back~1"));
    assert_eq!(on(&mut group, START, subscribed(3, "s3")), [Output::Subscribe(5)]);
    for (member, next) in [(1, vec![Output::Subscribe(6)]), (2, vec![]), (4, vec![]), (5, vec![])] {
        assert_eq!(on(&mut group, START, subscribed(member, &format!("s{member}"))), next);
    }
    let ids = ["s0", "s1", "s2", "s3", "s4", "s5", "s6"];
    assert_eq!(on(&mut group, START, subscribed(6, "s6")), [open(&ids)]);
    assert_eq!(on(&mut group, START, Input::Heard), []);
    let told = on(&mut group, START, opened());
    assert_eq!(told, (0..7).map(|n| listening(&format!("u{n}"))).collect::<Vec<_>>());
}

#[test]
fn a_mailbox_that_cannot_be_subscribed_does_not_hold_up_the_others() {
    let mut group = group(3);
    drain(&mut group);
    let denied = exchange("ErrorImpersonateUserDenied");
    let next = on(&mut group, START, refused(0, denied.clone()));
    assert_eq!(next, [told_refused("u0", &denied), Output::Subscribe(1)]);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u1", "the next leads");
    assert_eq!(on(&mut group, START, subscribed(1, "s1")), [Output::Subscribe(2)]);
    let busy = exchange("ErrorMailboxMoveInProgress");
    let next = on(&mut group, START, refused(2, busy.clone()));
    assert_eq!(next, [told_refused("u2", &busy), open(&["s1"])]);
}

#[test]
fn a_group_of_refused_mailboxes_ends() {
    let mut group = group(1);
    drain(&mut group);
    let gone = exchange("ErrorNonExistentMailbox");
    let end = on(&mut group, START, refused(0, gone.clone()));
    let expected = [told_refused("u0", &gone), Output::Close, Output::End(ListenEnd::Failed(gone))];
    assert_eq!(end, expected);
}

#[test]
fn an_overloaded_server_is_not_asked_for_the_rest() {
    let mut group = group(8);
    drain(&mut group);
    on(&mut group, START, subscribed(0, "s0"));
    let busy = Fault::new(Next::BackOff { after: Some(Span::MINUTE) }, "ErrorServerBusy");
    let next = on(&mut group, START, refused(1, busy.clone()));
    let users = ["u1", "u5", "u6", "u7"];
    assert_eq!(next, users.map(|user| told_refused(user, &busy)));
    on(&mut group, START, subscribed(2, "s2"));
    on(&mut group, START, refused(3, busy));
    assert_eq!(on(&mut group, START, subscribed(4, "s4")), [open(&["s0", "s2", "s4"])]);
}

#[test]
fn a_broken_way_or_a_wrong_password_ends_the_group() {
    for fault in [
        Fault::retry("connection reset"),
        Fault::new(Next::BackOff { after: None }, "connection refused"),
        Fault::new(Next::SignIn, "sign-in was refused"),
    ] {
        let mut group = group(5);
        drain(&mut group);
        assert_eq!(
            on(&mut group, START, refused(0, fault.clone())),
            [Output::Close, Output::End(ListenEnd::Failed(fault))]
        );
    }
}

#[test]
fn changes_ring_the_mailbox_of_the_subscription() {
    let mut group = streaming(3);
    let told =
        |id: &str, changed| StreamEvent::Notification { subscription_id: id.into(), changed };
    let events = vec![told("s1", true), told("s2", false), told("unknown", true), told("s0", true)];
    let changed = |user: &str| Output::Tell(Hint::Changed(UserId::new(user)));
    assert_eq!(on(&mut group, at(1), Input::Events(events)), [changed("u1"), changed("u0")]);
}

#[test]
fn a_closed_stream_is_opened_again_at_once_and_rings_everybody() {
    let mut group = streaming(2);
    let next = on(&mut group, at(1), Input::Events(vec![StreamEvent::Closed]));
    assert_eq!(next, [Output::Close, open(&["s0", "s1"])]);
    assert_eq!(on(&mut group, at(1), opened()), [listening("u0"), listening("u1")]);
}

#[test]
fn a_stream_that_closes_at_once_again_and_again_is_given_up() {
    let mut group = streaming(1);
    let mut now = at(1);
    for wait in [0, 1, 2, 4] {
        // A first word makes no good stream of it.
        let told = vec![StreamEvent::Heartbeat, StreamEvent::Closed];
        let next = on(&mut group, now, Input::Events(told));
        let next = if wait == 0 {
            next
        } else {
            assert_eq!(next, [Output::Close]);
            assert_eq!(group.deadline(), now + Span::from_secs(wait));
            now = group.deadline();
            [next, on(&mut group, now, Input::Tick)].concat()
        };
        assert_eq!(next, [Output::Close, open(&["s0"])]);
        on(&mut group, now, opened());
    }
    let next = on(&mut group, now, Input::Events(vec![StreamEvent::Closed]));
    assert_eq!(next, [Output::Close, Output::GiveBack { member: 0, id: "s0".into() }]);
    let closed = ListenEnd::Failed(Fault::retry("the stream was closed"));
    assert_eq!(on(&mut group, now, Input::GivenBack), [Output::End(closed)]);
    // Where it stood for a while in between it may close for ever.
    let mut group = streaming(1);
    for _ in 0..20 {
        now = now + Span::MINUTE.times(5);
        on(&mut group, now, Input::Events(vec![StreamEvent::Heartbeat]));
        let next = on(&mut group, now, Input::Events(vec![StreamEvent::Closed]));
        assert_eq!(next, [Output::Close, open(&["s0"])]);
        on(&mut group, now, opened());
    }
}

#[test]
fn a_short_cut_costs_no_subscription() {
    let mut group = streaming(1);
    let cut = || Fault::new(Next::BackOff { after: None }, "connection refused");
    assert_eq!(on(&mut group, at(1), Input::Broke(cut())), [Output::Close, open(&["s0"])]);
    assert_eq!(on(&mut group, at(1), Input::Broke(cut())), [Output::Close]);
    assert_eq!(on(&mut group, at(2), Input::Tick), [open(&["s0"])]);
    assert_eq!(on(&mut group, at(2), opened()), [listening("u0")]);
}

#[test]
fn a_silent_stream_is_taken_for_dead() {
    let mut group = streaming(1);
    on(&mut group, at(45), Input::Heard);
    assert_eq!(group.deadline(), at(135));
    assert_eq!(on(&mut group, at(134), Input::Tick), []);
    assert_eq!(on(&mut group, at(135), Input::Tick), [Output::Close, open(&["s0"])]);
    // The one that is opened in its place is watched as well, and not waited for twice.
    assert_eq!(group.deadline(), at(225));
    let next = on(&mut group, at(225), Input::Tick);
    assert_eq!(next, [Output::Close, Output::GiveBack { member: 0, id: "s0".into() }]);
}

#[test]
fn only_bad_subscriptions_are_made_anew() {
    for code in ["ErrorSubscriptionNotFound", "ErrorInvalidSubscription"] {
        let mut group = streaming(4);
        let next = on(&mut group, at(1), error(code, &["s1", "s3"]));
        let asked = [Output::Subscribe(1), Output::Subscribe(3)];
        assert_eq!(next, [vec![Output::Close, open(&["s0", "s2"])], asked.to_vec()].concat());
        assert_eq!(on(&mut group, at(1), opened()), ["u0", "u2"].map(listening));
        on(&mut group, at(1), subscribed(1, "n1"));
        on(&mut group, at(1), subscribed(3, "n3"));
        let next = on(&mut group, at(6), Input::Tick);
        assert_eq!(next, [Output::Close, open(&["s0", "n1", "s2", "n3"])]);
        assert_eq!(on(&mut group, at(6), opened()).len(), 4, "all are rung");
    }
}

#[test]
fn without_ids_all_are_made_anew_with_a_new_anchor_call() {
    let mut group = streaming(3);
    let result = Ok(("s0".to_owned(), Some(Arc::from("old"))));
    group.on(at(1), Input::Subscribed { member: 0, result });
    drain(&mut group);
    assert_eq!(group.cookie().as_deref(), Some("old"));
    let next = on(&mut group, at(1), error("ErrorSubscriptionNotFound", &[]));
    assert_eq!(next, [Output::Close, Output::Subscribe(0)], "the anchor alone");
    assert_eq!((group.cookie(), group.cookie_back().as_deref()), (None, Some("old")));
}

#[test]
fn missed_events_and_unknown_errors_make_subscriptions_anew_and_give_the_old_back() {
    for code in ["ErrorMissedNotificationEvents", "ErrorOfALaterExchange"] {
        let mut group = streaming(2);
        let next = on(&mut group, at(1), error(code, &["s1"]));
        let old = Output::GiveBack { member: 1, id: "s1".into() };
        assert_eq!(next, [Output::Close, old, open(&["s0"]), Output::Subscribe(1)], "{code}");
        on(&mut group, at(1), opened());
        // The answers may come in any order.
        on(&mut group, at(1), Input::GivenBack);
        assert_eq!(on(&mut group, at(1), subscribed(1, "n1")), []);
        let next = on(&mut group, at(6), Input::Tick);
        assert_eq!(next, [Output::Close, open(&["s0", "n1"])]);
    }
}

#[test]
fn an_id_that_another_stream_took_is_left_to_it() {
    let mut group = streaming(2);
    let next = on(&mut group, at(1), error("ErrorNewEventStreamConnectionOpened", &["s1"]));
    let expected = [Output::Close, open(&["s0"]), Output::Subscribe(1)];
    assert_eq!(next, expected, "whose it is goes on with it");
}

#[test]
fn a_group_that_is_not_where_it_was_thought_ends_to_be_found_anew() {
    for code in ["ErrorReadEventsFailed", "ErrorProxyRequestNotAllowed"] {
        let mut group = streaming(1);
        let next = on(&mut group, at(1), error(code, &["s0"]));
        assert_eq!(next, [Output::Close, Output::GiveBack { member: 0, id: "s0".into() }]);
        let end = Output::End(ListenEnd::Failed(exchange(code)));
        assert_eq!(on(&mut group, at(1), Input::GivenBack), [end]);
    }
}

#[test]
fn a_soap_fault_in_place_of_a_stream_is_an_error_of_all() {
    let mut group = streaming(2);
    let next = on(&mut group, at(1), Input::Broke(exchange("ErrorSubscriptionNotFound")));
    assert_eq!(next, [Output::Close, Output::Subscribe(0)]);
}

#[test]
fn an_anchor_that_may_not_be_impersonated_any_more_makes_room() {
    let mut group = streaming(3);
    let denied = exchange("ErrorImpersonateUserDenied");
    let next = on(&mut group, at(1), Input::Broke(denied.clone()));
    let expected = [
        Output::Close,
        told_refused("u0", &denied),
        Output::GiveBack { member: 0, id: "s0".into() },
        open(&["s1", "s2"]),
    ];
    assert_eq!(next, expected);
    assert_eq!(group.anchor().unwrap().user.as_str(), "u1");
}

#[test]
fn a_mailbox_that_goes_bad_again_and_again_is_refused() {
    let mut group = streaming(2);
    for (second, id) in [(1, "s1"), (10, "n1"), (20, "n2")] {
        on(&mut group, at(second), error("ErrorSubscriptionNotFound", &[id]));
        let second = second + 4;
        on(&mut group, at(second), Input::Tick);
        on(&mut group, at(second), subscribed(1, &format!("n{}", second / 10 + 1)));
        on(&mut group, at(second), opened());
    }
    let next = on(&mut group, at(30), error("ErrorSubscriptionNotFound", &["n3"]));
    let fault = exchange("ErrorSubscriptionNotFound");
    assert_eq!(next, [told_refused("u1", &fault), Output::Close]);
    assert_eq!(on(&mut group, at(34), Input::Tick), [open(&["s0"])]);
}

#[test]
fn what_follows_the_end_of_a_stream_belongs_to_nothing() {
    let mut group = streaming(1);
    let events = vec![
        StreamEvent::Error { fault: exchange("ErrorSubscriptionNotFound"), ids: vec!["s0".into()] },
        StreamEvent::Closed,
    ];
    assert_eq!(on(&mut group, at(1), Input::Events(events)), [Output::Close, Output::Subscribe(0)]);
    assert_eq!(on(&mut group, at(1), Input::Broke(Fault::retry("reset"))), []);
}

#[test]
fn stopping_and_rolling_over_give_everything_back() {
    for (input, now, end) in
        [(Input::Stop, at(9), ListenEnd::Stopped), (Input::Tick, START + LIFE, ListenEnd::RollOver)]
    {
        let mut group = streaming(6);
        group.on(now, Input::Heard);
        let next = on(&mut group, now, input);
        assert_eq!(next[0], Output::Close);
        assert_eq!(next.len(), 5, "four at once: {next:?}");
        let mut rest = Vec::new();
        for _ in 0..6 {
            rest.extend(on(&mut group, now, Input::GivenBack));
        }
        assert_eq!(rest.len(), 3);
        assert_eq!(rest.last(), Some(&Output::End(end)));
        assert_eq!(on(&mut group, now, Input::Stop), [], "once");
    }
}

#[test]
fn what_is_subscribed_while_it_stops_is_given_back() {
    let mut group = group(2);
    drain(&mut group);
    assert_eq!(on(&mut group, at(1), Input::Stop), [Output::Close]);
    let next = on(&mut group, at(2), subscribed(0, "late"));
    assert_eq!(next, [Output::GiveBack { member: 0, id: "late".into() }]);
    assert_eq!(on(&mut group, at(2), Input::GivenBack), [Output::End(ListenEnd::Stopped)]);
}

#[test]
fn a_group_of_nobody_is_over_at_once() {
    let mut group = group(0);
    assert_eq!(drain(&mut group), [Output::Close, Output::End(ListenEnd::RollOver)]);
}

#[test]
fn a_stream_carries_no_more_than_it_may() {
    let mut group = group(202);
    let outputs = drain(&mut group);
    let fault = Fault::refused("a stream carries 200 mailboxes at most");
    let expected =
        [told_refused("u200", &fault), told_refused("u201", &fault), Output::Subscribe(0)];
    assert_eq!(outputs, expected);
}

/// A server that does whatever chance says, and remembers what it was asked.
#[derive(Default)]
struct Server {
    subscribing: Vec<usize>,
    giving_back: usize,
    alive: BTreeSet<Arc<str>>,
    streams: usize,
    next: usize,
    ended: bool,
}

impl Server {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            assert!(!self.ended, "nothing comes after the end: {output:?}");
            match output {
                Output::Subscribe(member) => self.subscribing.push(member),
                Output::GiveBack { id, .. } => {
                    self.alive.remove(&id);
                    self.giving_back += 1;
                }
                Output::Open(ids) => {
                    assert_eq!(self.streams, 0, "one stream at a time");
                    assert!(!ids.is_empty() && ids.len() <= 200);
                    self.streams = 1;
                }
                Output::Close => self.streams = 0,
                Output::Tell(_) => {}
                Output::End(_) => self.ended = true,
            }
            assert!(self.subscribing.len().max(self.giving_back) <= AT_ONCE);
        }
    }

    fn input(&mut self, choice: u8, code: usize) -> Input {
        const CODES: [&str; 8] = [
            "ErrorSubscriptionNotFound",
            "ErrorMissedNotificationEvents",
            "ErrorServerBusy",
            "ErrorReadEventsFailed",
            "ErrorNonExistentMailbox",
            "ErrorInternalServerError",
            "ErrorInvalidRequest",
            "not a code of Exchange",
        ];
        let fault = exchange(CODES[code % CODES.len()]);
        match choice % 12 {
            0..=4 if !self.subscribing.is_empty() => {
                let member = self.subscribing.remove(code % self.subscribing.len());
                if choice.is_multiple_of(5) && code.is_multiple_of(3) {
                    return Input::Subscribed { member, result: Err(fault) };
                }
                self.next += 1;
                let id = format!("s{}", self.next);
                self.alive.insert(id.as_str().into());
                Input::Subscribed { member, result: Ok((id, None)) }
            }
            5 | 6 if self.giving_back > 0 => {
                self.giving_back -= 1;
                Input::GivenBack
            }
            7 if self.streams > 0 => opened(),
            8 if self.streams > 0 => {
                let ids = self.alive.iter().take(code % 3).map(|id| id.to_string()).collect();
                Input::Events(vec![StreamEvent::Error { fault, ids }])
            }
            9 if self.streams > 0 => Input::Events(vec![StreamEvent::Closed]),
            10 if self.streams > 0 => Input::Broke(fault),
            _ => Input::Tick,
        }
    }
}

proptest! {
    /// Whatever the server does: one stream at a time, few calls at once, and it ends in time.
    #[test]
    fn every_group_ends(
        n in 0..12_usize,
        moves in proptest::collection::vec((any::<u8>(), 0..100_usize), 0..300),
    ) {
        let mut group = group(n);
        let mut server = Server::default();
        server.take(drain(&mut group));
        let mut now = START;
        for (choice, code) in moves {
            let input = server.input(choice, code);
            if matches!(input, Input::Tick) {
                now = now.max(group.deadline());
            }
            server.take(on(&mut group, now, input));
        }
        for _ in 0..100_000 {
            if server.ended {
                break;
            }
            now = now.max(group.deadline());
            server.take(on(&mut group, now, Input::Tick));
        }
        prop_assert!(server.ended);
        prop_assert!(now <= START + LIFE + Span::from_secs(3600));
    }
}

#[path = "growth_tests.rs"]
mod growth_tests;
#[path = "mending_tests.rs"]
mod mending_tests;
