//! Events on their way into the outbox, and what they are called there.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Transaction, params};

use crate::model::{RecordKey, Time, Trace, UserId};
use crate::pipeline::sync::{Event, EventKind};
use crate::store::Outstanding;

/// What puts an event into the outbox in the place of an older one of its record.
pub(super) struct Queue<'a> {
    waiting: CachedStatement<'a>,
    /// Where something was set aside, which is seldom.
    aside: Option<CachedStatement<'a>>,
    put: CachedStatement<'a>,
}

impl<'a> Queue<'a> {
    pub(super) fn of(tx: &'a Transaction) -> rusqlite::Result<Self> {
        let is_some_aside = tx
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM aside)")?
            .query_row([], |row| row.get(0))?;
        let aside = "DELETE FROM aside WHERE mailbox = ?1 AND key IS ?2";
        // Without a key: of the marks that everything was sent, the last is enough.
        Ok(Self {
            waiting: tx.prepare_cached("DELETE FROM outbox WHERE mailbox = ?1 AND key IS ?2")?,
            aside: if is_some_aside { Some(tx.prepare_cached(aside)?) } else { None },
            put: tx.prepare_cached(
                "INSERT INTO outbox (mailbox, key, kind, sequence, time, data, trace)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
        })
    }

    pub(super) fn put(
        &mut self,
        mailbox: i64,
        event: &Event,
        trace: Option<Trace>,
        now: Time,
    ) -> rusqlite::Result<()> {
        let key = event.key.as_ref().map(RecordKey::as_str);
        self.waiting.execute(params![mailbox, key])?;
        if let Some(aside) = &mut self.aside {
            aside.execute(params![mailbox, key])?;
        }
        let (kind, data) = (kind_number(event.kind), event.data.json().as_ref());
        let (sequence, trace) = (event.sequence, trace.map(|trace| trace.0));
        self.put.execute(params![mailbox, key, kind, sequence, now.as_ms(), data, trace])?;
        Ok(())
    }
}

/// Each along an index of the mailbox.
pub(super) fn outstanding(db: &Connection, user: &UserId) -> rusqlite::Result<Outstanding> {
    let mut query = db.prepare_cached(
        "SELECT (SELECT count(*) FROM record WHERE mailbox = m.id),
                (SELECT count(*) FROM outbox WHERE mailbox = m.id),
                (SELECT min(time) FROM outbox WHERE mailbox = m.id),
                (SELECT count(*) FROM aside WHERE mailbox = m.id),
                (SELECT count(*) FROM errand WHERE mailbox = m.id),
                nullif(changed, 0)
         FROM mailbox m WHERE user = ?1",
    )?;
    let found = query.query_row([user.as_str()], |row| {
        Ok(Outstanding {
            records: row.get(0)?,
            events: row.get(1)?,
            oldest: row.get::<_, Option<i64>>(2)?.map(Time::from_ms),
            aside: row.get(3)?,
            errands: row.get(4)?,
            changed: row.get::<_, Option<i64>>(5)?.map(Time::from_ms),
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

fn kind_number(kind: EventKind) -> i64 {
    match kind {
        EventKind::Create => 1,
        EventKind::Update => 2,
        EventKind::Delete => 3,
        EventKind::Complete => 4,
        EventKind::Presence => 10,
        EventKind::State => 11,
        EventKind::Result => 12,
        EventKind::FreeBusy => 13,
        EventKind::Decorate => 14,
    }
}

pub(super) fn kind_of(number: i64) -> EventKind {
    match number {
        1 => EventKind::Create,
        3 => EventKind::Delete,
        4 => EventKind::Complete,
        10 => EventKind::Presence,
        11 => EventKind::State,
        12 => EventKind::Result,
        13 => EventKind::FreeBusy,
        14 => EventKind::Decorate,
        _ => EventKind::Update,
    }
}
