"""Keeps the ring within its limits: asks the pure plans what goes, and takes it away so that a crash cannot lie.

A deletion is four steps, each finished before the next: the ledger says `expired` and the rows become garbage (one
commit), the files are unlinked, their folders synced, the rows dropped. A restart goes on where it stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from agent import log
from agent.clock import Clock, ClockQuality
from agent.ledger import Ledger
from agent.recording import evidence, holds, index, pins
from agent.recording.folder import disk_error, disk_usage, sync_folder
from agent.recording.holds import Lapse
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.records import FootageExpired, HoldKind, HoldReleased
from agent.recording.recovery import settle_open
from agent.recording.retention import RetentionLimits, RingState, plan_deletions
from agent.store import transaction
from agent.units import WallSpan

_log = log.get("janitor")

# Segments a sweep: with the node's store thread held for some ms each, a ring far over its limit takes several sweeps.
_MAX_DOOMED = 500


@dataclass(frozen=True, slots=True)
class RingUsage:
    """The ring and its disk now. `short_bytes` is what holds keep from being freed (0: all limits are met)."""

    ring_bytes: int
    free_bytes: int
    disk_bytes: int
    segments: int


@dataclass(frozen=True, slots=True)
class SweepReport:
    """`is_behind`: more was to be deleted than one sweep takes; sweep again at once."""

    deleted: int
    freed_bytes: int
    short_bytes: int
    lapsed: int
    settled: int
    is_behind: bool


def ring_usage(conn: sqlite3.Connection, data_dir: Path) -> RingUsage:
    free_bytes, disk_bytes = disk_usage(data_dir)
    cameras = index.usage(conn)
    return RingUsage(
        ring_bytes=sum(camera.bytes for camera in cameras),
        free_bytes=free_bytes,
        disk_bytes=disk_bytes,
        segments=sum(camera.segments for camera in cameras),
    )


class Janitor:
    """Owned by the thread that owns `conn`; call `finish_garbage` once at start, then `sweep` each minute or so."""

    def __init__(
        self,
        data_dir: Path,
        conn: sqlite3.Connection,
        ledger: Ledger,
        *,
        clock: Clock,
        limits: RetentionLimits,
        on_lapses: Callable[[Sequence[Lapse]], None] | None = None,
    ) -> None:
        """`on_lapses` tells of holds that end by themselves, within the transaction that ends them."""
        self._data_dir = data_dir
        self._conn = conn
        self._ledger = ledger
        self._clock = clock
        self._limits = limits
        self._on_lapses = on_lapses

    def sweep(self) -> SweepReport:
        """One look at everything. Raises DiskError, StoreError; the next sweep goes on from there."""
        settled = settle_open(self._conn, self._data_dir)
        free_bytes, disk_bytes = disk_usage(self._data_dir)
        usage = index.usage(self._conn)
        lapsed = self._release_lapsed(disk_bytes)
        plan = plan_deletions(
            {each.camera: index.oldest_first(self._conn, each.camera) for each in usage},
            self._kept_spans(free_bytes),
            limits=self._limits,
            state=RingState(
                bytes_by_camera={each.camera: each.bytes for each in usage},
                free_bytes=free_bytes,
                now_wall_ns=self._clock.wall_ns(),
                is_clock_trusted=self._clock.status().quality is not ClockQuality.UNSYNCED,
            ),
        )
        doomed = plan.doomed[:_MAX_DOOMED]
        if doomed:
            self._delete(doomed)
        if plan.short_bytes:
            _log.error("the ring is over its limit and holds or readers keep the rest", short_bytes=plan.short_bytes)
        return SweepReport(
            deleted=len(doomed),
            freed_bytes=sum(row.bytes for row in doomed),
            short_bytes=plan.short_bytes,
            lapsed=lapsed,
            settled=settled.added - settled.live,
            is_behind=len(doomed) < len(plan.doomed),
        )

    def finish_garbage(self) -> int:
        """Finish what a crash left half deleted; returns how many files."""
        garbage = index.in_state(self._conn, SegmentState.GARBAGE)
        self._remove(garbage)
        return len(garbage)

    def _delete(self, doomed: Iterable[SegmentRow]) -> None:
        rows = sorted(doomed, key=lambda row: (row.camera, row.start_wall_ns))
        with transaction(self._conn):
            evidence.note(self._conn, self._ledger, *coalesce(rows))
            index.mark_garbage(self._conn, (row.path for row in rows))
        self._remove(rows)
        _log.info("ring trimmed", segments=len(rows), freed_bytes=sum(row.bytes for row in rows))

    def _remove(self, rows: Iterable[SegmentRow]) -> None:
        rows = list(rows)
        folders: set[Path] = set()
        try:
            for row in rows:
                path = self._data_dir / row.path
                path.unlink(missing_ok=True)
                folders.add(path.parent)
            for folder in folders:
                if folder.is_dir():
                    sync_folder(folder)
        except OSError as exc:
            raise disk_error(exc) from exc
        with transaction(self._conn):
            index.forget(self._conn, (row.path for row in rows))
        self._remove_empty(folders)

    def _remove_empty(self, folders: Iterable[Path]) -> None:
        """Empty day folders go. The newest of a camera stays: its recorder may be about to create a file in it."""
        for folder in folders:
            newest = max((day.name for day in folder.parent.iterdir()), default="") if folder.is_dir() else ""
            if folder.is_dir() and folder.name != newest and not any(folder.iterdir()):
                folder.rmdir()

    def _kept_spans(self, free_bytes: int) -> Mapping[str, Sequence[WallSpan]]:
        """What is held, and what somebody reads now. Recording comes first: once half of the room that is kept free is
        gone, readers are heeded no more; theirs is told as expired."""
        held = holds.held_spans(holds.all_holds(self._conn))
        if free_bytes < self._limits.min_free_bytes // 2:
            return held
        read = pins.pinned_spans(self._data_dir)
        return {each: (*held.get(each, ()), *read.get(each, ())) for each in {*held, *read}}

    def _release_lapsed(self, disk_bytes: int) -> int:
        # Not by what is free: a disk that others filled must not cost a hold.
        ring_bytes = min(self._limits.max_bytes, disk_bytes)
        lapses = holds.plan_lapses(
            holds.all_holds(self._conn),
            holds.held_segments(self._conn, HoldKind.INCIDENT),
            quota_bytes=int(ring_bytes * holds.INCIDENT_HOLD_RATIO),
            now_wall_ns=self._clock.wall_ns(),
            is_clock_trusted=self._clock.status().quality is not ClockQuality.UNSYNCED,
        )
        if lapses:
            with transaction(self._conn):
                records = [HoldReleased(hold_id=lapse.hold.hold_id, cause=lapse.cause) for lapse in lapses]
                evidence.note(self._conn, self._ledger, *records)
                if self._on_lapses is not None:
                    self._on_lapses(lapses)
            for lapse in lapses:
                _log.warning("hold lapsed", kind=lapse.hold.kind.value, hold=lapse.hold.hold_id, cause=lapse.cause)
        return len(lapses)


def coalesce(rows: Iterable[SegmentRow]) -> list[FootageExpired]:
    """The ledger's words for these deletions: one record for all that touched. Rows sorted by camera and start. Pure.

    Segments of one run touch (agent.recording.gaps); a damaged one is no footage and is not told.
    """
    records: list[FootageExpired] = []
    for camera, of_camera in groupby((row for row in rows if row.state is SegmentState.CLOSED), lambda row: row.camera):
        last: SegmentRow | None = None
        for row in of_camera:
            follows = last is not None and (row.boot, row.run, row.n) == (last.boot, last.run, last.n + 1)
            touches = bool(records) and records[-1].camera == camera and row.start_wall_ns <= records[-1].end_wall_ns
            if last is not None and (follows or touches):
                former = records.pop()
                start_ns, end_ns = former.start_wall_ns, max(former.end_wall_ns, row.end_wall_ns)
                segments, size_bytes = former.segments + 1, former.bytes + row.bytes
            else:
                start_ns, end_ns, segments, size_bytes = row.start_wall_ns, row.end_wall_ns, 1, row.bytes
            records.append(
                FootageExpired(
                    camera=camera, start_wall_ns=start_ns, end_wall_ns=end_ns, segments=segments, bytes=size_bytes
                )
            )
            last = row
    return records
