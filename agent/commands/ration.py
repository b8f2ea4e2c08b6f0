"""How often something may be said when an attacker decides how often it happens: a token bucket that counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.units import NS_PER_S


@dataclass(slots=True)
class Ration:
    """At most `burst` at once and one more each `every_s`; the rest is counted in `withheld` until `settle`."""

    burst: int
    every_s: float
    withheld: int = 0
    _left: float = field(init=False)
    _last_mono_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._left = self.burst

    def take(self, mono_ns: int) -> bool:
        """Whether it may be said now; if not, it is counted."""
        if not self._is_left(mono_ns):
            self.withheld += 1
            return False
        self._left -= 1
        return True

    def settle(self, mono_ns: int) -> int:
        """How many were withheld, when there are any and it may be said now; they are forgotten then. Otherwise 0."""
        if not self.withheld or not self._is_left(mono_ns):
            return 0
        self._left -= 1
        count, self.withheld = self.withheld, 0
        return count

    def _is_left(self, mono_ns: int) -> bool:
        if self._last_mono_ns is not None:
            gained = (mono_ns - self._last_mono_ns) / NS_PER_S / self.every_s
            self._left = min(float(self.burst), self._left + max(gained, 0.0))
        self._last_mono_ns = mono_ns
        return self._left >= 1
