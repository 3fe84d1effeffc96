//! A start that is ended while it sets a damaged file aside, and what is taken over of the file.

use std::fs;
use std::path::Path;

use super::damage::{files, large, overwrite, root_of};
use super::*;
use crate::model::{Span, Time};
use crate::pipeline::announcement::{Announcement, Topic};
use crate::store::sqlite::aside::{self, beside};

fn mark(store: &Path, aside: &Path) {
    let name = aside.file_name().unwrap().to_str().unwrap();
    fs::write(beside(store, ".is-damaged"), format!("{name}\nit was torn\n")).unwrap();
}

/// The next start ends what the one before began, and the one after it finds nothing to do.
fn goes_on(path: &Path, when: &str) {
    let (mut store, mended) = Sqlite::open_or_mend(path, noon()).unwrap();
    let mended = mended.unwrap_or_else(|| panic!("{when}: in silence"));
    assert!(mended.aside.is_file() && !mended.why.is_empty(), "{when}: {mended:?}");
    assert_eq!(mended.kept, 2, "{when}: {mended:?}");
    assert_eq!(store.trust().unwrap()[0].host, "mail.example", "{when}");
    assert_eq!(store.kept("hq").unwrap(), [promises::address("line")], "{when}");
    assert_eq!(store.mailboxes(), Ok(vec![]), "{when}");
    drop(store);
    assert_eq!(Sqlite::open_or_mend(path, noon()).unwrap().1, None, "{when}: once");
}

#[test]
fn whenever_a_start_is_ended_the_next_one_says_so_and_takes_everything_over() {
    for when in ["named", "store moved", "all moved", "new one made", "begun to be used"] {
        let (folder, live) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        large(&live);
        let mut store = Sqlite::open(&file(&live)).unwrap();
        // What an administrator said last is in the log alone.
        store.decide_trust("mail.example", Verdict::Blocked, noon()).unwrap();
        for name in ["store.db", "store.db-wal"] {
            fs::copy(live.path().join(name), folder.path().join(name)).unwrap();
        }
        drop(store);
        let path = file(&folder);
        let aside = aside::place(&path, noon());
        mark(&path, &aside);
        match when {
            "named" => {
                drop(Sqlite::open(&path).unwrap());
                overwrite(&path, root_of(&path, "record"));
            }
            "store moved" => fs::rename(&path, &aside).unwrap(),
            _ => aside::put(&path, &aside).unwrap(),
        }
        if when == "new one made" {
            drop(Sqlite::open(&path).unwrap());
        }
        if when == "begun to be used" {
            let mut store = Sqlite::open(&path).unwrap();
            activate(&mut store, 1, "a");
            drop(store);
            let (store, mended) = Sqlite::open_or_mend(&path, noon()).unwrap();
            assert_eq!(mended, None, "it was done before");
            assert!(store.path.is_file() && files(&folder, ".is-damaged") == 0);
            continue;
        }
        goes_on(&path, when);
        let mut store = Sqlite::open(&path).unwrap();
        assert_eq!(store.trust().unwrap()[0].verdict, Verdict::Blocked, "{when}: its log as well");
    }
}

#[test]
fn a_new_file_that_is_damaged_before_it_is_used_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    fs::write(&path, "no database".repeat(900)).unwrap();
    let aside = beside(&path, ".damaged-1");
    fs::write(&aside, "no database either".repeat(900)).unwrap();
    mark(&path, &aside);
    let (_, mended) = Sqlite::open_or_mend(&path, noon()).unwrap();
    assert_ne!(mended.unwrap().aside, aside);
    assert_eq!(Sqlite::open_or_mend(&path, noon()).unwrap().1, None);
}

#[test]
fn a_line_that_is_none_takes_no_other_with_it() {
    let (mut store, folder) = empty();
    let aside = folder.path().join("aside.db");
    let old = Connection::open(&aside).unwrap();
    old.execute_batch(
        "CREATE TABLE trust (host, verdict, via, since);
         INSERT INTO trust VALUES ('a.example', 2, 'srv', 7), ('b.example', 'blocked', x'00', 7),
             ('c.example', 1, 'srv', 7);
         CREATE TABLE shelf (name, key, line);
         INSERT INTO shelf VALUES ('hq', 7, x'01'), ('hq', x'02', x'02'), ('own:', x'00', x'03');
         CREATE TABLE mailbox (id INTEGER PRIMARY KEY, sequence);
         INSERT INTO mailbox VALUES (1, 'many'), (2, 1800000000000077), (3, 9223372036854775807)",
    )
    .unwrap();
    drop(old);
    assert_eq!(store.take_over(&aside), Ok(3));
    let hosts: Vec<_> = store.trust().unwrap().into_iter().map(|one| one.host).collect();
    assert_eq!(hosts, ["a.example", "c.example"]);
    assert_eq!(store.kept("hq").unwrap(), [Stashed(vec![2])]);
    assert_eq!(store.kept("own:").unwrap(), []);
    assert_eq!(floor(&store), 1_800_000_000_000_077 + copy::MOST_SENT, "no nonsense either");
    // A file that is not there is no new one.
    assert_eq!(store.take_over(&folder.path().join("gone.db")), Ok(0));
    assert!(!folder.path().join("gone.db").exists());
}

