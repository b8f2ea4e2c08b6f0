"""Which access units a decoder can begin at, and the parameter sets they bring. Pure.

FFmpeg also flags recovery points and open-GOP I pictures as key frames; a segment may only begin at a true IDR (H.264)
or IRAP (H.265), so the NAL units are read. Sources: ITU-T H.264, 7.4.1; ITU-T H.265, 7.4.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.media.packet import Codec

_START_CODE: Final = b"\x00\x00\x01"
_SLICES: Final = {Codec.H264: frozenset(range(1, 6)), Codec.HEVC: frozenset(range(32))}
_BEGINNINGS: Final = {Codec.H264: frozenset({5}), Codec.HEVC: frozenset(range(16, 24))}
# SPS and PPS; VPS, SPS and PPS.
_PARAMETERS: Final = {Codec.H264: frozenset({7, 8}), Codec.HEVC: frozenset({32, 33, 34})}
# Parameter sets, SEI and delimiters stand before the first slice; no camera sends this many of them.
_MAX_UNITS: Final = 64
_HVCC_ARRAYS_AT: Final = 22
_AVCC_SETS_AT: Final = 5


def is_idr(codec: Codec, data: bytes, *, length_bytes: int = 0) -> bool:
    """Whether decoding may begin here, by the first slice. `length_bytes`: 4, 2 or 1 for units behind their lengths
    (MP4), 0 for Annex B start codes. Malformed data is no IDR."""
    return any(kind in _BEGINNINGS[codec] for kind, _ in _head(codec, data, length_bytes))


def parameter_sets(codec: Codec, data: bytes, *, length_bytes: int = 0) -> tuple[bytes, ...]:
    """The parameter sets before the first slice, in their order."""
    return tuple(unit for kind, unit in _head(codec, data, length_bytes) if kind in _PARAMETERS[codec])


def extradata_sets(codec: Codec, extradata: bytes) -> tuple[bytes, ...]:
    """The parameter sets that extradata holds, be it Annex B or a record; none where it is malformed."""
    if not length_bytes_of(codec, extradata):
        return parameter_sets(codec, extradata)
    return tuple(_avcc_sets(extradata) if codec is Codec.H264 else _hvcc_sets(extradata))


def length_bytes_of(codec: Codec, extradata: bytes) -> int:
    """How long the length before each unit is, by the extradata; 0 when the stream is Annex B.

    Sources: ISO/IEC 14496-15, 5.3.3.1 (avcC byte 4) and 8.3.3.1 (hvcC byte 21); both records begin with version 1.
    """
    at = 4 if codec is Codec.H264 else 21
    if len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1


def units_of(data: bytes, *, length_bytes: int = 0) -> Iterator[bytes]:
    """The NAL units of an access unit, without start codes or lengths; `length_bytes` as above."""
    return (unit for unit in (_lengths(data, length_bytes) if length_bytes else _start_codes(data)) if unit)


def _head(codec: Codec, data: bytes, length_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each unit up to the first slice; the slice itself without its bytes."""
    units = _lengths(data, length_bytes) if length_bytes else _start_codes(data)
    for count, unit in enumerate(units):
        if not unit or count >= _MAX_UNITS:
            return
        kind = unit[0] & 0x1F if codec is Codec.H264 else unit[0] >> 1 & 0x3F
        if kind in _SLICES[codec]:
            yield kind, b""
            return
        yield kind, unit


def _start_codes(data: bytes) -> Iterator[bytes]:
    at = data.find(_START_CODE)
    while at >= 0:
        begin = at + len(_START_CODE)
        at = data.find(_START_CODE, begin)
        # Zeros before a start code belong to it or are padding (H.264, annex B.1.1).
        yield (data[begin:at] if at >= 0 else data[begin:]).rstrip(b"\x00")


def _lengths(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes < len(data):
        begin = at + length_bytes
        at = begin + int.from_bytes(data[at:begin], "big")
        yield data[begin:at]


def _avcc_sets(record: bytes) -> Iterator[bytes]:
    """ISO/IEC 14496-15, 5.3.3.1: a count of SPS in five bits, then one of PPS, each set behind its length."""
    at = _AVCC_SETS_AT
    for mask in (0x1F, 0xFF):
        if at >= len(record):
            return
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            begin = at + 2
            at = begin + int.from_bytes(record[at:begin], "big")
            yield record[begin:at]


def _hvcc_sets(record: bytes) -> Iterator[bytes]:
    """ISO/IEC 14496-15, 8.3.3.1: arrays of units of one type, each unit behind its length."""
    at = _HVCC_ARRAYS_AT + 1
    for _ in range(record[_HVCC_ARRAYS_AT] if len(record) > _HVCC_ARRAYS_AT else 0):
        kind = record[at] & 0x3F if at < len(record) else 0
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, _MAX_UNITS)):
            begin = at + 2
            at = begin + int.from_bytes(record[at:begin], "big")
            if kind in _PARAMETERS[Codec.HEVC]:
                yield record[begin:at]
