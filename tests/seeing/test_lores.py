"""A CSI camera's small pictures on their way to vision: dropped rather than waited for, seen on the run's own time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.clock import SystemClock
from agent.config import VisionConfig
from agent.link_server import LinkServer, Peer
from agent.media.decoder import Decoder
from agent.notices import Finding, Hello, LoresFrame, Notice, StreamRole, StreamStarted, VideoPacket
from agent.notify import Progress
from agent.packet_sender import PacketSender
from agent.processes.intake import Arrival, Intake, plan_batch
from agent.processes.sight import Sight
from agent.processes.watch import CameraWatch
from agent.units import NS_PER_S
from tests.broker import wait_until
from tests.seeing.clips import read_units, write_clip
from tests.seeing.node_side import ANCHOR_WALL_NS

HELLO = Hello(process="camera", pid=1, session="s1", camera="c01")
STARTED = StreamStarted("c01", StreamRole.MAIN, 1, 1, "raw", 1280, 720, ANCHOR_WALL_NS)
WIDTH, HEIGHT = 640, 360
PLANES = bytes(WIDTH * HEIGHT * 3 // 2)


def picture(number: int, *, run: int = 1, width: int = WIDTH, height: int = HEIGHT) -> LoresFrame:
    media_ns = number * NS_PER_S // 10
    return LoresFrame("c01", StreamRole.MAIN, run, media_ns, width, height, "nv12", is_full_range=False)


class Listener:
    """Vision's end, which may stop reading."""

    def __init__(self, path: Path) -> None:
        self.heard: list[Notice] = []
        self.peers: list[Peer] = []
        self._server = LinkServer(path, on_notice=self._hear, on_connect=self.peers.append)

    def _hear(self, _peer: Peer, notice: Notice, payload: bytes) -> None:
        assert not isinstance(notice, LoresFrame) or len(payload) == len(PLANES)
        self.heard.append(notice)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    one = Listener(tmp_path / "vision.sock")
    yield one
    one.close()


def test_pictures_larger_than_the_socket_arrive_whole(tmp_path: Path, listener: Listener) -> None:
    sender = PacketSender(tmp_path / "vision.sock", HELLO, buffer_bytes=64 * 1024)
    sender.start_stream(STARTED, b"")
    for number in range(5):
        assert sender.offer_picture(picture(number), PLANES)

        def is_there(wanted: int = number) -> bool:
            # Between two pictures the camera's packets come, and with each the rest is written on.
            sender.pump()
            return picture(wanted) in listener.heard

        wait_until(is_there, "the picture did not arrive")
    assert listener.heard == [STARTED, *map(picture, range(5))]
    assert sender.dropped == 0
    sender.close()


def test_a_reader_that_stands_still_costs_pictures_and_no_wait(tmp_path: Path, listener: Listener) -> None:
    sender = PacketSender(tmp_path / "vision.sock", HELLO, buffer_bytes=64 * 1024)
    sender.start_stream(STARTED, b"")
    assert sender.offer_picture(picture(0), PLANES)
    wait_until(lambda: bool(listener.peers), "no connection")
    listener.peers[0].pause()
    taken = [sender.offer_picture(picture(number), PLANES) for number in range(1, 50)]
    # What was begun is kept whole; nothing piles up behind it.
    assert taken.count(True) <= 3 and sender.dropped == taken.count(False)
    listener.peers[0].resume()

    def is_through() -> bool:
        sender.pump()
        return sender.offer_picture(picture(99), PLANES)

    wait_until(is_through, "it did not go on")
    sender.close()


def test_without_vision_pictures_are_dropped_and_the_newest_comes_after_it_is_back(tmp_path: Path) -> None:
    sender = PacketSender(tmp_path / "vision.sock", HELLO)
    sender.start_stream(STARTED, b"")
    assert not sender.offer_picture(picture(0), PLANES)
    listener = Listener(tmp_path / "vision.sock")
    wait_until(lambda: sender.offer_picture(picture(7), PLANES), "no connection")
    wait_until(lambda: picture(7) in listener.heard, "the picture did not arrive")
    assert listener.heard == [STARTED, picture(7)] and sender.dropped >= 1
    sender.close()
    listener.close()


def test_a_late_vision_goes_on_at_the_newest_picture() -> None:
    arrivals = [Arrival(STARTED, b""), *[Arrival(picture(number), b"x") for number in range(40)]]
    batch = plan_batch(arrivals)
    assert [one.notice for one in batch.arrivals] == [STARTED, picture(39)] and batch.shed == 39


@pytest.fixture(scope="module")
def sight() -> Sight:
    return Sight(VisionConfig())


class Watched:
    def __init__(self, sight: Sight) -> None:
        self.told: list[Finding] = []
        self.intake = Intake()
        self.watch = CameraWatch(
            "c01",
            None,
            sight,
            intake=self.intake,
            tell=lambda finding, _still: self.told.append(finding),
            clock=SystemClock(),
            progress=Progress(),
            stop=threading.Event(),
        )


def test_pictures_and_packets_of_one_film_show_the_same(sight: Sight, tmp_path: Path) -> None:
    clip = tmp_path / "street.mp4"
    write_clip(clip, seconds=4)
    stream = read_units(clip)
    by_packets, by_pictures = Watched(sight), Watched(sight)
    by_packets.intake.offer(
        StreamStarted("c01", StreamRole.MAIN, 1, 1, "h264", 320, 240, ANCHOR_WALL_NS), stream.extradata
    )
    by_pictures.intake.offer(STARTED, b"")
    decoder = Decoder("h264", stream.extradata)
    for unit in stream.units:
        by_packets.intake.offer(VideoPacket("c01", StreamRole.MAIN, 1, unit.media_ns, unit.is_idr), unit.data)
        by_packets.watch.run_once()
        for shown in decoder.decode(unit.data, unit.media_ns):
            frame = shown._frame.reformat(format="nv12")
            planes = np.ascontiguousarray(frame.to_ndarray()).tobytes()
            notice = LoresFrame(
                "c01", StreamRole.MAIN, 1, shown.media_ns, frame.width, frame.height, "nv12", is_full_range=False
            )
            by_pictures.intake.offer(notice, planes)
            by_pictures.watch.run_once()
    by_packets.watch.finish()
    by_pictures.watch.finish()
    assert by_pictures.told == by_packets.told and by_pictures.told
    newest = by_pictures.watch.newest
    assert newest is not None and newest.wall_ns - ANCHOR_WALL_NS == newest.picture.media_ns


def test_pictures_that_are_not_of_the_run_or_not_of_their_size_are_not_looked_at(sight: Sight) -> None:
    watched = Watched(sight)
    watched.intake.offer(STARTED, b"")
    for notice, planes in ((picture(1, run=2), PLANES), (picture(2), PLANES[:-1]), (picture(3, width=-640), PLANES)):
        watched.intake.offer(notice, planes)
    watched.intake.offer(VideoPacket("c01", StreamRole.MAIN, 1, 5, is_idr=True), b"a packet in a run of pictures")
    watched.watch.run_once()
    assert watched.watch.counts.decoded == 0
    watched.intake.offer(picture(4), PLANES)
    watched.watch.run_once()
    assert watched.watch.counts.decoded == 1
