"""Packets from a camera to vision: never blocks the camera, never cuts within a GOP, replays the newest GOP."""

from __future__ import annotations

import socket
import time
from collections import deque
from pathlib import Path
from typing import Final

from agent import log
from agent.link import SEND_BUFFER_BYTES, encode_frame
from agent.notices import Hello, StreamStarted, VideoPacket

# Architecture: a camera keeps its current GOP up to this size. A 2 s GOP at 16 Mbit/s is 4 MB.
MAX_GOP_BYTES: Final = 16 * 1024 * 1024
# What may wait for a slow receiver beyond the socket's own buffer before packets are dropped to the next IDR.
_MAX_WAITING_BYTES: Final = MAX_GOP_BYTES
_RETRY_S: Final = 0.25

_log = log.get("packet_sender")


class PacketSender:
    """Owned by one capture thread. A connection is tried at most each 0.25 s: on a Unix socket it is made or refused at
    once. `dropped` counts packets that vision never got."""

    def __init__(self, path: Path, hello: Hello) -> None:
        self._path = path
        self._hello = encode_frame(hello)
        self._started = b""
        self._gop: list[bytes] = []
        self._gop_bytes = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent_of_head = 0
        self._needs_idr = True
        self._sock: socket.socket | None = None
        self._retry_mono_s = 0.0
        self.dropped = 0

    @property
    def is_connected(self) -> bool:
        return self._sock is not None

    def start_stream(self, notice: StreamStarted, extradata: bytes) -> None:
        """A run begins: what was kept of the last one is forgotten."""
        self._started = encode_frame(notice, extradata)
        self._gop, self._gop_bytes, self._needs_idr = [], 0, True
        if self._sock is not None:
            self._enqueue(self._started)
            self._flush()

    def offer(self, packet: VideoPacket, data: bytes) -> bool:
        """Send or drop one packet; whether it will reach vision if vision goes on reading. Never blocks."""
        frame = encode_frame(packet, data)
        self._keep(frame, is_idr=packet.is_idr)
        if self._sock is None and not self._connect():
            return False
        if packet.is_idr:
            self._skip_to_newest()
        is_taken = self._accepts(packet.is_idr, len(frame))
        if is_taken:
            self._enqueue(frame)
        else:
            self.dropped += 1
        self._needs_idr = not is_taken
        self._flush()
        return is_taken

    def close(self) -> None:
        self._hang_up()

    def _keep(self, frame: bytes, *, is_idr: bool) -> None:
        if is_idr:
            self._gop, self._gop_bytes = [frame], len(frame)
        elif self._gop and self._gop_bytes + len(frame) <= MAX_GOP_BYTES:
            self._gop.append(frame)
            self._gop_bytes += len(frame)
        else:
            self._gop, self._gop_bytes = [], 0

    def _accepts(self, is_idr: bool, size_bytes: int) -> bool:
        if self._needs_idr and not is_idr:
            return False
        return self._waiting_bytes + size_bytes <= _MAX_WAITING_BYTES

    def _connect(self) -> bool:
        """True when connected and the kept GOP, with the newest packet, is on its way: nothing more is to be sent."""
        now_s = time.monotonic()
        if now_s < self._retry_mono_s:
            return False
        self._retry_mono_s = now_s + _RETRY_S
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.connect(str(self._path))
        except OSError:
            sock.close()
            return False
        self._sock = sock
        self._waiting.clear()
        self._waiting_bytes = self._sent_of_head = 0
        # The newest packet is the last of the kept GOP, so all but it are queued here and `offer` adds it.
        for frame in (self._hello, self._started, *self._gop[:-1]):
            self._enqueue(frame)
        self._needs_idr = not self._gop
        return True

    def _enqueue(self, frame: bytes) -> None:
        if frame:
            self._waiting.append(frame)
            self._waiting_bytes += len(frame)

    def _skip_to_newest(self) -> None:
        """A new IDR makes older packets that wait worthless: drop them, but for one that is half sent."""
        keep: deque[bytes] = deque()
        while self._waiting:
            frame = self._waiting.popleft()
            is_begun = self._sent_of_head and not keep
            if is_begun or frame in (self._hello, self._started):
                keep.append(frame)
            else:
                self.dropped += 1
        self._waiting = keep
        self._waiting_bytes = sum(map(len, keep))

    def _flush(self) -> None:
        if self._sock is None:
            return
        try:
            while self._waiting:
                head = self._waiting[0]
                self._sent_of_head += self._sock.send(memoryview(head)[self._sent_of_head :])
                if self._sent_of_head < len(head):
                    return
                self._waiting.popleft()
                self._waiting_bytes -= len(head)
                self._sent_of_head = 0
        except BlockingIOError:
            return
        except OSError as exc:
            _log.info("vision lost", path=self._path.name, problem=str(exc))
            self._hang_up()

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._waiting.clear()
        self._waiting_bytes = self._sent_of_head = 0
        self._needs_idr = True
