"""The serving detector and the one on trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.errors import ModelError
from agent.vision.geometry import Box, Detection, Label
from agent.vision.model import ModelStore
from agent.vision.own_detector import OwnDetector
from agent.vision.slot import DetectorSlot, compare
from tests.vision.own_models import FORM, graph, install, yolov8_output

GREY = np.full((320, 640, 3), 114, np.uint8)
UNEVEN = GREY.copy()
UNEVEN[:, :320] = 20
CAR = (20, 12, 16, 8, 2, 0.72)
PERSON = (50, 16, 4, 12, 0, 0.9)


def _made(
    folder: Path, name: str, *found: tuple[float, float, float, float, int, float], fails: bool = False
) -> OwnDetector:
    install(folder / name, {name: ("yolov8", graph(yolov8_output(*found), fails=fails))})
    store = ModelStore(folder / name, threads=1)
    return OwnDetector(store.open(store.entry(name, "yolov8")), "yolov8", FORM)


def _detection(label: Label, x: float, score: float = 0.9) -> Detection:
    return Detection(Box(x, 0.2, 0.2, 0.2), label, score)


@pytest.mark.parametrize(
    ("serving", "candidate", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([_detection(Label.CAR, 0.1)], [_detection(Label.CAR, 0.12)], (1, 0, 0)),
        ([_detection(Label.CAR, 0.1)], [_detection(Label.TRUCK, 0.1)], (1, 0, 0)),
        ([_detection(Label.BICYCLE, 0.1)], [_detection(Label.MOTORCYCLE, 0.1)], (1, 0, 0)),
        ([_detection(Label.PERSON, 0.1)], [_detection(Label.MOTORCYCLE, 0.1)], (0, 1, 1)),
        ([_detection(Label.CAR, 0.1)], [_detection(Label.CAR, 0.25)], (0, 1, 1)),
        ([_detection(Label.CAR, 0.1)], [_detection(Label.CAR, 0.1, 0.2)], (0, 1, 0)),
        ([_detection(Label.CAR, 0.1)] * 2, [_detection(Label.CAR, 0.1)], (1, 1, 0)),
    ],
)
def test_things_are_the_same_when_they_are_alike_and_overlap(
    serving: list[Detection], candidate: list[Detection], expected: tuple[int, int, int]
) -> None:
    assert compare(serving, candidate) == expected


def test_one_look_in_fifty_is_given_to_the_one_on_trial_and_nothing_is_told_from_it(tmp_path: Path) -> None:
    slot = DetectorSlot(_made(tmp_path, "serving", CAR), _made(tmp_path, "trial", CAR, PERSON))
    told = [slot.detect(GREY) for _ in range(100)]
    assert all([one.label for one in found] == [Label.CAR] for found in told)
    trial = slot.trial
    assert trial is not None and trial.model.id == "trial"
    assert (trial.looks, trial.agreed, trial.missed, trial.extra) == (2, 2, 0, 2)


def test_another_detector_serves_from_the_next_look_on(tmp_path: Path) -> None:
    slot = DetectorSlot(_made(tmp_path, "serving", CAR), _made(tmp_path, "trial", PERSON))
    for _ in range(50):
        slot.detect(GREY)
    slot.serve(_made(tmp_path, "next", PERSON))
    assert [one.label for one in slot.detect(GREY)] == [Label.PERSON]
    assert slot.facts.id == "next" and slot.problem == ""
    # What it was compared with is gone, so its trial begins anew.
    assert slot.trial is not None and (slot.trial.model.id, slot.trial.looks) == ("trial", 0)


def test_what_a_new_one_fails_at_is_answered_by_the_one_before_until_that_serves_again(tmp_path: Path) -> None:
    slot = DetectorSlot(_made(tmp_path, "serving", CAR))
    slot.serve(_made(tmp_path, "next", PERSON, fails=True))
    labels = [[one.label for one in slot.detect(picture)] for picture in (UNEVEN, UNEVEN, GREY, UNEVEN, UNEVEN)]
    assert labels == [[Label.CAR], [Label.CAR], [Label.PERSON], [Label.CAR], [Label.CAR]]
    assert slot.facts.id == "next"
    assert [one.label for one in slot.detect(UNEVEN)] == [Label.CAR]
    assert slot.facts.id == "serving" and "next" in slot.problem
    assert [one.label for one in slot.detect(GREY)] == [Label.CAR]


def test_one_that_has_proven_itself_has_nobody_behind_it(tmp_path: Path) -> None:
    slot = DetectorSlot(_made(tmp_path, "serving", CAR))
    slot.serve(_made(tmp_path, "next", PERSON, fails=True))
    for _ in range(1000):
        slot.detect(GREY)
    with pytest.raises(ModelError, match="next"):
        slot.detect(UNEVEN)


def test_one_on_trial_that_fails_again_and_again_is_dropped_and_costs_nothing(tmp_path: Path) -> None:
    slot = DetectorSlot(_made(tmp_path, "serving", CAR), _made(tmp_path, "trial", CAR, fails=True))
    for _ in range(149):
        assert len(slot.detect(UNEVEN)) == 1
    assert slot.trial is not None and slot.trial.looks == 0
    assert len(slot.detect(UNEVEN)) == 1
    assert slot.trial is None and "trial" in slot.problem
