"""Scenes to judge motion by, composited from the labelled clips when they are run: real places, real things cut from
real frames, a disturbance, and masks that are exact because the things were put there. Fixed seeds; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.bench.motion_weather import (
    FPS,
    SIZE_PX,
    Disturbance,
    Exposure,
    Floats,
    Moths,
    Night,
    Plain,
    Rain,
    Rng,
    Shake,
    lamp,
    shine,
)
from agent.processes.video import VideoFile
from agent.units import NS_PER_S
from agent.vision.motion import HEIGHT_PX, WIDTH_PX

# Learning time, and the judged time after it.
WARM_S: Final = 20
JUDGED_S: Final = 30
# CDnet's levels of a mask (Goyette et al. 2012): moves, edge that does not count, outside what is judged.
MOVES: Final = 255
EDGE: Final = 170
OUTSIDE: Final = 85
_SEED: Final = 100
_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)
# One thing each 2.5 s on average, of which a fourth stops for four seconds.
_APART_S: Final = 2.5
_STOP_S: Final = 4.0
_STOPPING_RATIO: Final = 0.25

Image = npt.NDArray[np.uint8]
Crop = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """A thing cut from a frame: (h, w, 3) uint8, and how much of each pixel it covers, (h, w) float32 0 to 1."""

    bgr: Image
    cover: Floats


@dataclass(frozen=True, slots=True)
class Plate:
    """A real place from a span of a clip. `is_still`: its median, without noise; else forth and back, so that its own
    leaves and noise live on. `crop`: x, y, w, h as fractions."""

    file: str
    start_s: float
    end_s: float
    is_still: bool
    crop: Crop = _WHOLE


@dataclass(frozen=True, slots=True)
class Scene:
    """`kind`: of the disturbance, which weights that are judged by it must not have seen. `light`: of the place and of
    what drives through it; `has_lamps`: that has headlights."""

    name: str
    kind: str
    plate: Plate
    disturbance: Callable[[Rng], Disturbance]
    light: float = 1.0
    has_lamps: bool = False


_SUBURBAN: Final = "traffic/suburban_road_8cars.mp4"
SCENES: Final = (
    Scene("exposure_road", "exposure", Plate(_SUBURBAN, 31.6, 37.4, is_still=False), Exposure),
    Scene("night_junction", "night", Plate("traffic/junction_stopped_car.mp4", 0, 30, is_still=True), Night, light=0.2),
    Scene("shake_campus", "shake", Plate("pedestrian/vtest_PETS09-S2L1.avi", 0, 78, is_still=True), Shake),
    Scene("leaves_tree", "leaves", Plate("negatives/tree_in_wind_then_hand.mp4", 0, 10.2, is_still=False), Plain),
    Scene(
        "leaves_stairs",
        "leaves",
        Plate("tamper/camera_moved_vegetation.mp4", 0, 12.8, is_still=False, crop=(0, 0.4, 1, 0.42)),
        Plain,
    ),
    Scene("moths_infrared", "insects", Plate("pedestrian/abandoned_bag_aboda4.avi", 0, 8.6, is_still=True), Moths, 0.6),
    Scene("rain_road", "rain", Plate("traffic/topview_5cars.avi", 0, 12, is_still=True), Rain),
    Scene("headlights_road", "headlights", Plate(_SUBURBAN, 31.6, 37.4, is_still=True), Plain, 0.15, has_lamps=True),
)


def frames_of(video: Path, start_s: float, end_s: float, crop: Crop) -> list[Image]:
    """Frames of a span at 5 fps, cut out and brought to (240, 320, 3). Raises VideoError."""
    found: list[Image] = []
    with VideoFile(video) as reader:
        for picture in reader.pictures():
            at_s = picture.media_ns / NS_PER_S
            if at_s > end_s:
                break
            if at_s >= start_s + len(found) / FPS - 1e-6:
                bgr = picture.bgr()
                height, width = bgr.shape[:2]
                x, y, w, h = (round(part * side) for part, side in zip(crop, (width, height) * 2, strict=True))
                small = cv2.resize(bgr[y : y + h, x : x + w], SIZE_PX, interpolation=cv2.INTER_AREA)
                found.append(np.asarray(small, np.uint8))
    return found


def _plate(plate: Plate, footage: Path) -> Sequence[Image]:
    frames = frames_of(footage / plate.file, plate.start_s, plate.end_s, plate.crop)
    if plate.is_still:
        return [np.median(np.stack(frames), axis=0).astype(np.uint8)]
    return [*frames, *frames[-2:0:-1]]


def things(footage: Path) -> list[Cut]:
    """Cars of cdnet_highway by its own masks, and walkers of vtest by how they differ from the empty place."""
    return [*_cars(footage / "motion_mask" / "cdnet_highway"), *_walkers(footage / "pedestrian")]


def _cars(folder: Path) -> Iterator[Cut]:
    for number in range(480, 1170, 15):
        mask = np.asarray(cv2.imread(str(folder / "groundtruth" / f"gt{number:06d}.png"), cv2.IMREAD_GRAYSCALE))
        bgr = np.asarray(cv2.imread(str(folder / "input" / f"in{number:06d}.jpg")), np.uint8)
        yield from _pieces(bgr, np.asarray(mask == MOVES, np.uint8), 250)


def _walkers(folder: Path) -> Iterator[Cut]:
    frames = frames_of(folder / "vtest_PETS09-S2L1.avi", 0, 78, _WHOLE)
    empty = np.median(np.stack(frames[::6]), axis=0).astype(np.uint8)
    for bgr in frames[20::45]:
        apart = (cv2.absdiff(bgr, empty).max(axis=2) > 30).astype(np.uint8)
        closed = cv2.morphologyEx(apart, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        yield from _pieces(bgr, np.asarray(closed, np.uint8), 90)


def _pieces(bgr: Image, mask: Image, least_px: int) -> Iterator[Cut]:
    """What is whole in the picture and large enough."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    for piece in range(1, count):
        x, y, w, h, area = stats[piece].tolist()
        if area >= least_px and x > 1 and y > 1 and x + w < WIDTH_PX - 1 and y + h < HEIGHT_PX - 1:
            cover = (labels[y : y + h, x : x + w] == piece).astype(np.float32)
            yield Cut(bgr[y : y + h, x : x + w].copy(), cover)


