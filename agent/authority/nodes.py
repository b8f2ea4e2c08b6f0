"""Nodes, the keys that wait to become one, certificates and revocations in the register."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from agent.authority.records import AclNode, Applicant, Approval, NodeRecord

_NODES = """
SELECT n.*, s.org, r.revoked_s, r.reason, c.serial, c.not_after_s,
       (SELECT max(a.received_s) FROM acceptance a WHERE a.node = n.node) AS accepted_s
FROM node n JOIN site s USING (site) LEFT JOIN revocation r USING (node)
JOIN certificate c ON c.node = n.node AND c.revision = (SELECT max(revision) FROM certificate WHERE node = n.node)
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was made, with the grant that carries it."""

    serial: str
    node: str
    order: str
    revision: int
    issued_s: int
    not_after_s: int
    grant: str


@dataclass(frozen=True, slots=True)
class RevokedSerial:
    serial: str
    revoked_s: int


def node_records(conn: sqlite3.Connection) -> list[NodeRecord]:
    return [_node(row) for row in conn.execute(f"{_NODES} ORDER BY s.org, n.site, n.since_s, n.node")]


def find_node(conn: sqlite3.Connection, node: str) -> NodeRecord | None:
    row = conn.execute(f"{_NODES} WHERE n.node = ?", (node,)).fetchone()
    return None if row is None else _node(row)


def find_node_of_key(conn: sqlite3.Connection, kid: str) -> NodeRecord | None:
    """By the thumbprint that names its key in signed documents."""
    row = conn.execute(f"{_NODES} WHERE n.kid = ?", (kid,)).fetchone()
    return None if row is None else _node(row)


def occupant(conn: sqlite3.Connection, site: str) -> str | None:
    """The node in force at the site."""
    query = "SELECT node FROM node WHERE site = ? AND node NOT IN (SELECT node FROM revocation)"
    row = conn.execute(query, (site,)).fetchone()
    return None if row is None else str(row["node"])


def last_node(conn: sqlite3.Connection, site: str) -> str | None:
    """The node that had papers for the site last, in force or not."""
    row = conn.execute("SELECT node FROM node WHERE site = ? ORDER BY since_s DESC, node LIMIT 1", (site,)).fetchone()
    return None if row is None else str(row["node"])


def put_node(conn: sqlite3.Connection, node: NodeRecord) -> None:
    """A node that is there keeps what it has."""
    conn.execute(
        "INSERT OR IGNORE INTO node VALUES (?, ?, ?, ?, ?, ?, ?)",
        (node.node, node.site, node.spki_sha256, node.kid, node.public_pem, node.since_s, node.replaces),
    )


def next_revision(conn: sqlite3.Connection, site: str) -> int:
    query = "UPDATE site SET revision = revision + 1 WHERE site = ? RETURNING revision"
    # fetchall: an UPDATE … RETURNING that is not read to its end is not carried out.
    return int(conn.execute(query, (site,)).fetchall()[0]["revision"])


def store_certificate(conn: sqlite3.Connection, issued: Issued) -> None:
    conn.execute(
        "INSERT INTO certificate VALUES (?, ?, ?, ?, ?, ?, ?)",
        (issued.serial, issued.node, issued.order, issued.revision, issued.issued_s, issued.not_after_s, issued.grant),
    )


def newest_certificate(conn: sqlite3.Connection, node: str) -> Issued | None:
    query = "SELECT * FROM certificate WHERE node = ? ORDER BY revision DESC LIMIT 1"
    row = conn.execute(query, (node,)).fetchone()
    return None if row is None else _issued(row)


def has_serial(conn: sqlite3.Connection, node: str, serial: str) -> bool:
    query = "SELECT 1 FROM certificate WHERE node = ? AND serial = ?"
    return conn.execute(query, (node, serial)).fetchone() is not None


def revoke(conn: sqlite3.Connection, node: str, reason: str, *, now_s: int) -> None:
    """From now on none of its certificates is good. The first revocation stands."""
    conn.execute("INSERT OR IGNORE INTO revocation VALUES (?, ?, ?)", (node, now_s, reason))


def revoked_serials(conn: sqlite3.Connection, org: str, *, now_s: int) -> list[RevokedSerial]:
    """What a revocation list must name; certificates that have run out need no naming (RFC 5280, 5)."""
    query = """
        SELECT c.serial, r.revoked_s FROM certificate c JOIN revocation r USING (node) JOIN node n USING (node)
        JOIN site s USING (site) WHERE s.org = ? AND c.not_after_s > ? ORDER BY c.serial
    """
    return [RevokedSerial(row["serial"], row["revoked_s"]) for row in conn.execute(query, (org, now_s))]


def acl_nodes(conn: sqlite3.Connection) -> list[AclNode]:
    return [AclNode(each.org, each.site, each.node, each.is_revoked) for each in node_records(conn)]


_APPLICANTS = "SELECT a.*, w.site, s.org FROM applicant a JOIN work_order w USING (id) JOIN site s USING (site)"


def applicants(conn: sqlite3.Connection) -> list[Applicant]:
    """All that ever asked, newest first."""
    return [_applicant(row) for row in conn.execute(f"{_APPLICANTS} ORDER BY a.asked_s DESC, a.node")]


def applicants_of(conn: sqlite3.Connection, order: str) -> list[Applicant]:
    return [_applicant(row) for row in conn.execute(f"{_APPLICANTS} WHERE a.id = ?", (order,))]


def put_applicant(conn: sqlite3.Connection, applicant: Applicant) -> None:
    """Asking again changes nothing."""
    conn.execute(
        "INSERT OR IGNORE INTO applicant VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            applicant.order,
            applicant.node,
            applicant.spki_sha256,
            applicant.asked_s,
            applicant.hardware,
            applicant.software,
            applicant.approval,
        ),
    )


def decide_applicant(conn: sqlite3.Connection, applicant: Applicant, approval: Approval, *, now_s: int) -> None:
    conn.execute(
        "UPDATE applicant SET approval = ?, decided_s = ? WHERE id = ? AND node = ?",
        (approval, now_s, applicant.order, applicant.node),
    )


def _node(row: sqlite3.Row) -> NodeRecord:
    return NodeRecord(
        node=row["node"],
        org=row["org"],
        site=row["site"],
        spki_sha256=row["spki_sha256"],
        kid=row["kid"],
        public_pem=row["public_pem"],
        since_s=row["since_s"],
        serial=row["serial"],
        not_after_s=row["not_after_s"],
        replaces=row["replaces"],
        revoked_s=row["revoked_s"],
        revoked_reason=row["reason"] or "",
        accepted_s=row["accepted_s"],
    )


def _issued(row: sqlite3.Row) -> Issued:
    return Issued(
        serial=row["serial"],
        node=row["node"],
        order=row["id"],
        revision=row["revision"],
        issued_s=row["issued_s"],
        not_after_s=row["not_after_s"],
        grant=row["grant_text"],
    )


def _applicant(row: sqlite3.Row) -> Applicant:
    return Applicant(
        order=row["id"],
        org=row["org"],
        site=row["site"],
        node=row["node"],
        spki_sha256=row["spki_sha256"],
        asked_s=row["asked_s"],
        hardware=row["hardware"],
        software=row["software"],
        approval=Approval(row["approval"]),
    )
