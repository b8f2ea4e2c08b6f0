"""Tracks as `analyse --tracks` tells them, laid over every frame of a video. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.vision.geometry import Box
from tests.eval.mot import Frame

# A gap longer than this was not seen through: nothing is claimed in it. It is the tracker's own limit.
_LONGEST_GAP_S = 2.0
_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Trail:
    """One track: (media_s, x, y, w, h, score) per analysed frame in which it was seen, by time."""

    track_id: int
    points: Sequence[tuple[float, float, float, float, float, float]]


def lay(trails: Iterable[Trail], *, frames: int, fps: float) -> list[Frame]:
    """Where each track is in every frame: between two points on the straight line from one to the other."""
    laid: list[dict[int, Box]] = [{} for _ in range(frames)]
    for trail in trails:
        points = trail.points
        for before, after in zip(points, [*points[1:], points[-1]], strict=True):
            end_s = before[0] if after[0] - before[0] > _LONGEST_GAP_S else after[0]
            first = int(-(-(before[0] - _TOLERANCE_S) * fps // 1))
            for index in range(max(first, 0), min(int((end_s + _TOLERANCE_S) * fps), frames - 1) + 1):
                laid[index][trail.track_id] = _between(before, after, index / fps)
    return list(laid)


def _between(before: Sequence[float], after: Sequence[float], at_s: float) -> Box:
    length_s = after[0] - before[0]
    part = (at_s - before[0]) / length_s if length_s > 0 else 0.0
    x, y, w, h = (one + part * (other - one) for one, other in zip(before[1:5], after[1:5], strict=True))
    return Box(x, y, w, h)
