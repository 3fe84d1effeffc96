//! Meetings, keys and stored facts for the tests of the decisions.

use std::sync::Arc;

use proptest::test_runner::Config as ProptestConfig;

use super::seal::{Installation, Sealer};
use super::sync::Loaded;
use super::window::{Reach, Window};
use crate::model::{
    Address, Answer, Body, Entry, Fault, ItemId, KeyUri, Meeting, MeetingKind, Now, Participant,
    ParticipantKind, ParticipantRole, Person, Plain, Sensitivity, Span, Time, UserId, Zone,
};

/// So many cases of a property, and no files beside the sources.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Noon of some day.
pub const NOON: Time = Time::from_ms(1_800_014_400_000);

/// Both clocks at noon and so many seconds.
pub fn now(seconds: u64) -> Now {
    let later = Span::from_secs(seconds);
    Now { wall: NOON + later, mono: Time::from_ms(5_000_000) + later }
}

pub fn window() -> Window {
    Window::at(NOON, Reach::default(), &Zone::default())
}

pub fn installation() -> Arc<Installation> {
    Arc::new(Installation::new(&[7; 32]).unwrap())
}

pub fn user(n: usize) -> UserId {
    UserId::new(format!("user-{n:04}"))
}

pub fn item(name: &str) -> ItemId {
    ItemId(name.into())
}

/// Seals so that a test can read: `sealed(text)`, backwards.
#[derive(Debug)]
pub struct Backwards(KeyUri);

impl Sealer for Backwards {
    fn key_uri(&self) -> &KeyUri {
        &self.0
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        Ok(format!("jwe:{}", plain.chars().rev().collect::<String>()))
    }
}

pub fn key(name: &str) -> Arc<dyn Sealer> {
    Arc::new(Backwards(KeyUri::new(format!("kms://kms.example/keys/{name}"))))
}

/// A single meeting of half an hour, tomorrow.
pub fn meeting(uid: &str, item_id: &str) -> Meeting {
    let start = NOON + Span::DAY;
    Meeting {
        item: item(item_id),
        version: "1".into(),
        uid: Plain::new(uid),
        kind: MeetingKind::Single,
        original_start: None,
        start,
        end: start + Span::MINUTE.times(30),
        all_day: false,
        subject: Plain::new("Budget"),
        location: Plain::new("Room 5"),
        body: Body::default(),
        organizer: Some(person("Ada", "ada@corp.example")),
        participants: vec![Participant {
            person: person("Ben", "ben@corp.example"),
            kind: ParticipantKind::Person,
            role: ParticipantRole::Required,
            answer: Answer::Accepted,
        }],
        sensitivity: Sensitivity::Normal,
        cancelled: false,
        last_modified: None,
        conference: Plain::default(),
        mine: true,
        mark: None,
    }
}

pub fn person(name: &str, address: &str) -> Person {
    Person { name: Plain::new(name), address: Address::parse(address).ok() }
}

/// Occurrence `n` of a series with one a day.
pub fn occurrence(uid: &str, n: u64) -> Meeting {
    let single = meeting(uid, &format!("{uid}#{n}"));
    let start = single.start + Span::DAY.times(n);
    Meeting {
        kind: MeetingKind::Occurrence,
        original_start: Some(start),
        start,
        end: start + Span::MINUTE.times(30),
        ..single
    }
}

/// The line of a listing that a meeting has.
pub fn entry(meeting: &Meeting) -> Entry {
    Entry {
        item: meeting.item.clone(),
        version: meeting.version.clone(),
        uid: meeting.uid.clone(),
        recurring: meeting.kind != MeetingKind::Single,
        start: meeting.start,
        end: meeting.end,
    }
}

/// What the store knows right after an activation.
pub fn fresh() -> Loaded {
    Loaded { generation: 1, cursor: None, window: None, resend: true, sequence: 100, keys: None }
}
