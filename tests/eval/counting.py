"""Line crossings against those of the footage. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.contract.events import Direction
from tests.eval.assignment import assign
from tests.eval.table import Counted

_FORBIDDEN = 1e6
_IN_TIME_S = 1.0


@dataclass(frozen=True, slots=True)
class Crossed:
    """A true crossing: somewhere between two media times; they are one where it was seen to the frame."""

    direction: Direction
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class ToldCrossing:
    direction: Direction
    at_s: float


def compare(truth: Sequence[Crossed], told: Sequence[ToldCrossing]) -> Counted:
    """Pair each true crossing with at most one that was told, so that most are in time. `in_time`: within a second and
    in the true direction."""
    costs = np.full((len(truth), len(told)), _FORBIDDEN)
    for row, one in enumerate(truth):
        for column, other in enumerate(told):
            off_s = max(one.from_s - other.at_s, other.at_s - one.to_s, 0.0)
            if one.direction is other.direction and off_s <= _IN_TIME_S:
                costs[row, column] = off_s
    late = [float(costs[pair]) for pair in assign(costs) if costs[pair] < _FORBIDDEN]
    has_times = all(one.from_s == one.to_s for one in truth)
    return Counted(len(truth), len(told), len(late), tuple(late) if has_times else ())
