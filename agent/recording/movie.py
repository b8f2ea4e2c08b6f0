"""The `moov` of a segment: what its tracks are and how they are coded. Pure.

Sources: ISO/IEC 14496-12 clause 8 (boxes), 14496-15 (avcC, hvcC); the comment is where FFmpeg's muxer puts the
metadata key "comment" (iTunes style `ilst`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.errors import SegmentDamaged
from agent.recording.boxes import Box, children, descend, find, require, unpack

VIDEO_HANDLER = b"vide"
SOUND_HANDLER = b"soun"

# Sample entries of 14496-15 and QuickTime; a camera's JPEG stream arrives as mp4v or jpeg.
_CODECS = {
    b"avc1": "h264",
    b"avc3": "h264",
    b"hvc1": "hevc",
    b"hev1": "hevc",
    b"mp4v": "mpeg4",
    b"jpeg": "mjpeg",
}
# VisualSampleEntry: 8 bytes of SampleEntry, 16 reserved, width and height, 50 more before its child boxes (12.1.3).
_VISUAL_ENTRY_BYTES = 78
_VISUAL_SIZE = struct.Struct(">HH")
_VISUAL_SIZE_AT = 24
_LENGTH_SIZE_AT = {b"avcC": 4, b"hvcC": 21}
_U8 = struct.Struct(">B")
_U32 = struct.Struct(">I")
_FULL_AND_COUNT = struct.Struct(">II")
_TREX = struct.Struct(">IIIIII")
_TKHD_ID_AT = {0: 12, 1: 20}
_MDHD_TIMESCALE_AT = {0: 12, 1: 20}
_ILST_COMMENT = b"\xa9cmt"
# `data` of ilst: type and locale come before the text.
_ILST_TEXT_AT = 8


@dataclass(frozen=True, slots=True)
class Track:
    """One track. The defaults are those of `trex`, used where a fragment states none."""

    track_id: int
    handler: bytes
    timescale: int
    default_duration: int
    default_size: int
    default_flags: int


@dataclass(frozen=True, slots=True)
class Movie:
    """What the `moov` says. `video` is the first video track.

    `codec_config` is equal exactly when two segments can share one `moov`: it holds each track's handler, time scale
    and coding parameters (the whole avcC or hvcC), and nothing that a muxer may vary (bit rates, times).
    `nal_length_bytes` is how long the length before each NAL unit is; 0 for a coding without NAL units.
    """

    codec: str
    width: int
    height: int
    codec_config: bytes
    nal_length_bytes: int
    video: Track
    tracks: tuple[Track, ...]
    comment: bytes | None

    def track(self, track_id: int) -> Track:
        """Raises SegmentDamaged for an id that is not in the `moov`."""
        for track in self.tracks:
            if track.track_id == track_id:
                return track
        raise SegmentDamaged(reason="a fragment names an unknown track", track=track_id)


@dataclass(frozen=True, slots=True)
class _Coding:
    """One `trak`: its identity and the sample entry it uses."""

    track_id: int
    handler: bytes
    timescale: int
    entry: Box


def parse_movie(data: bytes, moov: Box) -> Movie:
    """Read the `moov` that stands in `data` at the positions of `moov`. Raises SegmentDamaged."""
    boxes = children(data, moov.body, moov.end)
    defaults = _track_defaults(data, boxes)
    codings = [_coding(data, trak) for trak in boxes if trak.kind == b"trak"]
    tracks = tuple(_track(coding, defaults) for coding in codings)
    for coding, track in zip(codings, tracks, strict=True):
        if coding.handler == VIDEO_HANDLER:
            width, height = unpack(_VISUAL_SIZE, data, coding.entry, _VISUAL_SIZE_AT)
            return Movie(
                codec=_codec(coding.entry),
                width=width,
                height=height,
                codec_config=b"".join(_config(data, each) for each in codings),
                nal_length_bytes=_nal_length_bytes(data, coding.entry),
                video=track,
                tracks=tracks,
                comment=_comment(data, boxes),
            )
    raise SegmentDamaged(reason="there is no video track")


def _codec(entry: Box) -> str:
    codec = _CODECS.get(entry.kind)
    if codec is None:
        raise SegmentDamaged(reason="the video's coding is unknown", coding=entry.kind.decode("latin-1"))
    return codec


def _track_defaults(data: bytes, boxes: list[Box]) -> dict[int, tuple[int, ...]]:
    mvex = require(boxes, b"mvex")
    defaults: dict[int, tuple[int, ...]] = {}
    for trex in children(data, mvex.body, mvex.end):
        if trex.kind == b"trex":
            _, track_id, _, duration, size, flags = unpack(_TREX, data, trex)
            defaults[track_id] = (duration, size, flags)
    return defaults


def _track(coding: _Coding, defaults: dict[int, tuple[int, ...]]) -> Track:
    if coding.track_id not in defaults:
        raise SegmentDamaged(reason="a track has no defaults for its fragments", track=coding.track_id)
    duration, size, flags = defaults[coding.track_id]
    return Track(coding.track_id, coding.handler, coding.timescale, duration, size, flags)


def _coding(data: bytes, trak: Box) -> _Coding:
    boxes = children(data, trak.body, trak.end)
    track_id = _versioned(data, require(boxes, b"tkhd"), _TKHD_ID_AT)
    media = descend(data, boxes, b"mdia")
    timescale = _versioned(data, require(media, b"mdhd"), _MDHD_TIMESCALE_AT)
    if timescale == 0:
        raise SegmentDamaged(reason="a track's time scale is zero", track=track_id)
    handler = require(media, b"hdlr")
    unpack(_U32, data, handler, 8)
    stsd = require(descend(data, media, b"minf", b"stbl"), b"stsd")
    entries = children(data, stsd.body + _FULL_AND_COUNT.size, stsd.end)
    if len(entries) != 1 or unpack(_FULL_AND_COUNT, data, stsd)[1] != 1:
        raise SegmentDamaged(reason="a track has other than one sample entry", track=track_id)
    return _Coding(track_id, data[handler.body + 8 : handler.body + 12], timescale, entries[0])


def _versioned(data: bytes, full: Box, positions: dict[int, int]) -> int:
    """A 32-bit field whose place depends on the box's version."""
    version = unpack(_U32, data, full)[0] >> 24
    if version not in positions:
        raise SegmentDamaged(reason="a box has an unknown version", box=full.kind.decode("latin-1"))
    return unpack(_U32, data, full, positions[version])[0]


