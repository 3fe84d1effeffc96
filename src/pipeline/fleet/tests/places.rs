//! Who holds one of a server's places, and who waits elsewhere.

use super::*;

impl Desk {
    /// The first key that is wanted.
    fn key(&mut self) -> Option<(Ticket, UserId)> {
        self.take(|want| match want {
            Output::Key(ticket, user, _) => Some((*ticket, user.clone())),
            _ => None,
        })
    }

    /// Answers what is asked with a changed meeting, until only keys are wanted.
    fn read_until_keys(&mut self, last: bool) {
        loop {
            while let Some((ticket, _)) = self.load() {
                self.put(Input::Loaded(ticket, Ok(Some(known()))));
            }
            let asked = self.take(|want| match want {
                Output::Ask(ticket, _, ask) => Some((*ticket, matches!(ask, Ask::Items(_)))),
                _ => None,
            });
            let Some((ticket, items)) = asked else { return };
            let one = meeting("a", "a");
            let changes = vec![Change::Upsert(one.item.clone())];
            let page = Page { changes, cursor: Cursor("d".into()), last };
            self.put(Input::Got(
                ticket,
                Ok(match items {
                    true => Got::Items(vec![Found::Meeting(Box::new(one))]),
                    false => Got::Page(page),
                }),
            ));
        }
    }

    /// Gives a mailbox its key, and has what it seals committed.
    fn unlock(&mut self, (ticket, of): (Ticket, UserId)) {
        self.put(Input::Keyed(ticket, Ok((ResourceUri::new("r"), key("k")))));
        let commit = self.take(|want| match want {
            Output::Commit(ticket, commit) if commit.user == of => Some(*ticket),
            _ => None,
        });
        self.put(Input::Committed(commit.expect("a commit"), Ok(true)));
    }
}

#[test]
fn whoever_waits_for_a_key_keeps_nobody_from_being_read() {
    let mut desk = Desk::new(2, 2);
    desk.settle(6);
    let stream = desk.listen();
    for n in 0..5 {
        desk.put(Input::Hint(stream, Hint::Changed(user(n))));
    }
    desk.read_until_keys(true);
    let keys: Vec<_> = std::iter::from_fn(|| desk.key()).collect();
    assert_eq!((keys.len(), desk.fleet.asking(), desk.fleet.running()), (5, 0, 5));
    desk.put(Input::Hint(stream, Hint::Changed(user(5))));
    assert_eq!(desk.until_asked().expect("a request").1, user(5));
    for key in keys {
        desk.unlock(key);
    }
    assert_eq!((desk.fleet.asking(), desk.fleet.running()), (1, 1));
}

#[test]
fn a_key_server_that_hangs_does_not_gather_readings_without_end() {
    let mut desk = Desk::new(4, 3);
    desk.settle(300);
    let stream = desk.listen();
    let rung = desk.fleet.streams[&stream].members.clone();
    let rung: Vec<_> =
        rung.iter().map(|at| desk.fleet.mailboxes[*at].as_ref().unwrap().user.clone()).collect();
    for n in 0..300 {
        desk.put(Input::Stirred(user(n)));
    }
    desk.read_until_keys(true);
    let least = limits::ASIDE_BACKLOG;
    assert!((least..least + 3).contains(&desk.fleet.running()), "{}", desk.fleet.running());
    for user in &rung {
        desk.put(Input::Hint(stream, Hint::Changed(user.clone())));
    }
    desk.read_until_keys(true);
    let most = limits::ASIDE + 4;
    assert!((least + 10..most).contains(&desk.fleet.running()), "rung ones go on for longer");
    assert_eq!(desk.fleet.asking(), 0);
}

#[test]
fn of_those_who_wait_for_a_place_again_the_rung_one_goes_first() {
    let mut desk = Desk::new(1, 1);
    desk.settle(4);
    let stream = desk.listen();
    desk.put(Input::Stirred(user(0)));
    desk.put(Input::Hint(stream, Hint::Changed(user(2))));
    desk.read_until_keys(false);
    let keys: Vec<_> = std::iter::from_fn(|| desk.key()).collect();
    assert_eq!(keys.iter().map(|(_, of)| of.clone()).collect::<Vec<_>>(), [0, 2].map(user));
    desk.put(Input::Stirred(user(3)));
    let (ticket, of) = desk.until_asked().expect("the only place");
    assert_eq!(of, user(3));
    for key in keys {
        desk.unlock(key);
    }
    assert!(desk.until_asked().is_none() && desk.fleet.running() == 3, "it is taken");
    desk.put(Input::Got(ticket, nothing_new()));
    let (ticket, of) = desk.until_asked().expect("the next");
    assert_eq!(of, user(2), "somebody waits for it");
    desk.put(Input::Got(ticket, nothing_new()));
    assert_eq!(desk.until_asked().expect("the last").1, user(0));
}

#[test]
fn who_is_removed_while_it_waits_leaves_every_place_free() {
    let mut desk = Desk::new(1, 1);
    desk.settle(3);
    desk.put(Input::Stirred(user(0)));
    desk.read_until_keys(false);
    let key = desk.key().expect("a key");
    desk.put(Input::Stirred(user(1)));
    let (ticket, _) = desk.until_asked().expect("the only place");
    desk.unlock(key);
    // One waits for a place, one asks.
    desk.put(Input::Removed(user(0)));
    desk.put(Input::Removed(user(1)));
    assert_eq!((desk.fleet.asking(), desk.fleet.running()), (1, 1), "its request is open");
    desk.put(Input::Got(ticket, nothing_new()));
    assert_eq!((desk.fleet.asking(), desk.fleet.running()), (0, 0));
    desk.put(Input::Stirred(user(2)));
    assert_eq!(desk.until_asked().expect("a free place").1, user(2));
}

#[test]
fn whoever_is_only_to_be_read_once_more_does_not_take_the_place_of_a_live_edit() {
    let mut desk = Desk::new(3, 1);
    desk.put(Input::Added(user(0)));
    desk.put(Input::Added(user(1)));
    let (ticket, first) = desk.until_asked().expect("a request");
    assert_eq!(desk.until_asked(), None, "the other places are kept");
    desk.put(Input::Stirred(first.clone()));
    desk.put(Input::Got(ticket, nothing_new()));
    let (_, next) = desk.until_asked().expect("a request");
    assert_ne!(next, first, "its turn comes after those who waited");
    assert_eq!(desk.until_asked(), None, "nobody rang: the other places are still kept");
}
