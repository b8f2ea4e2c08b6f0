"""Which access units a decoder can begin at. Pure.

FFmpeg also flags recovery points and open-GOP I pictures as key frames; a segment may only begin at a true IDR (H.264) or
IRAP (H.265), so the NAL units are read. Sources: ITU-T H.264, 7.4.1 (type 5); ITU-T H.265, 7.4.2.2 (types 16 to 21).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.media.packet import Codec

_START_CODE: Final = b"\x00\x00\x01"
_H264_IDR: Final = 5
_H264_SLICES: Final = frozenset({1, 2, 3, 4, 5})
_HEVC_IRAP: Final = range(16, 24)
_HEVC_SLICES: Final = range(32)
# Parameter sets, SEI and delimiters stand before the first slice; no camera sends this much of them.
_MAX_UNITS: Final = 64


def is_idr(codec: Codec, data: bytes | memoryview, *, length_bytes: int = 0) -> bool:
    """Whether decoding may begin here, by the first slice. `length_bytes`: 4, 2 or 1 for units behind their lengths (MP4),
    0 for Annex B start codes. Malformed data is no IDR."""
    units = _lengths(bytes(data), length_bytes) if length_bytes else _start_codes(bytes(data))
    for count, first in enumerate(units):
        if codec is Codec.H264:
            kind = first & 0x1F
            if kind in _H264_SLICES:
                return kind == _H264_IDR
        else:
            kind = first >> 1 & 0x3F
            if kind in _HEVC_SLICES:
                return kind in _HEVC_IRAP
        if count >= _MAX_UNITS:
            break
    return False


def length_bytes_of(codec: Codec, extradata: bytes) -> int:
    """How long the length before each unit is, by the extradata; 0 when the stream is Annex B.

    Sources: ISO/IEC 14496-15, 5.3.3.1 (avcC byte 4) and 8.3.3.1 (hvcC byte 21); both records begin with version 1.
    """
    at = 4 if codec is Codec.H264 else 21
    if len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1


def _start_codes(data: bytes) -> Iterator[int]:
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        yield data[at + 3]
        at = data.find(_START_CODE, at + 3)


def _lengths(data: bytes, length_bytes: int) -> Iterator[int]:
    at = 0
    while at + length_bytes < len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        if size == 0:
            return
        yield data[at + length_bytes]
        at += length_bytes + size
