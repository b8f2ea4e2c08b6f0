"""One segment file looked at on disk: live, whole, torn and repaired, damaged, or of no use."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from agent.errors import SegmentDamaged
from agent.recording.catalog import MAX_SEGMENT_NS, SegmentRow, SegmentState
from agent.recording.folder import disk_error, sync_folder
from agent.recording.naming import SegmentComment, SegmentName
from agent.recording.segment import SegmentScan, scan
from agent.recording.segment_file import open_segment
from agent.recording.summary import SegmentSummary, read_summary
from agent.units import NS_PER_MS, NS_PER_S

# A recorder creates its file and locks it a moment later; nobody asks for the lock of a file this young.
_YOUNG_NS = 10 * NS_PER_S
# Without a whole fragment a file holds no footage. Above this size it is no beginning that was cut short, and is kept
# for a person to look at; the recorder writes nothing before its first fragment.
_MAX_EMPTY_BYTES = 1 << 20
# A bad block, a broken directory entry, an owner set by hand: the rest of the ring is not to wait for it.
_OF_ONE_FILE = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.EACCES, errno.EPERM})
# The end of 2199: beyond it nothing is footage, and int64 ends in 2262.
_LATEST_WALL_NS = 7_258_118_400 * NS_PER_S


class Finding(StrEnum):
    """LIVE: being written, or too young to tell. EMPTY: it held no footage and was removed. GONE: it was not there.
    UNREADABLE: the disk refuses this one; what is known of it stays as it is."""

    LIVE = "live"
    WHOLE = "whole"
    REPAIRED = "repaired"
    DAMAGED = "damaged"
    EMPTY = "empty"
    GONE = "gone"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Looked:
    """`row` is what the index should say; None where there is no footage. `cut_bytes` were torn off the end."""

    finding: Finding
    row: SegmentRow | None
    cut_bytes: int = 0


def look(data_dir: Path, name: SegmentName, *, may_repair: bool) -> Looked:
    """Look at one segment; with `may_repair` cut a torn end and remove a file without footage.

    Only a file whose lock is free is repaired: its writer is gone (agent.recording.index). Raises DiskError.
    """
    try:
        descriptor = open_segment(data_dir, name, is_writable=may_repair)
    except FileNotFoundError:
        return Looked(Finding.GONE, None)
    except OSError as exc:
        return _unreadable(exc)
    try:
        # A check reads everything; the index takes a closed segment's own word, as it takes the recorder's notice, and
        # asks for no lock: an agent that is started again at once, without its store, knows its newest files too.
        if may_repair and (row := _own_word(descriptor, name)) is not None:
            return Looked(Finding.WHOLE, row)
        if may_repair and not _is_abandoned(descriptor):
            return Looked(Finding.LIVE, open_row(name))
        return _look(data_dir / name.text(), descriptor, name, may_repair=may_repair)
    except OSError as exc:
        return _unreadable(exc)
    finally:
        os.close(descriptor)


def _unreadable(exc: OSError) -> Looked:
    if exc.errno not in _OF_ONE_FILE:
        raise disk_error(exc) from exc
    return Looked(Finding.UNREADABLE, None)


def open_row(name: SegmentName) -> SegmentRow:
    """The row of a segment that is being written."""
    start_ns = name.opened_wall_ms * NS_PER_MS
    return _row(name, start_ns, start_ns, state=SegmentState.OPEN)


def closed_row(name: SegmentName, found: SegmentScan) -> SegmentRow | None:
    """The row of a finished segment; None when it holds no frame. Raises SegmentDamaged for a length that none has."""
    span = found.span
    if span is None:
        return None
    if span.duration_ns > MAX_SEGMENT_NS:
        raise SegmentDamaged(reason="it claims to be longer than a day", intact_bytes=found.intact_bytes)
    if not 0 <= span.start_ns <= _LATEST_WALL_NS:
        raise SegmentDamaged(reason="it claims a time that no clock shows", intact_bytes=found.intact_bytes)
    row = _row(
        name, span.start_ns, span.end_ns, state=SegmentState.CLOSED, frames=found.frames, size_bytes=found.size_bytes
    )
    return row if found.comment is None else _with_clock(row, found.comment)


def _summed_up(name: SegmentName, found: SegmentSummary, size_bytes: int) -> SegmentRow:
    row = _row(
        name,
        found.start_wall_ns,
        found.end_wall_ns,
        state=SegmentState.CLOSED,
        frames=found.frames,
        size_bytes=size_bytes,
    )
    return _with_clock(row, found)


def _with_clock(row: SegmentRow, told: SegmentComment | SegmentSummary) -> SegmentRow:
    if told.clock_quality == "synced" or told.boot != row.boot:
        return row
    return replace(row, start_mono_ns=told.start_mono_ns, is_time_sure=told.clock_quality != "unsynced")


def _is_abandoned(descriptor: int) -> bool:
    age_ns = time.time_ns() - os.fstat(descriptor).st_mtime_ns
    if 0 <= age_ns < _YOUNG_NS:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _own_word(descriptor: int, name: SegmentName) -> SegmentRow | None:
    """What a segment that was closed in order says of itself; None where it says nothing, or too much."""
    size_bytes = os.fstat(descriptor).st_size
    summary = read_summary(lambda at, size: os.pread(descriptor, size, at), size_bytes)
    if summary is None or summary.end_wall_ns - summary.start_wall_ns > MAX_SEGMENT_NS:
        return None
    return _summed_up(name, summary, size_bytes)


def _look(path: Path, descriptor: int, name: SegmentName, *, may_repair: bool) -> Looked:
    size_bytes = os.fstat(descriptor).st_size

    def read_at(at: int, size: int) -> bytes:
        return os.pread(descriptor, size, at)

    try:
        found = scan(read_at, size_bytes)
        intact_bytes, is_torn = found.intact_bytes, not found.is_whole
        row = closed_row(name, found)
    except SegmentDamaged as exc:
        known = exc.facts.get("intact_bytes")
        return _damaged(path, descriptor, name, known if isinstance(known, int) else 0, may_repair=may_repair)
    if row is None:
        return _without_footage(path, name, size_bytes, may_repair=may_repair)
    if not is_torn:
        return Looked(Finding.WHOLE, row)
    if not may_repair:
        return Looked(Finding.DAMAGED, row)
    return Looked(Finding.REPAIRED, _cut(descriptor, row, intact_bytes), size_bytes - intact_bytes)


def _damaged(path: Path, descriptor: int, name: SegmentName, intact_bytes: int, *, may_repair: bool) -> Looked:
    """A whole box that does not parse. What follows it may be footage, so nothing is cut."""
    size_bytes = os.fstat(descriptor).st_size
    if not intact_bytes:
        return _without_footage(path, name, size_bytes, may_repair=may_repair)
    start_ns = name.opened_wall_ms * NS_PER_MS
    return Looked(Finding.DAMAGED, _row(name, start_ns, start_ns, state=SegmentState.DAMAGED, size_bytes=size_bytes))


def _without_footage(path: Path, name: SegmentName, size_bytes: int, *, may_repair: bool) -> Looked:
    if size_bytes > _MAX_EMPTY_BYTES or not may_repair:
        start_ns = name.opened_wall_ms * NS_PER_MS
        row = _row(name, start_ns, start_ns, state=SegmentState.DAMAGED, size_bytes=size_bytes)
        return Looked(Finding.DAMAGED, row)
    path.unlink()
    sync_folder(path.parent)
    return Looked(Finding.EMPTY, None, size_bytes)


def _cut(descriptor: int, row: SegmentRow, intact_bytes: int) -> SegmentRow:
    os.ftruncate(descriptor, intact_bytes)
    os.fsync(descriptor)
    return replace(row, bytes=intact_bytes)


def _row(
    name: SegmentName,
    start_wall_ns: int,
    end_wall_ns: int,
    *,
    state: SegmentState,
    frames: int = 0,
    size_bytes: int = 0,
) -> SegmentRow:
    return SegmentRow(
        path=name.text(),
        camera=name.camera,
        boot=name.boot,
        run=name.run,
        n=name.n,
        start_wall_ns=start_wall_ns,
        end_wall_ns=end_wall_ns,
        frames=frames,
        bytes=size_bytes,
        state=state,
    )
