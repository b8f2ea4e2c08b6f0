"""What the wall clock is worth now, also after its source of time has gone. Pure.

The kernel's bound grows by 500 ppm from the last word of chrony or timesyncd (kernel/time/ntp.c, MAXFREQ: the most that
a clock may be off), and after 16 s of it, nine hours later, the kernel calls the clock unsynchronised. It is as good as
the same bound says all the same, which is what holdover means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agent.units import NS_PER_S

# chrony asks at least every 1024 s and timesyncd every 2048 s, in which the kernel's bound grows by a second: a clock
# with a much wider one has lost its source.
_ASKED_ERROR_S: Final = 2.0
# As the kernel goes on counting, so do we.
_DRIFT_RATIO: Final = 500e-6


@dataclass(frozen=True, slots=True)
class ClockJudgement:
    """`error_s` bounds the clock's error, None when nothing vouches for it; `since_s`: how long without a source."""

    quality: Literal["synced", "holdover", "unsynced"]
    error_s: float | None
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Vouched:
    error_s: float
    mono_ns: int
    good_mono_ns: int


class Holdover:
    """Remembers when the clock was last good, for as long as this process lives. Readings are replaced whole, so that
    any thread may ask; asked at least once an hour it misses nothing that matters."""

    def __init__(self) -> None:
        self._vouched: _Vouched | None = None

    def judge(self, error_s: float | None, mono_ns: int) -> ClockJudgement:
        """`error_s`: the kernel's bound now, None while it calls the clock unsynchronised."""
        before = self._vouched
        if error_s is not None and error_s <= _ASKED_ERROR_S:
            self._vouched = _Vouched(error_s, mono_ns, mono_ns)
            return ClockJudgement("synced", error_s)
        if error_s is not None:
            # The kernel still counts; when the source went is what it has counted since.
            gone_ns = int(error_s / _DRIFT_RATIO * NS_PER_S)
            good_ns = before.good_mono_ns if before is not None else mono_ns - gone_ns
            self._vouched = _Vouched(error_s, mono_ns, good_ns)
            return ClockJudgement("holdover", error_s, _since_s(good_ns, mono_ns))
        if before is None:
            return ClockJudgement("unsynced", None)
        bound_s = before.error_s + (mono_ns - before.mono_ns) / NS_PER_S * _DRIFT_RATIO
        return ClockJudgement("holdover", bound_s, _since_s(before.good_mono_ns, mono_ns))


def _since_s(good_mono_ns: int, mono_ns: int) -> float:
    return round(max(0.0, (mono_ns - good_mono_ns) / NS_PER_S), 3)
