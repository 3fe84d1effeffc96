//! Mailboxes of which a part, or all, cannot be read for a while.

use super::*;
use crate::model::Listing;
use crate::pipeline::sync::Shortfall;

impl Desk {
    /// Grants whatever a pass wants but items, until nothing is asked: those it gives as `found`.
    /// How often items were asked for.
    fn pass(&mut self, found: &Found, listing: &Listing) -> usize {
        let mut asked = 0;
        loop {
            let want = self.take(|want| match want {
                Output::Ask(ticket, _, ask) => Some((*ticket, Some(ask.clone()))),
                Output::Commit(ticket, _) => Some((*ticket, None)),
                _ => None,
            });
            let Some((ticket, ask)) = want else {
                let Some((ticket, _)) = self.load() else { return asked };
                let window = None;
                self.put(Input::Loaded(ticket, Ok(Some(Loaded { window, ..known() }))));
                continue;
            };
            let got = match ask {
                None => {
                    self.put(Input::Committed(ticket, Ok(true)));
                    continue;
                }
                Some(Ask::Changes(_)) => nothing_new(),
                Some(Ask::View(_)) => Ok(Got::View(listing.clone())),
                Some(Ask::Items(ids)) => {
                    asked += 1;
                    Ok(Got::Items(ids.iter().map(|_| found.clone()).collect()))
                }
            };
            self.put(Input::Got(ticket, got));
        }
    }
}

fn unreadable(next: Next) -> Found {
    Found::Unreadable(ItemId("a".into()), Fault::new(next, "ErrorInternalServerError"))
}

fn told(notes: &[Note]) -> usize {
    notes.iter().filter(|note| matches!(note, Note::ItemUnreadable(..))).count()
}

#[test]
fn an_ill_item_is_asked_for_within_minutes_ever_more_seldom_and_named_once() {
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    desk.listen();
    desk.noted();
    let listing = vec![crate::pipeline::samples::entry(&meeting("a", "a"))].into();
    let ill = unreadable(Next::Retry { after: None });
    desk.put(Input::Stirred(user(0)));
    assert_eq!(desk.pass(&ill, &listing), 1);
    assert_eq!(told(&desk.noted()), 1);
    let mut at = Vec::new();
    for second in 0..1_800_u64 {
        desk.later(Span::SECOND);
        if desk.pass(&ill, &listing) > 0 {
            at.push(second);
        }
    }
    assert!(at[0] <= 7, "{at:?}");
    assert!((8..20).contains(&at.len()), "{at:?}");
    assert!(at.windows(2).all(|two| two[1] - two[0] <= 370), "{at:?}");
    let notes = desk.noted();
    assert!(!notes.iter().any(|note| matches!(note, Note::MailboxFailing(..))), "{notes:?}");
    assert_eq!(told(&notes), 0, "the same once");
    // It is given up: that is said, and nobody asks before the next day.
    desk.later(limits::ILL_RETRY.1.times(2));
    assert_eq!(desk.pass(&unreadable(Next::Refused), &listing), 1);
    assert_eq!(told(&desk.noted()), 1);
    desk.later(Span::HOUR);
    assert_eq!(desk.pass(&ill, &listing), 0);
}

#[test]
fn an_item_that_is_left_out_is_told_of_daily_and_once_when_it_is_not_any_more() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    desk.noted();
    let listing: Listing = vec![crate::pipeline::samples::entry(&meeting("a", "a"))].into();
    let ended = |notes: &[Note]| {
        notes.iter().filter(|note| matches!(note, Note::ItemsReadable(..))).count()
    };
    let day = |desk: &mut Desk, found: &Found, listing: &Listing| {
        desk.later(Span::DAY);
        desk.put(Input::Stirred(user(0)));
        desk.pass(found, listing);
        let notes = desk.noted();
        (told(&notes) > 0, ended(&notes))
    };
    let never = unreadable(Next::Refused);
    for n in 0..3 {
        assert_eq!(day(&mut desk, &never, &listing), (true, 0), "day {n}");
    }
    // Its owner deletes it.
    assert_eq!(
        day(&mut desk, &never, &Listing { complete: true, ..Listing::default() }),
        (false, 1)
    );
    assert_eq!(
        day(&mut desk, &never, &Listing { complete: true, ..Listing::default() }),
        (false, 0)
    );
    assert_eq!(day(&mut desk, &never, &listing), (true, 0));
    // A start knows nothing of it, and tells neither.
    desk.put(Input::Removed(user(0)));
    desk.put(Input::Added(user(0)));
    assert_eq!(
        day(&mut desk, &never, &Listing { complete: true, ..Listing::default() }),
        (false, 0)
    );
}

