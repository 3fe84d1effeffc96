//! Rounds of questions, in virtual time.

use super::*;
use crate::model::{Audience, Away};
use crate::pipeline::announcement::Topic;
use crate::pipeline::samples::{installation, user};

const NOON: Time = Time::from_ms(1_800_000_000_000);

/// Everybody's mailbox, answered after a time that the test chooses.
struct Office {
    presences: Presences,
    now: Now,
    set: HashMap<UserId, Result<Absence, Fault>>,
    asked: Vec<(Time, UserId)>,
    told: Vec<(Time, Announcement)>,
    others: Vec<Output>,
    answer_after: Span,
    open: Vec<(Time, Ticket, UserId)>,
    most_open: usize,
}

fn always() -> Absence {
    Absence { away: Away::Always, audience: Audience::All }
}

impl Office {
    fn new(people: usize) -> Self {
        let mut office = Self {
            presences: Presences::new(installation(), limits::PRESENCE, 7),
            now: Now { mono: Time::from_ms(1_000), wall: NOON },
            set: HashMap::new(),
            asked: Vec::new(),
            told: Vec::new(),
            others: Vec::new(),
            answer_after: Span::from_ms(20),
            open: Vec::new(),
            most_open: 0,
        };
        for n in 0..people {
            office.tell(Input::Added(user(n)));
        }
        office
    }

    fn tell(&mut self, input: Input) {
        self.presences.handle(self.now, input);
        for output in self.presences.drain() {
            match output {
                Output::Ask(ticket, user) => {
                    self.asked.push((self.now.mono, user.clone()));
                    self.open.push((self.now.mono + self.answer_after, ticket, user));
                    self.most_open = self.most_open.max(self.open.len());
                }
                Output::Tell(one) => self.told.push((self.now.wall, one)),
                other => self.others.push(other),
            }
        }
    }

    fn run(&mut self, span: Span) {
        let end = self.now.mono + span;
        loop {
            let answer = self.open.iter().map(|(at, ..)| *at).min();
            let next = answer.into_iter().chain(self.presences.wake_at()).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            let step = next.since(self.now.mono);
            self.now = Now { mono: self.now.mono + step, wall: self.now.wall + step };
            match self.open.iter().position(|(at, ..)| *at <= self.now.mono) {
                Some(at) => {
                    let (_, ticket, user) = self.open.swap_remove(at);
                    let seen = self.set.get(&user).cloned().unwrap_or(Ok(Absence::default()));
                    self.tell(Input::Seen(ticket, seen));
                }
                None => self.tell(Input::Tick),
            }
        }
        let step = end.since(self.now.mono);
        self.now = Now { mono: end, wall: self.now.wall + step };
    }

    /// Whether the last word about somebody is that they are away.
    fn is_away(&self, n: usize) -> Option<bool> {
        let last = self.told.iter().rev().find(|(_, one)| one.user == user(n));
        last.map(|(_, one)| one.data.json().contains("Out of office"))
    }
}

#[test]
fn whoever_goes_or_comes_back_is_seen_within_five_minutes() {
    let five = Span::MINUTE.times(5);
    for people in [1, 40, 3_000] {
        let mut office = Office::new(people);
        office.run(five);
        assert_eq!(office.told.len(), people, "each once");
        for absence in [always(), Absence::default()] {
            office.set.insert(user(0), Ok(absence));
            office.run(five);
            assert_eq!(office.is_away(0), Some(absence == always()), "of {people}");
        }
        assert_eq!(office.told.len(), people + 2, "and nothing else is told");
    }
}

#[test]
fn questions_come_at_even_distances_and_few_at_once() {
    let people = 3_000;
    let mut office = Office::new(people);
    office.run(limits::PRESENCE.times(2));
    let begin = office.asked.len();
    office.run(limits::PRESENCE.times(4));
    let round: Vec<_> = office.asked.drain(begin..).collect();
    assert_eq!(round.len(), 4 * people);
    // No second has more than twice its share.
    let mut seconds: HashMap<i64, u64> = HashMap::new();
    for (at, _) in &round {
        *seconds.entry(at.as_ms() / 1_000).or_default() += 1;
    }
    let share = people as u64 * 1_000 / limits::PRESENCE.as_ms();
    let most = seconds.values().max().copied().unwrap_or(0);
    assert!(most <= 3 * share, "{most} in a second, {share} on average");
    assert!(office.most_open <= limits::PRESENCES_AT_ONCE);
}

#[test]
fn a_slow_server_is_asked_no_more_at_once() {
    let mut office = Office::new(100);
    office.answer_after = Span::MINUTE;
    office.run(Span::HOUR);
    assert_eq!(office.most_open, limits::PRESENCES_AT_ONCE);
    let names: BTreeSet<_> = office.asked.iter().map(|(_, user)| user.clone()).collect();
    assert_eq!(names.len(), 100, "everybody has a turn all the same");
}

