"""Deletion at a person's request: whole segments that touch a span, never held ones, with a record that stays.

Four steps, each finished before the next, so that a kill anywhere is gone on from: the ledger says who had what erased
and the rows become garbage (one commit), the files are unlinked, their folders synced, the rows dropped. A segment is
some 60 s: to cut a file would change it and void its hash, so it goes whole and the person is told before (ADR 29).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import EraseRefused
from agent.ledger import Ledger
from agent.recording import erasures, evidence, holds, incidents, index
from agent.recording.custody import fit_text
from agent.recording.folder import disk_error, sync_folder
from agent.recording.holds import Hold
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.records import FootageErased
from agent.store import transaction
from agent.units import NS_PER_S, WallSpan

# Nobody knows how long a damaged segment is: at the default length it ends within this.
_DAMAGED_NS: Final = 120 * NS_PER_S

_log = log.get("erasure")


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """Who wants what erased, and what for. `request` is a UUID: the same one twice erases once."""

    request: str
    camera: str
    span: WallSpan
    actor: str
    purpose: str
    case_ref: str = ""


@dataclass(frozen=True, slots=True)
class ErasePlan:
    """What erasing would take: `doomed` in the order of recording. `holds` and `still_open` forbid it."""

    camera: str
    doomed: tuple[SegmentRow, ...]
    holds: tuple[Hold, ...]
    still_open: tuple[SegmentRow, ...]
    stills: int

    @property
    def size_bytes(self) -> int:
        return sum(row.bytes for row in self.doomed)

    @property
    def span(self) -> WallSpan | None:
        """From the first to the last of it: more than was asked, by up to a segment at each end."""
        if not self.doomed:
            return None
        return WallSpan(min(row.start_wall_ns for row in self.doomed), max(row.end_wall_ns for row in self.doomed))


@dataclass(frozen=True, slots=True)
class EraseReport:
    segments: int
    size_bytes: int
    stills: int
    span: WallSpan | None


def plan_erasure(conn: sqlite3.Connection, camera: str, span: WallSpan) -> ErasePlan:
    """What is on disk of this span now. Reads every row of the camera: 40 000 take some 0.2 s."""
    doomed = [row for row in index.oldest_first(conn, camera) if _touches(row, span)]
    still_open = [
        row for row in index.in_state(conn, SegmentState.OPEN) if row.camera == camera and _touches(row, span)
    ]
    taken = [_extent(row) for row in doomed]
    keeping = [
        hold
        for hold in holds.all_holds(conn)
        if hold.camera == camera and (hold.span.overlaps(span) or any(hold.span.overlaps(each) for each in taken))
    ]
    stills = len(incidents.with_stills(conn, camera, [span, *taken]))
    return ErasePlan(camera, tuple(doomed), tuple(keeping), tuple(still_open), stills)


def erase(conn: sqlite3.Connection, data_dir: Path, ledger: Ledger, request: EraseRequest) -> EraseReport:
    """Erase, or go on where a kill stopped it. Raises EraseRefused (`held`, `still_recording`, `nothing_recorded`),
    DiskError, StoreError."""
    if not erasures.of_request(conn, request.request):
        _decide(conn, ledger, request)
    finish(conn, data_dir)
    rows = erasures.of_request(conn, request.request)
    spans = [row.span for row in rows if row.data.segments]
    return EraseReport(
        segments=sum(row.data.segments for row in rows),
        size_bytes=sum(row.data.bytes for row in rows),
        stills=sum(row.data.stills for row in rows),
        span=WallSpan(min(each.start_ns for each in spans), max(each.end_ns for each in spans)) if spans else None,
    )


def finish(conn: sqlite3.Connection, data_dir: Path) -> int:
    """Take away what was condemned and is still there, whoever condemned it; returns how many segments."""
    rows = index.in_state(conn, SegmentState.GARBAGE)
    folders: set[Path] = set()
    try:
        for each in rows:
            path = data_dir / each.path
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            if folder.is_dir():
                sync_folder(folder)
        for row in erasures.rows(conn):
            asked = WallSpan(*row.data.asked)
            for span in (asked, row.span):
                incidents.remove_dropped_stills(conn, data_dir, row.data.camera, span)
    except OSError as exc:
        raise disk_error(exc) from exc
    with transaction(conn):
        index.forget(conn, (each.path for each in rows))
    return len(rows)


def _decide(conn: sqlite3.Connection, ledger: Ledger, request: EraseRequest) -> None:
    """Judge and condemn in one commit: no hold can come between."""
    with transaction(conn):
        plan = plan_erasure(conn, request.camera, request.span)
        refuse(plan)
        evidence.note(conn, ledger, *_records(plan, request))
        index.mark_garbage(conn, (row.path for row in plan.doomed))
        incidents.drop_stills(conn, request.camera, [request.span, *(_extent(row) for row in plan.doomed)])
    _log.warning(
        "footage erased at a person's request",
        camera=request.camera,
        segments=len(plan.doomed),
        bytes=plan.size_bytes,
        actor=request.actor,
        case=request.case_ref,
    )


def refuse(plan: ErasePlan) -> None:
    """Raises EraseRefused for a plan that cannot be carried out, naming what stands against it."""
    if plan.holds:
        names = "; ".join(_words(hold) for hold in plan.holds[:8])
        more = f" and {len(plan.holds) - 8} more" if len(plan.holds) > 8 else ""
        raise EraseRefused(
            reason="held",
            camera=plan.camera,
            holds=f"{names}{more}",
            remedy="these holds keep it; whoever answers for them must release them first",
        )
    if plan.still_open:
        remedy = "the newest segment is still being written; ask again when it is closed, in about a minute"
        raise EraseRefused(reason="still_recording", camera=plan.camera, path=plan.still_open[0].path, remedy=remedy)
    if not plan.doomed and not plan.stills:
        remedy = "nothing of this span is on the disk; `wayside footage gaps` says why"
        raise EraseRefused(reason="nothing_recorded", camera=plan.camera, remedy=remedy)


def _records(plan: ErasePlan, request: EraseRequest) -> list[FootageErased]:
    """One for each unbroken row of segments, so that first and last name all between. Pure."""
    pieces: list[list[SegmentRow]] = [[row] for row in plan.doomed[:1]]
    for before, after in pairwise(plan.doomed):
        if (after.boot, after.run, after.n) == (before.boot, before.run, before.n + 1):
            pieces[-1].append(after)
        else:
            pieces.append([after])
    if not pieces:
        return [_record([], request.span, request, stills=plan.stills)]
    return [
        _record(
            piece,
            WallSpan(min(row.start_wall_ns for row in piece), max(row.end_wall_ns for row in piece)),
            request,
            stills=plan.stills if number == 0 else 0,
        )
        for number, piece in enumerate(pieces)
    ]


def _record(piece: Sequence[SegmentRow], span: WallSpan, request: EraseRequest, *, stills: int) -> FootageErased:
    return FootageErased(
        camera=request.camera,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        first=piece[0].path if piece else "",
        last=piece[-1].path if piece else "",
        segments=len(piece),
        bytes=sum(row.bytes for row in piece),
        stills=stills,
        asked=(request.span.start_ns, request.span.end_ns),
        request=request.request,
        actor=fit_text(request.actor),
        purpose=fit_text(request.purpose),
        case_ref=fit_text(request.case_ref),
    )


def _extent(row: SegmentRow) -> WallSpan:
    longest_ns = row.start_wall_ns + _DAMAGED_NS if row.state is SegmentState.DAMAGED else row.end_wall_ns
    return WallSpan(row.start_wall_ns, max(row.end_wall_ns, longest_ns))


def _touches(row: SegmentRow, span: WallSpan) -> bool:
    """An open segment ends nobody knows when."""
    if row.is_open:
        return row.start_wall_ns < span.end_ns
    return _extent(row).overlaps(span)


def _words(hold: Hold) -> str:
    return f"{hold.kind.value} hold {hold.hold_id}" + (f" ({hold.reference})" if hold.reference else "")
