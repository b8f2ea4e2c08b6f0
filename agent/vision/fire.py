"""Fire and smoke: a model that looks where something flickers. One FireWatch per camera and run; one owner thread."""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import ModelError
from agent.units import NS_PER_S
from agent.vision.detector import INPUT_PX, BgrImage, letterboxed
from agent.vision.flame_sight import Burning, FlameSight
from agent.vision.flicker import Flicker, Spot
from agent.vision.geometry import Box
from agent.vision.model import ModelFacts, Session
from agent.vision.motion import LumaImage

_OUTPUT: Final = "burning"
# The output's channels, models/cards/fire-416.md.
_KINDS: Final = (Burning.FIRE, Burning.SMOKE)
_CELLS: Final = 52
# A cell counts from here; what the rules believe is above (agent.scene.rules.fire).
_LEAST_SCORE: Final = 0.3
# The mean of the best four cells is a place's score: one cell of 8 x 8 pixels may be anything.
_BEST_CELLS: Final = 4
# A look costs what the detector's does. One a second where something flickers; at every second analysed picture where
# the last one was suspicious, but for half a minute: by then it is told, or a cloud that hangs about.
_LOOK_NS: Final = NS_PER_S
_CLOSER_LOOK_NS: Final = NS_PER_S * 4 // 10
_CLOSER_FOR_NS: Final = 30 * NS_PER_S
# The part of the picture around a flickering place that is looked at: half of its shorter side, so that a flame of 40
# pixels of a 1080p picture is 30 of the model's.
_CROP_SHARE: Final = 0.5
_MOST_SPOTS: Final = 3
# What is looked at again at once. Smoke is so only where it moves, as the rule asks of it (agent.scene.rules.fire).
_SUSPICIOUS: Final = 0.5
_SMOKY: Final = 0.6
_SMOKY_FLICKER: Final = 1.5
# Smoke-like things hang about for hours: of three looks one goes to the other places.
_SMOKE_TURNS: Final = 3
_WHOLE: Final = Box(0.0, 0.0, 1.0, 1.0)

Scores = npt.NDArray[np.float32]


class FireModel:
    """Says of each cell of a picture how much it looks like fire and like smoke. Stateless, safe from any thread."""

    def __init__(self, session: Session) -> None:
        if session.outputs != (_OUTPUT,):
            raise ModelError(model=session.facts.id, remedy=f"its output is not {_OUTPUT}; choose another fire model")
        self._session = session

    @property
    def facts(self) -> ModelFacts:
        return self._session.facts

    def look(self, bgr: BgrImage) -> tuple[tuple[Burning, Box, float], ...]:
        """Every place that might burn: what it looks like, its box as fractions of this picture, its score.

        bgr: (H, W, 3) uint8. Raises ModelError.
        """
        height, width = bgr.shape[:2]
        scale = INPUT_PX / max(height, width)
        (scores,) = self._session.run({"images": letterboxed(bgr, scale)})
        found: list[tuple[Burning, Box, float]] = []
        for kind, cells in zip(_KINDS, scores[0], strict=True):
            found += [(kind, box, score) for box, score in _places(cells, width * scale, height * scale)]
        return tuple(found)


def _places(cells: Scores, width_px: float, height_px: float) -> list[tuple[Box, float]]:
    """cells: (52, 52) float32. Connected cells above the least score; the picture fills width_px x height_px of 416."""
    mask = (cells >= _LEAST_SCORE).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    across, down = width_px * _CELLS / INPUT_PX, height_px * _CELLS / INPUT_PX
    places = []
    for number, (left, top, wide, high, _) in enumerate(stats[1:count].tolist(), start=1):
        score = float(np.sort(cells[labels == number])[-_BEST_CELLS:].sum() / _BEST_CELLS)
        x, y = left / across, top / down
        if x < 1 and y < 1 and score >= _LEAST_SCORE:
            places.append((Box(x, y, min(wide / across, 1 - x), min(high / down, 1 - y)), score))
    return places


