"""Answers on their way to requesters: in memory, because a job's final answer also stands in the command journal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.contract.commands import ANSWER_EXPIRY_S
from agent.messaging.broker import Publication
from agent.units import NS_PER_S

# At 64 KiB each this is 64 MiB at worst, in practice below one; a requester asks again by the same jti.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    payload: bytes
    born_mono_ns: int


class Answers:
    """On one thread. Bounded: the oldest make room, and `dropped` counts them and those that got too old."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._on_wire: dict[int, _Waiting] = {}
        self.dropped = 0

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._on_wire

    def add(self, topic: str, payload: bytes, mono_ns: int) -> None:
        if len(self._waiting) >= _MOST:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(_Waiting(topic, payload, mono_ns))

    def next(self, mono_ns: int) -> Publication | None:
        """The oldest that is still worth sending, with what is left of its hour. `sent` or `recall` follows."""
        while self._waiting:
            left_s = ANSWER_EXPIRY_S - (mono_ns - self._waiting[0].born_mono_ns) // NS_PER_S
            if left_s > 0:
                return Publication(self._waiting[0].topic, self._waiting[0].payload, expiry_s=left_s)
            self._waiting.popleft()
            self.dropped += 1
        return None

    def sent(self, token: int) -> None:
        """The one that `next` gave is on the wire under this token."""
        self._on_wire[token] = self._waiting.popleft()

    def settle(self, token: int) -> bool:
        """The broker answered; false when the token is not of an answer."""
        return self._on_wire.pop(token, None) is not None

    def recall(self) -> None:
        """The connection is gone: what it did not confirm is sent again, first."""
        self._waiting.extendleft(reversed(self._on_wire.values()))
        self._on_wire.clear()
