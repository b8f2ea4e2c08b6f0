"""A day of one camera as one plain MP4, as a recorder without segments would leave it: what `ffmpeg -ss -t` cuts from.

Its index stands first and is complete, the best case for a reader. Of its 43 GB of media data only what is cut is
there; the rest is a hole, which nobody reads.
"""

from __future__ import annotations

import itertools
import os
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.bench.films import FRAMES_PER_S
from agent.recording.boxes import box, children, full_box, read_header, require

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_S: Final = 86_400
# One chunk a second, as muxers interleave.
_CHUNK_FRAMES: Final = FRAMES_PER_S
_U32: Final = struct.Struct(">I")
_MDAT_HEAD_BYTES: Final = 16
# ffmpeg looks at the first pictures of what it opens.
PROBED_S: Final = 10
_MOVIE_TIMESCALE: Final = 1000
_TABLES: Final = frozenset({b"stts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"ctts", b"sdtp"})


@dataclass(frozen=True, slots=True)
class _Film:
    """A film's access units in order, where its IDRs are, and its `moov`."""

    moov: bytes
    units: tuple[bytes, ...]
    keys: tuple[int, ...]
    ticks: int


def make_day(film: Path, out: Path, *, real_from_s: int, real_s: int) -> None:
    """Play `film` for a day into `out`; the media data of [real_from_s, +real_s) is really there."""
    played = _read(film)
    frames = DAY_S * FRAMES_PER_S
    # The head's length does not depend on the offsets in it.
    ftyp = box(b"ftyp", b"isom", bytes(4), b"isomavc1")
    head = ftyp + _moov(played, frames, 0)
    first = len(head) + _MDAT_HEAD_BYTES
    sizes = [len(unit) for unit in played.units]
    rounds, rest = divmod(frames, len(sizes))
    media_bytes = rounds * sum(sizes) + sum(sizes[:rest])
    with out.open("wb") as file:
        file.write(ftyp + _moov(played, frames, first))
        file.write(struct.pack(">I4sQ", 1, b"mdat", _MDAT_HEAD_BYTES + media_bytes))
        for from_s, length_s in ((0, PROBED_S), (real_from_s, real_s)):
            number = from_s * FRAMES_PER_S
            rounds, rest = divmod(number, len(sizes))
            file.seek(first + rounds * sum(sizes) + sum(sizes[:rest]))
            for each in range(number, min(number + length_s * FRAMES_PER_S, frames)):
                file.write(played.units[each % len(sizes)])
        os.ftruncate(file.fileno(), first + media_bytes)


def _read(film: Path) -> _Film:
    import av

    with av.open(str(film)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.size]
        units = tuple(bytes(packet) for packet in packets)
        keys = tuple(number for number, packet in enumerate(packets) if packet.is_keyframe)
        ticks = round(1 / (stream.time_base or 1) / FRAMES_PER_S)
    data = film.read_bytes()
    at = 0
    while (found := read_header(data, at)).kind != b"moov":
        at = found.end
    return _Film(data[found.start : found.end], units, keys, ticks)


def _moov(film: _Film, frames: int, first_offset: int) -> bytes:
    """The film's own, with the lengths and the tables of a day."""
    tables = _tables(film, frames, first_offset)

    def rebuilt(data: bytes, kind: bytes) -> bytes:
        parts: list[bytes] = []
        for child in children(data, 8, len(data)):
            whole = data[child.start : child.end]
            if child.kind in {b"trak", b"mdia", b"minf", b"stbl"}:
                parts.append(rebuilt(whole, child.kind))
            elif child.kind in {b"mvhd", b"tkhd", b"mdhd"}:
                parts.append(_with_duration(whole, child.kind, frames, film.ticks))
            elif child.kind not in _TABLES | {b"edts", b"udta"}:
                parts.append(whole)
        if kind == b"stbl":
            parts.extend(tables)
        return box(kind, *parts)

    moov = require(children(film.moov, 0, len(film.moov)), b"moov")
    return rebuilt(film.moov[moov.start : moov.end], b"moov")


def _with_duration(data: bytes, kind: bytes, frames: int, ticks: int) -> bytes:
    """Version 0 of these boxes has its duration at 24 (mvhd, mdhd) or 28 (tkhd) bytes from its start; mdhd's counts in
    the film's ticks, the others' in FFmpeg's movie time scale."""
    patched = bytearray(data)
    length = frames * ticks if kind == b"mdhd" else frames * _MOVIE_TIMESCALE // FRAMES_PER_S
    _U32.pack_into(patched, 28 if kind == b"tkhd" else 24, length)
    return bytes(patched)


def _tables(film: _Film, frames: int, first_offset: int) -> Sequence[bytes]:
    sizes = [len(unit) for unit in film.units]
    all_sizes = array("I", itertools.islice(itertools.cycle(sizes), frames))
    starts = itertools.accumulate(all_sizes, initial=first_offset)
    offsets = array("Q", itertools.islice(starts, 0, frames, _CHUNK_FRAMES))
    keys = array("I")
    for base in range(0, frames, len(sizes)):
        keys.extend(base + key + 1 for key in film.keys if base + key < frames)
    for table in (all_sizes, offsets, keys):
        table.byteswap()
    return (
        full_box(b"stts", 0, 0, struct.pack(">III", 1, frames, film.ticks)),
        full_box(b"stss", 0, 0, _U32.pack(len(keys)), keys.tobytes()),
        full_box(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, _CHUNK_FRAMES, 1)),
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, frames), all_sizes.tobytes()),
        full_box(b"co64", 0, 0, _U32.pack(len(offsets)), offsets.tobytes()),
    )
