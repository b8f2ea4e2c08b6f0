"""Packets from a camera to vision: never blocks the camera, never cuts within a GOP, replays the newest GOP.

A CSI camera's small pictures go the same way: each stands alone, and is dropped rather than waited for.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent import log
from agent.link_frame import encode_frame, socket_address
from agent.notices import Hello, LoresFrame, StreamStarted, VideoPacket

# Architecture: a camera keeps its current GOP up to this size. A 2 s GOP at 16 Mbit/s is 4 MB.
MAX_GOP_BYTES: Final = 16 * 1024 * 1024
# What may wait for a slow receiver beyond the socket's own buffer before packets are dropped to the next IDR.
_MAX_WAITING_BYTES: Final = MAX_GOP_BYTES
# Debian caps a Unix socket's buffer at 208 kB (net.core.wmem_max) whatever is asked; a larger system gives more.
_SEND_BUFFER_BYTES: Final = 4 * 1024 * 1024
_RETRY_S: Final = 0.25

_log = log.get("packet_sender")


class PacketSender:
    """One stream's packets, from one thread at a time.

    All sending happens within `offer`, so a packet that did not fit goes out with the next one. A connection is tried
    at most each 0.25 s: on a Unix socket it is made or refused at once. It begins with the kept GOP. `dropped` counts
    the packets that vision never got and never will.
    """

    def __init__(self, path: Path, hello: Hello, *, buffer_bytes: int = _SEND_BUFFER_BYTES) -> None:
        self._name = path.name
        self._address = socket_address(path)
        self._hello = encode_frame(hello)
        self._buffer_bytes = buffer_bytes
        self._started = b""
        self._gop: list[bytes] = []
        self._gop_bytes = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent_of_head = 0
        self._needs_idr = True
        self._sock: socket.socket | None = None
        self._retry_mono_s = 0.0
        # Packets of the kept GOP that no connection took; the next connection may still replay them.
        self._unseen = 0
        self.dropped = 0

    @property
    def is_connected(self) -> bool:
        return self._sock is not None

    def start_stream(self, notice: StreamStarted, extradata: bytes) -> None:
        """A run begins: what was kept of the last one is forgotten."""
        self.start_frame(encode_frame(notice, extradata))

    def start_frame(self, started: bytes) -> None:
        """The same, encoded already."""
        self._started = started
        self._forget_gop()
        self._needs_idr = True
        if self._sock is not None:
            self._enqueue(self._started)
            self._flush()

    def offer(self, packet: VideoPacket, data: bytes) -> bool:
        """Send or drop one packet; whether it will reach vision if vision goes on reading. Never blocks."""
        return self.offer_frame(encode_frame(packet, data), is_idr=packet.is_idr)

    def offer_frame(self, frame: bytes, *, is_idr: bool) -> bool:
        """The same, encoded already."""
        self._keep(frame, is_idr=is_idr)
        has_room = self._flush()
        if self._sock is None and not self._connect():
            self._unseen += 1
            return False
        if is_idr:
            self._skip_to_newest()
        is_taken = self._accepts(is_idr, len(frame))
        if is_taken:
            self._enqueue(frame)
        else:
            self.dropped += 1
        self._needs_idr = not is_taken
        if has_room:
            self._flush()
        return is_taken

    def offer_picture(self, picture: LoresFrame, planes: bytes) -> bool:
        """Send or drop one picture; it is dropped while anything from before still waits. Never blocks."""
        has_room = self._flush()
        if not has_room or (self._sock is None and not self._connect()):
            self.dropped += 1
            return False
        self._enqueue(encode_frame(picture, planes))
        self._flush()
        return True

    def pump(self) -> None:
        """Write what the socket takes by now: a picture is larger than its buffer."""
        self._flush()

    def close(self) -> None:
        self._hang_up()

    def _keep(self, frame: bytes, *, is_idr: bool) -> None:
        if is_idr:
            self._forget_gop()
        elif not self._gop or self._gop_bytes + len(frame) > MAX_GOP_BYTES:
            self._forget_gop()
            return
        self._gop.append(frame)
        self._gop_bytes += len(frame)

    def _forget_gop(self) -> None:
        self._gop, self._gop_bytes = [], 0
        self.dropped += self._unseen
        self._unseen = 0

    def _accepts(self, is_idr: bool, size_bytes: int) -> bool:
        if self._needs_idr and not is_idr:
            return False
        return self._waiting_bytes + size_bytes <= _MAX_WAITING_BYTES

    def _connect(self) -> bool:
        """Whether there is a connection now; then the kept GOP is on its way, all but the packet at hand."""
        now_s = time.monotonic()
        if now_s < self._retry_mono_s:
            return False
        self._retry_mono_s = now_s + _RETRY_S
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer_bytes)
            sock.connect(self._address)
        except OSError:
            # Its absence is normal while it restarts; the supervisor tells of that, and each retry would say it again.
            sock.close()
            return False
        self._sock = sock
        # The packet at hand is the last of the kept GOP; `offer` adds it.
        for frame in (self._hello, self._started, *self._gop[:-1]):
            self._enqueue(frame)
        self._needs_idr = not self._gop
        if not self._gop:
            self.dropped += self._unseen
        self._unseen = 0
        return True

    def _enqueue(self, frame: bytes) -> None:
        if frame:
            self._waiting.append(frame)
            self._waiting_bytes += len(frame)

    def _skip_to_newest(self) -> None:
        """A new IDR makes older packets that wait worthless: drop them, but for one that is half sent."""
        if not self._waiting:
            return
        keep: deque[bytes] = deque()
        if self._sent_of_head:
            keep.append(self._waiting.popleft())
        for frame in self._waiting:
            if frame in (self._hello, self._started):
                keep.append(frame)
            else:
                self.dropped += 1
        self._waiting = keep
        self._waiting_bytes = sum(map(len, keep))

    def _flush(self) -> bool:
        """Write what the socket takes; whether nothing waits."""
        if self._sock is None:
            return True
        try:
            while self._waiting:
                head = self._waiting[0]
                self._sent_of_head += self._sock.send(memoryview(head)[self._sent_of_head :])
                if self._sent_of_head < len(head):
                    return False
                self._waiting.popleft()
                self._waiting_bytes -= len(head)
                self._sent_of_head = 0
        except BlockingIOError:
            return False
        except OSError as exc:
            _log.info("vision lost", path=self._name, problem=str(exc))
            self._hang_up()
        return True

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._unseen += sum(frame not in (self._hello, self._started) for frame in self._waiting)
        self._waiting.clear()
        self._waiting_bytes = self._sent_of_head = 0
        self._needs_idr = True


class PacketFan:
    """Several receivers of one stream, which share each packet and the kept GOP. Otherwise as a PacketSender."""

    def __init__(self, senders: Sequence[PacketSender]) -> None:
        self._senders = tuple(senders)

    @property
    def dropped(self) -> int:
        return sum(sender.dropped for sender in self._senders)

    def start_stream(self, notice: StreamStarted, extradata: bytes) -> None:
        started = encode_frame(notice, extradata)
        for sender in self._senders:
            sender.start_frame(started)

    def offer(self, packet: VideoPacket, data: bytes) -> bool:
        """Whether all will have it."""
        frame = encode_frame(packet, data)
        # A list, because each is to be offered it, whatever became of it at the one before.
        taken = [sender.offer_frame(frame, is_idr=packet.is_idr) for sender in self._senders]
        return all(taken)

    def offer_picture(self, picture: LoresFrame, planes: bytes) -> bool:
        taken = [sender.offer_picture(picture, planes) for sender in self._senders]
        return all(taken)

    def pump(self) -> None:
        for sender in self._senders:
            sender.pump()

    def close(self) -> None:
        for sender in self._senders:
            sender.close()
