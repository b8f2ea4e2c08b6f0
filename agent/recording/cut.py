"""Which fragments make a clip, and what it will lack. Pure.

A clip's time line is the wall clock's: media time t is the wall time of the clip's first frame plus t, across segments,
runs and gaps. A gap is a jump of the decode time, so that nothing is silently skipped and the length is true (ADR 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Protocol

from agent.recording.movie import Movie
from agent.recording.segment import Fragment, SegmentName, SegmentScan
from agent.units import NS_PER_MS, NS_PER_S, WallSpan, subtract, union

UNEXPLAINED = "cause_unknown"
# Rounding between NTP, 90 kHz ticks and ns moves a border by microseconds; a hole below this is no missing picture.
_ROUNDING_NS = NS_PER_MS
# A jump of the decode time beyond this is stated in the clip as a pause. Cameras go down to 1 fps at night, but their
# frames' durations say so; what is left over is the guess at a segment's last frame, at most a few frames.
PAUSE_NS = 500 * NS_PER_MS
# `sidx` states the length of a group of pictures, with the pause after it, in 32 bits: at 90 kHz half of that is 6.6 h.
_LONGEST_WAIT_TICKS = 1 << 31


class ExplainedGap(Protocol):
    """A gap with its reason, as agent.recording.gaps explains it."""

    @property
    def start_wall_ns(self) -> int: ...

    @property
    def end_wall_ns(self) -> int: ...

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """A segment on disk and its map, whose times are the true ones: `shift_ns` more than the file says."""

    name: SegmentName
    scan: SegmentScan
    shift_ns: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive fragments of one segment. `path` is relative to data_dir; its own times are `shift_ns` less. `delay`
    is the segment's: by so many ticks its pictures are shown later than their decode time says."""

    path: PurePosixPath
    fragments: tuple[Fragment, ...]
    span: WallSpan
    shift_ns: int = 0
    delay: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(fragment.size_bytes for fragment in self.fragments)


