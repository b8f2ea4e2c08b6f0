"""One simulated node: a real outbox on disk and a real conversation, over a line that the loop drives."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from typing import Final

from agent.bench.smallnode import SmallSide
from agent.config import BrokerConfig
from agent.contract import events
from agent.contract.events import IncidentData, IncidentKind
from agent.contract.states import Presence
from agent.contract.topics import NodeAddress
from agent.identity import new_uuid7
from agent.messaging import outbox
from agent.messaging.broker import BrokerEvent, Connected
from agent.messaging.conversation import Conversation, Session, UplinkOptions
from agent.messaging.outbox import EventDraft, Origin
from agent.messaging.uplink import line_options
from agent.sim.line import FleetLine
from agent.sim.orders import Birth, Start
from agent.sim.store import open_outbox
from agent.store import transaction
from agent.units import NS_PER_S

_ORG: Final = "sim"
_NODES_OF_A_SITE: Final = 4
# The contract's default cap.
_MAX_BYTES: Final = 1 << 30
_BOOT_ID: Final = "00000000-0000-4000-8000-000000000000"
_PULSE_NS: Final = 5 * NS_PER_S


def address_of(number: int) -> NodeAddress:
    """Where node `number` of the fleet stands."""
    return NodeAddress(_ORG, f"site-{number // _NODES_OF_A_SITE:05d}", f"node-{number:05d}")


class FleetNode(SmallSide):
    """Owned by the loop. `due_ns`: when `work` is to be called although nothing was heard."""

    def __init__(self, start: Start, number: int, schema: str, wake: socket.socket) -> None:
        super().__init__()
        self.number = number
        self.births: list[Birth] = []
        self._spoke_ns = 0
        self._conn = open_outbox(Path(start.folder) / f"{number:05d}.sqlite", schema)
        self._origin = Origin(address_of(number), _BOOT_ID, _MAX_BYTES)
        broker = BrokerConfig(start.url, connect_spread_s=start.spread_s)
        options = UplinkOptions(broker, self._origin, self._store, health_period_s=start.health_period_s)
        starts = outbox.prepare(self._conn)
        session = Session(outbox.status(self._conn).epoch, starts)
        self.line = FleetLine(line_options(options, self, session), self._hear, wake)
        self._talk = Conversation(options, self, conn=self._conn, session=session, client=self.line)

    @property
    def due_ns(self) -> int:
        return min(self.line.due_ns, self._spoke_ns + _PULSE_NS) if self.line.is_live else self.line.due_ns

    def work(self) -> None:
        """Hear what came and say what is due."""
        self.line.work()
        if self.line.is_live:
            self._spoke_ns = self.moment().mono_ns
            self._talk.speak()
            self.line.flush()

    def tell_incident(self) -> None:
        """It is on disk when this returns, whatever the line is like."""
        moment = self.moment()
        data = IncidentData(
            incident_id=new_uuid7(),
            kind=IncidentKind.STOPPED_VEHICLE,
            zone="junction",
            begin_s=1.0,
            end_s=None,
            score=0.9,
            box=(0.1, 0.1, 0.2, 0.2),
            tracks=(1,),
            model="sim",
        )
        with transaction(self._conn):
            outbox.append(self._conn, self._origin, EventDraft(events.INCIDENT_OPENED, "c01", data, moment))
        self._spoke_ns = 0

    def waiting(self) -> int:
        """Events of lane a that the centre has not acknowledged."""
        return outbox.status(self._conn).count_a

    def close(self) -> None:
        self._talk.say_state(Presence.OFFLINE)
        self.line.work()
        self.line.close()
        self._conn.close()

    def _hear(self, event: BrokerEvent) -> None:
        if isinstance(event, Connected):
            self.births.append(Birth(self.number, self.moment().mono_ns))
        self._talk.hear(event)

    def _store(self) -> sqlite3.Connection:
        return self._conn
