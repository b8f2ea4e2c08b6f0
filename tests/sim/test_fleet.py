"""A small fleet whole: processes, stores, a mosquitto that is killed, the centre's collector."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import UsageError
from agent.messaging import outbox
from agent.sim.fleet import raise_file_limit
from agent.sim.store import open_outbox, outbox_schema
from tests.broker import MOSQUITTO


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_a_fleet_outlives_its_brokers_death_and_loses_no_incident(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "fleet-sim", "--nodes", "40", "--processes", "2", "--spread", "1"]
    command += ["--outage", "0.5", "--incidents", "2", "--data", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert (told["nodes"], told["connected"], told["born"], told["reconnected"]) == (40, 40, 40, 40)
    assert (told["incidents_made"], told["incidents_received"], told["incidents_lost"]) == (240, 240, 0)
    assert told["reconnect_p99_s"] > 0 and 0 < told["busiest_second_ratio"] <= 1
    assert len((tmp_path / "returns.txt").read_text().split()) == 40


def test_a_simulated_nodes_store_holds_the_outbox_as_it_is_and_nothing_else(tmp_path: Path) -> None:
    conn = open_outbox(tmp_path / "one.sqlite", outbox_schema())
    try:
        names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"outbox_state", "outbox_event"}
        assert conn.execute("PRAGMA synchronous").fetchone() == (2,)
        assert outbox.prepare(conn) == 1
    finally:
        conn.close()
    again = open_outbox(tmp_path / "one.sqlite", outbox_schema())
    assert outbox.prepare(again) == 2
    again.close()
    with pytest.raises(sqlite3.OperationalError):
        open_outbox(tmp_path / "nowhere" / "one.sqlite", outbox_schema())


def test_a_machine_that_allows_too_few_files_is_told_so_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: raised.append(both))
    with pytest.raises(UsageError, match="ulimit"):
        raise_file_limit(5000, 4)
    raise_file_limit(1000, 4)
    raise_file_limit(100, 4)
    assert raised == [(1450, 4096)]
