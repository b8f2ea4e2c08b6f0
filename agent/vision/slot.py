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
# One that fails so often in a row is no candidate, and a new one that does so does not serve.
_MOST_FAILURES: Final = 3
# The one before is kept until the new one has seen so much: at five looks a second three minutes.
_PROBATION_LOOKS: Final = 1000
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
        self._serving = serving
        self._former: ObjectDetector | None = None
        self._slips = self._probation = 0
        self._problem = ""
        self._try_anew(candidate)

    @property
    def facts(self) -> ModelFacts:
        return self._serving.facts

    @property
    def trial(self) -> Trial | None:
        return self._trial

    @property
    def problem(self) -> str:
        """Why the last one that was put here serves no longer, or is on trial no longer."""
        return self._problem

    def serve(self, serving: ObjectDetector) -> None:
        """Take it from the next look on; a trial begins anew.

        Until it has seen a good deal, whatever it fails at is answered by the one before; one that fails three times
        in a row goes, and `problem` says why.
        """
        with self._lock:
            self._serving, self._former = serving, self._serving
            self._slips, self._probation, self._problem = 0, _PROBATION_LOOKS, ""
            self._try_anew(self._candidate)

    def try_out(self, candidate: ObjectDetector) -> None:
        """Put it on trial beside the serving one."""
        with self._lock:
            self._problem = ""
            self._try_anew(candidate)

    def _try_anew(self, candidate: ObjectDetector | None) -> None:
        self._candidate, self._failures = candidate, 0
        self._trial = None if candidate is None else Trial(candidate.facts)

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        """What the serving detector finds. Raises ModelError; the one on trial never does."""
        with self._lock:
            serving, candidate = self._serving, self._candidate
            self._turn += 1
            is_tried = candidate is not None and self._turn % _TRIAL_EVERY == 0
        found = self._serve(serving, bgr)
        if is_tried and candidate is not None:
            self._try(candidate, bgr, found)
        return found

    def _serve(self, serving: ObjectDetector, bgr: BgrImage) -> tuple[Detection, ...]:
        try:
            found = serving.detect(bgr)
        except ModelError as exc:
            former = self._former_of(serving, exc)
            if former is None:
                raise
            return former.detect(bgr)
        with self._lock:
            if self._serving is serving and self._former is not None:
                self._slips = 0
                self._probation -= 1
                if self._probation <= 0:
                    self._former = None
        return found

    def _former_of(self, serving: ObjectDetector, failure: ModelError) -> ObjectDetector | None:
        """Who answers instead of one that failed; after too many failures it serves again itself."""
        with self._lock:
            if self._serving is not serving:
                # Another camera's thread, or a newer model, was quicker.
                return self._serving
            former = self._former
            if former is None:
                return None
            self._slips += 1
            if self._slips < _MOST_FAILURES:
                return former
            self._serving, self._former, self._problem = former, None, str(failure)
        _log.error("new model failed, the old one serves again", model=serving.facts.name, problem=str(failure))
        return former

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
            self._problem = str(failure)
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
