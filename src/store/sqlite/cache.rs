//! How much memory the store's file is read through: the more of it there is, the more.

use rusqlite::Connection;

/// What a small store gets, in KiB.
const LEAST_KIB: i64 = 1_024;

/// What a store of 50,000 mailboxes gets, in KiB: the pages of its index, not its rows.
const MOST_KIB: i64 = 16 * 1024;

/// What an event needs that waits for the cloud, in KiB: its own page mostly, and those of the
/// indexes that lead to it.
const WAITING_KIB: i64 = 6;

/// Writes after which the size of the file is looked at again.
const LOOK_EVERY: u32 = 64;

/// The cache of one connection: a quarter of the file, and what waits for the cloud. That is
/// written, read and deleted within moments, and a transaction that is larger than the cache is
/// written twice.
#[derive(Debug)]
pub(super) struct Cache {
    kib: i64,
    pages: i64,
    waiting: u64,
    unseen: u32,
}

impl Cache {
    /// Before the file is looked at the first time.
    pub(super) fn new() -> Self {
        Self { kib: 0, pages: 0, waiting: 0, unseen: LOOK_EVERY }
    }

    /// So many events are about to be written.
    pub(super) fn expect(&mut self, db: &Connection, events: usize) -> rusqlite::Result<()> {
        let more = u64::try_from(events).unwrap_or(u64::MAX);
        self.fit(db, self.waiting.saturating_add(more))
    }

    /// Something was written, or the file was just opened; so many events wait for the cloud.
    pub(super) fn follow(&mut self, db: &Connection, waiting: u64) -> rusqlite::Result<()> {
        self.waiting = waiting;
        self.unseen += 1;
        if self.unseen >= LOOK_EVERY {
            self.unseen = 0;
            // Pages have 4 KiB, so a quarter of the file has as many KiB as there are pages.
            self.pages = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
        }
        self.fit(db, waiting)
    }

    fn fit(&mut self, db: &Connection, waiting: u64) -> rusqlite::Result<()> {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX).saturating_mul(WAITING_KIB);
        let kib = self.pages.saturating_add(waiting).clamp(LEAST_KIB, MOST_KIB);
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
        cache.follow(&db, 0).unwrap();
        assert_eq!(size(&db), -LEAST_KIB);
        db.execute_batch(
            "CREATE TABLE filler (text BLOB);
             INSERT INTO filler SELECT zeroblob(4000) FROM
                 (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                  SELECT i FROM n)",
        )
        .unwrap();
        for _ in 1..LOOK_EVERY {
            cache.follow(&db, 0).unwrap();
        }
        assert_eq!(size(&db), -LEAST_KIB, "it is looked at now and then");
        cache.follow(&db, 0).unwrap();
        assert!((-MOST_KIB..-2_999).contains(&size(&db)), "{}", size(&db));
    }

    #[test]
    fn what_waits_for_the_cloud_is_kept_at_hand_and_given_back_with_it() {
        let db = Connection::open_in_memory().unwrap();
        let mut cache = Cache::new();
        cache.follow(&db, 0).unwrap();
        cache.expect(&db, 1_000).unwrap();
        assert_eq!(size(&db), -1_000 * WAITING_KIB, "before it is written, and not after 64 times");
        cache.follow(&db, 1_000).unwrap();
        cache.expect(&db, 1_000_000).unwrap();
        assert_eq!(size(&db), -MOST_KIB);
        cache.follow(&db, 0).unwrap();
        assert_eq!(size(&db), -LEAST_KIB);
        cache.expect(&db, 1).unwrap();
        assert_eq!(size(&db), -LEAST_KIB, "a single edit changes nothing");
    }
}
