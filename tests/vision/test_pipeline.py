"""One camera's seeing, from pictures to tracks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest

from agent.units import NS_PER_S
from agent.vision.detector import Detector
from agent.vision.geometry import Label
from agent.vision.model import Session
from agent.vision.motion import MotionModel
from agent.vision.pipeline import Picture, Pipeline, Seen
from tests.vision.pictures import ArrayPicture, frames_of, noisy, road


@pytest.fixture
def pipeline(motion_session: Session, detector: Detector) -> Pipeline:
    return Pipeline(MotionModel(motion_session), detector, rate_fps=5)


def _see(pipeline: Pipeline, pictures: Iterable[Picture]) -> list[Seen]:
    return [seen for picture in pictures if (seen := pipeline.process(picture)) is not None]


@pytest.mark.parametrize("fps", [3, 5, 7, 25, 30])
def test_frames_are_analysed_at_the_rate_by_media_time(pipeline: Pipeline, fps: int) -> None:
    street = road()
    _see(pipeline, (ArrayPicture(street, round(frame / fps * NS_PER_S)) for frame in range(4 * fps)))
    assert pipeline.counters.offered == 4 * fps
    assert pipeline.counters.analysed == 4 * min(fps, 5)


def test_a_stream_that_jumps_ahead_goes_on_without_catching_up(pipeline: Pipeline) -> None:
    street = road()
    times_s = [0.0, 0.1, 15.0, 15.1, 15.2, 15.3, 15.4]
    seen = _see(pipeline, (ArrayPicture(street, round(at_s * NS_PER_S)) for at_s in times_s))
    assert [one.media_ns / NS_PER_S for one in seen] == [0.0, 15.0, 15.2, 15.4]


def test_over_an_empty_street_pictures_are_glanced_at(pipeline: Pipeline) -> None:
    street = road()
    seen = _see(pipeline, (ArrayPicture(noisy(street, frame), frame * NS_PER_S // 5) for frame in range(300)))
    # The first 20 s are learnt from; of the other 40 one picture in four seconds is looked at.
    assert pipeline.counters.analysed == 101 + 9
    assert pipeline.counters.passed == 300 - 101 - 9
    assert pipeline.counters.moved == 0
    # The detector's gate stands open for the first two seconds (11 frames); then there is a look every 5 s and, once
    # the first gate is shut, every 30 s.
    assert pipeline.counters.inferences == 11 + 3 + 1
    assert not any(one.tracks for one in seen)


def test_a_change_opens_the_shut_gate_at_once(pipeline: Pipeline) -> None:
    street = road()
    _see(pipeline, (ArrayPicture(noisy(street, frame), frame * NS_PER_S // 5) for frame in range(150)))
    assert pipeline.is_quiet(30 * NS_PER_S)
    walker = street.copy()
    # Four by ten thousandths of the picture: a person on the far side.
    walker[200:236, 300:314] = 20
    assert pipeline.stirs(ArrayPicture(walker, 30 * NS_PER_S))
    assert not pipeline.stirs(ArrayPicture(noisy(street, 150), 30 * NS_PER_S))
    seen = _see(pipeline, [ArrayPicture(walker, 30 * NS_PER_S + frame * NS_PER_S // 5) for frame in range(10)])
    assert len(seen) == 10 and not pipeline.is_quiet(32 * NS_PER_S)


def test_who_stands_still_stays_tracked_though_nothing_moves(pipeline: Pipeline, shared_dir: Path) -> None:
    video = shared_dir / "footage/pedestrian/vtest_PETS09-S2L1.avi"
    frozen = next(iter(frames_of(video, every=1, fps=10, limit=1))).bgr()
    seen = _see(pipeline, (ArrayPicture(noisy(frozen, frame), frame * NS_PER_S // 5) for frame in range(400)))
    people = [{track.track_id for track in one.tracks if track.is_confirmed} for one in seen]
    assert len(people[20]) >= 3
    assert people[20] <= people[-1]
    assert pipeline.counters.moved == 0
    # A look that found everybody holds until something changes or its time is over.
    assert pipeline.counters.inferences < 40
    assert pipeline.counters.passed > 200


def test_people_on_a_campus_become_tracks(pipeline: Pipeline, shared_dir: Path) -> None:
    video = shared_dir / "footage/pedestrian/vtest_PETS09-S2L1.avi"
    seen = _see(pipeline, frames_of(video, every=2, fps=10, limit=100))
    confirmed = {track.track_id for one in seen for track in one.tracks if track.is_confirmed}
    people = {
        track.track_id for one in seen for track in one.tracks if track.is_confirmed and track.label is Label.PERSON
    }
    ended = [track.track_id for one in seen for track in one.ended]
    # The ground truth has 10 people in these 20 s.
    assert 8 <= len(people) <= 14
    assert len(ended) == len(set(ended))
    assert set(ended) <= confirmed


def test_opencv_keeps_to_one_thread(pipeline: Pipeline) -> None:
    assert pipeline.counters.offered == 0
    assert cv2.getNumThreads() == 1
