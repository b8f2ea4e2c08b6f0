"""Users' detectors: how they are fed, how their tensors are read, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.errors import ModelError
from agent.vision import decoders
from agent.vision.detector import Detector
from agent.vision.form import DetectorForm
from agent.vision.geometry import Label
from agent.vision.model import ModelStore, Session, find_models_dir
from agent.vision.own_detector import OwnDetector, fed
from tests.conftest import ROOT
from tests.vision.own_models import FORM, HEIGHT_PX, WIDTH_PX, graph, install, yolov8_output

Open = Callable[[str, bytes], Session]
# As wide for its height as the model's input is: fractions of the picture are fractions of the input.
PICTURE = np.full((320, 640, 3), 114, np.uint8)


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def open_(kind: str, content: bytes) -> Session:
        install(tmp_path, {"own": (kind, content)})
        store = ModelStore(tmp_path, threads=1)
        return store.open(store.entry("own", kind))

    return open_


def _yolox_output() -> dict[str, npt.NDArray[np.float32]]:
    """A car of 16 x 8 px about (20, 12): cell (2, 1) of stride 8, of 8 x 4 cells, then 4 x 2 and 2 x 1."""
    output = np.zeros((1, 8 * 4 + 4 * 2 + 2 * 1, 85), np.float32)
    output[0, 1 * 8 + 2, :4] = 0.5, 0.5, np.log(2), np.log(1)
    output[0, 1 * 8 + 2, 4], output[0, 1 * 8 + 2, 5 + 2] = 0.9, 0.8
    return {"output": output}


def _sides(bins: int, *cells: int) -> npt.NDArray[np.float32]:
    """Four distributions of `bins`, all of whose weight lies at the distance in strides that is asked for."""
    sides = np.full((4, bins), -50.0, np.float32)
    sides[np.arange(4), list(cells)] = 50.0
    return sides.ravel()


def _nanodet_outputs() -> dict[str, npt.NDArray[np.float32]]:
    """The car about (20, 12): the centre of cell (2, 1) of stride 8; a stride to either side, half of one is no bin."""
    made: dict[str, npt.NDArray[np.float32]] = {}
    for stride, places in ((8, 32), (16, 8), (32, 2)):
        made[f"cls_{stride}"] = np.zeros((1, places, 80), np.float32)
        made[f"dis_{stride}"] = np.zeros((1, places, 44), np.float32)
    made["cls_8"][0, 1 * 8 + 2, 2] = 0.72
    made["dis_8"][0, 1 * 8 + 2] = _sides(11, 1, 0, 1, 0)
    # Halfway between two bins: both weigh the same.
    for side in (1, 3):
        made["dis_8"][0, 1 * 8 + 2, side * 11 : side * 11 + 2] = 50.0
    return made


def _nanodet_in_one(*, strides: tuple[int, ...]) -> dict[str, npt.NDArray[np.float32]]:
    """As its authors export it, with 8 bins: place 10 is cell (2, 1) of stride 8."""
    places = sum(-(-WIDTH_PX // stride) * -(-HEIGHT_PX // stride) for stride in strides)
    output = np.zeros((1, places, 80 + 32), np.float32)
    output[0, 10, 2] = 0.72
    output[0, 10, 80:] = _sides(8, 1, 1, 1, 1)
    return {"output": output}


def _ssd_outputs() -> dict[str, npt.NDArray[np.float32]]:
    box = np.array([[[8 / 32, 12 / 64, 16 / 32, 28 / 64], [0, 0, 0, 0]]], np.float32)
    return {
        "detection_boxes": box,
        "detection_classes": np.array([[3.0, 3.0]], np.float32),
        "detection_scores": np.array([[0.72, 0.0]], np.float32),
    }


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        ("yolov8", yolov8_output((20, 12, 16, 8, 2, 0.72))),
        ("yolox", _yolox_output()),
        ("ssd", _ssd_outputs()),
        ("nanodet", _nanodet_outputs()),
    ],
    ids=["yolov8", "yolox", "ssd", "nanodet"],
)
def test_each_kind_gives_the_same_car_at_the_same_place(
    opened: Open, kind: str, outputs: dict[str, npt.NDArray[np.float32]]
) -> None:
    detector = OwnDetector(opened(kind, graph(outputs)), kind, FORM)
    (found,) = detector.detect(PICTURE)
    assert found.label is Label.CAR and found.score == pytest.approx(0.72)
    box = found.box
    assert (box.x, box.y, box.w, box.h) == pytest.approx((12 / 64, 8 / 32, 16 / 64, 8 / 32), abs=1e-5)


@pytest.mark.parametrize(
    ("strides", "left_top_px"), [((8, 16, 32), (12, 4)), ((8, 16, 32, 64), (8, 0))], ids=["nanodet", "nanodet-plus"]
)
def test_a_nanodet_of_one_output_counts_from_the_cells_centre_and_a_plus_from_its_corner(
    opened: Open, strides: tuple[int, ...], left_top_px: tuple[int, int]
) -> None:
    session = opened("nanodet", graph(_nanodet_in_one(strides=strides)))
    (found,) = OwnDetector(session, "nanodet", FORM).detect(PICTURE)
    box = found.box
    assert (box.x * WIDTH_PX, box.y * HEIGHT_PX) == pytest.approx(left_top_px, abs=1e-3)
    assert (box.w * WIDTH_PX, box.h * HEIGHT_PX) == pytest.approx((16, 16), abs=1e-3)


@pytest.mark.parametrize("shape", [(240, 320), (480, 270)], ids=["wide", "tall"])
def test_our_detector_among_the_users_own_finds_what_it_finds_as_ours(shape: tuple[int, int]) -> None:
    store = ModelStore(find_models_dir(str(ROOT / "models")), threads=1)
    session = store.open(store.entry("nanodet-g-416", "nanodet"))
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), 9)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    ours, own = Detector(session).detect(picture), OwnDetector(session, "nanodet", None).detect(picture)
    assert ours and [one.label for one in ours] == [one.label for one in own]
    for one, other in zip(ours, own, strict=True):
        assert dataclasses.astuple(one.box) == pytest.approx(dataclasses.astuple(other.box), abs=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-3)


def test_boxes_are_fractions_of_the_picture_whatever_its_shape(opened: Open) -> None:
    session = opened("yolov8", graph(yolov8_output((8, 16, 8, 8, 0, 0.9))))
    # A square picture fills the left half of the input; stretched it fills all of it.
    square = np.full((300, 300, 3), 114, np.uint8)
    (boxed,) = OwnDetector(session, "yolov8", FORM).detect(square)
    assert (boxed.box.x, boxed.box.w) == pytest.approx((4 / 32, 8 / 32))
    stretched = DetectorForm(width_px=WIDTH_PX, height_px=HEIGHT_PX, fit="stretch")
    (found,) = OwnDetector(session, "yolov8", stretched).detect(square)
    assert (found.box.x, found.box.w) == pytest.approx((4 / 64, 8 / 64))


def test_two_looks_at_one_vehicle_are_one_and_classes_that_are_no_road_users_are_left_out(opened: Open) -> None:
    looks = yolov8_output((20, 12, 16, 8, 2, 0.7), (20, 12, 16, 9, 7, 0.6), (40, 12, 16, 8, 16, 0.9))
    (found,) = OwnDetector(opened("yolov8", graph(looks)), "yolov8", FORM).detect(PICTURE)
    assert found.label is Label.CAR


def test_its_own_numbers_for_classes_are_taken(opened: Open) -> None:
    form = DetectorForm(width_px=WIDTH_PX, height_px=HEIGHT_PX, classes={Label.MOTORCYCLE: [16]})
    looks = yolov8_output((20, 12, 16, 8, 2, 0.7), (40, 12, 16, 8, 16, 0.9))
    (found,) = OwnDetector(opened("yolov8", graph(looks)), "yolov8", form).detect(PICTURE)
    assert found.label is Label.MOTORCYCLE


@pytest.mark.parametrize(
    ("kind", "outputs", "why"),
    [
        ("yolox", yolov8_output(), "places instead of"),
        ("ssd", yolov8_output(), "detection_boxes|detection_scores"),
        ("yolov8", {"output0": np.zeros((1, 84), np.float32)}, "has not 3 dimensions"),
        ("yolov8", {"output0": np.zeros((1, 4, 9), np.float32)}, "none of those"),
        ("yolov8", _ssd_outputs(), "yolov8|3 dimensions"),
        ("nanodet", yolov8_output(), "none of those|places"),
    ],
    ids=[
        "another number of places",
        "no such outputs",
        "another shape",
        "no classes",
        "several outputs",
        "no nanodet",
    ],
)
def test_a_model_that_is_not_what_its_entry_says_is_refused_when_it_is_opened(
    opened: Open, kind: str, outputs: dict[str, npt.NDArray[np.float32]], why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        OwnDetector(opened(kind, graph(outputs)), kind, FORM)


def test_a_model_of_another_size_than_its_form_is_refused(opened: Open) -> None:
    with pytest.raises(ModelError, match="ONNX Runtime"):
        OwnDetector(opened("yolov8", graph(yolov8_output())), "yolov8", DetectorForm(width_px=96, height_px=96))


def test_a_picture_is_fed_in_the_order_of_colours_and_levels_that_the_form_says() -> None:
    bgr = np.zeros((32, 64, 3), np.uint8)
    bgr[:] = (10, 20, 30)
    plain = fed(bgr, DetectorForm(width_px=64, height_px=32, order="bgr"))
    assert plain.shape == (1, 3, 32, 64) and plain[0, :, 0, 0].tolist() == [10, 20, 30]
    form = DetectorForm(width_px=64, height_px=32, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
    assert fed(bgr, form)[0, :, 5, 5].tolist() == pytest.approx([30 / 127.5 - 1, 20 / 127.5 - 1, 10 / 127.5 - 1])
    last = fed(bgr, DetectorForm(width_px=64, height_px=32, is_last=True, is_integer=True))
    assert last.shape == (1, 32, 64, 3) and last.dtype == np.uint8 and last[0, 0, 0].tolist() == [30, 20, 10]


def test_what_the_picture_does_not_fill_is_grey() -> None:
    tall = fed(np.zeros((64, 32, 3), np.uint8), DetectorForm(width_px=64, height_px=32, pad_level=114))
    assert tall[0, 0, 0].tolist() == [0.0] * 16 + [114.0] * 48


@given(arrays(np.float32, (1, 42, 112), elements=st.floats(width=32)))
def test_no_numbers_at_all_break_the_reading_of_a_nanodet(output: npt.NDArray[np.float32]) -> None:
    with np.errstate(all="ignore"):
        found = decoders.nanodet({"output": output}, [0, 2], 0.1, 64, 32, bins=8)
    assert len(found.boxes) == len(found.scores) == len(found.classes) <= decoders.MOST_BOXES


@given(arrays(np.float32, (1, 42, 85), elements=st.floats(width=32)))
def test_no_numbers_at_all_break_the_reading_of_a_yolox(output: npt.NDArray[np.float32]) -> None:
    with np.errstate(all="ignore"):
        found = decoders.yolox(output, [0, 2], 0.1, 64, 32)
    assert len(found.boxes) == len(found.scores) == len(found.classes) <= decoders.MOST_BOXES
