"""Tracks: which detections are one object over time. Pure; media time is passed in.

A Kalman filter of constant velocity foretells each object; boxes with good scores are matched first, doubtful ones may
only continue a track, never begin one (ByteTrack, Zhang et al. 2022). All lives are in seconds, so the rate of analysis
may change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.units import NS_PER_S
from agent.vision.associate import NEVER, Floats, cheapest_pairs, corners, distances, overlaps
from agent.vision.geometry import Box, Detection, Label
from agent.vision.kalman import Axis, Motive

# A track begins with a detection of at least this, and is continued by any that the detector lets through.
START_SCORE: Final = 0.4
# An object behind a lorry or a post is back within this (issue of step 4 asks for 2 s).
_COAST_NS: Final = 2 * NS_PER_S
# A track that nobody believed yet is given up sooner: it was a flicker.
_TENTATIVE_COAST_NS: Final = NS_PER_S // 2
# Seen this often, and once this well or on the move, an object is real. NanoDet sees people in lamp posts for minutes,
# but never above 0.5 and always in one place; far cars score as low and move.
_CONFIRMING_HITS: Final = 3
_CONFIRMING_SCORE: Final = 0.5
# In sizes of the box. Boxes of things that stand jitter by a tenth.
_CONFIRMING_WAY: Final = 0.3
# A scene with more road users is a crowd, whose single tracks mean nothing.
_MAX_TRACKS: Final = 200
# The cost of a pair is 1 - IoU plus the distance of centres in box heights; at 5 fps a walker moves 0.15 of a height.
_MAX_COST: Final = 1.4
# A doubtful box continues a track only where the track was expected: looser, a walker's track goes over to the lamp
# post that he passes, and a driving car's to a waiting one (ByteTrack asks for 0.5 at 30 fps).
_WEAK_OVERLAP: Final = 0.6
# Another label of the same family: a van is now a car, now a truck, but two that pass each other keep their own.
_RELABELLED_COST: Final = 0.3
# A new box that covers one already matched is a second look at the same object.
_SAME_OVERLAP: Final = 0.5
# In sizes of the box, found by trying on PETS09-S2L1 at 5 and 7 fps: a look is off by a tenth, as boxes of half hidden
# people jump; the start admits a car (2 lengths a second, 30 km/h); people turn and stop within a second.
_LOOKS: Final = 0.1
_START: Final = 2.0
_SWERVE: Final = 0.5
# A pixel of 1080p.
_LEAST_SIZE: Final = 0.001
# A label changes only when the votes for another outweigh it; old votes fade so that a late good look counts.
_VOTE_DECAY: Final = 0.95
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
class Track:
    """One object as last known. `vx`, `vy` are fractions of the picture a second. `is_coasting`: it was not detected in
    the newest analysed frame, and its box is a guess. `first_box`: where it was at `first_media_ns`, before it was
    confirmed."""

    track_id: int
    label: Label
    box: Box
    score: float
    first_media_ns: int
    last_seen_media_ns: int
    is_confirmed: bool
    is_coasting: bool
    vx: float
    vy: float
    first_box: Box


@dataclass(frozen=True, slots=True)
class Tracked:
    """`living`: every track, oldest first. `ended`: confirmed ones that were given up at this frame, as last seen."""

    living: tuple[Track, ...]
    ended: tuple[Track, ...]


class _Object:
    """A track being followed. The filter follows the foot, which moves with the object; a centre also moves when a box
    grows or is cut at the border."""

    __slots__ = (
        "_convinces",
        "_foot_x",
        "_foot_y",
        "box",
        "first_box",
        "first_ns",
        "hits",
        "score",
        "seen_ns",
        "track_id",
        "votes",
    )

    def __init__(self, track_id: int, detection: Detection, media_ns: int) -> None:
        self.track_id = track_id
        self.box = self.first_box = detection.box
        self.score = detection.score
        self._convinces = detection.score >= _CONFIRMING_SCORE
        self.first_ns = self.seen_ns = media_ns
        self.hits = 1
        self.votes: dict[Label, float] = {detection.label: detection.score}
        x, y = detection.box.foot
        motive = _motive(detection.box)
        self._foot_x, self._foot_y = Axis(x, motive), Axis(y, motive)

    @property
    def label(self) -> Label:
        return max(self.votes, key=lambda label: (self.votes[label], label.value))

    @property
    def is_confirmed(self) -> bool:
        return self.hits >= _CONFIRMING_HITS and self._convinces

    def foretold(self, media_ns: int) -> Box:
        """Where it should be now."""
        age_s = (media_ns - self.seen_ns) / NS_PER_S
        return Box(
            self.box.x + self._foot_x.velocity * age_s,
            self.box.y + self._foot_y.velocity * age_s,
            self.box.w,
            self.box.h,
        )

    def take(self, detection: Detection, media_ns: int) -> None:
        age_s = max((media_ns - self.seen_ns) / NS_PER_S, 1e-3)
        x, y = detection.box.foot
        motive = _motive(detection.box)
        self._foot_x.fold(x, age_s, motive)
        self._foot_y.fold(y, age_s, motive)
        self.box, self.score, self.seen_ns = detection.box, detection.score, media_ns
        first_x, first_y = self.first_box.foot
        way = math.hypot(x - first_x, y - first_y) / _size(detection.box)
        self._convinces |= detection.score >= _CONFIRMING_SCORE or way >= _CONFIRMING_WAY
        self.hits += 1
        for label in self.votes:
            self.votes[label] *= _VOTE_DECAY
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.score

    def is_over(self, media_ns: int) -> bool:
        limit_ns = _COAST_NS if self.is_confirmed else _TENTATIVE_COAST_NS
        return media_ns - self.seen_ns > limit_ns

    def as_track(self, media_ns: int) -> Track:
        return Track(
            track_id=self.track_id,
            label=self.label,
            box=self.foretold(media_ns),
            score=self.score,
            first_media_ns=self.first_ns,
            last_seen_media_ns=self.seen_ns,
            is_confirmed=self.is_confirmed,
            is_coasting=self.seen_ns != media_ns,
            vx=self._foot_x.velocity,
            vy=self._foot_y.velocity,
            first_box=self.first_box,
        )


class Tracker:
    """The objects of one camera over one run. One owner thread; frames in the order of their media time."""

    def __init__(self) -> None:
        self._objects: list[_Object] = []
        self._next_id = 1

    def update(self, detections: Sequence[Detection], media_ns: int) -> Tracked:
        """Fold in what one frame showed. An empty frame lets all of them coast."""
        strong = [detection for detection in detections if detection.score >= START_SCORE]
        weak = [detection for detection in detections if detection.score < START_SCORE]
        believed = [one for one in self._objects if one.is_confirmed]
        tentative = [one for one in self._objects if not one.is_confirmed]
        lost, strong = _match(believed, strong, media_ns, 0.0)
        lost, _ = _match(lost, weak, media_ns, _WEAK_OVERLAP)
        flickers, strong = _match(tentative, strong, media_ns, 0.0)
        _match(flickers, weak, media_ns, _WEAK_OVERLAP)
        self._begin(strong, media_ns)
        over = [one for one in self._objects if one.is_over(media_ns)]
        self._objects = [one for one in self._objects if not one.is_over(media_ns)]
        return Tracked(
            living=tuple(one.as_track(media_ns) for one in self._objects),
            ended=tuple(one.as_track(one.seen_ns) for one in over if one.is_confirmed),
        )

    def _begin(self, detections: Sequence[Detection], media_ns: int) -> None:
        seen = [one for one in self._objects if one.seen_ns == media_ns]
        shared = overlaps(corners([detection.box for detection in detections]), corners([one.box for one in seen]))
        for detection, row in zip(detections, shared, strict=True):
            family = _FAMILY[detection.label]
            if any(
                value > _SAME_OVERLAP and _FAMILY[one.label] == family for value, one in zip(row, seen, strict=True)
            ):
                continue
            if len(self._objects) >= _MAX_TRACKS:
                return
            self._objects.append(_Object(self._next_id, detection, media_ns))
            self._next_id += 1


def _match(
    objects: Sequence[_Object], detections: Sequence[Detection], media_ns: int, least_overlap: float
) -> tuple[list[_Object], list[Detection]]:
    """Give each object its detection; what is left over of both."""
    if not objects or not detections:
        return list(objects), list(detections)
    pairs = cheapest_pairs(_costs(objects, detections, media_ns, least_overlap), _MAX_COST)
    for row, column in pairs:
        objects[row].take(detections[column], media_ns)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    free = [one for row, one in enumerate(objects) if row not in rows]
    return free, [detection for column, detection in enumerate(detections) if column not in columns]


def _costs(objects: Sequence[_Object], detections: Sequence[Detection], media_ns: int, least_overlap: float) -> Floats:
    rows = corners([one.foretold(media_ns) for one in objects])
    columns = corners([detection.box for detection in detections])
    shared = overlaps(rows, columns)
    costs = 1 - shared + distances(rows, columns)
    labels = np.array([_CODE[one.label] for one in objects])[:, None]
    others = np.array([_CODE[detection.label] for detection in detections])[None, :]
    costs += _RELABELLED_COST * (labels != others)
    impossible = (_FAMILIES[labels] != _FAMILIES[others]) | (shared < least_overlap)
    costs[impossible] = NEVER
    return costs


def _motive(box: Box) -> Motive:
    size = _size(box)
    return Motive(_LOOKS * size, _START * size, _SWERVE * size)


def _size(box: Box) -> float:
    """The longer side; never nothing, as a box may be cut to a line at the border."""
    return max(box.w, box.h, _LEAST_SIZE)
