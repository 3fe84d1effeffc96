//! The store of a single node: one SQLite file in WAL mode with synchronous=FULL.

mod aside;
mod cache;
mod copy;
mod damage;
mod effects;
mod errands;
mod look;
mod open;
mod queue;
mod rescue;
mod schema;
mod shelf;

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, Transaction, params};

use self::cache::Cache;
pub use self::copy::copy_of;
pub use self::damage::Mended;
pub use self::look::{Looked, look};
use self::queue::{Queue, kind_of};
pub use self::schema::SCHEMA_VERSION;
use super::{Backlog, DAMAGED, Outstanding, Settled, Store};
use crate::model::{
    CommandId, Fault, KeyUri, Next, Outcome, RecordKey, ResourceUri, Time, Trace, UserId,
};
use crate::pipeline::announcement::Announcement;
use crate::pipeline::command::Decision;
use crate::pipeline::errand::{Advance, Filed};
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::seal::{Sealed, Stashed, Tag};
use crate::pipeline::sync::{Commit, Keyed, Loaded, Lookup, Row};
use crate::pipeline::tracking;
use crate::pipeline::window::Window;

/// Statements that are kept ready; there are fewer.
const STATEMENTS: usize = 64;

/// Pages that are written behind one another before they go to their places (4 KiB each). What
/// waits for the cloud is mostly gone by then, and need not go there.
const WAL_PAGES: i64 = 4_096;

/// An open store.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    path: PathBuf,
    /// Commands decided since the oldest were forgotten.
    untrimmed: u32,
    cache: Cache,
}

impl Store for Sqlite {
    fn claim(&mut self, _user: &UserId, _until: Time) -> Result<bool, Fault> {
        Ok(true)
    }

