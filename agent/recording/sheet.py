"""Which pictures a contact sheet shows: IDRs spread over what was recorded, and each gap in its place. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.recording.cut import ClipGap, ClipPlan
from agent.recording.fragment import Fragment
from agent.recording.movie import Movie
from agent.units import WallSpan

# A sheet is looked at, not read: more gaps than this are told together.
MOST_GAPS = 12
MOST_STILLS = 48
# Footage design: what a thin line carries in a few seconds.
MAX_SHEET_BYTES = 300_000


@dataclass(frozen=True, slots=True)
class SheetStill:
    """A picture to take: the first one of `fragment`, which starts at an IDR, in the segment at `path`."""

    wall_ns: int
    path: PurePosixPath
    fragment: Fragment
    init: bytes
    movie: Movie


@dataclass(frozen=True, slots=True)
class SheetGap:
    """No footage in `span`, for `reason`; `more` further gaps are meant as well, with their total within the span."""

    span: WallSpan
    reason: str
    more: int = 0

    @property
    def wall_ns(self) -> int:
        return self.span.start_ns


SheetTile = SheetStill | SheetGap


def plan_sheet(plan: ClipPlan, most_stills: int) -> tuple[SheetTile, ...]:
    """In order of time. The first and the last picture of what was recorded are among the stills."""
    stills = [
        SheetStill(fragment.start_wall_ns, piece.path, fragment, file.init, file.movie)
        for file in plan.files
        for piece in file.pieces
        for fragment in piece.fragments
        if fragment.frames and fragment.starts_at_idr and fragment.start_wall_ns < plan.asked.end_ns
    ]
    tiles: list[SheetTile] = [*_spread(sorted(stills, key=lambda still: still.wall_ns), most_stills), *_gaps(plan.gaps)]
    return tuple(sorted(tiles, key=lambda tile: tile.wall_ns))


def _spread(stills: Sequence[SheetStill], most: int) -> list[SheetStill]:
    if len(stills) <= most:
        return list(stills)
    if most == 1:
        return [stills[len(stills) // 2]]
    return [stills[round(at * (len(stills) - 1) / (most - 1))] for at in range(most)]


def _gaps(gaps: Sequence[ClipGap]) -> list[SheetGap]:
    """The longest each for itself; the shortest of too many are told by the first of them."""
    if len(gaps) <= MOST_GAPS:
        return [SheetGap(gap.span, gap.reason) for gap in gaps]
    by_length = sorted(gaps, key=lambda gap: -gap.span.duration_ns)
    rest = sorted(by_length[MOST_GAPS - 1 :], key=lambda gap: gap.span.start_ns)
    whole = WallSpan(rest[0].span.start_ns, rest[-1].span.end_ns)
    told = SheetGap(whole, rest[0].reason, more=len(rest) - 1)
    return [*(SheetGap(gap.span, gap.reason) for gap in by_length[: MOST_GAPS - 1]), told]
