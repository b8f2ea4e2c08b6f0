"""From empty folders to a node on its pole, by the commands that people type."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.authority.office import Office
from agent.contract.enrolment import Label
from agent.contract.wire import decode
from agent.enrolment.home import NodeHome
from provisioning.broker.acl import Member, Role
from tests.broker import LOOPBACK, MOSQUITTO, unused_port, wait_until
from tests.broker_kit.province import OfficeBroker
from tests.conftest import ROOT
from tests.page.rig import is_answering
from tests.rigs.rtsp import RtspCamera
from tests.serve.rig import Serve

ORG, SITE = "songkhla-pao", "hatyai-012"
# What the camera's owner set; a password that cameras are sold with would be refused.
PASSWORD = "rua-pla-12"
_REGISTER = f"""
[[site]]
id = "{SITE}"
org = "{ORG}"
district = "หาดใหญ่"
name = "แยกตลาดใหม่"
lat = 7.00866
lon = 100.47469

[[site.camera]]
id = "c01"
name = "เสาทิศเหนือ"
purpose = "จราจร"
"""


@dataclass(slots=True)
class Program:
    """One process whose output goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@dataclass(slots=True)
class Field:
    """One province with one site and one node. `folder` is empty at the beginning; `close` ends all that runs."""

    folder: Path
    port: int = field(default_factory=unused_port)
    page_port: int = field(default_factory=unused_port)
    programs: dict[str, Program] = field(default_factory=dict)
    broker: OfficeBroker | None = None
    centre: Serve | None = None
    camera: RtspCamera | None = None

    @property
    def office(self) -> Path:
        return self.folder / "office"

    @property
    def boot(self) -> Path:
        return self.folder / "boot"

    @property
    def home(self) -> NodeHome:
        return NodeHome(self.folder / "node" / "home")

    @property
    def page_url(self) -> str:
        return f"https://{LOOPBACK}:{self.page_port}"

    def make_office(self) -> None:
        """`office init`, `office site import`, `office anchors`; the broker's port is known once there is an office."""
        door = f"https://localhost:{self.port}"
        init = (
            "office",
            "init",
            "--office",
            str(self.office),
            "--enrol-url",
            door,
            "--org",
            ORG,
            "--name",
            "อบจ.สงขลา",
        )
        self.provision(*init, "--broker", "mqtts://localhost:1")
        self.broker = OfficeBroker(self.folder, Office.open(self.office))
        self.broker.members = [Member("wayside-centre", Role.RECEIVER)]
        self.provision(*init, "--broker", self.broker.url)
        register = self.folder / "register.toml"
        register.write_text(_REGISTER, encoding="utf-8")
        self.provision("office", "site", "import", str(register), "--office", str(self.office))
        self.boot.mkdir()
        self.provision("office", "anchors", "--office", str(self.office), "--out", str(self.boot))

    def first_boot(self) -> Label:
        """What the image's first start does; the label is read from the boot partition by the bench."""
        first = ("-m", "agent.enrolment.first_boot", "--home", str(self.home.root), "--boot", str(self.boot))
        self.run(first)
        return decode((self.boot / "wayside-label.json").read_bytes(), Label)

    def order(self, *, is_offline: bool) -> Path:
        """The order for this node; with its CSR beside the label, its papers lie in the order."""
        bench = self.folder / "bench"
        bench.mkdir()
        shutil.copy(self.boot / "wayside-label.json", bench)
        if is_offline:
            shutil.copy(self.boot / "wayside-node.csr", bench)
        said = self.provision(
            "office", "order", "--office", str(self.office), "--site", SITE, "--label", str(bench), "--json"
        )
        row = json.loads(said)["orders"][0]
        assert row["has_grant"] is is_offline
        return Path(row["text"])

    def start_centre(self) -> None:
        assert self.broker is not None
        self.broker.start()
        more = ("--broker", self.broker.url, "--listen", f"{LOOPBACK}:{self.port}", "--server-name", "localhost")
        self.centre = Serve(self.office, self.folder / "centre", *more)
        self.centre.start()

    def start_camera(self, clip: Path, ffmpeg: str) -> str:
        """The clip as an RTSP camera with digest authentication; its address."""
        stream = self.folder / "street.h264"
        argv = [ffmpeg, "-v", "error", "-i", str(clip), "-c", "copy", "-bsf:v", "h264_mp4toannexb", str(stream)]
        subprocess.run(argv, check=True, timeout=60)
        self.camera = RtspCamera(stream, auth="digest", password=PASSWORD)
        self.camera.start()
        return self.camera.url

    def start_node(self) -> None:
        """The agent, which waits for its configuration, and the page."""
        self._start("agent", ["-m", "agent", "run", "--config", str(self.home.config), "--wait"])
        page = ["-m", "provisioning", "page", "--home", str(self.home.root), "--listen", f"{LOOPBACK}:{self.page_port}"]
        self._start("page", [*page, "--boot", str(self.boot)])
        wait_until(lambda: is_answering(self.page_port), f"no page: {self.programs['page'].tail()}")

    def let_in(self) -> None:
        """What the broker's timer does every few minutes: the register's nodes are put into its access list."""
        if self.broker is not None and self.broker.process is not None:
            self.broker.synchronise()

    def provision(self, *argv: str) -> str:
        return self.run(("-m", "provisioning", *argv))

    def run(self, argv: Sequence[str]) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def close(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()
        if self.centre is not None:
            self.centre.stop()
        if self.broker is not None:
            self.broker.stop()
        if self.camera is not None:
            self.camera.kill()

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{program.tail()}" for name, program in self.programs.items())

    def _start(self, name: str, argv: Sequence[str]) -> None:
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *argv], cwd=ROOT, env=self._environment(), stdout=file, stderr=file
            )
        self.programs[name] = Program(process, log)

    def _environment(self) -> Mapping[str, str]:
        places = {"WAYSIDE_DATA": self.folder / "node" / "data", "WAYSIDE_RUNTIME": self.folder / "node" / "run"}
        return {**os.environ, **{name: str(path) for name, path in places.items()}}


def why_not() -> str:
    """What is missing on this machine for a whole site; empty when nothing is."""
    return "" if MOSQUITTO is not None else "mosquitto is not installed"
