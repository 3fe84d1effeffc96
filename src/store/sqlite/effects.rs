//! What commands change: activation, deactivation, resending.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::queue::Queue;
use super::{errands, shelf};
use crate::model::{Outcome, RecordKey, Time, Trace, UserId};
use crate::pipeline::announcement::{Announcement, Topic};
use crate::pipeline::command::{Decision, Effect};
use crate::pipeline::seal::Stashed;
use crate::pipeline::sync::{Event, EventKind};
use crate::pipeline::{record, tracking};

/// Outcomes older than the last so many commands are forgotten; the cloud sends a command again
/// only until it was acknowledged, and holds far fewer open at a time.
const COMMANDS_KEPT: u64 = 100_000;

/// Commands between two looks at which are to be forgotten: a look walks past all that are kept,
/// so it would make each of tens of thousands of activations dearer than the one before.
pub(super) const TRIM_EVERY: u32 = 1_024;

/// What came of it, which may be another outcome than was decided: who is active is known here.
pub(super) fn apply(tx: &Transaction, decision: &Decision, now: Time) -> rusqlite::Result<Outcome> {
    let mut outcome = decision.outcome.clone();
    let trace = tracking::of(decision.id.as_str());
    match &decision.effect {
        Effect::Errand { user, kind, body } => {
            if let Some(why) = errands::file(tx, &decision.id, user, (*kind, body), now)? {
                outcome = Outcome::Refused(why.to_owned());
            }
        }
        Effect::None => {}
        Effect::Activate { user, address } => activate(tx, user, address, (trace, now))?,
        Effect::Deactivate { user } => deactivate(tx, user, (trace, now))?,
        Effect::Resend { user: Some(user) } => {
            resend(tx, user)?;
        }
        Effect::Resend { user: None } => {
            let all = "UPDATE mailbox SET resend = 1, generation = generation + 1, presence = NULL,
                state = NULL WHERE active = 1";
            tx.execute(all, [])?;
            tx.execute("UPDATE record SET asked = NULL WHERE asked IS NOT NULL", [])?;
        }
    }
    let refused = match &outcome {
        Outcome::Done => None,
        Outcome::Refused(why) => Some(why),
    };
    tx.prepare_cached("INSERT INTO command (id, sequence, refused) VALUES (?1, ?2, ?3)")?
        .execute(params![decision.id.as_str(), decision.sequence, refused])?;
    Ok(outcome)
}

/// Forgets the oldest commands.
pub(super) fn trim(tx: &Transaction) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM command WHERE sequence <
            (SELECT sequence FROM command ORDER BY sequence DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([COMMANDS_KEPT])?;
    Ok(())
}

/// Sequences begin at the time of day, so that a store that was lost does not begin below what the
/// cloud holds; and above those of a damaged one that could be read, as the clock may have been
/// ahead.
pub(super) fn first_sequence(tx: &Transaction, now: Time) -> rusqlite::Result<u64> {
    Ok(begin_at(now).max(u64::try_from(shelf::floor(tx)?).unwrap_or(0)))
}

/// The sequence of a time of day.
pub(super) fn begin_at(now: Time) -> u64 {
    u64::try_from(now.as_ms()).unwrap_or(0).saturating_mul(1_000)
}

fn activate(
    tx: &Transaction,
    user: &UserId,
    address: &Stashed,
    (trace, now): (Trace, Time),
) -> rusqlite::Result<()> {
    let same: Option<bool> = tx
        .prepare_cached("SELECT active = 1 AND address IS ?2 FROM mailbox WHERE user = ?1")?
        .query_row(params![user.as_str(), address.0], |row| row.get(0))
        .optional()?;
    if same == Some(true) {
        return resend(tx, user);
    }
    // Another address is another calendar: what was read of the old one is withdrawn.
    if same == Some(false) {
        withdraw(tx, user, (trace, now))?;
        untell(tx, user)?;
        errands::drop_all(tx, user, now)?;
    }
    tx.prepare_cached(
        "INSERT INTO mailbox (user, active, generation, address, resend, sequence)
         VALUES (?1, 1, 1, ?2, 1, ?3)
         ON CONFLICT (user) DO UPDATE SET active = 1, generation = generation + 1,
            address = excluded.address, cursor = NULL, window_from = NULL, window_to = NULL,
            resend = 1, sequence = max(sequence, excluded.sequence)",
    )?
    .execute(params![user.as_str(), address.0, first_sequence(tx, now)?])?;
    Ok(())
}

