"""The real observer over one video, as the vision process and `analyse` run it, and what it found when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from agent.config import VisionConfig
from agent.media.decoder import Picture
from agent.processes.observe import Observer, ObserverSettings
from agent.processes.sight import Sight
from agent.processes.video import VideoFile
from agent.scene.engine import Finding
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene
from agent.units import NS_PER_S
from agent.vision.model import Session
from agent.vision.motion import MotionModel
from agent.vision.slot import DetectorSlot
from tests.eval.cache import CachedDetector

SCENES = Path(__file__).parent / "scenes"


@dataclass(frozen=True, slots=True)
class Told:
    """One finding and the media time of the picture that brought it, in seconds."""

    at_s: float
    finding: Finding


@dataclass(frozen=True, slots=True)
class Watched:
    """`cpu_s`: of this process, decoding included, and without the detector where the cache answered for it."""

    told: tuple[Told, ...]
    seconds: float
    analysed: int
    inferences: int
    cpu_s: float


class Watcher:
    """The models, opened once; every video gets a fresh pipeline.

    uses_cache: answers of the detector are kept under /tmp (tests.eval.cache).
    """

    def __init__(self, *, rate_fps: float = 5.0, uses_cache: bool = True) -> None:
        self.rate_fps = rate_fps
        self._sight = Sight(VisionConfig(rate_fps=rate_fps))
        if uses_cache:
            # The one place that knows how Sight keeps it: so the frame runs whatever a pipeline is made of.
            slot: DetectorSlot = vars(self._sight)["_slot"]
            slot.serve(CachedDetector(vars(slot)["_serving"]))

    @property
    def detector(self) -> str:
        return self._sight.serving.name

    @property
    def motion(self) -> str:
        return self._sight.motion.name

    def motion_model(self) -> MotionModel:
        """A fresh one, for pictures without an observer."""
        session: Session = vars(self._sight)["_motion"]
        return MotionModel(session)

    def watch(self, path: Path, scene: Scene | None) -> Watched:
        """One file from its first frame to its last."""
        with VideoFile(path) as video:
            return self.watch_pictures(video.pictures(), scene, lambda: video.seconds)

    def watch_pictures(self, pictures: Iterable[Picture], scene: Scene | None, seconds: Callable[[], float]) -> Watched:
        """Any pictures in the order of their media time, such as a composite's. `seconds`: how long they last, asked
        for when all are seen."""
        began_s = time.process_time()
        ids = count(1)
        pipeline = self._sight.pipeline()
        settings = ObserverSettings(lambda: str(next(ids)), keeps_tracks=True)
        observer = Observer(pipeline, scene, settings)
        told: list[Told] = []
        for picture in pictures:
            observation = observer.feed(picture)
            at_s = picture.media_ns / NS_PER_S
            told += [Told(at_s, finding) for finding in (observation.findings if observation else ())]
        told += [Told(seconds(), finding) for finding in observer.finish()]
        counters = pipeline.counters
        return Watched(tuple(told), seconds(), counters.analysed, counters.inferences, time.process_time() - began_s)


def read_scene(name: str) -> Scene | None:
    """The scene of this name in tests/eval/scenes; None where none is drawn."""
    path = SCENES / f"{name}.toml"
    return decode_scene(path.read_text(encoding="utf-8"), name=path.name) if path.exists() else None
