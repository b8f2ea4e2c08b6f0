"""From the picture to metres: the plane of the ground points, and speeds over it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.scene.grammar import Calibration, GroundPoint
from agent.scene.ground import Ground
from agent.scene.moment import Moment
from agent.scene.speed import Speeds
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label
from tests.scene.tracks import sighting

# A camera 6 m up that looks along y, pitched 20 degrees down, focal length one picture height: pixel (u, v) of (x, y).
_HEIGHT_M, _PITCH = 6.0, math.radians(20)


def pictured(x_m: float, y_m: float) -> tuple[float, float]:
    depth = y_m * math.cos(_PITCH) + _HEIGHT_M * math.sin(_PITCH)
    down = _HEIGHT_M * math.cos(_PITCH) - y_m * math.sin(_PITCH)
    return 0.5 + x_m / depth, 0.5 + down / depth


def calibration(*places: tuple[float, float], offset_m: float = 0.0) -> Calibration:
    return Calibration(
        points=[GroundPoint(image=pictured(x, y), ground_m=(x + offset_m, y + offset_m)) for x, y in places]
    )


CORNERS = ((-4.0, 12.0), (4.0, 12.0), (5.0, 30.0), (-5.0, 30.0))


@given(st.floats(-6, 6), st.floats(10, 40))
def test_a_place_on_the_ground_is_found_again_from_its_picture(x_m: float, y_m: float) -> None:
    found = Ground(calibration(*CORNERS)).at(*pictured(x_m, y_m))
    assert found is not None
    assert found.x_m == pytest.approx(x_m, abs=0.01) and found.y_m == pytest.approx(y_m, abs=0.01)


def test_metres_of_a_map_grid_lose_no_digits() -> None:
    found = Ground(calibration(*CORNERS, offset_m=760_000.0)).at(*pictured(1.0, 20.0))
    assert found is not None and found.x_m == pytest.approx(760_001.0, abs=0.01)


def test_the_sky_is_no_ground() -> None:
    assert Ground(calibration(*CORNERS)).at(0.5, 0.01) is None


def test_five_points_that_do_not_quite_agree_give_the_plane_between_them() -> None:
    points = list(calibration(*CORNERS, (0.0, 20.0)).points)
    points[4] = GroundPoint(image=points[4].image, ground_m=(0.0, 20.4))
    found = Ground(Calibration(points=points)).at(*pictured(0.0, 20.0))
    assert found is not None and 20.0 < found.y_m < 20.4


def test_a_vehicle_of_36_km_h_is_measured_as_such_though_its_box_jitters() -> None:
    speeds = Speeds(Ground(calibration(*CORNERS)))
    for index in range(10):
        at_s = index / 5
        x, y = pictured(1.0 + (0.1 if index % 2 else -0.1), 12.0 + 10.0 * at_s)
        moment = Moment(round(at_s * NS_PER_S), [sighting(1, Box(x - 0.05, y - 0.1, 0.1, 0.1), Label.CAR)])
        speeds.update(moment)
    assert speeds.kmh(1) == pytest.approx(36.0, abs=1.5)


def test_without_ground_points_nobody_has_a_speed() -> None:
    speeds = Speeds(None)
    speeds.update(Moment(0, [sighting(1, Box(0.5, 0.5, 0.1, 0.1), Label.CAR)]))
    assert speeds.kmh(1) is None
