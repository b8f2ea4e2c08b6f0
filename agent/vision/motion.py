"""Motion: which pixels changed, by the stateful ONNX model. One object per camera and run; one owner thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import FrameShapeError, ModelError
from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.model import ModelFacts, Session
from agent.vision.pieces import Chosen, Pieces, find_pieces
from agent.vision.standing import StandingPiece
from agent.vision.unrest import Place, Unrest

LumaImage = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]

# The model's picture (models/cards/motion-320x240.md). Any camera is squeezed into it: boxes are fractions anyway.
WIDTH_PX: Final = 320
HEIGHT_PX: Final = 240
# Pieces, and whether they still change, are found on cells of 2 x 2: a quarter of the time.
_CELLS: Final = (HEIGHT_PX // 2, WIDTH_PX // 2)

_INPUTS: Final = frozenset({"luma", "mean", "deviation", "rate", "hold", "per_light"})

# Light and weather are followed with this time constant: half a scene is forgotten in ln 2 * 20 s = 14 s, and where
# something moves, twenty times slower. At 5 fps it is the rig's learning rate of 0.01 a frame, and at any other rate
# the same in seconds: an exponential mean at uneven times forgets by exp(-dt / tau) (Eckner 2012, Algorithms for
# Unevenly Spaced Time Series).
_MEMORY_S: Final = 20.0
_HOLD: Final = -0.95
# Warm-up: a plain mean over the time seen so far, in which a frame weighs dt / (seen + 1.5 dt); the exponential takes
# over by itself where it weighs more, after _MEMORY_S (the rig's 100 frames). For half of that the whole picture
# learns alike. Without warm-up F falls from 0.96 to 0.64 on cdnet_highway: the first cars stay in the background.
_FREE_S: Final = _MEMORY_S / 2
# A frame stands for the time since the last, but after a pause in the stream for no more than this: one frame with a
# lorry in it must not become the background.
_MAX_STEP_S: Final = 2.0
# What the first frame stands for, as nothing is known yet: the default rate of analysis.
_FIRST_STEP_S: Final = 0.2
# No motion is told while the mean rests on fewer frames than this: one second at 5 fps.
_BLIND_FRAMES: Final = 5
# Exposure: light is compared on every eighth pixel of every eighth row. The median of these 1 200 is the background's
# as long as things cover less than half of the picture.
_LIGHT_STEP_PX: Final = 8
# The camera's offset and noise would make the ratio of dark pixels meaningless.
_DARK_LEVEL: Final = 8
# Above this a camera's knee and clipping bend the scale, and a white line no longer gets darker with the rest.
_WHITE_LEVEL: Final = 235
# What the model is fed for each level, and how many of them are one of its state (models/cards/motion-320x240.md).
_RAISED: Final = (np.minimum(np.arange(256), _WHITE_LEVEL) + _DARK_LEVEL).astype(np.uint8)
_UNIT_LEVELS: Final = np.float32(100)
# A covered lens; dividing by less would blow the noise up.
_LEAST_LIGHT: Final = 0.05 * _UNIT_LEVELS
# When more than this part changes at once the light or the camera changed, not the scene: learn anew from here.
_UPHEAVAL_RATIO: Final = 0.6


@dataclass(frozen=True, slots=True)
class Motion:
    """`ratio` is the moving part of the picture, 0 to 1; `regions` its largest connected pieces, largest first.
    What came or went and has stood still for two seconds does not count.

    `is_upheaval`: most of the picture changed at once (light, a knock), so regions mean nothing. `standing`: what does
    stand, largest first, until the background has learnt it, which takes half a minute of what is dark on light.
    """

    ratio: float
    regions: tuple[Box, ...]
    is_upheaval: bool = False
    standing: tuple[StandingPiece, ...] = ()


STILL: Final = Motion(0.0, ())

# A thing that came has its outline in the picture, a place that was left has it in the background; on a patterned floor
# the pattern shows in both. Seen: a bag 1.5, places of people who went 0.2 to 0.9.
_COME_RATIO: Final = 1.2
_RING: Final = np.ones((3, 3), np.uint8)
# The operator weighs eight neighbours.
_SOBEL_SCALE: Final = 1 / 8


class MotionModel:
    """Folds frames into a background and says what moved."""

    def __init__(self, session: Session) -> None:
        """Raises ModelError when the model is no motion model of this release."""
        if set(session.inputs) != _INPUTS:
            raise ModelError(model=session.facts.id, remedy="it is of another release; install the models again")
        self._session = session
        self._mean: FloatImage | None = None
        self._deviation: FloatImage | None = None
        self._frames = 0
        self._seen_s = 0.0
        self._rate = 1.0
        self._last_ns: int | None = None
        self._unrest: Unrest | None = None
        self.mask: LumaImage = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        self._cells: LumaImage = np.zeros(_CELLS, np.uint8)

    @property
    def facts(self) -> ModelFacts:
        return self._session.facts

    @property
    def is_still(self) -> bool:
        """Whether the background is known and the last frame showed nothing else, not even what stands."""
        return self._seen_s >= _FREE_S and not self.mask.any()

    def update(self, luma: LumaImage, media_ns: int) -> Motion:
        """Fold one frame in and say what moved.

        luma: (240, 320) uint8, full range. `mask` afterwards: (240, 320) uint8, 1 where pixels moved.
        Raises FrameShapeError for another size.
        """
        if luma.shape != (HEIGHT_PX, WIDTH_PX):
            raise FrameShapeError(expected=f"{WIDTH_PX}x{HEIGHT_PX}", got=f"{luma.shape[1]}x{luma.shape[0]}")
        step_s = _FIRST_STEP_S if self._last_ns is None else (media_ns - self._last_ns) / NS_PER_S
        step_s = min(max(step_s, 1e-3), _MAX_STEP_S)
        self._last_ns = media_ns
        picture = np.asarray(cv2.LUT(luma, _RAISED), np.uint8)
        if self._mean is None or self._deviation is None:
            self._mean = picture[None, None].astype(np.float32) / _UNIT_LEVELS
            self._deviation = np.zeros_like(self._mean)
        light = _light(self._mean, luma)
        self._rate = learning_rate(self._seen_s, step_s)
        mask, self._mean, self._deviation, cells = self._session.run(
            {
                "luma": picture[None, None],
                "mean": self._mean,
                "deviation": self._deviation,
                # onnxruntime 1.32 refuses np.float32 scalars and takes 0-d arrays.
                "rate": np.array(self._rate, np.float32),
                "hold": np.array(0.0 if self._seen_s < _FREE_S else _HOLD, np.float32),
                "per_light": np.array(1 / light, np.float32),
            }
        )
        self.mask, self._cells = mask[0, 0], cells[0, 0]
        self._seen_s += step_s
        self._frames += 1
        return self._judge(picture, media_ns, light)

    def _judge(self, luma: LumaImage, media_ns: int, light: np.float32) -> Motion:
        ratio = cv2.countNonZero(self.mask) / self.mask.size
        if ratio > _UPHEAVAL_RATIO:
            self._frames, self._seen_s = 0, 0.0
            self._mean = self._unrest = None
            return Motion(ratio, (), is_upheaval=True)
        # One pixel of each cell: by the mean of four, half as much was found standing (vtest).
        coarse = np.asarray(cv2.resize(luma, _CELLS[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
        if self._unrest is None:
            self._unrest = Unrest(coarse, media_ns)
        self._unrest.update(coarse, media_ns)
        if self._frames <= _BLIND_FRAMES or not ratio:
            return STILL
        pieces = find_pieces(self._cells, self._unrest)
        standing = self._standing(pieces, luma, light, self._unrest)
        self._settle(pieces, luma, light)
        moving = pieces.moving_px / self.mask.size if pieces.regions else 0.0
        return Motion(moving, pieces.regions, standing=standing)

    def _standing(
        self, pieces: Pieces, luma: LumaImage, light: np.float32, unrest: Unrest
    ) -> tuple[StandingPiece, ...]:
        if self._mean is None or not pieces.standing:
            return ()
        now = _edges(luma.astype(np.float32))
        before = _edges(self._mean[0, 0] * light)
        found = []
        for piece in pieces.standing:
            ring = cv2.morphologyEx(self._pixels(pieces.place, piece.at), cv2.MORPH_GRADIENT, _RING) > 0
            has_come = float(now[ring].mean()) > _COME_RATIO * float(before[ring].mean())
            found.append(StandingPiece(piece.box, unrest.stands_since_ns(pieces.place, piece.at), has_come))
        return tuple(found)

    def _settle(self, pieces: Pieces, luma: LumaImage, light: np.float32) -> None:
        """Learn what stands as fast as the rest, so that it goes in _MEMORY_S and not in twenty times that."""
        if self._mean is None or pieces.calm is None:
            return
        calm = self._pixels(pieces.place, pieces.calm) > 0
        mean = self._mean[0, 0]
        mean[calm] += (luma[calm] / light - mean[calm]) * np.float32(self._rate)

    def _pixels(self, place: Place, at: Chosen) -> LumaImage:
        """(240, 320) uint8: 1 at the pixels of the mask in these cells."""
        cells = np.zeros(_CELLS, np.uint8)
        cells[place] = at
        return (
            np.asarray(cv2.resize(cells, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST), np.uint8) & self.mask
        )


def learning_rate(seen_s: float, step_s: float) -> float:
    """The part of a frame that enters the background when it stands for `step_s` after `seen_s` of the same scene."""
    return max(step_s / (seen_s + 1.5 * step_s), 1 - math.exp(-step_s / _MEMORY_S))


def _light(mean: FloatImage, luma: LumaImage) -> np.float32:
    """How many levels of this frame a unit of the background is: exposure and clouds change all of it by one factor."""
    new = luma[::_LIGHT_STEP_PX, ::_LIGHT_STEP_PX] + np.float32(_DARK_LEVEL)
    ratio = (new / mean[0, 0, ::_LIGHT_STEP_PX, ::_LIGHT_STEP_PX]).ravel()
    # The upper of the two in the middle; np.median would take another pass to halve their difference.
    return np.float32(max(np.partition(ratio, ratio.size // 2)[ratio.size // 2], _LEAST_LIGHT))


def _edges(picture: FloatImage) -> FloatImage:
    """(H, W) float32: by how many levels a pixel differs from its neighbours; the Sobel operator."""
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=_SOBEL_SCALE)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=_SOBEL_SCALE)
    return np.asarray(cv2.magnitude(across, down), np.float32)
