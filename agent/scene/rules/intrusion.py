"""Somebody is where nobody should be. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.contract.events import IncidentKind
from agent.scene.grammar import Intrusion
from agent.scene.measures import ZoneStays
from agent.scene.moment import PEOPLE, VEHICLES, Hit, Moment
from agent.scene.zone import Point

# Out for a second is out: the incident itself stays open for longer (agent.scene.incident).
_LEAVE_S = 1.0
# Who comes walks. A post that was there when the view began looks a little like a person for ever (seen: 0.53).
_STILL_SCORE = 0.6


class IntrusionRule:
    """See `agent.scene.grammar.Intrusion` for what it means and what it does not."""

    kind = IncidentKind.INTRUSION

    def __init__(self, settings: Intrusion, polygon: Sequence[Point]) -> None:
        self._after_s = settings.after_s
        labels = PEOPLE | VEHICLES if settings.vehicles else PEOPLE
        self._stays = ZoneStays(polygon, labels, leave_s=_LEAVE_S)

    def update(self, moment: Moment) -> list[Hit]:
        self._stays.update(moment)
        return self._stays.hits(moment.media_ns, after_s=self._after_s, still_score=_STILL_SCORE)
