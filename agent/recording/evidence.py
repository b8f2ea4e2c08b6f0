"""What the ledger says of outages, processes, expired footage and service, kept in the store for quick answers.

Every fact goes through `note`: ledger first, then these tables, in the caller's transaction. A record that reached the
ledger but not the store (a crash, a rollback) is applied later, in its order. Functions run on the thread that owns the
connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import StoreError
from agent.ledger import Ledger, LedgerRecord, read_ledger
from agent.recording import erasures, holds, plans, relabel, retiming
from agent.recording.clockwatch import ClockLook
from agent.recording.gaps import Evidence, GapReason, Outage
from agent.recording.marks import Mark, MarkKind
from agent.recording.records import (
    AgentStarted,
    AgentStopped,
    ClockMarked,
    Configured,
    FootageErased,
    FootageExpired,
    HoldMade,
    HoldReleased,
    OutageTold,
    ProcessStarted,
    ProcessStopped,
    Record,
    Retimed,
    decode_record,
    type_of,
)
from agent.store import REBUILT
from agent.units import NS_PER_MS, WallSpan

DEFAULT_TIMEZONE = "Asia/Bangkok"
# The duration of a segment's last frame is a guess, so deleted neighbours may stand a few frames apart.
_TOUCH_NS = 250 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Site:
    """Whose ring this is, as last configured."""

    timezone: str = DEFAULT_TIMEZONE
    org: str = ""
    site: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Whether the node runs at the moment of asking, and whether this is the boot of the newest footage."""

    is_agent_running: bool
    is_same_boot: bool


def note(conn: sqlite3.Connection, ledger: Ledger, *records: Record) -> None:
    """Write facts to the ledger and to the store, inside the caller's transaction.

    After a rollback the facts still stand in the ledger and come into the store with the next note. Raises StoreError
    outside a transaction, DiskError when the ledger cannot be written.
    """
    if not conn.in_transaction:
        raise StoreError(table="ledger_state", remedy="note facts within the transaction of what they belong to")
    written = ledger.append_many([(type_of(record).value, record) for record in records])
    if applied_seq(conn) + 1 == written[0].seq:
        _apply_all(conn, written)
    else:
        catch_up(conn, ledger.data_dir)


def catch_up(conn: sqlite3.Connection, data_dir: Path) -> int:
    """Apply what the ledger has and the store has not, inside the caller's transaction; returns how many records."""
    return _apply_all(conn, read_ledger(data_dir, after_seq=applied_seq(conn)))


def applied_seq(conn: sqlite3.Connection) -> int:
    row = conn.execute("SELECT applied_seq FROM ledger_state").fetchone()
    return int(row[0]) if row else 0


def forget_all(conn: sqlite3.Connection) -> None:
    """Empty these tables and the holds, so that `catch_up` fills them from the first record on."""
    for table in REBUILT:
        conn.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above


def beat(conn: sqlite3.Connection, boot: int, wall_ns: int) -> None:
    """A sign of life of the node, told each minute or so: it bounds when an agent that fell was last there."""
    conn.execute(
        "INSERT INTO alive (only_row, boot, wall_ns) VALUES (1, ?, ?)"
        " ON CONFLICT (only_row) DO UPDATE SET boot = excluded.boot, wall_ns = excluded.wall_ns",
        (boot, wall_ns),
    )


def last_beat(conn: sqlite3.Connection) -> int:
    """Wall time of the last sign of life; 0 when there is none."""
    row = conn.execute("SELECT wall_ns FROM alive").fetchone()
    return int(row[0]) if row else 0


def clock_marks(conn: sqlite3.Connection, boot: int) -> tuple[list[ClockLook], int]:
    """How the clock stood in this boot, oldest first, and until which monotonic time it is known; 0: never."""
    rows = conn.execute("SELECT wall_ns, mono_ns, quality FROM clock_mark WHERE boot = ? ORDER BY seq", (boot,))
    known = conn.execute("SELECT ifnull(max(until_mono_ns), 0) FROM retiming WHERE boot = ?", (boot,)).fetchone()
    return [ClockLook(*row) for row in rows], int(known[0])


def last_session(conn: sqlite3.Connection, process: str, camera: str = "") -> str:
    """Of the process that last said hello under this name; empty when none did or it has stopped in order."""
    row = conn.execute(
        "SELECT kind, session FROM mark WHERE camera = ? AND process = ? ORDER BY seq DESC LIMIT 1", (camera, process)
    ).fetchone()
    return str(row[1]) if row and row[0] == MarkKind.PROCESS_STARTED else ""


