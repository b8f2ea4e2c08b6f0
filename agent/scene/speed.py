"""How fast tracks drive, in km/h, over the calibrated ground. Pure."""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean

from agent.scene.ground import Ground, GroundPoint
from agent.scene.moment import Moment
from agent.units import NS_PER_S

# Over this long a foot point's jitter of some decimetres is 1 km/h, and braking does not yet blur.
_WINDOW_NS = 3 * NS_PER_S // 2
_LEAST_NS = 6 * NS_PER_S // 10
_LEAST_LOOKS = 3
_FORGET_NS = 5 * NS_PER_S
# Nothing on a public road is faster; what seems to be went over to another object.
_FASTEST_KMH = 200.0
_KMH = 3.6

_Fix = tuple[int, GroundPoint]


class Speeds:
    """The speeds of the tracks of one camera. Without a ground there are none. One owner; fed every moment in order."""

    def __init__(self, ground: Ground | None) -> None:
        self._ground = ground
        self._fixes: dict[int, deque[_Fix]] = {}

    def update(self, moment: Moment) -> None:
        if self._ground is None:
            return
        for sighting in moment.sightings:
            point = self._ground.at(*sighting.box.foot) if sighting.is_seen else None
            if point is not None:
                fixes = self._fixes.setdefault(sighting.track_id, deque())
                fixes.append((moment.media_ns, point))
                while moment.media_ns - fixes[0][0] > _WINDOW_NS:
                    fixes.popleft()
        for track_id in [key for key, fixes in self._fixes.items() if moment.media_ns - fixes[-1][0] > _FORGET_NS]:
            del self._fixes[track_id]

    def kmh(self, track_id: int) -> float | None:
        """Over the last second and a half; None without a ground, or where too little was seen."""
        fixes = self._fixes.get(track_id)
        if fixes is None or len(fixes) < _LEAST_LOOKS or fixes[-1][0] - fixes[0][0] < _LEAST_NS:
            return None
        speed_kmh = (
            math.hypot(_slope([(at, p.x_m) for at, p in fixes]), _slope([(at, p.y_m) for at, p in fixes])) * _KMH
        )
        return speed_kmh if speed_kmh <= _FASTEST_KMH else None

    def place(self, track_id: int) -> GroundPoint | None:
        """Where it was seen last."""
        fixes = self._fixes.get(track_id)
        return fixes[-1][1] if fixes else None


def _slope(points: list[tuple[int, float]]) -> float:
    """Metres a second by least squares, so that a single bad box turns no car into a rocket."""
    seconds = [at / NS_PER_S for at, _ in points]
    mean_s, mean = fmean(seconds), fmean(value for _, value in points)
    spread = sum((at - mean_s) ** 2 for at in seconds)
    shared = sum((at - mean_s) * (value - mean) for at, (_, value) in zip(seconds, points, strict=True))
    return shared / spread
