"""What the node notices of its clock, look by look: other quality, a step, and the moment when a boot's time is known.

Pure. A process that begins in the middle of a boot goes on from the ledger's marks of that boot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from agent.media.timeline import CLOCK_STEP_NS
from agent.recording.records import ClockMarked, LabelSpan, Retimed
from agent.units import NS_PER_MS, NS_PER_S

# chrony and timesyncd step the clock and call it synchronised in two calls, in this order or the other.
_SETTLE_NS: Final = NS_PER_S
_SETTLED_WITHIN_NS: Final = 10 * NS_PER_MS


Quality = Literal["synced", "holdover", "unsynced"]


@dataclass(frozen=True, slots=True)
class ClockLook:
    """Both clocks at one moment, how good the wall clock was, and the bound on its error if anything vouches for it."""

    wall_ns: int
    mono_ns: int
    quality: Quality
    error_s: float | None = None

    @property
    def offset_ns(self) -> int:
        return self.wall_ns - self.mono_ns


@dataclass(frozen=True, slots=True)
class Noticed:
    """What is to be written down, and told as an event unless `is_first`."""

    marked: ClockMarked | None
    retimed: Retimed | None
    is_first: bool = False


class ClockWatch:
    """`marks` of this boot so far, oldest first; `known_until_mono_ns`: the last re-timing's end, 0 before any."""

    def __init__(self, marks: Sequence[ClockLook] = (), *, known_until_mono_ns: int = 0) -> None:
        self._marks = list(marks)
        self._known_until_ns = known_until_mono_ns
        self._candidate: ClockLook | None = None
        # Known, and good ever since: there is nothing to re-time.
        self._is_known = known_until_mono_ns > 0 and all(
            mark.quality == "synced" for mark in self._marks if mark.mono_ns >= known_until_mono_ns
        )

    def look(self, now: ClockLook) -> Noticed | None:
        """None when nothing is new, which is nearly always."""
        is_first = not self._marks
        marked = self._mark(now)
        retimed = self._retime(now)
        return Noticed(marked, retimed, is_first) if marked is not None or retimed is not None else None

    def _mark(self, now: ClockLook) -> ClockMarked | None:
        last = self._marks[-1] if self._marks else None
        step_ns = 0 if last is None else now.offset_ns - last.offset_ns
        is_step = abs(step_ns) > CLOCK_STEP_NS
        if last is not None and last.quality == now.quality and not is_step:
            return None
        self._marks.append(now)
        return ClockMarked(
            quality=now.quality,
            previous="" if last is None else last.quality,
            step_ns=step_ns if is_step else 0,
            error_s=now.error_s,
        )

    def _retime(self, now: ClockLook) -> Retimed | None:
        if now.quality != "synced":
            self._is_known, self._candidate = False, None
            return None
        if self._is_known:
            return None
        before = self._candidate
        if before is None or abs(now.offset_ns - before.offset_ns) > _SETTLED_WITHIN_NS:
            self._candidate = now
            return None
        if now.mono_ns - before.mono_ns < _SETTLE_NS:
            return None
        made = Retimed(
            from_mono_ns=self._known_until_ns,
            until_mono_ns=now.mono_ns,
            offset_ns=now.offset_ns,
            error_s=now.error_s,
            labels=self._wrong_labels(now),
        )
        self._is_known, self._known_until_ns, self._candidate = True, now.mono_ns, None
        return made

    def _wrong_labels(self, now: ClockLook) -> tuple[LabelSpan, ...]:
        """What this boot called the time since it was last known, wherever that was off by more than a step."""
        # The first mark is from the node's own start; cameras, and the boot, began before it.
        marks = [mark for mark in self._marks if mark.mono_ns >= self._known_until_ns]
        spans: list[LabelSpan] = []
        for index, (mark, after) in enumerate(pairwise([*marks, now])):
            shift_ns = now.offset_ns - mark.offset_ns
            from_mono_ns = self._known_until_ns if index == 0 else mark.mono_ns
            if abs(shift_ns) > CLOCK_STEP_NS and after.mono_ns > from_mono_ns:
                spans.append(LabelSpan(from_mono_ns + mark.offset_ns, after.mono_ns + mark.offset_ns, shift_ns))
        return tuple(spans)
