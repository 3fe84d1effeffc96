//! Several servers, each with its own budget and its own pause; and one mailbox's own.

mod ending;

use super::*;

fn home_at(server: &str, zone: Option<Zone>) -> Home {
    let group = GroupKey::new("g");
    Home { server: ServerKey::new(server), group, zone }
}

/// So many mailboxes, by turns at these servers, and nothing under way.
fn spread(servers: &[&str], count: usize) -> Desk {
    let mut desk = Desk::new(4, 4);
    for n in 0..count {
        desk.put(Input::Added(user(n)));
    }
    desk.house_each(|n| Ok(home_at(servers[n % servers.len()], None)));
    while let Some((ticket, _)) = desk.until_asked() {
        desk.put(Input::Got(ticket, nothing_new()));
    }
    desk
}

impl Desk {
    /// Answers for homes, by the number of the mailbox; how many calls, and whether all were
    /// fresh.
    fn house_each(&mut self, home: impl Fn(usize) -> Result<Home, Fault>) -> (usize, bool) {
        let (mut calls, mut all_fresh) = (0, true);
        let take = |want: &Output| match want {
            Output::Homes(ticket, users, fresh) => Some((*ticket, users.clone(), *fresh)),
            _ => None,
        };
        while let Some((ticket, users, fresh)) = self.take(take) {
            calls += 1;
            all_fresh &= fresh == Doubt::Moved;
            let number = |user: &UserId| user.as_str().trim_start_matches("user-").parse().unwrap();
            let homes = users.iter().map(|user| home(number(user))).collect();
            self.put(Input::Homes(ticket, homes));
        }
        (calls, all_fresh)
    }

    /// Homes that may be answered from memory.
    fn remembered(&mut self) -> Option<(Ticket, Vec<UserId>)> {
        self.take(|want| match want {
            Output::Homes(ticket, users, Doubt::None) => Some((*ticket, users.clone())),
            _ => None,
        })
    }

    /// How many of a server are polled, and whether that is what it counts.
    fn unheard(&self, server: usize) -> (usize, bool) {
        let unheard = |mailbox: &&Mailbox| {
            let there = mailbox.place.is_some_and(|place| place.server == server);
            there && !matches!(mailbox.ear, Ear::Heard(..))
        };
        let count = self.fleet.mailboxes.iter().flatten().filter(unheard).count();
        (count, self.fleet.servers[server].unheard == count)
    }

    fn all_asked(&mut self) -> Vec<(Ticket, UserId)> {
        std::iter::from_fn(|| self.until_asked()).collect()
    }
}

#[test]
fn a_busy_server_pauses_its_own_mailboxes_and_no_others() {
    let mut desk = spread(&["one", "two"], 8);
    for n in 0..8 {
        desk.put(Input::Stirred(user(n)));
    }
    let open = desk.all_asked();
    assert_eq!(open.len(), 8, "four at each");
    let (ticket, _) = open.iter().find(|(_, of)| *of == user(0)).unwrap();
    desk.put(Input::Got(*ticket, Err(busy(60))));
    for (ticket, _) in open.iter().filter(|(_, of)| *of != user(0)) {
        desk.put(Input::Got(*ticket, nothing_new()));
    }
    for n in 0..8 {
        desk.put(Input::Stirred(user(n)));
    }
    let of: BTreeSet<_> = desk.all_asked().into_iter().map(|(_, of)| of).collect();
    assert_eq!(of, [1, 3, 5, 7].map(user).into(), "the other server's go on");
}

#[test]
fn after_a_pause_one_tries_and_then_more_and_more() {
    let mut desk = Desk::new(10, 10);
    desk.settle(30);
    for n in 0..30 {
        desk.put(Input::Stirred(user(n)));
    }
    let open = desk.all_asked();
    assert_eq!(open.len(), 10);
    for (ticket, _) in &open {
        desk.put(Input::Got(*ticket, Err(busy(2))));
    }
    desk.later(Span::from_secs(3));
    let mut sizes = Vec::new();
    loop {
        let open = desk.all_asked();
        if open.is_empty() || sizes.len() > 9 {
            break;
        }
        sizes.push(open.len());
        let (ticket, _) = open[0];
        desk.wants.clear();
        desk.put(Input::Got(ticket, nothing_new()));
        for (ticket, _) in &open[1..] {
            desk.put(Input::Got(*ticket, nothing_new()));
        }
    }
    assert_eq!(sizes[0], 1, "{sizes:?}");
    assert!((2..=4).contains(&sizes[1]) && sizes[2] >= 6, "{sizes:?}");
}

