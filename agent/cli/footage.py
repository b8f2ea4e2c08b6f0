"""`wayside footage`: the ring on this node's disk, for people and programs. Needs the data folder only."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent import log
from agent.cli import footage_erase, footage_evidence, footage_hold, footage_redact, footage_sheet
from agent.cli.faults import EXIT_FAILED, EXIT_PARTIAL, explained
from agent.cli.settings import JsonOption
from agent.clock import SystemClock
from agent.errors import TimeError, UsageError
from agent.units import BUDDHIST_OFFSET_YEARS, day_of, parse_span

if TYPE_CHECKING:
    import sqlite3
    from zoneinfo import ZoneInfo

    from agent.media.faststart import DerivedFile

app = typer.Typer(name="footage", help="The ring of footage on this node's disk.", no_args_is_help=True)
app.command()(footage_evidence.bundle)
app.command()(footage_evidence.custody)
app.command()(footage_sheet.sheet)
app.command()(footage_erase.erase)
app.command()(footage_hold.hold)
app.command()(footage_hold.release)
app.command()(footage_hold.forecast)
app.command()(footage_redact.redact)

DataOption = Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)]
CamerasOption = Annotated[list[str] | None, typer.Option("--camera", help="only this camera; may be repeated")]

# A year this late is meant as one of the Buddhist era (agent.units).
_BUDDHIST_FROM_YEAR = 2400
# The epoch's own day is 1969 in some zones; where 64 bits of nanoseconds end, agent.units says.
_YEARS = range(1971, 2262)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@app.callback()
def quiet() -> None:
    """Only what went wrong is logged, to stderr; stdout belongs to the answer."""
    log.setup(level=logging.WARNING, is_quiet=True)


@app.command(name="list")
@explained
def list_footage(
    data: DataOption,
    camera: CamerasOption = None,
    day: Annotated[
        str, typer.Option("--day", help="draw this day: YYYY-MM-DD in the site's time zone, or `today`")
    ] = "",
    svg: Annotated[Path | None, typer.Option("--svg", help="draw the day into this file as well")] = None,
    is_ascii: Annotated[bool, typer.Option("--ascii", help="plain letters, for a log or an old terminal")] = False,
    as_json: JsonOption = False,
) -> None:
    """What the ring holds: for each camera its segments, bytes, first and last footage. With --day its calendar: a bar
    of footage and gaps for each camera, the incidents, and lengths that add up to the day."""
    from agent.cli import footage_report as report
    from agent.recording import account, index

    if svg is not None and not day:
        raise UsageError(remedy="an SVG shows a day: give --day as well")
    with _store(data) as conn:
        cameras = account.cameras(conn, camera or ())
        if day:
            from agent.cli.footage_calendar import show_day

            wanted = _day(day, account.zone(conn))
            show_day(conn, data, cameras, wanted, svg=svg, is_ascii=is_ascii, as_json=as_json)
            return
        usage = [each for each in index.usage(conn) if each.camera in cameras]
        report.print_list(usage, account.zone(conn), as_json=as_json)


@app.command()
@explained
def gaps(
    data: DataOption,
    day: Annotated[str, typer.Option("--day", help="YYYY-MM-DD in the site's time zone; without it: today")] = "",
    camera: CamerasOption = None,
    as_json: JsonOption = False,
) -> None:
    """A day of each camera: the seconds recorded, and every gap with its one reason. Together they fill the day."""
    from agent.cli import footage_report as report
    from agent.recording import account

    now_wall_ns = SystemClock().wall_ns()
    with _store(data) as conn:
        zone = account.zone(conn)
        wanted = _day(day, zone)
        span = account.civil_day(conn, wanted)
        accounts = account.account(conn, data, account.cameras(conn, camera or ()), span, now_wall_ns)
        report.print_gaps(accounts, wanted, zone, as_json=as_json)


@app.command()
@explained
def export(
    data: DataOption,
    camera: Annotated[str, typer.Option("--camera", help="the camera's id", show_default=False)],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with its offset", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with its offset", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="the clip to write (.mp4)", show_default=False)],
    is_faststart: Annotated[
        bool, typer.Option("--faststart", help="for old players, a remuxed copy OUT-faststart.mp4 beside it")
    ] = False,
    case: footage_evidence.CaseOption = "",
    purpose: footage_evidence.PurposeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy a span into a clip, native and never re-encoded. Exit code 3 when parts of it are missing."""
    from agent.cli import footage_report as report
    from agent.recording import account
    from agent.recording.exporter import export_clip
    from agent.recording.ringclip import plan_from_ring, reading

    span = parse_span(start, end)
    if not out.parent.is_dir():
        raise UsageError(out=str(out), remedy="its folder does not exist; create it or choose another")
    with _store(data) as conn:
        account.cameras(conn, [camera])
        zone = account.zone(conn)
        with reading(data, camera, span) as pin:
            plan = plan_from_ring(conn, data, camera, span, SystemClock().wall_ns())
            if not plan.files:
                report.print_export(plan, (), zone, as_json=as_json)
                raise typer.Exit(EXIT_FAILED)
            footage_evidence.note_export(data, camera, span, purpose=purpose, case=case)
            with report.progress(hidden=as_json) as on_progress:
                files = export_clip(plan, data, out, pin.following(on_progress))
    derived: list[DerivedFile] = []
    if is_faststart:
        from agent.media.faststart import faststart_path, remux_faststart

        derived = [remux_faststart(file.path, faststart_path(file.path), file.sha256) for file in files]
    report.print_export(plan, files, zone, as_json=as_json, derived=derived)
    if plan.is_partial:
        raise typer.Exit(EXIT_PARTIAL)


