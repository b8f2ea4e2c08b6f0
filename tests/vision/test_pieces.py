"""Pieces of a mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.pieces import find_pieces
from agent.vision.unrest import Unrest

Cells = npt.NDArray[np.uint8]
HEIGHT, WIDTH = 120, 160


def _cells(*rectangles: tuple[int, int, int, int]) -> Cells:
    cells = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x, y, w, h in rectangles:
        cells[y : y + h, x : x + w] = 4
    return cells


def _unrest(changed: Cells) -> Unrest:
    """Of a grey picture in which these cells have changed just now."""
    grey = np.full((HEIGHT, WIDTH), 100, np.uint8)
    unrest = Unrest(grey, 0)
    unrest.update(np.where(changed > 0, np.uint8(180), grey), 3 * NS_PER_S)
    return unrest


def _box(x: int, y: int, w: int, h: int) -> Box:
    return Box(x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT)


def test_what_changes_moves_and_the_rest_stands_largest_first() -> None:
    car, walker, bag = (10, 20, 30, 12), (60, 30, 5, 14), (100, 90, 8, 8)
    pieces = find_pieces(_cells(car, walker, bag), _unrest(_cells(walker, car)))
    assert pieces.regions == (_box(*car), _box(*walker))
    assert pieces.moving_px == 4 * (30 * 12 + 5 * 14)
    assert [piece.box for piece in pieces.standing] == [_box(*bag)]
    assert pieces.calm is not None
    assert np.count_nonzero(pieces.calm) == 8 * 8


@pytest.mark.parametrize(("part", "moves"), [(0.0, False), (0.4, False), (0.5, True), (1.0, True)])
def test_a_piece_moves_when_half_of_it_changes(part: float, moves: bool) -> None:
    whole = (40, 40, 20, 10)
    pieces = find_pieces(_cells(whole), _unrest(_cells((40, 40, round(20 * part), 10))))
    assert bool(pieces.regions) is moves
    assert (pieces.calm is None) is moves


@pytest.mark.parametrize(("pixels", "is_seen"), [(19, False), (20, True)])
def test_what_is_smaller_than_a_person_far_away_is_no_region_but_counts(pixels: int, is_seen: bool) -> None:
    cells = _cells((50, 50, 6, 1))
    cells[50, 50:56] = [4, 4, 4, 4, pixels - 16 - 1, 1]
    pieces = find_pieces(cells, _unrest(cells))
    assert bool(pieces.regions) is is_seen
    assert pieces.moving_px == pixels


def test_at_most_sixteen_regions_are_told() -> None:
    cells = _cells(*((8 * column, 10 * row, 4, 3 + row) for row in range(3) for column in range(8)))
    pieces = find_pieces(cells, _unrest(cells))
    assert len(pieces.regions) == 16
    assert [round(box.h * HEIGHT) for box in pieces.regions] == [5] * 8 + [4] * 8
