"""What has arrived of a node's two lanes: new, again, or after a hole; and how far lane a may be acknowledged. Pure."""

from __future__ import annotations

from enum import Enum

from agent.centre.acks import Coverage, NumberRange, ack_of
from agent.contract.envelope import WirePosition
from agent.contract.events import Lane
from agent.contract.states import Ack


class Arrival(Enum):
    NEW = "new"
    AGAIN = "again"


class LaneBook:
    """Arrivals of one node. A new epoch begins both lanes at 1 again; older epochs stay known, for late copies."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, Lane], Coverage] = {}

    def take(self, position: WirePosition) -> Arrival:
        """Note one event. An event seen before is AGAIN and must not be stored twice."""
        lane = self._lanes.setdefault((position.epoch, position.lane), Coverage())
        return Arrival.NEW if lane.take(position.sequence) else Arrival.AGAIN

    def holes(self, epoch: str, lane: Lane) -> tuple[NumberRange, ...]:
        """Sequences that were passed over and have not come."""
        return self._lanes.get((epoch, lane), Coverage()).holes()

    def ack(self, epoch: str) -> Ack | None:
        """What may be acknowledged once all that was taken is stored; None before lane a began."""
        return ack_of(epoch, self._lanes.get((epoch, Lane.A), Coverage()))
