"""`wayside-provision office broker`: the running broker kept in step as its machine does it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.authority.office import Office
from agent.authority.records import SiteRecord
from agent.contract.topics import NodeAddress
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import ensure_key
from agent.enrolment.papers import read_grant
from agent.enrolment.request import make_request
from agent.errors import BrokerUnreachable
from agent.messaging.broker import BrokerOptions
from provisioning.broker.session import reload
from provisioning.broker.settings import KitPaths
from tests.broker import LOOPBACK, MOSQUITTO, unused_port, wait_until
from tests.broker_kit.kit import Caller, Identity, refusal
from tests.conftest import ROOT


def provision(office: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "provisioning", "office", *argv, "--office", str(office)]
    return subprocess.run(
        whole, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )


@dataclass
class Machine:
    """The broker's machine: office and kit in one folder that mosquitto's user may enter."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def office(self) -> Path:
        return self.folder / "office"

    @property
    def paths(self) -> KitPaths:
        return KitPaths(self.folder / "kit")

    @property
    def ca(self) -> Path:
        return self.folder / "home" / "ca.pem"

    @property
    def url(self) -> str:
        return f"mqtts://localhost:{self.port}"

    def synchronise(self) -> dict[str, object]:
        user = "mosquitto" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        argv = ("--out", str(self.paths.folder), "--user", user, "--port", str(self.port), "--listen", LOOPBACK)
        done = provision(self.office, "broker", *argv, "--json")
        assert done.returncode == 0, done.stderr
        said: dict[str, object] = json.loads(done.stdout)
        return said

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO or "", "-c", str(self.paths.conf)], stdout=log, stderr=log)
        wait_until(self._is_listening, "mosquitto does not listen")

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return self.paths.door.exists() and probe.connect_ex((LOOPBACK, self.port)) == 0


@pytest.fixture
def machine() -> Iterator[Machine]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = Path(tempfile.mkdtemp(prefix="kit"))
    folder.chmod(0o755)
    made = Machine(folder, unused_port())
    now_s = int(time.time())
    office = Office.create(made.office, enrol_url="https://localhost:1", broker_url=made.url, now_s=now_s)
    office.add_site(SiteRecord("hatyai-012", "songkhla-pao"))
    yield made
    if made.process is not None:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(10)
    shutil.rmtree(folder)


def enrolled(machine: Machine) -> BrokerOptions:
    """A node's way to the broker, by papers of the office."""
    office, now_s = Office.open(machine.office), int(time.time())
    home = NodeHome(machine.folder / "home")
    home.ensure_folders()
    key = ensure_key(home)
    request = make_request(home, office.make_order("hatyai-012", now_s=now_s).text, now_s)
    office.enrol(request, now_s=now_s)
    office.approve(key.node)
    answer = office.enrol(request, now_s=now_s)
    grant = read_grant(answer.grant or "", office.anchors("songkhla-pao"), key, now_s)
    home.write(home.certificate, grant.certificate.encode())
    home.write(home.ca, grant.anchors.centre_ca.encode())
    return BrokerOptions(machine.url, key.node, str(home.ca), certificate=str(home.certificate), key=str(home.key))


def test_the_broker_follows_the_register_while_it_runs(machine: Machine) -> None:
    first = machine.synchronise()
    assert not first["is_running"]
    machine.start()
    if os.geteuid() == 0:
        assert machine.process is not None
        assert Path(f"/proc/{machine.process.pid}").stat().st_uid == pwd.getpwnam("mosquitto").pw_uid
    node = enrolled(machine)
    assert machine.synchronise()["written"] == ["acl"]
    assert machine.synchronise()["written"] == []
    # Under mosquitto's own user, who could not enter the office's folder.
    identity = Identity(node.certificate, node.key)
    with Caller(machine, identity, node.client_id) as caller:
        wait_until(lambda: caller.may_publish(address_of(node).state), "its lines are not read")
        assert not caller.may_publish(address_of(node).ack)
    assert refusal(machine, identity) == ""
    assert provision(machine.office, "revoke", node.client_id, "--reason", "stolen").returncode == 0
    done = machine.synchronise()
    assert (done["written"], done["needs_restart"]) == (["acl", "clients.crl"], False)
    wait_until(lambda: refusal(machine, identity) == "certificate_revoked", "the revoked node comes in")


def address_of(node: BrokerOptions) -> NodeAddress:
    return NodeAddress("songkhla-pao", "hatyai-012", node.client_id)


def test_a_kit_that_mosquitto_cannot_read_again_is_not_reloaded(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start mosquitto under another user")
    machine.synchronise()
    machine.start()
    machine.folder.chmod(0o700)
    with pytest.raises(BrokerUnreachable, match="unreadable"):
        reload(machine.paths)
    machine.folder.chmod(0o755)
    assert reload(machine.paths)
