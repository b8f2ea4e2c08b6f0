"""What is done to the agent's clock, and what must be true of its footage afterwards."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.contract.events import ClockData, decode_data
from agent.ledger import read_ledger
from agent.recording import account, index
from agent.recording.catalog import SegmentRow
from agent.recording.clipfile import verify_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.recovery import recover
from agent.recording.ringclip import plan_from_ring
from agent.store import open_store
from agent.units import NS_PER_MS, NS_PER_S, WallSpan
from tests.broker import Broker, wait_until
from tests.faults.ear import Ear
from tests.faults.rig import AgentUnderTest
from tests.rigs.clock import PlayedClock

# 1 January 1970, ten minutes after midnight: where a Pi without a clock or a saved time begins.
_BOOT_WALL_S = 600.0
_HOUR_S = 3600.0
# Product, the promise in numbers.
_WITHIN_NS = NS_PER_S
_SEGMENT_S = 3.0
# Of the campus clip, which has ten a second.
_FRAME_NS = NS_PER_S // 10
# An IDR waits up to 0.2 s to be read and 0.5 s to be written (media.pace, recorder); the rest is for a busy machine.
_SEEN_S = 2.5


class Sightings:
    """When each segment's file was first seen, by this process's own clock: a witness that knows nothing of ours."""

    def __init__(self, agent: AgentUnderTest) -> None:
        self._footage = agent.data_dir / "footage"
        self._root = agent.data_dir
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="sightings")
        self.seen_ns: dict[str, int] = {}

    def __enter__(self) -> Sightings:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            now_ns = time.time_ns()
            for path in self._footage.rglob("*.mp4"):
                self.seen_ns.setdefault(str(path.relative_to(self._root)), now_ns)


def boot_in_1970(folder: Path, broker: Broker, seconds: float) -> list[str]:
    """Record so long in 1970, then learn the time: every segment is where it truly was, also after a rebuild."""
    clock = PlayedClock(folder / "clock")
    clock.set_to(_BOOT_WALL_S, is_synced=False)
    agent = AgentUnderTest(
        folder / "agent", broker=broker, vision=False, segment_s=_SEGMENT_S, environment=clock.environment
    )
    with Ear(broker) as ear, agent, Sightings(agent) as witness:
        agent.wait_for_footage("c01", 1)
        threading.Event().wait(seconds)
        assert all(row.start_wall_ns < _HOUR_S * NS_PER_S for row in _rows(agent)), "the clock was not played"
        stepped_ns = time.time_ns()
        clock.set(0.0, is_synced=True)
        wait_until(lambda: "retimed" in _ledger(agent), "the clock was not noticed", limit_s=30.0)
        wait_until(lambda: _rows(agent)[-1].run > 1, "no run began after the step", limit_s=30.0)
        ear.wait_for_event("clock", stepped_ns - NS_PER_S)
        agent.wait_for_segments("c01", len(_rows(agent)) + 2)
        assert agent.stop() == 0, "the agent did not end in order"
        told = [
            decode_data(each.envelope.type, each.envelope.data) for each in ear.events if "clock" in each.envelope.type
        ]
    rows = _rows(agent)
    errors_ns = [abs(row.start_wall_ns - _truth_ns(agent, row)) for row in rows]
    assert max(errors_ns) < _WITHIN_NS, errors_ns
    late_s = sorted((witness.seen_ns[row.path] - row.start_wall_ns) / NS_PER_S for row in rows)
    assert late_s[0] > -0.1 and late_s[-1] < _SEEN_S, late_s
    _check_whole(agent, rows)
    before = [row for row in rows if row.run == 1]
    assert [type(each) for each in told] == [ClockData] * len(told) and told, told
    _check_rebuilt(agent, rows)
    clip = _clip_over(agent, rows, folder / "step.mp4")
    in_1970_s = sum(row.end_wall_ns - row.start_wall_ns for row in before) / NS_PER_S
    return [
        f"boot in 1970, {in_1970_s:.0f} s of footage, then the time known: {len(rows)} segments, {len(before)} of them"
        f" re-timed, worst {max(errors_ns) / 1e6:.1f} ms off; a witness saw the files begin {late_s[0]:.2f} s to"
        f" {late_s[-1]:.2f} s after those times; {clip}; the same after footage recover"
    ]


def step_back(folder: Path, seconds: float) -> list[str]:
    """A good clock is set back by an hour: nothing is overwritten, deleted or brought into another order."""
    clock = PlayedClock(folder / "clock")
    clock.set(0.0, is_synced=True)
    agent = AgentUnderTest(folder / "agent", vision=False, segment_s=_SEGMENT_S, environment=clock.environment)
    with agent:
        agent.wait_for_footage("c01", 1)
        threading.Event().wait(seconds)
        before = _rows(agent)
        kept = {row.path: _digest(agent.data_dir / row.path) for row in before if not row.is_open}
        clock.set(-_HOUR_S, is_synced=True)
        wait_until(lambda: _rows(agent)[-1].run > 1, "no run began after the step", limit_s=30.0)
        agent.wait_for_segments("c01", len(_rows(agent)) + max(2, int(seconds / _SEGMENT_S)))
        assert agent.stop() == 0, "the agent did not end in order"
    rows = _rows(agent)
    assert {path: _digest(agent.data_dir / path) for path in kept} == kept, "a file changed"
    assert [row.path for row in rows[: len(before)]] == [row.path for row in before], "the order changed"
    after = [row for row in rows if row.run > 1]
    assert all(row.start_wall_ns < time.time_ns() - (_HOUR_S - 1) * NS_PER_S for row in after), after
    assert agent.index_differences() == []
    _check_rebuilt(agent, rows)
    with _store(agent) as conn:
        in_order = [row.path for row in index.oldest_first(conn, "c01")]
    assert in_order == [row.path for row in rows], "retention would not take the oldest first"
    return [
        f"one hour back after {len(before)} segments: {len(kept)} closed files byte for byte the same, {len(after)} new"
        f" ones, 0 deleted, order by boot, run and number kept, the same after footage recover"
    ]


def _truth_ns(agent: AgentUnderTest, row: SegmentRow) -> int:
    """By monotonic time, which nobody stepped, and this process's own wall clock."""
    segment = read_segment(agent.data_dir, row.name)
    assert segment is not None and segment.scan.comment is not None
    return segment.scan.comment.start_mono_ns + time.time_ns() - time.monotonic_ns()


