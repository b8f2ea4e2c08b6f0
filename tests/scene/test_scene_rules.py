"""Intrusion, loitering and the stopped vehicle, over tracks written as tables."""

from __future__ import annotations

import pytest

from agent.contract.events import IncidentData
from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label
from tests.scene.tracks import engine_of, findings, moments, only, sighting, standing, words

# The right half of the picture.
HALF = '[[zone]]\nid = "yard"\npolygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]\n'
INTRUSION = HALF + "rules = { intrusion = {} }"
LOITERING = HALF + "rules = { loitering = { after_s = 10 } }"
STOPPED = HALF + "rules = { stopped_vehicle = {} }"


def incident(data: object) -> IncidentData:
    assert isinstance(data, IncidentData)
    return data


def test_a_person_who_walks_into_the_zone_is_an_intruder_since_the_step_over_its_edge() -> None:
    found = findings(
        engine_of(INTRUSION), moments(6, lambda s: [sighting(7, standing(0.1 + 0.2 * s, 0.9))] if s < 4.4 else [])
    )
    (at_s, opened), *_ = only(found, "incident.opened")
    data = incident(opened)
    assert data.begin_s == pytest.approx(2.0, abs=0.21) and data.end_s is None
    assert at_s - data.begin_s == pytest.approx(0.8, abs=0.21)
    assert data.tracks == (7,) and data.zone == "yard" and data.model == "tables@0"
    assert "person is inside zone yard" in data.reason_en and "พื้นที่ yard" in data.reason_th


def test_who_passes_beside_the_zone_with_the_head_inside_is_no_intruder() -> None:
    below = '[[zone]]\nid = "yard"\npolygon = [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]\nrules = { intrusion = {} }'
    found = findings(engine_of(below), moments(10, lambda s: [sighting(1, standing(0.1 * s, 0.6))]))
    assert found == []


def test_a_foot_point_that_jitters_over_the_edge_is_no_intruder() -> None:
    found = findings(
        engine_of(INTRUSION),
        moments(20, lambda s: [sighting(1, standing(0.51 if round(s * 5) % 3 == 0 else 0.48, 0.9))]),
    )
    assert found == []


def test_a_vehicle_intrudes_only_when_asked_for() -> None:
    def look(_s: float) -> list[Sighting]:
        return [sighting(1, standing(0.7, 0.7), Label.CAR)]

    assert findings(engine_of(INTRUSION), moments(3, look)) == []
    asked = HALF + "rules = { intrusion = { vehicles = true } }"
    assert words(findings(engine_of(asked), moments(3, look))) == ["incident.opened"]


def test_what_the_tracker_only_guesses_is_no_evidence() -> None:
    found = findings(engine_of(INTRUSION), moments(5, lambda s: [sighting(1, standing(0.7, 0.9), is_seen=s < 0.5)]))
    assert found == []


def test_a_loiterer_who_steps_out_and_back_and_gets_a_new_track_is_one_stay() -> None:
    def look(s: float) -> list[Sighting]:
        if 4 <= s < 6:
            return [sighting(1, standing(0.45, 0.9))]
        if 8 <= s < 9.5:
            return []
        return [sighting(1 if s < 8 else 2, standing(0.6, 0.9))]

    found = findings(engine_of(LOITERING), moments(16, look))
    ((at_s, opened),) = only(found, "incident.opened")
    # 10 s inside and about 2 s outside, which do not count.
    assert at_s == pytest.approx(12.2, abs=0.5)
    assert incident(opened).begin_s == 0 and incident(opened).tracks == (2,)


def test_passers_by_who_follow_each_other_do_not_add_up_to_a_loiterer() -> None:
    def look(s: float) -> list[Sighting]:
        return [sighting(1 + int(s / 3), standing(0.5 + (s % 3) / 6, 0.9))]

    assert findings(engine_of(LOITERING), moments(60, look)) == []


def car(track_id: int, foot_x: float, *, is_seen: bool = True) -> Sighting:
    return sighting(track_id, standing(foot_x, 0.7, width=0.1, height=0.1), Label.CAR, is_seen=is_seen)


def test_a_car_that_drives_in_and_stands_is_reported_since_it_stopped() -> None:
    found = findings(engine_of(STOPPED), moments(18, lambda s: [car(3, min(0.7, 0.1 * s))]))
    ((at_s, opened),) = only(found, "incident.opened")
    data = incident(opened)
    assert data.begin_s == pytest.approx(6.8, abs=0.6)
    assert at_s == pytest.approx(data.begin_s + 8, abs=0.21)
    assert data.reason_en == "A car is standing in zone yard, 8 s so far."


def test_a_parked_car_is_not_reported_however_often_the_detector_loses_it() -> None:
    def look(s: float) -> list[Sighting]:
        return [] if s % 20 > 12 else [car(1 + int(s / 20), 0.7 + 0.004 * (round(s * 5) % 2))]

    assert findings(engine_of(STOPPED), moments(120, look)) == []


def test_traffic_that_creeps_is_not_standing() -> None:
    assert findings(engine_of(STOPPED), moments(40, lambda s: [car(1, 0.3 + 0.0125 * s)])) == []


