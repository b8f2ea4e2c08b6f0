"""An ingest that refuses, redirects, hangs up or is somebody else; one that is well is ffmpeg's (test_live_desk)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import LiveError
from agent.media.packet import Codec
from agent.media.publisher import Ingest, Publisher
from agent.media.rtp import PushedStream
from tests.live.test_rtp import ANNEX_B
from tests.upload.test_upload import self_signed

STREAM = PushedStream(Codec.H264, ANNEX_B)
SLICE = b"\x00\x00\x01\x65" + b"x" * 100


class Server:
    """Answers each method with a status, 200 by default; `heard` is every byte of one connection."""

    def __init__(self, statuses: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self._statuses = statuses
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.heard = b""
        self.thread = threading.Thread(target=self._serve, name="ingest")

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        try:
            with self._tls.wrap_socket(sock, server_side=True) if self._tls else sock as line:
                while data := line.recv(65536):
                    self.heard += data
                    method = data.split(b" ", 1)[0].decode("latin-1")
                    if data.endswith((b"\r\n\r\n", b"streamid=0\r\n")) and method != "TEARDOWN":
                        status = self._statuses.get(method, "200 OK")
                        line.sendall(f"RTSP/1.0 {status}\r\nCSeq: 1\r\nSession: 12;timeout=60\r\n\r\n".encode())
        except OSError:
            # A client that does not believe this certificate hangs up.
            return
        finally:
            self._listener.close()


@contextmanager
def ingest(statuses: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(statuses or {}, tls)
    server.thread.start()
    try:
        yield server
    finally:
        # Wakes one that still waits for somebody.
        socket.socket().connect_ex(("127.0.0.1", server.port))
        server.thread.join()


def at(server: Server, scheme: str = "rtsp", tls: ssl.SSLContext | None = None) -> Ingest:
    return Ingest(f"{scheme}://127.0.0.1:{server.port}/c01?token=once", "c01", lambda _address: True, tls)


def refused(target: Ingest) -> str:
    with pytest.raises(LiveError) as caught:
        Publisher(target, STREAM)
    return str(caught.value.facts["reason"])


def test_what_is_sent_lies_behind_the_session_that_the_ingest_gave() -> None:
    with ingest() as server:
        publisher = Publisher(at(server), STREAM)
        publisher.send(SLICE, 0, 0, is_idr=True)
        publisher.close()
    words = [line.split(b" ")[0] for line in server.heard.split(b"\r\n") if line.endswith(b"RTSP/1.0")]
    assert words[:3] == [b"ANNOUNCE", b"SETUP", b"RECORD"]
    assert b"Session: 12\r\n" in server.heard
    assert b"?token=once" in server.heard
    assert b"$\x00" in server.heard
    assert SLICE[3:] in server.heard


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        ({"ANNOUNCE": "301 Moved"}, "redirected"),
        ({"SETUP": "302 Found"}, "redirected"),
        ({"ANNOUNCE": "401 Unauthorized"}, "ingest_refused"),
        ({"RECORD": "404 Not Found"}, "ingest_refused"),
        ({"ANNOUNCE": "nonsense"}, "ingest_refused"),
    ],
)
def test_an_ingest_that_says_no_is_told_of_and_never_followed(statuses: dict[str, str], reason: str) -> None:
    with ingest(statuses) as server:
        assert refused(at(server)) == reason


def test_a_certificate_that_nobody_vouches_for_gets_no_picture(tmp_path: Path) -> None:
    pem, secret = self_signed(tmp_path)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(pem, secret)
    with ingest(tls=shown) as server:
        assert refused(at(server, "rtsps")) == "certificate_refused"
    assert server.heard == b""
    with ingest(tls=shown) as server:
        publisher = Publisher(at(server, "rtsps", ssl.create_default_context(cafile=str(pem))), STREAM)
        publisher.send(SLICE, 0, 0, is_idr=True)
        publisher.close()
    assert SLICE[3:] in server.heard


def test_a_name_that_resolves_to_a_forbidden_address_is_not_called() -> None:
    target = Ingest("rtsp://127.0.0.1:9/c01", "c01", lambda _address: False)
    assert refused(target) == "address_refused"


def test_an_ingest_that_hangs_up_ends_the_push() -> None:
    with ingest() as server:
        publisher = Publisher(at(server), STREAM)
        publisher._sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(LiveError):
            publisher.send(SLICE, 0, 0, is_idr=True)
        publisher.close()