def _check_rebuilt(agent: AgentUnderTest, before: list[SegmentRow]) -> None:
    """A file knows its times to the microsecond, and its last frame's duration by the muxer's guess."""
    recover(agent.data_dir)
    rebuilt = _rows(agent)
    assert [row.path for row in rebuilt] == [row.path for row in before]
    for one, other in zip(rebuilt, before, strict=True):
        assert abs(one.start_wall_ns - other.start_wall_ns) < NS_PER_MS, (one, other)
        assert abs(one.end_wall_ns - other.end_wall_ns) < 150 * NS_PER_MS, (one, other)


def _check_whole(agent: AgentUnderTest, rows: list[SegmentRow]) -> None:
    """Every second of the day is accounted for, and between the first and the last frame nothing is missing."""
    span = WallSpan(rows[0].start_wall_ns, rows[-1].end_wall_ns)
    with _store(agent) as conn:
        gaps = account.camera_gaps(conn, agent.data_dir, "c01", span, time.time_ns())
        missing_ns = sum(gap.end_wall_ns - gap.start_wall_ns for gap in gaps)
        assert missing_ns < 0.1 * NS_PER_S, gaps
        day = account.civil_day(conn, _day_of(rows[0].start_wall_ns))
        (told,) = account.account(conn, agent.data_dir, ["c01"], day, time.time_ns())
    seconds = told.recorded_s + sum(gap.span.duration_ns for gap in told.gaps) / NS_PER_S
    assert abs(seconds - 86_400) < 0.001, seconds
    assert not [gap for gap in told.gaps if gap.reason == "cause_unknown"], told.gaps


def _clip_over(agent: AgentUnderTest, rows: list[SegmentRow], out: Path) -> str:
    """A clip over the moment at which the clock was set: whole, and labelled with the true time."""
    (border,) = [row for row in rows if (row.run, row.n) == (2, 0)]
    # The run after the step may be little over a second long when the agent is stopped, the one before 4 s in all.
    begin_ns = max(rows[0].start_wall_ns, border.start_wall_ns - 4 * NS_PER_S)
    asked = WallSpan(begin_ns, border.start_wall_ns + NS_PER_S)
    with _store(agent) as conn:
        plan = plan_from_ring(conn, agent.data_dir, "c01", asked, time.time_ns())
    assert not plan.is_partial, plan.gaps
    made = export_clip(plan, agent.data_dir, out)
    facts = [verify_clip(each.path, each.sha256) for each in made]
    # A clip ends with a frame, and how long a file's last one lasts is the muxer's guess.
    short_ns = (facts[0].start_wall_ns - asked.start_ns, asked.end_ns - facts[-1].end_wall_ns)
    assert max(short_ns) < _FRAME_NS, (short_ns, rows)
    return f"a clip over the step is whole ({sum(each.duration_s for each in facts):.1f} s)"


def _store(agent: AgentUnderTest) -> sqlite3.Connection:
    return open_store(agent.data_dir, readonly=True)


def _rows(agent: AgentUnderTest) -> list[SegmentRow]:
    """All of the camera's footage in order of recording."""
    conn = _store(agent)
    try:
        return index.segments(conn, "c01", WallSpan(0, 1 << 62))
    finally:
        conn.close()


def _ledger(agent: AgentUnderTest) -> list[str]:
    return [record.type for record in read_ledger(agent.data_dir)]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _day_of(wall_ns: int) -> date:
    return datetime.fromtimestamp(wall_ns / NS_PER_S, ZoneInfo("Asia/Bangkok")).date()
