"""How well tracks follow the truth: CLEAR MOT and IDF1. Pure.

Sources: Bernardin and Stiefelhagen, Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics (2008):
MOTA = 1 - (misses + false + switches) / truth; MODA leaves the switches out; a pair of the frame before stands as
long as it may. Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking (2016): IDF1
by the one assignment of whole tracks that explains most boxes. A box is found at an overlap of 0.5 and more, as MOT15
asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.vision.associate import corners, overlaps
from agent.vision.geometry import Box
from tests.eval.assignment import assign

LEAST_IOU = 0.5
# Above any sum of costs of pairs that may be: 1 each.
_FORBIDDEN = 1e6

# What stands in one frame: boxes by the id of their track.
Frame = Mapping[int, Box]


@dataclass(frozen=True, slots=True)
class MotScore:
    """Counts over all frames. `truth` and `told`: boxes; `found` of them are pairs. `same`: boxes that the best
    assignment of whole tracks explains."""

    truth: int
    told: int
    found: int
    switches: int
    same: int

    @property
    def misses(self) -> int:
        return self.truth - self.found

    @property
    def false(self) -> int:
        return self.told - self.found

    @property
    def moda(self) -> float:
        return 1 - (self.misses + self.false) / self.truth

    @property
    def mota(self) -> float:
        return 1 - (self.misses + self.false + self.switches) / self.truth

    @property
    def idf1(self) -> float:
        return 2 * self.same / (self.truth + self.told)


def score(truth: Sequence[Frame], told: Sequence[Frame], *, least_iou: float = LEAST_IOU) -> MotScore:
    """Judge tracks against the truth, frame by frame; both hold the same frames. There must be a box in the truth."""
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    shared: dict[tuple[int, int], int] = {}
    found = switches = 0
    for real, said in zip(truth, told, strict=True):
        overlap = _overlap(real, said)
        for pair, value in overlap.items():
            if value >= least_iou:
                shared[pair] = shared.get(pair, 0) + 1
        now = _pairs(overlap, before, least_iou)
        found += len(now)
        switches += sum(last.get(one, other) != other for one, other in now.items())
        last.update(now)
        before = now
    return MotScore(sum(map(len, truth)), sum(map(len, told)), found, switches, _same(shared))


def _overlap(real: Frame, said: Frame) -> dict[tuple[int, int], float]:
    if not real or not said:
        return {}
    values = overlaps(corners(list(real.values())), corners(list(said.values())))
    return {
        (one, other): float(values[row, column])
        for row, one in enumerate(real)
        for column, other in enumerate(said)
        if values[row, column] > 0
    }


def _pairs(overlap: Mapping[tuple[int, int], float], before: Mapping[int, int], least_iou: float) -> dict[int, int]:
    """Truth id to track id in this frame: pairs of the frame before first, the rest by the largest sum of overlaps."""
    pairs = {one: other for one, other in before.items() if overlap.get((one, other), 0.0) >= least_iou}
    taken = set(pairs.values())
    rest = {
        pair: value
        for pair, value in overlap.items()
        if value >= least_iou and pair[0] not in pairs and pair[1] not in taken
    }
    rows, columns = sorted({one for one, _ in rest}), sorted({other for _, other in rest})
    costs = np.full((len(rows), len(columns)), _FORBIDDEN)
    for (one, other), value in rest.items():
        costs[rows.index(one), columns.index(other)] = 1 - value
    for row, column in assign(costs):
        if costs[row, column] < _FORBIDDEN:
            pairs[rows[row]] = columns[column]
    return pairs


def _same(shared: Mapping[tuple[int, int], int]) -> int:
    """Boxes that stay when each true track is given at most one track for all time, chosen for the most of them."""
    rows, columns = sorted({one for one, _ in shared}), sorted({other for _, other in shared})
    costs = np.zeros((len(rows), len(columns)))
    for (one, other), frames in shared.items():
        costs[rows.index(one), columns.index(other)] = -frames
    return sum(round(-float(costs[pair])) for pair in assign(costs))
