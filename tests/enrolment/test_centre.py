"""The centre asked over HTTPS: who is believed, and what every other answer is called."""

from __future__ import annotations

import socket
import time

import pytest

from agent.contract.enrolment import EnrolAnswer
from agent.contract.wire import encode
from agent.enrolment.centre import post
from agent.errors import CentreUnreachable
from tests.broker import LOOPBACK, unused_port
from tests.enrolment.papers import Authority

WAITING = encode(EnrolAnswer(v=1, state="waiting", retry_s=5))


@pytest.fixture(scope="module")
def ca() -> Authority:
    return Authority.make("centre of a test", now_s=time.time())


def failure(url: str, ca_pem: str, *, limit_s: float = 5) -> str:
    with pytest.raises(CentreUnreachable) as caught:
        post(url, "/v1/enrol", "a.b.c", ca_pem, limit_s=limit_s)
    assert caught.value.remedy
    return str(caught.value.facts["reason"])


@pytest.mark.parametrize("status", [200, 202, 400, 403, 429])
def test_each_of_the_centres_answers_is_read(answering, ca: Authority, status: int) -> None:
    with answering(status, WAITING) as centre:
        answer = post(f"{centre.url}/office/", "/v1/enrol", "a.b.c", ca.pem)
    assert (answer.state, answer.retry_s) == ("waiting", 5)
    assert centre.asked == [("/office/v1/enrol", "application/jose", b"a.b.c")]


def test_somebody_else_is_told_from_the_centre(answering, ca: Authority) -> None:
    for status, body, reason in (
        (200, b"<html>hotel wifi</html>", "not_the_centre"),
        (200, b'{"v": 1, "state": "granted", "more": 1}', "not_the_centre"),
        (200, b"x" * 70_000, "too_large"),
        (500, b"", "http_500"),
        (404, b"", "http_404"),
    ):
        with answering(status, body) as stranger:
            assert failure(stranger.url, ca.pem) == reason


def test_a_redirect_is_not_followed(answering, ca: Authority) -> None:
    with answering(200, WAITING) as other, answering(302, b"", location=other.url) as centre:
        assert failure(centre.url, ca.pem) == "http_302"
    assert other.asked == []


def test_only_the_anchors_ca_vouches_for_the_centre(answering, ca: Authority) -> None:
    with answering(200, WAITING) as stranger:
        assert failure(stranger.url, Authority.make("another", now_s=time.time()).pem) == "certificate"
        assert failure(stranger.url, "no PEM") == "certificate"
        assert stranger.asked == []
    with answering(200, WAITING, life_s=-60) as late:
        assert failure(late.url, ca.pem) == "certificate"


def test_nobody_there_is_said_so(ca: Authority) -> None:
    assert failure(f"https://localhost:{unused_port()}", ca.pem) == "connection_refused"
    for url in ("http://localhost", "https://", "https://a:b@localhost", "https://localhost:99999"):
        assert failure(url, ca.pem) == "bad_url"
    with socket.create_server((LOOPBACK, 0)) as deaf:
        assert failure(f"https://localhost:{deaf.getsockname()[1]}", ca.pem, limit_s=0.3) == "timeout"
