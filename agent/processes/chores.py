"""What the node process does beside keeping and talking, each on a stage of its own: the ring within its bounds, the
time saved, chains sealed, wishes granted, the future told, holes told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.contract.events import EventData
from agent.enrolment.clock_floor import save_time
from agent.messaging.alarm import Alarm
from agent.processes.finding import tell_holes, tell_lapses
from agent.processes.foresight import keep_outlook
from agent.processes.granting import keep_wishes
from agent.processes.ground import Ground
from agent.processes.limits import retention_limits
from agent.processes.sealing import keep_chains
from agent.recording.holds import Lapse
from agent.recording.janitor import Janitor
from agent.stage import Stage

# A sweep costs some ms; a minute of eight cameras at 8 Mbit/s is 0.5 GB, far below `min_free`.
_SWEEP_S: Final = 30.0
# 144 small writes a day; a boot without any clock is at most this much behind.
_SAVE_TIME_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Chores:
    """Each method is the body of a stage: until `stop`; raises StoreError, DiskError. `tell` is NodeHands.tell, `alarm`
    None on a node without a broker."""

    ground: Ground
    tell: Callable[[sqlite3.Connection, str, EventData, str], None]
    alarm: Callable[[Alarm], None] | None
    stop: threading.Event

    def stages(self) -> list[Stage]:
        bodies = {
            "janitor": self.sweep,
            "saved time": self.save_time,
            "seal": self.seal,
            "wishes": self.grant_wishes,
            "outlook": self.foresee,
            "holes": self.tell_holes,
        }
        return [Stage(name, body, stop=self.stop) for name, body in bodies.items()]

    def sweep(self) -> None:
        ground = self.ground
        limits = retention_limits(ground.config)
        conn, node = ground.connect(), ground.origin.address.node

        def say(lapses: Sequence[Lapse]) -> None:
            tell_lapses(conn, lapses, node, ground.clock.wall_ns(), self.tell)

        try:
            janitor = Janitor(ground.data_dir, conn, ground.ledger, clock=ground.clock, limits=limits, on_lapses=say)
            janitor.finish_garbage()
            while not self.stop.is_set():
                report = janitor.sweep()
                if not report.is_behind:
                    self.stop.wait(_SWEEP_S)
        finally:
            conn.close()

    def save_time(self) -> None:
        """The floor of the clock at the next boot."""
        save_time(self.ground.data_dir, self.ground.clock)
        if self.stop.wait(_SAVE_TIME_S):
            save_time(self.ground.data_dir, self.ground.clock)

    def seal(self) -> None:
        ground = self.ground
        keep_chains(ground.config, ground.connect, ground.clock, boot=ground.boot.boot, tell=self.tell, stop=self.stop)

    def grant_wishes(self) -> None:
        ground = self.ground
        keep_wishes(ground.data_dir, ground.connect, ground.ledger, self.stop, ground.clock)

    def foresee(self) -> None:
        if self.alarm is None:
            self.stop.wait()
            return
        keep_outlook(self.ground.data_dir, self.ground.connect, self.ground.clock, self.alarm, self.stop)

    def tell_holes(self) -> None:
        ground = self.ground
        tell_holes(
            ground.data_dir, ground.connect, ground.clock, cameras=ground.cameras, tell=self.tell, stop=self.stop
        )