def open_outage(conn: sqlite3.Connection, camera: str) -> Outage | None:
    """The newest outage of this camera, if its end was not told yet."""
    row = conn.execute(
        "SELECT start_wall_ns, end_wall_ns, boot, reason, detail, seq FROM outage WHERE camera = ?"
        " ORDER BY start_wall_ns DESC LIMIT 1",
        (camera,),
    ).fetchone()
    return _outage(row) if row and row[1] == 0 else None


def site(conn: sqlite3.Connection) -> Site:
    row = conn.execute("SELECT timezone, org, site, node FROM site").fetchone()
    return Site(*row) if row else Site()


def known_cameras(conn: sqlite3.Connection) -> list[str]:
    """Every camera that was ever configured, by name."""
    return [row[0] for row in conn.execute("SELECT DISTINCT camera FROM configured ORDER BY camera")]


def gather(conn: sqlite3.Connection, camera: str, span: WallSpan, running: Running) -> Evidence:
    """All that bears on holes of `camera` that touch `span`."""
    outages = conn.execute(
        "SELECT start_wall_ns, end_wall_ns, boot, reason, detail, seq FROM outage"
        " WHERE camera = ? AND start_wall_ns < ? AND (end_wall_ns > ? OR end_wall_ns = 0) ORDER BY start_wall_ns",
        (camera, span.end_ns, span.start_ns),
    )
    expired = conn.execute(
        "SELECT start_wall_ns, end_wall_ns FROM expired WHERE camera = ? AND start_wall_ns < ? AND end_wall_ns >= ?"
        " ORDER BY start_wall_ns",
        (camera, span.end_ns, span.start_ns),
    )
    in_service = conn.execute(
        "SELECT start_wall_ns, end_wall_ns FROM configured WHERE camera = ? ORDER BY start_wall_ns", (camera,)
    )
    return Evidence(
        outages=tuple(map(_outage, outages)),
        marks=_marks(conn, camera, span),
        expired=tuple(WallSpan(*row) for row in expired),
        in_service=tuple(WallSpan(*row) for row in in_service),
        unscheduled=plans.left_out_of(conn, camera, span),
        is_agent_running=running.is_agent_running,
        is_same_boot=running.is_same_boot,
        erased=erasures.told(conn, camera, span),
    )


def _marks(conn: sqlite3.Connection, camera: str, span: WallSpan) -> tuple[Mark, ...]:
    """The agent's and this camera's marks from the span, with the last ones before it and some after."""
    who = "(kind IN ('agent_started', 'agent_stopped') OR (process = 'camera' AND camera = :camera))"
    times = {"camera": camera, "start": span.start_ns, "end": span.end_ns}
    rows = conn.execute(
        "SELECT seq, kind, boot, wall_ns, last_alive_wall_ns FROM mark WHERE seq >= ifnull((SELECT min(seq) FROM"  # noqa: S608
        f" (SELECT seq FROM mark WHERE wall_ns < :start AND {who} ORDER BY wall_ns DESC LIMIT 8)), 0)"
        f" AND seq <= ifnull((SELECT max(seq) FROM (SELECT seq FROM mark WHERE wall_ns >= :end AND {who}"
        f" ORDER BY wall_ns LIMIT 8)), 1 << 62) AND {who} ORDER BY seq",
        times,
    )
    return tuple(Mark(seq, MarkKind(kind), boot, wall_ns, alive) for seq, kind, boot, wall_ns, alive in rows)


def _outage(row: tuple[int, int, int, str, str, int]) -> Outage:
    start_wall_ns, end_wall_ns, boot, reason, detail, seq = row
    try:
        known = GapReason(reason)
    except ValueError:
        # A later version's reason: what it said is kept in words.
        known, detail = GapReason.CAUSE_UNKNOWN, f"{reason} {detail}".strip()
    return Outage(start_wall_ns, end_wall_ns, boot, known, detail, seq)


def _apply_all(conn: sqlite3.Connection, records: Iterable[LedgerRecord]) -> int:
    count, last_seq = 0, 0
    for count, record in enumerate(records, 1):  # noqa: B007 - the count is the result
        data = decode_record(record.type, record.data)
        if data is not None:
            _apply(conn, record, data)
        last_seq = record.seq
    if last_seq:
        conn.execute(
            "INSERT INTO ledger_state (only_row, applied_seq) VALUES (1, ?)"
            " ON CONFLICT (only_row) DO UPDATE SET applied_seq = excluded.applied_seq",
            (last_seq,),
        )
    return count


