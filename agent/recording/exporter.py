"""Writes a planned clip: media data is copied inside the kernel, between small rewritten headers."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import ClipRefused, DiskError, SegmentDamaged
from agent.recording.cliphead import ClipComment, Placed, Shift, clip_head, place, retime
from agent.recording.cut import ClipFile, ClipPlan, Piece, RecordedSegment
from agent.recording.segment import SegmentName, scan
from agent.units import WallSpan

OnProgress = Callable[[int, int], None]

# Copied and hashed in steps of this size, so that the hash reads what is still in the processor's cache; 64 kB to
# 512 kB measured the same (0.65 GB/s with SHA extensions, of which the hash is half).
_STEP_BYTES = 1 << 18
# Kernels and file systems that cannot copy between these two files say one of these (copy_file_range(2)).
_CANNOT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


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
        descriptor = os.open(data_dir / name.path(), os.O_RDONLY | os.O_CLOEXEC)
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
            writer = _Writer(file, _comment(plan, index), data_dir=data_dir, progress=progress)
            written.append(writer.write(parts[index]))
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


class _Writer:
    """One output file. Owns its descriptor while `write` runs; single use."""

    def __init__(self, file: ClipFile, comment: bytes, *, data_dir: Path, progress: _Progress) -> None:
        self._file = file
        self._comment = comment
        self._data_dir = data_dir
        self._progress = progress
        self._hash = hashlib.sha256()
        self._buffer = bytearray(_STEP_BYTES)
        self._size = 0
        self._out = -1

    def write(self, part: Path) -> _Written:
        pieces = place(self._file)
        # A part left by a run that died is of no use: its plan is gone.
        self._out = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            self._put(clip_head(self._file, pieces, self._comment))
            self._progress.add(len(self._file.init))
            sequence = 1
            for piece, placed in zip(self._file.pieces, pieces, strict=True):
                self._copy_piece(piece, placed, sequence)
                sequence += len(placed)
            os.fsync(self._out)
        finally:
            os.close(self._out)
        return _Written(self._size, self._hash.hexdigest())

    def _copy_piece(self, piece: Piece, placed: tuple[Placed, ...], sequence: int) -> None:
        path = self._data_dir / piece.path
        try:
            source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise ClipRefused(reason="footage_vanished", path=path.name) from exc
        try:
            shift = Shift(placed[0].decode_time - placed[0].fragment.decode_time, piece.shift_ns)
            for number, each in enumerate(placed, sequence):
                fragment = each.fragment
                head_bytes = fragment.payload_offset - fragment.offset
                head = os.pread(source, head_bytes, fragment.offset)
                try:
                    self._put(retime(head, self._file.movie, sequence=number, shift=shift))
                except SegmentDamaged as exc:
                    raise ClipRefused(reason="footage_changed", path=path.name) from exc
                self._copy(source, fragment.payload_offset, fragment.size_bytes - head_bytes, path.name)
                self._progress.add(fragment.size_bytes)
        finally:
            os.close(source)

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._out, rest) :]
        self._size += len(data)

    def _copy(self, source: int, at: int, count: int, name: str) -> None:
        """Copy media data to the end of the output, and hash what was written."""
        while count:
            copied = _copy_some(source, self._out, at, min(count, _STEP_BYTES))
            if copied == 0:
                raise ClipRefused(reason="footage_changed", path=name)
            view = memoryview(self._buffer)[:copied]
            if os.preadv(self._out, [view], self._size) != copied:
                raise ClipRefused(reason="footage_changed", path=name)
            self._hash.update(view)
            self._size += copied
            at += copied
            count -= copied


def _copy_some(source: int, out: int, at: int, count: int) -> int:
    """Copy up to `count` bytes at `at` of source to out's current position, inside the kernel."""
    try:
        return os.copy_file_range(source, out, count, at)
    except OSError as exc:
        if exc.errno not in _CANNOT_COPY:
            raise
    return os.sendfile(out, source, at, count)


def _comment(plan: ClipPlan, index: int) -> bytes:
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
