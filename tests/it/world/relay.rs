//! The simulated cloud: keeps the highest sequence of each record, answers for each event, and
//! hands out commands.
//!
//! Faults it plays by itself: events that it rejects for ever, batches that are bad as a whole
//! because of one event, answers for a part of a batch, data that it lost. Busy clouds, lost
//! batches, lost answers and broken channels are the play's part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::model::{Command, CommandId, CommandKind, Fault, KeyUri, Outcome, Plain, UserId};
use calway::pipeline::outbox::{Outgoing, Verdict};
use calway::pipeline::seal::Sealer as _;
use calway::pipeline::sync::EventKind;
use serde_json::Value;

use super::keys::Mark;

/// A record as the cloud holds it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The sequence it came with.
    pub sequence: u64,
    /// Its data; absent once it was deleted.
    pub data: Option<Value>,
}

/// What the cloud is to do with events of some kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moods {
    /// One in so many events is rejected for ever.
    pub reject_one_in: u64,
    /// One in so many events spoils its batch.
    pub spoil_one_in: u64,
    /// More events than that are too many.
    pub most: usize,
}

/// The cloud.
#[derive(Debug, Default)]
pub struct Relay {
    records: BTreeMap<UserId, BTreeMap<String, Stored>>,
    /// What a user has is no older than this sequence.
    complete: BTreeMap<UserId, u64>,
    /// What became of each event.
    seen: BTreeMap<Arc<str>, Verdict>,
    /// What was sent under each id, for ever.
    said: BTreeMap<Arc<str>, (u64, Arc<str>)>,
    /// Who is to be relayed, from which mailbox: by the last command.
    pub wanted: BTreeMap<UserId, String>,
    /// Commands in their order, and how they ended.
    pub commands: Vec<(Command, Option<Outcome>)>,
    last_command: u64,
    /// How it takes events.
    pub moods: Moods,
    /// Records whose last version was rejected.
    pub set_aside: BTreeSet<(UserId, String)>,
    /// Whatever a life before this one sent is not taken any more.
    pub first_life: u64,
    /// Events that came for the first time.
    pub taken: u64,
}

impl Relay {
    // ---- events ----

    /// Takes a batch of a connector's life. `bent` makes a number of an event's id, which decides
    /// what becomes of it, so that the same event always fares the same.
    ///
    /// # Errors
    /// The outer one: a promise was broken. The inner one: what the connector is told.
    pub fn take(
        &mut self,
        life: u64,
        batch: &[Outgoing],
        bent: impl Fn(&str) -> u64,
    ) -> Result<Result<BTreeMap<Arc<str>, Verdict>, Fault>, String> {
        if life < self.first_life {
            return Ok(Err(Fault::retry("connection reset")));
        }
        let spoils = |row: &Outgoing| {
            self.moods.spoil_one_in > 0 && bent(&row.id) % self.moods.spoil_one_in == 1
        };
        if batch.iter().any(spoils) || (self.moods.most > 0 && batch.len() > self.moods.most) {
            // A mark that all was sent has no key; it is set aside and named like a record.
            if let [row] = batch {
                self.set_aside.insert((row.user.clone(), key(row).unwrap_or_default()));
            }
            return Ok(Err(Fault::refused("400")));
        }
        let mut verdicts = BTreeMap::new();
        for row in batch {
            let rejects =
                self.moods.reject_one_in > 0 && bent(&row.id) % self.moods.reject_one_in == 2;
            verdicts.insert(row.id.clone(), self.take_one(row, rejects)?);
        }
        Ok(Ok(verdicts))
    }

    fn take_one(&mut self, row: &Outgoing, rejects: bool) -> Result<Verdict, String> {
        let data = row.data.json().clone();
        match self.said.get(&row.id) {
            Some(said) if *said != (row.sequence, data.clone()) => {
                return Err(format!("two different events are called {}", row.id));
            }
            Some(_) => {}
            None => {
                self.said.insert(row.id.clone(), (row.sequence, data));
                self.taken += 1;
            }
        }
        let verdict = match self.seen.get(&row.id) {
            Some(Verdict::Rejected(why)) => Verdict::Rejected(why.clone()),
            Some(_) => Verdict::Duplicate,
            None if rejects && row.kind != EventKind::Complete => {
                if let Some(key) = key(row) {
                    self.set_aside.insert((row.user.clone(), key));
                }
                Verdict::Rejected("this one never".into())
            }
            None => self.keep(row)?,
        };
        self.seen.insert(row.id.clone(), verdict.clone());
        Ok(verdict)
    }

