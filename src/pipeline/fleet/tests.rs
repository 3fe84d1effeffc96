//! The fleet against answers that a test gives by hand.

mod checks;
mod disk;
mod homes;
mod ill;
mod leaving;
mod moves;
mod nonsense;
mod places;
mod rules;
mod servers;
mod start;
mod streams;
mod survey;

use super::*;
use crate::model::{
    Change, Cursor, Doubt, Fault, Found, Hint, Home, ItemId, ListenEnd, Next, Page, ResourceUri,
    Zone,
};
use crate::pipeline::samples::{fresh, installation, key, meeting, now, user};
use crate::pipeline::sync::{Got, Loaded};
use crate::pipeline::window::{Reach, Window};

/// The fleet, a clock, and what it wants.
struct Desk {
    fleet: Fleet,
    now: Now,
    wants: Vec<Output>,
}

impl Desk {
    fn new(passes: usize, backlog: usize) -> Self {
        let rules = Rules { passes, backlog, seed: 3, ..Rules::default() };
        Self { fleet: Fleet::new(rules, installation()), now: now(0), wants: Vec::new() }
    }

    fn put(&mut self, input: Input) {
        self.fleet.handle(self.now, input);
        self.wants.extend(self.fleet.drain());
        // The index is empty.
        let look = |want: &Output| match want {
            Output::Look(ticket, ..) => Some(*ticket),
            _ => None,
        };
        if let Some(ticket) = self.take(look) {
            self.put(Input::Rows(ticket, Ok(vec![])));
        }
    }

    fn later(&mut self, span: Span) {
        self.now.wall = self.now.wall + span;
        self.now.mono = self.now.mono + span;
        self.put(Input::Tick);
    }

    /// Takes the first thing that is wanted and fits.
    fn take<T>(&mut self, fits: impl Fn(&Output) -> Option<T>) -> Option<T> {
        let (at, found) =
            self.wants.iter().enumerate().find_map(|(at, want)| Some((at, fits(want)?)))?;
        self.wants.remove(at);
        Some(found)
    }

    fn load(&mut self) -> Option<(Ticket, UserId)> {
        self.take(|want| match want {
            Output::Load(ticket, user, _) => Some((*ticket, user.clone())),
            _ => None,
        })
    }

    fn asked(&mut self) -> Option<(Ticket, UserId)> {
        self.take(|want| match want {
            Output::Ask(ticket, user, _) => Some((*ticket, user.clone())),
            _ => None,
        })
    }

    fn homes(&mut self) -> Option<(Ticket, Vec<UserId>)> {
        self.take(|want| match want {
            Output::Homes(ticket, users, _) => Some((*ticket, users.clone())),
            _ => None,
        })
    }

    fn listened(&mut self) -> Option<(StreamId, Vec<UserId>)> {
        self.take(|want| match want {
            Output::Listen(stream, users) => Some((*stream, users.clone())),
            _ => None,
        })
    }

    fn joined(&mut self) -> Option<(StreamId, UserId)> {
        self.take(|want| match want {
            Output::Join(stream, user) => Some((*stream, user.clone())),
            _ => None,
        })
    }

    fn left(&mut self) -> Option<(StreamId, UserId)> {
        self.take(|want| match want {
            Output::Leave(stream, user) => Some((*stream, user.clone())),
            _ => None,
        })
    }

    /// Tells all homes that are asked for.
    fn house(&mut self) {
        while let Some((ticket, users)) = self.homes() {
            let homes = users.iter().map(|_| Ok(home("g"))).collect();
            self.put(Input::Homes(ticket, homes));
        }
    }

    fn noted(&mut self) -> Vec<Note> {
        let all = std::mem::take(&mut self.wants);
        let (notes, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|want| matches!(want, Output::Note(_)));
        self.wants = rest;
        notes
            .into_iter()
            .filter_map(|note| match note {
                Output::Note(note) => Some(note),
                _ => None,
            })
            .collect()
    }

    /// Grants the store and the group until a request to Exchange is wanted, or nothing.
    fn until_asked(&mut self) -> Option<(Ticket, UserId)> {
        loop {
            if let Some((ticket, _)) = self.load() {
                self.put(Input::Loaded(ticket, Ok(Some(known()))));
            } else if let Some((ticket, users)) = self.homes() {
                let homes = users.iter().map(|_| Ok(home("g"))).collect();
                self.put(Input::Homes(ticket, homes));
            } else {
                return self.asked();
            }
        }
    }