class Picture(Protocol):
    def bgr(self) -> BgrImage: ...


class FireWatch:
    """Follows what flickers and looks at it closely: each second, and oftener where it looked like fire or smoke."""

    def __init__(self, model: FireModel) -> None:
        self._model = model
        self._flicker = Flicker()
        self._due_ns = 0
        self._turn = 0
        self._suspect: Box | None = None
        self._smoke: Box | None = None
        self._suspected_ns: int | None = None
        self.looks = 0

    def update(self, picture: Picture, luma: LumaImage, media_ns: int) -> tuple[FlameSight, ...] | None:
        """What looks like fire or smoke now; None when nobody looked. Empty: looked, and there is nothing.

        luma: the picture's, as the motion model takes it. Raises ModelError.
        """
        self._flicker.update(luma, media_ns)
        if media_ns < self._due_ns:
            return None
        spots = self._flicker.spots(_MOST_SPOTS)
        if not spots:
            return None
        sights = self._look(picture.bgr(), spots)
        flames = [one for one in sights if one.kind is Burning.FIRE and one.score >= _SUSPICIOUS and one.flicker > 0]
        self._suspect = max(flames, key=lambda one: one.score * one.flicker).box if flames else None
        smokes = [one for one in sights if _is_smoky(one)]
        if smokes:
            self._smoke = max(smokes, key=lambda one: one.score).box
        elif self._turn % _SMOKE_TURNS:
            # It was looked for, and is not there.
            self._smoke = None
        if not flames and self._smoke is None:
            self._suspected_ns = None
        elif self._suspected_ns is None:
            self._suspected_ns = media_ns
        is_fresh = self._suspected_ns is not None and media_ns - self._suspected_ns < _CLOSER_FOR_NS
        self._due_ns = media_ns + (_CLOSER_LOOK_NS if is_fresh else _LOOK_NS)
        return sights

    def _view(self, bgr: BgrImage, spots: tuple[Spot, ...]) -> Box:
        """Where to look now: again where it looked like fire; else at the most restless place each second time, and at
        the others and the whole picture in turn between."""
        if self._suspect is not None:
            return _around(self._suspect, bgr)
        self._turn += 1
        if self._smoke is not None and self._turn % _SMOKE_TURNS:
            return _around(self._smoke, bgr)
        others = [*(_around(spot.box, bgr) for spot in spots[1:]), _WHOLE]
        return _around(spots[0].box, bgr) if self._turn % 2 else others[self._turn // 2 % len(others)]

    def _look(self, bgr: BgrImage, spots: tuple[Spot, ...]) -> tuple[FlameSight, ...]:
        view = self._view(bgr, spots)
        self.looks += 1
        height, width = bgr.shape[:2]
        top, left = round(view.y * height), round(view.x * width)
        crop = np.ascontiguousarray(bgr[top : top + round(view.h * height), left : left + round(view.w * width)])
        return tuple(
            FlameSight(kind, placed, score, self._flicker.at(placed))
            for kind, box, score in self._model.look(crop)
            for placed in (_placed(box, view),)
        )


def _is_smoky(sight: FlameSight) -> bool:
    return sight.kind is Burning.SMOKE and sight.score >= _SMOKY and sight.flicker >= _SMOKY_FLICKER


def _around(box: Box, bgr: BgrImage) -> Box:
    """A square of pixels around the box, inside the picture, as fractions."""
    height, width = bgr.shape[:2]
    side = max(_CROP_SHARE * min(height, width), box.w * width * 1.2, box.h * height * 1.2)
    w, h = min(side / width, 1.0), min(side / height, 1.0)
    x, y = box.centre
    return Box(min(max(x - w / 2, 0.0), 1 - w), min(max(y - h / 2, 0.0), 1 - h), w, h)


def _placed(box: Box, view: Box) -> Box:
    return Box(view.x + box.x * view.w, view.y + box.y * view.h, box.w * view.w, box.h * view.h)
