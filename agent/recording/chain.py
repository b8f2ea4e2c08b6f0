"""The links of the evidence chains and their one spelling. Pure.

A link is one line of canonical JSON (RFC 8785) and holds the SHA-256 of the line before it. Its fields are text, whole
numbers below 2^53 and lists of them, and its keys are ASCII: of that part of RFC 8785 msgspec's sorted output is the
exact form, so no library of its own is needed (ADR 23).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from agent.contract.records import SealData
from agent.contract.wire import Identifier, Instant, Sha256
from agent.units import NS_PER_S

# What the first link of a chain names as the one before it.
ORIGIN: Final = "0" * 64
# A double holds every whole number up to here (RFC 8785, 3.2.2.3).
_EXACT: Final = 2**53 - 1
# Contract: a line of ours is at most some 1 kB; a seal of many cameras some more.
MAX_LINE_BYTES: Final = 1 << 16

Whole = Annotated[int, msgspec.Meta(ge=0, le=_EXACT)]
Position = Annotated[int, msgspec.Meta(ge=1, le=_EXACT)]
Line = Annotated[str, msgspec.Meta(max_length=1000)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """`n` counts the links of one chain from 1; `prev` is the SHA-256 of the line before."""

    n: Position = 1
    prev: Sha256 = ORIGIN
    v: Literal[1] = 1


class SegmentLink(Link, frozen=True, kw_only=True, tag="segment"):
    """A closed segment as it was found on disk. Times are those of the file; `offset_ns` is what has to be added to
    them by all that was known of the clock when the link was made, as a decimal number. `clock_error_us` is -1 where
    nothing vouched for the clock."""

    camera: Identifier
    path: Line
    start: Instant
    end: Instant
    frames: Whole
    bytes: Whole
    sha256: Sha256
    codec: Line
    clock: Line
    clock_error_us: Annotated[int, msgspec.Meta(ge=-1, le=_EXACT)]
    offset_ns: Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,20}$")]
    at: Instant


class ErasureLink(Link, frozen=True, kw_only=True, tag="erasure"):
    """Footage of this span was deleted; its links stay. `cause`: the ledger's word, `ledger_seq` its record."""

    camera: Identifier
    start: Instant
    end: Instant
    segments: Whole
    bytes: Whole
    cause: Line
    ledger_seq: Whole
    at: Instant


class EraseLink(Link, frozen=True, kw_only=True, tag="footage.erase"):
    """A person had footage deleted: the segments from the path `first` to the path `last`; their links stay. Where
    nothing but stills was left both are empty. `ledger_seq`: the ledger's record."""

    camera: Identifier
    start: Instant
    end: Instant
    first: Line
    last: Line
    segments: Whole
    bytes: Whole
    stills: Whole
    actor: Line
    purpose: Line
    case_ref: Line
    ledger_seq: Whole
    erased: Instant
    at: Instant


class AccessLink(Link, frozen=True, kw_only=True, tag="access"):
    """Somebody looked at, exported, held, released or erased footage, or was refused. `via`: command or cli."""

    act: Line
    actor: Line
    role: Line
    via: Line
    outcome: Line
    at: Instant
    purpose: Line = ""
    case_ref: Line = ""
    jti: Line = ""
    camera: Line = ""
    start: Line = ""
    end: Line = ""
    detail: Line = ""


class SealLink(Link, frozen=True, kw_only=True, tag="seal"):
    """A signed statement of all heads, as it was published."""

    seal: SealData


AnyLink = SegmentLink | ErasureLink | EraseLink | AccessLink | SealLink
L = TypeVar("L", bound=AnyLink)
_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[AnyLink] = msgspec.json.Decoder(AnyLink)


def canonical(record: msgspec.Struct) -> bytes:
    """The one spelling of a record of this module, without a line end."""
    return _encoder.encode(record)


def digest(line: bytes) -> str:
    """SHA-256 of a line without its line end, hex: what the next link names."""
    return hashlib.sha256(line).hexdigest()


def follow(draft: L, before: bytes | None, n: int) -> L:
    """The draft as the link after line `before`, which is number n - 1; None: it is the first."""
    return msgspec.structs.replace(draft, n=n, prev=ORIGIN if before is None else digest(before))


def read_link(line: bytes) -> AnyLink | None:
    """None for a line that is none of ours or not in its one spelling."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if _encoder.encode(found) == line else None


def broken_at(lines: list[bytes]) -> int | None:
    """The index of the first line that does not follow the one before it; None: they are one chain."""
    before: AnyLink | None = None
    for index, line in enumerate(lines):
        link = read_link(line)
        if link is None:
            return index
        if before is not None and (link.n != before.n + 1 or link.prev != digest(lines[index - 1])):
            return index
        before = link
    return None


def signed_bytes(seal: SealData) -> bytes:
    """What the node's key signs: the canonical seal without its signature."""
    return canonical(msgspec.structs.replace(seal, signature=""))


def instant(wall_ns: int) -> str:
    """RFC 3339 in UTC to the nanosecond: nothing of a segment's time is lost in its link."""
    whole_s, rest_ns = divmod(wall_ns, NS_PER_S)
    return f"{(_EPOCH + timedelta(seconds=whole_s)).isoformat()[:19]}.{rest_ns:09d}Z"
