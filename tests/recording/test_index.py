"""The index finds what a span needs, believes no strange path, and is the same as the disk after any death."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec
import pytest

from agent.errors import SegmentDamaged, StoreError
from agent.notices import SegmentOpened
from agent.recording import evidence, index
from agent.recording.cut import RecordedSegment
from agent.recording.exporter import read_segment
from agent.recording.holds import all_holds, incident_hold
from agent.recording.index import SegmentState
from agent.recording.records import (
    AgentStarted,
    Configured,
    FootageExpired,
    HoldReleased,
    OutageTold,
    ProcessStarted,
)
from agent.recording.recovery import DifferenceKind, differences, reconcile, recover, settle_open
from agent.recording.repair import open_row
from agent.store import open_store, transaction
from agent.units import WallSpan
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S, closing, paths, row


def opening(segment: RecordedSegment) -> SegmentOpened:
    notice = closing(segment)
    return SegmentOpened(notice.camera, notice.path, notice.boot, notice.run, notice.n, notice.start_wall_ns)


def age(path: Path) -> None:
    """As if it had been written a minute ago: reconciliation leaves fresh files to their writers."""
    os.utime(path, (time.time() - 60, time.time() - 60))


def test_a_lookup_gives_what_touches_the_span_in_order_of_recording(ring: Ring) -> None:
    rows = [row(minute * 60, n=minute) for minute in range(10)] + [row(0, camera="c02")]
    with transaction(ring.conn):
        index.add(ring.conn, reversed(rows))
    span = WallSpan(START_NS + 90 * S, START_NS + 180 * S)
    assert paths(index.segments(ring.conn, "c01", span)) == paths(rows[1:3])
    assert paths(index.neighbours(ring.conn, "c01", span)) == paths([rows[1], rows[3]])
    assert index.cameras(ring.conn) == ["c01", "c02"]


def test_a_long_segment_is_found_from_far_before_the_span(ring: Ring) -> None:
    rows = [row(0, n=0, length_s=3600), *(row(minute * 60, run=2, n=minute) for minute in range(50))]
    with transaction(ring.conn):
        index.add(ring.conn, rows)
    found = index.segments(ring.conn, "c01", WallSpan(START_NS + 3500 * S, START_NS + 3510 * S))
    assert paths(found) == paths(rows[:1])


def test_what_a_camera_wrote_since_a_moment_is_the_sum_and_when_it_began(ring: Ring) -> None:
    rows = [*(row(minute * 60, n=minute) for minute in range(10)), row(330, camera="c02")]
    assert index.written(ring.conn, "c01", 0) is None
    with transaction(ring.conn):
        index.add(ring.conn, rows)
    since = [each for each in rows if each.start_wall_ns >= START_NS + 300 * S and each.camera == "c01"]
    found = index.written(ring.conn, "c01", START_NS + 300 * S)
    assert found == (sum(each.bytes for each in since), START_NS + 300 * S)
    assert len(since) == 5


def test_a_lookup_uses_the_index_and_never_reads_the_table(ring: Ring) -> None:
    seen: list[str] = []
    ring.conn.set_trace_callback(seen.append)
    index.segments(ring.conn, "c01", WallSpan(0, 1))
    index.neighbours(ring.conn, "c01", WallSpan(0, 1))
    ring.conn.set_trace_callback(None)
    assert any("segment_open" in statement for statement in seen)
    for statement in seen:
        plan = " ".join(str(step[3]) for step in ring.conn.execute(f"EXPLAIN QUERY PLAN {statement}"))
        assert "SCAN segment" not in plan, plan


def test_a_notice_that_comes_late_does_not_open_a_closed_segment(ring: Ring) -> None:
    segment = ring.record()
    ring.index(segment)
    with transaction(ring.conn):
        index.opened(ring.conn, opening(segment))
    assert index.in_state(ring.conn, SegmentState.OPEN) == []


def test_a_look_at_an_open_file_does_not_undo_the_close_that_came_meanwhile(ring: Ring) -> None:
    segment = ring.record()
    ring.index(segment)
    with transaction(ring.conn):
        index.add(ring.conn, [open_row(segment.name)])
    assert index.in_state(ring.conn, SegmentState.OPEN) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "footage/c01/../../etc/passwd"},
        {"path": "/etc/passwd"},
        {"path": "footage/c02/2026-11-22/000001_000001_000000_20261122T140300000Z.mp4"},
        {"camera": "c02"},
        {"boot": 2},
        {"n": 5},
    ],
)
def test_a_camera_is_not_believed_outside_its_own_folder(ring: Ring, changes: dict[str, object]) -> None:
    notice = msgspec.structs.replace(opening(ring.record()), **changes)
    with pytest.raises(SegmentDamaged, match="not a path"):
        index.opened(ring.conn, notice)


def test_reconciliation_adds_files_the_index_never_heard_of(ring: Ring) -> None:
    known, unknown = ring.record(), ring.record(4, Where(n=1))
    ring.index(known)
    age(ring.path(unknown))
    report = reconcile(ring.conn, ring.data_dir)
    assert (report.added, report.repaired, report.dropped) == (1, 0, 0)
    assert differences(ring.conn, ring.data_dir) == []


def test_a_torn_file_of_a_dead_writer_is_cut_to_its_last_whole_fragment(ring: Ring) -> None:
    segment = ring.record()
    path = ring.path(segment)
    last = segment.scan.fragments[-1]
    os.truncate(path, last.offset + last.size_bytes // 2)
    age(path)
    with transaction(ring.conn):
        index.opened(ring.conn, opening(segment))
    report = reconcile(ring.conn, ring.data_dir)
    assert (report.repaired, report.cut_bytes) == (1, last.size_bytes // 2)
    repaired = read_segment(ring.data_dir, segment.name)
    assert repaired is not None and repaired.scan.is_whole
    assert repaired.scan.fragments == segment.scan.fragments[:-1]
    assert differences(ring.conn, ring.data_dir) == []


def test_a_file_that_is_being_written_is_left_alone(ring: Ring) -> None:
    segment = ring.record()
    path = ring.path(segment)
    os.truncate(path, segment.scan.size_bytes - 10)
    age(path)
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert reconcile(ring.conn, ring.data_dir).live == 1
        assert path.stat().st_size == segment.scan.size_bytes - 10
        assert [each.is_open for each in index.in_state(ring.conn, SegmentState.OPEN)] == [True]
    report = settle_open(ring.conn, ring.data_dir)
    assert report.repaired == 1
    assert differences(ring.conn, ring.data_dir) == []


def test_a_file_created_a_moment_ago_is_left_to_its_writer(ring: Ring) -> None:
    segment = ring.record()
    ring.path(segment).write_bytes(b"")
    assert reconcile(ring.conn, ring.data_dir).live == 1
    assert ring.path(segment).exists()


def test_a_file_without_footage_of_a_dead_writer_is_removed(ring: Ring) -> None:
    segment = ring.record()
    os.truncate(ring.path(segment), 300)
    age(ring.path(segment))
    assert reconcile(ring.conn, ring.data_dir).removed_empty == 1
    assert not ring.path(segment).exists()


def test_a_damaged_middle_is_kept_whole_for_a_person_and_told(ring: Ring) -> None:
    segment = ring.record()
    path = ring.path(segment)
    data = bytearray(path.read_bytes())
    at = segment.scan.fragments[2].offset
    data[at : at + 8] = (9).to_bytes(4, "big") + b"evil"
    path.write_bytes(data)
    age(path)
    report = reconcile(ring.conn, ring.data_dir)
    assert report.damaged == 1
    assert path.read_bytes() == data
    assert [each.kind for each in differences(ring.conn, ring.data_dir)] == [DifferenceKind.DAMAGED]


def test_rows_without_a_file_are_dropped(ring: Ring) -> None:
    segment = ring.record()
    ring.index(segment)
    ring.path(segment).unlink()
    assert [each.kind for each in differences(ring.conn, ring.data_dir)] == [DifferenceKind.NO_FILE]
    assert reconcile(ring.conn, ring.data_dir).dropped == 1
    assert differences(ring.conn, ring.data_dir) == []


def fill(ring: Ring) -> None:
    """Footage, a hold, an outage, an expiry: everything that a store is rebuilt from."""
    segments = [ring.record(), ring.record(4, Where(n=1)), ring.record(20, Where(run=2))]
    for segment in segments:
        age(ring.path(segment))
    ring.index(*segments)
    ring.note(
        AgentStarted(boot_id="b"),
        Configured(cameras=("c01", "c02"), timezone="Asia/Tokyo", org="o", site="s", node="n"),
        ProcessStarted(process="camera", camera="c01", session="one"),
        OutageTold(camera="c01", boot=1, start_wall_ns=START_NS + 8 * S, end_wall_ns=0, reason="camera_stalled"),
        at_s=0,
    )
    ring.note(
        OutageTold(
            camera="c01", boot=1, start_wall_ns=START_NS + 8 * S, end_wall_ns=START_NS + 20 * S, reason="camera_stalled"
        ),
        incident_hold("i1", "c01", WallSpan(START_NS, START_NS + S), START_NS),
        incident_hold("i2", "c01", WallSpan(START_NS, START_NS + S), START_NS),
        HoldReleased(hold_id="i2", cause="quota"),
        FootageExpired(camera="c01", start_wall_ns=START_NS - 60 * S, end_wall_ns=START_NS, segments=1, bytes=5),
        at_s=24,
    )


def contents(ring: Ring) -> dict[str, list[tuple[object, ...]]]:
    tables = ("segment", "mark", "outage", "expired", "configured", "site", "hold", "ledger_state")
    return {table: ring.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


@pytest.mark.parametrize("loss", ["none", "deleted", "damaged"])
def test_files_and_ledger_alone_rebuild_the_store(ring: Ring, loss: str) -> None:
    fill(ring)
    before = contents(ring)
    assert [hold.hold_id for hold in all_holds(ring.conn)] == ["i1"]
    ring.close()
    for path in ring.data_dir.glob("store.sqlite*"):
        if loss == "deleted":
            path.unlink()
        elif loss == "damaged" and path.name == "store.sqlite":
            path.write_bytes(b"SQLite format 3\0" + os.urandom(8000))
    report = recover(ring.data_dir)
    assert (report.segments, report.ledger_records, report.is_store_kept) == (3, 9, loss == "none")
    ring.conn = open_store(ring.data_dir)
    assert contents(ring) == before
    assert differences(ring.conn, ring.data_dir) == []
    assert (ring.data_dir / "store.sqlite.damaged").exists() == (loss == "damaged")


def test_recovery_is_refused_while_a_node_runs(ring: Ring) -> None:
    with pytest.raises(StoreError, match="already runs"):
        recover(ring.data_dir)


def test_a_fact_whose_transaction_failed_comes_with_the_next(ring: Ring) -> None:
    class Broken(Exception):
        pass

    with pytest.raises(Broken), transaction(ring.conn):
        evidence.note(ring.conn, ring.ledger, ProcessStarted(process="camera", camera="c01", session="one"))
        raise Broken
    assert evidence.last_session(ring.conn, "camera", "c01") == ""
    ring.note(ProcessStarted(process="camera", camera="c02", session="two"))
    assert evidence.last_session(ring.conn, "camera", "c01") == "one"
    assert evidence.last_session(ring.conn, "camera", "c02") == "two"
    assert evidence.applied_seq(ring.conn) == ring.ledger.last_seq == 2


def test_a_fact_outside_a_transaction_is_refused(ring: Ring) -> None:
    with pytest.raises(StoreError, match="within the transaction"):
        evidence.note(ring.conn, ring.ledger, AgentStarted(boot_id="b"))
    assert ring.ledger.last_seq == 0


def test_a_damaged_store_says_how_to_rebuild_it(ring: Ring) -> None:
    ring.close()
    (ring.data_dir / "store.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="footage recover"):
        open_store(ring.data_dir)


def test_spans_that_expire_one_after_the_other_stay_one_row(ring: Ring) -> None:
    for minute in range(5):
        start_ns = START_NS + minute * 60 * S
        end_ns = start_ns + 60 * S - 40
        ring.note(FootageExpired(camera="c01", start_wall_ns=start_ns, end_wall_ns=end_ns, segments=1, bytes=1))
    assert ring.conn.execute("SELECT count(*) FROM expired").fetchone() == (1,)
