"""The boxes of a clip that are not copied: its head, and the times in each fragment's headers. Pure.

Sources: ISO/IEC 14496-12: 8.8.2 (`mehd`), 8.8.5 (`mfhd`), 8.8.12 (`tfdt`), 8.16.3 (`sidx`). Both `mehd` and `sidx` are
written because Chromium takes the first fragment's length for the whole without them (seen with Chromium 142).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from agent.errors import SegmentDamaged
from agent.recording.boxes import box, children, full_box, read_header, require, unpack
from agent.recording.cut import ClipFile
from agent.recording.fragment import move_reference_time
from agent.recording.movie import SOUND_HANDLER, Movie
from agent.recording.segment import Fragment
from agent.recording.soundcut import Heard, place_sound
from agent.units import NS_PER_S

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_MVHD_TIMESCALE_AT = {0: 12, 1: 20}
_SIDX_HEAD = struct.Struct(">IIQQHH")
_SIDX_REFERENCE = struct.Struct(">III")
# reference_count of `sidx` has 16 bits; longer clips (18 h of one-second GOPs) join GOPs.
_MAX_REFERENCES = 0xFFFF
# starts_with_SAP, and SAP_type 1: decodable from its first sample, which is also the first shown (Annex I).
_SAP_CLOSED_GOP = 1 << 31 | 1 << 28
_HANDLER_METADATA = bytes(4) + b"mdirappl" + bytes(9)
_UTF8_TEXT = struct.pack(">II", 1, 0)


class ClipComment(msgspec.Struct, frozen=True, kw_only=True):
    """What a clip says of itself, as JSON in its `moov`. Spans are [start, end) in ns since 1970 UTC.

    `pauses` are this file's jumps of the decode time; `gaps` and `delivered` are those of the whole clip.
    """

    v: int = 1
    camera: str
    asked: tuple[int, int]
    delivered: tuple[tuple[int, int], ...]
    gaps: tuple[tuple[int, int, str], ...]
    pauses: tuple[tuple[int, int], ...]
    file: int
    files: int

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class Placed:
    """A fragment and its decode time in the clip, in ticks of the video."""

    fragment: Fragment
    decode_time: int


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to a piece's own times: `ticks` of the video to the decode times, `wall_ns` to the wall clock's."""

    ticks: int
    wall_ns: int = 0


