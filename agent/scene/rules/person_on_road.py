"""Somebody on foot is where vehicles drive. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.contract.events import IncidentKind
from agent.scene.grammar import PersonOnRoad
from agent.scene.measures import ZoneStays
from agent.scene.moment import PEOPLE, Hit, Moment
from agent.scene.riders import on_foot
from agent.scene.travel import Travels
from agent.scene.zone import Point

# Stepping behind a car and out again is one crossing of the road.
_LEAVE_S = 1.0


class PersonOnRoadRule:
    """See `agent.scene.grammar.PersonOnRoad` for what it means and what it does not."""

    kind = IncidentKind.PERSON_ON_ROAD

    def __init__(self, settings: PersonOnRoad, polygon: Sequence[Point], *, aspect: float) -> None:
        self._after_s = settings.after_s
        self._travels = Travels(PEOPLE, aspect=aspect)
        self._stays = ZoneStays(polygon, PEOPLE, leave_s=_LEAVE_S)

    def update(self, moment: Moment) -> list[Hit]:
        self._travels.update(moment)
        self._stays.update(replace(moment, sightings=on_foot(moment, self._travels)))
        return self._stays.hits(moment.media_ns, after_s=self._after_s)
