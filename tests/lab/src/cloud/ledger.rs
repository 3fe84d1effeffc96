//! The records that the cloud keeps, and the rules by which an event changes them.
//!
//! For each (subject, record id) the highest sequence counts. A deletion leaves a tombstone. A
//! resync.complete drops what is older than its firstSequence, and forgets those tombstones.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::event::{Body, Event};
use super::reports::{DECORATE_REQUEST, Report};

/// One record as the cloud keeps it.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// The record's id.
    pub id: String,
    /// The id of the event that brought this version.
    pub event: String,
    /// The sequence of this version.
    pub sequence: u64,
    /// `create`, `update` or `delete`.
    pub kind: String,
    /// The calendarMeetingExternal; null for a tombstone.
    pub json: Value,
    /// Whether this is a tombstone.
    pub deleted: bool,
    /// When this version was stored.
    pub received_at: Instant,
    /// How many versions were stored so far.
    pub versions: u32,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect.
    Stored,
    /// It had taken effect before.
    Duplicate,
    /// Something newer had taken effect.
    Stale,
    /// It never will.
    Rejected(String),
}

impl Verdict {
    pub(super) fn json(&self, id: &Value) -> Value {
        match self {
            Self::Stored => json!({"id": id, "outcome": "stored"}),
            Self::Duplicate => json!({"id": id, "outcome": "duplicate"}),
            Self::Stale => json!({"id": id, "outcome": "stale"}),
            Self::Rejected(reason) => json!({"id": id, "outcome": "rejected", "reason": reason}),
        }
    }
}

/// How many events had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events that took effect.
    pub stored: u64,
    /// Events that had taken effect before.
    pub duplicate: u64,
    /// Events that something newer had overtaken.
    pub stale: u64,
    /// Events that were refused.
    pub rejected: u64,
    /// Meetings that a user sees twice at this moment: same seriesId and start under two ids.
    pub duplicated_visible: u64,
}

/// An event that took effect, in the order in which it did.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The user.
    pub subject: String,
    /// The record; empty for a resync.complete.
    pub record: String,
    /// The sequence.
    pub sequence: u64,
    /// `create`, `update`, `delete` or `complete`.
    pub kind: String,
    /// When.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Subject {
    active: bool,
    records: BTreeMap<String, StoredRecord>,
    /// Of each file of reports the one that counts.
    files: HashMap<String, Arc<Report>>,
    /// The first request for join details under each id.
    wishes: HashMap<String, Arc<Report>>,
    /// No record below counts any more.
    floor: u64,
    resync: Option<(u64, String)>,
}

/// The most arrivals kept; the older half is forgotten when there are more.
const MOST_ARRIVALS: usize = 1_000_000;

/// All records of one connector's users.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    subjects: HashMap<String, Subject>,
    pub(super) stats: Stats,
    pub(super) arrivals: Vec<Arrival>,
    /// What took effect and is no record, in order.
    pub(super) reports: Vec<Arc<Report>>,
}

impl Ledger {
    /// From now on events of `subject` are expected.
    pub(super) fn admit(&mut self, subject: &str) {
        self.subjects.entry(subject.into()).or_default().active = true;
    }

    /// Removes what is kept of `subject`; whatever still arrives is stale.
    pub(super) fn dismiss(&mut self, subject: &str) {
        if let Some(known) = self.subjects.get_mut(subject) {
            let highest = known.records.values().map(|record| record.sequence).max();
            known.floor = known.floor.max(highest.map_or(0, |highest| highest + 1));
            known.records.clear();
            known.active = false;
        }
    }

    pub(super) fn is_active(&self, subject: &str) -> bool {
        self.subjects.get(subject).is_some_and(|known| known.active)
    }

    /// The effect of `event`, counted.
    pub(super) fn apply(&mut self, event: Event, now: Instant) -> Verdict {
        if let Body::Report(json) = &event.body {
            let json = json.clone();
            return self.file(event, json);
        }
        let (subject, record) = (event.subject.clone(), event.record.clone());
        let (sequence, kind) = (event.sequence, event.kind.clone());
        let verdict = match self.subjects.get_mut(&event.subject) {
            None => Verdict::Rejected("the subject is not assigned to this connector".into()),
            Some(known) if !known.active => Verdict::Stale,
            Some(known) => known.apply(event, now),
        };
        if verdict == Verdict::Stored {
            if self.arrivals.len() >= MOST_ARRIVALS {
                self.arrivals.drain(..MOST_ARRIVALS / 2);
            }
            let kind = kind.rsplit('.').next().unwrap_or_default().to_owned();
            self.arrivals.push(Arrival { subject, record, sequence, kind, at: now });
        }
        self.count(&verdict);
        verdict
    }

