"""What a bundle says beside the footage: links, seals, gaps, clock, incidents and accesses, as files of `meta/`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.contract.wire import WireGap
from agent.ledger import read_ledger
from agent.recording.book import SEALS, Book, camera_book
from agent.recording.chain import SealLink, SegmentLink, canonical, read_link, signed_bytes
from agent.recording.custody import accesses_of
from agent.recording.naming import SegmentName
from agent.recording.records import RecordType
from agent.recording.signer import from_text
from agent.units import WallSpan, format_rfc3339


@dataclass(frozen=True, slots=True)
class MetaFile:
    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ChainExcerpt:
    """Consecutive lines of a camera's chain that hold all links of some segments, on to the seal that covers them.

    `unchained` are segments without a link; `unsealed` counts links after the newest seal.
    """

    lines: tuple[bytes, ...]
    seals: tuple[SealLink, ...]
    unchained: tuple[str, ...]
    unsealed: int


class _ClockLine(msgspec.Struct, frozen=True):
    seq: int
    type: str
    boot: int
    at: str
    mono_ns: str
    data: msgspec.Raw


class _EventLine(msgspec.Struct, frozen=True):
    incident_id: str
    begin: str
    is_open: bool
    data: msgspec.Raw


def excerpt(data_dir: Path, camera: str, paths: Sequence[str]) -> ChainExcerpt:
    """The chain around these segments. Raises DiskError."""
    book = camera_book(data_dir, camera)
    wanted = set(paths)
    first_wanted = min((name for path in wanted if (name := SegmentName.parse(path))), default=None)
    numbers: list[int] = []
    for line in book.newest_first():
        link = read_link(line)
        if isinstance(link, SegmentLink):
            if link.path in wanted:
                numbers.append(link.n)
            name = SegmentName.parse(link.path)
            # Links stand in the order of recording.
            if first_wanted is None or (name is not None and name <= first_wanted):
                break
    if not numbers:
        return ChainExcerpt((), (), tuple(sorted(wanted)), 0)
    first, last = min(numbers), max(numbers)
    seals = _covering(data_dir, camera, first, last)
    sealed = max((_head_n(seal, camera) for seal in seals), default=0)
    lines: list[bytes] = []
    chained: set[str] = set()
    for n, line in enumerate(book.lines(first), first):
        if n > max(last, sealed):
            break
        lines.append(line)
        link = read_link(line)
        if isinstance(link, SegmentLink):
            chained.add(link.path)
    return ChainExcerpt(tuple(lines), seals, tuple(sorted(wanted - chained)), max(last - sealed, 0))


def meta_files(
    conn: sqlite3.Connection,
    data_dir: Path,
    camera: str,
    span: WallSpan,
    *,
    gaps: Sequence[WireGap],
    chain: ChainExcerpt,
) -> list[MetaFile]:
    """In the order of their names."""
    files = [
        MetaFile(f"meta/chain/{camera}.jsonl", _lines(chain.lines)),
        MetaFile("meta/clock.jsonl", _lines(_clock(data_dir))),
        MetaFile("meta/custody.jsonl", _lines(map(canonical, accesses_of(data_dir, camera, span)))),
        MetaFile("meta/events.jsonl", _lines(_incidents(conn, camera, span))),
        MetaFile("meta/gaps.json", msgspec.json.encode(gaps)),
    ]
    for link in chain.seals:
        name = f"meta/seals/{link.n:010d}.json"
        files.append(MetaFile(name, signed_bytes(link.seal)))
        if link.seal.signature:
            files.append(MetaFile(f"{name}.sig", from_text(link.seal.signature)))
    return sorted(files, key=lambda file: file.path)


def _covering(data_dir: Path, camera: str, first: int, last: int) -> tuple[SealLink, ...]:
    """The last seal before the first link, and the first that covers the last one, or else the newest."""
    before: SealLink | None = None
    covering: SealLink | None = None
    for line in Book(data_dir, SEALS).newest_first():
        link = read_link(line)
        if not isinstance(link, SealLink):
            continue
        head = _head_n(link, camera)
        if head < first:
            before = link
            break
        if covering is None or head >= last:
            covering = link
    return tuple(link for link in (before, covering) if link is not None)


def _head_n(link: SealLink, camera: str) -> int:
    return next((head.n for head in link.seal.heads if head.chain == camera), 0)


def _clock(data_dir: Path) -> Iterable[bytes]:
    """How the clock stood and what was corrected later: all of it, for a correction may come long after the footage."""
    for record in read_ledger(data_dir):
        if record.type in (RecordType.CLOCK, RecordType.RETIMED):
            at = format_rfc3339(record.wall_ns)
            line = _ClockLine(record.seq, record.type, record.boot, at, str(record.mono_ns), msgspec.Raw(record.data))
            yield msgspec.json.encode(line)


def _incidents(conn: sqlite3.Connection, camera: str, span: WallSpan) -> Iterable[bytes]:
    rows = conn.execute(
        "SELECT incident_id, begin_wall_ns, is_open, data FROM incident WHERE camera = ? AND begin_wall_ns >= ?"
        " AND begin_wall_ns < ? ORDER BY begin_wall_ns, incident_id",
        (camera, span.start_ns, span.end_ns),
    )
    for incident_id, begin_ns, is_open, data in rows:
        line = _EventLine(incident_id, format_rfc3339(begin_ns), bool(is_open), msgspec.Raw(bytes(data)))
        yield msgspec.json.encode(line)


def _lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
