"""From the raw tensors of a user's detector to boxes in pixels of its input. Pure.

Sources: YOLOX, Ge et al. 2021 (centres count from the cell's corner in strides, sizes are exponents, a score is
objectness times class); YOLOv8's export (one column a place: centre x, y, width, height in pixels, then class scores);
TensorFlow Object Detection API (boxes as ymin, xmin, ymax, xmax in fractions, classes that count from 1); NanoDet
(RangiLyu): sides as distributions, counted from the cell's centre in its three strides, and from the cell's corner in
the four of NanoDet-Plus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.vision.tensors import Floats, Ints

_YOLOX_STRIDES_PX: Final = (8, 16, 32)
_PLUS_STRIDES_PX: Final = (8, 16, 32, 64)
# No street scene at 640 px holds more that could be told apart.
MOST_BOXES: Final = 200


@dataclass(frozen=True, slots=True)
class Candidates:
    """boxes: (N, 4) float32, left, top, right, bottom in pixels of the input; scores: (N,) float32; classes: (N,) ints,
    the model's own. Not yet suppressed."""

    boxes: Floats
    scores: Floats
    classes: Ints


def yolov8(output: Floats, wanted: Sequence[int], least_score: float) -> Candidates:
    """output: (1, 4 + C, N) float32."""
    columns = output[0]
    scores, classes, places = _best(columns[4:].T, wanted, least_score)
    centre_x, centre_y, width, height = columns[:4, places]
    return _top(_corners(centre_x, centre_y, width, height), scores, classes)


def yolox(output: Floats, wanted: Sequence[int], least_score: float, width_px: int, height_px: int) -> Candidates:
    """output: (1, N, 5 + C) float32, N the cells of strides 8, 16, 32, row by row. Raises ValueError for another N."""
    rows = output[0]
    corners, strides = _cells(width_px, height_px)
    if len(rows) != len(corners):
        raise ValueError(f"{len(rows)} places instead of the {len(corners)} of strides 8, 16 and 32")
    scores, classes, places = _best(rows[:, 5:] * rows[:, 4:5], wanted, least_score)
    stride = strides[places]
    centre_x, centre_y = ((rows[places, :2] + corners[places]) * stride[:, None]).T
    # A size beyond the picture is nonsense; its exponent must not overflow.
    width, height = (np.exp(np.minimum(rows[places, 2:4], 10.0)) * stride[:, None]).T
    return _top(_corners(centre_x, centre_y, width, height), scores, classes)


def nanodet(
    outputs: Mapping[str, Floats],
    wanted: Sequence[int],
    least_score: float,
    width_px: int,
    height_px: int,
    *,
    bins: int,
) -> Candidates:
    """outputs: cls_{8,16,32} (1, N, C) and dis_{8,16,32} (1, N, 4 distributions) by these names, as ours; or one
    (1, N, C + 4 * bins), as its authors export it. Scores are probabilities already. Raises KeyError, ValueError."""
    if len(outputs) == 1:
        (output,) = outputs.values()
        scores, sides = output[0][:, : -4 * bins], output[0][:, -4 * bins :]
    else:
        scores = np.concatenate([outputs[f"cls_{stride}"][0] for stride in _YOLOX_STRIDES_PX])
        sides = np.concatenate([outputs[f"dis_{stride}"][0] for stride in _YOLOX_STRIDES_PX])
    corners, strides, offset = _cells_of_nanodet(len(scores), width_px, height_px)
    values, classes, places = _best(scores, wanted, least_score)
    weights = sides[places].reshape(len(places), 4, sides.shape[1] // 4)
    weights = np.exp(weights - weights.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    stride = strides[places][:, None]
    distances = weights @ np.arange(weights.shape[2], dtype=np.float32) * stride
    centres = (corners[places] + offset) * stride
    return _top(np.hstack([centres - distances[:, :2], centres + distances[:, 2:]]), values, classes)


def ssd(
    outputs: Mapping[str, Floats], wanted: Sequence[int], least_score: float, width_px: int, height_px: int
) -> Candidates:
    """outputs: detection_boxes (1, N, 4), detection_classes (1, N), detection_scores (1, N), by these names. Raises
    KeyError without one of them."""
    scores = outputs["detection_scores"][0]
    classes = outputs["detection_classes"][0].astype(np.intp) - 1
    places = np.flatnonzero((scores >= least_score) & np.isin(classes, wanted))
    top, left, bottom, right = outputs["detection_boxes"][0][places].T
    boxes = np.stack([left * width_px, top * height_px, right * width_px, bottom * height_px], axis=1)
    return _top(boxes.astype(np.float32), scores[places].astype(np.float32), classes[places])


def _best(scores: Floats, wanted: Sequence[int], least_score: float) -> tuple[Floats, Ints, Ints]:
    """The best wanted class of each place that has one, its score and the place. scores: (N, C)."""
    columns = np.asarray([index for index in wanted if index < scores.shape[1]], np.intp)
    if not len(columns):
        raise ValueError(f"it has {scores.shape[1]} classes, and none of those that are asked for")
    street = scores[:, columns]
    best = street.argmax(axis=1)
    values = street[np.arange(len(street)), best]
    places = np.flatnonzero(values >= least_score)
    return values[places].astype(np.float32), columns[best[places]], places


def _cells_of_nanodet(places: int, width_px: int, height_px: int) -> tuple[Floats, Floats, float]:
    """As _cells, and where in its cell a centre lies, in strides. Raises ValueError for another number of places."""
    for levels, offset in ((_YOLOX_STRIDES_PX, 0.5), (_PLUS_STRIDES_PX, 0.0)):
        corners, strides = _cells(width_px, height_px, levels)
        if len(corners) == places:
            return corners, strides, offset
    raise ValueError(f"{places} places, which are not those of strides 8, 16, 32 or 8, 16, 32, 64")


def _cells(width_px: int, height_px: int, levels: Sequence[int] = _YOLOX_STRIDES_PX) -> tuple[Floats, Floats]:
    """Columns and rows of all cells, (N, 2), and their strides, (N,)."""
    corners: list[Floats] = []
    strides: list[Floats] = []
    for stride in levels:
        # A side that is no multiple of the stride has a last cell that reaches beyond it.
        down, across = np.mgrid[: -(-height_px // stride), : -(-width_px // stride)]
        corners.append(np.stack([across.ravel(), down.ravel()], axis=1).astype(np.float32))
        strides.append(np.full(across.size, stride, np.float32))
    return np.concatenate(corners), np.concatenate(strides)


def _corners(
    centre_x: npt.NDArray[np.floating],
    centre_y: npt.NDArray[np.floating],
    width: npt.NDArray[np.floating],
    height: npt.NDArray[np.floating],
) -> Floats:
    sides = [centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2]
    return np.stack(sides, axis=1).astype(np.float32)


def _top(boxes: Floats, scores: Floats, classes: Ints) -> Candidates:
    order = np.argsort(-scores, kind="stable")[:MOST_BOXES]
    return Candidates(boxes[order], scores[order], classes[order])
