"""Pictures to train the fire head on: labelled ones, varied, and composed ones that hold what must not alarm.

A picture comes as (416, 416, 3) uint8 BGR, as the trunk takes it, with a (2, 52, 52) uint8 map of the cells that fire
and smoke cover. The sets are those of models/cards/fire-416.md; they are no part of the project.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIZE_PX, CELLS, CELL_PX = 416, 52, 8
# Class numbers of the two sets: (fire, smoke).
CLASSES = {"a": ({0}, {2}), "b": ({1, 3, 4}, {0, 2})}
_PAD = 114


@dataclass(frozen=True)
class Labelled:
    """One picture file. `boxes`: (0 for fire or 1 for smoke, centre x, centre y, width, height) as fractions."""

    path: Path
    boxes: tuple[tuple[int, float, float, float, float], ...]
    is_test: bool


Drawn = tuple[np.ndarray, np.ndarray]


def read_sets(root: Path) -> tuple[list[Labelled], list[Labelled]]:
    """Pictures with labels, and pictures in which nothing burns."""
    labelled = [
        Labelled(path, _boxes(path, name), split != "train")
        for name in CLASSES
        for split in ("train", "valid", "test")
        for path in sorted((root / "fire_smoke" / name / split / "images").iterdir())
    ]
    plain = [
        Labelled(path, (), index % 7 == 0) for index, path in enumerate(sorted((root / "negatives").glob("*.jpg")))
    ]
    return labelled, plain


def _boxes(path: Path, name: str) -> tuple[tuple[int, float, float, float, float], ...]:
    """Lines of YOLO, boxes and polygons alike."""
    fire, smoke = CLASSES[name]
    found = []
    for line in (path.parent.parent / "labels" / f"{path.stem}.txt").read_text().splitlines():
        number, *values = line.split()
        numbers = [float(value) for value in values]
        kind = 0 if int(number) in fire else 1 if int(number) in smoke else None
        if kind is None or len(numbers) < 4:
            continue
        if len(numbers) > 4:
            x, y = numbers[0::2], numbers[1::2]
            numbers = [(min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
        found.append((kind, numbers[0], numbers[1], numbers[2], numbers[3]))
    return tuple(found)


def fitted(picture: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The picture with its longer side at 416 px times `scale`."""
    factor = SIZE_PX * scale / max(picture.shape[:2])
    size = (max(round(picture.shape[1] * factor), 8), max(round(picture.shape[0] * factor), 8))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def letterboxed(picture: np.ndarray) -> np.ndarray:
    canvas = np.full((SIZE_PX, SIZE_PX, 3), _PAD, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def mark(cells: np.ndarray, kind: int, box_px: tuple[float, float, float, float]) -> None:
    """Mark the cells that a box of left, top, right and bottom touches."""
    left, top, right, bottom = box_px
    rows = slice(max(int(top // CELL_PX), 0), min(int(-(-bottom // CELL_PX)), CELLS))
    columns = slice(max(int(left // CELL_PX), 0), min(int(-(-right // CELL_PX)), CELLS))
    cells[kind, rows, columns] = 1


def as_it_is(one: Labelled) -> Drawn:
    picture = fitted(cv2.imread(str(one.path)))
    return letterboxed(picture), _cells(one, picture.shape, (0, 0), is_mirrored=False)


def _cells(one: Labelled, shape: Sequence[int], at: tuple[int, int], *, is_mirrored: bool) -> np.ndarray:
    cells = np.zeros((2, CELLS, CELLS), np.uint8)
    height, width = shape[:2]
    for kind, centre, y, w, h in one.boxes:
        x = 1 - centre if is_mirrored else centre
        left, top = (x - w / 2) * width + at[0], (y - h / 2) * height + at[1]
        mark(cells, kind, (left, top, left + w * width, top + h * height))
    return cells


def varied(one: Labelled, plain: Sequence[np.ndarray], rng: random.Random, noise: np.random.Generator) -> Drawn:
    """Mirrored, in other light, and often small within another picture, as a fire is small in a street."""
    picture = cv2.imread(str(one.path))
    is_mirrored = rng.random() < 0.5
    if is_mirrored:
        picture = picture[:, ::-1]
    tint = np.array([rng.uniform(0.88, 1.12) for _ in range(3)], np.float32)
    light = picture.astype(np.float32) * rng.uniform(0.6, 1.35) + rng.uniform(-25, 20)
    small = fitted(np.clip(light * tint, 0, 255).astype(np.uint8), rng.choice([1, 1, 0.75, 0.5, 0.35]))
    if rng.random() < 0.3:
        small = np.clip(small + noise.normal(0, rng.uniform(2, 9), small.shape), 0, 255).astype(np.uint8)
    canvas, at = np.full((SIZE_PX, SIZE_PX, 3), _PAD, np.uint8), (0, 0)
    if max(small.shape[:2]) < SIZE_PX:
        behind = fitted(rng.choice(plain))
        behind = np.clip((behind[:, ::-1] if rng.random() < 0.5 else behind) * rng.uniform(0.25, 1.1), 0, 255)
        canvas[: behind.shape[0], : behind.shape[1]] = behind.astype(np.uint8)
        at = (
            rng.randrange(max(behind.shape[1] - small.shape[1], 0) + 1),
            rng.randrange(max(behind.shape[0] - small.shape[0], 0) + 1),
        )
    fits = small[: SIZE_PX - at[1], : SIZE_PX - at[0]]
    canvas[at[1] : at[1] + fits.shape[0], at[0] : at[0] + fits.shape[1]] = fits
    return canvas, _cells(one, small.shape, at, is_mirrored=is_mirrored)


class Composer:
    """Streets that never were: lamps, sunsets, orange things and haze over plain pictures, and on half of them flames
    that were cut out of labelled ones."""

    def __init__(self, labelled: Sequence[Labelled], plain: Sequence[np.ndarray], seed: int) -> None:
        self._labelled = [one for one in labelled if one.boxes and not one.is_test]
        self._plain = plain
        self._rng = random.Random(seed)  # noqa: S311 — repeatable, nothing secret
        self._noise = np.random.default_rng(seed)

    def compose(self, *, with_flames: bool) -> Drawn:
        rng = self._rng
        cells = np.zeros((2, CELLS, CELLS), np.uint8)
        picture = self._behind()
        chances: tuple[tuple[float, Callable[[np.ndarray], np.ndarray]], ...] = (
            (0.35, self._sunset),
            (0.5, self._lamps),
            (0.25, self._patches),
            (0.2, self._haze),
        )
        for chance, change in chances:
            if rng.random() < chance:
                picture = change(picture)
        if with_flames:
            for _ in range(rng.choice([1, 1, 2, 3])):
                picture = self._flame(picture, cells)
        return letterboxed(self._as_filmed(picture)), cells

    def _behind(self) -> np.ndarray:
        """A plain picture, or the part of a labelled one that holds no box; by day or by night."""
        rng = self._rng
        picture = rng.choice(self._plain) if rng.random() < 0.6 else self._empty_part()
        picture = fitted(picture)
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        light = rng.uniform(0.12, 0.5) if rng.random() < 0.5 else rng.uniform(0.6, 1.25)
        return np.clip(picture.astype(np.float32) * light, 0, 255)

    def _empty_part(self) -> np.ndarray:
        rng = self._rng
        for _ in range(30):
            one = rng.choice(self._labelled)
            picture = cv2.imread(str(one.path))
            height, width = picture.shape[:2]
            w, h = int(width * rng.uniform(0.35, 0.7)), int(height * rng.uniform(0.35, 0.7))
            x, y = rng.randrange(width - w), rng.randrange(height - h)
            apart = (
                (cx - bw / 2) * width >= x + w
                or (cx + bw / 2) * width <= x
                or (cy - bh / 2) * height >= y + h
                or (cy + bh / 2) * height <= y
                for _, cx, cy, bw, bh in one.boxes
            )
            if all(apart):
                return picture[y : y + h, x : x + w]
        return rng.choice(self._plain)

    def _sunset(self, picture: np.ndarray) -> np.ndarray:
        rng = self._rng
        if rng.random() < 0.5:
            fade = np.linspace(0, 1, picture.shape[0], dtype=np.float32)[:, None, None]
            fade = (1 - fade if rng.random() < 0.5 else fade) * rng.uniform(0.3, 0.9)
            sky = np.array([rng.uniform(10, 90), rng.uniform(60, 160), rng.uniform(180, 255)], np.float32)
            picture = picture * (1 - fade) + sky * fade
        warm = np.array([rng.uniform(0.15, 0.7), rng.uniform(0.5, 0.9), rng.uniform(1.0, 1.6)], np.float32)
        return np.clip(picture * warm, 0, 255)

    def _lamps(self, picture: np.ndarray) -> np.ndarray:
        """Street lamps, and headlights in pairs."""
        rng = self._rng
        height, width = picture.shape[:2]
        warm = np.array([rng.uniform(40, 160), rng.uniform(140, 220), 255], np.float32)
        for _ in range(rng.randint(1, 6)):
            colour = warm if rng.random() < 0.65 else np.array([250, 250, 255], np.float32)
            radius, x, y = rng.uniform(1.5, 14), rng.uniform(0, width), rng.uniform(0, height * 0.8)
            picture = self._lamp(picture, (x, y), radius, colour)
            if rng.random() < 0.4:
                beside = (x + radius * rng.uniform(3, 9), y + rng.uniform(-2, 2))
                picture = self._lamp(picture, beside, radius, colour)
        return picture

    def _lamp(self, picture: np.ndarray, at: tuple[float, float], radius: float, colour: np.ndarray) -> np.ndarray:
        rng = self._rng
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
        away = np.hypot(columns - at[0], rows - at[1])
        glow = np.exp(-((away / (radius * rng.uniform(1.2, 4))) ** rng.uniform(1, 2)))[..., None]
        lit = 255 - (255 - picture) * (1 - glow * rng.uniform(0.5, 1) * colour / 255)
        core = np.clip(radius - away + 0.5, 0, 1)[..., None]
        return lit * (1 - core) + core * np.clip(colour * rng.uniform(0.9, 1.2), 0, 255)

    def _patches(self, picture: np.ndarray) -> np.ndarray:
        """Vests, signs, awnings and cars in the colours of flames."""
        rng = self._rng
        canvas = np.ascontiguousarray(picture)
        height, width = canvas.shape[:2]
        for _ in range(rng.randint(1, 5)):
            colour = (rng.uniform(0, 80), rng.uniform(60, 190), rng.uniform(190, 255))
            x, y, w, h = rng.randrange(width), rng.randrange(height), rng.randrange(6, 80), rng.randrange(6, 80)
            if rng.random() < 0.5:
                cv2.ellipse(canvas, (x, y), (w // 2, h // 2), rng.uniform(0, 180), 0, 360, colour, -1)
            else:
                cv2.rectangle(canvas, (x, y), (x + w, y + h), colour, -1)
        return canvas

    def _haze(self, picture: np.ndarray) -> np.ndarray:
        """Fog and cloud over the whole picture: no plume."""
        rng = self._rng
        coarse = self._noise.random((rng.randint(2, 6), rng.randint(2, 6))).astype(np.float32)
        size = (picture.shape[1], picture.shape[0])
        veil = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[..., None] * rng.uniform(0.2, 0.8)
        return np.clip(picture * (1 - veil) + rng.uniform(150, 240) * veil, 0, 255)

    def _flame(self, picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Put a flame of 12 to 90 pixels somewhere, with its glow on what is around."""
        rng = self._rng
        flame, mask = self._cut_flame()
        factor = rng.choice([12, 16, 20, 28, 40, 60, 90]) * rng.uniform(0.8, 1.2) / max(flame.shape[:2])
        w, h = max(int(flame.shape[1] * factor), 5), max(int(flame.shape[0] * factor), 5)
        height, width = picture.shape[:2]
        if w >= width or h >= height:
            return picture
        flame, mask = (cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) for image in (flame, mask))
        x, y = rng.randrange(width - w), rng.randrange(int((height - h) * 0.2), height - h)
        canvas = np.ascontiguousarray(picture)
        place = canvas[y : y + h, x : x + w]
        place[:] = place * (1 - mask[..., None]) + flame * mask[..., None]
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        away = np.hypot(columns - x - w / 2, rows - y - h / 2) / (max(w, h) * rng.uniform(0.7, 1.6))
        glow = np.exp(-(away**2))[..., None] * rng.uniform(0.1, 0.6) * float(mask.max())
        burning_rows, burning_columns = np.nonzero(mask > 0.25)
        if burning_rows.size:
            left, right = x + burning_columns.min(), x + burning_columns.max() + 1
            mark(cells, 0, (left, y + burning_rows.min(), right, y + burning_rows.max() + 1))
        return 255 - (255 - canvas) * (1 - glow * np.array([30, 110, 200], np.float32) / 255)

    def _cut_flame(self) -> tuple[np.ndarray, np.ndarray]:
        """A flame and how much of each pixel is flame: bright, and redder than blue."""
        while True:
            one = self._rng.choice(self._labelled)
            boxes = [box for box in one.boxes if box[0] == 0]
            if not boxes:
                continue
            picture = cv2.imread(str(one.path)).astype(np.float32)
            height, width = picture.shape[:2]
            _, x, y, w, h = self._rng.choice(boxes)
            top, left = max(int((y - h / 2) * height), 0), max(int((x - w / 2) * width), 0)
            cut = picture[top : int((y + h / 2) * height), left : int((x + w / 2) * width)]
            if min(cut.shape[:2]) < 16:
                continue
            redness = np.clip((cut[..., 2] - 0.6 * cut[..., 0] - 60) / 80, 0, 1)
            mask = redness * np.clip((cut[..., 2] - 120) / 80, 0, 1)
            if mask.mean() >= 0.12:
                return cut, mask

    def _as_filmed(self, picture: np.ndarray) -> np.ndarray:
        """Noise, softness and compression of a camera."""
        rng = self._rng
        if rng.random() < 0.5:
            picture = picture + self._noise.normal(0, rng.uniform(1, 10), picture.shape)
        if rng.random() < 0.3:
            picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), rng.uniform(0.5, 1.5))
        filmed = np.clip(picture, 0, 255).astype(np.uint8)
        if rng.random() < 0.7:
            _, jpeg = cv2.imencode(".jpg", filmed, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(35, 85)])
            filmed = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        return filmed