@dataclass(frozen=True, slots=True)
class _Passage:
    """`start` in px, `velocity` in px/s; `stop`: after how long it stops, and for how long."""

    cut: Cut
    begin_s: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    life_s: float
    stop: tuple[float, float]

    def box(self, at_s: float) -> tuple[float, float, float, float] | None:
        """x, y, w, h in px; None before it came and after it went."""
        since_s = at_s - self.begin_s
        if not 0 <= since_s <= self.life_s + self.stop[1]:
            return None
        gone_s = since_s if since_s <= self.stop[0] else max(self.stop[0], since_s - self.stop[1])
        h, w = self.cut.cover.shape
        return self.start[0] + self.velocity[0] * gone_s, self.start[1] + self.velocity[1] * gone_s, w, h


def _passages(rng: Rng, cuts: Sequence[Cut]) -> list[_Passage]:
    begins_s = np.arange(-4, WARM_S + JUDGED_S, _APART_S)
    return [_passage(rng, cuts, float(begin_s)) for begin_s in begins_s + rng.uniform(-1, 1, len(begins_s))]


def _passage(rng: Rng, cuts: Sequence[Cut], begin_s: float) -> _Passage:
    cut = _scaled(cuts[int(rng.integers(len(cuts)))], rng.uniform(0.7, 1.5))
    width = cut.cover.shape[1]
    way = 1 if rng.random() < 0.5 else -1
    speed = float(rng.uniform(35, 130))
    start = (float(-width if way > 0 else WIDTH_PX), float(rng.uniform(0.35, 0.85) * HEIGHT_PX))
    life_s = (WIDTH_PX + width) / speed
    stops = rng.random() < _STOPPING_RATIO
    stop = (life_s * float(rng.uniform(0.3, 0.7)), _STOP_S) if stops else (life_s, 0.0)
    return _Passage(cut, begin_s, start, (way * speed, speed * float(rng.uniform(-0.15, 0.15))), life_s, stop)


def _scaled(cut: Cut, scale: float) -> Cut:
    h, w = (max(int(side * scale), 3) for side in cut.cover.shape)
    bgr, cover = (cv2.resize(part, (w, h), interpolation=cv2.INTER_LINEAR) for part in (cut.bgr, cut.cover))
    return Cut(np.asarray(bgr, np.uint8), np.asarray(cover, np.float32))


def render(scene: Scene, footage: Path, cuts: Sequence[Cut]) -> Iterator[tuple[Image, Image]]:
    """Frames at 5 fps, each with its mask in CDnet's levels: warm-up, whose masks do not count, then what is judged."""
    rng = np.random.default_rng(_SEED + SCENES.index(scene))
    plate = _plate(scene.plate, footage)
    disturbance = scene.disturbance(rng)
    passages = _passages(rng, cuts)
    for index in range((WARM_S + JUDGED_S) * FPS):
        at_s = index / FPS
        picture = plate[index % len(plate)].astype(np.float32) * np.float32(scene.light)
        cover = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
        for passage in passages:
            _put(picture, cover, passage, at_s, scene)
        picture, cover = disturbance(picture, cover, at_s)
        truth = np.where(cover > 0.5, MOVES, 0).astype(np.uint8)
        truth[(cover > 0.02) & (cover < 0.98)] = EDGE
        if at_s < WARM_S:
            truth[:] = OUTSIDE
        yield np.clip(picture, 0, 255).round().astype(np.uint8), truth


def _put(picture: Floats, cover: Floats, passage: _Passage, at_s: float, scene: Scene) -> None:
    box = passage.box(at_s)
    if box is None:
        return
    matrix = np.array([[1, 0, box[0]], [0, 1, box[1]]], np.float32)
    here = np.asarray(cv2.warpAffine(passage.cut.cover, matrix, SIZE_PX), np.float32)
    skin = cv2.warpAffine(passage.cut.bgr, matrix, SIZE_PX, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    if scene.has_lamps:
        shine(picture, box, passage.velocity[0])
    picture += (skin * np.float32(scene.light) - picture) * here[..., None]
    np.maximum(cover, here, out=cover)
    if scene.has_lamps:
        lamp(picture, box, passage.velocity[0])
