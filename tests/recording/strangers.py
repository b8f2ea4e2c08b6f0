"""What a disk or a camera's process may hand the node: one function a kind, which raises only what is wrong with us.

Hypothesis calls them in the default tests, atheris for minutes (`make faults ARGS=fuzz`, tests/faults/fuzz.py).
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

import agent
from agent.clock import SystemClock
from agent.errors import SegmentDamaged
from agent.ledger import Ledger, read_ledger
from agent.notices import SegmentClosed, SegmentOpened, decode_notice
from agent.recording import index
from agent.recording.catalog import SegmentRow, SegmentState
from agent.recording.naming import SegmentComment, SegmentName
from agent.recording.records import AgentStopped, RecordType, decode_record
from agent.recording.repair import closed_row
from agent.recording.segment import scan
from agent.recording.summary import SUMMARY_BYTES, read_summary
from agent.units import WallSpan

NAME = SegmentName("c01", 7, 3, 12, 1_795_356_180_250)
EVER = WallSpan(-(2**62), 2**62)


@functools.cache
def store() -> sqlite3.Connection:
    """In memory, so that a look costs microseconds."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript((Path(agent.__file__).parent / "schema.sql").read_text(encoding="utf-8"))
    return conn


def segment(data: bytes) -> None:
    """A file's bytes: mapped, summed up, and its row kept and found again."""

    def read_at(at: int, size: int) -> bytes:
        assert at >= 0 and size >= 0 and at + size <= len(data), "read beyond the file"
        return data[at : at + size]

    summary = read_summary(read_at, len(data))
    assert summary is None or len(data) >= SUMMARY_BYTES
    try:
        found = scan(read_at, len(data))
        assert found.intact_bytes <= len(data)
        row = closed_row(NAME, found)
    except SegmentDamaged:
        return
    if row is not None:
        _keep(lambda conn: index.add(conn, [row]))


def comment(data: bytes) -> None:
    """What stands in a `moov` as our comment."""
    told = SegmentComment.decode(data)
    assert told is None or abs(told.start_mono_ns) <= 2**63


def ledger(data: bytes) -> None:
    """A month's file: what is a record is read, and a writer can go on behind it."""
    with tempfile.TemporaryDirectory(prefix="wayside-strange-") as name:
        folder = Path(name)
        (folder / "ledger").mkdir()
        (folder / "ledger" / "2026-11.jsonl").write_bytes(data)
        before = list(read_ledger(folder, on_damage=lambda _damage: None))
        for each in before:
            decode_record(each.type, each.data)
        writer = Ledger(folder, SystemClock(), boot=1)
        try:
            made = writer.append(RecordType.AGENT_STOPPED, AgentStopped())
        finally:
            writer.close()
        after = list(read_ledger(folder, on_damage=lambda _damage: None))
        assert made in after
        assert all(each in after for each in before)


def record(data: bytes) -> None:
    """The data of a record of any type, as it stands in a line whose checksum is right."""
    for kind in RecordType:
        decode_record(kind, data)
    body = b'"data":' + data
    head, tail = b'{"boot":1,', b',"mono_ns":1,"seq":1,"type":"clock","v":1,"wall_ns":1}'
    crc32 = zlib.crc32(head + body + tail)
    ledger(head + b'"crc32":%d,' % crc32 + body + tail + b"\n")


def name(data: bytes) -> None:
    """A path from an index row, a notice or a listing: only what `text()` gives is a name, which leads nowhere else."""
    text = data.decode("utf-8", "surrogateescape")
    found = SegmentName.parse(text)
    if found is not None:
        assert found.text() == text
        parts = PurePosixPath(text).parts
        assert len(parts) == 4 and parts[0] == "footage" and not {"..", ".", "/"} & set(parts)
    row = SegmentRow(text, "c01", 1, 1, 1, 0, 1, 1, 1, SegmentState.CLOSED)
    with contextlib.suppress(SegmentDamaged):
        assert row.name == found


def notice(data: bytes) -> None:
    """What a camera's process says of its segments."""
    try:
        told = decode_notice(data)
    except msgspec.MsgspecError:
        return
    tell(told)


def tell(told: object) -> None:
    with contextlib.suppress(SegmentDamaged):
        if isinstance(told, SegmentClosed):
            _keep(lambda conn: index.closed(conn, told))
        elif isinstance(told, SegmentOpened):
            _keep(lambda conn: index.opened(conn, told))


def _keep(write: Callable[[sqlite3.Connection], None]) -> None:
    conn = store()
    conn.execute("BEGIN")
    try:
        write(conn)
        for row in index.segments(conn, "c01", EVER):
            assert row.name.camera == "c01"
        index.usage(conn)
        index.written(conn, "c01", 0)
    finally:
        conn.execute("ROLLBACK")


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (segment, comment, ledger, record, name, notice)
}
