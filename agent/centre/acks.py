"""Which numbers of a lane have come, as few ranges as there are holes; and from that, what may be acknowledged. Pure.

An ack is a promise: the node deletes what it names. So it never reaches beyond the first hole, and its owner says it
only once all of it is on disk.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from agent.contract.states import Ack
from agent.contract.wire import format_sequence

# The wire's 20 digits reach further than any store counts.
LAST_SEQUENCE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class NumberRange:
    """`first` to `last`, both included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class Coverage:
    """The numbers 1, 2, 3 … of one lane that are accounted for. One thread.

    A hole of a billion costs as much as a hole of one: a node's numbers come from outside.
    """

    def __init__(self, ranges: Iterable[NumberRange] = ()) -> None:
        # Disjoint, not touching, ascending; two lists, because bisect looks at the first numbers alone.
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for each in ranges:
            self.add(each)

    @property
    def whole(self) -> int:
        """Everything up to here is accounted for; 0 while number 1 is not."""
        return self._lasts[0] if self._firsts and self._firsts[0] == 1 else 0

    @property
    def highest(self) -> int:
        return self._lasts[-1] if self._lasts else 0

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def add(self, more: NumberRange) -> None:
        """Join `more` with what it overlaps or touches."""
        first, last = more.first, more.last
        begin = bisect_right(self._firsts, first)
        if begin and self._lasts[begin - 1] >= first - 1:
            begin -= 1
            first = self._firsts[begin]
        end = bisect_right(self._firsts, last + 1)
        if end > begin:
            last = max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]

    def take(self, number: int) -> bool:
        """Account for one number; whether it was missing."""
        if number in self:
            return False
        self.add(NumberRange(number, number))
        return True

    def holes(self) -> tuple[NumberRange, ...]:
        """What was passed over and has not come."""
        lasts = [0, *self._lasts]
        return tuple(
            NumberRange(before + 1, first - 1)
            for before, first in zip(lasts, self._firsts, strict=False)
            if first > before + 1
        )


def ack_of(epoch: str, lane_a: Coverage) -> Ack | None:
    """What may be acknowledged once all that `lane_a` accounts for is stored; None while there is nothing."""
    return Ack(epoch=epoch, a=format_sequence(lane_a.whole)) if lane_a.whole else None
