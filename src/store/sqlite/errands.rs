//! Errands: filed with their commands, advanced step by step, dropped with their users.

use rusqlite::{OptionalExtension as _, Row as SqlRow, Transaction, params};

use super::effects::first_sequence;
use super::queue::Queue;
use crate::model::{CommandId, Time, UserId};
use crate::pipeline::command::{NO_LONGER_ACTIVE, NOT_ACTIVE, TOO_MANY};
use crate::pipeline::errand::{self, Advance, ErrandKind, Filed, Stage, Told};
use crate::pipeline::limits;
use crate::pipeline::seal::Stashed;
use crate::pipeline::sync::Event;
use crate::pipeline::tracking;

/// Puts an errand there; or why not.
pub(super) fn file(
    tx: &Transaction,
    id: &CommandId,
    user: &UserId,
    (kind, body): (ErrandKind, &Stashed),
    now: Time,
) -> rusqlite::Result<Option<&'static str>> {
    let mailbox: Option<i64> = tx
        .prepare_cached("SELECT id FROM mailbox WHERE user = ?1 AND active = 1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?;
    let Some(mailbox) = mailbox else { return Ok(Some(NOT_ACTIVE)) };
    let waiting: u32 = tx
        .prepare_cached("SELECT count(*) FROM errand WHERE mailbox = ?1 AND kind <> ?2")?
        .query_row([mailbox, number(ErrandKind::Attend)], |row| row.get(0))?;
    if waiting >= limits::ERRANDS {
        return Ok(Some(TOO_MANY));
    }
    tx.prepare_cached(
        "INSERT INTO errand (id, mailbox, kind, stage, body, born) VALUES (?1, ?2, ?3, 0, ?4, ?5)",
    )?
    .execute(params![id.as_str(), mailbox, number(kind), body.0, now.as_ms()])?;
    Ok(None)
}

/// Puts what a pass noticed there. What waits already may have read its invitation just now, and
/// before it was changed to and fro: so there is a second place, whose errand reads after that one.
pub(super) fn notice(
    tx: &Transaction,
    mailbox: i64,
    noticed: &[(CommandId, Stashed)],
    now: Time,
) -> rusqlite::Result<()> {
    let mut put = tx.prepare_cached(
        "INSERT INTO errand (id, mailbox, kind, stage, body, born)
         VALUES (?1, ?2, ?3, 0, ?4, ?5) ON CONFLICT (id) DO NOTHING",
    )?;
    let kind = number(ErrandKind::Attend);
    for (id, body) in noticed {
        for id in [id.as_str(), &format!("{id}+")] {
            if put.execute(params![id, mailbox, kind, body.0, now.as_ms()])? > 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Those after this row, in their order.
pub(super) const LIST: &str = "SELECT e.row, e.id, m.user, e.kind, e.stage, e.body, e.born
    FROM errand e JOIN mailbox m ON m.id = e.mailbox WHERE e.row > ?1 ORDER BY e.row LIMIT ?2";

/// Reads a line of [`LIST`].
pub(super) fn filed(row: &SqlRow) -> rusqlite::Result<Filed> {
    Ok(Filed {
        row: row.get(0)?,
        id: CommandId::new(row.get::<_, String>(1)?),
        user: UserId::new(row.get::<_, String>(2)?),
        kind: kind(row.get(3)?),
        stage: if row.get::<_, i64>(4)? == 0 { Stage::Accepted } else { Stage::Sending },
        body: Stashed(row.get(5)?),
        born: Time::from_ms(row.get(6)?),
    })
}

/// One step; false where the errand is not there.
pub(super) fn advance(tx: &Transaction, step: &Advance, now: Time) -> rusqlite::Result<bool> {
    let stage = match step.stage {
        Stage::Accepted => 0,
        Stage::Sending => 1,
    };
    let mailbox: Option<i64> = tx
        .prepare_cached(
            "UPDATE errand SET stage = ?2, body = coalesce(?3, body)
             WHERE id = ?1 AND row = ?4 RETURNING mailbox",
        )?
        .query_row(
            params![step.id.as_str(), stage, step.body.as_ref().map(|body| &body.0), step.row],
            |row| row.get(0),
        )
        .optional()?;
    let Some(mailbox) = mailbox else { return Ok(false) };
    for told in &step.told {
        tell(tx, mailbox, told, (&step.id, now))?;
    }
    if let Some(tag) = step.anew {
        tx.prepare_cached("UPDATE record SET asked = NULL WHERE mailbox = ?1 AND asked = ?2")?
            .execute(params![mailbox, tag.0])?;
    }
    if step.done {
        tx.prepare_cached("DELETE FROM errand WHERE row = ?1")?.execute([step.row])?;
    }
    Ok(true)
}

/// All of a user's errands end with its activation.
pub(super) fn drop_all(tx: &Transaction, user: &UserId, now: Time) -> rusqlite::Result<()> {
    let dropped: Vec<(i64, String, i64)> = tx
        .prepare_cached(
            "DELETE FROM errand WHERE mailbox = (SELECT id FROM mailbox WHERE user = ?1)
             RETURNING mailbox, id, kind",
        )?
        .query_map([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (mailbox, id, number) in dropped {
        if kind(number).is_local() {
            continue;
        }
        let id = CommandId::new(id);
        let told = errand::result(&id, kind(number), NO_LONGER_ACTIVE);
        tell(tx, mailbox, &told, (&id, now))?;
    }
    Ok(())
}

fn tell(
    tx: &Transaction,
    mailbox: i64,
    told: &Told,
    (id, now): (&CommandId, Time),
) -> rusqlite::Result<()> {
    let sequence: u64 = tx
        .prepare_cached(
            "UPDATE mailbox SET messages = max(messages + 1, ?2) WHERE id = ?1 RETURNING messages",
        )?
        .query_row(params![mailbox, first_sequence(tx, now)?], |row| row.get(0))?;
    let (key, data) = (Some(told.key.clone()), told.data.clone());
    let event = Event { key, kind: told.kind, sequence, data };
    Queue::of(tx)?.put(mailbox, &event, Some(tracking::of(id.as_str())), now)
}

fn number(kind: ErrandKind) -> i64 {
    match kind {
        ErrandKind::Create => 1,
        ErrandKind::Respond => 2,
        ErrandKind::FreeBusy => 3,
        ErrandKind::Attend => 4,
        ErrandKind::Decorate => 5,
    }
}

fn kind(number: i64) -> ErrandKind {
    match number {
        1 => ErrandKind::Create,
        2 => ErrandKind::Respond,
        4 => ErrandKind::Attend,
        5 => ErrandKind::Decorate,
        _ => ErrandKind::FreeBusy,
    }
}
