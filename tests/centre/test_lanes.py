"""What has arrived of a node's lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.centre.acks import NumberRange
from agent.centre.lanes import Arrival, LaneBook
from agent.contract.envelope import WirePosition
from agent.contract.events import Lane

EPOCH = "01939f3e-8a5b-7c3d-9e1f-0123456789ab"
LATER = "01939f3f-8a5b-7c3d-9e1f-0123456789ab"


def numbers(holes: tuple[NumberRange, ...]) -> list[int]:
    return [number for hole in holes for number in range(hole.first, hole.last + 1)]


def take(book: LaneBook, *sequences: int, lane: Lane = Lane.A, epoch: str = EPOCH) -> list[Arrival]:
    return [book.take(WirePosition(lane=lane, epoch=epoch, sequence=number)) for number in sequences]


@pytest.mark.parametrize(
    ("sequences", "acked", "holes"),
    [
        ((1, 2, 3), 3, []),
        ((1, 3), 1, [2]),
        ((2, 3), None, [1]),
        ((3, 1, 2), 3, []),
        ((1, 5, 3), 1, [2, 4]),
        ((1, 1, 1), 1, []),
    ],
)
def test_lane_a_is_acknowledged_up_to_its_first_hole(
    sequences: tuple[int, ...], acked: int | None, holes: list[int]
) -> None:
    book = LaneBook()
    take(book, *sequences)
    ack = book.ack(EPOCH)
    assert (None if ack is None else int(ack.a)) == acked
    assert numbers(book.holes(EPOCH, Lane.A)) == holes


def test_a_copy_is_known_before_and_after_the_hole_is_filled() -> None:
    book = LaneBook()
    assert take(book, 1, 3, 3, 2, 3, 1) == [
        Arrival.NEW,
        Arrival.NEW,
        Arrival.AGAIN,
        Arrival.NEW,
        Arrival.AGAIN,
        Arrival.AGAIN,
    ]


def test_lanes_and_epochs_count_for_themselves() -> None:
    book = LaneBook()
    take(book, 1, 2)
    take(book, 1, lane=Lane.B)
    take(book, 1, epoch=LATER)
    assert take(book, 2) == [Arrival.AGAIN]
    assert take(book, 2, lane=Lane.B) == [Arrival.NEW]
    assert take(book, 2, epoch=LATER) == [Arrival.NEW]
    assert book.ack("01939f40-8a5b-7c3d-9e1f-0123456789ab") is None


@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11), max_size=10))
def test_every_order_and_any_copies_end_in_the_same_ack(order: list[int], copies: list[int]) -> None:
    book = LaneBook()
    arrivals = take(book, *order, *copies)
    ack = book.ack(EPOCH)
    assert ack is not None
    assert int(ack.a) == 11
    assert book.holes(EPOCH, Lane.A) == ()
    assert arrivals.count(Arrival.NEW) == 11


@given(st.sets(st.integers(1, 40), min_size=1))
def test_what_is_acknowledged_has_arrived_and_what_is_missing_is_a_hole(arrived: set[int]) -> None:
    book = LaneBook()
    take(book, *sorted(arrived, reverse=True))
    ack = book.ack(EPOCH)
    whole = 0 if ack is None else int(ack.a)
    assert set(range(1, whole + 1)) <= arrived
    assert set(numbers(book.holes(EPOCH, Lane.A))) == set(range(1, max(arrived))) - arrived


def test_a_hole_of_any_size_costs_one_range() -> None:
    book = LaneBook()
    take(book, 2**62)
    assert book.holes(EPOCH, Lane.A) == (NumberRange(1, 2**62 - 1),)
