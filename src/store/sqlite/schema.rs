//! The layout of the file, and how a file of an older one becomes of this one.

use rusqlite::Transaction;

/// The layout that this version writes. A store of a newer one is refused.
pub const SCHEMA_VERSION: i64 = 5;

const SCHEMA: &str = "
    CREATE TABLE mailbox (
        id          INTEGER PRIMARY KEY,
        user        TEXT NOT NULL UNIQUE,
        active      INTEGER NOT NULL,
        generation  INTEGER NOT NULL,
        address     BLOB,
        cursor      BLOB,
        window_from INTEGER,
        window_to   INTEGER,
        resend      INTEGER NOT NULL,
        sequence    INTEGER NOT NULL,
        resource    TEXT,
        key         TEXT,
        key_day     INTEGER,
        messages    INTEGER NOT NULL DEFAULT 0,
        presence    BLOB,
        state       BLOB,
        changed     INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE record (
        mailbox INTEGER NOT NULL REFERENCES mailbox(id),
        key     TEXT NOT NULL,
        item    BLOB NOT NULL,
        series  BLOB NOT NULL,
        version BLOB NOT NULL,
        digest  BLOB NOT NULL,
        asked   BLOB,
        PRIMARY KEY (mailbox, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_of_item ON record (mailbox, item);
    CREATE INDEX record_of_series ON record (mailbox, series);
    CREATE INDEX record_that_asks ON record (mailbox) WHERE asked IS NOT NULL;
    CREATE TABLE outbox (
        row      INTEGER PRIMARY KEY AUTOINCREMENT,
        mailbox  INTEGER NOT NULL REFERENCES mailbox(id),
        key      TEXT,
        kind     INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        time     INTEGER NOT NULL,
        data     TEXT NOT NULL,
        trace    BLOB
    ) STRICT;
    CREATE INDEX outbox_of_record ON outbox (mailbox, key);
    CREATE TABLE aside (
        row      INTEGER PRIMARY KEY,
        mailbox  INTEGER NOT NULL REFERENCES mailbox(id),
        key      TEXT,
        kind     INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        time     INTEGER NOT NULL,
        data     TEXT NOT NULL,
        reason   TEXT NOT NULL
    ) STRICT;
    CREATE INDEX aside_of_record ON aside (mailbox, key);
    CREATE TABLE command (
        id       TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        refused  TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX command_by_sequence ON command (sequence);
";

/// What commands began in Exchange and is not done.
const ERRANDS: &str = "
    CREATE TABLE errand (
        row     INTEGER PRIMARY KEY AUTOINCREMENT,
        id      TEXT NOT NULL UNIQUE,
        mailbox INTEGER NOT NULL REFERENCES mailbox(id),
        kind    INTEGER NOT NULL,
        stage   INTEGER NOT NULL,
        body    BLOB NOT NULL,
        born    INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX errand_of_mailbox ON errand (mailbox);
";

/// What version 1 did not have. Its tags were made in another way, so its index is of no use: each
/// mailbox is read anew and everything sent again, with sequences that go on.
const FROM_1: &str = "
    DELETE FROM record;
    CREATE INDEX record_of_item ON record (mailbox, item);
    CREATE INDEX record_of_series ON record (mailbox, series);
    UPDATE mailbox SET window_from = NULL, window_to = NULL, resend = 1,
        generation = generation + 1 WHERE active = 1;
";

/// What version 2 did not have: what the cloud was told of a user beside the records.
const FROM_2: &str = "
    ALTER TABLE mailbox ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE mailbox ADD COLUMN presence BLOB;
    ALTER TABLE mailbox ADD COLUMN state BLOB;
";

/// What version 3 did not have: what a record asks for. Few of them do.
const FROM_3: &str = "
    ALTER TABLE record ADD COLUMN asked BLOB;
    CREATE INDEX record_that_asks ON record (mailbox) WHERE asked IS NOT NULL;
";

/// What version 4 did not have: when something of a mailbox was last sent, and what an event
/// belongs to, for the journal.
const FROM_4: &str = "
    ALTER TABLE mailbox ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE outbox ADD COLUMN trace BLOB;
";

/// Makes the tables.
pub(super) fn create(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(SCHEMA)?;
    tx.execute_batch(ERRANDS)
}

/// Takes a file of version 1 over.
pub(super) fn from_1(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(FROM_1)?;
    from_2(tx)
}

/// Takes a file of version 2 over.
pub(super) fn from_2(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(FROM_2)?;
    tx.execute_batch(ERRANDS)?;
    from_3(tx)
}

/// Takes a file of version 3 over.
pub(super) fn from_3(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(FROM_3)?;
    from_4(tx)
}

/// Takes a file of version 4 over.
pub(super) fn from_4(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(FROM_4)
}
