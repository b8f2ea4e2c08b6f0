"""How a camera's recording goes, as the node hears it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.notices import CameraStatus, StreamCondition
from agent.processes.condition import Condition
from agent.units import NS_PER_S
from tests.recorder.playback import ANCHOR_WALL_NS, Ring, play
from tests.rigs.films import FilmSettings, make_film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"), FilmSettings(seconds=4))


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path)


@pytest.fixture
def condition(ring: Ring) -> Condition:
    return Condition("c01", ring.recorder, ring.book, ring.clock, vision_dropped=lambda: 3)


def test_before_the_first_frame_it_is_offline_and_has_no_age(condition: Condition) -> None:
    told = condition.tell()
    assert (told.stream, told.frame_age_s, told.fps, told.since_wall_ns) == (
        StreamCondition.OFFLINE,
        -1.0,
        0.0,
        ANCHOR_WALL_NS,
    )


def test_rates_are_the_streams_own_however_late_they_are_counted(ring: Ring, condition: Condition, film: Path) -> None:
    play(ring, film)
    told = condition.tell()
    # 100 frames are 99 frame times apart.
    assert told.fps == pytest.approx(25, rel=0.02)
    # The film is tiny: a tenth of the file is its own boxes.
    assert told.bitrate_bps == pytest.approx(ring.closes[0].bytes * 8 / 4, rel=0.15)
    assert (told.frames_recorded, told.frames_lost, told.vision_dropped) == (100, 0, 3)
    assert (told.stream, told.since_wall_ns) == (StreamCondition.STREAMING, ANCHOR_WALL_NS + ring.clock.past_ns)
    assert condition.tell().fps == 0.0


def test_a_stream_is_offline_once_it_has_been_silent_as_long_as_a_stall(
    ring: Ring, condition: Condition, film: Path
) -> None:
    def after(seconds: float) -> CameraStatus:
        ring.clock.past_ns = frames_end_ns + int(seconds * NS_PER_S)
        return condition.tell()

    play(ring, film)
    frames_end_ns = ring.clock.past_ns
    assert after(4.9).stream is StreamCondition.STREAMING
    silent = after(5.1)
    assert (silent.stream, silent.frame_age_s) == (StreamCondition.OFFLINE, pytest.approx(5.1))
    assert after(9).since_wall_ns == silent.since_wall_ns


@pytest.mark.parametrize(
    ("reason", "stream"),
    [("camera_refused", StreamCondition.OFFLINE), ("disk_full", StreamCondition.DEGRADED)],
)
def test_an_outage_is_named(ring: Ring, condition: Condition, film: Path, reason: str, stream: StreamCondition) -> None:
    play(ring, film)
    ring.book.begin(reason, "")
    told = condition.tell()
    assert (told.stream, told.reason) == (stream, reason)
