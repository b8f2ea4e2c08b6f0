"""The vision process as cameras and the node meet it: over its sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.contract import events
from agent.contract.events import MotionData, decode_data
from agent.notices import Finding, SnapshotTaken, VisionStatus
from agent.units import NS_PER_S, parse_rfc3339
from tests.seeing.clips import FPS, Stream, read_units, write_clip
from tests.seeing.node_side import ANCHOR_WALL_NS, PATIENCE_S, CameraSide, NodeSide, vision_process

CONFIG = """
data_dir = "{data}"
runtime_dir = "{run}"
[node]
org = "test"
site = "test"
id = "test"
[vision]
enabled = {enabled}
[[camera]]
id = "c01"
main = "file:unused.mp4"
scene = "{scene}"
"""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    clip = tmp_path_factory.mktemp("clip") / "street.mp4"
    write_clip(clip, seconds=6)
    return read_units(clip)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeSide]:
    side = NodeSide(tmp_path / "run")
    yield side
    side.close()


@pytest.fixture
def camera(tmp_path: Path, stream: Stream) -> Iterator[CameraSide]:
    side = CameraSide(tmp_path / "run", stream)
    yield side
    side.close()


def configure(tmp_path: Path, *, is_enabled: bool = True, scene: str = "") -> Path:
    path = tmp_path / "wayside.toml"
    text = CONFIG.format(data=tmp_path, run=tmp_path / "run", enabled=str(is_enabled).lower(), scene=scene)
    path.write_text(text, encoding="utf-8")
    return path


def decoded_at_least(frames: int) -> Callable[[VisionStatus], bool]:
    return lambda status: status.frames_decoded >= frames


def is_motion(finding: Finding) -> bool:
    return finding.type == "motion"


def test_motion_is_told_with_wall_times_and_a_snapshot_is_taken(
    tmp_path: Path, node: NodeSide, camera: CameraSide
) -> None:
    with vision_process(configure(tmp_path)) as process:
        camera.start()
        # A second at a time, as a live camera would: all at once would be late, and be skipped.
        for second in range(5):
            camera.send(second * FPS, (second + 1) * FPS)
            node.wait_for(VisionStatus, decoded_at_least((second + 1) * FPS - 2))
        node.ask_snapshot("r1", "c01")
        node.ask_snapshot("r2", "c99")
        taken, jpeg = node.wait_for(SnapshotTaken, lambda one: one.request_id == "r1")
        refused, nothing = node.wait_for(SnapshotTaken, lambda one: one.request_id == "r2")
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert jpeg[:2] == b"\xff\xd8" and len(jpeg) <= 30_000 and not taken.error
    assert taken.wall_ns - ANCHOR_WALL_NS == pytest.approx(4.9 * NS_PER_S, abs=0.5 * NS_PER_S)
    assert nothing == b"" and "c99" in refused.error
    finding, _ = node.wait_for(Finding, is_motion)
    data = decode_data(events.MOTION, finding.data)
    assert isinstance(data, MotionData) and data.begin is not None
    assert parse_rfc3339(data.begin) - ANCHOR_WALL_NS == pytest.approx(data.begin_s * NS_PER_S, abs=NS_PER_S / 100)
    assert finding.hold_end_wall_ns == 0


def test_after_a_kill_the_replayed_gop_is_seen_at_once(tmp_path: Path, node: NodeSide, camera: CameraSide) -> None:
    config = configure(tmp_path)
    with vision_process(config) as process:
        camera.start()
        camera.send(0, FPS)
        node.wait_for(VisionStatus, lambda status: status.frames_analysed > 0)
        process.kill()
        process.wait()
    camera.send(FPS, FPS + 5)
    node.forget()
    with vision_process(config):
        # The next packet finds the new process; the GOP it belongs to is replayed before it.
        camera.send(FPS + 5, FPS + 6)
        status, _ = node.wait_for(VisionStatus, lambda status: status.frames_analysed > 0)
    assert status.detector == "nanodet-g-416" and len(status.detector_sha256) == 64


def test_a_wrong_scene_costs_its_camera_the_rules_and_not_the_seeing(
    tmp_path: Path, node: NodeSide, camera: CameraSide
) -> None:
    scene = tmp_path / "scene.toml"
    scene.write_text("[[zoen]]", encoding="utf-8")
    with vision_process(configure(tmp_path, scene=str(scene))):
        camera.start()
        camera.send(0, FPS)
        node.wait_for(VisionStatus, lambda status: status.frames_analysed > 0)


def test_switched_off_it_idles_and_says_so_when_asked_for_a_snapshot(tmp_path: Path, node: NodeSide) -> None:
    with vision_process(configure(tmp_path, is_enabled=False)) as process:
        node.ask_snapshot("r1", "c01")
        taken, _ = node.wait_for(SnapshotTaken)
        assert "switched off" in taken.error
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
