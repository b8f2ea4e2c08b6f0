"""Boxes of the frames between two analysed ones."""

from __future__ import annotations

import pytest

from agent.drawing.between import between
from agent.scene.moment import Sighting
from agent.vision.geometry import Box, Label


def sighting(track_id: int, x: float) -> Sighting:
    return Sighting(track_id, Label.CAR, Box(x, 0.5, 0.1, 0.1), 0.9)


def test_a_box_goes_straight_from_one_analysed_frame_to_the_next() -> None:
    (found,) = between([sighting(1, 0.1)], 0, [sighting(1, 0.5)], 200, 50)
    assert found.box.x == pytest.approx(0.2) and found.box.w == pytest.approx(0.1)


def test_the_analysed_frame_itself_has_all_its_boxes() -> None:
    after = [sighting(1, 0.5), sighting(2, 0.7)]
    assert between([sighting(1, 0.1)], 0, after, 200, 200) == after


def test_nobody_saw_a_track_that_is_new_before_its_first_frame() -> None:
    assert between([], 0, [sighting(2, 0.7)], 200, 100) == []
