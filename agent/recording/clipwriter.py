"""Writes the bytes of one clip file: media data is copied inside the kernel, between small rewritten headers."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from agent.errors import ClipRefused, SegmentDamaged
from agent.recording.cliphead import Placed, Shift, clip_head, place, retime
from agent.recording.cut import ClipFile, Piece
from agent.recording.naming import SegmentName
from agent.recording.segment_file import open_segment
from agent.recording.soundcut import Heard

# What was written, in order; the view is used again once this returns.
OnWritten = Callable[[memoryview], object]

# Copied and handed on in steps of this size, so that a hash reads what is still in the processor's cache; 64 kB to
# 512 kB measured the same (0.65 GB/s with SHA extensions, of which the hash is half).
_STEP_BYTES = 1 << 18
# Kernels and file systems that cannot copy between these two files say one of these (copy_file_range(2)).
_CANNOT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class ClipWriter:
    """Writes one output file, which it creates; single use. Footage bytes are counted to `on_copied`.

    `on_written`, if given, gets every byte that stands in the file, read back from it. Nothing is synced. Raises
    ClipRefused (`footage_vanished`, `footage_changed`) and OSError.
    """

    def __init__(
        self,
        file: ClipFile,
        comment: bytes,
        data_dir: Path,
        *,
        on_copied: Callable[[int], None],
        on_written: OnWritten | None = None,
    ) -> None:
        self._file = file
        self._comment = comment
        self._data_dir = data_dir
        self._on_copied = on_copied
        self._on_written = on_written
        self._buffer = memoryview(bytearray(_STEP_BYTES))
        self._out = -1
        self._heard = Heard()
        self.size_bytes = 0

    def write(self, part: Path) -> int:
        """The descriptor of the finished file, which is the caller's to sync and close; none is left after an error."""
        pieces = place(self._file)
        # A part left by a run that died is of no use: its plan is gone.
        self._out = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            self._put(clip_head(self._file, pieces, self._comment))
            self._on_copied(len(self._file.init))
            sequence = 1
            for piece, placed in zip(self._file.pieces, pieces, strict=True):
                self._copy_piece(piece, placed, sequence)
                sequence += len(placed)
        except BaseException:
            os.close(self._out)
            raise
        return self._out

    def _copy_piece(self, piece: Piece, placed: tuple[Placed, ...], sequence: int) -> None:
        name = SegmentName.parse(piece.path)
        if name is None:
            raise ClipRefused(reason="footage_changed", path=piece.path.name)
        try:
            source = open_segment(self._data_dir, name)
        except FileNotFoundError as exc:
            raise ClipRefused(reason="footage_vanished", path=piece.path.name) from exc
        try:
            shift = Shift(placed[0].decode_time - placed[0].fragment.decode_time, piece.shift_ns)
            for number, each in enumerate(placed, sequence):
                fragment = each.fragment
                head_bytes = fragment.payload_offset - fragment.offset
                head = os.pread(source, head_bytes, fragment.offset)
                try:
                    self._put(retime(head, self._file.movie, sequence=number, shift=shift, heard=self._heard))
                except SegmentDamaged as exc:
                    raise ClipRefused(reason="footage_changed", path=piece.path.name) from exc
                self._copy(source, fragment.payload_offset, fragment.size_bytes - head_bytes, piece.path.name)
                self._on_copied(fragment.size_bytes)
        finally:
            os.close(source)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        if self._on_written is not None:
            self._on_written(rest)
        while rest:
            rest = rest[os.write(self._out, rest) :]
        self.size_bytes += len(data)

    def _copy(self, source: int, at: int, count: int, name: str) -> None:
        """Copy media data to the end of the output, and hand on what was written."""
        while count:
            copied = _copy_some(source, self._out, at, count if self._on_written is None else min(count, _STEP_BYTES))
            if copied == 0:
                raise ClipRefused(reason="footage_changed", path=name)
            if self._on_written is not None:
                view = self._buffer[:copied]
                if os.preadv(self._out, [view], self.size_bytes) != copied:
                    raise ClipRefused(reason="footage_changed", path=name)
                self._on_written(view)
            self.size_bytes += copied
            at += copied
            count -= copied


def _copy_some(source: int, out: int, at: int, count: int) -> int:
    """Copy up to `count` bytes at `at` of source to out's current position, inside the kernel."""
    try:
        # 0 without an error: the file ends, or a FUSE server or an older kernel that cannot (copy_file_range(2), BUGS).
        if copied := os.copy_file_range(source, out, count, at):
            return copied
    except OSError as exc:
        if exc.errno not in _CANNOT_COPY:
            raise
    return os.sendfile(out, source, at, count)
