"""When something periodic is due, without drift and without a burst after a pause. Pure."""

from __future__ import annotations

from agent.units import NS_PER_S


class Beat:
    """One use, one thread. Due at the first question, then once a period."""

    def __init__(self, period_s: float) -> None:
        self._period_ns = int(period_s * NS_PER_S)
        self._next_ns: int | None = None

    def is_due(self, mono_ns: int) -> bool:
        """Whether the beat falls now; a true answer uses it up. Beats missed meanwhile are one beat."""
        if self._next_ns is not None and mono_ns < self._next_ns:
            return False
        late_ns = 0 if self._next_ns is None else (mono_ns - self._next_ns) % self._period_ns
        self._next_ns = mono_ns - late_ns + self._period_ns
        return True

    def reset(self) -> None:
        """Due at the next question."""
        self._next_ns = None