    fn keep(&mut self, row: &Outgoing) -> Result<Verdict, String> {
        let data: Value = serde_json::from_str(row.data.json()).map_err(|e| e.to_string())?;
        let complete = self.complete.get(&row.user).copied().unwrap_or_default();
        if row.sequence < complete {
            return Ok(Verdict::Stale);
        }
        let records = self.records.entry(row.user.clone()).or_default();
        if row.kind == EventKind::Complete {
            let first = data.get("firstSequence").and_then(Value::as_str).unwrap_or_default();
            let first: u64 = first.parse().map_err(|_| format!("firstSequence {first:?}"))?;
            if first > row.sequence {
                return Err(format!("{} completes what is not sent yet", row.id));
            }
            records.retain(|_, record| record.sequence >= first);
            self.complete.insert(row.user.clone(), first);
            self.set_aside.remove(&(row.user.clone(), String::new()));
            return Ok(Verdict::Stored);
        }
        let key = key(row).ok_or("an event without a record's id")?;
        if records.get(&key).is_some_and(|record| record.sequence >= row.sequence) {
            return Ok(Verdict::Stale);
        }
        self.set_aside.remove(&(row.user.clone(), key.clone()));
        let meeting = data.get("calendarMeetingExternal").cloned();
        let data = if row.kind == EventKind::Delete { None } else { meeting };
        records.insert(key, Stored { sequence: row.sequence, data });
        Ok(Verdict::Stored)
    }

    /// What a user's app shows, by record.
    pub fn visible(&self, user: &UserId) -> Vec<(&String, &Value)> {
        let records = self.records.get(user).into_iter().flatten();
        records.filter_map(|(key, record)| Some((key, record.data.as_ref()?))).collect()
    }

    /// Loses everything of a user, as a restored database does.
    pub fn forget(&mut self, user: &UserId) {
        self.records.remove(user);
        self.complete.remove(user);
        let lost = format!("{user}.");
        self.seen.retain(|id, _| !id.starts_with(&lost));
    }

    // ---- commands ----

    fn command(&mut self, kind: CommandKind) -> Command {
        self.last_command += 1;
        let sequence = self.last_command;
        let id = CommandId::new(format!("command-{sequence}"));
        let command = Command { id, sequence, kind };
        self.commands.push((command.clone(), None));
        command
    }

    /// Activates a user with a mailbox.
    pub fn activate(&mut self, user: &UserId, address: &str) -> Command {
        let key = format!("kms://kms.example/keys/of-{user}");
        let sealed_address = Mark::new(&key).seal(address).unwrap_or_default();
        self.wanted.insert(user.clone(), address.into());
        let key = KeyUri::new(key);
        self.command(CommandKind::Activate { user: user.clone(), sealed_address, key })
    }

    /// Activates a user with something that does not open, or is no address.
    pub fn activate_badly(&mut self, user: &UserId, opens: bool) -> Command {
        let key = KeyUri::new("kms://kms.example/keys/bad");
        let sealed = Mark::new(key.as_str()).seal("no address").unwrap_or_default();
        let sealed_address = if opens { sealed } else { "x.y.z".into() };
        self.command(CommandKind::Activate { user: user.clone(), sealed_address, key })
    }

    /// Deactivates a user.
    pub fn deactivate(&mut self, user: &UserId) -> Command {
        self.wanted.remove(user);
        self.command(CommandKind::Deactivate { user: user.clone() })
    }

    /// Wants everything again.
    pub fn resend(&mut self, user: Option<&UserId>) -> Command {
        self.command(CommandKind::Resend { user: user.cloned() })
    }

    /// Asks for a sign of life, or for something of a later version.
    pub fn other(&mut self, known: bool) -> Command {
        if known {
            return self.command(CommandKind::Ping);
        }
        self.command(CommandKind::Unknown { why: Plain::new("unknown command") })
    }

    /// The connector says how a command ended.
    ///
    /// # Errors
    /// If it said something else before.
    pub fn acknowledge(&mut self, id: &CommandId, outcome: &Outcome) -> Result<(), String> {
        let found = self.commands.iter_mut().find(|(command, _)| command.id == *id);
        let Some((_, known)) = found else { return Err(format!("nobody sent {id}")) };
        match known {
            Some(known) if known != outcome => {
                Err(format!("{id} ended {known:?}, now {outcome:?}"))
            }
            _ => {
                *known = Some(outcome.clone());
                Ok(())
            }
        }
    }

    /// Nobody waits for the open commands any more.
    pub fn drop_open_commands(&mut self) {
        self.commands.retain(|(_, outcome)| outcome.is_some());
    }

    /// What is sent when the channel opens: whatever has no acknowledged outcome, in order.
    pub fn open_commands(&self) -> Vec<Command> {
        let open = self.commands.iter().filter(|(_, outcome)| outcome.is_none());
        open.map(|(command, _)| command.clone()).collect()
    }
}

/// The id of the record that an event is about.
fn key(row: &Outgoing) -> Option<String> {
    let data: Value = serde_json::from_str(row.data.json()).ok()?;
    Some(data.get("calendarMeetingExternal")?.get("id")?.as_str()?.to_owned())
}
