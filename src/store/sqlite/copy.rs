//! A copy of the file before its layout is changed, with which the older version can go on.
//!
//! **Promise.** Whoever goes back to the copy loses nothing. The newer version may have sent what
//! the copy does not know, so every mailbox of it is read and sent again as a whole, with sequences
//! above all that were used meanwhile (relay protocol, section 4: a sequence must exceed every one
//! that was ever sent).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{fault, opening};
use crate::model::{Fault, Next};

/// How far the copy's sequences are ahead: a mailbox uses up one for each event, so nobody has used
/// so many within the year in which somebody may go back. Sequences begin at the time of day in
/// microseconds; this is a year of them.
const AHEAD: i64 = 365 * 24 * 3_600 * 1_000_000;

/// What is to be free beside the size of the copy: the change of the layout is written as well.
const MARGIN: u64 = 4 << 20;

/// Where the copy of a store lies that was made before it left this layout.
pub fn copy_of(store: &Path, layout: i64) -> PathBuf {
    let mut name = OsString::from(store.as_os_str());
    name.push(format!(".layout-{layout}"));
    name.into()
}

/// The copy of the highest layout beside a store.
pub(super) fn newest(store: &Path) -> Option<PathBuf> {
    (1..=super::schema::SCHEMA_VERSION)
        .rev()
        .map(|layout| copy_of(store, layout))
        .find(|copy| copy.is_file())
}

/// Makes the copy, and drops those of earlier layouts once it is on the disk.
///
/// # Errors
/// `Retry` where there is no room for it, or it cannot be written; `Refused` where the store is
/// damaged. Nothing was changed then.
pub(super) fn keep(db: &Connection, store: &Path, layout: i64) -> Result<(), Fault> {
    let copy = copy_of(store, layout);
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    has_room(db, folder, layout)?;
    let mut new = OsString::from(copy.as_os_str());
    new.push(format!(".new-{}", std::process::id()));
    let new = PathBuf::from(new);
    let made = write(db, &new, layout).and_then(|()| {
        let rights = fs::metadata(store).and_then(|facts| {
            fs::set_permissions(&new, facts.permissions())?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, &copy)?;
            File::open(folder)?.sync_all()
        });
        rights.map_err(|error| not_kept(layout, &error))
    });
    if made.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    made?;
    for other in (1..=super::schema::SCHEMA_VERSION).filter(|other| *other != layout) {
        let _ = fs::remove_file(copy_of(store, other));
    }
    Ok(())
}

fn not_kept(layout: i64, error: &io::Error) -> Fault {
    Fault::told(
        Next::Retry { after: None },
        format!(
            "the store has layout {layout} and is to get another one; the copy of it that is kept \
             before cannot be written ({error}). Nothing was changed"
        ),
    )
}

fn has_room(db: &Connection, folder: &Path, layout: i64) -> Result<(), Fault> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count").map_err(opening)?;
    let size = number("page_size").map_err(opening)?;
    let needed = u64::try_from(pages.saturating_mul(size)).unwrap_or(u64::MAX);
    let needed = needed.saturating_add(MARGIN);
    // Where that cannot be said, writing says it.
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Fault::told(
        Next::Retry { after: None },
        format!(
            "the store has layout {layout} and is to get another one; for the copy of it that is \
             kept before, {} MiB are needed and {} MiB are free: make room in {}. Nothing was \
             changed",
            mib(needed),
            free >> 20,
            folder.display()
        ),
    ))
}

fn write(db: &Connection, new: &Path, layout: i64) -> Result<(), Fault> {
    let _ = fs::remove_file(new);
    let path = new.to_str().ok_or_else(|| Fault::refused("the store's path is not UTF-8"))?;
    db.execute("VACUUM INTO ?1", [path]).map_err(opening)?;
    let mut copy = Connection::open(new).map_err(fault)?;
    copy.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    let tx = copy.transaction().map_err(fault)?;
    tx.execute(
        "UPDATE mailbox SET sequence = sequence + ?1, resend = active,
            window_from = NULL, window_to = NULL, generation = generation + 1",
        params![AHEAD],
    )
    .map_err(fault)?;
    if layout >= 3 {
        // Layout 2 and older told nothing of users beside the records.
        let untold = "UPDATE mailbox SET messages = messages + ?1, presence = NULL, state = NULL";
        tx.execute(untold, params![AHEAD]).map_err(fault)?;
    }
    tx.commit().map_err(fault)?;
    copy.close().map_err(|(_, error)| fault(error))
}
