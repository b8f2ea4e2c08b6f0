"""What has arrived of a node's two lanes: new, again, or after a hole; and how far lane a may be acknowledged. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from agent.contract.envelope import WirePosition
from agent.contract.events import Lane
from agent.contract.states import Ack
from agent.contract.wire import format_sequence


class Arrival(Enum):
    NEW = "new"
    AGAIN = "again"


@dataclass(slots=True)
class _Lane:
    """Everything up to `whole` arrived; `beyond` are later ones that wait for a hole to be filled."""

    whole: int = 0
    highest: int = 0
    beyond: set[int] = field(default_factory=set)


class LaneBook:
    """Arrivals of one node. A new epoch begins both lanes at 1 again; older epochs stay known, for late copies."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, Lane], _Lane] = {}

    def take(self, position: WirePosition) -> Arrival:
        """Note one event. An event seen before is AGAIN and must not be stored twice."""
        lane = self._lanes.setdefault((position.epoch, position.lane), _Lane())
        if position.sequence <= lane.whole or position.sequence in lane.beyond:
            return Arrival.AGAIN
        lane.beyond.add(position.sequence)
        lane.highest = max(lane.highest, position.sequence)
        while lane.whole + 1 in lane.beyond:
            lane.whole += 1
            lane.beyond.remove(lane.whole)
        return Arrival.NEW

    def holes(self, epoch: str, lane: Lane) -> list[int]:
        """Sequences that were passed over and have not come."""
        known = self._lanes.get((epoch, lane), _Lane())
        return [number for number in range(known.whole + 1, known.highest) if number not in known.beyond]

    def ack(self, epoch: str) -> Ack | None:
        """What may be acknowledged once all that was taken is stored; None before lane a began."""
        lane = self._lanes.get((epoch, Lane.A))
        return None if lane is None or lane.whole == 0 else Ack(epoch=epoch, a=format_sequence(lane.whole))
