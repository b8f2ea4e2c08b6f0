"""`wayside footage hold`, `release` and `forecast`: what outlives the ring, and for how long the rest lasts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.footage_evidence import CaseOption, note, open_ring
from agent.cli.keeping import print_forecast
from agent.cli.settings import JsonOption
from agent.errors import FootageError, UsageError
from agent.units import WallSpan, format_rfc3339, parse_span

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.recording.wishes import HoldWish, ReleaseWish, WishAnswer

DataOption = Annotated[Path, typer.Option("--data", help="the node's data folder", show_default=False)]
PurposeOption = Annotated[str, typer.Option("--purpose", help="why, for the record", show_default=False)]
ActorOption = Annotated[str, typer.Option("--actor", help="who answers for it; default: who runs this")]


class _Held(msgspec.Struct, frozen=True):
    hold_id: str
    camera: str
    start: str
    end: str
    expires: str
    segments: int
    bytes: int


class _Released(msgspec.Struct, frozen=True):
    hold_id: str
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class _Access:
    act: str
    actor: str
    camera: str
    span: WallSpan | None
    purpose: str
    case_ref: str
    detail: str


@explained
def hold(
    data: DataOption,
    camera: Annotated[str, typer.Option("--camera", help="the camera's id", show_default=False)],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with its offset", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with its offset", show_default=False)],
    purpose: PurposeOption,
    days: Annotated[int, typer.Option("--days", help="for how long", min=1, max=3650)] = 30,
    reviewer: Annotated[str, typer.Option("--reviewer", help="who looks at it again before it ends")] = "",
    actor: ActorOption = "",
    case: CaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep footage that the ring would delete. All staff holds together may take 40 % of the ring; what would go beyond
    is refused."""
    from agent.identity import new_uuid7
    from agent.recording import account
    from agent.recording.custody import fit_text, person
    from agent.recording.wishes import HoldWish

    span = parse_span(start, end)
    who = fit_text(actor) or person()
    wanted = HoldWish(
        request=new_uuid7(),
        camera=camera,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        days=days,
        actor=who,
        purpose=fit_text(_why(purpose)),
        reviewer=fit_text(reviewer),
        case_ref=fit_text(case),
    )
    with open_ring(data) as conn:
        account.cameras(conn, [camera])
        zone = account.zone(conn)
    access = _Access("held", who, camera, span, purpose, case, detail=wanted.request)
    answer = _ask(data, wanted, access)
    told = _held(wanted, answer, zone)
    if as_json:
        print(msgspec.json.encode(told).decode())
        return
    size = f"{told.segments} segment{'s' * (told.segments != 1)}, {told.bytes / 1e6:.1f} MB"
    print(f"Held as {told.hold_id} until {told.expires}: {size}")
    if not told.segments:
        print("wayside: nothing finished lies in this span; `wayside footage gaps` says why", file=sys.stderr)


def _held(wanted: HoldWish, answer: WishAnswer, zone: ZoneInfo) -> _Held:
    return _Held(
        hold_id=wanted.request,
        camera=wanted.camera,
        start=format_rfc3339(answer.start_wall_ns, zone),
        end=format_rfc3339(answer.end_wall_ns, zone),
        expires=format_rfc3339(answer.expires_wall_ns, zone),
        segments=answer.segments,
        bytes=answer.bytes,
    )


@explained
def release(
    data: DataOption,
    hold_id: Annotated[str, typer.Option("--hold", help="its id, as `forecast` lists it", show_default=False)],
    purpose: PurposeOption,
    actor: ActorOption = "",
    is_agreed: Annotated[bool, typer.Option("--yes", help="release without asking")] = False,
    as_json: JsonOption = False,
) -> None:
    """End a hold before its time, an incident's too: the ring may then delete what no other hold keeps."""
    from agent.identity import new_uuid7
    from agent.recording import keeping
    from agent.recording.custody import fit_text, person
    from agent.recording.wishes import ReleaseWish

    who = fit_text(actor) or person()
    with open_ring(data) as conn:
        found = keeping.find(conn, hold_id)
    if not is_agreed and not sys.stdin.isatty():
        raise UsageError(remedy="its footage may be deleted then; give --yes")
    if not is_agreed and not typer.confirm(f"Release {hold_id}? Its footage may be deleted then."):
        print("Nothing was released.", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)
    try:
        wanted = msgspec.convert(
            {"type": "release", "request": new_uuid7(), "hold_id": hold_id, "actor": who, "purpose": _why(purpose)},
            ReleaseWish,
        )
    except msgspec.ValidationError as exc:
        raise UsageError(hold=hold_id, remedy="it is a UUID, as `wayside footage forecast` lists it") from exc
    span, camera = (found.span, found.camera) if found is not None else (None, "")
    answer = _ask(data, wanted, _Access("released", who, camera, span, purpose, "", detail=hold_id))
    if as_json:
        print(msgspec.json.encode(_Released(hold_id, answer.bytes)).decode())
    else:
        print(f"Released; {answer.bytes / 1e6:.1f} MB are the ring's again when it needs room")


@explained
def forecast(data: DataOption, as_json: JsonOption = False) -> None:
    """For how long each camera's footage will be kept, against what was promised; how worn the disk is; what is held.
    Exit code 1 when a promise will not be kept."""
    from agent.clock import SystemClock
    from agent.commands.forecast import result_of
    from agent.commands.outlook import look
    from agent.units import NS_PER_S

    clock = SystemClock()
    with open_ring(data) as conn:
        found = result_of(look(conn, data, clock.wall_ns(), clock.mono_ns() / NS_PER_S))
    print_forecast(found, as_json=as_json)
    if found.endurance.is_short or any(each.is_short for each in found.cameras):
        raise typer.Exit(EXIT_FAILED)


def _ask(data: Path, wanted: HoldWish | ReleaseWish, access: _Access) -> WishAnswer:
    """What became of it stands in the custody record, a refusal too."""
    from agent.processes.granting import ask

    try:
        answer = ask(data, wanted)
    except FootageError as exc:
        _note(data, access, "refused", f"{access.detail} {exc.facts.get('reason', '')}")
        raise
    _note(data, access, "done", access.detail)
    return answer


def _note(data: Path, access: _Access, outcome: str, detail: str) -> None:
    note(
        data,
        access.act,
        access.actor,
        camera=access.camera,
        span=access.span,
        purpose=access.purpose,
        case=access.case_ref,
        outcome=outcome,
        detail=detail,
    )


def _why(purpose: str) -> str:
    if not purpose.strip():
        raise UsageError(remedy="say with --purpose why; it stands in the record for ever")
    return purpose
