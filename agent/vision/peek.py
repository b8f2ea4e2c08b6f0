"""Whether anything changed in a camera's picture, at a hundredth of what finding motion costs.

The means of blocks are compared with the last glance and with the usual one, each in units of its own noise. What
counts as a change is learnt from stillness: compression makes blocks of a still picture jump, more on one camera and at
night than on another, so the largest of these jumps in the last minutes is the measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_S

# A person 40 m away covers four blocks.
WIDTH_PX: Final = 80
HEIGHT_PX: Final = 60
# Beyond the largest jump of stillness by this factor is a change.
_MARGIN: Final = 1.25
# Whoever calls a glance still may be wrong; more than this is no noise (seen: 10 to 19 in night noise at 0.5 Mbit/s).
_MOST_JUMP: Final = 24.0
# One block is a distant walker or a spark of compression; four together are told apart from sparks much sooner. The
# rank of the block from the largest on, and what its difference must be at least: in units of noise, and in levels of
# 255, of which a still picture of 4 Mbit/s with a sensor's noise showed 4 in one block.
_RANKS: Final = (0, 3)
_LEAST_UNITS: Final = (12.0, 8.0)
_LEAST_LEVELS: Final = (6.0, 3.0)
# Noise is known and what came is the usual after this long.
_MEMORY_S: Final = 20.0
# A jump of stillness is forgotten in this time: IDRs of a long GOP and the gusts of a wind come again within it.
_JUMP_MEMORY_S: Final = 120.0
_MAX_STEP_S: Final = 2.0
# An even surface rounds to the same level always, until it rounds to the next.
_LEAST_NOISE: Final = np.float32(0.4)

Blocks = npt.NDArray[np.float32]
Glance = npt.NDArray[np.uint8]
Marks = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Difference:
    """`moved`: (60, 80) float32, levels against the last glance; `marks`: the ranked blocks, in units of noise."""

    now: Blocks
    moved: Blocks
    marks: Marks


class Peek:
    """One camera's run. One owner thread; glances in the order of their media time."""

    def __init__(self) -> None:
        self._last: Blocks | None = None
        self._usual = self._noise = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
        self._jumps: Marks = tuple(0.0 for _ in _RANKS)
        self._fresh: _Difference | None = None
        self._last_ns = self._step_ns = 0

    def differs(self, glance: Glance) -> bool:
        """Whether this one shows a change; nothing is remembered of it.

        glance: (60, 80) uint8, the means of the picture's blocks.
        """
        return self._last is None or self._is_change(self._compare(glance, self._last).marks)

    def update(self, glance: Glance, media_ns: int) -> bool:
        """Whether this one shows a change; the next is compared with it.

        glance: as for `differs`.
        """
        if self._last is None:
            self._last = self._usual = glance.astype(np.float32)
            self._noise = np.full_like(self._last, 2 * _LEAST_NOISE)
            self._last_ns = media_ns
            return True
        fresh = self._compare(glance, self._last)
        step_s = min(max((media_ns - self._last_ns) / NS_PER_S, 0.0), _MAX_STEP_S)
        self._usual = self._usual + _weight(step_s) * (fresh.now - self._usual)
        self._step_ns, self._last_ns = media_ns - self._last_ns, media_ns
        self._last, self._fresh = fresh.now, fresh
        return self._is_change(fresh.marks)

    def was_still(self) -> None:
        """Whoever knows better says that the last glance showed nothing but noise: what it showed is noise."""
        if self._fresh is None:
            return
        step_s = min(max(self._step_ns / NS_PER_S, 0.0), _MAX_STEP_S)
        fading = np.exp(-step_s / _JUMP_MEMORY_S)
        pairs = zip(self._fresh.marks, self._jumps, strict=True)
        self._jumps = tuple(min(max(mark, float(jump * fading)), _MOST_JUMP) for mark, jump in pairs)
        self._noise = self._noise + _weight(step_s) * (self._fresh.moved - self._noise)
        self._fresh = None

    def _compare(self, glance: Glance, last: Blocks) -> _Difference:
        now = glance.astype(np.float32)
        moved, came = _relit(now - last), _relit(now - self._usual)
        larger = np.maximum(moved, came)
        units = np.asarray(larger / np.maximum(self._noise, _LEAST_NOISE), np.float32)
        marks = (_ranked(units, larger >= least, rank) for rank, least in zip(_RANKS, _LEAST_LEVELS, strict=True))
        return _Difference(now, moved, tuple(marks))

    def _is_change(self, marks: Marks) -> bool:
        limits = (max(_MARGIN * jump, least) for jump, least in zip(self._jumps, _LEAST_UNITS, strict=True))
        return any(mark > limit for mark, limit in zip(marks, limits, strict=True))


def _ranked(units: Blocks, counts: npt.NDArray[np.bool_], rank: int) -> float:
    """The largest but `rank` of those that count; 0 where there are not so many."""
    found = units[counts]
    return float(np.partition(found, found.size - 1 - rank)[-1 - rank]) if found.size > rank else 0.0


def _relit(difference: Blocks) -> Blocks:
    """Without what light changed in all blocks alike, by the median of every second block of every second row."""
    some = difference[::2, ::2].ravel()
    return np.asarray(np.abs(difference - np.partition(some, some.size // 2)[some.size // 2]), np.float32)


def _weight(step_s: float) -> np.float32:
    """Of one glance in a mean over _MEMORY_S."""
    return np.float32(1 - np.exp(-step_s / _MEMORY_S))
