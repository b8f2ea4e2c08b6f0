"""Fire and smoke: what looks like it, flickers, and stays. The whole picture is watched, without a zone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

from agent.contract.events import IncidentKind
from agent.scene.incident import CLOSE_AFTER_NS
from agent.scene.moment import Hit, Moment
from agent.scene.wake import Wake
from agent.units import NS_PER_S
from agent.vision.flame_sight import Burning, FlameSight
from agent.vision.geometry import Box, intersection, union


@dataclass(frozen=True, slots=True)
class _Terms:
    """What it takes: looks that agree, over some time, their mean score, and how restless the place is. What is much
    more restless than that may look a little less like it; so may what has its witness beside it. Once told, it goes on
    with less of both."""

    kind: IncidentKind
    burning: Burning
    looks: int
    lasts_ns: int
    score: float
    flicker: float
    wild_score: float
    wild_flicker: float
    beside_score: float
    beside_flicker: float
    stay_score: float
    stay_flicker: float


# A flame that nobody watches grows within seconds, so three looks are waited for and no more. Lamps, vests and sunsets
# look like flames to the model; flames change by 9 to 14 levels from one analysed picture to the next, lamps by none,
# and glitter on water under a low sun by 4 to 9. Of 14 shared clips without fire none has a place that looks like one
# at all (0.3) and changes by 10.
_FIRE = _Terms(
    IncidentKind.FIRE,
    Burning.FIRE,
    looks=3,
    lasts_ns=NS_PER_S,
    score=0.65,
    flicker=8.0,
    wild_score=0.45,
    wild_flicker=10.0,
    # Small flames under smoke: it is told by now that something burns there, and where the flames are is the question.
    beside_score=0.35,
    beside_flicker=6.0,
    stay_score=0.35,
    stay_flicker=4.0,
)
# Steam, dust and clouds look like smoke and go: smoke stays at its place and moves all the time.
_SMOKE = _Terms(
    IncidentKind.SMOKE,
    Burning.SMOKE,
    looks=6,
    lasts_ns=3 * NS_PER_S,
    score=0.7,
    flicker=1.5,
    # Steam and clouds drift; what rolls like this is driven by heat.
    wild_score=0.6,
    wild_flicker=5.0,
    beside_score=0.7,
    beside_flicker=1.5,
    stay_score=0.5,
    stay_flicker=1.0,
)
# A place that was looked at this long ago without being seen again is forgotten.
_FORGET_NS = 4 * NS_PER_S
# Flames hide behind their own smoke; it is the same fire when they come out elsewhere while the incident is open.
_LIT_NS = CLOSE_AFTER_NS
# What of a place is covered by road users that are followed, from which on they are what is seen there; of people for
# a second longer.
_SOMEBODY = 0.3
_WORN = 0.7
# Of the picture: smoke that is new (seen: 0.08; a hand before the lens 0.3 to 0.5, a tree in a gale 0.24).
_LARGEST_SMOKE = 0.2
# Flames leap by about their own size from one look to the next.
_REACH = 1.0


@dataclass(slots=True)
class _Place:
    box: Box
    since_ns: int
    last_ns: int
    scores: list[float] = field(default_factory=list)
    flickers: list[float] = field(default_factory=list)


class BurningRule:
    """Fire or smoke. Places are followed from look to look; one that stays suspicious long enough is told.

    witness: the rule whose places make those beside them likelier; it is updated first.
    """

    def __init__(self, terms: _Terms, witness: BurningRule | None = None) -> None:
        self._terms = terms
        self._witness = witness
        self._places: list[_Place] = []
        self._told: list[Box] = []
        self._lit_ns: int | None = None
        self._wake = Wake()

    @property
    def kind(self) -> IncidentKind:
        return self._terms.kind

    def update(self, moment: Moment) -> list[Hit]:
        """Between two looks what was told last still holds."""
        now_ns = moment.media_ns
        self._wake.update(moment)
        for sight in moment.flames or ():
            if sight.kind is self._terms.burning and not self._is_something_else(sight, moment):
                self._take(sight, now_ns)
        self._places = [place for place in self._places if now_ns - place.last_ns <= _FORGET_NS]
        is_lit = self._lit_ns is not None and now_ns - self._lit_ns < _LIT_NS
        burning = [place for place in self._places if self._burns(place) or (is_lit and self._burns_on(place))]
        self._told = [place.box for place in burning]
        if burning:
            self._lit_ns = max(place.last_ns for place in burning)
        return [_hit(place) for place in sorted(burning, key=lambda each: each.since_ns)]

    def _is_something_else(self, sight: FlameSight, moment: Moment) -> bool:
        """Grey vehicles and people who gather roll like smoke; fog, a crown in a gale and a hand before the lens are
        larger than what begins to smoke. A red jacket flickers as its wearer walks, a red bin as people pass it; flames
        beside somebody, and on a vehicle, are believed."""
        if self._terms.burning is Burning.FIRE:
            return _covered(sight.box, self._wake.boxes()) >= _WORN * sight.box.area
        if sight.box.area > _LARGEST_SMOKE:
            return True
        return _covered(sight.box, (one.box for one in moment.sightings)) >= _SOMEBODY * sight.box.area

    def _take(self, sight: FlameSight, now_ns: int) -> None:
        for place in self._places:
            if _is_near(place.box, sight.box):
                if now_ns == place.last_ns:
                    # Another piece in the same look: a look says once how much a place burns.
                    place.box = union(place.box, sight.box)
                    place.scores[-1] = max(place.scores[-1], sight.score)
                    place.flickers[-1] = max(place.flickers[-1], sight.flicker)
                    return
                place.box, place.last_ns = sight.box, now_ns
                place.scores.append(sight.score)
                place.flickers.append(sight.flicker)
                del place.scores[: -self._terms.looks], place.flickers[: -self._terms.looks]
                return
        self._places.append(_Place(sight.box, now_ns, now_ns, [sight.score], [sight.flicker]))

    def _burns(self, place: _Place) -> bool:
        terms = self._terms
        score, flicker = fmean(place.scores), fmean(place.flickers)
        beside = self._witness._told if self._witness is not None else []
        return (
            len(place.scores) >= terms.looks
            and place.last_ns - place.since_ns >= terms.lasts_ns
            and (
                (score >= terms.score and flicker >= terms.flicker)
                or (score >= terms.wild_score and flicker >= terms.wild_flicker)
                or (
                    score >= terms.beside_score
                    and flicker >= terms.beside_flicker
                    and any(_is_near(place.box, box) for box in beside)
                )
            )
        )

    def _burns_on(self, place: _Place) -> bool:
        return fmean(place.scores) >= self._terms.stay_score and fmean(place.flickers) >= self._terms.stay_flicker


def _covered(box: Box, others: Iterable[Box]) -> float:
    """The area of it that is somebody's."""
    return sum(intersection(box, other) for other in others)


def _is_near(known: Box, seen: Box) -> bool:
    (x, y), (to_x, to_y) = known.centre, seen.centre
    return abs(to_x - x) <= _REACH * (known.w + seen.w) / 2 and abs(to_y - y) <= _REACH * (known.h + seen.h) / 2


def _hit(place: _Place) -> Hit:
    score = sum(place.scores) / len(place.scores)
    return Hit(None, None, place.box, min(score, 1.0), place.since_ns, place.last_ns)


def burning_rules() -> list[BurningRule]:
    """Smoke, then fire; each camera has both unless its scene says no."""
    smoke = BurningRule(_SMOKE)
    return [smoke, BurningRule(_FIRE, witness=smoke)]
