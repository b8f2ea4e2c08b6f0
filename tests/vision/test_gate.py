"""When the detector runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.units import NS_PER_S
from agent.vision.gate import Evidence, FirstGate, should_detect


def _at(at_s: float) -> int:
    return round(at_s * NS_PER_S)


def _ns(at_s: float | None) -> int | None:
    return None if at_s is None else _at(at_s)


@pytest.mark.parametrize(
    ("now_s", "moved_s", "detected_s", "has_tracks", "runs"),
    [
        (0.0, None, None, False, True),
        (100.0, 100.0, 99.8, False, True),
        (100.0, 98.1, 99.8, False, True),
        (100.0, 97.9, 99.8, False, False),
        (100.0, None, 99.8, True, False),
        (100.0, None, 99.5, True, True),
        (100.0, 50.0, 99.4, True, True),
        (100.0, None, 99.0, False, False),
        (100.0, None, 95.1, False, False),
        (100.0, None, 95.0, False, True),
    ],
    ids=[
        "the first frame is always looked at",
        "something moves",
        "motion paused a moment ago",
        "motion ended long ago",
        "what stands is not looked at on every frame",
        "what stands is looked at twice a second",
        "and so it stays after it stopped",
        "an empty, still scene is left alone",
        "almost long enough",
        "an idle look now and then",
    ],
)
def test_the_detector_runs(
    now_s: float, moved_s: float | None, detected_s: float | None, has_tracks: bool, runs: bool
) -> None:
    evidence = Evidence(round(now_s * NS_PER_S), _ns(moved_s), _ns(detected_s), has_tracks)
    assert should_detect(evidence) is runs


@pytest.mark.parametrize(
    ("since_s", "is_quiet", "runs"), [(4.9, False, False), (5.0, False, True), (29.9, True, False), (30.0, True, True)]
)
def test_what_another_look_would_only_say_again_is_looked_at_seldom(since_s: float, is_quiet: bool, runs: bool) -> None:
    evidence = Evidence(_at(100.0), None, _at(100.0 - since_s), has_tracks=True, is_settled=True, is_quiet=is_quiet)
    assert should_detect(evidence) is runs


def test_what_is_on_foot_and_where_it_was_expected_is_looked_at_two_and_a_half_times_a_second() -> None:
    detected_ns, runs = 0, 0
    for frame in range(1, 301):
        now_ns = frame * NS_PER_S // 5
        if should_detect(Evidence(now_ns, now_ns, detected_ns, has_tracks=True, is_foretold=True)):
            detected_ns, runs = now_ns, runs + 1
    assert runs == 150


def test_over_a_still_minute_with_an_unsettled_track_the_detector_runs_twice_a_second() -> None:
    detected_ns, runs = 0, 0
    for frame in range(1, 301):
        now_ns = frame * NS_PER_S // 5
        if should_detect(Evidence(now_ns, None, detected_ns, has_tracks=True)):
            detected_ns, runs = now_ns, runs + 1
    # At 5 fps every third frame is the first that lies half a second after the last look.
    assert runs == 100


def test_the_first_gate_is_open_while_seeing_learns_and_after_each_change_and_lets_a_heartbeat_through() -> None:
    gate = FirstGate(0)
    admitted = [at_s for at_s in range(60) if gate.admits(_at(at_s))]
    assert admitted == [*range(21), *range(24, 60, 4)]
    gate.stir(_at(60))
    assert [at_s for at_s in range(60, 80) if gate.admits(_at(at_s))] == [*range(60, 71), 74, 78]


@given(st.lists(st.tuples(st.floats(0.02, 4.0), st.booleans()), min_size=1, max_size=80))
def test_no_picture_within_ten_seconds_of_a_change_is_passed_over(steps: list[tuple[float, bool]]) -> None:
    gate, at_s, stirred_s = FirstGate(0), 0.0, 0.0
    for step_s, stirs in steps:
        at_s += step_s
        if stirs:
            gate.stir(_at(at_s))
            stirred_s = at_s
        if not gate.admits(_at(at_s)):
            assert at_s - stirred_s > 9.999
