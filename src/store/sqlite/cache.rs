//! How much memory the store's file is read through: the more of it there is, the more.

use rusqlite::Connection;

/// What a small store gets, in KiB.
const LEAST_KIB: i64 = 1_024;

/// What a store of 50,000 mailboxes gets, in KiB: the pages of its index, not its rows.
const MOST_KIB: i64 = 16 * 1024;

/// Writes after which the size of the file is looked at again.
const LOOK_EVERY: u32 = 64;

/// The cache of one connection: a quarter of the file.
#[derive(Debug)]
pub(super) struct Cache {
    kib: i64,
    unseen: u32,
}

impl Cache {
    /// Before the file is looked at the first time.
    pub(super) fn new() -> Self {
        Self { kib: 0, unseen: LOOK_EVERY }
    }

    /// Something was written, or the file was just opened.
    pub(super) fn follow(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.unseen += 1;
        if self.unseen < LOOK_EVERY {
            return Ok(());
        }
        self.unseen = 0;
        // Pages have 4 KiB, so a quarter of the file has as many KiB as there are pages.
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let kib = pages.clamp(LEAST_KIB, MOST_KIB);
        // A step at a time, so that it is not set anew with every page.
        if self.kib == 0 || kib >= self.kib + self.kib / 4 || kib < self.kib / 2 {
            db.pragma_update(None, "cache_size", -kib)?;
            self.kib = kib;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(db: &Connection) -> i64 {
        db.pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_small_store_takes_little_memory_and_a_large_one_is_not_read_from_the_disk_again() {
        let db = Connection::open_in_memory().unwrap();
        let mut cache = Cache::new();
        cache.follow(&db).unwrap();
        assert_eq!(size(&db), -LEAST_KIB);
        db.execute_batch(
            "CREATE TABLE filler (text BLOB);
             INSERT INTO filler SELECT zeroblob(4000) FROM
                 (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                  SELECT i FROM n)",
        )
        .unwrap();
        for _ in 1..LOOK_EVERY {
            cache.follow(&db).unwrap();
        }
        assert_eq!(size(&db), -LEAST_KIB, "it is looked at now and then");
        cache.follow(&db).unwrap();
        assert!((-MOST_KIB..-2_999).contains(&size(&db)), "{}", size(&db));
    }
}