    /// The effect of what is no record.
    fn file(&mut self, event: Event, json: Value) -> Verdict {
        let Event { id, kind, subject, sequence, record, .. } = event;
        let report = Report { subject, kind, file: record, event: id, sequence, json };
        let report = Arc::new(report);
        let kind = report.kind.as_str();
        let verdict = match self.subjects.get_mut(&report.subject) {
            None => Verdict::Rejected("the subject is not assigned to this connector".into()),
            // How it ended is told of those who left, too.
            Some(known) if !known.active && !matches!(kind, "user.state" | "command.result") => {
                Verdict::Stale
            }
            Some(known) => known.file(&report),
        };
        if verdict == Verdict::Stored {
            if self.reports.len() >= MOST_ARRIVALS {
                self.reports.drain(..MOST_ARRIVALS / 2);
            }
            self.reports.push(report);
        }
        self.count(&verdict);
        verdict
    }

    /// Of a file of `subject` the report that counts.
    pub(super) fn latest(&self, subject: &str, file: &str) -> Option<&Report> {
        self.subjects.get(subject)?.files.get(file).map(AsRef::as_ref)
    }

    pub(super) fn count(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Stored => &mut self.stats.stored,
            Verdict::Duplicate => &mut self.stats.duplicate,
            Verdict::Stale => &mut self.stats.stale,
            Verdict::Rejected(_) => &mut self.stats.rejected,
        };
        *counter += 1;
    }

    pub(super) fn records(&self, subject: &str) -> Vec<StoredRecord> {
        let known = self.subjects.get(subject);
        known.map_or_else(Vec::new, |known| known.records.values().cloned().collect())
    }

    pub(super) fn record(&self, subject: &str, id: &str) -> Option<&StoredRecord> {
        self.subjects.get(subject)?.records.get(id)
    }

    /// The records of `subject` that are not tombstones.
    pub(super) fn live(&self, subject: &str) -> impl Iterator<Item = &StoredRecord> {
        let known = self.subjects.get(subject).into_iter();
        known.flat_map(|known| known.records.values()).filter(|record| !record.deleted)
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = &String> {
        self.subjects.iter().filter(|(_, known)| known.active).map(|(subject, _)| subject)
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.stats;
        for subject in self.subjects.keys() {
            let mut seen: HashMap<(&str, &str), u64> = HashMap::new();
            for record in self.live(subject) {
                let series = record.json["seriesId"].as_str().unwrap_or_default();
                let start = record.json["start"].as_str().unwrap_or_default();
                *seen.entry((series, start)).or_default() += 1;
            }
            stats.duplicated_visible += seen.values().map(|count| count - 1).sum::<u64>();
        }
        stats
    }
}

impl Subject {
    fn apply(&mut self, event: Event, now: Instant) -> Verdict {
        if event.sequence < self.floor {
            return Verdict::Stale;
        }
        match event.body {
            Body::Resync(first) => self.complete(event.id, event.sequence, first),
            Body::Upsert(json) => {
                let kind = event.kind.rsplit('.').next().unwrap_or_default().to_owned();
                self.store(event.id, event.record, event.sequence, kind, json, now)
            }
            Body::Delete => {
                let kind = "delete".to_owned();
                self.store(event.id, event.record, event.sequence, kind, Value::Null, now)
            }
            // Filed by the ledger, before it comes here.
            Body::Report(_) => Verdict::Duplicate,
        }
    }

    fn file(&mut self, report: &Arc<Report>) -> Verdict {
        let known = self.files.get(&report.file);
        let verdict = known
            .and_then(|last| judge(last.sequence, &last.event, report.sequence, &report.event));
        if let Some(verdict) = verdict {
            return verdict;
        }
        if report.kind == DECORATE_REQUEST
            && let Some(id) = report.json["requestId"].as_str()
        {
            let first = self.wishes.entry(id.into()).or_insert_with(|| report.clone());
            if report.contradicts(first) {
                let reason = "the requestId stands for something else already";
                return Verdict::Rejected(reason.into());
            }
        }
        self.files.insert(report.file.clone(), report.clone());
        Verdict::Stored
    }

