"""The connected pieces of a mask, told apart by whether they move or stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.vision.geometry import Box
from agent.vision.unrest import Place, Unrest

# A person 40 m away on a 1080p picture of a junction covers some 15 x 40 px, which is 20 px of this picture.
_MIN_REGION_PX: Final = 20
_MAX_REGIONS: Final = 16
# A piece moves when this part of it changed lately. Of a car that drives 0.95 and more changes, of the place that a car
# left under wind-blown branches 0.2 to 0.5 (suburban_road_8cars).
_RESTLESS_RATIO: Final = 0.5

Cells = npt.NDArray[np.uint8]
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """`at`: its cells within the place of its Pieces."""

    box: Box
    at: Chosen


@dataclass(frozen=True, slots=True)
class Pieces:
    """`regions`: what moves, and `standing`: what does not, of those large enough for a thing, largest first.
    `moving_px` counts all that moves; `calm` is all that does not, None when nothing stands. `place`: the cells that
    all of them lie in."""

    place: Place
    regions: tuple[Box, ...]
    moving_px: int
    calm: Chosen | None
    standing: tuple[Piece, ...]


def find_pieces(cells: Cells, unrest: Unrest) -> Pieces:
    """cells: (h, w) uint8, how many of the four pixels of each moved, somewhere more than none; unrest is of cells too.

    Only the rectangle that holds all of them is worked on.
    """
    x, y, w, h = cv2.boundingRect(cells)
    place = np.s_[y : y + h, x : x + w]
    here = cells[place]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(here, connectivity=8, ltype=cv2.CV_16U)
    filled = here > 0
    number = labels[filled]
    # From here on plain numbers: there are few pieces, and each call of numpy takes as long as a dozen of them. The
    # background, number 0, has no cell that is filled, and is neither moving nor standing.
    areas_px = np.bincount(number, weights=here[filled], minlength=count).tolist()
    changing = np.bincount(number, weights=unrest.restless(place)[filled], minlength=count).tolist()
    sizes = stats[:, cv2.CC_STAT_AREA].tolist()
    stands = [one > 0 and changing[one] < _RESTLESS_RATIO * sizes[one] for one in range(count)]
    large = [one for one in range(1, count) if areas_px[one] >= _MIN_REGION_PX]
    large.sort(key=areas_px.__getitem__, reverse=True)
    moving, standing = ([one for one in large if stands[one] is still][:_MAX_REGIONS] for still in (False, True))

    def box(one: int) -> Box:
        left, top, wide, high, _ = stats[one].tolist()
        height, width = cells.shape
        return Box((x + left) / width, (y + top) / height, wide / width, high / height)

    return Pieces(
        place=place,
        regions=tuple(box(one) for one in moving),
        moving_px=round(sum(areas_px[one] for one in range(1, count) if not stands[one])),
        calm=np.array(stands)[labels] if any(stands) else None,
        standing=tuple(Piece(box(one), labels == one) for one in standing),
    )
