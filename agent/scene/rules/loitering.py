"""Somebody stays. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.contract.events import IncidentKind
from agent.scene.grammar import Loitering
from agent.scene.measures import ZoneStays
from agent.scene.moment import PEOPLE, Hit, Moment
from agent.scene.zone import Point

# Stepping out for some seconds and back is one stay; time outside does not count towards it.
_LEAVE_S = 5.0


class LoiteringRule:
    """See `agent.scene.grammar.Loitering` for what it means and what it does not."""

    kind = IncidentKind.LOITERING

    def __init__(self, settings: Loitering, polygon: Sequence[Point]) -> None:
        self._after_s = settings.after_s
        self._stays = ZoneStays(polygon, PEOPLE, leave_s=_LEAVE_S)

    def update(self, moment: Moment) -> list[Hit]:
        self._stays.update(moment)
        return self._stays.hits(moment.media_ns, after_s=self._after_s)