@dataclass(frozen=True, slots=True)
class ClipFile:
    """One file of a clip. `init` is the ftyp and moov that all its pieces agree with; `pauses` are its known holes;
    `delay` is the composition offset of the first frame in ticks."""

    init: bytes
    movie: Movie
    pieces: tuple[Piece, ...]
    span: WallSpan
    pauses: tuple[WallSpan, ...]
    delay: int

    @property
    def frames(self) -> int:
        return sum(fragment.frames for piece in self.pieces for fragment in piece.fragments)

    @property
    def size_bytes(self) -> int:
        """Of the footage in it. The file is a little longer: its own head, some 12 bytes a GOP."""
        return len(self.init) + sum(piece.size_bytes for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class ClipGap:
    """A part of the asked span that is not in the clip, and why (a GapReason)."""

    span: WallSpan
    reason: str


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """What a clip will be. `delivered` begins before `asked` by the pre-roll to the IDR and ends after it by less than
    a fragment; `files` is empty when nothing was recorded."""

    camera: str
    asked: WallSpan
    delivered: tuple[WallSpan, ...]
    files: tuple[ClipFile, ...]
    gaps: tuple[ClipGap, ...]

    @property
    def is_partial(self) -> bool:
        return bool(self.gaps)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A piece with what decides whether the next one continues it."""

    segment: RecordedSegment
    piece: Piece


def plan_clip(
    camera: str, segments: Iterable[RecordedSegment], asked: WallSpan, explained: Sequence[ExplainedGap] = ()
) -> ClipPlan:
    """Cut `asked` out of one camera's segments, given in any order; the plan keeps the order of recording.

    Each file begins at the last IDR at or before the asked start; a new file begins where the coding parameters change,
    the clock stepped back or hours are missing, because one time line cannot hold any of these. Parts of `asked` that
    no segment covers become gaps with the reason of `explained`, or `cause_unknown`.
    """
    ordered = sorted(segments, key=lambda segment: segment.name)
    met = [_meet(segment, following) for segment, following in pairwise(ordered)] + ordered[-1:]
    cuts = [cut for segment in met if (cut := _cut_segment(segment, asked)) is not None]
    groups: list[list[_Cut]] = []
    for cut in cuts:
        if groups and _continues(groups[-1][-1], cut):
            groups[-1].append(cut)
        else:
            groups.append([cut])
    delivered = union(map(_reaches, cuts, [*cuts[1:], None]))
    return ClipPlan(
        camera=camera,
        asked=asked,
        delivered=_without_rounding(delivered),
        files=tuple(_file(group) for group in groups),
        gaps=tuple(_explain(asked, delivered, explained)),
    )


def _meet(segment: RecordedSegment, following: RecordedSegment) -> RecordedSegment:
    """End a segment where the next of its run begins: no packet was lost between them, whatever the last frame's
    guessed duration says. Its ticks stay, so the clip's time line tells a longer wait as a pause."""
    span, next_span = segment.scan.span, following.scan.span
    if span is None or next_span is None or not _is_next_segment(segment.name, following.name):
        return segment
    fragments = list(segment.scan.fragments)
    last = max(index for index, fragment in enumerate(fragments) if fragment.frames)
    duration_ns = next_span.start_ns - fragments[last].start_wall_ns
    if duration_ns <= 0:
        return segment
    fragments[last] = replace(fragments[last], duration_ns=duration_ns)
    return replace(segment, scan=replace(segment.scan, fragments=tuple(fragments)))


def _cut_segment(segment: RecordedSegment, asked: WallSpan) -> _Cut | None:
    """The fragments of one segment that `asked` needs; None when it needs none, or none can be decoded."""
    fragments = segment.scan.fragments
    wanted = [
        index
        for index, fragment in enumerate(fragments)
        if fragment.frames and fragment.start_wall_ns < asked.end_ns and asked.start_ns < fragment.end_wall_ns
    ]
    if not wanted:
        return None
    entries = [index for index in range(wanted[0] + 1) if fragments[index].starts_at_idr]
    later = [index for index in wanted if fragments[index].starts_at_idr]
    if not entries and not later:
        return None
    first = entries[-1] if entries else later[0]
    chosen = fragments[first : wanted[-1] + 1]
    span = WallSpan(chosen[0].start_wall_ns, chosen[-1].end_wall_ns)
    return _Cut(segment, Piece(segment.name.path(), chosen, span, segment.shift_ns, segment.scan.delay))


def _is_next_segment(name: SegmentName, following: SegmentName) -> bool:
    return (name.boot, name.run, name.n + 1) == (following.boot, following.run, following.n)


def _continues(before: _Cut, after: _Cut) -> bool:
    if before.segment.scan.movie.codec_config != after.segment.scan.movie.codec_config:
        return False
    wait_ns = after.piece.span.start_ns - before.piece.span.end_ns
    if wait_ns * before.segment.scan.timescale // NS_PER_S >= _LONGEST_WAIT_TICKS:
        return False
    last = _last_shown(before.piece)
    # The duration of a run's last frame is a guess, so an overlap shorter than one frame is none.
    slack_ns = last.duration_ns // max(last.frames, 1)
    return after.piece.span.start_ns >= before.piece.span.end_ns - slack_ns


def _reaches(cut: _Cut, following: _Cut | None) -> WallSpan:
    """What a piece covers: to the next one where less than a frame lies between, for a picture cannot miss there.

    So it is where a run begins anew because the clock became known: both runs' times are right within some ms.
    """
    if following is None:
        return cut.piece.span
    last = _last_shown(cut.piece)
    wait_ns = following.piece.span.start_ns - cut.piece.span.end_ns
    if not 0 < wait_ns < last.duration_ns // last.frames:
        return cut.piece.span
    return WallSpan(cut.piece.span.start_ns, following.piece.span.start_ns)


def _file(group: Sequence[_Cut]) -> ClipFile:
    scan = group[0].segment.scan
    pieces = tuple(cut.piece for cut in group)
    return ClipFile(
        init=scan.init,
        movie=scan.movie,
        pieces=pieces,
        span=WallSpan(pieces[0].span.start_ns, pieces[-1].span.end_ns),
        pauses=tuple(_pauses(pieces, scan.timescale)),
        delay=scan.delay,
    )


def _pauses(pieces: Sequence[Piece], timescale: int) -> Iterable[WallSpan]:
    """Where the decode time will jump, and a wait for the run's next frame that the asked end fell into.

    A piece's own fragments meet: that is how their durations are read.
    """
    resumes = [*(piece.span.start_ns for piece in pieces[1:]), pieces[-1].span.end_ns]
    for piece, resume_ns in zip(pieces, resumes, strict=True):
        last = _last_shown(piece)
        end_ns = last.start_wall_ns + last.duration * NS_PER_S // timescale
        if resume_ns - end_ns > PAUSE_NS:
            yield WallSpan(end_ns, resume_ns)


def _last_shown(piece: Piece) -> Fragment:
    """The last fragment with pictures; a piece begins with one."""
    return [fragment for fragment in piece.fragments if fragment.frames][-1]


def _without_rounding(spans: Sequence[WallSpan]) -> tuple[WallSpan, ...]:
    merged: list[WallSpan] = []
    for span in spans:
        if merged and span.start_ns - merged[-1].end_ns <= _ROUNDING_NS:
            merged[-1] = WallSpan(merged[-1].start_ns, span.end_ns)
        else:
            merged.append(span)
    return tuple(merged)


def _explain(asked: WallSpan, delivered: Sequence[WallSpan], explained: Sequence[ExplainedGap]) -> Iterable[ClipGap]:
    """Every missing part once, in order, with a reason."""
    for hole in subtract(asked, delivered):
        if hole.duration_ns <= _ROUNDING_NS:
            continue
        at_ns = hole.start_ns
        for gap in sorted(explained, key=lambda gap: gap.start_wall_ns):
            known = WallSpan(max(gap.start_wall_ns, at_ns), gap.end_wall_ns).intersection(hole)
            if known is None:
                continue
            if known.start_ns - at_ns > _ROUNDING_NS:
                yield ClipGap(WallSpan(at_ns, known.start_ns), UNEXPLAINED)
            yield ClipGap(known, str(gap.reason))
            at_ns = known.end_ns
        if hole.end_ns - at_ns > _ROUNDING_NS:
            yield ClipGap(WallSpan(at_ns, hole.end_ns), UNEXPLAINED)
