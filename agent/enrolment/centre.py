"""The centre's enrolment service, asked over HTTPS; believed by the organisation's anchors and nothing else."""

from __future__ import annotations

import http.client
import socket
import ssl
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

from agent.contract.enrolment import EnrolAnswer
from agent.contract.wire import decode
from agent.errors import CentreUnreachable, WireError

# A line on a mobile network answers within seconds; a technician waits no longer than this in front of a page.
_LIMIT_S: Final = 15.0
# contract.enrolment: a grant is at most 32 KiB, as a JSON string within its answer.
_MAX_ANSWER_BYTES: Final = 65_536
# The centre's own answers; every one carries an EnrolAnswer, everything else is somebody else's.
_ANSWERS: Final = frozenset(
    {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_HTTPS_PORT: Final = 443
T = TypeVar("T")


def post(enrol_url: str, path: str, text: str, ca_pem: str, *, limit_s: float = _LIMIT_S) -> EnrolAnswer:
    """The centre's answer to an enrolment or a renewal; as `ask`."""
    return ask(enrol_url, path, text, ca_pem, EnrolAnswer, limit_s=limit_s)


def ask(enrol_url: str, path: str, text: str, ca_pem: str, kind: type[T], *, limit_s: float = _LIMIT_S) -> T:
    """The centre's answer to `text`, a compact JWS, as `kind`. `ca_pem`: the anchors' `centre_ca`.

    No redirect is followed and no proxy asked. Raises CentreUnreachable with `unknown_host`, `connection_refused`,
    `timeout`, `network`, `certificate`, `tls`, `http_NNN`, `too_large`, `not_the_centre` or `bad_url`.
    """
    host, port, prefix = _address(enrol_url)
    connection = http.client.HTTPSConnection(host, port, timeout=limit_s, context=_context(ca_pem))
    headers = {"Content-Type": "application/jose", "Accept": "application/json", "Connection": "close"}
    try:
        connection.request("POST", prefix + path, body=text.encode("ascii"), headers=headers)
        response = connection.getresponse()
        body = response.read(_MAX_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as exc:
        raise _unreachable(exc, enrol_url) from exc
    finally:
        connection.close()
    if response.status not in _ANSWERS:
        raise CentreUnreachable(reason=f"http_{response.status}", url=enrol_url, remedy="check the centre's service")
    if len(body) > _MAX_ANSWER_BYTES:
        raise CentreUnreachable(reason="too_large", url=enrol_url, remedy="something else answers at this address")
    try:
        return decode(body, kind)
    except WireError as exc:
        remedy = "something else answers at this address; check the address in the order"
        raise CentreUnreachable(reason="not_the_centre", url=enrol_url, remedy=remedy) from exc


def _address(enrol_url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(enrol_url)
        port = parts.port or _HTTPS_PORT
    except ValueError as exc:
        raise CentreUnreachable(reason="bad_url", url=enrol_url, remedy="the order's address is wrong") from exc
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise CentreUnreachable(reason="bad_url", url=enrol_url, remedy="the order's address is wrong")
    return parts.hostname, port, parts.path.rstrip("/")


def _context(ca_pem: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except (ssl.SSLError, ValueError) as exc:
        raise CentreUnreachable(reason="certificate", remedy="the anchors' centre CA cannot be read") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unreachable(exc: OSError | http.client.HTTPException, url: str) -> CentreUnreachable:
    words: tuple[tuple[type[BaseException], str, str], ...] = (
        (ssl.SSLCertVerificationError, "certificate", "check the node's clock, and that this is the centre's address"),
        (ssl.SSLError, "tls", "check that this is the centre's address"),
        (socket.gaierror, "unknown_host", "check the line and its DNS"),
        (ConnectionRefusedError, "connection_refused", "the centre's service does not run"),
        (TimeoutError, "timeout", "check the line; or carry the request as a file"),
        (http.client.HTTPException, "not_the_centre", "something else answers at this address"),
    )
    for kind, reason, remedy in words:
        if isinstance(exc, kind):
            return CentreUnreachable(reason=reason, url=url, detail=str(exc), remedy=remedy)
    remedy = "check the line; or carry the request as a file"
    return CentreUnreachable(reason="network", url=url, detail=str(exc), remedy=remedy)