#[test]
fn a_doorbell_is_heard_while_an_item_is_ill() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    let stream = desk.listen();
    let listing = vec![crate::pipeline::samples::entry(&meeting("a", "a"))].into();
    let ill = unreadable(Next::Retry { after: None });
    desk.put(Input::Stirred(user(0)));
    for _ in 0..10 {
        assert_eq!(desk.pass(&ill, &listing), 1);
        desk.put(Input::Hint(stream, Hint::Changed(user(0))));
    }
}

#[test]
fn a_window_that_is_not_relayed_whole_is_named_when_that_changes() {
    let mut desk = Desk::new(4, 4);
    desk.settle(1);
    desk.noted();
    let missing = Found::Missing(ItemId("a".into()));
    let mut notes = Vec::new();
    for complete in [true, false, false, true, true] {
        desk.put(Input::Stirred(user(0)));
        desk.pass(&missing, &Listing { entries: Vec::new(), complete });
        let told = |note: Note| match note {
            Note::Shortfall(_, shortfall, _) => Some(shortfall),
            _ => None,
        };
        notes.push(desk.noted().into_iter().find_map(told));
    }
    let crowded = Shortfall { from: None, crowded: true };
    assert_eq!(notes, [None, Some(crowded), None, Some(Shortfall::default()), None]);
}

#[test]
fn a_mailbox_whose_calendar_appears_later_is_read_within_the_hour() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    let gone = || Fault::new(Next::Gone, "ErrorFolderNotFound");
    let mut asked = 0;
    let begin = desk.now.mono;
    // A day without a calendar costs some requests, not thousands.
    while desk.now.mono.since(begin) < Span::DAY {
        while let Some((ticket, _)) = desk.until_asked() {
            asked += 1;
            desk.put(Input::Got(ticket, Err(gone())));
        }
        desk.later(Span::MINUTE);
    }
    assert!((20..=60).contains(&asked), "{asked}");
    let failing = |note: &Note| matches!(note, Note::MailboxFailing(..));
    assert_eq!(desk.noted().iter().filter(|note| failing(note)).count(), 1);
    // Its owner opens Outlook for the first time.
    let begin = desk.now.mono;
    let (ticket, _) = loop {
        match desk.until_asked() {
            Some(asked) => break asked,
            None => desk.later(Span::MINUTE),
        }
    };
    assert!(desk.now.mono.since(begin) <= Span::MINUTE.times(75));
    desk.put(Input::Got(ticket, nothing_new()));
    desk.pass(&unreadable(Next::Refused), &Listing { complete: true, ..Listing::default() });
    assert!(desk.noted().iter().any(|note| matches!(note, Note::MailboxWell(..))));
}

#[test]
fn whoever_is_asked_for_again_is_tried_at_once_and_told_anew() {
    let mut desk = Desk::new(2, 2);
    desk.put(Input::Added(user(0)));
    let fails = |desk: &mut Desk| {
        let (ticket, _) = desk.until_asked().expect("it is tried");
        let denied = Fault::new(Next::Denied, "ErrorImpersonateUserDenied");
        desk.put(Input::Got(ticket, Err(denied)));
        assert!(desk.until_asked().is_none(), "then it waits");
        desk.noted().iter().filter(|note| matches!(note, Note::MailboxFailing(..))).count()
    };
    assert_eq!(fails(&mut desk), 1);
    // It is activated again, and sent again: the cloud has forgotten what it was told.
    desk.put(Input::Added(user(0)));
    assert_eq!(fails(&mut desk), 1);
    desk.put(Input::Stirred(user(0)));
    assert_eq!(fails(&mut desk), 1);
    // By itself it is tried later, and nothing new is told.
    desk.later(Span::HOUR.times(2));
    assert_eq!(fails(&mut desk), 0);
    desk.put(Input::Stirred(user(0)));
    assert!(desk.until_asked().is_some());
}
