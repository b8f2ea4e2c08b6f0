"""Who writes the node's store: each notice of a camera or of vision becomes rows, ledger records and messages in one
transaction.

What a process claims is checked against who it is: a camera speaks for itself only, vision for the cameras there are.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.clock import Clock
from agent.contract import events
from agent.contract.events import (
    EventData,
    GapData,
    IncidentData,
    RecordingData,
    RecordingState,
    decode_data,
    wire_type,
)
from agent.contract.wire import encode
from agent.errors import SegmentDamaged, TimeError, WireError
from agent.ledger import Ledger
from agent.messaging import outbox
from agent.messaging.outbox import EventDraft, Moment, Origin
from agent.notices import Finding, Hello, Outage, SegmentClosed, SegmentOpened
from agent.processes.updating import MARKER_NAME, updating_gap
from agent.recording import evidence, incidents, index
from agent.recording.holds import incident_hold
from agent.recording.incidents import OpenIncident
from agent.recording.records import OutageTold, ProcessStarted, ProcessStopped, Record
from agent.store import transaction
from agent.units import NS_PER_S, WallSpan, format_rfc3339, parse_rfc3339

# The contract's bound for a picture in a message; a still beyond it is not ours.
_MAX_STILL_BYTES: Final = 30_000
# Its still's file is called by it.
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

_log = log.get("keeper")


@dataclass(frozen=True, slots=True)
class KeeperFacts:
    """What the keeper must know of the node; constant."""

    data_dir: Path
    cameras: frozenset[str]
    origin: Origin
    boot: int
    # Where the tools of an update leave their marker.
    updating: Path = Path("/run/wayside", MARKER_NAME)


@dataclass(frozen=True, slots=True)
class Source:
    """Which notice of which process this is; the number counts within the process's session."""

    hello: Hello
    number: int


