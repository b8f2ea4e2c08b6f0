"""The picture of an incident."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agent.errors import VideoError
from agent.vision.geometry import Box
from agent.vision.still import Mark, encode_still


def _read(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("shape", [(1080, 1920, 3), (1280, 720, 3), (240, 320, 3), (90, 160, 3)])
def test_a_busy_picture_is_made_to_fit(shape: tuple[int, int, int]) -> None:
    busy = cv2.resize(np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8), (shape[1], shape[0]))
    jpeg = encode_still(np.asarray(busy, np.uint8))
    assert len(jpeg) <= 30_000
    picture = _read(jpeg)
    assert picture.shape[1] / picture.shape[0] == pytest.approx(shape[1] / shape[0], rel=0.02)
    assert picture.shape[1] <= shape[1]


def test_boxes_are_drawn_on_the_copy_and_not_on_the_picture() -> None:
    grey = np.full((480, 640, 3), 90, np.uint8)
    marked = _read(encode_still(grey, [Mark(Box(0.25, 0.25, 0.5, 0.5), "person 7", is_main=True)]))
    assert (grey == 90).all()
    red = marked[:, :, 2].astype(int) - marked[:, :, 0]
    assert red[240, 160] > 80
    assert red[240, 480] > 80
    assert red[240, 320] < 20


def test_what_cannot_fit_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    with pytest.raises(VideoError, match="does not fit"):
        encode_still(noise, max_bytes=1000)
