"""CSI cameras: the agent with the real Picamera2 on libcamera's virtual camera, in a chroot of trixie.

The encoder is libx264, as on a Pi 5; the Pi 4's own encoder needs a Pi 4.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from agent.contract import events
from agent.contract.events import MotionData, decode_data
from agent.notices import CameraStatus, Finding, Outage, SegmentClosed, SegmentOpened, SnapshotTaken, VisionStatus
from agent.units import NS_PER_S, parse_rfc3339
from tests.broker import wait_until
from tests.field import picamera_chroot
from tests.seeing.node_side import NodeSide

# Making the chroot takes a minute or two.
pytestmark = pytest.mark.timeout(600)

CONFIG = """
data_dir = "/data/ring"
runtime_dir = "/data/run"
[node]
org = "test"
site = "test"
id = "test"
[storage]
segment_s = 5
min_free = "1MB"
[vision]
models_dir = "/opt/wayside/models"
[[camera]]
id = "c01"
main = "picamera:0?size=1280x720&fps=10"
"""
# As the frames came: a virtual sensor keeps no even pace, and ffmpeg would give two of them one time.
PLAY = ("-fps_mode", "passthrough", "-enc_time_base", "-1")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def chroot(street_clip: Path) -> None:
    picamera_chroot.ensure(street_clip)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "wayside.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture
def node(data: Path) -> Iterator[NodeSide]:
    side = NodeSide(data / "run")
    yield side
    side.close()


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """Starts `python3 -m …` in the chroot; it ends with the test, and what it said is shown."""
    processes: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        processes.append(picamera_chroot.start("python3", "-m", *words, data=data))
        return processes[-1]

    yield run
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            said, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        print(said[-8000:])


def test_a_csi_camera_is_recorded_and_its_small_pictures_are_seen(
    data: Path, node: NodeSide, start: Start, ffmpeg: str
) -> None:
    vision = start("agent.processes", "vision", "--config", "/data/wayside.toml")
    start("agent.processes", "camera", "c01", "--config", "/data/wayside.toml")
    opened, _ = node.wait_for(SegmentOpened)
    closed, _ = node.wait_for(SegmentClosed)
    status, _ = node.wait_for(VisionStatus, lambda one: one.tracks > 0)
    node.ask_snapshot("r1", "c01")
    taken, jpeg = node.wait_for(SnapshotTaken)
    picture_age_s = (time.time_ns() - taken.wall_ns) / NS_PER_S
    told, _ = node.wait_for(CameraStatus, lambda one: one.frames_recorded > 100)
    # In this street something always moves: only its end closes the span.
    vision.terminate()
    motion, _ = node.wait_for(Finding, lambda one: one.type == "motion")

    segment = data / "ring" / closed.path
    played = subprocess.run(
        [ffmpeg, "-v", "error", "-xerror", "-i", str(segment), *PLAY, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (played.returncode, played.stderr) == (0, "")
    with av.open(str(segment)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 1280, 720)
        packets = [packet for packet in container.demux(stream) if packet.size]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert len(packets) == closed.frames
    # A GOP of one second at the 10 fps that were asked for.
    assert keys == list(range(0, len(packets), 10))
    # Both streams lie on one line of time.
    moved = decode_data(events.MOTION, motion.data)
    assert isinstance(moved, MotionData)
    began_ns = parse_rfc3339(str(moved.begin))
    assert opened.start_wall_ns <= began_ns <= time.time_ns()
    assert abs(picture_age_s) < 2
    assert jpeg.startswith(b"\xff\xd8") and not taken.error
    assert status.frames_analysed > 0 and told.frames_lost == 0


def test_frames_that_stop_are_a_gap_and_the_camera_is_opened_again(data: Path, node: NodeSide, start: Start) -> None:
    start("agent.processes", "camera", "c01", "--config", "/data/wayside.toml")
    first, _ = node.wait_for(SegmentOpened)
    (data / "control").write_text("freeze")
    outage, _ = node.wait_for(Outage, lambda one: one.reason == "camera_stalled")
    (data / "control").unlink()
    again, _ = node.wait_for(SegmentOpened, lambda one: one.run > first.run)
    assert (again.start_wall_ns - outage.start_wall_ns) / NS_PER_S < 25


def test_a_driver_that_hangs_costs_one_restart_of_the_cameras_process(data: Path, start: Start) -> None:
    start("agent", "run", "--config", "/data/wayside.toml")
    children = data / "run" / "children.json"

    def camera_pid() -> int:
        try:
            return int(json.loads(children.read_text())["camera-c01"])
        except (OSError, ValueError, KeyError):
            return 0

    def segments() -> set[Path]:
        return set((data / "ring" / "footage").glob("c01/*/*.mp4"))

    wait_until(lambda: len(segments()) > 1, "no footage", limit_s=60)
    hung = camera_pid()
    assert hung
    (data / "control").write_text("hang")
    began_s = time.monotonic()
    wait_until(lambda: camera_pid() not in (0, hung), "the process was not restarted", limit_s=60)
    restarted_s = time.monotonic() - began_s
    (data / "control").unlink()
    known = segments()
    wait_until(lambda: bool(segments() - known), "no footage after the hang", limit_s=60)
    print(f"restarted {restarted_s:.1f} s after the hang, footage again after {time.monotonic() - began_s:.1f} s")
    # 5 s without a frame, 5 s for closing, and the watchdog's own 3 s.
    assert restarted_s < 20


def test_csi_cameras_are_listed(data: Path) -> None:
    ask = "from provisioning.cameras.local import list_csi; print(list_csi())"
    said = picamera_chroot.run("python3", "-c", ask, data=data)
    assert "url='picamera:0'" in said and "imx708" in said and "problem=''" in said
