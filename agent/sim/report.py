"""What a simulated fleet did, as numbers. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

# Issue 6: all back within 120 s of the broker's return, no second with more than 5 % of the fleet.
ALL_BACK_S: Final = 120.0
BUSIEST_SECOND: Final = 0.05


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`connected`: at the end. `received`: incidents stored by the centre, each counted once. `duplicates`: events that
    came again and were recognised. `born_s`: from the first start until the last node was connected. `reconnect_*`:
    from the broker's return. `busiest_second_ratio`: of the fleet, within any second of it. `settled_s`: from it until
    the centre had all. `simulator_late_s`: by how much a node was worked on too late in the return, at worst: near a
    second it was this machine that crowded the nodes, not their waits."""

    nodes: int
    connected: int
    incidents_made: int
    incidents_received: int
    incidents_lost: int
    duplicates: int
    reconnect_p99_s: float | None
    busiest_second_ratio: float | None
    born: int
    born_s: float
    reconnected: int
    reconnect_max_s: float | None
    settled_s: float
    spread_s: float
    outage_s: float
    simulator_late_s: float
    peak_rss_mb: int

    @property
    def is_good(self) -> bool:
        """Whether the fleet is whole, nothing is lost and the return was spread."""
        is_whole = self.born == self.reconnected == self.connected == self.nodes
        is_back = self.reconnect_max_s is not None and self.reconnect_max_s <= ALL_BACK_S
        is_spread = self.busiest_second_ratio is not None and self.busiest_second_ratio <= most_in_a_second(
            self.nodes, self.spread_s
        )
        return is_whole and is_back and is_spread and self.incidents_lost == 0


def most_in_a_second(nodes: int, spread_s: float) -> float:
    """The ratio that is too much: 5 %, or what chance alone brings to a fleet too small or a spread too short for it
    (4.5 standard deviations of a Poisson count)."""
    mean = nodes / max(1.0, spread_s)
    return max(BUSIEST_SECOND, (mean + 4.5 * math.sqrt(mean)) / nodes)


def busiest_second(times_s: Sequence[float]) -> int:
    """How many at most lie within one second, wherever it begins. `times_s` ascend."""
    return max((bisect_left(times_s, each + 1.0) - at for at, each in enumerate(times_s)), default=0)


def percentile(times_s: Sequence[float], ratio: float) -> float | None:
    """The smallest of these, which ascend, that `ratio` of them do not exceed; None of none."""
    return times_s[max(0, math.ceil(ratio * len(times_s)) - 1)] if times_s else None
