//! The cloud's state, and every way in which it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::channel::{Command, Kick, Outcome, close};
use super::event::{self, Event};
use super::faults::Faults;
use super::ledger::{Arrival, Ledger, Stats, StoredRecord, Verdict};
use super::recorder::Recorder;
use super::reports::{PRESENCE, Report, STATE};
use crate::kms::{Kms, Tokens};

/// What the cloud knows at one moment.
#[derive(Default)]
pub(super) struct State {
    pub(super) ledger: Ledger,
    /// In the order of their sequence.
    commands: Vec<Command>,
    /// Where a command stands in the list, by its id.
    places: HashMap<String, usize>,
    status: Option<Value>,
    statuses: u64,
    channel: Option<u64>,
    channels_opened: u64,
    requests: HashMap<&'static str, u64>,
    misplaced_outcomes: u64,
}

impl State {
    fn command(&self, id: &str) -> Option<&Command> {
        self.commands.get(*self.places.get(id)?)
    }

    fn command_mut(&mut self, id: &str) -> Option<&mut Command> {
        self.commands.get_mut(*self.places.get(id)?)
    }
}

/// The state with what belongs to it.
pub(super) struct Core {
    pub(super) connector: String,
    pub(super) source: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) token_life: Duration,
    /// Of version 1 of the protocol, the minor one that it announces.
    pub(super) minor: u32,
    pub(super) tokens: Tokens,
    pub(super) kms: Kms,
    pub(super) recorder: Recorder,
    pub(super) faults: Faults,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    kicks: watch::Sender<Kick>,
}

