"""Motion: which pixels changed, by the stateful ONNX model. One object per camera and run; one owner thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import FrameShapeError
from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.model import Session

LumaImage = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]

# The model's picture (models/cards/motion-320x240.md). Any camera is squeezed into it: boxes are fractions anyway.
WIDTH_PX: Final = 320
HEIGHT_PX: Final = 240

# Light and weather are followed with this time constant: half a scene is forgotten in ln 2 * 20 s = 14 s, and where
# something moves, twenty times slower. At 5 fps it is the rig's learning rate of 0.01 a frame, and at any other rate the
# same in seconds: an exponential mean at uneven times forgets by exp(-dt / tau) (Eckner 2012, Algorithms for Unevenly
# Spaced Time Series).
_MEMORY_S: Final = 20.0
_HOLD: Final = -0.95
# Warm-up: a plain mean over the time seen so far, in which a frame weighs dt / (seen + 1.5 dt); the exponential takes over
# by itself where it weighs more, after _MEMORY_S (the rig's 100 frames). For half of that the whole picture learns
# alike. Without warm-up F falls from 0.96 to 0.64 on cdnet_highway: the first cars stay in the background.
_FREE_S: Final = _MEMORY_S / 2
# A frame stands for the time since the last, but after a pause in the stream for no more than this: one frame with a
# lorry in it must not become the background.
_MAX_STEP_S: Final = 2.0
# What the first frame stands for, as nothing is known yet: the default rate of analysis.
_FIRST_STEP_S: Final = 0.2
# No motion is told while the mean rests on fewer frames than this: one second at 5 fps.
_BLIND_FRAMES: Final = 5
# Exposure: the picture's light is compared on every eighth pixel of every eighth row, 1 200 of them, whose median stays
# that of the background while things cover less than half of it.
_LIGHT_STEP_PX: Final = 8
# The camera's offset and noise would make the ratio of dark pixels meaningless.
_DARK_LEVEL: Final = 8.0
# Below this a change of light is drift or noise, which the mean follows by itself.
_LEAST_LIGHT: Final = 0.01
# When more than this part changes at once the light or the camera changed, not the scene: learn anew from here.
_UPHEAVAL_RATIO: Final = 0.6
# A person 40 m away on a 1080p picture of a junction covers some 15 x 40 px, which is 20 px of this picture.
_MIN_REGION_PX: Final = 20
_MAX_REGIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Motion:
    """`ratio` is the moved part of the picture, 0 to 1; `regions` its largest connected pieces, largest first.

    `is_upheaval`: most of the picture changed at once (light, a knock), so regions mean nothing.
    """

    ratio: float
    regions: tuple[Box, ...]
    is_upheaval: bool = False


STILL: Final = Motion(0.0, ())


class MotionModel:
    """Folds frames into a background and says what moved."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mean: FloatImage | None = None
        self._deviation: FloatImage | None = None
        self._frames = 0
        self._seen_s = 0.0
        self._last_ns: int | None = None
        self.mask: LumaImage = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)

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
        picture = luma[None, None]
        if self._mean is None or self._deviation is None:
            self._mean = picture.astype(np.float32)
            self._deviation = np.zeros_like(self._mean)
        self._mean = _relit(self._mean, luma)
        mask, self._mean, self._deviation = self._session.run(
            {
                "luma": picture,
                "mean": self._mean,
                "deviation": self._deviation,
                # onnxruntime 1.32 refuses np.float32 scalars and takes 0-d arrays.
                "rate": np.array(learning_rate(self._seen_s, step_s), np.float32),
                "hold": np.array(0.0 if self._seen_s < _FREE_S else _HOLD, np.float32),
            }
        )
        self.mask = mask[0, 0]
        self._seen_s += step_s
        self._frames += 1
        return self._judge()

    def _judge(self) -> Motion:
        ratio = float(np.count_nonzero(self.mask)) / self.mask.size
        if ratio > _UPHEAVAL_RATIO:
            self._frames, self._seen_s = 0, 0.0
            self._mean = None
            return Motion(ratio, (), is_upheaval=True)
        if self._frames <= _BLIND_FRAMES:
            return STILL
        regions = _regions(self.mask)
        return Motion(ratio, regions) if regions else STILL


def learning_rate(seen_s: float, step_s: float) -> float:
    """The part of a frame that enters the background when it stands for `step_s` after `seen_s` of the same scene."""
    return max(step_s / (seen_s + 1.5 * step_s), 1 - math.exp(-step_s / _MEMORY_S))


def _relit(mean: FloatImage, luma: LumaImage) -> FloatImage:
    """The background in the light of this frame: exposure and clouds change all of the picture by one factor."""
    old = mean[0, 0, ::_LIGHT_STEP_PX, ::_LIGHT_STEP_PX] + _DARK_LEVEL
    new = luma[::_LIGHT_STEP_PX, ::_LIGHT_STEP_PX] + np.float32(_DARK_LEVEL)
    light = float(np.median(new / old))
    if abs(light - 1) < _LEAST_LIGHT:
        return mean
    relit: FloatImage = np.clip((mean + _DARK_LEVEL) * np.float32(light) - _DARK_LEVEL, 0, 255)
    return relit


def _regions(mask: LumaImage) -> tuple[Box, ...]:
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    order = np.argsort(stats[1:count, cv2.CC_STAT_AREA])[::-1][:_MAX_REGIONS] + 1
    return tuple(
        Box(int(x) / WIDTH_PX, int(y) / HEIGHT_PX, int(w) / WIDTH_PX, int(h) / HEIGHT_PX)
        for x, y, w, h, area in stats[order]
        if area >= _MIN_REGION_PX
    )