#[test]
fn a_used_up_budget_of_one_mailbox_stops_that_one_alone() {
    let mut desk = Desk::new(4, 4);
    desk.settle(3);
    for n in 0..3 {
        desk.put(Input::Stirred(user(n)));
    }
    let open = desk.all_asked();
    let after = Some(Span::from_secs(40));
    let spent = Fault::new(Next::Retry { after }, "ErrorExceededConnectionCount");
    desk.put(Input::Got(open[0].0, Err(spent)));
    for (ticket, _) in &open[1..] {
        desk.put(Input::Got(*ticket, nothing_new()));
    }
    for n in 0..3 {
        desk.put(Input::Stirred(user(n)));
    }
    assert_eq!(desk.all_asked().len(), 2, "the others go on");
    desk.later(Span::from_secs(39));
    assert!(desk.until_asked().is_none());
    desk.later(Span::from_secs(10));
    assert_eq!(desk.until_asked().unwrap().1, user(0));
}

#[test]
fn a_mailbox_that_moved_is_asked_for_anew_and_read_at_its_new_server() {
    let mut desk = spread(&["one"], 3);
    desk.put(Input::Stirred(user(1)));
    let (ticket, _) = desk.until_asked().unwrap();
    let moved = || Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed");
    desk.put(Input::Got(ticket, Err(moved())));
    assert!(desk.asked().is_none(), "not there");
    let (calls, fresh) = desk.house_each(|_| Ok(home_at("two", None)));
    assert_eq!((calls, fresh), (1, true));
    let (ticket, of) = desk.until_asked().expect("at once");
    assert_eq!(of, user(1));
    desk.put(Input::Got(ticket, nothing_new()));
    assert!(!desk.noted().iter().any(|note| matches!(note, Note::MailboxFailing(..))));
    desk.later(Span::from_secs(1));
    let groups: Vec<_> = std::iter::from_fn(|| desk.listened()).collect();
    assert!(groups.iter().any(|(_, users)| *users == [user(1)]), "and heard there: {groups:?}");
}

#[test]
fn a_mailbox_that_says_it_moved_though_it_did_not_is_not_asked_for_on_and_on() {
    let mut desk = spread(&["one"], 1);
    desk.put(Input::Stirred(user(0)));
    let (mut asks, mut homes) = (0, 0);
    for _ in 0..3_600 {
        homes += desk.house_each(|_| Ok(home_at("one", None))).0;
        if let Some((ticket, _)) = desk.until_asked() {
            asks += 1;
            desk.put(Input::Got(ticket, Err(Fault::new(Next::Moved, "ErrorReadEventsFailed"))));
        }
        desk.later(Span::SECOND);
    }
    assert!(asks < 25 && homes < 25, "{asks} requests and {homes} calls for homes in an hour");
    let failing = |note: &&Note| matches!(note, Note::MailboxFailing(..));
    assert_eq!(desk.noted().iter().filter(failing).count(), 1, "told once");
}

