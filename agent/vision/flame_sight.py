"""What looks like fire or smoke at one place of one picture. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.vision.geometry import Box


class Burning(StrEnum):
    FIRE = "fire"
    SMOKE = "smoke"


@dataclass(frozen=True, slots=True)
class FlameSight:
    """`score`: how much it looks like that, 0 to 1, by its shape and colour alone. `flicker`: how restless its place
    has been for a second, in levels of luma from one analysed picture to the next; a lamp has none."""

    kind: Burning
    box: Box
    score: float
    flicker: float
