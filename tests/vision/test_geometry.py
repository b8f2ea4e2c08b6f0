"""Boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vision.geometry import Box, Label, clip, intersection, iou

_SIDE = st.floats(0.001, 1.0)
_PLACE = st.floats(-0.5, 1.5)
boxes = st.builds(Box, _PLACE, _PLACE, _SIDE, _SIDE)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_between_nothing_and_all(a: Box, b: Box) -> None:
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert intersection(a, b) <= min(a.area, b.area) + 1e-9


@given(boxes)
def test_a_box_overlaps_itself_wholly(box: Box) -> None:
    assert iou(box, box) == pytest.approx(1)


@given(st.builds(Box, st.floats(0, 0.9), st.floats(0, 0.9), _SIDE, _SIDE))
def test_a_clipped_box_lies_in_the_picture(box: Box) -> None:
    cut = clip(box)
    assert cut.x >= 0
    assert cut.y >= 0
    assert cut.right <= 1 + 1e-9
    assert cut.bottom <= 1 + 1e-9
    assert min(cut.w, cut.h) >= 0


@given(boxes)
def test_a_box_outside_the_picture_keeps_no_negative_size(box: Box) -> None:
    assert clip(box).w >= 0
    assert clip(box).h >= 0


def test_a_thing_stands_on_the_middle_of_its_lower_edge() -> None:
    assert Box(0.2, 0.1, 0.2, 0.5).foot == pytest.approx((0.3, 0.6))


def test_labels_are_the_words_of_the_wire() -> None:
    assert [label.value for label in Label] == ["person", "bicycle", "car", "motorcycle", "bus", "truck"]
    assert [label for label in Label if not label.is_vehicle] == [Label.PERSON]
