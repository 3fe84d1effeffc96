//! Files that are not what was written: nothing of them is trusted, and nothing is lost in silence.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::*;
use crate::store::is_damage;

/// A store of many pages, closed.
pub(super) fn large(folder: &tempfile::TempDir) {
    let mut store = Sqlite::open(&file(folder)).unwrap();
    activate(&mut store, 1, "a");
    let names: Vec<String> = (0..2_000).map(|n| format!("key {n:040}")).collect();
    put(&mut store, &names.iter().map(String::as_str).collect::<Vec<_>>());
    store.decide_trust("mail.example", Verdict::Allowed, noon()).unwrap();
    store.keep("hq", &[(Tag([7; 16]), Some(promises::address("line")))]).unwrap();
}

pub(super) fn root_of(path: &Path, table: &str) -> u64 {
    let db = Connection::open(path).unwrap();
    let ask = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    db.query_row(ask, [table], |row| row.get::<_, i64>(0)).unwrap() as u64
}

pub(super) fn overwrite(path: &Path, page: u64) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4_096)).unwrap();
    file.write_all(&[0xab; 4_096]).unwrap();
}

pub(super) fn files(folder: &tempfile::TempDir, part: &str) -> usize {
    let all = std::fs::read_dir(folder.path()).unwrap();
    let names = all.map(|one| one.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.contains(part) && !name.contains("-wal") && !name.contains("-shm"))
        .count()
}

/// A new store, and what there is of the old one.
fn begun_anew(folder: &tempfile::TempDir) -> (Sqlite, Mended) {
    let (mut store, mended) = Sqlite::open_or_mend(&file(folder), noon()).unwrap();
    let mended = mended.expect("it was set aside");
    assert!(mended.aside.is_file() && !mended.why.is_empty(), "{mended:?}");
    assert_eq!(store.mailboxes(), Ok(vec![]));
    assert_eq!(store.channel_position(), Ok(0), "the cloud tells whose calendars are served");
    activate(&mut store, 1, "a");
    put(&mut store, &["a"]);
    drop(store);
    let (store, again) = Sqlite::open_or_mend(&file(folder), noon()).unwrap();
    assert_eq!(again, None, "once");
    (store, mended)
}

#[test]
fn an_overwritten_page_is_found_whether_it_is_read_or_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder);
    assert_eq!(Sqlite::check_file(&file(&folder)), Ok(None));
    overwrite(&file(&folder), root_of(&file(&folder), "record"));
    let found = Sqlite::check_file(&file(&folder)).unwrap();
    assert!(found.is_some());
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    let fault = store.rows(&ada(), &Lookup::All).unwrap_err();
    assert!(is_damage(&fault), "{fault}");
    store.give_up();
    drop(store);
    let (mut store, mended) = begun_anew(&folder);
    assert_eq!(mended.kept, 2, "the trust list, and what the provider keeps");
    assert_eq!(store.trust().unwrap()[0].host, "mail.example");
    assert_eq!(store.kept("hq").unwrap(), [promises::address("line")]);
}

/// Writes a line of a table behind the back of an index, which goes on naming what was there.
fn change_in_table_alone(path: &Path) {
    const NAME: &str = "outbox_of_record";
    let open = || {
        let db = Connection::open(path).unwrap();
        db.pragma_update(None, "writable_schema", true).unwrap();
        db
    };
    let ask = "SELECT rootpage, sql FROM sqlite_schema WHERE name = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let (root, sql) = open().query_row(ask, [NAME], read).unwrap();
    open().execute("DELETE FROM sqlite_schema WHERE name = ?1", [NAME]).unwrap();
    let change = "UPDATE outbox SET key = 'other' WHERE row = (SELECT max(row) FROM outbox)";
    open().execute(change, []).unwrap();
    let again = "INSERT INTO sqlite_schema VALUES ('index', ?1, 'outbox', ?2, ?3)";
    open().execute(again, params![NAME, root, sql]).unwrap();
}

#[test]
fn an_index_that_does_not_fit_its_table_is_no_reason_to_begin_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder);
    change_in_table_alone(&file(&folder));
    assert_eq!(Sqlite::check_file(&file(&folder)), Ok(None), "the daily look does not see it");
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    // Whoever meets it says so.
    store.give_up();
    drop(store);
    let (_, mended) = begun_anew(&folder);
    assert!(mended.why.contains("index"), "{mended:?}");
}

#[test]
fn a_file_that_was_cut_off_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder);
    let handle = std::fs::OpenOptions::new().write(true).open(file(&folder)).unwrap();
    handle.set_len(handle.metadata().unwrap().len() / 2 / 4_096 * 4_096).unwrap();
    let mut store = Sqlite::open(&file(&folder));
    if let Ok(store) = &mut store {
        assert!(Sqlite::check_file(&file(&folder)).unwrap().is_some());
        store.give_up();
    }
    drop(store);
    begun_anew(&folder);
}

#[test]
fn a_file_that_is_no_store_is_set_aside_and_not_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let words = "this is no database at all, not even nearly".repeat(400);
    std::fs::write(file(&folder), &words).unwrap();
    let (_, mended) = begun_anew(&folder);
    assert_eq!(std::fs::read_to_string(mended.aside).unwrap(), words);
}

#[test]
fn a_log_that_was_torn_while_it_was_written_loses_nothing_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    activate(&mut store, 1, "a");
    put(&mut store, &["a", "b"]);
    let before = promises::known(&mut store);
    let torn = tempfile::tempdir().unwrap();
    // A crash runs no destructor: the files are taken as they are.
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(folder.path().join(name), torn.path().join(name)).unwrap();
    }
    let log = torn.path().join("store.db-wal");
    let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    log.write_all(&[0x5a; 3_000]).unwrap();
    let (mut again, mended) = Sqlite::open_or_mend(&file(&torn), noon()).unwrap();
    assert_eq!((promises::known(&mut again), mended), (before, None));
    assert_eq!(Sqlite::check_file(&file(&torn)), Ok(None));
}

#[test]
fn a_sound_file_that_was_given_up_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder);
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    store.give_up();
    let before = promises::known(&mut store);
    drop(store);
    for _ in 0..2 {
        let (mut store, mended) = Sqlite::open_or_mend(&file(&folder), noon()).unwrap();
        assert_eq!((promises::known(&mut store), mended), (before.clone(), None));
    }
}

#[test]
fn damaged_files_do_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        std::fs::write(file(&folder), "no database".repeat(900)).unwrap();
        drop(Sqlite::open_or_mend(&file(&folder), noon()).unwrap());
    }
    assert_eq!(files(&folder, ".damaged-"), 2);
    assert_eq!(files(&folder, ".is-damaged"), 0);
}
