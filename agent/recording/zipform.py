"""A stored ZIP in its one form: nothing compressed, fixed date, no comments, entries back to back. Pure.

Because every byte between the files follows from their names, sizes and checksums, a reader can build it again and
compare: no bit of an archive is outside the check (APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<IHHHHIIH")
_END64: Final = struct.Struct("<IQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<IIQI")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = 0x04034B50, 0x02014B50, 0x06054B50
_END64_SIGN, _LOCATOR_SIGN = 0x06064B50, 0x07064B50
# 1980-01-01, the first day that the format knows: when a bundle was made is in its manifest, and signed.
_DATE: Final = 0x0021
_UTF8: Final = 0x0800
_FULL32, _FULL16 = 0xFFFF_FFFF, 0xFFFF
_UNIX_FILE: Final = 0o100644 << 16
LOCAL_BYTES: Final = _LOCAL.size
# Names of ours: relative, no part of which is `.` or `..` or begins with a dot.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,5}", re.ASCII)
MAX_NAME_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file in the archive; its bytes begin at `offset` + len(local_header)."""

    name: str
    size_bytes: int
    crc32: int
    offset: int

    @property
    def data_offset(self) -> int:
        return self.offset + len(local_header(self))

    @property
    def end(self) -> int:
        return self.data_offset + self.size_bytes


@dataclass(frozen=True, slots=True)
class FoundHeader:
    """What a local header claims, before anything of it is believed. `is_directory`: the files end here."""

    name: str
    size_bytes: int
    crc32: int
    header_bytes: int


def is_safe_name(name: str) -> bool:
    return len(name) <= MAX_NAME_BYTES and _NAME.fullmatch(name) is not None


def local_header(entry: ZipEntry) -> bytes:
    name = entry.name.encode()
    is_large = entry.size_bytes >= _FULL32
    extra = struct.pack("<HHQQ", 1, 16, entry.size_bytes, entry.size_bytes) if is_large else b""
    size = _FULL32 if is_large else entry.size_bytes
    version = 45 if is_large else 20
    head = _LOCAL.pack(_LOCAL_SIGN, version, _UTF8, 0, 0, _DATE, entry.crc32, size, size, len(name), len(extra))
    return head + name + extra


def directory(entries: Sequence[ZipEntry], offset: int) -> bytes:
    """Central directory and end, as they stand from `offset`, the end of the last file, to the end of the archive."""
    body = b"".join(map(_central, entries))
    count, size = len(entries), len(body)
    tail = b""
    if count >= _FULL16 or offset >= _FULL32 or size >= _FULL32:
        end64 = _END64.pack(_END64_SIGN, _END64.size - 12, 45, 45, 0, 0, count, count, size, offset)
        tail = end64 + _LOCATOR.pack(_LOCATOR_SIGN, 0, offset + size, 1)
    end = _END.pack(
        _END_SIGN, 0, 0, min(count, _FULL16), min(count, _FULL16), min(size, _FULL32), min(offset, _FULL32), 0
    )
    return body + tail + end


def read_local(head: bytes) -> FoundHeader | None:
    """The local header that `head` begins with; None where there is none. Its name may be unsafe."""
    if len(head) < LOCAL_BYTES:
        return None
    sign, _, _, _, _, _, crc32, _, size, name_length, extra_length = _LOCAL.unpack_from(head)
    end = LOCAL_BYTES + name_length + extra_length
    if sign != _LOCAL_SIGN or len(head) < end:
        return None
    name = head[LOCAL_BYTES : LOCAL_BYTES + name_length].decode("utf-8", "replace")
    extra = head[LOCAL_BYTES + name_length : end]
    if size == _FULL32 and len(extra) == 20:
        size = struct.unpack("<HHQQ", extra)[2]
    return FoundHeader(name, size, crc32, end)


def is_directory(head: bytes) -> bool:
    return head[:4] in (_CENTRAL_SIGN.to_bytes(4, "little"), _END_SIGN.to_bytes(4, "little"))


def _central(entry: ZipEntry) -> bytes:
    name = entry.name.encode()
    is_large, is_far = entry.size_bytes >= _FULL32, entry.offset >= _FULL32
    values = ([entry.size_bytes] * 2 if is_large else []) + ([entry.offset] if is_far else [])
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    size = _FULL32 if is_large else entry.size_bytes
    version = 45 if values else 20
    head = _CENTRAL.pack(
        _CENTRAL_SIGN,
        3 << 8 | version,
        version,
        _UTF8,
        0,
        0,
        _DATE,
        entry.crc32,
        size,
        size,
        len(name),
        len(extra),
        0,
        0,
        0,
        _UNIX_FILE,
        _FULL32 if is_far else entry.offset,
    )
    return head + name + extra
