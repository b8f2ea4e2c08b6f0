"""Receivers and lines that make trouble, on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class _NeverTakes(BaseHTTPRequestHandler):
    server: NeverTakes

    def do_POST(self) -> None:
        self.server.stated_bytes = int(self.headers["Upload-Length"])
        self._answer(201, {"Location": self.path, "Upload-Offset": "0"})

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tried.set()
        self._answer(503, {})

    def do_HEAD(self) -> None:
        # As if all of it had arrived before the answer to the last piece was lost.
        if self.server.takes.is_set():
            self._answer(200, {"Upload-Offset": str(self.server.stated_bytes)})
        else:
            self._answer(503, {})

    def do_DELETE(self) -> None:
        self.server.forgotten.set()
        self._answer(204, {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class NeverTakes(ThreadingHTTPServer):
    """A tus receiver that accepts an upload and then, until `takes` is set, never a byte of it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _NeverTakes)
        self.tried = threading.Event()
        self.forgotten = threading.Event()
        self.takes = threading.Event()
        self.stated_bytes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/x"


@contextmanager
def never_takes() -> Iterator[NeverTakes]:
    server = NeverTakes()
    thread = threading.Thread(target=server.serve_forever, name="never-takes")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(slots=True)
class StallingLine:
    """Lets `budget_bytes` up in all and then nothing, without closing: what a dead radio link looks like."""

    url: str
    budget_bytes: int
    stalled: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def more(self, count: int) -> None:
        with self.lock:
            self.budget_bytes += count
            self.stalled.clear()

    def take(self, count: int) -> int:
        with self.lock:
            taken = min(count, self.budget_bytes)
            self.budget_bytes -= taken
            if not self.budget_bytes:
                self.stalled.set()
            return taken


@contextmanager
def stalling(url: str, budget_bytes: int) -> Iterator[StallingLine]:
    target = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0))
    line = StallingLine(f"http://127.0.0.1:{listening.getsockname()[1]}{target.path}", budget_bytes)
    threads: list[threading.Thread] = []
    ends: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket, *, is_up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                part = data[: line.take(len(data))] if is_up else data
                sink.sendall(part)
                if len(part) < len(data):
                    # Nothing of this connection goes up any more, whatever is allowed later: it is the old line.
                    while source.recv(65_536):
                        pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection((target.hostname or "", target.port or 0))
                ends.extend((near, far))
                for source, sink, is_up in ((near, far, True), (far, near, False)):
                    thread = threading.Thread(target=pump, args=(source, sink), kwargs={"is_up": is_up}, name="pump")
                    thread.start()
                    threads.append(thread)

    acceptor = threading.Thread(target=accept, name="accept")
    acceptor.start()
    try:
        yield line
    finally:
        for end in (listening, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        acceptor.join()
        for thread in threads:
            thread.join()