    fn mailboxes(&mut self) -> Result<Vec<(UserId, Stashed)>, Fault> {
        let mut query = self.db.prepare_cached(MAILBOXES).map_err(fault)?;
        let rows = query
            .query_map([], |row| Ok((UserId::new(row.get::<_, String>(0)?), Stashed(row.get(1)?))))
            .map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn load(&mut self, user: &UserId) -> Result<Option<Loaded>, Fault> {
        let mut query = self
            .db
            .prepare_cached(
                "SELECT generation, cursor, window_from, window_to, resend, sequence, resource,
                        key, key_day
                 FROM mailbox WHERE user = ?1 AND active = 1",
            )
            .map_err(fault)?;
        query.query_row([user.as_str()], read_facts).optional().map_err(fault)
    }

    fn rows(&mut self, user: &UserId, lookup: &Lookup) -> Result<Vec<Row>, Fault> {
        rows(&self.db, user, lookup).map_err(fault)
    }

    fn announce(&mut self, all: &[Announcement], now: Time) -> Result<(), Fault> {
        let tx = self.db.transaction().map_err(fault)?;
        for one in all {
            effects::announce(&tx, one, now).map_err(fault)?;
        }
        tx.commit().map_err(fault)
    }

    fn errands(&mut self, after: i64, limit: usize) -> Result<Vec<Filed>, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut query = self.db.prepare_cached(errands::LIST).map_err(fault)?;
        let rows = query.query_map([after, limit], errands::filed).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn advance(&mut self, advance: &Advance, now: Time) -> Result<bool, Fault> {
        let tx = self.db.transaction().map_err(fault)?;
        let there = errands::advance(&tx, advance, now).map_err(fault)?;
        tx.commit().map_err(fault)?;
        Ok(there)
    }

    fn shown_as(&mut self, showing: Tag) -> Result<bool, Fault> {
        let tx = self.db.transaction().map_err(fault)?;
        let changed = shelf::shown_as(&tx, showing).map_err(fault)?;
        tx.commit().map_err(fault)?;
        Ok(changed)
    }

    fn write(
        &mut self,
        commits: &[Commit],
        settled: &Settled,
        now: Time,
    ) -> Result<Vec<bool>, Fault> {
        // Where that fails, what follows tells.
        let _ = self.cache.expect(&self.db, commits.iter().map(|one| one.events.len()).sum());
        let tx = self.db.transaction().map_err(fault)?;
        settle(&tx, settled).map_err(fault)?;
        let counted = commits
            .iter()
            .map(|commit| commit_one(&tx, commit, now))
            .collect::<Result<_, _>>()
            .map_err(fault)?;
        tx.commit().map_err(fault)?;
        // What was written is written: the cache is looked at again later.
        let _ = waiting_at_most(&self.db).and_then(|few| self.cache.follow(&self.db, few));
        Ok(counted)
    }

    fn outbox(&mut self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        let mut query = self
            .db
            .prepare_cached(
                "SELECT o.row, m.user, o.kind, o.sequence, o.time, o.data, o.trace
                 FROM outbox o JOIN mailbox m ON m.id = o.mailbox ORDER BY o.row LIMIT ?1",
            )
            .map_err(fault)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query.query_map([limit], outgoing).map_err(fault)?;
        let (mut out, mut size) = (Vec::new(), 0);
        for row in rows {
            let row: Outgoing = row.map_err(fault)?;
            size += row.data.json().len();
            if size > bytes && !out.is_empty() {
                break;
            }
            out.push(row);
        }
        Ok(out)
    }

    fn outcome(&mut self, id: &CommandId) -> Result<Option<Outcome>, Fault> {
        outcome(&self.db, id).map_err(fault)
    }

    fn decide_all(&mut self, decisions: &[Decision], now: Time) -> Result<Vec<Outcome>, Fault> {
        let tx = self.db.transaction().map_err(fault)?;
        let mut outcomes = Vec::with_capacity(decisions.len());
        let mut untrimmed = self.untrimmed;
        for decision in decisions {
            let known = outcome(&tx, &decision.id).map_err(fault)?;
            outcomes.push(match known {
                Some(known) => known,
                None => {
                    untrimmed += 1;
                    effects::apply(&tx, decision, now).map_err(fault)?
                }
            });
        }
        if untrimmed >= effects::TRIM_EVERY {
            effects::trim(&tx).map_err(fault)?;
            untrimmed = 0;
        }
        tx.commit().map_err(fault)?;
        self.untrimmed = untrimmed;
        Ok(outcomes)
    }

    fn channel_position(&mut self) -> Result<u64, Fault> {
        self.db
            .query_row("SELECT coalesce(max(sequence), 0) FROM command", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|position| u64::try_from(position).unwrap_or(0))
            .map_err(fault)
    }

    fn waiting_at_most(&mut self) -> Result<u64, Fault> {
        waiting_at_most(&self.db).map_err(fault)
    }

    fn give_up(&mut self) {
        damage::leave_mark(&self.path);
    }

    fn outstanding(&mut self, user: &UserId) -> Result<Outstanding, Fault> {
        queue::outstanding(&self.db, user).map_err(fault)
    }

    fn backlog(&mut self) -> Result<Backlog, Fault> {
        let waiting = self.db.query_row(WAITING, [], |row| row.get::<_, u64>(0)).map_err(fault)?;
        let oldest = self
            .db
            .query_row(OLDEST, [], |row| row.get(0).map(Time::from_ms))
            .optional()
            .map_err(fault)?;
        let aside =
            self.db.query_row("SELECT count(*) FROM aside", [], |row| row.get(0)).map_err(fault)?;
        Ok(Backlog { waiting, oldest, aside })
    }
}

fn read_facts(row: &SqlRow) -> rusqlite::Result<Loaded> {
    let window = match (row.get(2)?, row.get(3)?) {
        (Some(from), Some(to)) => Some(Window { from: Time::from_ms(from), to: Time::from_ms(to) }),
        _ => None,
    };
    let text = |at| row.get::<_, Option<String>>(at);
    let keys = match (text(6)?, text(7)?, row.get(8)?) {
        (Some(resource), Some(key), Some(day)) => Some(Keyed {
            resource: ResourceUri::new(resource),
            key: KeyUri::new(key),
            day: Time::from_ms(day),
        }),
        _ => None,
    };
    Ok(Loaded {
        generation: row.get(0)?,
        cursor: row.get::<_, Option<Vec<u8>>>(1)?.map(Stashed),
        window,
        resend: row.get(4)?,
        sequence: row.get(5)?,
        keys,
    })
}

/// The likeliest to need it first: of whom something is to be done, then those whose calendars
/// changed last.
const MAILBOXES: &str = "SELECT user, address FROM mailbox WHERE active = 1
    ORDER BY id IN (SELECT mailbox FROM errand) DESC, changed DESC, user";

/// Alone it is counted along an index, without reading what is sealed.
const WAITING: &str = "SELECT count(*) FROM outbox";

/// Two looks at an index; both in one `SELECT max(), min()` would be a scan.
const ENDS: &str = "SELECT (SELECT min(row) FROM outbox), (SELECT max(row) FROM outbox)";

const OLDEST: &str = "SELECT time FROM outbox ORDER BY row LIMIT 1";

fn waiting_at_most(db: &Connection) -> rusqlite::Result<u64> {
    let ends = |row: &SqlRow| Ok((row.get::<_, Option<i64>>(0)?, row.get(1)?));
    let (first, last): (Option<i64>, Option<i64>) = db.prepare_cached(ENDS)?.query_row([], ends)?;
    Ok(first.zip(last).map_or(0, |(first, last)| (last - first).unsigned_abs() + 1))
}

const ROWS: &str =
    "SELECT key, item, series, version, digest, asked FROM record WHERE mailbox = ?1";

fn rows(db: &Connection, user: &UserId, lookup: &Lookup) -> rusqlite::Result<Vec<Row>> {
    let id: Option<i64> = db
        .prepare_cached("SELECT id FROM mailbox WHERE user = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(Vec::new()) };
    let Lookup::Of { items, series } = lookup else {
        return db
            .prepare_cached(&format!("{ROWS} ORDER BY key"))?
            .query_map([id], read_row)?
            .collect();
    };
    let mut found = Vec::new();
    for (column, tags) in [("item", items), ("series", series)] {
        if tags.is_empty() {
            continue;
        }
        let mut query = db.prepare_cached(&format!("{ROWS} AND {column} = ?2"))?;
        for tag in tags {
            for row in query.query_map(params![id, tag.0], read_row)? {
                found.push(row?);
            }
        }
    }
    found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    found.dedup();
    Ok(found)
}

fn read_row(row: &SqlRow) -> rusqlite::Result<Row> {
    let key = row.get_ref(0)?.as_str()?;
    Ok(Row {
        key: RecordKey::new(key),
        item: Tag(row.get(1)?),
        series: Tag(row.get(2)?),
        version: Tag(row.get(3)?),
        digest: Tag(row.get(4)?),
        asked: row.get::<_, Option<[u8; 16]>>(5)?.map(Tag),
    })
}

fn settle(tx: &Transaction, settled: &Settled) -> rusqlite::Result<()> {
    let mut keep = tx.prepare_cached(
        "INSERT OR REPLACE INTO aside (row, mailbox, key, kind, sequence, time, data, reason)
         SELECT row, mailbox, key, kind, sequence, time, data, ?2 FROM outbox WHERE row = ?1",
    )?;
    let mut drop = tx.prepare_cached("DELETE FROM outbox WHERE row = ?1")?;
    for (row, reason) in &settled.aside {
        keep.execute(params![row, reason])?;
        drop.execute([row])?;
    }
    for row in &settled.done {
        drop.execute([row])?;
    }
    Ok(())
}

fn outgoing(row: &SqlRow) -> rusqlite::Result<Outgoing> {
    let user: String = row.get(1)?;
    let sequence: u64 = row.get(3)?;
    let kind = kind_of(row.get(2)?);
    // Messages are counted apart from records.
    let mark = if kind.is_message() { "m" } else { "" };
    let id = format!("{user}.{mark}{sequence:020}");
    Ok(Outgoing {
        row: row.get(0)?,
        trace: row.get::<_, Option<[u8; 16]>>(6)?.map_or_else(|| tracking::of(&id), Trace),
        id: id.into(),
        user: UserId::new(user),
        kind,
        sequence,
        time: Time::from_ms(row.get(4)?),
        data: Sealed::restored(row.get_ref(5)?.as_str()?),
    })
}

fn commit_one(tx: &Transaction, commit: &Commit, now: Time) -> rusqlite::Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT id FROM mailbox
         WHERE user = ?1 AND active = 1 AND generation = ?2 AND sequence <= ?3",
    )?;
    let found: Option<i64> = query
        .query_row(params![commit.user.as_str(), commit.generation, commit.sequence], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(id) = found else { return Ok(false) };
    let mut update = tx.prepare_cached(
        "UPDATE mailbox SET cursor = coalesce(?2, cursor), window_from = coalesce(?3, window_from),
            window_to = coalesce(?4, window_to), resend = resend AND NOT ?5, sequence = ?6,
            resource = coalesce(?7, resource), key = coalesce(?8, key),
            key_day = coalesce(?9, key_day), changed = coalesce(?10, changed)
         WHERE id = ?1",
    )?;
    update.execute(params![
        id,
        commit.cursor.as_ref().map(|blob| &blob.0),
        commit.window.map(|window| window.from.as_ms()),
        commit.window.map(|window| window.to.as_ms()),
        commit.resent,
        commit.sequence,
        commit.keys.as_ref().map(|keys| keys.resource.as_str()),
        commit.keys.as_ref().map(|keys| keys.key.as_str()),
        commit.keys.as_ref().map(|keys| keys.day.as_ms()),
        (!commit.events.is_empty()).then(|| now.as_ms()),
    ])?;
    // A line that is there already keeps its item and series mostly: their indexes need not be
    // written then.
    let mut put = tx.prepare_cached(
        "INSERT INTO record (mailbox, key, item, series, version, digest, asked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET version = excluded.version, digest = excluded.digest,
            asked = excluded.asked
            WHERE item = excluded.item AND series = excluded.series",
    )?;
    let mut replace = tx.prepare_cached(
        "INSERT OR REPLACE INTO record (mailbox, key, item, series, version, digest, asked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in &commit.rows {
        let (item, series) = (row.item.0, row.series.0);
        let (version, digest) = (row.version.0, row.digest.0);
        let asked = row.asked.map(|tag| tag.0);
        let line = params![id, row.key.as_str(), item, series, version, digest, asked];
        if put.execute(line)? == 0 {
            replace.execute(line)?;
        }
    }
    let mut drop = tx.prepare_cached("DELETE FROM record WHERE mailbox = ?1 AND key = ?2")?;
    for key in &commit.dropped {
        drop.execute(params![id, key.as_str()])?;
    }
    let mut queue = Queue::of(tx)?;
    for event in &commit.events {
        queue.put(id, event, commit.trace, now)?;
    }
    errands::notice(tx, id, &commit.noticed, now)?;
    Ok(true)
}

fn outcome(db: &Connection, id: &CommandId) -> rusqlite::Result<Option<Outcome>> {
    db.prepare_cached("SELECT refused FROM command WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok(match row.get::<_, Option<String>>(0)? {
                None => Outcome::Done,
                Some(why) => Outcome::Refused(why),
            })
        })
        .optional()
}

fn fault(error: rusqlite::Error) -> Fault {
    match is_damaged(&error) {
        true => Fault::retry(format!("{DAMAGED}: {error}")),
        false => Fault::retry(format!("store: {error}")),
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt))
}

fn opening(error: rusqlite::Error) -> Fault {
    if is_damaged(&error) {
        return Fault::told(
            Next::Refused,
            format!(
                "{DAMAGED} ({error}): start the service, which sets it aside and begins anew, or \
                 move it away; the cloud activates the mailboxes anew and nothing is lost"
            ),
        );
    }
    fault(error)
}

#[cfg(test)]
mod tests;
