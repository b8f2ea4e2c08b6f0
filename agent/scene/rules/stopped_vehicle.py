"""A vehicle that drove and now stands. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.grammar import StoppedVehicle
from agent.scene.moment import SURE_SCORE, VEHICLES, Hit, Moment, Sighting
from agent.scene.queue import Place, QueueWatch, Waiting
from agent.scene.travel import Travels
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S
from agent.vision.geometry import Box, intersection, iou

# In box sizes, so that near and far vehicles are judged alike. A detector's box of a parked car wanders by a few
# hundredths of itself; a quarter is far above that and below what a creeping queue covers within `after_s`.
_STAND_SIZES = 0.25
# Once it stands, passing traffic cuts pieces off its box: it leaves only by half its own size, and for this long.
_LEAVE_SIZES = 0.5
_LEAVE_NS = int(1.5 * NS_PER_S)
# It drove when its box has left the one it was first seen in. A cut or swollen box of a parked car still covers that:
# on junction_stopped_car the waiting car's box grows to twice its size and its centre moves by half of it.
_DROVE_IOU = 0.1

# Of the looks at a standing vehicle this share must be sure ones. Measured: 0.4 and more for vehicles that do stand on
# crash_auto_rickshaw, 0.01 for the track on junction_stopped_car that went over to another car's doubtful boxes.
_SURE_SHARE = 0.2

# A vehicle hidden by traffic, or given a new track, is the same one when its box is this much the same.
_SAME_PLACE_IOU = 0.3
_HIDDEN_NS = 5 * NS_PER_S
# What never drove (a row of parked cars, which a detector sees only now and then) is remembered for ten minutes.
_REMEMBER_PARKED_NS = 600 * NS_PER_S
# A vehicle first seen later than this in a box at least half of which was moving came from somewhere, although its
# approach was missed: on crash_auto_rickshaw the car is found only when it has a third of its length left to roll.
_WARM_UP_NS = 3 * NS_PER_S
_MOVING_SHARE = 0.5
# The heading a vehicle came with is taken over its last seconds of driving, once it covered half its size in them.
_CAME_NS = 3 * NS_PER_S
_CAME_SIZES = 0.5
# What drives past: 6 km/h and more.
_DRIVES_NS = NS_PER_S
_DRIVES_SIZES = 0.5


@dataclass(slots=True)
class _Standing:
    """One vehicle and the place it has not left since `since_ns`.

    `looks`, `sure_looks` and `best_score` count since then. `has_come`: it was elsewhere before; `came_deg`: its
    heading then, if that was seen. `drifting_ns`: since when it is away from there.
    """

    sighting: Sighting
    first: Box
    anchor: Box
    since_ns: int
    last_seen_ns: int
    has_come: bool
    looks: int = 0
    sure_looks: int = 0
    best_score: float = 0.0
    drifting_ns: int | None = None
    is_settled: bool = False
    came_deg: float | None = None


class StoppedVehicleRule:
    """See `agent.scene.grammar.StoppedVehicle` for what it means and what it does not."""

    kind = IncidentKind.STOPPED_VEHICLE

    def __init__(self, settings: StoppedVehicle, polygon: Sequence[Point], *, aspect: float) -> None:
        self._after_ns = int(settings.after_s * NS_PER_S)
        self._polygon = tuple(polygon)
        self._vehicles: dict[int, _Standing] = {}
        self._view_began_ns: int | None = None
        self._travels = Travels(VEHICLES, aspect=aspect)
        self._queues = QueueWatch()

    def update(self, moment: Moment) -> list[Hit]:
        if self._view_began_ns is None:
            self._view_began_ns = moment.media_ns
        self._travels.update(moment)
        present = {sighting.track_id for sighting in moment.sightings if sighting.is_seen}
        for sighting in moment.sightings:
            if sighting.is_seen and sighting.label in VEHICLES:
                vehicle = self._vehicles.get(sighting.track_id) or self._meet(sighting, moment, present)
                self._follow(vehicle, sighting, moment.media_ns)
        self._forget(moment.media_ns)
        return self._hits(moment.media_ns, self._queued(moment.media_ns))

    def _meet(self, sighting: Sighting, moment: Moment, present: set[int]) -> _Standing:
        """What is known of the vehicle behind a new track: the one lost at this place, or a new one."""
        for track_id, known in self._vehicles.items():
            if track_id not in present and iou(known.sighting.box, sighting.box) >= _SAME_PLACE_IOU:
                del self._vehicles[track_id]
                self._vehicles[sighting.track_id] = known
                return known
        began_ns = self._view_began_ns if self._view_began_ns is not None else moment.media_ns
        moving = max((intersection(region, sighting.box) for region in moment.regions), default=0.0)
        came = moment.media_ns - began_ns > _WARM_UP_NS and moving >= _MOVING_SHARE * sighting.box.area
        vehicle = _Standing(sighting, sighting.box, sighting.box, moment.media_ns, moment.media_ns, has_come=came)
        self._vehicles[sighting.track_id] = vehicle
        return vehicle

    def _follow(self, vehicle: _Standing, sighting: Sighting, media_ns: int) -> None:
        vehicle.sighting, vehicle.last_seen_ns = sighting, media_ns
        if _sizes_apart(vehicle.anchor, sighting.box) <= (_LEAVE_SIZES if vehicle.is_settled else _STAND_SIZES):
            vehicle.drifting_ns = None
            _count(vehicle, sighting)
            vehicle.is_settled = media_ns - vehicle.since_ns >= self._after_ns
            return
        if vehicle.drifting_ns is None:
            # One box beside the others is the detector's slip; the second in a row is a move.
            vehicle.drifting_ns = media_ns
        elif not vehicle.is_settled or media_ns - vehicle.drifting_ns >= _LEAVE_NS:
            vehicle.anchor, vehicle.since_ns = sighting.box, vehicle.drifting_ns
            vehicle.drifting_ns, vehicle.is_settled = None, False
            vehicle.has_come = vehicle.has_come or iou(vehicle.first, sighting.box) < _DROVE_IOU
            vehicle.looks, vehicle.sure_looks, vehicle.best_score = 0, 0, 0.0
            _count(vehicle, sighting)

    def _forget(self, media_ns: int) -> None:
        for track_id, vehicle in list(self._vehicles.items()):
            patience_ns = _HIDDEN_NS if vehicle.has_come else _REMEMBER_PARKED_NS
            if media_ns - vehicle.last_seen_ns > patience_ns:
                del self._vehicles[track_id]

    def _queued(self, media_ns: int) -> set[int]:
        """Who stands in a queue: it waits for those ahead, and they for a light."""
        standing: list[Waiting] = []
        moving: list[Place] = []
        for track_id, travel in self._travels:
            look, vehicle = travel.last, self._vehicles.get(track_id)
            if vehicle is None or media_ns - look.media_ns > _HIDDEN_NS:
                continue
            place = Place(track_id, look.x, look.y, look.size)
            going = travel.going(media_ns - _CAME_NS, media_ns)
            if going is not None and going.way_sizes >= _CAME_SIZES:
                vehicle.came_deg = going.heading_deg
            lately = travel.going(media_ns - _DRIVES_NS, media_ns)
            if lately is not None and lately.speed_sizes >= _DRIVES_SIZES:
                moving.append(place)
            elif vehicle.has_come:
                standing.append(Waiting(place, vehicle.came_deg, vehicle.since_ns))
        return self._queues.update(standing, moving, media_ns)

    def _hits(self, media_ns: int, queued: set[int]) -> list[Hit]:
        standing = [
            (vehicle.since_ns, track_id, vehicle)
            for track_id, vehicle in self._vehicles.items()
            if vehicle.has_come
            and track_id not in queued
            and vehicle.sure_looks >= _SURE_SHARE * vehicle.looks
            and vehicle.last_seen_ns - vehicle.since_ns >= self._after_ns
            and media_ns - vehicle.last_seen_ns <= _HIDDEN_NS
            and contains(self._polygon, *vehicle.sighting.box.foot)
        ]
        return [
            Hit(
                track_id=track_id,
                label=vehicle.sighting.label,
                box=vehicle.sighting.box,
                score=vehicle.best_score,
                since_ns=since_ns,
                last_ns=vehicle.last_seen_ns,
            )
            for since_ns, track_id, vehicle in sorted(standing, key=lambda item: item[:2])
        ]


def _count(vehicle: _Standing, sighting: Sighting) -> None:
    vehicle.looks += 1
    vehicle.sure_looks += sighting.score >= SURE_SCORE
    vehicle.best_score = max(vehicle.best_score, sighting.score)


def _sizes_apart(one: Box, other: Box) -> float:
    """How far the centres of two boxes are apart, in the larger one's width and height."""
    width, height = max(one.w, other.w, 1e-6), max(one.h, other.h, 1e-6)
    across = (one.x + one.w / 2 - other.x - other.w / 2) / width
    down = (one.y + one.h / 2 - other.y - other.h / 2) / height
    return math.hypot(across, down)
