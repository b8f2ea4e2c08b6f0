"""How much of the ring people's holds may take. Pure.

A ring full of holds records nothing: what is asked beyond the share is refused, in words, instead of being kept at the
price of what happens next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Footage design, retention: staff holds take at most 40 % of the ring.
STAFF_HOLD_RATIO: Final = 0.4


@dataclass(frozen=True, slots=True)
class Share:
    """Of the whole ring, or of one camera's own bound: `held_bytes` before, `asked_bytes` more, `limit_bytes` at most.
    `of` names what it is a share of, for people."""

    of: str
    held_bytes: int
    asked_bytes: int
    limit_bytes: int

    @property
    def is_exceeded(self) -> bool:
        """A hold that needs no room of its own is never too much."""
        return self.asked_bytes > 0 and self.held_bytes + self.asked_bytes > self.limit_bytes

    @property
    def used_ratio(self) -> float:
        """Of the limit, with what was asked; above 1 where a limit became smaller since."""
        return (self.held_bytes + self.asked_bytes) / self.limit_bytes if self.limit_bytes else 1.0

    @property
    def words(self) -> str:
        """Why the asked hold is refused, and what a person can do."""
        limit, held, asked = map(size_words, (self.limit_bytes, self.held_bytes, self.asked_bytes))
        left = size_words(max(self.limit_bytes - self.held_bytes, 0))
        return (
            f"it would keep {asked} more, and staff holds may take {STAFF_HOLD_RATIO:.0%} of {self.of}: {limit}, of"
            f" which {held} are taken and {left} left; hold less, pull a clip instead, or have another hold released"
        )


def share(of: str, ring_bytes: int, held: Mapping[str, int], asked: Mapping[str, int]) -> Share:
    """`held` and `asked`: bytes of each segment by its path; what several holds keep counts once."""
    added_bytes = sum(size for path, size in asked.items() if path not in held)
    return Share(of, sum(held.values()), added_bytes, int(ring_bytes * STAFF_HOLD_RATIO))


def size_words(size_bytes: int) -> str:
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"
