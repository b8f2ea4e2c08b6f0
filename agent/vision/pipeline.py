"""One camera's seeing: motion on every analysed frame, the detector where the gate opens, tracks over both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import cv2

from agent.units import NS_PER_S
from agent.vision.detector import BgrImage, Detector
from agent.vision.fire import FireModel, FireWatch
from agent.vision.flame_sight import FlameSight
from agent.vision.gate import Evidence, should_detect
from agent.vision.geometry import Detection
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, LumaImage, Motion, MotionModel
from agent.vision.track import Track, Tracker
from agent.vision.view import View
from agent.vision.view_facts import ViewFacts

# One thread a process for OpenCV: its pool fights the recorder for a Pi's four cores (architecture, settings).
_OPENCV_THREADS: Final = 1


class Picture(Protocol):
    """What the pipeline asks of a decoded frame (agent.media.decoder.Picture)."""

    @property
    def media_ns(self) -> int: ...

    def luma(self, width_px: int, height_px: int) -> LumaImage: ...

    def bgr(self) -> BgrImage: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What one analysed frame showed. `is_detected`: the detector ran on it; else tracks are as they were. `ended`: the
    confirmed tracks that were given up at this frame; `view`: a look at the whole picture, where one was due; `flames`:
    what looks like fire or smoke, None where nobody looked for it."""

    media_ns: int
    motion: Motion
    detections: tuple[Detection, ...]
    tracks: tuple[Track, ...]
    is_detected: bool
    ended: tuple[Track, ...] = ()
    view: ViewFacts | None = None
    flames: tuple[FlameSight, ...] | None = None


@dataclass(frozen=True, slots=True)
class PipelineCounters:
    """Since the pipeline was made. `offered` frames were decoded; `analysed` had their turn; `inferences` went to the
    detector; `moved` showed motion."""

    offered: int = 0
    analysed: int = 0
    inferences: int = 0
    moved: int = 0


class Pipeline:
    """Fresh for every run; one owner thread; pictures in the order of their media time."""

    def __init__(
        self, motion: MotionModel, detector: Detector, fire: FireModel | None = None, *, rate_fps: float
    ) -> None:
        cv2.setNumThreads(_OPENCV_THREADS)
        self._motion = motion
        self._detector = detector
        self._interval_ns = round(NS_PER_S / rate_fps)
        self._tracker = Tracker()
        self._view = View()
        self._fire = FireWatch(fire) if fire is not None else None
        self._due_ns: int | None = None
        self._moved_ns: int | None = None
        self._detected_ns: int | None = None
        self._tracks: tuple[Track, ...] = ()
        self._counters = PipelineCounters()

    @property
    def counters(self) -> PipelineCounters:
        return self._counters

    def process(self, picture: Picture) -> Seen | None:
        """What this picture shows; None when it is not due at the rate of analysis."""
        counters = replace(self._counters, offered=self._counters.offered + 1)
        self._counters = counters
        if not self._is_due(picture.media_ns):
            return None
        luma = picture.luma(WIDTH_PX, HEIGHT_PX)
        motion = self._motion.update(luma, picture.media_ns)
        view = self._view.look(luma, picture.media_ns)
        flames = self._fire.update(picture, luma, picture.media_ns) if self._fire is not None else None
        has_moved = bool(motion.regions) or motion.is_upheaval
        # A background takes a second to learn; until then nobody knows what moves, so seeing begins with an open gate.
        if has_moved or self._moved_ns is None:
            self._moved_ns = picture.media_ns
        evidence = Evidence(picture.media_ns, self._moved_ns, self._detected_ns, bool(self._tracks))
        detects = should_detect(evidence)
        detections = self._detector.detect(picture.bgr()) if detects else ()
        ended: tuple[Track, ...] = ()
        if detects:
            self._detected_ns = picture.media_ns
            regions = None if motion.is_upheaval else motion.regions
            tracked = self._tracker.update(detections, picture.media_ns, regions)
            self._tracks, ended = tracked.living, tracked.ended
        self._counters = replace(
            counters,
            analysed=counters.analysed + 1,
            inferences=counters.inferences + detects,
            moved=counters.moved + has_moved,
        )
        return Seen(picture.media_ns, motion, detections, self._tracks, detects, ended, view, flames)

    def _is_due(self, media_ns: int) -> bool:
        """On a grid of the rate rather than an interval after the last, so that 30 fps at 5 fps gives 5 and not 4.3."""
        if self._due_ns is None:
            self._due_ns = media_ns
        if media_ns < self._due_ns:
            return False
        missed = (media_ns - self._due_ns) // self._interval_ns
        self._due_ns += (missed + 1) * self._interval_ns
        return True
