"""The replicated broker as shipped: three real nats-servers from the kit, real TLS, real certificates."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RegisterError
from agent.messaging.broker import BrokerEvent, BrokerOptions, Confirmed, Connected, Disconnected, Message, Publication
from agent.messaging.client import BrokerClient
from agent.signing import key_to_pem, make_key
from agent.stage import Backoff
from provisioning.broker.acl import Member, access_list
from provisioning.broker.cluster import ClusterServer, cluster_settings, subjects
from tests.broker import LOOPBACK, unused_port, wait_until
from tests.broker_kit.conftest import CENTRE, DESK, NEIGHBOUR, OURS, PARTNER, STRANGER
from tests.broker_kit.kit import Identity
from tests.broker_kit.test_command import provision
from tests.enrolment.papers import Authority, pem_of
from tests.rigs.nats import NATS, is_healthy, run_nats
from tests.serve.rig import make_office

EVENT = OURS.address.event("c01", "incident")


class ShippedCluster:
    """Three servers made from the register; clients go to the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = time.time()
        self.authority = Authority.make("nodes of one organisation", now_s=self.now_s)
        self.members: list[Member] = [CENTRE, DESK, PARTNER]
        self.rows = [OURS, NEIGHBOUR, STRANGER]
        routes = [unused_port() for _ in range(3)]
        self.servers = [
            ClusterServer(
                name=f"n{number}",
                folder=str(folder / f"n{number}"),
                routes=tuple(f"{LOOPBACK}:{port}" for port in routes if port != route),
                address=LOOPBACK,
                mqtt_port=unused_port(),
                route_address=LOOPBACK,
                route_port=route,
                monitor_port=unused_port(),
            )
            for number, route in enumerate(routes)
        ]
        self.processes = [self._start(server) for server in self.servers]
        self.ca = folder / "ca.pem"
        self.ca.write_text(self.authority.pem)

    def _start(self, server: ClusterServer) -> subprocess.Popen[bytes]:
        folder = Path(server.folder)
        folder.mkdir()
        key = make_key()
        issued = self.authority.issue("localhost", key.public_key(), now_s=self.now_s, is_server=True)
        (folder / "broker.pem").write_text(pem_of(issued))
        (folder / "broker.key").write_bytes(key_to_pem(key))
        (folder / "clients-ca.pem").write_text(self.authority.pem)
        (folder / "nats.conf").write_text(cluster_settings(server, self.rows, self.members))
        return run_nats(folder)

    def reload(self) -> None:
        """The register as it is now."""
        for server, process in zip(self.servers, self.processes, strict=True):
            (Path(server.folder) / "nats.conf").write_text(cluster_settings(server, self.rows, self.members))
            process.send_signal(signal.SIGHUP)

    def wait_until_healthy(self) -> None:
        wait_until(
            lambda: all(is_healthy(server.monitor_port) for server in self.servers), "they do not agree", limit_s=60.0
        )

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def identity(self, name: str) -> Identity:
        key = make_key()
        issued = self.authority.issue(name, key.public_key(), now_s=self.now_s)
        certificate, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_text(pem_of(issued))
        secret.write_bytes(key_to_pem(key))
        return Identity(str(certificate), str(secret), issued)


