"""The detector that serves all cameras, and one on trial beside it. Safe from any thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from agent import log
from agent.errors import ModelError
from agent.vision.detector import BgrImage
from agent.vision.geometry import Detection, Label, intersection
from agent.vision.model import ModelFacts
from agent.vision.track import START_SCORE

# One look in so many is given to the one on trial too: at five a second one in ten seconds, which costs 2 %.
_TRIAL_EVERY: Final = 50
# Two boxes are of the same thing from here (PASCAL VOC's criterion).
_SAME_OVERLAP: Final = 0.5
# One that fails so often in a row is no candidate.
_MOST_FAILURES: Final = 3
_TWO_WHEELERS: Final = frozenset({Label.BICYCLE, Label.MOTORCYCLE})

_log = log.get("slot")


class ObjectDetector(Protocol):
    """Finds road users in a picture; holds no state, safe from any thread."""

    @property
    def facts(self) -> ModelFacts: ...

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        """bgr: (H, W, 3) uint8. Boxes as fractions of it, best first. Raises ModelError."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a model on trial compares: `looks` it was given, things that both found, and that only one of them did."""

    model: ModelFacts
    looks: int = 0
    agreed: int = 0
    missed: int = 0
    extra: int = 0


class DetectorSlot:
    """Itself an ObjectDetector: whoever holds it sees with the newest one, and keeps its tracks."""

    def __init__(self, serving: ObjectDetector, candidate: ObjectDetector | None = None) -> None:
        self._lock = threading.Lock()
        self._turn = 0
        self.put(serving, candidate)

    @property
    def facts(self) -> ModelFacts:
        return self._serving.facts

    @property
    def trial(self) -> Trial | None:
        return self._trial

    def put(self, serving: ObjectDetector, candidate: ObjectDetector | None) -> None:
        """Take both from the next look on; a trial begins anew unless both are the same as before."""
        with self._lock:
            self._serving, self._candidate, self._failures = serving, candidate, 0
            self._trial = None if candidate is None else Trial(candidate.facts)

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        """What the serving detector finds. Raises ModelError; the one on trial never does."""
        with self._lock:
            serving, candidate = self._serving, self._candidate
            self._turn += 1
            is_tried = candidate is not None and self._turn % _TRIAL_EVERY == 0
        found = serving.detect(bgr)
        if is_tried and candidate is not None:
            self._try(candidate, bgr, found)
        return found

    def _try(self, candidate: ObjectDetector, bgr: BgrImage, found: Sequence[Detection]) -> None:
        try:
            other = candidate.detect(bgr)
        except ModelError as exc:
            self._note_failure(candidate, exc)
            return
        agreed, missed, extra = compare(found, other)
        with self._lock:
            trial = self._trial
            if self._candidate is candidate and trial is not None:
                self._failures = 0
                self._trial = replace(
                    trial,
                    looks=trial.looks + 1,
                    agreed=trial.agreed + agreed,
                    missed=trial.missed + missed,
                    extra=trial.extra + extra,
                )

    def _note_failure(self, candidate: ObjectDetector, failure: ModelError) -> None:
        with self._lock:
            if self._candidate is not candidate:
                return
            self._failures += 1
            if self._failures < _MOST_FAILURES:
                return
            self._candidate = self._trial = None
        _log.error("model on trial is dropped", model=candidate.facts.name, problem=str(failure))


def compare(serving: Sequence[Detection], candidate: Sequence[Detection]) -> tuple[int, int, int]:
    """Things that both found, that only the first did, that only the second did. Pure."""
    left = [one for one in candidate if one.score >= START_SCORE]
    agreed = missed = 0
    for one in serving:
        if one.score < START_SCORE:
            continue
        same = [other for other in left if _is_same(one, other)]
        if same:
            left.remove(max(same, key=lambda other: _overlap(one, other)))
            agreed += 1
        else:
            missed += 1
    return agreed, missed, len(left)


def _is_same(one: Detection, other: Detection) -> bool:
    labels = {one.label, other.label}
    alike = len(labels) == 1 or labels <= _TWO_WHEELERS or not labels & {Label.PERSON, *_TWO_WHEELERS}
    return alike and _overlap(one, other) >= _SAME_OVERLAP


def _overlap(one: Detection, other: Detection) -> float:
    shared = intersection(one.box, other.box)
    return shared / max(one.box.area + other.box.area - shared, 1e-9)
