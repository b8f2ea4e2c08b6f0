"""What the two processes that look on for a while have in common: `push` and `eye`, one a camera, begun by the node.

The camera sends them its packets as it does to vision. Orders come by stdin, answers leave by stdout, both as frames of
agent.link_frame; when stdin ends, because the node let go or died, they end.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent.link_frame import READ_BYTES, Frame, FrameReader, encode_frame
from agent.link_server import LinkServer, Peer
from agent.notices import Notice, StreamStarted, VideoPacket
from agent.packet_sender import MAX_GOP_BYTES

OnPacket = Callable[[StreamStarted | VideoPacket, bytes], None]


class OnlookerKind(StrEnum):
    """`push` has a line to the outside and decodes nothing; `eye` decodes and has no line, no file and no key."""

    PUSH = "push"
    EYE = "eye"


def onlooker_socket(runtime_dir: Path, kind: OnlookerKind, camera: str) -> Path:
    return runtime_dir / f"{kind.value}-{camera}.sock"


@dataclass(frozen=True, slots=True)
class KeptPacket:
    notice: VideoPacket
    data: bytes


@dataclass(frozen=True, slots=True)
class Gop:
    """A run's start and its packets from an IDR on."""

    started: StreamStarted
    extradata: bytes
    packets: tuple[KeptPacket, ...]


class NewestGop:
    """What came since the newest IDR. Safe from any thread."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._start: tuple[StreamStarted, bytes] | None = None
        self._packets: list[KeptPacket] = []
        self._bytes = 0

    def take(self, notice: StreamStarted | VideoPacket, payload: bytes) -> None:
        with self._news:
            if isinstance(notice, StreamStarted):
                self._start, self._packets, self._bytes = (notice, payload), [], 0
                return
            if notice.is_idr:
                self._packets, self._bytes = [], 0
            elif not self._packets:
                return
            # Of a GOP that is larger than any camera's, the beginning is shown until the next IDR.
            if self._bytes + len(payload) <= MAX_GOP_BYTES:
                self._packets.append(KeptPacket(notice, payload))
                self._bytes += len(payload)
            self._news.notify_all()

    def wait(self, timeout_s: float) -> Gop | None:
        """What there is to show, None when no IDR came in time."""
        with self._news:
            self._news.wait_for(lambda: bool(self._start and self._packets), timeout_s)
            if self._start is None or not self._packets:
                return None
            return Gop(*self._start, tuple(self._packets))


class Packets:
    """Listens to the camera from construction to `close`; `on_packet` runs on the link's thread."""

    def __init__(self, path: Path, camera: str, on_packet: OnPacket) -> None:
        self._camera = camera
        self._on_packet = on_packet
        self._server = LinkServer(path, on_notice=self._on_notice)

    def close(self) -> None:
        self._server.close()

    def _on_notice(self, _peer: Peer, notice: Notice, payload: bytes) -> None:
        if isinstance(notice, StreamStarted | VideoPacket) and notice.camera == self._camera:
            self._on_packet(notice, payload)


class Orders:
    """stdin and stdout. `read` blocks on one thread; `tell` is for any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()

    def read(self, on_order: Callable[[Notice], None]) -> None:
        """Hand each order on until the node lets go. Raises LinkError for what is no frame."""
        reader = FrameReader()
        while data := os.read(self._in, READ_BYTES):
            for frame in reader.feed(data):
                if isinstance(frame, Frame):
                    on_order(frame.notice)

    def tell(self, notice: Notice, payload: bytes = b"") -> None:
        """A node that is gone is told nothing: `read` ends then."""
        with self._lock:
            left = memoryview(encode_frame(notice, payload))
            try:
                while left:
                    left = left[os.write(self._out, left) :]
            except BrokenPipeError:
                return
