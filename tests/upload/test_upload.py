"""A clip on its way: the node's tus client and the centre's receiver, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.centre.receive import Announced, Receiver, ReceiverOptions
from agent.commands.upload import Patience, Upload, UploadPolicy, check_target, upload_put, upload_tus
from agent.errors import UploadError

LOOPBACK = UploadPolicy(allow_loopback_http=True)
QUICK = Patience(attempts=4, first_wait_s=0.01, longest_wait_s=0.05, answer_timeout_s=5)
TUS = {"Tus-Resumable": "1.0.0"}
WAIT_S = 10


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Upload:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(3_000_000))
    return Upload(path, hashlib.sha256(path.read_bytes()).hexdigest(), "")


def to(clip: Upload, url: str) -> Upload:
    return Upload(clip.path, clip.sha256, url)


def carry(
    upload: Upload, policy: UploadPolicy = LOOPBACK, stop: threading.Event | None = None
) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    upload_tus(
        upload,
        policy,
        stop=stop or threading.Event(),
        on_progress=lambda done, total: told.append((done, total)),
        patience=QUICK,
    )
    return told


def ask(url: str, method: str, headers: dict[str, str], body: bytes = b"") -> http.client.HTTPResponse:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request(method, parts.path, body=body, headers={**TUS, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def creation(clip: Upload, size: int, sha256: str | None = None) -> dict[str, str]:
    stated = base64.b64encode((sha256 or clip.sha256).encode()).decode()
    return {"Upload-Length": str(size), "Upload-Metadata": f"sha256 {stated}"}


def piece(offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}


@contextmanager
def cutting(url: str, cut_after: list[int]) -> Iterator[str]:
    """A line that is cut: connection k is closed both ways after cut_after[k] bytes up, later ones are whole."""
    target = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, sink: socket.socket, limit: int) -> None:
        with suppress(OSError):
            while limit and (data := source.recv(min(65_536, limit))):
                sink.sendall(data)
                limit -= len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        limits = iter(cut_after)
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection((target.hostname or "", target.port or 0))
                for args in ((near, far, next(limits, 1 << 40)), (far, near, 1 << 40)):
                    thread = threading.Thread(target=pump, args=args, name="pump")
                    thread.start()
                    threads.append(thread)

    acceptor = threading.Thread(target=accept, name="accept")
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{target.path}"
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def finished(announced: Announced, clip: Upload, out: Path) -> None:
    received = announced.wait(WAIT_S)
    assert received is not None
    assert (received.path, received.size_bytes, received.sha256) == (out, clip.path.stat().st_size, clip.sha256)
    assert out.read_bytes() == clip.path.read_bytes()
    assert list(out.parent.glob("*.part")) == []


def test_a_clip_arrives_whole_and_progress_reaches_its_end(receiver: Receiver, clip: Upload, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    assert announced.wait(0) is None
    told = carry(to(clip, announced.url))
    finished(announced, clip, tmp_path / "in.mp4")
    assert told[-1] == (3_000_000, 3_000_000)
    assert (announced.received_bytes, announced.size_bytes) == (3_000_000, 3_000_000)


def test_a_line_cut_twice_in_the_middle_is_resumed_and_sends_little_again(
    receiver: Receiver, clip: Upload, tmp_path: Path
) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    # Connections: creation, PATCH (cut), HEAD, PATCH (cut), HEAD, PATCH.
    with cutting(announced.url, [1 << 40, 1_000_000, 1 << 40, 900_000]) as url:
        told = carry(to(clip, url))
    assert 0 < told[0][0] < told[1][0] < told[-1][0] == 3_000_000
    finished(announced, clip, tmp_path / "in.mp4")


def test_a_line_cut_before_the_answer_to_the_creation_is_created_again(
    receiver: Receiver, clip: Upload, tmp_path: Path
) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    with cutting(announced.url, [60, 60]) as url:
        carry(to(clip, url))
    finished(announced, clip, tmp_path / "in.mp4")


def test_a_node_that_restarts_goes_on_where_it_was(receiver: Receiver, clip: Upload, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    assert ask(announced.url, "POST", creation(clip, 3_000_000)).status == 201
    first = clip.path.read_bytes()[:1_200_000]
    assert ask(announced.url, "PATCH", piece(0), first).status == 204
    assert ask(announced.url, "POST", creation(clip, 3_000_000)).status == 201
    head = ask(announced.url, "HEAD", {})
    assert (head.status, head.getheader("Upload-Offset")) == (200, "1200000")
    carry(to(clip, announced.url))
    finished(announced, clip, tmp_path / "in.mp4")


def test_a_receiver_that_is_gone_ends_the_upload_with_a_reason(clip: Upload, tmp_path: Path) -> None:
    with Receiver() as receiver:
        url = receiver.announce(tmp_path / "in.mp4").url
    with pytest.raises(UploadError) as caught:
        carry(to(clip, url))
    assert caught.value.facts["reason"] == "receiver_unreachable"


def test_a_stopping_node_ends_its_upload_at_once(receiver: Receiver, clip: Upload, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(UploadError) as caught:
        carry(to(clip, receiver.announce(tmp_path / "in.mp4").url), stop=stop)
    assert caught.value.facts["reason"] == "stopped"


def test_bytes_that_are_not_those_hashed_are_refused_and_leave_nothing(
    receiver: Receiver, clip: Upload, tmp_path: Path
) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    with pytest.raises(UploadError) as caught:
        carry(Upload(clip.path, "0" * 64, announced.url))
    assert caught.value.facts["status"] == 460
    assert announced.wait(0) is None and list(tmp_path.glob("in*")) == []


def test_a_file_beyond_the_limit_is_refused_before_a_byte_is_written(
    receiver: Receiver, clip: Upload, tmp_path: Path
) -> None:
    announced = receiver.announce(tmp_path / "in.mp4", max_bytes=2_999_999)
    with pytest.raises(UploadError) as caught:
        carry(to(clip, announced.url))
    assert caught.value.facts["status"] == 413 and list(tmp_path.glob("in*")) == []


def test_an_address_is_good_once_and_no_other_exists(receiver: Receiver, clip: Upload, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    carry(to(clip, announced.url))
    with pytest.raises(UploadError) as caught:
        carry(to(clip, announced.url))
    assert caught.value.facts["status"] == 410
    with pytest.raises(UploadError) as caught:
        carry(to(clip, announced.url + "x"))
    assert caught.value.facts["status"] == 404
    assert len(announced.url.rsplit("/", 1)[1]) >= 32


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("PATCH", piece(0), b"abc", 404),
        ("HEAD", {}, b"", 404),
        ("GET", {}, b"", 405),
        ("POST", {"Tus-Resumable": "0.2.0", "Upload-Length": "3"}, b"", 412),
        ("POST", {"Upload-Length": "-3"}, b"", 400),
        ("POST", {"Upload-Length": "9" * 30}, b"", 400),
        ("POST", {"Upload-Length": "3"}, b"", 400),
        ("POST", {"Upload-Length": "3", "Upload-Metadata": "sha256 !!"}, b"", 400),
        ("OPTIONS", {}, b"", 204),
    ],
)  # fmt: skip
def test_the_receiver_answers_by_the_protocol(
    method: str, headers: dict[str, str], body: bytes, status: int, receiver: Receiver, tmp_path: Path
) -> None:
    assert ask(receiver.announce(tmp_path / "in.mp4").url, method, headers, body).status == status


def test_a_piece_at_another_place_or_of_another_kind_or_too_long_is_refused(
    receiver: Receiver, clip: Upload, tmp_path: Path
) -> None:
    url = receiver.announce(tmp_path / "in.mp4").url
    assert ask(url, "POST", creation(clip, 10)).status == 201
    assert ask(url, "PATCH", piece(5), b"abc").status == 409
    assert ask(url, "PATCH", {"Upload-Offset": "0", "Content-Type": "video/mp4"}, b"abc").status == 415
    assert ask(url, "PATCH", piece(0), b"x" * 11).status == 413
    assert ask(url, "PATCH", piece(0), b"abc").getheader("Upload-Offset") == "3"


def test_a_name_from_outside_never_becomes_a_path(receiver: Receiver, clip: Upload, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "deep" / ".." / "in.mp4")
    (tmp_path / "deep").mkdir()
    evil = base64.b64encode(b"../../evil").decode()
    headers = creation(clip, 3_000_000)
    headers["Upload-Metadata"] += f",filename {evil}"
    assert ask(announced.url, "POST", headers).status == 201
    assert [path.name for path in tmp_path.glob("**/*evil*")] == []


def test_an_unfinished_upload_leaves_nothing_when_the_receiver_closes(clip: Upload, tmp_path: Path) -> None:
    with Receiver() as receiver:
        announced = receiver.announce(tmp_path / "in.mp4")
        ask(announced.url, "POST", creation(clip, 3_000_000))
        ask(announced.url, "PATCH", piece(0), b"abc")
        assert (tmp_path / "in.mp4.part").exists()
    assert list(tmp_path.glob("in*")) == []


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "centre")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "centre.pem", folder / "centre.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


def test_https_reaches_a_receiver_whose_certificate_is_trusted_and_no_other(clip: Upload, tmp_path: Path) -> None:
    pem, secret = self_signed(tmp_path)
    with Receiver(ReceiverOptions(certificate=str(pem), key=str(secret))) as receiver:
        announced = receiver.announce(tmp_path / "in.mp4")
        with pytest.raises(UploadError) as caught:
            carry(to(clip, announced.url), UploadPolicy(hosts=("127.0.0.1",)))
        assert caught.value.facts["reason"] == "certificate_refused"
        trusting = ssl.create_default_context(cafile=str(pem))
        carry(to(clip, announced.url), UploadPolicy(hosts=("127.0.0.1",), tls=trusting))
        finished(announced, clip, tmp_path / "in.mp4")


@pytest.mark.parametrize(
    ("url", "policy", "reason"),
    [
        ("http://127.0.0.1:80/clip/x", UploadPolicy(), "not_https"),
        ("http://localhost/clip/x", LOOPBACK, "not_https"),
        ("http://10.0.0.1/clip/x", LOOPBACK, "not_https"),
        ("ftp://centre.example/x", UploadPolicy(hosts=("centre.example",)), "not_https"),
        ("https://evil.example/x", UploadPolicy(hosts=("centre.example",)), "host_not_allowed"),
        ("https://centre.example.evil.example/x", UploadPolicy(hosts=("centre.example",)), "host_not_allowed"),
        ("https://centre.example@evil.example/x", UploadPolicy(hosts=("centre.example",)), "malformed_address"),
        ("https:///x", UploadPolicy(), "malformed_address"),
        ("https://[::1/x", UploadPolicy(), "malformed_address"),
        ("https://centre.example:99999/x", UploadPolicy(hosts=("centre.example",)), "malformed_address"),
    ],
)
def test_a_clip_goes_nowhere_but_where_it_is_allowed(url: str, policy: UploadPolicy, reason: str) -> None:
    with pytest.raises(UploadError) as caught:
        check_target(url, policy)
    assert caught.value.facts["reason"] == reason


@pytest.mark.parametrize("url", ["https://centre.example/clip/x?sig=1", "http://127.0.0.1:9/x", "http://[::1]:9/x"])
def test_an_allowed_address_passes(url: str) -> None:
    check_target(url, UploadPolicy(hosts=("centre.example",), allow_loopback_http=True))


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server that answers every request with `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            answer(self)

        do_POST = do_PUT = do_HEAD = do_PATCH = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="answering")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/clip/x"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "location"),
    [(302, "http://127.0.0.1:1/elsewhere"), (307, "/other"), (201, "http://127.0.0.1:1/elsewhere"), (201, "")],
)
def test_no_redirect_is_followed_and_no_location_elsewhere_believed(status: int, location: str, clip: Upload) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with answering(answer) as url, pytest.raises(UploadError) as caught:
        carry(to(clip, url))
    assert caught.value.facts["reason"] == "redirected"


def test_a_put_goes_in_one_piece_and_a_passing_failure_is_tried_again(clip: Upload) -> None:
    bodies: list[bytes] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        bodies.append(request.rfile.read(int(request.headers["Content-Length"])))
        request.send_response(503 if len(bodies) == 1 else 200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with answering(answer) as url:
        upload_put(to(clip, url), LOOPBACK, stop=threading.Event(), patience=QUICK)
    assert bodies[1] == clip.path.read_bytes()


def test_a_put_that_is_refused_says_so(clip: Upload) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        request.send_response(403)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with answering(answer) as url, pytest.raises(UploadError) as caught:
        upload_put(to(clip, url), LOOPBACK, stop=threading.Event(), patience=QUICK)
    assert caught.value.facts["status"] == 403
