"""A day of one camera as one fragmented MP4 with an index at its end.

It is what `ffmpeg -c copy` leaves with the options that `bench record`'s peer has, so that a power cut costs it little
more than it costs us.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.bench.dayfile import DAY_S, PROBED_S
from agent.bench.films import find_ffmpeg
from agent.errors import BenchError
from agent.recording.boxes import Box, box, full_box, read_header

_MINUTE_S: Final = 60
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_MDAT_HEAD_BYTES: Final = 8
_ENTRY: Final = struct.Struct(">QQBBB")


@dataclass(frozen=True, slots=True)
class _Head:
    """One fragment's `moof` with the header of its `mdat`, and where in it number and decode time stand."""

    at: int
    data: bytes
    number_at: int
    time_at: int


def make_day(film: Path, out: Path, *, real_from_s: int, real_s: int) -> None:
    """Play `film` for a day into `out`; only the minutes of [real_from_s, +real_s) have media data, the rest is a hole.
    Raises BenchError."""
    minute = _minute(film, out.with_suffix(".minute"))
    boxes = list(_boxes(minute))
    heads = [_head(minute, each) for each in boxes if each.kind == b"moof"]
    start, end = heads[0].at, next(each.start for each in boxes if each.kind == b"mfra")
    ticks = _length(minute)
    real = {0, *range(real_from_s // _MINUTE_S, (real_from_s + real_s) // _MINUTE_S + 1)}
    assert PROBED_S <= _MINUTE_S
    entries: list[bytes] = []
    with out.open("wb") as file:
        file.write(minute[:start])
        for number in range(DAY_S // _MINUTE_S):
            base = number * (end - start)
            if number in real:
                file.seek(start + base)
                file.write(minute[start:end])
            for head in heads:
                (time,) = _U64.unpack_from(head.data, head.time_at)
                data = bytearray(head.data)
                _U32.pack_into(data, head.number_at, len(entries) + 1)
                _U64.pack_into(data, head.time_at, time + number * ticks)
                file.seek(head.at + base)
                file.write(data)
                entries.append(_ENTRY.pack(time + number * ticks, head.at + base, 1, 1, 1))
        file.seek(start + DAY_S // _MINUTE_S * (end - start))
        file.write(_index(entries))


def _minute(film: Path, path: Path) -> bytes:
    flags = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000")
    argv = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(film), "-t", str(_MINUTE_S)]
    made = subprocess.run([*argv, "-c", "copy", "-f", "mp4", *flags, str(path)], capture_output=True, check=False)
    if made.returncode:
        raise BenchError(problem=made.stderr.decode(errors="replace").strip()[-300:])
    data = path.read_bytes()
    path.unlink()
    return data


def _boxes(data: bytes) -> Iterator[Box]:
    at = 0
    while at < len(data):
        found = read_header(data, at)
        yield found
        at = found.end


def _head(data: bytes, moof: Box) -> _Head:
    head = data[moof.start : moof.end + _MDAT_HEAD_BYTES]
    # Behind the type: version and flags, then the value; FFmpeg writes tfdt with 64 bits (version 1).
    return _Head(moof.start, head, head.index(b"mfhd") + 8, head.index(b"tfdt") + 8)


def _length(data: bytes) -> int:
    """Ticks of the whole minute, from its time scale."""
    mdhd = data.index(b"mdhd")
    (timescale,) = _U32.unpack_from(data, mdhd + 16)
    return int(timescale) * _MINUTE_S


def _index(entries: list[bytes]) -> bytes:
    """`mfra` (ISO/IEC 14496-12, 8.8.9 to 8.8.11)."""
    tfra = full_box(b"tfra", 1, 0, struct.pack(">III", 1, 0, len(entries)), *entries)
    size = 8 + len(tfra) + 16
    return box(b"mfra", tfra, full_box(b"mfro", 0, 0, _U32.pack(size)))
