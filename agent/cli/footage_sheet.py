"""`wayside footage sheet`: small pictures of a span on one page, to see before a clip is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agent.cli import footage_evidence
from agent.cli.faults import EXIT_FAILED, EXIT_PARTIAL, explained
from agent.cli.settings import JsonOption
from agent.clock import SystemClock
from agent.contract.wire import WireGap
from agent.errors import DiskError, SegmentDamaged, UsageError, VideoError
from agent.recording.cut import ClipGap
from agent.recording.sheet import MAX_SHEET_BYTES, MOST_STILLS, SheetGap, SheetTile
from agent.units import format_rfc3339, parse_span

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.vision.sheet import Tile


class SheetReport(msgspec.Struct, frozen=True):
    path: str
    bytes: int
    stills: int
    gaps: list[WireGap]


@explained
def sheet(
    data: Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)],
    camera: Annotated[str, typer.Option("--camera", help="the camera's id", show_default=False)],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with its offset", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with its offset", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="the picture to write (.jpg)", show_default=False)],
    stills: Annotated[int, typer.Option("--stills", help="how many pictures", min=1, max=MOST_STILLS)] = 24,
    case: footage_evidence.CaseOption = "",
    purpose: footage_evidence.PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """A contact sheet of at most 300 kB: pictures spread over a span with their times, and each gap in its place. Exit
    code 3 when parts of the span are missing."""
    from agent.cli import footage_report as report
    from agent.recording import account
    from agent.recording.ringclip import plan_from_ring, reading
    from agent.recording.sheet import plan_sheet
    from agent.recording.sheetwords import note_of, title_of
    from agent.vision.sheet import encode_sheet

    span = parse_span(start, end)
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(out=str(out), remedy="name a file in a folder that exists")
    with footage_evidence.open_ring(data) as conn:
        account.cameras(conn, [camera])
        zone = account.zone(conn)
        with reading(data, camera, span):
            plan = plan_from_ring(conn, data, camera, span, SystemClock().wall_ns())
            if not plan.files:
                report.print_export(plan, (), zone, as_json=as_json)
                raise typer.Exit(EXIT_FAILED)
            footage_evidence.note_look(data, camera, span, purpose=purpose, case=case)
            tiles = [_tile(data, tile, zone) for tile in plan_sheet(plan, stills)]
    jpeg = encode_sheet(title_of(plan, zone), note_of(plan), tiles, max_bytes=MAX_SHEET_BYTES)
    try:
        out.write_bytes(jpeg)
    except OSError as exc:
        raise DiskError(path=str(out), error=exc.strerror or "", remedy="choose another place") from exc
    _tell(out, len(jpeg), sum(tile.picture is not None for tile in tiles), plan.gaps, zone if as_json else None)
    if plan.is_partial:
        raise typer.Exit(EXIT_PARTIAL)


def _tell(out: Path, size_bytes: int, shown: int, gaps: Sequence[ClipGap], zone: ZoneInfo | None) -> None:
    """JSON with a zone, a line for people without."""
    if zone is None:
        print(f"{out}  {size_bytes / 1e3:.0f} kB, {shown} pictures, {len(gaps)} gaps")
        return
    told = [
        WireGap(
            start=format_rfc3339(gap.span.start_ns, zone),
            end=format_rfc3339(gap.span.end_ns, zone),
            seconds=round(gap.span.duration_s, 3),
            reason=gap.reason,
        )
        for gap in gaps
    ]
    print(msgspec.json.encode(SheetReport(str(out), size_bytes, shown, told)).decode())


def _tile(data: Path, tile: SheetTile, zone: ZoneInfo) -> Tile:
    """What cannot be read or decoded is said in its place: the other pictures are still worth looking at."""
    from agent.media.idr import first_picture
    from agent.recording.sheetwords import gap_words, label_of
    from agent.recording.stillfile import read_still
    from agent.vision.sheet import Tile

    label = label_of(tile, zone)
    if isinstance(tile, SheetGap):
        return Tile(label, words=gap_words(tile))
    try:
        mp4 = read_still(data, tile)
        if mp4 is None:
            return Tile(label, words=("the ring has deleted it",))
        return Tile(label, picture=first_picture(mp4).bgr())
    except (SegmentDamaged, VideoError, OSError):
        return Tile(label, words=("this picture cannot be read",))
