"""How well and how fast motion is found, beside OpenCV's MOG2 and KNN on the same frames, one after the other.

A folder has CDnet's form (Goyette et al. 2012): frames as `input/*.jpg` (or png) or one video, and
`groundtruth/gt*.png` of the same numbers: 255 moves, 0 and 50 (hard shadow) do not, 85 and 170 do not count.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from agent.bench.films import Say
from agent.bench.motion_scenes import SCENES, WARM_S, Cut, Scene, render, things
from agent.bench.motion_weather import FPS
from agent.bench.rows import Pair, Row, median_row
from agent.errors import BenchError
from agent.units import NS_PER_S
from agent.vision.model import ModelStore, Session
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, MotionModel

_MODEL: Final = "motion-320x240"
_THREADS: Final = 1
_MOVES: Final = 255
_COUNTED: Final = (0, 50, 255)
_VIDEOS: Final = frozenset({".mp4", ".avi", ".mkv", ".mov"})
_STILLS: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
_MEDIAN_PX: Final = 5

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """One folder: its frames by number, at the model's size, and the masks that there are for some."""

    name: str
    frames: tuple[Image, ...]
    truths: dict[int, Image]


@dataclass(slots=True)
class Tally:
    """Pixels against the truth."""

    true: int = 0
    false: int = 0
    missed: int = 0

    def add(self, moved: npt.NDArray[np.bool_], truth: Image) -> None:
        """moved: (H, W); truth: (H, W) in CDnet's levels."""
        moves = truth == _MOVES
        counts = np.isin(truth, _COUNTED)
        self.true += int(np.count_nonzero(moved & moves))
        self.false += int(np.count_nonzero(moved & counts & ~moves))
        self.missed += int(np.count_nonzero(~moved & moves))

    @property
    def precision(self) -> float:
        return self.true / max(self.true + self.false, 1)

    @property
    def recall(self) -> float:
        return self.true / max(self.true + self.missed, 1)

    @property
    def f_measure(self) -> float:
        return 2 * self.true / max(2 * self.true + self.false + self.missed, 1)


class Contender(Protocol):
    """One way of finding what moves: ours, or OpenCV's with its own defaults."""

    @property
    def name(self) -> str: ...

    def find(self, bgr: Image, luma: Image, media_ns: int) -> Image:
        """Not 0 where pixels moved. bgr: (240, 320, 3); luma: (240, 320)."""


class Ours:
    """The whole of MotionModel: also the light, what stands and the pieces, which the others leave to whoever asks."""

    name = "ours"

    def __init__(self, session: Session) -> None:
        self._model = MotionModel(session)

    def find(self, bgr: Image, luma: Image, media_ns: int) -> Image:
        self._model.update(luma, media_ns)
        return self._model.mask


class Mog2:
    """In colour with its shadows, which it marks 127 and which count as not moving."""

    name = "MOG2"

    def __init__(self) -> None:
        self._model = cv2.createBackgroundSubtractorMOG2()

    def find(self, bgr: Image, luma: Image, media_ns: int) -> Image:
        return np.asarray(self._model.apply(bgr), np.uint8) & np.uint8(128)


class LumaMog2:
    """On luma without shadows, with a median: the best it does on such pictures."""

    name = "MOG2 luma median"

    def __init__(self) -> None:
        self._model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)

    def find(self, bgr: Image, luma: Image, media_ns: int) -> Image:
        return np.asarray(cv2.medianBlur(self._model.apply(luma), _MEDIAN_PX), np.uint8)


class Knn:
    """In colour, with its shadows, and a median."""

    name = "KNN"

    def __init__(self) -> None:
        self._model = cv2.createBackgroundSubtractorKNN()

    def find(self, bgr: Image, luma: Image, media_ns: int) -> Image:
        return np.asarray(cv2.medianBlur(self._model.apply(bgr), _MEDIAN_PX), np.uint8) & np.uint8(128)


@dataclass(slots=True)
class Result:
    """Of one contender in one run over one clip."""

    tally: Tally = field(default_factory=Tally)
    frame_ms: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return statistics.median(self.frame_ms)


def run(folders: Sequence[Path], models: ModelStore, *, fps: float, runs: int, say: Say) -> list[Row]:
    """Rows of every folder. `fps`: the rate that the frames of a CDnet folder are taken to have; composites are at 5.

    A folder without `input` but with `motion_mask` is footage to composite scenes from. Raises BenchError, ModelError,
    VideoError.
    """
    cv2.setNumThreads(_THREADS)
    session = models.open(models.entry(_MODEL, "motion"))
    rows: list[Row] = []
    for clip, rate in _clips(folders, fps):
        size = f"{WIDTH_PX}x{HEIGHT_PX}"
        say(f"{clip.name}: {len(clip.frames)} frames of {size}, {_THREADS} thread each, as at {rate:g} fps")
        rows += _rows(clip.name, [compete(clip, session, rate) for _ in range(runs)])
    return rows


