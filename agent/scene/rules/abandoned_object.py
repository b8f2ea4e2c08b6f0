"""Something that a person brought stands there alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.grammar import AbandonedObject
from agent.scene.moment import PEOPLE, Hit, Moment
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S
from agent.vision.geometry import Box, intersection, iou
from agent.vision.standing import StandingPiece

# Who puts a thing down stands at most this far from it, in heights of the person: an arm and a step.
_PUT_DOWN_HEIGHTS = 0.8
# As long as somebody is this near it is attended: 2.5 m of a person of 1.7 m.
_ATTENDED_HEIGHTS = 1.5
# Nobody carries what is larger than a person; a suitcase is half of one. The least is a hand bag of 0.2 m by 0.2 m,
# a fortieth of a person of 1.7 m by 0.6 m.
_LARGEST_PERSONS = 1.0
_SMALLEST_PERSONS = 0.025
# A piece whose outline wanders is the same while it covers itself this much.
_SAME_IOU = 0.3
# Hidden by a passer-by it is remembered.
_HIDDEN_NS = 8 * NS_PER_S
# A piece that is there shows in most pictures.
_SEEN_NS = NS_PER_S
# A person who stands still becomes a standing piece as well, and so does a parked car.
_COVERED = 0.5
# Somebody must have been near within this time before it stood: the motion model needs two seconds to call it standing.
_BROUGHT_NS = 4 * NS_PER_S
_SCORE = 0.6


@dataclass(slots=True)
class _Thing:
    """`alone_ns`: since when nobody has been near; None while somebody is."""

    piece: StandingPiece
    last_ns: int
    alone_ns: int | None = None


@dataclass(frozen=True, slots=True)
class _Person:
    box: Box
    media_ns: int


class AbandonedObjectRule:
    """See `agent.scene.grammar.AbandonedObject` for what it means and what it does not."""

    kind = IncidentKind.ABANDONED_OBJECT

    def __init__(self, settings: AbandonedObject, polygon: Sequence[Point], *, aspect: float) -> None:
        self._after_ns = int(settings.after_s * NS_PER_S)
        self._polygon = tuple(polygon)
        self._aspect = aspect
        self._things: list[_Thing] = []
        self._people: list[_Person] = []

    def update(self, moment: Moment) -> list[Hit]:
        now_ns = moment.media_ns
        if moment.is_upheaval:
            self._things.clear()
        self._people += [_Person(one.box, now_ns) for one in moment.sightings if one.label in PEOPLE]
        self._people = [one for one in self._people if now_ns - one.media_ns <= _BROUGHT_NS]
        for piece in moment.standing:
            self._take(piece, moment)
        self._things = [thing for thing in self._things if now_ns - thing.last_ns <= _HIDDEN_NS]
        for thing in self._things:
            attended = any(
                self._heights_apart(one.box, thing.piece.box) <= _ATTENDED_HEIGHTS
                for one in self._people
                if one.media_ns == now_ns
            )
            if attended:
                thing.alone_ns = None
            elif thing.alone_ns is None:
                thing.alone_ns = now_ns
        return [self._hit(thing) for thing in self._things if self._is_left(thing, now_ns)]

    def _take(self, piece: StandingPiece, moment: Moment) -> None:
        """Find the thing again that this piece is, or note it as one if somebody brought it."""
        for thing in self._things:
            if iou(thing.piece.box, piece.box) >= _SAME_IOU:
                thing.last_ns = moment.media_ns
                return
        if self._is_thing(piece, moment):
            self._things.append(_Thing(piece, moment.media_ns))

    def _is_thing(self, piece: StandingPiece, moment: Moment) -> bool:
        if not piece.has_come or not contains(self._polygon, *piece.box.foot):
            return False
        if any(intersection(one.box, piece.box) >= _COVERED * piece.box.area for one in moment.sightings):
            return False
        bringers = [
            one.box
            for one in self._people
            if self._heights_apart(one.box, piece.box) <= _PUT_DOWN_HEIGHTS
            and piece.since_ns - _BROUGHT_NS <= one.media_ns
        ]
        return any(
            _SMALLEST_PERSONS <= piece.box.area / max(bringer.area, 1e-6) <= _LARGEST_PERSONS for bringer in bringers
        )

    def _is_left(self, thing: _Thing, now_ns: int) -> bool:
        """Unmoved for the rule's time, nobody near, and there to be seen: what is hidden is not told of."""
        is_there = now_ns - thing.last_ns <= _SEEN_NS
        return is_there and thing.alone_ns is not None and now_ns - thing.piece.since_ns >= self._after_ns

    def _heights_apart(self, person: Box, thing: Box) -> float:
        """From the person's feet to the thing's foot, in heights of the person."""
        (x, y), (to_x, to_y) = person.foot, thing.foot
        return math.hypot((to_x - x) * self._aspect, to_y - y) / max(person.h, 1e-6)

    def _hit(self, thing: _Thing) -> Hit:
        return Hit(
            track_id=None,
            label=None,
            box=thing.piece.box,
            score=_SCORE,
            since_ns=thing.piece.since_ns,
            last_ns=thing.last_ns,
        )
