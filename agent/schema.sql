
-- ---------------------------------------------------------------------------------------------------------------------
-- messaging: the outbox. Owner: agent/messaging/outbox.py. One row of outbox_state; it dies with the store, and with it
-- the epoch, so the centre sees that sequences begin anew.
CREATE TABLE IF NOT EXISTS outbox_state (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch       TEXT    NOT NULL,              -- UUIDv7
    starts      INTEGER NOT NULL DEFAULT 0,    -- starts of the uplink; the upper part of the session number
    last_a      INTEGER NOT NULL DEFAULT 0,    -- last sequence given out, per lane
    last_b      INTEGER NOT NULL DEFAULT 0,
    sent_a      INTEGER NOT NULL DEFAULT 0,    -- highest of lane a ever handed to a broker; no ack may exceed it
    confirmed_a INTEGER NOT NULL DEFAULT 0,    -- a PUBACK came for all of lane a up to here
    acked_a     INTEGER NOT NULL DEFAULT 0,    -- the centre has stored lane a up to here
    count_a     INTEGER NOT NULL DEFAULT 0,    -- rows waiting, per lane, and bytes of both: counting rows takes seconds
    count_b     INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    shed_first  INTEGER NOT NULL DEFAULT 0,    -- losses of lane b not yet told: bounds and number; 0: none
    shed_last   INTEGER NOT NULL DEFAULT 0,
    shed_untold INTEGER NOT NULL DEFAULT 0,
    shed_event  INTEGER NOT NULL DEFAULT 0,    -- lane a's sequence of the newest shed event; 0: none
    shed_count  INTEGER NOT NULL DEFAULT 0     -- events of lane b lost in this epoch
) STRICT;

CREATE TABLE IF NOT EXISTS outbox_event (
    id       INTEGER PRIMARY KEY,
    lane     TEXT    NOT NULL CHECK (lane IN ('a', 'b')),
    sequence INTEGER NOT NULL,
    topic    TEXT    NOT NULL,
    payload  BLOB    NOT NULL,
    wall_ns  INTEGER NOT NULL,
    UNIQUE (lane, sequence)
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------------
-- commands: the journal. Owner: agent/commands/journal.py.
CREATE TABLE IF NOT EXISTS command (
    jti              TEXT    PRIMARY KEY,       -- UUIDv7 of the request
    name             TEXT    NOT NULL,
    payload          BLOB    NOT NULL,          -- JSON of CommandPayload
    state            TEXT    NOT NULL,          -- an AnswerState
    answer           BLOB,                      -- JSON of the one final Answer
    received_wall_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS command_counter (    -- counters used within the window, per issuer
    iss TEXT    NOT NULL,
    ctr INTEGER NOT NULL,
    PRIMARY KEY (iss, ctr)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------------
-- recording: incidents and their stills. Owner: agent/recording/incidents.py.
CREATE TABLE IF NOT EXISTS incident (
    incident_id   TEXT    PRIMARY KEY,          -- UUIDv7
    camera        TEXT    NOT NULL,
    session       TEXT    NOT NULL,             -- of the vision process that tells it
    is_open       INTEGER NOT NULL,
    data          BLOB    NOT NULL,             -- JSON of the newest IncidentData
    begin_wall_ns INTEGER NOT NULL,
    has_still     INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS incident_open ON incident (is_open, session);
