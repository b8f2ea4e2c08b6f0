"""Pushes one stream to an RTSP(S) ingest: ANNOUNCE, SETUP over the same TCP connection, RECORD, then RTP.

Written here and not left to FFmpeg, because that checks no certificate of an rtsps ingest and follows redirects.
Source: RFC 2326, 10.3, 10.4, 10.11 and 10.12.
"""

from __future__ import annotations

import re
import secrets
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agent.errors import LiveError
from agent.media.rtp import PushedStream, RtpPacker, session_text
from agent.units import NS_PER_S

PORTS: Final = {"rtsp": 554, "rtsps": 322}
# A line that takes nothing for so long shows nobody anything.
_LIMIT_S: Final = 10.0
_MAX_HEAD_BYTES: Final = 16 * 1024
_REPORT_NS: Final = 5 * NS_PER_S
_READ_BYTES: Final = 64 * 1024
_STATUS = re.compile(r"RTSP/1\.\d (\d{3})\b")


@dataclass(frozen=True, slots=True)
class Ingest:
    """Where a stream is pushed to. `may_reach` says of a resolved address whether this node may talk to it."""

    url: str
    title: str
    may_reach: Callable[[str], bool]
    tls: ssl.SSLContext | None = None


class Publisher:
    """One connection, from construction to `close`; on one thread. Everything raises LiveError with its `reason`."""

    def __init__(self, ingest: Ingest, stream: PushedStream) -> None:
        self._url = ingest.url
        self._host = urlsplit(ingest.url).hostname or ""
        self._count = 0
        self._session = ""
        self._reported_ns: int | None = None
        self._packer = RtpPacker(
            stream, ssrc=secrets.randbits(32), sequence=secrets.randbits(16), origin=secrets.randbits(32)
        )
        self._sock = _connect(ingest)
        try:
            text = session_text(stream, ingest.title).encode()
            self._ask("ANNOUNCE", self._url, ("Content-Type: application/sdp",), text)
            track = f"{self._url.rstrip('/')}/streamid=0"
            self._ask("SETUP", track, ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record",))
            self._ask("RECORD", self._url, ("Range: npt=0.000-",))
        except LiveError:
            self._sock.close()
            raise

    @property
    def sent_bytes(self) -> int:
        """Of the stream itself, without the wrapping."""
        return self._packer.payload_bytes

    def send(self, data: bytes, media_ns: int, wall_ns: int, *, is_idr: bool) -> None:
        """One access unit; blocks while the line is full, for ten seconds at most."""
        frames = [_wrapped(0, packet) for packet in self._packer.pack(data, media_ns, is_idr=is_idr)]
        if self._reported_ns is None or abs(media_ns - self._reported_ns) > _REPORT_NS:
            self._reported_ns = media_ns
            frames.append(_wrapped(1, self._packer.report(media_ns, wall_ns)))
        try:
            self._hear()
            self._sock.sendall(b"".join(frames))
        except OSError as exc:
            raise self._cut(exc) from exc

    def close(self) -> None:
        """Say goodbye where that can still be heard; its answer is not waited for."""
        try:
            self._sock.settimeout(1.0)
            self._sock.sendall(self._request("TEARDOWN", self._url, (), b""))
        except OSError:
            # The ingest is gone already, which is what was wanted.
            return
        finally:
            self._sock.close()

    def _hear(self) -> None:
        """Let go of what the ingest says meanwhile (receiver reports): unread, it would stop the connection."""
        self._sock.setblocking(False)
        try:
            while True:
                if not self._sock.recv(_READ_BYTES):
                    raise LiveError(reason="ingest_closed", host=self._host)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        finally:
            self._sock.settimeout(_LIMIT_S)

    def _ask(self, method: str, url: str, headers: Sequence[str], body: bytes = b"") -> None:
        try:
            self._sock.sendall(self._request(method, url, headers, body))
            head = self._read_head()
        except OSError as exc:
            raise self._cut(exc) from exc
        found = _STATUS.match(head)
        status = int(found[1]) if found else 0
        if 300 <= status < 400:
            raise LiveError(reason="redirected", host=self._host, status=status)
        if status != 200:
            remedy = "put what lets the node in into the address, as a token of its query" if status == 401 else ""
            raise LiveError(reason="ingest_refused", host=self._host, asked=method, status=status, remedy=remedy)
        session = re.search(r"^session:\s*([^;\s]+)", head, re.IGNORECASE | re.MULTILINE)
        self._session = session[1] if session else self._session

    def _request(self, method: str, url: str, headers: Sequence[str], body: bytes) -> bytes:
        self._count += 1
        known = (f"Session: {self._session}",) if self._session else ()
        length = (f"Content-Length: {len(body)}",) if body else ()
        lines = (f"{method} {url} RTSP/1.0", f"CSeq: {self._count}", "User-Agent: wayside", *known, *headers, *length)
        return "\r\n".join((*lines, "", "")).encode("ascii") + body

    def _read_head(self) -> str:
        """The answer's head. Its body, which nothing asked for here has, is read over."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._sock.recv(_READ_BYTES)
            if not more or len(data) > _MAX_HEAD_BYTES:
                raise LiveError(reason="ingest_closed", host=self._host)
            data += more
        return data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")

    def _cut(self, exc: OSError) -> LiveError:
        reason = "line_too_slow" if isinstance(exc, TimeoutError) else "line_cut"
        return LiveError(reason=reason, host=self._host, detail=exc.strerror or str(exc))


def _connect(ingest: Ingest) -> socket.socket:
    """To an address that was looked at: asking the resolver twice would let a name mean two things."""
    parts = urlsplit(ingest.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LiveError(reason="host_unknown", host=host, detail=exc.strerror or "") from exc
    if not all(ingest.may_reach(str(each[4][0])) for each in found):
        raise LiveError(reason="address_refused", host=host, remedy="live pictures go to no address of the site itself")
    failure: OSError | None = None
    for family, kind, proto, _, address in found:
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(_LIMIT_S)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock if parts.scheme == "rtsp" else _secured(sock, host, ingest.tls)
        except ssl.SSLCertVerificationError as exc:
            sock.close()
            raise LiveError(reason="certificate_refused", host=host, detail=exc.verify_message) from exc
        except OSError as exc:
            sock.close()
            failure = exc
    raise LiveError(reason="ingest_unreachable", host=host, detail=str(failure)) from failure


def _secured(sock: socket.socket, host: str, tls: ssl.SSLContext | None) -> socket.socket:
    return (tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=host)


def _wrapped(channel: int, packet: bytes) -> bytes:
    """RFC 2326, 10.12."""
    return b"$" + struct.pack(">BH", channel, len(packet)) + packet
