-- The office's register. Each section names the module of agent/authority that writes it. Times are seconds since 1970
-- UTC. Nothing here is a secret but the claims, and of those only the hash is kept; private keys are files (keys.py).

-- ---------------------------------------------------------------------------------------------------------------------
-- What the office was set up with. Owner: office.py.
CREATE TABLE IF NOT EXISTS setting (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    enrol_url  TEXT NOT NULL,
    broker_url TEXT NOT NULL,
    timezone   TEXT NOT NULL
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who owns what stands where. Owner: sites.py.
CREATE TABLE IF NOT EXISTS organisation (
    org  TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS site (
    site     TEXT    PRIMARY KEY,              -- of one organisation only, so that a site's id alone names it
    org      TEXT    NOT NULL REFERENCES organisation,
    district TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    lat      REAL,
    lon      REAL,
    revision INTEGER NOT NULL DEFAULT 0        -- of the last grant made for this site; never falls
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS site_org ON site (org, district, site);

CREATE TABLE IF NOT EXISTS camera (
    site           TEXT    NOT NULL REFERENCES site,
    camera         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    purpose        TEXT    NOT NULL,
    retention_days INTEGER,                    -- footage older than this is deleted; null: the product's default
    PRIMARY KEY (site, camera)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Work orders and their claims, each used once. Owner: orders.py.
CREATE TABLE IF NOT EXISTS work_order (
    id           TEXT    PRIMARY KEY,
    site         TEXT    NOT NULL REFERENCES site,
    claim_sha256 TEXT    NOT NULL UNIQUE,
    iat_s        INTEGER NOT NULL,
    exp_s        INTEGER NOT NULL,
    spki_sha256  TEXT,                         -- the expected key; null: any key waits for approval
    replaces     TEXT REFERENCES node,
    used_by      TEXT REFERENCES node,         -- set once, in the transaction that stores the certificate
    used_s       INTEGER,
    withdrawn_s  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS work_order_site ON work_order (site, iat_s);

CREATE TABLE IF NOT EXISTS applicant (         -- a key that asked with an order which names none
    id          TEXT    NOT NULL REFERENCES work_order,
    node        TEXT    NOT NULL,
    spki_sha256 TEXT    NOT NULL,
    asked_s     INTEGER NOT NULL,              -- first asked; within the order's life, or there is no row
    hardware    TEXT    NOT NULL,
    software    TEXT    NOT NULL,
    approval    TEXT    NOT NULL CHECK (approval IN ('waiting', 'approved', 'denied')),
    decided_s   INTEGER,
    PRIMARY KEY (id, node)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Nodes, their certificates, revocations. Owner: nodes.py.
CREATE TABLE IF NOT EXISTS node (
    node        TEXT    PRIMARY KEY,           -- follows from the key, so a node that moves or is reset is a new one
    site        TEXT    NOT NULL REFERENCES site,
    spki_sha256 TEXT    NOT NULL UNIQUE,
    kid         TEXT    NOT NULL UNIQUE,
    public_pem  TEXT    NOT NULL,
    since_s     INTEGER NOT NULL,
    replaces    TEXT REFERENCES node
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS node_site ON node (site, since_s);

CREATE TABLE IF NOT EXISTS certificate (
    serial      TEXT    PRIMARY KEY,           -- hex, lower case
    node        TEXT    NOT NULL REFERENCES node,
    id          TEXT    NOT NULL REFERENCES work_order,
    revision    INTEGER NOT NULL,
    issued_s    INTEGER NOT NULL,
    not_after_s INTEGER NOT NULL,
    grant_text  TEXT    NOT NULL               -- the compact JWS with the certificate in it
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS certificate_node ON certificate (node, revision);

CREATE TABLE IF NOT EXISTS revocation (
    node      TEXT    PRIMARY KEY REFERENCES node,
    revoked_s INTEGER NOT NULL,
    reason    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Clients of the broker that are no nodes. Owner: members.py.
CREATE TABLE IF NOT EXISTS member (
    name TEXT PRIMARY KEY,                     -- its certificate's common name and its client id
    role TEXT NOT NULL CHECK (role IN ('receiver', 'desk', 'partner')),
    org  TEXT NOT NULL                         -- of a partner: whose sites it hears; else empty
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS member_site (       -- of a partner that hears some sites only
    name TEXT NOT NULL REFERENCES member,
    site TEXT NOT NULL REFERENCES site,
    PRIMARY KEY (name, site)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------------------------------------------------
-- Acceptance reports whose signature was verified. Owner: acceptances.py.
CREATE TABLE IF NOT EXISTS acceptance (
    sha256     TEXT    PRIMARY KEY,            -- of the report's compact JWS
    node       TEXT    NOT NULL REFERENCES node,
    received_s INTEGER NOT NULL,
    report     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
