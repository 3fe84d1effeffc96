//! Going back to the copy that is kept before the layout changes, and starts that were ended while
//! it was made.

use std::fs::{self, File};

use rustix::fs::{FlockOperation, flock};

use super::layouts::{OLD, make, number};
use super::*;
use crate::model::{Span, Time};
use crate::store::sqlite::aside::beside;

/// A store, the copy of it, and how far its sequences are when somebody goes back to the copy.
fn gone_back(folder: &tempfile::TempDir) -> u64 {
    let path = file(folder);
    let mut store = Sqlite::open(&path).unwrap();
    activate(&mut store, 1, "a");
    put(&mut store, &["a", "b"]);
    copy::keep(&store.db, &path, SCHEMA_VERSION).unwrap();
    // The newer version goes on.
    put(&mut store, &["c", "d", "e"]);
    let reached = promises::sequence(&mut store);
    drop(store);
    fs::rename(copy_of(&path, SCHEMA_VERSION), &path).unwrap();
    reached
}

#[test]
fn who_goes_back_to_a_copy_sends_everything_above_what_was_sent_and_not_far_above() {
    // Whatever the clock says at that start.
    for now in [noon() + Span::DAY, noon(), Time::from_ms(0)] {
        let folder = tempfile::tempdir().unwrap();
        let reached = gone_back(&folder);
        let (mut store, _) = Sqlite::open_or_mend(&file(&folder), now).unwrap();
        let loaded = store.load(&ada()).unwrap().unwrap();
        assert!(loaded.sequence > reached && loaded.resend && loaded.window.is_none());
        let most = effects::begin_at(now).max(reached + copy::MOST_SENT as u64);
        assert!(loaded.sequence <= most, "a store that is begun anew soon begins above it");
        assert_eq!(loaded.cursor, Some(promises::address("cursor")), "what changed is found");
        put(&mut store, &["f"]);
        let before = store.load(&ada()).unwrap();
        drop(store);
        let (mut store, _) = Sqlite::open_or_mend(&file(&folder), now).unwrap();
        assert_eq!(store.load(&ada()).unwrap(), before, "once");
    }
}

#[test]
fn a_tool_beside_the_service_leaves_a_copy_to_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let reached = gone_back(&folder);
    drop(Sqlite::open(&file(&folder)).unwrap());
    let (mut store, _) = Sqlite::open_or_mend(&file(&folder), noon()).unwrap();
    assert!(promises::sequence(&mut store) > reached);
}

#[test]
fn a_start_that_was_ended_while_it_copied_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[3].1);
    let copy = copy_of(&file(&folder), 4);
    for ending in [".new", ".new-journal", ".new-4711"] {
        fs::write(beside(&copy, ending), [7; 9_000]).unwrap();
    }
    drop(Sqlite::open(&file(&folder)).unwrap());
    assert_eq!(number(&copy, "PRAGMA user_version"), 4);
    let files = fs::read_dir(folder.path()).unwrap();
    let names = files.map(|one| one.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| name.contains(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn two_starts_do_not_make_one_copy_together() {
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[3].1);
    let other = File::open(folder.path()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let fault = Sqlite::open(&file(&folder)).unwrap_err();
    assert!(matches!(fault.next, Next::Retry { .. }), "{fault}");
    assert_eq!(number(&file(&folder), "PRAGMA user_version"), 4, "nothing was changed");
    assert!(!copy_of(&file(&folder), 4).exists());
    drop(other);
    drop(Sqlite::open(&file(&folder)).unwrap());
    assert!(copy_of(&file(&folder), 4).exists());
}

#[test]
fn a_newer_layout_that_this_sqlite_cannot_read_is_newer_and_not_damaged() {
    let folder = tempfile::tempdir().unwrap();
    drop(Sqlite::open(&file(&folder)).unwrap());
    let other = Connection::open(file(&folder)).unwrap();
    other
        .execute_batch(
            "PRAGMA writable_schema = on; PRAGMA user_version = 99;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE record (key TEXT) FROM THE FUTURE'
                 WHERE name = 'record'",
        )
        .unwrap();
    drop(other);
    let refused = Sqlite::open_or_mend(&file(&folder), noon()).unwrap_err();
    assert_eq!(refused.next, Next::Refused);
    let words = refused.to_string();
    assert!(words.contains("layout 99") && words.contains("a newer version"), "{words}");
    assert!(file(&folder).exists());
}
