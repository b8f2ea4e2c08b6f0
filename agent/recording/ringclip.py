"""A clip planned from the ring as it stands: index, files and the account of what is missing."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from agent import log
from agent.errors import SegmentDamaged
from agent.recording import index, retiming
from agent.recording.account import camera_gaps
from agent.recording.cut import ClipPlan, RecordedSegment, plan_clip
from agent.recording.exporter import read_segment
from agent.recording.gaps import Gap, GapReason
from agent.recording.pins import Pin, pinned
from agent.units import NS_PER_S, WallSpan

_log = log.get("ringclip")

# The segment after the span tells the exact end of the one before it, and the entry to the first second may lie in the
# segment before: an IDR comes at least this often on every camera we know (10 s is the longest GOP on offer).
_MARGIN_NS = 15 * NS_PER_S


def reading(data_dir: Path, camera: str, asked: WallSpan) -> AbstractContextManager[Pin]:
    """Enter before the plan and leave after the last byte: in between retention spares what the plan may name."""
    return pinned(data_dir, camera, WallSpan(asked.start_ns - _MARGIN_NS, asked.end_ns + _MARGIN_NS))


def plan_from_ring(
    conn: sqlite3.Connection, data_dir: Path, camera: str, asked: WallSpan, now_wall_ns: int
) -> ClipPlan:
    """Plan the clip of `asked`. A plan without files means that nothing was recorded; its gaps say why.

    A segment that does not parse is a gap `disk_error`. Raises DiskError, StoreError.
    """
    rows = index.segments(conn, camera, WallSpan(asked.start_ns - _MARGIN_NS, asked.end_ns + _MARGIN_NS))
    segments: list[RecordedSegment] = []
    unreadable: list[Gap] = []
    for row in rows:
        try:
            segment = read_segment(data_dir, row.name, shift_ns=retiming.shift_of(conn, row.path))
        except SegmentDamaged as exc:
            if row.is_open:
                # Its head is just being written: it holds no picture yet, and the account below says what is missing.
                continue
            _log.error("segment damaged", path=row.path, problem=str(exc))
            unreadable.append(Gap(row.start_wall_ns, row.end_wall_ns, GapReason.DISK_ERROR, str(exc)))
            continue
        # None: retention took it a moment ago, and the account below says so.
        if segment is not None:
            segments.append(segment)
    gaps = camera_gaps(conn, data_dir, camera, asked, now_wall_ns)
    return plan_clip(camera, segments, asked, [*gaps, *unreadable])
