"""The node's stage "seal": the first seal goes out at the start, signed by the key that the configuration names."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest

from agent.clock import SystemClock
from agent.config import BrokerConfig, Config, NodeConfig
from agent.contract.events import SEAL, EventData, Lane, SealData, lane_of
from agent.contract.topics import NodeAddress
from agent.messaging.lanes import Moment, Origin
from agent.messaging.outbox import EventDraft, append
from agent.processes.sealing import keep_chains, node_signer
from agent.recording.boot import ensure_ring
from agent.recording.chain import signed_bytes
from agent.recording.signer import from_text, is_signed
from agent.signing import key_to_pem, make_key
from agent.store import open_store


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "node.key").write_bytes(key_to_pem(make_key()))
    broker = BrokerConfig("mqtts://127.0.0.1:1", key=str(tmp_path / "node.key"))
    ensure_ring(tmp_path / "data")
    node = NodeConfig("o", "s", "n")
    return Config(data_dir=str(tmp_path / "data"), runtime_dir=str(tmp_path), node=node, broker=broker)


def test_a_node_seals_when_it_starts_and_the_seal_waits_in_lane_a(config: Config) -> None:
    data_dir, told = Path(config.data_dir), list[EventData]()
    stop = threading.Event()
    stop.set()
    origin = Origin(NodeAddress("o", "s", "n"), "boot", 1 << 30)

    def tell(conn: sqlite3.Connection, event_type: str, data: EventData, camera: str) -> None:
        told.append(data)
        append(conn, origin, EventDraft(event_type, camera, data, Moment(0, 0, "synced")))

    keep_chains(config, lambda: open_store(data_dir), SystemClock(), boot=1, tell=tell, stop=stop)
    (seal,) = told
    signer = node_signer(config.broker)
    assert isinstance(seal, SealData)
    assert signer is not None
    assert seal.key == signer.fingerprint
    assert is_signed(signed_bytes(seal), from_text(seal.signature), signer.key.public_key())
    conn = open_store(data_dir, readonly=True)
    ((lane, topic, payload),) = conn.execute("SELECT lane, topic, payload FROM outbox_event").fetchall()
    conn.close()
    assert (lane, lane_of(SEAL)) == ("a", Lane.A)
    assert topic.endswith("/evt/node/seal")
    assert msgspec.json.decode(payload)["data"]["key"] == signer.fingerprint


def test_a_node_without_a_key_has_no_signer(tmp_path: Path) -> None:
    assert node_signer(None) is None
    assert node_signer(BrokerConfig("mqtt://127.0.0.1:1")) is None
    assert node_signer(BrokerConfig("mqtt://127.0.0.1:1", key=str(tmp_path / "missing"))) is None
