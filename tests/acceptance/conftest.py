"""A commissioned node on disk: key, papers, a camera with 16 s of real footage, a scene, the steps' notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.config import CameraConfig, Config, NodeConfig
from agent.enrolment.configuration import to_toml
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import NodeKey, ensure_key
from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.units import NS_PER_S
from provisioning.acceptance.gather import CameraNotes, Site
from provisioning.acceptance.notes import AimNote, CameraNote, WalkNote
from provisioning.checks.result import CheckResult, Verdict
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring

SCENE = """
camera = "c01"
[[zone]]
id = "lawn"
polygon = [[0.0, 0.47], [1.0, 0.9], [1.0, 1.0], [0.0, 1.0]]
rules = { intrusion = {} }
"""
PROBE = CameraNote(
    camera="c01",
    found_by="onvif",
    source="rtsp://192.0.2.7/main",
    codec="h264",
    width=96,
    height=64,
    fps=25.0,
    gop_s=1.0,
    clock_offset_s=0.2,
    has_password=True,
)
AIM = AimNote(camera="c01", score=480.0, best=500.0, advice="sharp", width=96, height=64, wall_ns=START_NS)
WALK = WalkNote(
    camera="c01",
    started_ns=START_NS,
    incident="019a0000-0000-7000-8000-000000000000",
    kind="intrusion",
    zone="lawn",
    seen_ns=START_NS + 3 * NS_PER_S,
    epoch="019a0000-0000-7000-8000-000000000001",
    sequence=4,
    acked_ns=START_NS + 4 * NS_PER_S,
    acked_to=4,
)
CHECKS = (CheckResult("clock", Verdict.OK, "ok", facts={"error_ms": "3"}),)


@dataclass(slots=True)
class Commissioned:
    """`notes` may be changed by a test before it asks the site."""

    home: NodeHome
    key: NodeKey
    ring: Ring
    notes: dict[str, CameraNotes] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        nothing = CameraNotes(None, None, None, has_scene=False)
        return Site(self.home, self.ring.clock, lambda camera: self.notes.get(camera, nothing))

    def configure(self, cameras: list[CameraConfig]) -> None:
        config = Config(
            data_dir=str(self.ring.data_dir),
            runtime_dir="/run/wayside",
            node=NodeConfig("songkhla-pao", "hatyai-012", self.key.node),
            cameras=cameras,
        )
        self.home.write(self.home.config, to_toml(config).encode())


@pytest.fixture
def commissioned(tmp_path: Path) -> Iterator[Commissioned]:
    home = NodeHome(tmp_path / "home")
    home.ensure_folders()
    key = ensure_key(home)
    home.save_enrolment(EnrolmentRecord(state=Standing.ENROLLED, node=key.node, org="songkhla-pao", site="hatyai-012"))
    ring = Ring(tmp_path / "data")
    ring.index(*(ring.record(4 * number, Where(n=number)) for number in range(4)))
    ring.clock.now_wall_ns = START_NS + 17 * NS_PER_S
    node = Commissioned(home, key, ring)
    home.write(home.scene("c01"), SCENE.encode())
    node.configure([CameraConfig("c01", "rtsp://192.0.2.7/main", name="North", scene=str(home.scene("c01")))])
    node.notes["c01"] = CameraNotes(PROBE, AIM, WALK, has_scene=True)
    yield node
    ring.close()
