"""What the camera's own view is measured to be, on pictures of a made street."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from agent.units import NS_PER_S
from agent.vision.motion import HEIGHT_PX, WIDTH_PX
from agent.vision.view import View
from agent.vision.view_facts import ViewFacts

Luma = npt.NDArray[np.uint8]
RNG = np.random.default_rng(20261123)


def street(offset_px: int = 0) -> Luma:
    """Houses with windows over a road with stripes: a hard edge every few pixels, as a real street has."""
    picture = np.full((HEIGHT_PX, WIDTH_PX + 400), 120, np.uint8)
    layout = np.random.default_rng(5)
    for _ in range(260):
        x, y = int(layout.integers(0, WIDTH_PX + 380)), int(layout.integers(0, HEIGHT_PX - 12))
        wide, high = int(layout.integers(4, 40)), int(layout.integers(4, 30))
        picture[y : y + high, x : x + wide] = int(layout.integers(20, 235))
    return picture[:, offset_px : offset_px + WIDTH_PX].copy()


def noisy(picture: Luma, sigma: float = 2.0) -> Luma:
    return np.clip(picture + RNG.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


STREET = street()


def seen_for(view: View, seconds: float, picture: Callable[[], Luma], *, from_s: float = 0.0) -> ViewFacts:
    facts = None
    for number in range(round(seconds * 5)):
        facts = view.look(picture(), round((from_s + number / 5) * NS_PER_S)) or facts
    assert facts is not None
    return facts


@pytest.fixture
def view() -> View:
    """One that has known the street for twelve seconds."""
    known = View()
    assert seen_for(known, 12, lambda: noisy(STREET)).is_known
    return known


def after(view: View, picture: Callable[[], Luma]) -> ViewFacts:
    return seen_for(view, 4, picture, from_s=12)


def test_a_view_is_known_after_some_seconds_and_looked_at_twice_a_second() -> None:
    view = View()
    looks = [view.look(noisy(STREET), number * NS_PER_S // 5) for number in range(50)]
    taken = [look for look in looks if look is not None]
    assert 15 <= len(taken) <= 20
    assert not taken[0].is_known and taken[-1].is_known


def test_the_same_street_has_everything_where_it_was(view: View) -> None:
    facts = after(view, lambda: noisy(STREET))
    assert facts.gone_ratio == 0 and facts.blocks > 40
    assert facts.sharpness_ratio == pytest.approx(1, abs=0.1)
    assert not facts.is_same


@pytest.mark.parametrize(
    "light",
    [lambda: noisy((STREET * 0.3).astype(np.uint8)), lambda: noisy(STREET // 4 + 150), lambda: noisy(STREET, 12)],
    ids=["dusk", "fog", "gain"],
)
def test_light_fog_and_noise_move_and_blur_nothing(view: View, light: Callable[[], Luma]) -> None:
    facts = after(view, light)
    assert facts.gone_ratio < 0.1
    assert facts.sharpness_ratio > 0.85


def test_a_turned_camera_has_lost_its_view_and_another_stands_there(view: View) -> None:
    facts = after(view, lambda: noisy(street(90)))
    assert facts.gone_ratio > 0.9
    assert len(facts.standing) > 0.9 * len(facts.gone)
    assert facts.detail_ratio > 0.7


def test_what_hangs_before_the_lens_hides_its_own_blocks_only(view: View) -> None:
    covered = STREET.copy()
    covered[:, WIDTH_PX // 2 :] = 90
    facts = after(view, lambda: noisy(covered))
    assert facts.gone_ratio == pytest.approx(0.5, abs=0.1)
    assert all(block.x >= 0.49 for block in facts.gone)


def test_a_lens_out_of_focus_has_shallow_edges_in_their_places(view: View) -> None:
    facts = after(view, lambda: noisy(cv2.GaussianBlur(STREET, (0, 0), 2.5)))
    assert facts.sharpness_ratio < 0.55
    assert facts.gone_ratio < 0.5


def test_a_frozen_picture_is_the_same_to_the_pixel(view: View) -> None:
    frozen = noisy(STREET)
    assert after(view, lambda: frozen).is_same


def test_the_dark_has_neither_light_nor_contrast(view: View) -> None:
    facts = after(view, lambda: noisy(np.full_like(STREET, 6), 1.0))
    assert facts.level < 10 and facts.spread < 10 and facts.usual_level > 100


def test_a_new_view_is_the_usual_one_in_the_end_and_not_within_ten_minutes(view: View) -> None:
    turned = street(90)
    gone = []
    for second in range(20, 2 * 3600, 10):
        facts = view.look(turned, second * NS_PER_S)
        assert facts is not None
        gone.append(facts.gone_ratio)
    assert gone[58] > 0.7 and gone[-1] < 0.1


def test_a_film_that_is_cut_in_its_first_seconds_begins_anew() -> None:
    view = View()
    seen_for(view, 4, lambda: noisy(STREET))
    facts = seen_for(view, 10, lambda: noisy(street(90)), from_s=4)
    assert facts.is_known and facts.gone_ratio == 0
