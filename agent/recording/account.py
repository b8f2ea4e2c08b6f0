"""The account of a camera's time: what is recorded and why the rest is not. Read-only; needs no configuration.

Used alike by the command `gaps`, by clip plans and by `wayside footage`. The store tells what was closed, a file's own
headers how far one that is still open reaches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.clock import kernel_boot_id
from agent.errors import SegmentDamaged, UnknownCamera
from agent.ledger import is_writer_running
from agent.recording import evidence, index, retiming
from agent.recording.boot import current_boot
from agent.recording.evidence import Running
from agent.recording.exporter import read_segment
from agent.recording.gaps import Gap, Recorded, explain
from agent.recording.index import SegmentRow
from agent.units import NS_PER_MS, WallSpan, day_span


@dataclass(frozen=True, slots=True)
class CameraAccount:
    """One camera's span. Its gaps begin and end on whole milliseconds, so `recorded_s` and their `seconds` add up to
    the span exactly."""

    camera: str
    span: WallSpan
    recorded_ms: int
    gaps: tuple[Gap, ...]

    @property
    def recorded_s(self) -> float:
        return self.recorded_ms / 1000


def camera_gaps(conn: sqlite3.Connection, data_dir: Path, camera: str, span: WallSpan, now_wall_ns: int) -> list[Gap]:
    """Every part of `span` without footage of `camera`, with one reason each, exact to the nanosecond."""
    rows = {row.path: row for row in index.neighbours(conn, camera, span)}
    rows.update((row.path, row) for row in index.segments(conn, camera, span))
    recorded = [each for row in rows.values() if (each := _recorded(conn, data_dir, row)) is not None]
    starts = [span.start_ns, *(each.span.start_ns for each in recorded)]
    ends = [span.end_ns, *(each.span.end_ns for each in recorded)]
    known = evidence.gather(conn, camera, WallSpan(min(starts), max(ends)), running(data_dir))
    return explain(span, recorded, known, now_wall_ns)


def account(
    conn: sqlite3.Connection, data_dir: Path, cameras: Sequence[str], span: WallSpan, now_wall_ns: int
) -> list[CameraAccount]:
    """The account of several cameras, rounded to milliseconds."""
    return [_account(camera, span, camera_gaps(conn, data_dir, camera, span, now_wall_ns)) for camera in cameras]


def cameras(conn: sqlite3.Connection, wanted: Sequence[str] = ()) -> list[str]:
    """All cameras that this ring knows, from its configuration or its footage; raises UnknownCamera for others."""
    known = sorted({*index.cameras(conn), *evidence.known_cameras(conn)})
    for camera in wanted:
        if camera not in known:
            raise UnknownCamera(camera=camera, remedy=f"this ring has {', '.join(known) or 'no camera yet'}")
    return list(wanted) or known


def zone(conn: sqlite3.Connection) -> ZoneInfo:
    """The site's time zone, as last configured."""
    try:
        return ZoneInfo(evidence.site(conn).timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(evidence.DEFAULT_TIMEZONE)


def civil_day(conn: sqlite3.Connection, day: date) -> WallSpan:
    """The site's civil day."""
    return day_span(day, zone(conn))


def running(data_dir: Path) -> Running:
    """Whether a node runs on this ring now, and whether the machine still has the boot that wrote last."""
    boot = current_boot(data_dir)
    return Running(
        is_agent_running=is_writer_running(data_dir),
        is_same_boot=boot is None or boot.boot_id == kernel_boot_id(),
    )


def _recorded(conn: sqlite3.Connection, data_dir: Path, row: SegmentRow) -> Recorded | None:
    if not row.is_open:
        return Recorded(row.span, row.boot, row.run, row.n)
    try:
        segment = read_segment(data_dir, row.name, shift_ns=retiming.shift_of(conn, row.path))
    except SegmentDamaged:
        # Between two writes a file may not parse; what it held is told again a moment later.
        return None
    if segment is None or segment.scan.span is None:
        return None
    return Recorded(segment.scan.span, row.boot, row.run, row.n)


def _account(camera: str, span: WallSpan, gaps: Sequence[Gap]) -> CameraAccount:
    """Round each border the same way: what two gaps share stays shared, and the lengths still add up."""
    rounded = [Gap(_whole_ms(gap.start_wall_ns), _whole_ms(gap.end_wall_ns), gap.reason, gap.evidence) for gap in gaps]
    visible = tuple(gap for gap in rounded if gap.end_wall_ns > gap.start_wall_ns)
    missing_ns = sum(gap.end_wall_ns - gap.start_wall_ns for gap in visible)
    whole_ns = _whole_ms(span.end_ns) - _whole_ms(span.start_ns)
    return CameraAccount(camera, span, (whole_ns - missing_ns) // NS_PER_MS, visible)


def _whole_ms(wall_ns: int) -> int:
    return (wall_ns + NS_PER_MS // 2) // NS_PER_MS * NS_PER_MS
