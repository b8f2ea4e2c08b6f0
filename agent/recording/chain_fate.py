"""What became of every segment that was ever chained: there, expired, erased by somebody, or missing without a word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.recording import erasures
from agent.recording.book import camera_book, chained_cameras
from agent.recording.chain import ErasureLink, SegmentLink, read_link
from agent.recording.naming import SegmentName
from agent.recording.recovery import list_segments
from agent.units import NS_PER_MS, WallSpan, parse_rfc3339, subtract, union

# A segment's end is a guess at its last frame, and wire times are cut to milliseconds.
_SLACK_NS: Final = 250 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class ChainFate:
    """`missing`: paths of chained segments that are neither on disk nor accounted for. `erased`: a line for people for
    each record of an erasure."""

    missing: tuple[str, ...]
    erased: tuple[str, ...]
    expired: int


def chain_fate(conn: sqlite3.Connection, data_dir: Path) -> ChainFate:
    """Reads every chain and lists the ring; hashes nothing. Raises DiskError, StoreError."""
    rows = erasures.rows(conn)
    taken = [
        (first, last)
        for row in rows
        if (first := SegmentName.parse(row.data.first)) is not None
        and (last := SegmentName.parse(row.data.last)) is not None
    ]
    # Listed before the chains are read: what is deleted meanwhile has its record by then.
    there = set(list_segments(data_dir))
    missing: list[str] = []
    expired = 0
    for camera in chained_cameras(data_dir):
        links = [link for line in camera_book(data_dir, camera).lines() if (link := read_link(line)) is not None]
        gone = [link for link in links if isinstance(link, SegmentLink) and link.path not in there]
        unexplained = [link for link in gone if not _is_within(link.path, taken)]
        spans = _expired_spans(conn, camera, (link for link in links if isinstance(link, ErasureLink)))
        lost = [link.path for link in unexplained if not _is_expired(link, spans)]
        missing += lost
        expired += len(unexplained) - len(lost)
    words = [f"camera {row.data.camera}: {row.data.segments} segments {row.words}" for row in rows]
    return ChainFate(tuple(missing), tuple(words), expired)


def _is_within(path: str, taken: Iterable[tuple[SegmentName, SegmentName]]) -> bool:
    name = SegmentName.parse(path)
    return name is not None and any(first <= name <= last for first, last in taken)


def _expired_spans(conn: sqlite3.Connection, camera: str, links: Iterable[ErasureLink]) -> tuple[WallSpan, ...]:
    """As the store and as the chain tell it: either may know what the other does not yet."""
    told = [WallSpan(parse_rfc3339(link.start), parse_rfc3339(link.end)) for link in links]
    rows = conn.execute("SELECT start_wall_ns, end_wall_ns FROM expired WHERE camera = ?", (camera,))
    spans = (*told, *(WallSpan(*row) for row in rows))
    return union(WallSpan(each.start_ns - _SLACK_NS, each.end_ns + _SLACK_NS) for each in spans)


def _is_expired(link: SegmentLink, spans: tuple[WallSpan, ...]) -> bool:
    """By its file's times, or by those as they were corrected when it was chained."""
    start_ns, end_ns = parse_rfc3339(link.start), parse_rfc3339(link.end)
    shifts = {0, int(link.offset_ns)}
    return any(not subtract(WallSpan(start_ns + each, end_ns + each), spans) for each in shifts)
