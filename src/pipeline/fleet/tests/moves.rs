//! Mailboxes that are not where they were thought to be: their homes are asked for anew first.

use super::*;

impl Desk {
    /// Homes that are asked for as if nothing were known of them.
    fn sought(&mut self) -> Option<(Ticket, Vec<UserId>)> {
        self.take(|want| match want {
            Output::Homes(ticket, users, Doubt::Moved) => Some((*ticket, users.clone())),
            _ => None,
        })
    }

    /// Says where those live whose home is sought; gives how many there were.
    fn tell_homes(&mut self, group: &str) -> usize {
        let mut told = 0;
        while let Some((ticket, users)) = self.sought() {
            told += users.len();
            self.put(Input::Homes(ticket, users.iter().map(|_| Ok(home(group))).collect()));
        }
        told
    }
}

fn moved() -> Fault {
    Fault::new(Next::Moved, "ErrorReadEventsFailed")
}

#[test]
fn a_stream_that_says_so_has_all_of_its_mailboxes_looked_for_and_then_listened_to_anew() {
    let mut desk = Desk::new(4, 4);
    desk.settle(3);
    let stream = desk.listen();
    desk.put(Input::Ended(stream, ListenEnd::Failed(moved())));
    assert!(desk.listened().is_none(), "not before their homes are known");
    assert_eq!(desk.tell_homes("elsewhere"), 3);
    desk.later(Span::SECOND.times(2));
    desk.later(limits::GATHER);
    let (_, users) = desk.listened().expect("a stream at the new place");
    assert_eq!(users.len(), 3);
}

#[test]
fn one_that_is_refused_so_is_looked_for_alone() {
    let mut desk = Desk::new(4, 4);
    desk.settle(3);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Refused(user(1), moved())));
    let (ticket, users) = desk.sought().expect("a question for its home");
    assert_eq!(users, [user(1)]);
    desk.put(Input::Homes(ticket, vec![Ok(home("elsewhere"))]));
    desk.later(Span::SECOND.times(2));
    desk.later(limits::GATHER);
    assert_eq!(desk.listened().map(|(_, users)| users), Some(vec![user(1)]));
}

/// One mailbox that is listened to, rang, and is being asked about.
fn asked_as_it_rang() -> (Desk, Ticket) {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    let (ticket, _) = desk.until_asked().expect("a request");
    (desk, ticket)
}

#[test]
fn a_pass_that_fails_so_is_done_again_once_the_home_is_known() {
    let (mut desk, ticket) = asked_as_it_rang();
    let lost = Fault::new(Next::Moved, "ErrorNoRespondingCASInDestinationSite");
    desk.put(Input::Got(ticket, Err(lost)));
    assert!(desk.asked().is_none(), "not at the old place");
    assert_eq!(desk.tell_homes("elsewhere"), 1);
    let (ticket, _) = desk.until_asked().expect("the same question at the new place");
    desk.put(Input::Got(ticket, nothing_new()));
    let failing = |note: &Note| matches!(note, Note::MailboxFailing(..));
    assert!(!desk.noted().iter().any(failing), "nothing is wrong with it");
}

#[test]
fn a_reading_that_was_held_back_does_not_wait_for_the_server_it_left() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    let stream = desk.listen();
    for n in 0..2 {
        desk.put(Input::Hint(stream, Hint::Changed(user(n))));
    }
    let open: Vec<_> = std::iter::from_fn(|| desk.until_asked()).collect();
    desk.put(Input::Got(open[0].0, Err(busy(3_000))));
    let changes = vec![Change::Upsert(ItemId("a".into()))];
    let page = Page { changes, cursor: Cursor("d".into()), last: true };
    desk.put(Input::Got(open[1].0, Ok(Got::Page(page))));
    assert!(desk.until_asked().is_none(), "what it asks next is held back");
    desk.put(Input::Hint(stream, Hint::Refused(open[1].1.clone(), moved())));
    let (ticket, users) = desk.sought().expect("a question for its home");
    let server = ServerKey::new("another");
    let homes = users.iter().map(|_| Ok(Home { server: server.clone(), ..home("g") })).collect();
    desk.put(Input::Homes(ticket, homes));
    assert_eq!(desk.until_asked().map(|(_, of)| of), Some(open[1].1.clone()), "at once");
    assert_eq!(desk.fleet.running(), 1);
}

