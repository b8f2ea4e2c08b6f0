"""Writes a planned clip: every file of it copied, hashed and on disk under its name, or none."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import ClipRefused, DiskError
from agent.recording.cliphead import ClipComment
from agent.recording.clipwriter import ClipWriter
from agent.recording.cut import ClipFile, ClipPlan, RecordedSegment
from agent.recording.segment import SegmentName, scan
from agent.recording.segment_file import open_segment
from agent.units import WallSpan

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A finished clip file, synced to disk under its final name."""

    path: Path
    size_bytes: int
    sha256: str
    span: WallSpan
    frames: int


def read_segment(data_dir: Path, name: SegmentName, *, shift_ns: int = 0) -> RecordedSegment | None:
    """Map a segment on disk; None when the file is gone. Raises SegmentDamaged, DiskError.

    `shift_ns` corrects its times (agent.recording.retiming.shift_of).
    """
    try:
        descriptor = open_segment(data_dir, name)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _disk_error(exc) from exc
    try:
        found = scan(lambda at, size: os.pread(descriptor, size, at), os.fstat(descriptor).st_size)
    except OSError as exc:
        raise _disk_error(exc) from exc
    finally:
        os.close(descriptor)
    if shift_ns:
        moved = (replace(each, start_wall_ns=each.start_wall_ns + shift_ns) for each in found.fragments)
        found = replace(found, fragments=tuple(moved))
    return RecordedSegment(name, found, shift_ns)


def export_clip(
    plan: ClipPlan, data_dir: Path, out: Path, on_progress: OnProgress | None = None
) -> tuple[ExportedFile, ...]:
    """Write every file of the plan: `out`, then `out` with -2, -3 … before its suffix. All of them or none.

    `on_progress(done_bytes, total_bytes)` is called after each fragment; what it raises ends the export. Raises
    ClipRefused (`reason`: `nothing_recorded`, `footage_vanished`, `footage_changed`) and DiskError.
    """
    if not plan.files:
        raise ClipRefused(
            reason="nothing_recorded", camera=plan.camera, remedy="ask `footage list` for what was recorded"
        )
    paths = [_numbered(out, index) for index in range(len(plan.files))]
    parts = [path.with_name(path.name + ".part") for path in paths]
    progress = _Progress(on_progress, plan.size_bytes)
    written: list[_Written] = []
    try:
        for index, file in enumerate(plan.files):
            written.append(_write(file, comment_of(plan, index), data_dir, part=parts[index], progress=progress))
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
        _sync_folder(out.parent)
    except OSError as exc:
        raise _disk_error(exc) from exc
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return tuple(
        ExportedFile(path, each.size_bytes, each.sha256, file.span, file.frames)
        for path, each, file in zip(paths, written, plan.files, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Written:
    size_bytes: int
    sha256: str


class _Progress:
    """Counts footage bytes over all files of a clip and tells the caller."""

    def __init__(self, on_progress: OnProgress | None, total_bytes: int) -> None:
        self._on_progress = on_progress
        self._total_bytes = total_bytes
        self._done_bytes = 0

    def add(self, count: int) -> None:
        self._done_bytes += count
        if self._on_progress is not None:
            self._on_progress(min(self._done_bytes, self._total_bytes), self._total_bytes)


def _write(file: ClipFile, comment: bytes, data_dir: Path, *, part: Path, progress: _Progress) -> _Written:
    digest = hashlib.sha256()
    writer = ClipWriter(file, comment, data_dir, on_copied=progress.add, on_written=digest.update)
    descriptor = writer.write(part)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return _Written(writer.size_bytes, digest.hexdigest())


def comment_of(plan: ClipPlan, index: int) -> bytes:
    """What file `index` of the clip says of itself."""
    return ClipComment(
        camera=plan.camera,
        asked=(plan.asked.start_ns, plan.asked.end_ns),
        delivered=tuple((span.start_ns, span.end_ns) for span in plan.delivered),
        gaps=tuple((gap.span.start_ns, gap.span.end_ns, gap.reason) for gap in plan.gaps),
        pauses=tuple((span.start_ns, span.end_ns) for span in plan.files[index].pauses),
        file=index + 1,
        files=len(plan.files),
    ).encode()


def _numbered(out: Path, index: int) -> Path:
    return out if index == 0 else out.with_name(f"{out.stem}-{index + 1}{out.suffix}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_error(exc: OSError) -> DiskError:
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskError(
        reason="disk_full" if full else "disk_error",
        path=exc.filename or "",
        error=exc.strerror or "",
        remedy="free some space" if full else "",
    )
