"""Which time is wanted around incidents, from what vision says of them. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from agent.units import NS_PER_S, WallSpan

# A finding is known some seconds after it began: pictures wait for the detector, and a rule for its own time. With the
# usual rules (8 s to 20 s) the seconds before it are still in memory.
LATE_S: Final = 30.0
# A late word of an incident that was recorded must not begin it anew.
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class IncidentWord:
    """What vision said of one incident: when it was, or until when it may last if nothing more is heard of it."""

    incident_id: str
    span: WallSpan


class Wanted:
    """The spans that are to be recorded; used by one thread at a time."""

    def __init__(self, *, before_s: float, after_s: float) -> None:
        self._before_ns = int(before_s * NS_PER_S)
        self._after_ns = int(after_s * NS_PER_S)
        self._spans: dict[str, WallSpan] = {}
        self._fresh: set[str] = set()
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    def hear(self, word: IncidentWord) -> None:
        """A later word of the same incident replaces the former."""
        span = word.span
        self._spans[word.incident_id] = WallSpan(span.start_ns - self._before_ns, span.end_ns + self._after_ns)
        if word.incident_id not in self._known:
            self._known.append(word.incident_id)
            self._fresh.add(word.incident_id)

    def at(self, wall_ns: int) -> WallSpan | None:
        """The span to record at this moment, from where it begins; None when nothing is wanted.

        One that was over before it was told is wanted once: it may still be in memory. Forgets what has ended; a clock
        that was set back makes a span last longer, never less.
        """
        kept = {name: span for name, span in self._spans.items() if span.end_ns > wall_ns or name in self._fresh}
        now = [span for span in kept.values() if span.start_ns <= wall_ns]
        self._spans = {name: span for name, span in kept.items() if span.end_ns > wall_ns}
        self._fresh.clear()
        return WallSpan(min(span.start_ns for span in now), max(span.end_ns for span in now)) if now else None
