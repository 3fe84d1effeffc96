//! Who is listened to, who is polled meanwhile, and how often a stream is opened.

use super::*;

#[test]
fn streams_hold_two_hundred_at_most_and_one_group_each() {
    let mut desk = Desk::new(10, 10);
    for n in 0..450 {
        desk.put(Input::Added(user(n)));
    }
    loop {
        if let Some((ticket, users)) = desk.homes() {
            let group = |of: &UserId| if *of < user(430) { "a" } else { "b" };
            let homes = users.iter().map(|of| Ok(home(group(of)))).collect();
            desk.put(Input::Homes(ticket, homes));
        } else if let Some((ticket, _)) = desk.load() {
            desk.put(Input::Loaded(ticket, Ok(Some(known()))));
        } else if let Some((ticket, _)) = desk.asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        } else {
            break;
        }
    }
    desk.later(limits::GATHER);
    let mut sizes = Vec::new();
    while let Some((stream, users)) = desk.listened() {
        sizes.push(users.len());
        for user in users {
            desk.put(Input::Hint(stream, Hint::Listening(user)));
        }
        desk.later(limits::GATHER);
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 30, 200, 200]);
    let census = desk.fleet.census();
    assert_eq!((census.streaming, census.polling), (450, 0));
}

#[test]
fn a_listened_mailbox_is_not_polled_and_an_unheard_one_is() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    let stream = desk.listen();
    for _ in 0..30 {
        desk.later(Span::MINUTE);
        assert!(desk.until_asked().is_none());
    }
    let broken = ListenEnd::Failed(Fault::retry("connection reset"));
    desk.put(Input::Ended(stream, broken));
    let (mut polls, mut streams) = (0, 0);
    for _ in 0..600 {
        desk.later(Span::SECOND);
        if let Some((stream, _)) = desk.listened() {
            streams += 1;
            let broken = ListenEnd::Failed(Fault::retry("connection refused"));
            desk.put(Input::Ended(stream, broken));
        }
        if let Some((ticket, _)) = desk.until_asked() {
            polls += 1;
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
    assert!((7..=13).contains(&polls), "{polls} polls in ten minutes");
    assert!((3..=5).contains(&streams), "{streams} streams in ten minutes");
}

#[test]
fn a_mailbox_is_read_once_more_when_its_doorbell_begins_to_work() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    desk.later(limits::GATHER);
    let (stream, _) = desk.listened().unwrap();
    desk.put(Input::Hint(stream, Hint::Listening(user(0))));
    let (ticket, _) = desk.until_asked().expect("what happened before does not ring");
    // And again after a gap within the stream.
    desk.put(Input::Got(ticket, nothing_new()));
    desk.put(Input::Hint(stream, Hint::Listening(user(0))));
    assert!(desk.until_asked().is_some());
    let listening = desk.noted().into_iter().filter(|n| matches!(n, Note::Listening(_))).count();
    assert_eq!(listening, 1, "told once");
}

#[test]
fn a_stream_that_breaks_as_soon_as_it_listens_is_opened_ever_later() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    let mut streams = 0;
    for _ in 0..3_600 {
        desk.later(Span::SECOND);
        if let Some((stream, users)) = desk.listened() {
            streams += 1;
            desk.put(Input::Hint(stream, Hint::Listening(users[0].clone())));
            let broken = ListenEnd::Failed(Fault::retry("connection reset"));
            desk.put(Input::Ended(stream, broken));
        }
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
    assert!(streams < 20, "{streams} streams in an hour");
}

#[test]
fn a_refused_mailbox_leaves_the_stream_to_the_others() {
    let mut desk = Desk::new(2, 2);
    desk.settle(3);
    desk.later(limits::GATHER);
    let (stream, users) = desk.listened().unwrap();
    desk.put(Input::Hint(stream, Hint::Refused(users[1].clone(), Fault::refused("moved"))));
    desk.put(Input::Hint(stream, Hint::Listening(users[0].clone())));
    desk.put(Input::Hint(stream, Hint::Listening(users[2].clone())));
    // Whatever this stream says of it later, it is not in it.
    desk.put(Input::Hint(stream, Hint::Listening(users[1].clone())));
    assert_eq!(desk.fleet.census().streaming, 2);
    desk.later(Span::from_secs(3));
    desk.later(limits::GATHER);
    assert_eq!(desk.joined(), Some((stream, users[1].clone())), "it comes back into the small one");
}