class Client:
    """Our own connection, under MQTT 3.1.1."""

    def __init__(self, cluster: ShippedCluster, name: str, *hears: str, client_id: str = "") -> None:
        self.events: list[BrokerEvent] = []
        identity = cluster.identity(name)
        options = BrokerOptions(
            url=f"mqtts://localhost:{cluster.servers[0].mqtt_port}",
            client_id=client_id or name,
            ca=str(cluster.ca),
            certificate=identity.certificate,
            key=identity.key,
            protocol="3.1.1",
            subscriptions=hears,
        )
        self.line = BrokerClient(options, self.events.append, name=name, backoff=Backoff(0.1, 0.5))
        self.line.start()
        wait_until(lambda: bool(self.of(Connected) or self.of(Disconnected)), "no answer")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close(0.0)

    def of(self, kind: type) -> list:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def heard(self) -> set[str]:
        return {message.topic for message in self.of(Message)}

    def publish(self, topic: str) -> None:
        """Waits for the PUBACK, which MQTT 3.1.1 gives a forbidden message as well."""
        before = len(self.of(Confirmed))
        assert self.line.publish(Publication(topic, b"{}")) is not None
        wait_until(lambda: len(self.of(Confirmed)) > before or bool(self.of(Disconnected)), f"no PUBACK for {topic}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShippedCluster]:
    if NATS is None:
        pytest.skip("nats-server is not installed")
    made = ShippedCluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.wait_until_healthy()
        yield made
    finally:
        made.stop()


def test_a_node_says_its_own_hears_its_own_and_nothing_of_its_neighbour(cluster: ShippedCluster) -> None:
    own = OURS.address
    with (
        Client(cluster, "centre", "wayside/v1/+/+/+/evt/#", "wayside/v1/+/+/+/cmd/#", "wayside/v1/+/+/+/ack") as centre,
        Client(cluster, "reader-1", f"{own.root}/evt/+/+") as partner,
        Client(cluster, "na", own.commands, own.ack, own.desired) as node,
        Client(cluster, "desk-1") as desk,
    ):
        node.publish(EVENT)
        desk.publish(own.command("ping"))
        centre.publish(own.ack)
        wait_until(lambda: {own.command("ping"), own.ack} <= node.heard(), f"the node hears {node.heard()}")
        wait_until(lambda: EVENT in centre.heard() and EVENT in partner.heard(), "its event is not heard")
        with Client(cluster, "nb") as forger:
            for forbidden in (EVENT, own.command("ping"), own.ack, own.desired):
                forger.publish(forbidden)
            forger.publish(NEIGHBOUR.address.event("c01", "incident"))
            allowed = {EVENT, own.command("ping"), own.ack, NEIGHBOUR.address.event("c01", "incident")}
            # The centre's own word comes back to it by another way than the neighbour's event.
            wait_until(lambda: allowed <= centre.heard(), "the neighbour is mute")
        # A server leads all of one client in order, so what was forbidden would have come before.
        topics = [message.topic for message in centre.of(Message)]
        assert sorted(topics) == sorted(allowed)
        assert sorted(message.topic for message in node.of(Message)) == sorted([own.command("ping"), own.ack])
        assert partner.heard() == {EVENT}


def test_a_neighbours_branch_cannot_be_heard(cluster: ShippedCluster) -> None:
    with Client(cluster, "nb", OURS.address.commands) as node:
        assert [event.refused_filters for event in node.of(Connected)] == [(OURS.address.commands,)]


def test_an_access_list_says_the_same_in_natss_words() -> None:
    allowed = subjects(access_list([OURS], [PARTNER]))
    root = "wayside.v1.songkhla-pao.hatyai-012"
    assert f"{root}.na.evt.*.*" in allowed["na"].says
    assert allowed["na"].hears == (f"{root}.na.cmd.>", f"{root}.na.cmd", f"{root}.na.desired", f"{root}.na.ack")
    assert allowed["reader-1"].says == ()
    assert all(each.startswith(f"{root}.*.") for each in allowed["reader-1"].hears)


def test_a_client_id_is_not_bound_to_a_certificate_so_a_neighbour_can_throw_a_node_out(cluster: ShippedCluster) -> None:
    # What falls short of mosquitto's kit (ADR 39): nothing is read or forged by it, and the node comes back.
    with Client(cluster, "na", OURS.address.commands) as node:
        with Client(cluster, "nb", client_id="na") as thief:
            wait_until(lambda: bool(node.of(Disconnected)), "this server binds them: say so in the decision")
            assert thief.heard() == set()
        wait_until(lambda: len(node.of(Connected)) > 1, "it does not come back")


def test_a_node_taken_off_the_list_is_out_at_the_next_reload(cluster: ShippedCluster) -> None:
    with Client(cluster, "na", OURS.address.commands) as node, Client(cluster, "nb") as other:
        cluster.rows = [NEIGHBOUR, STRANGER]
        cluster.reload()
        wait_until(lambda: bool(node.of(Disconnected)), "it stays in")
        assert other.of(Disconnected) == []
        cluster.rows = [OURS, NEIGHBOUR, STRANGER]
        cluster.reload()
        wait_until(lambda: len(node.of(Connected)) > 1, "it is not let in again")


def test_a_list_of_nobody_is_refused() -> None:
    server = ClusterServer(name="n1", folder="/kit", routes=(), route_address=LOOPBACK)
    with pytest.raises(RegisterError, match="nobody"):
        cluster_settings(server, [], [])


def test_the_command_writes_three_folders_that_the_server_takes_and_changes_nothing_twice(tmp_path: Path) -> None:
    if NATS is None:
        pytest.skip("nats-server is not installed")
    make_office(tmp_path / "office")
    argv = ["cluster", "--out", str(tmp_path / "nats"), "--json"]
    argv += [word for number in (1, 2, 3) for word in ("--server", f"10.0.0.{number}")]
    first = provision(tmp_path / "office", *argv, "--home", str(tmp_path / "nats" / "n1"))
    assert first.returncode == 0, first.stderr
    changed = ["broker.key", "broker.pem", "clients-ca.pem", "nats.conf"]
    assert [each["changed"] for each in json.loads(first.stdout)["servers"]] == [changed] * 3
    again = provision(tmp_path / "office", *argv, "--home", str(tmp_path / "nats" / "n1"))
    assert [each["changed"] for each in json.loads(again.stdout)["servers"]] == [[]] * 3
    for number in (1, 2, 3):
        folder = tmp_path / "nats" / f"n{number}"
        tried = subprocess.run(
            [NATS, "-t", "-c", str(folder / "nats.conf")], capture_output=True, text=True, check=False
        )
        assert tried.returncode == 0, tried.stderr
        assert (folder / "broker.key").stat().st_mode & 0o077 == 0
    two = provision(tmp_path / "office", *argv[:-2])
    assert two.returncode == 2 and "--server" in two.stderr
