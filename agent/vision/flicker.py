"""Which places of a picture are restless without anything going anywhere: flames, smoke, leaves, water, screens.

The cheapest evidence of fire: two subtractions on the motion model's picture. It decides where the fire model looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, LumaImage

# Flames change their outline several times a second (1 to 10 Hz, NFPA 72's flame detectors listen there), smoke once;
# who walks through is gone after a second.
_MEMORY_S: Final = 1.0
# Below this the difference of two pictures is noise; above it one change is worth no more than the next: a car that
# passes once must not weigh like a flame that flickers ten times.
_NOISE: Final = 3.0
_MOST: Final = 20.0
# Blocks of 10 x 10 pixels; a flame of 1 m at 40 m is one of them.
_BLOCK_PX: Final = 10
_ROWS: Final = HEIGHT_PX // _BLOCK_PX
_COLUMNS: Final = WIDTH_PX // _BLOCK_PX
# Wind in leaves far away stays below.
_RESTLESS: Final = 1.5
# After a longer pause a difference says nothing of flicker.
_MAX_STEP_NS: Final = NS_PER_S

Levels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spot:
    """A restless place and how restless it is, in levels of luma between two analysed pictures."""

    box: Box
    flicker: float


class Flicker:
    """Folds pictures into a map of restlessness. One owner thread."""

    def __init__(self) -> None:
        self._last: Levels | None = None
        self._last_ns = 0
        self._restless = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)

    def update(self, luma: LumaImage, media_ns: int) -> None:
        """luma: (HEIGHT_PX, WIDTH_PX) uint8, full range."""
        smooth = cv2.GaussianBlur(luma, (0, 0), 1.0).astype(np.float32)
        step_ns = media_ns - self._last_ns
        if self._last is not None and 0 < step_ns <= _MAX_STEP_NS:
            change = np.clip(cv2.absdiff(smooth, self._last) - np.float32(_NOISE), 0, np.float32(_MOST))
            share = 1 - math.exp(-step_ns / NS_PER_S / _MEMORY_S)
            cv2.accumulateWeighted(change, self._restless, share)
        self._last, self._last_ns = smooth, media_ns

    def at(self, box: Box) -> float:
        """How restless the most restless tenth of this place is."""
        blocks = self._blocks()
        left, right = _cells(box.x, box.right, _COLUMNS)
        top, bottom = _cells(box.y, box.bottom, _ROWS)
        inside = np.sort(blocks[top:bottom, left:right], axis=None)
        return float(inside[-max(inside.size // 10, 1) :].mean())

    def spots(self, most: int) -> tuple[Spot, ...]:
        """At most `most` connected places, the most restless first."""
        blocks = self._blocks()
        count, _, stats, _ = cv2.connectedComponentsWithStats((blocks > _RESTLESS).astype(np.uint8), connectivity=8)
        found: list[tuple[float, Spot]] = []
        for left, top, wide, high, _ in stats[1:count].tolist():
            inside = blocks[top : top + high, left : left + wide]
            box = Box(left / _COLUMNS, top / _ROWS, wide / _COLUMNS, high / _ROWS)
            found.append((float(inside.sum()), Spot(box, float(inside.max()))))
        found.sort(key=lambda each: -each[0])
        return tuple(spot for _, spot in found[:most])

    def _blocks(self) -> Levels:
        return np.asarray(cv2.resize(self._restless, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA), np.float32)


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    first = min(max(int(low * count), 0), count - 1)
    return first, max(min(math.ceil(high * count), count), first + 1)
