"""Where the fire model looks, how often, and where in the picture its answer lies. Its scores are played here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from agent.errors import ModelError
from agent.units import NS_PER_S
from agent.vision.fire import FireModel, FireWatch
from agent.vision.flame_sight import Burning, FlameSight
from agent.vision.model import ModelFacts
from agent.vision.motion import HEIGHT_PX, WIDTH_PX

Luma = npt.NDArray[np.uint8]
RNG = np.random.default_rng(11)
WIDE, HIGH = 1280, 720


@dataclass(slots=True)
class PlayedSession:
    """Answers each look with the cells that are set; remembers how much of the input was picture."""

    outputs: tuple[str, ...] = ("burning",)
    facts: ModelFacts = field(default_factory=lambda: ModelFacts("fire-416", "0" * 64, "CPU"))
    cells: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((1, 2, 52, 52), np.float32))
    looks: int = 0

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> list[npt.NDArray[np.float32]]:
        assert inputs["images"].shape == (1, 3, 416, 416)
        self.looks += 1
        return [self.cells]


@dataclass(frozen=True, slots=True)
class Shot:
    """A decoded frame of 720p."""

    def bgr(self) -> npt.NDArray[np.uint8]:
        return np.full((HIGH, WIDE, 3), 90, np.uint8)


@pytest.fixture
def session() -> PlayedSession:
    return PlayedSession()


@pytest.fixture
def watch(session: PlayedSession) -> FireWatch:
    return FireWatch(FireModel(session))  # type: ignore[arg-type]


def still() -> Luma:
    return np.full((HEIGHT_PX, WIDTH_PX), 80, np.uint8)


def flickering(x: float = 0.5, y: float = 0.5) -> Luma:
    picture = still()
    top, left = round(y * HEIGHT_PX), round(x * WIDTH_PX)
    picture[top : top + 20, left : left + 20] = RNG.integers(120, 250)
    return picture


def watched(watch: FireWatch, seconds: float, x: float = 0.5, *, flickers: bool = True) -> list[tuple[FlameSight, ...]]:
    """What each look brought, at five analysed pictures a second."""
    looks = []
    for number in range(round(seconds * 5)):
        luma = flickering(x) if flickers else still()
        sights = watch.update(Shot(), luma, number * NS_PER_S // 5)
        if sights is not None:
            looks.append(sights)
    return looks


def test_nothing_that_is_still_is_looked_at(watch: FireWatch, session: PlayedSession) -> None:
    assert watched(watch, 10, flickers=False) == []
    assert session.looks == 0


def test_what_flickers_is_looked_at_once_a_second_and_twice_where_it_looked_like_fire(
    watch: FireWatch, session: PlayedSession
) -> None:
    assert 8 <= len(watched(watch, 10)) <= 11
    session.cells[0, 0, 20:23, 20:23] = 0.9
    again = FireWatch(FireModel(session))  # type: ignore[arg-type]
    assert 12 <= len(watched(again, 10)) <= 21


def test_an_answer_lies_where_the_look_was(watch: FireWatch, session: PlayedSession) -> None:
    # A square crop of half the picture's height around the place at (0.5 + 10 px, 0.5 + 10 px); its middle burns.
    session.cells[0, 0, 24:28, 24:28] = 0.8
    (sight, *_) = watched(watch, 2)[-1]
    assert sight.kind is Burning.FIRE and sight.score == pytest.approx(0.8)
    assert sight.box.centre == (pytest.approx(0.53, abs=0.04), pytest.approx(0.54, abs=0.06))
    assert sight.box.w * WIDE == pytest.approx(4 / 52 * 360, rel=0.3)
    assert sight.flicker > 2


def test_a_look_at_the_border_stays_inside_the_picture(watch: FireWatch, session: PlayedSession) -> None:
    session.cells[0, 1, :, :] = 0.9
    for looks in watched(watch, 4, x=0.93):
        for sight in looks:
            assert sight.kind is Burning.SMOKE
            assert sight.box.x >= -1e-6 and sight.box.right <= 1 + 1e-6 and sight.box.bottom <= 1 + 1e-6


def test_single_cells_and_faint_ones_are_nothing(watch: FireWatch, session: PlayedSession) -> None:
    session.cells[0, 0, 30, 30] = 0.9
    session.cells[0, 0, 10:14, 10:14] = 0.25
    assert set(watched(watch, 4)) == {()}


def test_a_model_with_other_outputs_is_refused(session: PlayedSession) -> None:
    session.outputs = ("boxes",)
    with pytest.raises(ModelError, match="burning"):
        FireModel(session)  # type: ignore[arg-type]
