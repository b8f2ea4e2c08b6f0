"""Users' detectors: how they are fed, how their tensors are read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.errors import ModelError
from agent.vision import decoders
from agent.vision.form import DetectorForm
from agent.vision.geometry import Label
from agent.vision.model import ModelStore, Session
from agent.vision.own_detector import OwnDetector, fed
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
    ],
    ids=["yolov8", "yolox", "ssd"],
)
def test_each_kind_gives_the_same_car_at_the_same_place(
    opened: Open, kind: str, outputs: dict[str, npt.NDArray[np.float32]]
) -> None:
    detector = OwnDetector(opened(kind, graph(outputs)), kind, FORM)
    (found,) = detector.detect(PICTURE)
    assert found.label is Label.CAR and found.score == pytest.approx(0.72)
    box = found.box
    assert (box.x, box.y, box.w, box.h) == pytest.approx((12 / 64, 8 / 32, 16 / 64, 8 / 32), abs=1e-5)


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
        ("yolov8", {"output0": np.zeros((1, 84), np.float32)}, "2 dimensions"),
        ("yolov8", {"output0": np.zeros((1, 4, 9), np.float32)}, "none of those"),
        ("yolov8", _ssd_outputs(), "yolov8"),
    ],
    ids=["another number of places", "no such outputs", "another shape", "no classes", "several outputs"],
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


@given(arrays(np.float32, (1, 42, 85), elements=st.floats(width=32)))
def test_no_numbers_at_all_break_the_reading_of_a_yolox(output: npt.NDArray[np.float32]) -> None:
    with np.errstate(all="ignore"):
        found = decoders.yolox(output, [0, 2], 0.1, 64, 32)
    assert len(found.boxes) == len(found.scores) == len(found.classes) <= decoders.MOST_BOXES
