"""`wayside footage bundle` and `custody`, and how `verify` prints a bundle."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agent.cli.faults import EXIT_FAILED, EXIT_PARTIAL, explained
from agent.cli.settings import JsonOption
from agent.clock import SystemClock
from agent.errors import DiskError, EnrolmentError, UsageError
from agent.units import WallSpan, format_rfc3339, parse_span

if TYPE_CHECKING:
    from agent.recording.bundle import BundleReport
    from agent.recording.bundle_check import Verdict
    from agent.recording.signer import Signer

AuthorityOption = Annotated[
    Path | None, typer.Option("--authority", help="of a bundle: PEM of who must have issued the signer's certificate")
]
CaseOption = Annotated[str, typer.Option("--case", help="the case this is for")]
PurposeOption = Annotated[str, typer.Option("--purpose", help="what it is for")]
SignerOption = Annotated[str, typer.Option("--signer", help="of a bundle: the key that must have signed it (SHA-256)")]


class _BundleAnswer(msgspec.Struct, frozen=True):
    path: str
    bytes: int
    files: int
    signer: str
    partial: bool
    unchained: tuple[str, ...]
    unsealed: int


class _Found(msgspec.Struct, frozen=True):
    kind: str
    path: str
    detail: str


class _VerdictAnswer(msgspec.Struct, frozen=True):
    path: str
    sound: bool
    signer: str
    vouched: bool
    findings: list[_Found]


@explained
def bundle(
    data: Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)],
    camera: Annotated[str, typer.Option("--camera", help="the camera's id", show_default=False)],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with its offset", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with its offset", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="the archive to write (.zip)", show_default=False)],
    case: CaseOption = "",
    purpose: PurposeOption = "",
    home: Annotated[Path | None, typer.Option("--home", help="the node's home, where its key lies")] = None,
    as_json: JsonOption = False,
) -> None:
    """Footage as evidence: whole native segments, their chain and a signed manifest, which anybody can check with
    openssl and sha256sum. Exit code 3 when parts of the span are missing."""
    from agent.cli import footage_report as report
    from agent.recording import account
    from agent.recording.bundle import BundleRequest, make_bundle
    from agent.recording.custody import fit_text, person

    span = parse_span(start, end)
    if not out.parent.is_dir() or out.suffix.lower() != ".zip":
        raise UsageError(out=str(out), remedy="name a .zip file in a folder that exists")
    signer = _signer(home)
    if signer is None:
        print("wayside: no key of this node can be read: the bundle is not signed", file=sys.stderr)
    request = BundleRequest(camera, span, person(), purpose=fit_text(purpose), case_ref=fit_text(case))
    with open_ring(data) as conn:
        account.cameras(conn, [camera])
        note(data, "bundled", request.actor, camera=camera, span=span, purpose=purpose, case=case)
        now_wall_ns = SystemClock().wall_ns()
        with report.progress(hidden=as_json) as on_progress:
            made = make_bundle(
                conn, data, request, out, signer=signer, now_wall_ns=now_wall_ns, on_progress=on_progress
            )
    _print_bundle(made, as_json=as_json)
    if made.is_partial:
        raise typer.Exit(EXIT_PARTIAL)


@explained
def custody(
    data: Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Who looked at, exported, held, released or erased footage, and whether that record is unbroken."""
    from agent.recording.book import CUSTODY, Book
    from agent.recording.chain import broken_at
    from agent.recording.custody import accesses

    broken = broken_at(list(Book(data, CUSTODY).lines()))
    links = list(accesses(data))
    if as_json:
        for link in links:
            print(msgspec.json.encode(link).decode())
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("n", "at", "act", "who", "for", "case", "camera", "outcome", box=None)
        for link in links:
            words = (str(link.n), link.at, link.act, f"{link.actor} ({link.via})", link.purpose, link.case_ref)
            table.add_row(*words, link.camera, link.outcome)
        Console(soft_wrap=True).print(table if links else "Nobody has asked for footage yet.")
    if broken is not None:
        print(f"wayside: line {broken + 1} of this record does not follow the one before it", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)


def verify_bundle(path: Path, authority: Path | None, signer: str, *, as_json: bool) -> None:
    """Print what was found and end with 1 if it is not sound."""
    from agent.recording.bundle_check import check_bundle

    try:
        verdict = check_bundle(path, authorities=authority.read_bytes() if authority else b"", signer=signer)
    except OSError as exc:
        raise UsageError(file=str(exc.filename or path), remedy=f"it cannot be read ({exc.strerror})") from exc
    _print_verdict(path, verdict, as_json=as_json)
    if not verdict.is_sound:
        raise typer.Exit(EXIT_FAILED)


