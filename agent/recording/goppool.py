"""The newest groups of pictures in memory: what a camera showed a moment ago, should it be wanted after all. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")


@dataclass(slots=True)
class _Gop(Generic[P]):
    start_wall_ns: int
    packets: list[P] = field(default_factory=list)
    bytes: int = 0


class GopPool(Generic[P]):
    """Whole GOPs that reach back `reach_ns` from the newest packet, as far as `max_bytes` hold them.

    `cut_short` counts the GOPs that memory had no room for although they were within reach.
    """

    def __init__(self, *, reach_ns: int, max_bytes: int) -> None:
        self._reach_ns = reach_ns
        self._max_bytes = max_bytes
        self._gops: deque[_Gop[P]] = deque()
        self.bytes = 0
        self.cut_short = 0

    def add(self, packet: P, *, wall_ns: int, size_bytes: int, is_idr: bool) -> None:
        """The next packet of the stream. What comes before the first IDR cannot be shown and is not kept."""
        if is_idr:
            self._gops.append(_Gop(wall_ns))
        elif not self._gops:
            return
        newest = self._gops[-1]
        newest.packets.append(packet)
        newest.bytes += size_bytes
        self.bytes += size_bytes
        # The oldest may go once the one after it reaches back far enough.
        while len(self._gops) > 1 and self._gops[1].start_wall_ns <= wall_ns - self._reach_ns:
            self._drop()
        while self.bytes > self._max_bytes and self._gops:
            self._drop()
            self.cut_short += 1

    def take(self, from_wall_ns: int) -> tuple[P, ...]:
        """Everything from the last IDR at or before this moment on, else all there is; the pool is empty then."""
        while len(self._gops) > 1 and self._gops[1].start_wall_ns <= from_wall_ns:
            self._drop()
        packets = tuple(packet for gop in self._gops for packet in gop.packets)
        self.clear()
        return packets

    def clear(self) -> None:
        self._gops.clear()
        self.bytes = 0

    def _drop(self) -> None:
        self.bytes -= self._gops.popleft().bytes
