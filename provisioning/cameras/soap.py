"""One SOAP call to a camera: bounded in time and size, without redirects, without a password in clear."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from agent.clock import Clock
from agent.errors import CameraRefused, DiscoveryError
from provisioning.cameras.camera import Login
from provisioning.cameras.httpauth import Challenge, answer_challenge, read_challenge, username_token
from provisioning.cameras.markup import MAX_BYTES, Element, parse_xml, shown

# A camera answers within a second; one that is busy encoding within three.
_TIMEOUT_S: Final = 5.0
# One byte every four seconds would satisfy the timeout of a socket for ever.
_CALL_LIMIT_S: Final = 12.0
# A technician waits this long for all that is asked of one camera; a dozen streams take three seconds.
_TALK_LIMIT_S: Final = 40.0
_ENVELOPE: Final = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
_NOT_AUTHORIZED: Final = frozenset({"NotAuthorized", "FailedAuthentication", "SenderNotAuthorized"})


@dataclass(frozen=True, slots=True)
class Reply:
    """`date`: the camera's HTTP clock, empty where it sent none."""

    status: int
    body: bytes
    challenges: list[str]
    date: str


class SoapClient:
    """Calls one camera for one person. Not thread safe.

    `clock_offset_ns`, the camera's clock minus ours, is to be set before the first call with a login. `http_date` is
    the HTTP clock of its last answer, empty where it had none.
    """

    def __init__(self, login: Login, clock: Clock) -> None:
        self._login = login
        self._clock = clock
        self._challenge: Challenge | None = None
        self._until_s = time.monotonic() + _TALK_LIMIT_S
        self.clock_offset_ns = 0
        self.http_date = ""

    def call(self, url: str, action: str, body: str, *, is_anonymous: bool = False) -> Element:
        """The first element of the answer's body.

        action: as "http://www.onvif.org/ver10/media/wsdl/GetProfiles". Raises CameraRefused for a wrong login and
        DiscoveryError for any other failure.
        """
        place = split_url(url)
        if time.monotonic() > self._until_s:
            remedy = "it answers very slowly; restart the camera, or enter its stream's address by hand"
            raise DiscoveryError(reason="no_answer", host=place.hostname, remedy=remedy)
        reply = self._post(place, action, body, is_anonymous=is_anonymous)
        if reply.status == http.HTTPStatus.UNAUTHORIZED and not is_anonymous:
            challenge = read_challenge(reply.challenges)
            # A nonce of ours that ran out is renewed once; a refusal that knows of no digest is final: cameras lock
            # an account after a few wrong tries.
            if challenge is not None and challenge != self._challenge:
                self._challenge = challenge
                reply = self._post(place, action, body, is_anonymous=False)
        return _content(reply, url)

    def _post(self, place: SplitResult, action: str, body: str, *, is_anonymous: bool) -> Reply:
        header = ""
        path = place.path + (f"?{place.query}" if place.query else "")
        headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"', "Connection": "close"}
        if not is_anonymous and self._login.username:
            camera_time_ns = self._clock.wall_ns() + self.clock_offset_ns
            header = username_token(self._login, camera_time_ns=camera_time_ns, nonce=secrets.token_bytes(16))
            if self._challenge is not None:
                headers["Authorization"] = answer_challenge(
                    self._challenge, self._login, method="POST", path=path, cnonce=secrets.token_hex(8)
                )
        reply = _exchange(place, path, _ENVELOPE.format(header=header, body=body).encode(), headers)
        self.http_date = reply.date
        return reply


def split_url(url: str) -> SplitResult:
    """An address that can be asked. Raises DiscoveryError(reason="bad_url") for any other."""
    try:
        place = urlsplit(url)
        is_usable = place.scheme in {"http", "https"} and bool(place.hostname) and place.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
        raise DiscoveryError(reason="bad_url", remedy="write it as http://192.168.1.64/onvif/device_service")
    return place._replace(path=place.path or "/")


def _exchange(place: SplitResult, path: str, body: bytes, headers: dict[str, str]) -> Reply:
    connection = _connection(place)
    try:
        connection.connect()
        with _limited(connection):
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            data = response.read(MAX_BYTES + 1)
            challenges = response.headers.get_all("WWW-Authenticate") or []
            return Reply(response.status, data, challenges, response.headers.get("Date", ""))
    except (OSError, http.client.HTTPException) as exc:
        remedy = "check the camera's power, cable and address"
        problem = shown(str(exc)) or type(exc).__name__
        raise DiscoveryError(reason="no_answer", host=place.hostname, problem=problem, remedy=remedy) from exc
    finally:
        connection.close()


def _connection(place: SplitResult) -> http.client.HTTPConnection:
    assert place.hostname is not None
    if place.scheme == "http":
        return http.client.HTTPConnection(place.hostname, place.port, timeout=_TIMEOUT_S)
    # No camera has a certificate that anybody could verify; the password is proven, never sent.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(place.hostname, place.port, timeout=_TIMEOUT_S, context=context)


@contextmanager
def _limited(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Cuts the connection off when the whole exchange takes too long; the reader then fails."""
    sock = connection.sock

    def cut() -> None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            # Already closed.
            return

    timer = threading.Timer(_CALL_LIMIT_S, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _content(reply: Reply, url: str) -> Element:
    if reply.status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
        raise _refused(url)
    is_soap = reply.status in {http.HTTPStatus.OK, http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.INTERNAL_SERVER_ERROR}
    if not is_soap:
        remedy = "check the address; ONVIF may be switched off in the camera's settings"
        raise DiscoveryError(reason="no_onvif", host=urlsplit(url).hostname, status=reply.status, remedy=remedy)
    body = parse_xml(reply.body).child("Body")
    content = next(iter(body.children), None) if body is not None else None
    if content is None:
        remedy = "check the address; ONVIF may be switched off in the camera's settings"
        raise DiscoveryError(reason="no_onvif", host=urlsplit(url).hostname, remedy=remedy)
    if content.name == "Fault":
        raise _fault(content, url)
    return content


def _fault(fault: Element, url: str) -> CameraRefused | DiscoveryError:
    codes = {value.text.strip().rpartition(":")[2] for value in fault.every("Value")}
    if codes & _NOT_AUTHORIZED:
        return _refused(url)
    said = shown(fault.value("Reason", "Text") or fault.value("faultstring"))
    return DiscoveryError(reason="fault", host=urlsplit(url).hostname, said=said, remedy="update the camera's firmware")


def _refused(url: str) -> CameraRefused:
    remedy = "correct user and password; the camera may want a user of its own for ONVIF, and locks after some tries"
    return CameraRefused(problem="wrong_password", host=urlsplit(url).hostname, remedy=remedy)
