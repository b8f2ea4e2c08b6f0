"""What the camera's own view is like, against what it used to be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.vision.geometry import Box


@dataclass(frozen=True, slots=True)
class ViewFacts:
    """One look at the picture as a whole.

    `is_known`: the usual view has been learned, from seconds of it; until then only level, spread and sameness mean
    anything. `gone`: the blocks of the picture whose usual structure is not to be seen, of `blocks` blocks that have
    any. `standing`: those of `gone` in which something else stands still. `detail_ratio`: how strong edges are against
    the usual. `sharpness_ratio`: fine edges against coarse ones, over the usual; contrast does not change it.
    `level` is the mean, `spread` the distance from the 1st to the 99th percentile of luma, 0 to 255. `is_same`: not one
    pixel differs from the look before.
    """

    is_known: bool
    blocks: int
    gone: Sequence[Box]
    standing: Sequence[Box]
    detail_ratio: float
    sharpness_ratio: float
    usual_level: float
    level: float
    spread: float
    is_same: bool

    @property
    def gone_ratio(self) -> float:
        """0 to 1, of the blocks that have a structure."""
        return len(self.gone) / self.blocks if self.blocks else 0.0
