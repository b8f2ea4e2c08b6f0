"""Frames on the runtime's Unix sockets, and the client that never loses a notice.

A frame is a u32 big-endian header length, a u32 payload length, the msgpack header (a notice) and the payload.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.errors import LinkError
from agent.notices import Hello, Notice, decode_notice, encode_notice

# A notice is small; what is larger is not ours. The payload bound is twice the largest GOP that is replayed.
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_PAYLOAD_BYTES: Final = 32 * 1024 * 1024
_LENGTHS = struct.Struct(">II")
_READ_BYTES: Final = 256 * 1024
# The other side of a runtime socket is on this machine: it is there within a second, or it is being restarted.
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 1.0
# Debian caps a Unix socket's buffer at 208 kB (net.core.wmem_max) whatever is asked; a larger system gives more.
SEND_BUFFER_BYTES: Final = 4 * 1024 * 1024

_log = log.get("link")


@dataclass(frozen=True, slots=True)
class Frame:
    notice: Notice
    payload: bytes


def encode_frame(notice: Notice, payload: bytes = b"") -> bytes:
    header = encode_notice(notice)
    return b"".join((_LENGTHS.pack(len(header), len(payload)), header, payload))


class FrameReader:
    """Cuts a byte stream into frames. Raises LinkError for what cannot be one; the peer is then closed."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every frame that is complete now."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _LENGTHS.size:
                header_bytes, payload_bytes = _LENGTHS.unpack_from(self._buffer, at)
                if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
                    raise LinkError(header_bytes=header_bytes, payload_bytes=payload_bytes)
                body = at + _LENGTHS.size
                end = body + header_bytes + payload_bytes
                if len(self._buffer) < end:
                    break
                header = bytes(self._buffer[body : body + header_bytes])
                payload = bytes(self._buffer[body + header_bytes : end])
                at = end
                yield Frame(_decode(header), payload)
        finally:
            del self._buffer[:at]


def _decode(header: bytes) -> Notice:
    try:
        return decode_notice(header)
    except msgspec.MsgspecError as exc:
        raise LinkError(problem=str(exc)) from exc


class LinkClient:
    """One process's end of a link: sends notices in order and never drops one while the process lives.

    `on_notice` and `on_connect` run on the client's own thread; what `on_connect` sends goes out after what waited. A frame that was cut by a lost connection is sent again whole, so the other side may see one twice.
    """

    def __init__(
        self,
        path: Path,
        hello: Hello,
        *,
        on_notice: Callable[[Notice, bytes], None] | None = None,
        on_connect: Callable[[], None] | None = None,
    ) -> None:
        self._path = path
        self._hello = encode_frame(hello)
        self._on_notice = on_notice
        self._on_connect = on_connect
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._drained = threading.Condition(self._lock)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop = threading.Event()
        self._is_connected = False
        self._thread = threading.Thread(target=self._run, name=f"link-{path.stem}")
        self._thread.start()

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def send(self, notice: Notice, payload: bytes = b"") -> None:
        """Queue a notice; never blocks and never drops."""
        frame = encode_frame(notice, payload)
        with self._lock:
            self._waiting.append(frame)
        os.eventfd_write(self._wake, 1)

    def close(self, *, drain_s: float = 1.0) -> None:
        """Wait up to `drain_s` for what is queued to be written, then end the thread."""
        with self._drained:
            self._drained.wait_for(lambda: not self._waiting or not self._is_connected, drain_s)
        self._stop.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._stop.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
                try:
                    sock.connect(str(self._path))
                except OSError:
                    self._stop.wait(retry_s)
                    retry_s = min(retry_s * 2, _LAST_RETRY_S)
                    continue
                retry_s = _FIRST_RETRY_S
                try:
                    self._converse(sock)
                except (OSError, LinkError) as exc:
                    _log.info("link lost", path=self._path.name, problem=str(exc))
                finally:
                    self._is_connected = False
        self._is_connected = False

    def _converse(self, sock: socket.socket) -> None:
        """Read and write until the other side or `close` ends it."""
        sock.setblocking(False)
        out: deque[bytes] = deque([self._hello])
        self._is_connected = True
        if self._on_connect is not None:
            self._on_connect()
        reader = FrameReader()
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        sent = 0
        while not self._stop.is_set():
            sent = self._write(sock, out, sent)
            poll.register(sock, select.POLLIN | (select.POLLOUT if out or self._waiting else 0))
            for fd, events in poll.poll():
                if fd == self._wake:
                    self._clear_wake()
                elif events & ~select.POLLOUT and not self._read(sock, reader):
                    return

    def _write(self, sock: socket.socket, greeting: deque[bytes], sent: int) -> int:
        """Write what the socket takes; returns how much of the frame at the head is gone."""
        while True:
            queue = greeting or self._waiting
            if not queue:
                return 0
            try:
                sent += sock.send(memoryview(queue[0])[sent:])
            except BlockingIOError:
                return sent
            if sent < len(queue[0]):
                return sent
            with self._drained:
                queue.popleft()
                if not queue:
                    self._drained.notify_all()
            sent = 0

    def _read(self, sock: socket.socket, reader: FrameReader) -> bool:
        data = sock.recv(_READ_BYTES)
        for frame in reader.feed(data):
            if self._on_notice is not None:
                self._on_notice(frame.notice, frame.payload)
        return bool(data)

    def _clear_wake(self) -> None:
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return
