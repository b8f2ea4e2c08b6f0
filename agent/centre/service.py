"""`wayside centre serve`: the door for nodes and, where a broker is given, the ear at it. Built and connected here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from agent.authority.office import KeyPair, Office
from agent.centre.collector import Collector, CollectorOptions
from agent.centre.doors import Dealing, OfficeDoors
from agent.centre.eventstore import Kept
from agent.centre.receive import Receiver, ReceiverOptions
from agent.centre.server import CentreServer, Doors, Ready
from agent.centre.uploadbook import UploadBook
from agent.errors import ServeError
from agent.messaging.broker import parse_url

News = Kept | Dealing
_STORE_REMEDY: Final = "check the folder given as --store"
# A door that listens on every address is reached on this machine by these as well.
_OWN_NAMES: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLine:
    """How the centre reaches its broker. `name` is its client id, and so names the session that the broker keeps for
    it: it must not change from start to start. Without `certificate` the office issues one in that name."""

    url: str
    name: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    protocol: Literal["5", "3.1.1"] = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveLine:
    """Where clips come in. `url` is what nodes are told, when it is another than that; its host must be in their
    `upload_hosts`."""

    host: str
    port: int
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """`names`: under which nodes reach the door, which the office certifies; none: the host of the office's own
    address. `broker` None: enrolment only."""

    office: Path
    store: Path
    host: str
    port: int
    names: tuple[str, ...]
    broker: BrokerLine | None = None
    receive: ReceiveLine | None = None


class CentreService:
    """Runs from `start` to `close`. `on_news` is called on several threads: hand it on and return."""

    def __init__(self, options: ServiceOptions, on_news: Callable[[News], None]) -> None:
        self._office = Office.open(options.office)
        host = urlsplit(self._office.settings().enrol_url).hostname or ""
        self._names = tuple(dict.fromkeys(each for each in (*(options.names or (host,)), *_OWN_NAMES) if each))
        line = options.broker
        self._collector = Collector(_collecting(self._office, options.store, line), on_news) if line else None
        self._store, self._receive = options.store, options.receive
        self._receiver: Receiver | None = None
        doors = OfficeDoors(self._office, options.store, on_news)
        self._server = CentreServer(
            options.host, options.port, Doors(doors.enrol, doors.renew, doors.accept, self._ready)
        )

    def start(self) -> str:
        """Begin; the address of the door. Raises ServeError, StoreError, BrokerRefused and ConfigError, and has then
        ended what had begun. A broker that is away is waited for."""
        pair = self._office.server_certificate(self._names)
        if self._collector is not None:
            self._collector.start()
        try:
            if self._receive is not None:
                self._receiver = _receiver(self._store, self._receive, pair, self._names[0])
                self._receiver.start()
            return self._server.start(pair.certificate, pair.key)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """The door first: what is promised to nodes there needs no broker."""
        self._server.close()
        if self._receiver is not None:
            self._receiver.close()
        if self._collector is not None:
            self._collector.close()

    def _ready(self) -> Ready:
        if self._collector is None:
            return Ready(ready=True)
        trouble = "store" if self._collector.trouble else ""
        return Ready(ready=not trouble, broker=self._collector.is_connected, trouble=trouble)


def _receiver(store: Path, line: ReceiveLine, pair: KeyPair, name: str) -> Receiver:
    """Raises ServeError."""
    folder = store / "receive"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificate, key = _write(folder / "server.pem", pair.certificate), _write(folder / "server.key", pair.key)
    except OSError as exc:
        raise ServeError(reason="store", path=str(folder), error=exc.strerror, remedy=_STORE_REMEDY) from exc
    url = line.url or (f"https://{name}:{line.port}" if line.port else "")
    options = ReceiverOptions(host=line.host, port=line.port, public_url=url, certificate=certificate, key=key)
    return Receiver(options, UploadBook(store))


def _collecting(office: Office, store: Path, line: BrokerLine) -> CollectorOptions:
    """Where a certificate is due and none was given, a fresh one lies in the store's folder. Raises ServeError."""
    ca, certificate, key = line.ca, line.certificate, line.key
    if parse_url(line.url).is_tls and not certificate:
        pair = office.client_certificate(line.name)
        folder = store / "broker"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            certificate = _write(folder / "centre.pem", pair.certificate)
            key = _write(folder / "centre.key", pair.key)
            ca = ca or _write(folder / "ca.pem", office.centre_ca_pem())
        except OSError as exc:
            raise ServeError(reason="store", path=str(folder), error=exc.strerror, remedy=_STORE_REMEDY) from exc
    return CollectorOptions(
        url=line.url,
        folder=store,
        client_id=line.name,
        ca=ca,
        certificate=certificate,
        key=key,
        protocol=line.protocol,
    )


def _write(path: Path, text: str) -> str:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
    return str(path)
