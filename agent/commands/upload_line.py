"""One request at a time to the receiver of a clip: where it may go, what came back, how long to try."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent.commands.ingest import Network, may_reach
from agent.commands.pace import Pace, Precedence, StopSign
from agent.errors import UploadError

# RFC 9110 and tus: these may pass by themselves. 409 is another offset than ours: HEAD tells which.
PASSING = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})
FORGOTTEN = frozenset({404, 410})
NOT_FOUND_REMEDY = "the address is used up or unknown: ask for the clip again"


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """Where clips may go: the signed `upload_hosts`, by https. `allow_loopback_http` is for trust = "open" only.
    `ceiling_bytes_s`: no faster than this; 0 is as fast as the line gives without queueing. `cameras`: networks that no
    name may lead into. `yields`: hold back while the line's buffer fills. `behind`: whose uploads go first."""

    hosts: tuple[str, ...] = ()
    allow_loopback_http: bool = False
    tls: ssl.SSLContext | None = None
    ceiling_bytes_s: int = 0
    cameras: tuple[Network, ...] = ()
    yields: bool = True
    behind: Precedence | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failing line is tried: waits double from `first_wait_s` to `longest_wait_s`; `attempts` failures in a
    row, without a byte of progress between them, end the upload. The defaults add up to about ten minutes."""

    attempts: int = 14
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    answer_timeout_s: float = 30.0


def check_target(url: str, policy: UploadPolicy) -> None:
    """Raises UploadError (`reason` names why) when a clip may not go to `url`."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        # Nothing else can stand in a request's first line (RFC 9112, 3.2): whoever means it writes it %-encoded.
        raise UploadError(reason="malformed_address", remedy="write other letters %-encoded")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise UploadError(reason="malformed_address") from exc
    if not host or parts.username is not None or port == 0:
        raise UploadError(reason="malformed_address")
    if parts.scheme == "http" and policy.allow_loopback_http and _is_loopback(host):
        return
    if parts.scheme != "https":
        raise UploadError(reason="not_https", host=host, remedy="give an https address")
    if host not in policy.hosts:
        raise UploadError(reason="host_not_allowed", host=host, remedy="add it to upload_hosts of the desired document")


def believing(authority: str) -> ssl.SSLContext | None:
    """TLS that also believes the authority in this PEM file; None where there is none. Raises UploadError."""
    if not authority:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as exc:
        remedy = "the authority named in [broker] ca cannot be read; is the node enrolled?"
        raise UploadError(reason="authority_unreadable", detail=str(exc), remedy=remedy) from exc
    return context


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    offset: int | None
    location: str
    host: str


class Line:
    """Asks one request at a time, each on its own connection: after a cut none can be trusted. Counts failures."""

    def __init__(self, policy: UploadPolicy, patience: Patience, stop: StopSign) -> None:
        self._policy = policy
        self._patience = patience
        self.stop = stop
        self._pace = Pace(policy.ceiling_bytes_s, stop, yields=policy.yields, behind=policy.behind)
        self._failures = 0

    def ask(self, url: str, method: str, headers: dict[str, str], body: Iterator[bytes] | None) -> Answer | None:
        """The receiver's answer, None when the line failed. A redirect is an answer like any other: none is followed.

        Raises UploadError for a certificate that does not fit, and for a name that leads to a camera.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        timeout_s = self._patience.answer_timeout_s
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=self._policy.tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
        )
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            # A receiver that refuses answers before it has read the body: its answer may still be there.
            connection.connect()
            if not may_reach(connection.sock.getpeername()[0], self._policy.cameras, allows_loopback=True):
                raise UploadError(
                    reason="address_not_allowed", host=host, remedy="the name leads to an address that is no receiver's"
                )
            paced = body if body is None else self._pace.paced(body, connection.sock)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path or "/", body=paced, headers=headers)
            response = connection.getresponse()
            return Answer(
                status=response.status,
                offset=_offset(response.getheader("Upload-Offset")),
                location=response.getheader("Location") or "",
                host=host,
            )
        except ssl.SSLCertVerificationError as exc:
            raise UploadError(reason="certificate_refused", host=host, detail=exc.verify_message) from exc
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def progressed(self) -> None:
        self._failures = 0

    def wait(self, answer: Answer | None) -> None:
        """Back off after a failure. Raises UploadError when patience or the process ends."""
        self._failures += 1
        if self._failures >= self._patience.attempts:
            status = answer.status if answer else None
            raise UploadError(reason="receiver_unreachable", status=status, attempts=self._failures)
        wait_s = min(self._patience.first_wait_s * 2 ** (self._failures - 1), self._patience.longest_wait_s)
        if self.stop.wait(wait_s):
            raise UploadError(reason="stopped")


def _offset(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def refused(answer: Answer) -> UploadError:
    if 300 <= answer.status < 400:
        return UploadError(reason="redirected", host=answer.host, status=answer.status)
    remedy = NOT_FOUND_REMEDY if answer.status in FORGOTTEN else ""
    return UploadError(reason="receiver_refused", host=answer.host, status=answer.status, remedy=remedy)


def _is_loopback(host: str) -> bool:
    """Literal addresses only: a name, even localhost, is whatever the resolver says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
