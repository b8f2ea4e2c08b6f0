"""A vehicle drives against the traffic. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.contract.events import IncidentKind
from agent.scene.grammar import WrongWay
from agent.scene.lanes import LaneField
from agent.scene.moment import SURE_SCORE, VEHICLES, Hit, Moment
from agent.scene.travel import Look, Travel, Travels, turn_deg
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S

# Two lengths of a car against the traffic: more than rolling back on a slope, or backing into a parking bay.
_LEAST_WAY_SIZES = 2.0
_LEAST_TIME_NS = NS_PER_S
# As far back as a heading is taken from: on a bend an older one says nothing of now.
_LOOK_BACK_NS = 3 * NS_PER_S
# Somebody who stops on the wrong side is still there.
_LINGER_NS = 3 * NS_PER_S


class WrongWayRule:
    """See `agent.scene.grammar.WrongWay` for what it means and what it does not."""

    kind = IncidentKind.WRONG_WAY

    def __init__(self, settings: WrongWay, polygon: Sequence[Point], *, aspect: float) -> None:
        self._settings = settings
        self._polygon = tuple(polygon)
        self._travels = Travels(VEHICLES, aspect=aspect)
        self._lanes = LaneField()
        self._against: dict[int, Hit] = {}

    def update(self, moment: Moment) -> list[Hit]:
        self._travels.update(moment)
        for track_id, travel in self._travels:
            if travel.last.media_ns == moment.media_ns:
                self._judge(track_id, travel, moment.media_ns)
                self._lanes.learn(track_id, travel)
        for track_id in [key for key, hit in self._against.items() if moment.media_ns - hit.last_ns > _LINGER_NS]:
            del self._against[track_id]
        return sorted(self._against.values(), key=lambda hit: (hit.since_ns, hit.track_id or 0))

    def _judge(self, track_id: int, travel: Travel, media_ns: int) -> None:
        inside = self._inside(travel)
        if not inside or media_ns - inside[0].media_ns < _LEAST_TIME_NS:
            return
        going = travel.going(max(inside[0].media_ns, media_ns - _LOOK_BACK_NS), media_ns)
        if going is None or going.way_sizes < _LEAST_WAY_SIZES:
            return
        allowed_deg = self._allowed_deg(inside)
        if allowed_deg is None or turn_deg(going.heading_deg, allowed_deg) <= self._settings.tolerance_deg:
            self._against.pop(track_id, None)
            return
        known = self._against.get(track_id)
        score = max(look.score for look in inside)
        if score < SURE_SCORE:
            return
        self._against[track_id] = Hit(
            track_id=track_id,
            label=travel.label,
            box=travel.last.box,
            score=score,
            since_ns=known.since_ns if known else inside[0].media_ns,
            last_ns=media_ns,
        )

    def _allowed_deg(self, inside: Sequence[Look]) -> float | None:
        """The scene's, else what was learned at the middle of the way: its ends may lie in another lane's cell."""
        if self._settings.heading_deg is not None:
            return self._settings.heading_deg
        return self._lanes.heading_deg(*inside[len(inside) // 2].box.foot)

    def _inside(self, travel: Travel) -> list[Look]:
        """The looks since it last came into the zone; none when it is outside."""
        looks: list[Look] = []
        for look in reversed(travel.looks):
            if not contains(self._polygon, *look.box.foot):
                break
            looks.append(look)
        return looks[::-1]
