"""The shipped broker as a site's centre would run it: a real mosquitto from the kit, real TLS, real certificates."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509

from agent.contract.topics import NodeAddress
from agent.errors import BrokerRefused
from agent.messaging.broker import (
    BrokerEvent,
    BrokerOptions,
    Confirmed,
    Connected,
    Disconnected,
    Message,
    Publication,
    Will,
)
from agent.messaging.client import BrokerClient
from agent.messaging.handshake import try_certificate
from agent.signing import key_to_pem, make_key
from agent.stage import Backoff
from provisioning.broker.acl import Member, NodeRow
from provisioning.broker.kit import Papers
from provisioning.broker.settings import KitPaths, Listening
from provisioning.broker.sync import Register, Synchronised, synchronise
from tests.broker import LOOPBACK, MOSQUITTO, unused_port, wait_until
from tests.enrolment.papers import Authority, pem_of


@dataclass(frozen=True, slots=True)
class Row:
    org: str
    site: str
    node: str
    is_revoked: bool = False

    @property
    def address(self) -> NodeAddress:
        return NodeAddress(self.org, self.site, self.node)


@dataclass(frozen=True, slots=True)
class Identity:
    """A client's files, and its certificate for a revocation list."""

    certificate: str
    key: str
    issued: x509.Certificate | None = None


class ShippedBroker:
    """One organisation's nodes and the centre's members, at a mosquitto started from the kit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A Unix socket's path holds 108 bytes; a test's folder may be longer than that.
        self._short = tempfile.mkdtemp(prefix="kit")
        self.paths = KitPaths(Path(self._short) / "kit")
        self.now_s = time.time()
        self.node_ca = Authority.make("nodes of one organisation", now_s=self.now_s)
        self.centre_ca = Authority.make("centre of the province", now_s=self.now_s)
        key = make_key()
        server = self.centre_ca.issue("localhost", key.public_key(), now_s=self.now_s, is_server=True)
        self._server = (pem_of(server), key_to_pem(key).decode())
        self.rows: list[Row] = []
        self.members: list[Member] = []
        self._revoked: list[x509.Certificate] = []
        self.port = unused_port()
        self.ca: Path = folder / "centre-ca.pem"
        self.ca.write_text(self.centre_ca.pem)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtts://localhost:{self.port}"

    @property
    def listening(self) -> Listening:
        # Debian's mosquitto would give up root for a user who cannot read the test's folder.
        return Listening(self.port, LOOPBACK, "root" if os.geteuid() == 0 else "mosquitto")

    def nodes(self) -> Sequence[NodeRow]:
        return self.rows

    def papers(self, crls: str = "") -> Papers:
        crls = crls or self.node_ca.crl(*self._revoked, now_s=time.time()) + self.centre_ca.crl(now_s=time.time())
        return Papers(self.node_ca.pem + self.centre_ca.pem, crls, *self._server)

    def synchronise(self, crls: str = "") -> Synchronised:
        register = Register(self.nodes(), self.members, self.papers(crls))
        return synchronise(self.paths, register, self.listening, now_s=time.time())

    def start(self) -> None:
        self.synchronise()
        with (self.folder / "broker.log").open("ab") as log:
            argv = [MOSQUITTO or "", "-c", str(self.paths.conf)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(self._is_listening, f"mosquitto does not listen, see {self.folder / 'broker.log'}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
        shutil.rmtree(self._short, ignore_errors=True)

    def identity(self, name: str, ca: Authority | None = None, *, life_s: float = 86_400) -> Identity:
        """A certificate by the nodes' CA, or another; its key and itself as files."""
        key = make_key()
        issued = (ca or self.node_ca).issue(name, key.public_key(), now_s=self.now_s, life_s=life_s)
        stem = self.folder / f"{name}-{issued.serial_number:x}"
        certificate, secret = stem.with_suffix(".pem"), stem.with_suffix(".key")
        certificate.write_text(pem_of(issued))
        secret.write_bytes(key_to_pem(key))
        return Identity(str(certificate), str(secret), issued)

    def revoke(self, row: Row, identity: Identity) -> Synchronised:
        self.rows = [Row(each.org, each.site, each.node, each.node == row.node) for each in self.rows]
        assert identity.issued is not None
        self._revoked.append(identity.issued)
        return self.synchronise()

    def _is_listening(self) -> bool:
        # The door is there a moment before somebody listens behind it.
        with socket.socket() as probe, socket.socket(socket.AF_UNIX) as knock:
            return probe.connect_ex((LOOPBACK, self.port)) == 0 and knock.connect_ex(str(self.paths.door)) == 0


