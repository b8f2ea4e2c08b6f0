"""Road users in real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.vision.detector import LOW_SCORE, Detector
from agent.vision.geometry import Label
from agent.vision.track import START_SCORE
from tests.vision.pictures import frames_of, road


def _sure(detector: Detector, path: Path, every: int, limit: int) -> list[list[Label]]:
    """What is surely there on some frames of a video."""
    return [
        [found.label for found in detector.detect(picture.bgr()) if found.score >= START_SCORE]
        for picture in frames_of(path, every=every, fps=10, limit=limit)
    ]


def test_people_of_the_street_clip_are_found(detector: Detector, street_clip: Path) -> None:
    if not street_clip.is_file():
        pytest.skip("the demo's clip is not there")
    seen = _sure(detector, street_clip, every=80, limit=5)
    assert all(labels.count(Label.PERSON) >= 2 for labels in seen)


def test_people_of_a_campus_are_found_where_they_are(detector: Detector, shared_dir: Path) -> None:
    seen = _sure(detector, shared_dir / "footage/pedestrian/vtest_PETS09-S2L1.avi", every=150, limit=5)
    assert all(labels.count(Label.PERSON) >= 3 for labels in seen)


def test_cars_of_a_suburban_road_are_found(detector: Detector, shared_dir: Path) -> None:
    seen = _sure(detector, shared_dir / "footage/traffic/suburban_road_8cars.mp4", every=48, limit=4)
    assert all(Label.CAR in labels for labels in seen)


def test_an_empty_road_shows_nobody(detector: Detector) -> None:
    assert [found for found in detector.detect(road()) if found.score >= START_SCORE] == []


@pytest.mark.parametrize("shape", [(1080, 1920, 3), (1280, 720, 3), (416, 416, 3), (90, 160, 3), (1, 50, 3)])
def test_a_picture_of_any_shape_is_taken(detector: Detector, shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for found in detector.detect(noise):
        assert found.score >= LOW_SCORE
        assert found.box.area > 0
        assert found.box.x >= 0
        assert found.box.right <= 1 + 1e-6
        assert found.box.bottom <= 1 + 1e-6


def test_boxes_do_not_depend_on_the_size_of_the_picture(detector: Detector, shared_dir: Path) -> None:
    video = shared_dir / "footage/traffic/suburban_road_8cars.mp4"
    picture = next(iter(frames_of(video, every=1, fps=24, limit=1))).bgr()
    doubled = picture.repeat(2, axis=0).repeat(2, axis=1)
    best, again = detector.detect(picture)[0], detector.detect(doubled)[0]
    assert again.label == best.label
    assert (again.box.x, again.box.y, again.box.w, again.box.h) == pytest.approx(
        (best.box.x, best.box.y, best.box.w, best.box.h), abs=0.02
    )
