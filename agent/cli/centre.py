"""`wayside centre`: the other end of the contract, for people at a desk."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import typer

from agent.centre.client import CentreClient, CentreOptions, Request
from agent.centre.fleet import Fleet, FleetRow, Standing
from agent.centre.words import describe
from agent.cli.faults import EXIT_FAILED, EXIT_PARTIAL, EXIT_USAGE, explained
from agent.cli.settings import JsonOption
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.envelope import decode_envelope
from agent.contract.requests import GapsArgs, GapsResult, SnapshotArgs, SnapshotResult
from agent.contract.topics import FleetFilter, NodeAddress, TopicKind, parse_topic
from agent.contract.wire import decode
from agent.errors import CommandFailed, UsageError, WireError
from agent.units import parse_span

app = typer.Typer(name="centre", help="The centre's side: watch a fleet, pull clips, look.", no_args_is_help=True)

# Retained messages of a province come within this on a desk's line; the fleet's table waits for them.
T = TypeVar("T")

_SETTLE_S = 1.5
_TICK_S = 0.5

BrokerOption = Annotated[str, typer.Option("--broker", help="mqtt://host or mqtts://host", envvar="WAYSIDE_BROKER")]
NodeOption = Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")]
ZoneOption = Annotated[str, typer.Option("--timezone", help="in which times are shown")]
ProtocolOption = Annotated[str, typer.Option("--protocol", help="5 or 3.1.1")]
CaOption = Annotated[str, typer.Option("--ca", help="certificate of the broker's authority, for mqtts")]
CertificateOption = Annotated[str, typer.Option("--cert", help="this desk's certificate, for mqtts")]
KeyOption = Annotated[str, typer.Option("--key", help="this desk's key, for mqtts")]
ActorOption = Annotated[str, typer.Option("--actor", help="who asks; it stands in the node's audit")]
PurposeOption = Annotated[str, typer.Option("--purpose", help="why; it stands in the node's audit")]


@app.command()
@explained
def watch(
    broker: BrokerOption,
    *,
    seconds: Annotated[float, typer.Option(help="stop after this long; 0: until interrupted")] = 0.0,
    zone: ZoneOption = "Asia/Bangkok",
    protocol: ProtocolOption = "5",
    ca: CaOption = "",
    cert: CertificateOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show events as they happen, a line each."""
    options = _options(broker, protocol=protocol, ca=ca, cert=cert, key=key, hears=("evt/#", "state"))
    with _connected(options) as client:
        until_s = time.monotonic() + seconds if seconds else None
        while until_s is None or time.monotonic() < until_s:
            message = client.inbox.take(_TICK_S)
            if message is not None:
                _show(message.topic, message.payload, ZoneInfo(zone), as_json=as_json)


