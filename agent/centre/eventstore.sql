-- What a centre has received. Owner: agent/centre/eventstore.py. Times are ns since 1970 UTC, by the centre's clock.
-- `source` is a node's URN, which `source` of its events says as well.

CREATE TABLE IF NOT EXISTS event (
    number      INTEGER PRIMARY KEY,           -- in the order of storing
    source      TEXT    NOT NULL,
    epoch       TEXT    NOT NULL,
    lane        TEXT    NOT NULL CHECK (lane IN ('a', 'b')),
    sequence    INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    received_ns INTEGER NOT NULL,
    payload     BLOB    NOT NULL,              -- the envelope, byte for byte
    UNIQUE (source, epoch, lane, sequence),
    UNIQUE (source, id)
) STRICT;

-- Numbers of a lane that are accounted for without an event: 'lost' the node keeps them no more, 'shed' it told that it
-- dropped them, 'repeated' their event came under another number.
CREATE TABLE IF NOT EXISTS accounted (
    source TEXT    NOT NULL,
    epoch  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    reason TEXT    NOT NULL CHECK (reason IN ('lost', 'shed', 'repeated')),
    PRIMARY KEY (source, epoch, lane, first, last)
) STRICT, WITHOUT ROWID;

-- Everything up to `whole` is accounted for, so that a start reads only what lies beyond.
CREATE TABLE IF NOT EXISTS lane (
    source TEXT    NOT NULL,
    epoch  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    whole  INTEGER NOT NULL,
    PRIMARY KEY (source, epoch, lane)
) STRICT, WITHOUT ROWID;

-- The epoch that a node counts in now: an `ack` for another one is refused by the node and alarms.
CREATE TABLE IF NOT EXISTS node (
    source TEXT PRIMARY KEY,
    epoch  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What an ack on the broker promised for lane a, perhaps by a store before this one: nodes have deleted up to there.
CREATE TABLE IF NOT EXISTS former (
    source TEXT    NOT NULL,
    epoch  TEXT    NOT NULL,
    up_to  INTEGER NOT NULL,
    PRIMARY KEY (source, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS fact (
    topic       TEXT    PRIMARY KEY,
    source      TEXT    NOT NULL,
    received_ns INTEGER NOT NULL,
    payload     BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS misfit (
    number      INTEGER PRIMARY KEY,
    topic       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    received_ns INTEGER NOT NULL,
    payload     BLOB    NOT NULL
) STRICT;

-- Requests to nodes and their answers. Owner: agent/centre/requestbook.py. `asked_ns` is null where only the answer was
-- seen, `answered_ns` before the first word.
CREATE TABLE IF NOT EXISTS request (
    source      TEXT    NOT NULL,
    jti         TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    actor       TEXT    NOT NULL DEFAULT '',
    role        TEXT    NOT NULL DEFAULT '',
    purpose     TEXT    NOT NULL DEFAULT '',
    case_ref    TEXT    NOT NULL DEFAULT '',
    camera      TEXT    NOT NULL DEFAULT '',
    start       TEXT    NOT NULL DEFAULT '',
    stop        TEXT    NOT NULL DEFAULT '',
    asked_ns    INTEGER,
    answered_ns INTEGER,
    outcome     TEXT    NOT NULL,
    progress    REAL,
    reason      TEXT    NOT NULL DEFAULT '',
    message     TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (source, jti)
) STRICT, WITHOUT ROWID;
