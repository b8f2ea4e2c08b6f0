"""`wayside centre requests` and `republish`: what was asked of nodes and what came of it; what they shall say again."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.asking import Wish, ask
from agent.cli.desk import Desk, at_desk
from agent.cli.faults import explained
from agent.cli.fleet_view import zone_of
from agent.cli.settings import JsonOption, json_line
from agent.contract.commands import CommandName
from agent.contract.events import Lane
from agent.contract.requests import RepublishArgs, RepublishResult
from agent.contract.wire import decode, encode, format_sequence
from agent.errors import UsageError
from agent.units import NS_PER_S, format_rfc3339

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.centre.requestlist import RequestRow, Score


@explained
def requests(
    *,
    store: Annotated[Path, typer.Option(help="the folder in which `centre serve` keeps what it hears")] = Path(
        "centre"
    ),
    since: Annotated[str, typer.Option(help="YYYY-MM-DD; default: 30 days ago")] = "",
    every: Annotated[bool, typer.Option("--all", help="every command, not only those for footage")] = False,
    zone: Annotated[str, typer.Option("--timezone", help="in which times are shown")] = "Asia/Bangkok",
    as_json: JsonOption = False,
) -> None:
    """Who asked for footage, and what came of it: running, whole, partial, refused with reason, time to answer."""
    from agent.centre.requestlist import FOOTAGE, read_requests, score

    shown_zone, now_ns = zone_of(zone), time.time_ns()
    names = () if every else FOOTAGE
    rows = read_requests(store, now_ns, since_wall_ns=_since_ns(since, shown_zone, now_ns), names=names)
    total = score(rows)
    if as_json:
        print(json_line({"total": total, "requests": [{**asdict(row), "answer_s": row.answer_s} for row in rows]}))
        return
    _print_rows(rows, shown_zone)
    _print_score(total)


@at_desk
def republish(
    desk: Desk,
    node: Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")],
    *,
    lane: Annotated[Lane, typer.Option(help="a: incidents and evidence; b: motion, crossings, traffic")] = Lane.A,
    first: Annotated[int, typer.Option("--from", help="from this sequence on", min=1)] = 1,
    purpose: Annotated[str, typer.Option("--purpose", help="why; it stands in the node's audit")] = "a hole",
    timeout_s: Annotated[float, typer.Option("--timeout", help="seconds without a sign of life", min=0.1)] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Have a node say again what it still keeps of a lane: for a centre that has a hole in its numbers."""
    args = RepublishArgs(lane=lane, first=format_sequence(first))
    answer = ask(desk, node, Wish(CommandName.REPUBLISH, args, purpose, timeout_s))
    result = decode(answer.result, RepublishResult)
    if as_json:
        print(encode(result).decode())
    elif result.first is None or result.last is None:
        print(f"the node keeps nothing of lane {lane.value} from {first} on")
    else:
        print(f"{result.count} events come again, {int(result.first)} to {int(result.last)} of lane {lane.value}")


def _since_ns(since: str, zone: ZoneInfo, now_ns: int) -> int:
    """Raises UsageError."""
    if not since:
        return now_ns - int(timedelta(days=30).total_seconds()) * NS_PER_S
    try:
        day = date.fromisoformat(since)
    except ValueError as exc:
        raise UsageError(since=since, remedy="write the day as 2026-11-22") from exc
    return int(datetime.combine(day, clock_time(), zone).timestamp()) * NS_PER_S


def _print_rows(rows: list[RequestRow], zone: ZoneInfo) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("asked", "by", "node", "what", "span", "outcome", "after", "reason"):
        table.add_column(heading)
    for row in rows:
        progress = f" {row.progress:.0%}" if row.outcome.is_open and row.progress is not None else ""
        table.add_row(
            "not seen" if row.asked_wall_ns is None else format_rfc3339(row.asked_wall_ns, zone)[:19],
            row.actor,
            "/".join(row.source.split(":")[3:]),
            f"{row.name} {row.camera}".rstrip(),
            f"{row.start} – {row.end}" if row.start else "",
            row.outcome.value + progress,
            "" if row.answer_s is None else f"{row.answer_s:.1f} s",
            row.reason,
        )
    Console().print(table if rows else "nobody asked for footage in this time")


def _print_score(total: Score) -> None:
    if not total.asked:
        return
    counts = ", ".join(f"{count} {outcome.value}" for outcome, count in total.outcomes.items() if count)
    print(f"{total.got} of {total.asked} got what they asked for: {counts}")
    for reason, count in sorted(total.refusals.items(), key=lambda each: (-each[1], each[0])):
        print(f"  {count} × {reason}")
    if total.answer_median_s is not None and total.answer_p95_s is not None:
        print(f"time to answer: {total.answer_median_s:.1f} s in the middle, {total.answer_p95_s:.1f} s at 95 %")
