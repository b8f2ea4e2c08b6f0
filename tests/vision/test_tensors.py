"""From a detector's numbers to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from agent.vision.tensors import BINS, cell_centres, expected_distances, group_of, suppress


@pytest.mark.parametrize("bin_index", range(BINS))
def test_a_certain_bin_is_that_many_strides_away(bin_index: int) -> None:
    raw = np.full((1, 4 * BINS), -50, np.float32)
    raw[0, bin_index::BINS] = 50
    assert expected_distances(raw, 16)[0] == pytest.approx([bin_index * 16.0] * 4)


def test_an_undecided_side_is_the_mean_of_its_bins() -> None:
    assert expected_distances(np.zeros((1, 4 * BINS), np.float32), 8)[0] == pytest.approx([40.0] * 4)


def test_cells_are_counted_row_by_row_from_their_centres() -> None:
    x, y = cell_centres(np.array([0, 1, 52, 2703]), 8, 416)
    assert x.tolist() == [4, 12, 4, 412]
    assert y.tolist() == [4, 4, 12, 412]


@pytest.mark.parametrize(
    ("groups", "kept"),
    [([0, 0, 0], [1, 2]), ([0, 1, 0], [1, 2, 0]), ([0, 1, 1], [1, 2, 0])],
    ids=["one group", "the covered one is of another group", "only the far one shares the group"],
)
def test_the_better_of_two_boxes_on_one_object_survives(groups: list[int], kept: list[int]) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)
    assert suppress(boxes, scores, np.array(groups), 0.6) == kept


def test_nothing_found_is_nothing_kept() -> None:
    assert suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp), 0.6) == []


def test_classes_of_a_family_compete() -> None:
    groups = group_of(np.array([0, 2, 5, 7, 3]), [frozenset({2, 5, 7})])
    assert groups.tolist() == [0, 2, 2, 2, 3]
