//! A store in memory: the second, stupid engine, with the same promises as the real one.

use std::collections::BTreeMap;

use calway::model::{
    CommandId, Fault, Outcome, RecordKey, Time, Trace, TrustEntry, UserId, Verdict,
};
use calway::pipeline::announcement::{Announcement, Topic};
use calway::pipeline::command::{Decision, Effect, NO_LONGER_ACTIVE, NOT_ACTIVE, TOO_MANY};
use calway::pipeline::errand::{self, Advance, Filed, Stage, Told};
use calway::pipeline::limits;
use calway::pipeline::outbox::Outgoing;
use calway::pipeline::record;
use calway::pipeline::seal::{Sealed, Stashed, Tag};
use calway::pipeline::sync::{Commit, EventKind, Keyed, Loaded, Lookup, Row};
use calway::pipeline::tracking;
use calway::pipeline::window::Window;
use calway::store::{Backlog, Met, Settled, Shelf, Store};

#[derive(Clone, Debug, Default)]
struct Mailbox {
    active: bool,
    generation: u64,
    address: Option<Stashed>,
    cursor: Option<Stashed>,
    window: Option<Window>,
    resend: bool,
    sequence: u64,
    keys: Option<Keyed>,
    index: BTreeMap<RecordKey, Row>,
    messages: u64,
    told: BTreeMap<Topic, Tag>,
}

#[derive(Clone, Debug)]
struct Waiting {
    row: i64,
    user: UserId,
    key: Option<RecordKey>,
    kind: EventKind,
    sequence: u64,
    time: Time,
    data: Sealed,
    trace: Option<Trace>,
}

/// The engine.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    mailboxes: BTreeMap<UserId, Mailbox>,
    outbox: Vec<Waiting>,
    aside: Vec<Waiting>,
    commands: BTreeMap<CommandId, (u64, Outcome)>,
    shelves: BTreeMap<(String, Tag), Stashed>,
    trust: BTreeMap<String, TrustEntry>,
    showing: Option<Tag>,
    last_row: i64,
    errands: Vec<Filed>,
    last_errand: i64,
}

impl Memory {
    fn decide_one(&mut self, decision: &Decision, now: Time) -> Outcome {
        if let Some((_, outcome)) = self.commands.get(&decision.id) {
            return outcome.clone();
        }
        let mut outcome = decision.outcome.clone();
        let trace = tracking::of(decision.id.as_str());
        match &decision.effect {
            Effect::None => {}
            Effect::Errand { user, kind, body } => {
                let active = self.mailboxes.get(user).is_some_and(|mailbox| mailbox.active);
                let waiting = self.errands.iter().filter(|one| one.user == *user).count();
                if !active {
                    outcome = Outcome::Refused(NOT_ACTIVE.into());
                } else if waiting >= limits::ERRANDS as usize {
                    outcome = Outcome::Refused(TOO_MANY.into());
                } else {
                    self.last_errand += 1;
                    let (row, id) = (self.last_errand, decision.id.clone());
                    let (user, body, stage) = (user.clone(), body.clone(), Stage::Accepted);
                    let filed = Filed { row, id, user, kind: *kind, stage, body, born: now };
                    self.errands.push(filed);
                }
            }
            Effect::Activate { user, address } => self.activate(user, address, (trace, now)),
            Effect::Deactivate { user } => self.deactivate(user, (trace, now)),
            Effect::Resend { user } => {
                let all = self.mailboxes.iter_mut();
                let meant = all.filter(|(name, _)| user.as_ref().is_none_or(|u| u == *name));
                for (_, mailbox) in meant.filter(|(_, mailbox)| mailbox.active) {
                    mailbox.resend = true;
                    mailbox.generation += 1;
                    mailbox.told.clear();
                }
            }
        }
        self.commands.insert(decision.id.clone(), (decision.sequence, outcome.clone()));
        outcome
    }

    /// Everything that would be on a disk, one after the other.
    pub fn blobs(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mailbox in self.mailboxes.values() {
            for blob in mailbox.address.iter().chain(&mailbox.cursor) {
                bytes.extend(&blob.0);
            }
        }
        for filed in &self.errands {
            bytes.extend(&filed.body.0);
        }
        for blob in self.shelves.values() {
            bytes.extend(&blob.0);
        }
        for waiting in self.outbox.iter().chain(&self.aside) {
            bytes.extend(waiting.data.json().as_bytes());
        }
        bytes
    }