@app.command()
@explained
def verify(
    clip: Annotated[
        Path | None, typer.Argument(metavar="[CLIP]", help="a clip or a bundle; without it the ring")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="the node's data folder")] = None,
    sha256: Annotated[str, typer.Option("--sha256", help="what the clip's hash must be")] = "",
    authority: footage_evidence.AuthorityOption = None,
    signer: footage_evidence.SignerOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a clip, a bundle (.zip), or the whole ring: every segment whole, index equals disk, every line of the
    ledger sound. Of a bundle every change is named."""
    if (clip is None) == (data is None):
        raise UsageError(remedy="give a clip or a bundle, or --data with the node's data folder")
    if clip is not None and clip.suffix.lower() == ".zip":
        footage_evidence.verify_bundle(clip, authority, signer, as_json=as_json)
        return
    is_sound = _verify_clip(clip, sha256, as_json) if clip is not None else _verify_ring(data, as_json)
    if not is_sound:
        raise typer.Exit(EXIT_FAILED)


@app.command()
@explained
def recover(data: DataOption, as_json: JsonOption = False) -> None:
    """Rebuild the store from the segments and the ledger alone, and repair torn ends. Stop the node first."""
    from agent.cli import footage_report as report
    from agent.recording.boot import require_ring
    from agent.recording.recovery import recover as rebuild

    require_ring(data)
    with report.progress("segments", hidden=as_json) as on_progress:
        rebuilt = rebuild(data, on_progress)
    report.print_recovery(rebuilt, as_json=as_json)


def _verify_clip(clip: Path, sha256: str, as_json: bool) -> bool:
    from agent.cli import footage_report as report
    from agent.recording.clipfile import verify_clip

    try:
        facts = verify_clip(clip, sha256 or None)
    except OSError as exc:
        raise UsageError(clip=str(clip), remedy=f"it cannot be read ({exc.strerror})") from exc
    report.print_clip(clip, facts, as_json=as_json)
    return True


def _verify_ring(data: Path | None, as_json: bool) -> bool:
    from agent.cli import footage_report as report
    from agent.ledger import LedgerDamage, read_ledger
    from agent.recording import index
    from agent.recording.chain_audit import audit_chains
    from agent.recording.chain_fate import chain_fate
    from agent.recording.recovery import differences

    assert data is not None
    damage: list[LedgerDamage] = []
    with _store(data) as conn:
        found = differences(conn, data)
        segments = sum(each.segments for each in index.usage(conn))
        fate = chain_fate(conn, data)
    records = sum(1 for _ in read_ledger(data, on_damage=damage.append))
    missing = (f"{path}: it was chained, and nobody told of its deletion" for path in fate.missing)
    broken = [*audit_chains(data), *missing]
    report.print_ring(segments, records, found, damage, evidence=broken, erased=fate.erased, as_json=as_json)
    return not found and not damage and not broken


@contextmanager
def _store(data: Path) -> Iterator[sqlite3.Connection]:
    """The ring's store, only for reading; a running node is not disturbed."""
    from agent.recording.boot import require_ring
    from agent.store import open_store

    require_ring(data)
    conn = open_store(data, readonly=True)
    try:
        yield conn
    finally:
        conn.close()


def _day(text: str, zone: ZoneInfo) -> date:
    """Without a text, today. Raises TimeError."""
    if text in ("", "today"):
        return day_of(SystemClock().wall_ns(), zone)
    try:
        day = date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError as exc:
        raise TimeError(name="day", text=text, remedy="write it as YYYY-MM-DD, for example 2026-11-22") from exc
    if day.year >= _BUDDHIST_FROM_YEAR:
        right = f"{day.year - BUDDHIST_OFFSET_YEARS:04d}{text[4:]}"
        raise TimeError(name="day", text=text, remedy=f"{day.year} is a Buddhist year; write {right}")
    if day.year not in _YEARS:
        raise TimeError(name="day", text=text, remedy="no footage is from that year; check it")
    return day
