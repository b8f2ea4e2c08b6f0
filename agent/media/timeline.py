"""From a camera's time stamps to the media time of one run. Pure.

A run is one unbroken session: its ticks count from its first PTS, rise, and never leap. What breaks that ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from agent.errors import CameraError
from agent.units import NS_PER_S

# A leap of the stream's own clock beyond this is a camera that restarted its counter, not a pause.
MAX_LEAP_S: Final = 10
# Counters of 90 kHz in 33 bits (ISO/IEC 13818-1, every 26.5 h) and in 32 (RFC 3550) begin again at 0; that is no leap.
_WRAPS: Final = (1 << 33, 1 << 32)
# Wall against monotonic time (footage, time): a jump beyond this is a clock step and begins a new run. A camera whose
# own clock slips back by less is set right by NTP, hourly on some: its frames are squeezed together rather than a GOP
# lost.
CLOCK_STEP_NS: Final = NS_PER_S // 2


class RunBroken(CameraError):
    """The stream's clock leapt or ran backwards, or the wall clock was stepped; a new run begins at once."""

    summary = "the stream's time is broken"
    reason = "camera_stalled"


class ClockStepped(RunBroken):
    summary = "the wall clock was stepped"
    reason = "clock_step"


@dataclass(frozen=True, slots=True)
class Anchor:
    """When media time 0 of a run was, by both clocks."""

    wall_ns: int
    mono_ns: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """Ticks of the stream's time base since the run's first PTS; `media_ns` is `pts` in ns."""

    pts: int
    dts: int
    media_ns: int


class Timeline:
    """Stamps one run's packets in the order they came. Whole numbers only: fractions cost more than muxing."""

    def __init__(self, camera: str, time_base: Fraction, frame_duration: int) -> None:
        self._camera = camera
        self._time_base = time_base
        self._tick_ns_numerator = time_base.numerator * NS_PER_S
        self._max_leap = int(MAX_LEAP_S / time_base)
        self._max_slip = int(CLOCK_STEP_NS / (time_base * NS_PER_S))
        self._frame_duration = frame_duration
        self._origin: int | None = None
        # The stream's own DTS, unwrapped, and the one that was given out.
        self._last_raw = 0
        self._last_dts = 0
        self._wrapped = 0
        # Media time is bent by `_bent_ns`, and by a part of `_bend_ns` until it has been spread over `_bend_over_ns`.
        self._bent_ns = 0
        self._bend_ns = 0
        self._bend_over_ns = 1
        self._gained_ns = 0
        self._bend_from_ns = 0

    def stamp(self, pts: int | None, dts: int | None) -> Stamp:
        """Raises RunBroken when the time leapt. A missing DTS follows the last one, a missing PTS is the DTS."""
        shown = None if pts is None else pts + self._wrapped
        if self._origin is None:
            raw = dts if dts is not None else pts or 0
            self._origin = raw if pts is None else pts
            self._last_raw = raw - 1
            self._last_dts = raw - 1
        elif dts is None:
            raw = self._last_raw + self._frame_duration
        else:
            raw = dts + self._wrapped
        leap = raw - self._last_raw
        if leap > self._max_leap or leap < -self._max_slip:
            turned = self._turn(leap)
            raw, leap = raw + turned, leap + turned
            shown = None if shown is None else shown + turned
        if shown is not None and raw - shown > self._max_leap:
            # With B-frames the PTS begins again at 0 some frames before the DTS does.
            shown += next((wrap for wrap in _WRAPS if 0 <= shown + wrap - raw <= self._max_leap), 0)
        raw = max(raw, self._last_raw + 1)
        self._last_raw = raw
        bent = self._bent(raw)
        dts = max(raw + bent, self._last_dts + 1)
        self._last_dts = dts
        # No decoder shows a frame before it has it; a stream that says so is refused by the muxer.
        media = (dts if shown is None else max(shown + bent, dts)) - self._origin
        return Stamp(media, dts - self._origin, self._ns(media))

    def place(self, pts: int) -> int | None:
        """Media time of a picture that came beside the packets; None when it is older than the run."""
        if self._origin is None or pts + self._wrapped < self._origin:
            return None
        return self._ns(pts + self._wrapped - self._origin) + self._bent_ns + self._gained_ns

    def reach(self, at_ns: int) -> int | None:
        """Media time of a moment on the stream's own line, before the run's beginning negative; None before the first
        packet."""
        if self._origin is None:
            return None
        return at_ns + self._ns(self._wrapped - self._origin) + self._bent_ns + self._gained_ns

    def bend(self, by_ns: int, over_ns: int) -> None:
        """From here on let media time run ahead of the stream's own (or behind) until it has gained `by_ns`."""
        if self._origin is not None:
            self._bent(self._last_raw)
            self._bent_ns += self._gained_ns
            self._bend_from_ns = self._ns(self._last_raw - self._origin)
            self._bend_ns, self._bend_over_ns, self._gained_ns = by_ns, max(over_ns, 1), 0

    def _bent(self, raw: int) -> int:
        """The ticks by which this moment of the stream is moved."""
        if self._bend_ns and self._origin is not None:
            past_ns = min(self._ns(raw - self._origin) - self._bend_from_ns, self._bend_over_ns)
            self._gained_ns = self._bend_ns * past_ns // self._bend_over_ns
        return (self._bent_ns + self._gained_ns) * self._time_base.denominator // self._tick_ns_numerator

    def _turn(self, leap: int) -> int:
        """The turn of the stream's counter that makes this leap none. Raises RunBroken when no turn does."""
        for wrap in _WRAPS:
            for turned in (wrap, -wrap):
                if -self._max_slip <= leap + turned <= self._max_leap:
                    self._wrapped += turned
                    return turned
        raise RunBroken(camera=self._camera, leap_s=round(float(leap * self._time_base), 3))

    def _ns(self, ticks: int) -> int:
        return ticks * self._tick_ns_numerator // self._time_base.denominator


def first_stamps(following: Sequence[tuple[int | None, int | None]], frame_duration: int) -> tuple[int, int]:
    """PTS and DTS of a first IDR that came without, by those of the packets after it; 0 where they have none either.

    It is shown before the earliest of them, because nothing is shown before an IDR that comes first; and it is decoded
    as many frames before the first DTS as there are packets between. With B-frames the two differ.
    """
    unstamped = next((at for at, (pts, _) in enumerate(following) if pts is not None), 0) + 1
    earliest = min((pts for pts, _ in following if pts is not None), default=unstamped * frame_duration)
    pts = earliest - unstamped * frame_duration
    dts = next((dts - (at + 1) * frame_duration for at, (_, dts) in enumerate(following) if dts is not None), pts)
    return pts, min(dts, pts)
