"""How long the ring keeps footage, at the rate of the last day. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.units import DAY_S, NS_PER_S

# A rate from less would be a guess: the segment that is being written is not yet counted.
_LEAST_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Written:
    """Footage of the last day: its bytes, and since when (wall clock) there was any."""

    bytes: int
    since_wall_ns: int


@dataclass(frozen=True, slots=True)
class RingRoom:
    """What limits the ring: its own size, the disk's free space, and the days that are kept at most."""

    max_bytes: int
    min_free_bytes: int
    keep_days: int
    footage_bytes: int
    free_bytes: int


def forecast_days(written: Written | None, room: RingRoom, now_wall_ns: int) -> float | None:
    """None when less than ten minutes were seen; `keep_days` while there is room for them all."""
    if written is None or written.bytes <= 0:
        return None
    seen_s = (now_wall_ns - written.since_wall_ns) / NS_PER_S
    if seen_s < _LEAST_S:
        return None
    bytes_per_day = written.bytes / seen_s * DAY_S
    may_hold = min(room.max_bytes, room.footage_bytes + room.free_bytes - room.min_free_bytes)
    return round(min(max(0, may_hold) / bytes_per_day, float(room.keep_days)), 2)
