"""Which faint detections are believed because something of that very shape moves there. Pure.

From straight above, in the rain or half hidden, a detector names a car with a score at which it also names shadows. The
motion model knows nothing of cars, so where both draw the same box independently, there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.vision.associate import corners, overlaps
from agent.vision.geometry import Box, Detection, intersection

# Both draw the same thing: the overlap at which a detection counts as found (PASCAL VOC). On topview_5cars the faint
# boxes of cars lie at 0.5 to 0.9.
_SAME_OVERLAP: Final = 0.5
# A region that shares this much with something known, of the smaller of both, is that thing's or its shadow's.
_KNOWN_SHARE: Final = 0.5
# 8 x 8 pixels of the motion's picture; the shape of a smaller region means nothing.
LEAST_AREA: Final = 64 / (320 * 240)


def backed(faint: Sequence[Detection], regions: Sequence[Box], known: Sequence[Box]) -> list[Detection]:
    """For each region of motion that nothing known explains, the faint detection that draws it best, if one does.

    known: boxes of what is believed in this frame anyway.
    """
    free = [region for region in regions if region.area >= LEAST_AREA and not _is_known(region, known)]
    shared = overlaps(corners(free), corners([detection.box for detection in faint]))
    found: list[Detection] = []
    for row in shared:
        same = [(value * one.score, one) for value, one in zip(row, faint, strict=True) if value >= _SAME_OVERLAP]
        if same:
            found.append(max(same, key=lambda pair: pair[0])[1])
    return found


def _is_known(region: Box, known: Sequence[Box]) -> bool:
    return any(intersection(region, box) >= _KNOWN_SHARE * min(region.area, box.area) for box in known)
