"""Which box of one frame belongs to which object of the last. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.vision.geometry import Box

Floats = npt.NDArray[np.float64]

# Larger than any cost of a pair that may be: such a pair is out of the question.
NEVER = 1e6


def corners(boxes: Sequence[Box]) -> Floats:
    """(N, 4) float64: left, top, right, bottom."""
    return np.array([(box.x, box.y, box.right, box.bottom) for box in boxes], np.float64).reshape(-1, 4)


def overlaps(rows: Floats, columns: Floats) -> Floats:
    """Intersection over union of every pair; both as `corners` makes them. (R, C) float64, 0 to 1."""
    # Axis by axis: on (R, C, 2) arrays the same takes twice as long.
    width = np.minimum(rows[:, None, 2], columns[None, :, 2]) - np.maximum(rows[:, None, 0], columns[None, :, 0])
    height = np.minimum(rows[:, None, 3], columns[None, :, 3]) - np.maximum(rows[:, None, 1], columns[None, :, 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = _areas(rows)[:, None] + _areas(columns)[None, :] - shared
    result: Floats = shared / np.maximum(union, 1e-12)
    return result


def distances(rows: Floats, columns: Floats) -> Floats:
    """Distance of the centres of every pair in lengths of the longer side of either box. (R, C) float64."""
    across = (rows[:, 0] + rows[:, 2])[:, None] / 2 - (columns[:, 0] + columns[:, 2])[None, :] / 2
    down = (rows[:, 1] + rows[:, 3])[:, None] / 2 - (columns[:, 1] + columns[:, 3])[None, :] / 2
    size = np.maximum(_longer(rows)[:, None], _longer(columns)[None, :])
    result: Floats = np.sqrt(across**2 + down**2) / np.maximum(size, 1e-6)
    return result


def cheapest_pairs(costs: Floats, limit: float) -> list[tuple[int, int]]:
    """(row, column) of pairs cheaper than the limit, the cheapest taken first, each row and column at most once.

    Not the cheapest sum: with 200 objects that takes 20 ms where this takes 1, and they differ only in crowds.
    """
    rows, columns = np.nonzero(costs < limit)
    order = np.argsort(costs[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return pairs


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _longer(boxes: Floats) -> Floats:
    longer: Floats = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return longer
