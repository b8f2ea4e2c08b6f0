"""What disturbs a camera's picture while nothing moves: steps of exposure, a noisy night, wind, moths, rain.

Each is made from a generator with a fixed seed and changes pictures in order: (240, 320, 3) float32 levels and how much
of each pixel a thing covers, (240, 320) float32 0 to 1, both of a media time in seconds.
"""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from agent.vision.motion import HEIGHT_PX, WIDTH_PX

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

SIZE_PX: Final = (WIDTH_PX, HEIGHT_PX)
FPS: Final = 5


class Disturbance(Protocol):
    """One scene's own; keeps what it needs from frame to frame."""

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]: ...


class Plain:
    """Nothing but the sensor's noise, by day."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        return _sensed(self._rng, picture, 30, 1.0), cover


class Exposure:
    """Steps of an automatic exposure, each settled within half a second, and the knee of a bright picture."""

    _STEPS: Final = ((0.0, 1.0), (24.0, 0.62), (31.0, 1.25), (38.0, 0.8), (44.0, 1.05))
    _SETTLES_S: Final = 0.2
    _KNEE: Final = 220

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        gain = before = 1.0
        for since_s, level in self._STEPS:
            if at_s >= since_s:
                gain = level + (before - level) * float(np.exp(-(at_s - since_s) / self._SETTLES_S))
                before = level
        lit = picture * gain
        bent = np.where(lit > self._KNEE, self._KNEE + (lit - self._KNEE) * 0.4, lit)
        return _sensed(self._rng, np.asarray(bent, np.float32), 30, 1.0), cover


class Night:
    """A sensor at a gain of three with 1.2 electrons a level, and a codec that is short of bits."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        noisy = np.clip(_sensed(self._rng, picture * 3, 1.2, 4.0), 0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 35])
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32), cover


class Shake:
    """A mast in wind: about 1.5 px of 320 from frame to frame, up to 5 in all."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._at = np.zeros(2)

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        self._at = np.clip(0.6 * self._at + self._rng.normal(0, 1.5, 2), -5, 5)
        matrix = np.array([[1, 0, self._at[0]], [0, 1, self._at[1]]], np.float32)
        moved = cv2.warpAffine(picture, matrix, SIZE_PX, borderMode=cv2.BORDER_REFLECT)
        there = np.asarray(cv2.warpAffine(cover, matrix, SIZE_PX), np.float32)
        return _sensed(self._rng, np.asarray(moved, np.float32), 30, 1.0), there


class Moths:
    """Grey infrared with a lamp's fall-off; five moths as bright soft streaks, never gone for long."""

    _COUNT: Final = 5

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
        self._lamp = np.exp(-(x**2 + y**2)).astype(np.float32)
        self._at = rng.random((self._COUNT, 2)) * SIZE_PX
        self._way = rng.normal(0, 180, (self._COUNT, 2))
        self._wide_px = rng.uniform(1.5, 6, self._COUNT)

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        self._way = self._way * 0.6 + self._rng.normal(0, 150, self._way.shape)
        self._at = (self._at + self._way / FPS) % SIZE_PX
        grey = np.asarray(picture.mean(axis=2) * self._lamp, np.float32)
        for place, way, wide_px in zip(self._at, self._way, self._wide_px, strict=True):
            moth = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
            # A shutter of 1/30 s.
            tail = place - way / 30
            cv2.line(moth, place.astype(int).tolist(), tail.astype(int).tolist(), (255.0,), max(int(wide_px), 1))
            grey += 1.3 * _blurred(moth, float(wide_px) * 0.7)
        grey = _sensed(self._rng, grey, 4, 2.0)
        return np.repeat(grey[..., None], 3, axis=2), cover


class Rain:
    """A hundred streaks a frame, and drops before the lens."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def __call__(self, picture: Floats, cover: Floats, at_s: float) -> tuple[Floats, Floats]:
        streaks = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
        for x, y, near in self._rng.random((self._rng.poisson(100), 3)):
            long_px = 4 + 16 * near**3
            head = (int(x * WIDTH_PX), int(y * HEIGHT_PX))
            tail = (int(head[0] + 0.15 * long_px), int(head[1] + long_px))
            cv2.line(streaks, head, tail, (25 + 50 * near,), 1 + int(near > 0.9))
        return _sensed(self._rng, picture + _blurred(streaks, 0.7)[..., None], 20, 1.0), cover


def shine(picture: Floats, box: tuple[float, float, float, float], speed: float) -> None:
    """The cone of a headlight on the road before a thing: brighter where the road is bright, so it multiplies.

    box: x, y, w, h in pixels of the thing; speed: px/s, its sign says which way it looks.
    """
    x, y, w, h = box
    front, way = (x + w, 1) if speed > 0 else (x, -1)
    cone = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    far = front + way * 90
    corners = [(front, y + 0.5 * h), (far, y + 0.2 * h), (far, y + 1.3 * h), (front, y + 0.9 * h)]
    cv2.fillPoly(cone, [np.array(corners, np.int32)], (1.0,))
    picture *= (1 + 2.0 * _blurred(cone, 5))[..., None]


def lamp(picture: Floats, box: tuple[float, float, float, float], speed: float) -> None:
    """The headlight itself and its glare; arguments as of `shine`."""
    x, y, w, h = box
    light = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    cv2.circle(light, (int(x + (w if speed > 0 else 0)), int(y + 0.6 * h)), 3, (255.0,), -1)
    picture += (_blurred(light, 1.5) + 3 * _blurred(light, 8))[..., None]


def _blurred(image: Floats, sigma_px: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)


def _sensed(rng: Rng, picture: Floats, electrons: float, read: float) -> Floats:
    """Shot and read noise (the linear model of a camera, EMVA 1288)."""
    spread = np.sqrt(np.maximum(picture, 0) / electrons + read**2)
    return np.asarray(picture + spread * rng.normal(size=picture.shape), np.float32)