class Reachable(Protocol):
    """A broker's address, and who vouches for it."""

    @property
    def url(self) -> str: ...

    @property
    def ca(self) -> Path: ...


class Caller:
    """A client of the broker by our own connection, that remembers what it heard."""

    def __init__(
        self,
        broker: Reachable,
        identity: Identity | None,
        client_id: str,
        *,
        hears: Sequence[str] = (),
        will: Callable[[int], Will | None] = lambda _generation: None,
    ) -> None:
        self.messages: list[Message] = []
        self.connections: list[Connected] = []
        self.ends: list[Disconnected] = []
        self.confirmed: dict[int, Confirmed] = {}
        options = BrokerOptions(
            url=broker.url,
            client_id=client_id,
            ca=str(broker.ca),
            certificate=identity.certificate if identity else "",
            key=identity.key if identity else "",
            subscriptions=tuple(hears),
            will=will,
        )
        self.client = BrokerClient(options, self._hear, name=f"caller-{client_id}", backoff=Backoff(0.05, 0.2))
        self.client.start()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close(0.0)

    def is_let_in(self) -> bool:
        """Whether the first attempt succeeded."""
        wait_until(lambda: bool(self.connections or self.ends), "no answer from the broker")
        return bool(self.connections)

    def may_publish(self, topic: str, payload: bytes = b"{}", *, is_retained: bool = False) -> bool:
        assert self.is_let_in()
        token = self.client.publish(Publication(topic, payload, is_retained=is_retained))
        assert token is not None
        wait_until(lambda: token in self.confirmed, f"no PUBACK for {topic}")
        return self.confirmed[token].reason == ""

    def heard(self) -> set[str]:
        return {message.topic for message in self.messages}

    def _hear(self, event: BrokerEvent) -> None:
        match event:
            case Message():
                self.messages.append(event)
            case Connected():
                self.connections.append(event)
            case Disconnected():
                self.ends.append(event)
            case Confirmed():
                self.confirmed[event.token] = event


class TlsLine:
    """Bare MQTT 3.1.1 over TLS, that remembers its TLS session as an attacker would."""

    def __init__(self, broker: ShippedBroker, identity: Identity | None) -> None:
        self._port = broker.port
        self._context = ssl.create_default_context(cafile=str(broker.ca))
        if identity is not None:
            self._context.load_cert_chain(identity.certificate, identity.key)
        self._session: ssl.SSLSession | None = None
        self.was_resumed = False

    def connect(self) -> bytes:
        """What mosquitto answers to CONNECT; empty when it hangs up."""
        raw = socket.create_connection((LOOPBACK, self._port), timeout=5)
        try:
            with self._context.wrap_socket(raw, server_hostname="localhost", session=self._session) as secure:
                secure.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc")
                answer = secure.recv(4)
                self._session, self.was_resumed = secure.session, bool(secure.session_reused)
                return answer
        except OSError:
            return b""


def shake_hands(broker: ShippedBroker, identity: Identity | None) -> bytes:
    """One visit."""
    return TlsLine(broker, identity).connect()


def refusal(broker: Reachable, identity: Identity) -> str:
    """What TLS alone says to a certificate, which touches no session; empty when it is taken."""
    options = BrokerOptions(broker.url, "any", str(broker.ca), certificate=identity.certificate, key=identity.key)
    try:
        try_certificate(options, silence_s=0.2)
    except BrokerRefused as exc:
        return str(exc.facts["reason"])
    return ""
