"""An office, its centre's door and its broker on loopback, and nodes that were enrolled there as in the field."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from agent.authority.office import Office
from agent.authority.records import SiteRecord
from agent.centre.service import CentreService, ServiceOptions
from agent.contract.enrolment import EnrolAnswer, Label
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode
from agent.enrolment.centre import post
from agent.enrolment.first_boot import ANCHORS_FILE, CSR_FILE, LABEL_FILE, prepare
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import NodeKey
from agent.enrolment.orders import check_addressee, read_order
from agent.enrolment.papers import await_grant, install_grant
from agent.enrolment.request import ENROL_PATH, make_request
from provisioning.broker.acl import Member, NodeRow, Role
from provisioning.broker.kit import Papers
from tests.broker import LOOPBACK, unused_port
from tests.broker_kit.kit import Identity, ShippedBroker
from tests.conftest import ROOT
from tests.enrolment.papers import DAY_S

ORG, SITE = "songkhla-pao", "hatyai-012"


class OfficeBroker(ShippedBroker):
    """The shipped broker, fed by the office's register."""

    def __init__(self, folder: Path, office: Office) -> None:
        super().__init__(folder)
        self.office = office
        self._pair = office.server_certificate(["localhost", LOOPBACK])
        self.members = [Member("centre", Role.RECEIVER), Member("desk-1", Role.DESK)]
        self.ca.write_text(office.centre_ca_pem())

    def nodes(self) -> list[NodeRow]:
        return list(self.office.acl_nodes())

    def papers(self, crls: str = "") -> Papers:
        return Papers(self.office.ca_bundle(), crls or self.office.crl_bundle(), self._pair.certificate, self._pair.key)

    def member(self, name: str) -> Identity:
        """A certificate by the office."""
        pair = self.office.client_certificate(name)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_text(pair.certificate)
        key.write_text(pair.key)
        return Identity(str(certificate), str(key), x509.load_pem_x509_certificate(pair.certificate.encode()))


@dataclass(slots=True)
class EnrolledNode:
    """A node's home and its node process."""

    folder: Path
    home: NodeHome
    key: NodeKey
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> NodeAddress:
        return NodeAddress(ORG, SITE, self.key.node)

    def adjust(self, **lines: str) -> None:
        """Change settings of [broker] in its wayside.toml."""
        text = self.home.config.read_text()
        added = "".join(f"{key} = {value}\n" for key, value in lines.items())
        self.home.config.write_text(text.replace("[broker]\n", f"[broker]\n{added}"))

    def check(self) -> str:
        """What `wayside check` says of it, while it runs."""
        argv = [sys.executable, "-m", "agent", "check", "--config", str(self.home.config), "--json"]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout

    def log(self) -> str:
        return (self.folder / "node.log").read_text()

    def start(self) -> None:
        with (self.folder / "node.log").open("ab") as log:
            argv = [sys.executable, "-m", "agent.processes", "node", "--config", str(self.home.config)]
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


class Province:
    """Everything of the centre; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = unused_port()
        door = f"https://localhost:{self.port}"
        now_s = int(time.time())
        self.office = Office.create(folder / "office", enrol_url=door, broker_url="mqtts://localhost:1", now_s=now_s)
        self.office.add_site(SiteRecord(SITE, ORG))
        self.broker = OfficeBroker(folder, self.office)
        self.office = Office.create(folder / "office", enrol_url=door, broker_url=self.broker.url, now_s=now_s)
        options = ServiceOptions(
            office=folder / "office", store=folder / "store", host=LOOPBACK, port=self.port, names=("localhost",)
        )
        self.service = CentreService(options, lambda _news: None)

    def start(self) -> None:
        self.broker.start()
        self.service.start()

    def close(self) -> None:
        self.service.close()
        self.broker.stop()

    def boot(self, name: str) -> EnrolledNode:
        """A fresh node after its first boot with the organisation's anchors on its boot partition."""
        folder = self.folder / name
        boot = folder / "boot"
        boot.mkdir(parents=True)
        (boot / ANCHORS_FILE).write_bytes(self.office.anchors_path(ORG).read_bytes())
        home = NodeHome(folder / "home")
        os.environ["WAYSIDE_DATA"], os.environ["WAYSIDE_RUNTIME"] = str(folder / "data"), str(folder / "run")
        return EnrolledNode(folder, home, prepare(home, boot).key)

    def enrol(self, node: EnrolledNode, *, replaces: str | None = None) -> str:
        """As the page does it: order read offline, request posted, approved by the office, grant installed. The order's
        text."""
        now_s = int(time.time())
        text = self.office.make_order(SITE, now_s=now_s, replaces=replaces).text
        order = read_order(text, node.home.load_anchors(), now_s)
        await_grant(node.home, text, order)
        request = make_request(node.home, text, now_s)
        centre_ca = node.home.load_anchors().centre_ca
        assert post(order.enrol_url, ENROL_PATH, request, centre_ca).state == "waiting"
        self.office.approve(node.key.node)
        self._install(node, post(order.enrol_url, ENROL_PATH, request, centre_ca), now_s)
        return text

    def enrol_offline(self, node: EnrolledNode) -> None:
        """By an order that the bench had made for this node's label and CSR: its papers lie in it."""
        now_s = int(time.time())
        boot = node.folder / "boot"
        label = decode((boot / LABEL_FILE).read_bytes(), Label)
        made = self.office.make_order(SITE, now_s=now_s, label=label, csr=(boot / CSR_FILE).read_text())
        # The node was switched on in 1970 and has no line.
        order = read_order(made.text, node.home.load_anchors(), 60)
        check_addressee(order, node.key)
        assert order.grant is not None
        install_grant(node.home, order.grant, 60)
        node.adjust(connect_spread_s="0.0")
        self.broker.synchronise()

    def enrol_ago(self, node: EnrolledNode, days: int) -> None:
        """As if it had been done by a file carried some days ago."""
        then_s = int(time.time()) - days * DAY_S
        text = self.office.make_order(SITE, now_s=then_s).text
        request = make_request(node.home, text, then_s)
        self.office.enrol(request, now_s=then_s)
        self.office.approve(node.key.node, now_s=then_s)
        self._install(node, self.office.enrol(request, now_s=then_s), then_s)

    def _install(self, node: EnrolledNode, answer: EnrolAnswer, now_s: int) -> None:
        assert answer.grant is not None, answer
        install_grant(node.home, answer.grant, now_s)
        node.adjust(connect_spread_s="0.0")
        self.broker.synchronise()