def _clips(folders: Sequence[Path], fps: float) -> Iterator[tuple[Clip, float]]:
    for folder in folders:
        if (folder / "motion_mask").is_dir() and not (folder / "input").is_dir():
            cuts = things(folder)
            for scene in SCENES:
                yield composite(scene, folder, cuts), FPS
        else:
            yield read_clip(folder), fps


def composite(scene: Scene, footage: Path, cuts: Sequence[Cut]) -> Clip:
    """A made scene as a clip: masks of its judged part only."""
    shots = list(render(scene, footage, cuts))
    truths = {at: truth for at, (_, truth) in enumerate(shots) if at >= WARM_S * FPS}
    return Clip(scene.name, tuple(bgr for bgr, _ in shots), truths)


def compete(clip: Clip, session: Session, fps: float) -> dict[str, Result]:
    """Every contender over every frame in turn, so that a slow moment of the machine slows all of them."""
    contenders: tuple[Contender, ...] = (Ours(session), Mog2(), LumaMog2(), Knn())
    results = {contender.name: Result() for contender in contenders}
    for number, bgr in enumerate(clip.frames):
        luma = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        for contender in contenders:
            begun = time.perf_counter()
            moved = contender.find(bgr, luma, round(number / fps * NS_PER_S))
            result = results[contender.name]
            result.frame_ms.append((time.perf_counter() - begun) * 1e3)
            if number in clip.truths:
                result.tally.add(moved > 0, clip.truths[number])
    return results


def _rows(clip: str, passes: Sequence[dict[str, Result]]) -> list[Row]:
    """`f_measure`, `ms_per_frame`, then precision and recall, each against every peer."""
    peers = [name for name in passes[0] if name != Ours.name]

    def row(measure: str, peer: str, unit: str, value: str) -> Row:
        pairs = [
            Pair(*(float(getattr(one, value)) for one in _sides(results, peer, value == "ms"))) for results in passes
        ]
        return median_row(f"{measure}/{clip}", pairs, unit=unit, peer_name=peer)

    measures = (
        ("f_measure", "", "f_measure"),
        ("ms_per_frame", "ms", "ms"),
        ("precision", "", "precision"),
        ("recall", "", "recall"),
    )
    return [row(measure, peer, unit, value) for measure, unit, value in measures for peer in peers]


def _sides(results: dict[str, Result], peer: str, is_timing: bool) -> Iterator[Result | Tally]:
    for name in (Ours.name, peer):
        yield results[name] if is_timing else results[name].tally


def read_clip(folder: Path) -> Clip:
    """A folder of CDnet's form. Raises BenchError with what is missing."""
    paths = sorted(path for path in (folder / "input").glob("*") if path.suffix.lower() in _STILLS)
    videos = [path for place in (folder, folder / "input") for path in place.glob("*") if path.suffix in _VIDEOS]
    masks = {_number(path): path for path in sorted((folder / "groundtruth").glob("*.png"))}
    if paths:
        frames = [(_number(path), _read(path)) for path in paths]
    elif videos:
        # CDnet counts from 1.
        frames = list(enumerate(_video(videos[0]), 1))
    else:
        raise BenchError(folder=str(folder), remedy="it needs input/*.jpg or a video, and groundtruth/gt*.png (CDnet)")
    truths = {at: _truth(masks[number]) for at, (number, _) in enumerate(frames) if number in masks}
    if not truths:
        raise BenchError(folder=str(folder), remedy="no mask in groundtruth/ has the number of a frame")
    return Clip(folder.name, tuple(_small(frame) for _, frame in frames), truths)


def _number(path: Path) -> int:
    digits = re.findall(r"\d+", path.stem)
    if not digits:
        raise BenchError(file=str(path), remedy="its name has no number; CDnet names frames in000001.jpg, gt000001.png")
    return int(digits[-1])


def _video(path: Path) -> Iterator[Image]:
    video = cv2.VideoCapture(str(path))
    while True:
        there, frame = video.read()
        if not there:
            return
        yield _small(np.asarray(frame, np.uint8))


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BenchError(file=str(path), remedy="it cannot be read as a picture; copy it again")
    return np.asarray(image, np.uint8)


def _small(bgr: Image) -> Image:
    return np.asarray(cv2.resize(bgr, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _truth(path: Path) -> Image:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise BenchError(file=str(path), remedy="it cannot be read as a mask; copy it again")
    return np.asarray(cv2.resize(mask, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST), np.uint8)
