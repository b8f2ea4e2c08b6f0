"""Which pixels still change: tells what moves from what came, or went, and stands. One owner thread.

A background model marks a parked car, and the place that a car has left, for as long as it has not learnt them.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_S

# The motion model's floor: less is noise of the sensor and the codec (models/export/motion.py).
_FLOOR_LEVEL: Final = 15
# A walker who stops to look round stands for less; what is still for longer is no longer moving.
_CALM_NS: Final = 2 * NS_PER_S


class Unrest:
    """`changed_ns`: (H, W) int64, the media time at which each pixel last changed."""

    def __init__(self, luma: npt.NDArray[np.uint8], media_ns: int) -> None:
        self._reference = luma.copy()
        self.changed_ns = np.full(luma.shape, media_ns - _CALM_NS - 1, np.int64)

    def update(self, luma: npt.NDArray[np.uint8], media_ns: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool: pixels that changed within the last two seconds.

        Each is compared with what it was when it last changed, so that a slow change adds up until it shows.
        """
        changed = cv2.absdiff(luma, self._reference) > _FLOOR_LEVEL
        np.copyto(self._reference, luma, where=changed)
        self.changed_ns[changed] = media_ns
        restless: npt.NDArray[np.bool_] = self.changed_ns >= media_ns - _CALM_NS
        return restless
