"""Which pixels still change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from agent.units import NS_PER_S
from agent.vision.unrest import Unrest

WHOLE = np.s_[0:6, 0:8]
DAY_S = 86_400


def _grey(level: int = 100, spot: int | None = None) -> npt.NDArray[np.uint8]:
    luma = np.full((6, 8), level, np.uint8)
    if spot is not None:
        luma[2, 3] = spot
    return luma


def _at(seconds: float) -> int:
    return round(seconds * NS_PER_S)


@pytest.mark.parametrize("begun_s", [0.0, 1_000.5, 1.7e9])
def test_a_pixel_is_restless_for_two_seconds_after_it_changed(begun_s: float) -> None:
    unrest = Unrest(_grey(), _at(begun_s))
    assert not unrest.restless(WHOLE).any()
    unrest.update(_grey(spot=150), _at(begun_s + 1))
    assert np.argwhere(unrest.restless(WHOLE)).tolist() == [[2, 3]]
    unrest.update(_grey(spot=150), _at(begun_s + 2.9))
    assert unrest.restless(WHOLE)[2, 3]
    unrest.update(_grey(spot=150), _at(begun_s + 3.1))
    assert not unrest.restless(WHOLE).any()


def test_a_slow_change_adds_up_until_it_shows() -> None:
    unrest = Unrest(_grey(), 0)
    shown = []
    for step in range(1, 5):
        unrest.update(_grey(spot=100 + 5 * step), _at(10 * step))
        shown.append(bool(unrest.restless(WHOLE)[2, 3]))
    assert shown == [False, False, False, True]


def test_a_piece_stands_since_the_last_change_of_any_of_its_pixels() -> None:
    unrest = Unrest(_grey(), _at(5))
    unrest.update(_grey(level=140), _at(6))
    unrest.update(_grey(level=140, spot=30), _at(7.25))
    part = np.s_[1:4, 2:6]
    piece = np.ones((3, 4), np.bool_)
    assert unrest.stands_since_ns(part, piece) == _at(7.25)
    piece[1, 1] = False
    assert unrest.stands_since_ns(part, piece) == _at(6)


def test_a_camera_that_runs_for_a_month_keeps_its_times() -> None:
    unrest = Unrest(_grey(), 0)
    for day in range(1, 31):
        unrest.update(_grey(), _at(day * DAY_S))
        assert not unrest.restless(WHOLE).any()
    unrest.update(_grey(spot=150), _at(30 * DAY_S + 1))
    unrest.update(_grey(spot=150), _at(60 * DAY_S))
    spot = np.zeros((6, 8), np.bool_)
    spot[2, 3] = True
    # Beyond twelve days it only matters that it is long ago.
    assert unrest.stands_since_ns(WHOLE, spot) <= _at(60 * DAY_S - 12 * DAY_S)
    unrest.update(_grey(), _at(60 * DAY_S + 2))
    assert np.argwhere(unrest.restless(WHOLE)).tolist() == [[2, 3]]
