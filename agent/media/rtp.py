"""Access units as RTP packets, and the words in which a stream is announced. Pure.

Sources: RFC 3550, 5.1 and 6.4.1; RFC 6184, 5.6 and 5.8 (H.264, packetization mode 1); RFC 7798, 4.4.1 and 4.4.3
(H.265); RFC 8866 (SDP).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.media.gop import extradata_sets, length_bytes_of, parameter_sets, units_of
from agent.media.packet import Codec
from agent.units import NS_PER_S

# RFC 3551, table 5: the first payload type that has no meaning of its own.
PAYLOAD_TYPE: Final = 96
CLOCK_HZ: Final = 90_000
# Within an Ethernet frame and some tunnel around it: an ingest may pass packets on by UDP as they came.
MAX_PAYLOAD_BYTES: Final = 1_200
# RFC 868's epoch, which NTP counts from, to 1970.
_NTP_OFFSET_S: Final = 2_208_988_800
_FU_H264: Final = 28
_FU_HEVC: Final = 49
_WRAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class PushedStream:
    """What is announced: `extradata` is Annex B or a record of MP4 (agent.media.gop)."""

    codec: Codec
    extradata: bytes


def session_text(stream: PushedStream, title: str) -> str:
    """The SDP of one video stream. The parameter sets stand in it, for ingests that open before the first IDR."""
    sets = extradata_sets(stream.codec, stream.extradata)
    return "\r\n".join(
        (
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            f"s={title}",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=rtpmap:{PAYLOAD_TYPE} {'H264' if stream.codec is Codec.H264 else 'H265'}/{CLOCK_HZ}",
            f"a=fmtp:{PAYLOAD_TYPE} {_format(stream.codec, sets)}",
            "a=control:streamid=0",
            "",
        )
    )


class RtpPacker:
    """One stream's packets in their order. `ssrc`, `sequence` and `origin` are random numbers (RFC 3550, 5.1)."""

    def __init__(self, stream: PushedStream, *, ssrc: int, sequence: int, origin: int) -> None:
        self._stream = stream
        self._length_bytes = length_bytes_of(stream.codec, stream.extradata)
        self._sets = extradata_sets(stream.codec, stream.extradata)
        self._ssrc = ssrc
        self._sequence = sequence
        self._origin = origin
        self.packets = 0
        self.payload_bytes = 0

    def pack(self, data: bytes, media_ns: int, *, is_idr: bool) -> list[bytes]:
        """The packets of one access unit; the last has the marker. An IDR gets its parameter sets where it has none."""
        units = list(units_of(data, length_bytes=self._length_bytes))
        if is_idr and not parameter_sets(self._stream.codec, data, length_bytes=self._length_bytes):
            units = [*self._sets, *units]
        payloads = [payload for unit in units for payload in _fragments(self._stream.codec, unit)]
        return [
            self._packet(payload, media_ns, is_last=at == len(payloads)) for at, payload in enumerate(payloads, start=1)
        ]

    def report(self, media_ns: int, wall_ns: int) -> bytes:
        """A sender report: which wall time this media time is."""
        seconds, rest_ns = divmod(wall_ns, NS_PER_S)
        return struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self._ssrc,
            (seconds + _NTP_OFFSET_S) % _WRAP,
            rest_ns * _WRAP // NS_PER_S,
            self._stamp(media_ns),
            self.packets % _WRAP,
            self.payload_bytes % _WRAP,
        )

    def _packet(self, payload: bytes, media_ns: int, *, is_last: bool) -> bytes:
        head = struct.pack(
            ">BBHII", 0x80, PAYLOAD_TYPE | is_last << 7, self._sequence, self._stamp(media_ns), self._ssrc
        )
        self._sequence = (self._sequence + 1) % (1 << 16)
        self.packets += 1
        self.payload_bytes += len(payload)
        return head + payload

    def _stamp(self, media_ns: int) -> int:
        return (self._origin + media_ns * CLOCK_HZ // NS_PER_S) % _WRAP


def _fragments(codec: Codec, unit: bytes) -> Iterator[bytes]:
    """One unit as it is, or in fragments (FU-A, FU) that name its type and where it begins and ends."""
    if len(unit) <= MAX_PAYLOAD_BYTES:
        yield unit
        return
    if codec is Codec.H264:
        head, kind, body = bytes((unit[0] & 0xE0 | _FU_H264,)), unit[0] & 0x1F, unit[1:]
    else:
        head, kind, body = bytes((unit[0] & 0x81 | _FU_HEVC << 1, unit[1])), unit[0] >> 1 & 0x3F, unit[2:]
    room = MAX_PAYLOAD_BYTES - len(head) - 1
    for at in range(0, len(body), room):
        is_end = at + room >= len(body)
        yield head + bytes((kind | (at == 0) << 7 | is_end << 6,)) + body[at : at + room]


def _format(codec: Codec, sets: Sequence[bytes]) -> str:
    words = [base64.b64encode(each).decode("ascii") for each in sets]
    if codec is Codec.H264:
        profile = next((each[1:4].hex() for each in sets if each[0] & 0x1F == 7), "")
        known = [f"sprop-parameter-sets={','.join(words)}"] if words else []
        return ";".join(("packetization-mode=1", *known, *([f"profile-level-id={profile}"] if profile else [])))
    names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
    kinds = [each[0] >> 1 & 0x3F for each in sets]
    return ";".join(
        ("tx-mode=SRST", *(f"{names[kind]}={word}" for kind, word in zip(kinds, words, strict=True) if kind in names))
    )
