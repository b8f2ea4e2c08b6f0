"""Deleting so that a crash at any step neither lies about footage nor leaves any behind."""

from __future__ import annotations

import pytest

from agent.clock import ClockQuality
from agent.ledger import read_ledger
from agent.recording import index
from agent.recording.account import camera_gaps
from agent.recording.cut import RecordedSegment
from agent.recording.gaps import GapReason
from agent.recording.holds import all_holds, incident_hold
from agent.recording.index import SegmentState
from agent.recording.janitor import Janitor, disk_usage, ring_usage
from agent.recording.recovery import differences, reconcile
from agent.recording.retention import RetentionLimits
from agent.store import transaction
from agent.units import WallSpan
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S


@pytest.fixture
def segments(ring: Ring) -> list[RecordedSegment]:
    made = [ring.record(4 * n, Where(n=n)) for n in range(6)]
    ring.index(*made)
    return made


def janitor(ring: Ring, max_bytes: int, *, min_free_bytes: int = 0, keep_days: int = 30) -> Janitor:
    limits = RetentionLimits(max_bytes, min_free_bytes, keep_days)
    return Janitor(ring.data_dir, ring.conn, ring.ledger, clock=ring.clock, limits=limits)


def on_disk(ring: Ring, segments: list[RecordedSegment]) -> list[bool]:
    return [ring.path(segment).exists() for segment in segments]


def test_a_sweep_deletes_the_oldest_and_says_so_in_the_ledger(ring: Ring, segments: list[RecordedSegment]) -> None:
    keep_bytes = sum(segment.scan.size_bytes for segment in segments[2:])
    report = janitor(ring, keep_bytes + 100).sweep()
    assert report.deleted == 3
    left = on_disk(ring, segments)
    assert left == sorted(left)
    assert [record.type for record in read_ledger(ring.data_dir)] == ["expired"]
    assert differences(ring.conn, ring.data_dir) == []
    (gap,) = camera_gaps(ring.conn, ring.data_dir, "c01", WallSpan(START_NS, START_NS + 24 * S), START_NS + 60 * S)
    assert (gap.reason, gap.start_wall_ns) == (GapReason.EXPIRED, START_NS)
    assert gap.end_wall_ns == START_NS + 4 * report.deleted * S


def test_a_second_sweep_finds_nothing_to_do(ring: Ring, segments: list[RecordedSegment]) -> None:
    swept = janitor(ring, 2 * segments[0].scan.size_bytes)
    assert swept.sweep().deleted > 0
    assert swept.sweep().deleted == 0
    assert ring_usage(ring.conn, ring.data_dir).ring_bytes <= 2 * segments[0].scan.size_bytes


def test_held_and_open_segments_stay_even_when_nothing_fits(ring: Ring, segments: list[RecordedSegment]) -> None:
    ring.note(incident_hold("i1", "c01", WallSpan(START_NS + 5 * S, START_NS + 6 * S), START_NS))
    with transaction(ring.conn):
        ring.conn.execute("UPDATE segment SET state = 'open' WHERE n = 4")
    # The quota of incident holds is 30 % of the ring: give it one of these segments.
    size = segments[1].scan.size_bytes
    report = janitor(ring, 4 * size, min_free_bytes=1 << 62).sweep()
    assert on_disk(ring, segments) == [False, True, False, False, True, False]
    assert report.short_bytes > 0


def test_incident_holds_beyond_their_share_lapse_and_their_footage_goes_next(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    for n in range(3):
        span = WallSpan(START_NS + 4 * n * S, START_NS + (4 * n + 1) * S)
        ring.note(incident_hold(f"i{n}", "c01", span, START_NS + n))
    report = janitor(ring, 4 * segments[0].scan.size_bytes).sweep()
    assert report.lapsed == 2
    assert [hold.hold_id for hold in all_holds(ring.conn)] == ["i2"]
    assert on_disk(ring, segments)[2]
    assert [r.type for r in read_ledger(ring.data_dir)] == ["hold"] * 3 + ["released"] * 2 + ["expired"] * 2


def test_nothing_goes_by_age_and_no_hold_lapses_while_the_clock_is_unsure(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    ring.note(incident_hold("i1", "c01", WallSpan(START_NS, START_NS + S), START_NS))
    ring.clock.now_wall_ns = START_NS + 400 * 86_400 * S
    ring.clock.quality = ClockQuality.UNSYNCED
    report = janitor(ring, 10**9, keep_days=1).sweep()
    assert (report.deleted, report.lapsed) == (0, 0)
    ring.clock.quality = ClockQuality.SYNCED
    report = janitor(ring, 10**9, keep_days=1).sweep()
    assert (report.deleted, report.lapsed) == (6, 1)
    assert on_disk(ring, segments) == [False] * 6


def test_a_deletion_cut_short_is_finished_at_the_next_start(ring: Ring, segments: list[RecordedSegment]) -> None:
    path = str(segments[0].name.path())
    with transaction(ring.conn):
        index.mark_garbage(ring.conn, [path])
    reconcile(ring.conn, ring.data_dir)
    assert [row.path for row in index.in_state(ring.conn, SegmentState.GARBAGE)] == [path]
    assert janitor(ring, 10**9).finish_garbage() == 1
    assert on_disk(ring, segments) == [False, *[True] * 5]
    assert differences(ring.conn, ring.data_dir) == []


def test_an_emptied_day_folder_goes_but_the_newest_stays(ring: Ring, segments: list[RecordedSegment]) -> None:
    tomorrow = ring.record(86_400, Where(run=2))
    ring.index(tomorrow)
    ring.clock.now_wall_ns = START_NS + 60 * 86_400 * S
    janitor(ring, 10**9, keep_days=1).sweep()
    assert not ring.path(segments[0]).parent.exists()
    assert ring.path(tomorrow).parent.is_dir()


def test_the_disk_is_asked_for_its_space(ring: Ring) -> None:
    free_bytes, disk_bytes = disk_usage(ring.data_dir)
    assert 0 < free_bytes <= disk_bytes
