"""One reason at a time for each second without footage."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.notices import Outage
from agent.recording.outages import OutageBook
from tests.recorder.playback import ANCHOR_WALL_NS, HandClock

S = 1_000_000_000


class Told:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.outages: list[Outage] = []
        self.book = OutageBook("c01", 1, self.outages.append, self.clock)

    def at(self, second: int) -> OutageBook:
        self.clock.past_ns = second * S
        return self.book

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Reason, begin and end in seconds since the process started; an end of 0 for one that lasts."""
        return [
            (
                outage.reason,
                (outage.start_wall_ns - ANCHOR_WALL_NS) // S,
                outage.end_wall_ns and (outage.end_wall_ns - ANCHOR_WALL_NS) // S,
            )
            for outage in self.outages
        ]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_camera_that_never_answered_is_missing_since_the_process_began(told: Told) -> None:
    told.at(5).begin("camera_unreachable", "")
    assert told.spans == [("camera_unreachable", 0, 0)]


def test_an_outage_begins_where_the_footage_ended_and_ends_where_it_begins_again(told: Told) -> None:
    told.book.recorded_until(ANCHOR_WALL_NS + 10 * S)
    told.at(15).begin("camera_stalled", "")
    told.at(20).end(ANCHOR_WALL_NS + 19 * S)
    assert told.spans == [("camera_stalled", 10, 0), ("camera_stalled", 10, 19)]
    assert told.book.current is None


def test_the_same_reason_again_is_told_once(told: Told) -> None:
    for second in (1, 2, 3):
        told.at(second).begin("camera_refused", "")
    assert told.spans == [("camera_refused", 0, 0)]


def test_another_reason_begins_where_the_last_one_ends(told: Told) -> None:
    told.at(5).begin("camera_unreachable", "")
    told.at(8).begin("camera_refused", "")
    told.at(9).end(ANCHOR_WALL_NS + 9 * S)
    assert told.spans == [
        ("camera_unreachable", 0, 0),
        ("camera_unreachable", 0, 8),
        ("camera_refused", 8, 0),
        ("camera_refused", 8, 9),
    ]


def test_footage_that_comes_without_an_outage_tells_nothing(told: Told) -> None:
    told.at(3).end(ANCHOR_WALL_NS + 3 * S)
    assert told.spans == []


STEP = st.tuples(st.sampled_from(["camera_unreachable", "camera_stalled", "disk_full", ""]), st.integers(1, 50))


@given(st.lists(STEP, max_size=30))
def test_told_outages_follow_each_other_without_overlap(steps: list[tuple[str, int]]) -> None:
    told, now = Told(), 0
    for reason, seconds in steps:
        now += seconds
        if reason:
            told.at(now).begin(reason, "")
        else:
            told.at(now).end(ANCHOR_WALL_NS + now * S)
            told.book.recorded_until(ANCHOR_WALL_NS + now * S)
    ended = [span for span in told.spans if span[2]]
    assert all(start < end for _, start, end in ended)
    assert all(before[2] <= after[1] for before, after in pairwise(ended))
