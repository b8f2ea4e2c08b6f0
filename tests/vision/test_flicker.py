"""Which places are found restless."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from agent.units import NS_PER_S
from agent.vision.flicker import Flicker
from agent.vision.geometry import Box
from agent.vision.motion import HEIGHT_PX, WIDTH_PX

Luma = npt.NDArray[np.uint8]
RNG = np.random.default_rng(3)
FLAME = Box(0.5, 0.5, 0.08, 0.1)


def street() -> Luma:
    return np.clip(RNG.normal(90, 2, (HEIGHT_PX, WIDTH_PX)), 0, 255).astype(np.uint8)


def with_patch(picture: Luma, box: Box, level: int) -> Luma:
    top, left = round(box.y * HEIGHT_PX), round(box.x * WIDTH_PX)
    picture[top : top + round(box.h * HEIGHT_PX), left : left + round(box.w * WIDTH_PX)] = level
    return picture


def test_noise_and_a_lamp_are_not_restless() -> None:
    flicker = Flicker()
    for number in range(25):
        flicker.update(with_patch(street(), FLAME, 240), number * NS_PER_S // 5)
    assert flicker.spots(3) == ()


def test_what_changes_again_and_again_at_one_place_is() -> None:
    flicker = Flicker()
    for number in range(15):
        flicker.update(with_patch(street(), FLAME, int(RNG.integers(150, 250))), number * NS_PER_S // 5)
    (spot,) = flicker.spots(3)
    assert spot.box.x == pytest.approx(0.5, abs=0.04) and spot.box.w == pytest.approx(0.08, abs=0.05)
    assert flicker.at(FLAME) > 5 > 1 > flicker.at(Box(0.1, 0.1, 0.1, 0.1))


def test_a_car_that_passed_once_is_forgotten_within_seconds() -> None:
    flicker = Flicker()
    for number in range(40):
        x = number * 0.06
        picture = with_patch(street(), Box(x, 0.4, 0.2, 0.15), 20) if x < 0.8 else street()
        flicker.update(picture, number * NS_PER_S // 5)
    assert flicker.spots(3) == ()


def test_a_pause_in_the_stream_is_no_flicker() -> None:
    flicker = Flicker()
    flicker.update(np.full((HEIGHT_PX, WIDTH_PX), 40, np.uint8), 0)
    flicker.update(np.full((HEIGHT_PX, WIDTH_PX), 200, np.uint8), 60 * NS_PER_S)
    assert flicker.spots(3) == ()
