//! The promises on SQLite, and what a file on a disk adds to them.

use std::path::PathBuf;

use rusqlite::Connection;

mod copies;
mod damage;
mod layouts;
mod rescue;

use super::*;
use crate::model::{Next, Verdict};
use crate::pipeline::command::Effect;
use crate::pipeline::sync::Commit;
use crate::store::Shelf as _;
use crate::store::promises::{
    self, activate, ada, commit, deactivate, noon, put, store_promises, waiting,
};

/// An empty store and the folder it lives in.
fn empty() -> (Sqlite, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    (store, folder)
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store.db")
}

store_promises!(empty());

#[test]
fn what_was_committed_is_there_after_a_crash() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    put(&mut store, &["a", "b"]);
    let before = (promises::known(&mut store), waiting(&mut store), store.channel_position());
    // A crash runs no destructor: the connection stays open while the file is opened again.
    let mut again = Sqlite::open(&file(&folder)).unwrap();
    assert_eq!(
        (promises::known(&mut again), waiting(&mut again), again.channel_position()),
        before
    );
    drop(store);
    let mut again = Sqlite::open(&file(&folder)).unwrap();
    assert_eq!(
        (promises::known(&mut again), waiting(&mut again), again.channel_position()),
        before
    );
}

#[test]
fn how_much_waits_is_known_without_counting() {
    let (mut store, _folder) = empty();
    assert_eq!(store.waiting_at_most(), Ok(0));
    activate(&mut store, 1, "a");
    put(&mut store, &["a", "b", "c"]);
    assert!(store.waiting_at_most().unwrap() >= waiting(&mut store).len() as u64);
    let sent = store.outbox(10, usize::MAX).unwrap();
    let most = sent.iter().map(|row| row.row).collect();
    store.settle(&Settled { done: most, aside: Vec::new() }).unwrap();
    assert_eq!(store.waiting_at_most(), Ok(0));
}

#[test]
fn what_a_tool_writes_beside_the_daemon_is_noticed() {
    let (mut store, folder) = empty();
    let before = store.foreign_writes().unwrap();
    store.decide_trust("own.example", Verdict::Allowed, noon()).unwrap();
    assert_eq!(store.foreign_writes().unwrap(), before, "its own do not count");
    let mut tool = Sqlite::open(&file(&folder)).unwrap();
    tool.decide_trust("evil.example", Verdict::Blocked, noon()).unwrap();
    assert_ne!(store.foreign_writes().unwrap(), before);
}

#[test]
fn every_commit_is_synced() {
    let (store, _folder) = empty();
    let word = |name: &str| -> String {
        let value =
            store.db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(word("synchronous"), "Integer(2)", "FULL");
    assert_eq!(word("journal_mode"), "Text(\"wal\")");
    assert_eq!(word("foreign_keys"), "Integer(1)");
}

#[test]
fn a_failing_commit_leaves_nothing() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    put(&mut store, &["a"]);
    let other = Connection::open(file(&folder)).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER break BEFORE INSERT ON outbox WHEN NEW.key = 'z'
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    let before = (promises::known(&mut store), waiting(&mut store));
    let good = commit(&mut store, &["b", "c"]);
    let bad = Commit { sequence: good.sequence + 3, ..commit(&mut store, &["d", "z", "e"]) };
    let failed = store.commit(&[good, bad], noon()).unwrap_err();
    assert!(matches!(failed.next, Next::Retry { .. }), "{failed:?}");
    assert_eq!((promises::known(&mut store), waiting(&mut store)), before);
    other.execute_batch("DROP TRIGGER break").unwrap();
    put(&mut store, &["b"]);
}

#[test]
fn what_was_noticed_is_written_with_its_row_or_neither_is() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    let other = Connection::open(file(&folder)).unwrap();
    let trigger = "CREATE TRIGGER break BEFORE INSERT ON errand
                   BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    let mut asks = commit(&mut store, &["a"]);
    asks.rows[0].asked = Some(Tag([9; 16]));
    asks.noticed = vec![(CommandId::new("attend:1"), promises::address("x"))];
    assert!(store.commit(std::slice::from_ref(&asks), noon()).is_err());
    assert_eq!((promises::index(&mut store), store.errands(0, 9)), (vec![], Ok(vec![])));
    other.execute_batch("DROP TRIGGER break").unwrap();
    assert_eq!(store.commit(std::slice::from_ref(&asks), noon()), Ok(vec![true]));
    assert_eq!(promises::index(&mut store), asks.rows);
    assert_eq!(store.errands(0, 9).unwrap().len(), 1);
}

#[test]
fn what_the_cloud_answered_is_kept_with_the_commits_or_not_at_all() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    put(&mut store, &["a", "b"]);
    let row = store.outbox(1, usize::MAX).unwrap()[0].row;
    let settled = Settled { done: vec![row], aside: vec![] };
    let other = Connection::open(file(&folder)).unwrap();
    let trigger = "CREATE TRIGGER break BEFORE INSERT ON outbox
                   BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    let next = commit(&mut store, &["c"]);
    assert!(store.write(std::slice::from_ref(&next), &settled, noon()).is_err());
    assert_eq!(waiting(&mut store), ["Update a", "Update b"]);
    other.execute_batch("DROP TRIGGER break").unwrap();
    assert_eq!(store.write(&[next], &settled, noon()), Ok(vec![true]));
    assert_eq!(waiting(&mut store), ["Update b", "Update c"]);
}