@app.command()
@explained
def fleet(
    broker: BrokerOption,
    *,
    protocol: ProtocolOption = "5",
    ca: CaOption = "",
    cert: CertificateOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Who is alive, since when, and how well: worst first."""
    hears = ("state", "info", "health", "cam/+/state", "alert/+")
    with _connected(_options(broker, protocol=protocol, ca=ca, cert=cert, key=key, hears=hears)) as client:
        rows = _settled_fleet(client).rows(time.time_ns())
    if as_json:
        from msgspec.json import encode

        print(encode({"nodes": rows}).decode())
        return
    _print_fleet(rows)


@app.command()
@explained
def pull(
    broker: BrokerOption,
    node: NodeOption,
    camera: Annotated[str, typer.Option(help="the camera's id")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339 with offset")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset")],
    out: Annotated[Path, typer.Option(help="where the clip goes; further files get -2, -3 …")],
    purpose: PurposeOption,
    *,
    case_ref: Annotated[str, typer.Option("--case", help="the case's number, if there is one")] = "",
    receive: Annotated[str, typer.Option(help="address on which the clip is received")] = "127.0.0.1",
    timeout_s: Annotated[float, typer.Option("--timeout", help="seconds without a sign of life")] = 60.0,
    actor: ActorOption = "desk",
    protocol: ProtocolOption = "5",
    ca: CaOption = "",
    cert: CertificateOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a node for a clip, receive it, verify it. Exit 3 when parts are missing: they are named with their reasons."""
    from agent.centre.requests import ClipRequest, PullOptions, pull_clip
    from agent.cli.pulling import ProgressBar, print_pull

    parse_span(start, end)
    with _connected(_options(broker, protocol=protocol, ca=ca, cert=cert, key=key, actor=actor)) as client:
        request = ClipRequest(_find(client, node), camera, start, end, purpose, case_ref)
        with ProgressBar(is_shown=not as_json and sys.stderr.isatty()) as bar:
            pulled = pull_clip(client, request, PullOptions(out, receive, timeout_s), bar.update)
    print_pull(pulled, as_json=as_json)
    raise typer.Exit(_exit_of(pulled.answer))


@app.command()
@explained
def snapshot(
    broker: BrokerOption,
    node: NodeOption,
    out: Annotated[Path, typer.Option(help="where the JPEG goes")],
    *,
    camera: Annotated[str, typer.Option(help="the newest picture of this camera …")] = "",
    incident: Annotated[str, typer.Option(help="… or the still kept with this incident")] = "",
    purpose: PurposeOption = "look",
    actor: ActorOption = "desk",
    protocol: ProtocolOption = "5",
    ca: CaOption = "",
    cert: CertificateOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Look: the newest picture of a camera, or an incident's still."""
    if bool(camera) == bool(incident):
        raise UsageError(remedy="name --camera or --incident, one of them")
    args = SnapshotArgs(camera=camera or None, incident=incident or None)
    answer = _ask(
        _options(broker, protocol=protocol, ca=ca, cert=cert, key=key, actor=actor),
        node,
        CommandName.SNAPSHOT,
        args,
        purpose,
    )
    result = _result(answer, SnapshotResult)
    out.write_bytes(base64.b64decode(result.jpeg_base64))
    if as_json:
        print(f'{{"camera": "{result.camera}", "taken_at": "{result.taken_at}", "path": "{out}"}}')
    else:
        print(f"{result.camera} at {result.taken_at}: {out}")


@app.command()
@explained
def gaps(
    broker: BrokerOption,
    node: NodeOption,
    *,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD in the site's time zone …")] = "",
    start: Annotated[str, typer.Option("--from", help="… or RFC 3339 …")] = "",
    end: Annotated[str, typer.Option("--to", help="… to RFC 3339")] = "",
    camera: Annotated[str, typer.Option(help="only this camera")] = "",
    purpose: PurposeOption = "gaps",
    actor: ActorOption = "desk",
    protocol: ProtocolOption = "5",
    ca: CaOption = "",
    cert: CertificateOption = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """What a node has not recorded, and why."""
    answer = _ask(
        _options(broker, protocol=protocol, ca=ca, cert=cert, key=key, actor=actor),
        node,
        CommandName.GAPS,
        _gaps_args(camera, day, start, end),
        purpose,
    )
    if as_json:
        print(bytes(answer.result).decode())
    result = _result(answer, GapsResult)
    for each in result.cameras if not as_json else ():
        print(f"{each.camera}: {each.recorded_s:.1f} s recorded")
        for gap in each.gaps:
            print(f"  {gap.start} – {gap.end}  {gap.seconds:.1f} s  {gap.reason}")


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


def _options(
    broker: str,
    *,
    protocol: str,
    ca: str,
    cert: str,
    key: str,
    actor: str = "desk",
    hears: tuple[str, ...] = ("state",),
) -> CentreOptions:
    if protocol not in ("5", "3.1.1"):
        raise UsageError(protocol=protocol, remedy="MQTT is 5 or 3.1.1")
    version: Literal["5", "3.1.1"] = "5" if protocol == "5" else "3.1.1"
    filters = tuple(FleetFilter().of(tail) for tail in hears)
    return CentreOptions(url=broker, ca=ca, certificate=cert, key=key, protocol=version, actor=actor, hears=filters)


@contextmanager
def _connected(options: CentreOptions) -> Iterator[CentreClient]:
    client = CentreClient(options)
    client.connect()
    try:
        yield client
    finally:
        client.close()


def _ask(options: CentreOptions, node: str, name: CommandName, args: SnapshotArgs | GapsArgs, purpose: str) -> Answer:
    with _connected(options) as client:
        return client.ask(Request(_find(client, node), name, args, purpose))


def _settled_fleet(client: CentreClient) -> Fleet:
    """The fleet as its retained messages tell it, once they stopped coming."""
    fleet_view = Fleet()
    until_s = time.monotonic() + _SETTLE_S
    while (left_s := until_s - time.monotonic()) > 0:
        message = client.inbox.take(left_s)
        if message is not None:
            fleet_view.fold(message.topic, message.payload, time.time_ns())
    return fleet_view


def _find(client: CentreClient, node: str) -> NodeAddress:
    """The address behind `org/site/node`, or behind a node's id that is known to the broker."""
    words = node.split("/")
    if len(words) == 3:
        return NodeAddress(*words)
    found = _settled_fleet(client).addresses(node)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            node=node, remedy="no such node is known here; give org/site/node, or see `wayside centre fleet`"
        )
    names = ", ".join(f"{each.org}/{each.site}/{each.node}" for each in found)
    raise UsageError(node=node, remedy=f"several nodes have this id: {names}")


def _result(answer: Answer, kind: type[T]) -> T:
    if answer.state not in (AnswerState.SUCCEEDED, AnswerState.PARTIAL):
        raise CommandFailed(state=answer.state.value, reason=answer.reason, remedy=answer.message)
    return decode(answer.result, kind)


def _exit_of(answer: Answer) -> int:
    if answer.state is AnswerState.SUCCEEDED:
        return 0
    if answer.state is AnswerState.REJECTED:
        return EXIT_USAGE
    return EXIT_PARTIAL if answer.state is AnswerState.PARTIAL else EXIT_FAILED


def _show(topic: str, payload: bytes, zone: ZoneInfo, *, as_json: bool) -> None:
    try:
        parsed = parse_topic(topic)
        if parsed.kind is not TopicKind.EVENT:
            if not as_json:
                print(f"{parsed.address.site}/{parsed.address.node} state {payload.decode(errors='replace')}")
            return
        envelope = decode_envelope(payload)
        line = (
            payload.decode() if as_json else f"{parsed.address.site}/{parsed.address.node} {describe(envelope, zone)}"
        )
        print(line, flush=True)
    except WireError as exc:
        print(f"wayside: a message on {topic} is not understood: {exc}", file=sys.stderr)


def _print_fleet(rows: list[FleetRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("standing", "node", "since", "cameras", "days", "clock", "health age", "waiting", "alerts"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            Standing(row.standing).name.lower(),
            f"{row.address.site}/{row.address.node}",
            row.since,
            f"{row.cameras_streaming}/{row.cameras}",
            "unknown" if row.footage_days is None else f"{row.footage_days:.0f}",
            row.clock,
            "unknown" if row.health_age_s is None else f"{row.health_age_s:.0f} s",
            "unknown" if row.outbox is None else str(row.outbox),
            "; ".join(row.alerts),
        )
    Console().print(table if rows else "no node has ever said hello to this broker")
