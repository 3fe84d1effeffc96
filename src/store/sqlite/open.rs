//! A file is opened: made where there is none, taken over where it is of an older layout, refused
//! where it is of a newer one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::cache::Cache;
use super::schema::{self, SCHEMA_VERSION};
use super::{STATEMENTS, Sqlite, WAL_PAGES, aside, copy, effects, fault, opening, shelf};
use crate::model::{Fault, Next};

/// How long another process that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Opens the file, or makes it. Before a file of an older layout is changed, a copy of it is
    /// made beside it ([`copy_of`](super::copy_of)).
    ///
    /// # Errors
    /// `Refused` with what to do, if the file is no store, is damaged, or comes from a newer
    /// version; `Retry` otherwise, also where it may not be written or there is no room for the
    /// copy.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::open_file(path).map_err(|fault| of_disk(path, fault))
    }

    fn open_file(path: &Path) -> Result<Self, Fault> {
        let db = connect(path)?;
        let version = version(&db)?;
        let owner = std::fs::metadata(path).map(|facts| facts.uid()).ok();
        let foreign = owner.is_some_and(|owner| owner != rustix::process::geteuid().as_raw());
        if (1..SCHEMA_VERSION).contains(&version) {
            // Root's command line beside a service of the older version changes nothing under it.
            if foreign {
                return Err(Fault::told(
                    Next::Refused,
                    format!(
                        "the store has layout {version}, this version {SCHEMA_VERSION}: the next \
                         start of the service takes it over (systemctl restart calway)"
                    ),
                ));
            }
            copy::keep(&db, path, version)?;
        }
        // Those of before the start are not counted: the first command makes up for them.
        let path = path.to_path_buf();
        let mut store = Self { db, path, untrimmed: effects::TRIM_EVERY, cache: Cache::new() };
        match version {
            0 => store.change(schema::create)?,
            1 => store.change(schema::from_1)?,
            2 => store.change(schema::from_2)?,
            3 => store.change(schema::from_3)?,
            4 => store.change(schema::from_4)?,
            _ => {}
        }
        shelf::make(&store.db)?;
        // Whoever looks into the store of another user's service is not who writes there.
        if !foreign {
            shelf::write_program(&store.db)?;
        }
        store.cache.follow(&store.db, 0).map_err(opening)?;
        Ok(store)
    }

    fn change(&mut self, to: fn(&Transaction) -> rusqlite::Result<()>) -> Result<(), Fault> {
        let begin = TransactionBehavior::Immediate;
        let before = version(&self.db)?;
        let tx = self.db.transaction_with_behavior(begin).map_err(opening)?;
        // Another process may have done it while this one waited.
        if version(&tx)? != before {
            return Err(Fault::retry("another process is changing the store's layout"));
        }
        to(&tx).map_err(opening)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(opening)?;
        tx.commit().map_err(opening)
    }
}

/// On a full disk SQLite cannot make the file beside the log, and calls that an error of the disk.
fn of_disk(path: &Path, fault: Fault) -> Fault {
    const NO_ROOM: u64 = 64 << 10;
    let folder = aside::folder(path);
    let room = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let is_full = matches!(fault.next, Next::Retry { .. }) && room.is_ok_and(|room| room < NO_ROOM);
    if !is_full {
        return fault;
    }
    Fault::retry(format!("{fault}; the disk is full: make room in {}", folder.display()))
}

fn version(db: &Connection) -> Result<i64, Fault> {
    db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(opening)
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let db = Connection::open(path).map_err(fault)?;
    // SQLite opens a file that it may not write for reading, and never looks again.
    if db.is_readonly(rusqlite::MAIN_DB).map_err(fault)? {
        return Err(Fault::retry(
            "the store can only be read: see whether its disk is mounted read-only (findmnt -T), \
             and whose file it is",
        ));
    }
    db.busy_timeout(BUSY).map_err(fault)?;
    // It stands in the head of the file. Whatever is asked for next reads the tables of it, which
    // may be such as this version's SQLite cannot read: that is no damage.
    let layout = version(&db)?;
    if layout > SCHEMA_VERSION {
        return Err(newer(path, layout, shelf::written_by(&db)));
    }
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.pragma_update(None, "journal_mode", "WAL").map_err(opening)?;
    db.pragma_update(None, "synchronous", "FULL").map_err(opening)?;
    db.pragma_update(None, "foreign_keys", true).map_err(opening)?;
    db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).map_err(opening)?;
    Ok(db)
}

/// Which version is needed, and where the copy lies with which this one can go on.
fn newer(path: &Path, layout: i64, program: Option<String>) -> Fault {
    let wrote = program.map_or_else(|| "a newer version".to_owned(), |one| format!("calway {one}"));
    let own = env!("CARGO_PKG_VERSION");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let way_back = match copy::newest(path) {
        Some(copy) => format!(
            "or go back: move {name}, {name}-wal and {name}-shm away and rename {} to {name}; every \
             calendar is then read and sent again, and nothing is lost. Do not take the file that \
             was moved away again after that",
            copy.file_name().unwrap_or_default().to_string_lossy(),
        ),
        None => format!(
            "or move {name}, {name}-wal and {name}-shm away to begin anew: the cloud activates the \
             mailboxes again, and nothing is lost"
        ),
    };
    Fault::told(
        Next::Refused,
        format!(
            "the store has layout {layout}, written by {wrote}; this is calway {own}, which knows \
             layouts up to {SCHEMA_VERSION}: install {wrote} again, {way_back}"
        ),
    )
}