#[test]
fn where_one_tries_for_all_and_leaves_another_tries_later() {
    let mut desk = Desk::new(2, 2);
    desk.settle(5);
    let mut alone = None;
    for _ in 0..3_600 {
        desk.later(Span::SECOND);
        match desk.listened() {
            Some((_, users)) if users.len() == 1 => {
                alone = Some(users[0].clone());
                break;
            }
            Some((stream, _)) => {
                let broken = ListenEnd::Failed(Fault::retry("connection reset"));
                desk.put(Input::Ended(stream, broken));
            }
            None => {}
        }
    }
    desk.put(Input::Removed(alone.expect("one tries for all")));
    let next = (0..3_600).find_map(|_| {
        desk.later(Span::SECOND);
        desk.listened()
    });
    assert_eq!(next.map(|(_, users)| users.len()), Some(1));
}

#[test]
fn streams_that_end_every_two_minutes_are_left_to_polling() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    let mut notes = Vec::new();
    for _ in 0..limits::LISTEN_FAILURES {
        let (stream, users) = (0..100)
            .find_map(|_| {
                desk.later(Span::SECOND.times(5));
                while let Some((ticket, _)) = desk.until_asked() {
                    desk.put(Input::Got(ticket, nothing_new()));
                }
                desk.listened()
            })
            .expect("a stream");
        for user in users {
            desk.put(Input::Hint(stream, Hint::Listening(user)));
        }
        desk.later(Span::MINUTE.times(2));
        desk.put(Input::Ended(stream, ListenEnd::Failed(Fault::retry("closed"))));
        notes.extend(desk.noted());
    }
    assert!(notes.iter().any(|note| matches!(note, Note::GroupDemoted(..))), "{notes:?}");
    // Nobody would ever hear whether its streams work again.
    desk.put(Input::Removed(user(0)));
    assert!(desk.noted().contains(&Note::GroupLeft(0)));
}

#[test]
fn where_the_one_that_tried_for_all_stands_the_others_follow_a_while_later() {
    let mut desk = Desk::new(2, 2);
    desk.settle(5);
    let trial = loop {
        desk.later(Span::SECOND);
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
        match desk.listened() {
            Some((stream, users)) if users.len() == 1 => break (stream, users),
            Some((stream, _)) => {
                let broken = ListenEnd::Failed(Fault::retry("connection reset"));
                desk.put(Input::Ended(stream, broken));
            }
            None => {}
        }
    };
    desk.noted();
    let (stream, users) = trial;
    desk.put(Input::Hint(stream, Hint::Listening(users[0].clone())));
    let second = Span::SECOND;
    for _ in 0..limits::GROUP_TRIAL.as_ms() / 1_000 - 1 {
        desk.later(second);
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
        assert!(desk.joined().is_none() && desk.listened().is_none(), "it may break yet");
    }
    desk.later(second);
    let joined: BTreeSet<_> = std::iter::from_fn(|| desk.joined()).map(|(_, of)| of).collect();
    assert_eq!(joined.len(), 4, "all the others");
    assert!(!joined.contains(&users[0]));
    assert!(desk.noted().contains(&Note::GroupPromoted(0)));
}

#[test]
fn where_the_one_that_tried_for_all_breaks_at_once_the_others_are_spared() {
    let mut desk = Desk::new(2, 2);
    desk.settle(5);
    let mut subscribed = 0;
    let mut alone = false;
    for _ in 0..3 * 3_600 {
        desk.later(Span::SECOND);
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
        if let Some((stream, users)) = desk.listened() {
            alone |= users.len() == 1;
            subscribed += if alone { users.len() } else { 0 };
            desk.put(Input::Hint(stream, Hint::Listening(users[0].clone())));
            desk.later(Span::from_secs(20));
            let broken = ListenEnd::Failed(Fault::retry("connection reset"));
            desk.put(Input::Ended(stream, broken));
        }
    }
    assert!(alone && subscribed <= 15, "{subscribed} in three hours");
}
