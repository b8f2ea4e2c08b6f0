# ruff: noqa: S608 - constant fragments are joined; values are always bound
"""The `segment` table: which files the ring holds. The files are the truth; this only finds them quickly.

A camera process holds an exclusive flock(2) on the segment it is writing, from its creation until after its close. So a
file whose lock is taken is live; nobody else truncates, deletes or closes it, whatever the table says.
Functions run on the thread that owns the connection; writes belong to the caller's transaction.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from agent.errors import SegmentDamaged
from agent.notices import SegmentClosed, SegmentOpened
from agent.recording import retiming
from agent.recording.catalog import MAX_SEGMENT_NS, SegmentRow, SegmentState
from agent.recording.naming import SegmentName
from agent.units import WallSpan

__all__ = [
    "CameraUsage",
    "SegmentRow",
    "SegmentState",
    "add",
    "cameras",
    "closed",
    "forget",
    "in_state",
    "mark_garbage",
    "neighbours",
    "oldest_first",
    "opened",
    "segments",
    "settled_after",
    "usage",
]


@dataclass(frozen=True, slots=True)
class CameraUsage:
    """What one camera takes of the ring. Open segments count with the bytes of their last look, mostly 0."""

    camera: str
    segments: int
    bytes: int
    first_wall_ns: int
    last_wall_ns: int


_COLUMNS = "path, camera, boot, run, n, start_wall_ns, end_wall_ns, frames, bytes, state"
_Place = tuple[int, int, int]
# SQLite's integers; it refuses more with an OverflowError. Half of that leaves room for the sums of two.
_MAX_INT = 2**62
_FOOTAGE = "state IN ('open', 'closed')"


def opened(conn: sqlite3.Connection, notice: SegmentOpened) -> None:
    """A camera created a segment. A notice that comes late, after the segment's close, changes nothing.

    Raises SegmentDamaged when the path is not the one these facts give: a camera is not believed outside its folder.
    """
    row = retiming.settle(conn, _told(notice))
    conn.execute(
        f"INSERT INTO segment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 'open') ON CONFLICT (path) DO NOTHING",
        (row.path, row.camera, row.boot, row.run, row.n, row.start_wall_ns, row.start_wall_ns),
    )


def closed(conn: sqlite3.Connection, notice: SegmentClosed) -> None:
    """A camera closed a segment. Raises SegmentDamaged as `opened` does, and for an end before the start."""
    if notice.end_wall_ns < notice.start_wall_ns or notice.frames < 0 or notice.bytes < 0:
        raise SegmentDamaged(path=notice.path, reason="a segment cannot end before it starts")
    if notice.end_wall_ns - notice.start_wall_ns > MAX_SEGMENT_NS:
        raise SegmentDamaged(path=notice.path, reason="it claims to be longer than a day")
    found = replace(
        _told(notice),
        end_wall_ns=notice.end_wall_ns,
        frames=notice.frames,
        bytes=notice.bytes,
        state=SegmentState.CLOSED,
    )
    add(conn, [found])


def _told(notice: SegmentOpened | SegmentClosed) -> SegmentRow:
    check_path(notice)
    return SegmentRow(
        path=notice.path,
        camera=notice.camera,
        boot=notice.boot,
        run=notice.run,
        n=notice.n,
        start_wall_ns=notice.start_wall_ns,
        end_wall_ns=notice.start_wall_ns,
        frames=0,
        bytes=0,
        state=SegmentState.OPEN,
        start_mono_ns=None if notice.clock_quality == "synced" else notice.start_mono_ns,
        is_time_sure=notice.clock_quality != "unsynced",
    )


def check_path(notice: SegmentOpened | SegmentClosed) -> SegmentName:
    """The name in a notice's path. Raises SegmentDamaged when it does not agree with the notice."""
    name = SegmentName.parse(notice.path)
    if name is None or (name.camera, name.boot, name.run, name.n) != (
        notice.camera,
        notice.boot,
        notice.run,
        notice.n,
    ):
        raise SegmentDamaged(path=notice.path, camera=notice.camera, reason="not a path of this camera's folder")
    numbers = [value for value in msgspec.structs.astuple(notice) if isinstance(value, int)]
    if not all(-_MAX_INT <= value <= _MAX_INT for value in numbers):
        raise SegmentDamaged(path=notice.path, camera=notice.camera, reason="a number beyond what the index can hold")
    return name


def add(conn: sqlite3.Connection, rows: Iterable[SegmentRow]) -> None:
    """Insert or replace rows. One that is being deleted stays so, and none that is known is opened again: whoever saw
    the file open may have looked before its writer closed it."""
    conn.executemany(
        f"INSERT INTO segment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
        " start_wall_ns = excluded.start_wall_ns, end_wall_ns = excluded.end_wall_ns, frames = excluded.frames,"
        " bytes = excluded.bytes, state = excluded.state WHERE state != 'garbage' AND excluded.state != 'open'",
        (
            (r.path, r.camera, r.boot, r.run, r.n, r.start_wall_ns, r.end_wall_ns, r.frames, r.bytes, r.state.value)
            for r in (retiming.settle(conn, row) for row in rows)
        ),
    )


