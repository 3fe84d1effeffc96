//! What whoever looks is told: of all, and of one.

use super::*;

fn healths(desk: &Desk) -> Vec<Health> {
    desk.fleet.list(None, None, 10).into_iter().map(|entry| entry.health).collect()
}

#[test]
fn the_story_of_a_mailbox_says_how_it_is_since_when_and_what_comes_next() {
    let mut desk = Desk::new(4, 4);
    desk.put(Input::Added(user(0)));
    let story = desk.fleet.story(desk.now, &user(0)).unwrap();
    assert_eq!((story.health, story.since), (Health::Starting, desk.now.wall));
    assert_eq!(story.next, [Upcoming::Directory]);
    assert!(desk.fleet.story(desk.now, &user(1)).is_none());
    desk.settle(2);
    assert_eq!(healths(&desk), [Health::Polling; 2]);
    desk.later(Span::SECOND);
    desk.listen();
    let heard = desk.now.wall;
    assert_eq!(healths(&desk), [Health::Streaming; 2]);

    desk.later(Span::MINUTE);
    let rung = desk.now;
    desk.put(Input::Hint(1, Hint::Changed(user(0))));
    let (ticket, _) = desk.until_asked().unwrap();
    let story = desk.fleet.story(desk.now, &user(0)).unwrap();
    assert_eq!(story.event, Some(rung.wall));
    assert_eq!(story.next, [Upcoming::Reading, Upcoming::Ring]);
    desk.later(Span::SECOND);
    let fault = Fault::new(Next::Denied, "ErrorAccessDenied");
    desk.put(Input::Got(ticket, Err(fault)));
    let failed = desk.now.wall;
    let story = desk.fleet.story(desk.now, &user(0)).unwrap();
    assert_eq!((story.health, story.since), (Health::Failing, failed));
    assert_eq!(story.trouble, Some(("ErrorAccessDenied".to_owned(), 1)));
    assert!(matches!(story.next[0], Upcoming::Read(at) if at > failed), "{:?}", story.next);
    let failing = desk.fleet.list(Some(Health::Failing), None, 10);
    assert_eq!(failing.iter().map(|entry| &entry.user).collect::<Vec<_>>(), [&user(0)]);

    desk.later(Span::HOUR);
    while let Some((ticket, _)) = desk.until_asked() {
        desk.put(Input::Got(ticket, nothing_new()));
    }
    let story = desk.fleet.story(desk.now, &user(0)).unwrap();
    assert_eq!((story.trouble, story.read), (None, Some(desk.now.wall)));
    assert_eq!(story.fault, Some(("ErrorAccessDenied".to_owned(), failed)), "it is remembered");
    let other = desk.fleet.story(desk.now, &user(1)).unwrap();
    assert_eq!((other.health, other.since), (Health::Streaming, heard), "and nothing of another");
    let survey = desk.fleet.survey(desk.now);
    assert_eq!(survey.census.failing, 0);
    assert_eq!((survey.streams, survey.servers.len()), (1, 1));
    assert_eq!((survey.tally.events, survey.servers[0].mailboxes), (1, 2));
}

#[test]
fn a_list_of_many_comes_in_pages_without_a_gap() {
    let mut desk = Desk::new(4, 4);
    desk.settle(25);
    let mut all = Vec::new();
    loop {
        let page = desk.fleet.list(None, all.last(), 10);
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 10);
        all.extend(page.into_iter().map(|entry| entry.user));
    }
    let mut sorted: Vec<_> = (0..25).map(user).collect();
    sorted.sort();
    assert_eq!(all, sorted);
}

#[test]
fn what_is_remembered_of_a_mailbox_for_whoever_looks_stays_small() {
    assert!(std::mem::size_of::<Witnessed>() <= 64, "at 50,000 mailboxes each byte counts");
}
