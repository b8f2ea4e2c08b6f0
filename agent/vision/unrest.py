"""Which pixels still change: tells what moves from what came, or went, and stands. One owner thread.

A background model marks a parked car, and the place that a car has left, for as long as it has not learnt them.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_MS

# The motion model's floor: less is noise of the sensor and the codec (models/export/motion.py).
_FLOOR_LEVEL: Final = 15
# A walker who stops to look round stands for less; what is still for longer is no longer moving.
_CALM_MS: Final = 2_000
# Times of pixels are counted anew from here, long before they leave 31 bits (24 days).
_LONGEST_MS: Final = 1 << 30

Place = tuple[slice, slice]


class Unrest:
    """When each pixel last changed, in media time."""

    def __init__(self, luma: npt.NDArray[np.uint8], media_ns: int) -> None:
        self._begun_ns = media_ns
        self._now_ms = 0
        self._reference = luma.copy()
        self._changed = np.zeros_like(luma)
        # Of 32 bits and by OpenCV, which copies by a mask of bytes: numpy's `where` on 64 bits takes twice as long.
        self._stamp = np.zeros(luma.shape, np.int32)
        self._changed_ms = np.full(luma.shape, -_CALM_MS - 1, np.int32)

    def update(self, luma: npt.NDArray[np.uint8], media_ns: int) -> None:
        """Fold one frame in.

        Each pixel is compared with what it was when it last changed, so that a slow change adds up until it shows.
        """
        self._now_ms = (media_ns - self._begun_ns) // NS_PER_MS
        if abs(self._now_ms) > _LONGEST_MS:
            self._count_anew(media_ns)
        cv2.absdiff(luma, self._reference, self._changed)
        cv2.threshold(self._changed, _FLOOR_LEVEL, 1, cv2.THRESH_BINARY, self._changed)
        cv2.copyTo(luma, self._changed, self._reference)
        self._stamp.fill(self._now_ms)
        cv2.copyTo(self._stamp, self._changed, self._changed_ms)

    def restless(self, place: Place) -> npt.NDArray[np.bool_]:
        """(h, w) bool: pixels of this part that changed within the last two seconds."""
        restless: npt.NDArray[np.bool_] = self._changed_ms[place] >= self._now_ms - _CALM_MS
        return restless

    def stands_since_ns(self, place: Place, piece: npt.NDArray[np.bool_]) -> int:
        """The media time of the last change in a piece, (h, w) bool of this part."""
        return self._begun_ns + int(self._changed_ms[place][piece].max()) * NS_PER_MS

    def _count_anew(self, media_ns: int) -> None:
        ago_ms = np.clip(self._now_ms - self._changed_ms.astype(np.int64), 0, _LONGEST_MS)
        self._changed_ms = (-ago_ms).astype(np.int32)
        self._begun_ns, self._now_ms = media_ns, 0
