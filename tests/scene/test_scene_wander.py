"""What stirs where it is is no motion; what goes, is large or is a person is."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from agent.scene.wander import Wander
from agent.units import NS_PER_S
from agent.vision.geometry import Box

_RATE_FPS = 5


def going(
    seconds: float, regions: Callable[[float], list[Box]], people: Callable[[float], list[Box]] | None = None
) -> list[float]:
    """The times, in seconds, of the frames in which something was motion."""
    wander, found = Wander(aspect=4 / 3), []
    for number in range(round(seconds * _RATE_FPS)):
        at_s = number / _RATE_FPS
        if wander.update(round(at_s * NS_PER_S), regions(at_s), people(at_s) if people else []):
            found.append(at_s)
    return found


def twig(at_s: float, x: float, y: float) -> Box:
    return Box(x + 0.025 * math.sin(5 * at_s), y + 0.01 * math.cos(7 * at_s), 0.05, 0.06)


def test_leaves_that_sway_are_no_motion_however_long() -> None:
    assert going(60, lambda at_s: [twig(at_s, 0.5, 0.2), twig(at_s + 1, 0.85, 0.7)]) == []


def test_who_walks_is_motion_after_a_second_and_a_half_and_from_the_beginning_of_the_way() -> None:
    wander = Wander(aspect=4 / 3)
    found = {}
    for number in range(20):
        # 1.4 m a second; the person is 0.17 of the picture high.
        regions = wander.update(number * NS_PER_S // 5, [Box(0.2 + 0.021 * number, 0.5, 0.045, 0.17)], [])
        if regions:
            found[number / 5] = regions[0].since_ns / NS_PER_S
    first_s = min(found)
    assert first_s <= 1.6 and found[first_s] == 0.0 and max(found) == 3.8


def test_a_car_that_leaps_over_more_than_its_own_length_between_frames_is_motion() -> None:
    assert going(1, lambda at_s: [Box(0.05 + 0.9 * at_s, 0.5, 0.1, 0.08)])[0] <= 0.6


def test_what_fills_much_of_the_picture_is_motion_at_once() -> None:
    assert going(0.4, lambda _: [Box(0.4, 0.2, 0.2, 0.2)]) == [0.0, 0.2]


def test_a_person_who_stirs_on_the_spot_is_motion() -> None:
    body = Box(0.4, 0.4, 0.08, 0.25)
    assert going(2, lambda at_s: [twig(at_s, 0.41, 0.5)], lambda _: [body]) == [n / 5 for n in range(10)]


def test_somebody_who_passes_behind_leaves_is_motion_and_the_leaves_are_not() -> None:
    def both(at_s: float) -> list[Box]:
        walker = [Box(0.1 + 0.1 * at_s, 0.5, 0.045, 0.17)] if 4 <= at_s < 8 else []
        return [twig(at_s, 0.3, 0.1), twig(at_s, 0.7, 0.9), *walker]

    found = going(20, both)
    assert 5 <= min(found) <= 6 and max(found) < 8


@given(
    st.lists(st.lists(st.builds(Box, *[st.floats(0, 0.9)] * 2, *[st.floats(0.001, 0.1)] * 2), max_size=4), max_size=30)
)
def test_what_goes_is_among_what_was_given_and_began_within_two_seconds(frames: list[list[Box]]) -> None:
    wander = Wander(aspect=16 / 9)
    for number, regions in enumerate(frames):
        now_ns = number * NS_PER_S // 5
        for each in wander.update(now_ns, regions, []):
            assert each.box in regions and now_ns - 2 * NS_PER_S <= each.since_ns <= now_ns
