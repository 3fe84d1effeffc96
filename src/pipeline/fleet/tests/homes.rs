//! How many calls it takes to ask where mailboxes are served.

use super::*;

#[test]
fn thousands_that_are_activated_one_by_one_are_asked_for_many_at_once() {
    let mut desk = Desk::new(4, 4);
    let (mut calls, mut asked, mut waiting) = (0, 0, 0);
    let mut longest = Span::default();
    let mut since = desk.now.mono;
    for n in 0..1_000 {
        desk.later(Span::from_ms(2));
        desk.put(Input::Added(user(n)));
        since = if waiting == 0 { desk.now.mono } else { since };
        waiting += 1;
        while let Some((ticket, users)) = desk.homes() {
            calls += 1;
            asked += users.len();
            waiting -= users.len();
            longest = longest.max(desk.now.mono.since(since));
            desk.put(Input::Homes(ticket, users.iter().map(|_| Ok(home("g"))).collect()));
        }
    }
    assert!(calls <= 16, "{calls} calls for {asked} mailboxes");
    assert!(longest <= limits::HOMES_APART, "{longest}");
    // The last ones are not waited with for ever.
    let wake = desk.fleet.wake_at(desk.now).since(desk.now.mono);
    assert!(waiting == 0 || wake <= limits::HOMES_APART, "{wake}");
    desk.later(limits::HOMES_APART);
    let (_, users) = desk.homes().expect("a call for the rest");
    assert_eq!(asked + users.len(), 1_000);
}

#[test]
fn the_first_few_wait_for_nobody() {
    let mut desk = Desk::new(4, 4);
    for n in 0..limits::HOMES_BURST as usize {
        desk.later(Span::from_ms(1));
        desk.put(Input::Added(user(n)));
        let (ticket, users) = desk.homes().expect("a call at once");
        assert_eq!(users, [user(n)]);
        desk.put(Input::Homes(ticket, vec![Ok(home("g"))]));
    }
}

#[test]
fn whoever_waits_for_a_decision_is_looked_for_as_soon_as_there_is_one() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    let (ticket, _) = desk.homes().unwrap();
    let waits = Fault::new(Next::Retry { after: Some(Span::MINUTE) }, "a host waits");
    desk.put(Input::Homes(ticket, vec![Err(waits)]));
    desk.later(Span::SECOND);
    assert_eq!(desk.homes(), None);
    desk.put(Input::TrustChanged);
    let (ticket, users) = desk.homes().expect("at once, and not after minutes");
    assert_eq!(users, [user(0)]);
    // Who is refused where he is known is not looked for, but asked.
    desk.put(Input::Homes(ticket, vec![Ok(home("g"))]));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Err(Fault::new(Next::Denied, "a blocked host"))));
    desk.later(Span::SECOND);
    assert!(desk.until_asked().is_none());
    desk.put(Input::TrustChanged);
    assert_eq!(desk.until_asked().expect("asked at once").1, user(0));
}
