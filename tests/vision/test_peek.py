"""Whether a glance tells a change from noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from agent.units import NS_PER_S
from agent.vision.peek import HEIGHT_PX, WIDTH_PX, Peek

Glance = npt.NDArray[np.uint8]


def _yard(rng: np.random.Generator, noise: float = 0.5, light: float = 0.0) -> Glance:
    levels = np.linspace(40, 180, WIDTH_PX)[None, :] + light + rng.normal(0, noise, (HEIGHT_PX, WIDTH_PX))
    return np.asarray(np.clip(np.round(levels), 0, 255), np.uint8)


def _with_walker(glance: Glance, contrast: int, blocks: int = 2) -> Glance:
    shown = glance.astype(np.int16)
    shown[30 : 30 + blocks, 40 : 40 + blocks] += contrast
    return np.clip(shown, 0, 255).astype(np.uint8)


def _used_to(rng: np.random.Generator, noise: float, seconds: int = 60) -> Peek:
    peek = Peek()
    for frame in range(seconds * 5):
        peek.update(_yard(rng, noise), frame * NS_PER_S // 5)
        peek.was_still()
    return peek


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0, 4.0])
def test_noise_that_it_knows_is_no_change(noise: float) -> None:
    rng = np.random.default_rng(1)
    peek = _used_to(rng, noise)
    changes = sum(peek.update(_yard(rng, noise), (300 + frame) * NS_PER_S // 5) for frame in range(300))
    assert changes <= 3


@pytest.mark.parametrize(("noise", "contrast"), [(0.0, 6), (0.5, 12), (2.0, 40)])
def test_a_walker_on_four_blocks_is_a_change_and_asking_does_not_make_it_usual(noise: float, contrast: int) -> None:
    rng = np.random.default_rng(2)
    peek = _used_to(rng, noise)
    walker = _with_walker(_yard(rng, noise), contrast)
    assert peek.differs(walker) and peek.differs(walker)
    assert peek.update(walker, 61 * NS_PER_S)


def test_who_came_and_stands_is_still_a_change_against_the_usual_picture() -> None:
    rng = np.random.default_rng(3)
    peek = _used_to(rng, 0.5)
    changes = [peek.update(_with_walker(_yard(rng), 40), (60 + 2 * look) * NS_PER_S) for look in range(60)]
    assert all(changes[:5])
    assert sum(changes[-20:]) <= 2


def test_light_that_changes_alike_everywhere_is_no_change() -> None:
    rng = np.random.default_rng(4)
    peek = _used_to(rng, 0.5)
    assert not peek.update(_yard(rng, light=20), 61 * NS_PER_S)


def test_whoever_calls_a_crowd_still_does_not_blind_it() -> None:
    rng = np.random.default_rng(5)
    peek = Peek()
    for frame in range(300):
        peek.update(rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX), np.uint8), frame * NS_PER_S // 5)
        peek.was_still()
    for frame in range(300, 900):
        peek.update(_yard(rng), frame * NS_PER_S // 5)
        peek.was_still()
    assert peek.differs(_with_walker(_yard(rng), 60))
