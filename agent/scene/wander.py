"""Which of the changing regions go somewhere: leaves, flags and water stir where they are, and are no motion. Pure.

Regions are followed from frame to frame by nearness alone. One goes if its way is straight and longer than itself; what
is large, or a person, counts wherever it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.units import NS_PER_S
from agent.vision.geometry import Box, intersection

# What went this many sizes (square roots of its box's area) from where it was two seconds ago goes: 1.5 m of a person.
# A twig sways by about its own size.
_FAR_SIZES = 1.5
_LOOK_BACK_NS = 2 * NS_PER_S
# A way there and back again is no way: as the crow flies it is at least this part of all its steps.
_STRAIGHT_RATIO = 0.7
_LEAST_LOOKS = 3
# A car at 80 km/h goes 4.5 m, 1.3 of its sizes, in the 0.2 s between two analysed frames; near the camera it is faster.
_REACH_SIZES = 2.5
# Hidden for a moment, or merged with a neighbour.
_FORGET_NS = NS_PER_S
# A region this large is a thing that comes near, whatever it does: no twig fills a fiftieth of the picture.
_LARGE_RATIO = 0.02
# A person who stirs on the spot covers the change.
_COVERED = 0.3
# From one frame to the next a region grows or shrinks by less than this; more is another one.
_MOST_GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class GoingRegion:
    """A region that is motion; `since_ns`: the media time from which on it has been followed, at most 2 s ago."""

    box: Box
    since_ns: int


@dataclass(slots=True)
class _Path:
    """Where a region was: media time, and its centre in picture heights."""

    box: Box
    looks: deque[tuple[int, float, float]] = field(default_factory=deque)

    @property
    def last_ns(self) -> int:
        return self.looks[-1][0]


class Wander:
    """One camera's. Fed every moment in order.

    aspect: the picture's width over its height.
    """

    def __init__(self, *, aspect: float) -> None:
        self._aspect = aspect
        self._paths: list[_Path] = []

    def update(self, media_ns: int, regions: Sequence[Box], people: Sequence[Box]) -> list[GoingRegion]:
        """Those of `regions` that are motion."""
        self._paths = [path for path in self._paths if media_ns - path.last_ns <= _FORGET_NS]
        free = list(self._paths)
        found = []
        for box in regions:
            path = self._path_of(box, free)
            path.box = box
            path.looks.append((media_ns, *self._centre(box)))
            while media_ns - path.looks[0][0] > _LOOK_BACK_NS:
                path.looks.popleft()
            if box.area >= _LARGE_RATIO or self._goes(path) or _is_one_of(box, people):
                found.append(GoingRegion(box, path.looks[0][0]))
        return found

    def _path_of(self, box: Box, free: list[_Path]) -> _Path:
        """The nearest of the paths that nobody took yet, else a new one."""
        near = [
            (apart, number)
            for number, path in enumerate(free)
            if 1 / _MOST_GROWTH <= box.area / max(path.box.area, 1e-9) <= _MOST_GROWTH
            and (apart := self._apart(box, path)) <= _REACH_SIZES * self._size(path.box)
        ]
        if near:
            return free.pop(min(near)[1])
        path = _Path(box)
        self._paths.append(path)
        return path

    def _goes(self, path: _Path) -> bool:
        if len(path.looks) < _LEAST_LOOKS:
            return False
        places = [(x, y) for _, x, y in path.looks]
        steps = sum(math.dist(one, other) for one, other in pairwise(places))
        way = math.dist(places[0], places[-1])
        return way >= _FAR_SIZES * self._size(path.box) and way >= _STRAIGHT_RATIO * steps

    def _apart(self, box: Box, path: _Path) -> float:
        return math.dist(self._centre(box), path.looks[-1][1:])

    def _centre(self, box: Box) -> tuple[float, float]:
        x, y = box.centre
        return x * self._aspect, y

    def _size(self, box: Box) -> float:
        return math.sqrt(max(box.area * self._aspect, 1e-9))


def _is_one_of(box: Box, people: Sequence[Box]) -> bool:
    return any(intersection(box, one) >= _COVERED * box.area for one in people)
