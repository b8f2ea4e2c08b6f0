"""Why there is no footage: every part of a span is recording or a gap with exactly one reason. Pure.

A false reason is false evidence, so what nothing speaks for is `cause_unknown`, which is counted and should be 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from agent.recording.marks import AGENT_MARKS, Mark, Piece, explain_by_marks, outage_end
from agent.units import NS_PER_S, WallSpan, subtract, union

__all__ = ["Erased", "Evidence", "Gap", "GapReason", "Outage", "Recorded", "covered", "explain"]


class GapReason(StrEnum):
    """The only reasons there are (footage.md). `power_lost` needs evidence of its own, which comes with health."""

    NOT_PROVISIONED = "not_provisioned"
    NOT_SCHEDULED = "not_scheduled"
    NOT_YET = "not_yet"
    UPDATING = "updating"
    AGENT_DOWN = "agent_down"
    CAPTURE_CRASHED = "capture_crashed"
    UNCLEAN_REBOOT = "unclean_reboot"
    POWER_LOST = "power_lost"
    CAMERA_UNREACHABLE = "camera_unreachable"
    CAMERA_REFUSED = "camera_refused"
    CAMERA_STALLED = "camera_stalled"
    NO_KEYFRAME = "no_keyframe"
    DISK_SLOW = "disk_slow"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    DISK_MISSING = "disk_missing"
    CLOCK_STEP = "clock_step"
    EXPIRED = "expired"
    ERASED = "erased"
    CAUSE_UNKNOWN = "cause_unknown"


@dataclass(frozen=True, slots=True)
class Gap:
    """A span without footage. `evidence` says in words what the reason rests on."""

    start_wall_ns: int
    end_wall_ns: int
    reason: GapReason
    evidence: str

    @property
    def span(self) -> WallSpan:
        return WallSpan(self.start_wall_ns, self.end_wall_ns)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one segment holds, as far as it is on disk."""

    span: WallSpan
    boot: int
    run: int
    n: int


