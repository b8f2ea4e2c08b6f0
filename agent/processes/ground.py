"""What the node process stands on: store, ledger, clock and who it is, put in order before any stage begins."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from agent import log
from agent.clock import Clock, SystemClock
from agent.config import Config
from agent.contract.topics import NodeAddress
from agent.health.held_clock import HeldClock
from agent.ledger import Ledger
from agent.messaging.lanes import Moment, Origin
from agent.notify import Notifier, StartProgress
from agent.recording import evidence
from agent.recording.boot import BootNumber, claim_boot, ensure_ring
from agent.recording.policy import policy_of
from agent.recording.records import AgentStarted, Configured
from agent.recording.recovery import reconcile
from agent.store import open_store, transaction

_log = log.get("node")


@dataclass(frozen=True, slots=True)
class Ground:
    """What every stage of the node process stands on. Any thread; `connect` gives the calling thread a connection."""

    config: Config
    data_dir: Path
    clock: Clock
    boot: BootNumber
    ledger: Ledger
    origin: Origin
    cameras: tuple[str, ...]

    def connect(self) -> sqlite3.Connection:
        return open_store(self.data_dir)

    def moment(self) -> Moment:
        status = self.clock.status()
        return Moment(self.clock.wall_ns(), self.clock.mono_ns(), status.quality.value)


def prepare_ground(config: Config) -> Ground:
    """The store and the ledger in order, index equal to disk, and this start written down.

    Raises StoreError, DiskError, RingMissing.
    """
    data_dir = Path(config.data_dir)
    clock = HeldClock(SystemClock())
    ensure_ring(data_dir, config.storage.ring_id)
    boot = claim_boot(data_dir)
    ledger = Ledger(data_dir, clock, boot=boot.boot)
    address = NodeAddress(config.node.org, config.node.site, config.node.id)
    cameras = tuple(camera.id for camera in config.cameras)
    conn = open_store(data_dir)
    try:
        report = reconcile(conn, data_dir, StartProgress(Notifier(), "indexing the ring"))
        _log.info("index reconciled", added=report.added, repaired=report.repaired, dropped=report.dropped)
        with transaction(conn):
            evidence.catch_up(conn, data_dir)
            configured = Configured(
                cameras=cameras,
                timezone=config.timezone,
                org=address.org,
                site=address.site,
                node=address.node,
                policy=policy_of(config),
            )
            started = AgentStarted(boot_id=boot.boot_id, last_alive_wall_ns=evidence.last_beat(conn))
            evidence.note(conn, ledger, configured, started)
            evidence.beat(conn, boot.boot, clock.wall_ns())
    finally:
        conn.close()
    origin = Origin(address, boot.boot_id, config.outbox.max_outbox_bytes)
    return Ground(config, data_dir, clock, boot, ledger, origin, cameras)
