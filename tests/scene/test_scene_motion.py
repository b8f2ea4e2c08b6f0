"""Motion is told as closed spans."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.scene.motion_span import MotionSpan, MotionSpans, joined
from agent.units import NS_PER_S
from agent.vision.geometry import Box

REGION = Box(0.5, 0.5, 0.125, 0.125)
boxes = st.builds(Box, *[st.floats(0, 0.9)] * 2, *[st.floats(0.01, 0.5)] * 2)


def spans(moving: list[bool]) -> list[MotionSpan]:
    """What five frames a second, moving or not, are told as."""
    joiner, found = MotionSpans(), []
    for index, is_moving in enumerate(moving):
        span = joiner.update(index * NS_PER_S // 5, 0.02 if is_moving else 0.0, [REGION] if is_moving else [])
        found += [span] if span else []
    last = joiner.finish()
    return [*found, last] if last else found


def test_frames_less_than_two_seconds_apart_are_one_span() -> None:
    (span,) = spans([False] * 5 + [True] * 5 + [False] * 9 + [True] * 5 + [False] * 20)
    assert (span.begin_ns, span.end_ns) == (1 * NS_PER_S, round(4.6 * NS_PER_S))
    assert span.ratio == 0.02 and span.regions == (REGION,)


def test_more_than_two_quiet_seconds_part_two_spans() -> None:
    assert len(spans([True] * 5 + [False] * 12 + [True] * 5)) == 2


def test_a_single_changed_frame_is_no_motion() -> None:
    assert spans(([False] * 20 + [True]) * 5) == []


def test_a_street_that_never_rests_is_told_of_each_minute() -> None:
    found = spans([True] * (5 * 150))
    assert [round(span.begin_ns / NS_PER_S) for span in found] == [0, 60, 120]
    assert all(span.end_ns - span.begin_ns <= 60 * NS_PER_S for span in found)


@given(st.lists(st.booleans(), max_size=200))
def test_spans_follow_each_other_and_hold_every_run_of_motion(moving: list[bool]) -> None:
    found = spans(moving)
    assert all(a.end_ns < b.begin_ns for a, b in itertools.pairwise(found))
    assert all(span.begin_ns <= span.end_ns for span in found)
    for index, (one, two) in enumerate(itertools.pairwise(moving)):
        if one and two:
            at_ns = index * NS_PER_S // 5
            assert any(span.begin_ns <= at_ns <= span.end_ns for span in found)


@given(st.lists(boxes, max_size=30), st.integers(1, 8))
def test_joined_boxes_cover_all_of_them_and_are_few(given_boxes: list[Box], limit: int) -> None:
    result = joined(given_boxes, limit=limit)
    assert len(result) <= limit
    for box in given_boxes:
        assert any(
            one.x <= box.x + 1e-9
            and one.y <= box.y + 1e-9
            and one.x + one.w >= box.x + box.w - 1e-9
            and one.y + one.h >= box.y + box.h - 1e-9
            for one in result
        )
