//! A damaged file is set aside under a name of its own, and a new one made: the cloud activates the
//! mailboxes anew (relay protocol, section 5.4), everything is read and sent again, with sequences
//! above all that were used (docs/decisions/0027).
//!
//! What an administrator decided about hosts, and what the providers keep, is taken over as far as
//! it can be read.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::{Sqlite, fault, opening};
use crate::model::{Fault, Time};
use crate::store::is_damage;

/// Damaged files that are kept, the newest ones.
const KEPT: usize = 2;

/// What was done about a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Where it lies now.
    pub aside: PathBuf,
    /// How it showed.
    pub why: String,
    /// Lines that could be taken over.
    pub kept: usize,
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(store.as_os_str());
    name.push(ending);
    name.into()
}

/// Says for the next start that the file is damaged.
fn mark(store: &Path) -> PathBuf {
    beside(store, ".is-damaged")
}

/// Leaves the mark. Where the disk takes it no more, the next start finds the damage by itself.
pub(super) fn leave_mark(store: &Path) {
    let _ = File::create(mark(store)).and_then(|file| file.sync_all());
}

impl Sqlite {
    /// [`Sqlite::open`], after a damaged file was set aside.
    ///
    /// # Errors
    /// As [`Sqlite::open`]; of a damaged file where it cannot be set aside.
    pub fn open_or_mend(path: &Path, now: Time) -> Result<(Self, Option<Mended>), Fault> {
        let marked = mark(path).is_file();
        let opened = Self::open(path);
        let why = match (opened, marked) {
            (Ok(store), false) => return Ok((store, None)),
            // Something was found damaged: an index as well is held against its table now.
            (Ok(store), true) => match check(&store.db, "PRAGMA integrity_check(1)")? {
                None => {
                    let _ = fs::remove_file(mark(path));
                    return Ok((store, None));
                }
                Some(why) => why,
            },
            (Err(fault), _) if is_damage(&fault) => fault.to_string(),
            (Err(fault), _) => return Err(fault),
        };
        let aside = set_aside(path, now)
            .map_err(|error| Fault::refused(format!("{why}; it cannot be set aside: {error}")))?;
        let mut store = Self::open(path)?;
        let kept = store.take_over(&aside).unwrap_or_default();
        let _ = fs::remove_file(mark(path));
        Ok((store, Some(Mended { aside, why, kept })))
    }

    /// Looks at every page of a file that may be in use: what is wrong with it, if something is.
    ///
    /// # Errors
    /// `Retry` where it cannot be read.
    pub fn check_file(path: &Path) -> Result<Option<String>, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(fault)?;
        check(&db, "PRAGMA quick_check(1)")
    }

    /// Lines are read one by one, up to the first that cannot be.
    fn take_over(&mut self, aside: &Path) -> rusqlite::Result<usize> {
        let old = Connection::open(aside)?;
        let tx = self.db.transaction()?;
        let mut kept = 0;
        let hosts = "SELECT host, verdict, via, since FROM trust";
        if let Ok(mut query) = old.prepare(hosts) {
            let mut rows = query.query([])?;
            while let Ok(Some(row)) = rows.next() {
                let line: (String, i64, String, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let put = "INSERT OR IGNORE INTO trust VALUES (?1, ?2, ?3, ?4)";
                kept += tx.execute(put, params![line.0, line.1, line.2, line.3])?;
            }
        }
        // How meetings were shown says nothing of a store that knows of none.
        let shelves = "SELECT name, key, line FROM shelf WHERE name NOT LIKE '%:'";
        if let Ok(mut query) = old.prepare(shelves) {
            let mut rows = query.query([])?;
            while let Ok(Some(row)) = rows.next() {
                let line: (String, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let put = "INSERT OR IGNORE INTO shelf VALUES (?1, ?2, ?3)";
                kept += tx.execute(put, params![line.0, line.1, line.2])?;
            }
        }
        tx.commit()?;
        Ok(kept)
    }
}

fn check(db: &Connection, how: &str) -> Result<Option<String>, Fault> {
    let found: rusqlite::Result<String> = db.query_row(how, [], |row| row.get(0));
    match found {
        Ok(word) if word == "ok" => Ok(None),
        // A page that the disk did not give may be well.
        Ok(words) if words.contains("get page") || words.contains("get the page") => {
            Err(Fault::retry(words.replace('\n', " ")))
        }
        Ok(words) => Ok(Some(words.replace('\n', " "))),
        Err(error) => match opening(error) {
            fault if is_damage(&fault) => Ok(Some(fault.to_string())),
            fault => Err(fault),
        },
    }
}

fn set_aside(store: &Path, now: Time) -> std::io::Result<PathBuf> {
    let mut seconds = now.as_ms() / 1_000;
    while beside(store, &format!(".damaged-{seconds}")).exists() {
        seconds += 1;
    }
    let aside = beside(store, &format!(".damaged-{seconds}"));
    // With the log beside it, which may hold what its pages do not.
    for ending in ["-wal", "-shm"] {
        match fs::rename(beside(store, ending), beside(&aside, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(store, &aside)?;
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    drop_oldest(store);
    Ok(aside)
}

fn drop_oldest(store: &Path) {
    let (Some(folder), Some(name)) = (store.parent(), store.file_name()) else { return };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: String| name.strip_prefix(&start)?.parse::<i64>().ok();
    let mut all: Vec<i64> = names.filter_map(number).collect();
    all.sort_unstable();
    all.truncate(all.len().saturating_sub(KEPT));
    for seconds in all {
        let old = beside(store, &format!(".damaged-{seconds}"));
        for file in [beside(&old, "-wal"), beside(&old, "-shm"), old] {
            let _ = fs::remove_file(file);
        }
    }
}
