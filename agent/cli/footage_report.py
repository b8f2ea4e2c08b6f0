"""How `wayside footage` prints: one JSON object for programs, or tables for people in the site's time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from agent.cli.footage_json import (
    ClipReport,
    DerivedReport,
    ExportReport,
    Listed,
    ListedCamera,
    RecoveredReport,
    ReportedFile,
    RingDifference,
    RingReport,
)
from agent.contract.requests import CameraGaps, GapsResult
from agent.contract.wire import WireGap, WireSpan
from agent.ledger import LedgerDamage
from agent.recording.account import CameraAccount
from agent.recording.clipfile import ClipFacts
from agent.recording.cut import ClipPlan
from agent.recording.exporter import ExportedFile
from agent.recording.index import CameraUsage
from agent.recording.reasons import REASON_WORDS
from agent.recording.recovery import Difference, RecoveryReport
from agent.units import NS_PER_S, WallSpan, format_rfc3339

if TYPE_CHECKING:
    from rich.console import Console

    from agent.media.faststart import DerivedFile


def print_list(usage: Sequence[CameraUsage], zone: ZoneInfo, *, as_json: bool) -> None:
    rows = [
        ListedCamera(
            each.camera,
            each.segments,
            each.bytes,
            format_rfc3339(each.first_wall_ns, zone),
            format_rfc3339(each.last_wall_ns, zone),
        )
        for each in usage
    ]
    if as_json:
        _print_json(Listed(rows))
        return
    from rich.table import Table

    table = Table("camera", "segments", "MB", "first", "last", box=None)
    for row in rows:
        table.add_row(row.camera, str(row.segments), f"{row.bytes / 1e6:.1f}", row.first, row.last)
    _console().print(table if rows else "The ring is empty.")


def print_gaps(accounts: Sequence[CameraAccount], day: date, zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        cameras = [
            CameraGaps(
                camera=each.camera,
                recorded_s=each.recorded_s,
                gaps=tuple(_wire_gap(gap.span, str(gap.reason), zone) for gap in each.gaps),
            )
            for each in accounts
        ]
        _print_json(GapsResult(cameras=tuple(cameras)))
        return
    from rich.table import Table

    console = _console()
    for each in accounts:
        console.print(f"[bold]{each.camera}[/bold]  {day}  recorded {_length(each.recorded_ms * 1_000_000)}")
        table = Table("from", "to", "length", "reason", "evidence", box=None, padding=(0, 2, 0, 0))
        for gap in each.gaps:
            table.add_row(
                format_rfc3339(gap.start_wall_ns, zone)[11:],
                format_rfc3339(gap.end_wall_ns, zone)[11:],
                _length(gap.span.duration_ns),
                str(gap.reason),
                gap.evidence,
            )
        console.print(table if each.gaps else "No gap.")
    if not accounts:
        console.print("The ring knows no camera yet.")


def print_export(
    plan: ClipPlan,
    files: Sequence[ExportedFile],
    zone: ZoneInfo,
    *,
    as_json: bool,
    derived: Sequence[DerivedFile] = (),
) -> None:
    gaps = [_wire_gap(gap.span, gap.reason, zone) for gap in plan.gaps]
    if as_json:
        _print_json(
            ExportReport(
                camera=plan.camera,
                asked=_wire_span(plan.asked, zone),
                delivered=[_wire_span(span, zone) for span in plan.delivered],
                partial=plan.is_partial,
                gaps=gaps,
                files=[_reported(file, zone, derived) for file in files],
            )
        )
        return
    for file in files:
        print(
            f"{file.path}  {file.size_bytes / 1e6:.1f} MB, {file.frames} frames,"
            f" {format_rfc3339(file.span.start_ns, zone)} to {format_rfc3339(file.span.end_ns, zone)}",
            f"sha256 {file.sha256}",
            sep="\n",
        )
    for each in derived:
        print(f"{each.path}  {each.size_bytes / 1e6:.1f} MB, for old players: a derivative of {each.of_sha256[:12]}…")
    if not files:
        print(f"Nothing of this was recorded by {plan.camera}.")
    for gap in gaps:
        words = REASON_WORDS.get(gap.reason, gap.reason)
        print(f"missing: {gap.start} to {gap.end} ({_length(round(gap.seconds * NS_PER_S))}): {words}")


def print_clip(path: Path, facts: ClipFacts, *, as_json: bool) -> None:
    report = ClipReport(
        path=str(path),
        camera=facts.camera,
        codec=facts.codec,
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
        duration_s=round(facts.duration_s, 3),
        start=format_rfc3339(facts.start_wall_ns),
        end=format_rfc3339(facts.end_wall_ns),
        bytes=facts.size_bytes,
        sha256=facts.sha256,
        gaps=[_wire_gap(span, reason, None) for span, reason in facts.gaps],
    )
    if as_json:
        _print_json(report)
        return
    _console().print(
        f"{path} is sound: {facts.camera}, {facts.codec} {facts.width}x{facts.height}, {facts.frames} frames,"
        f" {report.start} to {report.end}",
        f"sha256 {facts.sha256}",
        *(f"missing: {gap.start} to {gap.end}: {REASON_WORDS.get(gap.reason, gap.reason)}" for gap in report.gaps),
        sep="\n",
    )


def print_ring(
    segments: int,
    records: int,
    found: Sequence[Difference],
    damage: Sequence[LedgerDamage],
    *,
    evidence: Sequence[str] = (),
    erased: Sequence[str] = (),
    as_json: bool,
) -> None:
    report = RingReport(
        segments=segments,
        ledger_records=records,
        differences=[RingDifference(each.kind.value, each.path, each.detail) for each in found],
        ledger_damage=_damage_lines(damage),
        evidence_damage=list(evidence),
        erased=list(erased),
    )
    if as_json:
        _print_json(report)
        return
    console = _console()
    console.print(f"{segments} segments, {records} ledger records")
    for each in report.differences:
        console.print(f"{each.kind}: {each.path}{': ' if each.detail else ''}{each.detail}")
    for line in report.ledger_damage:
        console.print(f"ledger: {line} is no record")
    for line in report.evidence_damage:
        console.print(f"evidence: {line}")
    for line in report.erased:
        console.print(line)
    console.print("The ring is not sound." if found or damage or evidence else "The ring is sound: index equals disk.")


def print_recovery(report: RecoveryReport, *, as_json: bool) -> None:
    shown = RecoveredReport(
        segments=report.segments,
        repaired=report.repaired,
        damaged=report.damaged,
        ledger_records=report.ledger_records,
        ledger_damage=_damage_lines(report.ledger_damage),
        store_kept=report.is_store_kept,
    )
    if as_json:
        _print_json(shown)
        return
    console = _console()
    console.print(
        f"{report.segments} segments indexed, {report.repaired} with a torn end repaired, {report.damaged} damaged;"
        f" {report.ledger_records} ledger records"
    )
    if not report.is_store_kept:
        console.print("The former store could not be used: messages that still waited in it are lost.")


@contextmanager
def progress(what: str = "copying", *, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while bytes or segments pass; nothing where no person looks."""
    if hidden or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    # Loaded where a person looks: an export costs less than these imports.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show