    fn enqueue(
        &mut self,
        user: &UserId,
        key: Option<&RecordKey>,
        kind: EventKind,
        (sequence, data): (u64, Sealed),
        (trace, time): (Option<Trace>, Time),
    ) {
        let same = |other: &Waiting| other.user == *user && other.key.as_ref() == key;
        self.outbox.retain(|other| !same(other));
        self.aside.retain(|other| !same(other));
        self.last_row += 1;
        let (row, user, key) = (self.last_row, user.clone(), key.cloned());
        self.outbox.push(Waiting { row, user, key, kind, sequence, time, data, trace });
    }

    fn untell(&mut self, user: &UserId, now: Time) {
        let told = |kind| matches!(kind, EventKind::Presence | EventKind::State);
        self.outbox.retain(|w| w.user != *user || !told(w.kind));
        let all = std::mem::take(&mut self.errands);
        let (dropped, kept) = all.into_iter().partition(|one| one.user == *user);
        self.errands = kept;
        let dropped: Vec<Filed> = dropped;
        for one in dropped {
            let told = errand::result(&one.id, one.kind, NO_LONGER_ACTIVE);
            self.tell(user, &told, (&one.id, now));
        }
    }

    fn tell(&mut self, user: &UserId, told: &Told, (id, now): (&CommandId, Time)) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        mailbox.messages = (mailbox.messages + 1).max(now.as_ms() as u64 * 1_000);
        let said = (mailbox.messages, told.data.clone());
        let trace = Some(tracking::of(id.as_str()));
        self.enqueue(user, Some(&told.key), told.kind, said, (trace, now));
    }

    fn withdraw(&mut self, user: &UserId, (trace, now): (Trace, Time)) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let keys: Vec<_> = std::mem::take(&mut mailbox.index).into_keys().collect();
        let first = mailbox.sequence + 1;
        mailbox.sequence += keys.len() as u64;
        for (sequence, key) in (first..).zip(keys) {
            let said = (sequence, record::withdrawn(&key));
            self.enqueue(user, Some(&key), EventKind::Delete, said, (Some(trace), now));
        }
    }

    fn activate(&mut self, user: &UserId, address: &Stashed, (trace, now): (Trace, Time)) {
        let mailbox = self.mailboxes.entry(user.clone()).or_default();
        if mailbox.active && mailbox.address.as_ref() == Some(address) {
            mailbox.resend = true;
            mailbox.generation += 1;
            mailbox.told.clear();
            return;
        }
        self.withdraw(user, (trace, now));
        self.untell(user, now);
        let mailbox = self.mailboxes.entry(user.clone()).or_default();
        mailbox.told.clear();
        mailbox.active = true;
        mailbox.generation += 1;
        mailbox.address = Some(address.clone());
        mailbox.cursor = None;
        mailbox.window = None;
        mailbox.resend = true;
        mailbox.sequence = mailbox.sequence.max(now.as_ms() as u64 * 1_000);
    }

    fn deactivate(&mut self, user: &UserId, (trace, now): (Trace, Time)) {
        let first = now.as_ms() as u64 * 1_000;
        let fresh = || Mailbox { sequence: first, ..Mailbox::default() };
        self.mailboxes.entry(user.clone()).or_insert_with(fresh);
        self.withdraw(user, (trace, now));
        self.untell(user, now);
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let (generation, sequence) = (mailbox.generation + 1, mailbox.sequence + 1);
        let messages = mailbox.messages;
        *mailbox = Mailbox { generation, sequence, messages, ..Mailbox::default() };
        let said = (sequence, record::complete(sequence));
        self.enqueue(user, None, EventKind::Complete, said, (Some(trace), now));
    }

    fn take_off(&mut self, settled: &Settled) {
        for (row, _) in &settled.aside {
            let found = self.outbox.iter().find(|w| w.row == *row);
            self.aside.extend(found.cloned());
        }
        let aside = |row| settled.aside.iter().any(|(other, _)| *other == row);
        self.outbox.retain(|w| !settled.done.contains(&w.row) && !aside(w.row));
    }

    fn commit_one(&mut self, commit: &Commit, now: Time) -> bool {
        let Some(mailbox) = self.mailboxes.get_mut(&commit.user) else { return false };
        let fits = mailbox.active
            && mailbox.generation == commit.generation
            && mailbox.sequence <= commit.sequence;
        if !fits {
            return false;
        }
        mailbox.sequence = commit.sequence;
        if commit.cursor.is_some() {
            mailbox.cursor.clone_from(&commit.cursor);
        }
        mailbox.window = commit.window.or(mailbox.window);
        mailbox.resend &= !commit.resent;
        if commit.keys.is_some() {
            mailbox.keys.clone_from(&commit.keys);
        }
        for row in &commit.rows {
            mailbox.index.insert(row.key.clone(), row.clone());
        }
        for key in &commit.dropped {
            mailbox.index.remove(key);
        }
        for event in &commit.events {
            let said = (event.sequence, event.data.clone());
            let told = (commit.trace, now);
            self.enqueue(&commit.user, event.key.as_ref(), event.kind, said, told);
        }
        true
    }
}

