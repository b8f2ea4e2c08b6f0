"""What the table of docs/accuracy.md is reckoned with."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.contract.events import Direction, IncidentKind
from agent.vision.geometry import Box
from tests.eval.assignment import assign
from tests.eval.counting import Crossed, ToldCrossing, compare
from tests.eval.footage import read_manifest, shared_dir
from tests.eval.incidents import Alarm, Expected, judge
from tests.eval.mot import Frame, score
from tests.eval.table import Group, Row, render
from tests.eval.trails import Trail, lay
from tests.eval.watching import SCENES, read_scene


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        elements=st.integers(0, 20).map(float),
    )
)
def test_no_other_assignment_is_cheaper(costs: np.ndarray) -> None:
    pairs = assign(costs)
    few, many = sorted(costs.shape)
    table = costs if costs.shape[0] == few else costs.T
    least = min(
        (
            sum(table[row, column] for row, column in enumerate(order))
            for order in itertools.permutations(range(many), few)
        ),
        default=0,
    )
    assert len(pairs) == few == len({row for row, _ in pairs}) == len({column for _, column in pairs})
    assert sum(costs[pair] for pair in pairs) == least


def _at(x: float) -> Box:
    return Box(x, 0.5, 0.1, 0.1)


def test_a_track_that_changes_its_number_halfway_is_one_switch_and_half_the_same() -> None:
    truth: list[Frame] = [{7: _at(0.1)} for _ in range(10)]
    told: list[Frame] = [{1 if turn < 5 else 2: _at(0.1)} for turn in range(10)]
    found = score(truth, told)
    assert (found.switches, found.misses, found.false) == (1, 0, 0)
    assert [found.moda, found.mota, found.idf1] == pytest.approx([1.0, 0.9, 0.5])


def test_what_is_not_there_counts_against_the_tracks_as_what_is_not_seen_does() -> None:
    truth: list[Frame] = [{1: _at(0.1), 2: _at(0.5)} for _ in range(10)]
    told: list[Frame] = [{1: _at(0.1), 3: _at(0.8)} for _ in range(10)]
    found = score(truth, told)
    assert (found.misses, found.false, found.switches) == (10, 10, 0)
    assert found.mota == 0


def test_a_pair_of_the_frame_before_stands_though_another_lies_closer() -> None:
    truth: list[Frame] = [{1: _at(0.1)}, {1: _at(0.1)}]
    told: list[Frame] = [{1: _at(0.11)}, {1: _at(0.12), 2: _at(0.1)}]
    assert score(truth, told).switches == 0


def test_a_track_runs_straight_between_two_looks_and_not_over_a_long_gap() -> None:
    trail = Trail(1, [(0.0, 0.0, 0.5, 0.1, 0.1, 1.0), (1.0, 0.4, 0.5, 0.1, 0.1, 1.0), (4.0, 0.8, 0.5, 0.1, 0.1, 1.0)])
    frames = lay([trail], frames=50, fps=10)
    assert [round(frame[1].x, 3) for frame in frames[:11]] == [round(0.04 * turn, 3) for turn in range(11)]
    assert [turn for turn, frame in enumerate(frames) if frame] == [*range(11), 40]


def test_an_incident_is_raised_in_its_time_or_missed() -> None:
    stopped = IncidentKind.STOPPED_VEHICLE
    wanted = [Expected(stopped, 10, 30, own_delay_s=8)]
    in_time = judge(wanted, [Alarm(stopped, "road", 20.0, 30.0)])
    assert (in_time.raised, in_time.delays_s, in_time.false_alarms) == (1, (2.0,), 0)
    late = judge(wanted, [Alarm(stopped, "road", 23.5, 30.0)])
    assert (late.raised, late.false_alarms) == (0, 0)
    assert late.notes == ("missed stopped_vehicle of 10.0 s, due by 23.0 s, came at 23.5 s",)


@pytest.mark.parametrize(
    ("opened_s", "false"),
    [([5.0], 1), ([20.0], 0), ([20.0, 26.0], 1), ([50.0], 1)],
    ids=["before anything stands", "in time", "twice for one", "long after"],
)
def test_an_alarm_without_a_happening_of_its_own_is_false(opened_s: list[float], false: int) -> None:
    stopped = IncidentKind.STOPPED_VEHICLE
    alarms = [Alarm(stopped, "road", at_s, at_s + 2) for at_s in opened_s]
    assert judge([Expected(stopped, 10, 30, own_delay_s=8)], alarms).false_alarms == false


def test_a_crossing_counts_for_one_true_one_within_a_second_and_the_same_way() -> None:
    truth = [Crossed(Direction.FORWARD, at_s, at_s) for at_s in (1.0, 1.5, 9.0)]
    told = [
        ToldCrossing(Direction.FORWARD, 1.4),
        ToldCrossing(Direction.FORWARD, 2.2),
        ToldCrossing(Direction.BACKWARD, 9.0),
    ]
    counted = compare(truth, told)
    assert (counted.truth, counted.told, counted.in_time, counted.error) == (3, 3, 2, 0)
    assert counted.late_s == pytest.approx((0.4, 0.7))


def test_the_table_adds_up_each_group_by_itself() -> None:
    rows = [
        Row(clip="a", seconds=1800, expected=2, raised=1, false_alarms=1, notes=("missed one",)),
        Row(clip="b", seconds=1800, expected=1, raised=1),
        Row(clip="c", group=Group.COMPOSITE, seconds=60, expected=1, raised=0),
    ]
    table = render(rows)
    assert "| **all 2** | 3600 | 2 of 3 | 1 (1/h) |" in table
    assert "| **all 1** | 60 | 0 of 1 | 0 (0/h) |" in table
    assert table.endswith("- a: missed one\n")


@pytest.mark.parametrize("path", sorted(SCENES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_scene_is_one(path: Path) -> None:
    assert read_scene(path.stem) is not None


def test_every_labelled_clip_has_a_scene() -> None:
    if not (shared_dir() / "footage" / "manifest.json").is_file():
        pytest.skip(f"no shared footage in {shared_dir()}; set WAYSIDE_SHARED")
    assert {clip.name for clip in read_manifest(shared_dir())} <= {path.stem for path in SCENES.glob("*.toml")}
