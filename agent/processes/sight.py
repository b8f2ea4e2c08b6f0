"""The opened models, shared by all cameras of a process: one copy in memory, a fresh pipeline for each run."""

from __future__ import annotations

from agent.config import VisionConfig
from agent.vision.detector import Detector
from agent.vision.fire import FireModel
from agent.vision.model import ModelFacts, ModelStore, find_models_dir
from agent.vision.motion import MotionModel
from agent.vision.pipeline import Pipeline


class Sight:
    """Opens the models on construction, a second or less. Raises ModelError with what to do. Safe from any thread."""

    def __init__(self, config: VisionConfig) -> None:
        store = ModelStore(find_models_dir(config.models_dir), threads=config.threads)
        self._rate_fps = config.rate_fps
        self._motion = store.open(store.entry(config.motion, "motion"))
        self._detector = Detector(store.open(store.entry(config.detector, "nanodet"))) if config.detector else None
        self._fire = FireModel(store.open(store.entry(config.fire, "fire"))) if config.fire else None

    @property
    def serving(self) -> ModelFacts:
        """The model that findings name: the detector, or motion where there is none."""
        return self._motion.facts if self._detector is None else self._detector.facts

    @property
    def motion(self) -> ModelFacts:
        return self._motion.facts

    def pipeline(self, *, is_gated: bool = True) -> Pipeline:
        """A fresh one: its background and tracks belong to one run. is_gated: whether a quiet scene is glanced at."""
        return Pipeline(
            MotionModel(self._motion), self._detector, self._fire, rate_fps=self._rate_fps, is_gated=is_gated
        )
