"""The picture kept with an incident: boxes drawn, small enough for a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.errors import VideoError
from agent.vision.detector import BgrImage
from agent.vision.geometry import Box

if TYPE_CHECKING:
    from cv2.typing import MatLike

# Contract: a picture in a message.
MAX_STILL_BYTES: Final = 30_000
# Wide enough to tell people apart, small enough for 30 kB; then smaller, as busy scenes need.
_WIDTHS_PX: Final = (960, 800, 640, 480, 320)
_QUALITIES: Final = (75, 60, 45)
_MAIN_BGR: Final = (0, 80, 255)
_OTHER_BGR: Final = (0, 200, 255)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box to draw, with its words (ASCII: OpenCV's font has no Thai). The main one stands out."""

    box: Box
    text: str
    is_main: bool = False


def encode_still(bgr: BgrImage, marks: Sequence[Mark] = (), *, max_bytes: int = MAX_STILL_BYTES) -> bytes:
    """JPEG of at most `max_bytes`: the largest and finest of the steps above that fits.

    bgr: (H, W, 3) uint8, left as it is. Raises VideoError when even the smallest step is too large.
    """
    sizes = [width for width in _WIDTHS_PX if width < bgr.shape[1]]
    for width in (min(bgr.shape[1], _WIDTHS_PX[0]), *sizes):
        height = max(round(bgr.shape[0] * width / bgr.shape[1]), 1)
        picture = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
        for mark in sorted(marks, key=lambda mark: mark.is_main):
            _draw(picture, mark)
        for quality in _QUALITIES:
            _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if jpeg.size <= max_bytes:
                return jpeg.tobytes()
    raise VideoError(remedy=f"the picture does not fit into {max_bytes} bytes", width=bgr.shape[1], height=bgr.shape[0])


def _draw(picture: MatLike, mark: Mark) -> None:
    height, width = picture.shape[:2]
    scale = np.array([width, height])
    left, top = (np.array([mark.box.x, mark.box.y]) * scale).astype(int).tolist()
    right, bottom = (np.array([mark.box.right, mark.box.bottom]) * scale).astype(int).tolist()
    colour = _MAIN_BGR if mark.is_main else _OTHER_BGR
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 2 if mark.is_main else 1)
    cv2.putText(picture, mark.text, (left, max(top - 4, 10)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