def note_export(data: Path, camera: str, span: WallSpan, *, purpose: str, case: str) -> None:
    """For `wayside footage export`: who takes a clip from this disk."""
    from agent.recording.custody import person

    note(data, "exported", person(), camera=camera, span=span, purpose=purpose, case=case)


def note_look(data: Path, camera: str, span: WallSpan, *, purpose: str, case: str) -> None:
    """For whatever shows pictures of this disk without handing out footage, such as a contact sheet."""
    from agent.recording.custody import person

    note(data, "looked", person(), camera=camera, span=span, purpose=purpose, case=case)


def note(
    data: Path,
    act: str,
    actor: str,
    *,
    camera: str,
    span: WallSpan | None,
    purpose: str,
    case: str,
    outcome: str = "begun",
    detail: str = "",
) -> None:
    """Write an access down, before anything is shown or handed out. Every command that does so calls this."""
    from agent.recording.chain import AccessLink
    from agent.recording.custody import note_access

    link = AccessLink(
        act=act,
        actor=actor,
        role="local",
        via="cli",
        outcome=outcome,
        at=format_rfc3339(SystemClock().wall_ns()),
        purpose=purpose,
        case_ref=case,
        camera=camera,
        start=format_rfc3339(span.start_ns) if span else "",
        end=format_rfc3339(span.end_ns) if span else "",
        detail=detail,
    )
    try:
        note_access(data, link)
    except DiskError as exc:
        # A disk that can only be read is just what footage must be rescued from.
        print(f"wayside: this access could not be written down: {exc}", file=sys.stderr)


def _signer(home: Path | None) -> Signer | None:
    from agent.enrolment.home import NodeHome
    from agent.recording.signer import load_signer

    node_home = NodeHome(home) if home is not None else NodeHome.default()
    try:
        chain = node_home.load_anchors().ca.encode()
    except EnrolmentError:
        chain = b""
    return load_signer(node_home.key, node_home.certificate, chain)


def _print_bundle(made: BundleReport, *, as_json: bool) -> None:
    found = made.manifest
    if as_json:
        answer = _BundleAnswer(
            str(made.path),
            made.size_bytes,
            len(found.files),
            found.signer,
            made.is_partial,
            found.unchained,
            found.unsealed,
        )
        print(msgspec.json.encode(answer).decode())
        return
    from rich.console import Console

    console = Console(soft_wrap=True)
    console.print(f"{made.path}  {made.size_bytes / 1e6:.1f} MB, {len(found.files)} files", highlight=False)
    console.print(f"signed by {found.signer}" if found.signer else "not signed", highlight=False)
    if found.unsealed:
        console.print(f"{found.unsealed} links of its chain are newer than the newest seal", highlight=False)
    for path in found.unchained:
        console.print(f"not in the node's chain: {path}", highlight=False)
    for gap in found.gaps:
        console.print(f"missing: {gap.start} to {gap.end}: {gap.reason}", highlight=False)


def _print_verdict(path: Path, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        found = [_Found(each.kind.value, each.path, each.detail) for each in verdict.findings]
        answer = _VerdictAnswer(str(path), verdict.is_sound, verdict.signer, verdict.is_vouched, found)
        print(msgspec.json.encode(answer).decode())
        return
    from rich.console import Console

    console = Console(soft_wrap=True, markup=False)
    if verdict.is_sound:
        console.print(f"{path} is what was signed, every byte of it.", highlight=False)
        console.print(f"signed by {verdict.signer}", highlight=False)
        if not verdict.is_vouched:
            console.print("No authority vouches for this key: compare it with the centre's record.", highlight=False)
        return
    is_only_unsigned = {each.kind.value for each in verdict.findings} == {"unsigned"}
    what = "is not signed, though all its files agree" if is_only_unsigned else "is NOT what was signed"
    console.print(f"{path} {what}:", highlight=False)
    for each in verdict.findings:
        console.print(f"  {each.kind.value}: {each.path or 'the archive'}: {each.detail}", highlight=False)


@contextmanager
def open_ring(data: Path) -> Iterator[sqlite3.Connection]:
    """The ring's store, only for reading; a running node is not disturbed."""
    from agent.recording.boot import require_ring
    from agent.store import open_store

    require_ring(data)
    conn = open_store(data, readonly=True)
    try:
        yield conn
    finally:
        conn.close()
