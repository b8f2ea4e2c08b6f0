"""Wrong way, people on the road, congestion, queues and suspected crashes, over tracks written as tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.contract.events import IncidentData, IncidentKind
from agent.scene.moment import Sighting
from agent.vision.geometry import Label
from tests.scene.tracks import engine_of, findings, moments, only, sighting, standing

ROAD = '[[zone]]\nid = "road"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'

Look = Callable[[float], list[Sighting]]


def opened(rules: str, seconds: float, look: Look) -> list[tuple[float, IncidentData]]:
    """(media time in seconds, incident) of each that a scene of one zone opens over what is in view."""
    found = only(findings(engine_of(f"{ROAD}rules = {{ {rules} }}"), moments(seconds, look)), "incident.opened")
    return [(at_s, data) for at_s, data in found if isinstance(data, IncidentData)]


def car(track_id: int, x: float, y: float, *, size: float = 0.1) -> Sighting:
    return sighting(track_id, standing(x, y, width=size, height=size), Label.CAR)


def walker(track_id: int, x: float, y: float) -> Sighting:
    return sighting(track_id, standing(x, y, width=0.03, height=0.09))


@pytest.mark.parametrize(("speed", "is_told"), [(-0.2, True), (0.2, False)])
def test_only_a_vehicle_against_the_traffic_goes_the_wrong_way(speed: float, is_told: bool) -> None:
    found = opened("wrong_way = { heading_deg = 0 }", 4, lambda s: [car(1, 0.5 + speed * (s - 1), 0.5)])
    assert [data.kind for _, data in found] == [IncidentKind.WRONG_WAY] * is_told


def test_backing_into_a_bay_is_not_the_wrong_way() -> None:
    found = opened("wrong_way = { heading_deg = 0 }", 8, lambda s: [car(1, 0.5 - min(s, 3) * 0.05, 0.5)])
    assert found == []


def test_a_track_that_goes_over_to_a_car_of_the_other_lane_is_not_the_wrong_way() -> None:
    found = opened("wrong_way = { heading_deg = 0 }", 6, lambda s: [car(1, 0.1 + 0.15 * (s % 1.0), 0.5)])
    assert found == []


def test_who_stays_on_foot_on_the_road_is_told_of_and_a_rider_is_not() -> None:
    def rider(s: float) -> list[Sighting]:
        x = 0.2 + 0.05 * s
        machine = sighting(2, standing(x, 0.6, width=0.06, height=0.08), Label.MOTORCYCLE)
        return [sighting(1, standing(x, 0.58, width=0.04, height=0.1)), machine]

    assert opened("person_on_road = {}", 6, rider) == []
    ((at_s, data),) = opened("person_on_road = {}", 6, lambda s: [walker(1, 0.3 + 0.02 * s, 0.6)])
    assert at_s == pytest.approx(2.0, abs=0.21) and "on foot on the road" in data.reason_en


def test_a_person_who_rushes_faster_than_anybody_runs_rides_something_unseen() -> None:
    assert opened("person_on_road = {}", 2.5, lambda s: [walker(1, 0.02 + 0.38 * s, 0.6)]) == []


def jam(s: float, *, creep: float) -> list[Sighting]:
    """Four rows of cars, end to end over the picture; who leaves it on the right is followed by another on the left."""
    ways = [(row, column, 0.15 + 0.25 * column + creep * s) for row in range(4) for column in range(4)]
    return [car(row * 4 + column + 16 * int(way), way % 1.0, 0.2 + 0.25 * row, size=0.18) for row, column, way in ways]


def test_a_road_full_of_vehicles_that_hardly_move_is_jammed_and_one_that_flows_is_not() -> None:
    ((at_s, data),) = opened("congestion = { after_s = 5 }", 12, lambda s: jam(s, creep=0.01))
    assert at_s < 8 and "Traffic hardly moves" in data.reason_en and "ติดขัด" in data.reason_th
    assert opened("congestion = { after_s = 5 }", 12, lambda s: jam(s, creep=0.15)) == []


def test_four_parked_cars_on_a_wide_road_are_no_jam() -> None:
    assert opened("congestion = { after_s = 5 }", 12, lambda _s: [car(i, 0.1 + 0.2 * i, 0.9) for i in range(4)]) == []


def arriving(track_id: int, stop_x: float, *, y: float = 0.5) -> Callable[[float], Sighting]:
    """A car that drives in from the left at one size a second and stops there."""
    return lambda s: car(track_id, min(stop_x, -0.1 + 0.12 * s), y)


def test_vehicles_one_behind_the_other_wait_and_are_not_reported() -> None:
    first, second, third = arriving(1, 0.7), arriving(2, 0.55), arriving(3, 0.4)
    assert opened("stopped_vehicle = {}", 40, lambda s: [first(s), second(s - 1.5), third(s - 3)]) == []


def test_a_vehicle_alone_on_the_road_is_reported() -> None:
    first = arriving(1, 0.7)
    ((_, data),) = opened("stopped_vehicle = {}", 30, lambda s: [first(s)])
    assert data.tracks == (1,)


def test_two_that_stand_while_others_drive_past_are_no_queue() -> None:
    first, second = arriving(1, 0.7), arriving(2, 0.55)

    def look(s: float) -> list[Sighting]:
        passing = [car(10 + round(s // 8), 0.15 * (s % 8), 0.68)] if s > 12 and s % 8 < 6.5 else []
        return [first(s), second(s - 1.5), *passing]

    assert len(opened("stopped_vehicle = {}", 40, look)) == 1


def crossing_pair(s: float, *, crash: bool) -> list[Sighting]:
    """One car from the left, one from above; they meet at (0.5, 0.5) after 4 s."""
    if crash and s > 4:
        after = min(s - 4, 1.0)
        return [car(1, 0.5 + 0.02 * after, 0.5 + 0.12 * after), car(2, 0.54 + 0.12 * after, 0.48 + 0.02 * after)]
    return [car(1, 0.02 + 0.12 * s, 0.5), car(2, 0.54, 0.12 * s)]


def test_two_that_meet_are_thrown_off_and_stand_are_a_suspected_crash() -> None:
    ((at_s, data),) = opened("crash_suspected = {}", 12, lambda s: crossing_pair(s, crash=True))
    assert data.kind is IncidentKind.CRASH_SUSPECTED
    assert at_s < 8 and data.begin_s == pytest.approx(4.0, abs=0.8)


def test_two_whose_ways_cross_and_who_drive_on_are_none() -> None:
    assert opened("crash_suspected = {}", 8, lambda s: crossing_pair(s, crash=False)) == []


def test_three_people_who_stay_beside_a_vehicle_that_stopped_on_the_road_are_a_suspected_crash() -> None:
    first = arriving(1, 0.5)

    def helpers(s: float) -> list[Sighting]:
        if s < 10:
            return [first(s)]
        return [first(s), *(walker(10 + i, 0.45 + 0.05 * i, 0.56) for i in range(3))]

    ((at_s, _),) = opened("crash_suspected = {}", 20, helpers)
    assert 10.5 < at_s < 14


def test_people_who_cross_before_a_waiting_vehicle_are_none() -> None:
    first = arriving(1, 0.5)

    def look(s: float) -> list[Sighting]:
        crossing = [walker(10 + i, 0.62, 0.2 + 0.06 * (s - 8 - i)) for i in range(4)] if s > 8 else []
        return [first(s), *crossing]

    assert opened("crash_suspected = {}", 18, look) == []


def test_the_direction_of_a_lane_is_learned_from_those_who_drive_there() -> None:
    def lane(s: float) -> list[Sighting]:
        if s < 60:
            return [car(int(s // 5), 0.2 * (s % 5), 0.5)]
        return [car(99, 1 - 0.2 * (s - 60), 0.5)]

    ((at_s, data),) = opened("wrong_way = {}", 64, lane)
    assert at_s > 60 and data.tracks == (99,)


def test_where_both_ways_are_usual_nobody_goes_the_wrong_one() -> None:
    def street(s: float) -> list[Sighting]:
        x = 0.2 * (s % 5)
        return [car(int(s // 5), x if int(s // 5) % 2 else 1 - x, 0.5)]

    assert opened("wrong_way = {}", 120, street) == []
