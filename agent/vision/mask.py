"""Masks burnt into a picture before it leaves the node."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from agent.vision.detector import BgrImage


def burn_masks(bgr: BgrImage, polygons: Sequence[Sequence[tuple[float, float]]]) -> BgrImage:
    """The picture with these polygons (fractions of it) black. The one given is left as it is.

    bgr: (H, W, 3) uint8. Corners are rounded outwards by the fill itself, which paints the pixels of the outline too.
    """
    if not polygons:
        return bgr
    burnt = bgr.copy()
    scale = np.array([bgr.shape[1], bgr.shape[0]])
    for polygon in polygons:
        cv2.fillPoly(burnt, [np.rint(np.array(polygon) * scale).astype(np.int32)], (0, 0, 0))
    return burnt
