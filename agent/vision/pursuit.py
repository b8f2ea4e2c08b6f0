"""One object being followed: where it is, how it moves, what it is and whether to believe in it. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from agent.units import NS_PER_S
from agent.vision.geometry import Box, Detection, Label
from agent.vision.kalman import Axis, Motive

# A track begins with a detection of at least this; fainter ones begin one only where something of their shape moves.
START_SCORE: Final = 0.4
# An object behind a lorry or a post is back within this (issue of step 4 asks for 2 s).
_COAST_NS: Final = 2 * NS_PER_S
# What stands and is not seen for a while has not left as long as nothing moved where it stands. A detector's blink, a
# shower or a waiting bus in between last no longer than this.
_HOLD_NS: Final = 30 * NS_PER_S
# A track that nobody believed yet is given up sooner: it was a flicker.
_TENTATIVE_COAST_NS: Final = NS_PER_S // 2
# Seen this often, and this well or on the move, an object is real. NanoDet sees people in lamp posts for minutes, at
# scores of 0.45 and now and then just above 0.5, and always in one place; far cars score as low and move.
_CONFIRMING_HITS: Final = 3
# Once, or as the mean of the last second.
_CONFIRMING_ONCE: Final = 0.55
_CONFIRMING_SCORE: Final = 0.5
_SCORE_MEMORY_S: Final = 1.0
# In sizes of the box. Boxes of things that stand jitter by a tenth.
_CONFIRMING_WAY: Final = 0.3
# A passer-by's track may go over to such a post. Who has stood for this long and is seen no better than one is not
# told of until he moves or is seen well. Any score from 0.42 to 0.48 does the same on PETS09-S2L1; no post passes for a
# car.
_DOUBT_NS: Final = 5 * NS_PER_S
_DOUBT_SCORE: Final = 0.45
_USUAL_MEMORY_S: Final = 5.0
# What was never seen well must have gone its own length: branches and flags swing, they do not travel.
_FAINT_WAY: Final = 1.0
# In sizes a second. Boxes of things that stand wander by a tenth of themselves; a slow walker does 0.4 heights.
_MOVING: Final = 0.3
_STANDING: Final = 0.1
# A walker at 1.4 m/s does 0.8 heights (of 1.7 m): two and a half looks a second follow him as well as five.
_LEISURELY: Final = 0.875
# A vehicle that has just stopped may be waiting, or may have had a crash: every look counts.
_PARKED_NS: Final = 10 * NS_PER_S
_TWO_WHEELERS: Final = frozenset({Label.BICYCLE, Label.MOTORCYCLE})
# Looks kept from before a track was believed: three seconds at 5 fps, in which a car crosses most pictures.
_EARLY_LOOKS: Final = 16
# In sizes of the box, found by trying on PETS09-S2L1 at 5 and 7 fps: a look is off by a tenth, as boxes of half hidden
# people jump; the start admits a car (2 lengths a second, 30 km/h); people turn and stop within a second.
_LOOKS: Final = 0.1
_START: Final = 2.0
_SWERVE: Final = 0.5
# A pixel of 1080p.
_LEAST_SIZE: Final = 0.001
# A label changes only when the votes for another outweigh it; old votes fade so that a late good look counts.
_VOTE_DECAY: Final = 0.95


@dataclass(frozen=True, slots=True)
class EarlyLook:
    """Where an object was before it was believed in."""

    media_ns: int
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Track:
    """One object as last known. `vx`, `vy` are fractions of the picture a second. `is_coasting`: it was not detected in
    the newest analysed frame, and its box is a guess. `early`: where it was before it was confirmed, oldest first."""

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
    early: tuple[EarlyLook, ...] = ()


class Pursuit:
    """An object being followed. The filter follows the foot, which moves with the object; a centre also moves when a
    box grows or is cut at the border."""

    __slots__ = (
        "_best_score",
        "_early",
        "_foot_x",
        "_foot_y",
        "_held_ns",
        "_mean_score",
        "_stands_at",
        "_stands_since_ns",
        "_usual_score",
        "_way",
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
        self.score = self._best_score = self._mean_score = self._usual_score = detection.score
        self.first_ns = self.seen_ns = self._held_ns = self._stands_since_ns = media_ns
        self._stands_at = detection.box.foot
        self.hits = 1
        self.votes: dict[Label, float] = {detection.label: detection.score}
        self._way = 0.0
        self._early: deque[EarlyLook] | tuple[EarlyLook, ...] = deque(maxlen=_EARLY_LOOKS)
        x, y = detection.box.foot
        motive = _motive(detection.box)
        self._foot_x, self._foot_y = Axis(x, motive), Axis(y, motive)

    @property
    def label(self) -> Label:
        return max(self.votes, key=lambda label: (self.votes[label], label.value))

    @property
    def is_faint(self) -> bool:
        """Never seen well enough to be begun by the detector alone."""
        return self._best_score < START_SCORE

    @property
    def is_moving(self) -> bool:
        return self._speed_sizes >= _MOVING

    @property
    def is_leisurely(self) -> bool:
        """Fewer looks follow it as well: somebody on foot who does not run, or a parked vehicle."""
        if self.label is Label.PERSON:
            return self._speed_sizes <= _LEISURELY
        return self._was_believed and self.seen_ns - self._stands_since_ns > _PARKED_NS

    @property
    def _speed_sizes(self) -> float:
        return math.hypot(self._foot_x.velocity, self._foot_y.velocity) / size_of(self.box)

    @property
    def is_confirmed(self) -> bool:
        return self._was_believed and not self._is_doubted

    @property
    def is_judged(self) -> bool:
        """Another look at the same picture would tell no more about it."""
        return self._was_believed or self.hits >= _CONFIRMING_HITS

    @property
    def _was_believed(self) -> bool:
        return isinstance(self._early, tuple)

    @property
    def _is_doubted(self) -> bool:
        """Believed once, and now rather a post that somebody walked past."""
        has_stood = self.seen_ns - self._stands_since_ns > _DOUBT_NS
        return has_stood and self._usual_score < _DOUBT_SCORE and self.label is Label.PERSON

    def foretold(self, media_ns: int) -> Box:
        """Where it should be now."""
        if self._held_ns > self.seen_ns:
            return self.box
        age_s = (media_ns - self.seen_ns) / NS_PER_S
        return Box(
            self.box.x + self._foot_x.velocity * age_s,
            self.box.y + self._foot_y.velocity * age_s,
            self.box.w,
            self.box.h,
        )

    def take(self, detection: Detection, media_ns: int) -> None:
        """Take in what was found of it now."""
        if isinstance(self._early, deque):
            self._early.append(EarlyLook(self.seen_ns, self.box, self.score))
        age_s = max((media_ns - self.seen_ns) / NS_PER_S, 1e-3)
        x, y = detection.box.foot
        motive = _motive(detection.box)
        self._foot_x.fold(x, age_s, motive)
        self._foot_y.fold(y, age_s, motive)
        self.box, self.score = detection.box, detection.score
        self.seen_ns = self._held_ns = media_ns
        first_x, first_y = self.first_box.foot
        self._way = max(self._way, math.hypot(x - first_x, y - first_y) / size_of(detection.box))
        self._best_score = max(self._best_score, detection.score)
        self._mean_score += (1 - math.exp(-age_s / _SCORE_MEMORY_S)) * (detection.score - self._mean_score)
        self._usual_score += (1 - math.exp(-age_s / _USUAL_MEMORY_S)) * (detection.score - self._usual_score)
        if math.dist(detection.box.foot, self._stands_at) >= _CONFIRMING_WAY * size_of(detection.box):
            self._stands_since_ns, self._stands_at = media_ns, detection.box.foot
        self.hits += 1
        for label in self.votes:
            self.votes[label] *= _VOTE_DECAY
        self._vote(detection)
        if isinstance(self._early, deque) and self.hits >= _CONFIRMING_HITS and self._convinces():
            self._early = tuple(self._early)

    def hold(self, media_ns: int) -> None:
        """It was not seen, and nothing moved where it stands."""
        if self._was_believed and self._speed_sizes < _STANDING and media_ns - self.seen_ns <= _HOLD_NS:
            self._held_ns = media_ns

    def stay(self, media_ns: int) -> None:
        """The picture has not changed since it was seen, so it is where it was."""
        x, y = self.box.foot
        age_s = max((media_ns - self.seen_ns) / NS_PER_S, 1e-3)
        motive = _motive(self.box)
        self._foot_x.fold(x, age_s, motive)
        self._foot_y.fold(y, age_s, motive)
        self.seen_ns = self._held_ns = media_ns

    def add_vote(self, detection: Detection) -> None:
        """Another box of it in the same frame: a machine under a rider says what the rider is."""
        if detection.label in _TWO_WHEELERS:
            self._vote(detection)

    def is_over(self, media_ns: int) -> bool:
        limit_ns = _COAST_NS if self._was_believed else _TENTATIVE_COAST_NS
        return media_ns - self._held_ns > limit_ns

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
            early=self._early if isinstance(self._early, tuple) else (),
        )

    def _vote(self, detection: Detection) -> None:
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.score

    def _convinces(self) -> bool:
        if self._best_score >= _CONFIRMING_ONCE or self._mean_score >= _CONFIRMING_SCORE:
            return True
        return self._way >= (_FAINT_WAY if self.is_faint else _CONFIRMING_WAY)


def size_of(box: Box) -> float:
    """Longer side, at least a pixel."""
    return max(box.w, box.h, _LEAST_SIZE)


def _motive(box: Box) -> Motive:
    size = size_of(box)
    return Motive(looks=_LOOKS * size, start=_START * size, swerve=_SWERVE * size)