#[test]
fn one_that_moved_at_midnight_is_read_at_once_and_not_by_and_by() {
    let mut desk = Desk::new(4, 4);
    // So many that their new day is spread over minutes.
    desk.settle(2_000);
    desk.now.wall = desk.now.wall + Span::DAY;
    desk.put(Input::Tick);
    let mut read = BTreeSet::new();
    let (ticket, users) = desk.homes().expect("a new day asks for homes");
    let homes = (0..users.len()).map(|n| Ok(home(if n == 50 { "elsewhere" } else { "g" })));
    desk.put(Input::Homes(ticket, homes.collect()));
    while let Some((ticket, of)) = desk.load() {
        read.insert(of);
        desk.put(Input::Loaded(ticket, Ok(Some(known()))));
    }
    assert_eq!(read, [users[50].clone()].into());
}

fn gone() -> Fault {
    Fault::new(Next::Gone, "ErrorNonExistentMailbox")
}

/// Times at which the home of the one mailbox is asked for, in seconds; each time it is gone.
fn asked_while_gone(desk: &mut Desk, minutes: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for second in (0..minutes * 60).step_by(5) {
        while let Some((ticket, users)) = desk.homes() {
            times.push(second);
            desk.put(Input::Homes(ticket, users.iter().map(|_| Err(gone())).collect()));
        }
        desk.later(Span::from_secs(5));
    }
    times
}

#[test]
fn a_mailbox_that_vanishes_during_a_move_is_back_within_minutes_and_later_asked_for_rarely() {
    let (mut desk, ticket) = asked_as_it_rang();
    desk.put(Input::Got(ticket, Err(gone())));
    let times = asked_while_gone(&mut desk, 240);
    let (young, old): (Vec<u64>, Vec<u64>) = times.iter().partition(|time| **time < 3_300);
    assert!(young.windows(2).all(|pair| pair[1] - pair[0] <= 400), "{times:?}");
    assert!(young.len() >= 9, "{times:?}");
    assert!(old.len() <= 7, "{times:?}");
    while desk.homes().is_none() {
        desk.later(Span::MINUTE);
    }
}

#[test]
fn a_mailbox_that_vanishes_over_a_restart_is_asked_for_within_minutes() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    let (ticket, _) = desk.until_asked().expect("a request");
    desk.put(Input::Got(ticket, Err(gone())));
    let times = asked_while_gone(&mut desk, 50);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 400), "{times:?}");
    assert!(times.len() >= 8, "{times:?}");
}

#[test]
fn a_mailbox_that_never_was_there_is_asked_for_soon_and_then_by_the_hour() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    let times = asked_while_gone(&mut desk, 24 * 60);
    let first = times.iter().filter(|time| **time <= 150).count();
    assert!(first >= 2, "whoever was activated too early waits a minute: {times:?}");
    let late = times.windows(2).filter(|pair| pair[0] > 2 * 3_600);
    assert!(late.clone().all(|pair| pair[1] - pair[0] >= 2_400), "{times:?}");
    assert!(late.count() >= 15 && times.len() <= 36, "{times:?}");
}

#[test]
fn one_that_fails_at_midnight_while_the_directory_is_busy_is_not_forgotten() {
    let (mut desk, ticket) = asked_as_it_rang();
    desk.put(Input::Got(ticket, Err(gone())));
    let (ticket, _) = desk.homes().expect("a question for its home");
    desk.put(Input::Homes(ticket, vec![Err(gone())]));
    desk.now.wall = desk.now.wall + Span::DAY;
    let again = (0..3_600).find_map(|_| {
        desk.later(Span::SECOND);
        desk.homes()
    });
    desk.put(Input::Homes(again.expect("asked for again").0, vec![Err(busy(1))]));
    let read = (0..3_600).find_map(|_| {
        desk.later(Span::SECOND);
        desk.load().map(|_| ()).or(desk.homes().map(|_| ()))
    });
    assert!(read.is_some(), "nothing would ever ask for it again");
}
