"""`wayside footage erase`: deletion at a person's request, told before it is done and recorded for ever."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.footage_evidence import CaseOption, note, open_ring
from agent.cli.settings import JsonOption
from agent.errors import EraseRefused, UsageError
from agent.units import WallSpan, format_rfc3339, parse_span

if TYPE_CHECKING:
    from agent.recording.erasure import ErasePlan
    from agent.recording.wishes import EraseWish, WishAnswer


class _Erased(msgspec.Struct, frozen=True):
    camera: str
    segments: int
    bytes: int
    stills: int
    start: str
    end: str
    actor: str
    purpose: str
    case_ref: str


@explained
def erase(
    data: Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)],
    camera: Annotated[str, typer.Option("--camera", help="the camera's id", show_default=False)],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with its offset", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with its offset", show_default=False)],
    purpose: Annotated[str, typer.Option("--purpose", help="why, for the record", show_default=False)],
    actor: Annotated[str, typer.Option("--actor", help="who answers for it; default: who runs this")] = "",
    case: CaseOption = "",
    is_agreed: Annotated[bool, typer.Option("--yes", help="erase without asking")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete footage for good, at a person's request. Whole segments go, so up to a minute more at each end. What is
    under hold is refused. Who, why and for which case stay in the node's records."""
    from agent.identity import new_uuid7
    from agent.processes.granting import ask
    from agent.recording import account
    from agent.recording.custody import fit_text, person
    from agent.recording.erasure import plan_erasure, refuse
    from agent.recording.wishes import EraseWish

    span = parse_span(start, end)
    if not purpose.strip():
        raise UsageError(remedy="say with --purpose why it is erased; it stands in the record for ever")
    who = fit_text(actor) or person()
    wanted = EraseWish(
        request=new_uuid7(),
        camera=camera,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        actor=who,
        purpose=fit_text(purpose),
        case_ref=fit_text(case),
    )
    with open_ring(data) as conn:
        account.cameras(conn, [camera])
        zone = account.zone(conn)
        plan = plan_erasure(conn, camera, span)
    try:
        refuse(plan)
        _agree(plan, zone, is_agreed=is_agreed, as_json=as_json)
        note(data, "erased", who, camera=camera, span=span, purpose=purpose, case=case, detail=_behalf(who))
        answer = ask(data, wanted)
    except EraseRefused as exc:
        reason = str(exc.facts.get("reason", "refused"))
        note(data, "erased", who, camera=camera, span=span, purpose=purpose, case=case, outcome="refused",
             detail=reason)  # fmt: skip
        raise
    note(data, "erased", who, camera=camera, span=span, purpose=purpose, case=case, outcome="done",
         detail=f"{answer.segments} segments")  # fmt: skip
    _print(wanted, answer, zone, as_json=as_json)


def _agree(plan: ErasePlan, zone: ZoneInfo, *, is_agreed: bool, as_json: bool) -> None:
    """Tell what goes, before it goes. Without --yes a person must say so. Raises UsageError."""
    taken = plan.span
    words = f"{plan.camera}: {len(plan.doomed)} whole segments, {plan.size_bytes / 1e6:.1f} MB"
    if taken is not None:
        words += f", from {format_rfc3339(taken.start_ns, zone)} to {format_rfc3339(taken.end_ns, zone)}"
    if plan.stills:
        words += f", and {plan.stills} stills of incidents"
    if not as_json:
        print(f"To be erased for good: {words}.")
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError(remedy=f"this would erase {words}; give --yes")
    if not typer.confirm("Erase it?"):
        print("Nothing was erased.", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)


def _behalf(who: str) -> str:
    from agent.recording.custody import person

    return "" if who == person() else f"typed by {person()}"


def _print(wanted: EraseWish, answer: WishAnswer, zone: ZoneInfo, *, as_json: bool) -> None:
    span = WallSpan(answer.start_wall_ns, answer.end_wall_ns)
    start, end = (format_rfc3339(each, zone) if each else "" for each in (span.start_ns, span.end_ns))
    if as_json:
        told = _Erased(
            wanted.camera, answer.segments, answer.bytes, answer.stills, start, end, wanted.actor, wanted.purpose,
            wanted.case_ref,
        )  # fmt: skip
        print(msgspec.json.encode(told).decode())
        return
    print(f"Erased: {answer.segments} segments ({answer.bytes / 1e6:.1f} MB), {answer.stills} stills. {start} {end}")
    print("Their records stay, with who erased them and why: wayside footage verify --data …, custody")