    /// Adds so many mailboxes and answers each with an empty page.
    fn settle(&mut self, count: usize) {
        for n in 0..count {
            self.put(Input::Added(user(n)));
        }
        while let Some((ticket, _)) = self.until_asked() {
            self.put(Input::Got(ticket, nothing_new()));
        }
    }

    /// And everybody is listened to.
    fn listen(&mut self) -> StreamId {
        self.later(limits::GATHER);
        let (stream, users) = self.listened().expect("a stream");
        for user in users {
            self.put(Input::Hint(stream, Hint::Listening(user)));
        }
        while let Some((ticket, _)) = self.until_asked() {
            self.put(Input::Got(ticket, nothing_new()));
        }
        stream
    }
}

fn home(group: &str) -> Home {
    Home { server: ServerKey::new("s"), group: GroupKey::new(group), zone: None }
}

fn known() -> Loaded {
    let cursor = installation().stash_cursor(&Cursor("c".into())).unwrap();
    let window = Some(Window::at(now(0).wall, Reach::default(), &Zone::default()));
    Loaded { cursor: Some(cursor), window, resend: false, ..fresh() }
}

fn nothing_new() -> Result<Got, Fault> {
    Ok(Got::Page(Page { changes: vec![], cursor: Cursor("c".into()), last: true }))
}

fn busy(seconds: u64) -> Fault {
    Fault::new(Next::BackOff { after: Some(Span::from_secs(seconds)) }, "ErrorServerBusy")
}

#[test]
fn never_more_passes_than_allowed_and_each_has_one_request_open() {
    let mut desk = Desk::new(4, 3);
    for n in 0..20 {
        desk.put(Input::Added(user(n)));
    }
    let mut open = Vec::new();
    while let Some((ticket, _)) = desk.until_asked() {
        open.push(ticket);
    }
    assert_eq!((open.len(), desk.fleet.running()), (3, 3), "the backlog leaves one slot");
    let mut answered = 0;
    while let Some(ticket) = open.pop() {
        desk.put(Input::Got(ticket, nothing_new()));
        answered += 1;
        while let Some((ticket, _)) = desk.until_asked() {
            open.push(ticket);
        }
        assert!(open.len() <= 4 && desk.fleet.running() <= 4);
    }
    assert_eq!((answered, desk.fleet.running()), (20, 0));
}

#[test]
fn a_rung_mailbox_goes_before_the_backlog() {
    let mut desk = Desk::new(1, 1);
    desk.settle(10);
    let stream = desk.listen();
    for n in 0..9 {
        desk.put(Input::Stirred(user(n)));
    }
    desk.put(Input::Hint(stream, Hint::Changed(user(9))));
    let (ticket, first) = desk.until_asked().unwrap();
    assert_eq!(first, user(0), "it was under way already");
    desk.put(Input::Got(ticket, nothing_new()));
    assert_eq!(desk.until_asked().unwrap().1, user(9));
}

#[test]
fn promise_4_while_the_cloud_is_slow_the_backlog_waits_and_a_rung_mailbox_does_not() {
    let mut desk = Desk::new(4, 3);
    desk.settle(5);
    let stream = desk.listen();
    desk.put(Input::OutboxLong(true));
    for n in 0..4 {
        desk.put(Input::Stirred(user(n)));
    }
    assert!(desk.until_asked().is_none(), "it would stand before a live edit in the outbox");
    desk.put(Input::Hint(stream, Hint::Changed(user(4))));
    assert_eq!(desk.until_asked().unwrap().1, user(4));
    desk.put(Input::OutboxLong(false));
    let asked: Vec<_> = std::iter::from_fn(|| desk.until_asked()).map(|asked| asked.1).collect();
    assert_eq!(asked, [user(0), user(1), user(2)], "as many as may at once");
}

#[test]
fn a_slot_is_kept_for_rung_mailboxes() {
    let mut desk = Desk::new(2, 1);
    desk.settle(5);
    let stream = desk.listen();
    for n in 0..4 {
        desk.put(Input::Stirred(user(n)));
    }
    assert!(desk.until_asked().is_some() && desk.until_asked().is_none());
    desk.put(Input::Hint(stream, Hint::Changed(user(4))));
    assert_eq!(desk.until_asked().unwrap().1, user(4));
}

