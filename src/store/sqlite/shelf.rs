//! What providers keep, and the trust list.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Sqlite, fault, opening};
use crate::model::{Fault, Time, TrustEntry, Verdict};
use crate::pipeline::seal::{Stashed, Tag};
use crate::store::{MOST_PENDING, Met, Shelf};

/// These came to the layout later and change nothing of it: they are made where they are absent.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS shelf (
        name TEXT NOT NULL,
        key  BLOB NOT NULL,
        line BLOB NOT NULL,
        PRIMARY KEY (name, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS trust (
        host    TEXT PRIMARY KEY,
        verdict INTEGER NOT NULL,
        via     TEXT NOT NULL,
        since   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

pub(super) fn make(db: &Connection) -> Result<(), Fault> {
    db.execute_batch(TABLES).map_err(opening)
}

/// Notes which version of the program writes here, for an older one that finds the file later.
pub(super) fn write_program(db: &Connection) -> Result<(), Fault> {
    let put = "INSERT INTO shelf (name, key, line) VALUES ('program:', x'00', ?1)
         ON CONFLICT (name, key) DO UPDATE SET line = ?1 WHERE line <> ?1";
    db.execute(put, [env!("CARGO_PKG_VERSION").as_bytes()]).map(drop).map_err(opening)
}

/// Which version of the program wrote here last, where that is known.
pub(super) fn written_by(db: &Connection) -> Option<String> {
    let ask = "SELECT line FROM shelf WHERE name = 'program:' AND key = x'00'";
    let line: Vec<u8> = db.query_row(ask, [], |row| row.get(0)).ok()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    String::from_utf8(line).ok().filter(|text| text.len() <= 40 && text.chars().all(fits))
}

/// What says how meetings are shown stands on a shelf of its own.
pub(super) fn shown_as(tx: &Transaction, showing: Tag) -> rusqlite::Result<bool> {
    let put = tx.execute(
        "INSERT INTO shelf (name, key, line) VALUES ('showing:', x'00', ?1)
         ON CONFLICT (name, key) DO UPDATE SET line = ?1 WHERE line <> ?1",
        [showing.0],
    )?;
    if put > 0 {
        // A pass that has begun shows meetings as before: what it commits does not count.
        let anew = "UPDATE mailbox SET window_from = NULL, window_to = NULL,
            generation = generation + 1";
        tx.execute(anew, [])?;
    }
    Ok(put > 0)
}

/// Calls a file a copy that was made before the layout was changed.
pub(super) fn call_copy(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(TABLES)?;
    tx.execute("INSERT OR REPLACE INTO shelf VALUES ('copy:', x'00', x'')", []).map(drop)
}

/// Whether a file was called a copy, which it is no more.
pub(super) fn was_copy(tx: &Transaction) -> rusqlite::Result<bool> {
    tx.execute("DELETE FROM shelf WHERE name = 'copy:'", []).map(|gone| gone > 0)
}

/// Below this no sequence begins; 0 where that was never said.
pub(super) fn floor(db: &Connection) -> rusqlite::Result<i64> {
    let mut ask = db.prepare_cached("SELECT line FROM shelf WHERE name = 'floor:'")?;
    let line: Option<Vec<u8>> = ask.query_row([], |row| row.get(0)).optional()?;
    let bytes = line.and_then(|line| <[u8; 8]>::try_from(line).ok());
    Ok(bytes.map_or(0, i64::from_be_bytes))
}

/// Says below what no sequence begins.
pub(super) fn set_floor(tx: &Transaction, floor: i64) -> rusqlite::Result<()> {
    let put = "INSERT OR REPLACE INTO shelf VALUES ('floor:', x'00', ?1)";
    tx.execute(put, [floor.to_be_bytes()]).map(drop)
}

impl Shelf for Sqlite {
    fn kept(&mut self, shelf: &str) -> Result<Vec<Stashed>, Fault> {
        let mut query = self
            .db
            .prepare_cached("SELECT line FROM shelf WHERE name = ?1 ORDER BY key")
            .map_err(fault)?;
        let rows = query.query_map([shelf], |row| Ok(Stashed(row.get(0)?))).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn keep(&mut self, shelf: &str, lines: &[(Tag, Option<Stashed>)]) -> Result<(), Fault> {
        let tx = self.db.transaction().map_err(fault)?;
        {
            let mut put = tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO shelf (name, key, line) VALUES (?1, ?2, ?3)",
                )
                .map_err(fault)?;
            let mut drop = tx
                .prepare_cached("DELETE FROM shelf WHERE name = ?1 AND key = ?2")
                .map_err(fault)?;
            for (key, line) in lines {
                match line {
                    Some(line) => put.execute(params![shelf, key.0, line.0]),
                    None => drop.execute(params![shelf, key.0]),
                }
                .map_err(fault)?;
            }
        }
        tx.commit().map_err(fault)
    }

    fn trust(&mut self) -> Result<Vec<TrustEntry>, Fault> {
        let mut query = self
            .db
            .prepare_cached("SELECT host, verdict, via, since FROM trust ORDER BY host")
            .map_err(fault)?;
        let entry = |row: &rusqlite::Row<'_>| {
            Ok(TrustEntry {
                host: row.get(0)?,
                verdict: verdict_of(row.get(1)?),
                via: row.get(2)?,
                since: Time::from_ms(row.get(3)?),
            })
        };
        let rows = query.query_map([], entry).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn meet(&mut self, host: &str, via: &str, now: Time) -> Result<Met, Fault> {
        let pending = number_of(Verdict::Pending);
        let tx = self.db.transaction().map_err(fault)?;
        let made = tx
            .prepare_cached(
                "INSERT OR IGNORE INTO trust (host, verdict, via, since) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| insert.execute(params![host, pending, via, now.as_ms()]))
            .map_err(fault)?;
        if made == 0 {
            return Ok(Met::Known);
        }
        let removed = tx
            .prepare_cached(
                "DELETE FROM trust WHERE host = (
                     SELECT host FROM trust WHERE verdict = ?1 AND host <> ?2
                     ORDER BY since, host LIMIT 1
                 ) AND (SELECT count(*) FROM trust WHERE verdict = ?1) > ?3 RETURNING host",
            )
            .and_then(|mut evict| {
                evict.query_row(params![pending, host, MOST_PENDING], |row| row.get(0)).optional()
            })
            .map_err(fault)?;
        tx.commit().map_err(fault)?;
        Ok(removed.map_or(Met::New, Met::InPlaceOf))
    }

    fn decide_trust(&mut self, host: &str, verdict: Verdict, now: Time) -> Result<(), Fault> {
        self.db
            .prepare_cached(
                "INSERT INTO trust (host, verdict, via, since)
                 VALUES (?1, ?2, 'administrator', ?3)
                 ON CONFLICT (host) DO UPDATE SET verdict = ?2, since = ?3",
            )
            .and_then(|mut put| put.execute(params![host, number_of(verdict), now.as_ms()]))
            .map(drop)
            .map_err(fault)
    }

    fn forget_trust(&mut self, host: &str) -> Result<bool, Fault> {
        self.db
            .prepare_cached("DELETE FROM trust WHERE host = ?1")
            .and_then(|mut forget| forget.execute([host]))
            .map(|gone| gone > 0)
            .map_err(fault)
    }

    fn foreign_writes(&mut self) -> Result<i64, Fault> {
        // It counts what other connections committed, and not our own.
        self.db.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(fault)
    }
}

fn number_of(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Pending => 0,
        Verdict::Allowed => 1,
        Verdict::Blocked => 2,
    }
}

/// What is not known trusts nobody.
fn verdict_of(number: i64) -> Verdict {
    match number {
        1 => Verdict::Allowed,
        2 => Verdict::Blocked,
        _ => Verdict::Pending,
    }
}
