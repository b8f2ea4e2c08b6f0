"""Frames on the runtime's Unix sockets.

A frame is a u32 big-endian header length, a u32 payload length, the msgpack header (a notice) and the payload. A frame
without a header is a tally, whose payload is one u64. From a client it says how many notices of its session are done
with; the next one has the number after it. From a server it says up to which number it keeps them for good.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import LinkError
from agent.notices import Notice, decode_notice, encode_notice

# A notice is small; what is larger is not ours. The payload bound is twice the largest GOP that is replayed.
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_PAYLOAD_BYTES: Final = 32 * 1024 * 1024
# More than Debian lets a Unix socket hold (208 kB), so that one read takes all there is.
READ_BYTES: Final = 256 * 1024
_LENGTHS = struct.Struct(">II")
_TALLY = struct.Struct(">IIQ")
_TALLY_BYTES: Final = _TALLY.size - _LENGTHS.size
# unix(7): sun_path has 108 bytes, the last of them zero.
_MAX_ADDRESS_BYTES: Final = 107


@dataclass(frozen=True, slots=True)
class Frame:
    notice: Notice
    payload: bytes


@dataclass(frozen=True, slots=True)
class Tally:
    """A frame without a header; see the module's docstring."""

    number: int


def encode_frame(notice: Notice, payload: bytes = b"") -> bytes:
    """Raises LinkError when it is larger than a reader accepts."""
    header = encode_notice(notice)
    _check_size(len(header), len(payload))
    return b"".join((_LENGTHS.pack(len(header), len(payload)), header, payload))


def encode_tally(number: int) -> bytes:
    return _TALLY.pack(0, _TALLY_BYTES, number)


def socket_address(path: Path) -> str:
    """The path as a socket's address. Raises LinkError when the kernel's limit makes that impossible."""
    address = str(path)
    if len(os.fsencode(address)) > _MAX_ADDRESS_BYTES:
        raise LinkError(
            path=address, remedy=f"a socket's path has at most {_MAX_ADDRESS_BYTES} bytes: move runtime_dir"
        )
    return address


def _check_size(header_bytes: int, payload_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise LinkError(header_bytes=header_bytes, payload_bytes=payload_bytes)


class FrameReader:
    """Cuts a byte stream into frames. Raises LinkError for what cannot be one; the peer is then closed."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame | Tally]:
        """Every frame that is complete now."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _LENGTHS.size:
                header_bytes, payload_bytes = _LENGTHS.unpack_from(self._buffer, at)
                _check_size(header_bytes, payload_bytes)
                body = at + _LENGTHS.size
                end = body + header_bytes + payload_bytes
                if len(self._buffer) < end:
                    break
                header = bytes(self._buffer[body : body + header_bytes])
                payload = bytes(memoryview(self._buffer)[body + header_bytes : end])
                at = end
                yield Frame(_decode(header), payload) if header else _decode_tally(payload)
        finally:
            del self._buffer[:at]


def _decode(header: bytes) -> Notice:
    try:
        return decode_notice(header)
    except msgspec.MsgspecError as exc:
        raise LinkError(problem=str(exc)) from exc


def _decode_tally(payload: bytes) -> Tally:
    if len(payload) != _TALLY_BYTES:
        raise LinkError(problem="a tally of another size", payload_bytes=len(payload))
    return Tally(int.from_bytes(payload, "big"))
