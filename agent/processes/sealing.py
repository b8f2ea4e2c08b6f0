"""The node's stage that keeps the evidence chains and publishes their seals."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from agent.clock import Clock
from agent.config import BrokerConfig, Config
from agent.contract.events import SEAL, EventData, SealData
from agent.recording.seal import Sealer
from agent.recording.signer import Signer, load_signer
from agent.store import transaction


def node_signer(broker: BrokerConfig | None, chain: bytes = b"") -> Signer | None:
    """The node's own key, which is also its identity at the broker; None for a node without one."""
    if broker is None or not broker.key:
        return None
    return load_signer(Path(broker.key), Path(broker.certificate) if broker.certificate else None, chain)


def keep_chains(
    config: Config,
    connect: Callable[[], sqlite3.Connection],
    clock: Clock,
    *,
    boot: int,
    tell: Callable[[sqlite3.Connection, str, EventData, str], None],
    stop: threading.Event,
) -> None:
    """Body of the stage "seal": it owns its connection for as long as it lives."""
    conn = connect()

    def publish(seal: SealData) -> None:
        with transaction(conn):
            tell(conn, SEAL, seal, "")

    signer = node_signer(config.broker)
    try:
        Sealer(Path(config.data_dir), conn, clock, boot=boot, signer=signer, tell=publish, stop=stop).run()
    finally:
        conn.close()