impl Shelf for Memory {
    fn kept(&mut self, shelf: &str) -> Result<Vec<Stashed>, Fault> {
        let of = self.shelves.iter().filter(|((name, _), _)| name == shelf);
        Ok(of.map(|(_, line)| line.clone()).collect())
    }

    fn keep(&mut self, shelf: &str, lines: &[(Tag, Option<Stashed>)]) -> Result<(), Fault> {
        for (key, line) in lines {
            let key = (shelf.to_owned(), *key);
            match line {
                Some(line) => self.shelves.insert(key, line.clone()),
                None => self.shelves.remove(&key),
            };
        }
        Ok(())
    }

    fn trust(&mut self) -> Result<Vec<TrustEntry>, Fault> {
        Ok(self.trust.values().cloned().collect())
    }

    fn meet(&mut self, host: &str, via: &str, since: Time) -> Result<Met, Fault> {
        if self.trust.contains_key(host) {
            return Ok(Met::Known);
        }
        let (verdict, via) = (Verdict::Pending, via.to_owned());
        let entry = TrustEntry { host: host.to_owned(), verdict, via, since };
        self.trust.insert(host.to_owned(), entry);
        Ok(Met::New)
    }

    fn decide_trust(&mut self, host: &str, verdict: Verdict, since: Time) -> Result<(), Fault> {
        let via = self.trust.get(host).map_or("administrator", |entry| &entry.via).to_owned();
        let entry = TrustEntry { host: host.to_owned(), verdict, via, since };
        self.trust.insert(host.to_owned(), entry);
        Ok(())
    }

    fn forget_trust(&mut self, host: &str) -> Result<bool, Fault> {
        Ok(self.trust.remove(host).is_some())
    }

    fn foreign_writes(&mut self) -> Result<i64, Fault> {
        Ok(0)
    }
}

impl Store for Memory {
    fn announce(&mut self, all: &[Announcement], now: Time) -> Result<(), Fault> {
        for one in all {
            let Some(mailbox) = self.mailboxes.get_mut(&one.user) else { continue };
            if !mailbox.active || mailbox.told.insert(one.topic, one.mark) == Some(one.mark) {
                continue;
            }
            mailbox.messages = (mailbox.messages + 1).max(now.as_ms() as u64 * 1_000);
            let kind = match one.topic {
                Topic::Presence => EventKind::Presence,
                Topic::State => EventKind::State,
            };
            let (key, said) =
                (RecordKey::new(one.topic.id()), (mailbox.messages, one.data.clone()));
            self.enqueue(&one.user, Some(&key), kind, said, (None, now));
        }
        Ok(())
    }

    fn errands(&mut self, after: i64, limit: usize) -> Result<Vec<Filed>, Fault> {
        Ok(self.errands.iter().filter(|one| one.row > after).take(limit).cloned().collect())
    }

