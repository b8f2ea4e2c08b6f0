"""The `policy` table: what was to be recorded and kept, and since when. Part of agent.recording.evidence.

Functions run on the thread that owns the connection; `apply` within the caller's transaction.
"""

from __future__ import annotations

import sqlite3

import msgspec

from agent.ledger import LedgerRecord
from agent.recording.policy import InForce, Policy, left_out
from agent.recording.records import Configured
from agent.units import WallSpan

_decoder = msgspec.json.Decoder(Policy)


def apply(conn: sqlite3.Connection, record: LedgerRecord, data: Configured) -> None:
    """One row a change: a node that starts with what it had adds none."""
    if data.policy is None:
        return
    text = msgspec.json.encode(data.policy).decode()
    last = conn.execute("SELECT data FROM policy ORDER BY seq DESC LIMIT 1").fetchone()
    if last is None or last[0] != text:
        conn.execute(
            "INSERT INTO policy (seq, boot, wall_ns, data) VALUES (?, ?, ?, ?)",
            (record.seq, record.boot, record.wall_ns, text),
        )


def current(conn: sqlite3.Connection) -> Policy | None:
    """What the node was last told; None of a ring whose node never wrote it down."""
    row = conn.execute("SELECT data FROM policy ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else _decoder.decode(row[0])


def left_out_of(conn: sqlite3.Connection, camera: str, span: WallSpan) -> tuple[WallSpan, ...]:
    """The times of `span` that the hours of this camera left out."""
    rows = conn.execute("SELECT wall_ns, data FROM policy ORDER BY seq")
    return left_out([InForce(wall_ns, _decoder.decode(data)) for wall_ns, data in rows], camera, span)
