"""How sharp a picture is, as one number that grows while a lens comes into focus. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

LumaImage = npt.NDArray[np.uint8]

# The middle of the picture at its own pixels (scaling down would throw away what is measured): where the road is, away
# from the date that cameras write into a corner, which stays sharp whatever the lens does.
MIDDLE_WIDTH_PX: Final = 960
MIDDLE_HEIGHT_PX: Final = 540
# Black offset and sensor noise would rule a night picture whose mean is near nothing: below this mean it is not divided
# any further.
_LEAST_MEAN: Final = 16.0
# Makes a street by day a number of three digits, which a person can read aloud from a ladder.
_SCALE: Final = 10_000.0


def focus_score(luma: LumaImage) -> float:
    """The variance of the picture's Laplacian over the square of its mean: comparable while the exposure changes.

    luma: (H, W) uint8, full range, at least 3 x 3; of more than 960 x 540 only the middle is looked at. Only scores of
    the same view compare: a wall is never as sharp as a tree. Rain, noise by night and strong compression blunt it.
    Sources: variance of the Laplacian, Pech-Pacheco et al. 2000 (measure LAPV of Pertuz, Puig and Garcia 2013, the
    review that ranks the Laplacian family first); division by the mean against changing light, Groen et al. 1985.
    """
    middle = _middle(luma).astype(np.int16)
    core = middle[1:-1, 1:-1]
    laplacian = middle[:-2, 1:-1] + middle[2:, 1:-1] + middle[1:-1, :-2] + middle[1:-1, 2:] - 4 * core
    mean = max(float(core.mean()), _LEAST_MEAN)
    return float(laplacian.var(dtype=np.float32)) / (mean * mean) * _SCALE


def _middle(luma: LumaImage) -> LumaImage:
    height, width = luma.shape
    top = max((height - MIDDLE_HEIGHT_PX) // 2, 0)
    left = max((width - MIDDLE_WIDTH_PX) // 2, 0)
    return luma[top : top + MIDDLE_HEIGHT_PX, left : left + MIDDLE_WIDTH_PX]
