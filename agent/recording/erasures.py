"""The `erased` table: what people had deleted, by whom and what for. Filled from the ledger alone.

Part of agent.recording.evidence. Functions run on the thread that owns the connection; writes belong to the caller's
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from agent.ledger import LedgerRecord
from agent.recording import retiming
from agent.recording.gaps import Erased
from agent.recording.records import FootageErased
from agent.units import WallSpan, format_rfc3339

_decoder = msgspec.json.Decoder(FootageErased)


@dataclass(frozen=True, slots=True)
class ErasedRow:
    """One record, with its times as they are known now."""

    seq: int
    span: WallSpan
    at_wall_ns: int
    data: FootageErased

    @property
    def words(self) -> str:
        """For people: when, by whom, what for."""
        case = f", case {self.data.case_ref}" if self.data.case_ref else ""
        return f"erased at {format_rfc3339(self.at_wall_ns)} by {self.data.actor} for {self.data.purpose}{case}"


def apply(conn: sqlite3.Connection, record: LedgerRecord, data: FootageErased) -> None:
    """A record of the ledger, its times set right where its boot's clock was wrong."""
    labels = retiming.labels_of(conn, record.boot)
    start_ns, end_ns, at_ns = (
        retiming.true_label(each, labels) for each in (data.start_wall_ns, data.end_wall_ns, record.wall_ns)
    )
    conn.execute(
        "INSERT OR REPLACE INTO erased (seq, camera, start_wall_ns, end_wall_ns, at_wall_ns, data)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (record.seq, data.camera, start_ns, end_ns, at_ns, msgspec.json.encode(data).decode()),
    )


def rows(conn: sqlite3.Connection, camera: str = "", span: WallSpan | None = None) -> list[ErasedRow]:
    """All records, or those of one camera, or those of it that touch a span; in the order of erasing."""
    found = conn.execute(
        "SELECT seq, start_wall_ns, end_wall_ns, at_wall_ns, data FROM erased WHERE (?1 = '' OR camera = ?1)"
        " AND start_wall_ns < ?3 AND end_wall_ns > ?2 ORDER BY seq",
        (camera, span.start_ns if span else -1, span.end_ns if span else 1 << 62),
    )
    return [ErasedRow(seq, WallSpan(start, end), at, _decoder.decode(data)) for seq, start, end, at, data in found]


def of_request(conn: sqlite3.Connection, request: str) -> list[ErasedRow]:
    """What was erased for one request."""
    return [row for row in rows(conn) if row.data.request == request]


def told(conn: sqlite3.Connection, camera: str, span: WallSpan) -> Sequence[Erased]:
    """For the account of gaps: erased footage, not spans of which only stills were left."""
    return tuple(Erased(row.span, row.words) for row in rows(conn, camera, span) if row.data.segments)
