"""From a detector's raw tensors to boxes: NanoDet's distributions and non-maximum suppression. Pure.

Source: NanoDet (RangiLyu, Apache-2.0) after Generalized Focal Loss, Li et al. 2020: each side of a box is the mean of a
discrete distribution over 8 + 3 bins, times the stride, counted from the centre of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

BINS: Final = 11


def expected_distances(raw: Floats, stride_px: int) -> Floats:
    """Left, top, right, bottom in pixels from the cell's centre.

    raw: (N, 44) float32, four distributions of 11 bins before softmax. Returns (N, 4) float32.
    """
    sides = raw.reshape(-1, 4, BINS)
    weights = np.exp(sides - sides.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    distances: Floats = weights @ np.arange(BINS, dtype=np.float32) * stride_px
    return distances


def cell_centres(indices: Ints, stride_px: int, input_px: int) -> tuple[Floats, Floats]:
    """x and y in pixels of the cells with these indices, row by row; centres lie at (i + 0.5) strides."""
    columns = -(-input_px // stride_px)
    x = (indices % columns + 0.5) * stride_px
    y = (indices // columns + 0.5) * stride_px
    return x.astype(np.float32), y.astype(np.float32)


def suppress(boxes: Floats, scores: Floats, groups: Ints, iou_limit: float) -> list[int]:
    """Indices that survive, best first: within a group, a box that overlaps a better one by more than the limit goes.

    boxes: (N, 4) float32 as left, top, right, bottom; scores: (N,); groups: (N,) ints, compared for equality only.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while order.size:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        left_top = np.maximum(boxes[rest, :2], boxes[best, :2])
        right_bottom = np.minimum(boxes[rest, 2:], boxes[best, 2:])
        sides = np.clip(right_bottom - left_top, 0, None)
        shared = sides[:, 0] * sides[:, 1]
        union = np.maximum(areas[rest] + areas[best] - shared, 1e-9)
        order = rest[~((groups[rest] == groups[best]) & (shared / union > iou_limit))]
    return kept


def group_of(classes: Ints, families: Sequence[frozenset[int]]) -> Ints:
    """Classes that compete for one object share a group: a van scored as car and as truck is one vehicle."""
    groups = classes.copy()
    for family in families:
        groups[np.isin(classes, list(family))] = min(family)
    return groups