    fn advance(&mut self, step: &Advance, now: Time) -> Result<bool, Fault> {
        let is_it = |one: &Filed| one.row == step.row && one.id == step.id;
        let Some(at) = self.errands.iter().position(is_it) else { return Ok(false) };
        let one = &mut self.errands[at];
        one.stage = step.stage;
        one.body = step.body.clone().unwrap_or_else(|| one.body.clone());
        let user = one.user.clone();
        step.told.iter().for_each(|told| self.tell(&user, told, (&step.id, now)));
        if let (Some(tag), Some(mailbox)) = (step.anew, self.mailboxes.get_mut(&user)) {
            let rows = mailbox.index.values_mut().filter(|row| row.asked == Some(tag));
            rows.for_each(|row| row.asked = None);
        }
        if step.done {
            self.errands.remove(at);
        }
        Ok(true)
    }

    fn shown_as(&mut self, showing: Tag) -> Result<bool, Fault> {
        if self.showing.replace(showing) == Some(showing) {
            return Ok(false);
        }
        for mailbox in self.mailboxes.values_mut() {
            (mailbox.window, mailbox.generation) = (None, mailbox.generation + 1);
        }
        Ok(true)
    }

    fn claim(&mut self, _user: &UserId, _until: Time) -> Result<bool, Fault> {
        Ok(true)
    }

    fn mailboxes(&mut self) -> Result<Vec<(UserId, Stashed)>, Fault> {
        let active = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.active);
        Ok(active.filter_map(|(user, m)| Some((user.clone(), m.address.clone()?))).collect())
    }

    fn load(&mut self, user: &UserId) -> Result<Option<Loaded>, Fault> {
        let Some(m) = self.mailboxes.get(user).filter(|m| m.active) else { return Ok(None) };
        Ok(Some(Loaded {
            generation: m.generation,
            cursor: m.cursor.clone(),
            window: m.window,
            resend: m.resend,
            sequence: m.sequence,
            keys: m.keys.clone(),
        }))
    }

    fn rows(&mut self, user: &UserId, lookup: &Lookup) -> Result<Vec<Row>, Fault> {
        let all = self.mailboxes.get(user).into_iter().flat_map(|mailbox| mailbox.index.values());
        let wanted = |row: &&Row| match lookup {
            Lookup::All => true,
            Lookup::Of { items, series } => {
                items.contains(&row.item) || series.contains(&row.series)
            }
        };
        Ok(all.filter(wanted).cloned().collect())
    }

    fn write(
        &mut self,
        commits: &[Commit],
        settled: &Settled,
        now: Time,
    ) -> Result<Vec<bool>, Fault> {
        self.take_off(settled);
        Ok(commits.iter().map(|commit| self.commit_one(commit, now)).collect())
    }

    fn outbox(&mut self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        let mut size = 0;
        let mut out = Vec::new();
        for w in self.outbox.iter().take(limit) {
            size += w.data.json().len();
            if size > bytes && !out.is_empty() {
                break;
            }
            let id = format!("{}.{:020}", w.user, w.sequence);
            out.push(Outgoing {
                row: w.row,
                trace: w.trace.unwrap_or_else(|| tracking::of(&id)),
                id: id.into(),
                user: w.user.clone(),
                kind: w.kind,
                sequence: w.sequence,
                time: w.time,
                data: w.data.clone(),
            });
        }
        Ok(out)
    }

    fn outcome(&mut self, id: &CommandId) -> Result<Option<Outcome>, Fault> {
        Ok(self.commands.get(id).map(|(_, outcome)| outcome.clone()))
    }

    fn decide_all(&mut self, decisions: &[Decision], now: Time) -> Result<Vec<Outcome>, Fault> {
        Ok(decisions.iter().map(|decision| self.decide_one(decision, now)).collect())
    }

    fn channel_position(&mut self) -> Result<u64, Fault> {
        Ok(self.commands.values().map(|(sequence, _)| *sequence).max().unwrap_or(0))
    }

    fn waiting_at_most(&mut self) -> Result<u64, Fault> {
        Ok(self.outbox.len() as u64)
    }

    fn backlog(&mut self) -> Result<Backlog, Fault> {
        Ok(Backlog {
            waiting: self.outbox.len() as u64,
            oldest: self.outbox.iter().min_by_key(|w| w.row).map(|w| w.time),
            aside: self.aside.len() as u64,
        })
    }
}
