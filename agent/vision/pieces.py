"""The connected pieces of a mask, told apart by whether they move or stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.vision.geometry import Box
from agent.vision.unrest import Unrest

# A person 40 m away on a 1080p picture of a junction covers some 15 x 40 px, which is 20 px of this picture.
_MIN_REGION_PX: Final = 20
_MAX_REGIONS: Final = 16
# A piece moves when this part of it changed lately. Of a car that drives 0.95 and more changes, of the place that a car
# left under wind-blown branches 0.2 to 0.5 (suburban_road_8cars).
_RESTLESS_RATIO: Final = 0.5

Pixels = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Piece:
    """`at`: its pixels, as flat indices."""

    box: Box
    at: Pixels


@dataclass(frozen=True, slots=True)
class Pieces:
    """`regions`: what moves, and `standing`: what does not, of those large enough for a thing, largest first.
    `moving_px` counts all that moves; `calm` is all that does not, as flat indices."""

    regions: tuple[Box, ...]
    moving_px: int
    calm: Pixels
    standing: tuple[Piece, ...]


def find_pieces(mask: npt.NDArray[np.uint8], unrest: Unrest) -> Pieces:
    """mask: (H, W) uint8, contiguous, 0 or 1.

    Works on the few pixels of the mask: OpenCV's own statistics take as long as its labels again (5.0, x86-64).
    """
    count, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_16U)
    at = np.flatnonzero(mask.view(np.bool_))
    number = labels.ravel()[at]
    areas = np.bincount(number, minlength=count)
    moves = np.bincount(number[unrest.is_restless(at)], minlength=count) >= _RESTLESS_RATIO * areas
    # The background, which has no pixel of the mask, is neither.
    moves[0] = True

    def piece(one: int) -> Piece:
        mine = at[number == one]
        return Piece(_box(mine, mask.shape), mine)

    return Pieces(
        regions=tuple(piece(one).box for one in _largest(moves, areas)),
        moving_px=int(areas[moves].sum()),
        calm=at[:0] if moves.all() else at[~moves[number]],
        standing=tuple(piece(one) for one in _largest(~moves, areas)),
    )


def _largest(wanted: npt.NDArray[np.bool_], areas: Pixels) -> list[int]:
    large = np.flatnonzero(wanted & (areas >= _MIN_REGION_PX))
    order: list[int] = large[np.argsort(-areas[large], kind="stable")][:_MAX_REGIONS].tolist()
    return order


def _box(at: Pixels, shape: tuple[int, ...]) -> Box:
    height, width = shape
    column = at % width
    x, y = int(column.min()), int(at[0]) // width
    w, h = int(column.max()) + 1 - x, int(at[-1]) // width + 1 - y
    return Box(x / width, y / height, w / width, h / height)
