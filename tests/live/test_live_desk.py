"""Leases on live pictures, with the processes that show them: a real camera's packets, a real ingest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.clock import SystemClock
from agent.errors import CommandFailed, LiveError
from agent.processes.live_desk import LiveDesk
from tests.broker import wait_until
from tests.live.side import Camera, free_port, ingest, probe
from tests.seeing.clips import Stream, read_units, write_clip
from tests.seeing.node_side import ANCHOR_WALL_NS

LONG_S = 60.0


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    path = tmp_path_factory.mktemp("live") / "street.mp4"
    write_clip(path, seconds=4.0)
    return read_units(path)


class Node:
    """The desk of a node with one camera, and the pictures that it published."""

    def __init__(self, folder: Path, *, scene: str = "") -> None:
        config = folder / "wayside.toml"
        scene_line = f'scene = "{folder / "scene.toml"}"' if scene else ""
        (folder / "scene.toml").write_text(scene)
        config.write_text(
            f'data_dir = "{folder}"\nruntime_dir = "{folder}"\ntimezone = "Asia/Bangkok"\ntrust = "open"\n'
            '[node]\norg = "o"\nsite = "s"\nid = "n"\n'
            f'[[camera]]\nid = "c01"\nmain = "rtsp://192.0.2.1/main"\n{scene_line}\n'
        )
        self.pictures: list[bytes] = []
        self.desk = LiveDesk(config, SystemClock(), lambda _camera, jpeg: self.pictures.append(jpeg))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: self.desk.keep(self._stop), name="leases")

    @contextmanager
    def running(self) -> Iterator[LiveDesk]:
        self._thread.start()
        try:
            yield self.desk
        finally:
            self._stop.set()
            self._thread.join()


def test_the_sub_stream_arrives_as_it_is_until_somebody_stops_it(tmp_path: Path, stream: Stream, ffmpeg: str) -> None:
    node = Node(tmp_path)
    with Camera(tmp_path, stream), node.running() as desk:
        with ingest(ffmpeg, tmp_path) as (url, out):
            shown = desk.start("c01", url, LONG_S)
            assert (shown.stream, shown.codec, shown.width, shown.height) == ("sub", "h264", 320, 240)
            again = desk.start("c01", url, LONG_S)
            assert again.lease_id == shown.lease_id
            wait_until(lambda: out.exists() and out.stat().st_size > 0, "nothing arrived")
            assert desk.stop("c01", shown.lease_id) == 1
        codec, width, packets = probe(out)
    assert (codec, width) == ("h264", 320)
    assert packets >= 2
    assert desk.stop("c01", "") == 0


def test_a_line_that_is_cut_is_taken_up_again_while_the_lease_lasts(
    tmp_path: Path, stream: Stream, ffmpeg: str
) -> None:
    node, port = Node(tmp_path), free_port()
    with Camera(tmp_path, stream), node.running() as desk:
        with ingest(ffmpeg, tmp_path, at_port=port, is_killed=True) as (url, _out):
            desk.start("c01", url, LONG_S)
        with ingest(ffmpeg, tmp_path, name="again", at_port=port, is_awaited=True) as (_url, out):
            wait_until(lambda: out.exists() and out.stat().st_size > 0, "nothing arrived again")
            desk.stop("c01", "")
    assert probe(out)[0] == "h264"


def test_a_lease_ends_by_itself(tmp_path: Path, stream: Stream, ffmpeg: str) -> None:
    node = Node(tmp_path)
    with Camera(tmp_path, stream), node.running() as desk, ingest(ffmpeg, tmp_path) as (url, out):
        desk.start("c01", url, 1.0)
    assert probe(out)[0] == "h264"


def test_a_camera_is_pushed_to_one_place_at_a_time(tmp_path: Path, stream: Stream, ffmpeg: str) -> None:
    node = Node(tmp_path)
    with Camera(tmp_path, stream), node.running() as desk, ingest(ffmpeg, tmp_path) as (url, _out):
        desk.start("c01", url, LONG_S)
        with pytest.raises(LiveError) as caught:
            desk.start("c01", "rtsp://127.0.0.1:1/elsewhere", LONG_S)
        assert caught.value.facts["reason"] == "busy"
        desk.stop("c01", "")


def test_an_ingest_that_is_not_there_is_told_and_leaves_no_lease(tmp_path: Path, stream: Stream) -> None:
    node = Node(tmp_path)
    with Camera(tmp_path, stream), node.running() as desk:
        with pytest.raises(LiveError) as caught:
            desk.start("c01", f"rtsp://127.0.0.1:{free_port()}/c01", LONG_S)
        assert caught.value.facts["reason"] == "ingest_unreachable"
        assert desk.stop("c01", "") == 0


def test_pictures_come_each_second_and_show_what_the_scene_does_not_hide(tmp_path: Path, stream: Stream) -> None:
    scene = 'camera = "c01"\n[[mask]]\npolygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.3], [0.0, 0.3]]\n'
    node = Node(tmp_path, scene=scene)
    with Camera(tmp_path, stream), node.running() as desk:
        shown = desk.start("c01", "", LONG_S)
        assert (shown.codec, shown.width) == ("mjpeg", 320)
        wait_until(lambda: len(node.pictures) >= 2, "one picture and no more")
        desk.stop("c01", "")
    picture = cv2.imdecode(np.frombuffer(node.pictures[-1], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert picture[:60].max() < 30
    assert abs(int(picture[110, 10].mean()) - 90) < 15
    assert all(len(each) <= 30_000 for each in node.pictures)


def test_a_snapshot_needs_no_vision_and_the_eye_stays_for_the_next(tmp_path: Path, stream: Stream) -> None:
    node = Node(tmp_path)
    with Camera(tmp_path, stream), node.running() as desk:
        first, second = desk.picture("c01"), desk.picture("c01")
    for taken in (first, second):
        assert cv2.imdecode(np.frombuffer(taken.jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
    assert second.wall_ns >= first.wall_ns > ANCHOR_WALL_NS


def test_a_camera_that_sends_nothing_has_no_snapshot(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with node.running() as desk, pytest.raises(CommandFailed) as caught:
        desk.picture("c01")
    assert caught.value.facts["reason"] == "no_picture"
