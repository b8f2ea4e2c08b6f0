"""What a person or a program sees of a fleet: its table, and its messages as lines."""

from __future__ import annotations

import sys
import time
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.centre.client import CentreClient
from agent.centre.fleet import Fleet, FleetRow
from agent.centre.words import describe
from agent.cli.settings import json_line
from agent.contract.envelope import decode_envelope
from agent.contract.states import NodeState, Presence
from agent.contract.topics import TopicKind, parse_topic
from agent.contract.wire import decode
from agent.errors import UsageError, WireError
from agent.units import format_rfc3339, parse_rfc3339

# Retained messages of a province come within this on a desk's line: each one that comes makes the wait begin anew.
_SETTLE_S: Final = 1.5
_SETTLE_LIMIT_S: Final = 10.0


def settled_fleet(client: CentreClient) -> Fleet:
    """The fleet as its retained messages tell it, once they stopped coming. What is not ours is said on stderr."""
    fleet = Fleet()
    until_s = time.monotonic() + _SETTLE_LIMIT_S
    while time.monotonic() < until_s and (message := client.inbox.take(_SETTLE_S)) is not None:
        try:
            fleet.fold(message.topic, message.payload, time.time_ns())
        except WireError as exc:
            print(f"wayside: a message on {message.topic} is not understood: {exc}", file=sys.stderr)
    return fleet


def zone_of(name: str) -> ZoneInfo:
    """Raises UsageError for a zone that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise UsageError(timezone=name, remedy="name a zone such as Asia/Bangkok") from exc


def message_line(topic: str, payload: bytes, zone: ZoneInfo, *, as_json: bool) -> str:
    """An event, or for people a node's state too, as one line; empty where there is nothing to show.

    Raises WireError.
    """
    parsed = parse_topic(topic)
    place = f"{parsed.address.site}/{parsed.address.node}"
    if parsed.kind is TopicKind.EVENT:
        envelope = decode_envelope(payload)
        return payload.decode() if as_json else f"{place} {describe(envelope, zone)}"
    if as_json or not payload or parsed.kind is not TopicKind.STATE:
        return ""
    state = decode(payload, NodeState)
    at = format_rfc3339(parse_rfc3339(state.at), zone)
    # A will was written when its connection began (agent.contract.states).
    when = f", connected since {at}" if state.state is Presence.LOST else f" at {at}"
    return f"{place} {state.state.value}{when}"


def print_fleet(rows: list[FleetRow], *, as_json: bool) -> None:
    if as_json:
        print(json_line({"nodes": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("standing", "node", "since", "cameras", "days", "clock", "health age", "waiting", "alerts"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.standing.name.lower(),
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