#[test]
fn what_is_sent_anew_is_found_without_reading_the_whole_index() {
    let (store, _folder) = empty();
    let ask = "EXPLAIN QUERY PLAN UPDATE record SET asked = NULL WHERE asked IS NOT NULL";
    let plan: String = store.db.query_row(ask, [], |row| row.get(3)).unwrap();
    assert!(plan.contains("record_that_asks"), "{plan}");
}

#[test]
fn a_full_disk_is_a_reason_to_try_again_and_nothing_else() {
    let (mut store, _folder) = empty();
    activate(&mut store, 1, "a");
    let pages: i64 = store.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let _: i64 = store
        .db
        .pragma_update_and_check(None, "max_page_count", pages + 8, |row| row.get(0))
        .unwrap();
    let names: Vec<String> = (0..400).map(|n| format!("key {n:040}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let large = commit(&mut store, &names);
    let before = (promises::known(&mut store), waiting(&mut store));
    let full = store.commit(std::slice::from_ref(&large), noon()).unwrap_err();
    assert!(matches!(full.next, Next::Retry { .. }) && full.to_string().contains("full"), "{full}");
    assert_eq!((promises::known(&mut store), waiting(&mut store)), before);
    let _: i64 = store
        .db
        .pragma_update_and_check(None, "max_page_count", 1_000_000, |row| row.get(0))
        .unwrap();
    assert_eq!(store.commit(&[large], noon()), Ok(vec![true]));
    assert_eq!(waiting(&mut store).len(), 400);
}

#[test]
fn a_failing_command_leaves_nothing() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    put(&mut store, &["a"]);
    let other = Connection::open(file(&folder)).unwrap();
    let trigger = "CREATE TRIGGER break BEFORE INSERT ON command
                   BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    let before = (promises::known(&mut store), waiting(&mut store));
    let gone = promises::decision(2, Effect::Deactivate { user: ada() });
    assert!(store.decide(&gone, noon()).is_err());
    assert_eq!((promises::known(&mut store), waiting(&mut store)), before);
    other.execute_batch("DROP TRIGGER break").unwrap();
    let trigger = "CREATE TRIGGER break BEFORE INSERT ON command WHEN NEW.id = 'c-3'
                   BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    let group = [gone, promises::decision(3, Effect::None)];
    assert!(store.decide_all(&group, noon()).is_err());
    assert_eq!((promises::known(&mut store), waiting(&mut store)), before);
    other.execute_batch("DROP TRIGGER break").unwrap();
    deactivate(&mut store, 2);
    assert_eq!(store.load(&ada()), Ok(None));
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(&folder), "this is no database at all, not even nearly".repeat(40))
        .unwrap();
    let refused = Sqlite::open(&file(&folder)).unwrap_err();
    assert_eq!(refused.next, Next::Refused);
    let words = refused.to_string();
    assert!(words.contains("damaged") && words.contains("move it away"), "{words}");
}

#[test]
fn a_folder_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Sqlite::open(&folder.path().join("no").join("store.db")).unwrap_err();
    assert!(matches!(missing.next, Next::Retry { .. }), "{missing:?}");
}

#[test]
fn outcomes_are_forgotten_by_their_number_not_by_their_sequence() {
    let (mut store, _folder) = empty();
    // Sequences may be times: far apart, and still the last few commands.
    let sequences = [1_000_000_000, 2_000_000_000, 3_000_000_000];
    for sequence in sequences {
        store.decide(&promises::decision(sequence, Effect::None), noon()).unwrap();
    }
    for sequence in sequences {
        let id = promises::decision(sequence, Effect::None).id;
        assert!(store.outcome(&id).unwrap().is_some(), "{sequence}");
    }
}

#[test]
fn outcomes_of_long_ago_do_not_fill_the_disk() {
    let (mut store, folder) = empty();
    let other = Connection::open(file(&folder)).unwrap();
    other
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 101000)
             INSERT INTO command (id, sequence) SELECT 'old-' || i, i FROM n",
        )
        .unwrap();
    let ask = "SELECT count(*), min(sequence) FROM command";
    let kept = || other.query_row(ask, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    store.decide(&promises::decision(200_000, Effect::None), noon()).unwrap();
    assert_eq!(kept(), (100_001_i64, 1_001_i64));
    let more = (0..u64::from(effects::TRIM_EVERY))
        .map(|n| promises::decision(200_001 + n, Effect::None))
        .collect::<Vec<_>>();
    store.decide_all(&more, noon()).unwrap();
    assert_eq!(kept().0, 100_001, "again, after so many");
}

#[test]
fn how_much_waits_is_counted_without_reading_what_is_sealed() {
    let (store, _folder) = empty();
    let plan: String =
        store.db.query_row(&format!("EXPLAIN QUERY PLAN {WAITING}"), [], |row| row.get(3)).unwrap();
    assert!(plan.contains("COVERING INDEX"), "{plan}");
}

#[test]
fn an_event_keeps_its_trace_over_a_restart_and_one_without_gets_one() {
    let (mut store, folder) = empty();
    activate(&mut store, 1, "a");
    let trace = Some(Trace([4; 16]));
    let traced = Commit { trace, ..commit(&mut store, &["a"]) };
    store.commit(&[traced], noon()).unwrap();
    drop(store);
    let mut again = Sqlite::open(&file(&folder)).unwrap();
    assert_eq!(again.outbox(9, 9_999).unwrap()[0].trace, Trace([4; 16]));
    again.db.execute("UPDATE outbox SET trace = NULL", []).unwrap();
    let event = again.outbox(9, 9_999).unwrap().remove(0);
    assert_eq!(event.trace, tracking::of(&event.id));
}
