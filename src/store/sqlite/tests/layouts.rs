//! Files of every layout that there was are taken over, and a copy of each lies beside.

use std::path::Path;

use super::*;
use crate::pipeline::errand::ErrandKind;

/// Files as the programs of their time made them.
pub(super) const OLD: [(i64, &str); 4] = [
    (1, include_str!("../../../../tests/golden/store/layout-1.sql")),
    (2, include_str!("../../../../tests/golden/store/layout-2.sql")),
    (3, include_str!("../../../../tests/golden/store/layout-3.sql")),
    (4, include_str!("../../../../tests/golden/store/layout-4.sql")),
];

pub(super) fn make(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(sql).unwrap();
}

/// Every line of every table, without what a copy says in another way.
fn lines(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let ask = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut names = db.prepare(ask).unwrap();
    let all = names.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let all: Vec<(String, String)> = all.collect::<Result<_, _>>().unwrap();
    let mut out = Vec::new();
    for (name, sql) in all {
        out.push(sql.clone());
        if !sql.starts_with("CREATE TABLE") {
            continue;
        }
        let mut rows = db.prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2")).unwrap();
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let other = ["sequence", "messages", "resend", "generation", "presence", "state"];
        let mut found = rows.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let kept = columns.iter().enumerate().filter(|(_, column)| {
                let window = column.starts_with("window_") || other.contains(&column.as_str());
                name != "mailbox" || !window
            });
            let value = |at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap());
            let values: Vec<_> = kept.map(|(at, _)| value(at)).collect();
            out.push(format!("{name}: {}", values.join(" ")));
        }
    }
    out
}

pub(super) fn number(path: &Path, ask: &str) -> i64 {
    Connection::open(path).unwrap().query_row(ask, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_store_of_any_earlier_layout_is_taken_over_and_nothing_that_waits_is_lost() {
    for (layout, sql) in OLD {
        let folder = tempfile::tempdir().unwrap();
        make(&file(&folder), sql);
        let mut store = Sqlite::open(&file(&folder)).unwrap();
        let users: Vec<_> = store.mailboxes().unwrap().into_iter().map(|(user, _)| user).collect();
        let mut known = users.clone();
        known.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        assert_eq!(known, [ada(), UserId::new("bob")], "layout {layout}");
        let outbox = store.outbox(10, usize::MAX).unwrap();
        let rows: Vec<_> = outbox.iter().map(|row| (row.row, &**row.data.json())).collect();
        assert_eq!(rows, [(7, "{\"waits\":1}"), (9, "{\"waits\":2}")], "layout {layout}");
        assert_eq!(store.backlog().unwrap().aside, 1);
        assert_eq!(store.channel_position(), Ok(12));
        let refused = Outcome::Refused("not-active".into());
        assert_eq!(store.outcome(&CommandId::new("c-2")), Ok(Some(refused)));
        let loaded = store.load(&ada()).unwrap().unwrap();
        assert_eq!(
            (loaded.sequence, loaded.cursor.unwrap().0),
            (1_800_000_000_000_104, vec![12, 13])
        );
        let index = store.rows(&ada(), &Lookup::All).unwrap().len();
        match layout {
            // Its tags were of another kind: it is read anew.
            1 => assert_eq!((index, loaded.resend, loaded.window), (0, true, None)),
            _ => assert_eq!((index, loaded.resend, loaded.window.is_some()), (2, false, true)),
        }
        if layout >= 3 {
            let errands = store.errands(0, 9).unwrap();
            assert_eq!((errands.len(), errands[0].id.as_str()), (1, "c-9"));
            assert_eq!(users[0].as_str(), "bob", "of whom something is to be done comes first");
        }
        if layout >= 4 {
            let trust: Vec<_> = store.trust().unwrap().into_iter().map(|one| one.host).collect();
            assert_eq!(trust, ["mail.corp.example"]);
            assert_eq!(store.kept("hq").unwrap(), [Stashed(vec![0x17])]);
        }
        assert_eq!(number(&file(&folder), "PRAGMA user_version"), SCHEMA_VERSION);
        put(&mut store, &["d"]);
        assert!(waiting(&mut store).contains(&"Update d".to_owned()), "layout {layout}");
    }
}

#[test]
fn the_copy_that_is_kept_opens_as_the_old_layout_and_has_all_that_there_was() {
    for (layout, sql) in OLD {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old.db");
        make(&old, sql);
        make(&file(&folder), sql);
        drop(Sqlite::open(&file(&folder)).unwrap());
        let copy = copy_of(&file(&folder), layout);
        assert_eq!(number(&copy, "PRAGMA user_version"), layout);
        assert_eq!(lines(&copy), lines(&old), "layout {layout}");
        assert_eq!(number(&copy, "SELECT count(*) FROM pragma_integrity_check"), 1);
        // The newer program may send for a year what this one does not know, and nothing that
        // this one sends then is taken for older than that.
        let ask = "SELECT min(sequence) FROM mailbox";
        assert!(number(&copy, ask) > number(&old, ask) + 31_000_000_000_000);
        let anew = "SELECT count(*) FROM mailbox WHERE active = 1 AND resend = 1
                    AND window_from IS NULL";
        assert_eq!(number(&copy, anew), 2, "everything is sent again as a whole");
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        let left = files.into_iter().map(|one| one.unwrap().file_name().into_string().unwrap());
        assert!(!left.into_iter().any(|name| name.contains(".new")));
    }
}

#[cfg(unix)]
#[test]
fn the_copy_is_for_the_same_eyes_as_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[3].1);
    let rights = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file(&folder), rights).unwrap();
    drop(Sqlite::open(&file(&folder)).unwrap());
    let copy = std::fs::metadata(copy_of(&file(&folder), 4)).unwrap();
    assert_eq!(copy.permissions().mode() & 0o777, 0o600);
}