/// A pass under way sent a part of everything before it was asked for: it may not say that it is
/// done, so it becomes one of an older generation.
fn resend(tx: &Transaction, user: &UserId) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE mailbox SET resend = 1, generation = generation + 1, presence = NULL, state = NULL
         WHERE user = ?1 AND active = 1",
    )?
    .execute([user.as_str()])?;
    // What was asked for is asked for anew, too.
    tx.prepare_cached(
        "UPDATE record SET asked = NULL WHERE asked IS NOT NULL
         AND mailbox = (SELECT id FROM mailbox WHERE user = ?1)",
    )?
    .execute([user.as_str()])?;
    Ok(())
}

/// The index may not know all that the cloud holds (the store was lost, the first pass is not
/// done), so the deletions are followed by the word that nothing else is left.
fn deactivate(
    tx: &Transaction,
    user: &UserId,
    (trace, now): (Trace, Time),
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO mailbox (user, active, generation, resend, sequence) VALUES (?1, 0, 0, 0, ?2)
         ON CONFLICT (user) DO NOTHING",
        params![user.as_str(), first_sequence(tx, now)?],
    )?;
    withdraw(tx, user, (trace, now))?;
    untell(tx, user)?;
    errands::drop_all(tx, user, now)?;
    let (id, sequence): (i64, u64) = tx.query_row(
        "UPDATE mailbox SET active = 0, generation = generation + 1, address = NULL, cursor = NULL,
            window_from = NULL, window_to = NULL, resend = 0, resource = NULL, key = NULL,
            key_day = NULL, sequence = sequence + 1
         WHERE user = ?1 RETURNING id, sequence",
        [user.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let data = record::complete(sequence);
    let event = Event { key: None, kind: EventKind::Complete, sequence, data };
    Queue::of(tx)?.put(id, &event, Some(trace), now)
}

/// Tells what was not told last; of nobody who is not active.
pub(super) fn announce(tx: &Transaction, one: &Announcement, now: Time) -> rusqlite::Result<()> {
    let (column, kind) = match one.topic {
        Topic::Presence => ("presence", EventKind::Presence),
        Topic::State => ("state", EventKind::State),
    };
    let told: Option<(i64, u64)> = tx
        .prepare_cached(&format!(
            "UPDATE mailbox SET {column} = ?2, messages = max(messages + 1, ?3)
             WHERE user = ?1 AND active = 1 AND {column} IS NOT ?2 RETURNING id, messages"
        ))?
        .query_row(params![one.user.as_str(), one.mark.0, first_sequence(tx, now)?], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((id, sequence)) = told else { return Ok(()) };
    let key = Some(RecordKey::new(one.topic.id()));
    let event = Event { key, kind, sequence, data: one.data.clone() };
    Queue::of(tx)?.put(id, &event, None, now)
}

/// The cloud knows nothing any more of what it was told of a user.
fn untell(tx: &Transaction, user: &UserId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE mailbox SET presence = NULL, state = NULL WHERE user = ?1")?
        .execute([user.as_str()])?;
    tx.prepare_cached(
        "DELETE FROM outbox WHERE kind IN (10, 11, 14)
         AND mailbox = (SELECT id FROM mailbox WHERE user = ?1)",
    )?
    .execute([user.as_str()])?;
    Ok(())
}

/// A deletion for every record that the cloud may hold, and an empty index.
fn withdraw(tx: &Transaction, user: &UserId, (trace, now): (Trace, Time)) -> rusqlite::Result<()> {
    let found: Option<(i64, u64)> = tx
        .query_row("SELECT id, sequence FROM mailbox WHERE user = ?1", [user.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((id, mut sequence)) = found else { return Ok(()) };
    let keys: Vec<String> = tx
        .prepare("SELECT key FROM record WHERE mailbox = ?1 ORDER BY key")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut queue = Queue::of(tx)?;
    for key in keys {
        sequence += 1;
        let key = RecordKey::new(key);
        let data = record::withdrawn(&key);
        let event = Event { key: Some(key), kind: EventKind::Delete, sequence, data };
        queue.put(id, &event, Some(trace), now)?;
    }
    tx.execute("DELETE FROM record WHERE mailbox = ?1", [id])?;
    tx.execute("UPDATE mailbox SET sequence = ?2 WHERE id = ?1", params![id, sequence])?;
    Ok(())
}