#[test]
fn a_doorbell_during_a_pass_is_not_lost() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    assert!(desk.until_asked().is_none(), "one request open");
    desk.put(Input::Got(ticket, nothing_new()));
    let (ticket, _) = desk.until_asked().expect("once more");
    desk.put(Input::Got(ticket, nothing_new()));
    assert!(desk.until_asked().is_none(), "and then no more");
}

#[test]
fn after_busy_nobody_asks_before_the_time_and_then_one_alone() {
    let mut desk = Desk::new(4, 4);
    for n in 0..8 {
        desk.put(Input::Added(user(n)));
    }
    let open: Vec<_> = std::iter::from_fn(|| desk.until_asked()).collect();
    assert_eq!(open.len(), 4);
    let page = || {
        let changes = vec![Change::Upsert(ItemId("a".into()))];
        Ok(Got::Page(Page { changes, cursor: Cursor("d".into()), last: true }))
    };
    desk.put(Input::Got(open[0].0, Err(busy(60))));
    // Its answer is good, but what it asks next has to wait like everything else.
    desk.put(Input::Got(open[1].0, page()));
    desk.put(Input::Got(open[2].0, Err(busy(90))));
    assert!(desk.until_asked().is_none());
    desk.later(Span::from_secs(89));
    assert!(desk.until_asked().is_none() && desk.listened().is_none());
    // One from before the pause is still under way, so nobody begins to try.
    desk.later(Span::from_secs(2));
    assert!(desk.until_asked().is_none());
    desk.put(Input::Got(open[3].0, page()));
    let (tries, _) = desk.until_asked().expect("one tries");
    assert!(desk.until_asked().is_none() && desk.listened().is_none(), "alone");
    desk.put(Input::Got(tries, Ok(Got::Items(vec![Found::Missing(ItemId("a".into()))]))));
    let well = |note: &Note| matches!(note, Note::ServerWell(_));
    assert!(desk.noted().iter().any(well));
    assert!(desk.until_asked().is_some() && desk.until_asked().is_some(), "all again");
}

#[test]
fn a_pause_is_not_a_busy_loop() {
    let mut desk = Desk::new(2, 2);
    desk.settle(3);
    let stream = desk.listen();
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Ended(stream, ListenEnd::RollOver));
    desk.put(Input::Got(ticket, Err(busy(300))));
    let (mut ticks, end) = (0, desk.now.mono + Span::from_secs(290));
    while desk.now.mono < end {
        let wake = desk.fleet.wake_at(desk.now);
        assert!(wake > desk.now.mono);
        desk.later(wake.since(desk.now.mono));
        ticks += 1;
    }
    assert!(ticks < 30, "{ticks} wakes in five minutes");
}

#[test]
fn a_refused_sign_in_stops_everybody_until_the_secret_changes() {
    let mut desk = Desk::new(2, 2);
    for n in 0..3 {
        desk.put(Input::Added(user(n)));
    }
    let open: Vec<_> = std::iter::from_fn(|| desk.until_asked()).collect();
    desk.put(Input::Got(open[0].0, Err(Fault::new(Next::SignIn, "401"))));
    desk.put(Input::Got(open[1].0, Err(Fault::new(Next::SignIn, "401"))));
    desk.later(Span::from_secs(700));
    assert!(desk.until_asked().is_none());
    desk.put(Input::SecretChanged);
    assert!(desk.until_asked().is_some(), "the new secret is tried at once");
    assert!(desk.until_asked().is_none(), "by one alone");
}

#[test]
fn another_secret_does_not_end_the_pause_of_a_busy_server() {
    let mut desk = Desk::new(2, 2);
    desk.settle(2);
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Err(busy(100))));
    desk.put(Input::SecretChanged);
    assert!(desk.until_asked().is_none());
}

#[test]
fn nor_does_it_where_sign_in_was_refused_meanwhile() {
    let mut desk = Desk::new(2, 2);
    for n in 0..2 {
        desk.put(Input::Added(user(n)));
    }
    let open: Vec<_> = std::iter::from_fn(|| desk.until_asked()).collect();
    desk.put(Input::Got(open[0].0, Err(busy(100))));
    desk.put(Input::Got(open[1].0, Err(Fault::new(Next::SignIn, "401"))));
    desk.put(Input::SecretChanged);
    desk.later(Span::from_secs(99));
    assert!(desk.until_asked().is_none());
    desk.later(Span::from_secs(30));
    assert!(desk.until_asked().is_some(), "no longer than Exchange asked for");
}

