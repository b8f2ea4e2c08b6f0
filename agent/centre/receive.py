"""The centre's own receiver of clips: tus 1.0 (core, creation, termination), for announced files and no others.

Source: https://tus.io/protocols/resumable-upload, version 1.0.0. A site with an object store or a tus server of its own
does not need this; `wayside centre pull` and the demo do.
"""

from __future__ import annotations

import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from agent import log
from agent.centre.incoming import Incoming, Received, Refusal
from agent.centre.uploadbook import UploadBook
from agent.errors import UploadError

TUS_VERSION = "1.0.0"
# What a person may ask for at once: a day of one camera at 4 Mbit/s is 43 GB.
DEFAULT_MAX_BYTES = 64 * 10**9
# 192 bits: nobody finds an address by trying.
_TOKEN_BYTES = 24
_OFFSET_TYPE = "application/offset+octet-stream"
# How long requests that still run may take when the receiver closes.
_CLOSE_S = 2

_log = log.get("receive")


@dataclass(frozen=True, slots=True)
class ReceiverOptions:
    """Where to listen (port 0: any free one), and the address that nodes are told when it is another than that.

    Without `certificate` and `key` (PEM files) it speaks plain HTTP, which a node accepts on loopback only.
    """

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""
    certificate: str = ""
    key: str = ""


class Announced:
    """One expected file and its one-time address. Safe from any thread."""

    def __init__(self, url: str, incoming: Incoming) -> None:
        self.url = url
        self._incoming = incoming

    @property
    def received_bytes(self) -> int:
        return self._incoming.offset

    @property
    def size_bytes(self) -> int | None:
        """As the node stated it; None before it began."""
        return self._incoming.size_bytes

    def wait(self, timeout_s: float) -> Received | None:
        """The finished file, None when it is not there yet."""
        return self._incoming.wait(timeout_s)


class Receiver:
    """Listens from `start` to `close`; owns one thread. A file not finished at `close` leaves nothing behind."""

    def __init__(self, options: ReceiverOptions = ReceiverOptions(), book: UploadBook | None = None) -> None:
        """book: what desks of this machine expect, beside what is announced here."""
        self._options = options
        self._book = book
        self._booked: set[str] = set()
        self._incoming: dict[str, Incoming] = {}
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen. Raises UploadError when the address cannot be had."""
        options = self._options
        try:
            listening = socket.create_server((options.host, options.port))
        except OSError as exc:
            raise UploadError(
                reason="cannot_listen",
                address=options.host,
                port=options.port,
                error=exc.strerror,
                remedy="receive on an address of this machine that nodes can reach",
            ) from exc
        scheme = "https" if options.certificate else "http"
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self._url = options.public_url.rstrip("/") or f"{scheme}://{shown}:{port}"
        # Every path but an announced one is answered alike, and nothing tells what software answers.
        routes = [Route("/clip/{token}", self._serve, methods=["OPTIONS", "POST", "HEAD", "PATCH", "DELETE"])]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_CLOSE_S,
            ssl_certfile=options.certificate or None,
            ssl_keyfile=options.key or None,
        )
        self._socket = listening
        self._server = uvicorn.Server(config)
        # The socket listens already: a node that is quicker than the thread waits in its backlog.
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="receive")
        self._thread.start()
        if self._book is not None:
            self._book.open(self._url)
        _log.info("receiver listening", url=self._url)

    def announce(self, path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Announced:
        """Expect one file, to be written to `path`. Its address is good for this file only, and until `close`."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        incoming = Incoming(path, max_bytes=max_bytes)
        with self._lock:
            self._incoming[token] = incoming
        return Announced(f"{self._url}/clip/{token}", incoming)

    def close(self) -> None:
        """Stop listening and drop what is not finished. May be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        with self._lock:
            unfinished = list(self._incoming.values())
            self._incoming.clear()
        for incoming in unfinished:
            incoming.close()

    async def _serve(self, request: Request) -> Response:
        token = request.path_params["token"]
        with self._lock:
            incoming = self._announced(token)
        if incoming is None:
            return Response(status_code=404)
        try:
            if request.method == "OPTIONS":
                return _answer(204, {"Tus-Version": TUS_VERSION, "Tus-Extension": "creation,termination"})
            if request.headers.get("tus-resumable") != TUS_VERSION:
                return _answer(412, {"Tus-Version": TUS_VERSION})
            if request.method == "POST":
                incoming.create(_number(request, "upload-length"), request.headers.get("upload-metadata", ""))
                return _answer(201, {"Location": request.url.path, "Upload-Offset": str(incoming.offset)})
            if request.method == "DELETE":
                incoming.close()
                return _answer(204, {})
            if request.method == "HEAD":
                offset, size = incoming.resume()
                self._note(token, incoming)
                length = {"Upload-Offset": str(offset), "Upload-Length": str(size), "Cache-Control": "no-store"}
                return _answer(200, length)
            answer = await self._patch(request, incoming)
            self._note(token, incoming)
            return answer
        except Refusal as exc:
            _log.warning("upload refused", status=exc.status, reason=exc.reason, path=incoming.path.name)
            return _answer(exc.status, {})

    def _announced(self, token: str) -> Incoming | None:
        """What was announced here, or what a desk wrote into the book and still waits for."""
        incoming = self._incoming.get(token)
        if self._book is None or (incoming is not None and token not in self._booked):
            return incoming
        expected = self._book.find(token)
        if expected is not None and incoming is None:
            incoming = self._incoming[token] = Incoming(expected.path, max_bytes=expected.max_bytes)
            self._booked.add(token)
        elif expected is None and incoming is not None and incoming.wait(0) is None:
            # The desk has left.
            incoming.close()
            del self._incoming[token]
            return None
        return incoming

    def _note(self, token: str, incoming: Incoming) -> None:
        """A whole file is told to the desk that waits for it."""
        received = incoming.wait(0)
        if received is not None and self._book is not None:
            self._book.finish(token, received)

    async def _patch(self, request: Request, incoming: Incoming) -> Response:
        if request.headers.get("content-type") != _OFFSET_TYPE:
            raise Refusal(415, "not a piece of an upload")
        turn = incoming.begin_patch(_number(request, "upload-offset"))
        try:
            async for block in request.stream():
                incoming.write(turn, block)
        except ClientDisconnect:
            # The line was cut: what arrived stays, and HEAD will tell the node how much that is.
            return _answer(400, {})
        incoming.end_patch()
        return _answer(204, {"Upload-Offset": str(incoming.offset)})


def _answer(status: int, headers: dict[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": TUS_VERSION, **headers})


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    # 18 digits hold every size; a longer string is an attempt to waste our time.
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(400, f"{header} is missing or no number")
    return int(text)
