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
        self._last_dts = 0

    def stamp(self, pts: int | None, dts: int | None) -> Stamp:
        """Raises RunBroken when the time leapt. A missing DTS follows the last one, a missing PTS is the DTS."""
        if self._origin is None:
            dts = dts if dts is not None else pts or 0
            self._origin = dts if pts is None else pts
            self._last_dts = dts - 1
        elif dts is None:
            dts = self._last_dts + self._frame_duration
        leap = dts - self._last_dts
        if leap > self._max_leap or leap < -self._max_slip:
            raise RunBroken(camera=self._camera, leap_s=round(float(leap * self._time_base), 3))
        dts = max(dts, self._last_dts + 1)
        self._last_dts = dts
        # No decoder shows a frame before it has it; a stream that says so is refused by the muxer.
        media = (dts if pts is None or pts < dts else pts) - self._origin
        return Stamp(media, dts - self._origin, media * self._tick_ns_numerator // self._time_base.denominator)

    def place(self, pts: int) -> int | None:
        """Media time of a picture that came beside the packets; None when it is older than the run."""
        if self._origin is None or pts < self._origin:
            return None
        return (pts - self._origin) * self._tick_ns_numerator // self._time_base.denominator


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


def check_clock(camera: str, *, now: Anchor, anchor: Anchor) -> None:
    """Raises ClockStepped when the wall clock moved against the monotonic one since the run's anchor."""
    step_ns = (now.wall_ns - anchor.wall_ns) - (now.mono_ns - anchor.mono_ns)
    if abs(step_ns) > CLOCK_STEP_NS:
        raise ClockStepped(camera=camera, step_s=round(step_ns / NS_PER_S, 3))
