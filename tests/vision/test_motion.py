"""What moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.errors import FrameShapeError, ModelError
from agent.units import NS_PER_S
from agent.vision.model import ModelStore, Session
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, Motion, MotionModel, learning_rate
from tests.vision.pictures import ArrayPicture, Image, noisy, road, with_car

FPS = 5


def _luma(bgr: Image) -> Image:
    return ArrayPicture(bgr, 0).luma(320, 240)


def _watch(
    model: MotionModel, seconds: float, look: Callable[[float], Image], *, start_s: float = 0.0, fps: float = FPS
) -> list[Motion]:
    times = [start_s + frame / fps for frame in range(round(seconds * fps))]
    return [model.update(_luma(noisy(look(at_s), round(at_s * 1000))), round(at_s * NS_PER_S)) for at_s in times]


def test_an_empty_street_is_still(motion_session: Session) -> None:
    street = road()
    assert not any(motion.regions for motion in _watch(MotionModel(motion_session), 20, lambda _: street))


@pytest.mark.parametrize("fps", [1, 5, 25])
def test_a_car_that_drives_through_is_one_region_where_it_is(motion_session: Session, fps: int) -> None:
    street, model = road(), MotionModel(motion_session)
    _watch(model, 12, lambda _: street, fps=fps)
    seen = _watch(model, 3, lambda at_s: with_car(street, int(20 + 70 * (at_s - 12))), start_s=12, fps=fps)
    last = seen[-1]
    left = (20 + 70 * (3 - 1 / fps)) / 320
    assert len(last.regions) == 1
    box = last.regions[0]
    assert (box.x, box.y, box.w, box.h) == pytest.approx((left, 140 / 240, 48 / 320, 30 / 240), abs=0.02)
    assert last.ratio == pytest.approx(48 * 30 / (320 * 240), rel=0.15)


def test_a_car_that_parks_is_no_motion_after_two_seconds_nor_when_it_leaves_an_empty_place(
    motion_session: Session,
) -> None:
    street, model = road(), MotionModel(motion_session)
    _watch(model, 12, lambda _: street)

    def look(at_s: float) -> Image:
        if at_s < 15:
            return with_car(street, int(20 + 40 * (at_s - 12)))
        if at_s < 40:
            return with_car(street, 140)
        return with_car(street, int(140 + 60 * (at_s - 40))) if at_s < 43 else street

    moving = [at / FPS + 12 for at, motion in enumerate(_watch(model, 40, look, start_s=12)) if motion.regions]
    assert [at_s for at_s in moving if 17.2 < at_s < 40] == []
    assert [at_s for at_s in moving if at_s > 45.4] == []
    assert len([at_s for at_s in moving if 12 <= at_s < 15]) >= 14
    assert len([at_s for at_s in moving if 40.2 <= at_s < 43]) >= 13


@pytest.mark.parametrize("gain", [0.5, 0.7, 1.3], ids=["half as bright", "a cloud", "brighter"])
def test_a_step_of_exposure_is_no_motion(motion_session: Session, gain: float) -> None:
    street, model = road(level=90), MotionModel(motion_session)
    brighter = np.clip(street * gain, 0, 255).astype(np.uint8)
    _watch(model, 12, lambda _: street)
    assert not any(motion.ratio > 0.02 for motion in _watch(model, 10, lambda _: brighter, start_s=12))
    assert not any(motion.ratio > 0.02 for motion in _watch(model, 10, lambda _: street, start_s=22))


def test_a_turned_camera_is_an_upheaval_and_learnt_anew(motion_session: Session) -> None:
    street, model = road(), MotionModel(motion_session)
    elsewhere = np.asarray(cv2.rotate(street, cv2.ROTATE_180), np.uint8)
    elsewhere[::20] = 250
    elsewhere[:, ::8] = 20
    elsewhere[::3] = 0
    _watch(model, 12, lambda _: street)
    seen = _watch(model, 6, lambda _: 255 - elsewhere, start_s=12)
    assert seen[0].is_upheaval
    assert seen[0].ratio > 0.6
    assert not any(motion.regions or motion.is_upheaval for motion in seen[2:])


def test_another_size_is_refused(motion_session: Session) -> None:
    with pytest.raises(FrameShapeError, match="640x480"):
        MotionModel(motion_session).update(np.zeros((480, 640), np.uint8), 0)


def test_a_model_of_another_release_is_refused(store: ModelStore) -> None:
    with pytest.raises(ModelError, match="install the models again"):
        MotionModel(store.open(store.entry("nanodet-g-416", "nanodet")))


def test_a_pause_of_the_stream_does_not_make_its_next_frame_the_background(motion_session: Session) -> None:
    street, model = road(), MotionModel(motion_session)
    _watch(model, 20, lambda _: street)
    _watch(model, 1, lambda _: with_car(street, 100), start_s=620)
    assert not any(motion.regions for motion in _watch(model, 4, lambda _: street, start_s=624))


@pytest.mark.parametrize("fps", [1, 5, 30])
def test_half_a_scene_is_forgotten_in_14_seconds_at_any_rate(fps: int) -> None:
    kept = 1.0
    for _ in range(round(13.86 * fps)):
        kept *= 1 - learning_rate(600.0, 1 / fps)
    assert kept == pytest.approx(0.5, abs=0.03)


def test_warm_up_is_the_rigs_at_five_frames_a_second() -> None:
    for frame in range(99):
        assert learning_rate(frame * 0.2, 0.2) == pytest.approx(1 / (frame + 1.5), rel=1e-6)
    assert learning_rate(1000, 0.2) == pytest.approx(0.01, rel=0.01)


@dataclass
class _Tally:
    """Pixels against the ground truth: 255 moves, 0 and 50 (hard shadow) do not, 85 and 170 do not count (CDnet)."""

    true: int = 0
    false: int = 0
    missed: int = 0

    def add(self, moved: np.ndarray, truth: np.ndarray) -> None:
        counts, moves = np.isin(truth, (0, 50, 255)), truth == 255
        self.true += int(np.count_nonzero(moved & moves))
        self.false += int(np.count_nonzero(moved & counts & ~moves))
        self.missed += int(np.count_nonzero(~moved & moves))

    @property
    def f_measure(self) -> float:
        return 2 * self.true / (2 * self.true + self.false + self.missed)


@pytest.mark.parametrize(
    ("every", "least"), [(1, 0.95), (5, 0.93)], ids=["each frame as if at 5 fps", "a fifth, as at a site"]
)
def test_highway_masks_are_met_better_than_by_mog2(
    motion_session: Session, shared_dir: Path, every: int, least: float
) -> None:
    folder = shared_dir / "footage" / "motion_mask" / "cdnet_highway"
    peer = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    ours, theirs, model = _Tally(), _Tally(), MotionModel(motion_session)
    for turn, path in enumerate(sorted((folder / "input").iterdir())[::every]):
        luma = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        model.update(luma, turn * NS_PER_S // FPS)
        other = cv2.medianBlur(peer.apply(luma), 5)
        number = path.stem.removeprefix("in")
        if int(number) >= 470:
            truth = np.asarray(cv2.imread(str(folder / "groundtruth" / f"gt{number}.png"), cv2.IMREAD_GRAYSCALE))
            ours.add(model.mask > 0, truth)
            theirs.add(np.asarray(other) > 0, truth)
    print(f"F {ours.f_measure:.4f}, MOG2 {theirs.f_measure:.4f}")
    assert ours.f_measure >= least
    assert ours.f_measure > theirs.f_measure


def test_what_came_and_stands_is_told_with_the_time_from_which_it_has_stood(motion_session: Session) -> None:
    model = MotionModel(motion_session)
    empty = np.full((HEIGHT_PX, WIDTH_PX), 120, np.uint8)
    with_bag = empty.copy()
    with_bag[150:180, 200:225] = 30
    found = Motion(0.0, ())
    for number in range(75):
        found = model.update(empty if number < 40 else with_bag, number * NS_PER_S // 5)
    (piece,) = found.standing
    assert piece.box.x == pytest.approx(200 / WIDTH_PX, abs=0.02) and piece.box.h == pytest.approx(
        30 / HEIGHT_PX, abs=0.03
    )
    assert piece.since_ns == pytest.approx(8 * NS_PER_S, abs=NS_PER_S / 2)
    assert found.regions == ()


def test_the_place_of_what_went_is_not_taken_for_a_thing_that_came(motion_session: Session) -> None:
    floor = np.random.default_rng(7).normal(120, 3, (HEIGHT_PX, WIDTH_PX)).clip(0, 255).astype(np.uint8)
    with_bag = floor.copy()
    with_bag[150:180, 200:225] = 30
    for first, then, has_come in ((floor, with_bag, True), (with_bag, floor, False)):
        model = MotionModel(motion_session)
        found = Motion(0.0, ())
        for number in range(75):
            found = model.update(first if number < 40 else then, number * NS_PER_S // 5)
        assert [piece.has_come for piece in found.standing] == [has_come]
