"""Crowds and things left behind, over tracks and standing pieces written as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from agent.contract.events import IncidentData
from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.standing import StandingPiece
from tests.scene.tracks import RATE_FPS, engine_of, findings, moments, only, sighting, standing

PLACE = '[[zone]]\nid = "place"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
CROWD = PLACE + "rules = { crowd = { at_least = 5, after_s = 3 } }"
LEFT = PLACE + "rules = { abandoned_object = { after_s = 10 } }"
BAG = Box(0.5, 0.75, 0.06, 0.05)


def people(count: int) -> list[Sighting]:
    return [sighting(i, standing(0.1 + 0.08 * i, 0.8, width=0.04, height=0.2)) for i in range(count)]


def test_enough_people_for_long_enough_are_a_crowd_though_one_is_hidden_now_and_then() -> None:
    found = findings(engine_of(CROWD), moments(10, lambda s: people(6 if round(s * RATE_FPS) % 5 else 3)))
    ((at_s, data),) = only(found, "incident.opened")
    assert at_s == pytest.approx(3.0, abs=0.5)
    assert isinstance(data, IncidentData) and "6 people are gathered" in data.reason_en


def test_four_are_no_crowd_of_five() -> None:
    assert findings(engine_of(CROWD), moments(10, lambda _s: people(4))) == []


def test_a_crowd_that_wavers_around_the_number_is_one_incident() -> None:
    found = findings(engine_of(CROWD), moments(40, lambda s: people(5 if round(s) % 8 < 4 else 4)))
    assert len(only(found, "incident.opened")) == 1 and only(found, "incident.closed") == []


def place(
    seconds: float, look: Callable[[float], list[Sighting]], pieces: Callable[[float], Sequence[StandingPiece]]
) -> Iterator[Moment]:
    for index in range(round(seconds * RATE_FPS)):
        at_s = index / RATE_FPS
        yield Moment(round(at_s * NS_PER_S), look(at_s), standing=pieces(at_s))


def bag(s: float) -> Sequence[StandingPiece]:
    return [StandingPiece(BAG, 4 * NS_PER_S)] if s >= 6 else []


def owner(leaves_s: float) -> Callable[[float], list[Sighting]]:
    def look(s: float) -> list[Sighting]:
        x = 0.5 if s < leaves_s else 0.5 + 0.1 * (s - leaves_s)
        return [sighting(1, standing(x, 0.8, width=0.08, height=0.25))] if x < 1 else []

    return look


def test_what_a_person_put_down_and_left_is_an_abandoned_object() -> None:
    found = findings(engine_of(LEFT), place(25, owner(9), bag))
    ((at_s, data),) = only(found, "incident.opened")
    assert isinstance(data, IncidentData)
    assert data.begin_s == 4.0 and 14 <= at_s < 17 and data.tracks == () and "left behind" in data.reason_en


def test_a_thing_that_is_gone_before_its_time_is_not_told_of() -> None:
    assert findings(engine_of(LEFT), place(30, owner(9), lambda s: bag(s) if s < 12 else [])) == []


def test_a_thing_is_not_abandoned_while_somebody_stays_with_it() -> None:
    assert findings(engine_of(LEFT), place(40, owner(100), bag)) == []


def test_what_nobody_brought_is_light_or_a_branch() -> None:
    assert findings(engine_of(LEFT), place(40, lambda _s: [], bag)) == []


def test_a_person_who_stands_still_is_no_thing() -> None:
    piece = StandingPiece(standing(0.5, 0.8, width=0.08, height=0.25), 4 * NS_PER_S)
    assert findings(engine_of(LEFT), place(40, owner(100), lambda s: [piece] if s > 6 else [])) == []
