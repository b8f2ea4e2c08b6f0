"""What came into a picture, or went from it, and stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vision.geometry import Box


@dataclass(frozen=True, slots=True)
class StandingPiece:
    """A piece of the picture that differs from the background and no longer changes: something came and stays, or went
    and left its place. `since_ns`: the media time from which on it has stood. `has_come`: the outline shows in the
    picture more than in the background; of what went, the background has it."""

    box: Box
    since_ns: int
    has_come: bool = True
