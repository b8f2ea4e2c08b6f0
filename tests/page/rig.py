"""A node with its page, served over HTTPS on loopback by a thread of the test."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract.wire import encode
from agent.enrolment.first_boot import prepare
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import NodeKey
from provisioning.page.serve import Listen, serve
from provisioning.page.site import PageContext
from tests.broker import LOOPBACK, unused_port, wait_until
from tests.enrolment.papers import Organisation


@dataclass(frozen=True, slots=True)
class Node:
    """A node after first boot, which knows `office`."""

    context: PageContext
    key: NodeKey
    pin: str

    @property
    def home(self) -> NodeHome:
        return self.context.home


def make_node(folder: Path, office: Organisation) -> Node:
    """The environment must say where footage and sockets lie (fixture `node`)."""
    boot = folder / "boot"
    boot.mkdir(parents=True)
    (boot / "wayside-anchors.json").write_bytes(encode(office.anchors))
    home = NodeHome(folder / "home")
    prepared = prepare(home, boot)
    assert prepared.label is not None
    context = PageContext(home, folder / "run", folder / "data", boot)
    return Node(context, prepared.key, prepared.label.pin)


@dataclass(slots=True)
class Served:
    """A page that is being served; `ended` holds why it stopped."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    ended: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"


@contextmanager
def served(context: PageContext, *, farewell_s: float = 0.0) -> Iterator[Served]:
    """The page by the same function that `wayside-provision page` calls."""
    page = Served(unused_port())

    def run() -> None:
        page.ended.append(serve(context, Listen(LOOPBACK, page.port), page.stop, farewell_s=farewell_s))

    thread = threading.Thread(target=run, name="page")
    thread.start()
    try:
        wait_until(lambda: is_answering(page.port), "the page does not answer")
        yield page
    finally:
        page.stop.set()
        thread.join(20)
        assert not thread.is_alive()


def is_answering(port: int) -> bool:
    try:
        return Visitor(port).get("/").status == 200
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


class Visitor:
    """Speaks HTTPS to the page as a program would, with a jar for its cookies."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self.cookies: dict[str, str] = {}
        self.token = ""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """With the token of the last page, unless `fields` brings one."""
        body = urllib.parse.urlencode({"csrf": self.token, **fields}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, body, {**kind, **(headers or {})})

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPSConnection(LOOPBACK, self._port, timeout=20, context=self._tls)
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {**({"Cookie": jar} if jar else {}), **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for value in response.headers.get_all("set-cookie") or []:
            name, _, rest = value.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        _, _, after = text.partition('name="csrf" content="')
        self.token = after.partition('"')[0] or self.token
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, text)

    def enter(self, pin: str) -> Answer:
        self.get("/")
        answer = self.post("/pin", {"pin": pin})
        # The token belongs to the new cookie.
        if answer.status == 303:
            self.get(answer.headers["location"])
        return answer

    def certificate(self) -> bytes:
        """What the page shows for itself, DER."""
        import socket

        with socket.create_connection((LOOPBACK, self._port), timeout=20) as plain, self._tls.wrap_socket(plain) as tls:
            der = tls.getpeercert(binary_form=True)
        assert der is not None
        return der
