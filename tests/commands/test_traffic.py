"""Asking a node how its roads are."""

from __future__ import annotations

import msgspec
import pytest

from agent.clock import Clock
from agent.contract.commands import AnswerState
from agent.contract.events import Level, TrafficData
from agent.contract.looking import TrafficResult
from agent.processes.roads import Roads
from agent.units import NS_PER_S
from tests.commands.desk import Node

MINUTE_NS = 60 * NS_PER_S


def road(name: str, level: Level = Level.FREE) -> TrafficData:
    return TrafficData(
        approach=name,
        begin_s=0.0,
        end_s=60.0,
        flow={"car": 4},
        speed_kmh=42.0,
        occupancy=0.1,
        queue_vehicles=0,
        queue_m=0.0,
        level=level,
    )


def levels(node: Node, args: object) -> dict[str, Level]:
    command = node.command("traffic", args)
    node.receive(command)
    answer = node.final(command)
    assert answer.state is AnswerState.SUCCEEDED, answer
    result = msgspec.json.decode(answer.result, type=TrafficResult)
    return {one.approach: one.level for camera in result.cameras for one in camera.approaches}


@pytest.fixture
def roads(node: Node) -> Roads:
    clock: Clock = node.ring.clock
    return Roads(clock)


def test_the_newest_measurement_of_each_road_is_the_answer(node: Node, roads: Roads) -> None:
    roads.note("c01", road("north", Level.BUSY))
    roads.note("c01", road("south"))
    roads.note("c01", road("north", Level.JAMMED))
    node.roads.update(roads.states())
    assert levels(node, {}) == {"north": Level.JAMMED, "south": Level.FREE}
    assert levels(node, {"approach": "south"}) == {"south": Level.FREE}


def test_a_level_that_is_too_old_is_unknown_and_never_free(node: Node, roads: Roads) -> None:
    roads.note("c01", road("north"))
    node.ring.clock.now_wall_ns += 3 * MINUTE_NS
    roads.note("c01", road("south"))
    node.roads.update(roads.states())
    assert levels(node, {}) == {"north": Level.UNKNOWN, "south": Level.FREE}


def test_a_road_that_nobody_measured_is_refused_with_those_that_there_are(node: Node, roads: Roads) -> None:
    roads.note("c01", road("north"))
    node.roads.update(roads.states())
    command = node.command("traffic", {"approach": "west"})
    node.receive(command)
    answer = node.final(command)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "unknown_approach") and "north" in answer.message
