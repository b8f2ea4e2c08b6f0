"""`wayside centre hold`, `release`, `erase` and `forecast`: what a node keeps, asked from the centre."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from agent.cli.asking import Wish, ask, exit_of
from agent.cli.desk import Desk, at_desk
from agent.cli.keeping import hold_line, print_forecast
from agent.cli.settings import JsonOption
from agent.contract.commands import CommandName
from agent.contract.keeping import (
    FootageEraseArgs,
    FootageEraseResult,
    ForecastArgs,
    ForecastResult,
    HoldReleaseArgs,
    HoldReleaseResult,
    HoldSetArgs,
    HoldSetResult,
)
from agent.contract.wire import decode, encode
from agent.errors import UsageError
from agent.units import parse_span

NodeOption = Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="seconds without a sign of life", min=0.1)]
PurposeOption = Annotated[str, typer.Option("--purpose", help="why; it stands in the node's audit")]


@at_desk
def hold(
    desk: Desk,
    node: NodeOption,
    camera: Annotated[str, typer.Option(help="the camera's id")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with offset")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset")],
    purpose: PurposeOption,
    *,
    days: Annotated[int, typer.Option(help="for how long", min=1, max=3650)] = 30,
    reviewer: Annotated[str, typer.Option(help="who looks at it again before it ends")] = "",
    case_ref: Annotated[str, typer.Option("--case", help="the case's number, if there is one")] = "",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Keep footage on the node that its ring would delete. Exit 3 when parts of the span are missing."""
    parse_span(start, end)
    args = HoldSetArgs(camera=camera, start=start, end=end, days=days, reviewer=reviewer)
    answer = ask(desk, node, Wish(CommandName.HOLD_SET, args, purpose, timeout_s, case_ref))
    result = decode(answer.result, HoldSetResult)
    if as_json:
        print(encode(result).decode())
    else:
        print(f"held: {result.segments} segments, {result.bytes / 1e6:.1f} MB\n{hold_line(result.hold)}")
        for gap in result.gaps:
            print(f"  missing {gap.start} – {gap.end}  {gap.seconds:.1f} s  {gap.reason}")
    raise typer.Exit(exit_of(answer.state))


@at_desk
def release(
    desk: Desk,
    node: NodeOption,
    hold_id: Annotated[str, typer.Option("--hold", help="its id, as `hold` and `forecast` say it")],
    purpose: PurposeOption,
    *,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """End a hold before its time: the node's ring may then delete what no other hold keeps."""
    try:
        args = msgspec.convert({"hold_id": hold_id}, HoldReleaseArgs)
    except msgspec.ValidationError as exc:
        raise UsageError(hold=hold_id, remedy="it is a UUID such as 01939f3e-8a5b-7c3d-9e1f-0123456789ab") from exc
    answer = ask(desk, node, Wish(CommandName.HOLD_RELEASE, args, purpose, timeout_s))
    result = decode(answer.result, HoldReleaseResult)
    if as_json:
        print(encode(result).decode())
    else:
        print(f"released; {result.freed_bytes / 1e6:.1f} MB are the ring's again when it needs room")


@at_desk
def erase(
    desk: Desk,
    node: NodeOption,
    camera: Annotated[str, typer.Option(help="the camera's id")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with offset")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset")],
    purpose: PurposeOption,
    *,
    is_sure: Annotated[bool, typer.Option("--yes", help="it cannot be taken back: say that you mean it")] = False,
    case_ref: Annotated[str, typer.Option("--case", help="the case's number, if there is one")] = "",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Delete footage on the node for good; a record of it stays. Two people sign: --sign mine.pem,theirs.pem.

    Whole segments go, so up to a minute more at each end. Footage under a hold is refused."""
    parse_span(start, end)
    if not is_sure:
        raise UsageError(camera=camera, remedy="erased footage is gone for good; add --yes if that is meant")
    args = FootageEraseArgs(camera=camera, start=start, end=end)
    answer = ask(desk, node, Wish(CommandName.FOOTAGE_ERASE, args, purpose, timeout_s, case_ref))
    result = decode(answer.result, FootageEraseResult)
    if as_json:
        print(encode(result).decode())
    elif result.erased is None:
        print(f"no segment lay in this span; {result.stills} stills were erased")
    else:
        span = f"{result.erased.start} – {result.erased.end}"
        print(f"erased {span}: {result.segments} segments, {result.bytes / 1e6:.1f} MB, {result.stills} stills")


@at_desk
def forecast(
    desk: Desk,
    node: NodeOption,
    *,
    camera: Annotated[str, typer.Option(help="only this camera")] = "",
    purpose: PurposeOption = "forecast",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """For how long a node will keep what it records, against what was promised; its disk's wear, and its holds."""
    args = ForecastArgs(camera=camera or None)
    answer = ask(desk, node, Wish(CommandName.FORECAST, args, purpose, timeout_s))
    print_forecast(decode(answer.result, ForecastResult), as_json=as_json)
