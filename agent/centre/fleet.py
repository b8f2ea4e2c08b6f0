"""Who is alive, since when, and how well: folded from the retained messages of a fleet. Pure; time is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeVar

from agent.contract.states import Alert, CameraState, Health, Info, NodeState, Presence, StreamState
from agent.contract.topics import NodeAddress, ParsedTopic, TopicKind, parse_topic
from agent.contract.wire import decode
from agent.errors import TimeError, WireError
from agent.units import NS_PER_S, parse_rfc3339

T = TypeVar("T")

# Contract: health comes every 60 s and expires after 180 s.
HEALTH_STALE_S: Final = 180.0


class Standing(IntEnum):
    """Worst first, the order of the table."""

    LOST = 0
    SILENT = 1
    TROUBLED = 2
    OFFLINE = 3
    WELL = 4


@dataclass(slots=True)
class _Record:
    state: NodeState | None = None
    online: NodeState | None = None
    info: Info | None = None
    health: Health | None = None
    health_wall_ns: int = 0
    cameras: dict[str, CameraState] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One node for the table. `since` is RFC 3339 or empty; None is what the node does not know or did not say."""

    address: NodeAddress
    standing: Standing
    presence: str
    since: str
    cameras: int
    cameras_streaming: int
    footage_days: float | None
    clock: str
    health_age_s: float | None
    outbox: int | None
    alerts: tuple[str, ...]


class Fleet:
    """Folds messages; not safe across threads. A message that is not ours raises WireError and changes nothing."""

    def __init__(self) -> None:
        self._nodes: dict[NodeAddress, _Record] = {}

    def fold(self, topic: str, payload: bytes, wall_ns: int) -> None:
        """Take in one retained or live message received at `wall_ns`; events and answers are ignored."""
        parsed = parse_topic(topic)
        if parsed.kind is TopicKind.STATE and not payload:
            # An operator cleared it: the node is gone for good.
            self._nodes.pop(parsed.address, None)
            return
        apply = _reading(parsed, payload, wall_ns)
        if apply is not None:
            apply(self._nodes.setdefault(parsed.address, _Record()))

    def rows(self, wall_ns: int) -> list[FleetRow]:
        """Every node heard of, worst first, then by address."""
        rows = [_row(address, record, wall_ns) for address, record in self._nodes.items()]
        return sorted(rows, key=lambda row: (row.standing, row.address))

    def addresses(self, node: str) -> list[NodeAddress]:
        """Every address whose last word is `node`; more than one when two sites use the same id."""
        return sorted(address for address in self._nodes if address.node == node)


def _reading(parsed: ParsedTopic, payload: bytes, wall_ns: int) -> Callable[[_Record], None] | None:
    """What a message changes; None for one that tells nothing of a node's standing. Raises WireError."""
    match parsed.kind:
        case TopicKind.STATE:
            state = decode(payload, NodeState)
            return lambda record: _fold_state(record, state)
        case TopicKind.INFO:
            info = decode(payload, Info)
            return lambda record: setattr(record, "info", info)
        case TopicKind.HEALTH:
            health = decode(payload, Health)
            instant_ns = _health_instant(health, wall_ns)
            return lambda record: _fold_health(record, health, instant_ns)
        case TopicKind.CAMERA_STATE:
            camera = decode(payload, CameraState) if payload else None
            return lambda record: _put(record.cameras, parsed.camera, camera)
        case TopicKind.ALERT:
            alert = decode(payload, Alert) if payload else None
            return lambda record: _put(record.alerts, parsed.name, alert)
        case _:
            return None


def _put(facts: dict[str, T], name: str, fact: T | None) -> None:
    """A retained fact, or its end (an empty payload clears it)."""
    if fact is None:
        facts.pop(name, None)
    else:
        facts[name] = fact


def _fold_state(record: _Record, state: NodeState) -> None:
    online = record.online
    if state.state is Presence.ONLINE:
        record.online = state
    elif state.state is Presence.LOST and online is not None and not _may_follow(state, online):
        return
    record.state = state


def _may_follow(lost: NodeState, online: NodeState) -> bool:
    """A will of an older session arrives late when a node reconnects before its delay ends (contract). One of a later
    session than the newest `online` heard here counts: that `online` was missed."""
    return lost.epoch == online.epoch and lost.session >= online.session


def _fold_health(record: _Record, health: Health, instant_ns: int) -> None:
    record.health = health
    record.health_wall_ns = instant_ns


def _health_instant(health: Health, wall_ns: int) -> int:
    """When the health was made, but never later than its arrival: a node's clock may be wrong."""
    try:
        return min(parse_rfc3339(health.at), wall_ns)
    except TimeError as exc:
        raise WireError(what="Health", detail="at is no time") from exc


def _row(address: NodeAddress, record: _Record, wall_ns: int) -> FleetRow:
    health = record.health
    age_s = None if health is None else (wall_ns - record.health_wall_ns) / NS_PER_S
    streaming = sum(camera.stream is StreamState.STREAMING for camera in record.cameras.values())
    known_cameras = len(record.info.cameras) if record.info else len(record.cameras)
    return FleetRow(
        address=address,
        standing=_standing(record, age_s, streaming, known_cameras),
        presence=record.state.state.value if record.state else "unknown",
        since=record.state.at if record.state else "",
        cameras=known_cameras,
        cameras_streaming=streaming,
        footage_days=health.disk.forecast_days if health else None,
        clock=health.clock.quality if health else "unknown",
        health_age_s=age_s,
        outbox=health.outbox.a + health.outbox.b if health else None,
        alerts=tuple(sorted(alert.message_en for alert in record.alerts.values())),
    )


def _standing(record: _Record, health_age_s: float | None, streaming: int, cameras: int) -> Standing:
    presence = record.state.state if record.state else None
    if presence is Presence.LOST:
        return Standing.LOST
    if presence in (Presence.OFFLINE, Presence.DRAINING):
        return Standing.OFFLINE
    if presence is None or (health_age_s is not None and health_age_s > HEALTH_STALE_S):
        return Standing.SILENT
    if record.alerts or streaming < cameras:
        return Standing.TROUBLED
    return Standing.WELL
