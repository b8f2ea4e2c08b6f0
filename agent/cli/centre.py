"""`wayside centre`: the other end of the contract, for people at a desk."""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from msgspec import ValidationError, convert

from agent.centre.words import road_line
from agent.cli import centre_desired, centre_hold, centre_live, centre_requests, centre_tend
from agent.cli.asking import Wish, ask, exit_of, find_node, require_folder
from agent.cli.desk import Desk, at_desk
from agent.cli.settings import JsonOption, json_line
from agent.contract.commands import CommandName
from agent.contract.looking import SnapshotArgs, SnapshotResult, TrafficArgs, TrafficResult
from agent.contract.requests import ClipCancelArgs, ClipCancelResult, GapsArgs, GapsResult
from agent.contract.wire import decode, encode
from agent.errors import UsageError, WireError
from agent.units import parse_span

app = typer.Typer(name="centre", help="The centre's side: watch a fleet, pull clips, look.", no_args_is_help=True)
app.command()(centre_hold.hold)
app.command()(centre_hold.release)
app.command()(centre_hold.forecast)
app.command()(centre_hold.erase)
app.command()(centre_requests.requests)
app.command()(centre_requests.republish)
app.command()(centre_desired.desired)
app.command()(centre_live.live)
app.command()(centre_tend.refresh)
app.command()(centre_tend.restart)
app.command()(centre_tend.renew)
app.command("open-setup")(centre_tend.open_setup)

_TICK_S = 0.5

NodeOption = Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="seconds without a sign of life", min=0.1)]
PurposeOption = Annotated[str, typer.Option("--purpose", help="why; it stands in the node's audit")]


@app.command()
@at_desk
def watch(
    desk: Desk,
    *,
    seconds: Annotated[float, typer.Option(help="stop after this long; 0: until interrupted")] = 0.0,
    zone: Annotated[str, typer.Option("--timezone", help="in which times are shown")] = "Asia/Bangkok",
    as_json: JsonOption = False,
) -> None:
    """Show events as they happen, a line each."""
    from agent.cli.fleet_view import message_line, zone_of

    shown_zone = zone_of(zone)
    with desk.connected("evt/#", "state") as client:
        until_s = time.monotonic() + seconds if seconds else None
        while until_s is None or time.monotonic() < until_s:
            message = client.inbox.take(_TICK_S)
            if message is None:
                continue
            try:
                line = message_line(message.topic, message.payload, shown_zone, as_json=as_json)
            except WireError as exc:
                print(f"wayside: a message on {message.topic} is not understood: {exc}", file=sys.stderr)
                continue
            if line:
                print(line, flush=True)


@app.command()
@at_desk
def fleet(desk: Desk, *, as_json: JsonOption = False) -> None:
    """Who is alive, since when, and how well: worst first."""
    from agent.cli.fleet_view import print_fleet, settled_fleet

    with desk.connected("state", "info", "health", "cam/+/state", "alert/+") as client:
        rows = settled_fleet(client).rows(time.time_ns())
    print_fleet(rows, as_json=as_json)


StoreOption = Annotated[
    Path | None,
    typer.Option(help="folder of the running `serve --receive`, which takes it in", envvar="WAYSIDE_CENTRE_STORE"),
]


@app.command()
@at_desk
def pull(
    desk: Desk,
    node: NodeOption,
    camera: Annotated[str, typer.Option(help="the camera's id")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with offset")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset")],
    out: Annotated[Path, typer.Option(help="where the clip goes; further files get -2, -3 …")],
    purpose: PurposeOption,
    *,
    case_ref: Annotated[str, typer.Option("--case", help="the case's number, if there is one")] = "",
    store: StoreOption = None,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Ask a node for a clip, receive it, verify it. Exit 3 when parts are missing, each named with its reason."""
    from agent.centre.requests import ClipRequest, PullOptions, pull_clip
    from agent.cli.pulling import ProgressBar, print_pull

    parse_span(start, end)
    require_folder(out)
    with desk.connected("state") as client:
        request = ClipRequest(find_node(client, node), camera, start, end, purpose, case_ref)
        if not as_json and sys.stderr.isatty():
            print(f"asked as {request.jti}; `wayside centre cancel --node {node} --jti …` stops it", file=sys.stderr)
        with ProgressBar(is_shown=not as_json and sys.stderr.isatty()) as bar:
            pulled = pull_clip(client, request, PullOptions(out, store, timeout_s), bar.update)
    print_pull(pulled, as_json=as_json)
    raise typer.Exit(exit_of(pulled.answer.state))


@app.command()
@at_desk
def sheet(
    desk: Desk,
    node: NodeOption,
    camera: Annotated[str, typer.Option(help="the camera's id")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with offset")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset")],
    out: Annotated[Path, typer.Option(help="where the JPEG goes")],
    purpose: PurposeOption,
    *,
    stills: Annotated[int, typer.Option(help="how many pictures", min=1, max=48)] = 24,
    case_ref: Annotated[str, typer.Option("--case", help="the case's number, if there is one")] = "",
    store: StoreOption = None,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """See before you pull: small pictures of a span on one page of at most 300 kB, its gaps among them."""
    from agent.centre.requests import ClipRequest, PullOptions, pull_sheet
    from agent.cli.pulling import print_sheet

    parse_span(start, end)
    require_folder(out)
    with desk.connected("state") as client:
        request = ClipRequest(find_node(client, node), camera, start, end, purpose, case_ref)
        pulled = pull_sheet(client, request, PullOptions(out, store, timeout_s), stills)
    print_sheet(pulled, out, as_json=as_json)
    raise typer.Exit(exit_of(pulled.answer.state))


@app.command()
@at_desk
def cancel(
    desk: Desk,
    node: NodeOption,
    jti: Annotated[str, typer.Option(help="the request's number, as `pull` said it")],
    *,
    purpose: PurposeOption = "no longer needed",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Stop a clip that nobody wants any more, also while it is being sent. Whoever asked for it is told so."""
    try:
        args = convert({"jti": jti}, ClipCancelArgs)
    except ValidationError as exc:
        raise UsageError(jti=jti, remedy="it is a UUID such as 01939f3e-8a5b-7c3d-9e1f-0123456789ab") from exc
    answer = ask(desk, node, Wish(CommandName.CLIP_CANCEL, args, purpose, timeout_s))
    result = decode(answer.result, ClipCancelResult)
    if as_json:
        print(json_line({"jti": jti, "was_running": result.was_running, "message": answer.message}))
    else:
        print("cancelled" if result.was_running else answer.message)


