"""The last box of a closed segment: what the index keeps of it, so that rebuilding a ring reads two pages a file. Pure.

Reading every fragment's header takes a page each, 10 million of them for a month of four cameras: minutes from memory,
hours from a spinning disk. The recorder writes this box at the close, after everything before it is on disk; it is
only believed where its own checksum, the file's size and the file's head all agree with it. A segment without one (its
writer died) is read whole, and so is every segment by `wayside footage verify`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from agent.errors import SegmentDamaged
from agent.recording.segment import ReadAt, scan

# `uuid` boxes carry a vendor's own data (ISO/IEC 14496-12, 4.2); readers skip those that they do not know.
_KIND: Final = b"uuid"
_USER_TYPE: Final = bytes.fromhex("5741595349444500a1c04f3b6d2e7788")
# Version; frames; start and end, and monotonic start, in ns; boot; clock quality; bytes and CRC-32 of ftyp and moov;
# bytes of the file before this box. Behind them stands the CRC-32 of the whole box up to there.
_FIELDS: Final = struct.Struct(">IqqqqqIIIq")
_CRC: Final = struct.Struct(">I")
_VERSION: Final = 1
_QUALITIES: Final = ("synced", "holdover", "unsynced")
SUMMARY_BYTES: Final = 8 + len(_USER_TYPE) + _FIELDS.size + _CRC.size
# Our moov is 2 kB at most (agent.recording.segment); this only stops a hostile size from filling memory.
_MAX_INIT_BYTES: Final = 1 << 21
_HEADER: Final = struct.pack(">I4s", SUMMARY_BYTES, _KIND) + _USER_TYPE


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """Of one segment: its span, frames and clock. `init_bytes` and `init_crc32` are of ftyp and moov."""

    frames: int
    start_wall_ns: int
    end_wall_ns: int
    start_mono_ns: int
    boot: int
    clock_quality: str
    init_bytes: int
    init_crc32: int
    size_bytes: int

    def encode(self) -> bytes:
        fields = _FIELDS.pack(
            _VERSION,
            self.frames,
            self.start_wall_ns,
            self.end_wall_ns,
            self.start_mono_ns,
            self.boot,
            _QUALITIES.index(self.clock_quality),
            self.init_bytes,
            self.init_crc32,
            self.size_bytes,
        )
        sealed = _HEADER + fields
        return sealed + _CRC.pack(zlib.crc32(sealed))


def summarise(read_at: ReadAt, size: int) -> bytes:
    """The box to append to a finished segment, by its own headers; none where it has no footage or not our comment."""
    try:
        found = scan(read_at, size)
    except SegmentDamaged:
        return b""
    span, comment = found.span, found.comment
    if span is None or comment is None or not found.is_whole:
        return b""
    return SegmentSummary(
        frames=found.frames,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        start_mono_ns=comment.start_mono_ns,
        boot=comment.boot,
        clock_quality=comment.clock_quality,
        init_bytes=len(found.init),
        init_crc32=zlib.crc32(found.init),
        size_bytes=found.size_bytes,
    ).encode()


def read_summary(read_at: ReadAt, size: int) -> SegmentSummary | None:
    """The summary at the end of a file of `size` bytes; None where there is none or anything disagrees with it."""
    if size < SUMMARY_BYTES:
        return None
    data = read_at(size - SUMMARY_BYTES, SUMMARY_BYTES)
    if len(data) != SUMMARY_BYTES or not data.startswith(_HEADER):
        return None
    end = SUMMARY_BYTES - _CRC.size
    version, frames, start_ns, end_ns, mono_ns, boot, quality, init_bytes, init_crc32, before = _FIELDS.unpack_from(
        data, len(_HEADER)
    )
    if (
        version != _VERSION
        or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end])
        or before + SUMMARY_BYTES != size
        or not 0 < init_bytes <= min(before, _MAX_INIT_BYTES)
        or frames <= 0
        or end_ns < start_ns
        or quality >= len(_QUALITIES)
        or zlib.crc32(read_at(0, init_bytes)) != init_crc32
    ):
        return None
    return SegmentSummary(
        frames, start_ns, end_ns, mono_ns, boot, _QUALITIES[quality], init_bytes, init_crc32, size_bytes=before
    )