def place(file: ClipFile) -> tuple[tuple[Placed, ...], ...]:
    """The clip's time line, piece by piece: wall time between pieces, exact ticks within one."""
    timescale = file.movie.video.timescale
    pieces: list[tuple[Placed, ...]] = []
    for piece in file.pieces:
        at = ((piece.span.start_ns - file.span.start_ns) * timescale + NS_PER_S // 2) // NS_PER_S
        # A segment that begins with an open GOP's picture shows it later than one that begins with an IDR does.
        at -= piece.delay - file.pieces[0].delay
        placed: list[Placed] = []
        for fragment in piece.fragments:
            placed.append(Placed(fragment, at))
            at += fragment.duration
        pieces.append(tuple(placed))
    return tuple(pieces)


def clip_head(file: ClipFile, pieces: Sequence[Sequence[Placed]], comment: bytes) -> bytes:
    """ftyp, moov and sidx of a clip. Raises SegmentDamaged if `file.init` is not what `scan` returned."""
    placed = [each for piece in pieces for each in piece]
    end = placed[-1].decode_time + placed[-1].fragment.duration
    ftyp = read_header(file.init, 0)
    moov = _moov(file.init, ftyp.end, movie=file.movie, duration=end, comment=comment)
    return file.init[: ftyp.end] + moov + _sidx(file, placed, end)


def _moov(init: bytes, at: int, *, movie: Movie, duration: int, comment: bytes) -> bytes:
    """The segment's own `moov` with the whole length stated and another comment; everything else byte for byte."""
    moov = read_header(init, at)
    boxes = children(init, moov.body, moov.end)
    mvhd = require(boxes, b"mvhd")
    timescale_at = _MVHD_TIMESCALE_AT.get(unpack(_U32, init, mvhd)[0] >> 24, 0)
    (timescale,) = unpack(_U32, init, mvhd, timescale_at)
    mehd = full_box(b"mehd", 1, 0, _U64.pack(-(-duration * timescale // movie.video.timescale)))
    parts: list[bytes] = []
    for each in boxes:
        if each.kind == b"mvex":
            kept = [init[x.start : x.end] for x in children(init, each.body, each.end) if x.kind != b"mehd"]
            parts.append(box(b"mvex", mehd, *kept))
        elif each.kind != b"udta":
            parts.append(init[each.start : each.end])
    return box(b"moov", *parts, _udta(comment))


def _udta(comment: bytes) -> bytes:
    ilst = box(b"ilst", box(b"\xa9cmt", box(b"data", _UTF8_TEXT, comment)))
    return box(b"udta", full_box(b"meta", 0, 0, full_box(b"hdlr", 0, 0, _HANDLER_METADATA), ilst))


def _sidx(file: ClipFile, placed: Sequence[Placed], end: int) -> bytes:
    """One reference a GOP, in front of everything it refers to. A pause belongs to the GOP before it."""
    starts = [index for index, each in enumerate(placed) if each.fragment.starts_at_idr]
    stride = -(-len(starts) // _MAX_REFERENCES)
    starts = starts[::stride]
    references: list[bytes] = []
    for start, stop in zip(starts, [*starts[1:], len(placed)], strict=True):
        size = sum(each.fragment.size_bytes for each in placed[start:stop])
        stop_time = placed[stop].decode_time if stop < len(placed) else end
        ticks = stop_time - placed[start].decode_time
        if size >> 31 or ticks >> 32:
            raise SegmentDamaged(reason="a group of pictures is too large for an index", size_bytes=size)
        references.append(_SIDX_REFERENCE.pack(size, ticks, _SAP_CLOSED_GOP))
    video = file.movie.video
    first_shown = max(placed[0].decode_time + file.delay, 0)
    head = _SIDX_HEAD.pack(video.track_id, video.timescale, first_shown, 0, 0, len(references))
    return full_box(b"sidx", 1, 0, head, *references)


def retime(head: bytes, movie: Movie, *, sequence: int, shift: Shift, heard: Heard) -> bytes:
    """A fragment's headers with a new sequence number and shifted times.

    `head` is prft, moof and the header of mdat; nothing changes its size, so sample addresses hold. `heard` is the
    file's. Raises SegmentDamaged.
    """
    patched = bytearray(head)
    at = 0
    while True:
        moof = read_header(head, at)
        if moof.kind == b"moof":
            break
        if moof.kind == b"prft" and shift.wall_ns:
            move_reference_time(patched, moof, shift.wall_ns)
        at = moof.end
    boxes = children(head, moof.body, moof.end)
    mfhd = require(boxes, b"mfhd")
    unpack(_U64, head, mfhd)
    _U32.pack_into(patched, mfhd.body + 4, sequence)
    for traf in boxes:
        if traf.kind == b"traf":
            inner = children(head, traf.body, traf.end)
            track = movie.track(unpack(_U32, head, require(inner, b"tfhd"), 4)[0])
            tfdt = require(inner, b"tfdt")
            field = _U64 if unpack(_U32, head, tfdt)[0] >> 24 else _U32
            moved = unpack(field, head, tfdt, 4)[0] + shift.ticks * track.timescale // movie.video.timescale
            if track.handler == SOUND_HANDLER:
                place_sound(patched, traf, track, at=moved, heard=heard)
                continue
            if not 0 <= moved < 1 << (8 * field.size):
                raise SegmentDamaged(reason="a decode time does not fit its box")
            field.pack_into(patched, tfdt.body + 4, moved)
    return bytes(patched)
