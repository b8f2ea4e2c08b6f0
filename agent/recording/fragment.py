"""One fragment: `prft moof mdat`, read from the bytes before the media data. Pure.

Sources: ISO/IEC 14496-12, 8.8 (movie fragments) and 8.16.5 (`prft`). FFmpeg's `write_prft=pts` puts the PTS of the
fragment's first sample *in decode order* into `prft` as NTP time (seen with PyAV 18; movenc.c mov_write_prft_tag).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.errors import SegmentDamaged
from agent.recording.boxes import Box, children, require, unpack
from agent.recording.movie import Movie, Track
from agent.units import NS_PER_S

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_FULL_AND_TRACK = struct.Struct(">II")
_PRFT_TRACK_AT = 4
_PRFT_NTP_AT = 8
# NTP counts from 1900 (RFC 5905): 70 years with 17 leap days before 1970.
_NTP_TO_UNIX_S = 2_208_988_800
# 32 bits of seconds run out in February 2036; what lies before 1970 then belongs to the next era.
_NTP_ERA_S = 1 << 32

# tf_flags of `tfhd` (8.8.7), in the order in which their fields appear.
_TFHD_BASE_OFFSET = 0x000001
_TFHD_DESCRIPTION = 0x000002
_TFHD_DURATION = 0x000008
_TFHD_SIZE = 0x000010
_TFHD_FLAGS = 0x000020
_TFHD_BASE_IS_MOOF = 0x020000
# tr_flags of `trun` (8.8.8).
_TRUN_DATA_OFFSET = 0x000001
_TRUN_FIRST_FLAGS = 0x000004
_TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_FLAGS = 0x000400
_TRUN_OFFSET = 0x000800
# sample_flags (8.8.3.1).
_NON_SYNC = 0x00010000


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment within its segment file.

    `offset` is that of its first box (`prft` or `moof`); its headers are [offset, payload_offset), its media data
    [payload_offset, offset + size_bytes). Times are those of the video: `start_wall_ns` is when its first frame is
    shown; where B-frames cross the border between two fragments, it is the time on the decode line, delayed by the
    segment's constant, so that fragments meet. `decode_time` and `duration` are ticks of the track's time scale.
    `frames` is 0 for a fragment that holds only sound.
    """

    offset: int
    payload_offset: int
    size_bytes: int
    start_wall_ns: int
    duration_ns: int
    frames: int
    starts_at_idr: bool
    decode_time: int
    duration: int

    @property
    def end_wall_ns(self) -> int:
        return self.start_wall_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class VideoPart:
    """What a `moof` says of the video. Times in ticks; `first_offset` is the first sample's composition offset, and
    `first_sample_at` where its bytes stand, counted from the moof."""

    decode_time: int
    duration: int
    frames: int
    starts_at_sync: bool
    first_offset: int
    first_sample_at: int
    first_sample_bytes: int


@dataclass(frozen=True, slots=True)
class _Defaults:
    duration: int
    size: int
    flags: int


@dataclass(frozen=True, slots=True)
class _Run:
    """One `trun`, summed up."""

    data_offset: int | None
    bytes: int
    duration: int
    frames: int
    first_flags: int
    first_offset: int
    first_size: int


def parse_reference_time(data: bytes, prft: Box, track_id: int) -> int | None:
    """Wall time in ns of the first sample of the `moof` after a `prft`; None if it speaks of another track.

    The writer knows microseconds; NTP's binary fraction is rounded back to them, so that fragments meet exactly.
    """
    if unpack(_U32, data, prft, _PRFT_TRACK_AT)[0] != track_id:
        return None
    return reference_wall_ns(unpack(_U64, data, prft, _PRFT_NTP_AT)[0])


def reference_wall_ns(ntp: int) -> int:
    """NTP's 32.32 bits as wall time in ns, in whole microseconds."""
    seconds = ntp >> 32
    if seconds < _NTP_TO_UNIX_S:
        seconds += _NTP_ERA_S
    micros = ((ntp & 0xFFFFFFFF) * 1_000_000 + (1 << 31)) >> 32
    return (seconds - _NTP_TO_UNIX_S) * NS_PER_S + micros * 1000


def move_reference_time(data: bytearray, prft: Box, shift_ns: int) -> None:
    """Add to a `prft`'s wall time, in whole microseconds, as its writer counts. Raises SegmentDamaged."""
    ntp = unpack(_U64, bytes(data), prft, _PRFT_NTP_AT)[0]
    micros = (ntp >> 32) * 1_000_000 + (((ntp & 0xFFFFFFFF) * 1_000_000 + (1 << 31)) >> 32) + shift_ns // 1000
    _U64.pack_into(data, prft.body + _PRFT_NTP_AT, _ntp(micros))