def test_a_standing_car_behind_passing_traffic_is_one_incident_over_two_tracks() -> None:
    def look(s: float) -> list[Sighting]:
        if 16 <= s < 19:
            return []
        return [car(3 if s < 16 else 4, min(0.7, 0.1 * s))]

    found = findings(engine_of(STOPPED), moments(26, look))
    assert words(found).count("incident.opened") == 1 and "incident.closed" not in words(found)
    assert incident(only(found, "incident.updated")[-1][1]).tracks == (3, 4)


def test_a_standing_car_whose_box_is_cut_for_a_second_has_not_left() -> None:
    def look(s: float) -> list[Sighting]:
        if 16 <= s < 17:
            return [sighting(3, Box(0.65, 0.6, 0.05, 0.1), Label.CAR)]
        return [car(3, min(0.7, 0.1 * s))]

    found = findings(engine_of(STOPPED), moments(24, look))
    assert words(found).count("incident.opened") == 1 and "incident.closed" not in words(found)


def test_the_incident_closes_when_the_car_drives_on_with_the_end_of_its_stop() -> None:
    found = findings(
        engine_of(STOPPED),
        moments(30, lambda s: [car(3, min(0.6, 0.1 * s))] if s < 18 else [car(3, min(2.0, 0.6 + 0.05 * (s - 18)))]),
    )
    ((at_s, closed),) = only(found, "incident.closed")
    data = incident(closed)
    assert data.end_s is not None and 18 <= data.end_s <= 21
    assert at_s - data.end_s == pytest.approx(5, abs=0.5)
    assert "stood in zone yard" in data.reason_en and "สิ้นสุดแล้ว" in data.reason_th


def test_a_car_missed_while_it_came_counts_as_come_when_pixels_changed_there() -> None:
    def view(with_motion: bool) -> list[str]:
        engine = engine_of(STOPPED)
        found: list[str] = []
        for index in range(5 * 40):
            at_s = index / 5
            seen = [car(1, 0.7)] if at_s >= 20 else []
            regions = [Box(0.6, 0.5, 0.2, 0.3)] if with_motion and 19 < at_s < 21 else []
            moment = Moment(round(at_s * NS_PER_S), seen, 0.01 if regions else 0.0, regions)
            found += [finding.type for finding in engine.update(moment) if "opened" in finding.type]
        return found

    assert len(view(with_motion=True)) == 1
    assert view(with_motion=False) == []


def test_two_intruders_are_one_incident_that_names_both() -> None:
    def look(s: float) -> list[Sighting]:
        return [sighting(1, standing(0.7, 0.9))] + ([sighting(2, standing(0.9, 0.9))] if s >= 2 else [])

    found = findings(engine_of(INTRUSION), moments(8, look))
    assert words(found) == ["incident.opened", "incident.updated"]
    updated = incident(only(found, "updated")[0][1])
    assert updated.tracks == (1, 2) and "2 people are inside" in updated.reason_en


def test_a_masked_part_of_the_picture_is_never_looked_at() -> None:
    masked = INTRUSION + "\n[[mask]]\npolygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]"
    assert findings(engine_of(masked), moments(5, lambda _s: [sighting(1, standing(0.75, 0.9))])) == []


def test_a_track_that_goes_over_to_a_doubtful_box_of_a_waiting_car_has_not_stopped() -> None:
    def look(s: float) -> list[Sighting]:
        box = standing(min(0.7, 0.1 * s), 0.7, width=0.1, height=0.1)
        return [Sighting(3, Label.CAR, box, 0.7 if s < 6.5 else 0.25)]

    assert findings(engine_of(STOPPED), moments(30, look)) == []


def test_a_waiting_car_whose_box_swells_with_what_passes_before_it_has_not_driven() -> None:
    def look(s: float) -> list[Sighting]:
        width = 0.1 if int(s) % 4 else 0.3
        return [Sighting(3, Label.CAR, Box(0.6, 0.6, width, 0.1 + width / 2), 0.7)]

    assert findings(engine_of(STOPPED), moments(60, look)) == []


def test_nobody_is_an_intruder_on_doubtful_boxes_alone() -> None:
    found = findings(engine_of(INTRUSION), moments(10, lambda _s: [Sighting(1, Label.PERSON, standing(0.7, 0.9), 0.3)]))
    assert found == []


def test_a_car_parked_from_the_start_is_not_reported_when_it_drives_off() -> None:
    found = findings(engine_of(STOPPED), moments(30, lambda s: [car(3, 0.6 + max(0.0, 0.1 * (s - 20)))]))
    assert found == []


def test_two_cars_that_pass_one_place_after_each_other_are_not_one_that_stands() -> None:
    def look(s: float) -> list[Sighting]:
        return [car(2 + int(s / 9), 0.7)] if s % 9 < 0.5 else [car(1, 0.1 * (s % 9))] if s > 12 else []

    engine = engine_of(STOPPED)
    found: list[str] = []
    for index in range(5 * 60):
        moment = Moment(index * NS_PER_S // 5, look(index / 5), 0.01, [Box(0.6, 0.5, 0.2, 0.3)])
        found += [finding.type for finding in engine.update(moment) if "incident" in finding.type]
    assert found == []