#[test]
fn a_mailbox_that_is_gone_is_named_once_and_asked_for_hourly() {
    let mut desk = spread(&["one"], 1);
    desk.put(Input::Stirred(user(0)));
    let mut asks = 0;
    let cloud = || Fault::new(Next::Gone, "mailbox moved to Microsoft 365");
    for _ in 0..5 * 60 {
        desk.house_each(|_| Err(cloud()));
        if let Some((ticket, _)) = desk.until_asked() {
            asks += 1;
            let fault = Fault::new(Next::Gone, "ErrorNonExistentMailbox");
            desk.put(Input::Got(ticket, Err(fault)));
        }
        desk.later(Span::MINUTE);
    }
    assert!(asks <= 6, "{asks} requests in five hours");
    let notes = desk.noted();
    let told: Vec<_> = notes
        .iter()
        .filter_map(|note| match note {
            Note::MailboxFailing(_, fault, _) => Some(fault.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [cloud()], "what the directory says, once");
    assert!(desk.fleet.serving(), "there is nothing else to do");
}

#[test]
fn a_server_that_stays_away_is_left_by_all_once_one_was_found_elsewhere() {
    let mut desk = spread(&["old"], 150);
    let away = || Fault::new(Next::BackOff { after: None }, "connection refused");
    let mut found = BTreeSet::new();
    desk.put(Input::Stirred(user(7)));
    for _ in 0..20 * 60 {
        desk.house_each(|_| Ok(home_at("new", None)));
        while let Some((ticket, of)) = desk.until_asked() {
            let place = desk.fleet.place(desk.fleet.names[&of]).unwrap();
            let is_new = place.server == 1;
            desk.put(Input::Got(ticket, if is_new { nothing_new() } else { Err(away()) }));
            found.extend(is_new.then_some(of));
        }
        desk.later(Span::SECOND);
    }
    assert_eq!(found.len(), 150, "within 20 minutes");
    assert_eq!(desk.fleet.server_names.len(), 1, "nothing is left of the old one");
}

#[test]
fn each_mailbox_has_a_new_day_at_its_own_midnight() {
    let mut desk = Desk::new(4, 4);
    // It is noon; somewhere it is half past eleven at night.
    let zones = [Zone::default(), Zone::fixed(-(11 * 60 + 30))];
    let homes = |n: usize| Ok(home_at("one", Some(zones[n % 2])));
    for n in 0..4 {
        desk.put(Input::Added(user(n)));
    }
    desk.house_each(homes);
    while let Some((ticket, _)) = desk.until_asked() {
        desk.put(Input::Got(ticket, nothing_new()));
    }
    desk.later(Span::MINUTE.times(29));
    assert!(desk.remembered().is_none());
    let wake = desk.fleet.wake_at(desk.now).since(desk.now.mono);
    assert!(wake <= Span::MINUTE);
    let mut begun = BTreeSet::new();
    for _ in 0..120 {
        desk.later(Span::SECOND);
        while let Some((ticket, users)) = desk.remembered() {
            begun.extend(users.iter().cloned());
            let homes = users.iter().map(|_| Ok(home_at("one", Some(zones[1])))).collect();
            desk.put(Input::Homes(ticket, homes));
        }
    }
    assert_eq!(begun, [1, 3].map(user).into());
}

#[test]
fn a_mailbox_that_streams_refuse_again_and_again_is_polled_and_tried_after_a_quiet_time() {
    let mut desk = Desk::new(2, 2);
    desk.settle(2);
    let stream = desk.listen();
    let mut refusals = 0;
    let denied = || Fault::new(Next::Denied, "ErrorSubscriptionAccessDenied");
    desk.put(Input::Hint(stream, Hint::Refused(user(1), denied())));
    for _ in 0..3_600 {
        desk.later(Span::SECOND);
        if let Some((stream, of)) = desk.joined() {
            refusals += 1;
            desk.put(Input::Hint(stream, Hint::Refused(of, denied())));
        }
        while let Some((ticket, _)) = desk.until_asked() {
            desk.put(Input::Got(ticket, nothing_new()));
        }
    }
    assert!((5..=8).contains(&refusals), "{refusals} in an hour");
    assert!(
        desk.noted().iter().any(|note| matches!(note, Note::Demoted(of, ..) if *of == user(1)))
    );
    let joined = (0..1_200).find_map(|_| {
        desk.later(Span::SECOND);
        desk.joined()
    });
    let (stream, of) = joined.expect("after a quiet time");
    desk.put(Input::Hint(stream, Hint::Listening(of)));
    assert_eq!(desk.fleet.census().streaming, 2);
}

#[test]
fn once_sign_in_works_again_calendars_are_read_before_all_homes_are_known() {
    let mut desk = spread(&["one"], 3);
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, Err(Fault::new(Next::SignIn, "401"))));
    for n in 3..500 {
        desk.put(Input::Added(user(n)));
    }
    assert!(desk.homes().is_none() && desk.load().is_none());
    desk.put(Input::SecretChanged);
    assert!(desk.homes().is_none(), "one alone tries");
    let (ticket, of) = desk.load().expect("a reading");
    assert_eq!(of, user(0));
    desk.put(Input::Loaded(ticket, Ok(Some(known()))));
    let (ticket, _) = desk.asked().unwrap();
    desk.put(Input::Got(ticket, nothing_new()));
    assert!(desk.homes().is_some() && desk.homes().is_some(), "and then all go on");
}

#[test]
fn a_password_that_is_right_again_is_noticed_soon_however_long_it_was_wrong() {
    let mut desk = spread(&["one"], 3);
    desk.put(Input::Stirred(user(0)));
    for _ in 0..8 {
        let (ticket, _) = desk.until_asked().expect("it is asked again");
        desk.put(Input::Got(ticket, Err(Fault::new(Next::SignIn, "401"))));
        let said = desk.noted();
        let wait = said.iter().find_map(|note| match note {
            Note::SignInRefused(_, wait) => Some(*wait),
            _ => None,
        });
        let wait = wait.expect("the operator is told");
        assert!(wait <= Span::from_secs(18 * 60), "{wait:?}");
        desk.later(wait);
    }
    let (ticket, _) = desk.until_asked().unwrap();
    desk.put(Input::Got(ticket, nothing_new()));
}

