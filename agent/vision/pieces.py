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

Pixels = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """`at`: its pixels within the place of its Pieces."""

    box: Box
    at: Pixels


@dataclass(frozen=True, slots=True)
class Pieces:
    """`regions`: what moves, and `standing`: what does not, of those large enough for a thing, largest first.
    `moving_px` counts all that moves; `calm` is all that does not, None when nothing stands. `place`: the part of the
    picture that all of them lie in."""

    place: Place
    regions: tuple[Box, ...]
    moving_px: int
    calm: Pixels | None
    standing: tuple[Piece, ...]


def find_pieces(mask: npt.NDArray[np.uint8], unrest: Unrest) -> Pieces:
    """mask: (H, W) uint8, 0 or 1, somewhere 1. Only the rectangle that holds all of it is worked on."""
    x, y, w, h = cv2.boundingRect(mask)
    place = np.s_[y : y + h, x : x + w]
    here = mask[place]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(here, connectivity=8, ltype=cv2.CV_16U)
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    restless = here.view(np.bool_) & unrest.restless(place)
    moves = np.bincount(labels[restless], minlength=count) >= _RESTLESS_RATIO * areas
    stands = ~moves
    # The background is neither.
    moves[0] = stands[0] = False

    def box(number: int) -> Box:
        left, top, wide, high, _ = stats[number].tolist()
        height, width = mask.shape
        return Box((x + left) / width, (y + top) / height, wide / width, high / height)

    return Pieces(
        place=place,
        regions=tuple(box(number) for number in _largest(moves, areas)),
        moving_px=int(areas[moves].sum()),
        calm=stands[labels] if stands.any() else None,
        standing=tuple(Piece(box(number), labels == number) for number in _largest(stands, areas)),
    )


def _largest(wanted: Pixels, areas: npt.NDArray[np.int32]) -> list[int]:
    large = np.flatnonzero(wanted & (areas >= _MIN_REGION_PX))
    order: list[int] = large[np.argsort(-areas[large], kind="stable")][:_MAX_REGIONS].tolist()
    return order