#[test]
fn who_goes_back_and_forth_again_goes_on_with_higher_sequences() {
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[3].1);
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    put(&mut store, &["d", "e"]);
    let reached = store.load(&ada()).unwrap().unwrap().sequence;
    drop(store);
    std::fs::rename(copy_of(&file(&folder), 4), file(&folder)).unwrap();
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert!(loaded.sequence > reached && loaded.resend);
    assert!(copy_of(&file(&folder), 4).exists(), "kept anew");
}

#[test]
fn a_copy_is_kept_until_the_next_change_of_the_layout_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[1].1);
    drop(Sqlite::open(&file(&folder)).unwrap());
    for _ in 0..2 {
        drop(Sqlite::open(&file(&folder)).unwrap());
        assert!(copy_of(&file(&folder), 2).exists());
    }
    std::fs::remove_file(file(&folder)).unwrap();
    make(&file(&folder), OLD[3].1);
    drop(Sqlite::open(&file(&folder)).unwrap());
    let copies: Vec<_> = (1..5).filter(|one| copy_of(&file(&folder), *one).exists()).collect();
    assert_eq!(copies, [4]);
}

#[test]
fn a_store_of_a_newer_layout_is_refused_with_the_version_and_the_way_back() {
    let folder = tempfile::tempdir().unwrap();
    make(&file(&folder), OLD[3].1);
    drop(Sqlite::open(&file(&folder)).unwrap());
    let other = Connection::open(file(&folder)).unwrap();
    other
        .execute_batch(
            "UPDATE shelf SET line = CAST('7.8.9' AS BLOB) WHERE name = 'program:';
             PRAGMA user_version = 99",
        )
        .unwrap();
    drop(other);
    let before = lines(&file(&folder));
    let refused = Sqlite::open(&file(&folder)).unwrap_err();
    assert_eq!(refused.next, Next::Refused);
    let words = refused.to_string();
    for word in
        ["layout 99", "calway 7.8.9", env!("CARGO_PKG_VERSION"), "rename store.db.layout-4 to"]
    {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(lines(&file(&folder)), before, "it is left alone");
    assert_eq!(number(&file(&folder), "PRAGMA user_version"), 99);
    std::fs::remove_file(copy_of(&file(&folder), 4)).unwrap();
    let words = Sqlite::open(&file(&folder)).unwrap_err().to_string();
    assert!(words.contains("begin anew") && !words.contains("rename"), "{words}");
}

#[test]
fn the_likeliest_to_need_it_come_first() {
    let (mut store, _folder) = empty();
    let order = |store: &mut Sqlite| -> Vec<String> {
        let all = store.mailboxes().unwrap();
        all.into_iter().map(|(user, _)| user.as_str().to_owned()).collect()
    };
    activate(&mut store, 1, "a");
    for (sequence, user) in [(2, "zoe"), (3, "max")] {
        let address = promises::address(user);
        let effect = Effect::Activate { user: UserId::new(user), address };
        store.decide(&promises::decision(sequence, effect), noon()).unwrap();
    }
    assert_eq!(order(&mut store), ["ada", "max", "zoe"], "nothing is known of them");
    let read = |store: &mut Sqlite, name: &str, keys: &[&str]| {
        let user = UserId::new(name);
        let generation = store.load(&user).unwrap().unwrap().generation;
        let commit = Commit { user, generation, ..commit(store, keys) };
        assert_eq!(store.commit(&[commit], noon()), Ok(vec![true]));
    };
    read(&mut store, "zoe", &["k"]);
    assert_eq!(order(&mut store), ["zoe", "ada", "max"], "whose calendar changed last");
    // A reading that finds nothing new is no change.
    read(&mut store, "max", &[]);
    assert_eq!(order(&mut store), ["zoe", "ada", "max"]);
    let (user, kind, body) = (UserId::new("max"), ErrandKind::Create, promises::address("x"));
    let errand = promises::decision(9, Effect::Errand { user, kind, body });
    store.decide(&errand, noon()).unwrap();
    assert_eq!(order(&mut store), ["max", "zoe", "ada"], "of whom something is to be done");
}
