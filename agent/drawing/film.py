"""The film with everything drawn into it that was found in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import cv2

from agent.contract.events import EventData
from agent.drawing.between import between
from agent.drawing.encoder import Mp4Encoder
from agent.drawing.overlay import Scenery, draw_sightings, seconds_of
from agent.drawing.story import Story
from agent.media.decoder import Picture
from agent.scene.grammar import Scene
from agent.scene.moment import Sighting
from agent.units import NS_PER_S
from agent.vision.detector import BgrImage

# A laptop's screen; a film of a 4K camera would take minutes to draw and show nothing more. Below the least width
# the letters of OpenCV's smallest readable size cover what they name.
_MAX_WIDTH_PX: Final = 1280
_MIN_WIDTH_PX: Final = 960
# Pictures that wait for the next analysed one. At a low rate they are drawn before, with the boxes of the last.
_MAX_WAITING: Final = 32
_TRAIL_NS: Final = 3 * NS_PER_S


class Film:
    """An MP4 that is written while a video is analysed. A context manager with one owner thread.

    Raises VideoError when the file cannot be written.
    """

    def __init__(self, path: Path, scene: Scene | None, *, fps: float) -> None:
        self._scenery = Scenery(scene or Scene())
        self._story = Story()
        self._waiting: deque[Picture] = deque()
        self._last: tuple[int, Sequence[Sighting]] = (0, ())
        self._trails: dict[int, deque[tuple[int, float, float]]] = {}
        self._encoder = Mp4Encoder(path, fps=fps)

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(self._last[0], self._last[1])
        self._encoder.__exit__(kind, error, trace)

    def show(self, picture: Picture) -> None:
        """A picture of the video, in its order; it is drawn when it is known what was seen in it."""
        if len(self._waiting) >= _MAX_WAITING:
            self._write(self._waiting.popleft(), self._last[1])
        self._waiting.append(picture)

    def tell(self, media_ns: int, sightings: Sequence[Sighting], findings: Sequence[EventData]) -> None:
        """What the last shown picture brought, which was analysed."""
        self._flush(media_ns, sightings)
        self._story.tell(findings)
        for sighting in sightings:
            trail = self._trails.setdefault(sighting.track_id, deque())
            trail.append((media_ns, *sighting.box.foot))
        self._trails = {
            track_id: trail for track_id, trail in self._trails.items() if trail[-1][0] > media_ns - _TRAIL_NS
        }
        for trail in self._trails.values():
            while trail[0][0] <= media_ns - _TRAIL_NS:
                trail.popleft()
        self._last = (media_ns, sightings)

    def _flush(self, media_ns: int, sightings: Sequence[Sighting]) -> None:
        before_ns, before = self._last
        while self._waiting:
            picture = self._waiting.popleft()
            if media_ns <= before_ns:
                self._write(picture, sightings)
                continue
            self._write(picture, between(before, before_ns, sightings, media_ns, picture.media_ns))

    def _write(self, picture: Picture, sightings: Sequence[Sighting]) -> None:
        canvas = _fitted(picture)
        trails = {key: [(x, y) for _, x, y in trail] for key, trail in self._trails.items()}
        draw_sightings(canvas, sightings, trails)
        self._scenery.draw(canvas, seconds_of(picture.media_ns), self._story)
        self._encoder.write(canvas, picture.media_ns)


def _fitted(picture: Picture) -> BgrImage:
    """A copy to draw on, about as wide as a screen, with even sides: 4:2:0 has no half pixels of colour."""
    bgr = picture.bgr()
    height, width = bgr.shape[:2]
    wide = min(max(width, _MIN_WIDTH_PX), _MAX_WIDTH_PX)
    size = (wide // 2 * 2, max(round(height * wide / width) // 2 * 2, 2))
    return bgr if size == (width, height) else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
