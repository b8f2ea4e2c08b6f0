"""A run that breaks is followed by the next in the same session, because the stream still flows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from agent.clock import ClockQuality, ClockStatus
from agent.errors import CameraEnded, CameraError
from agent.media.capture import Capture, CapturedPacket, Session
from agent.media.source import Shape, SourceAddress
from agent.media.timeline import ClockStepped, RunBroken
from agent.units import NS_PER_MS, NS_PER_S
from tests.rigs.films import FilmSettings, make_film

FRAME_NS = 40 * NS_PER_MS
HOUR_NS = 3600 * NS_PER_S


class Impatient(threading.Event):
    """Never stops anything and lets nobody wait, so that a film plays in no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


class SteppedClock:
    """The monotonic clock stands; the wall clock is moved by the test."""

    def __init__(self) -> None:
        self.stepped_ns = 0

    def wall_ns(self) -> int:
        return 1_795_356_180 * NS_PER_S + self.stepped_ns

    def mono_ns(self) -> int:
        return 77 * NS_PER_S

    def status(self) -> ClockStatus:
        return ClockStatus(ClockQuality.UNSYNCED, None)


@dataclass
class Run:
    session: Session
    packets: list[CapturedPacket] = field(default_factory=list)
    failure: CameraError | None = None


class Runs:
    """A sink that keeps runs apart; `at` says what happens after which packet of the session."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None) -> None:
        self.runs: list[Run] = []
        self._at = at or {}
        self._count = 0

    def begin(self, session: Session) -> None:
        self.runs.append(Run(session))

    def change(self, shape: Shape) -> None:
        raise AssertionError(shape)

    def take(self, captured: CapturedPacket) -> None:
        self.runs[-1].packets.append(captured)
        self._count += 1
        self._at.get(self._count, lambda: None)()

    def end(self, failure: CameraError | None = None) -> None:
        self.runs[-1].failure = failure


def play(film: Path, sink: Runs, clock: SteppedClock) -> CameraError:
    """The film once; what ended its session."""
    address = SourceAddress("c01", f"file:{film}", loops=False)
    with pytest.raises(CameraError) as caught:
        Capture(address, [sink], clock, Impatient()).run_once()
    return caught.value


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s with an IDR each second."""
    return make_film(tmp_path_factory.mktemp("film"), FilmSettings(gop=25, b_frames=2))


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, 501 * NS_PER_MS])
def test_a_clock_step_begins_a_run_at_the_next_idr_and_loses_no_frame(film: Path, step_ns: int) -> None:
    clock = SteppedClock()

    def step() -> None:
        clock.stepped_ns += step_ns

    seen = Runs({30: step})
    assert isinstance(play(film, seen, clock), CameraEnded)
    before, after = seen.runs
    assert isinstance(before.failure, ClockStepped)
    assert isinstance(after.failure, CameraEnded)
    assert len(before.packets) + len(after.packets) == 100
    assert (after.packets[0].is_idr, after.packets[0].media_ns) == (True, 0)
    # By the monotonic clock, which knows of no step, the second run begins where the first one ended.
    media_ns = 50 * FRAME_NS
    assert after.session.anchor.mono_ns == before.session.anchor.mono_ns + media_ns
    assert after.session.anchor.wall_ns == before.session.anchor.wall_ns + media_ns + step_ns


def test_a_clock_that_is_steered_breaks_no_run(film: Path) -> None:
    clock = SteppedClock()

    def steer() -> None:
        clock.stepped_ns += 499 * NS_PER_MS

    seen = Runs({30: steer})
    play(film, seen, clock)
    assert [len(run.packets) for run in seen.runs] == [100]


def leaping(folder: Path, film: Path, *, leaps_at: set[int]) -> Path:
    """The film with 20 s more in its stamps from each of these packets on."""
    path = folder / "leaping.mp4"
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        shift = 0
        for at, packet in enumerate(source.demux(video=0)):
            if packet.pts is None or packet.dts is None:
                continue
            shift += at in leaps_at
            ticks = int(20 * shift / (packet.time_base or 1))
            packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, stream
            target.mux(packet)
    return path


def test_a_leap_of_the_cameras_time_begins_a_run_at_the_very_packet(tmp_path: Path, film: Path) -> None:
    seen = Runs()
    play(leaping(tmp_path, film, leaps_at={60}), seen, SteppedClock())
    before, after = seen.runs
    assert isinstance(before.failure, RunBroken)
    assert [len(before.packets), len(after.packets)] == [60, 40]
    assert after.packets[0].media_ns == 0


def test_a_camera_whose_time_makes_no_sense_is_called_again_instead(tmp_path: Path, film: Path) -> None:
    seen = Runs()
    failure = play(leaping(tmp_path, film, leaps_at={60, 70}), seen, SteppedClock())
    assert isinstance(failure, RunBroken)
    assert [len(run.packets) for run in seen.runs] == [60, 10]
    assert seen.runs[-1].failure is failure