def ntp_of(wall_ns: int) -> int:
    """Wall time as NTP's 32.32 bits, in whole microseconds: what `reference_wall_ns` reads back."""
    return _ntp(_NTP_TO_UNIX_S * 1_000_000 + wall_ns // 1000)


def _ntp(micros: int) -> int:
    seconds, rest = divmod(micros, 1_000_000)
    return seconds % _NTP_ERA_S << 32 | (rest << 32) // 1_000_000


def parse_moof(data: bytes, moof: Box, mdat: Box, movie: Movie) -> VideoPart | None:
    """Read a `moof`; None when it carries no video. All positions count from the start of `data`.

    Raises SegmentDamaged, also when its samples do not lie inside the `mdat` that follows it.
    """
    boxes = children(data, moof.body, moof.end)
    require(boxes, b"mfhd")
    video: VideoPart | None = None
    seen: set[int] = set()
    for traf in boxes:
        if traf.kind != b"traf":
            continue
        track, part = _parse_traf(data, traf, movie, payload=(mdat.body - moof.start, mdat.end - moof.start))
        if track.track_id in seen:
            raise SegmentDamaged(reason="a track appears twice in one fragment", track=track.track_id)
        seen.add(track.track_id)
        if track.track_id == movie.video.track_id and part.frames:
            video = part
    if not seen:
        raise SegmentDamaged(reason="a fragment has no track", offset=moof.start)
    return video


def _parse_traf(data: bytes, traf: Box, movie: Movie, *, payload: tuple[int, int]) -> tuple[Track, VideoPart]:
    boxes = children(data, traf.body, traf.end)
    track, defaults = _track_and_defaults(data, require(boxes, b"tfhd"), movie)
    runs = [_parse_trun(data, trun, defaults) for trun in boxes if trun.kind == b"trun"]
    first = _Run(None, 0, 0, 0, _NON_SYNC, 0, 0)
    first_at = at = payload[0]
    for run in runs:
        start = at if run.data_offset is None else run.data_offset
        at = start + run.bytes
        if start < payload[0] or at > payload[1]:
            raise SegmentDamaged(reason="samples lie outside their media data", offset=traf.start)
        if run.frames and not first.frames:
            first, first_at = run, start
    return track, VideoPart(
        decode_time=_decode_time(data, require(boxes, b"tfdt")),
        duration=sum(run.duration for run in runs),
        frames=sum(run.frames for run in runs),
        starts_at_sync=not first.first_flags & _NON_SYNC,
        first_offset=first.first_offset,
        first_sample_at=first_at,
        first_sample_bytes=first.first_size,
    )


def _track_and_defaults(data: bytes, tfhd: Box, movie: Movie) -> tuple[Track, _Defaults]:
    head, track_id = unpack(_FULL_AND_TRACK, data, tfhd)
    track = movie.track(track_id)
    # Only then do samples keep their place when a fragment is copied to another offset.
    if head & _TFHD_BASE_OFFSET or not head & _TFHD_BASE_IS_MOOF:
        raise SegmentDamaged(reason="samples are not addressed from their own moof", offset=tfhd.start)
    at = _FULL_AND_TRACK.size + (4 if head & _TFHD_DESCRIPTION else 0)
    values = [track.default_duration, track.default_size, track.default_flags]
    for index, flag in enumerate((_TFHD_DURATION, _TFHD_SIZE, _TFHD_FLAGS)):
        if head & flag:
            (values[index],) = unpack(_U32, data, tfhd, at)
            at += 4
    return track, _Defaults(*values)


def _decode_time(data: bytes, tfdt: Box) -> int:
    is_long = unpack(_U32, data, tfdt)[0] >> 24
    return unpack(_U64 if is_long else _U32, data, tfdt, 4)[0]


def _parse_trun(data: bytes, trun: Box, defaults: _Defaults) -> _Run:
    head, frames = unpack(_FULL_AND_TRACK, data, trun)
    at = _FULL_AND_TRACK.size
    data_offset: int | None = None
    if head & _TRUN_DATA_OFFSET:
        data_offset = _signed(unpack(_U32, data, trun, at)[0])
        at += 4
    first_flags = defaults.flags
    if head & _TRUN_FIRST_FLAGS:
        (first_flags,) = unpack(_U32, data, trun, at)
        at += 4
    fields = [flag for flag in (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_OFFSET) if head & flag]
    if trun.body + at + 4 * len(fields) * frames != trun.end:
        raise SegmentDamaged(reason="a trun's samples do not fill it", offset=trun.start)
    # A moof of a second holds some 25 samples, but a hostile one may hold millions without any field: no list then.
    table = struct.unpack_from(f">{len(fields) * frames}I", data, trun.body + at) if fields else ()
    columns = {flag: table[index :: len(fields)] for index, flag in enumerate(fields)}
    durations, sizes = columns.get(_TRUN_DURATION), columns.get(_TRUN_SIZE)
    flags, offsets = columns.get(_TRUN_FLAGS), columns.get(_TRUN_OFFSET)
    if flags and not head & _TRUN_FIRST_FLAGS:
        first_flags = flags[0]
    return _Run(
        data_offset=data_offset,
        bytes=defaults.size * frames if sizes is None else sum(sizes),
        duration=defaults.duration * frames if durations is None else sum(durations),
        frames=frames,
        first_flags=first_flags,
        first_offset=_signed(offsets[0]) if offsets else 0,
        first_size=sizes[0] if sizes else defaults.size,
    )


def _signed(value: int) -> int:
    return value - (1 << 32) if value & 0x80000000 else value
