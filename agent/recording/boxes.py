"""ISO base media boxes: reading them strictly out of bytes, and writing them. Pure.

Sources: ISO/IEC 14496-12 (boxes, fragments), clause numbers in the comments.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.errors import SegmentDamaged

_COMPACT_HEADER = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")
COMPACT_HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Box:
    """One box inside a buffer or file. All three positions are absolute in it; the contents are [body, end)."""

    kind: bytes
    start: int
    body: int
    end: int

    @property
    def size_bytes(self) -> int:
        return self.end - self.start


def read_header(data: bytes, at: int, *, base: int = 0) -> Box:
    """The box whose header stands at `at`; positions are given plus `base`. Its end may lie beyond `data`.

    Raises SegmentDamaged when the header is cut short or the size is impossible. A size of 0 ("to the end of the
    file", 4.2) is refused: none of our writers uses it and a file of zeroes would look like it.
    """
    if at + COMPACT_HEADER_BYTES > len(data):
        raise SegmentDamaged(reason="a box header is cut short", offset=base + at)
    size, kind = _COMPACT_HEADER.unpack_from(data, at)
    header = COMPACT_HEADER_BYTES
    if size == 1:
        header = LARGE_HEADER_BYTES
        if at + header > len(data):
            raise SegmentDamaged(reason="a box header is cut short", offset=base + at)
        (size,) = _LARGE_SIZE.unpack_from(data, at + COMPACT_HEADER_BYTES)
    if size < header:
        raise SegmentDamaged(reason="a box is smaller than its header", offset=base + at)
    return Box(kind, base + at, base + at + header, base + at + size)


def children(data: bytes, start: int, end: int) -> list[Box]:
    """The boxes that fill [start, end) of `data` exactly. Raises SegmentDamaged when they do not."""
    boxes: list[Box] = []
    at = start
    while at < end:
        box = read_header(data, at)
        if box.end > end:
            raise SegmentDamaged(reason="a box reaches beyond its parent", offset=at)
        boxes.append(box)
        at = box.end
    return boxes


def find(boxes: list[Box], kind: bytes) -> Box | None:
    """The only box of that kind, None when there is none. Raises SegmentDamaged when there are several."""
    found = [box for box in boxes if box.kind == kind]
    if len(found) > 1:
        raise SegmentDamaged(reason="a box that must be single is repeated", box=kind.decode("latin-1"))
    return found[0] if found else None


def require(boxes: list[Box], kind: bytes) -> Box:
    """The only box of that kind. Raises SegmentDamaged when it is missing or repeated."""
    box = find(boxes, kind)
    if box is None:
        raise SegmentDamaged(reason="a required box is missing", box=kind.decode("latin-1"))
    return box


def descend(data: bytes, boxes: list[Box], *kinds: bytes) -> list[Box]:
    """The children of the box reached by following plain containers. Raises SegmentDamaged when one is missing."""
    for kind in kinds:
        box = require(boxes, kind)
        boxes = children(data, box.body, box.end)
    return boxes


def unpack(fields: struct.Struct, data: bytes, box: Box, at: int = 0) -> tuple[int, ...]:
    """Unpack integers at `at` bytes into the box's contents. Raises SegmentDamaged when they do not fit inside it."""
    if box.body + at + fields.size > min(box.end, len(data)):
        raise SegmentDamaged(reason="a box is too short", box=box.kind.decode("latin-1"), offset=box.start)
    values: tuple[int, ...] = fields.unpack_from(data, box.body + at)
    return values


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box with a compact header. Nothing written here comes near 4 GiB: media data is never built in memory."""
    size = COMPACT_HEADER_BYTES + sum(len(part) for part in parts)
    return b"".join((_COMPACT_HEADER.pack(size, kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box that begins with a version and 24 bits of flags (4.2)."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)
