"""Faces, for copies in which nobody is to be known. The session is shared; the object holds no state."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import ModelError
from agent.vision.detector import BgrImage
from agent.vision.geometry import Box, clip
from agent.vision.model import ModelFacts, Session
from agent.vision.tensors import suppress

# models/cards/centerface.md: the input's sides are multiples of this, and a cell of the output is 4 pixels.
_STEP_PX: Final = 32
_CELL_PX: Final = 4
_INPUT: Final = "input.1"
# A face that is missed is shown to everybody; a lamp that is covered harms nobody. CenterFace's own default is 0.5.
LEAST_SCORE: Final = 0.2
_IOU_LIMIT: Final = 0.3
# A face of 12 pixels can be known by who knows the person; the model finds them from some 10. Smaller pictures are
# enlarged to this width, larger ones shrunk, which keeps faces of 20 pixels of 1080p.
_WIDTH_PX: Final = 1280

Floats = npt.NDArray[np.float32]


class FaceDetector:
    """CenterFace (Xu et al. 2019): a heat map of face centres, their sizes and offsets."""

    def __init__(self, session: Session) -> None:
        if len(session.outputs) != 4:
            raise ModelError(
                model=session.facts.id, remedy="its outputs are not CenterFace's; choose another face model"
            )
        self._session = session

    @property
    def facts(self) -> ModelFacts:
        return self._session.facts

    def detect(self, bgr: BgrImage) -> tuple[tuple[Box, float], ...]:
        """Every face scored at least LEAST_SCORE: its box as fractions of the picture, its score.

        bgr: (H, W, 3) uint8. Raises ModelError.
        """
        width = _WIDTH_PX
        height = max(round(bgr.shape[0] * width / bgr.shape[1] / _STEP_PX), 1) * _STEP_PX
        method = cv2.INTER_AREA if bgr.shape[1] > width else cv2.INTER_LINEAR
        rgb = cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=method), cv2.COLOR_BGR2RGB)
        images = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32)
        heat, scale, offset, _ = self._session.run({_INPUT: images})
        boxes, scores = _candidates(heat[0, 0], scale[0], offset[0])
        kept = suppress(boxes, scores, np.zeros(len(scores), np.intp), _IOU_LIMIT)
        extent = np.array([width, height, width, height], np.float32)
        return tuple((_box(boxes[index] / extent), float(scores[index])) for index in kept)


def _candidates(heat: Floats, scale: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Corners (N, 4) in pixels of the input and scores (N,), best first."""
    rows, columns = np.nonzero(heat >= LEAST_SCORE)
    scores = heat[rows, columns]
    order = np.argsort(-scores, kind="stable")
    rows, columns, scores = rows[order], columns[order], scores[order]
    high = np.exp(scale[0, rows, columns]) * _CELL_PX
    wide = np.exp(scale[1, rows, columns]) * _CELL_PX
    y = (rows + offset[0, rows, columns] + 0.5) * _CELL_PX
    x = (columns + offset[1, rows, columns] + 0.5) * _CELL_PX
    corners = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1)
    return np.asarray(corners, np.float32), np.asarray(scores, np.float32)


def _box(corners: Floats) -> Box:
    left, top, right, bottom = (float(value) for value in corners)
    return clip(Box(left, top, right - left, bottom - top))
