"""Tracks: which detections are one object over time. Pure; media time is passed in.

Constant velocity and two-stage association: boxes with good scores are matched first, doubtful ones may only continue a
track, never begin one (ByteTrack, Zhang et al. 2022). All lives are in seconds, so the rate of analysis may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.units import NS_PER_S
from agent.vision.geometry import Box, Detection, Label, iou

# A track begins with a detection of at least this, and is continued by any that the detector lets through.
START_SCORE: Final = 0.4
# An object behind a lorry or a post is back within this (issue of step 4 asks for 2 s).
_COAST_NS: Final = 2 * NS_PER_S
# A track that nobody believed yet is given up sooner: it was a flicker.
_TENTATIVE_COAST_NS: Final = NS_PER_S // 2
# Seen this often, an object is real: false boxes of NanoDet rarely stand three times in one place.
_CONFIRMING_HITS: Final = 3
# A scene with more road users is a crowd, whose single tracks mean nothing.
_MAX_TRACKS: Final = 200
# The cost of a pair is 1 - IoU plus the distance of centres in box heights; at 5 fps a walker moves 0.15 of a height.
_MAX_COST: Final = 1.4
# Part of a newly measured velocity that is believed: an exponential mean over some three frames.
_VELOCITY_GAIN: Final = 0.35
# A label changes only when the votes for another outweigh it; old votes fade so that a late good look counts.
_VOTE_DECAY: Final = 0.95
_FAMILIES: Final = (
    frozenset({Label.CAR, Label.BUS, Label.TRUCK}),
    frozenset({Label.PERSON, Label.BICYCLE, Label.MOTORCYCLE}),
)


@dataclass(frozen=True, slots=True)
class Track:
    """One object as last known. `vx`, `vy` are fractions of the picture a second. `is_coasting`: it was not detected in
    the newest analysed frame, and its box is a guess."""

    track_id: int
    label: Label
    box: Box
    score: float
    first_media_ns: int
    seen_media_ns: int
    is_confirmed: bool
    is_coasting: bool
    vx: float
    vy: float


@dataclass(slots=True)
class _State:
    track_id: int
    box: Box
    score: float
    first_ns: int
    seen_ns: int
    hits: int = 1
    vx: float = 0.0
    vy: float = 0.0
    votes: dict[Label, float] = field(default_factory=dict)

    @property
    def label(self) -> Label:
        return max(self.votes, key=lambda label: (self.votes[label], label.value))

    @property
    def is_confirmed(self) -> bool:
        return self.hits >= _CONFIRMING_HITS

    def predicted(self, media_ns: int) -> Box:
        age_s = (media_ns - self.seen_ns) / NS_PER_S
        return Box(self.box.x + self.vx * age_s, self.box.y + self.vy * age_s, self.box.w, self.box.h)

    def take(self, detection: Detection, media_ns: int) -> None:
        age_s = max((media_ns - self.seen_ns) / NS_PER_S, 1e-3)
        # The foot moves with the object; a centre also moves when a box grows or is cut at the border.
        old, new = self.box.foot, detection.box.foot
        gain = 1.0 if self.hits == 1 else _VELOCITY_GAIN
        self.vx += gain * ((new[0] - old[0]) / age_s - self.vx)
        self.vy += gain * ((new[1] - old[1]) / age_s - self.vy)
        self.box, self.score, self.seen_ns = detection.box, detection.score, media_ns
        self.hits += 1
        self.vote(detection)

    def vote(self, detection: Detection) -> None:
        for label in self.votes:
            self.votes[label] *= _VOTE_DECAY
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.score

    def is_over(self, media_ns: int) -> bool:
        limit_ns = _COAST_NS if self.is_confirmed else _TENTATIVE_COAST_NS
        return media_ns - self.seen_ns > limit_ns


class Tracker:
    """The objects of one camera over one run. One owner thread; frames in the order of their media time."""

    def __init__(self) -> None:
        self._states: list[_State] = []
        self._next_id = 1

    def update(self, detections: Sequence[Detection], media_ns: int) -> tuple[Track, ...]:
        """Fold in what one frame showed; every living track, oldest first. An empty frame lets all of them coast."""
        strong = [detection for detection in detections if detection.score >= START_SCORE]
        weak = [detection for detection in detections if detection.score < START_SCORE]
        free, unmatched = _associate(self._states, strong, media_ns)
        _associate(free, weak, media_ns)
        for detection in unmatched:
            self._begin(detection, media_ns)
        self._states = [state for state in self._states if not state.is_over(media_ns)]
        return self.tracks(media_ns)

    def tracks(self, media_ns: int) -> tuple[Track, ...]:
        """Every living track as of this media time."""
        return tuple(_track(state, media_ns) for state in self._states)

    def _begin(self, detection: Detection, media_ns: int) -> None:
        if len(self._states) >= _MAX_TRACKS:
            return
        state = _State(self._next_id, detection.box, detection.score, media_ns, media_ns)
        state.vote(detection)
        self._states.append(state)
        self._next_id += 1


def _associate(
    states: Sequence[_State], detections: Sequence[Detection], media_ns: int
) -> tuple[list[_State], list[Detection]]:
    """Give each state its cheapest detection, cheapest pairs first; what is left over of both."""
    pairs: list[tuple[float, int, int]] = []
    for row, state in enumerate(states):
        predicted = state.predicted(media_ns)
        for column, detection in enumerate(detections):
            cost = _cost(state, predicted, detection)
            if cost < _MAX_COST:
                pairs.append((cost, row, column))
    rows: set[int] = set()
    columns: set[int] = set()
    for _, row, column in sorted(pairs):
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            states[row].take(detections[column], media_ns)
    free = [state for row, state in enumerate(states) if row not in rows]
    unmatched = [detection for column, detection in enumerate(detections) if column not in columns]
    return free, unmatched


def _cost(state: _State, predicted: Box, detection: Detection) -> float:
    """0 for the same box; above _MAX_COST for one that cannot be the same object."""
    if not any(state.label in family and detection.label in family for family in _FAMILIES):
        return 2 * _MAX_COST
    (ax, ay), (bx, by) = predicted.centre, detection.box.centre
    size = max(predicted.w, predicted.h, detection.box.w, detection.box.h, 1e-6)
    distance = ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5 / size
    return 1 - iou(predicted, detection.box) + distance


def _track(state: _State, media_ns: int) -> Track:
    return Track(
        track_id=state.track_id,
        label=state.label,
        box=state.predicted(media_ns),
        score=state.score,
        first_media_ns=state.first_ns,
        seen_media_ns=state.seen_ns,
        is_confirmed=state.is_confirmed,
        is_coasting=state.seen_ns != media_ns,
        vx=state.vx,
        vy=state.vy,
    )
