//! A stream of edits from a seed, as people make them: for the crash and canary tests.

use std::sync::LazyLock;
use std::time::SystemTime;

use calway_lab::exchange::service::{End, Pattern, Recurrence};
use calway_lab::exchange::{Attendee, Calendars, Draft, ItemId, Response, Sensitivity};

pub const DAY_MS: i64 = 86_400_000;

/// Now, in milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// So many hours from a quarter of an hour that is the same for every call.
pub fn in_hours(hours: i64) -> i64 {
    static NOW: LazyLock<i64> = LazyLock::new(|| now_ms() / 900_000 * 900_000);
    *NOW + hours * 3_600_000
}

/// The window of today, as the configuration has it by default.
pub fn window() -> (i64, i64) {
    let midnight = now_ms() - now_ms().rem_euclid(DAY_MS);
    (midnight - 7 * DAY_MS, midnight + 32 * DAY_MS)
}

/// A small generator that a seed determines.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// People who edit.
pub struct Editors {
    pub dice: Dice,
    people: Vec<(String, String)>,
    /// Whose calendar, which item, whether it is a series and where it begins.
    made: Vec<(usize, ItemId, Option<i64>)>,
    titles: Vec<String>,
    count: u64,
}

impl Editors {
    /// People by address and name; titles, bodies and places are taken from `titles` in turn.
    pub fn new(seed: u64, people: &[(&str, &str)], titles: &[&str]) -> Self {
        Self {
            dice: Dice(seed),
            people: people.iter().map(|(a, n)| ((*a).into(), (*n).into())).collect(),
            made: Vec::new(),
            titles: titles.iter().map(|t| (*t).into()).collect(),
            count: 0,
        }
    }

    fn draft(&mut self) -> Draft {
        self.count += 1;
        let title = self.titles[self.dice.below(self.titles.len() as u64) as usize].clone();
        let days = self.dice.below(44) as i64 - 9;
        let minutes = self.dice.below(24 * 12) as i64 * 5;
        let start = now_ms() / 60_000 * 60_000 + days * DAY_MS + minutes * 60_000;
        let length = 15 + self.dice.below(8) as i64 * 15;
        let mut draft = Draft::meeting(&format!("{title} {}", self.count), start, length);
        draft.location = title.clone();
        draft.body = format!("{title}, said the invitation of {}", self.count);
        draft.body_html = false;
        if self.dice.below(3) == 0 {
            let (address, name) =
                self.people[self.dice.below(self.people.len() as u64) as usize].clone();
            draft.attendees = vec![Attendee::required(&address, &name)];
        }
        if self.dice.below(8) == 0 {
            draft.sensitivity = Sensitivity::Private;
        }
        draft
    }

    /// One edit.
    pub fn edit(&mut self, calendars: &Calendars) {
        let kind = self.dice.below(12);
        if kind < 4 || self.made.is_empty() {
            return self.create(calendars);
        }
        let at = self.dice.below(self.made.len() as u64) as usize;
        let (who, id, series) = self.made[at].clone();
        let address = self.people[who].0.clone();
        if calendars.read(&address, &id).is_none() {
            self.made.swap_remove(at);
            return self.create(calendars);
        }
        let count = self.count + 1;
        self.count = count;
        match (kind, series) {
            (4 | 5, None) => calendars.update(&address, &id, |draft| {
                draft.subject = format!("{} again {count}", draft.subject);
            }),
            (6 | 7, None) => {
                let by = (self.dice.below(6) as i64 - 3) * DAY_MS;
                calendars.update(&address, &id, |draft| {
                    draft.start_ms += by;
                    draft.end_ms += by;
                });
            }
            (4..=7, Some(start)) => {
                let original = start + self.dice.below(4) as i64 * DAY_MS;
                if kind == 7 {
                    calendars.delete_occurrence(&address, &id, original);
                } else {
                    calendars.modify_occurrence(&address, &id, original, |draft| {
                        draft.subject = format!("{} once {count}", draft.subject);
                        draft.start_ms += 600_000;
                        draft.end_ms += 600_000;
                    });
                }
            }
            (8, _) => {
                calendars.delete(&address, &id);
                self.made.swap_remove(at);
            }
            (9, _) => {
                calendars.cancel(&address, &id);
                self.made.swap_remove(at);
            }
            (10, _) => {
                let uid = calendars.uid(&address, &id).unwrap_or_default();
                let draft = calendars.read(&address, &id).unwrap_or_default();
                if let Some(attendee) = draft.attendees.first() {
                    let answer = if kind == 10 { Response::Accept } else { Response::Decline };
                    calendars.respond(&attendee.address, &uid, answer);
                }
            }
            _ => {
                let id = calendars.move_out_and_back(&address, &id);
                self.made[at].1 = id;
            }
        }
    }

    fn create(&mut self, calendars: &Calendars) {
        let who = self.dice.below(self.people.len() as u64) as usize;
        let mut draft = self.draft();
        let mut series = None;
        if self.dice.below(6) == 0 {
            draft.start_ms = now_ms() / 60_000 * 60_000 + DAY_MS;
            draft.end_ms = draft.start_ms + 1_800_000;
            draft.recurrence =
                Some(Recurrence { pattern: Pattern::Daily { interval: 1 }, end: End::After(4) });
            series = Some(draft.start_ms);
        }
        // A person does not invite themselves.
        draft.attendees.retain(|attendee| attendee.address != self.people[who].0);
        let id = calendars.create(&self.people[who].0, draft);
        self.made.push((who, id, series));
    }
}