#[test]
fn a_large_calendar_is_seen_in_time_also_where_answers_take_a_while() {
    let people = 20_000;
    let mut office = Office::new(people);
    office.answer_after = Span::from_ms(250);
    office.run(limits::PRESENCE);
    let begin = office.asked.len();
    office.run(limits::PRESENCE);
    assert!(office.asked.len() - begin > people * 49 / 50, "{}", office.asked.len() - begin);
    assert_eq!(office.others, []);
    assert!(office.most_open <= people / limits::PRESENCES_EACH);
}

#[test]
fn where_a_round_takes_too_long_it_is_told_once_and_again_when_it_does_not() {
    let mut office = Office::new(100);
    office.answer_after = Span::MINUTE;
    office.run(Span::HOUR);
    assert_eq!(office.others, [Output::Late]);
    office.answer_after = Span::from_ms(20);
    office.run(Span::HOUR);
    assert_eq!(office.others, [Output::Late, Output::InTime]);
}

#[test]
fn a_schedule_that_is_known_begins_and_ends_at_its_time() {
    let mut office = Office::new(1);
    office.run(Span::MINUTE.times(6));
    let begin = office.now.wall + Span::HOUR + Span::from_ms(123);
    let end = begin + Span::HOUR;
    let away = Away::Between(begin, end);
    office.set.insert(user(0), Ok(Absence { away, audience: Audience::None }));
    office.run(Span::HOUR.times(3));
    let times: Vec<_> = office.told.iter().skip(1).map(|(at, _)| *at).collect();
    assert_eq!(times, [begin, end], "to the instant");
    assert_eq!(office.is_away(0), Some(false));
}

#[test]
fn one_that_was_removed_is_asked_for_no_more_and_holds_no_place_for_ever() {
    let mut office = Office::new(limits::PRESENCES_AT_ONCE);
    office.answer_after = Span::MINUTE.times(6);
    office.run(Span::MINUTE.times(5));
    assert_eq!(office.open.len(), limits::PRESENCES_AT_ONCE);
    for n in 0..limits::PRESENCES_AT_ONCE {
        office.tell(Input::Removed(user(n)));
    }
    office.tell(Input::Added(user(99)));
    let before = office.asked.len();
    office.run(Span::HOUR);
    assert!(office.asked.iter().skip(before).all(|(_, one)| *one == user(99)));
    assert_eq!(office.is_away(99), Some(false), "there is a place again");
    assert_eq!(office.told.len(), 1, "nothing is told of those who are gone");
}

#[test]
fn what_the_cloud_wants_to_hear_again_is_told_again_at_once() {
    let mut office = Office::new(2);
    office.run(Span::MINUTE.times(5));
    assert_eq!(office.told.len(), 2);
    office.tell(Input::Stirred(user(1)));
    assert_eq!(office.told.len(), 3);
    assert_eq!(office.told[2].1.topic, Topic::Presence);
    office.run(Span::MINUTE.times(5));
    assert_eq!(office.told.len(), 3);
}

#[test]
fn what_was_known_stays_while_a_mailbox_does_not_answer_and_a_whole_round_of_it_is_told_once() {
    let mut office = Office::new(10);
    office.set.insert(user(0), Ok(always()));
    office.run(Span::MINUTE.times(5));
    let broken = Fault::retry("ErrorInternalServerError");
    office.set.insert(user(0), Err(broken.clone()));
    office.run(Span::HOUR);
    assert_eq!((office.is_away(0), office.told.len()), (Some(true), 10));
    assert_eq!(office.others, [], "one mailbox alone is told where its calendar is read");
    for n in 0..10 {
        office.set.insert(user(n), Err(broken.clone()));
    }
    office.run(Span::HOUR);
    assert_eq!(office.others, [Output::Fails(broken)]);
    office.set.clear();
    office.run(Span::HOUR);
    assert_eq!(office.others.len(), 2);
    assert_eq!(office.others[1], Output::Well);
    assert_eq!(office.is_away(0), Some(false));
}

#[test]
fn a_shorter_round_counts_at_once_and_a_longer_one_with_the_next_question() {
    let mut office = Office::new(3);
    office.presences.handle(office.now, Input::Ruled(Span::HOUR));
    office.run(Span::HOUR.times(3));
    office.asked.clear();
    let begin = office.now.mono;
    office.tell(Input::Ruled(Span::from_secs(10)));
    office.run(Span::from_secs(11));
    let users: std::collections::BTreeSet<_> = office.asked.iter().map(|(_, user)| user).collect();
    assert_eq!(users.len(), 3, "all within the new round");
    assert!(office.asked.iter().all(|(at, _)| *at >= begin));
    assert!(office.asked.len() <= 6, "{}", office.asked.len());
}
