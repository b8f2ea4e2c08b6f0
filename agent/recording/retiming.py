"""When footage really was that was recorded while the clock was unsure: files keep their labels, reading corrects them.

Monotonic time runs on through every step, so `monotonic start + (wall - monotonic)` once the clock is known is the
truth, up to the crystal's drift in between (ADR 22). The pure part stands first, the tables of it behind. Functions
with a connection run on the thread that owns it; writes belong to the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.media.timeline import CLOCK_STEP_NS
from agent.recording.catalog import SegmentRow
from agent.recording.records import LabelSpan, Retimed


@dataclass(frozen=True, slots=True)
class Retiming:
    """Of one boot: what began within this monotonic span began at `start_mono_ns + offset_ns`."""

    from_mono_ns: int
    until_mono_ns: int
    offset_ns: int


def true_start(start_wall_ns: int, start_mono_ns: int, retimings: Sequence[Retiming]) -> int:
    """The wall time of a segment's start; `retimings` of its boot, oldest first, of which the newest counts.

    What a run's own steering takes up (agent.media.steering) is left to it, so that a run is not torn.
    """
    for each in reversed(retimings):
        if each.from_mono_ns <= start_mono_ns < each.until_mono_ns:
            true_ns = start_mono_ns + each.offset_ns
            return true_ns if abs(true_ns - start_wall_ns) > CLOCK_STEP_NS else start_wall_ns
    return start_wall_ns


def true_label(wall_ns: int, labels: Iterable[LabelSpan]) -> int:
    """A wall time as somebody told it in the boot of `labels`, corrected if the clock was wrong by then."""
    for label in labels:
        if label.from_wall_ns <= wall_ns < label.until_wall_ns:
            return wall_ns + label.shift_ns
    return wall_ns


def apply(conn: sqlite3.Connection, seq: int, boot: int, data: Retimed) -> None:
    """Keep a re-timing and correct what the index has of that boot."""
    conn.execute(
        "INSERT OR REPLACE INTO retiming (seq, boot, from_mono_ns, until_mono_ns, offset_ns) VALUES (?, ?, ?, ?, ?)",
        (seq, boot, data.from_mono_ns, data.until_mono_ns, data.offset_ns),
    )
    # What is told from now on may still speak of before; a time that the right clock has shown since is taken as that.
    latest_ns = data.until_mono_ns + data.offset_ns
    conn.executemany(
        "INSERT OR REPLACE INTO retimed_label (seq, boot, from_wall_ns, until_wall_ns, shift_ns)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            (seq, boot, label.from_wall_ns, min(label.until_wall_ns, latest_ns), label.shift_ns)
            for label in data.labels
            if label.from_wall_ns < latest_ns
        ),
    )
    found = conn.execute(
        "SELECT path, start_wall_ns, start_mono_ns FROM segment_clock"
        " WHERE boot = ? AND start_mono_ns >= ? AND start_mono_ns < ?",
        (boot, data.from_mono_ns, data.until_mono_ns),
    ).fetchall()
    known = [Retiming(data.from_mono_ns, data.until_mono_ns, data.offset_ns)]
    conn.executemany(
        "UPDATE segment SET end_wall_ns = end_wall_ns + ?2 - start_wall_ns, start_wall_ns = ?2 WHERE path = ?1",
        ((path, true_start(wall_ns, mono_ns, known)) for path, wall_ns, mono_ns in found),
    )
    conn.executemany("UPDATE segment_clock SET is_sure = 1 WHERE path = ?", ((path,) for path, _, _ in found))


def settle(conn: sqlite3.Connection, row: SegmentRow) -> SegmentRow:
    """The row as the index keeps it, from one with the file's own times; remembers that its clock was unsure."""
    if row.start_mono_ns is None:
        return row
    known = _retimings(conn, row.boot)
    is_retimed = any(each.from_mono_ns <= row.start_mono_ns < each.until_mono_ns for each in known)
    conn.execute(
        "INSERT INTO segment_clock (path, boot, start_wall_ns, start_mono_ns, is_sure) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (path) DO UPDATE SET start_wall_ns = excluded.start_wall_ns,"
        " start_mono_ns = excluded.start_mono_ns, is_sure = max(is_sure, excluded.is_sure)",
        (row.path, row.boot, row.start_wall_ns, row.start_mono_ns, int(is_retimed or row.is_time_sure)),
    )
    start_ns = true_start(row.start_wall_ns, row.start_mono_ns, known)
    return replace(row, start_wall_ns=start_ns, end_wall_ns=row.end_wall_ns + start_ns - row.start_wall_ns)


def shift_of(conn: sqlite3.Connection, path: str) -> int:
    """By how much the times inside a segment's file are to be corrected, in ns; 0 for nearly all."""
    found = conn.execute(
        "SELECT boot, start_wall_ns, start_mono_ns FROM segment_clock WHERE path = ?", (path,)
    ).fetchone()
    if found is None:
        return 0
    boot, wall_ns, mono_ns = found
    return true_start(wall_ns, mono_ns, _retimings(conn, boot)) - int(wall_ns)


def labels_of(conn: sqlite3.Connection, boot: int) -> tuple[LabelSpan, ...]:
    """The wrong times that this boot has told, newest first."""
    rows = conn.execute(
        "SELECT from_wall_ns, until_wall_ns, shift_ns FROM retimed_label WHERE boot = ? ORDER BY seq DESC", (boot,)
    )
    return tuple(LabelSpan(*row) for row in rows)


def forget(conn: sqlite3.Connection, paths: Iterable[str]) -> None:
    conn.executemany("DELETE FROM segment_clock WHERE path = ?", ((path,) for path in paths))


def _retimings(conn: sqlite3.Connection, boot: int) -> list[Retiming]:
    rows = conn.execute(
        "SELECT from_mono_ns, until_mono_ns, offset_ns FROM retiming WHERE boot = ? ORDER BY seq", (boot,)
    )
    return [Retiming(*row) for row in rows]
