"""How long whom is inside a zone: the stays that rules judge. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.scene.moment import SURE_SCORE, Hit, Moment, Sighting
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S
from agent.vision.geometry import Label

# A person lost behind a lamp post or by a weak detector comes back within these seconds, and within this many of its
# own heights: a walk of 1.4 m/s is 0.8 of a person's height in a second.
_FOUND_AGAIN_NS = 4 * NS_PER_S
_FOUND_AGAIN_HEIGHTS = 1.0
_WALKED_HEIGHTS = 0.5


@dataclass(slots=True)
class Stay:
    """One object's stay in a zone. `inside_ns` counts only time between two looks that both found it inside.

    `is_inside` tells of the last look; `best_score` is of the looks inside. `has_walked`: its foot was seen half of its
    height away from where it was first inside.
    """

    track_id: int
    sighting: Sighting
    since_ns: int
    last_inside_ns: int
    begun_at: Point
    inside_ns: int = 0
    best_score: float = 0.0
    is_inside: bool = True
    has_walked: bool = False


class ZoneStays:
    """Who is inside one polygon and for how long. One owner; fed every moment in order.

    A stay ends when the track was seen outside, or not at all, for `leave_s`: shorter than that it is one stay. Being
    unseen between two looks inside counts as inside; being seen outside never does, so a foot point that jitters over
    the edge gathers no dwell.
    """

    def __init__(self, polygon: Sequence[Point], labels: frozenset[Label], *, leave_s: float) -> None:
        self._polygon = tuple(polygon)
        self._labels = labels
        self._leave_ns = int(leave_s * NS_PER_S)
        self._stays: dict[int, Stay] = {}

    def update(self, moment: Moment) -> None:
        present = {sighting.track_id for sighting in moment.sightings if sighting.is_seen}
        for sighting in moment.sightings:
            if sighting.is_seen and sighting.label in self._labels:
                self._look(sighting, moment.media_ns, present)
        for track_id in [key for key, stay in self._stays.items() if self._is_over(stay, moment.media_ns)]:
            del self._stays[track_id]

    def hits(self, media_ns: int, *, after_s: float, still_score: float = SURE_SCORE) -> list[Hit]:
        """Everyone who surely has been inside for `after_s` and has not left, the longest first.

        still_score: how sure it takes to believe in one who has not walked.
        """
        fulfilled = [
            stay
            for stay in self._stays.values()
            if stay.inside_ns >= after_s * NS_PER_S
            and stay.best_score >= (SURE_SCORE if stay.has_walked else still_score)
            and media_ns - stay.last_inside_ns <= self._leave_ns
        ]
        fulfilled.sort(key=lambda stay: (stay.since_ns, stay.track_id))
        return [
            Hit(
                track_id=stay.track_id,
                label=stay.sighting.label,
                box=stay.sighting.box,
                score=stay.best_score,
                since_ns=stay.since_ns,
                last_ns=stay.last_inside_ns,
            )
            for stay in fulfilled
        ]

    def _look(self, sighting: Sighting, media_ns: int, present: set[int]) -> None:
        is_inside = contains(self._polygon, *sighting.box.foot)
        stay = self._stays.get(sighting.track_id)
        if stay is None:
            if not is_inside:
                return
            stay = self._found_again(sighting, media_ns, present)
        if stay is None:
            stay = Stay(sighting.track_id, sighting, media_ns, media_ns, sighting.box.foot)
            self._stays[sighting.track_id] = stay
        if is_inside:
            if stay.is_inside:
                stay.inside_ns += media_ns - stay.last_inside_ns
            stay.last_inside_ns = media_ns
            stay.has_walked |= math.dist(sighting.box.foot, stay.begun_at) >= _WALKED_HEIGHTS * sighting.box.h
            stay.sighting, stay.best_score = sighting, max(stay.best_score, sighting.score)
        stay.is_inside = is_inside

    def _is_over(self, stay: Stay, media_ns: int) -> bool:
        """Seen outside for longer than `leave_s`; or unseen for longer than it may take to be found again."""
        patience_ns = max(self._leave_ns, _FOUND_AGAIN_NS) if stay.is_inside else self._leave_ns
        return media_ns - stay.last_inside_ns > patience_ns

    def _found_again(self, sighting: Sighting, media_ns: int, present: set[int]) -> Stay | None:
        """The stay of a track that was lost inside close by a moment ago, now carried on by this one."""
        foot_x, foot_y = sighting.box.foot
        for stay in self._stays.values():
            lost_x, lost_y = stay.sighting.box.foot
            height = max(sighting.box.h, stay.sighting.box.h)
            if (
                stay.is_inside
                and stay.track_id not in present
                and stay.sighting.label is sighting.label
                and media_ns - stay.last_inside_ns <= _FOUND_AGAIN_NS
                and math.hypot(foot_x - lost_x, foot_y - lost_y) <= _FOUND_AGAIN_HEIGHTS * height
            ):
                del self._stays[stay.track_id]
                stay.track_id = sighting.track_id
                self._stays[sighting.track_id] = stay
                return stay
        return None
