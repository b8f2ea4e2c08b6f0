"""The opened models, shared by all cameras of a process: one copy in memory, a fresh pipeline for each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent import log
from agent.config import VisionConfig
from agent.errors import ModelError
from agent.vision.detector import Detector
from agent.vision.fire import FireModel
from agent.vision.model import MANIFEST, ModelEntry, ModelFacts, ModelStore, find_models_dir
from agent.vision.motion import MotionModel
from agent.vision.own_detector import OwnDetector
from agent.vision.pipeline import Pipeline
from agent.vision.slot import DetectorSlot, ObjectDetector, Trial

DETECTOR_KINDS: Final = ("nanodet", "yolox", "yolov8", "ssd")

_log = log.get("sight")


class Sight:
    """Opens the models on construction, a second or less. Raises ModelError with what to do. Safe from any thread, but
    for `reload`."""

    def __init__(self, config: VisionConfig) -> None:
        store = ModelStore(find_models_dir(config.models_dir), threads=config.threads)
        self._config = config
        self._store = store
        self._motion = store.open(store.entry(config.motion, "motion"))
        self._fire = FireModel(store.open(store.entry(config.fire, "fire"))) if config.fire else None
        self._refusals: tuple[str, ...] = ()
        self._serving_place, serving = self._first()
        self._tried_place: DetectorPlace | None = None
        self._slot = None if serving is None else DetectorSlot(serving)
        if config.shadow:
            self.reload()

    @property
    def serving(self) -> ModelFacts:
        """The model that findings name: the detector, or motion where there is none."""
        return self._motion.facts if self._slot is None else self._slot.facts

    @property
    def motion(self) -> ModelFacts:
        return self._motion.facts

    @property
    def trial(self) -> Trial | None:
        return None if self._slot is None else self._slot.trial

    def pipeline(self, *, is_gated: bool = True) -> Pipeline:
        """A fresh one: its background and tracks belong to one run. is_gated: whether a quiet scene is glanced at."""
        return Pipeline(
            MotionModel(self._motion), self._slot, self._fire, rate_fps=self._config.rate_fps, is_gated=is_gated
        )

    @property
    def problem(self) -> str:
        """Why a detector that was asked for does not serve, or is not on trial."""
        dropped = (self._slot.problem,) if self._slot is not None else ()
        return "; ".join(one for one in (*self._refusals, *dropped) if one)

    def reload(self) -> bool:
        """Look at the users' models again; whether another detector serves or is tried now.

        What cannot be used is refused: the old goes on, and `problem` says why. On the watching thread.
        """
        slot = self._slot
        if slot is None:
            return False
        refusals: list[str] = []
        newest = self._newer(self._config.detector, self._serving_place, refusals)
        tried = self._newer(self._config.shadow, self._tried_place, refusals)
        self._refusals = tuple(refusals)
        if newest is None and tried is None:
            return False
        if newest is not None:
            self._serving_place = newest.place
            slot.serve(newest.detector)
        if tried is not None:
            self._tried_place = tried.place
            slot.try_out(tried.detector)
        trial = slot.trial
        _log.info("model taken", serving=slot.facts.name, shadow=trial.model.name if trial else "")
        return True

    def _first(self) -> tuple[DetectorPlace | None, ObjectDetector | None]:
        """The detector to begin with. Where the users' own cannot be used, ours serves: after a power cut nobody is
        there to put it right. Raises ModelError when ours cannot be used either."""
        wanted = self._config.detector
        if not wanted:
            return None, None
        try:
            place = place_of(self._config, self._store, wanted)
            return place, self._opened(place)
        except ModelError as exc:
            if not self._config.own_models_dir:
                raise
            self._refusals = (str(exc),)
            _log.error("own model refused, ours serves", problem=str(exc))
        shipped = next((found for one in (wanted, VisionConfig().detector) if (found := self._shipped(one))), None)
        place = shipped or DetectorPlace(self._store, self._store.entry(wanted, DETECTOR_KINDS[0]))
        return place, self._opened(place)

    def _shipped(self, model_id: str) -> DetectorPlace | None:
        entry = self._store.find(model_id, DETECTOR_KINDS[0])
        return None if entry is None else DetectorPlace(self._store, entry)

    def _newer(self, model_id: str, known: DetectorPlace | None, refusals: list[str]) -> _Opened | None:
        """Another one than the known under this name; a refused one is none, and its reason is added."""
        if not model_id:
            return None
        try:
            place = place_of(self._config, self._store, model_id)
            return None if place == known else _Opened(place, self._opened(place))
        except ModelError as exc:
            refusals.append(str(exc))
            _log.error("model refused, the old one goes on", serving=self.serving.name, problem=str(exc))
            return None

    def _opened(self, place: DetectorPlace) -> ObjectDetector:
        """Proven over its bytes and on a grey picture. Raises ModelError."""
        session = place.store.open(place.entry)
        if place.store is self._store and place.entry.kind == "nanodet":
            return Detector(session)
        return OwnDetector(session, place.entry.kind, place.entry.form)


@dataclass(frozen=True, slots=True)
class DetectorPlace:
    """A detector and the folder it lies in; equal when the model is the same to the byte."""

    store: ModelStore = field(compare=False)
    entry: ModelEntry


@dataclass(frozen=True, slots=True)
class _Opened:
    place: DetectorPlace
    detector: ObjectDetector


def place_of(config: VisionConfig, shipped: ModelStore, model_id: str) -> DetectorPlace:
    """Where a detector is: the users' folder goes first, so that a model of theirs may have the name of ours. Raises
    ModelError where no folder has it."""
    own = Path(config.own_models_dir)
    has_own = bool(config.own_models_dir) and (own / MANIFEST).is_file()
    stores = [ModelStore(own, threads=config.threads)] if has_own else []
    for store in (*stores, shipped):
        for kind in DETECTOR_KINDS:
            entry = store.find(model_id, kind)
            if entry is not None:
                return DetectorPlace(store, entry)
    return DetectorPlace(shipped, shipped.entry(model_id, DETECTOR_KINDS[0]))