def segments(conn: sqlite3.Connection, camera: str, span: WallSpan) -> list[SegmentRow]:
    """Footage of `camera` that may touch `span`, in order of recording (boot, run, n), whatever the clock did.

    An open segment that began before the span's end is always among them: only its file knows its end.
    """
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM segment WHERE camera = ?1 AND start_wall_ns < ?3"
        " AND start_wall_ns > ?2 - ifnull((SELECT max(duration_ns) FROM segment WHERE camera = ?1), 0) - 1"
        " AND end_wall_ns > ?2 AND state = 'closed'"
        # Named, because the planner prefers the large index: 20 ms instead of 0.01 ms among 43 200 segments.
        f" UNION ALL SELECT {_COLUMNS} FROM segment INDEXED BY segment_open"
        " WHERE state = 'open' AND camera = ?1 AND start_wall_ns < ?3"
        " ORDER BY boot, run, n",
        (camera, span.start_ns, span.end_ns),
    )
    return [_row(row) for row in rows]


def neighbours(conn: sqlite3.Connection, camera: str, span: WallSpan) -> list[SegmentRow]:
    """The last footage that began before the span and the first that began at or after its end; each may be absent."""
    rows: list[SegmentRow] = []
    for where, order, at_ns in (("<", "DESC", span.start_ns), (">=", "ASC", span.end_ns)):
        found = conn.execute(
            f"SELECT {_COLUMNS} FROM segment WHERE camera = ? AND start_wall_ns {where} ? AND {_FOOTAGE}"
            f" ORDER BY start_wall_ns {order} LIMIT 1",
            (camera, at_ns),
        ).fetchone()
        if found is not None:
            rows.append(_row(found))
    return rows


def in_state(conn: sqlite3.Connection, state: SegmentState) -> list[SegmentRow]:
    """All rows of one of the rare states, in order of recording."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM segment WHERE state = '{state.value}' ORDER BY camera, boot, run, n")
    return [_row(row) for row in rows]


def settled_after(
    conn: sqlite3.Connection, camera: str, place: tuple[int, int, int], *, limit: int
) -> list[SegmentRow]:
    """Segments after this (boot, run, n), in order of recording, up to the first that is still open."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM segment INDEXED BY segment_order WHERE camera = ? AND (boot, run, n) > (?, ?, ?)"
        " ORDER BY boot, run, n LIMIT ?",
        (camera, *place, limit),
    )
    return list(itertools.takewhile(lambda row: not row.is_open, map(_row, rows)))


def oldest_first(conn: sqlite3.Connection, camera: str) -> Iterator[SegmentRow]:
    """What retention may take of one camera, in order of recording, whatever the clock did; read as it is consumed.
    Open segments are not among it."""
    rows = conn.execute(
        f"SELECT {_COLUMNS}, EXISTS (SELECT 1 FROM segment_clock AS c WHERE c.path = segment.path AND c.is_sure = 0)"
        " FROM segment WHERE camera = ? AND state IN ('closed', 'damaged') ORDER BY boot, run, n",
        (camera,),
    )
    return (replace(_row(row[:-1]), is_time_sure=not row[-1]) for row in rows)


def usage(conn: sqlite3.Connection) -> list[CameraUsage]:
    """One row a camera that has anything on disk, by name."""
    rows = conn.execute(
        "SELECT camera, count(*), sum(bytes), min(start_wall_ns), max(end_wall_ns) FROM segment"
        " WHERE state != 'garbage' GROUP BY camera ORDER BY camera"
    )
    return [CameraUsage(*row) for row in rows]


def written(conn: sqlite3.Connection, camera: str, since_wall_ns: int) -> tuple[int, int] | None:
    """Bytes of one camera's closed segments that began at or after this moment, and when the first of them began; None
    without any."""
    total, first = conn.execute(
        "SELECT sum(bytes), min(start_wall_ns) FROM segment"
        " WHERE camera = ? AND start_wall_ns >= ? AND state = 'closed'",
        (camera, since_wall_ns),
    ).fetchone()
    return None if total is None else (int(total), int(first))


def cameras(conn: sqlite3.Connection) -> list[str]:
    """Every camera that has footage, by name; steps from name to name instead of reading all rows."""
    rows = conn.execute(
        "WITH RECURSIVE seen(camera) AS (SELECT min(camera) FROM segment UNION ALL"
        " SELECT (SELECT min(camera) FROM segment WHERE camera > seen.camera) FROM seen WHERE seen.camera IS NOT NULL)"
        " SELECT camera FROM seen WHERE camera IS NOT NULL"
    )
    return [str(row[0]) for row in rows]


def mark_garbage(conn: sqlite3.Connection, paths: Iterable[str]) -> None:
    """First step of a deletion: from this commit on these files are no footage, and a restart goes on deleting."""
    conn.executemany("UPDATE segment SET state = 'garbage' WHERE path = ?", ((path,) for path in paths))


def forget(conn: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Last step of a deletion: the files are gone from the disk."""
    gone = tuple(paths)
    conn.executemany("DELETE FROM segment WHERE path = ?", ((path,) for path in gone))
    retiming.forget(conn, gone)


def _row(row: tuple[str, str, int, int, int, int, int, int, int, str]) -> SegmentRow:
    return SegmentRow(*row[:-1], SegmentState(row[-1]))
