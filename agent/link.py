"""A process's end of a runtime link: the client that never loses a notice."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import LinkError
from agent.link_frame import READ_BYTES, FrameReader, Tally, encode_frame, encode_tally, socket_address
from agent.notices import Hello, Notice
from agent.stage import Backoff, Stage

# The other side of a runtime socket is on this machine: it is there within a second, or it is being restarted.
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 1.0
# A notice at which the link broke this often is what breaks it: it is given up, so that those behind it get through.
_MAX_TRIES: Final = 8

_log = log.get("link")


class Pending:
    """Frames in order: those begun on this connection and not yet confirmed, then those that wait. Not thread safe."""

    def __init__(self) -> None:
        self._begun: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._suspect = 0
        self._tries = 0
        self.done = 0

    def __bool__(self) -> bool:
        return bool(self._begun or self._waiting)

    def append(self, frame: bytes) -> None:
        self._waiting.append(frame)

    def begin_next(self) -> bytes | None:
        """The next frame to write, None when there is none."""
        if not self._waiting:
            return None
        self._begun.append(self._waiting.popleft())
        return self._begun[-1]

    def confirm(self, number: int) -> None:
        """The other side keeps all up to `number`. Raises LinkError when that is not what it was sent."""
        count = number - self.done
        if not 0 <= count <= len(self._begun):
            raise LinkError(problem="a tally of what was not sent", number=number, done=self.done)
        for _ in range(count):
            self._begun.popleft()
        self.done = number

    def rewind(self) -> bool:
        """The connection is lost: what was not confirmed is sent again. True when its first frame was given up."""
        if not self._begun:
            return False
        suspect = self.done + 1
        self._tries = self._tries + 1 if suspect == self._suspect else 1
        self._suspect = suspect
        is_given_up = self._tries >= _MAX_TRIES
        if is_given_up:
            self._begun.popleft()
            self.done += 1
        self._waiting.extendleft(reversed(self._begun))
        self._begun.clear()
        return is_given_up


class LinkClient:
    """One process's end of a link: sends notices in order, and never drops one while this process lives.

    A notice is kept until the server confirmed it, so the server's death loses none. One that it handled and could not
    confirm comes to its next life again, with the number it had (agent.link_peer.Receipt). `on_notice` and `on_connect`
    run on the client's own thread; what `on_connect` sends goes out after what waited.
    """

    def __init__(
        self,
        path: Path,
        hello: Hello,
        *,
        on_notice: Callable[[Notice, bytes], None] | None = None,
        on_connect: Callable[[], None] | None = None,
    ) -> None:
        self._name = path.name
        self._address = socket_address(path)
        self._hello = encode_frame(hello)
        self._on_notice = on_notice
        self._on_connect = on_connect
        self._pending = Pending()
        self._changed = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop = threading.Event()
        self._is_closed = False
        self._is_connected = False
        # Nobody listens; while this is not known yet, `close` gives the first attempt its time.
        self._is_refused = False
        self._retry_s = _FIRST_RETRY_S
        self._head: bytes | None = None
        self._sent_of_head = 0
        backoff = Backoff(_FIRST_RETRY_S, _LAST_RETRY_S)
        self._stage = Stage(f"link-{path.stem}", self._run_once, stop=self._stop, backoff=backoff)
        self._stage.start()

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def send(self, notice: Notice, payload: bytes = b"") -> None:
        """Queue a notice; never blocks and never drops. Raises LinkError for one that is too large for any reader."""
        frame = encode_frame(notice, payload)
        with self._changed:
            if not self._is_closed:
                self._pending.append(frame)
                os.eventfd_write(self._wake, 1)
                return
        _log.warning("notice after the link was closed", path=self._name, notice=type(notice).__name__)

    def close(self, *, drain_s: float = 1.0) -> None:
        """Wait up to `drain_s` for the server to confirm what is queued, unless nobody listens; then end the thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending or self._is_refused, drain_s)
        self._stop.set()
        with self._changed:
            os.eventfd_write(self._wake, 1)
        self._stage.join()
        with self._changed:
            self._is_closed = True
            os.close(self._wake)

    def _run_once(self) -> None:
        """One connection, or one attempt at it."""
        began_s = time.monotonic()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
            if self._connect(sock):
                try:
                    self._converse(sock)
                except (OSError, LinkError) as exc:
                    _log.warning("link broken", path=self._name, problem=str(exc))
                finally:
                    self._part()
        # A server that turns us away each time must not be hammered, one that was restarted is asked at once.
        if time.monotonic() - began_s > _LAST_RETRY_S:
            self._retry_s = _FIRST_RETRY_S
        self._stop.wait(self._retry_s)
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)

    def _connect(self, sock: socket.socket) -> bool:
        try:
            sock.connect(self._address)
        except OSError:
            # Its absence is normal while it restarts; the supervisor tells of that, and each retry would say it again.
            with self._changed:
                self._is_refused = True
                self._changed.notify_all()
            return False
        with self._changed:
            self._is_refused = False
            self._is_connected = True
            self._head, self._sent_of_head = self._hello + encode_tally(self._pending.done), 0
        _log.info("link open", path=self._name)
        return True

    def _part(self) -> None:
        with self._changed:
            self._is_connected = False
            is_given_up = self._pending.rewind()
        if is_given_up:
            _log.error("notice given up: the link broke at it each time", path=self._name, tries=_MAX_TRIES)
        if not self._stop.is_set():
            _log.info("link lost", path=self._name)

    def _converse(self, sock: socket.socket) -> None:
        """Read and write until the other side or `close` ends it."""
        if self._on_connect is not None:
            self._on_connect()
        reader = FrameReader()
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while not self._stop.is_set():
            is_written = self._write(sock)
            poll.register(sock, select.POLLIN if is_written else select.POLLIN | select.POLLOUT)
            for fd, events in poll.poll():
                if fd == self._wake:
                    os.eventfd_read(self._wake)
                elif events & ~select.POLLOUT and not self._read(sock, reader):
                    return

    def _write(self, sock: socket.socket) -> bool:
        """Write what the socket takes; whether that was all."""
        while True:
            if self._head is None:
                with self._changed:
                    self._head, self._sent_of_head = self._pending.begin_next(), 0
                if self._head is None:
                    return True
            try:
                self._sent_of_head += sock.send(memoryview(self._head)[self._sent_of_head :])
            except BlockingIOError:
                return False
            if self._sent_of_head == len(self._head):
                self._head = None

    def _read(self, sock: socket.socket, reader: FrameReader) -> bool:
        """False when the other side hung up."""
        data = sock.recv(READ_BYTES)
        for frame in reader.feed(data):
            if isinstance(frame, Tally):
                with self._changed:
                    self._pending.confirm(frame.number)
                    self._changed.notify_all()
            elif self._on_notice is not None:
                self._on_notice(frame.notice, frame.payload)
        return bool(data)