#[test]
fn a_failing_mailbox_waits_alone_and_doorbells_do_not_shorten_it() {
    let mut desk = Desk::new(2, 2);
    desk.settle(2);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Err(Fault::new(Next::Denied, "ErrorAccessDenied"))));
    for _ in 0..5 {
        desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    }
    assert!(desk.until_asked().is_none());
    desk.put(Input::Hint(stream, Hint::Changed(user(1))));
    assert_eq!(desk.until_asked().unwrap().1, user(1), "others go on");
    assert_eq!(desk.fleet.census().failing, 1);
    desk.later(Span::from_secs(80));
    let (ticket, again) = desk.until_asked().expect("tried again");
    assert_eq!(again, user(0));
    desk.put(Input::Got(ticket, nothing_new()));
    let notes = desk.noted();
    let well = |note: &Note| matches!(note, Note::MailboxWell(of, Some(_)) if *of == user(0));
    assert!(notes.iter().any(well), "{notes:?}");
    assert_eq!(desk.fleet.census().failing, 0);
}

#[test]
fn a_removed_mailbox_is_not_asked_for_and_its_request_still_counts() {
    let mut desk = Desk::new(1, 1);
    desk.settle(3);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Removed(user(0)));
    assert_eq!(desk.left(), Some((stream, user(0))), "its subscription goes at once");
    assert_eq!(desk.fleet.census().streaming, 2, "the others' stream stands");
    desk.put(Input::Stirred(user(1)));
    assert!(desk.until_asked().is_none(), "its request is still open");
    desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    desk.put(Input::Got(ticket, Err(busy(30))));
    assert!(desk.until_asked().is_none(), "and what Exchange said to it counts for all");
    desk.put(Input::Ended(stream, ListenEnd::Stopped));
    let mut listened = Vec::new();
    for _ in 0..60 {
        desk.later(Span::SECOND);
        while let Some((ticket, of)) = desk.until_asked() {
            assert_ne!(of, user(0));
            desk.put(Input::Got(ticket, nothing_new()));
        }
        listened.extend(desk.listened());
    }
    assert_eq!(listened.len(), 1);
    assert_eq!(listened[0].1, [user(1), user(2)]);
    assert_eq!(desk.fleet.census().active, 2);
}

#[test]
fn a_dropped_commit_is_read_anew_from_the_store() {
    let mut desk = Desk::new(1, 1);
    let one = meeting("a", "a");
    desk.settle(1);
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().unwrap();
    let changes = vec![Change::Upsert(one.item.clone())];
    let page = Page { changes, cursor: Cursor("d".into()), last: true };
    desk.put(Input::Got(ticket, Ok(Got::Page(page))));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Ok(Got::Items(vec![Found::Meeting(Box::new(one))]))));
    let (ticket, want) = desk
        .take(|want| match want {
            Output::Key(ticket, _, want) => Some((*ticket, want.clone())),
            _ => None,
        })
        .unwrap();
    assert_eq!(want, Want::Establish);
    desk.put(Input::Keyed(ticket, Ok((ResourceUri::new("r"), key("k")))));
    let (ticket, commit) = desk
        .take(|want| match want {
            Output::Commit(ticket, commit) => Some((*ticket, commit.clone())),
            _ => None,
        })
        .unwrap();
    assert_eq!(
        commit.keys.as_ref().map(|keys| keys.key.as_str()),
        Some("kms://kms.example/keys/k")
    );
    desk.put(Input::Committed(ticket, Ok(false)));
    assert!(desk.until_asked().is_some(), "read again");
}

#[test]
fn a_new_day_reads_every_window_anew_and_a_clock_that_jumps_too() {
    let mut desk = Desk::new(3, 3);
    desk.settle(5);
    desk.listen();
    desk.later(Span::HOUR);
    assert!(desk.until_asked().is_none());
    for jump in [Span::DAY.as_ms() as i64, -2 * Span::DAY.as_ms() as i64] {
        desk.now.wall = Time::from_ms(desk.now.wall.as_ms() + jump);
        let wake = desk.fleet.wake_at(desk.now).since(desk.now.mono);
        assert!(wake <= limits::LOOK);
        let mut read = BTreeSet::new();
        for _ in 0..80 {
            desk.later(Span::SECOND);
            while let Some((ticket, of)) = desk.until_asked() {
                read.insert(of);
                desk.put(Input::Got(ticket, Err(Fault::retry("enough"))));
            }
        }
        assert_eq!(read.len(), 5);
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
}
