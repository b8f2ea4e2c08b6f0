-- The node's store. Each section names the module that owns its tables; nobody else writes them. Times are ns since 1970
-- UTC. The store can be lost: the sections marked "rebuilt" come again from the segments and the ledger (agent/recording/
-- recovery.py); the others begin anew.

-- ---------------------------------------------------------------------------------------------------------------------
-- recording: the index, rebuilt from the segments. Owner: agent/recording/index.py.
CREATE TABLE IF NOT EXISTS segment (
    id            INTEGER PRIMARY KEY,         -- what the indexes hold of a row: its path would be ten times as long
    path          TEXT    NOT NULL UNIQUE,     -- relative to data_dir
    camera        TEXT    NOT NULL,
    boot          INTEGER NOT NULL,
    run           INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    end_wall_ns   INTEGER NOT NULL,            -- of an open segment: its start; the file alone knows more
    frames        INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'damaged', 'garbage')),
    duration_ns   INTEGER NOT NULL AS (end_wall_ns - start_wall_ns) VIRTUAL
) STRICT;
CREATE INDEX IF NOT EXISTS segment_time ON segment (camera, start_wall_ns);
-- The longest segment bounds how far before a span a lookup must begin.
CREATE INDEX IF NOT EXISTS segment_longest ON segment (camera, duration_ns);
CREATE INDEX IF NOT EXISTS segment_open ON segment (camera, start_wall_ns) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS segment_garbage ON segment (camera) WHERE state = 'garbage';
-- The order of recording, whatever the clock did: retention goes by it.
CREATE INDEX IF NOT EXISTS segment_order ON segment (camera, boot, run, n);

