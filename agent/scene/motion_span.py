"""Motion as closed spans: frames in which something went (agent.scene.wander), joined. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.units import NS_PER_S
from agent.vision.geometry import Box

# Two analysed frames in a row: a single changed frame is a compression burst at an IDR or a flash.
_FRAMES_TO_OPEN = 2
_QUIET_NS = 2 * NS_PER_S
# A street never rests: a span is told at least each minute, so that the centre hears regularly.
_LONGEST_NS = 60 * NS_PER_S
_MAX_REGIONS = 8


@dataclass(frozen=True, slots=True)
class MotionSpan:
    """Media time from the first changed frame to the last. `ratio`: the largest of its frames; `regions`: where."""

    begin_ns: int
    end_ns: int
    ratio: float
    regions: tuple[Box, ...]


class MotionSpans:
    """Joins frames into spans: closed after 2 s of quiet, or at 60 s and continued. One owner; fed in order."""

    def __init__(self) -> None:
        self._frames = 0
        self._begin_ns = 0
        self._last_ns = 0
        self._ratio = 0.0
        self._regions: list[Box] = []

    def update(
        self, media_ns: int, ratio: float, regions: Sequence[Box], *, since_ns: int | None = None
    ) -> MotionSpan | None:
        """The span that ended with this frame, if one did. A frame without regions is quiet, whatever its ratio.

        since_ns: from when on these regions have been followed, if that is before this frame.
        """
        closed = None
        if self._frames and self._is_over(media_ns):
            closed = self.finish()
        if not regions:
            if self._frames < _FRAMES_TO_OPEN:
                self._frames = 0
            return closed
        if not self._frames:
            # Not into the span before.
            self._begin_ns = max(media_ns if since_ns is None else since_ns, self._last_ns)
            self._ratio, self._regions = 0.0, []
        self._frames += 1
        self._last_ns = media_ns
        self._ratio = max(self._ratio, ratio)
        self._regions = joined([*self._regions, *regions], limit=_MAX_REGIONS)
        return closed

    def finish(self) -> MotionSpan | None:
        """Close what is open: the run or the video ends here."""
        frames, self._frames = self._frames, 0
        if frames < _FRAMES_TO_OPEN:
            return None
        return MotionSpan(self._begin_ns, self._last_ns, min(self._ratio, 1.0), tuple(self._regions))

    def _is_over(self, media_ns: int) -> bool:
        return media_ns - self._last_ns > _QUIET_NS or media_ns - self._begin_ns >= _LONGEST_NS


def joined(boxes: Sequence[Box], *, limit: int) -> list[Box]:
    """At most `limit` boxes that together cover all of them: those that overlap become one, then the closest pairs."""
    result: list[Box] = []
    for box in boxes:
        merged = box
        while (other := next((known for known in result if _overlaps(known, merged)), None)) is not None:
            result.remove(other)
            merged = _hull(merged, other)
        result.append(merged)
    while len(result) > limit:
        first, second = min(
            ((a, b) for index, a in enumerate(result) for b in result[index + 1 :]),
            key=lambda pair: _area(_hull(*pair)) - _area(pair[0]) - _area(pair[1]),
        )
        result = [box for box in result if box is not first and box is not second]
        result = joined([*result, _hull(first, second)], limit=len(result) + 1)
    return sorted(result, key=lambda box: (box.y, box.x, box.h, box.w))


def _overlaps(a: Box, b: Box) -> bool:
    return a.x <= b.x + b.w and b.x <= a.x + a.w and a.y <= b.y + b.h and b.y <= a.y + a.h


def _hull(a: Box, b: Box) -> Box:
    x, y = min(a.x, b.x), min(a.y, b.y)
    return Box(x, y, max(a.x + a.w, b.x + b.w) - x, max(a.y + a.h, b.y + b.h) - y)


def _area(box: Box) -> float:
    return box.w * box.h
