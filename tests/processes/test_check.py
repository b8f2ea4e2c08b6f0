"""`wayside check`: each thing the configuration names is tried; each bad result says what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import Broker, unused_port
from tests.conftest import ROOT

SCENE = (
    'camera = "{camera}"\n[[zone]]\nid = "all"\npolygon = [[0, 0], [1, 0], [1, 1]]\nrules = {{ intrusion = {{}} }}\n'
)


@dataclass(frozen=True, slots=True)
class Checked:
    code: int
    out: str
    err: str

    def line(self, about: str) -> str:
        """The verdict and the message about one thing."""
        found = [each for each in json.loads(self.out)["checks"] if each["about"] == about]
        assert len(found) == 1, self.out
        return f"{found[0]['verdict']}: {found[0]['message']}"


@dataclass(slots=True)
class Site:
    """A configuration that is well but for its trust, until a test changes it."""

    folder: Path
    broker: str = ""
    camera: str = f'main = "file:{ROOT}/agent/demo/street.mp4"'
    scene: str = SCENE.format(camera="c01")
    storage: str = 'min_free = "1MB"\nmax_bytes = "1MB"'
    vision: str = f'models_dir = "{ROOT}/models"'
    extra: str = 'trust = "open"'

    def check(self, *argv: str) -> Checked:
        scene = self.folder / "scene.toml"
        if self.scene:
            scene.write_text(self.scene, encoding="utf-8")
        config = self.folder / "wayside.toml"
        broker = f'[broker]\nurl = "{self.broker}"\n' if self.broker else ""
        config.write_text(
            f'data_dir = "{self.folder}/data"\nruntime_dir = "{self.folder}/run"\n{self.extra}\n'
            f'[node]\norg = "o"\nsite = "s"\nid = "n"\n{broker}[storage]\n{self.storage}\n[vision]\n{self.vision}\n'
            f'[[camera]]\nid = "c01"\nscene = "{scene}"\n{self.camera}\n',
            encoding="utf-8",
        )
        return check(config, *argv)


def check(config: Path, *argv: str) -> Checked:
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check", "--config", str(config), *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "300"},
    )
    return Checked(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_node_that_is_well_exits_0_and_its_open_trust_is_warned_of(site: Site, broker: Broker) -> None:
    site.broker = broker.url
    checked = site.check("--json")
    assert (checked.code, checked.err) == (0, "")
    assert json.loads(checked.out)["ready"] is True
    assert checked.line("trust").startswith("warning: ")
    assert "anybody who reaches the broker" in checked.line("trust")
    assert checked.line("broker").startswith("ok: ")
    assert checked.line("disk").startswith("ok: ")
    assert checked.line("camera c01 main") == "ok: h264 768 x 576"
    assert checked.line("camera c01 scene") == "ok: 1 zones, 0 lines"
    assert checked.line("model nanodet-g-416").startswith("ok: hash proven")
    people = site.check()
    assert people.code == 0
    assert "warning  trust" in people.out
    assert people.err == ""


def test_everything_wrong_is_told_at_once_without_a_log_line_between(site: Site, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(ROOT / "models", models)
    model = models / "motion_320x240.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    site.vision = f'models_dir = "{models}"'
    site.broker = f"mqtt://127.0.0.1:{unused_port()}"
    site.camera = f'main = "file:{tmp_path}/away.mp4"'
    site.scene = ""
    site.storage = 'min_free = "900TB"'
    checked = site.check("--json")
    assert (checked.code, checked.err) == (1, "")
    assert json.loads(checked.out)["ready"] is False
    assert checked.line("model motion-320x240").startswith("failed: ")
    assert checked.line("model nanodet-g-416").startswith("ok: ")
    assert "check broker.url" in checked.line("broker")
    assert checked.line("camera c01 main").startswith("failed: ")
    assert "cannot be read" in checked.line("camera c01 scene")
    assert "free space or lower it" in checked.line("disk")


def test_a_broker_that_does_not_let_the_node_in_is_a_failure_with_what_to_do(
    site: Site, make_broker: Callable[[str], Broker]
) -> None:
    site.broker = make_broker("allow_anonymous false").url
    checked = site.check("--json")
    assert checked.code == 1
    assert checked.line("broker").startswith("failed: ")
    assert "enrol this node" in checked.line("broker") or "check the" in checked.line("broker")


def test_a_broker_address_that_is_none_is_a_failure(site: Site) -> None:
    site.broker = "centre.example"
    checked = site.check("--json")
    assert checked.code == 1
    assert "mqtts://host:8883" in checked.line("broker")


@contextmanager
def refusing_camera() -> Iterator[int]:
    """An RTSP server that takes no password (RFC 2326, 401 Unauthorized)."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with caller, suppress(OSError):
                    while request := caller.recv(65_536):
                        number = request.decode(errors="replace").partition("CSeq: ")[2].split("\r\n")[0] or "1"
                        challenge = 'WWW-Authenticate: Basic realm="camera"'
                        caller.sendall(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\n{challenge}\r\n\r\n".encode())

    thread = threading.Thread(target=serve, name="camera")
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_camera_that_refuses_the_password_is_a_failure_that_does_not_show_it(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    with refusing_camera() as port:
        site.camera = f'main = "rtsp://127.0.0.1:{port}/main"\nusername = "admin"\npassword_file = "{secret}"'
        checked = site.check("--json")
    assert checked.code == 1
    assert "refused" in checked.line("camera c01 main")
    assert "password" in checked.line("camera c01 main")
    assert "hunter2" not in checked.out + checked.err


@pytest.mark.parametrize(
    ("scene", "verdict", "says"),
    [
        ("[[zone]\n", "failed", "scene.toml"),
        (SCENE.format(camera="c02"), "failed", "is the scene of c02"),
    ],
)
def test_a_scene_that_is_not_this_cameras_is_a_failure(site: Site, scene: str, verdict: str, says: str) -> None:
    site.scene = scene
    checked = site.check("--json")
    assert checked.code == 1
    assert checked.line("camera c01 scene").startswith(verdict)
    assert says in checked.line("camera c01 scene")


def test_a_password_file_that_is_away_is_told_of(site: Site) -> None:
    site.camera = 'main = "rtsp://127.0.0.1:1/main"\npassword_file = "/nowhere/secret"'
    checked = site.check("--json")
    assert checked.code == 1
    assert "/nowhere/secret" in checked.line("camera c01 main")


def test_another_disk_than_the_rings_is_a_failure(site: Site) -> None:
    site.storage += '\nring_id = "01939f3e-8a5b-7c3d-9e1f-0123456789ab"'
    checked = site.check("--json")
    assert checked.code == 1
    assert checked.line("disk").startswith("failed: ")


def test_a_configuration_that_is_wrong_exits_2_with_the_key(site: Site, tmp_path: Path) -> None:
    site.extra = 'trsut = "open"'
    checked = site.check()
    assert checked.code == 2
    assert "did you mean `trust`" in checked.err
    assert check(tmp_path / "away.toml").code == 2
