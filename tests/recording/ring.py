"""A small ring made in the test: real segments, a real store, a real ledger, and a clock that a test sets."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.clock import ClockQuality, ClockStatus
from agent.ledger import Ledger
from agent.notices import SegmentClosed
from agent.recording import evidence, index
from agent.recording.boot import claim_boot, ensure_ring
from agent.recording.cut import RecordedSegment
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.naming import SegmentName
from agent.recording.records import HoldKind, HoldMade, Record
from agent.store import open_store, transaction
from agent.units import NS_PER_MS, NS_PER_S
from tests.clip.footage import START_NS, Film, Settings, Where, encode, record

S = NS_PER_S
FIRST = Where()


@dataclass(slots=True)
class SetClock:
    """True time as a test sets it; monotonic time follows it, and the wall clock shows it wrong if the test says so."""

    now_wall_ns: int = START_NS
    wrong_by_ns: int = 0
    quality: ClockQuality = ClockQuality.SYNCED

    def wall_ns(self) -> int:
        return self.now_wall_ns + self.wrong_by_ns

    def mono_ns(self) -> int:
        return self.now_wall_ns - START_NS

    def status(self) -> ClockStatus:
        return ClockStatus(self.quality, 0.01 if self.quality is ClockQuality.SYNCED else None)


@functools.cache
def film() -> Film:
    """Four seconds, a GOP each second."""
    return encode(Settings(seconds=4, width=96, height=64))


class Ring:
    """One data folder with its store and ledger open, as the node has them."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.clock = SetClock()
        ensure_ring(data_dir)
        self.boot = claim_boot(data_dir).boot
        self.conn: sqlite3.Connection = open_store(data_dir)
        self.ledger = Ledger(data_dir, self.clock, boot=self.boot)

    def close(self) -> None:
        self.conn.close()
        self.ledger.close()

    def record(self, at_s: float = 0, where: Where = FIRST, *, gops: slice = slice(None)) -> RecordedSegment:
        """A real file whose film begins `at_s` after START_NS; the index does not know it yet."""
        return record(self.data_dir, film(), where=where, start_ns=START_NS + int(at_s * S), gops=gops)

    def index(self, *recorded: RecordedSegment) -> None:
        """Tell the index as the camera would."""
        with transaction(self.conn):
            for segment in recorded:
                index.closed(self.conn, closing(segment))

    def note(self, *records: Record, at_s: float | None = None) -> None:
        if at_s is not None:
            self.clock.now_wall_ns = START_NS + int(at_s * S)
        with transaction(self.conn):
            evidence.note(self.conn, self.ledger, *records)

    def path(self, segment: RecordedSegment) -> Path:
        return self.data_dir / segment.name.path()


def closing(segment: RecordedSegment) -> SegmentClosed:
    name, span, comment = segment.name, segment.scan.span, segment.scan.comment
    assert span is not None and comment is not None
    return SegmentClosed(
        camera=name.camera,
        path=str(name.path()),
        boot=name.boot,
        run=name.run,
        n=name.n,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        frames=segment.scan.frames,
        bytes=segment.scan.size_bytes,
        start_mono_ns=comment.start_mono_ns,
        clock_quality=comment.clock_quality,
    )


def row(
    start_s: float,
    *,
    camera: str = "c01",
    size_bytes: int = 100,
    n: int = 0,
    run: int = 1,
    length_s: float = 60,
    state: SegmentState = SegmentState.CLOSED,
) -> SegmentRow:
    """A row without a file."""
    start_ns = START_NS + int(start_s * S)
    name = SegmentName(camera, 1, run, n, start_ns // NS_PER_MS)
    return SegmentRow(
        path=str(name.path()),
        camera=camera,
        boot=1,
        run=run,
        n=n,
        start_wall_ns=start_ns,
        end_wall_ns=start_ns + int(length_s * S),
        frames=int(length_s * 25),
        bytes=size_bytes,
        state=state,
    )


def paths(rows: Sequence[SegmentRow]) -> list[str]:
    return [each.path for each in rows]


def staff_hold(hold_id: str, start_ns: int, end_ns: int, *, expires_ns: int = 0) -> HoldMade:
    """A person's hold of c01 as the ledger has it."""
    return HoldMade(
        hold_id=hold_id,
        kind=HoldKind.STAFF,
        camera="c01",
        start_wall_ns=start_ns,
        end_wall_ns=end_ns,
        made_wall_ns=end_ns,
        expires_wall_ns=expires_ns,
        actor="somchai",
        reason="accident",
        reviewer="mali",
    )
