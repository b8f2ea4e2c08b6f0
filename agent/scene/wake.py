"""Where people have just walked: what still flickers there is what they passed, or they themselves. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import reduce

from agent.scene.moment import Moment
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label, union

# A place remembers its flicker about as long (agent.vision.flicker).
_LASTS_NS = NS_PER_S


class Wake:
    """Feed it each moment. What a person left longer ago than a second is forgotten."""

    def __init__(self) -> None:
        self._steps: dict[int, deque[tuple[int, Box]]] = {}

    def update(self, moment: Moment) -> None:
        for one in moment.sightings:
            if one.label is Label.PERSON:
                self._steps.setdefault(one.track_id, deque()).append((moment.media_ns, one.box))
        for track_id, steps in list(self._steps.items()):
            while steps and moment.media_ns - steps[0][0] > _LASTS_NS:
                steps.popleft()
            if not steps:
                del self._steps[track_id]

    def boxes(self) -> Iterator[Box]:
        """One for each person: around all places of the last second."""
        return (reduce(union, (box for _, box in steps)) for steps in self._steps.values())
