"""The camera process as the supervisor starts it: what the node hears of it, and what is on disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from agent.notices import CameraStatus, Goodbye, Outage, SegmentClosed, SegmentOpened
from agent.recording.boot import ensure_ring
from tests.rigs.films import FilmSettings, make_film, packets_of
from tests.rigs.rtsp import RtspCamera
from tests.seeing.node_side import NodeSide

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeSide]:
    (tmp_path / "run").mkdir()
    side = NodeSide(tmp_path / "run")
    yield side
    side.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the camera process; keys as in the configuration. It ends with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(main: str, *, ring_id: str = "", more: str = "") -> subprocess.Popen[bytes]:
        config = tmp_path / "wayside.toml"
        config.write_text(
            f'data_dir = "{tmp_path}/data"\nruntime_dir = "{tmp_path}/run"\n'
            '[node]\norg = "o"\nsite = "s"\nid = "n"\n'
            f'[storage]\nring_id = "{ring_id}"\n[[camera]]\nid = "c01"\nmain = "{main}"\n{more}'
        )
        argv = [sys.executable, "-m", "agent.processes", "camera", "c01", "--config", str(config)]
        processes.append(subprocess.Popen(argv, cwd=ROOT))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


def test_what_was_recorded_is_whole_when_the_process_is_asked_to_end(
    tmp_path: Path, node: NodeSide, start: Start, films: Path
) -> None:
    film = make_film(films, FilmSettings(seconds=1, gop=25))
    process = start(f"file:{film}")
    node.wait_for(SegmentOpened)
    node.wait_for(CameraStatus, lambda status: status.frames_recorded > 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    closed, _ = node.wait_for(SegmentClosed)
    last, _ = node.wait_for(CameraStatus, lambda status: status.frames_recorded == closed.frames)
    node.wait_for(Goodbye)
    assert last.frames_lost == 0
    assert packets_of(tmp_path / "data" / closed.path) == (packets_of(film) * 100)[: closed.frames]


def test_a_ring_that_is_not_mounted_is_waited_for_and_told(
    tmp_path: Path, node: NodeSide, start: Start, films: Path
) -> None:
    film = make_film(films, FilmSettings(seconds=1, gop=25))
    elsewhere = tmp_path / "elsewhere"
    ring_id = ensure_ring(elsewhere)
    (tmp_path / "data").mkdir()
    process = start(f"file:{film}", ring_id=ring_id)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    assert not list((tmp_path / "data").iterdir())
    (tmp_path / "data").rmdir()
    elsewhere.rename(tmp_path / "data")
    begun, _ = node.wait_for(Outage)
    opened, _ = node.wait_for(SegmentOpened)
    ended, _ = node.wait_for(Outage, lambda outage: outage.end_wall_ns > 0)
    assert (begun.reason, ended.reason) == ("disk_missing", "disk_missing")
    assert ended.start_wall_ns == begun.start_wall_ns
    assert ended.end_wall_ns == opened.start_wall_ns


def test_a_password_file_that_is_missing_is_a_camera_that_refuses(node: NodeSide, start: Start) -> None:
    start("rtsp://127.0.0.1:9/cam", more='username = "admin"\npassword_file = "/nowhere/c01.secret"\n')
    outage, _ = node.wait_for(Outage)
    assert outage.reason == "camera_refused"
    assert "/nowhere/c01.secret" in outage.detail


def test_a_camera_that_reboots_leaves_a_gap_of_its_name_between_two_runs(
    node: NodeSide, start: Start, films: Path
) -> None:
    film = make_film(films, FilmSettings(name="film.h264", seconds=2, gop=25))
    with RtspCamera(film) as camera:
        start(camera.url)
        node.wait_for(SegmentOpened)
        camera.kill()
        closed, _ = node.wait_for(SegmentClosed)
        node.wait_for(Outage)
        camera.start()
        opened, _ = node.wait_for(SegmentOpened, lambda notice: notice.run > closed.run)
        outage, _ = node.wait_for(Outage, lambda told: told.end_wall_ns > 0)
    assert (outage.reason, outage.start_wall_ns) == ("camera_unreachable", closed.end_wall_ns)
    assert outage.end_wall_ns == opened.start_wall_ns


def test_a_camera_set_to_another_size_goes_on_in_a_segment_of_its_own(
    tmp_path: Path, node: NodeSide, start: Start, films: Path
) -> None:
    sizes = [(320, 180), (640, 360)]
    parts = [
        make_film(films, FilmSettings(name=f"{width}.h264", seconds=1, gop=25, width=width, height=height))
        for width, height in sizes
    ]
    both = films / "both.h264"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with RtspCamera(both) as camera:
        process = start(camera.url)
        closes = [node.wait_for(SegmentClosed, lambda closed, n=n: closed.n == n)[0] for n in (0, 1)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert [(closed.run, closed.frames) for closed in closes] == [(1, 25), (1, 25)]
    assert closes[0].end_wall_ns == closes[1].start_wall_ns
    for closed, size in zip(closes, sizes, strict=True):
        with av.open(str(tmp_path / "data" / closed.path)) as container:
            # The head promises what the pictures are.
            stream = container.streams.video[0]
            assert (stream.codec_context.width, stream.codec_context.height) == size
            assert {(frame.width, frame.height) for frame in container.decode(stream)} == {size}
