"""The camera's own view: whether its lasting structure is still where it was. One object per camera and run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.units import NS_PER_S
from agent.vision.geometry import Box
from agent.vision.motion import HEIGHT_PX, WIDTH_PX, LumaImage
from agent.vision.view_facts import ViewFacts

# Halved once, the motion model's picture keeps kerbs, poles and eaves and loses the leaves.
_WIDTH_PX: Final = WIDTH_PX // 2
_HEIGHT_PX: Final = HEIGHT_PX // 2
# 8 x 6 blocks: one is a lorry at thirty metres, so a passing one hides two or three.
_BLOCK_PX: Final = 20
_COLUMNS: Final = _WIDTH_PX // _BLOCK_PX
_ROWS: Final = _HEIGHT_PX // _BLOCK_PX
# Two looks a second tell a hand from a flash, and cost a tenth of what the motion model does.
_LOOK_NS: Final = NS_PER_S // 2
# The usual view: dusk takes half an hour, a parked lorry leaves within the day.
_MEMORY_S: Final = 60.0
# What is not where it was is learned this much slower: some twenty minutes until a new view is the usual one.
_GONE_SLOWER: Final = 30.0
# A look at a street with people in it hides a tenth of its structure; eight seconds of looks hide nothing for good.
_KNOWN_NS: Final = 8 * NS_PER_S
# After a pause in the stream one look stands for no more than this.
_MAX_STEP_S: Final = 10.0
# What stands still looks the same for this long.
_STEADY_S: Final = 1.0
# Edges weaker than this of 255 levels are sensor noise and compression (a Pi camera by night has some 3 levels).
_FAINT: Final = 4.0
# A block has a structure when its lasting edges are this strong, of 1; asphalt and sky have less.
_STRUCTURE: Final = 0.06
# And when it is usually found again: leaves in the wind are never twice the same.
_FOUND: Final = 0.3
# It is gone when it is found less than half as well as usual.
_GONE: Final = 0.5

Field = npt.NDArray[np.complex64]
Blocks = npt.NDArray[np.float32]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Look:
    """One look, measured. `detail`: mean strength of edges; `sharpness`: see `_sharpness_of`."""

    field: Field
    detail: float
    sharpness: float
    level: float
    spread: float
    media_ns: int


@dataclass(slots=True)
class _Usual:
    """What looks were like so far. `recent` is of the last second; `found`: how well each block is found again."""

    field: Field
    recent: Field
    found: Blocks
    detail: float
    sharpness: float
    level: float
    since_ns: int
    last_ns: int

    @property
    def is_known(self) -> bool:
        return self.last_ns - self.since_ns >= _KNOWN_NS


class View:
    """Learns the usual view and says what became of it. One owner thread; looks in the order of their media time."""

    def __init__(self) -> None:
        self._usual: _Usual | None = None
        self._due_ns = 0
        self._last: LumaImage | None = None

    def look(self, luma: LumaImage, media_ns: int) -> ViewFacts | None:
        """What the view is like; None when it is not due, which is twice a second.

        luma: (HEIGHT_PX, WIDTH_PX) uint8, full range, as the motion model takes it.
        """
        if media_ns < self._due_ns:
            return None
        self._due_ns = media_ns + _LOOK_NS
        is_same = self._last is not None and bool(np.array_equal(self._last, luma))
        self._last = luma
        look = _measure(luma, media_ns)
        usual = self._usual
        if usual is None:
            usual = self._usual = _begin(look)
        with_structure = (usual.found > _FOUND) & (_sums(np.abs(usual.field)) / _BLOCK_PX**2 > _STRUCTURE)
        found = _likeness(usual.field, look.field)
        gone = with_structure & (found < _GONE * usual.found)
        facts = ViewFacts(
            is_known=usual.is_known,
            blocks=int(with_structure.sum()),
            gone=_boxes(gone),
            standing=_boxes(gone & (_likeness(usual.recent, look.field) >= _FOUND)),
            detail_ratio=look.detail / max(usual.detail, 1e-6),
            sharpness_ratio=look.sharpness / max(usual.sharpness, 1e-6),
            usual_level=usual.level,
            level=look.level,
            spread=look.spread,
            is_same=is_same,
        )
        if not usual.is_known and facts.gone_ratio > _GONE:
            # A view that was seen for a few seconds only is not the usual one: a film that was cut, a camera in hand.
            self._usual = _begin(look)
        else:
            _learn(usual, look, found, gone)
        return facts


def _begin(look: _Look) -> _Usual:
    return _Usual(
        field=look.field.copy(),
        recent=look.field.copy(),
        found=np.ones((_ROWS, _COLUMNS), np.float32),
        detail=look.detail,
        sharpness=look.sharpness,
        level=look.level,
        since_ns=look.media_ns,
        last_ns=look.media_ns,
    )


def _learn(usual: _Usual, look: _Look, found: Blocks, gone: Marks) -> None:
    """A plain mean over the first minute, an exponential one after; what is gone keeps its place longer."""
    step_s = min((look.media_ns - usual.last_ns) / NS_PER_S, _MAX_STEP_S)
    if step_s <= 0:
        return
    share = max(1 - math.exp(-step_s / _MEMORY_S), step_s / ((look.media_ns - usual.since_ns) / NS_PER_S + step_s))
    shares = np.where(gone & usual.is_known, np.float32(share / _GONE_SLOWER), np.float32(share))
    wide = np.repeat(np.repeat(shares, _BLOCK_PX, axis=0), _BLOCK_PX, axis=1)
    usual.field += wide * (look.field - usual.field)
    usual.recent += np.float32(1 - math.exp(-step_s / _STEADY_S)) * (look.field - usual.recent)
    usual.found += np.where(gone, np.float32(0), np.float32(share)) * (found - usual.found)
    usual.last_ns = look.media_ns
    if gone.mean() < _GONE and look.sharpness > _GONE * usual.sharpness:
        usual.detail += share * (look.detail - usual.detail)
        usual.sharpness += share * (look.sharpness - usual.sharpness)
        usual.level += share * (look.level - usual.level)


def _measure(luma: LumaImage, media_ns: int) -> _Look:
    field = _field_of(luma)
    low, high = np.percentile(luma[::8, ::8], (1, 99)).tolist()
    return _Look(field, float(np.abs(field).mean()), _sharpness_of(luma), float(luma.mean()), high - low, media_ns)


def _field_of(luma: LumaImage) -> Field:
    """(_HEIGHT_PX, _WIDTH_PX) complex: where edges are and how they lie, with their strength pressed into 0 to 1.

    The angle is doubled, so that a bright thing on dark and a dark one on bright are the same edge (Bigün and Granlund
    1987), and the strength saturates, so that neither exposure nor one bright lamp rules the comparison.
    """
    size = (_WIDTH_PX, _HEIGHT_PX)
    small = cv2.GaussianBlur(cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32), (0, 0), 0.8)
    # A Sobel filter multiplies a slope of one level a pixel by eight.
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1, scale=1 / 8)
    slope = np.asarray(across + 1j * down, np.complex64)
    strength = np.abs(slope)
    return np.asarray(slope * slope / np.maximum(strength, 1e-6) / (strength + np.float32(_FAINT)), np.complex64)


def _sums(values: npt.NDArray[np.float32]) -> Blocks:
    return np.asarray(values.reshape(_ROWS, _BLOCK_PX, _COLUMNS, _BLOCK_PX).sum((1, 3)), np.float32)


def _likeness(usual: Field, now: Field) -> Blocks:
    """-1 to 1 for each block: 1 where every edge lies as it did."""
    alike = _sums((np.conj(usual) * now).real)
    norms = np.sqrt(_sums(np.abs(usual) ** 2) * _sums(np.abs(now) ** 2))
    return np.asarray(alike / np.maximum(norms, 1e-3), np.float32)


def _sharpness_of(luma: LumaImage) -> float:
    """How steep the steepest tenth of the picture is, over its contrast as a whole.

    A lens out of focus makes edges shallow and leaves light and dark areas; dusk and fog take from both alike, and
    noise adds little to what is steep.
    """
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *axes)[::2, ::2] for axes in ((1, 0), (0, 1)))
    slopes = cv2.magnitude(across, down).ravel()
    steepest = slopes.size - slopes.size // 10
    areas = cv2.resize(luma, (WIDTH_PX // 8, HEIGHT_PX // 8), interpolation=cv2.INTER_AREA)
    return float(np.partition(slopes, steepest)[steepest:].mean()) / max(float(areas.std()), 1.0)


def _boxes(blocks: Marks) -> tuple[Box, ...]:
    rows, columns = np.nonzero(blocks)
    return tuple(
        Box(column / _COLUMNS, row / _ROWS, 1 / _COLUMNS, 1 / _ROWS)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    )
