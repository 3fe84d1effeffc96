//! A look at a store from beside it: nothing is made, taken over or written.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::opening;
use super::schema::SCHEMA_VERSION;
use crate::model::Fault;

/// What somebody finds who only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The layout of the file; 0 where nothing was written yet.
    pub layout: i64,
    /// The layout that this version has.
    pub own: i64,
    /// Mailboxes that are active.
    pub mailboxes: u64,
}

/// Looks at a store that is there.
///
/// # Errors
/// `Refused` where it is damaged, `Retry` where it cannot be read.
pub fn look(path: &Path) -> Result<Looked, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(opening)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(opening)?;
    let layout = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(opening)?;
    let mailboxes = match layout == SCHEMA_VERSION {
        true => db
            .query_row("SELECT count(*) FROM mailbox WHERE active = 1", [], |row| row.get(0))
            .map_err(opening)?,
        false => 0,
    };
    Ok(Looked { layout, own: SCHEMA_VERSION, mailboxes })
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    #[test]
    fn a_tool_beside_another_users_service_does_not_say_that_it_wrote_the_store() {
        use super::super::shelf;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calway.db");
        let older = |store: &Sqlite| {
            let put = "UPDATE shelf SET line = CAST('0.0.1' AS BLOB) WHERE name = 'program:'";
            assert_eq!(store.db.execute(put, []).unwrap(), 1);
        };
        older(&Sqlite::open(&path).unwrap());
        let own = Sqlite::open(&path).unwrap();
        assert_eq!(shelf::written_by(&own.db).unwrap(), env!("CARGO_PKG_VERSION"));
        older(&own);
        drop(own);
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            return;
        }
        let foreign = Sqlite::open(&path).unwrap();
        assert_eq!(shelf::written_by(&foreign.db).unwrap(), "0.0.1");
    }

    #[test]
    fn a_look_makes_nothing_and_takes_nothing_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calway.db");
        assert!(look(&path).is_err());
        assert!(!path.exists());
        drop(Sqlite::open(&path).unwrap());
        let found = look(&path).unwrap();
        assert_eq!((found.layout, found.own, found.mailboxes), (SCHEMA_VERSION, SCHEMA_VERSION, 0));
        let older = Connection::open(&path).unwrap();
        older.pragma_update(None, "user_version", 1).unwrap();
        drop(older);
        for _ in 0..2 {
            assert_eq!(look(&path).unwrap().layout, 1);
        }
        std::fs::write(&path, vec![7; 8192]).unwrap();
        assert!(look(&path).unwrap_err().to_string().contains("damaged"));
    }
}
