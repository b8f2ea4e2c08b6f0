"""One camera's seeing: motion on every analysed frame, the detector where the gate opens, tracks over both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import cv2

from agent.units import NS_PER_S
from agent.vision import peek
from agent.vision.detector import BgrImage
from agent.vision.fire import FireModel, FireWatch
from agent.vision.flame_sight import FlameSight
from agent.vision.gate import Evidence, FirstGate, should_detect
from agent.vision.geometry import Detection
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, LumaImage, Motion, MotionModel
from agent.vision.peek import Peek
from agent.vision.slot import ObjectDetector
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
    """What one analysed frame showed. `is_detected`: the detector ran on it, or nothing had changed since it found all
    tracks where they are; else tracks are as they were. `ended`: the confirmed tracks that were given up at this frame;
    `view`: a look at the whole picture, where one was due; `flames`: what looks like fire or smoke, None where nobody
    looked for it."""

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
    """Since the pipeline was made. `offered` frames were decoded; `passed` had their turn while a glance showed no
    change; `analysed` were looked at; `inferences` went to the detector; `moved` showed motion."""

    offered: int = 0
    passed: int = 0
    analysed: int = 0
    inferences: int = 0
    moved: int = 0


class Pipeline:
    """Fresh for every run; one owner thread; pictures in the order of their media time."""

    def __init__(
        self,
        motion: MotionModel,
        detector: ObjectDetector | None,
        fire: FireModel | None = None,
        *,
        rate_fps: float,
        is_gated: bool = True,
    ) -> None:
        """Without a detector there are no tracks; not gated, every picture that has its turn is looked at."""
        cv2.setNumThreads(_OPENCV_THREADS)
        self._motion = motion
        self._detector = detector
        self._interval_ns = round(NS_PER_S / rate_fps)
        self._is_gated = is_gated
        self._gate: FirstGate | None = None
        self._peek = Peek()
        self._tracker = Tracker()
        self._view = View()
        self._fire = FireWatch(fire) if fire is not None else None
        self._due_ns: int | None = None
        self._moved_ns: int | None = None
        self._detected_ns: int | None = None
        self._has_changed = True
        self._tracks: tuple[Track, ...] = ()
        self._counters = PipelineCounters()

    @property
    def model(self) -> str:
        """What findings name as their model: the detector, or motion where there is none."""
        return (self._motion if self._detector is None else self._detector).facts.name

    @property
    def counters(self) -> PipelineCounters:
        return self._counters

    def is_quiet(self, media_ns: int) -> bool:
        """Whether nothing has changed for so long that a glance at one picture in some is enough."""
        return self._gate is not None and self._gate.is_shut(media_ns)

    def stirs(self, picture: Picture) -> bool:
        """Whether this picture shows a change against the last one that was processed; nothing is kept of it."""
        return self._peek.differs(_glance(picture))

    def process(self, picture: Picture) -> Seen | None:
        """What this picture shows; None when it is not due at the rate of analysis, or shows no change."""
        self._counters = replace(self._counters, offered=self._counters.offered + 1)
        media_ns = picture.media_ns
        if not self._is_due(media_ns):
            return None
        gate = self._gate = self._gate or FirstGate(media_ns, never_shuts=not self._is_gated)
        is_shut = gate.is_shut(media_ns)
        stirs = gate.is_worth_a_glance(media_ns) and self._peek.update(_glance(picture), media_ns)
        if stirs:
            gate.stir(media_ns)
            self._has_changed = True
        elif is_shut:
            self._peek.was_still()
        if not gate.admits(media_ns):
            self._counters = replace(self._counters, passed=self._counters.passed + 1)
            if self._is_settled:
                # Else they would have been lost for seconds when something stirs.
                self._tracks = self._tracker.stay(media_ns)
            return None
        return self._look(picture, gate, stirs=stirs)

    @property
    def _is_settled(self) -> bool:
        """Whether nothing changed since the last look of the detector, and that one found every track."""
        return not self._has_changed and self._tracker.is_settled(self._detected_ns or 0)

    def _look(self, picture: Picture, gate: FirstGate, *, stirs: bool) -> Seen:
        media_ns = picture.media_ns
        luma = picture.luma(WIDTH_PX, HEIGHT_PX)
        motion = self._motion.update(luma, media_ns)
        view = self._view.look(luma, media_ns)
        flames = self._fire.update(picture, luma, media_ns) if self._fire is not None else None
        has_moved = bool(motion.regions) or motion.is_upheaval
        # A background takes a second to learn; until then nobody knows what moves, so seeing begins with an open gate.
        if has_moved or self._moved_ns is None:
            self._moved_ns = media_ns
        if has_moved or flames:
            gate.stir(media_ns)
            self._has_changed = True
        elif self._motion.is_still:
            self._peek.was_still()
        detections, ended, is_known = self._find(picture, motion, is_same=not (stirs or has_moved))
        counters = self._counters
        self._counters = replace(
            counters,
            analysed=counters.analysed + 1,
            inferences=counters.inferences + (self._detected_ns == media_ns),
            moved=counters.moved + has_moved,
        )
        return Seen(media_ns, motion, detections, self._tracks, is_known, ended, view, flames)

    def _find(
        self, picture: Picture, motion: Motion, *, is_same: bool
    ) -> tuple[tuple[Detection, ...], tuple[Track, ...], bool]:
        """What the detector found, the tracks that ended, and whether it is known where each track is."""
        media_ns = picture.media_ns
        is_settled = self._is_settled
        is_quiet = self.is_quiet(media_ns)
        evidence = Evidence(
            media_ns,
            self._moved_ns,
            self._detected_ns,
            has_tracks=bool(self._tracks),
            is_settled=is_settled,
            is_quiet=is_quiet,
            is_foretold=bool(self._tracks) and not motion.is_upheaval and self._tracker.is_foretold(motion.regions),
        )
        if self._detector is None or not should_detect(evidence):
            if is_settled and is_same:
                self._tracks = self._tracker.stay(media_ns)
            return (), (), is_settled and is_same
        detections = self._detector.detect(picture.bgr())
        tracked = self._tracker.update(detections, media_ns, None if motion.is_upheaval else motion.regions)
        self._detected_ns, self._tracks, self._has_changed = media_ns, tracked.living, False
        return detections, tracked.ended, True

    def _is_due(self, media_ns: int) -> bool:
        """On a grid of the rate rather than an interval after the last, so that 30 fps at 5 fps gives 5 and not 4.3."""
        if self._due_ns is None:
            self._due_ns = media_ns
        if media_ns < self._due_ns:
            return False
        missed = (media_ns - self._due_ns) // self._interval_ns
        self._due_ns += (missed + 1) * self._interval_ns
        return True


def _glance(picture: Picture) -> LumaImage:
    """Straight from the picture: by way of the motion model's, whites and blacks that were clipped would differ."""
    return picture.luma(peek.WIDTH_PX, peek.HEIGHT_PX)
