//! Where damaged files lie, and how they get there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Time;

/// Damaged files that are kept, the newest ones.
const KEPT: usize = 2;

/// A file beside the store, of its name and an ending.
pub(super) fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(store.as_os_str());
    name.push(ending);
    name.into()
}

/// The folder of the store.
pub(super) fn folder(store: &Path) -> &Path {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

/// What was made, renamed or removed there stays so.
pub(super) fn sync_folder(store: &Path) -> io::Result<()> {
    File::open(folder(store))?.sync_all()
}

/// A place where nothing lies.
pub(super) fn place(store: &Path, now: Time) -> PathBuf {
    let mut seconds = now.as_ms() / 1_000;
    while beside(store, &format!(".damaged-{seconds}")).exists() {
        seconds += 1;
    }
    beside(store, &format!(".damaged-{seconds}"))
}

/// Moves the store there, with the log, which may hold what its pages do not. The store goes first:
/// without its log it would be an older one, while a log without its store is nothing.
pub(super) fn put(store: &Path, aside: &Path) -> io::Result<()> {
    fs::rename(store, aside)?;
    finish(store, aside)
}

/// Moves what was left behind of a store that lies there already.
pub(super) fn finish(store: &Path, aside: &Path) -> io::Result<()> {
    // Beside a store that is there, it is that one's.
    if store.exists() {
        return Ok(());
    }
    for ending in ["-wal", "-shm"] {
        match fs::rename(beside(store, ending), beside(aside, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(store)?;
    drop_oldest(store, aside);
    Ok(())
}

/// The one just put there stays, whatever the clock said.
fn drop_oldest(store: &Path, newest: &Path) {
    let Some(name) = store.file_name() else { return };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder(store)) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: String| name.strip_prefix(&start)?.parse::<i64>().ok();
    let mut all: Vec<(i64, PathBuf)> = names
        .filter_map(number)
        .map(|seconds| (seconds, beside(store, &format!(".damaged-{seconds}"))))
        .filter(|(_, one)| one != newest)
        .collect();
    all.sort_unstable();
    all.truncate(all.len().saturating_sub(KEPT - 1));
    for (_, old) in all {
        for file in [beside(&old, "-wal"), beside(&old, "-shm"), old] {
            let _ = fs::remove_file(file);
        }
    }
}
