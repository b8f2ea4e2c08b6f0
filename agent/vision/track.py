"""Tracks: which detections are one object over time. Pure; media time is passed in.

A Kalman filter of constant velocity foretells each object; boxes with good scores are matched first, doubtful ones may
only continue a track, never begin one (ByteTrack, Zhang et al. 2022), unless something of their shape moves there. All
lives are in seconds, so the rate of analysis may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.units import NS_PER_S
from agent.vision.associate import NEVER, Floats, cheapest_pairs, corners, distances, overlaps
from agent.vision.backing import LEAST_AREA, backed
from agent.vision.geometry import Box, Detection, Label, intersection, may_ride, share_a_saddle
from agent.vision.pursuit import START_SCORE, EarlyLook, Pursuit, Track

__all__ = ["START_SCORE", "WEAK_SCORE", "EarlyLook", "Track", "Tracked", "Tracker"]

# What a detector says below this is believed only where something of that shape moves (agent.vision.backing).
WEAK_SCORE: Final = 0.2
# A scene with more road users is a crowd, whose single tracks mean nothing.
_MAX_TRACKS: Final = 200
# The cost of a pair is 1 - IoU plus the distance of centres in box heights; at 5 fps a walker moves 0.15 of a height.
_MAX_COST: Final = 1.4
# A vehicle whose speed is not known yet may have gone this far, in its lengths: 80 km/h are 5 car lengths a second, and
# further than a length away anything may be meant. The cost of a pair that does not overlap is 1 and the distance.
_REACH_PER_S: Final = 5.0
_LONGEST_REACH: Final = 1.2
# Two looks give a velocity.
_KNOWN_HITS: Final = 2
# A doubtful box continues a track only where the track was expected: looser, a walker's track goes over to the lamp
# post that he passes, and a driving car's to a waiting one (ByteTrack asks for 0.5 at 30 fps).
_WEAK_OVERLAP: Final = 0.6
# Another label of the same family: a van is now a car, now a truck, but two that pass each other keep their own.
_RELABELLED_COST: Final = 0.3
# A new box that covers one already matched is a second look at the same object.
_SAME_OVERLAP: Final = 0.5
_SAME_INSIDE: Final = 0.8
# A box this near to the picture's border may be cut by it.
_BORDER: Final = 0.01
_FAMILY: Final = {
    Label.CAR: 0,
    Label.BUS: 0,
    Label.TRUCK: 0,
    Label.PERSON: 1,
    Label.BICYCLE: 1,
    Label.MOTORCYCLE: 1,
}
_CODE: Final = {label: code for code, label in enumerate(Label)}
_FAMILIES: Final = np.array([_FAMILY[label] for label in Label])


@dataclass(frozen=True, slots=True)
class Tracked:
    """`living`: every track, oldest first. `ended`: confirmed ones that were given up at this frame, as last seen."""

    living: tuple[Track, ...]
    ended: tuple[Track, ...]


class Tracker:
    """The objects of one camera over one run. One owner thread; frames in the order of their media time."""

    def __init__(self) -> None:
        self._pursuits: list[Pursuit] = []
        self._next_id = 1

    def update(self, detections: Sequence[Detection], media_ns: int, regions: Sequence[Box] | None = None) -> Tracked:
        """Fold in what one frame showed. An empty frame lets all of them coast.

        regions: where pixels move, one box for each connected piece; None where nobody knows.
        """
        strong = [detection for detection in detections if detection.score >= START_SCORE]
        weak = [detection for detection in detections if WEAK_SCORE <= detection.score < START_SCORE]
        faint = [detection for detection in detections if detection.score < START_SCORE]
        believed = [one for one in self._pursuits if one.is_confirmed]
        tentative = [one for one in self._pursuits if not one.is_confirmed]
        lost, strong = _match(believed, strong, media_ns)
        lost, _ = _match(lost, weak, media_ns, least_overlap=_WEAK_OVERLAP)
        flickers, strong = _match(tentative, strong, media_ns)
        flickers, _ = _match(flickers, weak, media_ns, least_overlap=_WEAK_OVERLAP)
        self._begin(strong, media_ns)
        moving = backed(faint, regions or (), [one.box for one in self._pursuits if one.seen_ns == media_ns])
        # A region of people who meet is no one of them: their tracks do not follow it (vtest: IDF1 0.77 to 0.72).
        alone = [one for one in (*lost, *flickers) if one.is_faint or _is_car_like(one)]
        _, moving = _match(alone, moving, media_ns)
        self._begin(moving, media_ns)
        if regions is not None:
            self._hold(regions, media_ns)
        over = [one for one in self._pursuits if one.is_over(media_ns)]
        self._pursuits = [one for one in self._pursuits if not one.is_over(media_ns)]
        return Tracked(
            living=tuple(one.as_track(media_ns) for one in self._pursuits),
            ended=tuple(one.as_track(one.seen_ns) for one in over if one.is_confirmed),
        )

    def is_settled(self, looked_ns: int) -> bool:
        """Whether the look at `looked_ns` found all there is to know: every track, and each of them judged."""
        return all(one.seen_ns >= looked_ns and one.is_judged for one in self._pursuits)

    def is_foretold(self, regions: Sequence[Box]) -> bool:
        """Whether a look can wait: each will be where it is expected, and nothing else moves."""
        boxes = [one.box for one in self._pursuits]
        return all(one.is_leisurely for one in self._pursuits) and all(
            any(intersection(region, box) > 0 for box in boxes) for region in regions
        )

    def stay(self, media_ns: int) -> tuple[Track, ...]:
        """The picture has not changed since a look that settled everything: all of them are where they were."""
        for one in self._pursuits:
            one.stay(media_ns)
        return tuple(one.as_track(media_ns) for one in self._pursuits)

    def _hold(self, regions: Sequence[Box], media_ns: int) -> None:
        for one in self._pursuits:
            # A smaller thing may leave without a region large enough to be told of, and one at the border steps out.
            is_plain = one.box.area >= LEAST_AREA and not _is_cut(one.box)
            if is_plain and not any(intersection(one.box, region) > 0 for region in regions):
                one.hold(media_ns)

    def _begin(self, detections: Sequence[Detection], media_ns: int) -> None:
        seen = [one for one in self._pursuits if one.seen_ns == media_ns]
        shared = overlaps(corners([detection.box for detection in detections]), corners([one.box for one in seen]))
        for detection, row in zip(detections, shared, strict=True):
            same = next((one for value, one in zip(row, seen, strict=True) if _is_same(detection, one, value)), None)
            if same is not None:
                same.add_vote(detection)
                continue
            if len(self._pursuits) >= _MAX_TRACKS:
                return
            self._pursuits.append(Pursuit(self._next_id, detection, media_ns))
            self._next_id += 1


def _is_same(detection: Detection, one: Pursuit, overlap: float) -> bool:
    """Whether this is a second look at an object that was found in this frame already."""
    if _FAMILY[detection.label] != _FAMILY[one.label]:
        return False
    inside = intersection(detection.box, one.box) >= _SAME_INSIDE * detection.box.area
    # A person on foot may stand beside a machine that stands; what moves in one is a rider.
    rides = one.is_moving and may_ride(detection.label, one.label) and share_a_saddle(detection.box, one.box)
    return overlap > _SAME_OVERLAP or inside or rides


def _match(
    pursuits: Sequence[Pursuit], detections: Sequence[Detection], media_ns: int, *, least_overlap: float = 0.0
) -> tuple[list[Pursuit], list[Detection]]:
    """Give each object its detection; what is left over of both."""
    if not pursuits or not detections:
        return list(pursuits), list(detections)
    pairs = cheapest_pairs(_costs(pursuits, detections, media_ns, least_overlap), NEVER)
    for row, column in pairs:
        pursuits[row].take(detections[column], media_ns)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    free = [one for row, one in enumerate(pursuits) if row not in rows]
    return free, [detection for column, detection in enumerate(detections) if column not in columns]


def _costs(pursuits: Sequence[Pursuit], detections: Sequence[Detection], media_ns: int, least_overlap: float) -> Floats:
    rows = corners([one.foretold(media_ns) for one in pursuits])
    columns = corners([detection.box for detection in detections])
    shared = overlaps(rows, columns)
    costs = 1 - shared + distances(rows, columns)
    labels = np.array([_CODE[one.label] for one in pursuits])[:, None]
    others = np.array([_CODE[detection.label] for detection in detections])[None, :]
    # What was never seen well may have been named wrongly.
    is_sure = np.array([not one.is_faint for one in pursuits])[:, None]
    costs += _RELABELLED_COST * (is_sure & (labels != others))
    limits = np.array([_limit(one, media_ns) for one in pursuits])[:, None]
    impossible = (is_sure & (_FAMILIES[labels] != _FAMILIES[others])) | (shared < least_overlap) | (costs >= limits)
    costs[impossible] = NEVER
    return costs


def _is_cut(box: Box) -> bool:
    return min(box.x, box.y, 1 - box.right, 1 - box.bottom) < _BORDER


def _is_car_like(pursuit: Pursuit) -> bool:
    return _FAMILY[pursuit.label] == _FAMILY[Label.CAR]


def _limit(pursuit: Pursuit, media_ns: int) -> float:
    """The cost from which on a pair is out of the question."""
    if pursuit.hits > _KNOWN_HITS or not (pursuit.is_faint or _is_car_like(pursuit)):
        return _MAX_COST
    reach = min(_REACH_PER_S * (media_ns - pursuit.seen_ns) / NS_PER_S, _LONGEST_REACH)
    return max(_MAX_COST, 1 + reach)
