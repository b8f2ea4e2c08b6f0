"""A detector that users brought: fed and read as its manifest entry says. Holds no state; safe from any thread."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from agent.errors import ModelError
from agent.vision import decoders
from agent.vision.decoders import Candidates
from agent.vision.detector import LOW_SCORE, BgrImage
from agent.vision.form import NANODET, DetectorForm
from agent.vision.geometry import Box, Detection, Label, clip
from agent.vision.model import ModelFacts, Session
from agent.vision.tensors import suppress

_GREY: Final = 114
# Labels that compete for one object, as for our own detector (agent.vision.detector).
_FAMILY: Final = {
    Label.PERSON: 0,
    Label.BICYCLE: 1,
    Label.MOTORCYCLE: 1,
    Label.CAR: 2,
    Label.BUS: 2,
    Label.TRUCK: 2,
}


class OwnDetector:
    """Proves itself on a grey picture when it is made. Raises ModelError with what does not fit."""

    def __init__(self, session: Session, kind: str, form: DetectorForm | None) -> None:
        """form: None for how its kind is fed as a rule."""
        form = form or (NANODET if kind == "nanodet" else DetectorForm())
        self._session = session
        self._kind = kind
        self._form = form
        self._label_of = {index: label for label, indices in form.classes.items() for index in indices}
        if len(session.inputs) != 1:
            raise ModelError(model=self.facts.id, remedy=f"it has {len(session.inputs)} inputs; a detector has one")
        if not self._label_of:
            raise ModelError(model=self.facts.id, remedy="classes names none of its classes")
        self.detect(np.full((90, 160, 3), _GREY, np.uint8))

    @property
    def facts(self) -> ModelFacts:
        return self._session.facts

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        """As agent.vision.detector.Detector does. Raises ModelError."""
        height, width = bgr.shape[:2]
        form = self._form
        if form.fit == "stretch":
            extent = (float(form.width_px), float(form.height_px))
        else:
            scale = min(form.width_px / width, form.height_px / height)
            extent = (width * scale, height * scale)
        outputs = self._session.run({self._session.inputs[0]: fed(bgr, form)})
        try:
            found = self._candidates(dict(zip(self._session.outputs, outputs, strict=True)))
        except (KeyError, ValueError, IndexError) as exc:
            remedy = f"its outputs are not those of {self._kind} ({exc}); correct kind or form in the manifest"
            raise ModelError(model=self.facts.id, remedy=remedy) from exc
        return self._detections(found, extent)

    def _candidates(self, outputs: dict[str, npt.NDArray[np.float32]]) -> Candidates:
        wanted, form = list(self._label_of), self._form
        if self._kind == "ssd":
            return decoders.ssd(outputs, wanted, LOW_SCORE, form.width_px, form.height_px)
        if any(output.ndim != 3 for output in outputs.values()):
            raise ValueError("an output that has not 3 dimensions")
        if self._kind == "nanodet":
            return decoders.nanodet(outputs, wanted, LOW_SCORE, form.width_px, form.height_px, bins=form.bins)
        (output,) = outputs.values()
        if self._kind == "yolox":
            return decoders.yolox(output, wanted, LOW_SCORE, form.width_px, form.height_px)
        return decoders.yolov8(output, wanted, LOW_SCORE)

    def _detections(self, found: Candidates, extent: tuple[float, float]) -> tuple[Detection, ...]:
        labels = [self._label_of[index] for index in found.classes.tolist()]
        groups = np.array([_FAMILY[label] for label in labels], np.intp)
        boxes = found.boxes / np.array([*extent, *extent], np.float32)
        made = (
            _detection(boxes[at], labels[at], found.scores[at])
            for at in suppress(found.boxes, found.scores, groups, self._form.iou_limit)
        )
        return tuple(detection for detection in made if detection.box.area > 0)


def fed(bgr: BgrImage, form: DetectorForm) -> npt.NDArray[np.generic]:
    """(1, 3, H, W), or (1, H, W, 3) where channels come last; float32, or uint8 where the model takes integers."""
    height, width = bgr.shape[:2]
    size = (form.width_px, form.height_px)
    if form.fit == "letterbox":
        scale = min(form.width_px / width, form.height_px / height)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
    shrinks = size[0] < width
    small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    canvas = np.full((form.height_px, form.width_px, 3), form.pad_level, np.uint8)
    canvas[: size[1], : size[0]] = small
    picture = canvas if form.order == "bgr" else canvas[:, :, ::-1]
    if form.is_integer:
        levels: npt.NDArray[np.generic] = np.ascontiguousarray(picture)
    else:
        mean, std = np.array(form.mean, np.float32), np.array(form.std, np.float32)
        levels = (picture.astype(np.float32) - mean) / std
    return np.ascontiguousarray((levels if form.is_last else levels.transpose(2, 0, 1))[None])


def _detection(corners: npt.NDArray[np.float32], label: Label, score: float) -> Detection:
    left, top, right, bottom = (float(value) for value in corners)
    return Detection(clip(Box(left, top, right - left, bottom - top)), label, min(float(score), 1.0))
