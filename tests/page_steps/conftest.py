"""A node whose camera is configured, and the page that it serves. The camera plays the shipped street clip.

Node and page are made once a module (a PIN's hash and TLS cost seconds); each test finds the node as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import CameraConfig, Config, NodeConfig
from agent.enrolment.configuration import to_toml
from agent.enrolment.standing import EnrolmentRecord, Standing
from provisioning.acceptance.notes import CameraNote, CamerasNote
from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Served, Visitor, make_node, served

# So long that the page of a node that a test accepts does not close under the next test.
_FAREWELL_S = 120.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return make_node(tmp_path_factory.mktemp("node"), Organisation())


@pytest.fixture(scope="module")
def page(bench: Node) -> Iterator[Served]:
    with served(bench.context, farewell_s=_FAREWELL_S) as running:
        yield running


@pytest.fixture(scope="module")
def entered(page: Served, bench: Node) -> Visitor:
    visitor = Visitor(page.port)
    visitor.enter(bench.pin)
    return visitor


@pytest.fixture
def node(bench: Node, street_clip: Path) -> Node:
    home = bench.home
    for folder in (home.scenes, home.secrets, home.acceptance, home.root / "commissioning"):
        shutil.rmtree(folder, ignore_errors=True)
    home.ensure_folders()
    config = Config(
        data_dir=str(bench.context.data_dir),
        runtime_dir=str(bench.context.runtime_dir),
        node=NodeConfig("songkhla-pao", "hatyai-012", bench.key.node),
        cameras=[CameraConfig("c01", f"file:{street_clip}")],
    )
    home.write(home.config, to_toml(config).encode())
    home.save_enrolment(EnrolmentRecord(state=Standing.ENROLLED, org="songkhla-pao", site="hatyai-012"))
    probed = CameraNote(camera="c01", found_by="rtsp", codec="h264", width=768, height=576, has_password=True)
    bench.context.write_note("cameras", CamerasNote(cameras=(probed,)))
    return bench


@pytest.fixture
def technician(entered: Visitor, node: Node) -> Visitor:
    """Somebody whose PIN was right, in Thai."""
    entered.cookies.pop("lang", None)
    return entered