def _apply(conn: sqlite3.Connection, record: LedgerRecord, data: Record) -> None:
    if isinstance(data, FootageExpired):
        _apply_expired(conn, data)
    elif isinstance(data, FootageErased):
        erasures.apply(conn, record, data)
    elif isinstance(data, OutageTold):
        data = relabel.true_outage(conn, record.boot, data)
        conn.execute(
            "INSERT INTO outage (camera, start_wall_ns, end_wall_ns, boot, reason, detail, seq)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (camera, start_wall_ns) DO UPDATE SET end_wall_ns = max(end_wall_ns, excluded.end_wall_ns),"
            " reason = excluded.reason, detail = excluded.detail",
            (data.camera, data.start_wall_ns, data.end_wall_ns, data.boot, data.reason, data.detail, record.seq),
        )
    elif isinstance(data, HoldMade):
        relabel.keep_hold(conn, record.boot, data)
    elif isinstance(data, HoldReleased):
        holds.drop(conn, data.hold_id)
    elif isinstance(data, Configured):
        _apply_configured(conn, record, data)
        plans.apply(conn, record, data)
    elif isinstance(data, Retimed):
        relabel.apply_retimed(conn, record.seq, record.boot, data)
    elif isinstance(data, ClockMarked):
        conn.execute(
            "INSERT OR REPLACE INTO clock_mark (seq, boot, mono_ns, wall_ns, quality) VALUES (?, ?, ?, ?, ?)",
            (record.seq, record.boot, record.mono_ns, record.wall_ns, data.quality),
        )
    else:
        _apply_mark(conn, record, data)


def _apply_mark(
    conn: sqlite3.Connection,
    record: LedgerRecord,
    data: AgentStarted | AgentStopped | ProcessStarted | ProcessStopped,
) -> None:
    alive_wall_ns, process, camera, session, wall_ns = 0, "", "", "", record.wall_ns
    if isinstance(data, AgentStarted):
        alive_wall_ns = data.last_alive_wall_ns
    elif isinstance(data, ProcessStarted | ProcessStopped):
        process, camera, session = data.process, data.camera, data.session
        wall_ns = (data.started_wall_ns if isinstance(data, ProcessStarted) else 0) or wall_ns
    labels = retiming.labels_of(conn, record.boot)
    wall_ns, alive_wall_ns = retiming.true_label(wall_ns, labels), retiming.true_label(alive_wall_ns, labels)
    conn.execute(
        "INSERT OR REPLACE INTO mark (seq, kind, process, camera, boot, wall_ns, session, last_alive_wall_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (record.seq, record.type, process, camera, record.boot, wall_ns, session, alive_wall_ns),
    )


def _apply_expired(conn: sqlite3.Connection, data: FootageExpired) -> None:
    """One row for all that touches: a ring that turned for years has a handful of rows."""
    touching = conn.execute(
        "DELETE FROM expired WHERE camera = ? AND start_wall_ns <= ? AND end_wall_ns >= ?"
        " RETURNING start_wall_ns, end_wall_ns",
        (data.camera, data.end_wall_ns + _TOUCH_NS, data.start_wall_ns - _TOUCH_NS),
    ).fetchall()
    start_ns = min([data.start_wall_ns, *(row[0] for row in touching)])
    end_ns = max([data.end_wall_ns, *(row[1] for row in touching)])
    conn.execute(
        "INSERT INTO expired (camera, start_wall_ns, end_wall_ns) VALUES (?, ?, ?)", (data.camera, start_ns, end_ns)
    )


def _apply_configured(conn: sqlite3.Connection, record: LedgerRecord, data: Configured) -> None:
    conn.execute(
        "INSERT OR REPLACE INTO site (only_row, timezone, org, site, node) VALUES (1, ?, ?, ?, ?)",
        (data.timezone, data.org, data.site, data.node),
    )
    serving = {row[0] for row in conn.execute("SELECT camera FROM configured WHERE end_wall_ns = 0")}
    gone: Sequence[str] = sorted(serving - set(data.cameras))
    conn.executemany(
        "UPDATE configured SET end_wall_ns = max(start_wall_ns, ?) WHERE camera = ? AND end_wall_ns = 0",
        ((record.wall_ns, camera) for camera in gone),
    )
    conn.executemany(
        "INSERT OR REPLACE INTO configured (camera, start_wall_ns, end_wall_ns) VALUES (?, ?, 0)",
        ((camera, record.wall_ns) for camera in data.cameras if camera not in serving),
    )
