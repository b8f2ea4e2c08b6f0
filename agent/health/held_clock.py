"""A clock that remembers that it was good: what every process labels its footage and its messages with."""

from __future__ import annotations

from agent.clock import Clock, ClockQuality, ClockStatus
from agent.health.holdover import Holdover


class HeldClock:
    """A Clock. Safe from any thread; asked at least once an hour it misses nothing that matters (Holdover)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holdover = Holdover()

    def wall_ns(self) -> int:
        return self._clock.wall_ns()

    def mono_ns(self) -> int:
        return self._clock.mono_ns()

    def status(self) -> ClockStatus:
        judged = self._holdover.judge(self._clock.status().error_s, self._clock.mono_ns())
        return ClockStatus(ClockQuality(judged.quality), judged.error_s)
