"""Counting lines: which way is forward, once per direction, and not for who passes beside the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.events import CrossingData, Direction
from agent.scene.moment import Moment, Sighting
from agent.scene.rules.crossing import Crossing, CrossingCounter
from agent.units import NS_PER_S
from agent.vision.geometry import Label
from agent.vision.track import EarlyLook
from tests.scene.tracks import engine_of, findings, moments, sighting, standing

Point = tuple[float, float]
ACROSS = ((0.2, 0.5), (0.8, 0.5))


def walk(points: tuple[Point, Point], *feet: Point, label: Label = Label.CAR) -> list[Crossing]:
    """What a counter says of one track whose foot point visits these places, one a second."""
    counter = CrossingCounter("north", points, aspect=1.0)
    return [
        crossing
        for second, foot in enumerate(feet)
        for crossing in counter.update(Moment(second * NS_PER_S, [sighting(1, standing(*foot), label)]))
    ]


@pytest.mark.parametrize(
    ("points", "start", "end", "direction"),
    [
        # As drawn, left of a line that runs to the right is above it.
        (((0.2, 0.5), (0.8, 0.5)), (0.5, 0.2), (0.5, 0.8), Direction.FORWARD),
        (((0.2, 0.5), (0.8, 0.5)), (0.5, 0.8), (0.5, 0.2), Direction.BACKWARD),
        (((0.8, 0.5), (0.2, 0.5)), (0.5, 0.2), (0.5, 0.8), Direction.BACKWARD),
        # Left of a line that runs down the picture is the picture's right.
        (((0.5, 0.0), (0.5, 1.0)), (0.2, 0.5), (0.8, 0.5), Direction.BACKWARD),
        (((0.5, 1.0), (0.5, 0.0)), (0.2, 0.5), (0.8, 0.5), Direction.FORWARD),
        # The suburban road: vehicles come towards the camera.
        (((0.25, 0.75), (1.0, 0.55)), (0.6, 0.4), (0.7, 0.95), Direction.FORWARD),
    ],
)
def test_forward_is_from_the_left_to_the_right_of_the_line_as_drawn(
    points: tuple[Point, Point], start: Point, end: Point, direction: Direction
) -> None:
    (crossing,) = walk(points, start, end)
    assert crossing.direction is direction and crossing.label is Label.CAR


@pytest.mark.parametrize(("label", "at_s"), [(Label.PERSON, 0.25), (Label.MOTORCYCLE, 0.25), (Label.CAR, 0.375)])
def test_the_time_is_when_a_foot_is_on_the_line_or_the_middle_of_what_a_car_covers(label: Label, at_s: float) -> None:
    (crossing,) = walk(ACROSS, (0.5, 0.4), (0.5, 0.8), label=label)
    assert crossing.at_ns == pytest.approx(at_s * NS_PER_S)


def test_who_is_believed_only_behind_the_line_has_crossed_it() -> None:
    counter = CrossingCounter("north", ACROSS, aspect=1.0)
    early = tuple(EarlyLook(round(at_s * NS_PER_S), standing(0.5, 0.4 + 0.2 * at_s), 0.15) for at_s in (0.0, 0.2, 0.4))
    found: list[Crossing] = []
    for at_s in (0.6, 0.8, 1.0):
        moped = Sighting(1, Label.MOTORCYCLE, standing(0.5, 0.4 + 0.2 * at_s), 0.2, early=early)
        found += counter.update(Moment(round(at_s * NS_PER_S), [moped]))
    assert [(one.direction, one.at_ns) for one in found] == [(Direction.FORWARD, pytest.approx(NS_PER_S / 2))]


@pytest.mark.parametrize(("label", "counted"), [(Label.MOTORCYCLE, 1), (Label.CAR, 2)])
def test_a_rider_is_counted_with_the_machine_and_a_passer_by_is_not(label: Label, counted: int) -> None:
    counter = CrossingCounter("north", ACROSS, aspect=1.0)
    found: list[Crossing] = []
    for turn in range(6):
        y = 0.4 + 0.05 * turn
        machine = sighting(1, standing(0.5, y, width=0.1, height=0.1), label)
        rider = sighting(2, standing(0.51, y - 0.04, width=0.05, height=0.15))
        found += counter.update(Moment(turn * NS_PER_S // 5, [machine, rider]))
    assert len(found) == counted


def test_who_passes_beyond_the_end_of_the_line_is_not_counted() -> None:
    assert walk(ACROSS, (0.9, 0.2), (0.9, 0.8)) == []
    assert walk(ACROSS, (0.1, 0.2), (0.1, 0.8), (0.5, 0.8), (0.5, 0.2)) != []


def test_a_box_that_jitters_on_the_line_is_not_counted() -> None:
    assert walk(ACROSS, *[(0.5, 0.5 + 0.015 * (-1) ** n) for n in range(40)]) == []


def test_a_track_counts_once_in_each_direction() -> None:
    up, down = (0.5, 0.3), (0.5, 0.7)
    directions = [crossing.direction for crossing in walk(ACROSS, up, down, up, down, up)]
    assert directions == [Direction.FORWARD, Direction.BACKWARD]


def test_a_slow_crosser_is_counted_when_it_is_clear_of_the_line() -> None:
    crossings = walk(ACROSS, *[(0.5, 0.4 + 0.005 * n) for n in range(40)], label=Label.PERSON)
    assert [crossing.direction for crossing in crossings] == [Direction.FORWARD]
    assert crossings[0].at_ns == pytest.approx(20 * NS_PER_S, abs=NS_PER_S)


def test_a_track_lost_on_the_line_and_found_beyond_it_is_counted() -> None:
    def look(s: float) -> list[Sighting]:
        return [sighting(1, standing(0.5, 0.1 + 0.1 * s), Label.BUS, is_seen=not 3 < s < 5)]

    found = findings(engine_of('[[line]]\nid = "north"\npoints = [[0.2, 0.5], [0.8, 0.5]]'), moments(8, look))
    ((_, finding),) = found
    assert isinstance(finding.data, CrossingData)
    assert finding.data.label == "bus" and finding.data.at_s == pytest.approx(4.5, abs=0.01)
    assert finding.data.speed_kmh is None


def test_one_lorry_seen_as_two_boxes_is_counted_once_and_two_cars_abreast_twice() -> None:
    def crossings(apart: float) -> int:
        counter = CrossingCounter("north", ACROSS, aspect=1.0)
        count = 0
        for n in range(20):
            foot_y = 0.3 + 0.03 * n
            left = sighting(1, standing(0.4, foot_y, width=0.2), Label.TRUCK)
            right = sighting(2, standing(0.4 + apart, foot_y - 0.03, width=0.2), Label.CAR)
            count += len(counter.update(Moment(n * NS_PER_S // 5, [left, right])))
        return count

    assert crossings(apart=0.03) == 1
    assert crossings(apart=0.2) == 2


fractions = st.floats(0.05, 0.95)


@given(st.tuples(fractions, fractions), st.tuples(fractions, fractions), st.tuples(fractions, fractions))
def test_the_line_drawn_the_other_way_swaps_the_directions(start: Point, middle: Point, end: Point) -> None:
    # A person stands at the box's foot; a car's place is a quarter of its height above, which may be on the line.
    drawn = walk(ACROSS, start, middle, end, label=Label.PERSON)
    other = walk((ACROSS[1], ACROSS[0]), start, middle, end, label=Label.PERSON)
    swapped = {Direction.FORWARD: Direction.BACKWARD, Direction.BACKWARD: Direction.FORWARD}
    if all(abs(y - 0.5) > 1e-6 for _, y in (start, middle, end)):
        assert [swapped[crossing.direction] for crossing in other] == [crossing.direction for crossing in drawn]