fn floor(store: &Sqlite) -> i64 {
    shelf::floor(&store.db).unwrap()
}

/// The sequence of what is told next of a user, as the outbox has it.
fn told(store: &mut Sqlite, now: Time) -> u64 {
    let (user, data) = (ada(), Sealed::restored("{}"));
    let mark = Tag([u8::try_from(now.as_ms() % 250).unwrap(); 16]);
    let one = Announcement { user, topic: Topic::State, mark, data };
    store.announce(&[one], now).unwrap();
    let all = store.outbox(9_999, usize::MAX).unwrap();
    all.iter().filter(|row| row.kind.is_message()).map(|row| row.sequence).max().unwrap()
}

#[test]
fn after_a_clock_that_was_ahead_nothing_begins_below_what_the_cloud_holds() {
    let folder = tempfile::tempdir().unwrap();
    let ahead = noon() + Span::DAY + Span::DAY;
    let mut store = Sqlite::open(&file(&folder)).unwrap();
    let effect = Effect::Activate { user: ada(), address: promises::address("a") };
    store.decide(&promises::decision(1, effect), ahead).unwrap();
    put(&mut store, &["a", "b"]);
    let (records, messages) = (promises::sequence(&mut store), told(&mut store, ahead));
    drop(store);
    for time in 0..2 {
        overwrite(&file(&folder), root_of(&file(&folder), "record"));
        Sqlite::open(&file(&folder)).unwrap().give_up();
        let (mut store, mended) = Sqlite::open_or_mend(&file(&folder), noon()).unwrap();
        assert!(mended.is_some());
        activate(&mut store, 1, "a");
        assert!(promises::sequence(&mut store) > records, "time {time}");
        assert!(told(&mut store, noon()) > messages, "time {time}");
        // Nor does it run away: the next one begins where the time of day is, some day.
        assert!(floor(&store) < records as i64 + 3 * copy::MOST_SENT, "time {time}");
    }
}

/// The pages below the root of a table, of which there are several (SQLite's file format, 1.6).
fn leaves(path: &Path, table: &str) -> Vec<u64> {
    let bytes = fs::read(path).unwrap();
    let page = &bytes[(root_of(path, table) as usize - 1) * 4_096..][..4_096];
    assert_eq!(page[0], 5, "an inner page");
    let number = |at: usize| u16::from_be_bytes([page[at], page[at + 1]]) as usize;
    let child = |at: usize| u32::from_be_bytes(page[at..at + 4].try_into().unwrap()).into();
    (0..number(3)).map(|cell| child(number(12 + 2 * cell))).chain([child(8)]).collect()
}

#[test]
fn sequences_are_read_from_both_ends_of_a_damaged_table() {
    for highest in [1, 400] {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let mut store = Sqlite::open(&path).unwrap();
        for number in 1..=400 {
            let (user, address) = (UserId::new(format!("u-{number}")), promises::address("a"));
            let effect = Effect::Activate { user, address };
            store.decide(&promises::decision(number, effect), noon()).unwrap();
        }
        let far = "UPDATE mailbox SET sequence = 2000000000000000 WHERE id = ?1";
        store.db.execute(far, [highest]).unwrap();
        drop(store);
        let all = leaves(&path, "mailbox");
        assert!(all.len() > 2, "{all:?}");
        overwrite(&path, all[all.len() / 2]);
        Sqlite::open(&path).unwrap().give_up();
        let (store, mended) = Sqlite::open_or_mend(&path, noon()).unwrap();
        assert!(mended.is_some());
        assert_eq!(floor(&store), 2_000_000_000_000_000 + copy::MOST_SENT, "row {highest}");
    }
}

#[test]
fn a_clock_that_went_back_takes_nothing_away_that_was_just_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    for seconds in [2_000, 3_000, 1_000] {
        fs::write(&path, "no database".repeat(900)).unwrap();
        let now = Time::from_ms(seconds * 1_000);
        let (_, mended) = Sqlite::open_or_mend(&path, now).unwrap();
        assert_eq!(mended.unwrap().aside, beside(&path, &format!(".damaged-{seconds}")));
        assert!(beside(&path, &format!(".damaged-{seconds}")).is_file());
    }
    assert_eq!(files(&folder, ".damaged-"), 2);
}
