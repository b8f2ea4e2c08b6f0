"""The detector: NanoDet-g on the whole picture. Sessions are shared by all cameras; the object holds no state."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import ModelError
from agent.vision.geometry import Box, Detection, Label, clip
from agent.vision.model import ModelFacts, Session
from agent.vision.tensors import Floats, Ints, cell_centres, expected_distances, group_of, suppress

BgrImage = npt.NDArray[np.uint8]

INPUT_PX: Final = 416
_STRIDES_PX: Final = (8, 16, 32)
# models/cards/nanodet-g-416.md: BGR, letterboxed to the top left.
_PAD_LEVEL: Final = 114
_MEAN = np.array([103.53, 116.28, 123.675], np.float32)
_STD = np.array([57.375, 57.12, 58.395], np.float32)
# The tracker's later stages live on boxes that the first would not believe (ByteTrack, Zhang et al. 2022); below 0.2
# only where motion draws the same box (agent.vision.backing).
LOW_SCORE: Final = 0.1
# NanoDet's own default for NMS.
_IOU_LIMIT: Final = 0.6
# No street scene at 416 px holds more that could be told apart.
_MAX_BOXES: Final = 200
# COCO's class indices.
_LABELS: Final = {
    0: Label.PERSON,
    1: Label.BICYCLE,
    2: Label.CAR,
    3: Label.MOTORCYCLE,
    5: Label.BUS,
    7: Label.TRUCK,
}
_CLASSES = np.array(sorted(_LABELS), np.intp)
_FAMILIES: Final = (frozenset({2, 5, 7}), frozenset({1, 3}))


class Detector:
    """Finds road users in a picture."""

    def __init__(self, session: Session) -> None:
        wanted = {f"{kind}_{stride}" for kind in ("cls", "dis") for stride in _STRIDES_PX}
        if set(session.outputs) != wanted:
            raise ModelError(model=session.facts.id, remedy="its outputs are not NanoDet's; choose another detector")
        self._session = session

    @property
    def facts(self) -> ModelFacts:
        return self._session.facts

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        """Everything scored at least LOW_SCORE, best first; what of it to believe is the tracker's to say.

        bgr: (H, W, 3) uint8. Boxes are fractions of this picture, cut at its borders.
        """
        height, width = bgr.shape[:2]
        scale = INPUT_PX / max(height, width)
        outputs = dict(zip(self._session.outputs, self._session.run({"images": letterboxed(bgr, scale)}), strict=True))
        boxes, scores, classes = _candidates(outputs)
        kept = suppress(boxes, scores, group_of(classes, _FAMILIES), _IOU_LIMIT)
        extent = np.array([width * scale, height * scale] * 2, np.float32)
        found = (_detection(boxes[index] / extent, classes[index], scores[index]) for index in kept)
        # The letterbox's grey edge gives boxes outside the picture now and then; cut, they have no area.
        return tuple(detection for detection in found if detection.box.area > 0)


def letterboxed(bgr: BgrImage, scale: float) -> npt.NDArray[np.float32]:
    """(1, 3, 416, 416) float32, normalised as NanoDet's trunk wants it; the picture stands at the top left.

    bgr: (H, W, 3) uint8; scale: INPUT_PX over its longer side.
    """
    height, width = round(bgr.shape[0] * scale), round(bgr.shape[1] * scale)
    # INTER_AREA shrinks without aliasing, INTER_LINEAR enlarges.
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(bgr, (width, height), interpolation=method)
    canvas = np.empty((1, 3, INPUT_PX, INPUT_PX), np.float32)
    # Channel by channel into its place: a third of the 5 ms that a transposed copy of the whole takes.
    for channel, (mean, std) in enumerate(zip(_MEAN, _STD, strict=True)):
        plane = canvas[0, channel]
        plane.fill((_PAD_LEVEL - mean) / std)
        placed = plane[:height, :width]
        np.multiply(small[:, :, channel], np.float32(1 / std), out=placed)
        placed -= mean / std
    return canvas


def _candidates(outputs: dict[str, Floats]) -> tuple[Floats, Floats, Ints]:
    """Boxes (N, 4) in pixels of the input, scores (N,), COCO classes (N,); at most _MAX_BOXES, not yet suppressed."""
    boxes: list[Floats] = []
    scores: list[Floats] = []
    classes: list[Ints] = []
    for stride in _STRIDES_PX:
        # Only the cells that pass are decoded: some tens of 3 549.
        street = outputs[f"cls_{stride}"][0][:, _CLASSES]
        cells, columns = np.nonzero(street >= LOW_SCORE)
        distances = expected_distances(outputs[f"dis_{stride}"][0][cells], stride)
        x, y = cell_centres(cells, stride, INPUT_PX)
        corners = (x - distances[:, 0], y - distances[:, 1], x + distances[:, 2], y + distances[:, 3])
        boxes.append(np.stack(corners, axis=1))
        scores.append(street[cells, columns])
        classes.append(_CLASSES[columns])
    all_scores = np.concatenate(scores)
    best = np.argsort(-all_scores, kind="stable")[:_MAX_BOXES]
    return np.concatenate(boxes)[best], all_scores[best], np.concatenate(classes)[best]


def _detection(corners: Floats, coco: int, score: float) -> Detection:
    left, top, right, bottom = (float(value) for value in corners)
    return Detection(clip(Box(left, top, right - left, bottom - top)), _LABELS[int(coco)], float(score))
