//! Meetings of the simulated calendars: made and altered by chance, and told as a person sees them.

use std::collections::{BTreeMap, BTreeSet};

use calway::model::{
    Address, Answer, Body, ItemId, Meeting, MeetingKind, Participant, ParticipantKind,
    ParticipantRole, Person, Plain, Sensitivity, Span, Time,
};

use super::calendar::CANARY;
use super::dice::Dice;

/// What a person sees of a meeting.
#[derive(Clone, Debug)]
pub struct Facts {
    pub uid: String,
    pub start: Time,
    pub end: Time,
    pub subject: String,
    pub place: String,
    pub body: String,
    pub organizer: Option<u64>,
    pub guests: Vec<(u64, Answer)>,
    pub link: Option<String>,
    pub link_in_place: bool,
    pub private: bool,
    pub cancelled: bool,
    pub touched: u64,
}

/// A series: its pattern, and what was changed of it.
#[derive(Clone, Debug)]
pub struct Series {
    pub facts: Facts,
    pub step: Span,
    pub count: u64,
    pub changed: BTreeMap<Time, Facts>,
    pub deleted: BTreeSet<Time>,
}

impl Facts {
    pub fn place(&self) -> String {
        match (&self.link, self.link_in_place) {
            (Some(link), true) => link.clone(),
            _ => self.place.clone(),
        }
    }

    /// The same form as `check::line`.
    pub fn line(&self, recurring: bool) -> String {
        let guests: Vec<String> = self
            .guests
            .iter()
            .map(|(n, answer)| {
                let word = match answer {
                    Answer::Accepted => "ACCEPTED",
                    Answer::Declined => "DECLINED",
                    _ => "NO_RESPONSE",
                };
                format!("{} <{}> {word}", name(*n), address(*n))
            })
            .collect();
        let organizer =
            self.organizer.map_or(String::new(), |n| format!("{} <{}>", name(n), address(n)));
        let shown = format!(
            "{}|{}|{}|{organizer}|{}|{}",
            self.subject,
            self.place(),
            self.body,
            guests.join(","),
            self.link.as_deref().unwrap_or_default(),
        );
        // Of a private meeting no more than its times is shown.
        let shown = if self.private { "|||||" } else { &shown };
        format!(
            "{} +{} recurring={recurring} {} |{shown}",
            self.start.as_ms(),
            self.end.since(self.start).as_ms() / 60_000,
            if self.private { "PRIVATE" } else { "NORMAL" },
        )
    }
}

impl Series {
    pub fn occurrences(&self) -> Vec<(Time, Facts, MeetingKind)> {
        let length = self.facts.end.since(self.facts.start);
        (0..self.count)
            .map(|n| self.facts.start + self.step.times(n))
            .filter(|at| !self.deleted.contains(at))
            .map(|at| match self.changed.get(&at) {
                Some(facts) => (at, facts.clone(), MeetingKind::Exception),
                None => {
                    let facts = Facts { start: at, end: at + length, ..self.facts.clone() };
                    (at, facts, MeetingKind::Occurrence)
                }
            })
            .collect()
    }

    pub fn delete_one(&mut self, dice: &mut Dice) -> &'static str {
        let all = self.occurrences();
        if let Some((at, ..)) = dice.pick(&all) {
            self.deleted.insert(*at);
        }
        "delete an occurrence"
    }

    pub fn change_one(&mut self, n: u64, dice: &mut Dice) -> &'static str {
        let all = self.occurrences();
        if let Some((at, facts, _)) = dice.pick(&all) {
            let mut facts = facts.clone();
            let day = facts.start;
            alter(&mut facts, n, day, dice);
            self.changed.insert(*at, facts);
        }
        "change an occurrence"
    }
}

fn name(n: u64) -> String {
    format!("Person {CANARY} {n}")
}

fn address(n: u64) -> String {
    format!("{CANARY}.guest{n}@corp.example")
}

fn moment(today: Time, dice: &mut Dice) -> Time {
    let minutes = dice.of(0..60 * 24 * 55);
    today - Span::DAY.times(12) + Span::MINUTE.times(minutes / 15 * 15)
}

