"""A contact sheet: small pictures in rows with the time under each, one JPEG that a thin line carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.errors import VideoError
from agent.vision.detector import BgrImage

if TYPE_CHECKING:
    from cv2.typing import MatLike

_COLUMNS: Final = 4
_MARGIN_PX: Final = 10
_TITLE_PX: Final = 44
_LINE_PX: Final = 24
# The width of one picture and the JPEG's quality: the first of these that fits. 48 noisy night pictures fit the last.
_STEPS: Final = ((320, 82), (320, 70), (320, 58), (280, 58), (240, 55), (200, 50), (160, 45), (120, 40))
_PAPER_BGR: Final = (250, 248, 246)
_INK_BGR: Final = (51, 41, 31)
_SOFT_BGR: Final = (120, 110, 97)
_GAP_BGR: Final = (214, 224, 246)
_GAP_INK_BGR: Final = (15, 72, 180)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Tile:
    """`label` stands under the picture; without a picture `words` stand in its place. ASCII: OpenCV's font has no
    other letters."""

    label: str
    picture: BgrImage | None = None
    words: tuple[str, ...] = ()


def encode_sheet(title: str, note: str, tiles: Sequence[Tile], *, max_bytes: int) -> bytes:
    """JPEG of at most `max_bytes`. Raises VideoError when even the smallest step is too large, or nothing is shown."""
    if not tiles:
        raise VideoError(remedy="there is nothing to show")
    for width, quality in _STEPS:
        sheet = _compose(title, note, tiles, width)
        _, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if jpeg.size <= max_bytes:
            return jpeg.tobytes()
    raise VideoError(remedy=f"the sheet does not fit into {max_bytes} bytes: ask for fewer pictures")


def _compose(title: str, note: str, tiles: Sequence[Tile], width: int) -> MatLike:
    height = _height(tiles, width)
    columns = min(_COLUMNS, len(tiles)) if len(tiles) > 1 else 2
    rows = -(-len(tiles) // columns)
    step_x, step_y = width + _MARGIN_PX, height + _LINE_PX + _MARGIN_PX
    whole = (_TITLE_PX + rows * step_y, _MARGIN_PX + columns * step_x, 3)
    sheet = np.full(whole, _PAPER_BGR, np.uint8)
    _write(sheet, title, (_MARGIN_PX, 28), scale=0.68, colour=_INK_BGR, most_px=whole[1] - 2 * _MARGIN_PX)
    used = cv2.getTextSize(title, _FONT, 0.68, 1)[0][0]
    left_px = whole[1] - used - 4 * _MARGIN_PX
    if left_px > 120:
        _write(sheet, note, (used + 3 * _MARGIN_PX, 28), scale=0.48, colour=_SOFT_BGR, most_px=left_px)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        x, y = _MARGIN_PX + column * step_x, _TITLE_PX + row * step_y
        sheet[y : y + height, x : x + width] = _shown(tile, width, height)
        colour = _INK_BGR if tile.picture is not None else _GAP_INK_BGR
        _write(sheet, tile.label, (x + 2, y + height + 17), scale=0.5, colour=colour, most_px=width - 4)
    return sheet


def _shown(tile: Tile, width: int, height: int) -> MatLike:
    if tile.picture is None:
        blank = np.full((height, width, 3), _GAP_BGR, np.uint8)
        for number, line in enumerate(tile.words):
            _write(blank, line, (10, 30 + number * 22), scale=0.48, colour=_GAP_INK_BGR, most_px=width - 20)
        return blank
    # Never stretched: a camera that was turned to portrait shows as such.
    there_y, there_x = tile.picture.shape[:2]
    scale = min(width / there_x, height / there_y)
    size = (max(round(there_x * scale), 1), max(round(there_y * scale), 1))
    small = cv2.resize(tile.picture, size, interpolation=cv2.INTER_AREA)
    frame = np.zeros((height, width, 3), np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    frame[y : y + size[1], x : x + size[0]] = small
    return frame


def _height(tiles: Sequence[Tile], width: int) -> int:
    """That of the first picture at this width; of none 16:9."""
    high, wide = next((tile.picture.shape[:2] for tile in tiles if tile.picture is not None), (9, 16))
    return min(max(width * int(high) // int(wide), width // 4), 2 * width)


def _write(
    picture: MatLike, text: str, at: tuple[int, int], *, scale: float, colour: tuple[int, ...], most_px: int
) -> None:
    """A line, made smaller where it would not fit."""
    plain = text.encode("ascii", "replace").decode()
    wide = cv2.getTextSize(plain, _FONT, scale, 1)[0][0]
    fitting = scale * min(1.0, most_px / max(wide, 1))
    cv2.putText(picture, plain, at, _FONT, fitting, colour, 1, cv2.LINE_AA)
