"""A node as small as it may be: a real store, outbox and line to the broker, and events that it is told to tell."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from agent.config import BrokerConfig
from agent.contract import events
from agent.contract.events import MotionData
from agent.contract.states import (
    ClockHealth,
    DiskHealth,
    Health,
    Info,
    Known,
    MachineHealth,
    OutboxHealth,
)
from agent.contract.topics import NodeAddress
from agent.messaging import outbox
from agent.messaging.alarm import Alarm
from agent.messaging.conversation import UplinkOptions
from agent.messaging.facts import NodeFacts
from agent.messaging.lanes import ensure_state
from agent.messaging.outbox import EventDraft, Moment, Origin
from agent.messaging.uplink import Uplink
from agent.store import open_store, transaction
from agent.units import format_rfc3339

# The contract's default cap.
_MAX_BYTES: Final = 1 << 30
_BOOT_ID: Final = "00000000-0000-4000-8000-000000000000"


class SmallSide:
    """What a node without cameras says of itself (agent.messaging.conversation.NodeSide)."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []

    def moment(self) -> Moment:
        return Moment(time.time_ns(), time.monotonic_ns(), "synced")

    def facts(self) -> NodeFacts:
        return NodeFacts(self._info(), {})

    def health(self, waiting: OutboxHealth) -> Health:
        disk = DiskHealth(
            write_p99_ms=None,
            free_bytes=None,
            total_bytes=None,
            footage_bytes=None,
            forecast_days=None,
            endurance_used_ratio=None,
        )
        machine = MachineHealth(
            temperature_c=None,
            throttled=Known.UNKNOWN,
            under_voltage=Known.UNKNOWN,
            load_1min=None,
            memory_available_bytes=None,
            memory_total_bytes=None,
            uptime_s=None,
        )
        clock = ClockHealth(quality="unsynced", error_s=None)
        return Health(at=_now(), cameras=(), disk=disk, clock=clock, machine=machine, vision=None, outbox=waiting)

    def on_command(self, name: str, payload: bytes, *, is_retained: bool) -> None:
        """Nobody commands it."""

    def on_desired(self, payload: bytes) -> None:
        """Nobody configures it."""

    def on_alarm(self, alarm: Alarm) -> None:
        if alarm.is_active:
            self.alarms.append(alarm)

    def _info(self) -> Info:
        trust: Literal["open"] = "open"
        return Info(
            at=_now(),
            software="0",
            hardware=None,
            os=None,
            python="3",
            boot_id=_BOOT_ID,
            timezone="Asia/Bangkok",
            trust=trust,
            cameras=(),
            models=(),
            commands=("ping",),
        )


class SmallNode(SmallSide):
    """Owned by the thread that made it; its uplink has its own. `folder` keeps the store, so that a node made there
    again goes on where it was."""

    def __init__(
        self,
        folder: Path,
        address: NodeAddress,
        url: str,
        *,
        spread_s: float = 0.0,
        protocol: Literal["5", "3.1.1"] = "5",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__()
        self.address = address
        self.origin = Origin(address, _BOOT_ID, _MAX_BYTES)
        self.conn = open_store(folder)
        broker = BrokerConfig(url, protocol=protocol, connect_spread_s=spread_s)
        options = UplinkOptions(broker, self.origin, lambda: open_store(folder))
        self.uplink = Uplink(options, self)
        with transaction(self.conn):
            ensure_state(self.conn)

    def append(self, drafts: Iterable[EventDraft]) -> None:
        """All of them in one transaction, as the keeper writes what came since its last; it is on disk on return."""
        with transaction(self.conn):
            for draft in drafts:
                outbox.append(self.conn, self.origin, draft)
        self.uplink.wake()

    def motion(self, number: int) -> EventDraft:
        data = MotionData(begin_s=float(number), end_s=number + 1.0, ratio=0.1, regions=())
        return EventDraft(events.MOTION, "c01", data, self.moment())

    def waiting(self) -> outbox.OutboxStatus:
        return outbox.status(self.conn)

    def close(self, timeout_s: float = 5.0) -> None:
        self.uplink.stop(timeout_s)
        self.conn.close()


def _now() -> str:
    return format_rfc3339(time.time_ns())
