"""A segment as the index knows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.errors import SegmentDamaged
from agent.recording.naming import SegmentName
from agent.units import NS_PER_S, WallSpan

# The recorder turns to a new file after a minute or so; a day stands for any clock or camera. What claims more would
# make every look-up in the index begin that much earlier.
MAX_SEGMENT_NS = 86_400 * NS_PER_S


class SegmentState(StrEnum):
    """OPEN is being written, or was until its process died. DAMAGED does not parse and takes space until retention
    takes it. GARBAGE is being deleted and is no footage any more."""

    OPEN = "open"
    CLOSED = "closed"
    DAMAGED = "damaged"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """`path` is relative to data_dir. Of an OPEN segment end, frames and bytes are unknown (its start, 0, 0).

    `start_mono_ns` is told to the index when the clock was not synchronised as the segment began, with the file's own
    times; `is_time_sure` is false as long as nothing vouches for them.
    """

    path: str
    camera: str
    boot: int
    run: int
    n: int
    start_wall_ns: int
    end_wall_ns: int
    frames: int
    bytes: int
    state: SegmentState
    start_mono_ns: int | None = None
    is_time_sure: bool = True

    @property
    def is_open(self) -> bool:
        return self.state is SegmentState.OPEN

    @property
    def span(self) -> WallSpan:
        return WallSpan(self.start_wall_ns, self.end_wall_ns)

    @property
    def name(self) -> SegmentName:
        name = SegmentName.parse(self.path)
        if name is None:
            raise SegmentDamaged(path=self.path, reason="the index holds a name that is none")
        return name