#[test]
fn nor_do_homes_wait_for_a_server_that_takes_nobody() {
    let mut desk = spread(&["one"], 3);
    for n in 0..2 {
        desk.put(Input::Stirred(user(n)));
    }
    let open = desk.all_asked();
    desk.put(Input::Got(open[0].0, Err(busy(3_000))));
    desk.put(Input::Got(open[1].0, Err(Fault::new(Next::SignIn, "401"))));
    desk.put(Input::Added(user(3)));
    desk.put(Input::SecretChanged);
    assert!(desk.homes().is_some());
}

#[test]
fn who_is_polled_at_one_server_is_not_polled_less_for_those_of_another() {
    // Every thousandth is at the small server.
    let at = |n: usize| Ok(home_at(if n.is_multiple_of(1_000) { "small" } else { "large" }, None));
    let mut desk = Desk::new(10, 10);
    for n in 0..18_001 {
        desk.put(Input::Added(user(n)));
    }
    desk.house_each(at);
    while let Some((ticket, _)) = desk.until_asked() {
        desk.put(Input::Got(ticket, nothing_new()));
    }
    let few = desk.fleet.names[&user(1_000)];
    let many = desk.fleet.names[&user(1)];
    let poll = limits::POLL;
    assert!(desk.fleet.poll(few) <= poll.times(2));
    assert!(desk.fleet.poll(many) > poll.times(2));
}

#[test]
fn who_is_polled_is_counted_where_it_is_served() {
    let mut desk = spread(&["one", "two"], 6);
    assert_eq!([desk.unheard(0), desk.unheard(1)], [(3, true), (3, true)]);
    desk.later(limits::GATHER);
    let open: Vec<_> = std::iter::from_fn(|| desk.listened()).collect();
    for (stream, users) in &open {
        for user in users {
            desk.put(Input::Hint(*stream, Hint::Listening(user.clone())));
        }
    }
    assert_eq!([desk.unheard(0), desk.unheard(1)], [(0, true), (0, true)]);
    let moved = || Fault::new(Next::Moved, "ErrorReadEventsFailed");
    let stream = open.iter().find(|(_, users)| users.contains(&user(0))).unwrap().0;
    desk.put(Input::Hint(stream, Hint::Refused(user(0), moved())));
    assert_eq!([desk.unheard(0), desk.unheard(1)], [(1, true), (0, true)]);
    desk.house_each(|_| Ok(home_at("two", None)));
    assert_eq!([desk.unheard(0), desk.unheard(1)], [(0, true), (1, true)]);
    desk.put(Input::Ended(stream, ListenEnd::RollOver));
    desk.put(Input::Removed(user(2)));
    assert_eq!([desk.unheard(0), desk.unheard(1)], [(1, true), (1, true)]);
}

impl Desk {
    /// The first window that is listed, where nothing else is new.
    fn listed(&mut self) -> Option<Window> {
        loop {
            while let Some((ticket, _)) = self.load() {
                self.put(Input::Loaded(ticket, Ok(Some(known()))));
            }
            let asked = self.take(|want| match want {
                Output::Ask(ticket, _, ask) => Some((*ticket, ask.clone())),
                _ => None,
            });
            match asked? {
                (_, Ask::View(window)) => return Some(window),
                (ticket, _) => self.put(Input::Got(ticket, nothing_new())),
            }
        }
    }
}

/// In Tokyo it is nine in the evening at noon, and midnight comes sooner.
fn tokyo() -> Zone {
    Zone::fixed(9 * 60)
}

#[test]
fn a_time_zone_that_is_told_late_moves_the_window_at_once() {
    let mut desk = spread(&["one"], 1);
    desk.put(Input::Stirred(user(0)));
    let (ticket, _) = desk.until_asked().expect("a request");
    let moved = Fault::new(Next::Moved, "ErrorProxyRequestNotAllowed");
    desk.put(Input::Got(ticket, Err(moved)));
    desk.house_each(|_| Ok(home_at("one", Some(tokyo()))));
    let expected = Window::at(desk.now.wall, Reach::default(), &tokyo());
    assert_eq!(desk.listed(), Some(expected));
}

#[test]
fn a_time_zone_that_only_a_check_tells_moves_the_window_and_the_midnight() {
    let mut desk = spread(&["one"], 1);
    desk.later(limits::CHECK);
    let told = desk.house_each(|_| Ok(home_at("one", Some(tokyo()))));
    assert_eq!(told, (1, false));
    let expected = Window::at(desk.now.wall, Reach::default(), &tokyo());
    assert_eq!(desk.listed(), Some(expected));
    let midnight = tokyo().next_midnight(desk.now.wall);
    desk.later((midnight - Span::SECOND).since(desk.now.wall));
    assert!(desk.remembered().is_none());
    desk.later(Span::SECOND);
    assert_eq!(desk.remembered().expect("a new day").1, [user(0)]);
}
