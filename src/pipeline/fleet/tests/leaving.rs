//! Mailboxes, groups and servers that are of no use any more: nothing is asked for them, and
//! nothing of them stays.

use super::*;

impl Desk {
    /// Runs for so long; every reading and every subscription of `of` fails like this. How often it
    /// was subscribed.
    fn refuse(&mut self, of: &UserId, fault: &Fault, span: Span) -> usize {
        let (mut tries, end) = (0, self.now.mono + span);
        while self.now.mono < end {
            self.later(Span::from_secs(5));
            while let Some((stream, users)) = self.listened() {
                for user in users {
                    tries += usize::from(user == *of);
                    let hint = match user == *of {
                        true => Hint::Refused(user, fault.clone()),
                        false => Hint::Listening(user),
                    };
                    self.put(Input::Hint(stream, hint));
                }
            }
            while let Some((stream, user)) = self.joined() {
                tries += usize::from(user == *of);
                self.put(Input::Hint(stream, Hint::Refused(user, fault.clone())));
            }
            while let Some((ticket, user)) = self.until_asked() {
                let got = if user == *of { Err(fault.clone()) } else { nothing_new() };
                self.put(Input::Got(ticket, got));
            }
        }
        tries
    }

    /// So many servers, groups and zones are kept.
    fn kept(&self) -> [usize; 5] {
        let fleet = &self.fleet;
        let names = [fleet.server_names.len(), fleet.group_names.len()];
        [names[0], names[1], fleet.servers.len(), fleet.groups.len(), fleet.gathering.len()]
    }
}

#[test]
fn a_mailbox_that_may_not_be_read_is_not_subscribed_again_and_again_either() {
    for next in [Next::Denied, Next::Gone] {
        let fault = Fault::new(next, "ErrorImpersonateUserDenied");
        let mut desk = Desk::new(4, 4);
        desk.settle(3);
        let stream = desk.listen();
        desk.put(Input::Hint(stream, Hint::Refused(user(1), fault.clone())));
        desk.refuse(&user(1), &fault, Span::MINUTE.times(5));
        let tries = desk.refuse(&user(1), &fault, Span::HOUR.times(8));
        assert_eq!(tries, 0, "{next:?}");
        // Once it can be read it is listened to.
        let heard = (0..2 * 3_600).find_map(|_| {
            desk.later(Span::SECOND);
            while let Some((ticket, _)) = desk.until_asked() {
                desk.put(Input::Got(ticket, nothing_new()));
            }
            desk.joined().map(|(_, of)| of).or(desk.listened().map(|(_, users)| users[0].clone()))
        });
        assert_eq!(heard, Some(user(1)), "{next:?}");
    }
}

#[test]
fn one_that_fails_otherwise_before_it_is_well_is_listened_to_again_too() {
    let denied = Fault::new(Next::Denied, "ErrorImpersonateUserDenied");
    let mut desk = Desk::new(4, 4);
    desk.settle(2);
    let stream = desk.listen();
    desk.put(Input::Hint(stream, Hint::Refused(user(1), denied.clone())));
    desk.refuse(&user(1), &denied, Span::HOUR);
    desk.refuse(&user(1), &Fault::retry("ErrorMailboxStoreUnavailable"), Span::HOUR.times(2));
    let heard = (0..3_600).find_map(|_| {
        desk.later(Span::SECOND);
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
        desk.joined()
    });
    assert_eq!(heard.map(|(_, of)| of), Some(user(1)));
}

#[test]
fn a_stream_of_which_nobody_is_left_is_nobodys_trouble() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    let stream = desk.listen();
    let fault = Fault::new(Next::Denied, "ErrorSubscriptionAccessDenied");
    desk.put(Input::Hint(stream, Hint::Refused(user(0), fault.clone())));
    desk.put(Input::Ended(stream, ListenEnd::Failed(fault)));
    let notes = desk.noted();
    assert!(!notes.iter().any(|note| matches!(note, Note::StreamFailed(..))), "{notes:?}");
}

#[test]
fn servers_and_groups_that_everybody_left_are_forgotten() {
    let mut desk = Desk::new(4, 4);
    desk.settle(3);
    desk.listen();
    let before = desk.kept();
    for n in 0..40 {
        let moved = Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed");
        desk.put(Input::Stirred(user(1)));
        let (ticket, _) = desk.until_asked().expect("a request");
        desk.put(Input::Got(ticket, Err(moved)));
        let (ticket, _) = desk.homes().expect("a question for its home");
        let server = ServerKey::new(format!("s{n}"));
        let home = Home { server, group: GroupKey::new(format!("g{n}")), zone: None };
        desk.put(Input::Homes(ticket, vec![Ok(home)]));
        for _ in 0..3 {
            desk.later(Span::SECOND);
            while let Some((stream, users)) = desk.listened() {
                for user in users {
                    desk.put(Input::Hint(stream, Hint::Listening(user)));
                }
            }
            while let Some((ticket, _)) = desk.until_asked() {
                desk.put(Input::Got(ticket, nothing_new()));
            }
        }
        let kept = desk.kept();
        assert!(kept.iter().zip(before).all(|(now, before)| *now <= before + 2), "{n}: {kept:?}");
    }
    assert_eq!(desk.fleet.census().streaming, 3);
    for n in 0..3 {
        desk.put(Input::Removed(user(n)));
    }
    desk.later(Span::MINUTE.times(2));
    let kept = desk.kept();
    assert_eq!((kept[0], kept[1], kept[4]), (0, 0, 0), "{kept:?}");
    desk.settle(1);
    desk.listen();
    assert_eq!(desk.fleet.census().streaming, 1, "and made anew");
}

#[test]
fn a_busy_server_that_everybody_left_is_remembered_until_its_pause_is_over() {
    let mut desk = Desk::new(2, 2);
    desk.settle(2);
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().expect("a request");
    desk.put(Input::Got(ticket, Err(busy(60))));
    desk.put(Input::Removed(user(0)));
    desk.put(Input::Removed(user(1)));
    desk.put(Input::Added(user(2)));
    assert!(desk.until_asked().is_none(), "it is the same server");
    desk.later(Span::from_secs(59));
    assert!(desk.until_asked().is_none());
    desk.later(Span::from_secs(30));
    assert!(desk.until_asked().is_some());
}

#[test]
fn a_time_zone_that_nobody_lives_in_makes_room_for_another() {
    let mut days = Days::default();
    let wall = now(0).wall;
    let home = days.zone(Zone::fixed(60), wall);
    days.count(home, true);
    for bias in 0..60 {
        let zone = days.zone(Zone::fixed(bias), wall);
        days.count(zone, true);
        assert_eq!(days.get(zone), Zone::fixed(bias));
        days.count(zone, false);
    }
    assert_eq!((days.len(), days.get(home)), (2, Zone::fixed(60)));
}
