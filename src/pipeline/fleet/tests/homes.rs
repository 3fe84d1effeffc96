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