class Keeper:
    """Owned by one thread, with its connection. `wake` tells the uplink that the outbox grew.

    With a `source`, the same transaction remembers that this notice is stored (`is_stored`), because a node that dies
    between its commit and its confirmation is told the same once more.
    """

    def __init__(
        self, facts: KeeperFacts, conn: sqlite3.Connection, ledger: Ledger, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._facts = facts
        self._conn = conn
        self._ledger = ledger
        self._clock = clock
        self._wake = wake

    def greet(self, hello: Hello) -> None:
        """A process connected. A new session is a new process: what the old one left open is closed for it."""
        if evidence.last_session(self._conn, hello.process, hello.camera) == hello.session:
            return
        with transaction(self._conn):
            self._note(ProcessStarted(process=hello.process, camera=hello.camera, session=hello.session))
            if hello.process == "vision":
                self._close_orphans(hello.session)
        self._wake()

    def is_stored(self, source: Source) -> bool:
        """Whether this notice, or a later one of its session, was stored before."""
        hello = source.hello
        row = self._conn.execute(
            "SELECT number FROM told WHERE process = ? AND camera = ? AND session = ?",
            (hello.process, hello.camera, hello.session),
        ).fetchone()
        return row is not None and source.number <= row[0]

    def part(self, hello: Hello, source: Source | None = None) -> None:
        """A process said goodbye before it ended."""
        with transaction(self._conn):
            self._remember(source)
            self._note(ProcessStopped(process=hello.process, camera=hello.camera, session=hello.session))

    def segment_opened(self, notice: SegmentOpened, source: Source | None = None) -> None:
        """Raises SegmentDamaged for a path that is not this camera's."""
        with transaction(self._conn):
            self._remember(source)
            index.opened(self._conn, notice)
            if notice.n == 0:
                data = RecordingData(
                    state=RecordingState.STARTED,
                    at=format_rfc3339(notice.start_wall_ns),
                    boot=notice.boot,
                    run=notice.run,
                )
                self._tell(events.RECORDING, data, notice.camera)
            if (gap := updating_gap(self._conn, self._facts.updating, notice)) is not None:
                self._outage(gap)
        self._wake()

    def segment_closed(self, notice: SegmentClosed, source: Source | None = None) -> None:
        """Raises SegmentDamaged as `segment_opened` does."""
        with transaction(self._conn):
            self._remember(source)
            index.closed(self._conn, notice)

    def outage(self, notice: Outage, source: Source | None = None) -> None:
        """Footage of a camera stopped, or came back."""
        with transaction(self._conn):
            self._remember(source)
            self._outage(notice)
        self._wake()

    def _outage(self, notice: Outage) -> None:
        told = OutageTold(
            camera=notice.camera,
            boot=notice.boot,
            start_wall_ns=notice.start_wall_ns,
            end_wall_ns=notice.end_wall_ns,
            reason=notice.reason,
            detail=notice.detail,
        )
        is_over = notice.end_wall_ns > 0
        data = GapData(
            start=format_rfc3339(notice.start_wall_ns),
            end=format_rfc3339(notice.end_wall_ns) if is_over else None,
            seconds=(notice.end_wall_ns - notice.start_wall_ns) / NS_PER_S if is_over else None,
            reason=notice.reason,
            detail=notice.detail,
        )
        self._note(told)
        self._tell(events.GAP, data, notice.camera)

    def finding(self, notice: Finding, still: bytes, session: str, source: Source | None = None) -> EventData:
        """What vision saw, which comes back decoded. Raises WireError when it is not what the contract knows; nothing
        is stored then."""
        event_type = wire_type(notice.type)
        data = decode_data(event_type, notice.data)
        if len(still) > _MAX_STILL_BYTES:
            raise WireError(what="still", bytes=len(still))
        if isinstance(data, IncidentData):
            _check_incident(data)
            self._incident(notice, event_type, data, still=still, session=session, source=source)
            return data
        with transaction(self._conn):
            self._remember(source)
            self._tell(event_type, data, notice.camera)
        self._wake()
        return data

    def tell(self, event_type: str, data: EventData, camera: str) -> None:
        """An event of the node's own, in its own transaction."""
        with transaction(self._conn):
            self._tell(event_type, data, camera)
        self._wake()

    def beat(self) -> None:
        """A sign of life on disk, so that after a power cut it is known until when the node lived."""
        with transaction(self._conn):
            evidence.beat(self._conn, self._facts.boot, self._clock.wall_ns())

    def _incident(
        self,
        notice: Finding,
        event_type: str,
        data: IncidentData,
        *,
        still: bytes,
        session: str,
        source: Source | None,
    ) -> None:
        """Hold, still and message in one transaction: whoever hears of an incident can see its footage."""
        if still:
            incidents.write_still(self._facts.data_dir, data.incident_id, still)
        begin_ns = parse_rfc3339(data.begin) if data.begin else self._clock.wall_ns()
        span = WallSpan(notice.hold_start_wall_ns, notice.hold_end_wall_ns)
        with transaction(self._conn):
            self._remember(source)
            if not span.is_empty:
                self._note(incident_hold(data.incident_id, notice.camera, span, self._clock.wall_ns()))
            incidents.note(
                self._conn,
                OpenIncident(data.incident_id, notice.camera, notice.data),
                session=session,
                is_open=event_type != events.INCIDENT_CLOSED,
                begin_wall_ns=begin_ns,
                has_still=bool(still),
            )
            self._tell(event_type, data, notice.camera)
        self._wake()
        _log.info("incident", camera=notice.camera, kind=data.kind.value, zone=data.zone, phase=notice.type)

    def _close_orphans(self, session: str) -> None:
        """Incidents whose vision process is gone end when the next one comes: then they are seen anew or not."""
        now_ns = self._clock.wall_ns()
        for orphan in incidents.orphans(self._conn, session):
            data = msgspec.json.decode(orphan.data, type=IncidentData)
            begin_ns = parse_rfc3339(data.begin) if data.begin else now_ns
            lasted_s = max(now_ns - begin_ns, 0) / NS_PER_S
            closed = msgspec.structs.replace(data, end_s=round(data.begin_s + lasted_s, 3), end=format_rfc3339(now_ns))
            raw = encode(closed)
            incidents.note(
                self._conn,
                OpenIncident(orphan.incident_id, orphan.camera, raw),
                session=session,
                is_open=False,
                begin_wall_ns=begin_ns,
                has_still=False,
            )
            self._tell(events.INCIDENT_CLOSED, closed, orphan.camera)

    def _remember(self, source: Source | None) -> None:
        if source is not None:
            hello = source.hello
            self._conn.execute(
                "INSERT OR REPLACE INTO told (process, camera, session, number) VALUES (?, ?, ?, ?)",
                (hello.process, hello.camera, hello.session, source.number),
            )

    def _note(self, *records: Record) -> None:
        evidence.note(self._conn, self._ledger, *records)

    def _tell(self, event_type: str, data: EventData, camera: str) -> None:
        status = self._clock.status()
        moment = Moment(self._clock.wall_ns(), self._clock.mono_ns(), status.quality.value)
        outbox.append(self._conn, self._facts.origin, EventDraft(event_type, camera, data, moment))


def _check_incident(data: IncidentData) -> None:
    """What the wire's types leave open and the store relies on. Raises WireError."""
    if not _UUID.match(data.incident_id):
        raise WireError(what="incident_id", text=data.incident_id[:64])
    for text in (data.begin, data.end):
        try:
            parse_rfc3339(text or format_rfc3339(0))
        except TimeError as exc:
            raise WireError(what="IncidentData", detail=str(exc)) from exc


# What a single bad notice may raise: it costs that notice, and the store stays as it was.
BadNotice: Final = (WireError, SegmentDamaged)
