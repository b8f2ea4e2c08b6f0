"""Which of a camera's streams to record, and which to look at. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from provisioning.cameras.camera import CameraStream

# The detector sees 416 px: a picture between these loses nothing to it and costs a tenth of the main stream to decode.
_LEAST_PX: Final = 640 * 360
_MOST_PX: Final = 1280 * 720
# A segment, a clip and a picture after a loss begin at an IDR: beyond this each of them waits (camera set-up, 1 s-4 s).
_LONGEST_GOP_S: Final = 4.0


class Advice(StrEnum):
    """What the technician had better set on the camera's own page; the sentence is `cameras.advice.…`."""

    NO_MAIN = "no_main"
    NO_SUB = "no_sub"
    LONG_GOP = "long_gop"
    HEVC_MAIN = "hevc_main"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`main` is recorded natively; `sub` is only seen by vision, None where the main stream serves for both."""

    main: CameraStream | None
    sub: CameraStream | None
    advice: tuple[Advice, ...]


def suggest(streams: Iterable[CameraStream]) -> Suggestion:
    """The largest recordable stream as main, and as sub the one whose size lies in or nearest to 640x360..1280x720."""
    usable = [stream for stream in streams if stream.is_recordable and stream.url]
    if not usable:
        return Suggestion(None, None, (Advice.NO_MAIN,))
    main = max(usable, key=lambda one: (_pixels(one), one.fps, one.bitrate_bps))
    smaller = [one for one in usable if one.url != main.url and _pixels(one) < _pixels(main)]
    sub = min(smaller, key=lambda one: (_distance(one), -_pixels(one), -one.fps), default=None)
    advice = []
    if sub is None and _pixels(main) > _MOST_PX:
        advice.append(Advice.NO_SUB)
    if any(one.gop_s > _LONGEST_GOP_S for one in (main, sub) if one is not None):
        advice.append(Advice.LONG_GOP)
    if main.codec == "hevc":
        advice.append(Advice.HEVC_MAIN)
    return Suggestion(main, sub, tuple(advice))


def _pixels(stream: CameraStream) -> int:
    return stream.width * stream.height


def _distance(stream: CameraStream) -> float:
    """How far outside of the wanted sizes, as a ratio's logarithm; 0 within. A size that was not told is far."""
    pixels = _pixels(stream)
    if pixels == 0:
        return math.inf
    return max(math.log(_LEAST_PX / pixels), math.log(pixels / _MOST_PX), 0.0)