def _config(data: bytes, coding: _Coding) -> bytes:
    entry = coding.entry
    head = coding.handler + entry.kind + coding.track_id.to_bytes(4, "big") + coding.timescale.to_bytes(4, "big")
    if coding.handler != VIDEO_HANDLER:
        return head + data[entry.body : entry.end]
    unpack(_U32, data, entry, _VISUAL_ENTRY_BYTES - _U32.size)
    size = data[entry.body + _VISUAL_SIZE_AT : entry.body + _VISUAL_SIZE_AT + _VISUAL_SIZE.size]
    inner = children(data, entry.body + _VISUAL_ENTRY_BYTES, entry.end)
    return head + size + b"".join(data[each.start : each.end] for each in inner if each.kind != b"btrt")


def _nal_length_bytes(data: bytes, entry: Box) -> int:
    """lengthSizeMinusOne of avcC and hvcC (14496-15, 5.3.3.1 and 8.3.3.1)."""
    for config in children(data, entry.body + _VISUAL_ENTRY_BYTES, entry.end):
        if config.kind in _LENGTH_SIZE_AT:
            return (unpack(_U8, data, config, _LENGTH_SIZE_AT[config.kind])[0] & 3) + 1
    return 0


def _comment(data: bytes, boxes: list[Box]) -> bytes | None:
    """The text of moov/udta/meta/ilst/©cmt/data, None when any of them is absent."""
    udta = find(boxes, b"udta")
    meta = find(children(data, udta.body, udta.end), b"meta") if udta else None
    if meta is None:
        return None
    unpack(_U32, data, meta)
    ilst = find(children(data, meta.body + _U32.size, meta.end), b"ilst")
    item = find(children(data, ilst.body, ilst.end), _ILST_COMMENT) if ilst else None
    text = find(children(data, item.body, item.end), b"data") if item else None
    if text is None:
        return None
    return data[text.body + _ILST_TEXT_AT : text.end]
