"""How fast a clip leaves the node: alarms and answers travel on the same thin line, and go first.

Two bounds. A ceiling that somebody set; and without any setting, a sender that yields: it holds back while its own
packets queue in the line's buffer, as LEDBAT does (RFC 6817). What waits in that buffer delays every alarm behind it.
And a clip stands still while a sheet is sent, which somebody looks at to decide what to pull.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

# RFC 6817: no more than 100 ms of queue.
_TARGET_S: Final = 0.1
# One wait is no longer, for the measure is old by then.
_LONGEST_WAIT_S: Final = 1.0
# A sheet has 300 kB: 19 s at 128 kbit/s. One whose receiver is away holds nobody up for longer, and a clip's receiver
# hangs up after a minute without a byte.
_FIRST_S: Final = 20.0
_LOOK_S: Final = 0.1
# What the kernel may hold of ours that is not on its way yet: held back there, it would leave all the same.
_UNSENT_BYTES: Final = 1 << 15
# linux/tcp.h: TCP_NOTSENT_LOWAT; struct tcp_info has the smoothed and the least round trip, in microseconds, here.
_TCP_NOTSENT_LOWAT: Final = 25
_RTT_AT, _MIN_RTT_AT, _TCP_INFO_BYTES = 68, 148, 152


class StopSign(Protocol):
    """A threading.Event, or a command's own (agent.commands.running)."""

    def is_set(self) -> bool: ...

    def wait(self, timeout_s: float, /) -> bool: ...


class Precedence:
    """Who goes first of a node's uploads. Safe from any thread."""

    def __init__(self, limit_s: float = _FIRST_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._first = 0
        self._until_s = 0.0

    @property
    def is_taken(self) -> bool:
        return self._first > 0 and time.monotonic() < self._until_s

    @contextmanager
    def first(self) -> Iterator[None]:
        """While this lasts the others stand still, but not for longer than `limit_s`."""
        with self._lock:
            self._first += 1
            self._until_s = time.monotonic() + self._limit_s
        try:
            yield
        finally:
            with self._lock:
                self._first -= 1


class Pace:
    """Of one upload, over all its connections. One owner thread. ceiling_bytes_s: 0 is none. yields: off for what is
    small and waited for. behind: whom it lets go first."""

    def __init__(
        self, ceiling_bytes_s: int, stop: StopSign, *, yields: bool = True, behind: Precedence | None = None
    ) -> None:
        self._behind = behind
        self._ceiling_bytes_s = ceiling_bytes_s
        self._yields = yields
        self._stop = stop
        self._free_s = 0.0

    def paced(self, blocks: Iterator[bytes], sock: socket.socket) -> Iterator[bytes]:
        """The blocks as they may be sent; each is sent before the next is asked for."""
        _keep_little_unsent(sock)
        for block in blocks:
            yield block
            queue_s = queued_s(sock) if self._yields else 0.0
            wait_s = max(self._over_ceiling_s(len(block)), yielding_s(queue_s))
            if wait_s > 0 and self._stop.wait(wait_s):
                # Whoever reads the blocks ends for the same reason.
                continue
            self._let_go_first()

    def _let_go_first(self) -> None:
        while self._behind is not None and self._behind.is_taken and not self._stop.wait(_LOOK_S):
            pass

    def _over_ceiling_s(self, sent_bytes: int) -> float:
        """Until so much may have been sent since the last idle moment."""
        if not self._ceiling_bytes_s:
            return 0.0
        now_s = time.monotonic()
        self._free_s = max(self._free_s, now_s) + sent_bytes / self._ceiling_bytes_s
        return self._free_s - now_s


def yielding_s(queue_s: float) -> float:
    """How long to hold back when our packets queue for so long."""
    return min(max(queue_s - _TARGET_S, 0.0), _LONGEST_WAIT_S)


def queued_s(sock: socket.socket) -> float:
    """How much longer a round trip is now than at its best; 0 where the system does not tell."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except (OSError, AttributeError):
        return 0.0
    if len(info) < _TCP_INFO_BYTES:
        return 0.0
    (now_us,), (least_us,) = struct.unpack_from("=I", info, _RTT_AT), struct.unpack_from("=I", info, _MIN_RTT_AT)
    return float(max(now_us - least_us, 0)) / 1e6


def _keep_little_unsent(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    except OSError:
        # An old kernel, or no TCP: the clip goes, and yields later.
        return
