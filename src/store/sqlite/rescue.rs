//! What is taken over from a damaged file, line by line, as far as it can be read: what an
//! administrator decided about hosts, what the providers keep, and how far the sequences were.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, params};

use super::{Sqlite, copy, fault, shelf};
use crate::model::Fault;

/// Sequences beyond are no sequences: the year is 2255 then, or the page is damaged.
const HIGHEST: i64 = 1 << 53;

impl Sqlite {
    /// Takes over what is to be read; how many lines of the trust list and the shelves that were.
    ///
    /// # Errors
    /// `Retry` where it cannot be written. What cannot be read is no error.
    pub(super) fn take_over(&mut self, aside: &Path) -> Result<usize, Fault> {
        // Nothing of it is changed; and where it is not there, none is made.
        let Ok(old) = Connection::open_with_flags(aside, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            return Ok(0);
        };
        let tx = self.db.transaction().map_err(fault)?;
        let mut kept = 0;
        let host = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let ask = "SELECT host, verdict, via, since FROM trust";
        each(&old, ask, host, |line: (String, i64, String, i64)| {
            let put = "INSERT OR IGNORE INTO trust VALUES (?1, ?2, ?3, ?4)";
            kept += tx.execute(put, params![line.0, line.1, line.2, line.3])?;
            Ok(())
        })
        .map_err(fault)?;
        let shelved = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        // What the store itself notes there says nothing of a new one.
        let ask = "SELECT name, key, line FROM shelf WHERE name NOT LIKE '%:'";
        each(&old, ask, shelved, |line: (String, Vec<u8>, Vec<u8>)| {
            let put = "INSERT OR IGNORE INTO shelf VALUES (?1, ?2, ?3)";
            kept += tx.execute(put, params![line.0, line.1, line.2])?;
            Ok(())
        })
        .map_err(fault)?;
        if let Some(reached) = reached(&old) {
            shelf::set_floor(&tx, reached.saturating_add(copy::MOST_SENT)).map_err(fault)?;
        }
        tx.commit().map_err(fault)?;
        Ok(kept)
    }
}

/// How far the sequences were. From both ends, as there may be a page in between that cannot be
/// read; layouts before the third counted nothing but records.
fn reached(old: &Connection) -> Option<i64> {
    let mut highest = shelf::floor(old).ok().filter(|floor| *floor > 0);
    for column in ["messages", "sequence"] {
        for order in ["", "DESC"] {
            let ask = format!("SELECT max(sequence, {column}) FROM mailbox ORDER BY id {order}");
            let one = |row: &Row<'_>| row.get::<_, i64>(0);
            let _ = each(old, &ask, one, |number| {
                highest = highest.max(Some(number).filter(|number| *number <= HIGHEST));
                Ok(())
            });
        }
    }
    highest.filter(|number| *number <= HIGHEST)
}

/// Does something with every line that can be read; a line that is none is passed over.
///
/// # Errors
/// What was done with a line failed.
fn each<T>(
    old: &Connection,
    ask: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    mut with: impl FnMut(T) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let Ok(mut query) = old.prepare(ask) else { return Ok(()) };
    let Ok(mut rows) = query.query([]) else { return Ok(()) };
    while let Ok(Some(row)) = rows.next() {
        if let Ok(line) = read(row) {
            with(line)?;
        }
    }
    Ok(())
}
