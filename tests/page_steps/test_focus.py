"""What somebody on a ladder is told while they turn a lens."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vision.sharpness import focus_score
from provisioning.page.steps.focus import FocusAdvice, FocusWatch

Luma = npt.NDArray[np.uint8]


def street() -> Luma:
    """A repeatable picture of hard and soft edges."""
    generator = np.random.default_rng(7)
    blocks = generator.integers(40, 200, (30, 40), np.uint8)
    return np.kron(blocks, np.ones((12, 12), np.uint8))


def blurred(luma: Luma, times: int) -> Luma:
    picture = luma.astype(np.float32)
    for _ in range(times):
        picture = (np.roll(picture, 1, 0) + np.roll(picture, -1, 0) + np.roll(picture, 1, 1) + 2 * picture) / 5
    return picture.astype(np.uint8)


def test_a_picture_scores_lower_the_more_it_is_blurred() -> None:
    scores = [focus_score(blurred(street(), times)) for times in (0, 1, 2, 4, 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 3 * scores[-1]


def test_a_darker_exposure_of_the_same_view_scores_alike() -> None:
    bright = street()
    dark = (bright * 0.5).astype(np.uint8)
    assert focus_score(dark) == pytest.approx(focus_score(bright), rel=0.05)


@pytest.mark.parametrize("shape", [(3, 3), (64, 96), (1080, 1920)])
def test_a_blank_wall_scores_nothing_at_any_size(shape: tuple[int, int]) -> None:
    for level in (0, 128, 255):
        assert focus_score(np.full(shape, level, np.uint8)) == 0


def test_only_the_middle_of_a_large_picture_counts() -> None:
    large = np.full((1080, 1920), 90, np.uint8)
    large[:40, :600] = street()[:40, :480].repeat(2, 1)[:, :600]
    assert focus_score(large) == 0


def follow(*scores: float) -> FocusWatch:
    watch = FocusWatch()
    for score in scores:
        for _ in range(5):
            watch.update(score)
    return watch


@pytest.mark.parametrize(
    ("scores", "advice"),
    [
        ((), FocusAdvice.TURN),
        ((100.0,), FocusAdvice.TURN),
        ((100.0, 200.0, 400.0), FocusAdvice.TURN),
        ((100.0, 400.0, 200.0), FocusAdvice.TURN_BACK),
        ((100.0, 400.0, 200.0, 390.0), FocusAdvice.SHARP),
        ((100.0, 400.0, 200.0, 390.0, 800.0), FocusAdvice.SHARP),
        ((100.0, 400.0, 200.0, 390.0, 800.0, 500.0), FocusAdvice.TURN_BACK),
    ],
)
def test_the_advice_follows_the_scores(scores: tuple[float, ...], advice: FocusAdvice) -> None:
    assert follow(*scores).advice is advice


def test_a_lorry_that_drives_through_is_no_best() -> None:
    watch = follow(100.0)
    for score in (900.0, 900.0, 100.0, 100.0, 100.0):
        watch.update(score)
    assert watch.best == 100.0


def test_another_view_starts_over() -> None:
    watch = follow(100.0, 400.0, 200.0)
    watch.start_over()
    assert (watch.best, watch.now, watch.advice) == (0.0, 0.0, FocusAdvice.TURN)


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_the_share_stays_between_nothing_and_all(scores: list[float]) -> None:
    watch = FocusWatch()
    for score in scores:
        watch.update(score)
        assert 0 <= watch.share <= 1