    fn store(
        &mut self,
        event: String,
        id: String,
        sequence: u64,
        kind: String,
        json: Value,
        now: Instant,
    ) -> Verdict {
        let known = self.records.get(&id);
        if let Some(verdict) =
            known.and_then(|known| judge(known.sequence, &known.event, sequence, &event))
        {
            return verdict;
        }
        let versions = known.map_or(0, |known| known.versions) + 1;
        let deleted = kind == "delete";
        let record = StoredRecord {
            id: id.clone(),
            event,
            sequence,
            kind,
            json,
            deleted,
            received_at: now,
            versions,
        };
        self.records.insert(id, record);
        Verdict::Stored
    }

    fn complete(&mut self, event: String, sequence: u64, first: u64) -> Verdict {
        let known = self.resync.as_ref();
        if let Some(verdict) = known.and_then(|(last, by)| judge(*last, by, sequence, &event)) {
            return verdict;
        }
        self.resync = Some((sequence, event));
        self.floor = self.floor.max(first);
        let floor = self.floor;
        self.records.retain(|_, record| record.sequence >= floor);
        Verdict::Stored
    }
}

/// Why an event does not take effect beside the one that did last; `None` if it does.
fn judge(last: u64, last_event: &str, sequence: u64, event: &str) -> Option<Verdict> {
    match sequence.cmp(&last) {
        std::cmp::Ordering::Greater => None,
        std::cmp::Ordering::Less => Some(Verdict::Stale),
        std::cmp::Ordering::Equal if last_event == event => Some(Verdict::Duplicate),
        std::cmp::Ordering::Equal => {
            Some(Verdict::Rejected("the sequence was used by another event".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, record: &str, body: Body) -> Event {
        let kind = match &body {
            Body::Upsert(_) => "calendar.meeting.update",
            Body::Delete => "calendar.meeting.delete",
            Body::Resync(_) => "calendar.resync.complete",
            Body::Report(_) => "user.state",
        };
        Event {
            id: format!("e{sequence}"),
            kind: kind.into(),
            subject: "u1".into(),
            sequence,
            record: record.into(),
            body,
        }
    }

    /// A history with updates, deletions, returns and two resyncs, in the order it happened.
    fn history() -> Vec<Event> {
        let up = |sequence, record| event(sequence, record, Body::Upsert(json!(sequence)));
        let down = |sequence, record| event(sequence, record, Body::Delete);
        let complete = |sequence, first| event(sequence, "", Body::Resync(first));
        vec![
            up(1, "a"),
            up(2, "b"),
            up(3, "c"),
            up(4, "a"),
            down(5, "b"),
            up(6, "d"),
            up(7, "a"),
            complete(8, 6),
            up(9, "e"),
            down(10, "d"),
            up(11, "b"),
            down(12, "a"),
            up(13, "e"),
            complete(14, 11),
            up(15, "a"),
            down(16, "e"),
        ]
    }

    fn settled(events: &[Event]) -> Vec<(String, u64, Value)> {
        let mut ledger = Ledger::default();
        ledger.admit("u1");
        for event in events {
            ledger.apply(event.clone(), Instant::now());
        }
        let live = ledger.live("u1");
        live.map(|one| (one.id.clone(), one.sequence, one.json.clone())).collect()
    }

    #[test]
    fn neither_order_nor_repetition_changes_what_is_kept() {
        let history = history();
        let expected = settled(&history);
        let kept = [("a".into(), 15, json!(15)), ("b".into(), 11, json!(11))];
        assert_eq!(expected, kept);
        let mut dice: u64 = 1;
        let mut roll = |below: usize| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as usize % below
        };
        for _ in 0..2000 {
            let mut events = history.clone();
            for _ in 0..roll(10) {
                events.push(history[roll(history.len())].clone());
            }
            for place in (1..events.len()).rev() {
                events.swap(place, roll(place + 1));
            }
            let order: Vec<u64> = events.iter().map(|event| event.sequence).collect();
            assert_eq!(settled(&events), expected, "{order:?}");
        }
    }
}
