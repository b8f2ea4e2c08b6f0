"""One camera under watch, with the real models and a stream made in the test."""

from __future__ import annotations

import gc
import threading

import pytest

from agent import notices
from agent.clock import SystemClock
from agent.config import VisionConfig
from agent.contract.events import MOTION, MotionData, decode_data
from agent.media.sparse import SparseDecoder
from agent.notices import StreamRole, StreamStarted, VideoPacket
from agent.notify import Progress
from agent.processes.intake import Intake
from agent.processes.sight import Sight
from agent.processes.watch import CameraWatch
from agent.scene.file import decode_scene
from tests.seeing.clips import FPS, Stream, read_units, write_clip
from tests.seeing.node_side import ANCHOR_WALL_NS


@pytest.fixture(scope="module")
def sight() -> Sight:
    return Sight(VisionConfig())


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    clip = tmp_path_factory.mktemp("clip") / "street.mp4"
    write_clip(clip, seconds=5)
    return read_units(clip)


class Watched:
    """A camera's watch, its intake and what it told."""

    def __init__(self, sight: Sight, scene: str = "") -> None:
        self.told: list[notices.Finding] = []
        self.intake = Intake()
        self.watch = CameraWatch(
            "c01",
            decode_scene(scene, name="test.toml"),
            sight,
            intake=self.intake,
            tell=lambda finding, _still: self.told.append(finding),
            clock=SystemClock(),
            progress=Progress(),
            stop=threading.Event(),
        )

    def start(self, stream: Stream, run: int) -> None:
        started = StreamStarted("c01", StreamRole.MAIN, 1, run, "h264", 320, 240, ANCHOR_WALL_NS)
        self.intake.offer(started, stream.extradata)

    def see(self, stream: Stream, run: int, first_s: int, last_s: int) -> None:
        """The units of these seconds, one second at a time."""
        for second in range(first_s, last_s):
            for unit in stream.units[second * FPS : (second + 1) * FPS]:
                self.intake.offer(VideoPacket("c01", StreamRole.MAIN, run, unit.media_ns, unit.is_idr), unit.data)
            self.watch.run_once()

    @property
    def motion(self) -> list[MotionData]:
        found = [decode_data(MOTION, finding.data) for finding in self.told if finding.type == "motion"]
        return [data for data in found if isinstance(data, MotionData)]


def test_a_lost_link_within_a_run_continues_what_was_seen(sight: Sight, stream: Stream) -> None:
    watched = Watched(sight)
    watched.start(stream, run=1)
    watched.see(stream, 1, 0, 4)
    # The camera replays its stream's start and its newest GOP.
    watched.start(stream, run=1)
    watched.see(stream, 1, 3, 5)
    assert watched.motion == []
    watched.watch.finish()
    (span,) = watched.motion
    assert span.begin_s < 3 and span.end_s > 4
    assert watched.watch.counts.analysed == 25


def test_a_new_run_closes_what_the_old_one_left_open(sight: Sight, stream: Stream) -> None:
    watched = Watched(sight)
    watched.start(stream, run=1)
    watched.see(stream, 1, 0, 4)
    watched.start(stream, run=2)
    watched.see(stream, 2, 0, 1)
    assert len(watched.motion) == 1


def test_the_newest_picture_carries_the_wall_time_it_shows_without_what_is_masked(sight: Sight, stream: Stream) -> None:
    watched = Watched(sight, "[[mask]]\npolygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]")
    watched.start(stream, run=1)
    watched.see(stream, 1, 0, 1)
    newest = watched.watch.newest
    assert newest is not None and newest.wall_ns - ANCHOR_WALL_NS == newest.picture.media_ns
    picture = watched.watch.unmasked(newest.picture.bgr())
    assert picture[:, :150].max() == 0 and picture[:, 170:].min() > 0


def test_damaged_packets_cost_pictures_and_nothing_else(sight: Sight, stream: Stream) -> None:
    watched = Watched(sight)
    watched.start(stream, run=1)
    watched.see(stream, 1, 0, 1)
    for number in range(10):
        packet = VideoPacket("c01", StreamRole.MAIN, 1, (10 + number) * 100_000_000, is_idr=False)
        watched.intake.offer(packet, bytes([number] * 50))
    watched.watch.run_once()
    watched.see(stream, 1, 2, 3)
    assert watched.watch.counts.decoded >= 18


def test_a_run_that_ended_leaves_no_decoder_for_the_garbage_collector(sight: Sight, stream: Stream) -> None:
    watched = Watched(sight)
    gc.collect()
    gc.disable()
    try:
        for run in (1, 2, 3):
            watched.start(stream, run)
            watched.see(stream, run, 0, 1)
        assert sum(isinstance(each, SparseDecoder) for each in gc.get_objects()) == 1
    finally:
        gc.enable()
