"""What the centre's page shows, read from the event store beside the program that writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from agent.centre.eventstore import EVENTS_NAME
from agent.centre.fleet import Fleet, FleetRow
from agent.centre.requestlist import RequestRow, Score, read_requests, score
from agent.centre.words import describe
from agent.contract.envelope import data_of, decode_envelope
from agent.contract.events import IncidentData, Level
from agent.contract.states import TrafficState
from agent.contract.topics import TopicKind, parse_topic
from agent.contract.wire import decode
from agent.errors import StoreError, TimeError, WireError
from agent.units import NS_PER_S, format_rfc3339, parse_rfc3339

# A screenful of each: the rest is what `wayside centre` and SQL are for.
_EVENTS: Final = 40
_REQUESTS: Final = 40
# The report's month.
_REQUEST_DAYS: Final = 30
_WORST_FIRST: Final = (Level.JAMMED, Level.BUSY, Level.UNKNOWN, Level.FREE)


@dataclass(frozen=True, slots=True)
class RoadRow:
    """One approach. `level` is unknown once its word has expired, whatever it said; `age_s` None for no readable
    time."""

    site: str
    node: str
    camera: str
    name_en: str
    name_th: str
    level: Level
    age_s: float | None
    speed_kmh: float | None
    queue_vehicles: int | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """`words_th` is empty where the node told nothing in Thai."""

    place: str
    at: str
    words_en: str
    words_th: str
    is_incident: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """All of the page, as of `wall_ns`."""

    wall_ns: int
    nodes: tuple[FleetRow, ...]
    roads: tuple[RoadRow, ...]
    events: tuple[EventRow, ...]
    requests: tuple[RequestRow, ...]
    total: Score


def read_overview(folder: Path, wall_ns: int, zone: ZoneInfo) -> Overview:
    """Raises StoreError. Reads a copy of one moment per query; takes no lock that the writer would wait for."""
    path = folder / EVENTS_NAME
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as conn:
            facts = conn.execute("SELECT topic, payload, received_ns FROM fact ORDER BY topic").fetchall()
            events = conn.execute(
                "SELECT source, payload FROM event WHERE lane = 'a' ORDER BY number DESC LIMIT ?", (_EVENTS,)
            ).fetchall()
    except sqlite3.Error as exc:
        raise StoreError(path=str(path), detail=str(exc), remedy="check the folder given as --store") from exc
    since_ns = wall_ns - _REQUEST_DAYS * 86_400 * NS_PER_S
    requests = read_requests(folder, wall_ns, since_wall_ns=since_ns)
    fleet, roads = _fold(facts, wall_ns)
    return Overview(
        wall_ns=wall_ns,
        nodes=tuple(fleet.rows(wall_ns)),
        roads=tuple(sorted(roads, key=lambda road: (_WORST_FIRST.index(road.level), road.site, road.name_en))),
        events=tuple(row for source, payload in events if (row := _event(source, payload, zone)) is not None),
        requests=tuple(requests[:_REQUESTS]),
        total=score(requests),
    )


def _fold(facts: list[tuple[str, bytes, int]], wall_ns: int) -> tuple[Fleet, list[RoadRow]]:
    """A fact of a newer node than this centre is passed over: the rest of the fleet is shown all the same."""
    fleet, roads = Fleet(), []
    for topic, payload, received_ns in facts:
        try:
            fleet.fold(topic, payload, received_ns)
            roads += roads_of(topic, payload, wall_ns)
        except WireError:
            continue
    return fleet, roads


def roads_of(topic: str, payload: bytes, wall_ns: int) -> list[RoadRow]:
    """The approaches that a retained traffic state tells of; none for any other topic. Pure. Raises WireError."""
    parsed = parse_topic(topic)
    if parsed.kind is not TopicKind.CAMERA_TRAFFIC:
        return []
    state = decode(payload, TrafficState)
    try:
        age_s: float | None = (wall_ns - parse_rfc3339(state.measured_at)) / NS_PER_S
        is_stale = wall_ns >= parse_rfc3339(state.expires)
    except TimeError:
        age_s, is_stale = None, True
    return [
        RoadRow(
            site=parsed.address.site,
            node=parsed.address.node,
            camera=parsed.camera,
            name_en=road.name_en or road.approach,
            name_th=road.name_th or road.name_en or road.approach,
            level=Level.UNKNOWN if is_stale else road.level,
            age_s=None if age_s is None else max(0.0, age_s),
            speed_kmh=None if is_stale else road.speed_kmh,
            queue_vehicles=None if is_stale else road.queue_vehicles,
        )
        for road in state.approaches
    ]


def _event(source: str, payload: bytes, zone: ZoneInfo) -> EventRow | None:
    try:
        envelope = decode_envelope(payload)
        at = format_rfc3339(parse_rfc3339(envelope.time), zone)
        data = data_of(envelope)
        words = describe(envelope, zone)[9:]
    except (WireError, TimeError):
        return None
    is_incident = isinstance(data, IncidentData)
    thai = data.reason_th if isinstance(data, IncidentData) else ""
    return EventRow("/".join(source.split(":")[3:]), f"{at[:10]} {at[11:19]}", words, thai, is_incident)
