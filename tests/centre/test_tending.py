"""A node's processes restarted from the centre: real processes under the supervisor, a real broker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import MOSQUITTO, Broker, wait_until
from tests.centre.test_desk import NODE, Said, desk
from tests.faults.rig import AgentUnderTest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, AgentUnderTest]]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("tended")
    (folder / "broker").mkdir()
    broker = Broker(folder / "broker", "allow_anonymous true")
    broker.start()
    try:
        with AgentUnderTest(folder / "agent", broker=broker, vision=False, segment_s=2.0) as agent:
            agent.wait_for_footage("c01", 10)
            yield broker, agent
    finally:
        broker.stop()


def ask(broker: Broker, command: str, *more: str) -> Said:
    return desk(broker.url, command, "--node", NODE, "--purpose", "test", *more)


def test_a_camera_is_another_process_afterwards_and_records_again(site: tuple[Broker, AgentUnderTest]) -> None:
    broker, agent = site
    before, runs = agent.pids(), len(agent.runs("c01"))
    said = ask(broker, "restart", "--camera", "c01")
    assert said.code == 0, said
    assert "camera c01 is back" in said.out
    after = agent.pids()
    assert after["camera-c01"] != before["camera-c01"]
    assert after["node"] == before["node"]
    wait_until(lambda: len(agent.runs("c01")) > runs, "no new run", limit_s=60.0)


def test_the_node_itself_answers_when_it_is_back(site: tuple[Broker, AgentUnderTest]) -> None:
    broker, agent = site
    before = agent.pids()
    said = ask(broker, "restart", "--process", "node", "--json")
    assert said.code == 0, said
    (back,) = json.loads(said.out)["processes"]
    assert back["process"] == "node"
    assert agent.pids()["node"] != before["node"]
    assert agent.pids()["camera-c01"] == before["camera-c01"]


def test_a_refresh_tells_of_a_local_edit_that_is_wrong(site: tuple[Broker, AgentUnderTest]) -> None:
    broker, agent = site
    config: Path = agent.folder / "wayside.toml"
    right = config.read_text(encoding="utf-8")
    assert ask(broker, "refresh").code == 0
    try:
        config.write_text(right + f"\nno_such_key = {time.time_ns()}\n", encoding="utf-8")
        said = ask(broker, "refresh")
        assert said.code == 3, said
        assert "no_such_key" in said.out
    finally:
        config.write_text(right, encoding="utf-8")


def test_what_needs_an_office_is_refused_on_a_desk(site: tuple[Broker, AgentUnderTest]) -> None:
    broker, _ = site
    for command in ("renew", "open-setup"):
        said = ask(broker, command)
        assert said.code != 0
        assert "not_enrolled" in said.err
