//! A copy of the file before its layout is changed, with which the older version can go on.
//!
//! **Promise.** Whoever goes back to the copy loses nothing. The newer version may have sent what
//! the copy does not know, so every mailbox of it is read and sent again as a whole, with sequences
//! above all that were used meanwhile (relay protocol, section 4: a sequence must exceed every one
//! that was ever sent).
//!
//! A copy says that it is one, and the version that goes on with it does the rest at its start
//! ([`go_on`]), when the time of day is known. Versions of layouts before the fifth do not look:
//! their copies were made ready for them, with sequences a year ahead.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};

use super::aside::{beside, folder, sync_folder};
use super::effects::begin_at;
use super::{fault, opening, shelf};
use crate::model::{Fault, Next, Time};

/// How far the sequences of a copy for a layout before the fifth are ahead: a mailbox uses up one
/// for each event, so nobody has used so many within the year in which somebody may go back.
/// Sequences begin at the time of day in microseconds; this is a year of them.
const AHEAD: i64 = 365 * 24 * 3_600 * 1_000_000;

/// From this layout on a copy is known as one.
const KNOWN: i64 = 5;

/// More events than the newer version can have sent of a mailbox: thirty every second for a year.
/// As sequences it is a quarter of an hour.
pub(super) const MOST_SENT: i64 = 1_000_000_000;

/// What is to be free beside the size of the copy: the change of the layout is written as well.
const MARGIN: u64 = 4 << 20;

/// Where the copy of a store lies that was made before it left this layout.
pub fn copy_of(store: &Path, layout: i64) -> PathBuf {
    beside(store, &format!(".layout-{layout}"))
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
    let (copy, folder) = (copy_of(store, layout), folder(store));
    // Given back with the file's end, also that of the process.
    let lock = File::open(folder).map_err(|error| not_kept(layout, &error))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
    {
        return Err(Fault::retry("another process is changing the store's layout"));
    }
    let new = beside(&copy, ".new");
    // Of a start that was ended in the middle: it takes the room that is needed.
    sweep(&new);
    has_room(db, folder, layout)?;
    let made = write(db, &new, layout).and_then(|()| {
        let rights = fs::metadata(store).and_then(|facts| {
            fs::set_permissions(&new, facts.permissions())?;
            // Whose it is mostly: only its owner comes so far.
            let own = fs::metadata(&new)?;
            // The service may not, and need not.
            if (own.uid(), own.gid()) != (facts.uid(), facts.gid()) {
                let _ = chown(&new, Some(facts.uid()), Some(facts.gid()));
            }
            File::open(&new)?.sync_all()?;
            fs::rename(&new, &copy)?;
            sync_folder(store)
        });
        rights.map_err(|error| not_kept(layout, &error))
    });
    if made.is_err() {
        // What is left of it is of no use to anybody.
        sweep(&new);
    }
    made?;
    for other in (1..=super::schema::SCHEMA_VERSION).filter(|other| *other != layout) {
        let _ = fs::remove_file(copy_of(store, other));
    }
    Ok(())
}

/// Removes the file, and whatever was written beside it.
fn sweep(new: &Path) {
    let Some(start) = new.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder(new)) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&start) {
            let _ = fs::remove_file(entry.path());
        }
    }
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
    let path = new.to_str().ok_or_else(|| Fault::refused("the store's path is not UTF-8"))?;
    db.execute("VACUUM INTO ?1", [path]).map_err(opening)?;
    let mut copy = Connection::open(new).map_err(fault)?;
    copy.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    let tx = copy.transaction().map_err(fault)?;
    if layout >= KNOWN {
        shelf::call_copy(&tx).map_err(fault)?;
    } else {
        let anew = "UPDATE mailbox SET sequence = sequence + ?1, resend = active,
            window_from = NULL, window_to = NULL, generation = generation + 1";
        tx.execute(anew, params![AHEAD]).map_err(fault)?;
    }
    if (3..KNOWN).contains(&layout) {
        // Layout 2 and older told nothing of users beside the records.
        let untold = "UPDATE mailbox SET messages = messages + ?1, presence = NULL, state = NULL";
        tx.execute(untold, params![AHEAD]).map_err(fault)?;
    }
    tx.commit().map_err(fault)?;
    copy.close().map_err(|(_, error)| fault(error))
}

/// Of a file that is a copy everything is sent again, above all that the newer version can have
/// sent: its mailboxes went on from where the copy is, those that it activated began at the time of
/// day. It is no copy any more then.
///
/// # Errors
/// `Refused` where the file is damaged, else `Retry`.
pub(super) fn go_on(db: &mut Connection, now: Time) -> Result<(), Fault> {
    let tx = db.transaction().map_err(opening)?;
    if shelf::was_copy(&tx).map_err(opening)? {
        tx.execute(
            "UPDATE mailbox SET sequence = max(sequence + ?1, ?2), resend = active,
                messages = max(messages + ?1, ?2), presence = NULL, state = NULL,
                window_from = NULL, window_to = NULL, generation = generation + 1",
            params![MOST_SENT, begin_at(now)],
        )
        .map_err(opening)?;
    }
    tx.commit().map_err(opening)
}