impl Core {
    pub(super) fn new(options: &super::Options, kms: Kms) -> Self {
        Self {
            connector: options.connector_id.clone(),
            source: format!("/connectors/{}", options.connector_id),
            client_id: options.client_id.clone(),
            client_secret: options.client_secret.clone(),
            token_life: options.token_life,
            minor: options.minor,
            tokens: kms.tokens().clone(),
            kms,
            recorder: Recorder::new(options.record_limit),
            faults: Faults::default(),
            state: Mutex::new(State::default()),
            changed: watch::channel(0).0,
            kicks: watch::channel((0, close::REPLACED)).0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the state.
    pub(super) fn view<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> T {
        read(&View(&self.state()))
    }

    /// Changes the state and wakes everyone who waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_modify(|number| *number += 1);
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether `token` is good, and the connector's.
    pub(super) fn is_connector(&self, token: &str) -> bool {
        self.tokens.owner(token).is_some_and(|owner| owner == self.connector)
    }

    pub(super) fn count_request(&self, route: &'static str) {
        self.change(|state| *state.requests.entry(route).or_default() += 1);
    }

    /// The effect of a batch, with a verdict for each event.
    pub(super) fn apply(&self, events: Vec<Result<Event, String>>) -> Vec<Verdict> {
        let now = Instant::now();
        self.change(|state| {
            let ledger = &mut state.ledger;
            let apply = |event| match event {
                Ok(event) => ledger.apply(event, now),
                Err(reason) => {
                    let verdict = Verdict::Rejected(reason);
                    ledger.count(&verdict);
                    verdict
                }
            };
            events.into_iter().map(apply).collect()
        })
    }

    pub(super) fn admit(&self, subject: &str) {
        self.change(|state| state.ledger.admit(subject));
    }

    /// Queues a command and answers its id.
    pub(super) fn command(&self, kind: &str, subject: &str, data: Value) -> String {
        self.change(|state| {
            let sequence = state.commands.last().map_or(0, |last| last.sequence) + 1;
            let id = Uuid::new_v4().to_string();
            if kind == "user.activate" {
                state.ledger.admit(subject);
            }
            state.places.insert(id.clone(), state.commands.len());
            state.commands.push(Command {
                id: id.clone(),
                sequence,
                kind: kind.into(),
                subject: subject.into(),
                data,
                time: Timestamp::now(),
                sent: 0,
                told: 0,
                outcome: None,
            });
            id
        })
    }

    /// What to send when a channel opens: every command without an outcome, and every one that a
    /// connector which has seen no more than `after` cannot know. Also the last command's number.
    pub(super) fn commands_after(&self, after: u64) -> (Vec<Command>, u64) {
        let state = self.state();
        let wanted = |command: &&Command| command.outcome.is_none() || command.sequence > after;
        let found = state.commands.iter().filter(wanted).cloned().collect();
        (found, state.commands.last().map_or(0, |last| last.sequence))
    }

    /// The commands above `last`, and the last command's number.
    pub(super) fn commands_above(&self, last: u64) -> (Vec<Command>, u64) {
        let state = self.state();
        let first = state.commands.partition_point(|command| command.sequence <= last);
        let found = state.commands.get(first..).unwrap_or_default().to_vec();
        (found, state.commands.last().map_or(0, |last| last.sequence))
    }

    pub(super) fn command_sent(&self, id: &str) {
        // Not a change that anyone waits for: waking the channels here would never end.
        if let Some(command) = self.state().command_mut(id) {
            command.sent += 1;
        }
    }

    /// The first outcome of a command counts; it is the same for ever after.
    pub(super) fn settle_command(&self, id: &str, outcome: Outcome) {
        self.change(|state| {
            let Some(command) = state.command_mut(id) else {
                state.misplaced_outcomes += 1;
                return;
            };
            command.told += 1;
            if let Some(first) = &command.outcome {
                state.misplaced_outcomes += u64::from(*first != outcome);
                return;
            }
            let leaves = command.kind == "user.deactivate" && outcome.outcome == "done";
            let leaving = leaves.then(|| (command.subject.clone(), command.sequence));
            command.outcome = Some(outcome);
            // Who was activated again meanwhile stays: the outcome may come late.
            let again = |(subject, sequence): &(String, u64)| {
                let first = state.commands.partition_point(|other| other.sequence <= *sequence);
                let mut later = state.commands.iter().skip(first);
                later.any(|other| other.kind == "user.activate" && other.subject == *subject)
            };
            if let Some((subject, _)) = leaving.filter(|leaving| !again(leaving)) {
                state.ledger.dismiss(&subject);
            }
        });
    }

    /// Counts a channel that opens, which ends the one before.
    pub(super) fn open_channel(&self) -> (u64, watch::Receiver<Kick>) {
        self.change(|state| {
            state.channels_opened += 1;
            let number = self.kick(close::REPLACED);
            state.channel = Some(number);
            (number, self.kicks.subscribe())
        })
    }

    fn kick(&self, code: u16) -> u64 {
        self.kicks.send_modify(|kick| *kick = (kick.0 + 1, code));
        self.kicks.borrow().0
    }

    pub(super) fn close_channel(&self, code: u16) {
        self.change(|state| {
            self.kick(code);
            state.channel = None;
        });
    }

    pub(super) fn channel_ended(&self, number: u64) {
        self.change(|state| {
            if state.channel == Some(number) {
                state.channel = None;
            }
        });
    }

    pub(super) fn status(&self, status: Value) {
        self.change(|state| {
            state.status = Some(status);
            state.statuses += 1;
        });
    }

    /// Waits until `condition` holds.
    pub(super) async fn wait(&self, mut condition: impl FnMut(&View<'_>) -> bool) {
        let mut changes = self.changes();
        while !self.view(&mut condition) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What the events in a batch say, and the ids to answer to; an error refuses all of it.
    pub(super) fn read_batch(&self, body: &[u8]) -> Result<Vec<Value>, (u16, &'static str)> {
        let batch: Value = serde_json::from_slice(body).map_err(|_| (400, "not JSON"))?;
        let Value::Array(events) = batch else {
            return Err((400, "not an array"));
        };
        if events.is_empty() {
            return Err((400, "an empty batch"));
        }
        if events.len() > super::MOST_EVENTS {
            return Err((413, "more than 500 events"));
        }
        let mut ids: Vec<&str> = Vec::with_capacity(events.len());
        for event in &events {
            let id = event["id"].as_str().unwrap_or_default();
            if id.is_empty() {
                return Err((400, "an event without an id"));
            }
            ids.push(id);
        }
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err((400, "an id that stands twice in the batch"));
        }
        Ok(events)
    }

    pub(super) fn read_event(&self, event: &Value) -> Result<Event, String> {
        event::read(event, &self.source)?.known_to(self.minor)
    }
}

/// What can be asked of the cloud inside [`super::Cloud::wait`] and [`super::Cloud::view`].
pub struct View<'a>(&'a State);

impl View<'_> {
    /// Every record of `user`, tombstones too, by id.
    pub fn records(&self, user: &str) -> Vec<StoredRecord> {
        self.0.ledger.records(user)
    }

    /// One record of `user`.
    pub fn record(&self, user: &str, id: &str) -> Option<&StoredRecord> {
        self.0.ledger.record(user, id)
    }

    /// How many meetings `user` sees.
    pub fn live(&self, user: &str) -> usize {
        self.0.ledger.live(user).count()
    }

    /// The meetings that `user` sees.
    pub fn meetings(&self, user: &str) -> Vec<&StoredRecord> {
        self.0.ledger.live(user).collect()
    }

    /// How many meetings all active users see together.
    pub fn total_live(&self) -> usize {
        self.0.ledger.subjects().map(|subject| self.live(subject)).sum()
    }

    /// Whether `user` was activated and not deactivated since.
    pub fn is_active(&self, user: &str) -> bool {
        self.0.ledger.is_active(user)
    }

    /// The counters; `duplicated_visible` is computed and takes time with many records.
    pub fn stats(&self) -> Stats {
        self.0.ledger.stats()
    }

    /// Events that took effect so far.
    pub fn stored(&self) -> u64 {
        self.0.ledger.stats.stored
    }

    /// The events that took effect, in order (the last 500,000 at least).
    pub fn arrivals(&self) -> &[Arrival] {
        &self.0.ledger.arrivals
    }

    /// What took effect and is no record, in order (the last 500,000 at least).
    pub fn reports(&self) -> &[Arc<Report>] {
        &self.0.ledger.reports
    }

    /// The reports of one type about `user`, in order.
    pub fn reports_of(&self, user: &str, kind: &str) -> Vec<&Report> {
        let all = self.reports().iter().map(AsRef::as_ref);
        all.filter(|report| report.subject == user && report.kind == kind).collect()
    }

    /// How the command `id` was said to have ended for good: once, if all is well.
    pub fn results(&self, id: &str) -> Vec<&Report> {
        let file = format!("result:{id}");
        self.reports().iter().map(AsRef::as_ref).filter(|report| report.file == file).collect()
    }

    /// The last presence of `user`.
    pub fn presence(&self, user: &str) -> Option<&Value> {
        self.0.ledger.latest(user, PRESENCE).map(|report| &report.json)
    }

    /// The last state of `user`.
    pub fn state(&self, user: &str) -> Option<&Value> {
        self.0.ledger.latest(user, STATE).map(|report| &report.json)
    }

    /// All commands, in order.
    pub fn commands(&self) -> &[Command] {
        &self.0.commands
    }

    /// How the command `id` ended.
    pub fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.command(id)?.outcome.as_ref()
    }

    /// The command `id`.
    pub fn command(&self, id: &str) -> Option<&Command> {
        self.0.command(id)
    }

    /// Whether a channel is open.
    pub fn channel_open(&self) -> bool {
        self.0.channel.is_some()
    }

    /// How many channels were opened so far.
    pub fn channels_opened(&self) -> u64 {
        self.0.channels_opened
    }

    /// The last status report.
    pub fn status(&self) -> Option<&Value> {
        self.0.status.as_ref()
    }

    /// How many status reports came.
    pub fn statuses(&self) -> u64 {
        self.0.statuses
    }

    /// How many requests came for `token`, `events`, `channel`, `status`, `meetings`, `kms`.
    pub fn requests(&self, route: &str) -> u64 {
        self.0.requests.get(route).copied().unwrap_or(0)
    }

    /// Outcomes of unknown commands, and second outcomes unlike the first.
    pub fn misplaced_outcomes(&self) -> u64 {
        self.0.misplaced_outcomes
    }
}
