//! Moves that nobody tells: the directory is asked, evenly, and what was new had better ring.

use super::*;

const NOTICED_WITHIN: Span = Span::MINUTE.times(10);

impl Desk {
    /// Homes that are asked for as a routine.
    fn checked(&mut self) -> Option<(Ticket, Vec<UserId>)> {
        self.take(|want| match want {
            Output::Homes(ticket, users, Doubt::Routine) => Some((*ticket, users.clone())),
            _ => None,
        })
    }

    /// Goes on for so long; each check is told these homes, and each reading finds nothing new.
    fn check_for(
        &mut self,
        span: Span,
        home: impl Fn(&UserId) -> Result<Home, Fault>,
    ) -> Vec<(Time, usize)> {
        let (end, mut calls) = (self.now.mono + span, Vec::new());
        while self.now.mono < end {
            self.later(Span::SECOND);
            while let Some((ticket, users)) = self.checked() {
                calls.push((self.now.mono, users.len()));
                let homes = users.iter().map(&home).collect();
                self.put(Input::Homes(ticket, homes));
            }
            while let Some((ticket, _)) = self.until_asked() {
                self.put(Input::Got(ticket, nothing_new()));
            }
        }
        calls
    }
}

fn elsewhere() -> Home {
    Home { server: ServerKey::new("another"), ..home("elsewhere") }
}

fn gone() -> Fault {
    Fault::new(Next::Gone, "mailbox moved to Microsoft 365")
}

#[test]
fn a_heard_mailbox_that_moved_in_silence_is_followed_within_ten_minutes() {
    let mut desk = Desk::new(4, 4);
    desk.settle(3);
    let stream = desk.listen();
    desk.later(Span::MINUTE);
    let moved = |of: &UserId| Ok(if *of == user(1) { elsewhere() } else { home("g") });
    let then = desk.now.mono;
    let left = loop {
        desk.check_for(Span::SECOND, moved);
        if let Some(left) = desk.left() {
            break left;
        }
        assert!(desk.now.mono.since(then) < NOTICED_WITHIN);
    };
    assert_eq!(left, (stream, user(1)));
    desk.later(limits::GATHER);
    let (_, users) = desk.listened().expect("a stream at the new place");
    assert_eq!(users, [user(1)]);
    assert_eq!(desk.fleet.census().streaming, 2, "nobody else was touched");
}

#[test]
fn a_round_of_checks_is_even_and_asks_for_everybody_once() {
    let mut desk = Desk::new(10, 10);
    desk.settle(2_000);
    desk.check_for(limits::CHECK, |_| Ok(home("g")));
    let calls = desk.check_for(limits::CHECK.times(2), |_| Ok(home("g")));
    let all: usize = calls.iter().map(|(_, count)| count).sum();
    assert!((3_900..=4_100).contains(&all), "{all} in two rounds");
    let apart = calls.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_ms());
    assert!(
        apart.clone().all(|ms| (23_000..=25_000).contains(&ms)),
        "{:?}",
        apart.collect::<Vec<_>>()
    );
}

#[test]
fn whoever_is_where_it_was_is_not_read_for_a_check() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    desk.listen();
    for _ in 0..30 {
        desk.later(Span::MINUTE);
        while let Some((ticket, users)) = desk.checked() {
            let homes = users.iter().map(|_| Ok(home("g"))).collect();
            desk.put(Input::Homes(ticket, homes));
            assert!(desk.load().is_none());
        }
    }
}

#[test]
fn one_that_the_directory_does_not_know_is_read_and_goes_on_if_the_server_knows_it() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    desk.listen();
    let (mut readings, mut sought) = (0, 0);
    for _ in 0..60 * 30 {
        desk.later(Span::SECOND);
        while let Some((ticket, users)) = desk.checked() {
            desk.put(Input::Homes(ticket, users.iter().map(|_| Err(gone())).collect()));
        }
        sought += usize::from(desk.homes().is_some());
        while let Some((ticket, _)) = desk.until_asked() {
            readings += 1;
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
    assert!((6..=8).contains(&readings), "{readings} readings of two in half an hour");
    assert_eq!((sought, desk.fleet.census().failing, desk.fleet.census().streaming), (0, 0, 2));
}

#[test]
fn one_that_neither_knows_is_named_as_the_directory_says_within_ten_minutes() {
    for refusal in [Next::Gone, Next::Moved, Next::Denied, Next::Retry { after: None }] {
        let mut desk = Desk::new(4, 4);
        desk.settle(2);
        desk.listen();
        let then = desk.now.mono;
        let named = loop {
            desk.later(Span::SECOND);
            assert!(desk.now.mono.since(then) < NOTICED_WITHIN, "{refusal:?}");
            let told = |of: &UserId| if *of == user(1) { Err(gone()) } else { Ok(home("g")) };
            while let Some((ticket, users)) = desk.homes() {
                desk.put(Input::Homes(ticket, users.iter().map(told).collect()));
            }
            if let Some((ticket, of)) = desk.load() {
                assert_eq!(of, user(1), "the other one is well");
                desk.put(Input::Loaded(ticket, Ok(Some(known()))));
            }
            if let Some((ticket, _)) = desk.asked() {
                desk.put(Input::Got(ticket, Err(Fault::new(refusal, "what the server says"))));
            }
            let named = desk.noted().into_iter().find_map(|note| match note {
                Note::MailboxFailing(user, fault, _) => Some((user, fault)),
                _ => None,
            });
            if let Some(named) = named {
                break named;
            }
        };
        assert_eq!(named, (user(1), gone()), "{refusal:?}");
    }
}

#[test]
fn a_failing_mailbox_that_moved_does_not_wait_for_its_old_place() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    for _ in 0..6 {
        if let Some((ticket, _)) = desk.until_asked() {
            let denied = Fault::new(Next::Denied, "ErrorAccessDenied");
            desk.put(Input::Got(ticket, Err(denied)));
        }
        desk.later(Span::MINUTE);
    }
    let then = desk.now.mono;
    loop {
        desk.later(Span::SECOND);
        assert!(desk.now.mono.since(then) < NOTICED_WITHIN);
        while let Some((ticket, _)) = desk.checked() {
            desk.put(Input::Homes(ticket, vec![Ok(elsewhere())]));
        }
        if let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
            break;
        }
    }
    assert!(desk.noted().iter().any(|note| matches!(note, Note::MailboxWell(..))));
}

