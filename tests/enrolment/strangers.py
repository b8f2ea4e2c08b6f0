"""Whatever may answer at a work order's address: real TLS, and an answer of the test's choice."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.signing import key_to_pem, make_key
from tests.broker import LOOPBACK
from tests.enrolment.papers import Authority, pem_of


@dataclass
class Stranger:
    """Whatever may answer at the order's address."""

    url: str
    body: bytes
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)


@pytest.fixture
def answering(tmp_path: Path, ca: Authority) -> Callable[..., object]:
    """A server that says this to every POST."""

    @contextmanager
    def serve(status: int, body: bytes, *, life_s: float = 3600, location: str = "") -> Iterator[Stranger]:
        stranger = Stranger("", body)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                stranger.asked.append((self.path, self.headers["Content-Type"], self.rfile.read(length)))
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(stranger.body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        server.socket = tls(tmp_path, ca, life_s).wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        stranger.url = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield stranger
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return serve


def tls(folder: Path, ca: Authority, life_s: float) -> ssl.SSLContext:
    key = make_key()
    (folder / "k.pem").write_bytes(key_to_pem(key))
    issued = ca.issue("localhost", key.public_key(), now_s=time.time(), life_s=life_s, is_server=True)
    (folder / "c.pem").write_text(pem_of(issued))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    return context
