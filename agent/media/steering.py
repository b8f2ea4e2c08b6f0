"""Holds a run's media time to the system clock: how far the two have parted, and when that cannot be made good. Pure.

A camera's crystal is off by some 50 ppm, which is 4 s a day; a run may last for weeks. A packet says when it was
filmed, its arrival says so too, but late: the least late of half a minute is taken at its word, as for the anchor
(ADR 7).
"""

from __future__ import annotations

from typing import Final

from agent.media.timeline import CLOCK_STEP_NS, Anchor, ClockStepped, RunBroken
from agent.units import NS_PER_MS, NS_PER_S

# Footage, time: the most that media time may be bent. The kernel allows its own clock the same (MAXFREQ).
MAX_STEER_RATIO: Final = 500e-6
# In half a minute some packet of every line came without waiting behind another.
_WINDOW_NS: Final = 30 * NS_PER_S
# Arrivals jitter by this much on a good line; steering after them would only make the frames' distances uneven.
_STILL_NS: Final = 20 * NS_PER_MS
# Product: footage is labelled within 1 s of the truth. Beyond 500 ppm steering cannot keep that, a new run can.
_MAX_PARTED_NS: Final = NS_PER_S


class TimesParted(RunBroken):
    """The camera's own clock runs away faster than 500 ppm, or its line has become that late."""

    summary = "the stream's time and the clock have parted"


class Steering:
    """One run's. `note` takes every packet, `judge` every IDR; media times are those that the run gave, steered."""

    def __init__(self, camera: str, anchor: Anchor) -> None:
        self._camera = camera
        self._anchor = anchor
        # Wall less monotonic time as this run's labels have it.
        self._followed_ns = anchor.wall_ns - anchor.mono_ns
        self._begun_ns = 0
        self._least_ns: int | None = None

    def note(self, media_ns: int, mono_ns: int) -> None:
        """A packet of this media time arrived."""
        late_ns = mono_ns - media_ns
        if self._least_ns is None or late_ns < self._least_ns:
            self._least_ns = late_ns

    def judge(self, media_ns: int, now: Anchor) -> int:
        """By how much to bend media time over the next `window_ns`; 0 mostly. Raises ClockStepped when the wall clock
        jumped against the monotonic one by more than steering will take up, TimesParted when the camera's did."""
        offset_ns = now.wall_ns - now.mono_ns
        step_ns = offset_ns - self._followed_ns
        if abs(step_ns) > CLOCK_STEP_NS:
            raise ClockStepped(camera=self._camera, step_s=round(step_ns / NS_PER_S, 3))
        past_ns = media_ns - self._begun_ns
        if past_ns < _WINDOW_NS or self._least_ns is None:
            return 0
        parted_ns = self._least_ns + offset_ns - self._anchor.wall_ns
        if abs(parted_ns) > _MAX_PARTED_NS:
            raise TimesParted(camera=self._camera, parted_s=round(parted_ns / NS_PER_S, 3))
        self._begun_ns, self._least_ns = media_ns, None
        most_ns = int(_WINDOW_NS * MAX_STEER_RATIO)
        self._followed_ns += _bounded(step_ns, int(past_ns * MAX_STEER_RATIO))
        return _bounded(parted_ns, most_ns) if abs(parted_ns) > _STILL_NS else 0

    def anchor_of(self, media_ns: int, now: Anchor, *, broken: RunBroken) -> Anchor:
        """Where the next run begins that takes over at this packet."""
        offset_ns = now.wall_ns - now.mono_ns
        wall_ns = self._anchor.wall_ns + media_ns
        if isinstance(broken, ClockStepped):
            # The same moment by the monotonic clock, which was not stepped: no frame moves against the others.
            wall_ns += offset_ns - self._followed_ns
        elif self._least_ns is not None:
            wall_ns = self._least_ns + media_ns + offset_ns
        return Anchor(wall_ns, wall_ns - offset_ns)

    @property
    def window_ns(self) -> int:
        return _WINDOW_NS


def _bounded(value: int, most: int) -> int:
    return max(-most, min(most, value))
