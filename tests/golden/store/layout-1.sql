-- A store as the program of layout 1 made it.
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
    key_day     INTEGER
) STRICT;
CREATE TABLE record (
    mailbox INTEGER NOT NULL REFERENCES mailbox(id),
    key     TEXT NOT NULL,
    item    BLOB NOT NULL,
    series  BLOB NOT NULL,
    version BLOB NOT NULL,
    digest  BLOB NOT NULL,
    PRIMARY KEY (mailbox, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    row      INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox  INTEGER NOT NULL REFERENCES mailbox(id),
    key      TEXT,
    kind     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    data     TEXT NOT NULL
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
INSERT INTO mailbox (id, user, active, generation, address, cursor, window_from, window_to, resend,
    sequence, resource, key, key_day)
VALUES (1, 'ada', 1, 3, x'0a0b', x'0c0d', 1799366400000, 1802822400000, 0, 1800000000000104,
        'kms://kms.example/resources/1', 'kms://kms.example/keys/1', 1799971200000),
       (2, 'bob', 1, 1, x'0e0f', x'1011', 1799366400000, 1802822400000, 0, 1800000000000201,
        NULL, NULL, NULL),
       (3, 'eve', 0, 2, NULL, NULL, NULL, NULL, 0, 1800000000000302, NULL, NULL, NULL);
INSERT INTO record (mailbox, key, item, series, version, digest)
VALUES (1, 'a', zeroblob(16), zeroblob(16), zeroblob(16), zeroblob(16)),
       (1, 'b', zeroblob(16), zeroblob(16), zeroblob(16), zeroblob(16)),
       (2, 'c', zeroblob(16), zeroblob(16), zeroblob(16), zeroblob(16));
INSERT INTO outbox (row, mailbox, key, kind, sequence, time, data)
VALUES (7, 1, 'b', 2, 1800000000000104, 1800000000000, '{"waits":1}'),
       (9, 2, 'c', 1, 1800000000000201, 1800000000500, '{"waits":2}');
INSERT INTO aside (row, mailbox, key, kind, sequence, time, data, reason)
VALUES (5, 1, 'a', 1, 1800000000000103, 1800000000000, '{"aside":1}', 'too large');
INSERT INTO command (id, sequence, refused) VALUES ('c-1', 11, NULL), ('c-2', 12, 'not-active');
PRAGMA user_version = 1;
