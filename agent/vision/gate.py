"""When the detector is worth its 30 ms: the cheapest evidence first, never a missed incident. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.units import NS_PER_S

# Motion that pauses (a walker behind a post) keeps the gate open this long.
_AFTERGLOW_NS: Final = 2 * NS_PER_S
# Something that stands still makes no motion; while tracks live they are looked at this often, so that a loiterer and a
# stopped car stay seen (tracks coast 2 s).
_STANDING_INTERVAL_NS: Final = NS_PER_S // 2
# In a still scene one look now and then finds what was there before the agent began, and what motion missed.
_IDLE_INTERVAL_NS: Final = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Evidence:
    """Media times in ns; None when there was none yet."""

    media_ns: int
    moved_ns: int | None
    detected_ns: int | None
    has_tracks: bool


def should_detect(evidence: Evidence) -> bool:
    """Whether this frame goes to the detector."""
    if evidence.detected_ns is None:
        return True
    if evidence.moved_ns is not None and evidence.media_ns - evidence.moved_ns <= _AFTERGLOW_NS:
        return True
    since_ns = evidence.media_ns - evidence.detected_ns
    return since_ns >= (_STANDING_INTERVAL_NS if evidence.has_tracks else _IDLE_INTERVAL_NS)
