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
        self._entries = (self._entry(config.detector), self._entry(config.shadow))
        serving, candidate = (self._opened(entry) for entry in self._entries)
        self._slot = None if serving is None else DetectorSlot(serving, candidate)
        self.problem = ""

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

    def reload(self) -> bool:
        """Look at the users' models again; whether another detector serves or is tried now.

        What cannot be used is refused: the old goes on, and `problem` says why. On the watching thread.
        """
        try:
            entries = (self._entry(self._config.detector), self._entry(self._config.shadow))
            if entries == self._entries or self._slot is None:
                self.problem = ""
                return False
            serving, candidate = (self._opened(entry) for entry in entries)
        except ModelError as exc:
            self.problem = str(exc)
            _log.error("model refused, the old one goes on", serving=self.serving.name, problem=self.problem)
            return False
        if serving is None:
            return False
        self._entries, self.problem = entries, ""
        self._slot.put(serving, candidate)
        trial = self._slot.trial
        _log.info("model taken", serving=serving.facts.name, shadow=trial.model.name if trial else "")
        return True

    def _entry(self, model_id: str) -> DetectorPlace | None:
        return place_of(self._config, self._store, model_id) if model_id else None

    def _opened(self, place: DetectorPlace | None) -> ObjectDetector | None:
        if place is None:
            return None
        session = place.store.open(place.entry)
        return (
            Detector(session)
            if place.entry.kind == "nanodet"
            else OwnDetector(session, place.entry.kind, place.entry.form)
        )


@dataclass(frozen=True, slots=True)
class DetectorPlace:
    """A detector and the folder it lies in; equal when the model is the same to the byte."""

    store: ModelStore = field(compare=False)
    entry: ModelEntry


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