-- Segments that began while the clock was not synchronised, with the times of their files; `segment` has the corrected
-- ones. Owner: agent/recording/retiming.py.
CREATE TABLE IF NOT EXISTS segment_clock (
    path          TEXT    PRIMARY KEY,
    boot          INTEGER NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    start_mono_ns INTEGER NOT NULL,
    is_sure       INTEGER NOT NULL             -- re-timed, or by a clock in holdover
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segment_clock_boot ON segment_clock (boot, start_mono_ns);

-- ---------------------------------------------------------------------------------------------------------------------
-- recording: what the ledger says, rebuilt from it. Owner: agent/recording/evidence.py.
CREATE TABLE IF NOT EXISTS ledger_state (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    applied_seq INTEGER NOT NULL               -- records up to here are in the tables below and in `hold`
) STRICT;

CREATE TABLE IF NOT EXISTS mark (              -- a process began or ended
    seq     INTEGER PRIMARY KEY,               -- of the ledger's record
    kind    TEXT    NOT NULL,                  -- agent_started, agent_stopped, process_started, process_stopped
    process TEXT    NOT NULL,                  -- camera or vision; empty for the agent itself
    camera  TEXT    NOT NULL,                  -- empty for the agent and for vision
    boot    INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL,
    session TEXT    NOT NULL,
    last_alive_wall_ns INTEGER NOT NULL        -- of agent_started: the last sign of life before; 0: unknown
) STRICT;
CREATE INDEX IF NOT EXISTS mark_time ON mark (wall_ns);
CREATE INDEX IF NOT EXISTS mark_camera ON mark (camera, seq);

CREATE TABLE IF NOT EXISTS outage (            -- told by the camera process
    camera        TEXT    NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    end_wall_ns   INTEGER NOT NULL,            -- 0 while it lasts
    boot          INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    seq           INTEGER NOT NULL,            -- of the ledger's record that told it first
    PRIMARY KEY (camera, start_wall_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS expired (           -- footage that retention deleted; spans of a camera never touch
    camera        TEXT    NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    end_wall_ns   INTEGER NOT NULL,
    PRIMARY KEY (camera, start_wall_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS erased (            -- footage that a person had deleted
    seq           INTEGER PRIMARY KEY,         -- of the ledger's record
    camera        TEXT    NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    end_wall_ns   INTEGER NOT NULL,
    at_wall_ns    INTEGER NOT NULL,
    data          TEXT    NOT NULL             -- JSON of agent.recording.records.FootageErased
) STRICT;
CREATE INDEX IF NOT EXISTS erased_camera ON erased (camera, start_wall_ns);

CREATE TABLE IF NOT EXISTS clock_mark (        -- how the clock stood from here on; both times as it then showed them
    seq     INTEGER PRIMARY KEY,
    boot    INTEGER NOT NULL,
    mono_ns INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL,
    quality TEXT    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS clock_mark_boot ON clock_mark (boot, seq);

CREATE TABLE IF NOT EXISTS retiming (          -- of a boot, once its clock was known. Owner: retiming.py
    seq           INTEGER PRIMARY KEY,
    boot          INTEGER NOT NULL,
    from_mono_ns  INTEGER NOT NULL,
    until_mono_ns INTEGER NOT NULL,
    offset_ns     INTEGER NOT NULL             -- wall less monotonic time
) STRICT;
CREATE INDEX IF NOT EXISTS retiming_boot ON retiming (boot, seq);

CREATE TABLE IF NOT EXISTS retimed_label (     -- wall times that a boot told wrongly. Owner: retiming.py
    seq           INTEGER NOT NULL,
    boot          INTEGER NOT NULL,
    from_wall_ns  INTEGER NOT NULL,
    until_wall_ns INTEGER NOT NULL,
    shift_ns      INTEGER NOT NULL,
    PRIMARY KEY (boot, seq, from_wall_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS configured (        -- the cameras' spans of service; a camera has at most one open span
    camera        TEXT    NOT NULL,
    start_wall_ns INTEGER NOT NULL,
    end_wall_ns   INTEGER NOT NULL,            -- 0 while it is configured
    PRIMARY KEY (camera, start_wall_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS site (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    timezone TEXT NOT NULL,
    org      TEXT NOT NULL,
    site     TEXT NOT NULL,
    node     TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS policy (            -- what was to be recorded and kept, from here on. Owner: plans.py
    seq     INTEGER PRIMARY KEY,               -- of the ledger's record
    boot    INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL,
    data    TEXT    NOT NULL                   -- JSON of agent.recording.policy.Policy
) STRICT;

CREATE TABLE IF NOT EXISTS alive (             -- not rebuilt: the node's last sign of life, written each minute or so
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    boot     INTEGER NOT NULL,
    wall_ns  INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------------
-- recording: holds, rebuilt from the ledger. Owner: agent/recording/holds.py.
CREATE TABLE IF NOT EXISTS hold (
    hold_id         TEXT    PRIMARY KEY,       -- an incident's id, or a UUIDv7
    kind            TEXT    NOT NULL CHECK (kind IN ('incident', 'staff')),
    camera          TEXT    NOT NULL,
    start_wall_ns   INTEGER NOT NULL,
    end_wall_ns     INTEGER NOT NULL,
    made_wall_ns    INTEGER NOT NULL,
    expires_wall_ns INTEGER NOT NULL,          -- 0: never by itself
    reference       TEXT    NOT NULL,          -- the incident or the case, for people
    actor           TEXT    NOT NULL,          -- of a staff hold: who, why, and who looks at it again
    reason          TEXT    NOT NULL,
    reviewer        TEXT    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS hold_time ON hold (camera, start_wall_ns);

-- ---------------------------------------------------------------------------------------------------------------------
-- recording: up to which run the holes before it were told to the centre. Not rebuilt: a new epoch begins anew. Owner:
-- agent/recording/holes.py.
CREATE TABLE IF NOT EXISTS hole_told (
    camera  TEXT    PRIMARY KEY,
    boot    INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL                   -- when that run began
) STRICT, WITHOUT ROWID;

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

CREATE TABLE IF NOT EXISTS command_attempt (    -- how often an unfinished command was begun
    jti      TEXT    PRIMARY KEY,
    attempts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS command_job (        -- how far an unfinished long command has got
    jti  TEXT PRIMARY KEY,
    data BLOB NOT NULL                          -- JSON of clipjob.ClipJob or sheet.SheetJob
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS command_store (      -- owner: agent/commands/storemark.py
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
    id             TEXT    NOT NULL,            -- stands in a file outside the store as well
    is_lost        INTEGER NOT NULL,            -- another store was used before this one
    reborn_wall_ns INTEGER NOT NULL             -- commands signed until then are not obeyed; 0: no sure clock yet
) STRICT;

CREATE TABLE IF NOT EXISTS command_counter (    -- counters used within the window, per issuer
    iss TEXT    NOT NULL,                       -- the actor whose signature held, and the issuer it names
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

-- ---------------------------------------------------------------------------------------------------------------------
-- keeper: how far each process's notices are stored, so that one that comes twice changes nothing. Owner:
-- agent/processes/keeper.py.
CREATE TABLE IF NOT EXISTS told (
    process TEXT    NOT NULL,
    camera  TEXT    NOT NULL,
    session TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (process, camera)
) STRICT;
