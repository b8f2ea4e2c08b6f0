"""What a boot recorded by a wrong clock is told at its true time once the clock is known; files keep their labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import ClockQuality, ClockStatus
from agent.contract.envelope import decode_envelope
from agent.contract.events import ClockData, decode_data
from agent.contract.topics import NodeAddress
from agent.health.held_clock import HeldClock
from agent.ledger import read_ledger
from agent.messaging.lanes import Origin
from agent.processes.clockkeeper import ClockKeeper
from agent.recording import account, evidence, holds, index, retiming
from agent.recording.boot import BootNumber
from agent.recording.clipfile import verify_clip
from agent.recording.clockwatch import ClockLook, ClockWatch, Noticed
from agent.recording.cut import RecordedSegment
from agent.recording.exporter import export_clip
from agent.recording.gaps import GapReason
from agent.recording.records import LabelSpan, OutageTold, ProcessStarted
from agent.recording.recovery import recover
from agent.recording.retiming import Retiming, true_label, true_start
from agent.recording.ringclip import plan_from_ring
from agent.store import transaction
from agent.units import NS_PER_MS, NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Where, record
from tests.recording.ring import Ring, S, film

# The boot begins at START_NS, where its clock says ten minutes after the first midnight of 1970.
IN_1970 = 600 * S - START_NS
DAY = WallSpan(START_NS - 3600 * S, START_NS + 3600 * S)


class Boot:
    """A node in 1970 with its ring; the test says what time it truly is, in seconds since the boot."""

    def __init__(self, folder: Path) -> None:
        self.ring = Ring(folder)
        self.ring.clock.wrong_by_ns = IN_1970
        self.ring.clock.quality = ClockQuality.UNSYNCED
        self.restart()

    def restart(self) -> None:
        origin = Origin(NodeAddress("o", "s", "n"), "boot", 1 << 30)
        boot = BootNumber(self.ring.boot, "boot")
        self._keeper = ClockKeeper(self.ring.conn, self.ring.ledger, self.ring.clock, boot=boot, origin=origin)

    def at(self, second: float) -> Boot:
        self.ring.clock.now_wall_ns = START_NS + int(second * S)
        self._keeper.look(lambda: None)
        return self

    def learn_the_time(self, second: float) -> None:
        self.ring.clock.wrong_by_ns, self.ring.clock.quality = 0, ClockQuality.SYNCED
        self.at(second).at(second + 1.1)

    def film(self, at_s: float, n: int, run: int = 1) -> RecordedSegment:
        """Four seconds of footage under the clock as it is."""
        clock = self.ring.clock
        where = Where(boot=self.ring.boot, run=run, n=n)
        start_ns = START_NS + int(at_s * S) + clock.wrong_by_ns
        return record(self.ring.data_dir, film(), where=where, start_ns=start_ns, wrong_by_ns=clock.wrong_by_ns)

    def events(self) -> list[ClockData]:
        rows = self.ring.conn.execute("SELECT payload FROM outbox_event ORDER BY id").fetchall()
        told = [decode_envelope(row[0]) for row in rows]
        return [data for each in told if isinstance(data := decode_data(each.type, each.data), ClockData)]

    def starts_s(self) -> list[float]:
        """When each segment is said to begin, in order of recording, in seconds since the boot."""
        return [
            (row.start_wall_ns - START_NS) / S for row in index.segments(self.ring.conn, "c01", WallSpan(0, 1 << 62))
        ]

    def lengths_s(self) -> list[float]:
        rows = index.segments(self.ring.conn, "c01", WallSpan(0, 1 << 62))
        return [(row.end_wall_ns - row.start_wall_ns) / S for row in rows]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    made = Boot(tmp_path / "data")
    yield made
    made.ring.close()


def test_segments_are_told_at_their_true_time_and_their_files_do_not_change(boot: Boot) -> None:
    boot.at(0)
    segments = [boot.film(0, 0), boot.film(4, 1)]
    boot.ring.index(*segments)
    assert boot.starts_s()[0] == IN_1970 / S
    kept = [boot.ring.path(each).read_bytes() for each in segments]
    boot.learn_the_time(9)
    assert boot.starts_s() == pytest.approx([0, 4])
    assert boot.lengths_s() == pytest.approx([4, 4])
    assert [boot.ring.path(each).read_bytes() for each in segments] == kept
    assert {row.is_time_sure for row in index.oldest_first(boot.ring.conn, "c01")} == {True}


def test_until_then_their_time_counts_as_unsure(boot: Boot) -> None:
    boot.at(0).ring.index(boot.film(0, 0))
    assert [row.is_time_sure for row in index.oldest_first(boot.ring.conn, "c01")] == [False]


def test_a_notice_that_comes_late_is_told_at_its_true_time_too(boot: Boot) -> None:
    boot.at(0)
    late = boot.film(0, 0)
    boot.learn_the_time(5)
    boot.ring.index(late)
    assert boot.starts_s() == pytest.approx([0])


def test_what_is_recorded_by_the_good_clock_stays_where_it_is(boot: Boot) -> None:
    boot.at(0).ring.index(boot.film(0, 0))
    boot.learn_the_time(5)
    boot.ring.index(boot.film(7, 0, run=2))
    assert boot.starts_s() == pytest.approx([0, 7])


def test_the_change_is_told_once_with_the_step_and_the_new_quality(boot: Boot) -> None:
    boot.at(0).at(1)
    assert boot.events() == []
    boot.learn_the_time(5)
    boot.at(60).at(600)
    (told,) = boot.events()
    assert (told.quality, told.previous, told.step_s) == ("synced", "unsynced", -IN_1970 / S)


def test_a_good_clock_set_back_is_told_and_re_times_nothing(boot: Boot) -> None:
    boot.learn_the_time(0)
    boot.ring.index(boot.film(2, 0))
    boot.ring.clock.wrong_by_ns = -3600 * S
    boot.at(10).at(12)
    assert [told.step_s for told in boot.events()] == [-3600.0]
    assert boot.starts_s() == pytest.approx([2])
    assert [each.type for each in read_ledger(boot.ring.data_dir)] == ["clock", "retimed", "clock"]


def test_a_node_that_fell_in_between_still_knows_what_was_told_before(boot: Boot) -> None:
    boot.at(0)
    boot.ring.note(ProcessStarted(process="camera", camera="c01", session="one"))
    boot.restart()
    boot.learn_the_time(30)
    boot.restart()
    boot.at(60)
    assert boot.ring.conn.execute("SELECT wall_ns FROM mark").fetchone()[0] == START_NS
    assert [each.type for each in read_ledger(boot.ring.data_dir)] == ["clock", "process_started", "clock", "retimed"]


def test_outages_holds_and_marks_move_along_also_those_told_afterwards(boot: Boot) -> None:
    boot.at(0)
    boot.ring.index(boot.film(0, 0))
    now_ns = boot.ring.clock.wall_ns()
    held = WallSpan(now_ns - 30 * S, now_ns + 60 * S)
    boot.ring.note(
        holds.incident_hold("i1", "c01", held, now_ns),
        OutageTold(
            camera="c01", boot=boot.ring.boot, start_wall_ns=now_ns + 4 * S, end_wall_ns=0, reason="camera_stalled"
        ),
    )
    boot.at(9).learn_the_time(10)
    (hold,) = holds.all_holds(boot.ring.conn)
    assert hold.span == WallSpan(START_NS - 30 * S, START_NS + 60 * S)
    assert (hold.made_wall_ns, hold.expires_wall_ns) == (START_NS, START_NS + holds.INCIDENT_HOLD_NS)
    assert [each.bytes > 0 for each in holds.held_segments(boot.ring.conn, hold.kind)] == [True]
    outage = OutageTold(
        camera="c01",
        boot=boot.ring.boot,
        start_wall_ns=now_ns + 4 * S,
        end_wall_ns=START_NS + 20 * S,
        reason="camera_stalled",
    )
    boot.ring.note(outage, at_s=21)
    gaps = account.camera_gaps(
        boot.ring.conn, boot.ring.data_dir, "c01", WallSpan(START_NS, START_NS + 20 * S), DAY.end_ns
    )
    assert [(gap.start_wall_ns, gap.end_wall_ns, gap.reason) for gap in gaps] == [
        (START_NS + 4 * S, START_NS + 20 * S, GapReason.CAMERA_STALLED)
    ]


def test_a_rebuilt_store_tells_the_same(boot: Boot) -> None:
    boot.at(0)
    segments = [boot.film(0, 0), boot.film(4, 1)]
    boot.ring.index(*segments)
    now_ns = boot.ring.clock.wall_ns()
    boot.ring.note(holds.incident_hold("i1", "c01", WallSpan(now_ns, now_ns + 60 * S), now_ns))
    boot.learn_the_time(9)
    told = (boot.starts_s(), boot.lengths_s(), holds.all_holds(boot.ring.conn))
    for each in segments:
        os.utime(boot.ring.path(each), (0, 0))
    boot.ring.close()
    (boot.ring.data_dir / "store.sqlite").unlink()
    report = recover(boot.ring.data_dir)
    assert (report.segments, report.is_store_kept) == (2, False)
    boot.ring = Ring(boot.ring.data_dir)
    assert boot.starts_s() == pytest.approx(told[0])
    assert boot.lengths_s() == pytest.approx(told[1], abs=0.1)
    assert holds.all_holds(boot.ring.conn) == told[2]


def test_a_clip_of_re_timed_footage_is_labelled_with_the_true_time(boot: Boot, tmp_path: Path) -> None:
    boot.at(0).ring.index(boot.film(0, 0), boot.film(4, 1))
    boot.learn_the_time(9)
    asked = WallSpan(START_NS + 2 * S, START_NS + 6 * S)
    plan = plan_from_ring(boot.ring.conn, boot.ring.data_dir, "c01", asked, DAY.end_ns)
    assert not plan.is_partial
    (made,) = export_clip(plan, boot.ring.data_dir, tmp_path / "clip.mp4")
    facts = verify_clip(made.path, made.sha256)
    assert (facts.start_wall_ns - START_NS) / S == pytest.approx(2.0, abs=1e-5)
    assert facts.end_wall_ns - START_NS == pytest.approx(6 * S, abs=NS_PER_MS)


def test_what_retention_took_is_forgotten_with_its_clock(boot: Boot) -> None:
    segment = boot.film(0, 0)
    boot.at(0).ring.index(segment)
    with transaction(boot.ring.conn):
        index.forget(boot.ring.conn, [str(segment.name.path())])
    assert boot.ring.conn.execute("SELECT count(*) FROM segment_clock").fetchone()[0] == 0
    assert retiming.shift_of(boot.ring.conn, str(segment.name.path())) == 0


def test_the_store_resumes_from_the_ledgers_marks(boot: Boot) -> None:
    boot.at(3).learn_the_time(5)
    marks, known_ns = evidence.clock_marks(boot.ring.conn, boot.ring.boot)
    assert [mark.quality for mark in marks] == ["unsynced", "synced"]
    assert known_ns == int(6.1 * S)


SYNCED = ClockStatus(ClockQuality.SYNCED, 0.01)
UNSYNCED = ClockStatus(ClockQuality.UNSYNCED, None)


def look(watch: ClockWatch, wall_ns: int, mono_ns: int, status: ClockStatus) -> Noticed | None:
    return watch.look(ClockLook(wall_ns, mono_ns, status.quality.value, status.error_s))


def test_a_clock_that_still_moves_is_not_believed_yet() -> None:
    watch = ClockWatch()
    look(watch, 0, 0, UNSYNCED)
    for second in range(1, 20):
        noticed = look(watch, second * 400 * S, second * S, SYNCED)
        assert noticed is None or noticed.retimed is None
    last_ns = 19 * 400 * S
    settled = look(watch, last_ns + S, 20 * S, SYNCED)
    assert settled is not None and settled.retimed is not None
    assert settled.retimed.offset_ns == last_ns - 19 * S


def test_steering_by_less_than_a_jump_is_nothing_to_write_down() -> None:
    watch = ClockWatch()
    look(watch, 0, 0, SYNCED)
    look(watch, 2 * S, 2 * S, SYNCED)
    assert [look(watch, at * S + at * 20 * NS_PER_MS, at * S, SYNCED) for at in range(3, 20)] == [None] * 17


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10**6)), min_size=1, max_size=6),
    st.integers(1, 3600),
    st.integers(10**6, 10**9),
    st.data(),
)
def test_whatever_was_told_before_is_read_as_the_truth_after(
    pieces: list[tuple[int, int]], booted_s: int, last_step_s: int, data: st.DataObject
) -> None:
    """The clock is stepped forward several times, as people and a saved time do, before it is known."""
    watch, mono_s, offset_s, told = ClockWatch(), booted_s, 1_000, []
    for lasts_s, step_s in pieces:
        look(watch, (mono_s + offset_s) * S, mono_s * S, UNSYNCED)
        at_s = data.draw(st.integers(mono_s, mono_s + lasts_s - 1))
        told.append(((at_s + offset_s) * S, at_s))
        mono_s += lasts_s
        offset_s += step_s
    offset_s += last_step_s
    look(watch, (mono_s + offset_s) * S, mono_s * S, SYNCED)
    noticed = look(watch, (mono_s + 2 + offset_s) * S, (mono_s + 2) * S, SYNCED)
    assert noticed is not None and noticed.retimed is not None
    for label_ns, at_s in told:
        assert true_label(label_ns, noticed.retimed.labels) == (at_s + offset_s) * S
    assert true_label((mono_s + 1 + offset_s) * S, noticed.retimed.labels) == (mono_s + 1 + offset_s) * S


@pytest.mark.parametrize(
    ("start_mono_s", "told_s", "expected_s"),
    [
        pytest.param(10, 610, 1010, id="within"),
        pytest.param(99.999, 699, 1099.999, id="just within"),
        pytest.param(100, 700, 700, id="after it"),
        pytest.param(10, 1010.4, 1010.4, id="what steering takes up is left to it"),
        pytest.param(10, 1010.6, 1010, id="what it does not is not"),
    ],
)
def test_a_start_is_moved_by_its_monotonic_time(start_mono_s: float, told_s: float, expected_s: float) -> None:
    known = [Retiming(0, 100 * S, 1000 * S)]
    assert true_start(int(told_s * S), int(start_mono_s * S), known) == int(expected_s * S)


def test_the_newest_re_timing_counts() -> None:
    known = [Retiming(0, 100 * S, 1000 * S), Retiming(0, 200 * S, 5000 * S)]
    assert true_start(0, 50 * S, known) == 5050 * S
    assert true_label(5, [LabelSpan(0, 10, 100), LabelSpan(0, 10, 200)]) == 105


def test_a_clock_that_was_good_is_in_holdover_for_everybody() -> None:
    class Kernel:
        status_now, mono = SYNCED, 0

        def wall_ns(self) -> int:
            return START_NS + self.mono

        def mono_ns(self) -> int:
            return self.mono

        def status(self) -> ClockStatus:
            return self.status_now

    kernel = Kernel()
    clock = HeldClock(kernel)
    assert clock.status().quality is ClockQuality.SYNCED
    kernel.status_now, kernel.mono = UNSYNCED, 3600 * NS_PER_S
    assert clock.status().quality is ClockQuality.HOLDOVER
    assert clock.status().error_s == pytest.approx(0.01 + 3600 * 500e-6)
    assert (clock.wall_ns(), clock.mono_ns()) == (START_NS + kernel.mono, kernel.mono)
    assert HeldClock(kernel).status() == UNSYNCED
    assert ClockLook(5, 2, "synced").offset_ns == 3
