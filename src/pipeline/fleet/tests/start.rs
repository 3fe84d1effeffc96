//! A start with many mailboxes: the likeliest first, at the budget's pace.

use super::*;

/// All readings that are wanted by now, answered: in their order.
fn read(desk: &mut Desk) -> Vec<UserId> {
    let mut order = Vec::new();
    while let Some((ticket, user)) = desk.load() {
        order.push(user);
        desk.put(Input::Loaded(ticket, Ok(Some(known()))));
    }
    order
}

fn told(desk: &mut Desk, calls: impl IntoIterator<Item = (Ticket, Vec<UserId>)>) {
    for (ticket, users) in calls {
        let homes = users.iter().map(|_| Ok(home("g"))).collect();
        desk.put(Input::Homes(ticket, homes));
    }
}

#[test]
fn the_likeliest_are_looked_for_first_and_read_in_order_whoever_is_answered_for_sooner() {
    const BUDGET: usize = 3;
    let mut desk = Desk::new(4, BUDGET);
    let all: Vec<_> = (0..3 * limits::HOMES_PER_CALL).map(user).collect();
    desk.put(Input::Begun(all.clone()));
    let mut calls: Vec<_> = std::iter::from_fn(|| desk.homes()).collect();
    let sought: Vec<_> = calls.iter().flat_map(|(_, users)| users.clone()).collect();
    assert_eq!(sought, all, "whole calls, the likeliest in the first");
    calls.reverse();
    told(&mut desk, calls);
    let mut order = read(&mut desk);
    assert_eq!(order.len(), BUDGET, "no more than the budget, and not later than they can be");
    while let Some((ticket, _)) = desk.asked() {
        assert!(desk.fleet.asking() <= BUDGET, "at the budget's pace");
        desk.put(Input::Got(ticket, nothing_new()));
        order.extend(read(&mut desk));
    }
    let early = order.split_off(BUDGET);
    let (late, early) = (early, order);
    let expected: Vec<_> = all.iter().filter(|one| !early.contains(one)).cloned().collect();
    assert_eq!(late, expected);
}

#[test]
fn who_is_added_during_a_start_is_read_after_all_who_were_there() {
    let mut desk = Desk::new(1, 1);
    desk.put(Input::Begun((0..20).map(user).collect()));
    desk.house();
    desk.put(Input::Added(user(99)));
    desk.house();
    let mut order = read(&mut desk);
    while let Some((ticket, _)) = desk.asked() {
        desk.put(Input::Got(ticket, nothing_new()));
        order.extend(read(&mut desk));
    }
    let expected: Vec<_> = (0..20).chain([99]).map(user).collect();
    assert_eq!(order, expected);
}

#[test]
fn another_way_is_tried_at_once_by_one_but_not_where_the_server_asked_for_rest() {
    let away = || Fault::new(Next::BackOff { after: None }, "connection refused");
    for (fault, tried) in [(away(), true), (busy(60), false)] {
        let mut desk = Desk::new(4, 4);
        desk.settle(4);
        for n in 0..4 {
            desk.put(Input::Stirred(user(n)));
        }
        let (ticket, _) = desk.until_asked().unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| desk.until_asked()).collect();
        desk.put(Input::Got(ticket, Err(fault)));
        for (ticket, _) in rest {
            desk.put(Input::Got(ticket, Err(away())));
        }
        assert!(desk.until_asked().is_none());
        desk.put(Input::WayChanged);
        assert_eq!(desk.until_asked().is_some(), tried);
        assert!(desk.until_asked().is_none(), "one alone");
    }
}
