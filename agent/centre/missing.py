"""What of a node's lanes is not here, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from agent.centre.acks import Coverage, NumberRange
from agent.contract.events import Lane


class Absence(StrEnum):
    """Why an event is not here. AWAITED: passed over and perhaps still on its way; the others are final."""

    AWAITED = "awaited"
    LOST = "lost"
    SHED = "shed"


@dataclass(frozen=True, slots=True)
class Missing:
    """Numbers of one lane without an event. `source` is the node's URN."""

    source: str
    epoch: str
    lane: Lane
    numbers: NumberRange
    absence: Absence


def absent(numbers: NumberRange, present: Iterable[int]) -> tuple[NumberRange, ...]:
    """Those of `numbers` that are not `present`: what a node shed may have been on the wire already."""
    here = Coverage([NumberRange(1, numbers.first - 1)] if numbers.first > 1 else [])
    for number in present:
        here.take(number)
    here.add(NumberRange(numbers.last + 1, numbers.last + 1))
    return here.holes()
