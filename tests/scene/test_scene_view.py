"""When the camera itself is the incident, decided from what its view was measured to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contract.events import IncidentKind
from agent.scene.moment import Moment, Sighting
from agent.scene.rules.view import view_rules
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label
from agent.vision.view_facts import ViewFacts
from tests.scene.tracks import engine_of, sighting, standing, words

COLUMNS, ROWS = 8, 6
BLOCKS = tuple(Box(x / COLUMNS, y / ROWS, 1 / COLUMNS, 1 / ROWS) for y in range(ROWS) for x in range(COLUMNS))
USUAL = ViewFacts(
    is_known=True,
    blocks=48,
    gone=(),
    standing=(),
    detail_ratio=1.0,
    sharpness_ratio=1.0,
    usual_level=110.0,
    level=110.0,
    spread=180.0,
    is_same=False,
)
TURNED = replace(USUAL, gone=BLOCKS[:44])
PAINTED = replace(USUAL, gone=BLOCKS, detail_ratio=0.1, level=200.0, spread=30.0)
HALF = replace(USUAL, gone=tuple(block for block in BLOCKS if block.x >= 0.5))
BLURRED = replace(USUAL, sharpness_ratio=0.4, gone=BLOCKS[:10])
FROZEN = replace(USUAL, is_same=True)
BLACK = replace(USUAL, level=5.0, spread=6.0, gone=BLOCKS, detail_ratio=0.05, sharpness_ratio=0.3)
NIGHT = replace(BLACK, usual_level=20.0)
YARD = """
[[zone]]
id = "yard"
polygon = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]]
rules = { loitering = { after_s = 10 } }
"""
LORRY = Sighting(1, Label.TRUCK, Box(0.45, 0.0, 0.55, 1.0), 0.9)


def told(view: ViewFacts, seconds: float, *sightings: Sighting) -> dict[IncidentKind, float]:
    """What is told within that time, and after how many seconds; two looks a second between five moments."""
    rules = view_rules()
    found: dict[IncidentKind, float] = {}
    for number in range(round(seconds * 5) + 1):
        look = view if number % 2 == 0 else None
        for rule in rules:
            if rule.update(Moment(number * NS_PER_S // 5, sightings, view=look)):
                found.setdefault(rule.kind, number / 5)
    return found


@pytest.mark.parametrize(
    ("view", "kind", "after_s"),
    [
        (TURNED, IncidentKind.VIEW_MOVED, 3),
        (PAINTED, IncidentKind.VIEW_COVERED, 3),
        (BLACK, IncidentKind.VIEW_COVERED, 3),
        (HALF, IncidentKind.VIEW_COVERED, 10),
        (BLURRED, IncidentKind.VIEW_DEFOCUSED, 5),
        (FROZEN, IncidentKind.VIEW_FROZEN, 15),
        (NIGHT, IncidentKind.VIEW_DARK, 30),
    ],
    ids=["turned", "painted", "cap by day", "half", "blurred", "frozen", "night"],
)
def test_each_fault_of_a_view_is_told_once_and_by_its_name(view: ViewFacts, kind: IncidentKind, after_s: float) -> None:
    assert told(view, 40) == {kind: pytest.approx(after_s, abs=0.5)}


@pytest.mark.parametrize("view", [TURNED, PAINTED, HALF, BLURRED], ids=["turned", "painted", "half", "blurred"])
def test_nothing_is_said_of_a_view_that_is_not_known_or_has_no_structure(view: ViewFacts) -> None:
    assert told(replace(view, is_known=False), 40) == {}
    assert told(replace(view, blocks=8, gone=BLOCKS[:8]), 40) == {}


def test_what_hides_behind_a_lorry_that_waits_is_not_covered() -> None:
    assert told(HALF, 40, LORRY) == {}


def test_a_flash_and_a_passing_bus_are_too_short() -> None:
    rules = view_rules()
    for number in range(300):
        view = TURNED if number % 25 < 10 else USUAL
        assert not any(rule.update(Moment(number * NS_PER_S // 5, (), view=view)) for rule in rules)


def test_an_incident_begins_when_it_was_first_seen() -> None:
    (moved,) = [rule for rule in view_rules() if rule.kind is IncidentKind.VIEW_MOVED]
    for number in range(20, 60):
        hits = moved.update(Moment(number * NS_PER_S // 5, (), view=TURNED))
    assert hits[0].since_ns == 4 * NS_PER_S


def test_no_clock_of_another_rule_runs_while_the_picture_is_frozen() -> None:
    engine = engine_of(YARD)
    sight = sighting(1, standing(0.5, 0.7))
    found: list[str] = []
    for number in range(100):
        look = replace(USUAL, is_same=number >= 10) if number % 2 == 0 else None
        found += words([(0.0, one) for one in engine.update(Moment(number * NS_PER_S // 5, [sight], view=look))])
    assert found == ["incident.opened"], "view_frozen alone, and nobody loiters in a picture of long ago"