def _damage_lines(damage: Sequence[LedgerDamage]) -> list[str]:
    return [f"{each.path.name}:{each.line}" for each in damage]


def _reported(file: ExportedFile, zone: ZoneInfo, derived: Sequence[DerivedFile]) -> ReportedFile:
    start, end = format_rfc3339(file.span.start_ns, zone), format_rfc3339(file.span.end_ns, zone)
    found = [
        DerivedReport(str(each.path), each.size_bytes, each.sha256, each.of_sha256)
        for each in derived
        if each.of_sha256 == file.sha256
    ]
    faststart = found[0] if found else None
    return ReportedFile(str(file.path), file.size_bytes, file.sha256, start, end, file.frames, faststart)


def _wire_span(span: WallSpan, zone: ZoneInfo | None) -> WireSpan:
    return WireSpan(start=format_rfc3339(span.start_ns, zone), end=format_rfc3339(span.end_ns, zone))


def _wire_gap(span: WallSpan, reason: str, zone: ZoneInfo | None) -> WireGap:
    seconds = round(span.duration_s, 3)
    start, end = format_rfc3339(span.start_ns, zone), format_rfc3339(span.end_ns, zone)
    return WireGap(start=start, end=end, seconds=seconds, reason=reason)


def _length(duration_ns: int) -> str:
    seconds = duration_ns / NS_PER_S
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"


def _console() -> Console:
    from rich.console import Console

    # A pipe has no width: what is read by grep or a log is not broken into lines of 80.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)


def _print_json(report: msgspec.Struct) -> None:
    print(msgspec.json.encode(report).decode())
