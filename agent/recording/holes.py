"""Holes that are found when footage is back: an outage of the node itself is told by nobody while it lasts.

When a camera's new run has begun, the account of the time before it is read once, and what no process had told becomes
`gap` events. The table `hole_told` says up to which run that is done. Functions run on the thread that owns the
connection; `remember` within the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.recording import evidence, index
from agent.recording.account import camera_gaps, running
from agent.recording.gaps import Gap, GapReason
from agent.units import NS_PER_MS, NS_PER_S, WallSpan

# A process says hello a moment after its first frame when the node itself is starting: what a hole rests on is there
# by then (links connect anew each second).
_SETTLED_NS: Final = 5 * NS_PER_S
# Less is how far two clocks' labels of one moment lie apart.
_SHORTEST_NS: Final = 100 * NS_PER_MS
# The centre told it so, hears of it otherwise, or it is no loss.
_NO_NEWS: Final = frozenset(
    {GapReason.NOT_PROVISIONED, GapReason.NOT_SCHEDULED, GapReason.NOT_YET, GapReason.EXPIRED, GapReason.ERASED}
)


@dataclass(frozen=True, slots=True)
class RunStart:
    boot: int
    run: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """The holes before a run that nobody had told, in order; perhaps none."""

    run: RunStart
    holes: tuple[Gap, ...]


def find(conn: sqlite3.Connection, data_dir: Path, camera: str, now_wall_ns: int) -> Found | None:
    """None when the newest run is told, when it is too young, or while its own time is unsure. Raises DiskError."""
    newest = _newest_run(conn, camera)
    told = _told_until(conn, camera)
    if newest is None or newest.wall_ns > now_wall_ns - _SETTLED_NS:
        return None
    if told is not None and (newest.boot, newest.run) <= (told.boot, told.run):
        return None
    span = WallSpan(_known_until(conn, camera, newest, told), newest.wall_ns)
    if span.is_empty:
        return Found(newest, ())
    known = evidence.gather(conn, camera, span, running(data_dir))
    ended = [each for each in known.outages if each.end_wall_ns]
    holes = [
        gap
        for gap in camera_gaps(conn, data_dir, camera, span, now_wall_ns)
        if gap.reason not in _NO_NEWS
        and gap.span.duration_ns >= _SHORTEST_NS
        and not any(
            o.reason is gap.reason and WallSpan(o.start_wall_ns, o.end_wall_ns).overlaps(gap.span) for o in ended
        )
    ]
    return Found(newest, tuple(holes))


def remember(conn: sqlite3.Connection, camera: str, run: RunStart) -> None:
    conn.execute(
        "INSERT OR REPLACE INTO hole_told (camera, boot, run, wall_ns) VALUES (?, ?, ?, ?)",
        (camera, run.boot, run.run, run.wall_ns),
    )


def _newest_run(conn: sqlite3.Connection, camera: str) -> RunStart | None:
    """Where the newest run's first footage begins; None without any, or while that label is a guess."""
    newest = conn.execute(
        "SELECT boot, run FROM segment WHERE camera = ? AND state IN ('open', 'closed')"
        " ORDER BY boot DESC, run DESC LIMIT 1",
        (camera,),
    ).fetchone()
    if newest is None:
        return None
    start_ns, is_unsure = conn.execute(
        "SELECT start_wall_ns, EXISTS (SELECT 1 FROM segment_clock AS c WHERE c.path = segment.path AND c.is_sure = 0)"
        " FROM segment WHERE camera = ? AND boot = ? AND run = ? ORDER BY n LIMIT 1",
        (camera, *newest),
    ).fetchone()
    return None if is_unsure else RunStart(newest[0], newest[1], start_ns)


def _told_until(conn: sqlite3.Connection, camera: str) -> RunStart | None:
    row = conn.execute("SELECT boot, run, wall_ns FROM hole_told WHERE camera = ?", (camera,)).fetchone()
    return None if row is None else RunStart(*row)


def _known_until(conn: sqlite3.Connection, camera: str, newest: RunStart, told: RunStart | None) -> int:
    """From where on holes are news. After a lost store only the last one is: the centre has heard of those before."""
    if told is not None:
        return told.wall_ns
    before: Sequence[index.SegmentRow] = [
        row
        for row in index.neighbours(conn, camera, WallSpan(newest.wall_ns, newest.wall_ns + 1))
        if row.start_wall_ns < newest.wall_ns
    ]
    return before[0].end_wall_ns if before else newest.wall_ns
