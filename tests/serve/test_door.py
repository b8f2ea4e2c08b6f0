"""The door for nodes: a real office behind it, HTTPS before it, and whatever strangers send."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.authority.office import Office
from agent.centre.server import CentreServer, Doors, Ready, Reply
from agent.contract.enrolment import ACCEPTANCE_TYP, REQUEST_TYP, EnrolAnswer, EnrolRequest, Label
from agent.contract.wire import decode, encode
from agent.enrolment.csr import make_csr
from agent.enrolment.nodekey import node_id
from agent.enrolment.words import six_words
from agent.signing import make_key, sign_compact, spki_sha256
from tests.serve.rig import Serve, make_office


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Without a broker: enrolment only."""
    folder = tmp_path_factory.mktemp("door")
    make_office(folder / "office")
    serve = Serve(folder / "office", folder / "centre").start()
    yield serve
    assert serve.stop() == 0


class Applicant:
    """A node's key and what it sends."""

    def __init__(self) -> None:
        self.key = make_key()
        self.spki = spki_sha256(self.key.public_key())
        self.node = node_id(self.spki)

    def label(self) -> Label:
        return Label(v=1, node=self.node, spki_sha256=self.spki, words=six_words(self.spki), pin="12345678")

    def request(self, order: str) -> bytes:
        csr = make_csr(self.key, self.node)
        asking = EnrolRequest(v=1, node=self.node, order=order, csr=csr, iat=int(time.time()))
        return sign_compact(encode(asking), self.key, typ=REQUEST_TYP).encode()

    def report(self, node: str = "") -> bytes:
        payload = json.dumps({"v": 1, "node": node or self.node, "site": "site", "verdict": "passed"}).encode()
        return sign_compact(payload, self.key, typ=ACCEPTANCE_TYP).encode()


def order(serve: Serve, applicant: Applicant) -> str:
    made = Office.open(serve.office).make_order("site", now_s=int(time.time()), label=applicant.label())
    return made.text.removeprefix("WO1|")


def ask(serve: Serve, path: str, body: bytes) -> tuple[int, EnrolAnswer]:
    status, headers, answer = serve.request("POST", path, body)
    assert headers["Content-Type"] == "application/json" if "Content-Type" in headers else True
    return status, decode(answer, EnrolAnswer)


def test_the_ordered_key_is_granted_its_papers_a_stranger_is_not_and_reports_are_kept(serve: Serve) -> None:
    applicant = Applicant()
    text = order(serve, applicant)
    status, answer = ask(serve, "/v1/enrol", Applicant().request(text))
    assert (status, answer.state, answer.reason) == (403, "refused", "wrong_key")

    asking = applicant.request(text)
    status, answer = ask(serve, "/v1/enrol", asking)
    assert (status, answer.state) == (200, "granted")
    assert ask(serve, "/v1/enrol", asking)[1].grant == answer.grant

    for _ in range(2):
        status, _, body = serve.request("POST", "/v1/acceptance", applicant.report())
        assert (status, json.loads(body)["state"]) == (200, "kept")
    files = list((serve.store / "acceptance").iterdir())
    assert [file.read_bytes() for file in files] == [applicant.report()] or len(files) == 2
    assert {file.suffix for file in files} == {".jws"}

    status, _, body = serve.request("POST", "/v1/acceptance", applicant.report(node="nsomebody"))
    assert (status, json.loads(body)["reason"]) == (403, "wrong_node")
    status, _, body = serve.request("POST", "/v1/acceptance", Applicant().report())
    assert (status, json.loads(body)["reason"]) == (403, "unknown_key")


@pytest.mark.parametrize(
    ("method", "path", "kind", "size", "status"),
    [
        ("POST", "/v1/enrol", "application/jose", 5, 400),
        ("POST", "/v1/renew", "application/jose", 5, 400),
        ("POST", "/v1/acceptance", "application/jose", 5, 400),
        ("POST", "/v1/enrol", "application/json", 5, 415),
        ("GET", "/v1/enrol", "application/jose", 0, 405),
        ("GET", "/", "application/jose", 0, 404),
        ("GET", "/v1/health", "application/jose", 0, 200),
    ],
)
def test_every_other_request_has_its_status(
    serve: Serve, method: str, path: str, kind: str, size: int, status: int
) -> None:
    answered, headers, _ = serve.request(method, path, b"x" * size, kind)
    assert answered == status
    assert "server" not in {name.lower() for name in headers}
    assert {name.lower(): value for name, value in headers.items()}["connection"] == "close"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve: Serve) -> None:
    connection = serve.connection()
    connection.putrequest("POST", "/v1/enrol")
    connection.putheader("Content-Type", "application/jose")
    connection.putheader("Content-Length", "200000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(max_size=300), st.from_regex(rb"[\w-]{0,40}\.[\w-]{0,200}\.[\w-]{86}")))
def test_bytes_of_any_kind_are_refused_and_the_server_stays(serve: Serve, body: bytes) -> None:
    for path in ("/v1/enrol", "/v1/renew", "/v1/acceptance"):
        status, _, _ = serve.request("POST", path, body or b"x")
        assert status in (400, 403)
    assert not serve.has_ended


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(serve: Serve) -> None:
    address = urlsplit(str(serve.of("serve.listening")[0]["url"]))
    context = ssl.create_default_context(cadata=Office.open(serve.office).centre_ca_pem())
    # Otherwise this end would refuse by itself.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((address.hostname or "", address.port or 0)) as plain,
        pytest.raises(ssl.SSLError, match=r"alert|EOF"),
    ):
        context.wrap_socket(plain, server_hostname=address.hostname)


def test_a_line_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    office = make_office(tmp_path / "office")

    def nothing(_text: str) -> Reply:
        return Reply(503)

    server = CentreServer("127.0.0.1", 0, Doors(nothing, nothing, nothing, lambda: Ready(ready=True)), patience_s=0.3)
    url = server.start(*office.server_certificate(["127.0.0.1"]))
    try:
        address = urlsplit(url)
        context = ssl.create_default_context(cadata=office.centre_ca_pem())
        with (
            socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=address.hostname) as line,
        ):
            line.sendall(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\n")
            assert hung_up(line)
    finally:
        server.close()


def hung_up(line: ssl.SSLSocket) -> bool:
    try:
        return line.recv(1) == b""
    except (ssl.SSLEOFError, ConnectionResetError):
        return True


def run(*more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "agent", "centre", "serve", *more]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ended.returncode, ended.stderr


def test_what_cannot_be_served_is_said_with_what_to_do(serve: Serve, tmp_path: Path) -> None:
    office, store = ("--office", str(serve.office)), ("--store", str(tmp_path / "centre"))
    taken = urlsplit(str(serve.of("serve.listening")[0]["url"])).netloc
    code, said = run(*office, *store, "--listen", taken)
    assert (code, "cannot_listen" in said, "--listen" in said) == (1, True, True)
    tls = ("--broker", "mqtts://127.0.0.1:1", "--ca", "nowhere.pem", "--cert", "nowhere.pem", "--key", "nowhere.key")
    code, said = run(*office, *store, "--listen", "127.0.0.1:0", *tls)
    assert (code, "tls_files" in said) == (1, True)
    code, said = run("--office", str(tmp_path / "nothing"), *store, "--listen", "127.0.0.1:0")
    assert (code, "Traceback" in said) == (2, False), said
    code, said = run(*office, *store, "--listen", "nonsense")
    assert (code, "HOST:PORT" in said) == (2, True)
