"""Which way traffic drives where, learned from the vehicles themselves. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.scene.travel import Travel
from agent.units import NS_PER_S

# Cells of the picture: a lane of 3.5 m that fills a seventh of the width in front and less behind.
_CELLS = 12
# A direction is known once this many vehicles drove there and agree this well: the length of the mean of their unit
# vectors (Mardia and Jupp, Directional Statistics, 2.3). Nine of ten one way and one the other gives 0.8.
_LEAST_VEHICLES = 8
_AGREED = 0.8
# Old traffic counts less: a lane that was turned round for works is learned anew after some hundred vehicles.
_DECAY = 0.97
_LOOK_BACK_NS = NS_PER_S
# Less than this is no direction of travel.
_LEAST_WAY_SIZES = 1.0


# Who voted where is remembered of the newest tracks.
_MAX_VOTERS = 256

_Key = tuple[int, int]


@dataclass(slots=True)
class _Cell:
    east: float = 0.0
    south: float = 0.0
    vehicles: float = 0.0


class LaneField:
    """Directions by cell of the picture. One owner."""

    def __init__(self) -> None:
        self._cells: dict[_Key, _Cell] = {}
        self._voted: dict[int, set[_Key]] = {}

    def learn(self, track_id: int, travel: Travel) -> None:
        """Let one vehicle vote, once for each cell on its way of the last second: also for those in which it was too
        new to have a direction, else the edges would only know who leaves there."""
        now_ns = travel.last.media_ns
        going = travel.going(now_ns - _LOOK_BACK_NS, now_ns)
        if going is None or going.way_sizes < _LEAST_WAY_SIZES:
            return
        voted = self._voted.setdefault(track_id, set())
        if len(self._voted) > _MAX_VOTERS:
            del self._voted[next(iter(self._voted))]
        heading = math.radians(going.heading_deg)
        for look in travel.looks:
            key = _key(*look.box.foot)
            if key in voted or now_ns - look.media_ns > _LOOK_BACK_NS:
                continue
            voted.add(key)
            cell = self._cells.setdefault(key, _Cell())
            cell.east = cell.east * _DECAY + math.cos(heading)
            cell.south = cell.south * _DECAY + math.sin(heading)
            cell.vehicles = cell.vehicles * _DECAY + 1

    def heading_deg(self, x: float, y: float) -> float | None:
        """The direction of travel at this point of the picture (0 = right, 90 = down); None where it is not known, or
        where traffic drives both ways."""
        cell = self._cells.get(_key(x, y))
        if cell is None or cell.vehicles < _LEAST_VEHICLES:
            return None
        if math.hypot(cell.east, cell.south) < _AGREED * cell.vehicles:
            return None
        return math.degrees(math.atan2(cell.south, cell.east)) % 360


def _key(x: float, y: float) -> _Key:
    return min(int(x * _CELLS), _CELLS - 1), min(int(y * _CELLS), _CELLS - 1)
