"""What a picture is worth: the cheapest evidence first, never a missed incident. Pure.

A glance opens the first gate, behind which motion is looked for; motion opens the second, behind which is the detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.units import NS_PER_S

# Motion that pauses (a walker behind a post) keeps the gate open this long.
_AFTERGLOW_NS: Final = 2 * NS_PER_S
# Something that stands still makes no motion; while tracks live they are looked at this often, so that a loiterer and a
# stopped car stay seen (tracks coast 2 s).
_STANDING_INTERVAL_NS: Final = NS_PER_S // 2
# People on foot are followed as well by two and a half looks a second (ADR 31: MOTA 0.84 against 0.86, on vtest), and a
# look is nine tenths of what a busy camera costs. At five analysed pictures a second this is every other one.
_LEISURELY_INTERVAL_NS: Final = NS_PER_S * 35 // 100
# In a still scene one look now and then finds what was there before the agent began, and what motion missed.
_IDLE_INTERVAL_NS: Final = 5 * NS_PER_S
# The same picture shows the same: while the first gate is shut a look finds only what glances missed as well.
_QUIET_INTERVAL_NS: Final = 30 * NS_PER_S
# The first gate stays open this long after a change: who stops at a door goes on, and a car at a signal.
_OPEN_NS: Final = 10 * NS_PER_S
# Until the background and the usual view are known (agent.vision.motion, agent.vision.view).
_LEARNING_NS: Final = 20 * NS_PER_S
# Shut, there is a glance this often: two and a half a second at the usual five (issue "Seeing": at least two).
_GLANCE_NS: Final = NS_PER_S * 35 // 100
# Shut, one picture in so long is looked at all the same: light and view are followed, rules go on counting seconds.
_HEARTBEAT_NS: Final = 4 * NS_PER_S
_FOREVER_NS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Evidence:
    """Media times in ns; None when there was none yet. `is_settled`: nothing changed since the last look and it found
    every track, so that another would show the same; `is_quiet`: the first gate is shut; `is_foretold`: everything that
    moves is where it was expected, and slow."""

    media_ns: int
    moved_ns: int | None
    detected_ns: int | None
    has_tracks: bool
    is_settled: bool = False
    is_quiet: bool = False
    is_foretold: bool = False


def should_detect(evidence: Evidence) -> bool:
    """Whether this frame goes to the detector."""
    if evidence.detected_ns is None:
        return True
    since_ns = evidence.media_ns - evidence.detected_ns
    if evidence.moved_ns is not None and evidence.media_ns - evidence.moved_ns <= _AFTERGLOW_NS:
        return not evidence.is_foretold or since_ns >= _LEISURELY_INTERVAL_NS
    if evidence.has_tracks and not evidence.is_settled:
        return since_ns >= _STANDING_INTERVAL_NS
    return since_ns >= (_QUIET_INTERVAL_NS if evidence.is_quiet else _IDLE_INTERVAL_NS)


class FirstGate:
    """Whether a camera's pictures are looked at or glanced at. One owner thread; media times in order."""

    def __init__(self, begun_ns: int, *, never_shuts: bool = False) -> None:
        self._open_until_ns = _FOREVER_NS if never_shuts else begun_ns + _LEARNING_NS
        self._beat_ns = begun_ns - _HEARTBEAT_NS
        self._glanced_ns = begun_ns - _GLANCE_NS

    def is_shut(self, media_ns: int) -> bool:
        return media_ns > self._open_until_ns

    def stir(self, media_ns: int) -> None:
        """Something changed: open, or stay so."""
        self._open_until_ns = max(media_ns + _OPEN_NS, self._open_until_ns)

    def is_worth_a_glance(self, media_ns: int) -> bool:
        """Whether this picture is compared with the last one; each is while the gate is open."""
        if self.is_shut(media_ns) and media_ns - self._glanced_ns < _GLANCE_NS:
            return False
        self._glanced_ns = media_ns
        return True

    def admits(self, media_ns: int) -> bool:
        """Whether this picture is looked at."""
        if self.is_shut(media_ns) and media_ns - self._beat_ns < _HEARTBEAT_NS:
            return False
        self._beat_ns = media_ns
        return True
