//! A damaged file is set aside under a name of its own, and a new one made: the cloud activates the
//! mailboxes anew (relay protocol, section 5.4), everything is read and sent again, with sequences
//! above all that were used (docs/decisions/0027).
//!
//! Whenever it is ended, the next start goes on where it was: the mark says where the file is put
//! before it is moved, and is taken away when everything is done.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::aside::{self, beside};
use super::{Sqlite, copy, fault, opening};
use crate::model::{Fault, Time};
use crate::store::is_damage;

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

/// Says for the next start that the file is damaged; with a name in it, that it was moved there.
fn mark(store: &Path) -> PathBuf {
    beside(store, ".is-damaged")
}

/// Leaves the mark. Where the disk takes it no more, the next start finds the damage by itself.
pub(super) fn leave_mark(store: &Path) {
    let _ = File::create(mark(store)).and_then(|file| file.sync_all());
}

/// Says where the file is put, and why.
fn mark_with(store: &Path, aside: &Path, why: &str) -> std::io::Result<()> {
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    let mut file = File::create(mark(store))?;
    file.write_all(format!("{name}\n{why}\n").as_bytes())?;
    file.sync_all()?;
    aside::sync_folder(store)
}

/// Where an earlier start put the file, and why, if it did no more than that.
fn begun(store: &Path) -> Option<(PathBuf, String)> {
    let text = fs::read_to_string(mark(store)).ok()?;
    let (name, why) = text.split_once('\n')?;
    let fits = !name.is_empty() && !name.contains('/');
    let aside = store.with_file_name(name);
    (fits && aside.is_file()).then(|| (aside, why.trim_end().to_owned()))
}

impl Sqlite {
    /// [`Sqlite::open`], after a damaged file was set aside; what is known of a copy that somebody
    /// went back to is taken up.
    ///
    /// # Errors
    /// As [`Sqlite::open`]; of a damaged file where it cannot be set aside, or what can be read of
    /// it not be taken over.
    pub fn open_or_mend(path: &Path, now: Time) -> Result<(Self, Option<Mended>), Fault> {
        if let Some((aside, why)) = begun(path) {
            let stuck = |error| cannot(&why, &error);
            aside::finish(path, &aside).map_err(stuck)?;
            match Self::open_at(path, now) {
                Ok(store) => return store.begin_anew(aside, why),
                // The new one as well.
                Err(fault) if is_damage(&fault) => leave_mark(path),
                Err(fault) => return Err(fault),
            }
        }
        let marked = mark(path).is_file();
        let opened = Self::open_at(path, now);
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
        let aside = aside::place(path, now);
        mark_with(path, &aside, &why)
            .and_then(|()| aside::put(path, &aside))
            .map_err(|error| cannot(&why, &error))?;
        Self::open_at(path, now)?.begin_anew(aside, why)
    }

    fn open_at(path: &Path, now: Time) -> Result<Self, Fault> {
        let mut store = Self::open(path)?;
        copy::go_on(&mut store.db, now)?;
        Ok(store)
    }

    /// Takes over what can be read, unless that was done before.
    fn begin_anew(mut self, aside: PathBuf, why: String) -> Result<(Self, Option<Mended>), Fault> {
        let mended = match self.is_new().map_err(fault)? {
            true => Some(Mended { kept: self.take_over(&aside)?, aside, why }),
            false => None,
        };
        let _ = fs::remove_file(mark(&self.path));
        Ok((self, mended))
    }

    fn is_new(&self) -> rusqlite::Result<bool> {
        let ask =
            "SELECT NOT EXISTS (SELECT 1 FROM mailbox) AND NOT EXISTS (SELECT 1 FROM command)";
        self.db.query_row(ask, [], |row| row.get(0))
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
}

fn cannot(why: &str, error: &std::io::Error) -> Fault {
    Fault::refused(format!("{why}; it cannot be set aside: {error}"))
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
