"""Pictures of the shape that the decoder hands out, from arrays and from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_S

Image = npt.NDArray[np.uint8]


class ArrayPicture:
    """A decoded frame made of an array."""

    def __init__(self, bgr: Image, media_ns: int) -> None:
        self._bgr = bgr
        self.media_ns = media_ns

    def bgr(self) -> Image:
        return self._bgr

    def luma(self, width_px: int, height_px: int) -> Image:
        grey = cv2.cvtColor(self._bgr, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.resize(grey, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def road(*, level: int = 110, seed: int = 7) -> Image:
    """A textured street without anybody, (240, 320, 3)."""
    noise = np.random.default_rng(seed).integers(-12, 13, (240, 320, 1))
    picture = np.full((240, 320, 3), level, np.int64) + noise
    picture[:80] += 60
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def with_car(background: Image, left_px: int, top_px: int = 140) -> Image:
    """The same street with a bright car of 48 x 30 pixels."""
    picture = background.copy()
    picture[top_px : top_px + 30, left_px : left_px + 48] = 230
    return picture


def noisy(picture: Image, seed: int) -> Image:
    """With the noise of a sensor of two levels."""
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def frames_of(path: Path, *, every: int, fps: float, limit: int | None = None) -> Iterator[ArrayPicture]:
    """Every n-th frame of a video, at the media time that its rate gives it."""
    video = cv2.VideoCapture(str(path))
    index = 0
    while limit is None or index < limit * every:
        there, frame = video.read()
        if not there:
            return
        if index % every == 0:
            yield ArrayPicture(np.asarray(frame, np.uint8), round(index / fps * NS_PER_S))
        index += 1
