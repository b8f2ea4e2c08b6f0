"""Many people at one place. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from agent.contract.events import IncidentKind
from agent.scene.grammar import Crowd
from agent.scene.moment import PEOPLE, Hit, Moment, Sighting
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S

# In a throng people hide each other from one frame to the next: the count is the median of these seconds.
_STEADY_NS = 2 * NS_PER_S
# It is over when a fifth has gone; between the two it neither begins nor ends.
_STAY_SHARE = 0.8


class CrowdRule:
    """See `agent.scene.grammar.Crowd` for what it means and what it does not."""

    kind = IncidentKind.CROWD

    def __init__(self, settings: Crowd, polygon: Sequence[Point]) -> None:
        self._at_least = settings.at_least
        self._after_ns = int(settings.after_s * NS_PER_S)
        self._polygon = tuple(polygon)
        self._counts: deque[tuple[int, int]] = deque()
        self._since_ns: int | None = None

    def update(self, moment: Moment) -> list[Hit]:
        # Coasting tracks count: who is hidden for a moment has not left.
        inside = [one for one in moment.sightings if one.label in PEOPLE and contains(self._polygon, *one.box.foot)]
        self._counts.append((moment.media_ns, len(inside)))
        while moment.media_ns - self._counts[0][0] > _STEADY_NS:
            self._counts.popleft()
        steady = median(count for _, count in self._counts)
        if steady < (self._at_least if self._since_ns is None else _STAY_SHARE * self._at_least):
            self._since_ns = None
            return []
        if self._since_ns is None:
            self._since_ns = moment.media_ns
        if moment.media_ns - self._since_ns < self._after_ns:
            return []
        return [_hit(one, self._since_ns, moment.media_ns) for one in sorted(inside, key=lambda one: one.track_id)]


def _hit(sighting: Sighting, since_ns: int, media_ns: int) -> Hit:
    return Hit(
        track_id=sighting.track_id,
        label=sighting.label,
        box=sighting.box,
        score=sighting.score,
        since_ns=since_ns,
        last_ns=media_ns,
    )