@dataclass(frozen=True, slots=True)
class Outage:
    """Told by the camera process. `end_wall_ns` 0: no end was ever told. `seq`: the ledger's record; 0: unknown."""

    start_wall_ns: int
    end_wall_ns: int
    boot: int
    reason: GapReason
    detail: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """Footage that a person had deleted; `words` say when, by whom and what for."""

    span: WallSpan
    words: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one camera besides its footage.

    `marks` are in order of happening and reach back to the last ones before the span; `in_service` are the camera's
    spans in the configuration (an end of 0: still), empty when nobody wrote them down. `unscheduled`: what its hours
    left out on purpose, whatever ran by then. `is_agent_running` is of now.
    """

    outages: Sequence[Outage] = ()
    marks: Sequence[Mark] = ()
    expired: Sequence[WallSpan] = ()
    in_service: Sequence[WallSpan] = ()
    unscheduled: Sequence[WallSpan] = ()
    is_agent_running: bool = True
    is_same_boot: bool = True
    erased: Sequence[Erased] = ()


# A fragment reaches the disk at most 2 s after its first packet (product), a new segment needs its first IDR, and a
# stall is told after 5 s: a live camera's newest seconds are footage that is not on disk yet.
_LIVE_TAIL_NS = 6 * NS_PER_S
# Between an outage as the camera tells it and the first or last frame on disk lies at most what was not yet written.
_SLIVER_NS = 2 * NS_PER_S


def covered(recorded: Iterable[Recorded], outages: Iterable[Outage] = ()) -> tuple[WallSpan, ...]:
    """The recorded time, once each, ordered.

    A segment lasts until the next of its run begins: no packet was lost between them, and the time between is the guess
    at its last frame's duration or a wait for the next. Unless the camera told an outage there (a disk that failed).
    """
    starts_ns = sorted(outage.start_wall_ns for outage in outages)
    ordered = sorted(recorded, key=lambda each: (each.boot, each.run, each.n))
    spans = [each.span for each in ordered]
    for index, (before, after) in enumerate(pairwise(ordered)):
        is_next = (before.boot, before.run, before.n + 1) == (after.boot, after.run, after.n)
        if is_next and before.span.end_ns < after.span.start_ns:
            told = bisect_left(starts_ns, before.span.start_ns + 1)
            if told == len(starts_ns) or starts_ns[told] >= after.span.start_ns:
                spans[index] = WallSpan(before.span.start_ns, after.span.start_ns)
    return union(spans)


def explain(span: WallSpan, recorded: Sequence[Recorded], evidence: Evidence, now_wall_ns: int) -> list[Gap]:
    """The gaps of `span`: together with `covered(…)` they fill it exactly, to the nanosecond.

    `recorded` should hold the last segment before the span and the first after it too: a hole is judged as a whole,
    also where the span cuts it. Without one after it the hole is taken to last until now.
    """
    footage = covered(recorded, evidence.outages)
    whole = WallSpan(
        min([span.start_ns, *(each.start_ns for each in footage)]),
        max([span.end_ns, now_wall_ns, *(each.end_ns for each in footage)]),
    )
    judge = _Judge(recorded, footage, evidence, now_wall_ns)
    gaps: list[Gap] = []
    for hole in subtract(whole, footage):
        if hole.overlaps(span):
            gaps.extend(judge.hole(hole))
    clipped = [(part, gap) for gap in gaps if (part := gap.span.intersection(span)) is not None]
    return _merge(replace(gap, start_wall_ns=part.start_ns, end_wall_ns=part.end_ns) for part, gap in clipped)


class _Judge:
    """Gives every part of a hole its reason: the exact evidence first, what is inferred from it last."""

    def __init__(
        self, recorded: Sequence[Recorded], footage: Sequence[WallSpan], evidence: Evidence, now_wall_ns: int
    ) -> None:
        self._recorded = recorded
        self._footage = footage
        self._evidence = evidence
        self._now_wall_ns = now_wall_ns

    def hole(self, hole: WallSpan) -> list[Gap]:
        found: list[Gap] = []
        for by, reason, words in self._exact(hole):
            for part in subtract(hole, (gap.span for gap in found)):
                taken = part.intersection(by)
                if taken is not None:
                    found.append(Gap(taken.start_ns, taken.end_ns, reason, words))
        rest = subtract(hole, (gap.span for gap in found))
        found.extend([self._remainder(part, hole, found) for part in rest])
        return sorted(found, key=lambda gap: gap.start_wall_ns)

    def _exact(self, hole: WallSpan) -> Iterable[tuple[WallSpan, GapReason, str]]:
        """Evidence that has a span of its own, the strongest first."""
        yield WallSpan(self._now_wall_ns, max(hole.end_ns, self._now_wall_ns)), GapReason.NOT_YET, "in the future"
        for erased in self._evidence.erased:
            yield erased.span, GapReason.ERASED, erased.words
        for expired in self._evidence.expired:
            yield expired, GapReason.EXPIRED, "deleted by the ring's retention"
        for left_out in self._evidence.unscheduled:
            yield left_out, GapReason.NOT_SCHEDULED, "outside the hours in which this camera is recorded"
        # The later an outage began, the newer is what it knows: it wins where two overlap.
        for outage in sorted(self._evidence.outages, key=lambda each: each.start_wall_ns, reverse=True):
            words = f"told by the camera's process{': ' if outage.detail else ''}{outage.detail}"
            yield self._outage_span(outage, hole), outage.reason, words
        for unserved in self._out_of_service(hole):
            yield unserved, GapReason.NOT_PROVISIONED, "the camera was not in the node's configuration"

    def _outage_span(self, outage: Outage, hole: WallSpan) -> WallSpan:
        """An outage without an end lasts until footage resumes, unless the process that told it ended before."""
        if outage.end_wall_ns:
            return WallSpan(outage.start_wall_ns, outage.end_wall_ns)
        resumed = min(
            (each.start_ns for each in self._footage if each.start_ns > outage.start_wall_ns), default=self._now_wall_ns
        )
        # What stands before it in the ledger was over when it was told, whatever the clocks say: the hello of the very
        # process that tells it comes a moment after the outage began.
        later = [mark for mark in self._evidence.marks if mark.seq > outage.seq]
        return WallSpan(outage.start_wall_ns, min(resumed, outage_end(outage.start_wall_ns, later, hole.end_ns)))

    def _out_of_service(self, hole: WallSpan) -> Iterable[WallSpan]:
        if not self._evidence.in_service:
            return ()
        served = [WallSpan(each.start_ns, each.end_ns or hole.end_ns) for each in self._evidence.in_service]
        first_ns = min(each.start_ns for each in served)
        # Footage from before the first configuration that is written down: then the writing is incomplete.
        taken = (*self._evidence.expired, *(each.span for each in self._evidence.erased))
        if any(each.start_ns < hole.start_ns for each in (*self._footage, *taken)):
            served.append(WallSpan(hole.start_ns, first_ns))
        return subtract(hole, served)

    def _remainder(self, part: WallSpan, hole: WallSpan, found: Sequence[Gap]) -> Gap:
        """A part of a hole that no exact evidence covers."""
        marks = self._evidence.marks
        within = [mark for mark in marks if part.start_ns <= mark.wall_ns < part.end_ns]
        if not within and (told := self._sliver_of(part, found)) is not None:
            return replace(told, start_wall_ns=part.start_ns, end_wall_ns=part.end_ns)
        # A node that began anew a moment ago says nothing of its cameras, which recorded on without it.
        if all(mark.kind in AGENT_MARKS for mark in within) and self._is_live_tail(part, hole):
            return Gap(part.start_ns, part.end_ns, GapReason.NOT_YET, "recorded, not yet on disk")
        verdict = explain_by_marks(self._piece(part), marks)
        return Gap(part.start_ns, part.end_ns, GapReason(verdict.reason), verdict.evidence)

    def _sliver_of(self, part: WallSpan, found: Sequence[Gap]) -> Gap | None:
        if part.duration_ns > _SLIVER_NS:
            return None
        told = [gap for gap in found if gap.reason not in (GapReason.NOT_YET, GapReason.NOT_PROVISIONED)]
        touching = [gap for gap in told if part.end_ns == gap.start_wall_ns or part.start_ns == gap.end_wall_ns]
        return touching[0] if touching else None

    def _is_live_tail(self, part: WallSpan, hole: WallSpan) -> bool:
        ends_now = part.end_ns >= min(self._now_wall_ns, hole.end_ns) and hole.end_ns >= self._now_wall_ns
        begins_with_footage = any(each.end_ns == part.start_ns for each in self._footage)
        is_short = part.duration_ns <= _LIVE_TAIL_NS
        return ends_now and begins_with_footage and is_short and self._evidence.is_agent_running

    def _piece(self, part: WallSpan) -> Piece:
        before = [each for each in self._recorded if each.span.start_ns < part.start_ns]
        after = [each for each in self._recorded if each.span.start_ns >= part.end_ns]
        return Piece(
            span=part,
            boot_before=max(before, key=lambda each: each.span.start_ns).boot if before else None,
            boot_after=min(after, key=lambda each: each.span.start_ns).boot if after else None,
            is_first=not before and not self._evidence.expired and not self._evidence.erased,
            ends_now=part.end_ns >= self._now_wall_ns,
            is_agent_running=self._evidence.is_agent_running,
            is_same_boot=self._evidence.is_same_boot,
        )


def _merge(gaps: Iterable[Gap]) -> list[Gap]:
    merged: list[Gap] = []
    for gap in gaps:
        last = merged[-1] if merged else None
        if last and (last.end_wall_ns, last.reason, last.evidence) == (gap.start_wall_ns, gap.reason, gap.evidence):
            merged[-1] = replace(last, end_wall_ns=gap.end_wall_ns)
        else:
            merged.append(gap)
    return merged
