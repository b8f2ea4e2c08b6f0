"""Motion: which pixels changed, by the stateful ONNX model. One object per camera and run; one owner thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import FrameShapeError
from agent.vision.geometry import Box
from agent.vision.model import Session

LumaImage = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]

# The model's picture (models/cards/motion-320x240.md). Any camera is squeezed into it: boxes are fractions anyway.
WIDTH_PX: Final = 320
HEIGHT_PX: Final = 240

# Half a scene is forgotten in ln 2 / 0.01 = 69 frames, 14 s at 5 fps; where something moves, twenty times slower.
_RATE: Final = 0.01
_HOLD: Final = -0.95
# Warm-up: the mean of the first frames (1 / (n + 1.5) is their running average), all of the picture learning alike.
# Without it F falls from 0.96 to 0.64 on cdnet_highway, because the first cars stay in the background.
_WARM_FRAMES: Final = 100
_FREE_FRAMES: Final = 50
# No motion is told while the mean rests on fewer frames than this: one second at 5 fps.
_BLIND_FRAMES: Final = 5
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
        self.mask: LumaImage = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)

    def update(self, luma: LumaImage) -> Motion:
        """Fold one frame in and say what moved.

        luma: (240, 320) uint8, full range. `mask` afterwards: (240, 320) uint8, 1 where pixels moved.
        Raises FrameShapeError for another size.
        """
        if luma.shape != (HEIGHT_PX, WIDTH_PX):
            raise FrameShapeError(expected=f"{WIDTH_PX}x{HEIGHT_PX}", got=f"{luma.shape[1]}x{luma.shape[0]}")
        picture = luma[None, None]
        if self._mean is None or self._deviation is None:
            self._mean = picture.astype(np.float32)
            self._deviation = np.zeros_like(self._mean)
        rate = max(_RATE, 1 / (self._frames + 1.5)) if self._frames < _WARM_FRAMES else _RATE
        hold = 0.0 if self._frames < _FREE_FRAMES else _HOLD
        mask, self._mean, self._deviation = self._session.run(
            {
                "luma": picture,
                "mean": self._mean,
                "deviation": self._deviation,
                # onnxruntime 1.32 refuses np.float32 scalars and takes 0-d arrays.
                "rate": np.array(rate, np.float32),
                "hold": np.array(hold, np.float32),
            }
        )
        self.mask = mask[0, 0]
        self._frames += 1
        return self._judge()

    def _judge(self) -> Motion:
        ratio = float(np.count_nonzero(self.mask)) / self.mask.size
        if ratio > _UPHEAVAL_RATIO:
            self._frames = 0
            self._mean = None
            return Motion(ratio, (), is_upheaval=True)
        if self._frames <= _BLIND_FRAMES:
            return STILL
        regions = _regions(self.mask)
        return Motion(ratio, regions) if regions else STILL


def _regions(mask: LumaImage) -> tuple[Box, ...]:
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    order = np.argsort(stats[1:count, cv2.CC_STAT_AREA])[::-1][:_MAX_REGIONS] + 1
    return tuple(
        Box(int(x) / WIDTH_PX, int(y) / HEIGHT_PX, int(w) / WIDTH_PX, int(h) / HEIGHT_PX)
        for x, y, w, h, area in stats[order]
        if area >= _MIN_REGION_PX
    )
