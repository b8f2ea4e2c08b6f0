"""Proves a delivered clip by its boxes alone: whole, in order, opening at an IDR, its gaps stated. Needs no decoder."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from agent.errors import ClipDamaged, SegmentDamaged
from agent.recording.boxes import children, read_header, require, unpack
from agent.recording.cliphead import ClipComment
from agent.recording.cut import PAUSE_NS
from agent.recording.fragment import VideoPart, parse_moof
from agent.recording.segment import Fragment, ReadAt, SegmentScan, scan
from agent.units import NS_PER_MS, NS_PER_S, WallSpan, subtract

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_SIDX_HEAD = struct.Struct(">IIIQQHH")
_SIDX_REFERENCE = struct.Struct(">III")
_SAP_MASK = 0xF0000000
_SAP_CLOSED_GOP = 0x90000000
_MVHD_TIMESCALE_AT = {0: 12, 1: 20}
# A tick of 90 kHz and the microseconds of prft round a fragment's place by less than this.
_ROUNDING_NS = NS_PER_MS
# A run's last frame has a guessed duration, and the plan ends a segment where the next one begins.
_GUESSED_NS = 100 * NS_PER_MS
# Parameter sets, SEI and a delimiter precede the first slice; a real access unit has a handful, signed video dozens.
_MAX_NALS = 256
# H.264 Table 7-1: slices are 1 to 5, an IDR's is 5. H.265 Table 7-1: slices are below 32, IRAP's are 16 to 23.
_H264_SLICES = range(1, 6)
_H264_IRAP = range(5, 6)
_H265_SLICES = range(32)
_H265_IRAP = range(16, 24)
_HASH_BYTES = 1 << 20
# What agent.media.faststart writes into a copy's comment, at the end of an index of some 10 bytes a frame: this much
# holds an hour's.
_DERIVATIVE = b'{"derivative":'
_INDEX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a verified clip is. `duration_s` runs to the end of the last frame, over its pauses; `gaps` are those that
    the node stated for the whole clip: (span, reason)."""

    camera: str
    codec: str
    width: int
    height: int
    frames: int
    duration_s: float
    start_wall_ns: int
    end_wall_ns: int
    starts_at_idr: bool
    size_bytes: int
    sha256: str
    asked: WallSpan
    gaps: tuple[tuple[WallSpan, str], ...]
    pauses: tuple[WallSpan, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A fragment with what its own headers say. `video` is None for one that holds only sound."""

    fragment: Fragment
    sequence: int
    video: VideoPart | None
    moof_at: int


def verify_clip(path: Path, sha256: str | None = None) -> ClipFacts:
    """Check a clip file; with `sha256` (hex) also that it is the one the node sent.

    Raises ClipDamaged with the `reason`, OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size

        def read_at(at: int, count: int) -> bytes:
            return os.pread(descriptor, count, at)

        digest = _digest(descriptor)
        if sha256 is not None and digest != sha256.lower():
            raise ClipDamaged(reason="its SHA-256 is another", path=path.name, sha256=digest)
        try:
            return _verify(read_at, size, digest)
        except SegmentDamaged as exc:
            if _DERIVATIVE in read_at(0, _INDEX_BYTES):
                remedy = "verify the native clip that it was made of, whose hash it names"
                raise ClipDamaged(reason="it is a derivative", path=path.name, remedy=remedy) from exc
            raise ClipDamaged(reason=exc.facts.get("reason"), path=path.name, offset=exc.facts.get("offset")) from exc


def _verify(read_at: ReadAt, size: int, digest: str) -> ClipFacts:
    found = scan(read_at, size)
    if not found.is_whole:
        raise SegmentDamaged(reason="the file is cut short", offset=found.intact_bytes)
    comment = _comment(found)
    parts = [_part(read_at, fragment, found) for fragment in found.fragments]
    videos = [(part, part.video) for part in parts if part.video is not None]
    if not videos:
        raise SegmentDamaged(reason="it holds no picture")
    if [part.sequence for part in parts] != list(range(1, len(parts) + 1)):
        raise SegmentDamaged(reason="its fragments are not numbered from 1 without a hole")
    _check_entry(read_at, videos[0][0], videos[0][1], found)
    pauses = _check_time_line(videos, found.timescale)
    last = videos[-1][1]
    ticks = last.decode_time + last.duration
    _check_lengths(read_at, found, [part for part, _ in videos], ticks)
    start_ns = videos[0][0].fragment.start_wall_ns
    held = WallSpan(start_ns, start_ns + ticks * NS_PER_S // found.timescale)
    _check_statement(comment, pauses, held)
    return ClipFacts(
        camera=comment.camera,
        codec=found.codec,
        width=found.width,
        height=found.height,
        frames=found.frames,
        duration_s=ticks / found.timescale,
        start_wall_ns=start_ns,
        end_wall_ns=held.end_ns,
        starts_at_idr=True,
        size_bytes=size,
        sha256=digest,
        asked=WallSpan(*comment.asked),
        gaps=tuple((WallSpan(start, end), reason) for start, end, reason in comment.gaps),
        pauses=pauses,
    )


def _comment(found: SegmentScan) -> ClipComment:
    try:
        return msgspec.json.decode(found.movie.comment or b"", type=ClipComment)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SegmentDamaged(reason="it does not say what was asked and delivered") from exc


def _part(read_at: ReadAt, fragment: Fragment, found: SegmentScan) -> _Part:
    head = read_at(fragment.offset, fragment.payload_offset - fragment.offset)
    moof = read_header(head, 0)
    while moof.kind != b"moof":
        moof = read_header(head, moof.end)
    mdat = read_header(head, moof.end)
    sequence = unpack(_U32, head, require(children(head, moof.body, moof.end), b"mfhd"), 4)[0]
    return _Part(fragment, sequence, parse_moof(head, moof, mdat, found.movie), fragment.offset + moof.start)


def _check_entry(read_at: ReadAt, part: _Part, video: VideoPart, found: SegmentScan) -> None:
    """The first frame must say in its headers and in its own bytes that a decoder can begin with it."""
    if not video.starts_at_sync or video.decode_time != 0:
        raise SegmentDamaged(reason="it does not begin at an IDR")
    slices, entries = (_H265_SLICES, _H265_IRAP) if found.codec == "hevc" else (_H264_SLICES, _H264_IRAP)
    length_bytes = found.movie.nal_length_bytes
    if not length_bytes:
        return
    at = part.moof_at + video.first_sample_at
    end = at + video.first_sample_bytes
    for _ in range(_MAX_NALS):
        if at + length_bytes >= end:
            break
        head = read_at(at, length_bytes + 1)
        kind = head[-1] >> 1 & 0x3F if found.codec == "hevc" else head[-1] & 0x1F
        if kind in slices:
            if kind in entries:
                return
            break
        at += length_bytes + int.from_bytes(head[:-1], "big")
    raise SegmentDamaged(reason="its first frame is no IDR", offset=part.fragment.offset)


def _check_time_line(videos: Sequence[tuple[_Part, VideoPart]], timescale: int) -> tuple[WallSpan, ...]:
    """Media time must be wall time. Returns its jumps; a decoder must be able to resume after each."""
    origin_ns = videos[0][0].fragment.start_wall_ns
    pauses: list[WallSpan] = []
    for (_, before), (part, after) in pairwise(videos):
        drift_ns = part.fragment.start_wall_ns - origin_ns - after.decode_time * NS_PER_S // timescale
        if abs(drift_ns) > _ROUNDING_NS:
            raise SegmentDamaged(reason="media time and wall time part", offset=part.fragment.offset, drift_ns=drift_ns)
        end = before.decode_time + before.duration
        hole_ns = (after.decode_time - end) * NS_PER_S // timescale
        # The duration of a run's last frame is a guess; up to that frame a fragment may reach over the next.
        if -hole_ns * before.frames * timescale > before.duration * NS_PER_S:
            raise SegmentDamaged(reason="its fragments overlap", offset=part.fragment.offset)
        if hole_ns > PAUSE_NS:
            if not after.starts_at_sync:
                raise SegmentDamaged(reason="it resumes after a pause without an IDR", offset=part.fragment.offset)
            pauses.append(WallSpan(origin_ns + end * NS_PER_S // timescale, part.fragment.start_wall_ns))
    return tuple(pauses)


def _check_statement(comment: ClipComment, pauses: Sequence[WallSpan], held: WallSpan) -> None:
    """What was asked must be delivered or stated as missing, and this file must hold what the statement gives it."""
    stated = [WallSpan(start, end) for start, end in comment.pauses]
    # The asked end may lie in a run's wait for its next frame: then the last pause has nothing after it.
    if len(stated) == len(pauses) + 1 and abs(stated[-1].start_ns - held.end_ns) <= _ROUNDING_NS:
        held = WallSpan(held.start_ns, stated.pop().end_ns)
    if len(stated) != len(pauses) or not all(map(_is_same, stated, pauses)):
        raise SegmentDamaged(reason="its pauses are not those it states")
    asked = WallSpan(*comment.asked)
    delivered = [WallSpan(start, end) for start, end in comment.delivered]
    missing = [WallSpan(start, end) for start, end, _ in comment.gaps]
    silent = [hole for hole in subtract(asked, [*delivered, *missing]) if hole.duration_ns > _ROUNDING_NS]
    if silent:
        raise SegmentDamaged(reason="a part of what was asked is neither delivered nor stated as missing")
    whole = WallSpan(min(delivered).start_ns, max(span.end_ns for span in delivered)) if delivered else asked
    is_inside = held.start_ns >= whole.start_ns - _ROUNDING_NS and held.end_ns <= whole.end_ns + _GUESSED_NS
    if not is_inside or (comment.files == 1 and not _is_same(held, whole, _GUESSED_NS)):
        raise SegmentDamaged(reason="it does not hold the span it states")


def _is_same(one: WallSpan, other: WallSpan, slack_ns: int = _ROUNDING_NS) -> bool:
    return abs(one.start_ns - other.start_ns) <= slack_ns and abs(one.end_ns - other.end_ns) <= slack_ns


def _check_lengths(read_at: ReadAt, found: SegmentScan, parts: Sequence[_Part], ticks: int) -> None:
    """`mehd` and `sidx` must tell the length and the places that the fragments have: players believe them."""
    moov = read_header(found.init, read_header(found.init, 0).end)
    boxes = children(found.init, moov.body, moov.end)
    mvhd, mvex = require(boxes, b"mvhd"), require(boxes, b"mvex")
    mehd = require(children(found.init, mvex.body, mvex.end), b"mehd")
    timescale = unpack(_U32, found.init, mvhd, _MVHD_TIMESCALE_AT.get(found.init[mvhd.body], 0))[0]
    if unpack(_U64, found.init, mehd, 4)[0] != -(-ticks * timescale // found.timescale):
        raise SegmentDamaged(reason="mehd states another length")
    sidx = read_header(read_at(len(found.init), 16), 0)
    if sidx.kind != b"sidx" or len(found.init) + sidx.end != found.fragments[0].offset:
        raise SegmentDamaged(reason="no sidx stands before the fragments")
    data = read_at(len(found.init), sidx.end)
    count = unpack(_SIDX_HEAD, data, sidx)[-1]
    entries = {part.fragment.offset: part.fragment for part in parts if part.fragment.starts_at_idr}
    at, time = found.fragments[0].offset, 0
    for index in range(count):
        size, duration, access = unpack(_SIDX_REFERENCE, data, sidx, _SIDX_HEAD.size + index * _SIDX_REFERENCE.size)
        entry = entries.get(at)
        if entry is None or entry.decode_time != time or access & _SAP_MASK != _SAP_CLOSED_GOP:
            raise SegmentDamaged(reason="sidx points beside the groups of pictures", offset=at)
        at, time = at + size, time + duration
    if at != found.size_bytes or time != ticks:
        raise SegmentDamaged(reason="sidx does not cover the file")


def _digest(descriptor: int) -> str:
    total = hashlib.sha256()
    at = 0
    while chunk := os.pread(descriptor, _HASH_BYTES, at):
        total.update(chunk)
        at += len(chunk)
    return total.hexdigest()
