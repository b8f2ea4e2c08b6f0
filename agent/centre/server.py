"""The centre's HTTPS door for nodes: enrolment, renewal, acceptance reports. Documents are believed by their signature.

No client certificate is asked for: a node that enrols has none yet, and one whose certificate ran out must renew.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent import log
from agent.centre.listening import Listening
from agent.errors import ServeError

# A work order is at most 64 KiB and stands in the request as base64, beside a CSR (agent.contract.enrolment).
_REQUEST_BYTES: Final = 128 * 1024
# With the acceptance's pictures inside.
_REPORT_BYTES: Final = 16 * 2**20
# A phone's uplink takes a report in this time at 0.5 Mbit/s.
_BODY_LIMIT_S: Final = 300.0
# A line that has said nothing whole for so long is given up: uvicorn itself would wait for ever, and enough such lines
# would keep every node out.
_PATIENCE_S: Final = 15.0
# A province's nodes do not renew in the same second; this many at once are somebody's toy.
_CONNECTIONS: Final = 200
# How long requests that still run may take when the server closes.
_CLOSE_S: Final = 3
_JOSE: Final = "application/jose"

_log = log.get("server")


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/health. `broker` is null where none is served."""

    v: int = 1
    ready: bool
    broker: bool | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the doors below: an HTTP status and a JSON body."""

    status: int
    body: msgspec.Struct | None = None


@dataclass(frozen=True, slots=True)
class Doors:
    """What stands behind each address. Called on worker threads, with the body's text; they answer in milliseconds."""

    enrol: Callable[[str], Reply]
    renew: Callable[[str], Reply]
    accept: Callable[[str], Reply]
    ready: Callable[[], Ready]


class CentreServer:
    """Listens from `start` to `close`; owns one thread."""

    def __init__(self, host: str, port: int, doors: Doors, *, patience_s: float = _PATIENCE_S) -> None:
        """`patience_s`: how long a connection may take until its request's head has come."""
        self._patience_s = patience_s
        self._host = host
        self._port = port
        self._doors = doors
        self._listening: Listening | None = None

    def start(self, certificate: str, key: str) -> str:
        """Listen with this identity (PEM both); the address it listens on. Raises ServeError."""
        try:
            listening = socket.create_server((self._host, self._port))
        except OSError as exc:
            remedy = "is another server running there? give another --listen"
            raise ServeError(
                reason="cannot_listen", host=self._host, port=self._port, error=exc.strerror, remedy=remedy
            ) from exc
        routes = [
            Route("/v1/enrol", self._door(self._doors.enrol, _REQUEST_BYTES), methods=["POST"]),
            Route("/v1/renew", self._door(self._doors.renew, _REQUEST_BYTES), methods=["POST"]),
            Route("/v1/acceptance", self._door(self._doors.accept, _REPORT_BYTES), methods=["POST"]),
            Route("/v1/health", self._health, methods=["GET"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            http=_impatient(self._patience_s),
            # One request a connection: nodes have no second one, and only the first has a time limit.
            headers=[("Connection", "close")],
            timeout_graceful_shutdown=_CLOSE_S,
        )
        config.load()
        config.ssl = _tls(certificate, key)
        self._listening = Listening(config, listening, name="serve-https")
        return f"https://{self._listening.address}"

    def close(self) -> None:
        """Stop listening; requests under way are answered. May be called twice."""
        if self._listening is not None:
            self._listening.close()

    def _door(self, answer: Callable[[str], Reply], limit_bytes: int) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JOSE:
                return Response(status_code=415)
            try:
                async with asyncio.timeout(_BODY_LIMIT_S):
                    body = await _read(request, limit_bytes)
            except (TimeoutError, ClientDisconnect):
                return Response(status_code=408)
            if body is None:
                return Response(status_code=413)
            try:
                text = body.decode("ascii").strip()
            except UnicodeDecodeError:
                return Response(status_code=400)
            # The register blocks for as long as its disk takes.
            reply = await asyncio.to_thread(answer, text)
            return _json(reply.status, reply.body)

        return serve

    async def _health(self, _request: Request) -> Response:
        ready = self._doors.ready()
        return _json(200 if ready.ready else 503, ready)


def _impatient(patience_s: float) -> type[H11Protocol]:
    """A connection that is closed when no request has begun in time."""

    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(patience_s, self._give_up)

        def _give_up(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.abort()

    return Impatient


async def _read(request: Request, limit_bytes: int) -> bytes | None:
    """The body, None as soon as it is larger than allowed."""
    stated = request.headers.get("content-length", "0")
    if not stated.isascii() or not stated.isdigit() or int(stated[:18]) > limit_bytes:
        return None
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit_bytes:
            return None
    return bytes(body)


def _json(status: int, body: msgspec.Struct | None) -> Response:
    headers = {"Cache-Control": "no-store"}
    if body is None:
        return Response(status_code=status, headers=headers)
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    """Raises ServeError for what is no certificate with its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL takes files only; this folder is the process's own (mode 0700) and gone at once.
    with tempfile.TemporaryDirectory(prefix="wayside-serve-") as folder:
        chain, private = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_text(certificate, encoding="ascii")
        private.touch(mode=0o600)
        private.write_text(key, encoding="ascii")
        try:
            context.load_cert_chain(chain, private)
        except (OSError, ssl.SSLError) as exc:
            remedy = "the office's certificate for this server cannot be used; is the office's folder whole?"
            raise ServeError(reason="tls_files", detail=str(exc), remedy=remedy) from exc
    return context