@app.command()
@at_desk
def snapshot(
    desk: Desk,
    node: NodeOption,
    out: Annotated[Path, typer.Option(help="where the JPEG goes")],
    *,
    camera: Annotated[str, typer.Option(help="the newest picture of this camera …")] = "",
    incident: Annotated[str, typer.Option(help="… or the still kept with this incident")] = "",
    purpose: PurposeOption = "look",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Look: the newest picture of a camera, or an incident's still."""
    if bool(camera) == bool(incident):
        raise UsageError(remedy="name --camera or --incident, one of them")
    require_folder(out)
    args = SnapshotArgs(camera=camera or None, incident=incident or None)
    answer = ask(desk, node, Wish(CommandName.SNAPSHOT, args, purpose, timeout_s))
    result = decode(answer.result, SnapshotResult)
    out.write_bytes(base64.b64decode(result.jpeg_base64))
    if as_json:
        print(json_line({"camera": result.camera, "taken_at": result.taken_at, "path": str(out)}))
    else:
        print(f"{result.camera} at {result.taken_at}: {out}")


@app.command()
@at_desk
def gaps(
    desk: Desk,
    node: NodeOption,
    *,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD in the site's time zone …")] = "",
    start: Annotated[str, typer.Option("--from", help="… or RFC 3339 …")] = "",
    end: Annotated[str, typer.Option("--to", help="… to RFC 3339")] = "",
    camera: Annotated[str, typer.Option(help="only this camera")] = "",
    purpose: PurposeOption = "gaps",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """What a node has not recorded, and why."""
    args = _gaps_args(camera, day, start, end)
    result = decode(ask(desk, node, Wish(CommandName.GAPS, args, purpose, timeout_s)).result, GapsResult)
    if as_json:
        print(encode(result).decode())
        return
    for each in result.cameras:
        print(f"{each.camera}: {each.recorded_s:.1f} s recorded")
        for gap in each.gaps:
            print(f"  {gap.start} – {gap.end}  {gap.seconds:.1f} s  {gap.reason}")


@app.command()
@at_desk
def traffic(
    desk: Desk,
    node: NodeOption,
    *,
    approach: Annotated[str, typer.Option(help="only this road")] = "",
    purpose: PurposeOption = "route",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """How the roads at a node are: free, busy, jammed or unknown, and when that was measured."""
    args = TrafficArgs(approach=approach or None)
    result = decode(ask(desk, node, Wish(CommandName.TRAFFIC, args, purpose, timeout_s)).result, TrafficResult)
    if as_json:
        print(encode(result).decode())
        return
    if not result.cameras:
        print("no road was measured yet; does a scene of this node name an approach?")
    for each in result.cameras:
        for road in each.approaches:
            print(f"{each.camera}  {each.measured_at}  {road_line(road)}")


def _gaps_args(camera: str, day: str, start: str, end: str) -> GapsArgs:
    from datetime import date

    if day and not start and not end:
        try:
            return GapsArgs(camera=camera or None, day=date.fromisoformat(day))
        except ValueError as exc:
            raise UsageError(day=day, remedy="write the day as 2026-11-22") from exc
    if day or not (start and end):
        raise UsageError(remedy="give --day, or --from and --to")
    parse_span(start, end)
    return GapsArgs(camera=camera or None, start=start, end=end)