#[test]
fn checks_wait_for_real_questions_and_for_a_directory_in_trouble() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2_000);
    desk.put(Input::Added(user(5_000)));
    let (first, _) = desk.homes().expect("a home");
    // More and more are added, and nobody is told a home.
    for n in 0..600 {
        desk.put(Input::Added(user(6_000 + n)));
        desk.later(Span::SECOND);
    }
    let called = |want: &Output| matches!(want, Output::Homes(.., Doubt::Routine));
    let calls = desk.wants.iter().filter(|want| called(want)).count();
    assert_eq!(calls, 0, "a newcomer does not wait for a check");
    desk.put(Input::Homes(first, vec![Err(busy(300))]));
    while let Some((ticket, users)) = desk.homes() {
        desk.put(Input::Homes(ticket, users.iter().map(|_| Ok(home("g"))).collect()));
    }
    desk.later(Span::MINUTE.times(4));
    assert!(desk.checked().is_none(), "in its pause");
}

#[test]
fn a_check_leaves_a_place_to_a_mailbox_that_is_lost() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2_000);
    let stream = desk.listen();
    desk.later(limits::CHECK);
    let calls = std::iter::from_fn(|| desk.checked()).count();
    assert_eq!(calls, limits::CHECKS_AT_ONCE, "none is answered, so no more");
    let moved = Fault::new(Next::Moved, "ErrorReadEventsFailed");
    desk.put(Input::Hint(stream, Hint::Refused(user(7), moved)));
    assert_eq!(desk.homes().map(|(_, users)| users), Some(vec![user(7)]), "at once");
}

#[test]
fn what_an_earlier_check_says_does_not_undo_what_was_found_since() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    let stream = desk.listen();
    desk.later(limits::CHECK);
    let (check, _) = desk.checked().expect("a check");
    let moved = Fault::new(Next::Moved, "ErrorReadEventsFailed");
    desk.put(Input::Hint(stream, Hint::Refused(user(0), moved)));
    let (ticket, _) = desk.homes().expect("a question");
    desk.put(Input::Homes(ticket, vec![Ok(elsewhere())]));
    let place = desk.fleet.place(0);
    desk.put(Input::Homes(check, vec![Ok(home("g"))]));
    assert_eq!(desk.fleet.place(0), place);
}

#[test]
fn the_answer_to_a_check_is_not_taken_for_whoever_came_after() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    desk.later(limits::CHECK);
    let (check, users) = desk.checked().expect("a check");
    assert_eq!(users, [user(0)]);
    desk.put(Input::Removed(user(0)));
    desk.put(Input::Added(user(1)));
    let (ticket, _) = desk.homes().expect("a home for the new one");
    desk.put(Input::Homes(ticket, vec![Ok(home("g"))]));
    let place = desk.fleet.place(0);
    desk.put(Input::Homes(check, vec![Ok(elsewhere())]));
    assert_eq!(desk.fleet.place(0), place);
}

/// A page with something in it, all of which is gone by the time that it is read.
fn something_new(desk: &mut Desk, ticket: Ticket) {
    let changes = vec![Change::Upsert(ItemId("a".into()))];
    let page = Page { changes, cursor: Cursor("d".into()), last: true };
    desk.put(Input::Got(ticket, Ok(Got::Page(page))));
    let (ticket, _) = desk.until_asked().expect("its item");
    desk.put(Input::Got(ticket, Ok(Got::Items(vec![Found::Missing(ItemId("a".into()))]))));
    while let Some(ticket) = desk.take(|want| match want {
        Output::Commit(ticket, _) => Some(*ticket),
        _ => None,
    }) {
        desk.put(Input::Committed(ticket, Ok(true)));
    }
}

/// So many openings of the stream, each with a change before it, rung for or not; whether the
/// mailbox was subscribed anew.
fn opened_anew(rings: &[bool]) -> bool {
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    let stream = desk.listen();
    for rung in rings {
        desk.later(Span::MINUTE.times(8));
        if *rung {
            desk.put(Input::Hint(stream, Hint::Changed(user(0))));
        }
        desk.put(Input::Hint(stream, Hint::Listening(user(0))));
        let (ticket, _) = desk.until_asked().expect("it is read");
        something_new(&mut desk, ticket);
        // What the doorbell asked for while it was read.
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
    desk.left() == Some((stream, user(0)))
}

#[test]
fn a_subscription_that_lives_and_does_not_ring_is_made_anew() {
    assert!(opened_anew(&[false, false]));
}

#[test]
fn what_rings_is_let_alone() {
    assert!(!opened_anew(&[false]), "once may be chance");
    assert!(!opened_anew(&[false, true, false]));
    assert!(!opened_anew(&[true; 5]));
}
