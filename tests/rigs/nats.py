"""Three nats-servers on loopback that keep MQTT sessions and messages in JetStream, each of them three times; and one
address at which clients find whichever lives, as a load balancer or a floating address gives it."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.broker import LOOPBACK, unused_port, wait_until

NATS = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
_SERVERS: Final = 3


class NatsServer:
    """One of three; `mqtt` is its port for clients."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder / f"n{number}"
        self.folder.mkdir(parents=True)
        self.number = number
        self.mqtt, self.route, self._client, self._http = (unused_port() for _ in range(4))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, routes: list[int]) -> None:
        others = ", ".join(f"nats-route://{LOOPBACK}:{port}" for port in routes if port != self.route)
        config = self.folder / "nats.conf"
        config.write_text(
            f"""server_name: n{self.number}
listen: "{LOOPBACK}:{self._client}"
http: "{LOOPBACK}:{self._http}"
jetstream {{ store_dir: "{self.folder}/data", max_file_store: 2GB, max_memory_store: 64MB }}
cluster {{ name: wayside, listen: "{LOOPBACK}:{self.route}", routes: [{others}] }}
mqtt {{ host: "{LOOPBACK}", port: {self.mqtt}, ack_wait: "10s", max_ack_pending: 1000, stream_replicas: 3 }}
"""
        )
        self.process = run_nats(self.folder)

    def is_healthy(self) -> bool:
        return is_healthy(self._http)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def run_nats(folder: Path) -> subprocess.Popen[bytes]:
    """A server on the `nats.conf` of this folder."""
    with (folder / "nats.log").open("ab") as log:
        return subprocess.Popen([NATS or "", "-c", str(folder / "nats.conf")], stdout=log, stderr=log)


def is_healthy(monitor_port: int) -> bool:
    """Whether a server has found its place among the three, as it says itself."""
    connection = http.client.HTTPConnection(LOOPBACK, monitor_port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


class NatsCluster:
    """`with` starts all three and their address; `url` is that."""

    def __init__(self, folder: Path) -> None:
        self.servers = [NatsServer(folder, number) for number in range(_SERVERS)]
        self._routes = [server.route for server in self.servers]
        self._doorway = Doorway([server.mqtt for server in self.servers])
        self.url = f"mqtt://{LOOPBACK}:{self._doorway.port}"

    def __enter__(self) -> NatsCluster:
        for number in range(_SERVERS):
            self.start(number)
        self.wait_until_healthy()
        self._doorway.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._doorway.close()
        for server in self.servers:
            server.kill()

    def start(self, number: int) -> None:
        self.servers[number].start(self._routes)

    def wait_until_healthy(self) -> None:
        wait_until(lambda: all(each.is_healthy() for each in self.servers), "the three do not agree", limit_s=60.0)

    def kill_the_one_in_use(self) -> int:
        """SIGKILL of the server that clients were led to last; its number."""
        number = [server.mqtt for server in self.servers].index(self._doorway.newest)
        self.servers[number].kill()
        return number


class Doorway:
    """Leads each connection to the first of these ports that answers, and ends it when that one ends."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self.newest = ports[0]
        self._listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="doorway")]
        self._open: list[socket.socket] = []

    def start(self) -> None:
        self._threads[0].start()

    def close(self) -> None:
        for each in (self._listener, *self._open):
            _shut(each)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            there = self._connect()
            if there is None:
                here.close()
                continue
            self._open += [here, there]
            for source, sink in ((here, there), (there, here)):
                thread = threading.Thread(target=_carry, args=(source, sink), name="doorway-carries")
                self._threads.append(thread)
                thread.start()

    def _connect(self) -> socket.socket | None:
        for port in self._ports:
            with suppress(OSError):
                there = socket.create_connection((LOOPBACK, port), timeout=2)
                there.settimeout(None)
                self.newest = port
                return there
        return None


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    _shut(source)
    _shut(sink)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