pub fn facts(n: u64, today: Time, dice: &mut Dice) -> Facts {
    let start = moment(today, dice);
    let minutes = *dice.pick(&[0, 15, 30, 60, 90, 1_440, 4_320]).unwrap_or(&30);
    let link = dice.one_in(4).then(|| format!("https://meet.example/{CANARY}/{n}"));
    Facts {
        uid: format!("uid {CANARY} {n}"),
        start,
        end: start + Span::MINUTE.times(minutes),
        subject: if dice.one_in(9) { String::new() } else { format!("Title {CANARY} {n}") },
        place: if dice.one_in(3) { String::new() } else { format!("Room {CANARY} {n}") },
        body: if dice.one_in(3) { String::new() } else { format!("Body {CANARY}\r\n{n} ü") },
        organizer: (!dice.one_in(5)).then(|| dice.of(0..50)),
        guests: (0..dice.of(0..4)).map(|_| (dice.of(0..50), Answer::None)).collect(),
        link,
        link_in_place: dice.one_in(2),
        private: dice.one_in(7),
        cancelled: false,
        touched: n,
    }
}

pub fn series(facts: Facts, dice: &mut Dice) -> Series {
    Series {
        facts,
        step: Span::DAY.times(dice.of(1..8)),
        count: dice.of(1..13),
        changed: BTreeMap::new(),
        deleted: BTreeSet::new(),
    }
}

pub fn alter(facts: &mut Facts, n: u64, today: Time, dice: &mut Dice) -> &'static str {
    facts.touched = n;
    let length = facts.end.since(facts.start);
    match dice.of(0..10) {
        0 => "only touch",
        1 => {
            facts.cancelled = !facts.cancelled;
            "cancel"
        }
        2 | 3 => {
            facts.start = moment(today, dice);
            facts.end = facts.start + length;
            "another time"
        }
        4 => {
            facts.end = facts.start + Span::MINUTE.times(dice.of(0..4) * 30);
            "another length"
        }
        5 => {
            facts.guests.push((dice.of(0..50), Answer::None));
            "one more guest"
        }
        6 => match facts.guests.first_mut() {
            Some((_, answer)) => {
                *answer = *dice.pick(&[Answer::Accepted, Answer::Declined]).unwrap_or(answer);
                "an answer"
            }
            None => "only touch",
        },
        7 => {
            facts.body = format!("Other body {CANARY} {n}");
            "another body"
        }
        8 => {
            facts.private = !facts.private;
            "another sensitivity"
        }
        _ => {
            facts.subject = format!("Other title {CANARY} {n}");
            "another title"
        }
    }
}

pub fn meeting(
    id: &ItemId,
    version: String,
    facts: &Facts,
    kind: MeetingKind,
    original_start: Option<Time>,
) -> Meeting {
    let person =
        |n: u64| Person { name: Plain::new(name(n)), address: Address::parse(&address(n)).ok() };
    let conference = match (&facts.link, facts.link_in_place) {
        (Some(link), false) => link.clone(),
        _ => String::new(),
    };
    Meeting {
        item: id.clone(),
        version: version.into(),
        uid: Plain::new(facts.uid.clone()),
        kind,
        original_start,
        start: facts.start,
        end: facts.end,
        all_day: false,
        subject: Plain::new(facts.subject.clone()),
        location: Plain::new(facts.place()),
        body: Body { text: Plain::new(facts.body.clone()), html: false },
        organizer: facts.organizer.map(person),
        participants: facts
            .guests
            .iter()
            .map(|(n, answer)| Participant {
                person: person(*n),
                kind: ParticipantKind::Person,
                role: ParticipantRole::Required,
                answer: *answer,
            })
            .collect(),
        sensitivity: if facts.private { Sensitivity::Private } else { Sensitivity::Normal },
        cancelled: facts.cancelled,
        last_modified: Some(Time::from_ms(facts.touched as i64 * 1_000)),
        conference: Plain::new(conference),
        mine: false,
        mark: None,
    }
}
