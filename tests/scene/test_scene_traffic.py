"""Flow, speed, queue and level of an approach, over tracks written as tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.contract.events import Level, TrafficData
from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label
from tests.scene.tracks import engine_of, findings, moments, only, sighting, standing

# 40 m of road across the picture, and 10 m down it.
METRES = """
[calibration]
points = [{ image = [0, 0], ground_m = [0, 0] }, { image = [1, 0], ground_m = [40, 0] },
          { image = [1, 1], ground_m = [40, 10] }, { image = [0, 1], ground_m = [0, 10] }]
"""
ROAD = """
[[zone]]
id = "road"
polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]
[[line]]
id = "stop"
points = [[0.5, 1], [0.5, 0]]
[[approach]]
id = "north-in"
name_en = "Northern road, inbound"
name_th = "ถนนเหนือ ขาเข้า"
zone = "road"
line = "stop"
direction = "forward"
"""


def car(track_id: int, x: float, label: Label = Label.CAR) -> Sighting:
    return sighting(track_id, standing(x, 0.5, width=0.08, height=0.1), label)


def flowing(s: float, *, every_s: float, pass_s: float) -> list[Sighting]:
    """A vehicle each `every_s` that takes `pass_s` across the picture, from left to right."""
    first = max(0, int((s - pass_s) // every_s))
    seen = [(number, (s - number * every_s) / pass_s) for number in range(first, int(s // every_s) + 1)]
    return [car(number + 1, x, Label.BUS if number % 3 == 0 else Label.CAR) for number, x in seen if 0 <= x <= 1]


def told(text: str, seconds: float, look: Callable[[float], list[Sighting]]) -> list[tuple[float, TrafficData]]:
    found = only(findings(engine_of(text), moments(seconds, look)), "traffic")
    return [(at_s, data) for at_s, data in found if isinstance(data, TrafficData)]


def test_a_minute_of_traffic_is_told_with_its_flow_speed_and_headway() -> None:
    # 40 m in 3.6 s are 40 km/h.
    *_, (at_s, data) = told(ROAD + METRES, 130, lambda s: flowing(s, every_s=6, pass_s=3.6))
    assert data.approach == "north-in" and data.name_th == "ถนนเหนือ ขาเข้า"
    assert sum(data.flow.values()) == pytest.approx(10, abs=1) and data.flow["bus"] == pytest.approx(3, abs=1)
    assert data.speed_kmh == pytest.approx(40, abs=3) and data.headway_s == pytest.approx(6.0, abs=0.3)
    assert data.level is Level.FREE and data.queue_vehicles == 0 and data.end_s <= at_s


@pytest.mark.parametrize(("kmh", "level"), [(45, Level.FREE), (20, Level.BUSY), (8, Level.JAMMED)])
def test_the_level_is_the_median_speed_against_the_free_one(kmh: float, level: Level) -> None:
    pass_s = 40 / (kmh / 3.6)
    *_, (_, data) = told(ROAD + METRES, 100, lambda s: flowing(s, every_s=5, pass_s=pass_s))
    assert data.level is level


def queue(s: float) -> list[Sighting]:
    return [car(number, min(0.1 * s, 0.8) - 0.12 * number) for number in range(6)]


def test_a_standing_queue_is_jammed_with_and_without_metres_and_its_length_only_with() -> None:
    *_, (_, data) = told(ROAD + METRES, 100, queue)
    assert data.level is Level.JAMMED and data.queue_vehicles == 6
    # Five gaps of 0.12 of 40 m, and the last one's own 7 m.
    assert data.queue_m == pytest.approx(31, abs=1)
    *_, (_, data) = told(ROAD, 100, queue)
    assert data.level is Level.JAMMED and data.queue_m is None and data.speed_kmh is None


def test_a_road_without_vehicles_is_free_and_one_where_something_unseen_moves_is_unknown() -> None:
    *_, (_, data) = told(ROAD, 70, lambda _s: [])
    assert data.level is Level.FREE and data.flow == {}
    moving = (
        Moment(round(i * NS_PER_S / 5), [], motion_ratio=0.1, regions=[Box(0.4, 0.4, 0.1, 0.1)]) for i in range(400)
    )
    *_, (_, unseen) = only(findings(engine_of(ROAD), moving), "traffic")
    assert isinstance(unseen, TrafficData) and unseen.level is Level.UNKNOWN


def test_a_change_of_level_is_told_within_seconds_and_a_slow_lorry_is_none() -> None:
    def look(s: float) -> list[Sighting]:
        return queue(s - 90) if s > 90 else flowing(s, every_s=5, pass_s=3.6)

    changes = [at_s for at_s, data in told(ROAD + METRES, 160, look) if data.level is Level.JAMMED]
    assert changes and changes[0] < 150


def test_after_a_blind_time_the_level_is_unknown_until_seen_anew() -> None:
    engine = engine_of(ROAD)
    findings(engine, moments(70, lambda _s: []))
    findings(engine, moments(1, lambda _s: [], start_s=400))
    assert [data.level for data in engine.traffic()] == [Level.UNKNOWN]
